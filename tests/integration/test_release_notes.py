"""What a promotion leaves for people: release notes, a GitHub deployment, a release; and what can prevent it."""

import re
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.client import Fault
from tests import github
from tests.github import TOKEN, Repository, Request
from tests.repository import commit, git
from tests.runner import Ended, Runner, edit
from tests.world import World

READING = ("Query", "GetFunctionConfiguration", "GetCallerIdentity")
NOTES = {"command": "release-notes", "function-name": "hello", "environment": "preprod"}


@pytest.fixture
def hub() -> Iterator[Repository]:
    with github.emulated() as repository:
        yield repository


class Team:
    """The function's repository, locally and on GitHub."""

    def __init__(self, runner: Runner, inputs: Mapping[str, str], hub: Repository) -> None:
        self.runner, self.hub = runner, hub
        self.inputs = {**inputs, "github-token": TOKEN, "github-deployments": "true"}
        self.environ: dict[str, str | None] = {"GITHUB_API_URL": hub.url}
        self.runs = 0
        git(runner.workspace, "init", "--quiet", "--initial-branch=main")

    def commit(self, message: str, *, pull: int = 0, login: str = "mona") -> str:
        """Change the function, and commit that locally and on GitHub."""
        (self.runner.workspace / "function" / "NEWS").write_text(message, encoding="utf-8")
        sha = commit(self.runner.workspace, message)
        self.hub.commit(message, sha=sha, login=login)
        if pull:
            now = datetime.now(UTC) + timedelta(minutes=1)
            self.hub.pull(pull, message.partition("\n")[0], (sha,), login=login, updated=now)
        return sha

    def run(self, sha: str, **different: str) -> Ended:
        inputs = {**self.inputs, **{name.replace("_", "-"): value for name, value in different.items()}}
        return self.step(inputs, sha)

    def tell(self, sha: str, *, ref: str = "refs/heads/main", **different: str) -> Ended:
        """Run ``release-notes``."""
        inputs = {**NOTES, "github-token": TOKEN}
        inputs |= {name.replace("_", "-"): value for name, value in different.items()}
        return self.step(inputs, sha, {"GITHUB_REF": ref})

    def step(self, inputs: Mapping[str, str], sha: str, environ: Mapping[str, str | None] | None = None) -> Ended:
        self.runs += 1
        return self.runner.run(inputs, commit=sha, run_id=self.runs, environ={**self.environ, **(environ or {})})

    def pushed(self) -> str:
        """Return the newest commit."""
        return git(self.runner.workspace, "rev-parse", "HEAD")

    def tag(self, name: str, sha: str) -> None:
        """Tag ``sha`` locally and on GitHub."""
        git(self.runner.workspace, "tag", name, sha)
        self.hub.tag(name, sha)

    def make_shallow(self) -> None:
        """Keep only one commit of the history, as actions/checkout does by default."""
        workspace = self.runner.workspace
        shallow = workspace.parent / "shallow"
        git(workspace.parent, "clone", "--quiet", "--depth=1", f"file://{workspace}", shallow.name)
        shutil.rmtree(workspace / ".git")
        shutil.copytree(shallow / ".git", workspace / ".git")

    def shown(self, environment: str = "preprod") -> list[tuple[str, str, str]]:
        """Return commit, status and link of each deployment on GitHub, the latest first."""
        found = []
        for deployment in sorted(self.hub.deployments, key=lambda made: -int(made["id"])):
            if deployment["environment"] == environment:
                status = self.hub.statuses[deployment["id"]][-1]
                found.append((deployment["sha"], status["state"], status.get("environment_url", "")))
        return found


@pytest.fixture
def team(runner: Runner, inputs: dict[str, str], hub: Repository) -> Team:
    return Team(runner, inputs, hub)


def test_people_read_what_an_environment_has_received_and_github_shows_it(team: Team, world: World) -> None:
    first = team.commit("feat: Say hello")
    ended = team.run(first)
    assert (ended.code, ended.result, ended.annotations) == (0, "promoted", ()), ended.log
    assert "It is the first version." in ended.outputs["release-notes"]

    team.commit("feat: Greet in Spanish (#7)", pull=7, login="hubot-to-be")
    second = team.commit("fix!: No greeting without a name\n\nBREAKING CHANGE: name is required")
    ended = team.run(second, release_notes_path="notes/preprod.md")
    assert (ended.code, ended.result, ended.annotations) == (0, "promoted", ()), ended.log
    notes = ended.outputs["release-notes"]
    for shown in ("Greet in Spanish", "/pull/7", "name is required", "2 checks", "First contribution", "hubot-to-be"):
        assert shown in notes, notes
    assert notes.index("name is required") < notes.index("Greet in Spanish")
    assert "Say hello" not in notes  # which it had before

    written = team.runner.workspace / "notes" / "preprod.md"
    assert written.read_text(encoding="utf-8").strip() == notes.strip()
    assert ended.outputs["release-notes-path"] == "notes/preprod.md"
    assert "Greet in Spanish" in ended.summary
    recorded = world.records("notes")
    assert [record["sk"].split("#")[1] for record in recorded] == ["preprod", "preprod"]
    assert recorded[-1]["text"].strip() == notes.strip()
    url = ended.outputs["environment-url"]
    assert team.shown() == [(second, "success", url), (first, "inactive", "")]


def before(ended: Ended) -> str:
    """Return the line about what the environment served before, without the time."""
    (line,) = [line for line in ended.outputs["release-notes"].splitlines() if line.startswith("Before: ")]
    assert ("UTC" in line) == ("run" in line)
    return re.sub(r" · \d{4}-\d\d-\d\d \d\d:\d\d UTC", "", line)


def line_of(version: str, commit: str, run: int) -> str:
    link = f"[`{commit[:10]}`](<https://github.com/octo/hello/commit/{commit}>)"
    return f"Before: version {version} · {link} · [run](<https://github.com/octo/hello/actions/runs/{run}/attempts/1>)"


def test_the_version_before_is_named_with_its_own_commit_and_run(team: Team, world: World) -> None:
    first = team.commit("feat: Say hello")
    team.run(first)
    kept = commit(team.runner.workspace, "docs: Say more")  # the code does not change
    assert team.run(kept).result == "unchanged"
    second = team.commit("feat: Be faster")
    assert before(team.run(second)) == line_of("1", first, 1)
    assert before(team.tell(second)) == line_of("1", first, 1)

    back = {"command": "rollback", "function-name": "hello", "environment": "preprod", "github-token": TOKEN}
    assert before(team.step({**back, "reason": "too fast"}, second)) == line_of("2", second, 3)
    assert before(team.tell(second)) == line_of("2", second, 3)
    third = team.commit("feat: Be right")
    assert before(team.run(third)) == line_of("1", first, 5)  # the rollback brought it

    # It is unknown what restored version 2: the alias was moved externally.
    world.function.update_alias(FunctionName="hello", Name="preprod", FunctionVersion="2")
    fourth = team.commit("feat: Be both")
    ended = team.run(fourth)
    assert ended.result == "promoted", ended.log
    assert before(ended) == "Before: version 2"
    assert before(team.tell(fourth)) == "Before: version 2"


def test_what_was_blocked_is_shown_as_a_failure_with_a_link_to_the_run(team: Team) -> None:
    good = team.commit("feat: Say hello")
    team.run(good)
    edit(team.runner.workspace, '"status": "ok"', '"status": "broken"')
    bad = team.commit("feat: Be faster")
    ended = team.run(bad)
    assert (ended.code, ended.result) == (1, "blocked"), ended.log
    assert [error.title for error in ended.annotations] == ["Not promoted"]
    assert ended.outputs["release-notes"] == ""
    latest, before = team.shown()
    assert latest[:2] == (bad, "failure")
    assert before[:2] == (good, "success")  # which it still shows
    status = team.hub.statuses[max(made["id"] for made in team.hub.deployments)][-1]
    assert status["log_url"] == "https://github.com/octo/hello/actions/runs/2/attempts/1"


def test_a_rollback_says_what_it_takes_back(team: Team) -> None:
    first, second = team.commit("feat: Say hello"), ""
    team.run(first)
    second = team.commit("feat: Be faster")
    team.run(second)
    back = {"command": "rollback", "function-name": "hello", "environment": "preprod", "github-token": TOKEN}
    written = {"release-notes-path": "BACK.md"}
    ended = team.step({**back, **written, "reason": "it is not *faster*"}, second)
    assert (ended.code, ended.result, ended.annotations) == (0, "rolled-back", ()), ended.log
    notes = ended.outputs["release-notes"]
    assert "Be faster" in notes
    assert "rolled back to version 1" in notes
    assert "it is not `*faster*`" in notes
    assert "it is not *faster*" not in notes
    assert (team.runner.workspace / "BACK.md").read_text(encoding="utf-8").strip() == notes.strip()
    assert [entry[0] for entry in team.shown()] == [first, second, first]
    again = team.tell(second)
    assert (again.code, again.result) == (0, "reported"), again.log
    assert "rolled back to version 1" in again.outputs["release-notes"]
    team.tag("v1.0.0", first)
    team.tag("v1.1.0", second)
    assert "| preprod | 1 |" in team.tell(second, tag="v1.0.0").outputs["release-notes"]
    assert "| preprod | 2, rolled back |" in team.tell(second, tag="v1.1.0").outputs["release-notes"]


def test_a_promotion_further_tells_all_that_the_next_environment_has_not_had(team: Team) -> None:
    team.run(team.commit("feat: Say hello"))
    promote = {"command": "promote", "function-name": "hello", "environment": "prod", "from": "preprod"}
    promote["github-token"] = TOKEN
    head = team.pushed()
    assert team.step(promote, head).result == "promoted"
    for message in ("feat: Be faster", "fix: Be right"):
        team.run(team.commit(message))
    head = team.pushed()
    ended = team.step(promote, head)
    assert (ended.code, ended.result, ended.annotations) == (0, "promoted", ()), ended.log
    notes = ended.outputs["release-notes"]
    assert "Be faster" in notes
    assert "Be right" in notes
    assert "Verified by" in notes
    # For a production environment, GitHub ends the previous deployment only if asked to.
    assert [entry[1] for entry in team.shown("prod")] == ["success", "inactive"]


def test_commits_with_the_same_code_are_listed_with_the_next_promotion(team: Team) -> None:
    team.run(team.commit("feat: Say hello"))
    readme = team.runner.workspace / "README"
    readme.write_text("How to greet")
    team.hub.commit("docs: How to greet", sha=(documented := commit(team.runner.workspace, "docs: How to greet")))
    ended = team.run(documented)
    assert (ended.code, ended.result, ended.outputs["release-notes"]) == (0, "unchanged", ""), ended.log
    assert len(team.shown()) == 1
    ended = team.run(team.commit("feat: Be faster"))
    assert "How to greet" in ended.outputs["release-notes"]
    assert "Be faster" in ended.outputs["release-notes"]


@pytest.mark.parametrize("trouble", ["down", "slow", "rate limited", "no token", "no permission"])
def test_a_promotion_ends_well_without_github(team: Team, world: World, trouble: str) -> None:
    team.run(team.commit("feat: Say hello"))
    second = team.commit("feat: Be faster (#9)", pull=9)
    different, held = {}, list[str]()
    if trouble == "down":
        team.environ["GITHUB_API_URL"] = "http://127.0.0.1:9"
    elif trouble == "slow":
        team.hub.fail(200, times=20, seconds=30)
        team.hub.on_request = lambda _: held.append(world.lock_owner())
    elif trouble == "rate limited":
        soon = str(int(datetime.now(UTC).timestamp()) + 3000)
        headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": soon}
        team.hub.fail(403, times=20, message="API rate limit exceeded", headers=headers)
    elif trouble == "no token":
        different = {"github_token": ""}
    else:
        team.hub.permissions = {"contents": "read"}
    ended = team.run(second, **different)
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert world.alias_version() == "2"
    assert "Be faster" in ended.outputs["release-notes"]
    assert {annotation.kind for annotation in ended.annotations} == {"warning"}
    messages = " ".join(annotation.message for annotation in ended.annotations)
    if trouble == "no permission":
        assert "`deployments: write`" in messages
        assert "`pull-requests: read`" in messages
    if trouble == "no token":
        assert "github-token" in messages
    assert not any(held)  # the lock is free before GitHub is asked
    assert bool(held) is (trouble == "slow")
    assert TOKEN not in ended.log + ended.summary


def test_changes_that_are_not_known_cause_a_warning_only_if_github_should_show_them(team: Team) -> None:
    team.run(team.commit("feat: Say hello"))
    commits = [team.commit("feat: Be faster"), team.commit("fix: Be right")]
    shutil.rmtree(team.runner.workspace / ".git")
    order = "Cannot tell whether"
    wanted = {
        "false": [order],
        "true": [order, "The commits are not known", "GitHub does not show what preprod serves"],
    }
    for sha, (is_shown, texts) in zip(commits, wanted.items(), strict=True):
        (team.runner.workspace / "function" / "NEWS").write_text(sha)
        ended = team.run(sha, diverged="promote", github_token="", github_deployments=is_shown)
        assert (ended.code, ended.result) == (0, "promoted"), ended.log
        messages = [annotation.message for annotation in ended.annotations]
        assert [text in message for text, message in zip(texts, messages, strict=True)] == [True] * len(texts), messages
    assert len(team.shown()) == 1


def test_the_file_is_there_though_the_ledger_takes_no_notes(team: Team, world: World) -> None:
    team.run(team.commit("feat: Say hello"))
    faults = list[Fault]()

    def refuse(_: Request) -> None:
        """Accept no more requests once the promotion has taken place. GitHub is asked after that."""
        if not faults:
            code = "AccessDeniedException"
            faults.append(world.account.inject("error-before", "dynamodb.PutItem", times=0, status=400, code=code))

    team.hub.on_request = refuse
    ended = team.run(team.commit("feat: Be faster"), release_notes_path="NOTES.md")
    assert faults[0].hit
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert "Be faster" in (team.runner.workspace / "NOTES.md").read_text(encoding="utf-8")
    assert ended.outputs["release-notes-path"] == "NOTES.md"
    [warning] = ended.annotations
    assert warning.message.startswith("The release notes: ")
    assert len(world.records("notes")) == 1

    world.account.clear_faults()
    config = team.runner.workspace / ".git" / "config"
    before = config.read_text()
    (team.runner.workspace / "link").symlink_to(".git/config")
    ended = team.run(team.commit("feat: Be right"), release_notes_path="link")
    [warning] = ended.annotations
    assert "release-notes-path: it leads out of the repository by a link, or into .git" in warning.message
    assert config.read_text() == before
    assert len(world.records("notes")) == 2


def test_functions_of_one_repository_share_its_environments_and_releases(team: Team, world: World) -> None:
    first = team.commit("feat: Say hello")
    for function in ("hello", "other"):
        ended = team.run(first, function_name=function)
        assert (ended.result, ended.annotations) == ("promoted", ()), ended.log
    assert [state for _, state, _ in team.shown()] == ["success", "success"]
    assert sorted(str(made["description"]) for made in team.hub.deployments) == [
        f"us-east-1, account …{world.account.id[-4:]}: version 1 of hello passed verification and was promoted",
        f"us-east-1, account …{world.account.id[-4:]}: version 1 of other passed verification and was promoted",
    ]
    second = team.commit("feat: Be faster")
    assert team.run(second).result == "promoted"
    assert [(sha, state) for sha, state, _ in team.shown()] == [
        (second, "success"),
        (first, "success"),
        (first, "inactive"),
    ]
    team.tag("v1.0.0", second)
    for function in ("hello", "other"):
        ended = team.tell(second, tag="v1.0.0", function_name=function, publish_release="true")
        assert ended.code == 0, ended.log
    [release] = team.hub.releases
    hello, other = release["body"].split("## other v1.0.0")
    assert "## hello v1.0.0" in hello
    assert "| preprod | 2 |" in hello
    assert "| preprod | not yet |" in other


def test_the_repositorys_own_template_is_used_and_its_failure_does_not_fail_the_promotion(team: Team) -> None:
    template = team.runner.workspace / "notes.md.jinja"
    template.write_text(
        "{{ environment }} has {{ version }}{% for one in changes.sections %}, {{ one.title }}{% endfor %}"
    )
    team.run(team.commit("feat: Say hello"), release_notes_template=template.name)
    ended = team.run(team.commit("feat: Be *faster*"), release_notes_template=template.name)
    assert ended.outputs["release-notes"].startswith("preprod has 2, "), ended.log
    assert not ended.annotations
    template.write_text("{{ environment }}\n{{ changes.nothing.at_all }}")
    ended = team.run(team.commit("feat: Be right"), release_notes_template=template.name)
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    [warning] = ended.annotations
    assert warning.kind == "warning"
    assert "line 2 of notes.md.jinja" in warning.message
    assert "Be right" in ended.outputs["release-notes"]
    template.write_text("{{ function }} of {{ environment }} at {{ environment_url }}")
    own = {"release_notes_template": template.name, "environment_url": "https://www.example.com/hello"}
    ended = team.tell(team.pushed(), **own)
    assert ended.outputs["release-notes"].startswith("hello of preprod at "), ended.log
    assert "example.com/hello" in ended.outputs["release-notes"]


def test_notes_of_a_tag_say_which_environments_have_it_and_become_its_release(team: Team, world: World) -> None:
    workspace = team.runner.workspace
    first = team.commit("feat: Say hello")
    team.run(first)
    git(workspace, "tag", "v1.0.0")
    second = team.commit("feat: Greet in Spanish (#7)", pull=7)
    team.run(second)
    git(workspace, "tag", "v1.1.0")
    team.hub.tag("v1.0.0", first)
    team.hub.tag("v1.1.0", second)
    third = team.commit("feat: Be faster")
    git(workspace, "tag", "v1.2.0-rc.1")
    team.hub.tag("v1.2.0-rc.1", third)
    world.account.forget()
    ref = "refs/tags/v1.1.0"
    ended = team.tell(second, ref=ref, environment="", publish_release="true", release_notes_path="NOTES.md")
    assert (ended.code, ended.result, ended.annotations) == (0, "reported", ()), ended.log
    notes = ended.outputs["release-notes"]
    for shown in ("v1.1.0", "since v1.0.0", "Greet in Spanish", "preprod", "/actions/runs/2/"):
        assert shown in notes, notes
    for hidden in ("Say hello", "Be faster"):
        assert hidden not in notes
    assert (workspace / "NOTES.md").read_text(encoding="utf-8").strip() == notes.strip()
    [release] = team.hub.releases
    assert (release["tag_name"], release["prerelease"]) == ("v1.1.0", False)
    assert notes.strip() in release["body"]
    assert release["html_url"] in ended.summary
    changing = [call.operation for call in world.account.calls() if not call.operation.endswith(READING)]
    assert changing == []

    release["body"] = f"Dear users!\n\n{release['body']}\n\nYours, the team"
    assert team.tell(second, ref=ref, environment="", publish_release="true").code == 0
    assert team.hub.releases[0]["body"].startswith("Dear users!\n\n<!--")
    assert team.hub.releases[0]["body"].endswith("-->\n\nYours, the team")

    ended = team.tell(third, tag="v1.2.0-rc.1", environment="preprod", publish_release="true")
    assert (ended.code, ended.result) == (0, "reported"), ended.log
    assert "not yet" in ended.outputs["release-notes"]
    assert team.hub.releases[0]["prerelease"] is True


def test_what_nobody_can_tell_of_a_tag_is_not_said_to_be_so(team: Team) -> None:
    """A shallow clone: only GitHub could show the tag that preprod has had for long, and the previous tag."""
    first = team.commit("feat: Say hello")
    team.run(first)
    team.tag("v1.0.0", first)
    second = team.commit("feat: Be faster")
    team.tag("v1.1.0", second)
    team.run(team.commit("feat: Be right"))
    team.make_shallow()

    ended = team.tell(second, ref="refs/tags/v1.1.0", environment="", github_token="")
    assert ended.code == 0, ended.log
    notes = ended.outputs["release-notes"]
    assert "not yet" not in notes
    assert "| preprod |" not in notes
    for said in ("Whether preprod has had v1.1.0 is not known", "The changes of v1.1.0 are not known"):
        assert [said in annotation.message for annotation in ended.annotations].count(True) == 1, ended.annotations
        assert said in notes
    assert notes.count("fetch-depth: 0") == notes.count("github-token") == 2

    team.hub.fail(403, path="git/matching-refs", message="Resource not accessible by integration")
    ended = team.tell(second, ref="refs/tags/v1.1.0", publish_release="true")
    assert ended.code == 0, ended.log
    [release] = team.hub.releases
    for text in (ended.outputs["release-notes"], release["body"]):
        assert "Say hello" not in text
        assert "The changes of v1.1.0 are not known" in text
        assert "`contents: read`" in text
        assert "| preprod | 2 |" in text  # which GitHub shows

    for number in range(6):
        team.hub.tag(f"v1.0.{number + 1}", team.hub.commit("fix: One more", parents=(first,), branch="v1.0"))
    ended = team.tell(second, ref="refs/tags/v1.1.0")
    assert "versions before it are of other branches" in ended.outputs["release-notes"]
    assert "Say hello" not in ended.outputs["release-notes"]


def test_of_many_promotions_few_are_asked_about(team: Team) -> None:
    for number in range(4):
        team.run(team.commit(f"feat: Greet in language {number}"))
    last = team.pushed()
    team.hub.tag("v1.0.0", last)
    shutil.rmtree(team.runner.workspace / ".git")
    team.hub.requests.clear()
    ended = team.tell(last, tag="v1.0.0")
    assert (ended.code, ended.annotations) == (0, ()), ended.log
    assert "| preprod | 4 |" in ended.outputs["release-notes"]
    assert len([path for path in team.hub.asked() if path.startswith("compare/")]) == 1


def test_without_a_clone_the_notes_come_from_github(team: Team) -> None:
    team.run(team.commit("feat: Say hello"))
    second = team.commit("feat: Greet in Spanish (#7)", pull=7)
    team.run(second)
    shutil.rmtree(team.runner.workspace / ".git")
    ended = team.tell(second)
    assert (ended.code, ended.annotations) == (0, ()), ended.log
    assert "Greet in Spanish" in ended.outputs["release-notes"]
    team.hub.permissions = {"contents": "read"}
    ended = team.step({**NOTES, "publish-release": "true", "tag": "v1"}, second)
    assert ended.code == 1
    assert [error.title for error in ended.errors] == ["Input tag"]


def test_a_release_that_may_not_be_written_is_an_error_that_names_the_permission(team: Team) -> None:
    first = team.commit("feat: Say hello")
    team.run(first)
    git(team.runner.workspace, "tag", "v1.0.0")
    team.hub.tag("v1.0.0", first)
    team.hub.permissions["contents"] = "read"
    ended = team.tell(first, tag="v1.0.0", publish_release="true")
    assert ended.code == 1, ended.log
    assert "`contents: write`" in ended.errors[0].message
    assert "Say hello" in ended.outputs["release-notes"]
    assert "Say hello" in ended.summary


def test_a_dry_run_publishes_and_writes_nothing(team: Team) -> None:
    first = team.commit("feat: Say hello")
    team.run(first)
    git(team.runner.workspace, "tag", "v1.0.0")
    team.hub.tag("v1.0.0", first)
    ended = team.tell(first, tag="v1.0.0", publish_release="true", release_notes_path="NOTES.md", dry_run="true")
    assert ended.code == 0, ended.log
    assert "Say hello" in ended.outputs["release-notes"]
    assert team.hub.releases == []
    assert not (team.runner.workspace / "NOTES.md").exists()
