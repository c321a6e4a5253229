"""Whether the functions of an application serve one release of it, and which of them do not. No effects."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from promote.aws.dynamodb import Item
from promote.core.promotion import Alias, Kind
from promote.core.traffic import Split
from promote.state.promotion_records import is_pinned
from promote.state.releases import Part, Release, Stage


@dataclass(frozen=True)
class Member:
    """A function, and what it has in an environment."""

    name: str
    arn: str
    alias: Alias | None
    moves: Sequence[Item]
    """Its last promotions and rollbacks, newest first."""

    @property
    def version(self) -> str:
        """What it serves; empty: nothing."""
        return self.alias.version if self.alias else ""


@dataclass(frozen=True)
class Drift:
    """A function that does not serve what the release has of it."""

    function: str
    version: str
    """What it serves; empty: nothing."""
    wanted: str
    """What it would serve with the others; empty: the release does not have it."""
    why: str
    run_id: int = 0
    """Who has moved it; 0: not known, or nobody."""
    attempt: int = 1
    at: str = ""
    """When it was moved; empty: not known, or not at all."""


def find_drifts(release: Release, members: Sequence[Member]) -> tuple[Drift, ...]:
    """Give the functions of ``members`` that do not serve what they should.

    That is what the release has, or what it is about to bring them to; where it is being turned back, what they served
    before.
    """
    parts = {part.arn: part for part in release.parts}
    return tuple(_drifts(release, parts, members))


def _drifts(release: Release, parts: dict[str, Part], members: Sequence[Member]) -> Iterator[Drift]:
    for member in members:
        part = parts.get(member.arn)
        if part is None:
            yield Drift(member.name, member.version, "", "is not part of it yet")
            continue
        wanted = part.candidate.version
        if release.stage is Stage.ROLLING_BACK and part.moves and part.before:
            wanted = part.before.version
        # Lambda itself ends the weight that it sets while it moves provisioned concurrency.
        is_whole = member.alias is None or member.alias.split in (Split.NONE, Split.CAPACITY)
        if member.version == wanted and is_whole:
            continue
        if release.stage.is_final:
            yield _since(release, member, wanted)
        else:
            why = "is not back yet" if release.stage is Stage.ROLLING_BACK else "is not moved yet"
            yield Drift(member.name, member.version, wanted, why)


def _since(release: Release, member: Member, wanted: str) -> Drift:
    """Say what has become of a function since its release."""
    alias, name = member.alias, member.name
    if alias is None:
        return Drift(name, "", wanted, "has lost its alias")
    move = alias.promotion
    if alias.split is Split.STUCK:
        return Drift(name, alias.serving, wanted, "its provisioned concurrency could not be allocated")
    if move is None or alias.is_moved_by_others:
        if not alias.weights and is_pinned(alias, member.moves):
            return Drift(name, alias.version, wanted, "pinned, because its alias followed $LATEST")
        splits = " splits the traffic" if alias.weights else " has moved it"
        return Drift(name, alias.version, wanted, f"somebody else{splits}")
    made = (item for item in member.moves if item.get("kind") != Kind.PIN)
    entry = next((item for item in made if str(item["sequence"]) == str(move.sequence)), {})
    verb = "rolled back" if move.kind is Kind.ROLLBACK else "promoted"
    how = f"{verb} with others" if int((entry.get("release") or {}).get("functions", 1)) > 1 else f"{verb} alone"
    if move.sequence < release.sequence:
        how = f"still as it was {verb}"  # somebody has put the alias back, words and all
    return Drift(name, alias.version, wanted, how, move.run_id, move.attempt, str(entry.get("at", "")))
