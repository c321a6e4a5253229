"""The runner, emulated: starts the action with the environment and the files that actions/runner gives it.

https://docs.github.com/actions/reference/workflows-and-actions/variables and .../workflow-commands describe both.
"""

import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parent.parent
METADATA: Mapping[str, Any] = yaml.safe_load((REPOSITORY / "action.yml").read_text())
INPUTS: Mapping[str, Mapping[str, str]] = METADATA["inputs"]


@dataclass(frozen=True)
class Annotation:
    """A ``::error::``, ``::warning::`` or ``::notice::`` as the runner reads it."""

    kind: str
    title: str
    message: str


@dataclass(frozen=True)
class Ended:
    """A step that has ended."""

    code: int
    log: str
    outputs: Mapping[str, str]
    summary: str
    annotations: tuple[Annotation, ...] = field(default=())

    @property
    def errors(self) -> list[Annotation]:
        return [annotation for annotation in self.annotations if annotation.kind == "error"]

    @property
    def result(self) -> str:
        return self.outputs.get("result", "")


@dataclass
class Started:
    """A step that runs."""

    process: subprocess.Popen[str]
    output: Path
    summary: Path
    state: Path
    seen: str = ""

    def wait_for(self, text: str) -> None:
        """Read the log until a line of it has ``text``."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.seen += line
            if text in line:
                return
        raise AssertionError(f"{text!r} is not in the log:\n{self.seen}")

    def wait(self, timeout: float = 60) -> Ended:
        if self.seen and self.process.stdout:
            log = self.seen + self.process.stdout.read()  # communicate() knows nothing of what was read ahead
            self.process.wait(timeout)
            self.process.stdout.close()
        else:
            log, _ = self.process.communicate(timeout=timeout)
        return Ended(
            code=self.process.returncode,
            log=log,
            outputs=parse_file_command(self.output.read_text(encoding="utf-8")),
            summary=self.summary.read_text(encoding="utf-8"),
            annotations=tuple(parse_annotations(log)),
        )

    @property
    def saved(self) -> Mapping[str, str]:
        """What the step has saved for its post step, as the runner hands it over."""
        return {f"STATE_{name}": value for name, value in parse_file_command(self.state.read_text("utf-8")).items()}

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


class Runner:
    """One repository's runner; steps are processes. ``environ`` has the credentials; ``folder`` is new and empty."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.workspace = folder / "workspace"
        self._temporary = folder / "runner_temp"
        self._files = self._temporary / "_runner_file_commands"
        self._home = self._temporary / "_github_home"
        for made in (self.workspace, self._temporary, self._files, self._home):
            made.mkdir()
        self._environ = environ
        self._steps = 0

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
        """Start the step. ``environ`` adds to the environment; None takes a variable away."""
        self._steps += 1
        names = ("set_output", "step_summary", "save_state")
        output, summary, state = (self._files / f"{name}_{self._steps}" for name in names)
        for file in (output, summary, state):
            file.touch()
        unknown = set(inputs) - set(INPUTS)
        assert not unknown, f"action.yml has no input {unknown}"
        # As the runner does: every input of action.yml is set, an optional one without default to nothing.
        values = {name: str(known.get("default", "")) for name, known in INPUTS.items()} | dict(inputs)
        values = {name: "" if value.startswith("${{") else value for name, value in values.items()}
        variables: dict[str, str | None] = {
            "HOME": self._seen(self._home),
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": self._seen(self.workspace),
            "GITHUB_OUTPUT": self._seen(output),
            "GITHUB_STEP_SUMMARY": self._seen(summary),
            "GITHUB_STATE": self._seen(state),
            "GITHUB_JOB": "release",
            "GITHUB_ACTOR": "octocat",
            "GITHUB_REPOSITORY": "octo/hello",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_API_URL": "http://127.0.0.1:9",
            "GITHUB_SHA": commit,
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_REF_NAME": "main",
            "GITHUB_RUN_ID": str(run_id),
            "GITHUB_RUN_ATTEMPT": str(attempt),
            "RUNNER_TEMP": self._seen(self._temporary),
            **self._environ,
            **{f"INPUT_{name.upper()}": value for name, value in values.items()},
            **(environ or {}),
        }
        given = {name: value for name, value in variables.items() if value is not None}
        return Started(self._launch(given, is_post=is_post), output, summary, state)

    def _seen(self, path: Path) -> str:
        """Give the path under which the step finds ``path``."""
        return str(path)

    def _launch(self, variables: Mapping[str, str], *, is_post: bool) -> subprocess.Popen[str]:
        command = [sys.executable, "-I", "-u", "-W", "error", str(REPOSITORY / "entrypoint.py")]
        command += ["post"] if is_post else []
        return self._spawn(command, {"PATH": os.environ["PATH"], **variables})

    def _spawn(self, command: Sequence[str], environ: Mapping[str, str]) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603 - our own commands
            command,
            cwd=self.workspace,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
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
        """Run the post step of a step; ``environ`` may have what that step has ``saved``."""
        return self.start(inputs, run_id=run_id, attempt=attempt, environ=environ, is_post=True).wait()


class ContainerRunner(Runner):
    """A runner whose steps are containers of ``image``, started as actions/runner starts those of a Docker action.

    https://github.com/actions/runner/blob/main/src/Runner.Worker/Handlers/ContainerActionHandler.cs has the mounts.
    Docker's socket is left out, for the action has no use for it; the host's network is added: the sandbox is there.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str], image: str) -> None:
        super().__init__(folder, environ)
        self._image = image
        self._name = f"promote-on-success-{secrets.token_hex(6)}"
        self._clients: list[subprocess.Popen[str]] = []
        workflow = self._temporary / "_github_workflow"
        workflow.mkdir()
        self._mounts = {
            self._home: PurePosixPath("/github/home"),
            workflow: PurePosixPath("/github/workflow"),
            self._files: PurePosixPath("/github/file_commands"),
            self._temporary: PurePosixPath("/github/runner_temp"),
            self.workspace: PurePosixPath("/github/workspace"),
        }

    def close(self) -> None:
        """Remove what still runs."""
        for step, client in enumerate(self._clients, 1):
            if client.stdout and not client.stdout.closed:
                subprocess.run([docker(), "rm", "--force", f"{self._name}-{step}"], check=False, capture_output=True)  # noqa: S603 - our own
                client.communicate()

    def _seen(self, path: Path) -> str:
        folder = next(folder for folder in self._mounts if path.is_relative_to(folder))
        return str(self._mounts[folder] / path.relative_to(folder))

    def _launch(self, variables: Mapping[str, str], *, is_post: bool) -> subprocess.Popen[str]:
        command = [docker(), "run", "--name", f"{self._name}-{self._steps}", "--workdir", "/github/workspace", "--rm"]
        command += ["--entrypoint", str(METADATA["runs"]["post-entrypoint"])] if is_post else []
        for name in variables:
            command += ["-e", name]
        for folder, place in self._mounts.items():
            command += ["-v", f"{folder}:{place}"]
        command += ["--network", "host", self._image]
        # The values come from the client's environment, which keeps secrets out of the list of processes.
        client = {name: value for name, value in os.environ.items() if name.startswith("DOCKER_")}
        self._clients.append(self._spawn(command, {**client, **variables}))
        return self._clients[-1]


def docker() -> str:
    """Give Docker's client by its absolute path: a step's PATH is not to decide which one it is."""
    found = shutil.which("docker")
    assert found, "these tests need a Docker Engine and its client"
    return found


def edit(workspace: Path, old: str, new: str) -> None:
    """Change the function as a developer would."""
    file = workspace / "function" / "app.py"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def parse_file_command(text: str) -> dict[str, str]:
    """Read ``name=value`` and ``name<<DELIMITER`` as the runner does; anything else is an error."""
    values: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        if not line:
            continue
        name, heredoc, delimiter = line.partition("<<")
        if heredoc and "=" not in name:
            block = []
            for inner in lines:
                if inner == delimiter:
                    break
                block.append(inner)
            else:
                raise AssertionError(f"no end of {name}")
            values[name] = "\n".join(block)
        else:
            name, equals, value = line.partition("=")
            assert equals, f"the runner would fail the step at {line!r}"
            values[name] = value
    return values


def parse_annotations(log: str) -> list[Annotation]:
    """Read the annotations out of a log."""
    found = []
    for line in log.splitlines():
        match = re.match(r"\s*::(error|warning|notice)(?: (?P<properties>[^:]*))?::(?P<message>.*)", line)
        if match:
            properties = dict(item.split("=", 1) for item in (match["properties"] or "").split(",") if item)
            found.append(Annotation(match[1], _decode(properties.get("title", "")), _decode(match["message"])))
    return found


def _decode(text: str) -> str:
    for escaped, character in (("%3A", ":"), ("%2C", ","), ("%0A", "\n"), ("%0D", "\r"), ("%25", "%")):
        text = text.replace(escaped, character)
    return text
