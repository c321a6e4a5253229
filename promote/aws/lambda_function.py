"""One Lambda function: its code, configuration, versions and aliases.

Every write carries Lambda's own precondition. After any error but a clean refusal, the effect is read back.
"""

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from promote.aws import lambda_aliases, lambda_permissions, lambda_states
from promote.aws.artifact import Code
from promote.aws.confirmation import confirmed, may_have_taken_effect, unconfirmed
from promote.aws.errors import code_of, message_of, redacting_variables
from promote.aws.fingerprint import snapshot
from promote.aws.lambda_access import STALE, FunctionAccess, MissingError
from promote.aws.lambda_aliases import Pointed
from promote.core.clock import Clock
from promote.core.errors import ConflictError, FunctionError
from promote.core.promotion import Alias, Promotion
from promote.core.version import LATEST, Published, Snapshot

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

_PROPAGATION = 30.0
"""Seconds for a new role to become known."""

_REFUSED = ("InvalidParameterValueException", "CodeStorageExceededException", "RequestEntityTooLargeException")
"""What Lambda says of code or configuration that it does not take."""


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
        self._access = FunctionAccess(name, arn or name, client, invoker or client, clock)

    @property
    def name(self) -> str:
        """Its name, without the account and the region."""
        return self._access.name

    def guarded(self, guard: Callable[[], None]) -> "Function":
        """Give the same function with a guard, called before each change of code, configuration or alias."""
        guarded = copy(self)
        guarded._access = replace(self._access, guard=guard)  # noqa: SLF001 - our own copy
        return guarded

    @property
    def _client(self) -> "LambdaClient":
        return self._access.client

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
        return snapshot(self._access.read_configuration(version))

    def wait_until_updated(self, version: str = LATEST, known: Snapshot | None = None) -> Snapshot:
        """Wait until no update is in progress, whatever came of it, and read.

        ``known`` is a snapshot just taken, which spares the first read. The RevisionId that an update returns goes
        stale when the update completes, so the one given here is read afterwards.

        Raises:
            FunctionError: the update did not end in ten minutes.

        """
        return lambda_states.wait_until_updated(self._access, version, known)

    def wait_until_active(self, version: str = LATEST, known: Snapshot | None = None) -> Snapshot:
        """Wait until the last update has succeeded, or a version can serve, and read.

        ``known`` is as for ``wait_until_updated``. An Inactive version is woken first.

        Raises:
            FunctionError: the update failed, or did not end in ten minutes; or the version does not become Active.

        """
        return lambda_states.wait_until_active(self._access, version, known)

    def create(self, code: Code, configuration: Mapping[str, Any]) -> None:
        """Create the function and wait until it can be used; a role too new to be assumed is waited for.

        Raises:
            FunctionError: Lambda refuses.

        """
        deadline = self._access.clock.monotonic() + _PROPAGATION
        while True:
            self._access.guard()
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
                if "cannot be assumed" in message_of(error) and self._access.clock.monotonic() < deadline:
                    self._access.clock.sleep(2)
                    continue
                raise self._failure(error) from error
            else:
                break
        self.wait_until_active()

    def _create(self, code: Code, configuration: Mapping[str, Any]) -> bool:
        with code.arguments() as source, redacting_variables(configuration):
            self._client.create_function(FunctionName=self._access.id, Code=cast("Any", source), **configuration)
        return True

    def configure(self, latest: Snapshot, changes: Mapping[str, Any]) -> Snapshot:
        """Change the configuration that ``latest`` shows and wait for it.

        Raises:
            ConflictError: $LATEST is no longer what ``latest`` shows.
            FunctionError: Lambda refuses.
            UnconfirmedError: it may have been changed.

        """
        self._access.guard()
        try:
            with redacting_variables(changes):
                self._client.update_function_configuration(
                    FunctionName=self._access.id, RevisionId=latest.revision_id, **changes
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
        self._access.guard()
        try:
            with code.arguments() as source:
                answer = self._client.update_function_code(
                    FunctionName=self._access.id, RevisionId=latest.revision_id, Publish=True, **source
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
                self._client.update_function_code(FunctionName=self._access.id, DryRun=True, **source)
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
        lambda_states.require_success(self._access, latest)
        self._access.guard()
        try:
            answer = self._client.publish_version(
                FunctionName=self._access.id, CodeSha256=latest.code_sha256, RevisionId=latest.revision_id
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
        if code in STALE:
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
        return lambda_aliases.read(self._access, name)

    def aliases(self) -> list[Alias] | None:
        """Return all aliases of the function; None: it does not exist."""
        return lambda_aliases.read_all(self._access)

    def versions(self) -> list[Published]:
        """Read which versions there are: those with a number."""
        pages = self._client.get_paginator("list_versions_by_function").paginate(FunctionName=self._access.id)
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
            self._client.delete_function(FunctionName=self._access.id, Qualifier=str(number))
            return True

        self._access.guard()
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
        return lambda_aliases.move(self._access, alias, promotion)

    def restore_alias(self, alias: Alias | None, wanted: Alias) -> bool:
        """Make the alias as ``wanted``, if it is still what ``alias`` shows (None: missing); False: it is not.

        Raises:
            UnconfirmedError: it may have been made so.

        """
        return lambda_aliases.restore(self._access, alias, wanted)

    def statements(self, qualifier: str) -> set[str]:
        """Name the statements of the policy of ``qualifier`` (an alias; empty: $LATEST)."""
        return lambda_permissions.statements(self._access, qualifier)

    def add_permission(self, qualifier: str, statement: str, source_arn: str) -> None:
        """Let API Gateway invoke ``qualifier`` (an alias; empty: $LATEST). That it is allowed already is well.

        ResourceConflictException means that the statement exists or that an update is in progress, which passes. Only
        a look tells which one it is.
        """
        lambda_permissions.add(self._access, qualifier, statement, source_arn)

    def remove_permission(self, qualifier: str, statement: str) -> None:
        """Take a permission back. That it is gone already is well."""
        lambda_permissions.remove(self._access, qualifier, statement)

    def invoke(self, version: str, event: bytes) -> tuple[bytes, str, str]:
        """Invoke a version; give the payload, the function's error (empty: none) and the version that ran."""
        answer = self._client.invoke(FunctionName=self._access.id, Qualifier=version, Payload=event)
        return answer["Payload"].read(), answer.get("FunctionError", ""), answer.get("ExecutedVersion", "")


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
