"""The demo, as a new user starts it: it shows the story, fails if a result is wrong, and leaves nothing behind."""

import io
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from examples.demo import main
from examples.story import STORY
from tests.runner import REPOSITORY


@contextmanager
def started(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Start the demo with a minimal environment, and with some variables that could mislead it."""
    temporary = folder / "temporary"
    temporary.mkdir()
    environ = {
        "PATH": os.environ["PATH"],
        "TMPDIR": str(temporary),
        "GIT_DIR": "/nowhere",
        "HTTP_PROXY": "http://[::1]:9",
    }
    with subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "examples.demo", "--summaries", str(folder / "summaries")],
        cwd=REPOSITORY,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def assert_nothing_is_left(folder: Path, output: str) -> None:
    """Assert that neither the server nor files are left. Another process would still hold the output."""
    found = re.search(r"ready at (\S+):", output)
    assert found
    url = urlsplit(found[1])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((url.hostname or "", url.port or 0), timeout=5).close()
    assert list((folder / "temporary").iterdir()) == []


def test_it_tells_the_story(tmp_path: Path) -> None:
    with started(tmp_path) as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output

    acts = output.split("━━ Act ")[1:]
    assert len(acts) == len(STORY)
    for act, expected in zip(acts, STORY, strict=True):
        assert expected.title in act
        assert f"It ended as {expected.result}, exit code {expected.exit_code}," in act
        assert expected.moral in re.sub(r"\n  ", " ", act)

    _, bug, fix, dry_run, again = acts
    assert 'after   200 {"greeting": "Hello, Ada!"}' in bug
    assert 'after   500 {"message":"Internal Server Error"}' in bug
    assert "Error: Version 2 failed verification" in bug
    assert 'after   200 {"greeting": "Bonjour, Ada!"}' in fix
    assert "none of them writes" in dry_run
    assert re.findall(r"Commit 3 is \w+", fix) == re.findall(r"Commit 3 is \w+", again)
    assert "preprod never served a bug" in output
    assert "\x1b" not in output

    summaries = tmp_path / "summaries"
    names = ["1-promoted.md", "2-blocked.md", "3-promoted.md", "4-planned.md", "5-unchanged.md"]
    assert sorted(file.name for file in summaries.iterdir()) == names
    assert all("preprod" in (summaries / name).read_text(encoding="utf-8") for name in names)
    assert_nothing_is_left(tmp_path, output)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_when_it_is_interrupted(tmp_path: Path, number: signal.Signals) -> None:
    output = ""
    with started(tmp_path) as process:
        for line in process.stdout or ():
            output += line
            if "│ deploy" in line:
                process.send_signal(number)
        process.wait(timeout=10)
    assert process.returncode == 130, output
    assert output.endswith("✗ Interrupted. The embedded AWS has been stopped.\n")
    assert "Traceback" not in output
    assert_nothing_is_left(tmp_path, output)


def test_an_act_with_another_result_fails_the_demo(tmp_path: Path) -> None:
    stream = io.StringIO()
    story = (replace(STORY[0], result="unchanged"), *STORY[1:])
    assert main(["--summaries", str(tmp_path)], stream, os.environ, story) == 1
    output = stream.getvalue()
    assert output.endswith("✗ Not as expected: the action's result should be 'unchanged', and it is 'promoted'.\n")
    assert "Act 2" not in output
    assert [file.name for file in tmp_path.iterdir()] == ["1-promoted.md"]


def test_it_says_that_git_is_missing(tmp_path: Path) -> None:
    stream = io.StringIO()
    assert main(["--summaries", str(tmp_path)], stream, {"PATH": str(tmp_path)}) == 1
    assert "git is not on the PATH" in stream.getvalue()
