"""An emulation of the runner, which starts the action with the environment and the files of actions/runner.

https://docs.github.com/actions/reference/workflows-and-actions/variables and .../workflow-commands describe both. The
same step can run in this process, as a separate process, or as the image: ``InProcessRunner``, ``Runner`` and
``ContainerRunner``.
"""

import io
import json
import os
import secrets
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any, Self

import yaml

from promote.action import main
from promote.commands.post import post
from promote.core.clock import Clock
from promote.core.environment import tidy
from sandbox.forks import Forked
from tests.runner.commands import Annotation, Command, Log, Masks, parse_command, split_lines
from tests.runner.files import FileCommandError, parse_file_command
from tests.runner.forks import REPOSITORY, start_step
from tests.runner.step import Ended, Files, Started, conclude, parse_annotations, saved

__all__ = [
    "INPUTS",
    "METADATA",
    "REPOSITORY",
    "Annotation",
    "Command",
    "ContainerRunner",
    "Ended",
    "FileCommandError",
    "InProcessRunner",
    "Log",
    "Masks",
    "Past",
    "Runner",
    "Started",
    "docker",
    "edit",
    "parse_annotations",
    "parse_command",
    "parse_file_command",
]

METADATA: Mapping[str, Any] = yaml.safe_load((REPOSITORY / "action.yml").read_text())
INPUTS: Mapping[str, Mapping[str, str]] = METADATA["inputs"]
EVENT = {"ref": "refs/heads/main", "repository": {"full_name": "octo/hello"}}


_EXPRESSIONS: Mapping[str, str] = {"${{ job.status }}": "success"}
"""The values of expressions in action.yml, while no step has failed. Others are empty here."""


_CLONE = shutil.ignore_patterns(".git")


@dataclass(frozen=True)
class _Step:
    """What starts a step."""

    variables: Mapping[str, str]
    files: Files
    is_post: bool


@dataclass(frozen=True)
class _Main:
    """A main step whose post step has not run yet."""

    saved: Callable[[], Mapping[str, str]]
    inputs: Mapping[str, str]
    run_id: int
    attempt: int
    environ: Mapping[str, str | None]


@dataclass(frozen=True)
class Past:
    """What a runner has done so far."""

    folder: Path
    """A copy of its files."""
    steps: int
    unfinished: tuple[tuple[Mapping[str, str], _Main], ...]
    """The main steps whose post steps have not run yet, each with the state that it has saved."""


class Runner:
    """One repository's runner, whose steps are processes. ``environ`` has the credentials; ``folder`` is new and empty.

    Only ``masks`` is masked, so a test sees what the action itself writes.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.workspace = folder / "workspace"
        self.masks = Masks()
        self._temporary = folder / "runner_temp"
        self._files = self._temporary / "_runner_file_commands"
        self._home = self._temporary / "_github_home"
        self._workflow = self._temporary / "_github_workflow"
        for made in (self.workspace, self._temporary, self._files, self._home, self._workflow):
            made.mkdir()
        (self._workflow / "event.json").write_text(json.dumps(EVENT), encoding="utf-8")
        self._environ = environ
        self._steps = count(1)
        self._stack: list[_Main] = []

    def start(
        self,
        inputs: Mapping[str, str],
        *,
        commit: str = "c" * 40,
        run_id: int = 1000,
        attempt: int = 1,
        environ: Mapping[str, str | None] | None = None,
        is_post: bool = False,
    ) -> Started:
        """Start the step. ``environ`` adds to the environment; None removes a variable."""
        step = self._prepare(inputs, commit=commit, run_id=run_id, attempt=attempt, environ=environ, is_post=is_post)
        process = self._launch(step.variables, is_post=is_post)
        is_debug = step.variables.get("RUNNER_DEBUG") == "1"
        started = Started(process, step.files, self.masks, is_post=is_post, is_debug=is_debug)
        if not is_post:
            self._stack.append(_Main(lambda: started.saved, inputs, run_id, attempt, environ or {}))
        return started

    def finish(self) -> list[Ended]:
        """End the job: run the post steps of its steps, the last one first, each with the state of its main step.

        ``post-if`` of action.yml is ``always()``, so they run whatever the result of the job.
        """
        assert METADATA["runs"]["post-if"] == "always()"
        ended = []
        while self._stack:
            step = self._stack.pop()
            environ = {**step.environ, **step.saved()}
            ended.append(self.post(step.inputs, run_id=step.run_id, attempt=step.attempt, environ=environ))
        return ended

    def save(self, folder: Path) -> Past:
        """Return what it has done, for runners that are to continue from here. ``folder`` does not exist yet.

        Its clone is not copied.
        """
        shutil.copytree(self.folder, folder, ignore=_CLONE)
        return Past(folder, next(self._steps), tuple((step.saved(), step) for step in self._stack))

    def load(self, past: Past, rename: Callable[[str], str]) -> None:
        """Continue where another runner was. ``rename`` gives texts the names of this runner and its account."""
        shutil.copytree(past.folder, self.folder, dirs_exist_ok=True)
        for file in self._temporary.rglob("*"):
            if file.is_file():
                text = file.read_bytes().decode(errors="surrogateescape")
                if (renamed := rename(text)) != text:
                    file.write_bytes(renamed.encode(errors="surrogateescape"))
        for _ in range(past.steps):
            next(self._steps)
        for state, step in past.unfinished:
            renamed_state, inputs = (
                {name: rename(value) for name, value in each.items()} for each in (state, step.inputs)
            )
            self._stack.append(replace(step, saved=partial(dict, renamed_state), inputs=inputs))

    def _prepare(
        self,
        inputs: Mapping[str, str],
        *,
        commit: str,
        run_id: int,
        attempt: int,
        environ: Mapping[str, str | None] | None,
        is_post: bool,
    ) -> _Step:
        number = next(self._steps)
        names = ("set_output", "step_summary", "save_state", "set_env", "add_path")
        files = Files(*(self._files / f"{name}_{number}" for name in names))
        # As in the runner, every input of action.yml is set; an optional one without a default is empty. An input that
        # action.yml does not have is passed on as well. The runner's own warning about it is omitted.
        values = {name: str(known.get("default", "")) for name, known in INPUTS.items()} | dict(inputs)
        values = {
            name: _EXPRESSIONS.get(value, "") if value.startswith("${{") else value for name, value in values.items()
        }
        variables: dict[str, str | None] = {
            "HOME": self._seen(self._home),
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTION": "__self",
            "GITHUB_ACTOR": "octocat",
            "GITHUB_ACTOR_ID": "583231",
            "GITHUB_API_URL": "http://127.0.0.1:9",
            "GITHUB_BASE_REF": "",
            "GITHUB_ENV": self._seen(files.env),
            "GITHUB_EVENT_NAME": "push",
            "GITHUB_EVENT_PATH": self._seen(self._workflow / "event.json"),
            "GITHUB_GRAPHQL_URL": "http://127.0.0.1:9/graphql",
            "GITHUB_HEAD_REF": "",
            "GITHUB_JOB": "release",
            "GITHUB_OUTPUT": self._seen(files.output),
            "GITHUB_PATH": self._seen(files.path),
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_REF_NAME": "main",
            "GITHUB_REF_PROTECTED": "false",
            "GITHUB_REF_TYPE": "branch",
            "GITHUB_REPOSITORY": "octo/hello",
            "GITHUB_REPOSITORY_OWNER": "octo",
            "GITHUB_RETENTION_DAYS": "90",
            "GITHUB_RUN_ATTEMPT": str(attempt),
            "GITHUB_RUN_ID": str(run_id),
            "GITHUB_RUN_NUMBER": "7",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_SHA": commit,
            "GITHUB_STATE": self._seen(files.state),
            "GITHUB_STEP_SUMMARY": self._seen(files.summary),
            "GITHUB_TRIGGERING_ACTOR": "octocat",
            "GITHUB_WORKFLOW": "release",
            "GITHUB_WORKFLOW_REF": "octo/hello/.github/workflows/release.yml@refs/heads/main",
            "GITHUB_WORKSPACE": self._seen(self.workspace),
            "RUNNER_ARCH": "X64",
            "RUNNER_ENVIRONMENT": "github-hosted",
            "RUNNER_NAME": "emulated",
            "RUNNER_OS": "Linux",
            "RUNNER_TEMP": self._seen(self._temporary),
            "RUNNER_TOOL_CACHE": "/opt/hostedtoolcache",
            "RUNNER_WORKSPACE": str(self.workspace.parent),
            # pytest deletes the folders of earlier sessions. In a container, there are none.
            "PYTEST_DEBUG_TEMPROOT": self._seen(self._temporary),
            "ACTIONS_CACHE_URL": "http://127.0.0.1:9/cache/",
            "ACTIONS_RUNTIME_TOKEN": "the-runtime-token-of-this-job",
            "ACTIONS_RUNTIME_URL": "http://127.0.0.1:9/runtime/",
            **self._environ,
            **{f"INPUT_{name.replace(' ', '_').upper()}": value for name, value in values.items()},
            **(environ or {}),
        }
        return _Step({name: value for name, value in variables.items() if value is not None}, files, is_post)

    def _seen(self, path: Path) -> str:
        """Return the step's path of ``path``."""
        return str(path)

    def _launch(self, variables: Mapping[str, str], *, is_post: bool) -> subprocess.Popen[str] | Forked:
        # A signal may arrive between the opening of a file and the block that closes it. This is not a defect and has
        # no visible effect. Files that are really left open show where steps run in the tests' own process.
        warnings = ["-W", "error", "-W", "ignore::ResourceWarning"]
        command = [sys.executable, "-I", "-u", *warnings, str(REPOSITORY / "entrypoint.py")]
        command += ["post"] if is_post else []
        return self._spawn(command, {"PATH": os.environ["PATH"], **variables})

    def _spawn(self, command: Sequence[str], environ: Mapping[str, str]) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603 - our own commands
            command,
            cwd=self.workspace,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
        )

    def run(
        self,
        inputs: Mapping[str, str],
        *,
        commit: str = "c" * 40,
        run_id: int = 1000,
        attempt: int = 1,
        environ: Mapping[str, str | None] | None = None,
    ) -> Ended:
        """Run the step to its end."""
        return self.start(inputs, commit=commit, run_id=run_id, attempt=attempt, environ=environ).wait()

    def post(
        self,
        inputs: Mapping[str, str],
        *,
        run_id: int = 1000,
        attempt: int = 1,
        environ: Mapping[str, str | None] | None = None,
    ) -> Ended:
        """Run the post step of a step. ``environ`` may have the step's ``saved`` state."""
        return self.start(inputs, run_id=run_id, attempt=attempt, environ=environ, is_post=True).wait()


class InProcessRunner(Runner):
    """A runner whose steps run in this process: ``promote.action``'s entry points with their effects as arguments.

    Only steps that are started, and not run to their end, are separate processes: copies of one that has loaded
    everything. boto3 reads credentials from the environment of its process, which is the step's during its run. If
    threads run steps at the same time, those are separate processes as well.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str], clock: Clock | None = None) -> None:
        super().__init__(folder, environ)
        self._clock = clock

    def _launch(self, variables: Mapping[str, str], *, is_post: bool) -> Forked:
        arguments = ["post"] if is_post else []
        return start_step(arguments, {"PATH": os.environ["PATH"], **variables}, self.workspace)

    def on(self, clock: Clock) -> Self:
        """Return the same runner with another clock."""
        other = copy(self)
        other._clock = clock  # noqa: SLF001 - its own
        return other

    def run(
        self,
        inputs: Mapping[str, str],
        *,
        commit: str = "c" * 40,
        run_id: int = 1000,
        attempt: int = 1,
        environ: Mapping[str, str | None] | None = None,
    ) -> Ended:
        if threading.current_thread() is not threading.main_thread():
            return super().run(inputs, commit=commit, run_id=run_id, attempt=attempt, environ=environ)
        step = self._prepare(inputs, commit=commit, run_id=run_id, attempt=attempt, environ=environ, is_post=False)
        ended, log = self._act(step)
        self._stack.append(_Main(lambda: saved(step.files, log), inputs, run_id, attempt, environ or {}))
        return ended

    def post(
        self,
        inputs: Mapping[str, str],
        *,
        run_id: int = 1000,
        attempt: int = 1,
        environ: Mapping[str, str | None] | None = None,
    ) -> Ended:
        if threading.current_thread() is not threading.main_thread():
            return super().post(inputs, run_id=run_id, attempt=attempt, environ=environ)
        step = self._prepare(inputs, commit="c" * 40, run_id=run_id, attempt=attempt, environ=environ, is_post=True)
        return self._act(step)[0]

    def _act(self, step: _Step) -> tuple[Ended, Log]:
        stream, before, log = io.StringIO(), dict(os.environ), Log(self.masks)
        os.environ.clear()
        os.environ.update({"PATH": before["PATH"], **step.variables})
        tidy(os.environ)
        try:
            code = (post if step.is_post else main)(dict(os.environ), stream, self._clock)
        finally:
            os.environ.clear()
            os.environ.update(before)
        for line in split_lines(stream.getvalue()):
            log.read(line)
        return conclude(code, stream.getvalue(), step.files, self.masks, log, is_post=step.is_post), log


class ContainerRunner(Runner):
    """A runner whose steps are containers of ``image``, started as actions/runner starts a Docker action.

    https://github.com/actions/runner/blob/main/src/Runner.Worker/Handlers/ContainerActionHandler.cs has the mounts.
    Docker's socket is omitted, because the action does not use it. The host's network is added for the sandbox.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str], image: str) -> None:
        super().__init__(folder, environ)
        self._image = image
        self._name = f"promote-on-success-{secrets.token_hex(6)}"
        self._clients: list[subprocess.Popen[str]] = []
        self._mounts = {
            self._home: PurePosixPath("/github/home"),
            self._workflow: PurePosixPath("/github/workflow"),
            self._files: PurePosixPath("/github/file_commands"),
            self._temporary: PurePosixPath("/github/runner_temp"),
            self.workspace: PurePosixPath("/github/workspace"),
        }

    def close(self) -> None:
        """Remove containers that still run."""
        for step, client in enumerate(self._clients, 1):
            if client.poll() is None:
                subprocess.run([docker(), "rm", "--force", f"{self._name}-{step}"], check=False, capture_output=True)  # noqa: S603 - our own
                client.kill()
                client.wait()
            for stream in (client.stdout, client.stderr):
                if stream:
                    stream.close()

    def _seen(self, path: Path) -> str:
        folder = next(folder for folder in self._mounts if path.is_relative_to(folder))
        return str(self._mounts[folder] / path.relative_to(folder))

    def _launch(self, variables: Mapping[str, str], *, is_post: bool) -> subprocess.Popen[str]:
        command = [
            docker(),
            "run",
            "--name",
            f"{self._name}-{len(self._clients) + 1}",
            "--workdir",
            "/github/workspace",
            "--rm",
        ]
        command += ["--entrypoint", str(METADATA["runs"]["post-entrypoint"])] if is_post else []
        for name in variables:
            command += ["-e", name]
        for folder, place in self._mounts.items():
            command += ["-v", f"{folder}:{place}"]
        command += ["--network", "host", self._image]
        # The values come from the client's environment, so that secrets are not in the list of processes.
        client = {name: value for name, value in os.environ.items() if name.startswith("DOCKER_")}
        self._clients.append(self._spawn(command, {**client, **variables}))
        return self._clients[-1]


def docker() -> str:
    """Return the absolute path of Docker's client, so that a step's PATH does not change it."""
    found = shutil.which("docker")
    assert found, "these tests need a Docker Engine and its client"
    return found


def edit(workspace: Path, old: str, new: str) -> None:
    """Change the function as a developer would."""
    file = workspace / "function" / "app.py"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
