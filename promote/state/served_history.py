"""What an environment has served, according to the ledger and the alias. A rollback restores one of these versions."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promote.core.promotion import Alias, EnvironmentRecord, Kind
from promote.core.version import Candidate
from promote.state.ledger import HISTORY, Ledger
from promote.state.promotion_records import promotion_item

Move = Mapping[str, Any]
"""The entry of a promotion or a rollback in the history."""


@dataclass(frozen=True)
class ServedVersion:
    """A version that an environment served."""

    version: str
    commit: str
    run_id: int = 0
    """The run that built it; 0 if it is not known."""
    content: Mapping[str, str] = field(default_factory=dict)
    """Its digests, ``code_sha256`` and ``fingerprint``; empty if they are not known."""

    @classmethod
    def of(cls, version: str, record: Mapping[str, Any]) -> "ServedVersion":
        """Return the version in the record of a move or of a version."""
        content = {name: str(record[name]) for name in ("code_sha256", "fingerprint") if record.get(name)}
        return cls(version, str(record.get("commit", "")), int(record.get("run_id", 0)), content)

    def is_of(self, candidate: Candidate) -> bool:
        """Return whether ``candidate`` is what was served. A function that was created again has other versions."""
        return not self.content or candidate.is_in(self.content)


def deletion_note(ledger: Ledger, version: str) -> str:
    """Return how a version was deleted, as the end of a sentence; empty if it is not known."""
    deleted = ledger.versions.read(version).get("deleted") if version.isdecimal() else None
    if not deleted:
        return ""
    return f"was deleted by run {deleted['run_id']} ({str(deleted['at'])[:10]}, keep-versions: {deleted['keep']})"


def moves(ledger: Ledger, alias: Alias, served: EnvironmentRecord) -> list[Move]:
    """Return the last moves of an environment with ``alias``, oldest first; ``served`` is its record in the ledger.

    The last move may be known only from the alias, if its run has died or has not recorded it yet.
    """
    return [*reversed(ledger.promotions(alias.name, HISTORY)), *_unrecorded(alias, served)]


def _unrecorded(alias: Alias, served: EnvironmentRecord) -> Iterator[Move]:
    moved = alias.promotion
    if moved and moved.previous is not None and moved.sequence > served.sequence:
        yield promotion_item(moved)


def served_before(moves: Sequence[Move], version: str) -> list[ServedVersion]:
    """Return what an environment that now has ``version`` served before, oldest first; ``moves`` are oldest first.

    Rolled-back versions are left out, so that a second rollback goes further back.
    """
    served: list[ServedVersion] = []
    for move in moves:
        release = ServedVersion.of(str(move["version"]), move)
        if not served and move.get("previous"):
            served.append(ServedVersion(str(move["previous"]), ""))
        if move.get("kind") == Kind.ROLLBACK:
            at = [place for place, earlier in enumerate(served) if earlier.version == release.version]
            if at:
                served = served[: at[-1]]
            elif served and served[-1].version == move.get("previous"):
                served.pop()
        served.append(release)
    while served and served[-1].version == version:
        served.pop()
    return served


def served_together_before(made: Mapping[str, Sequence[Move]], now: Mapping[str, str]) -> dict[str, str] | None:
    """Return the versions that several functions served together before ``now``; None if that is not known.

    ``made`` has the moves of each function, oldest first. All moves of a release have the same identity, so that each
    release is one move of the whole, and ``served_before`` applies. A version is empty if the function served nothing.
    """
    state = {name: str(made[name][0].get("previous") or "") if made[name] else now[name] for name in now}
    # If not all moves of a function were read, nothing is known before the oldest that was read.
    floor = max((int(found[0]["sequence"]) for found in made.values() if len(found) >= HISTORY), default=0)
    whole: list[Move] = []
    steps: dict[tuple[int, str], dict[str, Move]] = {}
    for name, found in made.items():
        for move in found:
            steps.setdefault((int(move["sequence"]), str(move.get("operation"))), {})[name] = move
    for (sequence, _), moved in sorted(steps.items()):
        # The recorded previous version counts, because external changes between the moves are not recorded.
        before = _whole({**state, **{name: str(move.get("previous") or "") for name, move in moved.items()}})
        state |= {name: str(move["version"]) for name, move in moved.items()}
        if sequence >= floor:
            whole.append({**next(iter(moved.values())), "version": _whole(state), "previous": before})
    for release in reversed(served_before(whole, _whole(now))):
        then: dict[str, str] = json.loads(release.version)
        # A function that did not exist yet stays as it is, so it does not count as a difference.
        if any(then[name] not in ("", version) for name, version in now.items()):
            return then
    return None


def _whole(state: Mapping[str, str]) -> str:
    """Return the versions of several functions as one text; empty if none serves anything."""
    return json.dumps(state, sort_keys=True) if any(state.values()) else ""
