"""How long AWS does not find, or shows the state before, what was just created or changed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from conformance.cost import Usage
from conformance.finding import Finding, counted, judged
from conformance.questions.question import Question
from conformance.stage import RUNTIME, Stage, archive
from promote.aws.errors import code_of
from promote.aws.recent import PATIENCE
from promote.core.clock import Clock

_MISSING = ("ResourceNotFoundException", "NotFoundException")
_ENOUGH = 60.0
"""Seconds after which the kit gives up."""
_ATTEMPTS = 5
"""Reads in turn that must find it. An answer may come from a part of AWS that knows it later than another."""


@dataclass(frozen=True)
class Look:
    """The reads after one change."""

    what: str
    missing: int
    """The number of reads that did not find it."""
    stale: int
    """The number of reads that showed the state before."""
    seconds: float
    """Seconds until the last of these."""


def judge(looks: Sequence[Look]) -> Finding:
    """Decide whether the action's patience is enough, and whether no read is stale."""
    missing, stale = sum(look.missing for look in looks), sum(look.stale for look in looks)
    longest = max((look.seconds for look in looks), default=0)
    text = f"{counted(len(looks), 'change')}: {missing} reads found nothing, {stale} showed the state before"
    if missing or stale:
        text += f", at most {longest:.1f} s after it"
    return judged(text, holds=not stale and longest < PATIENCE)


def look(what: str, clock: Clock, read: Callable[[], bool]) -> Look:
    """Read until it is found five times in turn. ``read`` returns whether the state is the new one."""
    started = clock.monotonic()
    missing = stale = found = 0
    last = 0.0
    while found < _ATTEMPTS:
        after = clock.monotonic() - started
        if after > _ENOUGH:
            break
        try:
            is_new = read()
        except Exception as error:
            if code_of(error) not in _MISSING:
                raise
            missing, found, last = missing + 1, 0, after
        else:
            found = found + 1 if is_new else 0
            if not is_new:
                stale, last = stale + 1, after
        if found == 0:
            clock.sleep(0.1)
    return Look(what, missing, stale, round(last, 3))


def ask(stage: Stage) -> tuple[Look, ...]:
    """Create functions, versions and aliases, move an alias, and read each of them at once."""
    client, clock, subject = stage.account.function_once, stage.clock, stage.plain
    looks = []
    for number in range(1, stage.options.fewer(3) + 1):
        which = {"FunctionName": f"{subject.name}-new-{number}"}
        code: Any = {"ZipFile": archive("new")}
        stage.resources.make_function(
            which["FunctionName"], stage.role, Code=code, Runtime=RUNTIME, Handler="app.handler"
        )
        looks.append(look("function", clock, partial(_is_there, client.get_function_configuration, which)))
    for number in range(1, stage.options.fewer(20) + 1):
        looks += _after_publication(stage, f"read-{number}", f"read-{number}")
    return tuple(looks)


def _is_there(call: Callable[..., Any], arguments: Mapping[str, Any]) -> bool:
    """Make the call, which raises if AWS does not find what it names."""
    call(**arguments)
    return True


def _after_publication(stage: Stage, stamp: str, alias: str) -> list[Look]:
    subject, clock = stage.plain, stage.clock
    client: Any = stage.account.function_once
    before = subject.release(f"{stamp}-before")
    version = str(subject.upload(stamp, Publish=True)["Version"])
    which = {"FunctionName": subject.name}
    looks = [
        look("version", clock, lambda: bool(client.get_function_configuration(**which, Qualifier=version))),
    ]
    subject.settle()
    subject.settle(version)
    subject.point(alias, before)
    looks.append(look("alias", clock, lambda: bool(client.get_alias(**which, Name=alias)["FunctionVersion"] == before)))
    subject.point(alias, version)
    looks.append(look("move", clock, lambda: bool(client.get_alias(**which, Name=alias)["FunctionVersion"] == version)))
    return looks


def ask_table(stage: Stage) -> tuple[Look, ...]:
    """Create tables, and write to each as soon as it is ACTIVE."""
    client: Any = stage.account.table_once
    looks = []
    for number in range(1, stage.options.fewer(3) + 1):
        name = f"{stage.resources.names.base}-{number}"
        stage.resources.make_table(name)
        stage.resources.wait_for_table(name, pause=0.05)
        item = {"TableName": name, "Item": {"pk": {"S": "first"}}}
        looks.append(look("write", stage.clock, partial(_is_there, client.put_item, item)))
    return tuple(looks)


QUESTIONS: tuple[Question[Any], ...] = (Question("new-resources", ask, judge, lambda _: Usage()),)
TABLES: tuple[Question[Any], ...] = (
    Question("new-table", ask_table, judge, lambda options: Usage(writes=100 * options.fewer(3))),
)
