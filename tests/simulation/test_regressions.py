"""Schedules that have broken a guarantee before, by name."""

import pytest

from tests.simulation.plan import Fault, Hit, Job, Kind, Plan
from tests.simulation.schedule import play

TWO, THREE = ("hello", "worker"), ("hello", "api", "worker")

REGRESSIONS = {
    # A failed update leaves its code in $LATEST. The next run found nothing to change, and could not publish.
    "an update of the configuration fails, and the job is run again": Plan(
        jobs=(Job(Kind.RUN, 1, configures=True), Job(Kind.RUN, 1, start=30, configures=True)),
        faults=(Fault(Hit.UPDATE_FAILS, "lambda.UpdateFunctionConfiguration"),),
        same=((1, 0),),
    ),
    # The client retries, and API Gateway responds that the route exists. The run treated this as a failure.
    "the response of CreateRoute is lost": Plan(
        jobs=(Job(Kind.RUN, 1),),
        faults=(Fault(Hit.LOST, "apigatewayv2.CreateRoute"),),
        exists=False,
    ),
    "the response of CreateStage of a preview endpoint is lost": Plan(
        jobs=(Job(Kind.ALONE, 1),),
        faults=(Fault(Hit.FAILED_AFTER, "apigatewayv2.CreateStage"),),
    ),
    # The client retried, API Gateway accepts no client token, and no record named the first of the two APIs.
    "the response of CreateApi is lost": Plan(
        jobs=(Job(Kind.RUN, 1),),
        faults=(Fault(Hit.LOST, "apigatewayv2.CreateApi"),),
        exists=False,
    ),
    "the response of CreateApi of a preview endpoint is an error": Plan(
        jobs=(Job(Kind.ALONE, 1),),
        faults=(Fault(Hit.FAILED_AFTER, "apigatewayv2.CreateApi"),),
    ),
    # The first attempt took effect, and the last one had no connection. The run did not check the first one's effect.
    "the response of UpdateAlias is lost, and its retries have no connection": Plan(
        jobs=(Job(Kind.RUN, 1),),
        faults=(Fault(Hit.LOST_FOR_GOOD, "lambda.UpdateAlias"),),
    ),
    # Two concurrent runs of one commit without a working lock: the second one reported that it had changed nothing,
    # although its alias was created and the response lost, just before the first run kept it for the same commit.
    "the response of CreateAlias is lost, and another run keeps the alias": Plan(
        jobs=(
            Job(Kind.STEPS, 5, lease=2, rate=1.05, fifo=True),
            Job(Kind.ALONE, 5, skew=600),
        ),
        faults=(Fault(Hit.LOST, "lambda.CreateAlias"), Fault(Hit.LATE_ANSWER, "apigatewayv2.GetApi", 2)),
        seed=106383,
        exists=False,
        has_lock=False,
    ),
    # As above, without any response, so the run reported that the move was not visible: another one had followed.
    "the responses of UpdateAlias are all errors, and another run has moved the alias": Plan(
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
    # The responses to two calls are late, so the other run treats the endpoint as one of a dead run and removes its
    # record. The first run ended with an unexpected error, and its endpoint stayed forever.
    "the record of an endpoint is removed during its creation": Plan(
        jobs=(Job(Kind.ALONE, 1, lease=8), Job(Kind.RUN, 2, start=25)),
        faults=(
            Fault(Hit.LATE_ANSWER, "apigatewayv2.CreateRoute"),
            Fault(Hit.LATE_ANSWER, "apigatewayv2.CreateStage"),
        ),
    ),
    # The next environment gets, with its own verification, an external change of the first one, whose commit is
    # unknown.
    "an environment is promoted from one that was moved externally": Plan(
        jobs=(Job(Kind.RUN, 5), Job(Kind.ONWARD, 4, start=1.6)),
        faults=(Fault(Hit.EXTERNAL_ALIAS, "dynamodb.UpdateItem version"),),
    ),
    # A release of several functions needs no lock once it has begun, so it was not checked before: the run continued,
    # although a run of one function stops.
    "the lock of one function is removed by force during the verification": Plan(
        jobs=(Job(Kind.RUN, 1, lease=2, functions=TWO),),
        faults=(Fault(Hit.UNLOCK, "lambda.UpdateFunctionCode"), Fault(Hit.LATE_ANSWER, "execute-api.Invoke")),
    ),
    # The only alias that was moved went from a version to the same version, and the notes were empty.
    "the alias of one function is split externally, and no other function is new": Plan(
        jobs=(Job(Kind.RUN, 1, functions=("hello", "api")), Job(Kind.RUN, 1, start=20, functions=("hello", "api"))),
        faults=(Fault(Hit.EXTERNAL_WEIGHTS, "lambda.GetFunctionConfiguration"),),
    ),
    # It treated the holder as dead, because it was suspended itself. It found a heartbeat, and ignored it.
    "a waiting run is suspended for longer than the lease of a live holder": Plan(
        jobs=(Job(Kind.RUN, 1, lease=2), Job(Kind.RUN, 2, start=0.3, fifo=True)),
        faults=(
            Fault(Hit.LATE_ANSWER, "lambda.UpdateFunctionCode", job=0),
            Fault(Hit.LATE_ANSWER, "execute-api.Invoke", job=0),
            Fault(Hit.PAUSED_AFTER, "dynamodb.UpdateItem lock", 2, 1),
        ),
    ),
    # One run read the alias during a release, and recorded that move after the release had been rolled back.
    "a release is rolled back between another run's read of the alias and its record": Plan(
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
    # The next run read the alias before it was rolled back, and the ledger afterwards. So the condition of its record,
    # that no release was rolled back since, held.
    "a release is rolled back between another run's reads of the alias and of the ledger": Plan(
        jobs=(
            Job(Kind.RUN, 5, lease=8, skew=-600, fifo=True, configures=True, functions=("hello", "api")),
            Job(Kind.RUN, 5, 1.0, lease=4, rate=0.95, configures=True, functions=("api", "hello")),
        ),
        faults=(
            Fault(Hit.UNSENT_FOR_GOOD, "lambda.UpdateAlias", job=0),
            Fault(Hit.LOST_UNREADABLE, "dynamodb.UpdateItem release"),
        ),
        seed=2,
        same=((4, 0),),
        page=1,
    ),
    # The run had reported that all aliases had moved, and its post step rolled the release back.
    "the record of a release fails, and its writes are throttled": Plan(
        jobs=(Job(Kind.RUN, 2, functions=TWO),),
        faults=(
            Fault(Hit.UNSENT_FOR_GOOD, "dynamodb.TransactWriteItems done"),
            Fault(Hit.THROTTLED_FOR_GOOD, "lambda.UpdateAlias", 3),
        ),
    ),
    # The version was the one that the rollback returned to, so the weights were not checked.
    "an alias is split externally during its rollback": Plan(
        jobs=(Job(Kind.RUN, 2, functions=TWO),),
        faults=(
            Fault(Hit.UNSENT_FOR_GOOD, "lambda.UpdateAlias"),
            Fault(Hit.EXTERNAL_WEIGHTS, "lambda.UpdateAlias back"),
        ),
        knows_history=False,
    ),
    # The same, and nothing prevents the whole record: the mark is removed, and the sequence is lower.
    "a release is rolled back before the record of its move arrives": Plan(
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
    "two releases, one after the other, prevent the record of a move": Plan(
        jobs=(
            Job(Kind.RUN, 5, lease=8, functions=("hello", "api")),
            Job(Kind.ONWARD_EXISTING, 3, functions=("hello", "api")),
            Job(Kind.RUN, 5, start=1.43, functions=("api",)),
        ),
        seed=45,
        bad=(3,),
        broken=(3,),
        has_lock=False,
    ),
    # A run that finds another one dead at one of its locks does not wait at the next lock. The other run continued
    # there, because it had sent a heartbeat.
    "the heartbeats of one lock of two do not arrive": Plan(
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
    # The function was deleted and created again, and then its alias. What the ledger knew of the old one did not count,
    # and the record of the version that the new alias serves was not read.
    "an alias of a new function serves a newer commit": Plan(
        jobs=(
            Job(Kind.ADOPT, 5, lease=8),
            Job(Kind.RUN, 4, start=1.4909698526961284, lease=2, skew=600),
            Job(Kind.RUN, 3, start=0.5939895679063223, lease=2, fifo=True),
            Job(Kind.RUN, 1, lease=8, rate=1.05, skew=600, knows=False),
            Job(Kind.ALONE, 2, start=4.947270328935427, lease=8, rate=0.95),
        ),
        faults=(
            Fault(Hit.EXTERNAL_ALIAS_DELETED, "github.CreateDeployment"),
            Fault(Hit.PAUSED_AFTER, nth=115),
            Fault(Hit.EXTERNAL_ALIAS_DELETED, nth=119),
            Fault(Hit.EXTERNAL_DELETED, nth=51),
        ),
        seed=207096,
        broken=(2,),
        has_lock=False,
    ),
    # The step before had just published the version. Its 404 counted, because this process had not created it.
    "the version to promote is not found yet": Plan(
        jobs=(Job(Kind.STEPS, 2, lease=2, fifo=True),),
        faults=(Fault(Hit.NOT_YET, "lambda.GetFunctionConfiguration", 2),),
        seed=5,
    ),
    # The run waited for capacity when a rollback moved the alias again. It failed at once, "after 15 minutes".
    "an alias moves again while a run waits for its capacity": Plan(
        jobs=(
            Job(Kind.RUN, 3, lease=4, functions=("hello", "worker")),
            Job(Kind.RUN, 4, start=20.0, run_id=1004, lease=4, functions=("hello", "worker"), is_lost=False),
            Job(Kind.ROLLBACK, 3, start=24.12908844210398, run_id=1005, lease=4, functions=("hello", "worker")),
            Job(Kind.RUN, 4, start=60.0, run_id=1004, lease=4, functions=("hello", "worker")),
        ),
        faults=(Fault(Hit.CRASH_BEFORE, "lambda.UpdateAlias", 1, 1),),
        seed=44548,
        is_provisioned=True,
    ),
}


@pytest.mark.parametrize("name", REGRESSIONS)
def test_is_mended(name: str) -> None:
    schedule = play(REGRESSIONS[name])
    assert len(schedule.faults.hit) <= len(REGRESSIONS[name].faults)
