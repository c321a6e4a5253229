"""Provisioned concurrency: what the alias shows, and which version gets the traffic, while the capacity moves."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from conformance.cost import Usage
from conformance.finding import CouldNotAskError, Finding, judged
from conformance.questions.question import Question
from conformance.stage import Stage, Subject
from promote.pipeline.capacity import PATIENCE

_ALIAS = "provisioned"
_LONGEST_PAUSE = 5.0
_ALLOCATION = 900.0
"""Seconds for the first allocation."""


@dataclass(frozen=True)
class Sample:
    """What was seen at one moment. ``status`` was the same before and after the other reads."""

    after: float
    status: str
    weights: Mapping[str, float]
    stamp: str


@dataclass(frozen=True)
class Move:
    """The move of an alias with provisioned concurrency, from its response to the end."""

    old: str
    """The version that the alias has left. The code of each version answers with its stamp."""
    old_stamp: str
    new_stamp: str
    weights: Mapping[str, float]
    """The weights in the response."""
    first_revision: str
    last_revision: str
    samples: tuple[Sample, ...]


def judge(move: Move) -> Finding:
    """Decide whether the old version keeps the traffic, by a weight of 1, until the capacity has moved."""
    last = move.samples[-1]
    under_way = [sample for sample in move.samples if sample.status == "IN_PROGRESS"]
    kept = all(dict(sample.weights) == {move.old: 1.0} and sample.stamp == move.old_stamp for sample in under_way)
    kept = kept and (not under_way or dict(move.weights) == {move.old: 1.0})
    in_time = not under_way or under_way[-1].after < PATIENCE
    has_ended = last.status == "READY" and not last.weights and last.stamp == move.new_stamp
    revision = "changed" if move.first_revision != move.last_revision else "did not change"
    if under_way:
        weights = sorted({str(dict(sample.weights)) for sample in under_way})
        stamps = sorted({sample.stamp for sample in under_way})
        seen = f"for {under_way[-1].after:.0f} s: weights {' or '.join(weights)}, traffic at {' and '.join(stamps)}"
        seen += f"; the response has weights {dict(move.weights)}"
    else:
        seen = "the capacity had moved before the first look"
    end = f"then weights {dict(last.weights)}, traffic at {last.stamp}"
    return judged(f"{seen}; {end}; RevisionId {revision} again", holds=kept and has_ended and in_time)


def ask(stage: Stage) -> Move:
    """Move an alias with one unit of provisioned concurrency, and look until the capacity has moved."""
    subject, client = stage.plain, stage.account.function
    old, new = subject.release("provisioned-old"), subject.release("provisioned-new")
    subject.point(_ALIAS, old)
    endpoint = stage.open_api(subject, _ALIAS)
    client.put_provisioned_concurrency_config(
        FunctionName=subject.name, Qualifier=_ALIAS, ProvisionedConcurrentExecutions=1
    )
    try:
        _wait(stage, subject)
        moved = subject.point(_ALIAS, new)
        started = stage.clock.monotonic()
        samples: list[Sample] = []
        pause, ended = 0.02, math.inf
        while True:
            before = _status(stage, subject)
            alias = client.get_alias(FunctionName=subject.name, Name=_ALIAS)
            weights = _weights(alias)
            answer = stage.get(endpoint, started)
            after = _status(stage, subject)
            if before == after:
                samples.append(Sample(answer.after, after, weights, answer.stamp))
            # Lambda may begin to move the capacity a moment after the response, so the end must stay for a while.
            is_end = before == after == "READY" and answer.stamp == "provisioned-new" and not weights
            ended = min(ended, answer.after) if is_end else math.inf
            if answer.after - ended >= stage.options.watch:
                break
            if after == "FAILED" or answer.after > stage.options.patience:
                raise CouldNotAskError(f"the capacity did not move; its status is {after}")
            stage.clock.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
    finally:
        client.delete_provisioned_concurrency_config(FunctionName=subject.name, Qualifier=_ALIAS)
    revisions = str(moved["RevisionId"]), str(alias["RevisionId"])
    return Move(old, "provisioned-old", "provisioned-new", _weights(moved), *revisions, tuple(samples))


def _weights(alias: Mapping[str, Any]) -> dict[str, float]:
    return dict((alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {})


def _status(stage: Stage, subject: Subject) -> str:
    found = stage.account.function.get_provisioned_concurrency_config(FunctionName=subject.name, Qualifier=_ALIAS)
    return str(found["Status"])


def _wait(stage: Stage, subject: Subject) -> None:
    deadline = stage.clock.monotonic() + _ALLOCATION
    while (status := _status(stage, subject)) != "READY":
        if status == "FAILED" or stage.clock.monotonic() > deadline:
            raise CouldNotAskError(f"the provisioned concurrency was not allocated; its status is {status}")
        stage.clock.sleep(1)


QUESTIONS = (
    Question(
        "provisioned-concurrency",
        ask,
        judge,
        lambda options: Usage(requests=600, provisioned=_ALLOCATION + 2 * options.patience),
    ),
)
