"""What must hold at the moment of a move: the version is what was verified, it has passed, and it can serve."""

from promote.aws.lambda_function import not_as_it_was
from promote.core.decision import Decision, PromotionRequest
from promote.core.errors import RefusedError
from promote.core.promotion import Kind
from promote.core.traffic import Split
from promote.core.version import Candidate, same_content
from promote.pipeline.capacity import require_free, settled
from promote.pipeline.deploy import awake
from promote.pipeline.target import Target
from promote.state.version_records import Judged


def require_same_version(target: Target, request: PromotionRequest) -> None:
    """Check that the requested version is still what was verified, and can serve. ``target.alias`` was just read.

    If a function is deleted and created again, its versions start at 1 again. The alias is deleted with it, so an alias
    with the RevisionId from before the version was read proves the version. Otherwise the version is read again.

    Raises:
        ConflictError: It is not what was verified.
        FunctionError: It is Inactive and cannot be woken.

    """
    alias = target.alias
    if alias is not None and alias.revision_id == request.seen_under:
        return
    version = target.function.find(request.candidate.version)
    if version is None or not same_content(version, request.candidate):
        raise not_as_it_was(target.function.name, request.candidate.version, is_gone=version is None)
    awake(target, version)


def require_verdict(target: Target, request: PromotionRequest, decision: Decision) -> None:
    """Read again whether what is moved has passed, if the ledger alone says so.

    Raises:
        RefusedError: It has not passed, or has failed since it passed.

    """
    is_moved = decision.promotion is not None and decision.promotion.previous is not None
    if is_moved and request.verdict is None and request.is_proven and request.kind is Kind.PROMOTION:
        require_passed(target, request.candidate, target.ledger.versions.judged(request.candidate))


def require_passed(target: Target, candidate: Candidate, judged: Judged) -> None:
    """Refuse a version that has not passed, or has failed since it passed.

    Raises:
        RefusedError: It is such a version.

    """
    if judged.proof is None:
        raise RefusedError(
            f"version {candidate.version} of {target.function.name} has no passed verdict",
            hint="Verify it here (checks, tests, test-command or invoke); or promote it unproven with override: true "
            "and a reason, which is recorded.",
        )
    if judged.failure is not None:
        at, run_id = str(judged.failure.get("at", ""))[:10], judged.failure.get("run_id")
        raise RefusedError(
            f"version {candidate.version} of {target.function.name} has passed, but failed verification since then "
            f"({at}, run {run_id}): {judged.failure.get('reason')}",
            hint="Verify it again here (checks, tests, test-command or invoke); or promote it with override: true and "
            "a reason, which is recorded.",
        )


def wait_for_capacity(target: Target, request: PromotionRequest) -> bool:
    """Wait while Lambda moves provisioned concurrency of the alias; return whether that was needed.

    A rollback does not wait, and neither does an override.

    Raises:
        PromoteError: That takes too long, or has failed, or others have split the traffic. Nothing was changed.

    """
    alias, is_back = target.alias, request.kind is Kind.ROLLBACK
    require_free(target.function.name, alias, target.job.inputs, is_back=is_back)
    if alias is None or alias.split is not Split.CAPACITY or is_back or target.job.inputs.override:
        return False
    settled(target.job, target.function, alias)
    return True
