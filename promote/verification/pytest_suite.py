"""The input ``tests``: pytest runs against the endpoint, and its report has the result of each test."""

import hashlib
import json
import re
import shlex
import shutil
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import ClassVar

from promote.core.errors import InputError
from promote.core.redaction import quoted
from promote.core.verdict import CheckResult, Outcome
from promote.core.workspace import require_inside
from promote.inputs.model import Inputs
from promote.verification import session
from promote.verification.check import EndpointUse, Results, Subject, no_endpoint
from promote.verification.log_groups import Group
from promote.verification.process import CommandContext, run

KIND = "pytest"

_LARGEST_RECORD = 1000
"""Bytes of the counts of tests. A test can write there as well."""

_NOTHING_COLLECTED = 5
_REASONS: Mapping[int, str] = {
    2: "pytest was interrupted, or could not collect the tests",
    3: "pytest itself failed",
    4: "pytest does not understand the input tests",
}
"""https://docs.pytest.org/en/stable/reference/exit-codes.html"""


_COMMENT = re.compile(r"""\\.|'[^']*'|"(\\.|[^"\\])*"|(?<!\S)(?P<comment>#.*)""")
"""shlex would also remove a comment that begins within a word, as in test_name[a#b]."""

_TAKES_VALUE = re.compile(r"-(?!-)[a-zA-Z]*[^vqxslh]|--(?!exitfirst|verbose|quiet|lf|ff|sw|pyargs|no-|strict)[^=]+")
"""Options that a value may follow, which is not checked as a path. pytest itself reports a wrong path."""


@dataclass(frozen=True)
class Suite:
    """pytest tests: the input ``tests``."""

    input: ClassVar[str] = "tests"
    endpoint_use: ClassVar[EndpointUse] = EndpointUse.REQUIRED
    is_command: ClassVar[bool] = True

    arguments: tuple[str, ...]
    """The arguments of pytest."""
    requirements: Path | None
    """The requirements file of the tests; None if there is none."""
    written: tuple[str, str] = field(default=("", ""), compare=False)
    """The inputs ``tests`` and ``tests-requirements``."""

    @classmethod
    def parse(cls, inputs: Inputs, workspace: Path) -> "Suite | None":
        """Return the suite. Check that its files exist."""
        return read_suite(inputs.tests, inputs.tests_requirements, workspace)

    def digest(self) -> Mapping[str, object]:
        """Return the inputs as they are written."""
        return {self.input: self.written}

    def secrets(self) -> tuple[str, ...]:
        """Return nothing: the action does not know what commands send."""
        return ()

    def calls(self, subject: Subject) -> Iterator[Callable[[], Results]]:
        """Yield the call that runs all tests."""
        endpoint = subject.endpoint
        if endpoint is None:
            yield lambda: [no_endpoint("tests", KIND)]
        else:
            yield lambda: run_suite(self, endpoint.url, subject.context, subject.deadline)


def read_suite(arguments: str, requirements: str, workspace: Path) -> Suite | None:
    """Read the inputs ``tests`` and ``tests-requirements``. Return None if there are no tests.

    Raises:
        InputError: An input cannot be split, or names a file that does not exist.

    """
    if not arguments.strip():
        if requirements:
            raise InputError(
                "tests-requirements", "it has no effect without tests", hint="Add tests, or remove tests-requirements."
            )
        return None
    try:
        split = shlex.split(_COMMENT.sub(lambda found: "" if found["comment"] else found[0], arguments))
    except ValueError as error:
        raise InputError("tests", f"it cannot be split into arguments: {error}", hint="Close the quotes.") from error
    if not split:
        raise InputError("tests", "it contains only a comment", hint="Name a folder or a file of tests.")
    for before, argument in zip(("", *split), split, strict=False):
        path = argument.split("::")[0]
        is_option = argument.startswith("-") or _TAKES_VALUE.fullmatch(before) or "=" in path
        is_path = "--pyargs" not in split and not is_option
        if is_path and not require_inside(workspace, path, "tests").exists():
            raise InputError(
                "tests",
                f"{quoted(path)} does not exist in the workspace",
                hint="Paths start at the repository's root. Check out the repository before this step.",
            )
    file = None
    if requirements:
        file = require_inside(workspace, requirements, "tests-requirements")
        if not file.is_file():
            raise InputError(
                "tests-requirements",
                f"the file {quoted(requirements)} does not exist in the workspace",
                hint="Paths start at the repository's root.",
            )
    return Suite(tuple(split), file, (arguments, requirements))


def run_suite(suite: Suite, url: str, context: CommandContext, deadline: float) -> list[CheckResult]:
    """Run the suite against ``url`` until ``deadline``, on the clock's monotonic time. Return each test's result.

    An error of the suite as a whole is an additional result.
    """
    started = context.clock.monotonic()
    # Options may have a secret.
    paths = list(takewhile(lambda argument: not argument.startswith("-"), suite.arguments))
    more = ["…"] if len(paths) < len(suite.arguments) else []
    name = " ".join(["pytest", *map(shlex.quote, paths), *more])
    report = context.temporary / "tests.xml"
    results: list[CheckResult] = []
    python, trouble = sys.executable, ""
    if suite.requirements:
        made, trouble = _interpreter(suite.requirements, context, deadline)
        python = str(made)
    record = context.temporary / "tests.json"
    for file in (report, record):
        file.unlink(missing_ok=True)
    if not trouble:
        with context.console.group(name) as group:
            arguments = [
                # Files in the report must be relative to the repository.
                *(python, session.__file__, str(record), f"--rootdir={context.workspace}", *suite.arguments),
                *("--base-url", url, f"--junitxml={report}", "--color=no"),
                # xunit1 has file and line of each test. A cache in the checkout would belong to root.
                *("-o", "junit_family=xunit1", "-o", f"cache_dir={context.temporary / 'pytest'}"),
            ]
            code = run(arguments, context, deadline - context.clock.monotonic(), group.write)
        results, trouble = _results(code, report, record, group)
    if trouble:
        seconds = context.clock.monotonic() - started
        results = [*results, CheckResult(name, KIND, Outcome.INCONCLUSIVE, seconds, trouble)]
    return results


def _results(code: int | None, report: Path, record: Path, group: Group) -> tuple[list[CheckResult], str]:
    """Return the results of the tests, and the error of the suite as a whole; empty if there is none."""
    from promote.verification import junit  # noqa: PLC0415 - only tests need it

    try:
        results, missing = junit.read(report, KIND), ""
    except ValueError as error:
        results, missing = [], str(error)
    outcomes = {result.outcome for result in results}
    has_failed = Outcome.FAILED in outcomes
    if code is None:
        return results, "verify-timeout was reached, and the tests were stopped"
    if has_failed:
        return results, ""
    if code == 0 and Outcome.PASSED in outcomes:
        unfinished = _unfinished(record)
        # The report shows a test as passed as soon as its setup has passed.
        return [result for result in results if not unfinished or result.outcome is not Outcome.PASSED], unfinished
    if missing and code in (0, 1):
        return [], f"pytest ended with exit code {code}, and {missing}"
    if code in (0, _NOTHING_COLLECTED):
        return results, "every test was skipped" if results else "no test was collected"
    reason = _REASONS.get(code, f"pytest ended with exit code {code}, and no test of its report failed")
    return results, "; ".join([reason, *group.last_lines])


def _unfinished(record: Path) -> str:
    """Return how many of the collected tests completed, as text; empty if all did."""
    try:
        with record.open("rb") as file:
            counts = json.loads(file.read(_LARGEST_RECORD))
        collected, finished = int(counts["collected"]), int(counts["finished"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        return f"the number of completed tests is unknown: {error}"
    return f"only {finished} of {collected} collected tests completed" if finished < collected else ""


def _interpreter(requirements: Path, context: CommandContext, deadline: float) -> tuple[Path, str]:
    """Return the Python of a virtual environment with ``requirements``, and an error. Steps of a job share it."""
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = context.shared / f"tests-{digest}"
    python = folder / "bin" / "python"
    if (folder / "complete").is_file():
        return python, ""
    shutil.rmtree(folder, ignore_errors=True)
    with context.console.group(f"install {requirements.name}") as group:
        # -I, because the repository may have modules of these names.
        pip = [str(python), "-I", "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
        steps = ([sys.executable, "-I", "-m", "venv", str(folder)], [*pip, "-r", str(requirements)])
        for step in steps:
            code = run(step, context, deadline - context.clock.monotonic(), group.write)
            if code is None:
                return python, "verify-timeout was reached while the requirements of the tests were being installed"
            if code:
                return python, "; ".join(["the requirements of the tests cannot be installed", *group.last_lines])
    # pytest and pytest-base-url come from the action's packages if the requirements do not have them.
    packages = next((folder / "lib").glob("python3*/site-packages"))
    (packages / "promote-on-success.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    (folder / "complete").touch()
    return python, ""
