"""Rare things that the runner and users' repositories may do to a step."""

import json
from pathlib import Path

import pytest

from promote.github.actions.log import ANNOTATION_LIMIT
from sandbox.client import Account
from tests.corpus import assert_harmless_summary
from tests.runner import INPUTS, Ended, InProcessRunner, Runner, edit
from tests.runner.files import SUMMARY
from tests.world import FUNCTION, World

LARGE = 100_000
"""Characters. Linux accepts no variable of more than 128 KiB."""
HOSTILE = (
    "promote/__init__",
    "promote/action",
    "boto3/__init__",
    "jinja2",
    "jmespath",
    "sitecustomize",
    "usercustomize",
)
"""Modules of a repository with the same names as ours."""


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def write(runner: Runner, name: str, text: str) -> None:
    file = runner.workspace / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


@pytest.mark.usefixtures("history")
def test_a_repository_with_its_own_modules_and_settings(runner: Runner, inputs: dict[str, str], world: World) -> None:
    """None of its modules is imported, its pytest has its own settings, and nothing is left in it."""
    for module in HOSTILE:
        write(runner, f"{module}.py", "raise SystemExit('imported from the workspace')\n")
    for program in ("python", "python3", "git", "pytest"):
        write(runner, f"bin/{program}", "#!/bin/sh\nexit 66\n")
        (runner.workspace / "bin" / program).chmod(0o755)
    write(runner, "pytest.ini", "[pytest]\npython_files = look_*.py\naddopts = --junitxml=mine.xml -p no:terminal\n")
    write(runner, "conftest.py", "import pytest\n\n@pytest.fixture\ndef mine():\n    return 'mine'\n")
    write(
        runner, "tests/look_at_it.py", "def test_it(base_url, mine):\n    assert mine == 'mine'\n    assert base_url\n"
    )
    write(runner, "tests/test_nothing.py", "raise SystemExit('the repository has said which files are its tests')\n")
    before = files(runner.workspace)
    hostile = {
        "PATH": f"{runner.workspace}/bin:/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": str(runner.workspace),
        "PYTHONHOME": str(runner.workspace),
        "PYTHONSTARTUP": str(runner.workspace / "jinja2.py"),
        "PYTHONUSERBASE": str(runner.workspace),
    }
    ended = runner.run({**inputs, "checks": "GET /health 200"}, environ=hostile)
    assert (ended.code, ended.result, ended.annotations) == (0, "promoted", ()), ended.log
    # The Python of the user's tests is the user's, where the job sets it.
    tested = runner.run({**inputs, "tests": "tests"}, commit="d" * 40, run_id=1001, environ={"PATH": hostile["PATH"]})
    assert (tested.code, tested.annotations) == (0, ()), tested.log
    assert "tests/look_at_it.py::test_it" in tested.summary
    assert files(runner.workspace) == before
    assert world.alias_version() == "1"


SOUND = {"function-name": FUNCTION, "environment": "preprod", "checks": "GET /health"}
MAY_BE_LARGE = ("checks", "invoke", "tests", "test-command", "test-environment", "github-token")


@pytest.mark.parametrize("filler", ["x", "é\n"])
def test_inputs_that_are_too_large_are_refused_in_few_words(tmp_path: Path, account: Account, filler: str) -> None:
    """One annotation for each that the runner accepts whole, with what to do, and no AWS call."""
    runner = InProcessRunner(tmp_path, account.environ)
    for name in set(INPUTS) - set(MAY_BE_LARGE):
        text = filler * (LARGE // len(filler.encode()))
        ended = runner.run({**SOUND, "aws-region": "none", name: text})
        assert (ended.code, ended.result, len(ended.errors)) == (1, "failed", 1), f"{name}: {ended.log[:500]}"
        error = ended.errors[0]
        assert len(error.message) <= ANNOTATION_LIMIT, name
        assert error.message.rstrip().endswith((".", "?", "!")), f"{name}: {error.message[-200:]}"
        assert len(ended.summary) < 10_000
        assert len(ended.log) < 10_000
    assert account.calls() == []


def test_inputs_of_a_hundred_kilobytes_are_taken(runner: Runner, inputs: dict[str, str], world: World) -> None:
    comment = f"# {'x' * 1000}\n"
    long_comment = comment * (LARGE // len(comment))
    write(runner, "events/health.json", json.dumps({"rawPath": "/health"}))
    write(runner, "tests/test_it.py", "def test_it(base_url):\n    assert base_url\n")
    words = " || ".join(["status == 'ok'"] * 40)
    checks = f"{comment * (LARGE // len(comment) - 1)}GET /health 200 {words}"
    ended = runner.run(
        {
            **inputs,
            "checks": checks,
            "invoke": f"{long_comment}events/health.json statusCode == `200`",
            "tests": f"tests {long_comment}",
            "test-command": f"{long_comment}echo the very last line",
        }
    )
    assert (ended.code, ended.result, ended.annotations) == (0, "promoted", ()), ended.log[-3000:]
    assert ended.summary.count("| ✅ |") == 4
    assert "the very last line" in ended.log
    assert len(ended.log) < 10_000
    assert world.alias_version() == "1"


@pytest.mark.usefixtures("history")
def test_no_output_is_lost_where_the_account_is_a_secret(runner: Runner, inputs: dict[str, str], world: World) -> None:
    """Another job would not get an output with a secret in it, and many use their account's id as a secret."""
    runner.masks.add(world.account.id)
    arn = f"arn:aws:lambda:us-east-1:{world.account.id}:function:{FUNCTION}"
    first: Ended = runner.run({**inputs, "endpoints": "none", "checks": "", "test-command": "true"})
    assert first.result == "promoted", first.log
    edit(runner.workspace, "Hello", "Good morning")
    ended = runner.run({**inputs, "function-name": arn, "checks": "GET /health"}, commit="d" * 40, run_id=1001)
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert ended.handed_on == {name: value for name, value in ended.outputs.items() if value}
    assert {"result", "version", "candidate", "latest-url", "environment-url", "summary"} <= set(ended.handed_on)
    deployed = runner.run(
        {**inputs, "function-name": arn, "command": "deploy", "checks": ""}, commit="e" * 40, run_id=1002
    )
    assert deployed.result == "deployed", deployed.log
    assert {"candidate", "candidate-url", "latest-url"} <= set(deployed.handed_on)
    assert [post.code for post in runner.finish()] == [0, 0, 0]
    assert world.lock_owner() == ""


def test_a_summary_beyond_what_the_runner_takes_is_cut(runner: Runner, inputs: dict[str, str], world: World) -> None:
    write(
        runner,
        "tests/test_much.py",
        "import pytest\n\n"
        "@pytest.mark.parametrize('number', range(1500))\n"
        f"def test_much(number):\n    raise AssertionError('{'|*<@' * 250}')\n",
    )
    ended = runner.run({**inputs, "tests": "tests -q --tb=no --show-capture=no"})
    assert (ended.code, ended.result) == (1, "blocked"), ended.log[-3000:]
    assert 10_000 < len(ended.summary.encode()) < SUMMARY
    assert_harmless_summary(ended.summary, (world.url, "https://github.com/"))
    assert " more are not shown here._" in ended.summary
    assert ended.summary.rstrip().endswith("</details>")
    assert len(ended.errors) <= 10
    assert not any("SUMMARY" in annotation.message for annotation in ended.annotations)
