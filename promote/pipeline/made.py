"""What the action has made for a function in AWS and has not removed since: for ``status`` and ``uninstall``."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from promote.aws.clients import CALLS_AT_ONCE
from promote.aws.lambda_function import Function
from promote.core.concurrency import map_and_wait, run_both
from promote.core.endpoint import Gateway
from promote.core.promotion import Alias
from promote.pipeline.job import Job
from promote.pipeline.triggers import attempt
from promote.state.adoption_records import Adoption
from promote.state.ledger import Ledger, State
from promote.state.removal import Removal


@dataclass(frozen=True)
class Permission:
    """A statement that lets one of the action's HTTP APIs invoke the function."""

    qualifier: str
    """An alias or a version; empty for $LATEST."""
    statement: str


@dataclass(frozen=True)
class Made:
    """What the action has made for one function."""

    apis: tuple[tuple[str, Gateway], ...] = ()
    """The HTTP APIs with their qualifiers, as in ``promote.aws.api_gateway``."""
    permissions: tuple[Permission, ...] = ()
    aliases: tuple[Alias, ...] = ()
    """The aliases whose Descriptions the action has written."""
    adoptions: tuple[Adoption, ...] = ()
    """The event source mappings that ``adopt`` has moved."""
    has_records: bool = False
    """Whether the table has records of the function."""
    unread: tuple[str, ...] = ()
    """Why some of it could not be read, as sentences."""

    @property
    def is_nothing(self) -> bool:
        """Whether nothing is left."""
        return not (self.apis or self.permissions or self.aliases or self.adoptions or self.has_records)


def read_made(job: Job, function: Function, ledger: Ledger, state: State) -> Made:
    """Return what the action has made for a function, with the records that were read as ``state``."""
    gateways, removal = job.resources.gateways(function, ledger.arn), Removal(job.table, ledger.arn)
    ((apis, no_apis), (aliases, no_aliases)), (adoptions, records) = run_both(
        lambda: run_both(
            lambda: attempt(gateways.all, "the HTTP APIs"),
            lambda: attempt(lambda: function.aliases() or [], "the aliases"),
        ),
        lambda: run_both(ledger.adoptions.all, removal.has_records),
    )
    versions = [qualifier.partition("#")[0] for qualifier, _ in apis if "#" in qualifier]
    qualifiers = ["", *(alias.name for alias in aliases), *dict.fromkeys(versions)]
    found = map_and_wait([partial(_permissions, function, qualifier) for qualifier in qualifiers], CALLS_AT_ONCE)
    return Made(
        apis=tuple((qualifier, _with_mapping(qualifier, gateway, state)) for qualifier, gateway in apis),
        permissions=tuple(permission for permissions, _ in found for permission in permissions),
        aliases=tuple(alias for alias in aliases if alias.has_our_description),
        adoptions=tuple(adoptions),
        has_records=records,
        unread=tuple(dict.fromkeys((*no_apis, *no_aliases, *(why for _, unread in found for why in unread)))),
    )


def _permissions(function: Function, qualifier: str) -> tuple[Sequence[Permission], tuple[str, ...]]:
    what = f"the policy of {qualifier or '$LATEST'}"
    return attempt(
        lambda: [Permission(qualifier, one.statement) for one in function.invokers(qualifier) if one.is_ours], what
    )


def _with_mapping(qualifier: str, gateway: Gateway, state: State) -> Gateway:
    """Return the API with its mapping on a custom domain, which only the record has."""
    known = state.gateway(qualifier)
    return replace(gateway, mapping=known.mapping) if known and known.api_id == gateway.api_id else gateway
