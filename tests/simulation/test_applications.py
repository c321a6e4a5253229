"""Releases of several functions: killed at each call, and two concurrent applications that share a function."""

from collections.abc import Iterator
from itertools import count
from random import Random

import pytest

from promote.core.release import Stage
from promote.core.run import Result
from tests.simulation.functions import FUNCTIONS
from tests.simulation.invariants import ENVIRONMENT
from tests.simulation.plan import Fault, Hit, Job, Kind, Plan
from tests.simulation.schedule import Schedule, beginning

THREE, ONE = ("hello", "api", "worker"), ("worker",)


def swept(faults: tuple[Fault, ...], hit: Hit, recovering: tuple[str, ...]) -> Iterator[tuple[Schedule, list[int]]]:
    """Kill a release of three functions at its first call, then at its second, and so on. Play one more run after each.

    That run is of a commit whose ``worker`` is broken, so that it deploys nothing new. Yield each schedule with the
    commits that the three functions serve at its end.
    """
    for number in count(1):
        plan = Plan(
            jobs=(
                Job(Kind.RUN, 2, functions=THREE, is_lost=True, diverged="promote"),
                Job(Kind.RUN, 3, start=40, functions=recovering, diverged="promote"),
            ),
            faults=(*faults, Fault(hit, nth=number, job=0)),
            broken=(3,),
            knows_history=False,  # so that GitHub is not asked for notes afterwards
        )
        schedule = Schedule(plan, beginning(FUNCTIONS))
        schedule.play(closes=False)
        if not any(happened is hit for _, happened in schedule.faults.hit):
            return
        places = [(function, ENVIRONMENT) for function in THREE]
        schedule.watch.releases.require_rest(places)
        yield schedule, [schedule.watch.commits[place] for place in places]


@pytest.mark.parametrize("hit", [Hit.CRASH_BEFORE, Hit.CRASH_AFTER])
@pytest.mark.parametrize("recovering", [THREE, ONE])
def test_killed_at_each_call_the_next_run_brings_all_to_one_release(hit: Hit, recovering: tuple[str, ...]) -> None:
    served = []
    for schedule, commits in swept((), hit, recovering):
        assert len(set(commits)) == 1, schedule.faults.hit
        assert all(release.stage is Stage.DONE for release in schedule.watch.releases.known.values())
        served += commits
    # Once it has begun, it is completed, because nothing prevents it.
    assert served == sorted(served)
    assert set(served) == {0, 2}


@pytest.mark.parametrize(("hit", "recovering"), [(Hit.CRASH_BEFORE, ONE), (Hit.CRASH_AFTER, THREE)])
def test_killed_at_each_call_of_a_release_that_cannot_go_on_all_are_brought_back_or_forward(
    hit: Hit, recovering: tuple[str, ...]
) -> None:
    stages = set()
    for schedule, commits in swept((Fault(Hit.UNSENT_FOR_GOOD, "lambda.UpdateAlias", 2),), hit, recovering):
        assert len(set(commits)) == 1, schedule.faults.hit
        stages |= {release.stage for release in schedule.watch.releases.known.values()}
    assert stages == {Stage.DONE, Stage.ROLLED_BACK}


@pytest.mark.parametrize("is_turned", [False, True])
def test_two_applications_at_once_that_share_a_function(*, is_turned: bool) -> None:
    """Fifty races each: no deadlock, and no function serves half of a release."""
    results = set()
    for seed in range(1, 51):
        first, second = ("hello", "worker"), ("worker", "mail") if seed % 2 else ("mail", "worker")
        older, newer = (second, first) if is_turned else (first, second)
        chance = Random(seed)
        schedule = Schedule(
            Plan(
                jobs=(
                    Job(Kind.RUN, 2, start=chance.random(), functions=older),
                    Job(Kind.RUN, 3, start=chance.random(), functions=newer),
                    Job(chance.choice((Kind.RUN, Kind.ALONE)), 3, start=chance.random(), functions=older[::-1]),
                ),
                seed=seed,
                has_lock=seed % 5 > 0,
            ),
            beginning(FUNCTIONS),
        )
        schedule.play()
        releases = schedule.watch.releases
        releases.require_rest((function, ENVIRONMENT) for function in FUNCTIONS)
        assert {schedule.watch.commits[function, ENVIRONMENT] for function in (*first, *second)} == {3}
        if schedule.plan.has_lock:
            results |= {actor.reports[-1].result for actor in schedule.actors if actor.place >= 0}
    assert results == {Result.PROMOTED, Result.SUPERSEDED}
