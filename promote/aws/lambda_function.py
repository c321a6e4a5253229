"""One Lambda function: its code, configuration, versions and aliases.

Every write carries Lambda's own precondition. After any error but a clean refusal, the effect is read back.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, cast

from promote.aws.answers import confirmed, may_have_taken_effect, unconfirmed, unconfirmed_move
from promote.aws.artifact import Code
from promote.aws.errors import DENIED, code_of, is_transient, message_of, redacting_variables, to_promote_error
from promote.aws.fingerprint import snapshot
from promote.aws.recent import guarded
from promote.core.clock import Clock
from promote.core.errors import ConflictError, FunctionError, UnconfirmedError
from promote.core.promotion import Alias, Promotion
from promote.core.traffic import Capacity, may_be_lambdas
from promote.core.version import LATEST, Published, Snapshot

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from mypy_boto3_lambda import LambdaClient

_FIRST_PAUSE, _LONGEST_PAUSE, _PATIENCE = 0.1, 2.0, 600.0
_PROPAGATION = 30.0
"""Seconds: between looks at an update in progress, until we give up on it, and for a new role to become known."""

_ALIAS_PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds between attempts at an alias that Lambda is busy with."""

_REFUSED = ("InvalidParameterValueException", "CodeStorageExceededException", "RequestEntityTooLargeException")
"""What Lambda says of code or configuration that it does not take."""

_STALE = ("PreconditionFailedException", "ResourceConflictException", "ResourceNotFoundException")
"""A precondition that failed, an update in progress or an alias that exists, an alias or function that is gone."""


_WAKING = 60.0
"""Seconds in which an Inactive version must begin to recreate its resources after an invocation."""


class Moved(Enum):
    """What became of a move of an alias."""

    YES = auto()
    """It took effect, also when only reading back showed that."""
    NO = auto()
    """It was refused, because the alias had changed before."""
    UNKNOWN = auto()
    """The alias has changed, and the move may have taken effect before that."""


class MissingError(FunctionError):
    """The function or the version does not exist."""


@dataclass(frozen=True)
class Pointed:
    """How a move of an alias ended."""

    moved: Moved
    alias: Alias | None = None
    """The alias after the move, as far as this process has seen it."""


class Function:
    """The function ``name`` in the client's region, or the one that has ``arn``.

    ``invoker`` is a client that never repeats a call; it wakes versions. Default: ``client``.
    """

    def __init__(
        self,
        client: Callable[[], "LambdaClient"],
        name: str,
        arn: str,
        clock: Clock,
        invoker: Callable[[], "LambdaClient"] | None = None,
    ) -> None:
        self.name = name
        self._id = arn or name
        self._lazy_client = client
        self._invoker = invoker or client
        self._clock = clock
        self._guard: Callable[[], None] = lambda: None

    def guarded(self, guard: Callable[[], None]) -> "Function":
        """Give the same function with a guard, called before each change of code, configuration or alias."""
        guarded = copy(self)
        guarded._guard = guard  # noqa: SLF001 - our own copy
        return guarded

    @property
    def _client(self) -> "LambdaClient":
        return self._lazy_client()

    def find(self, version: str = LATEST) -> Snapshot | None:
        """Read $LATEST or a version as it is now, or give None where it does not exist.

        Raises:
            FunctionError: a part of its configuration cannot be read.

        """
        try:
            return self.read(version)
        except MissingError:
            return None

    def read(self, version: str = LATEST) -> Snapshot:
        """Read $LATEST or a version as it is now.

        Raises:
            MissingError: it does not exist.
            FunctionError: a part of its configuration cannot be read.

        """
        return snapshot(self._answer(version))

    def _answer(self, version: str) -> Mapping[str, Any]:
        qualifier: Any = {} if version == LATEST else {"Qualifier": version}
        try:
            return self._client.get_function_configuration(FunctionName=self._id, **qualifier)
        except self._client.exceptions.ResourceNotFoundException as error:
            raise MissingError(
                f"{self.name}:{version} does not exist (any more)",
                hint="Somebody has deleted it while this run was at work; run the job again.",
            ) from error

    def wait_until_updated(self, version: str = LATEST, known: Snapshot | None = None) -> Snapshot:
        """Wait until no update is in progress, whatever came of it, and read.

        ``known`` is a snapshot just taken, which spares the first read. The RevisionId that an update returns goes
        stale when the update completes, so the one given here is read afterwards.

        Raises:
            FunctionError: the update did not end in ten minutes.

        """
        deadline = self._clock.monotonic() + _PATIENCE
        pause = _FIRST_PAUSE
        answer = known.configuration if known else self._answer(version)
        while _is_pending(answer):
            if self._clock.monotonic() > deadline:
                raise FunctionError(
                    f"the update of {self.name}:{version} has been in progress for {_PATIENCE:.0f} seconds",
                    hint="Look at the function in the AWS console; run the job again when its state is Active.",
                )
            self._clock.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            answer = self._answer(version)
        return snapshot(answer)

    def wait_until_active(self, version: str = LATEST, known: Snapshot | None = None) -> Snapshot:
        """Wait until the last update has succeeded, or a version can serve, and read.

        ``known`` is as for ``wait_until_updated``. An Inactive version is woken first.

        Raises:
            FunctionError: the update failed, or did not end in ten minutes; or the version does not become Active.

        """
        found = self._require_success(self.wait_until_updated(version, known))
        return self._woken(found) if found.is_inactive else found

    def _woken(self, inactive: Snapshot) -> Snapshot:
        """Invoke an Inactive version, which Lambda answers with an error, and wait until it is Active.

        Lambda deletes the resources of a version that was idle for weeks, and the snapshot of a SnapStart version. The
        documentation names an invocation as the only call that recreates them:
        https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html and
        https://docs.aws.amazon.com/lambda/latest/dg/snapstart-activate.html#snapstart-function-states. UpdateAlias does
        not, and a dry run is not documented to. The invocation runs no code while the version is Inactive. It is not
        asynchronous, because Lambda would repeat it later. Its event is an empty object, for the case that another
        invocation has woken the version since it was read.

        Raises:
            FunctionError: it does not become Active.

        """
        found, is_begun = inactive, False
        deadline = self._clock.monotonic() + _WAKING
        pause = _FIRST_PAUSE
        while found.is_inactive:
            if is_begun or self._clock.monotonic() > deadline:
                answer = found.configuration
                reason = answer.get("StateReason") or answer.get("StateReasonCode") or "Lambda gives no reason"
                raise FunctionError(
                    f"{self.name}:{found.version} is Inactive and Lambda cannot make it Active: {reason}",
                    hint="Correct what the reason says (VPC, subnets, role, file system), or deploy the code again.",
                )
            self._knock(found.version)
            self._clock.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            answer = self._answer(found.version)
            is_begun = _is_pending(answer)
            found = self._require_success(self.wait_until_updated(found.version, snapshot(answer)))
        return found

    def _knock(self, version: str) -> None:
        """Invoke a version that is Inactive. The answer does not matter: the state tells what became of it."""
        client = self._invoker()
        try:
            client.invoke(FunctionName=self._id, Qualifier=version, Payload=b"{}")
        except Exception as error:
            is_answer = isinstance(error, client.exceptions.ClientError)
            if not is_transient(error) and (not is_answer or code_of(error) in DENIED):
                raise

    def _require_success(self, settled: Snapshot) -> Snapshot:
        answer = settled.configuration
        if settled.has_failed:
            reason = answer.get("LastUpdateStatusReason") or answer.get("StateReason") or "Lambda gives no reason"
            raise FunctionError(
                f"Lambda could not bring {self.name}:{settled.version} up: {reason}",
                hint="Correct what the reason says (image, role, VPC, layers, handler) and run the job again.",
            )
        return settled

    def create(self, code: Code, configuration: Mapping[str, Any]) -> None:
        """Create the function and wait until it can be used; a role too new to be assumed is waited for.

        Raises:
            FunctionError: Lambda refuses.

        """
        deadline = self._clock.monotonic() + _PROPAGATION
        while True:
            self._guard()
            try:
                confirmed(
                    lambda: self._create(code, configuration),
                    lambda: self.find() is not None or None,
                    f"the function {self.name} may have been created",
                )
            except self._client.exceptions.ResourceConflictException:
                # It exists: made by our own call whose answer was lost, or by somebody else. The deployment that
                # follows compares code and configuration in either case.
                break
            except self._client.exceptions.InvalidParameterValueException as error:
                if "cannot be assumed" in message_of(error) and self._clock.monotonic() < deadline:
                    self._clock.sleep(2)
                    continue
                raise self._failure(error) from error
            else:
                break
        self.wait_until_active()

    def _create(self, code: Code, configuration: Mapping[str, Any]) -> bool:
        with code.arguments() as source, redacting_variables(configuration):
            self._client.create_function(FunctionName=self._id, Code=cast("Any", source), **configuration)
        return True

    def configure(self, latest: Snapshot, changes: Mapping[str, Any]) -> Snapshot:
        """Change the configuration that ``latest`` shows and wait for it.

        Raises:
            ConflictError: $LATEST is no longer what ``latest`` shows.
            FunctionError: Lambda refuses.
            UnconfirmedError: it may have been changed.

        """
        self._guard()
        try:
            with redacting_variables(changes):
                self._client.update_function_configuration(
                    FunctionName=self._id, RevisionId=latest.revision_id, **changes
                )
        except Exception as error:
            raise self._failure(error) from error
        return self.wait_until_active()

    def upload(self, latest: Snapshot, code: Code) -> Snapshot:
        """Update the code that ``latest`` shows and publish it in the same operation; give the version as it is then.

        Raises:
            ConflictError: $LATEST is no longer what ``latest`` shows.
            FunctionError: Lambda refuses.
            UnconfirmedError: it may have been changed.

        """
        self._guard()
        try:
            with code.arguments() as source:
                answer = self._client.update_function_code(
                    FunctionName=self._id, RevisionId=latest.revision_id, Publish=True, **source
                )
        except Exception as error:
            raise self._failure(error) from error
        return snapshot(answer)

    def rehearse(self, code: Code) -> None:
        """Let Lambda see whether it can take ``code``, and change nothing.

        Raises:
            FunctionError: it cannot.

        """
        try:
            with code.arguments() as source:
                self._client.update_function_code(FunctionName=self._id, DryRun=True, **source)
        except self._client.exceptions.ClientError as error:
            failure = self._failure(error)
            if not isinstance(failure, ConflictError):  # an update in progress: the real one will wait for it
                raise failure from error

    def publish(self, latest: Snapshot) -> Snapshot:
        """Publish exactly what ``latest`` shows; unchanged since the last version, Lambda gives that one.

        Raises:
            ConflictError: $LATEST is no longer what ``latest`` shows.
            FunctionError: the last update of $LATEST failed.
            UnconfirmedError: a version may have been published.

        """
        self._require_success(latest)
        self._guard()
        try:
            answer = self._client.publish_version(
                FunctionName=self._id, CodeSha256=latest.code_sha256, RevisionId=latest.revision_id
            )
        except self._client.exceptions.InvalidParameterValueException as error:
            # Of the parameters, only CodeSha256 can be wrong here.
            raise changed_by_others(self.name) from error
        except Exception as error:
            raise self._failure(error) from error
        return snapshot(answer)

    def _failure(self, error: Exception) -> Exception:
        """Say what the error of a write to $LATEST means.

        A retry that meets its own first effect looks the same as an external change, and a write that was not confirmed
        may have taken effect. Upon a ConflictError or UnconfirmedError the caller reads again, and does what is left.
        """
        code = code_of(error)
        if code in _STALE:
            return changed_by_others(self.name)
        if may_have_taken_effect(error):
            return unconfirmed(f"$LATEST of {self.name} may have changed; its environments have not", error)
        if isinstance(error, self._client.exceptions.ClientError) and code in _REFUSED:
            advice = "Name another bucket: Lambda reads from its own region alone."
            if "PermanentRedirect" not in message_of(error):
                advice = "Correct what Lambda's text says and run the job again; the environment was not touched."
            return FunctionError(
                f"Lambda refuses the deployment to {self.name}: {message_of(error)}",
                hint=advice,
            )
        return error

    def alias(self, name: str) -> Alias | None:
        """Read an alias, or give None where it does not exist."""
        try:
            answer = self._client.get_alias(FunctionName=self._id, Name=name)
        except self._client.exceptions.ResourceNotFoundException:
            return None
        return self._with_capacity(_alias(answer))

    def aliases(self) -> list[Alias] | None:
        """Return all aliases of the function; None: it does not exist."""
        found: list[Alias] = []
        following: Any = {}
        while True:
            try:
                page = self._client.list_aliases(FunctionName=self._id, **following)
            except self._client.exceptions.ResourceNotFoundException:
                return None
            found += (self._with_capacity(_alias(answer)) for answer in page["Aliases"])
            if not page.get("NextMarker"):
                return found
            following = {"Marker": page["NextMarker"]}

    def _with_capacity(self, alias: Alias) -> Alias:
        """Add the state of the provisioned concurrency if the weights may be Lambda's own, which costs one call."""
        if not may_be_lambdas(alias.weights):
            return alias
        client = self._client
        try:
            answer = client.get_provisioned_concurrency_config(FunctionName=self._id, Qualifier=alias.name)
            capacity, reason = Capacity(answer["Status"]), answer.get("StatusReason", "")
        except client.exceptions.ProvisionedConcurrencyConfigNotFoundException:
            return alias
        except Exception as error:  # noqa: BLE001 - who moves the alias decides what to make of it
            problem = to_promote_error(error)
            capacity, reason = Capacity.UNKNOWN, f"{problem}. {problem.hint}"
        return replace(alias, capacity=capacity, capacity_reason=reason)

    def versions(self) -> list[Published]:
        """Read which versions there are: those with a number."""
        pages = self._client.get_paginator("list_versions_by_function").paginate(FunctionName=self._id)
        return [
            Published(int(found["Version"]), found.get("CodeSha256", ""), found.get("LastModified", ""))
            for page in pages
            for found in page["Versions"]
            if found["Version"].isdecimal()  # neither $LATEST nor $LATEST.PUBLISHED
        ]

    def delete_version(self, number: int) -> bool:
        """Delete a version; False: an alias names it, and Lambda does not. That it is gone already is well.

        Raises:
            UnconfirmedError: it may have been deleted.

        """

        def delete() -> bool:
            self._client.delete_function(FunctionName=self._id, Qualifier=str(number))
            return True

        self._guard()
        try:
            return confirmed(
                delete,
                lambda: self.find(str(number)) is None or None,
                f"version {number} of {self.name} may have been deleted",
            )
        except self._client.exceptions.ResourceConflictException:
            return False
        except self._client.exceptions.ResourceNotFoundException:
            return True

    def move_alias(self, alias: Alias | None, promotion: Promotion) -> Pointed:
        """Make the alias as the promotion says, if it is still what ``alias`` shows (None: missing).

        If it is not, somebody else was first, and the decision is to be made again. An alias that stays at its version
        keeps a weight that Lambda itself has set: without it, traffic would go to a version without capacity.

        Raises:
            FunctionError: Lambda refuses, though nobody else has moved the alias.
            UnconfirmedError: Lambda did not confirm the move, and the alias does not show it or could not be read.

        """
        name, version = promotion.environment, promotion.version
        stays = alias is not None and alias.version == version and alias.split.is_lambdas
        weights = alias.weights if alias and stays else {}
        for pause in (*_ALIAS_PAUSES, None):
            self._guard()
            try:
                made = self._write_alias(alias, name, version, promotion.description, weights)
            except Exception as error:
                is_unknown = may_have_taken_effect(error)
                if not is_unknown and code_of(error) not in _STALE:
                    raise
                found = self._read_back(promotion, error) if is_unknown else self.alias(name)
                if found is not None and found.promotion == promotion:
                    return Pointed(Moved.YES, found)
                if (found.revision_id if found else None) != (alias.revision_id if alias else None):
                    return Pointed(Moved.UNKNOWN if is_unknown else Moved.NO)
                if pause is not None and code_of(error) == "ResourceConflictException":
                    self._clock.sleep(pause)  # an update of the alias or its concurrency is in progress
                    continue
                if is_unknown:
                    raise UnconfirmedError(
                        f"Lambda did not confirm the move of {name} to version {version}, "
                        f"and the alias does not show it: {error}",
                        hint="It may still move: see what it serves with command: status. The next run finds out what "
                        "became of the move, and finishes the record.",
                        may_have_moved=True,
                    ) from error
                raise FunctionError(
                    f"Lambda does not move {name} to version {version}: {message_of(cast('ClientError', error))}",
                    hint="Nobody else has moved it: see what Lambda's text says, and run the job again.",
                ) from error
            else:
                return Pointed(Moved.YES, self._with_capacity(made))
        raise AssertionError("unreachable")

    def _read_back(self, promotion: Promotion, error: Exception) -> Alias | None:
        """Read the alias after a move that was not confirmed."""
        try:
            return self.alias(promotion.environment)
        except Exception as second:
            name = f"{promotion.environment} of {self.name}"
            raise unconfirmed_move(name, promotion.version, error, second) from second

    def restore_alias(self, alias: Alias | None, wanted: Alias) -> bool:
        """Make the alias as ``wanted``, if it is still what ``alias`` shows (None: missing); False: it is not.

        Raises:
            UnconfirmedError: it may have been made so.

        """
        self._guard()
        try:
            self._write_alias(alias, wanted.name, wanted.version, wanted.description, wanted.weights)
        except Exception as error:
            if code_of(error) in _STALE:
                return False
            if may_have_taken_effect(error):
                raise unconfirmed_move(f"{wanted.name} of {self.name}", wanted.version, error) from error
            raise
        return True

    def _write_alias(
        self, alias: Alias | None, name: str, version: str, description: str, weights: Mapping[str, float]
    ) -> Alias:
        """Create or update the alias; empty weights are sent because Lambda keeps the old ones otherwise."""
        answer: Mapping[str, Any]
        client = guarded(self._client, self._guard)
        if alias is None:
            answer = client.create_alias(
                FunctionName=self._id, Name=name, FunctionVersion=version, Description=description
            )
        else:
            answer = client.update_alias(
                FunctionName=self._id,
                Name=name,
                FunctionVersion=version,
                Description=description,
                RoutingConfig={"AdditionalVersionWeights": weights},
                RevisionId=alias.revision_id,
            )
        return _alias(answer)

    def statements(self, qualifier: str) -> set[str]:
        """Name the statements of the policy of ``qualifier`` (an alias; empty: $LATEST)."""
        keywords: Any = {"Qualifier": qualifier} if qualifier else {}
        try:
            answer = self._client.get_policy(FunctionName=self._id, **keywords)
        except self._client.exceptions.ResourceNotFoundException:
            return set()
        return {statement["Sid"] for statement in json.loads(answer["Policy"])["Statement"]}

    def add_permission(self, qualifier: str, statement: str, source_arn: str) -> None:
        """Let API Gateway invoke ``qualifier`` (an alias; empty: $LATEST). That it is allowed already is well.

        ResourceConflictException means that the statement exists or that an update is in progress, which passes. Only
        a look tells which one it is.
        """
        keywords: Any = {"Qualifier": qualifier} if qualifier else {}

        def add() -> bool:
            self._client.add_permission(
                FunctionName=self._id,
                StatementId=statement,
                Action="lambda:InvokeFunction",
                Principal="apigateway.amazonaws.com",
                SourceArn=source_arn,
                **keywords,
            )
            return True

        def is_added() -> bool | None:
            return statement in self.statements(qualifier) or None

        for pause in (*_ALIAS_PAUSES, None):
            try:
                confirmed(add, is_added, f"API Gateway's permission for {self.name} may have been added")
            except self._client.exceptions.ResourceConflictException:
                if is_added():
                    return
                if pause is None:
                    raise
                self._clock.sleep(pause)
            else:
                return

    def remove_permission(self, qualifier: str, statement: str) -> None:
        """Take a permission back. That it is gone already is well."""
        keywords: Any = {"Qualifier": qualifier} if qualifier else {}

        def remove() -> bool:
            self._client.remove_permission(FunctionName=self._id, StatementId=statement, **keywords)
            return True

        with suppress(self._client.exceptions.ResourceNotFoundException):
            confirmed(
                remove,
                lambda: statement not in self.statements(qualifier) or None,
                f"API Gateway's permission for {self.name} may have been removed",
            )

    def invoke(self, version: str, event: bytes) -> tuple[bytes, str, str]:
        """Invoke a version; give the payload, the function's error (empty: none) and the version that ran."""
        answer = self._client.invoke(FunctionName=self._id, Qualifier=version, Payload=event)
        return answer["Payload"].read(), answer.get("FunctionError", ""), answer.get("ExecutedVersion", "")


def _alias(answer: Mapping[str, Any]) -> Alias:
    return Alias(
        name=answer["Name"],
        version=answer["FunctionVersion"],
        revision_id=answer["RevisionId"],
        description=answer.get("Description", ""),
        weights=(answer.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {},
    )


def _is_pending(answer: Mapping[str, Any]) -> bool:
    """Whether an update, or the making of a version, is in progress. State Inactive comes with idleness and is well."""
    return answer.get("State") == "Pending" or answer.get("LastUpdateStatus") == "InProgress"


def changed_by_others(name: str) -> ConflictError:
    """Say that $LATEST of the function ``name`` is no longer what this run has read or written."""
    return ConflictError(
        f"$LATEST of {name} was changed by somebody else while this run deployed to it",
        hint="See who else deploys to this function (another workflow, a console); then run the job again.",
    )


def not_as_it_was(function: str, version: str, *, is_gone: bool) -> ConflictError:
    """Say that a version is not the one that was verified."""
    now = "does not exist any more" if is_gone else "has other code or configuration than the version that was verified"
    return ConflictError(
        f"version {version} of {function} {now}: the {'version' if is_gone else 'function'} was deleted"
        f"{'' if is_gone else ' and created again'}",
        hint="Find out what deleted it. Then deploy again.",
    )
