"""The context of the job, read from the runner's environment variables."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class Context:
    """The context of a job in GitHub Actions. Outside of GitHub Actions, each part may be missing."""

    workspace: Path
    """The checked-out repository."""
    commit: str
    """The commit whose files are deployed (``promote.pipeline.checkout``), else that of the workflow run; or empty."""
    repository: str
    """``owner/name``."""
    server_url: str
    api_url: str
    run_id: int
    """GitHub's id of the run; 0 outside of GitHub."""
    attempt: int
    temporary: Path
    """A folder that the runner empties after the job."""
    ref: str = ""
    """The branch or tag, such as ``refs/heads/main``; or empty."""
    actor: str = ""
    """The user who started this attempt; or empty."""
    token: str = field(repr=False, default="")
    event: str = ""
    """The event that started the workflow, such as ``push``; or empty."""
    event_file: Path | None = None
    """The file with the event's payload, as JSON."""
    clone: Path = Path()
    """The folder of the clone that contains the deployed files; the workspace if there is no clone."""
    head: str = ""
    """The commit that is checked out in the workspace, with its tests. With several clones, their commits, separated
    by spaces. Empty if there is no commit."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read the default environment variables that GitHub documents for a job."""
        workspace = Path(environ.get("GITHUB_WORKSPACE") or ".").resolve()
        event_file = environ.get("GITHUB_EVENT_PATH")
        return cls(
            workspace=workspace,
            commit=_commit(environ.get("GITHUB_SHA", "")),
            repository=environ.get("GITHUB_REPOSITORY", ""),
            server_url=(environ.get("GITHUB_SERVER_URL") or "https://github.com").rstrip("/"),
            api_url=(environ.get("GITHUB_API_URL") or "https://api.github.com").rstrip("/"),
            run_id=_number(environ.get("GITHUB_RUN_ID"), 0),
            attempt=_number(environ.get("GITHUB_RUN_ATTEMPT"), 1),
            temporary=Path(environ.get("RUNNER_TEMP") or "/tmp"),  # noqa: S108 - the default of the system
            ref=environ.get("GITHUB_REF") or environ.get("GITHUB_REF_NAME") or "",
            actor=environ.get("GITHUB_TRIGGERING_ACTOR") or environ.get("GITHUB_ACTOR") or "",
            token=environ.get("INPUT_GITHUB-TOKEN", "").strip(),
            event=environ.get("GITHUB_EVENT_NAME", ""),
            event_file=Path(event_file) if event_file else None,
            clone=workspace,
        )

    @property
    def run_url(self) -> str:
        """The page of this attempt; empty outside of GitHub."""
        return self.page_of(self.run_id, self.attempt)

    def attempt_of(self, page: str) -> int | None:
        """Return the attempt of this run that has the URL ``page``; None if it is the page of something else."""
        start = self.page_of(self.run_id, 0)[:-1]
        number = page.removeprefix(start) if start else ""
        return int(number) if number != page and number.isdecimal() else None

    def page_of(self, run_id: int, attempt: int) -> str:
        """Return the page of an attempt of a run of this repository; empty outside of GitHub."""
        if not (self.repository and run_id):
            return ""
        return f"{self.server_url}/{self.repository}/actions/runs/{run_id}/attempts/{attempt}"

    @property
    def tag(self) -> str:
        """The tag that started the workflow; or empty."""
        return self.ref.removeprefix("refs/tags/") if self.ref.startswith("refs/tags/") else ""

    @property
    def repository_url(self) -> str:
        """The page of the repository; empty outside of GitHub."""
        return f"{self.server_url}/{self.repository}" if self.repository else ""

    def own_page(self, url: str) -> str:
        """Return ``url`` if it is a page of this GitHub server, else empty. URLs in records are not trusted."""
        return url if url.startswith(f"{self.server_url}/") else ""

    def commit_url(self, commit: str) -> str:
        """Return the page of ``commit``; empty outside of GitHub."""
        return f"{self.server_url}/{self.repository}/commit/{commit}" if self.repository and commit else ""


def _commit(text: str) -> str:
    found = re.fullmatch(r"[0-9a-f]{7,64}", text.strip().lower())
    return found[0] if found else ""


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() else default
