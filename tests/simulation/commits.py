"""The history of the repository: a graph of commits, which are numbered so that each follows all its parents.

Commit 0 is the first one, and each commit has the one before as its only parent, unless the history says otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Commits:
    """All commits, with the parents of those that do not simply follow the one before."""

    parents: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    _reached: list[frozenset[int]] = field(default_factory=list)

    def parents_of(self, commit: int) -> tuple[int, ...]:
        """Return the parents of ``commit``."""
        return self.parents.get(commit, (commit - 1,) if commit else ())

    def until(self, commit: int) -> frozenset[int]:
        """Return ``commit`` and all its ancestors."""
        while len(self._reached) <= commit:
            new = len(self._reached)
            before = [self._reached[parent] for parent in self.parents_of(new)]
            self._reached.append(frozenset({new}).union(*before))
        return self._reached[commit]

    def between(self, since: int, until: int) -> list[int]:
        """Return what ``until`` has and ``since`` has not, ancestors first."""
        return sorted(self.until(until) - self.until(since))

    def is_older(self, commit: int, other: int) -> bool:
        """Return whether ``commit`` is an ancestor of ``other``, and not the same."""
        return commit != other and commit in self.until(other)

    def status(self, commit: int, base: int) -> str:
        """Return how ``commit`` is related to ``base``, in GitHub's words."""
        if commit == base:
            return "identical"
        if self.is_older(commit, base):
            return "behind"
        return "ahead" if self.is_older(base, commit) else "diverged"

    def heads(self, below: int) -> tuple[int, ...]:
        """Return the commits lower than ``below`` that no other one of them follows."""
        numbers = range(below)
        return tuple(one for one in numbers if not any(self.is_older(one, other) for other in numbers))
