"""The history of the repository: a graph of numbered commits, in which each number is higher than those of its parents.

Commit 0 is the first one. Each commit has the previous one as its only parent, unless the history defines others.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Commits:
    """All commits, and the parents of those that do not only follow the previous one."""

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
        """Return the commits of ``until`` that ``since`` does not have, ancestors first."""
        return sorted(self.until(until) - self.until(since))

    def is_older(self, commit: int, other: int) -> bool:
        """Return whether ``commit`` is a proper ancestor of ``other``."""
        return commit != other and commit in self.until(other)

    def status(self, commit: int, base: int) -> str:
        """Return how ``commit`` is related to ``base``, in GitHub's terms."""
        if commit == base:
            return "identical"
        if self.is_older(commit, base):
            return "behind"
        return "ahead" if self.is_older(base, commit) else "diverged"

    def heads(self, below: int) -> tuple[int, ...]:
        """Return the commits below ``below`` that are not an ancestor of another one of them."""
        numbers = range(below)
        return tuple(one for one in numbers if not any(self.is_older(one, other) for other in numbers))
