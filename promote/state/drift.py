"""Drift: which functions of an application do not serve the same release as the others. No calls."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from promote.aws.dynamodb import Item
from promote.core.promotion import Alias, Kind, served_version
from promote.core.release import Release, ReleasePart, Stage
from promote.core.traffic import Split
from promote.state.promotion_records import has_several, is_pinned


@dataclass(frozen=True)
class Member:
    """A function, with its alias and its history in an environment."""

    name: str
    arn: str
    alias: Alias | None
    moves: Sequence[Item]
    """The last entries of its history, newest first."""

    @property
    def version(self) -> str:
        """The version that it serves; empty if none."""
        return served_version(self.alias)


@dataclass(frozen=True)
class Drift:
    """A function that does not serve its version of the release."""

    function: str
    version: str
    """The version that it serves; empty if none."""
    wanted: str
    """Its version in the release; empty if the release does not include the function."""
    why: str
    run_id: int = 0
    """The run that moved it; 0 if it is not known, or if no run did."""
    attempt: int = 1
    at: str = ""
    """The time of that move; empty if it is not known, or if there was none."""


def find_drifts(release: Release, members: Sequence[Member]) -> tuple[Drift, ...]:
    """Return the functions of ``members`` that do not serve what they should.

    They should serve the versions of the release. If the release is being rolled back, they should serve the versions
    before it.
    """
    parts = {part.arn: part for part in release.parts}
    return tuple(_drifts(release, parts, members))


def _drifts(release: Release, parts: dict[str, ReleasePart], members: Sequence[Member]) -> Iterator[Drift]:
    for member in members:
        part = parts.get(member.arn)
        if part is None:
            yield Drift(member.name, member.version, "", "is not part of it yet")
            continue
        wanted = part.candidate.version
        if release.stage is Stage.ROLLING_BACK and part.moves and part.before:
            wanted = part.before.version
        # While Lambda moves provisioned concurrency, it sets a weight, which it removes itself.
        is_whole = member.alias is None or member.alias.split in (Split.NONE, Split.CAPACITY)
        if member.version == wanted and is_whole:
            continue
        if release.stage.is_final:
            yield _since(release, member, wanted)
        else:
            why = "is not rolled back yet" if release.stage is Stage.ROLLING_BACK else "is not moved yet"
            yield Drift(member.name, member.version, wanted, why)


def _since(release: Release, member: Member, wanted: str) -> Drift:
    """Return what has happened to a function since its release."""
    alias, name = member.alias, member.name
    if alias is None:
        return Drift(name, "", wanted, "its alias was deleted")
    move = alias.promotion
    if alias.split is Split.STUCK:
        return Drift(name, alias.serving, wanted, "its provisioned concurrency could not be allocated")
    if move is None or alias.is_moved_by_others:
        if not alias.weights and is_pinned(alias, member.moves):
            return Drift(name, alias.version, wanted, "pinned, because its alias followed $LATEST")
        what = "its traffic was split externally" if alias.weights else "was moved externally"
        return Drift(name, alias.version, wanted, what)
    made = (item for item in member.moves if item.get("kind") != Kind.PIN)
    entry = next((item for item in made if str(item["sequence"]) == str(move.sequence)), {})
    verb = "rolled back" if move.kind is Kind.ROLLBACK else "promoted"
    how = f"{verb} with others" if has_several(entry) else f"{verb} alone"
    if move.sequence < release.sequence:
        how = f"still as it was {verb}"  # the alias and its Description were restored externally
    return Drift(name, alias.version, wanted, how, move.run_id, move.attempt, str(entry.get("at", "")))
