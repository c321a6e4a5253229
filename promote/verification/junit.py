"""JUnit XML: read pytest's report, and write the results of a verification for other tools.

https://github.com/testmoapp/junitxml describes the format.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from promote.core.verdict import CheckResult, Outcome, Verdict

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_LARGEST = 50_000_000
"""Bytes. A larger report is refused."""

_UNWRITABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that are invalid in XML: https://www.w3.org/TR/xml/#charsets."""


def read(report: Path, kind: str) -> list[CheckResult]:
    """Return the results in pytest's ``report``, whose files are relative to the repository.

    Raises:
        ValueError: The report is missing, incomplete or too large.

    """
    from xml.etree import ElementTree as ET  # noqa: PLC0415 - slow to load, and only tests need it

    try:
        if report.stat().st_size > _LARGEST:
            message = "the report is larger than 50 MB"
            raise ValueError(message)
        root = ET.parse(report).getroot()  # noqa: S314 - expat refuses entity bombs, and the tests are the user's
    except (OSError, ET.ParseError) as error:
        message = f"the report of the tests is missing or incomplete: {error}"
        raise ValueError(message) from error
    return [_result(case, kind) for case in root.iter("testcase")]


def _result(case: "Element", kind: str) -> CheckResult:
    file = case.get("file", "")
    outcome, detail, text = Outcome.PASSED, "", ""
    for problem in case:
        if problem.tag in ("failure", "error"):
            outcome = Outcome.FAILED
            text = problem.text or ""
            detail = (problem.get("message", "") or text).strip().partition("\n")[0]
            if detail == "collection failure":
                # Only the end of the text has the reason.
                detail = next(iter(re.findall(r"^E +(\S.*)", text, re.MULTILINE)[-1:]), detail)
        elif problem.tag == "skipped" and outcome is Outcome.PASSED:
            outcome, detail = Outcome.SKIPPED, problem.get("message", "")
    name = "::".join(filter(None, [file or case.get("classname", ""), *_classes(case, file), case.get("name", "")]))
    # pytest counts a test's lines from 0. The traceback's last line in that file is where the test stopped.
    stopped = re.findall(rf"^{re.escape(file)}:(\d+): ", text, re.MULTILINE) if file else []
    line = int(stopped[-1]) if stopped else int(case.get("line", "-1")) + 1
    return CheckResult(name, kind, outcome, float(case.get("time", "0")), detail, file=file, line=line)


def _classes(case: "Element", file: str) -> Iterator[str]:
    """Yield the classes of a test: the part of its dotted name after that of its file."""
    module = re.sub(r"\.py$", "", file).replace("/", ".")
    dotted = case.get("classname", "")
    if file and dotted.startswith(module + "."):
        yield from dotted.removeprefix(module + ".").split(".")


def write(verdict: Verdict, name: str, seconds: float, target: Path) -> None:
    """Write ``verdict`` as one suite ``name`` to the file ``target``."""
    from xml.etree import ElementTree as ET  # noqa: PLC0415 - as above

    suite = ET.Element(
        "testsuite",
        name=name,
        tests=str(len(verdict.checks)),
        failures=str(_count(verdict, Outcome.FAILED)),
        errors=str(_count(verdict, Outcome.INCONCLUSIVE)),
        skipped=str(_count(verdict, Outcome.SKIPPED)),
        time=f"{seconds:.3f}",
    )
    tags = {Outcome.FAILED: "failure", Outcome.INCONCLUSIVE: "error", Outcome.SKIPPED: "skipped"}
    for check in verdict.checks:
        attributes = {"name": check.name, "classname": check.kind, "time": f"{check.seconds:.3f}"}
        if check.file:
            attributes |= {"file": check.file, "line": str(check.line)}
        case = ET.SubElement(
            suite, "testcase", {key: _UNWRITABLE.sub("\ufffd", text) for key, text in attributes.items()}
        )
        if check.outcome in tags:
            ET.SubElement(case, tags[check.outcome], message=_UNWRITABLE.sub("\ufffd", check.detail))
    root = ET.Element("testsuites")
    root.append(suite)
    target.parent.mkdir(parents=True, exist_ok=True)
    ET.ElementTree(root).write(target, encoding="utf-8", xml_declaration=True)


def _count(verdict: Verdict, outcome: Outcome) -> int:
    return [check.outcome for check in verdict.checks].count(outcome)
