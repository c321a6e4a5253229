"""The runner, emulated: starts entrypoint.py with the environment and the files that actions/runner gives it.

https://docs.github.com/actions/reference/workflows-and-actions/variables and .../workflow-commands describe both.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parent.parent
INPUTS: Mapping[str, Mapping[str, str]] = yaml.safe_load((REPOSITORY / "action.yml").read_text())["inputs"]


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

    def wait(self, timeout: float = 60) -> Ended:
        log, _ = self.process.communicate(timeout=timeout)
        return Ended(
            code=self.process.returncode,
            log=log,
            outputs=parse_file_command(self.output.read_text(encoding="utf-8")),
            summary=self.summary.read_text(encoding="utf-8"),
            annotations=tuple(parse_annotations(log)),
        )

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


class Runner:
    """One repository's runner. ``environ`` has the credentials; ``folder`` is new and empty."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.workspace = folder / "workspace"
        self.workspace.mkdir()
        self._temporary = folder / "runner_temp"
        self._temporary.mkdir()
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
    ) -> Started:
        """Start the step. ``environ`` adds to the environment; None takes a variable away."""
        self._steps += 1
        files = self._temporary / f"_runner_file_commands_{self._steps}"
        files.mkdir()
        output, summary = files / "set_output", files / "step_summary"
        output.touch()
        summary.touch()
        unknown = set(inputs) - set(INPUTS)
        assert not unknown, f"action.yml has no input {unknown}"
        # As the runner does: every input of action.yml is set, an optional one without default to nothing.
        values = {name: str(known.get("default", "")) for name, known in INPUTS.items()} | dict(inputs)
        values = {name: "" if value.startswith("${{") else value for name, value in values.items()}
        variables: dict[str, str | None] = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._temporary),
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(summary),
            "GITHUB_REPOSITORY": "octo/hello",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_API_URL": "http://127.0.0.1:9",
            "GITHUB_SHA": commit,
            "GITHUB_REF_NAME": "main",
            "GITHUB_RUN_ID": str(run_id),
            "GITHUB_RUN_ATTEMPT": str(attempt),
            "RUNNER_TEMP": str(self._temporary),
            **self._environ,
            **{f"INPUT_{name.upper()}": value for name, value in values.items()},
            **(environ or {}),
        }
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and script
            [sys.executable, "-I", "-u", "-W", "error", str(REPOSITORY / "entrypoint.py")],
            cwd=self.workspace,
            env={name: value for name, value in variables.items() if value is not None},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return Started(process, output, summary)

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


def edit(workspace: Path, old: str, new: str) -> None:
    """Change the example's function as a developer would."""
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
