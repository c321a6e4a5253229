"""Aliases that follow $LATEST. Each would serve an upload before it is verified, so the run pins or refuses it first.

AWS lets an alias point at $LATEST: https://docs.aws.amazon.com/lambda/latest/dg/configuration-aliases.html. A weight on
$LATEST is impossible.
"""

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from promote.aws.lambda_function import changed_by_others
from promote.core.errors import ConflictError, InputError, RefusedError, UnconfirmedError
from promote.core.promotion import Alias, Promotion
from promote.core.run import join_names
from promote.core.version import Snapshot, same_content
from promote.pipeline.target import Target

_ATTEMPTS = 5
"""Attempts to pin an alias while other tools change it or $LATEST."""
_PAUSE = 1.0
"""Seconds between two of them: Lambda refuses a change of an alias while another one is in progress."""


def require_published(function: str, aliases: Iterable[Alias], allowed: Collection[str]) -> None:
    """Refuse to deploy while an alias follows $LATEST, unless it is ``allowed`` to.

    Raises:
        RefusedError: There is such an alias.

    """
    names = sorted(alias.name for alias in aliases if alias.follows_latest and alias.name not in allowed)
    if not names:
        return
    first, one = names[0], len(names) == 1
    raise RefusedError(
        f"the {'alias' if one else 'aliases'} {join_names(names)} of {function} {'follows' if one else 'follow'} "
        f"$LATEST, so {'it' if one else 'they'} would serve the deployed code before it is verified",
        hint=f"Point {'it' if one else 'each of them'} at a published version: run `aws lambda publish-version "
        f"--function-name {function}`, then `aws lambda update-alias --function-name {function} --name {first} "
        "--function-version <the version that the first command prints>`. If the alias may serve unverified code, add "
        f"{first} to the input latest-aliases.",
    )


def require_known(function: str, aliases: Iterable[Alias], named: Collection[str]) -> None:
    """Refuse a name in the input ``latest-aliases`` that no alias of the function has.

    Raises:
        InputError: There is such a name.

    """
    known = sorted(alias.name for alias in aliases)
    unknown = sorted(set(named) - set(known))
    if unknown:
        raise InputError(
            "latest-aliases",
            f"it names {join_names(unknown)}, and {function} has no such alias",
            hint=f"The aliases of {function}: {join_names(known) if known else 'none'}. "
            "Correct the name, or remove it.",
        )


def pin(target: Target) -> tuple[Target, tuple[str, ...]]:
    """Point the environment's alias at a published version of $LATEST, if it follows $LATEST.

    Users are served the same code and configuration as before. Return the target as it is then, and a warning for the
    report.

    Raises:
        ConflictError: Other tools keep changing the alias or $LATEST.
        FunctionError: $LATEST cannot be published.

    """
    if target.alias is None or not target.alias.follows_latest:
        return target, ()
    function, name = target.function, target.environment
    alias, attempts = function.alias(name), 0
    made: dict[str, _Pin] = {}
    while alias is not None and alias.follows_latest:
        if attempts == _ATTEMPTS:
            _retract(target, made)
            raise ConflictError(
                f"the alias {name} of {function.name} follows $LATEST and could not be pointed at a published version: "
                f"other tools changed it or $LATEST each of the {_ATTEMPTS} times",
                hint="Find out what else changes this function (a console, another workflow). Then run the job again.",
            )
        if attempts:
            target.job.clock.sleep(_PAUSE)
        attempts += 1
        version = _published(target)
        if version is not None:
            made[version.version] = _pin_once(target, alias, version)
        alias = function.alias(name)
    done = made.get(alias.version) if alias is not None else None
    _retract(target, made)
    target = replace(target, latest=function.wait_until_active()).seeing(alias)
    if done is None or done.is_made is False:
        return target, ()  # other tools have moved it
    number = done.promotion.version
    target.job.say("deploy", f"{name} followed $LATEST: it now points at version {number}, which is the same")
    text = (
        f"The alias {name} followed $LATEST, so it would have served the deployed code before it was verified. "
        f"The run published $LATEST as version {number} and pointed {name} at it first."
    )
    return target, (text,)


@dataclass(frozen=True)
class _Pin:
    """An attempt to pin the alias. The history has an entry for it."""

    before: Alias
    promotion: Promotion
    is_made: bool | None
    """Whether it took effect; None if it may have, or may do so later."""


def _pin_once(target: Target, alias: Alias, version: Snapshot) -> _Pin:
    """Record the pin and make it. The next read of the alias shows whether it took effect."""
    last = alias.promotion.sequence if alias.promotion else 0
    pin = target.ledger.record_pin(alias, version.candidate, max(last, target.served.sequence))
    try:
        return _Pin(alias, pin, target.function.restore_alias(alias, replace(alias, version=version.version)))
    except UnconfirmedError:
        return _Pin(alias, pin, None)
    except Exception:
        with suppress(Exception):
            target.ledger.retract_pin(pin)
        raise


def _retract(target: Target, made: Mapping[str, _Pin]) -> None:
    """Delete the entries of pins that did not take effect, including those of dead runs."""
    for pin in made.values():
        if pin.is_made:
            target.ledger.retract_other_pins(pin.before, pin.promotion)
        elif pin.is_made is False:
            target.ledger.retract_pin(pin.promotion)


def _published(target: Target) -> Snapshot | None:
    """Publish $LATEST and return the version, or None if $LATEST was changed externally in between.

    Raises:
        ConflictError: The code in $LATEST, which was to be adopted, was replaced.

    """
    function = target.function
    latest = function.wait_until_active()
    if target.code is None and target.latest and latest.code_sha256 != target.latest.code_sha256:
        raise changed_by_others(function.name)
    try:
        response = function.publish(latest)
    except ConflictError:
        return None
    version = function.wait_until_active(response.version, known=response)
    return version if same_content(version, latest) else None
