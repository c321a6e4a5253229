"""The demo: five releases on an embedded AWS.

A developer commits to a git repository. A runner checks it out and starts the action with the environment and the
files of a step on GitHub. Users send HTTP requests. If an act does not end as in `story`, the demo exits with 1.
"""

import argparse
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import requests
import yaml

from examples.story import PATHS, STORY, Act, Answer, Commit
from sandbox.client import Account, Call, Sandbox, SandboxError

REPOSITORY = Path(__file__).resolve().parent.parent
EXAMPLES = REPOSITORY / "examples"


class UnexpectedError(Exception):
    """An act did not end as in the story."""


def main(arguments: Sequence[str], stream: TextIO, environ: Mapping[str, str], story: Sequence[Act] = STORY) -> int:
    """Play the story and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description="Promote on success, shown.")
    parser.add_argument("--summaries", type=Path, default=REPOSITORY / ".demo", metavar="DIR", help="default: .demo")
    summaries: Path = parser.parse_args(arguments).summaries
    teller = Teller(stream, is_coloured=stream.isatty() and not environ.get("NO_COLOR"))
    try:
        summaries.mkdir(parents=True, exist_ok=True)
        play(story, teller, summaries, environ.get("PATH", os.defpath))
    except KeyboardInterrupt:
        teller.fail("Interrupted. The embedded AWS has been stopped.")
        return 130  # as a shell reports a process that Ctrl-C has ended
    except (UnexpectedError, SandboxError, subprocess.CalledProcessError, OSError) as error:
        teller.fail(str(error))
        return 1
    return 0


def play(story: Sequence[Act], teller: "Teller", summaries: Path, path: str) -> None:
    """Prepare AWS and the repository, play the acts, and report the results.

    Raises:
        UnexpectedError: an act did not end as it should.

    """
    if not shutil.which("git", path=path):
        raise UnexpectedError("The demo needs git, but git is not on the PATH. Install it.")
    started = time.monotonic()
    teller.head("Promote on success")
    teller.tell(
        "A function on AWS Lambda serves HTTP requests at the endpoint of preprod. At each push, a GitHub workflow "
        "deploys the commit to $LATEST, which the endpoint of latest shows, and checks it there. preprod moves to it "
        "only if every check passes."
    )
    teller.tell("Starting an embedded AWS ...")
    with tempfile.TemporaryDirectory(prefix="promote-demo-") as folder, Sandbox.start() as sandbox:
        account = sandbox.account()
        teller.show(f"It is ready at {sandbox.url}: no Docker, no AWS account, no network.")
        project = Project(Path(folder, "project"), path)
        runner = Runner(Path(folder), path, account, project, teller)
        teller.tell("The workflow's step:")
        teller.show(*step_of_workflow(runner.inputs), indent=4)
        stage = Stage(project, runner, teller, summaries)
        before = NOTHING
        for number, act in enumerate(story, start=1):
            before = stage.play(number, act, before)
    teller.head(f"The end, after {time.monotonic() - started:.0f} seconds")
    teller.show(
        f"Results:    {', '.join(act.result for act in story)}, all as expected. preprod never served a bug.",
        f"Summaries:  {shortened(summaries)}/*.md, one per run, as on the job's page on GitHub.",
        "Next:       the quick start in README.md adds the action to your workflow; make test runs the tests.",
    )


def require(what: str, expected: object, actual: object) -> None:
    """Compare a result with the story.

    Raises:
        UnexpectedError: They differ.

    """
    if actual != expected:
        raise UnexpectedError(f"Not as expected: {what} should be {expected!r}, and it is {actual!r}.")


def ask(endpoint: str) -> tuple[Answer, ...]:
    """Return an endpoint's responses to a user's requests; empty if there is no endpoint yet."""
    with requests.Session() as session:
        session.trust_env = False  # a proxy cannot reach this machine
        responses = [session.get(endpoint + path, timeout=10) for path in PATHS if endpoint]
    return tuple(Answer(response.status_code, response.text) for response in responses)


class Project:
    """The developer's git repository, independent of the user's git configuration."""

    def __init__(self, folder: Path, path: str) -> None:
        self.folder = folder
        self._environ = {"PATH": path, "HOME": str(folder.parent), "GIT_CONFIG_NOSYSTEM": "1"}
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(EXAMPLES / "function", folder / "function", ignore=ignored)
        shutil.copy(EXAMPLES / "checks.txt", folder)
        self._git("init", "--quiet")

    def commit(self, commit: Commit) -> None:
        """Make the change and commit it to its branch.

        Raises:
            UnexpectedError: The change does not apply to the code.

        """
        self._git("checkout", "--quiet", "-B", commit.branch)
        file = self.folder / "function" / "app.py"
        code = file.read_text(encoding="utf-8")
        if commit.removed not in code:
            raise UnexpectedError(f"examples/function/app.py has no {commit.removed!r} for the story to change.")
        file.write_text(code.replace(commit.removed, commit.added), encoding="utf-8")
        self._git("add", "--all")
        author = ("-c", "user.name=A developer", "-c", "user.email=developer@example.com")
        self._git(*author, "commit", "--quiet", f"--message={commit.message}")

    def head(self, branch: str) -> str:
        """Return the SHA of a branch's last commit."""
        return self._git("rev-parse", branch)

    def describe(self, branch: str) -> str:
        """Return a description of the branch's last commit."""
        number = self._git("rev-list", "--count", branch)
        message = self._git("log", "--max-count=1", "--format=%s", branch)
        return f'Commit {number} is {self.head(branch)[:10]} on {branch}: "{message}"'

    def check_out(self, branch: str, folder: Path) -> None:
        """Clone as actions/checkout does with fetch-depth 0."""
        self._git("clone", "--quiet", "--branch", branch, str(self.folder), str(folder))

    def _git(self, *arguments: str) -> str:
        command = ["git", *arguments]
        done = subprocess.run(  # noqa: S603 - the arguments are our own
            command, cwd=self.folder, env=self._environ, stdout=subprocess.PIPE, text=True, check=True
        )
        return done.stdout.strip()


@dataclass(frozen=True)
class Step:
    """A run of the action that has ended."""

    exit_code: int
    seconds: float
    outputs: Mapping[str, str]
    summary: str
    calls: Sequence[Call]
    """Its calls to AWS."""

    @property
    def result(self) -> str:
        """The output `result`."""
        return self.outputs.get("result", "")

    @property
    def preprod(self) -> str:
        """The URL for users."""
        return self.outputs.get("environment-url", "")

    @property
    def latest(self) -> str:
        """The URL that shows $LATEST."""
        return self.outputs.get("latest-url", "")

    @property
    def writes(self) -> list[Call]:
        """The calls that can change something."""
        return [call for call in self.calls if not call.operation.startswith(("Get", "List", "Query", "Describe"))]

    @property
    def written(self) -> set[str]:
        """The services that it wrote to."""
        return {call.service for call in self.writes}


NOTHING = Step(exit_code=0, seconds=0, outputs={}, summary="", calls=())
"""Before the first run."""


class Runner:
    """Starts the action as GitHub's runner does."""

    def __init__(self, folder: Path, path: str, account: Account, project: Project, teller: "Teller") -> None:
        self._folder = folder
        self._path = path
        self._account = account
        self._project = project
        self._teller = teller
        self.inputs = {
            "function-name": "greeter",
            "environment": "preprod",
            "artifact": "function",
            "runtime": "python3.13",
            "handler": "app.handler",
            "role": f"arn:aws:iam::{account.id}:role/greeter",
            "checks": (project.folder / "checks.txt").read_text(encoding="utf-8"),
            "github-deployments": "false",
        }

    def run(self, number: int, act: Act) -> Step:
        """Check out the branch, run the action with its log shown, and return the step."""
        folder = self._folder / f"run-{number}"
        workspace, output, summary = folder / "workspace", folder / "output", folder / "summary"
        folder.mkdir()
        output.touch()
        summary.touch()
        self._project.check_out(act.branch, workspace)
        environ = {
            "PATH": self._path,
            "HOME": str(folder),
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(workspace),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(summary),
            "GITHUB_SERVER_URL": "https://github.example.com",
            "GITHUB_REPOSITORY": "example/greeter",
            "GITHUB_SHA": self._project.head(act.branch),
            "GITHUB_REF_NAME": act.branch,
            "GITHUB_RUN_ID": str(1000 + number),
            "GITHUB_RUN_ATTEMPT": "1",
            "RUNNER_TEMP": str(folder),
            **self._account.environ,
            **inputs_of_runner({**self.inputs, "dry-run": "true" if act.is_dry_run else "false"}),
        }
        self._account.forget()
        started = time.monotonic()
        exit_code = self._start(workspace, environ)
        seconds = time.monotonic() - started
        return Step(
            exit_code=exit_code,
            seconds=seconds,
            outputs=read_outputs(output.read_text(encoding="utf-8")),
            summary=summary.read_text(encoding="utf-8"),
            calls=[call for call in self._account.calls() if call.service != "execute-api"],
        )

    def _start(self, workspace: Path, environ: Mapping[str, str]) -> int:
        with subprocess.Popen(  # noqa: S603 - our own interpreter and script
            [sys.executable, "-I", "-u", str(REPOSITORY / "entrypoint.py")],
            cwd=workspace,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            process_group=0,  # Ctrl-C reaches only the demo, which then ends the action
        ) as process:
            try:
                for line in process.stdout or ():
                    self._teller.show_log(line.rstrip("\n"))
            except BaseException:
                process.terminate()
                process.communicate()
                raise
        return process.returncode


@dataclass(frozen=True)
class Stage:
    """What the acts need."""

    project: Project
    runner: Runner
    teller: "Teller"
    summaries: Path

    def play(self, number: int, act: Act, before: Step) -> Step:
        """Play one act and compare its results with the story.

        Raises:
            UnexpectedError: They differ.

        """
        teller = self.teller
        preprod_before, latest_before = ask(before.preprod), ask(before.latest)
        teller.head(f"Act {number}: {act.title}")
        teller.tell(act.developer)
        if act.commit:
            self.project.commit(act.commit)
        teller.tell(self.project.describe(act.branch))
        if act.commit:
            teller.show_change(act.commit)

        teller.tell("The action runs:")
        step = self.runner.run(number, act)
        file = self.summaries / f"{number}-{step.result or 'failed'}.md"
        file.write_text(step.summary, encoding="utf-8")
        teller.show(
            "",
            f"It ended as {step.result or 'failed'}, exit code {step.exit_code}, after {step.seconds:.1f} seconds.",
            f"It made {len(step.calls)} calls to AWS; {counted(step)}.",
            f"Its job summary is {shortened(file)}.",
        )
        require("the action's result", act.result, step.result)
        require("the action's exit code", act.exit_code, step.exit_code)
        require("the services that it writes to", act.writes_to, step.written)

        preprod, latest = ask(step.preprod), ask(step.latest)
        teller.tell(f"What users get from preprod, {step.preprod}")
        teller.show_answers(preprod_before, preprod)
        teller.tell(f"What latest shows, {step.latest}")
        teller.show_answers(latest_before, latest)
        require("the response of preprod", act.preprod, preprod)
        require("the response of latest", act.latest, latest)
        teller.conclude(act.moral)
        return step


def inputs_of_runner(given: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of all inputs of action.yml, with the defaults for those that are not given.

    A default that is an expression is empty, because only GitHub can evaluate it.
    """
    known = yaml.safe_load((REPOSITORY / "action.yml").read_text(encoding="utf-8"))["inputs"]
    defaults = {name: str(properties.get("default", "")) for name, properties in known.items()}
    values = {name: "" if "${{" in default else default for name, default in defaults.items()} | dict(given)
    return {f"INPUT_{name.upper()}": value for name, value in values.items()}


def read_outputs(text: str) -> dict[str, str]:
    """Return the step's outputs, each of them written as ``name<<delimiter``."""
    blocks = re.finditer(
        r"^(?P<name>\S+)<<(?P<delimiter>\S+)\n(?P<value>.*?)\n(?P=delimiter)$", text, re.MULTILINE | re.DOTALL
    )
    return {block["name"]: block["value"] for block in blocks}


def step_of_workflow(inputs: Mapping[str, str]) -> list[str]:
    """Return the lines of the step in a workflow."""
    lines = ["- uses: org/promote-on-success@v1", "  with:"]
    for name, value in inputs.items():
        if "\n" in value:
            lines += [f"    {name}: |", *(f"      {line}" for line in value.splitlines())]
        else:
            lines.append(f"    {name}: {value}")
    return lines


def counted(step: Step) -> str:
    """Return how many calls write, and to which services."""
    if not step.writes:
        return "none of them writes"
    return f"{len(step.writes)} of them write, to {', '.join(sorted(step.written))}"


def shortened(file: Path) -> str:
    """Return the shortest form of a path."""
    here = Path.cwd()
    return str(file.relative_to(here) if file.is_relative_to(here) else file)


class Teller:
    """Prints the story to a terminal or into a file."""

    WIDTH = 100
    BOLD, DIM, RED, GREEN = "1", "2", "31", "32"

    def __init__(self, stream: TextIO, *, is_coloured: bool) -> None:
        self._stream = stream
        self._is_coloured = is_coloured

    def head(self, title: str) -> None:
        """Print the title of an act."""
        self._line("")
        self._line(f"━━ {title} ".ljust(self.WIDTH, "━"), self.BOLD)

    def tell(self, text: str) -> None:
        """Print what happens."""
        self._line("")
        self._line(textwrap.fill(text, self.WIDTH, break_long_words=False, break_on_hyphens=False))

    def conclude(self, text: str) -> None:
        """Print what an act has shown."""
        self._line("")
        self._line(textwrap.fill(text, self.WIDTH, initial_indent="✓ ", subsequent_indent="  "), self.GREEN)

    def fail(self, text: str) -> None:
        """Print why the demo ends here."""
        self._line("")
        self._line(f"✗ {text}", self.RED)

    def show(self, *lines: str, indent: int = 0) -> None:
        """Print lines as they are."""
        for line in lines:
            self._line(" " * indent + line)

    def show_change(self, commit: Commit) -> None:
        """Print the line that a commit removes, and the one that it adds."""
        if commit.removed:
            self._line(f"    - {commit.removed}", self.RED)
            self._line(f"    + {commit.added}", self.GREEN)

    def show_log(self, line: str) -> None:
        """Print a line of the action's log, with annotations as on GitHub."""
        found = re.fullmatch(r"::(error|warning|notice) ?(?P<properties>[^:]*)::(?P<message>.*)", line)
        if not found:
            self._line(f"    │ {line}", self.DIM)
            return
        for part in found["message"].replace("%25", "%").split("%0A"):
            self._line(f"    │ {found[1].capitalize()}: {part}", self.RED)

    def show_answers(self, before: Sequence[Answer], after: Sequence[Answer]) -> None:
        """Print the response of each path before and after the run."""
        column = max(map(len, PATHS))
        for index, path in enumerate(PATHS):
            for request, moment, answers in ((f"GET {path}", "before", before), ("", "after", after)):
                answer = answers[index] if answers else None
                said = f"{answer.status} {answer.body}" if answer else "(no endpoint yet)"
                style = self.RED if answer and answer.status >= requests.codes.server_error else ""
                self._line(f"    {request:<{column + 4}}  {moment:<6}  {said}", style)

    def _line(self, text: str, style: str = "") -> None:
        self._stream.write(f"\x1b[{style}m{text}\x1b[0m\n" if style and self._is_coloured else f"{text}\n")
        self._stream.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # for terminals with only ASCII
    sys.exit(main(sys.argv[1:], sys.stdout, os.environ))
