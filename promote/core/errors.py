"""The errors that end a run, one tree.

    PromoteError
    ├── InputError       an input, or a file that it names, is wrong; nothing was changed
    ├── AccessError      credentials are missing, expired, or lack a permission
    ├── ServiceError     AWS could not be reached or answered with something that we cannot act on
    │   └── UnconfirmedError  a write may have taken effect: AWS did not confirm it
    ├── FunctionError    the function does not exist, or an update of it failed
    ├── ConflictError    somebody else changed the function or the alias under this run
    ├── EndpointError    an API Gateway endpoint cannot be made or reached
    ├── TableError       the table is not one of ours
    ├── RecordError      a record of the ledger cannot be read
    ├── LockError        the lock was not free in time
    ├── GitHubError      GitHub could not be reached, or refuses what it was asked for
    ├── RefusedError     what was asked for would serve what is not proven, or goes the wrong way
    └── Interrupted      the runner asked us to stop

Each says what happened and why (``str(error)``) and what to do about it (``error.hint``).
"""

from typing import Self


class PromoteError(Exception):
    """A run cannot go on.

    ``message`` says what happened and why; ``hint`` says what to do. Both are one sentence or a few, for a person.
    """

    title = "promote-on-success"
    may_have_moved = False
    """Whether an alias may have moved, or may still move, though the run does not know it."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.hint = hint

    def reworded(self, message: str, hint: str = "") -> Self:
        """Give the same error in other words; an empty ``hint``: with the one that it has."""
        said = type(self).__new__(type(self), message)  # its args are the message alone, whatever its class wants
        vars(said).update(vars(self), hint=hint or self.hint)
        return said


class InputError(PromoteError):
    """The input ``name`` is wrong."""

    def __init__(self, name: str, message: str, *, hint: str) -> None:
        super().__init__(f"{name}: {message}", hint=hint)
        self.name = name
        self.title = f"Input {name}"


class AccessError(PromoteError):
    """Credentials are missing, expired, or lack a permission."""

    title = "AWS access"


class ServiceError(PromoteError):
    """AWS could not be reached, or answered with something that no run can act on."""

    title = "AWS"


class UnconfirmedError(ServiceError):
    """A write may have taken effect: AWS did not confirm it, and reading back did not settle it."""

    title = "Not confirmed"

    def __init__(self, message: str, *, hint: str = "", may_have_moved: bool = False) -> None:
        super().__init__(message, hint=hint or "See what took effect with command: status; then run the job again.")
        self.may_have_moved = may_have_moved


class FunctionError(PromoteError):
    """The function does not exist, or an update of it failed."""

    title = "Lambda function"


class ConflictError(PromoteError):
    """Somebody else changed the function or the alias under this run."""

    title = "Changed by somebody else"


class EndpointError(PromoteError):
    """An API Gateway endpoint cannot be made or reached."""

    title = "Endpoint"


class TableError(PromoteError):
    """The DynamoDB table is not one that this action can use."""

    title = "Table"


class RecordError(PromoteError):
    """A record of the ledger cannot be read, so that what it says is not known."""

    title = "Ledger"


class LockError(PromoteError):
    """The lock was not free in time."""

    title = "Lock"


class GitHubError(PromoteError):
    """GitHub could not be reached, or refuses what it was asked for.

    ``status`` is that of its answer, 0 where there was none; ``codes`` are the kinds of the mistakes that it has found
    in the request: https://docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api#validation-failed.
    """

    title = "GitHub"

    def __init__(self, message: str, *, hint: str, status: int = 0, codes: frozenset[str] = frozenset()) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.codes = codes


class RefusedError(PromoteError):
    """What was asked for would serve what is not proven, or goes the wrong way."""

    title = "Refused"


class Interrupted(PromoteError):  # noqa: N818 - it is no error of ours: somebody pressed cancel
    """The runner asked the run to stop."""

    title = "Cancelled"
