"""One run of the kit: check, say what it costs, ask, remove, report."""

import math
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from conformance import cost
from conformance.account import Account
from conformance.assumptions import ASSUMPTIONS
from conformance.finding import Result, counted
from conformance.options import Options, parse
from conformance.questions.question import Question
from conformance.questions.registry import QUESTIONS
from conformance.report import Cleaner, Row, document, table
from conformance.resources import Resources, new_run
from conformance.stage import Stage
from promote import __version__
from promote.aws.errors import DENIED, code_of, to_promote_error
from promote.core.clock import Clock
from promote.core.errors import InputError, RefusedError

DONE, FAILED, UNUSABLE, CANCELLED = 0, 1, 2, 130
"""Exit codes: all that was asked holds; something does not; nothing could be asked, or something is left; cancelled."""

Say = Callable[[str], None]


def main(arguments: Sequence[str], environ: Mapping[str, str], clock: Clock, say: Say) -> int:
    """Run the kit, and return the exit code. Every error ends in one line."""
    clean = Cleaner(environ)
    try:
        options = parse(arguments, tuple(QUESTIONS))
        account = Account(options.region, environ, clock)
        resources = Resources(account, options.prefix, new_run(), clock)
        if options.is_clean:
            return _clean(account, resources, say, clean)
        with _signals():
            return _run(options, account, resources, clock, say, clean)
    except KeyboardInterrupt:
        say("The kit was cancelled.")
        return CANCELLED
    except Exception as error:  # noqa: BLE001 - the one place that shows every error
        say(f"error: {clean(_explained(error))}")
        return UNUSABLE


def _explained(error: Exception) -> str:
    """Return the cause and the fix. The hints of the action about AWS's errors are about workflows."""
    found = to_promote_error(error)
    if code_of(error) in DENIED:
        return f"{found.sentence} docs/kit-policy.json has the permissions that the kit needs."
    return found.sentence if code_of(error) else found.full_text


def _run(  # noqa: PLR0913, PLR0917 - what a run works with
    options: Options, account: Account, resources: Resources, clock: Clock, say: Say, clean: Cleaner
) -> int:
    asked = [QUESTIONS[name] for name in QUESTIONS if not options.only or name in options.only]
    dollars = cost.total(question.usage(options) for question in asked).dollars
    dollars = math.ceil(100 * dollars) / 100
    if dollars > cost.LIMIT:
        raise InputError(
            "repeat",
            f"{options.repeat} repetitions may cost {dollars:.2f} USD, and the limit is {cost.LIMIT:.2f} USD",
            hint="Set a lower --repeat or --watch.",
        )
    if not options.report.parent.is_dir():
        raise InputError("report", f"the folder {options.report.parent} does not exist", hint="Create it.")
    _ = account.id
    resources.require_free()
    resources.require_removable(has_role=not options.role)
    # The clients are made before threads use them.
    _ = account.function_once, account.gateway_once, account.table_once
    say(
        f"{counted(len(asked), 'question')} in {account.region}. The cost is at most {dollars:.2f} USD. "
        f"Everything has a name that begins with {resources.names.base}, and is removed at the end."
    )
    stage = Stage(options, account, resources, clock)
    rows: list[Row] = []
    started = datetime.now(UTC)
    left: list[str] = []
    try:
        _ = stage.plain  # a permission that is missing ends the run here, and not in each question
        rows.extend(_asked(question, stage, clock, say, clean) for question in asked)
    finally:
        left = _removed(resources, say, clean)
    facts = {
        "kit": f"promote-on-success {__version__}",
        "region": account.region,
        "started": started.strftime("%Y-%m-%d %H:%M UTC"),
        "endpoint": "an emulator" if account.endpoint_url else "AWS",
        "repetitions": str(options.repeat),
        "watched": f"{options.watch:g} seconds after each update",
        "cost": f"at most {dollars:.2f} USD",
    }
    options.report.write_text(document(rows, facts, clean), encoding="utf-8")
    say("")
    say(table(rows, clean))
    say("")
    say(f"The report is in {options.report}. It contains no account number and no credentials.")
    return _code(rows, left)


def _code(rows: Iterable[Row], left: Sequence[str]) -> int:
    results = {row.finding.result for row in rows}
    if Result.FAILS in results:
        return FAILED
    return UNUSABLE if left or Result.HOLDS not in results else DONE


def _asked(question: Question[Any], stage: Stage, clock: Clock, say: Say, clean: Cleaner) -> Row:
    started = clock.monotonic()
    finding, observed = question.examine(stage)
    seconds = clock.monotonic() - started
    say(f"{question.id}: {finding.result.value} ({seconds:.0f} s): {clean(finding.seen)}")
    return Row(question.id, ASSUMPTIONS[question.id].text, finding, observed, seconds)


def _removed(resources: Resources, say: Say, clean: Cleaner) -> list[str]:
    """Remove what this run has made. Return what is left, which is also shown."""
    with _ignoring_signals():
        removed, left = resources.remove()
    say(f"Removed: {clean(', '.join(removed)) or 'nothing, because nothing was made'}.")
    for thing in left:
        say(f"NOT removed: {clean(thing)}")
    return left


def _clean(account: Account, resources: Resources, say: Say, clean: Cleaner) -> int:
    _ = account.id
    removed, left = resources.remove(any_run=True)
    say(f"Removed: {clean(', '.join(removed))}." if removed else "Nothing carries the tag of this prefix.")
    if left:
        raise RefusedError(f"could not remove {'; '.join(left)}", hint="Remove it in the AWS console.")
    return DONE


@contextmanager
def _signals() -> Iterator[None]:
    """Let SIGTERM interrupt the block as Ctrl-C does, so that everything is removed."""

    def interrupt(_number: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _ignoring_signals() -> Iterator[None]:
    """Do not let a second Ctrl-C stop the removal."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def say_to_stdout(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)  # noqa: T201 - a program for the terminal
    sys.stdout.flush()
