"""The job summary: golden files for each kind of result, and text from outside that tries to inject markup.

Update the golden files with ``WRITE_GOLDEN=1 pytest tests/unit/test_summary.py``, and read the differences.
"""

import io
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from promote.aws.clients import Clients
from promote.core.clock import SystemClock
from promote.core.endpoint import Endpoint
from promote.core.progress import Phase, Progress
from promote.core.report import Link, Report, Table
from promote.core.run import Result, Run
from promote.core.verdict import CheckResult, Outcome, Verdict
from promote.core.version import Candidate
from promote.github.actions.context import Context
from promote.github.actions.job_state import JobState
from promote.github.actions.log import SUMMARY_LIMIT, ActionsLog
from promote.github.actions.markdown import LIMIT, Markdown, address, code, link, row, text
from promote.github.actions.summary import duration, render
from promote.inputs.parse import inputs_from_environ
from promote.pipeline.job import Job
from tests.golden import FOLDER, assert_all_used, assert_golden

COMMIT = "3f1c9a2b7d5e4f60718293a4b5c6d7e8f9012345"
CONTEXT = Context.from_environ(
    {
        "GITHUB_SHA": COMMIT,
        "GITHUB_REPOSITORY": "octo-org/hello",
        "GITHUB_RUN_ID": "16512345678",
        "GITHUB_RUN_ATTEMPT": "2",
    }
)
CANDIDATE = Candidate("4", "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=", "fingerprint")
LATEST = Endpoint("latest", url="https://api.example.com/hello/latest", address="")
PREPROD = Endpoint("preprod", url="https://api.example.com/hello/preprod", address="")
HEALTH = CheckResult("GET /health 200 status == 'ok'", "http", Outcome.PASSED, 0.034)
GREETING = CheckResult("GET /greeting?name=you 200 length(greeting) > `0` | [0]", "http", Outcome.PASSED, 0.0412)
BROKEN = replace(
    HEALTH,
    outcome=Outcome.FAILED,
    detail='status 500 instead of 200: {"status": "broken", "cause": "KeyError: \'TABLE_NAME\'"}',
)
SILENT = replace(GREETING, outcome=Outcome.INCONCLUSIVE, seconds=10.004, detail="no response within 10 seconds")
PHASES = (("read", 0.121), ("lock", 0.018), ("deploy", 1.304), ("verify", 0.093), ("promote", 0.056))

PROMOTED = Report(
    Result.PROMOTED,
    "preprod of hello now serves version 4 (before: version 3).",
    candidate=CANDIDATE,
    previous="3",
    changes=("memory-size: 128 → 256", "environment-variables: LOG_LEVEL, TABLE_NAME", "code: 1.2 kB with 3 files"),
    verdict=Verdict.of((HEALTH, GREETING)),
    latest=LATEST,
    environment=PREPROD,
    notes=(
        "How 3f1c9a2b7d stands to 98f6bcd462, which preprod served, is not known, so the order of the runs decided.",
    ),
    lock_wait=12.3,
)
BLOCKED = Report(
    Result.BLOCKED,
    "Version 4 failed verification, so preprod of hello keeps serving version 3: 1 of 2 checks failed.",
    hint="The broken build is still at the endpoint of latest. Push a fix. A rollback is not needed.",
    candidate=CANDIDATE,
    previous="3",
    changes=("code: 1.2 kB with 3 files",),
    verdict=Verdict.of((GREETING, BROKEN)),
    latest=LATEST,
    environment=PREPROD,
    lock_wait=0.0,
)


def notes_of(name: str) -> str:
    """Return golden notes, as the summary repeats them."""
    return (FOLDER / "notes" / f"{name}.md").read_text(encoding="utf-8")


def page(run_id: int, attempt: int = 1) -> str:
    return CONTEXT.page_of(run_id, attempt)


def commit(digest: str) -> Link:
    return Link(digest[:10], CONTEXT.commit_url(digest))


def hostile_cell(cell: str | Link) -> str | Link:
    """Return an external text in the place of ``cell``, in the table or in the alias."""
    if isinstance(cell, Link):
        return Link("](https://evil.example) | run", "javascript:alert(1)")
    return "a | b\n\n| @octocat | <script>alert(1)</script> | 05:12:53 UTC :100:"


REPORTED = Report(
    Result.REPORTED,
    "hello: preprod serves version 4, prod serves version 3, run 16512345699 holds the lock.",
    tables=(
        Table(
            "Environments",
            ("Environment", "Version", "Commit", "Since", "Age", "Verdict", "Behind $LATEST"),
            (
                (
                    Link("preprod", PREPROD.url),
                    "4",
                    commit(COMMIT),
                    "2026-01-02 05:12:53 UTC",
                    "3 hours",
                    "passed",
                    "no, the same",
                ),
                (
                    Link("prod", ""),
                    "3",
                    commit("98f6bcd4621d373c" * 2),
                    "",
                    "",
                    "none recorded",
                    "2 commits (version 4)",
                ),
                (Link("demo", ""), "none", "", "", "", "", ""),
            ),
            "Nothing has been promoted yet.",
        ),
        Table(
            "Lock",
            ("", "Run", "Since", "At"),
            (
                ("held by", Link("run 16512345699", page(16512345699)), "2026-01-02 05:12:53 UTC", "verify"),
                ("number 1 in the queue", Link("by-hand (not a GitHub run)", ""), "05:13:08 UTC", "waiting"),
            ),
            "The lock is free, and no run waits for it.",
        ),
        Table(
            "Promotions",
            ("When", "Environment", "Version", "Commit", "Run"),
            (
                (
                    "2026-01-02 05:12:53 UTC",
                    "preprod",
                    "3 → 4",
                    commit(COMMIT),
                    Link("16512345678", page(16512345678)),
                ),
                ("2026-01-01 23:59:59 UTC", "preprod", "3, the first", Link("", ""), Link("", "")),
            ),
            "None.",
        ),
    ),
    notes=("The lock was last released by force by octocat (2026-01-02T04:05:06+00:00): its runner is gone",),
)
FUNCTIONS = ("shop-api", "shop-mail", "shop-reports")
APPLICATION = "shop-api, shop-mail and shop-reports"


def functions(*rows: tuple[str, str]) -> Table:
    """Return the table of an application's functions: the result of each version, and how it was verified."""
    endpoints = [f"https://api.example.com/{name}/preprod" for name in FUNCTIONS]
    return Table(
        "Functions",
        ("Function", "Version", "Verification", "Endpoint"),
        tuple((name, *row, Link(url, url)) for name, row, url in zip(FUNCTIONS, rows, endpoints, strict=True)),
        "None.",
    )


def of_parts(report: Report, **changes: Any) -> Report:
    """Return a report of an application: ``changes`` of one function, with its texts for the whole."""
    verdict = report.verdict and replace(
        report.verdict,
        checks=tuple(
            replace(check, name=f"{name}: {check.name}")
            for name, check in zip(FUNCTIONS, report.verdict.checks, strict=False)
        ),
    )
    plain = replace(report, candidate=None, previous="", latest=None, environment=None, changes=(), verdict=verdict)
    return replace(plain, **changes)


APPLICATION_STATUS = Report(
    Result.REPORTED,
    f"{APPLICATION}: demo has an unfinished release of run 16512345699, preprod serves one release, commit "
    f"{COMMIT[:10]}, prod serves one release except for shop-mail and shop-reports.",
    hint=f"The release of {APPLICATION} to demo that run 16512345699 began 2026-01-02 05:12:53 UTC is being moved. If "
    "that run has died, the release is finished first by its job's post step, or by the next run, promotion or "
    "rollback of any of these functions.",
    tables=(
        Table(
            "Application",
            ("Environment", "Serves", "Commit", "Run", "Since", "Versions"),
            (
                (
                    "demo",
                    "a release that is being moved",
                    commit(COMMIT),
                    Link("16512345699", page(16512345699)),
                    "2026-01-02 05:12:53 UTC",
                    "shop-api 4, shop-mail 6 and shop-reports none",
                ),
                (
                    "preprod",
                    "one release",
                    commit(COMMIT),
                    Link("16512345678", page(16512345678)),
                    "2026-01-02 03:04:05 UTC",
                    "shop-api 4, shop-mail 7 and shop-reports 1",
                ),
                (
                    "prod",
                    "one release except for shop-mail and shop-reports",
                    commit("98f6bcd4621d373c" * 2),
                    Link("16512345001", page(16512345001)),
                    "2026-01-01 23:59:59 UTC",
                    "shop-api 3, shop-mail 7 and shop-reports 2",
                ),
            ),
            "Nothing has been promoted yet.",
        ),
        Table(
            "Functions that differ from the release",
            ("Environment", "Function", "Serves", "In the release", "Since", "Why"),
            (
                ("demo", "shop-mail", "6", "7", "", Link("is not moved yet", "")),
                ("demo", "shop-reports", "none", "1", "", Link("is not moved yet", "")),
                (
                    "prod",
                    "shop-mail",
                    "7",
                    "6",
                    "2026-01-02 00:12:53 UTC",
                    Link("promoted alone by run 16512345002", page(16512345002)),
                ),
                ("prod", "shop-reports", "2", "1", "", Link("was moved externally", "")),
            ),
            "",
        ),
        *(
            replace(listing, title=f"{name}: {listing.title.lower()}")
            for name in FUNCTIONS[:2]
            for listing in REPORTED.tables
        ),
    ),
)
APPLICATIONS = {
    "application-promoted": of_parts(
        PROMOTED,
        headline=f"preprod of {APPLICATION} now serves one release: shop-api 4 (before: 3) and shop-reports 1 (before: "
        "none).",
        changes=("shop-api: memory-size: 128 → 256", "shop-api: code: 1.2 kB with 3 files", "shop-reports: code: 1 kB"),
        tables=(functions(("3 → 4", "passed"), ("7 stays", "passed"), ("1, the first", "passed")),),
        notes=("The 2 aliases were moved within 123 ms.",),
        release_notes=notes_of("application"),
    ),
    "application-blocked": of_parts(
        BLOCKED,
        headline=f"shop-mail failed verification, so preprod of {APPLICATION} keeps serving what it served: shop-mail: "
        "1 of 1 check failed.",
        hint="The broken build is still at https://api.example.com/shop-mail/latest. Push a fix. A rollback is "
        "not needed.",
        tables=(
            functions(
                ("3 stays, 4 was not promoted", "passed"),
                ("7 stays, 8 was not promoted", "failed"),
                ("none, 1 was not promoted", "passed"),
            ),
        ),
    ),
    "application-turned-back": of_parts(
        PROMOTED,
        result=Result.FAILED,
        headline="The alias preprod of shop-mail cannot be moved: AccessDeniedException (lambda:UpdateAlias).",
        hint="Allow the role lambda:UpdateAlias on the function; docs/iam-policy.json has what the action needs.",
        tables=(
            functions(
                ("3 stays, 4 was not promoted", "passed"),
                ("7 stays, 8 was not promoted", "passed"),
                ("1 stays", "passed"),
            ),
        ),
        notes=(),
    ),
    "application-rolled-back": of_parts(
        PROMOTED,
        result=Result.ROLLED_BACK,
        headline=f"preprod of {APPLICATION} was rolled back to one release: shop-api 3 (before: 4).",
        tables=(functions(("4 → 3", ""), ("7 stays", ""), ("1 stays", "")),),
        verdict=None,
        lock_wait=None,
        notes=(),
        release_notes=notes_of("application-rollback"),
    ),
    "application-planned": of_parts(
        BLOCKED,
        result=Result.PLANNED,
        headline=f"Dry run: a run would deploy, verify, and promote if all pass: preprod of {APPLICATION}.",
        hint="",
        verdict=None,
        lock_wait=None,
        changes=("shop-api: memory-size: 128 → 256", "shop-mail: code: 1.2 kB with 3 files"),
        tables=(functions(("3 stays", ""), ("7 stays", ""), ("none", "")),),
    ),
    "application-status": APPLICATION_STATUS,
    "application-release-notes": Report(
        Result.REPORTED, "The release notes of v1.2.0 list 5 changes.", release_notes=notes_of("application-tag")
    ),
}
REPORTS = {
    **APPLICATIONS,
    "promoted": PROMOTED,
    "promoted-first": replace(
        PROMOTED,
        headline="preprod of hello now serves version 1 (its first).",
        candidate=replace(CANDIDATE, version="1"),
        previous="",
        changes=(
            "create the function hello",
            "code: 1.2 kB with 3 files",
            "role: arn:aws:iam::123456789012:role/hello",
        ),
        notes=(),
        warnings=(
            "preprod was changed externally since its last promotion: it was moved to version 2.",
            "The endpoint of preprod does not reach the function: status 404 at https://api.example.com/hello/preprod/health.",
        ),
    ),
    "promoted-notes": replace(PROMOTED, notes=(), release_notes=notes_of("merges")),
    "deployed": replace(
        PROMOTED,
        result=Result.DEPLOYED,
        headline="Version 4 of hello is deployed; preprod stays as it is until the candidate is promoted.",
        verdict=None,
        preview=LATEST,
        notes=(),
    ),
    "rolled-back": replace(
        PROMOTED,
        result=Result.ROLLED_BACK,
        headline="preprod of hello was rolled back to version 3 (before: version 4).",
        candidate=replace(CANDIDATE, version="3"),
        previous="4",
        changes=(),
        verdict=None,
        notes=(),
        release_notes=notes_of("rollback"),
    ),
    "release-notes": Report(
        Result.REPORTED, "The release notes of v1.2.0 list 5 changes.", release_notes=notes_of("tag")
    ),
    "many-checks": replace(
        BLOCKED,
        headline="Version 4 failed verification, so preprod of hello keeps serving version 3: 3 of 40 checks failed.",
        verdict=Verdict.of(
            tuple(replace(BROKEN if at % 13 == 7 else HEALTH, name=f"tests/test_api.py::test_{at}") for at in range(40))
        ),
    ),
    "unchanged": Report(
        Result.UNCHANGED,
        "preprod of hello serves version 4 already; nothing was changed.",
        candidate=CANDIDATE,
        previous="4",
        latest=LATEST,
        environment=PREPROD,
        lock_wait=0.0,
    ),
    "superseded": Report(
        Result.SUPERSEDED,
        "preprod of hello serves the newer commit 98f6bcd462 (version 5) already, so it stays there.",
        candidate=CANDIDATE,
        previous="5",
        verdict=Verdict.of((HEALTH,)),
        latest=LATEST,
        environment=PREPROD,
        lock_wait=0.0,
    ),
    "superseded-in-line": Report(
        Result.SUPERSEDED,
        "preprod of hello was left as it is: run 16512345699, which is newer on this branch, supersedes this run.",
        links=(("Superseded by", Link("run 16512345699", page(16512345699))),),
        previous="3",
        latest=LATEST,
        environment=PREPROD,
        lock_wait=48.2,
    ),
    "refused": Report(
        Result.REFUSED,
        "preprod of hello has commit 98f6bcd462, which is not an ancestor of 3f1c9a2b7d, and the input diverged "
        "refuses that.",
        hint="Merge or rebase, so that one commit contains the other. To let this commit replace the other, set "
        "diverged: promote.",
        previous="3",
        latest=LATEST,
        environment=PREPROD,
        lock_wait=0.0,
    ),
    "locked": Report(
        Result.LOCKED,
        "This job holds the lock of hello until it ends, or for 60 minutes.",
        lock_wait=12.3,
    ),
    "unlocked": Report(
        Result.UNLOCKED,
        "The lock of hello is open; run 16512345001 (attempt 2) held it, and stops before its next change.",
        links=(("Was held by", Link("run 16512345001 (attempt 2)", page(16512345001, 2))),),
        notes=("Reason: its runner is gone; see #7 and @octocat",),
    ),
    "reported": REPORTED,
    "reported-nothing": Report(
        Result.REPORTED,
        "The function hello does not exist.",
        tables=tuple(replace(listing, rows=()) for listing in REPORTED.tables),
    ),
    "reported-hostile": replace(
        REPORTED,
        tables=tuple(
            replace(listing, rows=(tuple(hostile_cell(cell) for cell in listing.rows[0]),))
            for listing in REPORTED.tables
        ),
    ),
    "blocked": BLOCKED,
    "inconclusive": replace(
        BLOCKED,
        headline="Version 4 could not be verified, so preprod of hello keeps serving version 3: "
        f"{SILENT.name}: {SILENT.detail}.",
        hint="An inconclusive verdict does not mean that the code is wrong. Remove the cause, and run the job again.",
        verdict=Verdict.of((HEALTH, SILENT)),
    ),
    "planned": Report(
        Result.PLANNED,
        "Dry run: preprod of hello serves version 3; a run would deploy, verify with 2 checks, "
        "and promote if all pass.",
        previous="3",
        changes=("memory-size: 128 → 256", "code: 1.2 kB with 3 files", "make the endpoint of preprod"),
        latest=LATEST,
    ),
    "failed": Report(
        Result.FAILED,
        "The function hello does not exist in eu-west-1, so there is nothing to adopt.",
        hint="Correct function-name or aws-region. To create it, set artifact, role, runtime and handler.",
    ),
    "wrong-input": Report(
        Result.FAILED,
        "Checks: line 2: the JMESPath expression 'status ==' does not compile: Invalid jmespath expression.",
        hint="Write strings in single quotes, as in status == 'ok'. See https://jmespath.org.",
    ),
}


def job(*phases: tuple[str, float], several: tuple[str, ...] = ()) -> Job:
    inputs = {"function-name": "hello", "environment": "preprod", "aws-region": "eu-west-1", "checks": "GET /health"}
    moment, progress = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), Progress(SystemClock())
    for name, seconds in phases:
        progress.phases.append(Phase(name, moment, seconds))
        moment += timedelta(seconds=seconds + 0.002)
    read = inputs_from_environ({f"INPUT_{name.upper()}": value for name, value in inputs.items()})
    return Job(
        inputs=replace(read, parts=tuple(replace(read, function_name=name) for name in several)),
        context=CONTEXT,
        run=Run(COMMIT, CONTEXT.run_id, CONTEXT.attempt, CONTEXT.run_url, "0123456789ab"),
        workflow=ActionsLog({}, io.StringIO()),
        clock=SystemClock(),
        clients=Clients("eu-west-1", {}),
        session=requests.Session,
        chance=lambda: 0.5,
        environ={},
        state=JobState({}, CONTEXT, ActionsLog({}, io.StringIO()), draw=lambda: "0123456789abcdef"),
        temporary=Path(),
        progress=progress,
    )


def phases_of(name: str) -> tuple[tuple[str, float], ...]:
    if name == "promoted-first":
        return (*PHASES[:1], ("lock", 12.3), ("deploy", 58.4), *PHASES[3:], ("endpoints", 53.1))
    read_and_waited = (*PHASES[:1], ("lock", 48.2 if name == "superseded-in-line" else 12.3))
    name = name.removeprefix("application-")
    of_others = {
        "status": PHASES[:1],
        "turned-back": PHASES,
        "superseded-in-line": read_and_waited,
        "refused": PHASES[:2],
        "locked": read_and_waited,
        "unlocked": PHASES[:1],
        "reported": PHASES[:1],
        "reported-nothing": PHASES[:1],
        "reported-hostile": PHASES[:1],
        "release-notes": (("read", 0.121), ("write", 0.012)),
    }
    shorter = {"planned": PHASES[:1], "failed": PHASES[:1], "blocked": PHASES[:4], "inconclusive": PHASES[:4]}
    shorter |= {"many-checks": PHASES[:4], "deployed": PHASES[:3]}
    return (of_others | shorter).get(name, (*PHASES, ("endpoints", 0.041)))


@pytest.mark.parametrize("name", REPORTS)
def test_summary_is_the_golden_one(name: str) -> None:
    several = FUNCTIONS if name in APPLICATIONS else ()
    rendered = render(REPORTS[name], CONTEXT, None if name == "wrong-input" else job(*phases_of(name), several=several))
    assert_golden(f"{rendered}\n", FOLDER / f"{name}.md")


def test_each_golden_file_belongs_to_a_report() -> None:
    assert_all_used(FOLDER, REPORTS)


# --- text from outside -----------------------------------------------------------------------------------------------

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</details></summary><h1>free</h1>",
    "</code></td></tr></table><h1>free</h1>",
    "<!-- a comment that hides the rest",
    "<https://evil.example>",
    "<b title='",
    "[click](https://evil.example)",
    "[click][reference] [reference]: https://evil.example",
    "![image](https://evil.example/pixel.png)",
    "[^1] [ ] [x]",
    "https://evil.example and http://evil.example, ftp://evil.example",
    "(www.evil.example)",
    "somebody@evil.example mailto:somebody@evil.example",
    "@octocat and @octo-org/team",
    "#1 GH-1 octo-org/hello#1 octo-org/hello@3f1c9a2b7d",
    ":tada: :+1:",
    "$LATEST or $x^2$ and $$x$$ $`x`$",
    "a | b || c",
    "a \\| b \\\\| c \\",
    "| a | b |\n| --- | --- |\n| c | d |",
    "first\n\n# Heading\n\n- item\n\n> quote",
    "first\n===\nsecond\n---",
    "# Heading",
    "- item",
    "+ item",
    "1. item",
    "2) item",
    "> quote",
    "> [!CAUTION]\n> alert",
    "---",
    "- - -",
    "===",
    "    indented",
    "\tindented",
    "**bold** __bold__ _italic_ *italic* ~~gone~~",
    "`code` ``code`` ```code",
    "` `` ``` ````",
    "`",
    '```mermaid\ngraph TD; a-->b; click a "https://evil.example"\n```',
    "~~~\nfence\n~~~",
    "%%{init: {'securityLevel': 'loose'}}%%",
    "&lt;b&gt; &#60;b&#62; &copy; &nbsp;",
    "\\<b> \\[a](b) \\`",
    "{{ 7 * 7 }} {% for x in y %} {# comment #}",
    "\x1b[31mred\x1b[0m \x00 \x07 \x7f \x9b",
    "\u202eevil\u202c \u2066evil\u2069 \u200b\u200d\ufeff \u2028 \u2029 \x85",
    "\ud800 lone surrogate",
    "*" * 10_000,
    "`" * 10_000,
    "[" * 10_000,
    "<" * 10_000,
]
UNTOUCHED = [
    "preprod of hello-world now serves version 4 (before: version 3).",
    "GET /health 200 status == 'ok'",
    "memory-size: 128 → 256",
    "environment-variables: LOG_LEVEL, TABLE_NAME",
    'it says {"status": "broken"}; 50% of 3 + 4 = 7?',
    "Grüße, naïve 世界!",
    "🧑\u200d💻 and 👩🏽\u200d❤️\u200d👨 by علی\u200cمحمد, who says نیم\u200cشب and க்\u200dஷ",  # with joiners
]


@pytest.fixture(scope="module")
def parser() -> MarkdownIt:
    return MarkdownIt("gfm-like")


def flat(tokens: list[Token]) -> list[Token]:
    return [inner for token in tokens for inner in [token, *flat(token.children or [])]]


def structure(tokens: list[Token]) -> list[object]:
    """All markup, without words and code, which have no effect."""
    return [
        (token.type, token.tag, token.markup, token.attrs, token.content if "html" in token.type else "")
        for token in flat(tokens)
        if token.type not in ("text", "code_inline")
    ]


def shown(tokens: list[Token]) -> str:
    return "".join(token.content for token in flat(tokens) if token.type in ("text", "code_inline"))


def everywhere(words: str) -> Report:
    cells = (words, Link(words, ""), Link(words, "https://example.com/"))
    checks = [CheckResult(words, "http", outcome, 0.001, words) for outcome in Outcome]
    return replace(
        BLOCKED,
        headline=words,
        hint=words,
        changes=(words,),
        notes=(words, words),
        warnings=(words,),
        links=((words, Link(words, "https://example.com/")),),
        tables=(Table("Lock", ("", "Run", "Since"), (cells, cells), ""), Table("Line", ("Run",), (), words)),
        verdict=Verdict.of(tuple(checks)),
        latest=replace(LATEST, url=f"file:///{words}"),
    )


def test_each_outcome_has_its_mark_and_what_did_not_pass_comes_first() -> None:
    checks = tuple(CheckResult("words", "http", outcome, 0.001, "words") for outcome in Outcome)
    text = render(replace(BLOCKED, verdict=Verdict.of(checks)), CONTEXT, job(*PHASES))
    marks = re.findall(r"^\| (\S+) \| `?words`? \|", text, re.MULTILINE)
    assert marks == ["❌", "❓", "⏭️", "✅"]


@pytest.mark.parametrize("attack", ATTACKS)
def test_text_from_outside_is_only_ever_text(attack: str, parser: MarkdownIt) -> None:
    tokens = parser.parse(render(everywhere(attack), CONTEXT, job(*PHASES)))

    assert structure(tokens) == structure(parser.parse(render(everywhere("harmless"), CONTEXT, job(*PHASES))))


@pytest.mark.parametrize("attack", ATTACKS)
def test_github_finds_nothing_to_replace_outside_of_code(attack: str, parser: MarkdownIt) -> None:
    for token in flat(parser.parse(text(attack))):
        if token.type == "text":
            assert not re.search(r"[@#$<>&\\]|:\w+:|://|www\.", token.content)


@pytest.mark.parametrize("sentence", UNTOUCHED)
def test_ordinary_sentences_stay_as_they_are(sentence: str) -> None:
    assert text(sentence) == sentence


@pytest.mark.parametrize(
    "words",
    ["in\u200dvisible", "é\u200de", "e\u200cé", "\u200d💻", "💻\u200d", "💻\u200d\u200d💻", "💻\u200d \u202e\u200d💻"],
)
def test_joiners_that_join_nothing_are_spelled_out(words: str) -> None:
    assert text(words).isprintable()


def test_a_function_without_endpoints_has_a_chart_too() -> None:
    rendered = render(replace(PROMOTED, environment=None), CONTEXT, job(*PHASES))
    assert 'environment(["preprod serves version 4"])' in rendered


@pytest.mark.parametrize(
    "sentence", ["since 05:12:53", "2026-01-02 05:12:53 UTC", "05:12 and 23:59:59 UTC, in phase verify"]
)
def test_times_stay_as_they_are(sentence: str, parser: MarkdownIt) -> None:
    assert text(sentence) == sentence
    assert shown(parser.parse(row("held by", sentence, ""))) == f"| held by | {sentence} |  |"


@pytest.mark.parametrize(
    "word", [":100:", ":tada:", "5:12:53", "05:12:53:", ":05:12:53:", "05:12:53:tada:", "005:12", "12:345", "a:05:12"]
)
def test_what_is_like_a_time_and_may_be_an_emoji_becomes_code(word: str, parser: MarkdownIt) -> None:
    for token in flat(parser.parse(f"🙂 {text(f'at {word} today')}")):
        if token.type == "text":
            assert not re.search(r":[\w+-]+:", token.content), token.content
    assert "`" in text(word)


hostile = st.text(st.sampled_from("ab1 \t\n\\`*_[]()<>~|&$@#!:;./-+='\"{}%^\x1b\u202e→é"), max_size=40)


@settings(max_examples=200, deadline=None)
@given(hostile)
def test_whatever_it_is_reads_as_written(value: str) -> None:
    parser = MarkdownIt("gfm-like")
    expected = " ".join(value.split()).replace("\x1b", r"\x1b").replace("\u202e", r"\u202e")
    for tokens in (
        parser.parse(f"🙂 {text(value)}"),
        parser.parse(f"🙂 {code(value)}"),
        parser.parse(f"- 🙂 {text(value)}"),
    ):
        assert shown(tokens).strip() == f"🙂 {expected}".strip()
        assert {token.type for token in flat(tokens)} <= {
            *("inline", "text", "code_inline", "paragraph_open", "paragraph_close"),
            *("bullet_list_open", "bullet_list_close", "list_item_open", "list_item_close"),
        }


@settings(max_examples=200, deadline=None)
@given(hostile, hostile)
def test_a_row_has_its_cells_whatever_they_hold(first: str, second: str) -> None:
    tokens = MarkdownIt("gfm-like").parse(f"{row('a', 'b', 'c')}\n| - | - | - |\n{row(first, code(second), 'end')}")
    cells = [after.content for token, after in pairwise(tokens) if token.type in ("th_open", "td_open")]
    assert len(cells) == 6
    assert cells[-1] == "end"


@pytest.mark.parametrize("secret", ["p@ss|word!", "two *words*", "x" * 2 * LIMIT])
def test_secrets_are_redacted_before_they_are_cut_or_marked(secret: str) -> None:
    report = replace(everywhere(f"it is {secret}"), latest=None)

    rendered = render(report, CONTEXT, None, lambda value: value.replace(secret, "***"))

    assert "it is `***`" in rendered
    assert "`it is ***`" in rendered
    assert secret[:5] not in rendered


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,hi", "//evil.example", " https://a", ""])
def test_only_web_addresses_become_links(url: str) -> None:
    assert link("run", url) == "run"
    assert "<" not in address(url).replace("`", "")


@settings(deadline=None)
@given(st.text())
def test_a_link_leads_where_it_says(rest: str) -> None:
    parser, label = MarkdownIt("gfm-like"), Markdown("**run**")
    for written in (link(label, f"https://a/{rest}"), address(f"https://a/{rest}")):
        opened = [token for token in flat(parser.parse(row("", written, ""))) if token.type == "link_open"]
        assert [str(token.attrs["href"]).startswith("https://a/") for token in opened] == [True]


# --- large numbers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("filler", ["x", "🙂", "|", "* a ", "`", "\x00", "\U000e0001"])
def test_summary_is_never_larger_than_the_runner_takes(filler: str) -> None:
    words = filler * 5000
    checks = tuple(
        CheckResult(words, "http", Outcome.FAILED if number % 2 else Outcome.PASSED, 1, words)
        for number in range(20_000)
    )
    many = (words,) * 5000
    report = replace(
        PROMOTED, headline=words, hint=words, changes=many, notes=many, warnings=many, verdict=Verdict.of(checks)
    )

    rendered = render(report, CONTEXT, job(*PHASES))

    assert len(rendered.encode()) < SUMMARY_LIMIT
    assert re.search(r"_9\d\d\d more are not shown here\._.*_9\d\d\d more are not shown here\._", rendered, re.DOTALL)
    failed, folded, passed = (rendered.index(mark) for mark in ("\n| ❌", "<summary>10000 checks passed</", "\n| ✅"))
    assert failed < folded < passed


def test_a_thousand_checks_are_shown_failures_first(parser: MarkdownIt) -> None:
    checks = tuple(replace(HEALTH, name=f"GET /{number}") for number in range(1001))
    rendered = render(replace(BLOCKED, verdict=Verdict.of((*checks, BROKEN))), CONTEXT, None)

    marks = re.findall(r"^\| (✅|❌) ", rendered, re.MULTILINE)
    assert marks == ["❌", *["✅"] * 1000]
    assert "<summary>1001 checks passed</summary>" in rendered
    assert "_1 more are not shown here._" in rendered
    assert sum(token.type == "tr_open" for token in parser.parse(rendered)) == 4 + 1 + 1 + 1 + 1000


def test_a_few_checks_are_in_one_table_failures_first() -> None:
    rendered = render(replace(BLOCKED, verdict=Verdict.of((*[HEALTH] * 10, BROKEN))), CONTEXT, None)

    assert re.findall(r"^\| (✅|❌) ", rendered, re.MULTILINE) == ["❌", *["✅"] * 10]
    assert rendered.count("| Check |") == 1


def test_a_long_text_is_cut() -> None:
    assert code("x" * 10_000) == f"`{'x' * (LIMIT - 1)}…`"
    assert text("x" * LIMIT) == "x" * LIMIT


# --- times -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 ms"),
        (0.0341, "34 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (1.24, "1.2 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min"),
        (125.2, "2 min 5 s"),
        (3599.7, "1 h"),
        (3725, "1 h 2 min"),
    ],
)
def test_times_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_chart_names_phases_and_nothing_else() -> None:
    rendered = render(PROMOTED, CONTEXT, job(("read", 0.1), ('click a "https://evil.example"\n%%{init}%%:,;', 0.1)))

    assert re.findall(r"section (.*)", rendered) == ["Read 100 ms", "Click a httpsevilexampleinit 100 ms"]


def test_a_clock_that_was_set_back_does_no_harm() -> None:
    work = job(("deploy", 2.0), ("verify", 1.0))
    phases = work.progress.phases
    phases[1] = replace(phases[1], started=phases[0].started - timedelta(hours=1))

    bars = re.findall(r" :(\d+), (\d+)$", render(PROMOTED, CONTEXT, work), re.MULTILINE)

    assert bars == [("0", "18010"), ("3600000", "3618010")]


@pytest.mark.parametrize("result", Result)
def test_every_result_has_a_summary(result: Result) -> None:
    assert render(Report(result, "It ended."), Context.from_environ({}), None).endswith("It ended.")
