"""Find the first promotion of a tag to an environment, and whether the environment still has the tag."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from promote.aws.dynamodb import Item
from promote.core.commit_order import CommitRelation
from promote.core.promotion import Kind
from promote.core.run import join_names
from promote.notes.compose import moment
from promote.notes.model import Carried

_CONTAINING = (CommitRelation.SAME, CommitRelation.NEWER)


@dataclass(frozen=True)
class Asked:
    """The tag, and how to find the order of commits."""

    tag: str
    related: Callable[[str], CommitRelation]
    """Returns the order of a commit relative to the tag's commit."""
    unknown: str
    """Why the order may not be known."""
    page: Callable[[str], str]
    """Returns the page of a run from the URL in the ledger; or empty."""


def carried(asked: Asked, environment: str, histories: Mapping[str, Sequence[Item]]) -> tuple[Carried | None, str]:
    """Return the first promotion of the tag to ``environment``, and a sentence about what is not known.

    ``histories`` are the promotions per function, newest first. An environment has the tag if all functions have it. If
    it is not known whether the environment has the tag, the promotion is None.
    """
    found = {name: _brought(asked, items) for name, items in histories.items()}
    if any(one.first is None and one.doubt is None for one in found.values()):
        return Carried(environment, ""), ""
    for name, one in found.items():
        if one.first is None:
            return None, f"Whether {environment} has had {asked.tag} is not known: {_why(asked, histories, name, one)}."
    firsts = [one.first for one in found.values() if one.first]
    last = max(firsts, key=_sequence)
    is_taken_back = any(one.is_taken_back for one in found.values())
    row = Carried(
        environment,
        _versions(histories, last),
        moment(last.get("at")),
        asked.page(str(last.get("url") or "")),
        is_taken_back,
    )
    doubtful = next((name for name, one in found.items() if one.doubt), "")
    if is_taken_back or not doubtful:
        return row, ""
    why = _why(asked, histories, doubtful, found[doubtful])
    return row, f"Whether {environment} still has {asked.tag} is not known: {why}."


@dataclass(frozen=True)
class _Brought:
    """The result for one function."""

    first: Item | None = None
    """The first promotion of the tag; None if there is none or if it is not known."""
    doubt: Item | None = None
    """The promotion for which it is not known whether it has the tag, if the result depends on it."""
    is_taken_back: bool = False


def _brought(asked: Asked, items: Sequence[Item]) -> _Brought:
    first = None
    # From the newest one, because commits only get newer: before a promotion without the tag, no other has it.
    for item in (item for item in items if item.get("kind") != Kind.ROLLBACK):
        found = _related(asked, item)
        if found is CommitRelation.UNKNOWN and first is None:
            return _Brought(doubt=item)
        if found not in _CONTAINING:
            break
        first = item
    if first is None or items[0].get("kind") != Kind.ROLLBACK:
        return _Brought(first)
    found = _related(asked, items[0])
    if found is CommitRelation.UNKNOWN:
        return _Brought(first, doubt=items[0])
    return _Brought(first, is_taken_back=found not in _CONTAINING)


def _related(asked: Asked, item: Item) -> CommitRelation:
    return asked.related(str(item.get("commit") or ""))


def _why(asked: Asked, histories: Mapping[str, Sequence[Item]], name: str, found: _Brought) -> str:
    item = found.doubt
    if item is None or item.get("commit"):
        return asked.unknown
    whose = f" of {name}" if len(histories) > 1 else ""
    return f"the record of version {item['version']}{whose} there contains no commit"


def _versions(histories: Mapping[str, Sequence[Item]], move: Item) -> str:
    """Return the versions that the environment served after ``move``, as text."""
    served = {
        name: next(str(item["version"]) for item in items if _sequence(item) <= _sequence(move))
        for name, items in histories.items()
    }
    return join_names([f"{name} {version}" if len(served) > 1 else version for name, version in served.items()])


def _sequence(item: Item) -> int:
    return int(item["sequence"])
