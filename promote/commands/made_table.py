"""The table of what the action has made for a function, for ``status`` and ``uninstall``."""

from collections.abc import Iterator

from promote.aws.tags import TAG
from promote.core.promotion import OURS
from promote.core.report import Table
from promote.core.trigger import STATEMENT
from promote.pipeline.made import Made


def made_table(made: Made, arn: str, table: str, title: str = "Made by this action") -> Table:
    """Return what the action has made for the function ``arn``, and how a person recognizes it."""
    return Table(title, ("What", "Name", "How you recognize it"), tuple(_rows(made, arn, table)), "Nothing.")


def _rows(made: Made, arn: str, table: str) -> Iterator[tuple[str, ...]]:
    for qualifier, gateway in made.apis:
        yield f"HTTP API of {qualifier}", gateway.api_id, f"its tag {TAG} has the function's ARN"
        if gateway.mapping:
            yield "API mapping", gateway.mapping, f"it leads to the API {gateway.api_id}"
    for permission in made.permissions:
        where = f"in the policy of {permission.qualifier or '$LATEST'}"
        yield "Permission", permission.statement, f"its id begins with {STATEMENT}, {where}"
    for alias in made.aliases:
        yield "Description of an alias", alias.name, f"it begins with {OURS.strip()}"
    for adoption in made.adoptions:
        yield "Event source mapping, moved", adoption.uuid, f"adopt has let it call {adoption.environment}"
    if made.has_records:
        yield "Lock and records", table, f"the items of this table whose pk is {arn}"
