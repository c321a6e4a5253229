"""One run of the kit: check, say what it costs, ask, remove, report."""

import math
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
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
"""Exit codes: all that was asked holds; something does not; nothing could be asked, something is left, or there is no
report; cancelled."""

_ENDING = (signal.SIGTERM, signal.SIGHUP)
"""The signals that end a program in general, beside that of Ctrl-C."""

Say = Callable[[str], None]


def main(
    arguments: Sequence[str], environ: Mapping[str, str], clock: Clock, token: Callable[[int], str], say: Say
) -> int:
    """Run the kit, and return the exit code. Every error ends in one line.

    ``token`` returns random hexadecimal digits for a number of bytes.
    """
    clean = Cleaner(environ)
    try:
        options = parse(arguments, tuple(QUESTIONS))
        account = Account(options.region, environ, clock, lambda text: say(clean(text)))
        run = new_run(clock, token)
        resources = Resources(account, options.prefix, run, clock, makes_role=not options.role)
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
        return f"{found.sentence} docs/assumptions.md says which permissions the kit needs."
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
    _require_writable(options.report)
    _ = account.id
    resources.require_free()
    resources.require_removable()
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
    is_written = True
    try:
        _ = stage.plain  # a permission that is missing ends the run here, and not in each question
        for question in asked:
            rows.append(_asked(question, stage, clock, say, clean))  # noqa: PERF401 - an error must not lose the others
    finally:
        with _ignoring_signals():
            left = _removed(resources, say, clean)
            if rows:
                facts = {
                    "kit": f"promote-on-success {__version__}",
                    "region": account.region,
                    "started": started.strftime("%Y-%m-%d %H:%M UTC"),
                    "endpoint": "an emulator" if account.endpoint_url else "AWS",
                    "questions": f"{len(rows)} of {len(asked)}",
                    "repetitions": str(options.repeat),
                    "watched": f"{options.watch:g} seconds after each update, "
                    f"{options.watch_of(0):g} after one update in ten",
                    "cost": f"at most {dollars:.2f} USD",
                }
                is_written = _report(rows, facts, options.report, say, clean)
    return _code(rows, is_complete=is_written and not left)


def _require_writable(report: Path) -> None:
    """Check that the report can be written, before anything is asked."""
    folder = report.parent
    try:
        if not folder.is_dir():
            raise InputError("report", f"the folder {folder} does not exist", hint="Create it.")
        is_new = not report.exists()
        report.open("a", encoding="utf-8").close()
        if is_new:
            report.unlink()
    except OSError as error:
        raise InputError(
            "report", f"{report} cannot be written: {error.strerror}", hint="Name another file."
        ) from error


def _report(rows: Sequence[Row], facts: Mapping[str, str], file: Path, say: Say, clean: Cleaner) -> bool:
    """Print the table, and write the report. Return whether it is written."""
    say("")
    say(table(rows, clean))
    say("")
    try:
        file.write_text(document(rows, facts, clean), encoding="utf-8")
    except OSError as error:
        say(f"error: the report could not be written to {file}: {error.strerror}. The results are above.")
        return False
    say(f"The report is in {file}. It contains no account number and no credentials.")
    return True


def _code(rows: Iterable[Row], *, is_complete: bool) -> int:
    results = {row.finding.result for row in rows}
    if Result.FAILS in results:
        return FAILED
    return DONE if is_complete and Result.HOLDS in results else UNUSABLE


def _asked(question: Question[Any], stage: Stage, clock: Clock, say: Say, clean: Cleaner) -> Row:
    started = clock.monotonic()
    finding, observed = question.examine(stage)
    seconds = clock.monotonic() - started
    say(f"{question.id}: {finding.result.value} ({seconds:.0f} s): {clean(finding.seen)}")
    return Row(question.id, ASSUMPTIONS[question.id].text, finding, observed, seconds)


def _removed(resources: Resources, say: Say, clean: Cleaner) -> list[str]:
    """Remove what this run has made. Return what is left, which is also shown."""
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
    """Let SIGTERM and a closed terminal interrupt the block as Ctrl-C does, so that everything is removed."""

    def interrupt(_number: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    # nohup lets a program ignore that its terminal is closed
    numbers = [number for number in _ENDING if signal.getsignal(number) is not signal.SIG_IGN]
    with _handling(numbers, interrupt):
        yield


@contextmanager
def _ignoring_signals() -> Iterator[None]:
    """Do not let a second Ctrl-C stop the removal and the report."""
    with _handling([signal.SIGINT, *_ENDING], signal.SIG_IGN):
        yield


@contextmanager
def _handling(numbers: Iterable[signal.Signals], handler: Any) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def say_to_stdout(text: str) -> None:
    """Print a line at once. If nobody reads it, because a pipe or the terminal was closed, the run continues."""
    try:
        print(text, flush=True)  # noqa: T201 - a program for the terminal
    except OSError:
        # The run must remove what it has made, and the report has the results. Python prints the rest again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
