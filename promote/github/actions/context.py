"""What the runner says about the job: read once, frozen."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class Context:
    """The GitHub Actions environment; every part may be missing where the action runs elsewhere."""

    workspace: Path
    """The checked-out repository."""
    commit: str
    """The commit whose files are deployed (``promote.pipeline.checkout``), else the workflow run's; or empty."""
    repository: str
    """``owner/name``."""
    server_url: str
    api_url: str
    run_id: int
    """0 outside GitHub."""
    attempt: int
    temporary: Path
    """Emptied by the runner after the job."""
    ref: str = ""
    """The branch or tag, such as ``refs/heads/main``, or empty."""
    actor: str = ""
    """Who has started this attempt, or empty."""
    token: str = field(repr=False, default="")
    event: str = ""
    """Of the workflow's run, such as ``push``, or empty."""
    event_file: Path | None = None
    """What GitHub says of the event, as JSON."""
    clone: Path = Path()
    """The folder of the clone that holds what is deployed; the workspace, where there is none."""
    head: str = ""
    """The commit that is checked out in the workspace, with its tests. Several clones: their commits, with spaces
    between them. Empty: none is."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read the variables that GitHub documents as the default environment variables of a job."""
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
            temporary=Path(environ.get("RUNNER_TEMP") or "/tmp"),  # noqa: S108 - the system's own fallback
            ref=environ.get("GITHUB_REF") or environ.get("GITHUB_REF_NAME") or "",
            actor=environ.get("GITHUB_TRIGGERING_ACTOR") or environ.get("GITHUB_ACTOR") or "",
            token=environ.get("INPUT_GITHUB-TOKEN", "").strip(),
            event=environ.get("GITHUB_EVENT_NAME", ""),
            event_file=Path(event_file) if event_file else None,
            clone=workspace,
        )

    @property
    def run_url(self) -> str:
        """The page of this attempt, or empty."""
        return self.page_of(self.run_id, self.attempt)

    def page_of(self, run_id: int, attempt: int) -> str:
        """Give the page of an attempt of a run of this repository, or empty."""
        if not (self.repository and run_id):
            return ""
        return f"{self.server_url}/{self.repository}/actions/runs/{run_id}/attempts/{attempt}"

    @property
    def tag(self) -> str:
        """The tag that the workflow runs for, or empty."""
        return self.ref.removeprefix("refs/tags/") if self.ref.startswith("refs/tags/") else ""

    @property
    def repository_url(self) -> str:
        """The repository's page, or empty."""
        return f"{self.server_url}/{self.repository}" if self.repository else ""

    def own_page(self, url: str) -> str:
        """Give ``url``, which anybody may have written into a record, where it leads to this GitHub; else nothing."""
        return url if url.startswith(f"{self.server_url}/") else ""

    def commit_url(self, commit: str) -> str:
        """Give the page of ``commit``, or empty."""
        return f"{self.server_url}/{self.repository}/commit/{commit}" if self.repository and commit else ""


def _commit(text: str) -> str:
    found = re.fullmatch(r"[0-9a-f]{7,64}", text.strip().lower())
    return found[0] if found else ""


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() else default
