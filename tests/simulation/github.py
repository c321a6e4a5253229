"""GitHub, as far as promotions use it: a history that is a graph, pull requests for some of it, and deployments.

Responses are JSON as in https://docs.github.com/rest, with only the members that are read.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.simulation.commits import Commits
from tests.simulation.errors import NotModelledError, Refusal

API_URL, REPOSITORY = "https://api.github.com", "octo/hello"

_ROUTES = (
    ("GET", r"compare/(?P<base>\w+)\.\.\.(?P<head>\w+)", "Compare"),
    ("GET", r"commits", "ListCommits"),
    ("GET", r"commits/(?P<sha>\w+)/pulls", "ListPullRequestsOf"),
    ("GET", r"pulls", "ListPullRequests"),
    ("GET", r"contents/(?P<path>.+)", "GetContents"),
    ("GET", r"deployments", "ListDeployments"),
    ("POST", r"deployments", "CreateDeployment"),
    ("POST", r"deployments/(?P<deployment>\d+)/statuses", "CreateStatus"),
)

_NEEDED = {
    "ListPullRequestsOf": "pull_requests=read",
    "ListPullRequests": "pull_requests=read",
    "ListDeployments": "deployments=read",
    "CreateDeployment": "deployments=write",
    "CreateStatus": "deployments=write",
}
"""Permissions that a job's token has only if its workflow requests them."""


def routed(method: str, url: str, query: Mapping[str, Any], body: Mapping[str, Any] | None) -> tuple[str, Any, str]:
    """Return the operation of a request, its arguments, and an addition to its name.

    Raises:
        NotModelledError: The model does not support the request.

    """
    path = url.removeprefix(f"{API_URL}/repos/{REPOSITORY}/")
    for verb, pattern, operation in _ROUTES:
        found = re.fullmatch(pattern, path) if verb == method else None
        if found:
            arguments = {**found.groupdict(), "query": query} | ({"body": body} if verb == "POST" else {})
            return operation, arguments, "commits" if operation == "Compare" and query["per_page"] > 1 else ""
    raise NotModelledError(f"{method} {url}")


@dataclass
class Deployment:
    """The deployment states of an environment."""

    environment: str
    payload: Mapping[str, Any]
    states: list[str]


class GitHub:
    """One repository. Commits are identified by their numbers. Even commits are squashed pull requests."""

    def __init__(self, commits: Commits, gone: frozenset[int] = frozenset(), *, is_generous: bool) -> None:
        """Begin with the history ``commits``. GitHub does not have the commits in ``gone``.

        ``is_generous``: the job's token has all permissions, not only those for the contents.
        """
        self._commits = commits
        self._gone = gone
        self._is_generous = is_generous
        self.deployments: dict[int, Deployment] = {}

    def carry_out(self, operation: str, arguments: Mapping[str, Any]) -> Any:
        """Carry out a request and return the response's body.

        Raises:
            Refusal: The resource does not exist, or a permission is missing.

        """
        needed = "" if self._is_generous else _NEEDED.get(operation, "")
        if needed:
            raise Refusal(needed, "Resource not accessible by integration", 403)
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()
        return getattr(self, f"_{name}")(**arguments)

    def _compare(self, *, base: str, head: str, query: Any) -> Any:
        since, until = self._known(base), self._known(head)
        status = self._commits.status(until, since)
        found = [self._commit(place) for place in self._commits.between(since, until)]
        return {"status": status, "total_commits": len(found), "commits": found[: query["per_page"]]}

    def _list_commits(self, *, query: Any) -> Any:
        places = sorted(self._commits.until(self._known(query["sha"])), reverse=True)
        return [self._commit(place) for place in places if query.get("author", _login(place)) == _login(place)]

    def _known(self, sha: str) -> int:
        if int(sha, 16) in self._gone:
            raise Refusal("", f"No commit found for SHA: {sha}", 404)
        return int(sha, 16)

    def _commit(self, place: int) -> dict[str, Any]:
        parents = [{"sha": _sha(parent)} for parent in self._commits.parents_of(place)]
        return {**_commit(place), "parents": parents}

    def _list_pull_requests_of(self, *, sha: str, query: Any) -> Any:
        del query
        place = int(sha, 16)
        # One was rebased. The list names another commit of it.
        return [_pull_request(place)] if place % 2 == 0 or place == _REBASED else []

    def _list_pull_requests(self, *, query: Any) -> Any:
        assert query["state"] == "closed"
        return [_pull_request(place) for place in range(8, 0, -2)]

    def _get_contents(self, *, path: str, query: Any) -> Any:
        raise Refusal("", f"Not Found: {path} at {query['ref']}", 404)

    def _list_deployments(self, *, query: Any) -> Any:
        return [
            {"id": number, "payload": made.payload}
            for number, made in reversed(self.deployments.items())
            if made.environment == query["environment"]
        ]

    def _create_deployment(self, *, body: Any, query: Any) -> Any:
        del query
        number = len(self.deployments) + 1
        self.deployments[number] = Deployment(body["environment"], body["payload"], [])
        return {"id": number}

    def _create_status(self, *, deployment: str, body: Any, query: Any) -> Any:
        del query
        if int(deployment) not in self.deployments:
            raise Refusal("", "Not Found", 404)
        self.deployments[int(deployment)].states.append(body["state"])
        return {"id": 1}


_REBASED = 5


def _login(place: int) -> str:
    return f"octo{place % 3}"


def _sha(place: int) -> str:
    return f"{place:040x}"


def _commit(place: int) -> dict[str, Any]:
    person = {"name": f"Octo {place % 3}", "email": f"octo{place % 3}@example.com", "date": _moment(place)}
    return {
        "sha": _sha(place),
        "commit": {"author": person, "committer": person, "message": f"fix: what commit {place} mends"},
        "author": {"login": _login(place), "type": "User"},
    }


def _pull_request(place: int) -> dict[str, Any]:
    return {
        "number": place,
        "title": f"feat: what pull request {place} brings",
        "html_url": f"https://github.com/{REPOSITORY}/pull/{place}",
        "user": {"login": _login(place), "type": "User"},
        "labels": [],
        "merged_at": _moment(place),
        "updated_at": _moment(place),
        "merge_commit_sha": _sha(place + 20 if place == _REBASED else place),
    }


def _moment(place: int) -> str:
    return f"2025-12-01T{place:02}:00:00Z"
