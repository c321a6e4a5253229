"""The decisions about an unfinished release: complete it, roll it back, or leave it to another run."""

from dataclasses import replace

import pytest

from promote.core.errors import AccessError, ConflictError, PromoteError, RefusedError, UnconfirmedError
from promote.core.promotion import Alias, Kind, Promotion, ReleaseKey, placeholder
from promote.core.recovery import (
    AliasMove,
    Failure,
    Intent,
    Movement,
    Step,
    after_error,
    after_unread,
    failure_of,
    is_restored,
    next_alias,
    next_step,
    stop_reason,
)
from promote.core.release import Release, ReleasePart, Stage, Undo
from promote.core.traffic import Capacity
from promote.core.version import Candidate

ARN = "arn:aws:lambda:eu-central-1:123456789012:function"
UNDO = Undo("2026-01-02T03:04:05", "slow", "octocat")
OURS, FOUND, CANCELLED, UNDOING = Intent(is_ours=True), Intent(), Intent(is_cancelled=True), Intent(undo=UNDO)
DENIED = AccessError("AWS denies lambda:UpdateAlias", hint="Grant it.")
REFUSED = RefusedError("version 2 has failed since it passed", hint="Verify it again.")
LOST = UnconfirmedError("the response was lost")


def move(previous: str | None = "1", kind: Kind = Kind.PROMOTION) -> Promotion:
    return Promotion("prod", "2", previous, "c" * 40, 7, 1, 5, "ab12", kind)


def before(version: str = "1") -> Alias:
    return Alias("prod", version, "revision", "as it was", {})


def part(name: str = "api", previous: str | None = "1", kind: Kind = Kind.PROMOTION) -> ReleasePart:
    return ReleasePart(f"{ARN}:{name}", move(previous, kind), Candidate("2", "c", "f"), "plan", 4, before())


def release(*parts: ReleasePart, stage: Stage = Stage.MOVING, undone: Undo | None = None) -> Release:
    found = parts or (part(),)
    return Release(ReleaseKey(found[0].arn, "release#prod#5"), "prod", found, 7, stage=stage, undone=undone)


def after(alias: Alias | None = None, promotion: Promotion | None = None) -> Alias:
    """Return the alias after its move."""
    moved = promotion or move()
    return replace(alias or before(), version=moved.version, revision_id="next", description=moved.description)


YES, NO = AliasMove(part(), Movement.YES, after()), AliasMove(part("worker"), Movement.NO)


@pytest.mark.parametrize(
    ("intent", "found", "stops"),
    [
        (OURS, release(), False),
        (FOUND, release(), False),
        (CANCELLED, release(), True),
        (UNDOING, release(), True),
        # A user who rolls back wants the result of an unfinished rollback.
        (UNDOING, release(part(kind=Kind.ROLLBACK)), False),
        (UNDOING, release(part(previous=None)), False),
        (UNDOING, release(part(previous=None), part("worker")), True),
        (UNDOING, release(part(previous=None), part("worker", kind=Kind.ROLLBACK)), False),
    ],
)
def test_a_cancelled_run_and_a_rollback_move_no_more_aliases(intent: Intent, found: Release, *, stops: bool) -> None:
    assert intent.stops(found) is stops
    reason = stop_reason(found, intent, None)
    assert (reason is not None) is stops
    assert next_step(found, intent, reason) is (Step.READ_ALIASES if stops else Step.MOVE_ALIASES)


def test_a_version_that_has_failed_since_moves_no_more_aliases() -> None:
    assert stop_reason(release(), FOUND, REFUSED) is REFUSED
    assert next_step(release(), FOUND, REFUSED) is Step.READ_ALIASES


@pytest.mark.parametrize(
    ("intent", "undone", "step"),
    [
        (OURS, None, Step.RESTORE_ALIASES),
        (CANCELLED, None, Step.RESTORE_ALIASES),
        (UNDOING, None, Step.RECORD_UNDO),
        (UNDOING, UNDO, Step.RESTORE_ALIASES),
        (FOUND, UNDO, Step.RESTORE_ALIASES),
    ],
)
def test_who_rolls_back_is_recorded_once_before_the_aliases_are_restored(
    intent: Intent, undone: Undo | None, step: Step
) -> None:
    assert next_step(release(stage=Stage.ROLLING_BACK, undone=undone), intent, None) is step


@pytest.mark.parametrize("stage", [Stage.DONE, Stage.ROLLED_BACK])
@pytest.mark.parametrize("intent", [OURS, FOUND, CANCELLED, UNDOING])
def test_what_has_ended_stays_as_it_is(stage: Stage, intent: Intent) -> None:
    assert next_step(release(stage=stage), intent, None) is Step.END


@pytest.mark.parametrize("intent", [OURS, FOUND, CANCELLED, UNDOING])
@pytest.mark.parametrize("stopped", [None, REFUSED])
def test_a_release_whose_aliases_have_all_moved_is_completed_by_any_run(
    intent: Intent, stopped: PromoteError | None
) -> None:
    assert failure_of([YES, replace(YES, part=part("worker"))], intent, stopped) is None


def test_a_stopped_release_is_rolled_back_for_the_reason_of_the_stop() -> None:
    assert failure_of([YES, NO], UNDOING, REFUSED) == Failure(REFUSED)


def test_the_first_problem_rolls_all_aliases_back_and_a_refused_move_needs_no_fence() -> None:
    moved = ConflictError("changed externally", hint="Find out.")
    found = [YES, replace(NO, problem=LOST), replace(NO, part=part("mail"), problem=moved)]
    assert failure_of(found, FOUND, None) == Failure(LOST, (f"{ARN}:mail",))


def test_a_missing_permission_rolls_back_our_own_release_and_leaves_that_of_another_job() -> None:
    found = [YES, replace(NO, problem=DENIED)]
    assert failure_of(found, OURS, None) == Failure(DENIED, (f"{ARN}:worker",))
    with pytest.raises(AccessError, match="AWS denies") as raised:
        failure_of(found, FOUND, None)
    assert raised.value.hint == "Run a job that may move the aliases of all its functions. Grant it."


@pytest.mark.parametrize("intent", [OURS, FOUND])
def test_an_alias_that_may_have_moved_leaves_the_release_as_it_is(intent: Intent) -> None:
    found = [replace(NO, problem=DENIED), AliasMove(part(), Movement.UNKNOWN, problem=LOST), YES]
    with pytest.raises(UnconfirmedError):
        failure_of(found, intent, None)


def test_an_alias_with_the_description_of_its_move_has_moved_whatever_the_error_was() -> None:
    assert after_error(release(), part(), LOST, after()) == AliasMove(part(), Movement.YES, after())
    assert after_error(release(), part(), DENIED, before()) == AliasMove(part(), Movement.NO, problem=DENIED)


def test_the_problem_of_one_function_of_several_names_it() -> None:
    several = release(part(), part("worker"))
    refused = after_error(several, part("worker"), DENIED, before())
    assert str(refused.problem) == "the alias of worker was not moved: AWS denies lambda:UpdateAlias"
    assert refused.is_denied
    lost = after_error(several, part("worker"), LOST, before())
    assert str(lost.problem) == "the alias of worker is not known to have moved: the response was lost"
    assert not lost.is_denied


@pytest.mark.parametrize(
    ("problem", "is_begun_here", "moved"),
    [
        (LOST, True, Movement.UNKNOWN),
        (LOST, False, Movement.UNKNOWN),
        (DENIED, False, Movement.UNKNOWN),
        (DENIED, True, Movement.NO),
    ],
)
def test_an_alias_that_cannot_be_read_may_have_moved_unless_only_this_process_could_move_it(
    problem: PromoteError, moved: Movement, *, is_begun_here: bool
) -> None:
    found = after_unread(release(), part(), problem, is_begun_here=is_begun_here)
    assert (found.moved, found.problem) == (moved, problem)


def test_a_rollback_restores_what_moved_and_fences_what_did_not() -> None:
    found, one = release(), part()
    assert next_alias(found, one, after()) == before()
    fenced = next_alias(found, one, before())
    assert fenced == replace(before(), description=found.fence)
    assert next_alias(found, one, replace(before(), revision_id="fenced", description=found.fence)) == before()


def test_a_rollback_leaves_an_external_change_and_takes_back_only_our_description() -> None:
    found, one = release(), part()
    theirs = replace(after(), version="9")
    assert next_alias(found, one, theirs) == replace(theirs, description="as it was")
    split = replace(after(), weights={"9": 0.5})
    assert next_alias(found, one, split) == replace(split, description="as it was")
    strange = Alias("prod", "9", "other", "by hand", {})
    assert next_alias(found, one, strange) is None
    assert not is_restored(found, one, strange)
    touched = Alias("prod", "9", "other", found.fence, {})
    assert next_alias(found, one, touched) == replace(touched, description="as it was")


def test_a_rolled_back_first_release_leaves_an_alias_that_serves_nothing() -> None:
    found = release()
    one = replace(part(previous=""), before=None)
    remaining = Alias("prod", "2", "", placeholder("2", found.key.identity), {})
    assert next_alias(found, one, None) == remaining
    assert next_alias(found, one, after(promotion=one.promotion)) == remaining
    assert next_alias(found, one, Alias("prod", "9", "other", "by hand", {})) is None
    assert is_restored(found, one, replace(remaining, revision_id="any"))
    assert not is_restored(found, one, replace(remaining, version="9"))
    assert not is_restored(found, one, None)


def test_a_weight_that_lambda_has_set_does_not_keep_an_alias_from_being_restored() -> None:
    found, one = release(), part()
    moving = replace(after(), weights={"1": 1.0}, capacity=Capacity.MOVING)
    assert next_alias(found, one, moving) == before()
    assert is_restored(found, one, replace(before(), weights={"2": 1.0}, capacity=Capacity.MOVING))
    assert not is_restored(found, one, replace(before(), weights={"9": 0.5}))


def test_all_traffic_on_the_version_that_a_rollback_left_may_be_lambdas_weight() -> None:
    """Also if the state of provisioned concurrency could not be read."""
    found, one = release(), part()
    unknown = replace(before(), capacity=Capacity.UNKNOWN)
    assert is_restored(found, one, replace(unknown, weights={"2": 1.0}))
    for weights in ({"2": 0.5}, {"2": 0.0}, {"9": 1.0}):
        assert not is_restored(found, one, replace(unknown, weights=weights))
