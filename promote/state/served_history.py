"""What an environment has served, and so what a rollback can go back to, as the ledger and the alias say."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promote.core.promotion import Alias, EnvironmentRecord, Kind
from promote.core.version import Candidate
from promote.state.ledger import Ledger
from promote.state.promotion_records import promotion_item

_HISTORY = 200
"""Moves of the alias that are looked back upon."""

Move = Mapping[str, Any]
"""A promotion or a rollback, as the ledger records it."""


@dataclass(frozen=True)
class ServedVersion:
    """What an environment served."""

    version: str
    commit: str
    run_id: int = 0
    """The run that has built it; 0: not known."""
    content: Mapping[str, str] = field(default_factory=dict)
    """Its digests, ``code_sha256`` and ``fingerprint``; empty: not known."""

    @classmethod
    def of(cls, version: str, record: Mapping[str, Any]) -> "ServedVersion":
        """Read it from the record of a move, or of a version."""
        content = {name: str(record[name]) for name in ("code_sha256", "fingerprint") if record.get(name)}
        return cls(version, str(record.get("commit", "")), int(record.get("run_id", 0)), content)

    def is_of(self, candidate: Candidate) -> bool:
        """Whether this is the version that was served then: a function that was created again has other versions."""
        return not self.content or candidate.is_in(self.content)


def deletion_note(ledger: Ledger, version: str) -> str:
    """Say how a version that is gone came to be deleted, as the end of a sentence; empty: it is not known."""
    deleted = ledger.versions.read(version).get("deleted") if version.isdecimal() else None
    if not deleted:
        return ""
    return f"was deleted by run {deleted['run_id']} ({str(deleted['at'])[:10]}, keep-versions: {deleted['keep']})"


def moves(ledger: Ledger, alias: Alias, served: EnvironmentRecord) -> list[Move]:
    """Read the last moves of an environment that has ``alias``, oldest first; ``served`` is what the ledger says of it.

    The last may be one that only the alias tells of: its run has died, or is about to record it.
    """
    return [*reversed(ledger.promotions(alias.name, _HISTORY)), *_unrecorded(alias, served)]


def _unrecorded(alias: Alias, served: EnvironmentRecord) -> Iterator[Move]:
    moved = alias.promotion
    if moved and moved.previous is not None and moved.sequence > served.sequence:
        yield promotion_item(moved)


def served_before(moves: Sequence[Move], version: str) -> list[ServedVersion]:
    """Give what an environment that now has ``version`` served before, oldest first; ``moves`` are oldest first.

    What was rolled back is not counted: a second rollback goes further back, and does not return.
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
    """Give the versions that functions, which now serve ``now``, served before as one; None: nothing is known.

    ``made`` has the moves of each, oldest first. The functions of one release have moved under one identity, so that
    their moves together are moves of the whole, of which ``served_before`` tells. Empty: a function served nothing.
    """
    state = {name: str(made[name][0].get("previous") or "") if made[name] else now[name] for name in now}
    # What a function did before its moves that were read is not known, so the whole is not either.
    floor = max((int(found[0]["sequence"]) for found in made.values() if len(found) >= _HISTORY), default=0)
    whole: list[Move] = []
    steps: dict[tuple[int, str], dict[str, Move]] = {}
    for name, found in made.items():
        for move in found:
            steps.setdefault((int(move["sequence"]), str(move.get("operation"))), {})[name] = move
    for (sequence, _), moved in sorted(steps.items()):
        before = _whole(state)
        state |= {name: str(move["version"]) for name, move in moved.items()}
        if sequence >= floor:
            whole.append({**next(iter(moved.values())), "version": _whole(state), "previous": before})
    for release in reversed(served_before(whole, _whole(now))):
        then: dict[str, str] = json.loads(release.version)
        # A function that was not there yet stays as it is, so that what differs in it alone is no other release.
        if any(then[name] not in ("", version) for name, version in now.items()):
            return then
    return None


def _whole(state: Mapping[str, str]) -> str:
    """Write the versions of several functions as one; empty: none serves anything."""
    return json.dumps(state, sort_keys=True) if any(state.values()) else ""
