"""Schedules that have broken something once, by name."""

import pytest

from tests.simulation.plan import Fault, Hit, Job, Kind, Plan
from tests.simulation.schedule import play

TWO, THREE = ("hello", "worker"), ("hello", "api", "worker")

REGRESSIONS = {
    # A failed update leaves what it brought in $LATEST: the next run found nothing to change, and could not publish.
    "an update of the configuration fails, and the job is run again": Plan(
        jobs=(Job(Kind.RUN, 1, configures=True), Job(Kind.RUN, 1, start=30, configures=True)),
        faults=(Fault(Hit.UPDATE_FAILS, "lambda.UpdateFunctionConfiguration"),),
        same=((1, 0),),
    ),
    # The client repeats it, and API Gateway says that the route exists: the run took that for a failure.
    "the answer to CreateRoute is lost": Plan(
        jobs=(Job(Kind.RUN, 1),),
        faults=(Fault(Hit.LOST, "apigatewayv2.CreateRoute"),),
        exists=False,
    ),
    "the answer to CreateStage of a candidate's own endpoint is lost": Plan(
        jobs=(Job(Kind.ALONE, 1),),
        faults=(Fault(Hit.FAILED_AFTER, "apigatewayv2.CreateStage"),),
    ),
    # The client repeated it, API Gateway takes no token, and nobody knew the first of the two APIs.
    "the answer to CreateApi is lost": Plan(
        jobs=(Job(Kind.RUN, 1),),
        faults=(Fault(Hit.LOST, "apigatewayv2.CreateApi"),),
        exists=False,
    ),
    "the answer to CreateApi of a candidate's own endpoint is an error": Plan(
        jobs=(Job(Kind.ALONE, 1),),
        faults=(Fault(Hit.FAILED_AFTER, "apigatewayv2.CreateApi"),),
    ),
    # The first attempt took effect, and the last had no connection: nobody looked what had become of the first.
    "the answer to UpdateAlias is lost, and its repetitions have no connection": Plan(
        jobs=(Job(Kind.RUN, 1),),
        faults=(Fault(Hit.LOST_FOR_GOOD, "lambda.UpdateAlias"),),
    ),
    # Two runs of one commit beside each other, for the lock does not work: the second said it had changed nothing,
    # though its alias was made, and the answer lost, just before the first one kept it for the same commit.
    "the answer to CreateAlias is lost, and another run keeps the alias": Plan(
        jobs=(
            Job(Kind.STEPS, 5, lease=2, rate=1.05, fifo=True),
            Job(Kind.ALONE, 5, skew=600),
        ),
        faults=(Fault(Hit.LOST, "lambda.CreateAlias"), Fault(Hit.LATE_ANSWER, "apigatewayv2.GetApi", 2)),
        seed=106383,
        exists=False,
        has_lock=False,
    ),
    # As above, and no answer at all came, so that the run said the move was not to be seen: another had come after it.
    "the answers to UpdateAlias are all errors, and another run has moved on": Plan(
        jobs=(
            Job(Kind.RUN, 5, lease=2, rate=1.05, configures=True, invokes=True),
            Job(Kind.ONWARD, 2, start=0.17484789244350446, rate=0.95, skew=-600, configures=True),
            Job(Kind.RUN, 5, start=0.43839254720450826),
            Job(Kind.ALONE, 1, start=0.8747182908176732, lease=8, configures=True, invokes=True),
            Job(Kind.ALONE, 2, skew=-600),
        ),
        faults=(Fault(Hit.FAILED_FOR_GOOD, "lambda.UpdateAlias"),),
        seed=403011,
        bad=(5,),
        knows_history=False,
        has_lock=False,
    ),
    # The answers to two calls are late, so that the other run takes the endpoint for one of a dead run and strikes it
    # out: the run ended with an error that nobody had foreseen, and its endpoint stayed for good.
    "an endpoint is struck out while it is being made": Plan(
        jobs=(Job(Kind.ALONE, 1, lease=8), Job(Kind.RUN, 2, start=25)),
        faults=(
            Fault(Hit.LATE_ANSWER, "apigatewayv2.CreateRoute"),
            Fault(Hit.LATE_ANSWER, "apigatewayv2.CreateStage"),
        ),
    ),
    # The next environment gets, verified by itself, what a stranger has put into the one before: of no known commit.
    "an environment is promoted from one that a stranger has moved": Plan(
        jobs=(Job(Kind.RUN, 5), Job(Kind.ONWARD, 4, start=1.6)),
        faults=(Fault(Hit.STRANGER_ALIAS, "dynamodb.UpdateItem version"),),
    ),
    # The saga needs no lock, so nobody looked at it before it began: the run went on where that of one function stops.
    "the lock of one of the functions is opened while all are verified": Plan(
        jobs=(Job(Kind.RUN, 1, lease=2, functions=TWO),),
        faults=(Fault(Hit.UNLOCK, "lambda.UpdateFunctionCode"), Fault(Hit.LATE_ANSWER, "execute-api.Invoke")),
    ),
    # The only alias that was moved went from a version to the same, and the notes were about none.
    "a stranger splits the alias of one function, and no other has anything new": Plan(
        jobs=(Job(Kind.RUN, 1, functions=("hello", "api")), Job(Kind.RUN, 1, start=20, functions=("hello", "api"))),
        faults=(Fault(Hit.STRANGER_WEIGHTS, "lambda.GetFunctionConfiguration"),),
    ),
    # It took the holder for dead, since it was suspended itself; it met a beat, and went by what it had thought.
    "a waiter is suspended beyond the lease of the holder, which lives": Plan(
        jobs=(Job(Kind.RUN, 1, lease=2), Job(Kind.RUN, 2, start=0.3, fifo=True)),
        faults=(
            Fault(Hit.LATE_ANSWER, "lambda.UpdateFunctionCode", job=0),
            Fault(Hit.LATE_ANSWER, "execute-api.Invoke", job=0),
            Fault(Hit.PAUSED_AFTER, "dynamodb.UpdateItem lock", 2, 1),
        ),
    ),
    # One run read the alias while its release was under way, and recorded that move when it had been turned back.
    "a release is turned back between another run's look at the alias and its record": Plan(
        jobs=(
            Job(Kind.ALONE, 4, 0.49849650257638756, lease=2, skew=600, configures=True, functions=THREE),
            Job(Kind.RUN, 4, 0.20815864794621275, rate=0.95, functions=("mail", "hello")),
            Job(Kind.RUN, 3, 9.220203694071197, rate=1.05, skew=-600, configures=True, functions=("api",)),
        ),
        faults=(
            Fault(Hit.UNSENT_FOR_GOOD, "lambda.CreateAlias", job=0),
            Fault(Hit.FAILED_AFTER, "dynamodb.UpdateItem release"),
            Fault(Hit.DUPLICATED, nth=20, job=2),
        ),
        seed=31967,
        exists=False,
        has_lock=False,
    ),
    # The run had said that all has moved, and its post step turned it back: what it could not do was done already.
    "the record of a release fails, and whoever writes it is throttled": Plan(
        jobs=(Job(Kind.RUN, 2, functions=TWO),),
        faults=(
            Fault(Hit.UNSENT_FOR_GOOD, "dynamodb.TransactWriteItems done"),
            Fault(Hit.THROTTLED_FOR_GOOD, "lambda.UpdateAlias", 3),
        ),
    ),
    # The version was the one that it was to go back to, so nobody looked at the weights.
    "a stranger splits an alias while it goes back": Plan(
        jobs=(Job(Kind.RUN, 2, functions=TWO),),
        faults=(
            Fault(Hit.UNSENT_FOR_GOOD, "lambda.UpdateAlias"),
            Fault(Hit.STRANGER_WEIGHTS, "lambda.UpdateAlias back"),
        ),
        knows_history=False,
    ),
    # The same, with nothing in the way of the whole record: not the mark, which is gone, and not the sequence.
    "a release is turned back while the record of its move is on its way": Plan(
        jobs=(Job(Kind.RUN, 2, functions=TWO), Job(Kind.RUN, 3, start=5, lease=2, functions=("worker",))),
        faults=(
            Fault(Hit.UNSENT_FOR_GOOD, "lambda.UpdateAlias", job=0),
            Fault(Hit.LATE_EFFECT, "dynamodb.TransactWriteItems", job=1),
        ),
        seed=5,
        knows_history=False,
        has_lock=False,
    ),
    # Its first attempt to record the move met a release, and its second attempt the next one.
    "two releases, one after the other, are in the way of the record of a move": Plan(
        jobs=(
            Job(Kind.RUN, 5, lease=8, functions=("hello", "api")),
            Job(Kind.ONWARD_PROVEN, 3, functions=("hello", "api")),
            Job(Kind.RUN, 5, start=1.43, functions=("api",)),
        ),
        seed=45,
        bad=(3,),
        broken=(3,),
        has_lock=False,
    ),
    # Who finds a run dead at one of its locks does not wait at the next: there the run went on, for that had beaten.
    "the beats of one lock of two do not arrive": Plan(
        jobs=(
            Job(Kind.RUN, 1, lease=8, functions=TWO, configures=True),
            Job(Kind.RUN, 2, start=0.3, lease=2, functions=TWO, fifo=True),
        ),
        faults=(
            *(Fault(Hit.UNSENT, "dynamodb.UpdateItem lock beat", nth, 0) for nth in range(1, 14, 2)),
            Fault(Hit.LATE_ANSWER, "lambda.UpdateFunctionConfiguration", 2),
        ),
        seed=28,
    ),
}


@pytest.mark.parametrize("name", REGRESSIONS)
def test_is_mended(name: str) -> None:
    schedule = play(REGRESSIONS[name])
    assert len(schedule.faults.hit) <= len(REGRESSIONS[name].faults)
