"""Requests to GitHub and their responses, with a server that knows GitHub's description of its API."""

import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from promote.core.clock import SystemClock
from promote.core.concurrency import map_concurrently
from promote.core.errors import GitHubError
from promote.github.api.repository import GitHub
from promote.github.model import Person
from tests.clock import Time
from tests.github import HANDLERS, START, TOKEN, Repository, Request, emulated
from tools.github_openapi import OPERATIONS


@pytest.fixture
def repository() -> Iterator[Repository]:
    with emulated() as made:
        yield made


def trouble(call: Callable[[], Any]) -> GitHubError:
    """Return the error of ``call``, which never contains the token."""
    with pytest.raises(GitHubError) as raised:
        call()
    assert TOKEN not in "".join(traceback.format_exception(raised.value)) + raised.value.hint
    return raised.value


def test_a_thousand_commits_come_newest_first_and_whole(repository: Repository) -> None:
    base, *made = [repository.commit(f"commit {number}") for number in range(1_001)]
    found = repository.client().compare(base, made[-1])
    assert (found.status, found.count, found.commits.is_whole) == ("ahead", 1_000, True)
    assert [commit.sha for commit in found.commits.items] == made[::-1]
    assert len(repository.requests) == 10

    repository.requests.clear()
    found = repository.client().compare(base, made[-1], most=150)
    assert (found.count, found.commits.is_whole) == (1_000, False)
    assert [commit.sha for commit in found.commits.items] == made[:-151:-1]
    assert [request.query.get("page") for request in repository.requests] == [None, "10", "9"]

    assert repository.client().commits(made[98]).is_whole
    listed = repository.client().commits(made[-1], most=120)
    assert [commit.sha for commit in listed.items] == made[:-121:-1]
    assert not listed.is_whole
    assert [request.query.get("page") for request in repository.requests[-2:]] == [None, "2"]


def test_a_comparison_says_how_two_commits_stand(repository: Repository) -> None:
    first, second = repository.commit("first"), repository.commit("second")
    other = repository.commit("other", parents=(first,), branch="side")
    client = repository.client()
    found = {
        name: client.relation(base, head)
        for name, base, head in (
            ("ahead", first, second),
            ("behind", second, first),
            ("diverged", second, other),
            ("identical", second, second),
        )
    }
    assert all(name == status for name, status in found.items())
    diverged = client.compare(second, other)
    assert ([commit.sha for commit in diverged.commits.items], diverged.commits.is_whole) == ([other], True)
    assert client.compare(second, second).commits.items == ()


def test_a_commit_has_its_people_but_no_address(repository: Repository) -> None:
    base = repository.commit("first")
    message = (
        "feat(api)!: ünïcode 🎉 \ud83d\r\n\r\nWhy.\r\n\r\nBREAKING CHANGE: all\r\n"
        "Co-authored-by: مريم <7+maryam@users.noreply.github.com>\r\n"
        "co-authored-by: dependabot[bot] <49699333+dependabot[bot]@users.noreply.github.com>\r\n"
        "Co-authored-by: Mona Lisa <mona@example.com>\r\n"
        "Signed-off-by: Mona Lisa <mona@example.com>"
    )
    repository.commit(message)
    repository.commit("by a machine", login="Copilot", name="Copilot", bot=True)
    repository.commit("plain", login="", name="old@example.com")
    repository.commit("without a name", login="", name="")
    head = repository.commit("without an author", login="", name=None)
    *unknown, plain, machine, rich = repository.client().compare(base, head).commits.items
    assert [commit.authors for commit in unknown] == [(Person("unknown"),)] * 2
    assert plain.authors == (Person("old"),)
    assert machine.authors == (Person("Copilot", "Copilot", is_bot=True),)
    assert rich.authors == (
        Person("Mona Lisa", "mona"),
        Person("مريم", "maryam"),
        Person("dependabot[bot]", "dependabot[bot]", is_bot=True),
    )
    assert rich.subject == "feat(api)!: ünïcode 🎉 \ufffd"
    assert rich.body.startswith("Why.\n\nBREAKING CHANGE: all\nCo-authored-by: مريم")
    assert "@" not in f"{plain}{rich}"
    assert (rich.at, rich.written, rich.parents) == (
        START + timedelta(minutes=1),
        START + timedelta(minutes=1),
        (base,),
    )


def test_pull_requests_are_read_until_they_are_too_old(repository: Repository) -> None:
    shas = [repository.commit(f"commit {number}") for number in range(3)]
    for number in range(1, 131):
        repository.pull(number, f"Pull {number}", updated=START + timedelta(minutes=number))
    repository.pull(301, "Left", is_merged=False, updated=START + timedelta(days=1))
    repository.pull(302, "Bump", (shas[0],), login="Copilot", bot=True, updated=START + timedelta(days=1))
    repository.pull(
        303, "Gone's", (shas[1], shas[2]), login="", labels=("bug", "😀"), updated=START + timedelta(days=1)
    )
    client = repository.client()

    found = client.pull_requests(START + timedelta(minutes=100))
    assert found.is_whole
    assert sorted(pull.number for pull in found.items) == [*range(100, 131), 302, 303]
    assert len(repository.requests) == 1
    by_number = {pull.number: pull for pull in found.items}
    assert by_number[302].author == Person("Copilot", "Copilot", is_bot=True)
    assert (by_number[303].author, by_number[303].labels) == (Person("unknown"), ("bug", "😀"))
    assert (by_number[303].merge_commit, by_number[303].url) == (shas[2], "https://github.com/octo/hello/pull/303")

    cut = client.pull_requests(START, most=120)
    assert (len(cut.items), cut.is_whole) == (119, False)  # one of them was not merged
    assert len(client.pull_requests(START).items) == 132
    assert [pull.number for pull in client.pull_requests_of(shas[1])] == [303]
    assert client.pull_requests_of(repository.commit("alone")) == ()


def test_earlier_commits_are_looked_for_by_author(repository: Repository) -> None:
    base = repository.commit("first")
    head = repository.commit("second", login="newcomer")
    client = repository.client()
    assert client.has_committed("mona", base)
    assert not client.has_committed("newcomer", base)
    assert client.has_committed("newcomer", head)


def test_tags_are_peeled_whatever_their_names(repository: Repository) -> None:
    sha = repository.commit("first")
    names = ["v1", "v1-annotated", "v1-of-a-tag", "hello/v1.0 ü#?%41&+"]
    for depth, name in enumerate(names):
        repository.tag(name, sha, annotated=depth % 3)
    repository.tag("other", sha)
    client = repository.client()
    assert [client.tag_commit(name) for name in names] == [sha] * 4
    assert client.tag_commit("v2") == ""
    assert client.tags() == ("hello/v1.0 ü#?%41&+", "other", "v1", "v1-annotated", "v1-of-a-tag")
    assert client.tags("v1-") == ("v1-annotated", "v1-of-a-tag")


def test_a_file_is_read(repository: Repository) -> None:
    sha = repository.commit("first")
    repository.files[".github/release.yml"] = "changelog: ü\n".encode() * 20
    client = repository.client()
    assert client.file(".github/release.yml", sha) == "changelog: ü\n".encode() * 20
    assert client.file("missing") is None


@pytest.mark.parametrize(
    ("call", "lacking", "hint"),
    [
        (lambda github: github.commits("main"), "contents", "`contents: read`"),
        (lambda github: github.compare("main", "main"), "contents", "`contents: read`"),
        (lambda github: github.has_committed("mona", "main"), "contents", "`contents: read`"),
        (lambda github: github.tag_commit("v1"), "contents", "`contents: read`"),
        (lambda github: github.tags(), "contents", "`contents: read`"),
        (lambda github: github.file("a"), "contents", "`contents: read`"),
        (lambda github: github.release("v1"), "contents", "`contents: read`"),
        (lambda github: github.create_release("v1", "", is_prerelease=False), "contents", "`contents: write`"),
        (lambda github: github.pull_requests(START), "pull_requests", "`pull-requests: read`"),
        (lambda github: github.pull_requests_of("main"), "pull_requests", "`pull-requests: read`"),
        (lambda github: github.deployments("prod"), "deployments", "`deployments: read`"),
        (lambda github: github.set_status(1, "success"), "deployments", "`deployments: write`"),
        (
            lambda github: github.create_deployment("main", "prod", "", {}, is_production=True),
            "deployments",
            "`deployments: write`",
        ),
    ],
)
def test_the_missing_permission_is_named(
    repository: Repository, call: Callable[[GitHub], Any], lacking: str, hint: str
) -> None:
    repository.commit("first")
    del repository.permissions[lacking]
    error = trouble(lambda: call(repository.client()))
    assert error.hint == f"Add {hint} to the job's permissions, or set a github-token that has them."
    assert "403: Resource not accessible by integration" in str(error)
    # If GitHub does not name the permission, the one that the call is known to need is named.
    repository.fail(403, message="Must have push access")
    expected = "`deployments: write`" if lacking == "deployments" else hint
    assert expected in trouble(lambda: call(repository.client())).hint


def test_of_several_sets_of_permissions_the_first_is_named(repository: Repository) -> None:
    accepted = {"X-Accepted-GitHub-Permissions": "contents=read, pull_requests=write; administration=write"}
    repository.fail(403, headers=accepted)
    hint = trouble(lambda: repository.client().tags()).hint
    assert hint.startswith("Add `contents: read` and `pull-requests: write` to the job's permissions")
    repository.fail(403, headers={"X-Accepted-GitHub-Permissions": "administration=write"})
    assert "`contents: read`" in trouble(lambda: repository.client().tags()).hint  # a job can't get that one


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (
            {"status": 403, "headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1767272400"}},
            "after 13:00 UTC",
        ),
        ({"status": 429, "headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "soon"}}, "later"),
        ({"status": 429, "headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9" * 14}}, "later"),
        ({"status": 429, "headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9" * 30}}, "later"),
        ({"status": 429}, "later"),
        ({"status": 403, "headers": {"Retry-After": "60"}}, "later"),
        ({"status": 403, "message": "You have exceeded a secondary rate limit."}, "later"),
    ],
)
def test_a_rate_limit_that_lasts_is_reported(repository: Repository, answer: dict[str, Any], hint: str) -> None:
    time = Time()
    repository.fail(**answer)
    error = trouble(lambda: repository.client(clock=time).tags())
    assert error.hint == f"The token has made too many calls. Run the job again {hint}."
    assert (len(repository.requests), time.seconds) == (1, 0)


@pytest.mark.parametrize("status", [403, 429])
def test_a_rate_limit_that_ends_in_time_is_waited_for(repository: Repository, status: int) -> None:
    time = Time()
    repository.commit("first")
    repository.fail(status, headers={"Retry-After": "7"})
    client = repository.client(clock=time)
    assert client.create_deployment("main", "preprod", "", {}, is_production=False) == 1
    assert (repository.asked(), time.seconds) == (["deployments", "deployments"], 7)
    assert len(repository.deployments) == 1


@pytest.mark.parametrize("status", [500, 503])
def test_what_failed_by_chance_is_asked_again(repository: Repository, status: int) -> None:
    time = Time()
    repository.fail(status, times=3, body=b"<html>")
    assert repository.client(clock=time).tags() == ()
    assert (len(repository.requests), time.seconds) == (4, 3)
    repository.fail(status, times=9, body=b"<html>")
    error = trouble(lambda: repository.client().tags())
    assert str(error).startswith(f"listing tags failed: GitHub returned {status}: ")
    assert "githubstatus.com" in error.hint


def test_only_what_may_be_done_twice_is(repository: Repository) -> None:
    repository.commit("first")
    release = repository.client().create_release("v1", "", is_prerelease=False)
    repository.requests.clear()
    repository.fail(502, times=9, method="POST")
    trouble(lambda: repository.client().create_deployment("main", "preprod", "", {}, is_production=False))
    assert repository.asked() == ["deployments"]
    repository.fail(502, method="PATCH")
    assert repository.client().update_release(release, "new").body == "new"
    assert repository.asked("PATCH") == ["releases/1", "releases/1"]


@pytest.mark.parametrize("answer", [{"seconds": 30.0}, {"drips": True}], ids=["silent", "dripping"])
def test_who_is_slow_gets_no_more_than_the_time_there_is(repository: Repository, answer: dict[str, Any]) -> None:
    repository.fail(200, times=9, body=[], **answer)
    client = repository.client(clock=SystemClock(), seconds=0.4)
    started = SystemClock().monotonic()
    error = trouble(client.tags)
    again = trouble(lambda: client.file("a"))
    assert SystemClock().monotonic() - started < 5
    assert "listing tags failed: " in str(error)
    assert str(again).startswith("reading a was skipped: ")
    assert len(repository.requests) == 1


def test_time_between_the_calls_is_not_theirs(repository: Repository) -> None:
    time = Time()
    client = repository.client(clock=time, seconds=5)
    repository.on_request = lambda _: time.sleep(2)
    client.tags()
    time.sleep(100)
    client.tags()
    client.tags()
    assert "the calls to GitHub did not end within 5 seconds" in str(trouble(client.tags))
    assert len(repository.requests) == 3


def test_who_is_not_there_is_not_asked_twice() -> None:
    with emulated() as repository:
        client = repository.client()
        other = repository.client()
        client.tags()
    first, second = trouble(other.tags), trouble(lambda: other.file("a"))
    assert str(first).startswith("listing tags failed: GitHub is not reachable: ")
    assert str(first).endswith("Connection refused")
    assert str(second).startswith("reading a was skipped: GitHub is not reachable: ")
    assert "githubstatus.com" in second.hint


def test_what_is_missing_or_hidden_is_reported(repository: Repository) -> None:
    repository.commit("first")
    error = trouble(lambda: repository.client().compare("main", "f" * 40))
    assert (error.status, str(error)) == (404, "comparing commits failed: GitHub returned 404: Not Found")
    assert error.hint == "It does not exist, or the token has no access to it. Needed for octo/hello: `contents: read`."


def test_errors_of_github_are_reported(repository: Repository) -> None:
    error = trouble(lambda: repository.client().create_deployment("gone", "prod", "", {}, is_production=True))
    assert str(error) == "creating a deployment failed: GitHub returned 422: No ref found for: gone"
    body = {"message": "Validation Failed", "errors": ["one\n::error::", {"resource": "R", "code": "custom"}]}
    repository.fail(422, body=body)
    error = trouble(lambda: repository.client().tags())
    assert str(error).endswith("422: Validation Failed: one ::error::; R custom")
    assert error.codes == {"custom"}
    repository.fail(418, body={"message": "long " * 1_000})
    assert len(str(trouble(lambda: repository.client().tags()))) < 400


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"{", b"", b"[" * 100_000, b"null", b'{"message": "hello"}', b'[{"ref": "refs/tags/v1"}, 7]'],
    ids=["html", "half", "empty", "deep", "null", "object", "number"],
)
def test_a_response_that_is_not_githubs_is_reported(repository: Repository, body: bytes) -> None:
    repository.fail(200, body=body)
    error = trouble(lambda: repository.client().tags())
    assert str(error) == "listing tags failed: the response is not one of GitHub's API"
    repository.fail(403, body=body)
    assert "GitHub returned 403" in str(trouble(lambda: repository.client().tags()))


def test_a_renamed_repository_is_found(repository: Repository) -> None:
    sha = repository.commit("first")
    repository.tag("v1", sha)
    repository.renamed_from, repository.name = "octo/hello", "octo/world"
    client = GitHub(Repository.context(_named(repository, "octo/hello")), repository.session, Time())
    assert client.tag_commit("v1") == sha
    assert client.create_deployment(sha, "preprod", "", {"a": 1}, is_production=False) == 1
    assert repository.deployments[0]["payload"] == {"a": 1}
    # Some redirects change a POST to a GET.
    repository.fail(301, headers={"Location": f"{repository.url}/repos/octo/world/deployments"})
    error = trouble(lambda: client.create_deployment(sha, "preprod", "", {}, is_production=False))
    assert "octo/hello was renamed" in str(error)


def _named(repository: Repository, name: str) -> Repository:
    made = Repository("", "")
    made.url, made.name = repository.url, name
    return made


def test_the_token_is_used_whatever_else_the_user_has_for_the_host(repository: Repository, tmp_path: Path) -> None:
    repository.tag("v1", repository.commit("first"))
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    script = """
import os, requests
from promote.core.clock import SystemClock
from promote.github.actions.context import Context
from promote.github.api.repository import GitHub
print(GitHub(Context.from_environ(os.environ), requests.Session, SystemClock()).tags())
"""
    environ = {
        "GITHUB_API_URL": repository.url,
        "GITHUB_REPOSITORY": repository.name,
        "INPUT_GITHUB-TOKEN": TOKEN,
        "NETRC": str(netrc),
    }
    done = subprocess.run(  # noqa: S603 - the test's own script
        [sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout == "('v1',)\n"


def test_the_token_is_for_github_alone(repository: Repository) -> None:
    with emulated() as other:
        repository.fail(302, headers={"Location": f"{other.url}/repos/octo/hello/git/matching-refs/tags/"})
        assert trouble(lambda: repository.client().tags()).status == 401
        repository.fail(200, body=[], headers={"Link": f'<{other.url}/elsewhere?page=2>; rel="next"'})
        repository.client().tags()
        assert len(other.requests) == 1
        assert repository.requests[-1].query == {"page": "2"}
        repository.problems.clear()  # tags have no pages


def test_an_invalid_token_is_reported(repository: Repository) -> None:
    error = trouble(lambda: repository.client(token="gone").tags())
    assert str(error) == "listing tags failed: GitHub returned 401: Bad credentials"
    assert error.hint.startswith("The github-token is not valid or has expired.")


def test_without_a_token_nothing_is_asked(repository: Repository) -> None:
    client = repository.client(token="")
    assert not client.is_known
    assert str(trouble(client.tags)) == "listing tags was skipped: there is no github-token"
    assert repository.requests == []
    assert repository.sessions == []


def test_githubs_address_may_have_a_path() -> None:
    with emulated("/api/v3") as repository:
        repository.tag("v1", repository.commit("first"))
        assert repository.client().tags() == ("v1",)
        assert repository.requests[0].path == "/api/v3/repos/octo/hello/git/matching-refs/tags/"


def test_many_may_ask_at_once(repository: Repository) -> None:
    shas = [repository.commit(f"commit {number}") for number in range(16)]
    client = repository.client(clock=SystemClock())
    found = map_concurrently([lambda sha=sha: client.commits(sha).items[0].sha for sha in shas], 8)  # type: ignore[misc]
    assert found == shas
    assert len(repository.sessions) == 1
    assert list(repository.sessions[0].adapters) == ["https://", "http://"]  # others may use it, too


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        ({"state": "done"}, "'done' is not one of"),
        ({"state": "success", "log_url": 1}, "1 is not of type 'string'"),
        ({"state": "success", "auto-inactive": True}, "unknown field auto-inactive"),
    ],
)
def test_the_emulation_holds_requests_against_githubs_description(status: dict[str, Any], problem: str) -> None:
    def ask() -> None:
        with emulated() as repository:
            sha = repository.commit("first")
            repository.client().create_deployment(sha, "preprod", "", {}, is_production=False)
            path = "/repos/octo/hello/deployments/1/statuses"
            repository.answer(Request("POST", path, {}, status), HEADERS)

    with pytest.raises(AssertionError, match=problem):
        ask()


def test_the_emulation_knows_what_the_client_calls() -> None:
    assert {f"{method} {path}" for method, path in OPERATIONS} == set(HANDLERS)


def test_the_emulation_holds_its_answers_against_githubs_description() -> None:
    def ask() -> None:
        with emulated() as repository:
            repository.release("v1", "")
            del repository.releases[0]["html_url"]
            trouble(lambda: repository.client().release("v1"))

    with pytest.raises(AssertionError, match="'html_url' is a required property"):
        ask()


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        (Request("GET", "/repos/octo/hello/branches", {}, None), "no such operation"),
        (Request("GET", "/repos/octo/hello/pulls", {"since": "now"}, None), "unknown parameter since"),
        (Request("GET", "/repos/octo/hello/pulls", {"per_page": "250"}, None), "per_page=250"),
        (Request("GET", "/repos/octo/hello/pulls", {"state": "merged"}, None), "'merged' is not one of"),
    ],
)
def test_the_emulation_knows_what_may_be_asked(request_: Request, problem: str) -> None:
    def ask() -> None:
        with emulated() as repository:
            repository.answer(request_, HEADERS)

    with pytest.raises(AssertionError, match=problem):
        ask()


HEADERS = {
    "Accept": "application/vnd.github+json",
    "Authorization": f"Bearer {TOKEN}",
    "User-Agent": "promote-on-success/0",
    "X-GitHub-Api-Version": "2022-11-28",
}
