"""What people read about several functions that are released as one: release notes, releases of tags, status."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sandbox.client import Account
from tests import github
from tests.conftest import make_runner, make_several
from tests.github import TOKEN, Repository
from tests.repository import commit, git
from tests.runner import Ended
from tests.world import World

NAMES = ("api", "mail", "worker")
BARE = {"github-token": TOKEN, "github-deployments": "false"}
READING = ("Query", "GetAlias", "GetFunctionConfiguration", "GetCallerIdentity", "Invoke")
LISTING = ("GetPolicy", "GetApis", "ListAliases", "ListEventSourceMappings")
"""Calls that change nothing. An endpoint that was requested before may invoke its function late."""


@pytest.fixture
def hub() -> Iterator[Repository]:
    with github.emulated() as repository:
        yield repository


class Shop:
    """An application of three functions, in one repository and on GitHub."""

    def __init__(self, folder: Path, account: Account, hub: Repository) -> None:
        self.runner, self.world, self.hub = make_runner(folder, account), World(account), hub
        self.runs = 0
        self.inputs = {
            **make_several(self.runner, account, NAMES),
            **BARE,
            "checks": "GET /health 200",
        }
        git(self.runner.workspace, "init", "--quiet", "--initial-branch=main")

    def commit(self, message: str, *names: str, pull: int = 0) -> str:
        """Change functions, and commit that locally and on GitHub."""
        for name in names:
            (self.runner.workspace / name / "NEWS").write_text(message, encoding="utf-8")
        sha = commit(self.runner.workspace, message)
        self.hub.commit(message, sha=sha, login="mona")
        if pull:
            now = datetime.now(UTC) + timedelta(minutes=1)
            self.hub.pull(pull, message.partition("\n")[0], (sha,), login="mona", updated=now)
        return sha

    def tag(self, name: str, sha: str) -> None:
        git(self.runner.workspace, "tag", name, sha)
        self.hub.tag(name, sha)

    def run(self, sha: str, **different: str) -> Ended:
        return self._step({**self.inputs, **_dashed(different)}, sha)

    def command(self, command: str, **different: str) -> Ended:
        """Run a command that deploys nothing, by default for all functions and for preprod."""
        given = {"function-name": "\n".join(NAMES), "environment": "preprod", **_dashed(different)}
        return self._step({**BARE, "command": command, **given}, git(self.runner.workspace, "rev-parse", "HEAD"))

    def notes(self, **different: str) -> str:
        """Run ``release-notes``, which succeeds and changes nothing."""
        self.world.account.forget()
        ended = self.command("release-notes", **different)
        assert (ended.code, ended.result, ended.annotations) == (0, "reported", ()), ended.log
        changing = [call.operation for call in self.world.account.calls() if not call.operation.endswith(READING)]
        assert changing == []
        return ended.outputs["release-notes"]

    def _step(self, inputs: dict[str, str], sha: str) -> Ended:
        self.runs += 1
        # A step that releases other functions is a separate step of the workflow.
        environ = {"GITHUB_API_URL": self.hub.url, "GITHUB_ACTION": "-".join(inputs["function-name"].split())}
        return self.runner.run(inputs, commit=sha, run_id=self.runs, environ=environ)


def _dashed(inputs: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in inputs.items()}


def stable(notes: str) -> str:
    """Return the notes without the person who started a run and the time of the verification."""
    return re.sub(r" · by octocat|( at)? \d{4}-\d\d-\d\d \d\d:\d\d UTC", "", notes)


@pytest.fixture
def shop(tmp_path: Path, account: Account, hub: Repository) -> Shop:
    return Shop(tmp_path / "runner", account, hub)


def test_release_notes_of_the_application(shop: Shop) -> None:
    first = shop.commit("feat: Say hello")
    none = shop.command("release-notes")
    assert (none.code, none.result) == (1, "failed"), none.log
    assert "api, mail and worker have not been released together to preprod yet" in none.errors[0].message
    written = [shop.run(first)]
    second = shop.commit("feat: Write letters (#7)", "mail", pull=7)
    written.append(shop.run(second))
    shop.tag("v1.0.0", first)
    shop.tag("v1.1.0", second)
    assert stable(shop.notes()) == stable(written[-1].outputs["release-notes"])

    # The previous release did not move the api, which has had its commit anyway.
    third = shop.commit("fix: Be right", "api", "worker")
    written.append(shop.run(third))
    shop.tag("v1.2.0", third)
    for ended in written:
        assert (ended.code, ended.result, ended.annotations) == (0, "promoted", ()), ended.log
    notes = written[-1].outputs["release-notes"]
    assert "Write letters" not in notes
    assert stable(shop.notes()) == stable(notes)
    for shown in ("| api | 1 → 2 |", "| mail | 2 stays |", "Be right", "Verified by", "3 functions in one release"):
        assert shown in notes, notes
    # Its previous version came with the first release, although it was part of the second one too.
    (row,) = [line for line in stable(notes).splitlines() if line.startswith("| api |")]
    assert f"`{first[:10]}`" in row
    assert "/actions/runs/2/attempts/1>" in row  # the first run has no notes

    # A tag lists a change once, with the release that brought it, whichever functions that release moved.
    (shop.runner.workspace / "shop.yml").write_text("functions: {mail: , api: , worker: }\nenvironments: {preprod: }")
    rows = {}
    for tag in ("v1.0.0", "v1.1.0", "v1.2.0"):
        notes = shop.notes(tag=tag, application="shop.yml", function_name="", environment="")
        assert notes.count("## mail, api and worker") == 1
        rows[tag] = next(line for line in notes.splitlines() if line.startswith("| preprod |"))
    for (tag, versions), run in zip(
        {"v1.0.0": (1, 1, 1), "v1.1.0": (2, 1, 1), "v1.2.0": (2, 2, 2)}.items(), (1, 2, 3), strict=True
    ):
        assert f"| mail {versions[0]}, api {versions[1]} and worker {versions[2]} |" in rows[tag], rows
        assert f"/actions/runs/{written[run - 1].outputs['release-notes'].partition('/runs/')[2][:1]}/" in rows[tag]
    assert notes.count("Be right") == 1

    # Releases of one function alone, and of another application, are not included.
    alone = shop.commit("feat: Work harder", "worker")
    shop.tag("v1.3.0", alone)
    assert shop.run(alone, function_name="worker", artifact="worker").result == "promoted"
    ended = shop.command("release-notes")
    assert stable(ended.outputs["release-notes"]) == stable(written[-1].outputs["release-notes"])
    assert "worker has been moved since then, to version 3." in ended.log
    assert "| preprod | not yet |" in shop.notes(tag="v1.3.0")
    assert "| preprod | 3 |" in shop.notes(tag="v1.3.0", function_name="worker")
    other = shop.command("release-notes", function_name="api\nhello")
    assert other.code == 1, other.log
    assert "yet, except with other functions" in other.errors[0].message

    back = shop.command("rollback")
    assert (back.code, back.result) == (0, "rolled-back"), back.log
    assert "worker is back" in shop.notes()
    back = shop.command("rollback")
    assert "Be right" in back.outputs["release-notes"]
    # The api is rolled back to a version that is older than the letters, not to one before them.
    assert "Write letters" not in back.outputs["release-notes"]
    assert stable(shop.notes()) == stable(back.outputs["release-notes"])
    assert shop.hub.deployments == []  # with github-deployments: false, although there is a token
    assert ", rolled back |" in shop.notes(tag="v1.2.0")
    assert "| preprod | api 1, mail 2 and worker 1 |" in shop.notes(tag="v1.1.0")


def test_an_application_has_one_section_in_the_release_of_a_tag(shop: Shop) -> None:
    first = shop.commit("feat: Say hello")
    shop.tag("v1.0.0", first)
    for names in ("worker", "api\nmail", "worker\nmail\napi", "worker\nmail\napi"):
        ended = shop.command("release-notes", tag="v1.0.0", function_name=names, publish_release="true")
        assert (ended.code, ended.result) == (0, "reported"), ended.log
    [release] = shop.hub.releases
    markers = re.findall("<!-- promote-on-success:begin (.*) [a-z0-9-]+-[0-9a-f]{8} -->", release["body"])
    assert markers == ["worker", "api+mail+worker"]
    assert re.findall("^## .*", release["body"], re.MULTILINE) == ["## worker v1.0.0", "## worker, mail and api v1.0.0"]


def test_status_says_which_release_all_serve_or_which_of_them_do_not(shop: Shop) -> None:
    first = shop.commit("feat: Say hello")
    nothing = shop.command("status", environment="")
    assert "api, mail and worker: nothing has been promoted yet. The function api does not exist." in nothing.log
    made = shop.run(first)
    assert (made.code, made.result) == (0, "promoted"), made.log
    assert shop.command("promote", **{"from": "preprod", "environment": "prod"}).result == "promoted"
    second = shop.commit("feat: Write letters", "mail")
    assert shop.run(second).result == "promoted"
    # One is promoted alone, and one is moved externally.
    alone = shop.commit("feat: Work harder", "api")
    assert shop.run(alone, function_name="api", artifact="api").result == "promoted"
    shop.world.function.update_alias(FunctionName="mail", Name="prod", FunctionVersion="2")
    shop.world.account.forget()
    ended = shop.command("status", environment="")
    assert (ended.code, ended.result, ended.annotations) == (0, "reported", ()), ended.log
    reading = (*READING, *LISTING)
    assert {call.operation for call in shop.world.account.calls() if not call.operation.endswith(reading)} == set()
    assert ended.outputs["summary"] == (
        "api, mail and worker: preprod serves one release except for api, prod serves one release except for mail."
    )
    rows = [line for line in ended.summary.splitlines() if line.startswith(("| preprod", "| prod"))]
    assert "| one release except for api |" in rows[0]
    assert second[:10] in rows[0]
    assert "/actions/runs/4/" in rows[0]
    assert rows[0].endswith("| api 2, mail 2 and worker 1 |")
    assert "| api | 2 | 1 | " in rows[2]
    assert "promoted alone by run 5" in rows[2]
    assert "| mail | 2 | 1 |  | was moved externally |" in rows[3]
    assert "### worker: promotions" in ended.summary
    assert "api: preprod serves version 2, prod serves version 1, the lock is free." in ended.log

    # A run that dies during a release leaves it to its post step, which rolls it back if nothing has moved.
    third, shop.runs = shop.commit("feat: Be faster", "api", "worker"), 50
    kill_before_the_moves(shop, third)
    ended = shop.command("status")
    assert ended.outputs["summary"].endswith("preprod has an unfinished release of run 50.")
    assert "| preprod | a release that is being moved |" in ended.summary
    assert "👉 The release of api, mail and worker to preprod that run 50 began 2" in ended.summary
    assert "is not moved yet" in ended.summary
    assert ended.log.count("is unfinished") == 0  # once is enough
    assert "unfinished (" in shop.command("status", function_name="mail").log
    shop.runner.finish()
    ended = shop.command("status")
    assert ended.outputs["summary"] == "api, mail and worker: preprod serves one release except for api."
    again = shop.run(third)
    assert (again.code, again.result) == (0, "promoted"), again.log
    ended = shop.command("status", function_name="api\nmail\nworker\nother")
    assert "preprod serves one release except for other. The function other does not exist." in ended.log
    ended = shop.command("status")
    assert ended.outputs["summary"] == f"api, mail and worker: preprod serves one release, commit {third[:10]}."
    assert "Functions that differ from the release" not in ended.summary
    # The api already had that commit; the others did not.
    notes = shop.notes()
    assert "Work harder" in notes
    assert "Be faster" in notes


def kill_before_the_moves(shop: Shop, sha: str) -> None:
    # All of them: the first one to arrive may be that of the unchanged function, which has nothing to report.
    held = shop.world.account.inject("hold-before", "lambda.UpdateAlias", times=0)
    run = shop.runner.start(shop.inputs, commit=sha, run_id=50, environ={"GITHUB_API_URL": shop.hub.url})
    held.wait_until_hit(60)
    run.kill()
    shop.world.account.clear_faults()


def test_applications_that_share_functions_are_distinguished(shop: Shop) -> None:
    assert shop.run(shop.commit("feat: Say hello")).result == "promoted"
    same = shop.commit("docs: Explain it")
    assert shop.run(same).result == "unchanged"
    assert f"preprod serves one release, commit {same[:10]}." in shop.command("status").outputs["summary"]
    for pair in (("api", "worker"), ("mail", "worker")):
        news = shop.commit(f"feat: Say it with {pair[0]}", *pair)
        lines = "\n".join(f"{name} = {name}" for name in pair)
        other = shop.run(news, function_name=lines)
        assert (other.code, other.result) == (0, "promoted"), other.log
    ended = shop.command("status")
    assert "preprod serves one release except for api, mail and worker." in ended.outputs["summary"]
    assert ended.summary.count("promoted with others by run") == 3
    assert "| worker | 1, the first |" in shop.notes()
