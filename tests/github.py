"""GitHub for tests: a real server for one repository in memory.

Every request and every response is checked against GitHub's description of its API (tests/github_openapi.json, written
by tools/github_openapi.py). Where the description has no rule, the server follows GitHub's other documentation.
"""

import base64
import hashlib
import json
import math
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import requests
from jsonschema import Draft202012Validator

from promote.core.clock import Clock
from promote.github.actions.context import Context
from promote.github.api.repository import GitHub
from tests.clock import Time

TOKEN = "ghs_tokenoftests"
START = datetime(2026, 1, 1, tzinfo=UTC)
BODY_LIMIT = 125_000

_DESCRIPTION = json.loads((Path(__file__).parent / "github_openapi.json").read_text(encoding="utf-8"))
_NEEDS = {
    "commits": "contents",
    "commits/pulls": "pull_requests",
    "compare": "contents",
    "contents": "contents",
    "deployments": "deployments",
    "git": "contents",
    "pulls": "pull_requests",
    "releases": "contents",
}
"""The permission by the part of the path.

https://docs.github.com/rest/authentication/permissions-required-for-github-apps
"""


@dataclass
class Answer:
    """A response, or a fault that replaces it."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0
    """Before the response."""
    drips: bool = False
    """Whether it sends byte by byte, without end."""


@dataclass
class Fault:
    """A response instead of the correct one."""

    answer: Answer
    times: int
    path: str
    method: str


@dataclass
class Request:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    body: Any


class Repository:
    """``octo/hello``, and its server."""

    name = "octo/hello"

    def __init__(self, url: str, prefix: str) -> None:
        self.url = url + prefix
        """The URL of the API."""
        self.prefix = prefix
        self.permissions = {"contents": "write", "deployments": "write", "pull_requests": "read"}
        self.commits: dict[str, dict[str, Any]] = {}
        self.parents: dict[str, tuple[str, ...]] = {}
        self.branches: dict[str, str] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.tag_objects: dict[str, dict[str, Any]] = {}
        self.pulls: list[dict[str, Any]] = []
        self.merged_by: dict[str, list[int]] = {}
        self.files: dict[str, bytes] = {}
        self.deployments: list[dict[str, Any]] = []
        self.statuses: dict[int, list[dict[str, Any]]] = {}
        self.releases: list[dict[str, Any]] = []
        self.renamed_from = ""
        self.requests: list[Request] = []
        self.problems: list[str] = []
        self.faults: list[Fault] = []
        self.on_request: Callable[[Request], None] = lambda _: None
        self.closing = threading.Event()
        self.sessions: list[requests.Session] = []
        self.lock = threading.RLock()

    def context(self, workspace: Path = Path(), token: str = TOKEN) -> Context:
        """Return the runner's variables of a job in this repository."""
        environ = {
            "GITHUB_WORKSPACE": str(workspace),
            "GITHUB_REPOSITORY": self.name,
            "GITHUB_API_URL": self.url,
            "INPUT_GITHUB-TOKEN": token,
        }
        return Context.from_environ(environ)

    def session(self) -> requests.Session:
        """Return a client that is closed together with the server."""
        self.sessions.append(requests.Session())
        return self.sessions[-1]

    def client(self, *, clock: Clock | None = None, seconds: float = 30, token: str = TOKEN) -> GitHub:
        """Return a client. Without ``clock``, its time is simulated."""
        return GitHub(self.context(token=token), self.session, clock or Time(), seconds)

    def fail(  # a status and its other values
        self, status: int, *, times: int = 1, path: str = "", method: str = "", message: str = "", **answer: Any
    ) -> None:
        """Send these responses to the next requests for ``path``."""
        body = answer.pop("body", {"message": message or "Trouble", "documentation_url": "https://docs.github.com"})
        self.faults.append(Fault(Answer(status, body, **answer), times, path, method))

    def commit(
        self,
        message: str,
        *,
        login: str = "mona",
        name: str | None = "Mona Lisa",
        bot: bool = False,
        parents: tuple[str, ...] | None = None,
        branch: str = "main",
        sha: str = "",
    ) -> str:
        """Add a commit to ``branch`` and return it.

        ``sha`` is its name, if it is a commit of a clone. If ``name`` is None, it has no author, and if it is empty, an
        author without a name.
        """
        number = len(self.commits)
        sha = sha or hashlib.sha1(f"commit {number}".encode(), usedforsecurity=False).hexdigest()
        if parents is None:
            parents = (self.branches[branch],) if branch in self.branches else ()
        at = _iso(START + timedelta(minutes=number))
        known = {"email": f"{login or 'nobody'}@example.com", "date": at}
        signed = None if name is None else {**known, "name": name} if name else known
        self.commits[sha] = complete(
            "commit",
            sha=sha,
            commit=complete(
                _properties("commit")["commit"], message=message, author=signed, committer=signed, comment_count=0
            ),
            author=_user(login, bot=bot) if login else None,
            committer=None,
            parents=[complete(_properties("commit")["parents"]["items"], sha=parent) for parent in parents],
        )
        self.parents[sha] = parents
        self.branches[branch] = sha
        return sha

    def pull(
        self,
        number: int,
        title: str,
        commits: tuple[str, ...] = (),
        *,
        login: str = "mona",
        bot: bool = False,
        labels: tuple[str, ...] = (),
        updated: datetime = START,
        is_merged: bool = True,
    ) -> None:
        """Add a closed pull request. The last one of ``commits`` is its merge."""
        label = _properties("pull-request-simple")["labels"]["items"]
        self.pulls.append(
            complete(
                "pull-request-simple",
                number=number,
                title=title,
                state="closed",
                html_url=f"https://github.com/{self.name}/pull/{number}",
                user=_user(login, bot=bot) if login else None,
                labels=[complete(label, name=one) for one in labels],
                updated_at=_iso(updated),
                closed_at=_iso(updated),
                merged_at=_iso(updated) if is_merged else None,
                merge_commit_sha=commits[-1] if commits else None,
            )
        )
        for one in commits:
            self.merged_by.setdefault(one, []).append(number)

    def tag(self, name: str, commit: str, *, annotated: int = 0) -> None:
        """Add a tag. With ``annotated`` 2, it is a tag of an annotated tag."""
        target = {"type": "commit", "sha": commit}
        for level in range(annotated):
            sha = hashlib.sha1(f"tag {name} {level}".encode(), usedforsecurity=False).hexdigest()
            self.tag_objects[sha] = complete(
                "git-tag", sha=sha, tag=name, object=complete(_properties("git-tag")["object"], **target)
            )
            target = {"type": "tag", "sha": sha}
        self.tags[name] = target

    def release(
        self, tag: str, body: str | None, *, draft: bool = False, prerelease: bool = False, immutable: bool = False
    ) -> dict[str, Any]:
        """Add a release and return it."""
        made = complete(
            "release",
            id=len(self.releases) + 1,
            tag_name=tag,
            name=tag,
            body=body,
            draft=draft,
            prerelease=prerelease,
            immutable=immutable,
            html_url=f"https://github.com/{self.name}/releases/tag/{tag}",
        )
        self.releases.insert(0, made)
        return made

    def asked(self, method: str = "") -> list[str]:
        """Return the requested paths, below that of the repository."""
        start = len(f"{self.prefix}/repos/{self.name}/")
        return [request.path[start:] for request in self.requests if not method or request.method == method]

    def answer(self, request: Request, headers: Mapping[str, str]) -> Answer:
        """Respond as GitHub does, unless a fault is due."""
        with self.lock:
            self.requests.append(request)
            self.on_request(request)
            for fault in self.faults:
                if fault.times and fault.path in request.path and fault.method in request.method:
                    fault.times -= 1
                    return fault.answer
            try:
                return self._answer(request, headers)
            except Exception as error:  # noqa: BLE001 - reported where the test sees it
                self.problems.append(f"{request.method} {request.path}: {error!r}")
                return Answer(500, {"message": "the emulation has failed"})

    def _answer(self, request: Request, headers: Mapping[str, str]) -> Answer:
        if headers.get("Authorization") != f"Bearer {TOKEN}":
            return _message(401, "Bad credentials")
        if headers.get("X-GitHub-Api-Version") != "2022-11-28" or "json" not in headers.get("Accept", ""):
            self.problems.append(f"headers: {dict(headers)}")
        if not headers.get("User-Agent", "").startswith("promote-on-success/"):
            return _message(403, "Request forbidden by administrative rules.")
        path = request.path.removeprefix(self.prefix)
        if self.renamed_from and path.startswith(f"/repos/{self.renamed_from}/"):
            # https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api#follow-redirects
            target = f"{self.url}/repos/{self.name}/{path.split('/', 4)[4]}"
            query = f"?{urlencode(request.query)}" if request.query else ""
            status = 301 if request.method == "GET" else 307
            return Answer(status, {"message": "Moved Permanently", "url": target}, {"Location": target + query})
        key, operation, parts = _operation(request.method, path)
        self._check_request(key, operation, request)
        if f"{parts.pop('owner')}/{parts.pop('repo')}" != self.name:
            return _message(404, "Not Found")
        refused = self._refused(key, request.method)
        answer = refused or HANDLERS[key](self, request, **{name: unquote(text) for name, text in parts.items()})
        self._check_answer(key, operation, answer)
        return answer

    def _refused(self, key: str, method: str) -> Answer | None:
        part = key.split("/repos/{owner}/{repo}/")[1].split("/")
        need = _NEEDS.get(f"{part[0]}/{part[-1]}") or _NEEDS[part[0]]
        level = "read" if method == "GET" else "write"
        if self.permissions.get(need) in {level, "write"}:
            return None
        accepted = {"X-Accepted-GitHub-Permissions": f"{need}={level}"}
        return Answer(403, _message(403, "Resource not accessible by integration").body, accepted)

    def _check_request(self, key: str, operation: Mapping[str, Any], request: Request) -> None:
        known = {one["name"]: one for one in operation["parameters"] if one["in"] == "query"}
        for name, text in request.query.items():
            if name not in known:
                self.problems.append(f"{key}: unknown parameter {name}")
                continue
            value = int(text) if known[name]["schema"].get("type") == "integer" else text
            self._hold(f"{key} ?{name}", known[name]["schema"], value)
        if int(request.query.get("per_page", "1")) not in range(1, 101):
            self.problems.append(f"{key}: per_page={request.query['per_page']}")
        if operation["body"] is None:
            if request.body is not None:
                self.problems.append(f"{key}: it takes no body")
        else:
            unknown = set(request.body) - set(operation["body"]["properties"])
            self.problems += [f"{key}: unknown field {name}" for name in unknown]
            self._hold(key, operation["body"], request.body)

    def _check_answer(self, key: str, operation: Mapping[str, Any], answer: Answer) -> None:
        schema = operation["responses"].get(str(answer.status), {"$ref": "#/components/schemas/basic-error"})
        self._hold(f"{key} {answer.status}", schema, answer.body)

    def _hold(self, subject: str, schema: Mapping[str, Any], value: Any) -> None:
        for error in _validator(json.dumps(schema)).iter_errors(value):
            self.problems.append(f"{subject}: {error.json_path}: {error.message[:300]}")

    def _history(self, commit: str) -> set[str]:
        found, wanted = set(), [commit]
        while wanted:
            one = wanted.pop()
            if one not in found:
                found.add(one)
                wanted += self.parents[one]
        return found

    def _resolved(self, ref: str) -> str | None:
        if ref in self.branches:
            return self.branches[ref]
        found = self.tags.get(ref.removeprefix("refs/tags/"))
        while found and found["type"] == "tag":
            found = self.tag_objects[found["sha"]]["object"]
        return found["sha"] if found else ref if ref in self.commits else None

    def _page(
        self, request: Request, items: list[Any], page: Callable[[list[Any]], Any] = lambda items: items
    ) -> Answer:
        size, number = int(request.query.get("per_page", "30")), int(request.query.get("page", "1"))
        headers = {}
        if number * size < len(items):
            # As on GitHub, the links name the repository by its number.
            rest = request.path.split(f"/repos/{self.name}/")[1]
            address = f"{self.url}/repositories/1/{rest}?"
            last = math.ceil(len(items) / size)
            headers["Link"] = ", ".join(
                f'<{address}{urlencode(request.query | {"page": str(target)})}>; rel="{relation}"'
                for relation, target in (("next", number + 1), ("last", last))
            )
        return Answer(200, page(items[(number - 1) * size : number * size]), headers)

    def list_commits(self, request: Request) -> Answer:
        head = self._resolved(request.query["sha"])
        if head is None:
            return _message(404, "Not Found")
        history, author = self._history(head), request.query.get("author")
        found = [one for sha, one in self.commits.items() if sha in history]
        if author:
            found = [one for one in found if (one["author"] or {}).get("login") == author]
        return self._page(request, found[::-1])

    def compare(self, request: Request, basehead: str) -> Answer:
        base, head = (self._resolved(ref) for ref in basehead.split("..."))
        if base is None or head is None:
            return _message(404, "Not Found")
        ours, theirs = self._history(head), self._history(base)
        news, behind = ours - theirs, len(theirs - ours)
        ahead = [one for sha, one in self.commits.items() if sha in news]  # in the order of time
        states = {
            (False, False): "identical",
            (True, False): "ahead",
            (False, True): "behind",
            (True, True): "diverged",
        }
        return self._page(
            request,
            ahead,
            lambda commits: complete(
                "commit-comparison",
                base_commit=self.commits[base],
                merge_base_commit=self.commits[base],
                status=states[bool(ahead), bool(behind)],
                ahead_by=len(ahead),
                behind_by=behind,
                total_commits=len(ahead),
                commits=commits,
            ),
        )

    def list_pulls(self, request: Request) -> Answer:
        order = {"updated": "updated_at", "created": "created_at"}[request.query.get("sort", "created")]
        is_down = request.query.get("direction", "asc") == "desc"
        found = [one for one in self.pulls if one["state"] == request.query.get("state", "open")]
        return self._page(request, sorted(found, key=lambda one: str(one[order]), reverse=is_down))

    def pulls_of(self, request: Request, commit_sha: str) -> Answer:
        if commit_sha not in self.commits:
            return _message(422, f"No commit found for SHA: {commit_sha}")
        numbers = self.merged_by.get(commit_sha, ())
        return self._page(request, [one for one in self.pulls if one["number"] in numbers])

    def contents(self, _request: Request, path: str) -> Answer:
        if path not in self.files:
            return _message(404, "Not Found")
        text = base64.encodebytes(self.files[path]).decode()
        size = len(self.files[path])
        return Answer(200, complete("content-file", type="file", encoding="base64", content=text, path=path, size=size))

    def ref(self, _request: Request, ref: str) -> Answer:
        name = ref.removeprefix("tags/")
        return Answer(200, self._ref(name)) if name in self.tags else _message(404, "Not Found")

    def matching_refs(self, request: Request, ref: str) -> Answer:
        return self._page(request, [self._ref(name) for name in sorted(self.tags) if f"tags/{name}".startswith(ref)])

    def _ref(self, name: str) -> dict[str, Any]:
        target = complete(_properties("git-ref")["object"], **self.tags[name])
        return complete("git-ref", ref=f"refs/tags/{name}", object=target)

    def tag_object(self, _request: Request, tag_sha: str) -> Answer:
        return Answer(200, self.tag_objects[tag_sha])

    def list_deployments(self, request: Request) -> Answer:
        environment = request.query.get("environment", "none")
        found = [one for one in self.deployments if environment in ("none", one["environment"])]
        return self._page(request, found[::-1])

    def create_deployment(self, request: Request) -> Answer:
        body = request.body
        sha = self._resolved(body["ref"])
        if sha is None:
            return _message(422, f"No ref found for: {body['ref']}")
        if body.get("auto_merge", True) or body.get("required_contexts") != []:
            return _message(409, "Conflict: Commit status checks failed for main.")
        made = complete(
            "deployment",
            id=len(self.deployments) + 1,
            sha=sha,
            ref=body["ref"],
            task=body.get("task", "deploy"),
            payload=body["payload"],
            environment=body["environment"],
            original_environment=body["environment"],
            description=body["description"],
            production_environment=body.get("production_environment", body["environment"] == "production"),
        )
        self.deployments.append(made)
        self.statuses[made["id"]] = []
        return Answer(201, made)

    def create_status(self, request: Request, deployment_id: str) -> Answer:
        body, ours = request.body, self.deployments[int(deployment_id) - 1]
        if len(body.get("description", "")) > 140:
            return _invalid("DeploymentStatus", "custom", "description is too long (maximum is 140 characters)")
        if body["state"] == "success" and body.get("auto_inactive", True):
            for one in self.deployments:
                is_earlier = one["environment"] == ours["environment"] and one["id"] < ours["id"]
                if is_earlier and self.state(one["id"]) == "success" and not one["production_environment"]:
                    self.statuses[one["id"]].append({"state": "inactive"})
        self.statuses[ours["id"]].append(body)
        return Answer(201, complete("deployment-status", **body, target_url=body.get("log_url", "")))

    def state(self, deployment: int) -> str:
        """Return the state of the deployment with this number."""
        found = self.statuses[deployment]
        return str(found[-1]["state"]) if found else "pending"

    def list_releases(self, request: Request) -> Answer:
        sees_drafts = self.permissions.get("contents") == "write"
        return self._page(request, [one for one in self.releases if sees_drafts or not one["draft"]])

    def release_of(self, _request: Request, tag: str) -> Answer:
        found = next((one for one in self.releases if one["tag_name"] == tag and not one["draft"]), None)
        return Answer(200, found) if found else _message(404, "Not Found")

    def create_release(self, request: Request) -> Answer:
        body = request.body
        if any(one["tag_name"] == body["tag_name"] and not one["draft"] for one in self.releases):
            return _invalid("Release", "already_exists", "", field="tag_name")
        if len(body.get("body", "")) > BODY_LIMIT:
            return _invalid("Release", "custom", "body is too long (maximum is 125000 characters)", field="body")
        if body["tag_name"] not in self.tags:
            self.tag(body["tag_name"], self.branches["main"])  # GitHub creates it
        made = self.release(
            body["tag_name"], body.get("body"), draft=body.get("draft", False), prerelease=body.get("prerelease", False)
        )
        return Answer(201, made)

    def update_release(self, request: Request, release_id: str) -> Answer:
        body = request.body
        found = next(one for one in self.releases if one["id"] == int(release_id))
        if len(body.get("body", "")) > BODY_LIMIT:
            # The description has no such response here. GitHub sends the same one as for a new release.
            return _invalid("Release", "custom", "body is too long (maximum is 125000 characters)", field="body")
        if found["immutable"] and {"tag_name", "target_commitish", "draft"} & set(body):
            return _invalid("Release", "custom", "immutable release", field="tag_name")
        found.update(body)
        return Answer(200, found)


@contextmanager
def emulated(prefix: str = "") -> Iterator[Repository]:
    """Run the server. At the end, fail with all errors that it has found in requests and responses."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.repository = Repository(f"http://127.0.0.1:{server.server_port}", prefix)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.repository
    finally:
        server.repository.closing.set()
        for session in server.repository.sessions:
            session.close()
        server.shutdown()
        server.server_close()
        thread.join()
    assert not server.repository.problems, "\n".join(server.repository.problems)


def complete(schema: str | Mapping[str, Any], **values: Any) -> dict[str, Any]:
    """Return an object of a schema or of the named one: ``values``, and values for all other required members."""
    given = _DESCRIPTION["components"]["schemas"][schema] if isinstance(schema, str) else schema
    made = _any(json.dumps(given))
    assert isinstance(made, dict)
    return made | values


class _Server(ThreadingHTTPServer):
    repository: Repository
    block_on_close = False
    request_queue_size = 32

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore it: the client may disconnect."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 5

    def _serve(self) -> None:
        address = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        repository = self.server.repository
        request = Request(self.command, address.path, dict(parse_qsl(address.query)), body)
        answer = repository.answer(request, dict(self.headers.items()))
        repository.closing.wait(answer.seconds)
        data = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, text in ({"Content-Type": "application/json; charset=utf-8"} | answer.headers).items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(data) + 1_000 * answer.drips))
        self.end_headers()
        self.wfile.write(data)
        while answer.drips and not repository.closing.wait(0.02):
            self.wfile.write(b" ")

    do_GET = do_POST = do_PATCH = _serve  # noqa: N815 - the names that the base class looks for

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its signature
        """Log nothing."""


def _message(status: int, text: str) -> Answer:
    return Answer(status, {"message": text, "documentation_url": "https://docs.github.com/rest"})


def _invalid(resource: str, code: str, text: str, field: str = "") -> Answer:
    error = {"resource": resource, "code": code, "field": field} | ({"message": text} if text else {})
    answer = _message(422, "Validation Failed")
    answer.body["errors"] = [error]
    return answer


def _user(login: str, *, bot: bool = False) -> dict[str, Any]:
    return complete("simple-user", login=login, type="Bot" if bot else "User")


def _iso(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _properties(schema: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = _DESCRIPTION["components"]["schemas"][schema]["properties"]
    return found


def _operation(method: str, path: str) -> tuple[str, Mapping[str, Any], dict[str, str]]:
    for key, pattern in _patterns():
        found = pattern.fullmatch(path)
        if found and key.startswith(method.lower()):
            return key, _DESCRIPTION["operations"][key], found.groupdict()
    raise LookupError("GitHub's description has no such operation, or the excerpt of it has not")


@cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    return [(key, re.compile(_pattern(key, operation))) for key, operation in _DESCRIPTION["operations"].items()]


def _pattern(key: str, operation: Mapping[str, Any]) -> str:
    multi = {one["name"] for one in operation["parameters"] if one["multi"]}
    segments = (f"(?P<{name}>{'.+' if name in multi else '[^/]+'})" for name in re.findall(r"\{(\w+)\}", key))
    return re.sub(r"\{\w+\}", lambda _: next(segments), key.partition(" ")[2])


@cache
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator({**json.loads(schema), "components": _DESCRIPTION["components"]})


@cache
def _made(schema: str) -> str:
    return json.dumps(_value(json.loads(schema)))


def _any(schema: str) -> Any:
    return json.loads(_made(schema))


def _value(schema: Mapping[str, Any]) -> Any:
    """Return the smallest value that ``schema`` allows."""
    choices = schema.get("anyOf") or schema.get("oneOf")
    if "$ref" in schema:
        made = _value(_DESCRIPTION["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    elif choices:
        made = _value(choices[0])
    elif "allOf" in schema:
        made = {name: value for one in schema["allOf"] for name, value in _value(one).items()}
    elif "enum" in schema:
        made = schema["enum"][0]
    elif schema.get("type") == "object":
        made = {name: _value(schema["properties"][name]) for name in schema.get("required", ())}
    elif schema.get("type") == "string":
        texts = {"uri": "https://api.github.com/x", "date-time": _iso(START)}
        made = texts.get(schema.get("format", ""), "x")
    else:
        made = {"null": None, "integer": 1, "number": 1, "boolean": False, "array": []}[schema["type"]]
    return made


_PATH = "/repos/{owner}/{repo}"
HANDLERS: Mapping[str, Callable[..., Answer]] = {
    f"get {_PATH}/commits": Repository.list_commits,
    f"get {_PATH}/commits/{{commit_sha}}/pulls": Repository.pulls_of,
    f"get {_PATH}/compare/{{basehead}}": Repository.compare,
    f"get {_PATH}/contents/{{path}}": Repository.contents,
    f"get {_PATH}/deployments": Repository.list_deployments,
    f"post {_PATH}/deployments": Repository.create_deployment,
    f"post {_PATH}/deployments/{{deployment_id}}/statuses": Repository.create_status,
    f"get {_PATH}/git/matching-refs/{{ref}}": Repository.matching_refs,
    f"get {_PATH}/git/ref/{{ref}}": Repository.ref,
    f"get {_PATH}/git/tags/{{tag_sha}}": Repository.tag_object,
    f"get {_PATH}/pulls": Repository.list_pulls,
    f"get {_PATH}/releases": Repository.list_releases,
    f"post {_PATH}/releases": Repository.create_release,
    f"patch {_PATH}/releases/{{release_id}}": Repository.update_release,
    f"get {_PATH}/releases/tags/{{tag}}": Repository.release_of,
}
