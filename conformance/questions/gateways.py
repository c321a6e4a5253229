"""A new HTTP API, and two writers of one HTTP API."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.cost import Usage
from conformance.finding import Finding, counted, judged
from conformance.questions.question import Question
from conformance.stage import OPENING, Stage
from promote.aws.calls import pages
from promote.aws.errors import code_of
from promote.core.concurrency import run_both
from promote.core.endpoint import NEW_TIMEOUT

_ROUTES = 20
"""Routes that each of two writers creates."""


@dataclass(frozen=True)
class Early:
    """A response of a new HTTP API before the function's first one."""

    status: int
    body: str
    is_recognized: bool
    """Whether the action takes it for API Gateway's own."""


@dataclass(frozen=True)
class Opening:
    """A new HTTP API: what it responded until the function did."""

    seconds: float
    """Seconds from the end of its creation to the first answer of the function."""
    is_open: bool
    early: tuple[Early, ...]
    relapses: int
    """The number of the next 20 requests that did not reach the function."""


def judge_openings(openings: Sequence[Opening]) -> Finding:
    """Decide whether the action waits long enough, and recognizes what is not the function's."""
    early = Counter(f"{one.status} {one.body}".strip() for opening in openings for one in opening.early)
    unknown = any(not one.is_recognized for opening in openings for one in opening.early)
    longest = max(opening.seconds for opening in openings)
    text = f"{counted(len(openings), 'API')}: the function answered after {longest:.1f} s at most"
    if early:
        text += f"; before: {', '.join(f'{number} times {what}' for what, number in early.most_common(3))}"
    if relapses := sum(opening.relapses for opening in openings):
        text += f"; {relapses} later requests did not reach it"
    return judged(text, holds=all(each.is_open for each in openings) and not unknown and longest < NEW_TIMEOUT)


def ask_openings(stage: Stage) -> tuple[Opening, ...]:
    """Make HTTP APIs, and send requests to each until the function answers."""
    return tuple(_opening(stage) for _ in range(stage.options.fewer(5)))


def _opening(stage: Stage) -> Opening:
    endpoint = stage.create_api(stage.plain, "")
    started = stage.clock.monotonic()
    early: list[Early] = []
    while True:
        response = stage.request(endpoint)
        after = stage.clock.monotonic() - started
        if response.is_functions_own and response.status == 200:  # noqa: PLR2004 - RFC 9110, 15.3.1
            relapses = sum(not stage.get(endpoint).stamp for _ in range(20))
            return Opening(round(after, 3), is_open=True, early=tuple(early), relapses=relapses)
        body = response.start[:80].decode(errors="replace") or response.trouble[:80]
        early.append(Early(response.status, body, response.is_gateways_own))
        if after > OPENING:
            return Opening(round(after, 3), is_open=False, early=tuple(early), relapses=0)
        stage.clock.sleep(0.25)


@dataclass(frozen=True)
class Writers:
    """Two writers that created routes of one HTTP API at the same time."""

    errors: Mapping[str, int]
    """The number of errors by their code and message."""
    wanted: int
    made: int
    """The number of routes at the end."""


def judge_writers(seen: Writers) -> Finding:
    """Decide whether each error is one that the action repeats, and whether the repetition succeeds."""
    known = all(text.startswith(("ConflictException", "TooManyRequestsException")) for text in seen.errors)
    errors = ", ".join(f"{number} times {text}" for text, number in seen.errors.items())
    text = f"{seen.made} of {seen.wanted} routes; {errors or 'no conflict'}"
    return judged(text, holds=known and seen.made == seen.wanted)


def ask_writers(stage: Stage) -> Writers:
    """Create routes from two threads, and repeat what is refused."""
    gateway, once = stage.account.gateway, stage.account.gateway_once
    api = stage.resources.make_api(f"{stage.resources.names.base}-writers")["ApiId"]
    errors: Counter[str] = Counter()

    def write(writer: str) -> None:
        for number in range(_ROUTES):
            for pause in (0.5, 1.0, 2.0, 4.0, 8.0, 0.0):
                try:
                    once.create_route(ApiId=api, RouteKey=f"GET /{writer}/{number}")
                except once.exceptions.ClientError as error:
                    errors[f"{code_of(error)}: {error.response['Error'].get('Message', '')}"[:120]] += 1
                    stage.clock.sleep(pause)
                else:
                    break

    run_both(lambda: write("a"), lambda: write("b"))
    return Writers(dict(errors), 2 * _ROUTES, sum(1 for _ in pages(gateway.get_routes, ApiId=api)))


QUESTIONS: tuple[Question[Any], ...] = (
    Question("new-api", ask_openings, judge_openings, lambda options: Usage(requests=300 * options.fewer(5))),
    Question("two-writers", ask_writers, judge_writers, lambda _: Usage()),
)
