"""The aliases of a function: read them, and move them under their RevisionId."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from promote.aws.calls import pages
from promote.aws.confirmation import may_have_taken_effect, unconfirmed_move
from promote.aws.errors import code_of, message_of, to_promote_error
from promote.aws.lambda_access import BUSY_PAUSES, STALE, FunctionAccess
from promote.core.errors import FunctionError, UnconfirmedError
from promote.core.promotion import Alias, Promotion
from promote.core.traffic import Capacity, may_be_lambdas

if TYPE_CHECKING:
    from botocore.exceptions import ClientError


def read(function: FunctionAccess, name: str) -> Alias | None:
    """Return an alias; None if it does not exist."""
    try:
        response = function.client.get_alias(FunctionName=function.id, Name=name)
    except function.client.exceptions.ResourceNotFoundException:
        return None
    return _with_capacity(function, _alias(response))


def list_aliases(function: FunctionAccess) -> list[Alias] | None:
    """Return all aliases of the function; None if the function does not exist."""
    call = function.client.list_aliases
    try:
        listed = list(pages(call, "Aliases", "NextMarker", "Marker", FunctionName=function.id))
    except function.client.exceptions.ResourceNotFoundException:
        return None
    return [_with_capacity(function, _alias(response)) for response in listed]


def _with_capacity(function: FunctionAccess, alias: Alias) -> Alias:
    """Return the alias with the state of its provisioned concurrency.

    It costs one call, so it is read only if Lambda itself may have set the weights.
    """
    if not may_be_lambdas(alias.weights):
        return alias
    client = function.client
    try:
        response = client.get_provisioned_concurrency_config(FunctionName=function.id, Qualifier=alias.name)
        capacity, reason = Capacity(response["Status"]), response.get("StatusReason", "")
    except client.exceptions.ProvisionedConcurrencyConfigNotFoundException:
        return alias
    except Exception as error:  # noqa: BLE001 - the caller decides whether an unknown state matters
        problem = to_promote_error(error)
        capacity, reason = Capacity.UNKNOWN, problem.full_text
    return replace(alias, capacity=capacity, capacity_reason=reason)


def move(function: FunctionAccess, alias: Alias | None, promotion: Promotion) -> Alias | None:
    """Move the alias to the version of ``promotion``, under the RevisionId of ``alias``, and return it.

    The result is None if others have changed it: before the move, or after a move whose response was lost.

    If the alias keeps its version, it also keeps a weight that Lambda itself has set. Without the weight, requests
    would go to a version without provisioned concurrency.
    """
    name, version = promotion.environment, promotion.version
    keeps_weight = alias is not None and alias.version == version and alias.split.is_lambdas
    weights = alias.weights if alias and keeps_weight else {}
    wanted = Alias(name, version, revision_id="", description=promotion.description, weights=weights)
    is_unknown = False
    for pause in (*BUSY_PAUSES, None):
        try:
            made = _write(function, alias, wanted)
        except Exception as error:
            # If the response to one call was lost, a later refusal does not show whether that call took effect.
            is_unknown = is_unknown or may_have_taken_effect(error)
            if not is_unknown and code_of(error) not in STALE:
                raise
            found = _read_back(function, promotion, error) if is_unknown else read(function, name)
            if found is not None and found.promotion == promotion:
                return found
            if (found.revision_id if found else None) != (alias.revision_id if alias else None):
                return None
            if pause is not None and code_of(error) == "ResourceConflictException":
                function.clock.sleep(pause)  # an update of the alias or its concurrency is in progress
                continue
            if is_unknown:
                raise UnconfirmedError(
                    f"Lambda did not confirm the move of {name} to version {version}, "
                    f"and the alias does not show it: {error}",
                    hint="The alias may still move. Run command: status to see what it serves. The next run checks "
                    "the alias and completes the record.",
                    may_have_moved=True,
                ) from error
            raise FunctionError(
                f"Lambda refused to move {name} to version {version}: {message_of(cast('ClientError', error))}",
                hint="The alias was not changed by others. Fix the cause that Lambda names, and run the job again.",
            ) from error
        else:
            return _with_capacity(function, made)
    raise AssertionError("unreachable")


def _read_back(function: FunctionAccess, promotion: Promotion, error: Exception) -> Alias | None:
    """Read the alias after a move that was not confirmed."""
    try:
        return read(function, promotion.environment)
    except Exception as second:
        name = f"{promotion.environment} of {function.name}"
        raise unconfirmed_move(name, promotion.version, error, second) from second


def restore(function: FunctionAccess, alias: Alias | None, wanted: Alias) -> bool:
    """Make the alias equal to ``wanted``, under the RevisionId of ``alias``; return False if it was changed before."""
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
    """Create or update the alias. Empty weights are sent too, because otherwise Lambda keeps the old ones."""
    response: Mapping[str, Any]
    client = function.guarded_client
    if alias is None:
        response = client.create_alias(
            FunctionName=function.id, Name=wanted.name, FunctionVersion=wanted.version, Description=wanted.description
        )
    else:
        response = client.update_alias(
            FunctionName=function.id,
            Name=wanted.name,
            FunctionVersion=wanted.version,
            Description=wanted.description,
            RoutingConfig={"AdditionalVersionWeights": wanted.weights},
            RevisionId=alias.revision_id,
        )
    return _alias(response)


def _alias(response: Mapping[str, Any]) -> Alias:
    weights = (response.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    return Alias(
        name=response["Name"],
        version=response["FunctionVersion"],
        revision_id=response["RevisionId"],
        description=response.get("Description", ""),
        weights={version: weight for version, weight in weights.items() if weight},  # 0 splits nothing
    )
