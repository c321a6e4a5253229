"""Schedules that Hypothesis draws, so that it can reduce one that breaks something."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.simulation.plan import CALLS, UPDATES, Fault, Hit, Job, Kind, Plan
from tests.simulation.schedule import play

alone = st.builds(
    Job,
    kind=st.sampled_from([kind for kind in Kind if kind is not Kind.TWIN]),  # begun only by its first job
    commit=st.integers(1, 5),
    start=st.sampled_from([0.0, 0.3, 1.0, 3.0, 10.0]),
    lease=st.sampled_from([2, 4, 8]),
    rate=st.sampled_from([1.0, 0.95, 1.05]),
    skew=st.sampled_from([0, 600, -600]),
    fifo=st.booleans(),
    configures=st.booleans(),
    invokes=st.booleans(),
)

several = st.builds(
    Job,
    kind=st.sampled_from([Kind.RUN, Kind.ALONE, Kind.ROLLBACK, Kind.ONWARD, Kind.ONWARD_EXISTING]),
    commit=st.integers(1, 5),
    start=st.sampled_from([0.0, 0.3, 1.0, 3.0, 10.0]),
    lease=st.sampled_from([2, 8]),
    configures=st.booleans(),
    functions=st.sampled_from([("hello", "worker"), ("worker", "api", "hello"), ("mail", "worker"), ("worker",)]),
)

jobs = st.one_of(alone, alone, several)

faults = st.one_of(
    st.builds(
        Fault,
        hit=st.sampled_from([hit for hit in Hit if hit is not Hit.UPDATE_FAILS]),
        call=st.sampled_from(["", *CALLS]),
        nth=st.integers(1, 30),
        job=st.integers(-1, 4),
    ),
    st.builds(Fault, hit=st.just(Hit.UPDATE_FAILS), call=st.sampled_from(UPDATES)),
)

plans = st.builds(
    Plan,
    jobs=st.lists(jobs, min_size=2, max_size=5).map(tuple),
    faults=st.lists(faults, max_size=5).map(tuple),
    seed=st.integers(0, 1000),
    bad=st.lists(st.integers(1, 5), max_size=2, unique=True).map(tuple),
    same=st.sampled_from([(), ((3, 1),), ((5, 0),)]),
    exists=st.sampled_from([True, True, False]),
    knows_history=st.booleans(),
    has_lock=st.booleans(),
    page=st.sampled_from([0, 0, 1, 3]),
)

# Only the developer needs the file of failed examples, and derandomized runs need none.
settings.register_profile(
    "schedules",
    deadline=None,
    database=None,
    derandomize=True,
    print_blob=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
thorough = settings(settings.get_profile("schedules"), max_examples=120)


@thorough
@given(plan=plans)
def test_no_schedule_breaks_a_guarantee(plan: Plan) -> None:
    play(plan)


def test_even_calls_and_no_fault() -> None:
    """The result of reduction: each call takes equally long, and there are no faults."""
    schedule = play(Plan((Job(Kind.RUN, 1), Job(Kind.ALONE, 2), Job(Kind.STEPS, 3))))
    assert schedule.watch.commits == {("hello", "preprod"): 3}
