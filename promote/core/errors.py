"""The errors that end a run.

    PromoteError
    ├── InputError       an input, or a file that it names, is not valid; nothing was changed
    ├── AccessError      AWS credentials are missing or expired, or lack a permission
    ├── ServiceError     AWS is not reachable, or returned an unexpected error
    │   └── UnconfirmedError  a write may have taken effect, because AWS did not confirm it
    ├── DiskError        the disk of the runner is full, or a file cannot be read or written
    ├── FunctionError    the function does not exist, or an update of it failed
    ├── ConflictError    the function or the alias was changed externally during this run
    ├── EndpointError    an API Gateway endpoint cannot be created or reached
    ├── TableError       the table cannot be used
    ├── RecordError      a record of the ledger cannot be read
    ├── LockError        the lock was not acquired, or was lost
    ├── GitHubError      GitHub is not reachable, or refused a request
    ├── RefusedError     the release is refused: no passed verdict, an older commit, or a similar reason
    ├── UnexpectedError  a bug of the action
    └── Interrupted      the runner cancelled the run

Each has the cause (``str(error)``) and the fix (``error.hint``).
"""

from typing import Self


class PromoteError(Exception):
    """The run cannot continue.

    ``message`` is what failed and the cause. ``hint`` is what to do. Both are short sentences for the user.
    """

    title = "promote-on-success"
    may_have_moved = False
    """Whether an alias may have moved, or may still move, and the run cannot tell."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.hint = hint

    @property
    def sentence(self) -> str:
        """The message with a full stop, so that another sentence can follow."""
        return f"{self}{'' if str(self).endswith(('.', '!', '?')) else '.'}"

    @property
    def full_text(self) -> str:
        """The message and the hint, as sentences."""
        return f"{self.sentence} {self.hint}"

    def reworded(self, message: str, hint: str = "") -> Self:
        """Return the same error with another message. If ``hint`` is empty, the hint stays."""
        error = type(self).__new__(type(self), message)  # subclasses have other arguments of __init__
        vars(error).update(vars(self), hint=hint or self.hint)
        return error


class InputError(PromoteError):
    """The input ``name`` is not valid."""

    def __init__(self, name: str, message: str, *, hint: str) -> None:
        super().__init__(f"{name}: {message}", hint=hint)
        self.name = name
        self.title = f"Input {name}"


class AccessError(PromoteError):
    """AWS credentials are missing or expired, or lack a permission."""

    title = "AWS access"


class ServiceError(PromoteError):
    """AWS is not reachable, or returned an unexpected error."""

    title = "AWS"


class UnconfirmedError(ServiceError):
    """A write may have taken effect: AWS did not confirm it, and a read afterwards did not show the result."""

    title = "Not confirmed"

    def __init__(self, message: str, *, hint: str = "", may_have_moved: bool = False) -> None:
        super().__init__(message, hint=hint or "Run command: status to see what took effect. Then run the job again.")
        self.may_have_moved = may_have_moved


class DiskError(PromoteError):
    """The disk of the runner is full, or a file of it cannot be read or written."""

    title = "Runner"


class FunctionError(PromoteError):
    """The function does not exist, or an update of it failed."""

    title = "Lambda function"


class ConflictError(PromoteError):
    """The function or the alias was changed externally during this run."""

    title = "Changed externally"


class EndpointError(PromoteError):
    """An API Gateway endpoint cannot be created or reached."""

    title = "Endpoint"


class TableError(PromoteError):
    """The action cannot use the DynamoDB table."""

    title = "Table"


class RecordError(PromoteError):
    """A record of the ledger cannot be read."""

    title = "Ledger"


class LockError(PromoteError):
    """The lock was not acquired, or was lost."""

    title = "Lock"


class GitHubError(PromoteError):
    """GitHub is not reachable, or refused a request.

    ``status`` is the HTTP status, 0 if there was no response. ``codes`` are the validation errors in the response:
    https://docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api#validation-failed.
    """

    title = "GitHub"

    def __init__(self, message: str, *, hint: str, status: int = 0, codes: frozenset[str] = frozenset()) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.codes = codes


class RefusedError(PromoteError):
    """The release is refused, for example because the verdict did not pass or the commit is older."""

    title = "Refused"


class UnexpectedError(PromoteError):
    """A bug of the action. Its text is that of any exception, so it may repeat what the function's variables have."""


class Interrupted(PromoteError):  # noqa: N818 - not a failure: a user cancelled the run
    """The runner cancelled the run."""

    title = "Cancelled"
