"""How commits hang together: which pull request has brought each, which were taken back, and which are there twice."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from heapq import heapify, heappop, heappush

from promote.github.model import Commit, Person, PullRequest

# As GitHub writes the subjects of merges and of squashed commits:
# https://docs.github.com/pull-requests/collaborating-with-pull-requests/incorporating-changes-from-a-pull-request
_MERGE = re.compile(r"Merge pull request #(?P<number>[1-9]\d{0,9}) from \S+", re.ASCII)
_SQUASH = re.compile(r"(?P<title>.*\S)\s+\(#(?P<number>[1-9]\d{0,9})\)", re.ASCII)
# As git writes a revert and a cherry-pick, and GitHub a revert of a pull request.
_REVERTED = re.compile(r"\bThis reverts commit ([0-9a-f]{7,64})\b")
_REVERTED_NUMBER = re.compile(r"^Reverts (?:[\w.-]+/[\w.-]+)?#([1-9]\d{0,9})\s*$", re.MULTILINE | re.ASCII)
_PICKED = re.compile(r"^\(cherry picked from commit ([0-9a-f]{7,64})\)\s*$", re.MULTILINE)


class Lineage:
    """Commits by their numbers, which count from the newest and give children before their parents."""

    def __init__(self, commits: Iterable[Commit], pull_requests: Iterable[PullRequest], repository_url: str) -> None:
        self.commits = _ordered({commit.sha: commit for commit in commits})
        self._number = {commit.sha: number for number, commit in enumerate(self.commits)}
        self._known = tuple(pull_requests)
        self._repository_url = repository_url

    def __contains__(self, sha: str) -> bool:
        return sha in self._number

    def is_merge(self, number: int) -> bool:
        """Whether a commit joins two lines, and so says nothing itself."""
        return len(self.commits[number].parents) > 1

    def is_picked(self, number: int) -> bool:
        """Whether a commit was cherry-picked."""
        return bool(_PICKED.search(self.commits[number].body))

    @cached_property
    def brought_by(self) -> dict[int, PullRequest]:
        """The pull request of each commit: the innermost, where one was merged into another's branch."""
        numbered = {request.number: request for request in self._known}
        merged = {request.merge_commit: request for request in self._known if request.merge_commit}
        named = {sha: request for request in self._known for sha in request.commits}
        found: dict[int, PullRequest] = {}
        for number in reversed(range(len(self.commits))):  # parents first, and so inner merges before outer ones
            commit = self.commits[number]
            request = merged.get(commit.sha)
            if self.is_merge(number):
                request = request or self._read_merge(commit, numbered)
                if request:
                    found = dict.fromkeys(self._brought(number), request) | found
            else:
                request = request or named.get(commit.sha) or self._read_squash(commit, numbered)
                if request:
                    found[number] = request
        return found

    @cached_property
    def same(self) -> list[int]:
        """For each commit the number that stands for its change: all that are one, rewritten or picked, share it."""
        stands = list(range(len(self.commits)))

        def end(number: int) -> int:
            while stands[number] != number:
                number = stands[number]
            return number

        written: dict[object, int] = {}
        for number, commit in enumerate(self.commits):
            if commit.written and not self.is_merge(number):
                key = (commit.subject, commit.body, commit.authors[:1], commit.written)
                stands[end(number)] = end(written.setdefault(key, number))
            for sha in _PICKED.findall(commit.body):
                # Of lines that run side by side, clocks alone say which comes first: an origin may be on either side.
                origin = self._find(sha)
                if origin is not None:
                    stands[end(number)] = end(origin)
        return [end(number) for number in stands]

    @cached_property
    def targets(self) -> dict[int, frozenset[int]]:
        """For each revert the commits that it takes back: those that it names, and what is the same, before it."""
        numbered: dict[int, list[int]] = {}
        for number, request in self.brought_by.items():
            numbered.setdefault(request.number, []).append(number)
        alike: dict[int, list[int]] = {}
        for number, stands in enumerate(self.same):
            alike.setdefault(stands, []).append(number)
        found = {}
        for number, commit in enumerate(self.commits):
            about: set[int] = set()
            for sha in _REVERTED.findall(commit.body):
                target = self._find(sha)
                if target is not None:
                    about.update(self._brought(target) if self.is_merge(target) else [target])
            for text in _REVERTED_NUMBER.findall(commit.body):
                about.update(numbered.get(int(text), ()))
            same = {twin for target in about for twin in alike[self.same[target]]} - {number}
            before = frozenset(twin for twin in same if self._ancestors[number] >> twin & 1 and not self.is_merge(twin))
            if before:
                found[number] = before
        return found

    @cached_property
    def undone(self) -> frozenset[int]:
        """The commits that were taken back, by a revert that was not taken back itself."""
        found: set[int] = set()
        for number in sorted(self.targets):  # newest first: whether it was taken back itself is known by then
            if number not in found:
                found |= self.targets[number]
        return frozenset(found)

    @cached_property
    def _ancestors(self) -> list[int]:
        """The commits that each contains, itself among them, as a set of bits."""
        found = [0] * len(self.commits)
        for number in reversed(range(len(self.commits))):
            found[number] = 1 << number
            for parent in self.commits[number].parents:
                if parent in self._number:
                    found[number] |= found[self._number[parent]]
        return found

    def _brought(self, merge: int) -> Iterator[int]:
        """Yield what a merge has brought to its first parent."""
        first = self._number.get(self.commits[merge].parents[0])
        bits = self._ancestors[merge] & ~(1 << merge)
        if first is not None:
            bits &= ~self._ancestors[first]
        while bits:
            lowest = bits & -bits
            yield lowest.bit_length() - 1
            bits ^= lowest

    def _find(self, sha: str) -> int | None:
        """Find a commit by its digest, or by the beginning of one."""
        if sha in self._number:
            return self._number[sha]
        found = [number for known, number in self._number.items() if known.startswith(sha)]
        return found[0] if len(found) == 1 else None

    def _read_squash(self, commit: Commit, numbered: dict[int, PullRequest]) -> PullRequest | None:
        match = _SQUASH.fullmatch(commit.subject)
        if not match:
            return None
        number = int(match["number"])
        return numbered.get(number) or self._inferred(number, match["title"], commit.authors)

    def _read_merge(self, commit: Commit, numbered: dict[int, PullRequest]) -> PullRequest | None:
        match = _MERGE.match(commit.subject)
        if not match:
            return None
        number = int(match["number"])
        title = next((line.strip() for line in commit.body.splitlines() if line.strip()), "")
        inferred = self._inferred(number, title or commit.subject, ())
        return numbered.get(number) or replace(inferred, merge_commit=commit.sha)

    def _inferred(self, number: int, title: str, authors: Sequence[Person]) -> PullRequest:
        """Give a pull request of which only a commit's words are known."""
        url = f"{self._repository_url}/pull/{number}" if self._repository_url else ""
        return PullRequest(number, title, url, authors[0] if authors else Person(""))


def _ordered(commits: dict[str, Commit]) -> list[Commit]:
    """Put children before their parents, else keep the order: that of committers' clocks need not be this one."""
    place = {sha: number for number, sha in enumerate(commits)}
    waiting = dict.fromkeys(commits, 0)
    """Children of each that are still to come."""
    for commit in commits.values():
        for parent in set(commit.parents) & commits.keys():
            waiting[parent] += 1
    ready = [place[sha] for sha, count in waiting.items() if not count]
    heapify(ready)
    known, ordered = list(commits.values()), []
    while ready:
        commit = known[heappop(ready)]
        ordered.append(commit)
        for parent in set(commit.parents) & commits.keys():
            waiting[parent] -= 1
            if not waiting[parent]:
                heappush(ready, place[parent])
    return ordered
