"""Find out which commits another commit contains, from the parents of commits only.

The times of commits only decide where to search first. They change the duration of a search, never its result.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Protocol

from promote.core.commit_order import CommitRelation

Id = bytes
"""A commit: its digest in hexadecimal."""


class Graph(Protocol):
    """Commits and their parents."""

    def parents(self, commit: Id) -> tuple[Id, ...] | None:
        """Return the parents of ``commit``; None if they are not known, as at the border of a shallow clone."""

    def time(self, commit: Id) -> int:
        """Return when it was committed, by the clock of the committer."""


@dataclass(frozen=True)
class Range:
    """The commits that one commit contains and another one does not contain."""

    commits: tuple[Id, ...]
    """The commits, children before their parents."""
    is_whole: bool
    """False if there are older commits that are left out."""


_OURS, _THEIRS, _BOTH = 1, 2, 3


def relation(graph: Graph, ours: Id, theirs: Id) -> CommitRelation:
    """Return the order of ``ours`` relative to ``theirs``; UNKNOWN if it depends on parents that are not known.

    Commits that both contain are not searched further, because neither of the two can be there.
    """
    if ours == theirs:
        return CommitRelation.SAME
    walk = _Walk(graph)
    walk.reach(ours, _OURS)
    walk.reach(theirs, _THEIRS)
    shared: list[Id] = []
    while walk.pending:
        commit = walk.take()
        if walk.colours[commit] == _BOTH:
            shared.append(commit)
            continue
        walk.expand(commit)
        if walk.colours[theirs] & _OURS:
            return CommitRelation.NEWER
        if walk.colours[ours] & _THEIRS:
            return CommitRelation.OLDER
    if not walk.is_cut_on_one_side():
        return CommitRelation.DIVERGED
    # A border that both contain does not change the result. Only shared commits may lead to such a border.
    for commit in shared:
        walk.expand(commit)
    while walk.pending:
        walk.expand(walk.take())
    return CommitRelation.UNKNOWN if walk.is_cut_on_one_side() else CommitRelation.DIVERGED


def newest(graph: Graph, head: Id, most: int) -> Range | None:
    """Return the newest commits that ``head`` contains; None if parents that may be among them are missing."""
    walk = _Walk(graph)
    walk.reach(head, _OURS)
    found: list[Id] = []
    while walk.pending and len(found) <= most:
        commit = walk.take()
        walk.expand(commit)
        found.append(commit)
    if walk.cut:
        return None
    return _sorted(walk, found, most)


def between(graph: Graph, since: Id, until: Id, most: int) -> Range | None:
    """Return what ``until`` contains and ``since`` does not; None if it depends on parents that are not known."""
    walk = _Walk(graph)
    walk.reach(until, _OURS)
    walk.reach(since, _THEIRS)
    while walk.alone:
        walk.expand(walk.take())
    ours = {commit for commit, colour in walk.colours.items() if colour == _OURS}
    if not ours:
        return Range((), is_whole=True)
    is_known = _complete(walk, ours)
    ours = {commit for commit in ours if walk.colours[commit] == _OURS}
    if ours and (not is_known or ours & walk.cut):
        return None
    return _sorted(walk, ours, most)


def first(graph: Graph, head: Id, among: Iterable[Id]) -> Id | None:
    """Return the newest of ``among`` that ``head`` contains, except itself; None if there is none."""
    wanted = set(among) - {head}
    walk = _Walk(graph)
    walk.reach(head, _OURS)
    while wanted and walk.pending:
        commit = walk.take()
        if commit in wanted:
            return commit
        walk.expand(commit)
    return None


class _Walk:
    """A search from one or two commits through their parents, the newest first."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.colours: dict[Id, int] = {}
        """From which of the two commits each commit was reached."""
        self.parents: dict[Id, tuple[Id, ...]] = {}
        """The parents of each expanded commit."""
        self.cut: set[Id] = set()
        """Expanded commits whose parents are not known."""
        self.pending: list[tuple[int, Id]] = []
        """A heap of the commits that were reached and are not expanded yet."""
        self.alone = 0
        """The number of pending commits that were reached only from ours."""

    def is_cut_on_one_side(self) -> bool:
        """Return whether a commit that was reached from only one of the two has unknown parents."""
        return any(self.colours[commit] != _BOTH for commit in self.cut)

    def take(self) -> Id:
        """Remove and return the newest pending commit."""
        commit = heappop(self.pending)[1]
        self.alone -= self.colours[commit] == _OURS
        return commit

    def expand(self, commit: Id) -> None:
        """Reach the parents of a commit that was taken."""
        parents = self.graph.parents(commit)
        if parents is None:
            self.cut.add(commit)
        self.parents[commit] = parents or ()
        for parent in parents or ():
            self.reach(parent, self.colours[commit])

    def reach(self, commit: Id, colour: int) -> None:
        """Colour a commit, and all its known ancestors."""
        stack = [commit]
        while stack:
            here = stack.pop()
            before = self.colours.get(here, 0)
            if before | colour == before:
                continue
            self.colours[here] = before | colour
            if here in self.parents:
                stack.extend(self.parents[here])
                continue
            if not before:
                heappush(self.pending, (-self.graph.time(here), here))
            self.alone += (before | colour == _OURS) - (before == _OURS)


def _complete(walk: _Walk, ours: set[Id]) -> bool:
    """Expand the commits that may still lead from theirs to ``ours``; return False if that depends on unknown parents.

    A commit that all of ours contain leads to none of them, because no commit contains itself. Each of ours contains
    one of the last, whose parents are not ours. So commits that all of the last contain need not be expanded.
    """
    last = [commit for commit in ours if not any(parent in ours for parent in walk.parents[commit])]
    every = (1 << len(last)) - 1
    containing: dict[Id, int] = {}
    """For each commit, the last ones that contain it, as a set of bits."""

    def spread(commit: Id, bits: int) -> None:
        stack = [commit]
        while stack:
            here = stack.pop()
            before = containing.get(here, 0)
            if before | bits != before:
                containing[here] = before | bits
                stack.extend(walk.parents.get(here, ()))

    for place, commit in enumerate(last):
        for parent in walk.parents[commit]:
            spread(parent, 1 << place)
    while walk.pending:
        commit = walk.take()
        if containing.get(commit) != every:
            walk.expand(commit)
            for parent in walk.parents[commit]:
                spread(parent, containing.get(commit, 0))
    return all(walk.colours[commit] == _OURS or containing.get(commit) == every for commit in walk.cut)


def _sorted(walk: _Walk, found: Iterable[Id], most: int) -> Range:
    """Return the commits with children before their parents, and otherwise the newest first."""
    chosen = set(found)
    children = dict.fromkeys(chosen, 0)
    for commit in chosen:
        for parent in set(walk.parents[commit]) & chosen:
            children[parent] += 1
    ready = [(-walk.graph.time(commit), commit) for commit, count in children.items() if not count]
    heapify(ready)
    ordered: list[Id] = []
    while ready and len(ordered) < most:
        commit = heappop(ready)[1]
        ordered.append(commit)
        for parent in set(walk.parents[commit]) & chosen:
            children[parent] -= 1
            if not children[parent]:
                heappush(ready, (-walk.graph.time(parent), parent))
    return Range(tuple(ordered), is_whole=len(chosen) <= most)
