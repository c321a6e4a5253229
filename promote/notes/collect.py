"""Collect the changes between two commits, from the local clone and from GitHub."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice
from pathlib import Path

from promote.core.concurrency import map_concurrently, run_both
from promote.core.errors import GitHubError
from promote.core.workspace import inside
from promote.github import git
from promote.github.api.repository import GitHub
from promote.github.commits import Listing
from promote.github.model import Commit, PullRequest
from promote.inputs.located_yaml import LARGEST
from promote.notes.changes import changes
from promote.notes.model import Changes

_CONFIGURATION = ".github/release.yml"

_WIDTH = 8
"""The most calls to GitHub at the same time."""
_LOOKED_UP = 24
"""The most commits, and the most people, that are looked up one by one. More would take too long."""
_SLACK = timedelta(days=1)
"""The largest expected difference between the clocks of committers and of GitHub."""


@dataclass(frozen=True)
class Sources:
    """The clone and the repository on GitHub."""

    clone: Path
    """The folder of the clone. It need not contain one."""
    github: GitHub
    repository_url: str
    """The page of the repository; empty if it is not known."""

    def between(self, since: str, until: str) -> Changes:
        """Return the changes in ``until`` and not in ``since``. An empty ``since`` is before the first commit.

        What cannot be read is listed in the gaps. No error is raised.
        """
        gaps: list[str] = []
        listed = self._commits(since, until, gaps)
        if listed is None:
            return Changes(gaps=tuple(gaps))
        if not listed.is_whole:
            gaps.append(f"There are more commits than the {len(listed.items)} that are listed here.")
        pulls: tuple[PullRequest, ...] = ()
        newcomers = frozenset[str]()
        configuration = self._local_configuration()
        if listed.items and self.github.is_known:
            try:
                pulls, configuration = run_both(
                    lambda: self._pull_requests(listed.items),
                    lambda: configuration if configuration is not None else self._configuration(until),
                )
                newcomers = self._newcomers(since, listed.items, pulls)
            except GitHubError as error:
                gaps.append(f"Pull requests or first contributions may be missing: {error.full_text}")
        elif listed.items:
            gaps.append("Pull requests and first contributions are not known: there is no github-token.")
        found = changes(
            listed.items,
            pulls,
            configuration=configuration or "",
            is_newcomer=lambda person: person.login in newcomers,
            repository_url=self.repository_url,
        )
        return replace(found, gaps=(*gaps, *found.gaps))

    def _commits(self, since: str, until: str, gaps: list[str]) -> Listing[Commit] | None:
        local = git.commits(self.clone, since, until)
        if local is not None:
            return local
        cause, hint = git.lack(self.clone, since, until)
        if not self.github.is_known:
            gaps.append(f"The commits are not known: {cause}, and there is no github-token to ask GitHub. {hint}")
            return None
        try:
            return self.github.compare(since, until).commits if since else self.github.commits(until)
        except GitHubError as error:
            gaps.append(
                f"The commits are not known: {cause}, and GitHub cannot be asked: {error.sentence} {hint} {error.hint}"
            )
            return None

    def _pull_requests(self, commits: tuple[Commit, ...]) -> tuple[PullRequest, ...]:
        times = [commit.at for commit in commits if commit.at]
        if not times:
            return ()
        known = self.github.pull_requests(min(times) - _SLACK).items
        # A rebased pull request has several commits on the branch, and GitHub returns only the last one.
        alone = list(islice(_without_pull_request(commits, known), _LOOKED_UP))
        asked = map_concurrently([lambda sha=sha: self.github.pull_requests_of(sha) for sha in alone], _WIDTH)  # type: ignore[misc]
        found = {pull.number: pull for pull in known}
        for sha, pulls in zip(alone, asked, strict=True):
            for pull in pulls[:1]:
                before = found.get(pull.number, pull)
                found[pull.number] = replace(before, commits=(*before.commits, sha))
        return tuple(found.values())

    def _newcomers(self, since: str, commits: tuple[Commit, ...], pulls: tuple[PullRequest, ...]) -> frozenset[str]:
        """Return the logins of authors without earlier commits."""
        if not since:
            return frozenset()
        shas = {commit.sha for commit in commits}
        people = [pull.author for pull in pulls if shas & {pull.merge_commit, *pull.commits}]
        people += [author for commit in commits for author in commit.authors]
        logins = list(dict.fromkeys(person.login for person in people if person.login and not person.is_bot))[
            :_LOOKED_UP
        ]
        known = map_concurrently(
            [lambda login=login: self.github.has_committed(login, since) for login in logins],  # type: ignore[misc]
            _WIDTH,
        )
        return frozenset(login for login, is_known in zip(logins, known, strict=True) if not is_known)

    def _local_configuration(self) -> str | None:
        """Return the file in the clone, empty if it does not exist; None if there is no clone."""
        if not (self.clone / ".git").exists():
            return None
        try:
            file = inside(self.clone, _CONFIGURATION)
            if file is None or not file.is_file():
                return ""
            with file.open("rb") as opened:
                return opened.read(LARGEST + 1).decode(errors="replace")
        except (OSError, RuntimeError):
            return ""

    def _configuration(self, commit: str) -> str:
        found = self.github.file(_CONFIGURATION, commit)
        return found[: LARGEST + 1].decode(errors="replace") if found else ""


def _without_pull_request(commits: tuple[Commit, ...], pulls: tuple[PullRequest, ...]) -> Iterator[str]:
    """Yield the commits of the main line without a known pull request."""
    by_sha = {commit.sha: commit for commit in commits}
    merged = {pull.merge_commit for pull in pulls}
    here = commits[0].sha if commits else ""
    while here in by_sha:
        commit = by_sha[here]
        if len(commit.parents) == 1 and here not in merged:
            yield here
        here = commit.parents[0] if commit.parents else ""
