"""GitHub's REST API for one repository. The calls and their responses: https://docs.github.com/rest."""

import base64
import json
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from promote.core.clock import Clock
from promote.github import commits
from promote.github.actions.context import Context
from promote.github.api.client import Call, Client, array
from promote.github.commits import Listing
from promote.github.model import Commit, PullRequest

if TYPE_CHECKING:
    import requests

MOST = 1_000
"""The most commits, pull requests or tags. Release notes with more are not useful."""

_PAGE = 100
"""Items per page, GitHub's maximum."""

_RECENT = 3 * _PAGE
"""The newest releases, in which a draft is searched."""


@dataclass(frozen=True)
class Comparison:
    """The comparison of a commit with another one, its base."""

    status: str
    """``ahead``, ``behind``, ``identical`` or ``diverged``."""
    count: int
    """The number of commits that the base does not have."""
    commits: Listing[Commit]
    """The newest of them."""


@dataclass(frozen=True)
class Deployment:
    """A deployment to an environment."""

    id: int
    payload: Mapping[str, Any]


@dataclass(frozen=True)
class Release:
    """A release on GitHub."""

    id: int
    tag: str
    body: str
    url: str
    is_draft: bool
    is_prerelease: bool
    is_immutable: bool


class GitHub:
    """The repository of this run.

    Each call has a timeout, and all calls together end within ``seconds``, because nothing from GitHub is worth a
    longer wait. Every method raises GitHubError. It names the missing permission, or says that GitHub is not reachable
    or limits the rate.
    """

    def __init__(
        self, context: Context, session: "Callable[[], requests.Session]", clock: Clock, seconds: float = 30
    ) -> None:
        self._client = Client(context, session, clock, seconds)

    @property
    def is_known(self) -> bool:
        """Whether there are a repository and a token."""
        return self._client.is_known

    def relation(self, base: str, head: str) -> str:
        """Return the order of the commit ``head`` relative to ``base``, as in :attr:`Comparison.status`."""
        return self._client.get(_comparing(base, head, per_page=1), lambda body: str(body["status"]))

    def compare(self, base: str, head: str, most: int = MOST) -> Comparison:
        """Return the commits that ``head`` has and ``base`` does not have, at most ``most`` of them."""
        first = self._client.get(_comparing(base, head, per_page=_PAGE), _comparison)
        found: list[Commit] = []
        # GitHub returns the oldest first, so the newest are on the last page.
        for number in range(math.ceil(first.count / _PAGE), 0, -1):
            if len(found) >= most:
                break
            page = (
                first
                if number == 1
                else self._client.get(_comparing(base, head, per_page=_PAGE, page=number), _comparison)
            )
            found += page.commits.items
        newest = tuple(found[:most])
        return Comparison(first.status, first.count, Listing(newest, is_whole=len(newest) >= first.count))

    def commits(self, head: str, most: int = MOST) -> Listing[Commit]:
        """Return the commits that ``head`` has, at most ``most`` of them."""
        found = self._client.listed(
            Call("listing commits", _CONTENTS, "commits", {"sha": head, "per_page": _PAGE}), _commit, most
        )
        return Listing(tuple(found[:most]), is_whole=len(found) <= most)

    def has_committed(self, login: str, head: str) -> bool:
        """Return whether ``login`` is the author of any of the commits that ``head`` has."""
        query: dict[str, str | int] = {"author": login, "sha": head, "per_page": 1}
        return self._client.get(
            Call("looking for earlier commits", _CONTENTS, "commits", query), lambda it: bool(array(it))
        )

    def pull_requests(self, since: datetime, most: int = MOST) -> Listing[PullRequest]:
        """Return the merged pull requests that were updated at or after ``since``, the latest first."""

        def entry(body: Any) -> tuple[datetime, PullRequest | None]:
            return datetime.fromisoformat(body["updated_at"]), _pull_request(body)

        query: dict[str, str | int] = {"state": "closed", "sort": "updated", "direction": "desc", "per_page": _PAGE}
        call = Call("listing pull requests", _PULL_REQUESTS, "pulls", query)
        found = self._client.listed(call, entry, most, lambda one: one[0] < since)
        recent = [one for at, one in found if at >= since]
        return Listing(tuple(one for one in recent[:most] if one), is_whole=len(recent) <= most)

    def pull_requests_of(self, commit: str) -> tuple[PullRequest, ...]:
        """Return the pull requests that merged ``commit``."""
        call = Call(
            "looking for a pull request", _PULL_REQUESTS, f"commits/{_quoted(commit)}/pulls", {"per_page": _PAGE}
        )
        return tuple(one for one in self._client.listed(call, _pull_request, _PAGE) if one)

    def tag_commit(self, tag: str) -> str:
        """Return the commit of ``tag``; empty if it does not exist on GitHub, or the token has no access to it."""
        purpose = f"looking for the tag {tag}"
        found = self._client.seek(Call(purpose, _CONTENTS, f"git/ref/tags/{_quoted(tag)}"), _target)
        while found and found[0] == "tag":  # an annotated tag, maybe of another tag
            found = self._client.get(Call(purpose, _CONTENTS, f"git/tags/{_quoted(found[1])}"), _target)
        return found[1] if found and found[0] == "commit" else ""

    def tags(self, prefix: str = "") -> tuple[str, ...]:
        """Return the names of the tags that start with ``prefix``."""
        call = Call("listing tags", _CONTENTS, f"git/matching-refs/tags/{_quoted(prefix)}")
        return tuple(self._client.listed(call, lambda body: str(body["ref"]).removeprefix("refs/tags/"), 10 * MOST))

    def file(self, path: str, commit: str = "") -> bytes | None:
        """Return the content of a file of up to 1 MB; None if it does not exist."""
        query = {"ref": commit} if commit else {}
        return self._client.seek(Call(f"reading {path}", _CONTENTS, f"contents/{_quoted(path)}", query), _contents)

    def deployments(self, environment: str, most: int = _PAGE) -> tuple[Deployment, ...]:
        """Return the newest deployments to ``environment``, the newest first."""
        call = Call("listing deployments", _DEPLOYMENTS, "deployments", {"environment": environment, "per_page": most})
        return tuple(self._client.listed(call, _deployment, most - 1)[:most])

    def create_deployment(
        self, commit: str, environment: str, description: str, payload: Mapping[str, Any], *, is_production: bool
    ) -> int:
        """Create a deployment of ``commit`` to ``environment``, and return its id.

        GitHub merges nothing and does not wait for checks, because the release has already happened.
        """
        body = {
            "ref": commit,
            "environment": environment,
            "description": _shortened(description),
            "payload": payload,
            "auto_merge": False,
            "required_contexts": [],
            "production_environment": is_production,
        }
        call = Call("creating a deployment", _DEPLOYMENTS, "deployments", method="POST", body=body)
        return self._client.get(call, lambda made: int(made["id"]))

    def set_status(
        self, deployment: int, state: str, description: str = "", *, environment_url: str = "", log_url: str = ""
    ) -> None:
        """Set the status of a deployment: ``success``, ``failure``, ``error`` or ``inactive``."""
        urls = {"environment_url": environment_url, "log_url": log_url}
        # By default, GitHub would also set the deployments of other functions to inactive. See auto_inactive at
        # https://docs.github.com/rest/deployments/statuses#create-a-deployment-status.
        body = {"state": state, "description": _shortened(description), "auto_inactive": False} | {
            name: url for name, url in urls.items() if url
        }
        path = f"deployments/{deployment}/statuses"
        self._client.get(
            Call("setting a deployment's status", _DEPLOYMENTS, path, method="POST", body=body), lambda _: None
        )

    def release(self, tag: str) -> Release | None:
        """Return the release of ``tag``, or a draft; None if there is none, or the token has no access to it."""
        purpose = f"looking for the release of {tag}"
        found = self._client.seek(Call(purpose, _CONTENTS, f"releases/tags/{_quoted(tag)}"), _release)
        if found is None:  # only the list contains drafts
            listed = self._client.listed(
                Call(purpose, _CONTENTS, "releases", {"per_page": _PAGE}),
                _release,
                _RECENT,
                lambda release: release.tag == tag,
            )
            found = next((release for release in listed if release.tag == tag), None)
        return found

    def create_release(self, tag: str, text: str, *, is_prerelease: bool) -> Release:
        """Publish the release of ``tag``. The tag must exist, because otherwise GitHub would create it.

        A release of an older series does not become the latest.

        Raises:
            GitHubError: If the release exists, ``codes`` contains ``already_exists``.

        """
        latest = "false" if is_prerelease else "legacy"
        body = {"tag_name": tag, "name": tag, "body": text, "prerelease": is_prerelease, "make_latest": latest}
        call = Call(f"creating the release of {tag}", _RELEASES, "releases", method="POST", body=body)
        return self._client.get(call, _release)

    def update_release(self, release: Release, text: str) -> Release:
        """Replace the text of ``release``. Nothing else changes."""
        purpose, path = f"updating the release of {release.tag}", f"releases/{release.id}"
        return self._client.get(Call(purpose, _RELEASES, path, method="PATCH", body={"body": text}), _release)


def _shortened(text: str) -> str:
    """Return ``text`` as one line, shortened to GitHub's limit for descriptions of deployments and statuses."""
    text = " ".join(commits.legible(text).split())
    return text if len(text) <= _DESCRIPTION else f"{text[: _DESCRIPTION - 1]}…"


def _quoted(text: str) -> str:
    return quote(text, safe="/")


def _comparing(base: str, head: str, **query: int) -> Call:
    return Call("comparing commits", _CONTENTS, f"compare/{_quoted(base)}...{_quoted(head)}", query)


def _comparison(body: Any) -> Comparison:
    found = tuple(_commit(one) for one in reversed(array(body["commits"])))
    return Comparison(str(body["status"]), int(body["total_commits"]), Listing(found))


def _commit(body: Any) -> Commit:
    reported = body["commit"]
    signed, account = reported.get("author") or {}, body.get("author") or {}
    author = commits.person(
        str(signed.get("name") or ""),
        str(signed.get("email") or ""),
        str(account.get("login") or ""),
        is_bot=account.get("type") == "Bot",
    )
    message = commits.Message.of(str(reported["message"]))
    return Commit(
        sha=str(body["sha"]),
        subject=message.subject,
        body=message.body,
        authors=message.authors(author),
        at=_moment((reported.get("committer") or signed).get("date")),
        parents=tuple(str(one["sha"]) for one in body["parents"]),
        written=_moment(signed.get("date")),
    )


def _moment(text: Any) -> datetime | None:
    with suppress(TypeError, ValueError):
        return datetime.fromisoformat(text)
    return None


def _pull_request(body: Any) -> PullRequest | None:
    """Return a pull request; None if it was not merged."""
    if not body.get("merged_at"):
        return None
    user = body.get("user") or {}
    login = str(user.get("login") or "")
    return PullRequest(
        number=int(body["number"]),
        title=commits.legible(str(body["title"])),
        url=str(body["html_url"]),
        author=commits.person(login, login=login, is_bot=user.get("type") == "Bot"),
        labels=tuple(commits.legible(str(label["name"])) for label in body["labels"]),
        merge_commit=str(body.get("merge_commit_sha") or ""),
    )


def _target(body: Any) -> tuple[str, str]:
    return str(body["object"]["type"]), str(body["object"]["sha"])


def _contents(body: Any) -> bytes:
    if body["type"] != "file" or body["encoding"] != "base64":
        raise ValueError(body["type"])
    return base64.b64decode(body["content"])


def _deployment(body: Any) -> Deployment:
    payload = body["payload"]
    if isinstance(payload, str):  # either an object, or a string with JSON
        with suppress(ValueError):
            payload = json.loads(payload)
    return Deployment(int(body["id"]), payload if isinstance(payload, dict) else {})


def _release(body: Any) -> Release:
    return Release(
        id=int(body["id"]),
        tag=str(body["tag_name"]),
        body=str(body.get("body") or ""),
        url=str(body["html_url"]),
        is_draft=bool(body["draft"]),
        is_prerelease=bool(body["prerelease"]),
        is_immutable=bool(body.get("immutable")),
    )


_DESCRIPTION = 140
"""GitHub's limit in characters: https://docs.github.com/rest/deployments/statuses#create-a-deployment-status."""

_CONTENTS, _RELEASES = "contents: read", "contents: write"
_PULL_REQUESTS, _DEPLOYMENTS = "pull-requests: read", "deployments: write"
