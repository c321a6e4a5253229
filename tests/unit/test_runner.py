"""The emulated runner: its commands, their effects, and its results of a step's files."""

import base64
import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from promote.github.actions.log import ActionsLog
from tests.runner import FileCommandError, InProcessRunner, Log, Masks, Runner, parse_command, parse_file_command
from tests.runner.commands import ANNOTATIONS, MESSAGE, split_lines
from tests.runner.files import SUMMARY
from tests.runner.step import Ended, Files, Started, conclude


def read(*lines: str, masks: Masks | None = None) -> Log:
    log = Log(masks or Masks())
    for line in lines:
        log.read(line)
    return log


def names(log: Log) -> list[str]:
    return [command.name for command in log.commands]


@pytest.mark.parametrize(
    ("line", "name", "properties", "data"),
    [
        ("::error::m", "error", {}, "m"),
        ("::ERROR::m", "ERROR", {}, "m"),
        (" \t\u00a0\u2028\u3000::error::m", "error", {}, "m"),
        ("::error::", "error", {}, ""),
        ("::error::a::b", "error", {}, "a::b"),
        ("::error title=T,line=3::m", "error", {"title": "T", "line": "3"}, "m"),
        ("::error  Title=T , line=::m", "error", {"title": "T "}, "m"),
        ("::error title=a=b::m", "error", {"title": "a=b"}, "m"),
        (
            "::error title=1%3A 2%2C 3%25 4%0A5%0D::6%3A 7%2C 8%25 9%0A%0D",
            "error",
            {"title": "1: 2, 3% 4\n5\r"},
            "6%3A 7%2C 8% 9\n\r",
        ),
        ("::error::%250A", "error", {}, "%0A"),
        # The search is culture-sensitive, and ignores some characters.
        ("::error:\u200b:m", "error", {}, ":m"),
        ("##[error]m", "error", {}, "m"),
        ("some ##[error a=1;b=2%3B]m%5D", "error", {"a": "1", "b": "2;"}, "m]"),
        ("::unknown::##[group]m", "group", {}, "m"),
    ],
)
def test_commands_are_read(line: str, name: str, properties: dict[str, str], data: str) -> None:
    command = parse_command(line)
    assert command
    assert (command.name, command.properties, command.data) == (name, properties, data)


@pytest.mark.parametrize(
    "line",
    [
        *("", "error", ":error::", "::error", "::error:m", "::unknown::m", ":: error::m", "x ::error::m"),
        *(
            "\x1c::error::m",
            ":\u200b:error::m",
            "\u200b::error::m",
            "##[error",
            "##[unknown]m",
            "##\u200b[error]m",
            "# #[error]m",
        ),
    ],
)
def test_lines_without_a_command_are_shown(line: str) -> None:
    log = read(line)
    assert (log.commands, log.shown) == ([], [line])


def test_commands_are_carried_out_and_not_shown() -> None:
    log = read(
        "a",
        "::group::b",
        "c",
        "::endgroup::x",
        "::debug::d",
        "::set-output name=o::1",
        "::save-state name=s::2",
        "::error title=T,file=f.py,line=3::e%0Af",
    )
    assert log.shown == ["a", "##[group]b", "c", "##[endgroup]", "##[error]e\nf"]
    assert (log.outputs, log.state) == ({"o": "1"}, {"s": "2"})
    (error,) = log.annotations
    assert (error.kind, error.title, error.message, error.file, error.line) == ("error", "T", "e\nf", "f.py", "3")
    assert not log.has_failed


@pytest.mark.parametrize(
    "line", ["::set-env name=a::b", "::add-path::/b", "::set-output::b", "::save-state name=::b", "::echo::maybe"]
)
def test_a_command_that_the_runner_refuses_fails_the_step(line: str) -> None:
    log = read(line)
    assert log.has_failed
    assert [annotation.kind for annotation in log.annotations] == ["error"]


def test_between_stop_and_its_token_there_are_no_commands() -> None:
    lines = [
        "::stop-commands::t0ken",
        "::error::no",
        "##[error]no",
        "::stop-commands::other",
        "::other::",
        "::T0KEN::",
        "::warning::yes",
    ]
    log = read(*lines)
    assert names(log) == ["stop-commands", "T0KEN", "warning"]
    assert log.shown == [*lines[:6], "##[warning]yes"]
    assert [annotation.kind for annotation in log.annotations] == ["warning"]
    assert names(read("::t0ken::", "::stop-commands::t0ken", "##[t0ken]", "::notice::yes")) == [
        "stop-commands",
        "t0ken",
        "notice",
    ]


@pytest.mark.parametrize("token", ["", "error", "STOP-COMMANDS", "pause-logging"])
def test_an_invalid_token_stops_nothing_and_fails_the_step(token: str) -> None:
    log = read(f"::stop-commands::{token}", "::warning::yes")
    assert log.has_failed
    assert [annotation.kind for annotation in log.annotations] == ["error", "warning"]


def test_echo_shows_commands() -> None:
    assert read("::echo::on", "::set-output name=a::b", "::add-mask::xyz", "::echo::off").shown == [
        "::set-output name=a::b",
        "::echo::off",
    ]


SECRET = 'pa"ss wörd%'


@pytest.mark.parametrize(
    "spelling",
    [
        SECRET,
        f'"{SECRET}{SECRET}"',
        json.dumps(SECRET),
        quote(SECRET),
        *(base64.b64encode(f"{before}{SECRET}".encode()).decode() for before in ("", "a", "ab")),
    ],
)
def test_masks_hide_a_secret_however_it_is_spelled(spelling: str) -> None:
    lines = [
        f"before {spelling}",
        f"::add-mask::{SECRET}",
        f"after {spelling}.",
        "::error::" + spelling.replace("%", "%25"),
    ]
    log = read(*lines)
    assert log.shown[0] == lines[0]
    for text in (log.shown[1], log.annotations[0].message):
        assert "***" in text
        assert not any(part in text for part in ("ss", "rd", spelling[-6:-2]))


def test_masks_hide_each_line_and_make_one_of_what_overlaps() -> None:
    assert read("one", "two", masks=Masks(["one\r\ntwo\n \n"])).shown == ["***", "***"]
    assert Masks(["abc", "cde", "fgh"])("xabcdefghy abc") == "x***y ***"
    assert Masks(["", " "])("a b") == "a b"


def test_ten_annotations_of_each_kind_are_kept_and_4096_characters_of_each() -> None:
    lines = [f"::{kind}::{number}" for number in range(12) for kind in ("error", "warning", "notice")]
    log = read(*lines, "::debug::x")
    for kind in ("error", "warning", "notice"):
        assert [found.message for found in log.annotations if found.kind == kind] == [
            str(n) for n in range(ANNOTATIONS)
        ]
    assert len(log.shown) == 36
    assert read("::error::" + "x" * 5000).annotations[0].message == "x" * MESSAGE


def test_lines_end_at_line_feeds_and_carriage_returns() -> None:
    assert split_lines("a\rb\nc\r\nd\x0be\u2028f\n") == ["a", "b", "c", "d\x0be\u2028f"]
    assert split_lines("a\n\nb") == ["a", "", "b"]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("\n\n", {}),
        ("a=b", {"a": "b"}),
        ("a=\n", {"a": ""}),
        ("a=b=c<<d\n", {"a": "b=c<<d"}),
        (" a =b\n", {" a ": "b"}),
        ("a=b\r\n", {"a": "b\r"}),
        ("a=1\na=2\n", {"a": "2"}),
        ("\ufeffa=1\n", {"a": "1"}),
        ("a<<E\nE\n", {"a": ""}),
        ("a<<E\nE", {"a": ""}),
        ("a<<E\n\nE\n", {"a": ""}),
        ("a<<E\nb\n\nc=d\nE\nf=g\n", {"a": "b\n\nc=d", "f": "g"}),
        ("a<<E\r\nb\r\nE\r\n", {"a": "b\r"}),
        ("a<<E=F\nb\nE=F\n", {"a": "b"}),
        ("a<<E\n E\nE \nE\n", {"a": " E\nE "}),
        ("a<<E<<F\nb\nE<<F\n", {"a": "b"}),
        ("a=b\u2028c=d\x0be=f\x85g\n", {"a": "b\u2028c=d\x0be=f\x85g"}),
    ],
)
def test_files_are_read(text: str, values: dict[str, str]) -> None:
    assert parse_file_command(text) == values


@pytest.mark.parametrize(
    "text", ["a", "a\nb=c", "=b", "<<E\nb\nE", "a<<\nb\n", "a<<E\nb\n", "a<<E\nb\ne\n", "a<<E\r\nb\nE\n", "a=b\nc"]
)
def test_files_that_fail_a_step(text: str) -> None:
    with pytest.raises(FileCommandError, match="Invalid"):
        parse_file_command(text)


def ended(folder: Path, masks: Masks | None = None, *, is_post: bool = False, **texts: str) -> Ended:
    files = Files(*(folder / name for name in ("output", "summary", "state", "env", "path")))
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return conclude(0, "", files, masks or Masks(), Log(), is_post=is_post)


def test_a_file_that_is_wrong_fails_the_step_and_what_stands_before_counts(tmp_path: Path) -> None:
    step = ended(tmp_path, output="result=promoted\nnonsense\nversion=3\n", state="a=1\n")
    assert (step.code, step.outputs, step.state) == (1, {"result": "promoted"}, {"a": "1"})
    assert [error.message.split("'")[0] for error in step.errors] == [
        "Unable to process file command ",
        "Invalid format ",
    ]


def test_a_summary_beyond_a_mebibyte_is_not_shown(tmp_path: Path) -> None:
    assert ended(tmp_path, summary="x" * SUMMARY).summary == "x" * SUMMARY
    step = ended(tmp_path, summary="x" * SUMMARY + "\n")
    assert (step.summary, step.code, len(step.errors)) == ("", 1, 1)


def test_secrets_are_hidden_in_the_summary_and_kept_from_other_jobs(tmp_path: Path) -> None:
    step = ended(
        tmp_path,
        Masks(["123456789012"]),
        output="arn=arn:123456789012:x\nempty=\nversion=3\n",
        summary="of 123456789012",
    )
    assert step.summary == "of ***"
    assert step.outputs == {"arn": "arn:123456789012:x", "empty": "", "version": "3"}
    assert step.handed_on == {"version": "3"}
    assert ended(tmp_path, is_post=True, output="a=b\n").outputs == {}


def started(folder: Path, program: str) -> Started:
    command = [sys.executable, "-I", "-u", "-c", "import os, signal, sys, time\n" + program]
    process = subprocess.Popen(  # noqa: S603 - the tests' own
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8", errors="replace"
    )
    return Started(process, Files(*(folder / name for name in ("output", "summary", "state", "env", "path"))))


def test_both_streams_are_read_and_a_line_of_one_is_not_broken_by_the_other(tmp_path: Path) -> None:
    program = (
        "print('half', end=''); print('::error::of stderr', file=sys.stderr); print(' a line')\n"
        "sys.stdout.buffer.write(b'\\xff 10%\\r::warning::after a carriage return\\n')\n"
        "print('ready', flush=True); time.sleep(60)"
    )
    step = started(tmp_path, program)
    step.wait_for("half a line")
    step.wait_for("ready")
    step.process.kill()
    with pytest.raises(AssertionError, match="'half' is not in the log"):
        step.wait_for("half")
    done = step.wait()
    assert (done.code, sorted(found.kind for found in done.annotations)) == (-signal.SIGKILL, ["error", "warning"])
    assert "\ufffd 10%\n##[warning]after a carriage return\nready\n" in done.shown.replace("##[error]of stderr\n", "")


def test_a_cancelled_step_gets_one_signal_after_the_other(tmp_path: Path) -> None:
    """In real time, 7.5 and 2.5 seconds apart, for which only this test waits."""
    program = (
        "begun = time.monotonic()\n"
        "for number in (2, 15):\n"
        "    signal.signal(number, lambda n, _: print(n, time.monotonic() - begun))\n"
        "print('ready')\n"
        "while True: time.sleep(1)"
    )
    step = started(tmp_path, program)
    step.wait_for("ready")
    since = time.monotonic()
    done = step.cancel()
    assert time.monotonic() - since >= 10
    (first, interrupted), (second, terminated) = (map(float, line.split()) for line in done.log.splitlines()[1:])
    assert (first, second, done.code) == (signal.SIGINT, signal.SIGTERM, -signal.SIGKILL)
    assert 7 <= terminated - interrupted <= 30


def test_post_steps_run_last_in_first_out_with_what_their_main_steps_have_saved(tmp_path: Path) -> None:
    seen: list[tuple[str, str, str]] = []

    class Recording(Runner):
        def _launch(self, variables: "dict[str, str]", *, is_post: bool) -> "subprocess.Popen[str]":  # type: ignore[override]
            seen.append((variables["INPUT_COMMAND"], variables.get("STATE_promote", ""), "post" if is_post else "main"))
            workflow = ActionsLog(variables, io.StringIO())
            workflow.state("promote", variables["INPUT_COMMAND"])
            workflow.output("result", "done")
            return self._spawn([sys.executable, "-I", "-c", "raise SystemExit(3)"], variables)

    runner = Recording(tmp_path, {})
    for command in ("lock", "run"):
        done = runner.run({"command": command})
        assert (done.code, done.result, done.state) == (3, "done", {"promote": command})
    assert [post.outputs for post in runner.finish()] == [{}, {}]
    assert seen == [("lock", "", "main"), ("run", "", "main"), ("run", "run", "post"), ("lock", "lock", "post")]
    assert runner.finish() == []


@pytest.mark.parametrize("kind", [Runner, InProcessRunner])
def test_a_step_in_this_process_is_the_same_as_a_separate_process(tmp_path: Path, kind: type[Runner]) -> None:
    runner = kind(tmp_path, {"AWS_REGION": "eu-west-1"})
    done = runner.run({"function-name": "", "environment": "preprod"})
    assert (done.code, done.result, done.outputs["promoted"]) == (1, "failed", "false")
    assert [error.title for error in done.errors] == ["Input function-name"]
    assert [command.name for command in done.commands] == ["error"]
    assert "❌" in done.summary
    assert "##[error]" in done.shown
    assert "::error" not in done.shown
    assert runner.post({"function-name": ""}).code == 0
