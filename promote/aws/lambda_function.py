"""One Lambda function: its code, configuration, versions and aliases.

Every write carries a precondition that Lambda checks. If a response is lost, the action reads the resource to see
whether the write took effect.
"""

import math
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from promote.aws import event_sources, lambda_aliases, lambda_permissions, lambda_states
from promote.aws.artifact import Code
from promote.aws.calls import pages
from promote.aws.confirmation import confirmed, may_have_taken_effect, unconfirmed
from promote.aws.error_codes import MEANINGS
from promote.aws.errors import code_of, message_of, redacting_variables
from promote.aws.fingerprint import snapshot
from promote.aws.lambda_access import STALE, FunctionAccess, MissingError
from promote.core.clock import Clock
from promote.core.errors import ConflictError, FunctionError
from promote.core.promotion import Alias, Promotion
from promote.core.trigger import EventSource, Invoker
from promote.core.version import LATEST, Published, Snapshot

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

_REFUSED = ("InvalidParameterValueException", "CodeStorageExceededException", "RequestEntityTooLargeException")
"""Error codes with which Lambda refuses code or configuration."""


class Function:
    """The function with the name ``name`` in the client's region, or the function with the ARN ``arn``.

    ``invoker`` returns a client that never retries, for invocations. Default: ``client``.
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
        """The function's name, without account and region."""
        return self._access.name

    def guarded(self, guard: Callable[[], None]) -> "Function":
        """Return a copy that calls ``guard`` before each change of code, configuration or alias."""
        guarded = copy(self)
        guarded._access = replace(self._access, guard=guard)  # noqa: SLF001 - our own copy
        return guarded

    @property
    def _client(self) -> "LambdaClient":
        return self._access.client

    def find(self, version: str = LATEST) -> Snapshot | None:
        """Return the current state of $LATEST or a version; None if it does not exist.

        Raises:
            FunctionError: Lambda cannot read a part of the configuration.

        """
        try:
            return self.read(version)
        except MissingError:
            return None

    def read(self, version: str = LATEST) -> Snapshot:
        """Return the current state of $LATEST or a version.

        Raises:
            MissingError: The function or the version does not exist.
            FunctionError: Lambda cannot read a part of the configuration.

        """
        return snapshot(self._access.read_configuration(version))

    def wait_until_updated(self, version: str = LATEST, known: Snapshot | None = None) -> Snapshot:
        """Wait until no update is in progress, and return the state after it. The update may have failed.

        If ``known``, a snapshot just taken, is given, the first read is saved. The RevisionId that an update returns
        is stale when the update completes. The returned snapshot is read after that.

        Raises:
            FunctionError: The update does not end within ten minutes.

        """
        return lambda_states.wait_until_updated(self._access, version, known)

    def wait_until_active(
        self, version: str = LATEST, known: Snapshot | None = None, since: Snapshot | None = None
    ) -> Snapshot:
        """Wait until the last update has succeeded and the version can serve requests, and return its state.

        ``known`` saves the first read, as in ``wait_until_updated``. If the call that returned ``since`` began an
        update, the first read waits a moment. An Inactive version is woken by an invocation.

        Raises:
            FunctionError: The update fails or does not end within ten minutes, or the version does not become Active.

        """
        return lambda_states.wait_until_active(self._access, version, known, since)

    def create(self, code: Code, configuration: Mapping[str, Any]) -> None:
        """Create the function, and wait until it is active.

        Raises:
            FunctionError: Lambda refuses the code or the configuration.

        """
        self._access.guard()
        try:
            confirmed(
                lambda: self._create(code, configuration),
                lambda: self.find() is not None or None,
                f"the function {self.name} may have been created",
            )
        except self._client.exceptions.InvalidParameterValueException as error:
            raise self._failure(error) from error
        except self._client.exceptions.ResourceConflictException:
            # The function exists: an earlier attempt of this call created it, or another process did. In both cases
            # the deployment that follows compares code and configuration.
            pass
        self.wait_until_active()

    def _create(self, code: Code, configuration: Mapping[str, Any]) -> bool:
        with code.arguments() as source, redacting_variables(configuration):
            self._access.guarded_client.create_function(
                FunctionName=self._access.id, Code=cast("Any", source), **configuration
            )
        return True

    def configure(self, latest: Snapshot, changes: Mapping[str, Any]) -> Snapshot:
        """Update the configuration of $LATEST, and wait until the update has succeeded.

        Raises:
            ConflictError: $LATEST has changed since ``latest`` was read.
            FunctionError: Lambda refuses the configuration.
            UnconfirmedError: The update may have taken effect.

        """
        self._access.guard()
        try:
            with redacting_variables(latest.configuration, changes):
                self._access.guarded_client.update_function_configuration(
                    FunctionName=self._access.id, RevisionId=latest.revision_id, **changes
                )
        except Exception as error:
            raise self._failure(error) from error
        return self.wait_until_active()

    def upload(self, latest: Snapshot, code: Code) -> Snapshot:
        """Update the code of $LATEST, publish a version in the same call, and return the version.

        Raises:
            ConflictError: $LATEST has changed since ``latest`` was read.
            FunctionError: Lambda refuses the code.
            UnconfirmedError: The update may have taken effect.

        """
        self._access.guard()
        try:
            with code.arguments() as source:
                response = self._access.guarded_client.update_function_code(
                    FunctionName=self._access.id, RevisionId=latest.revision_id, Publish=True, **source
                )
        except Exception as error:
            raise self._failure(error) from error
        return snapshot(response)

    def check_code(self, code: Code) -> None:
        """Check with a dry run that Lambda accepts ``code``. Nothing changes.

        Raises:
            FunctionError: Lambda refuses the code.

        """
        try:
            with code.arguments() as source:
                self._client.update_function_code(FunctionName=self._access.id, DryRun=True, **source)
        except self._client.exceptions.ClientError as error:
            failure = self._failure(error)
            if not isinstance(failure, ConflictError):  # an update is in progress: the deployment waits for it
                raise failure from error

    def publish(self, latest: Snapshot) -> Snapshot:
        """Publish $LATEST as a version, and return the version.

        If nothing changed since the last version, Lambda publishes none and returns the last one.

        Raises:
            ConflictError: $LATEST has changed since ``latest`` was read.
            FunctionError: The last update of $LATEST has failed.
            UnconfirmedError: A version may have been published.

        """
        lambda_states.require_success(self._access, latest)
        self._access.guard()
        try:
            response = self._access.guarded_client.publish_version(
                FunctionName=self._access.id, CodeSha256=latest.code_sha256, RevisionId=latest.revision_id
            )
        except self._client.exceptions.InvalidParameterValueException as error:
            # CodeSha256 is the only parameter that can be invalid here.
            raise changed_by_others(self.name) from error
        except Exception as error:
            raise self._failure(error) from error
        return snapshot(response)

    def _failure(self, error: Exception) -> Exception:
        """Return the error to raise when a write to $LATEST fails with ``error``.

        If a first attempt took effect and its response was lost, the retry fails like an external change. So after a
        ConflictError or UnconfirmedError, the caller reads $LATEST again and does what is still to do.
        """
        code = code_of(error)
        if code in STALE:
            return changed_by_others(self.name)
        if may_have_taken_effect(error):
            return unconfirmed(f"$LATEST of {self.name} may have changed; its environments have not", error)
        if isinstance(error, self._client.exceptions.ClientError) and code in _REFUSED:
            advice = "Use a bucket in the function's region. Lambda reads only from that region."
            if "PermanentRedirect" not in message_of(error):
                advice = "Fix the cause that Lambda names, and run the job again."
                advice = f"{MEANINGS[code].hint if code in MEANINGS else advice} The environment was not changed."
            return FunctionError(
                f"Lambda refused the deployment to {self.name}: {message_of(error)}",
                hint=advice,
            )
        return error

    def alias(self, name: str) -> Alias | None:
        """Return an alias; None if it does not exist."""
        return lambda_aliases.read(self._access, name)

    def aliases(self) -> list[Alias] | None:
        """Return all aliases of the function; None if the function does not exist."""
        return lambda_aliases.list_aliases(self._access)

    def versions(self) -> list[Published]:
        """Return the published versions, those with a number."""
        call = self._client.list_versions_by_function
        return [
            Published(int(version["Version"]), version["CodeSha256"], version.get("LastModified", ""))
            for version in pages(call, "Versions", "NextMarker", "Marker", FunctionName=self._access.id)
            if version["Version"].isdecimal()  # neither $LATEST nor $LATEST.PUBLISHED
        ]

    def delete_version(self, number: int) -> bool:
        """Delete a version if it exists; return False if an alias uses it, so that Lambda refuses.

        Raises:
            UnconfirmedError: The version may have been deleted.

        """

        def delete() -> bool:
            self._access.guarded_client.delete_function(FunctionName=self._access.id, Qualifier=str(number))
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

    def move_alias(self, alias: Alias | None, promotion: Promotion) -> Alias | None:
        """Move the alias to the version of ``promotion``, if it has not changed since ``alias`` was read.

        If ``alias`` is None, create the alias. Return the alias; None if others have changed it. Then it is not moved,
        or was changed after a move whose response was lost, and the caller decides again.

        Raises:
            FunctionError: Lambda refuses the move, and the alias was not changed by others.
            UnconfirmedError: The move was not confirmed, and the alias does not show it or cannot be read.

        """
        return lambda_aliases.move(self._access, alias, promotion)

    def restore_alias(self, alias: Alias | None, wanted: Alias) -> bool:
        """Make the alias equal to ``wanted``, if it has not changed since ``alias`` was read; else return False.

        If ``alias`` is None, create the alias.

        Raises:
            UnconfirmedError: The alias may have been changed.

        """
        return lambda_aliases.restore(self._access, alias, wanted)

    def statements(self, qualifier: str) -> set[str]:
        """Return the statement ids of the policy of ``qualifier`` (an alias or a version; empty means $LATEST)."""
        return lambda_permissions.statements(self._access, qualifier)

    def add_permission(self, qualifier: str, statement: str, source_arn: str) -> None:
        """Let API Gateway invoke ``qualifier`` (an alias or a version; empty means $LATEST), unless it may already."""
        lambda_permissions.add(self._access, qualifier, statement, source_arn)

    def remove_permission(self, qualifier: str, statement: str) -> None:
        """Remove a permission, if it exists."""
        lambda_permissions.remove(self._access, qualifier, statement)

    def invokers(self, qualifier: str) -> list[Invoker]:
        """Return who may invoke ``qualifier`` according to its policy (an alias or a version; empty means $LATEST)."""
        return lambda_permissions.invokers(self._access, qualifier)

    def event_sources(self, arn: str) -> list[EventSource]:
        """Return the event source mappings that call $LATEST. ``arn`` is the function's unqualified ARN."""
        return event_sources.calling_latest(self._access, arn)

    def event_source(self, uuid: str) -> EventSource | None:
        """Wait until no change of an event source mapping is in progress, and return it; None if there is none.

        Raises:
            FunctionError: The change does not end within five minutes.

        """
        return event_sources.wait_until_settled(self._access, uuid)

    def require_unchanged(self, seen: EventSource) -> EventSource:
        """Return an event source mapping as it is now.

        Raises:
            ConflictError: It was changed or deleted externally since it was read as ``seen``.
            FunctionError: A change of it does not end within five minutes.

        """
        return event_sources.require_unchanged(self._access, seen)

    def move_event_source(self, seen: EventSource, called: str) -> EventSource:
        """Let an event source mapping call the ARN ``called``, if it is still as in ``seen``, and return it.

        Raises:
            ConflictError: It was changed or deleted externally since it was read.
            MappingRefusedError: Lambda refuses the change.
            FunctionError: The change does not end within five minutes.
            UnconfirmedError: The change may have taken effect.

        """
        return event_sources.move(self._access, seen, called)

    def invoke(self, version: str, event: bytes, until: float = math.inf) -> tuple[bytes, str, str]:
        """Invoke a version; return the payload, the function's error (empty if none) and the version that ran.

        While Lambda throttles the function, it is invoked again, until ``until`` in the clock's monotonic time; with 0,
        only once.
        """
        client = self._access.invoker(until)
        response = client.invoke(FunctionName=self._access.id, Qualifier=version, Payload=event)
        return response["Payload"].read(), response.get("FunctionError", ""), response.get("ExecutedVersion", "")


def changed_by_others(name: str) -> ConflictError:
    """Return the error for the case that $LATEST has changed since this run read or wrote it."""
    return ConflictError(
        f"$LATEST of {name} was changed externally while this run deployed to it",
        hint="Find out what else deploys to this function, such as another workflow. Then run the job again.",
    )


def not_as_it_was(function: str, version: str, *, is_gone: bool) -> ConflictError:
    """Return the error for the case that a version is not the one that was verified."""
    now = "does not exist" if is_gone else "has other code or configuration than the version that was verified"
    return ConflictError(
        f"version {version} of {function} {now}: the {'version' if is_gone else 'function'} was deleted"
        f"{'' if is_gone else ' and created again'}",
        hint="Find out what deleted it. Then deploy again.",
    )
