"""What must hold when an alias moves: the version is unchanged, has a passed verdict, and can serve."""

from promote.aws.lambda_function import not_as_it_was
from promote.core.decision import Decision, PromotionRequest, require_free
from promote.core.promotion import Kind
from promote.core.traffic import Split
from promote.core.version import same_content
from promote.pipeline.capacity import wait_for_capacity_move
from promote.pipeline.deploy import ensure_active
from promote.pipeline.target import Target


def require_same_version(target: Target, request: PromotionRequest) -> None:
    """Check that the requested version is still the verified one, and can serve. ``target.alias`` was just read.

    If a function is deleted and created again, its versions start at 1 again. Its aliases are deleted with it. So if
    the alias still has the RevisionId that it had before the version was read, the version is unchanged. Otherwise the
    version is read again.

    Raises:
        ConflictError: The version is not the verified one.
        FunctionError: The version is Inactive, and does not become Active.

    """
    alias = target.alias
    if alias is not None and alias.revision_id == request.seen_under:
        return
    version = target.function.find(request.candidate.version)
    if version is None or not same_content(version, request.candidate):
        raise not_as_it_was(target.function.name, request.candidate.version, is_gone=version is None)
    ensure_active(target, version)


def require_verdict(target: Target, request: PromotionRequest, decision: Decision) -> None:
    """Read the verdict again before the move, if it comes from the ledger and not from this run.

    Raises:
        RefusedError: The version has no passed verdict, or has failed since it passed.

    """
    needs_verdict = decision.promotion is not None and decision.promotion.needs_verdict
    if needs_verdict and request.verdict is None:
        verdicts = target.ledger.versions.verdicts(request.candidate)
        verdicts.require_passed(target.function.name, request.candidate.version)


def wait_for_capacity(target: Target, request: PromotionRequest) -> bool:
    """Wait while Lambda moves the alias's provisioned concurrency, and return whether that was needed.

    Rollbacks and overrides do not wait.

    Raises:
        PromoteError: Lambda takes too long or has failed, or the traffic was split externally. Nothing was changed.

    """
    alias, is_back, override = target.alias, request.kind is Kind.ROLLBACK, target.job.inputs.override
    require_free(target.function.name, alias, override=override, is_back=is_back)
    if alias is None or alias.split is not Split.CAPACITY or is_back or override:
        return False
    wait_for_capacity_move(target.job, target.function, alias)
    return True
