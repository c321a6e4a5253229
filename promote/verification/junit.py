"""JUnit's XML: what pytest reports is read from it, and what was verified is written in it for other tools.

https://github.com/testmoapp/junitxml describes the format as tools have agreed on it.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from promote.core.verdict import CheckResult, Outcome, Verdict

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_LARGEST = 50_000_000
"""Bytes: a report beyond this is a flood."""

_UNWRITABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML can hold: https://www.w3.org/TR/xml/#charsets."""


def read(report: Path, kind: str) -> list[CheckResult]:
    """Read the results of pytest's ``report``, whose files are relative to the repository.

    Raises:
        ValueError: there is none, or it is not whole.

    """
    from xml.etree import ElementTree as ET  # noqa: PLC0415 - takes a while, and only tests need it

    try:
        if report.stat().st_size > _LARGEST:
            message = "the report is larger than 50 MB"
            raise ValueError(message)
        root = ET.parse(report).getroot()  # noqa: S314 - expat refuses entities that grow; the tests are the user's own
    except (OSError, ET.ParseError) as error:
        message = f"there is no whole report of the tests: {error}"
        raise ValueError(message) from error
    return [_result(case, kind) for case in root.iter("testcase")]


def _result(case: "Element", kind: str) -> CheckResult:
    file = case.get("file", "")
    outcome, detail, text = Outcome.PASSED, "", ""
    for trouble in case:
        if trouble.tag in ("failure", "error"):
            outcome = Outcome.FAILED
            text = trouble.text or ""
            detail = (trouble.get("message", "") or text).strip().partition("\n")[0]
            if detail == "collection failure":
                # What stood in the way is said at the end alone.
                detail = next(iter(re.findall(r"^E +(\S.*)", text, re.MULTILINE)[-1:]), detail)
        elif trouble.tag == "skipped" and outcome is Outcome.PASSED:
            outcome, detail = Outcome.SKIPPED, trouble.get("message", "")
    name = "::".join(filter(None, [file or case.get("classname", ""), *_classes(case, file), case.get("name", "")]))
    # pytest counts a test's lines from 0; the traceback's last line in that file says where it stopped.
    stopped = re.findall(rf"^{re.escape(file)}:(\d+): ", text, re.MULTILINE) if file else []
    line = int(stopped[-1]) if stopped else int(case.get("line", "-1")) + 1
    return CheckResult(name, kind, outcome, float(case.get("time", "0")), detail, file=file, line=line)


def _classes(case: "Element", file: str) -> Iterator[str]:
    """Yield the classes that a test is in: what its dotted name has beyond that of its file."""
    module = re.sub(r"\.py$", "", file).replace("/", ".")
    dotted = case.get("classname", "")
    if file and dotted.startswith(module + "."):
        yield from dotted.removeprefix(module + ".").split(".")


def write(verdict: Verdict, name: str, seconds: float, target: Path) -> None:
    """Write ``verdict`` as one suite ``name`` into ``target``."""
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
