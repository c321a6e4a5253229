"""Which code answers after an update of $LATEST, and after the move of an alias."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from conformance.cost import Usage
from conformance.finding import CouldNotAskError, Finding, counted, judged
from conformance.options import Options
from conformance.questions.question import Question
from conformance.stage import RUNTIME, Answer, Stage, Subject, archive, requests_per_watch
from promote.core.concurrency import run_both
from promote.core.endpoint import Endpoint
from promote.inputs.limits import DEFAULT_SETTLE_TIME

_FAILURE = 500
"""The lowest HTTP status that counts as a failure."""


@dataclass(frozen=True)
class Change:
    """An update of $LATEST or a move of an alias, and the answers around it."""

    expected: str
    """The stamp of the new code."""
    answers: tuple[Answer, ...]


def judge_updates(changes: Sequence[Change]) -> Finding:
    """Decide whether old code answers later than the action waits."""
    late = sorted({answer.after for change in changes for answer in _old(change)})
    stale = sum(bool(_old(change)) for change in changes)
    failed = sum(answer.status >= _FAILURE or not answer.stamp for change in changes for answer in change.answers)
    answers = counted(sum(len(change.answers) for change in changes), "answer")
    seen = f"{counted(len(changes), 'update')}, {answers}: "
    if late:
        seen += f"{stale} with old code, at most {late[-1]:.1f} s after Successful"
    else:
        seen += "none from old code after Successful"
    seen += f", watched for {_watched(changes)}"
    if failed:
        seen += f"; {failed} without an answer of the function"
    return judged(seen, holds=(not late or late[-1] < DEFAULT_SETTLE_TIME) and not failed)


def _watched(changes: Sequence[Change]) -> str:
    """Return for how long the answers after the updates were watched."""
    last = [change.answers[-1].after for change in changes]
    shortest, longest = f"{min(last):.1f}", f"{max(last):.1f}"
    return f"{shortest} s each" if shortest == longest else f"{shortest} to {longest} s"


def judge_moves(changes: Sequence[Change]) -> Finding:
    """Decide whether an alias moves without failures, and whether its traffic follows."""
    failed = sum(answer.status >= _FAILURE or not answer.stamp for change in changes for answer in change.answers)
    late = sorted({answer.after for change in changes for answer in _old(change)})
    has_followed = all(change.answers[-1].stamp == change.expected for change in changes)
    answers = counted(sum(len(change.answers) for change in changes), "answer")
    seen = f"{counted(len(changes), 'move')}, {answers}, {counted(failed, 'failure')}"
    seen += f"; the old version at most {late[-1]:.1f} s after the move" if late else "; the new version at once"
    return judged(seen, holds=not failed and has_followed)


def _old(change: Change) -> list[Answer]:
    """Return the answers of the function's other code to requests after the change."""
    return [answer for answer in change.answers if answer.after >= 0 and answer.stamp not in ("", change.expected)]


def _updated(stage: Stage, subject: Subject, update: Callable[[str], Any]) -> tuple[Change, ...]:
    endpoint = stage.open_api(subject, "")
    changes = []
    for number in range(stage.options.repeat):
        stage.burst(endpoint)  # environments with the old code are warm
        stamp = f"update-{number}"
        update(stamp)
        subject.settle()
        changes.append(Change(stamp, stage.watch(endpoint, stage.clock.monotonic(), stage.options.watch_of(number))))
    return tuple(changes)


def ask_archive(stage: Stage) -> tuple[Change, ...]:
    """Update the code of a function from an archive."""
    return _updated(stage, stage.plain, stage.plain.upload)


def ask_vpc(stage: Stage) -> tuple[Change, ...]:
    """Update the code of a function in a VPC."""
    network: Any = {"SubnetIds": list(stage.options.subnets), "SecurityGroupIds": list(stage.options.groups)}
    subject = stage.make(
        "vpc", Code={"ZipFile": archive("made")}, Runtime=RUNTIME, Handler="app.handler", VpcConfig=network
    )
    return _updated(stage, subject, subject.upload)


def ask_image(stage: Stage) -> tuple[Change, ...]:
    """Update the environment variables of a function from a container image, with which it answers."""
    subject = stage.make(
        "image",
        Code={"ImageUri": stage.options.image},
        PackageType="Image",
        Environment={"Variables": {"STAMP": "made"}},
    )
    return _updated(stage, subject, subject.configure)


def ask_alias(stage: Stage) -> tuple[Change, ...]:
    """Move an alias between two versions under load."""
    subject = stage.plain
    versions = {stamp: subject.release(stamp) for stamp in ("version-a", "version-b")}
    subject.point("moving", versions["version-a"])
    endpoint = stage.open_api(subject, "moving")
    stamps = ["version-b", "version-a"]
    changes = []
    for number in range(stage.options.repeat):
        stamp = stamps[number % 2]
        changes.append(Change(stamp, _under_load(stage, endpoint, partial(subject.point, "moving", versions[stamp]))))
    return tuple(changes)


def _under_load(stage: Stage, endpoint: Endpoint, change: Callable[[], Any]) -> tuple[Answer, ...]:
    """Return the answers before, during and after the change. Their times count from its end."""
    clock = stage.clock
    started = clock.monotonic()
    ended: list[float] = []

    def make() -> None:
        clock.sleep(stage.options.watch / 10)
        change()
        ended.append(clock.monotonic())

    def load() -> list[Answer]:
        answers: list[Answer] = []
        while not ended or clock.monotonic() - ended[0] < stage.options.watch:
            answers += stage.burst(endpoint, started)
            clock.sleep(min(0.1, stage.options.watch / 10))
            if clock.monotonic() - started > stage.options.watch + 120:
                raise CouldNotAskError("the alias could not be moved within two minutes")
        return [*answers, *stage.burst(endpoint, started)]

    _, answers = run_both(make, load)
    moved = ended[0] - started
    return tuple(Answer(round(answer.after - moved, 3), answer.status, answer.stamp) for answer in answers)


def _usage(options: Options) -> Usage:
    watched = sum(requests_per_watch(options, options.watch_of(number)) for number in range(options.repeat))
    return Usage(requests=watched + 8 * options.repeat + 200)


def _load_usage(options: Options) -> Usage:
    return Usage(requests=options.repeat * 3 * requests_per_watch(options, options.watch) + 200)


QUESTIONS: tuple[Question[Any], ...] = (
    Question("new-code-archive", ask_archive, judge_updates, _usage),
    Question(
        "new-code-image",
        ask_image,
        judge_updates,
        lambda options: _usage(options) if options.image else Usage(),
        lambda options: "" if options.image else "no image was given (--image)",
    ),
    Question(
        "new-code-vpc",
        ask_vpc,
        judge_updates,
        lambda options: _usage(options) if options.subnets else Usage(),
        lambda options: "" if options.subnets else "no VPC was given (--subnets, --security-groups)",
    ),
    Question("alias-under-load", ask_alias, judge_moves, _load_usage),
)
