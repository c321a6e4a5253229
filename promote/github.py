"""What GitHub and the local clone know of commits."""

from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from promote.context import Context

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests


class Relation(StrEnum):
    """How one commit stands to another."""

    SAME = "same"
    NEWER = "newer"
    OLDER = "older"
    DIVERGED = "diverged"
    UNKNOWN = "unknown"


@cache
def relation(commit: str, to: str, context: Context, session: "Callable[[], requests.Session]") -> Relation:
    """Say, once a run, how ``commit`` stands to ``to``: by local history when it is there, else as GitHub says."""
    if commit == to:
        return Relation.SAME
    if not (commit and to):
        return Relation.UNKNOWN
    local = _local(commit, to, context.workspace)
    return _compared(commit, to, context, session()) if local is Relation.UNKNOWN else local


def _local(commit: str, to: str, workspace: Path) -> Relation:
    from dulwich.errors import NotGitRepository  # noqa: PLC0415 - needed only once an environment serves something
    from dulwich.graph import can_fast_forward  # noqa: PLC0415
    from dulwich.objects import ObjectID  # noqa: PLC0415
    from dulwich.repo import Repo  # noqa: PLC0415

    try:
        with Repo.discover(str(workspace)) as repository:
            ours, theirs = ObjectID(commit.encode()), ObjectID(to.encode())
            if ours not in repository or theirs not in repository:
                return Relation.UNKNOWN
            if can_fast_forward(repository, theirs, ours):
                return Relation.NEWER
            if can_fast_forward(repository, ours, theirs):
                return Relation.OLDER
            # In a shallow clone the missing history may join what seems to have parted.
            return Relation.UNKNOWN if repository.get_shallow() else Relation.DIVERGED
    except (NotGitRepository, KeyError, ValueError, OSError):
        return Relation.UNKNOWN


def _compared(commit: str, to: str, context: Context, session: "requests.Session") -> Relation:
    """Ask the compare API: https://docs.github.com/rest/commits/commits#compare-two-commits."""
    import requests  # noqa: PLC0415 - the session's maker has loaded it

    if not (context.token and context.repository):
        return Relation.UNKNOWN
    try:
        response = session.get(
            f"{context.api_url}/repos/{context.repository}/compare/{to}...{commit}",
            params={"per_page": "1"},
            headers={"Authorization": f"Bearer {context.token}", "Accept": "application/vnd.github+json"},
            timeout=(3, 10),
        )
        status = response.json().get("status") if response.ok else ""
    except (requests.RequestException, ValueError, AttributeError):
        return Relation.UNKNOWN
    known = {
        "ahead": Relation.NEWER,
        "behind": Relation.OLDER,
        "identical": Relation.SAME,
        "diverged": Relation.DIVERGED,
    }
    return known.get(status, Relation.UNKNOWN)
