"""How commits are related: their pull requests, reverts and duplicates."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from heapq import heapify, heappop, heappush

from promote.github.model import Commit, Person, PullRequest

# GitHub's subjects of merge commits and of squashed commits:
# https://docs.github.com/pull-requests/collaborating-with-pull-requests/incorporating-changes-from-a-pull-request
_MERGE = re.compile(r"Merge pull request #(?P<number>[1-9]\d{0,9}) from \S+", re.ASCII)
_SQUASH = re.compile(r"(?P<title>.*\S)\s+\(#(?P<number>[1-9]\d{0,9})\)", re.ASCII)
# The messages of a revert and a cherry-pick by git, and of a revert of a pull request by GitHub.
_REVERTED = re.compile(r"\bThis reverts commit ([0-9a-f]{7,64})\b")
_REVERTED_NUMBER = re.compile(r"^Reverts (?:[\w.-]+/[\w.-]+)?#([1-9]\d{0,9})\s*$", re.MULTILINE | re.ASCII)
_PICKED = re.compile(r"^\(cherry picked from commit ([0-9a-f]{7,64})\)\s*$", re.MULTILINE)


class Lineage:
    """Commits by number. Numbers start at the newest commit, and children have smaller numbers than their parents."""

    def __init__(self, commits: Iterable[Commit], pull_requests: Iterable[PullRequest], repository_url: str) -> None:
        self.commits = _ordered({commit.sha: commit for commit in commits})
        self._number = {commit.sha: number for number, commit in enumerate(self.commits)}
        self._known = tuple(pull_requests)
        self._repository_url = repository_url

    def __contains__(self, sha: str) -> bool:
        return sha in self._number

    def is_merge(self, number: int) -> bool:
        """Return whether a commit is a merge."""
        return len(self.commits[number].parents) > 1

    def is_picked(self, number: int) -> bool:
        """Return whether a commit was cherry-picked."""
        return bool(_PICKED.search(self.commits[number].body))

    @cached_property
    def pull_request_of(self) -> dict[int, PullRequest]:
        """The pull request of each commit; the innermost, if one was merged into the branch of another."""
        numbered = {request.number: request for request in self._known}
        merged = {request.merge_commit: request for request in self._known if request.merge_commit}
        named = {sha: request for request in self._known for sha in request.commits}
        found: dict[int, PullRequest] = {}
        for number in reversed(range(len(self.commits))):  # parents first, so inner merges are before outer ones
            commit = self.commits[number]
            request = merged.get(commit.sha)
            if self.is_merge(number):
                request = request or self._read_merge(commit, numbered)
                if request:
                    found = dict.fromkeys(self._merged(number), request) | found
            else:
                request = request or named.get(commit.sha) or self._read_squash(commit, numbered)
                if request:
                    found[number] = request
        return found

    @cached_property
    def same(self) -> list[int]:
        """For each commit, the number of its change. Rewritten and cherry-picked commits share the number."""
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
                # In parallel branches, only clocks decide the order, so the original may have either number.
                origin = self._find(sha)
                if origin is not None:
                    stands[end(number)] = end(origin)
        return [end(number) for number in stands]

    @cached_property
    def targets(self) -> dict[int, frozenset[int]]:
        """For each revert, the reverted commits: those that it names, and their duplicates, before it."""
        numbered: dict[int, list[int]] = {}
        for number, request in self.pull_request_of.items():
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
                    about.update(self._merged(target) if self.is_merge(target) else [target])
            for text in _REVERTED_NUMBER.findall(commit.body):
                about.update(numbered.get(int(text), ()))
            same = {twin for target in about for twin in alike[self.same[target]]} - {number}
            before = frozenset(twin for twin in same if self._ancestors[number] >> twin & 1 and not self.is_merge(twin))
            if before:
                found[number] = before
        return found

    @cached_property
    def undone(self) -> frozenset[int]:
        """The commits that were reverted, by a revert that was not reverted."""
        found: set[int] = set()
        for number in sorted(self.targets):  # newest first, so it is known whether the revert was reverted
            if number not in found:
                found |= self.targets[number]
        return frozenset(found)

    @cached_property
    def _ancestors(self) -> list[int]:
        """The commits that each commit contains, including itself, as a set of bits."""
        found = [0] * len(self.commits)
        for number in reversed(range(len(self.commits))):
            found[number] = 1 << number
            for parent in self.commits[number].parents:
                if parent in self._number:
                    found[number] |= found[self._number[parent]]
        return found

    def _merged(self, merge: int) -> Iterator[int]:
        """Yield the commits that a merge added to its first parent."""
        first = self._number.get(self.commits[merge].parents[0])
        bits = self._ancestors[merge] & ~(1 << merge)
        if first is not None:
            bits &= ~self._ancestors[first]
        while bits:
            lowest = bits & -bits
            yield lowest.bit_length() - 1
            bits ^= lowest

    def _find(self, sha: str) -> int | None:
        """Return a commit by its SHA, or by the start of it; None if it is not found or not unique."""
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
        """Return a pull request that is known only from the message of a commit."""
        url = f"{self._repository_url}/pull/{number}" if self._repository_url else ""
        return PullRequest(number, title, url, authors[0] if authors else Person(""))


def _ordered(commits: dict[str, Commit]) -> list[Commit]:
    """Return the commits with children before their parents, and otherwise in the same order."""
    place = {sha: number for number, sha in enumerate(commits)}
    waiting = dict.fromkeys(commits, 0)
    """The number of children of each commit that are not in the result yet."""
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
