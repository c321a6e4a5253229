"""The aliases of a function: reading them, and moving them under their RevisionId."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, cast

from promote.aws.confirmation import may_have_taken_effect, unconfirmed_move
from promote.aws.errors import code_of, message_of, to_promote_error
from promote.aws.lambda_access import BUSY_PAUSES, STALE, FunctionAccess
from promote.aws.recent import guarded
from promote.core.errors import FunctionError, UnconfirmedError
from promote.core.promotion import Alias, Promotion
from promote.core.traffic import Capacity, may_be_lambdas

if TYPE_CHECKING:
    from botocore.exceptions import ClientError


class Moved(Enum):
    """What became of a move of an alias."""

    YES = auto()
    """It took effect, also when only reading back showed that."""
    NO = auto()
    """It was refused, because the alias had changed before."""
    UNKNOWN = auto()
    """The alias has changed, and the move may have taken effect before that."""


@dataclass(frozen=True)
class Pointed:
    """How a move of an alias ended."""

    moved: Moved
    alias: Alias | None = None
    """The alias after the move, as far as this process has seen it."""


def read(function: FunctionAccess, name: str) -> Alias | None:
    """Read an alias, or give None where it does not exist."""
    try:
        answer = function.client.get_alias(FunctionName=function.id, Name=name)
    except function.client.exceptions.ResourceNotFoundException:
        return None
    return _with_capacity(function, _alias(answer))


def read_all(function: FunctionAccess) -> list[Alias] | None:
    """Return all aliases of the function; None: it does not exist."""
    found: list[Alias] = []
    following: Any = {}
    while True:
        try:
            page = function.client.list_aliases(FunctionName=function.id, **following)
        except function.client.exceptions.ResourceNotFoundException:
            return None
        found += (_with_capacity(function, _alias(answer)) for answer in page["Aliases"])
        if not page.get("NextMarker"):
            return found
        following = {"Marker": page["NextMarker"]}


def _with_capacity(function: FunctionAccess, alias: Alias) -> Alias:
    """Add the state of the provisioned concurrency if the weights may be Lambda's own, which costs one call."""
    if not may_be_lambdas(alias.weights):
        return alias
    client = function.client
    try:
        answer = client.get_provisioned_concurrency_config(FunctionName=function.id, Qualifier=alias.name)
        capacity, reason = Capacity(answer["Status"]), answer.get("StatusReason", "")
    except client.exceptions.ProvisionedConcurrencyConfigNotFoundException:
        return alias
    except Exception as error:  # noqa: BLE001 - who moves the alias decides what to make of it
        problem = to_promote_error(error)
        capacity, reason = Capacity.UNKNOWN, f"{problem}. {problem.hint}"
    return replace(alias, capacity=capacity, capacity_reason=reason)


def move(function: FunctionAccess, alias: Alias | None, promotion: Promotion) -> Pointed:
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
    wanted = Alias(name, version, revision_id="", description=promotion.description, weights=weights)
    for pause in (*BUSY_PAUSES, None):
        function.guard()
        try:
            made = _write(function, alias, wanted)
        except Exception as error:
            is_unknown = may_have_taken_effect(error)
            if not is_unknown and code_of(error) not in STALE:
                raise
            found = _read_back(function, promotion, error) if is_unknown else read(function, name)
            if found is not None and found.promotion == promotion:
                return Pointed(Moved.YES, found)
            if (found.revision_id if found else None) != (alias.revision_id if alias else None):
                return Pointed(Moved.UNKNOWN if is_unknown else Moved.NO)
            if pause is not None and code_of(error) == "ResourceConflictException":
                function.clock.sleep(pause)  # an update of the alias or its concurrency is in progress
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
            return Pointed(Moved.YES, _with_capacity(function, made))
    raise AssertionError("unreachable")


def _read_back(function: FunctionAccess, promotion: Promotion, error: Exception) -> Alias | None:
    """Read the alias after a move that was not confirmed."""
    try:
        return read(function, promotion.environment)
    except Exception as second:
        name = f"{promotion.environment} of {function.name}"
        raise unconfirmed_move(name, promotion.version, error, second) from second


def restore(function: FunctionAccess, alias: Alias | None, wanted: Alias) -> bool:
    """Make the alias as ``wanted``, if it is still what ``alias`` shows (None: missing); False: it is not.

    Raises:
        UnconfirmedError: it may have been made so.

    """
    function.guard()
    try:
        _write(function, alias, wanted)
    except Exception as error:
        if code_of(error) in STALE:
            return False
        if may_have_taken_effect(error):
            raise unconfirmed_move(f"{wanted.name} of {function.name}", wanted.version, error) from error
        raise
    return True


def _write(function: FunctionAccess, alias: Alias | None, wanted: Alias) -> Alias:
    """Make the alias as ``wanted``; empty weights are sent because Lambda keeps the old ones otherwise."""
    answer: Mapping[str, Any]
    client = guarded(function.client, function.guard)
    if alias is None:
        answer = client.create_alias(
            FunctionName=function.id, Name=wanted.name, FunctionVersion=wanted.version, Description=wanted.description
        )
    else:
        answer = client.update_alias(
            FunctionName=function.id,
            Name=wanted.name,
            FunctionVersion=wanted.version,
            Description=wanted.description,
            RoutingConfig={"AdditionalVersionWeights": wanted.weights},
            RevisionId=alias.revision_id,
        )
    return _alias(answer)


def _alias(answer: Mapping[str, Any]) -> Alias:
    return Alias(
        name=answer["Name"],
        version=answer["FunctionVersion"],
        revision_id=answer["RevisionId"],
        description=answer.get("Description", ""),
        weights=(answer.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {},
    )
