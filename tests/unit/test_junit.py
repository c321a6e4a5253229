"""JUnit XML: reading pytest's report, and writing well-formed reports with any content."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promote.core.verdict import CheckResult, Outcome, Verdict
from promote.verification import junit


def read(tmp_path: Path, cases: str) -> list[CheckResult]:
    report = tmp_path / "report.xml"
    report.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>", encoding="utf-8")
    return junit.read(report, "pytest")


def test_a_test_that_has_passed(tmp_path: Path) -> None:
    case = '<testcase classname="tests.test_a" name="test_b" file="tests/test_a.py" line="4" time="0.25" />'
    assert read(tmp_path, case) == [
        CheckResult("tests/test_a.py::test_b", "pytest", Outcome.PASSED, 0.25, file="tests/test_a.py", line=5)
    ]


@pytest.mark.parametrize(
    ("inner", "outcome", "detail", "line"),
    [
        ('<failure message="assert 1 == 2&#10;where">tests/test_a.py:9: Error</failure>', "failed", "assert 1 == 2", 9),
        ('<failure message="x">tests/test_a.py:9: \ntests/test_a.py:3: E\nlib/x.py:7: E</failure>', "failed", "x", 3),
        ('<failure message="x">other/tests/test_a.py:9: E</failure>', "failed", "x", 5),
        ("<failure>first\nsecond</failure>", "failed", "first", 5),
        ("<error />", "failed", "", 5),
        ('<error message="failed on setup" />', "failed", "failed on setup", 5),
        ('<skipped message="why" />', "skipped", "why", 5),
        ('<failure message="one" /><skipped message="two" />', "failed", "one", 5),
        ('<skipped message="two" /><error message="one" />', "failed", "one", 5),
        ("<system-out>::error::x</system-out><properties />", "passed", "", 5),
        (
            '<error message="collection failure">tests/test_a.py:2: in &lt;module&gt;\nE   first\nE   last</error>',
            "failed",
            "last",
            2,
        ),
        ('<error message="collection failure">nothing more</error>', "failed", "collection failure", 5),
    ],
)
def test_a_test_with_trouble(tmp_path: Path, inner: str, outcome: str, detail: str, line: int) -> None:
    case = f'<testcase classname="tests.test_a.TestB.TestC" name="d" file="tests/test_a.py" line="4">{inner}</testcase>'
    [result] = read(tmp_path, case)
    assert (result.outcome.value, result.detail, result.line) == (outcome, detail, line)
    assert result.name == "tests/test_a.py::TestB::TestC::d"


def test_a_test_without_a_file_has_its_dotted_name(tmp_path: Path) -> None:
    [result] = read(tmp_path, '<testcase classname="some.plugin" name="check" />')
    assert (result.name, result.file, result.line) == ("some.plugin::check", "", 0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<testsuites><testcase",
        "no XML",
        '<testsuite><testcase name="a" time="1,5" /></testsuite>',
        '<testsuite><testcase name="a" line="x" /></testsuite>',
        '<!DOCTYPE a [<!ENTITY a "0123456789"><!ENTITY b "'
        + "&a;" * 10
        + '"><!ENTITY c "'
        + "&b;" * 1000
        + '"><!ENTITY d "'
        + "&c;" * 10_000
        + '">]><testsuite name="&d;" />',
    ],
    ids=["empty", "cut", "text", "time", "line", "growing"],
)
def test_a_report_that_makes_no_sense_is_one_error(tmp_path: Path, text: str) -> None:
    report = tmp_path / "report.xml"
    report.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r".+"):
        junit.read(report, "pytest")


def test_a_report_that_is_missing_or_a_flood_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the report of the tests is missing or incomplete"):
        junit.read(tmp_path / "nothing.xml", "pytest")
    with (tmp_path / "large.xml").open("wb") as file:
        file.truncate(50_000_001)
    with pytest.raises(ValueError, match="larger than 50 MB"):
        junit.read(tmp_path / "large.xml", "pytest")


TEXT = st.text(st.characters(codec=None), max_size=30) | st.text("\x00\x1b\r\n\t<>&\"'\ud800\ufffe]]>", max_size=30)


@settings(deadline=None)
@given(
    st.lists(
        st.builds(
            CheckResult,
            name=TEXT,
            kind=st.sampled_from(["pytest", "http"]),
            outcome=st.sampled_from(Outcome),
            seconds=st.floats(0, 1e6),
            detail=TEXT,
            file=TEXT,
            line=st.integers(0, 10**6),
        ),
        max_size=5,
    )
)
def test_whatever_was_found_can_be_written_and_read(
    tmp_path_factory: pytest.TempPathFactory, checks: list[CheckResult]
) -> None:
    target = tmp_path_factory.getbasetemp() / "new" / "junit.xml"
    junit.write(Verdict(Outcome.FAILED, tuple(checks)), "hello preprod", 1.5, target)
    suite = ET.parse(target).getroot().find("testsuite")  # noqa: S314 - our own
    assert suite is not None
    assert suite.get("tests") == str(len(suite)) == str(len(checks))
    counted = sum(int(suite.get(name, "")) for name in ("failures", "errors", "skipped"))
    assert counted == sum(check.outcome is not Outcome.PASSED for check in checks)
    for check, case in zip(checks, suite, strict=True):
        assert [child.tag for child in case] == {
            Outcome.PASSED: [],
            Outcome.FAILED: ["failure"],
            Outcome.INCONCLUSIVE: ["error"],
            Outcome.SKIPPED: ["skipped"],
        }[check.outcome]
