"""The titles of errors, by which a workflow may tell annotations apart."""

from collections.abc import Iterator

from promote.core import errors
from promote.core.errors import PromoteError


def kinds(kind: type[PromoteError]) -> Iterator[type[PromoteError]]:
    for one in kind.__subclasses__():
        yield one
        yield from kinds(one)


def test_each_kind_of_error_has_its_title() -> None:
    titles = {kind.__name__: kind.title for kind in kinds(PromoteError) if kind.__module__ == errors.__name__}
    assert titles == {
        "AccessError": "AWS access",
        "ConflictError": "Changed externally",
        "DiskError": "Runner",
        "UnexpectedError": "promote-on-success",
        "EndpointError": "Endpoint",
        "FunctionError": "Lambda function",
        "GitHubError": "GitHub",
        "InputError": "promote-on-success",
        "Interrupted": "Cancelled",
        "LockError": "Lock",
        "RecordError": "Ledger",
        "RefusedError": "Refused",
        "ServiceError": "AWS",
        "TableError": "Table",
        "UnconfirmedError": "Not confirmed",
    }
