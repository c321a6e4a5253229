"""Read what the decision about a promotion depends on. ``promote.core.decision`` decides."""

from collections.abc import Collection

from promote.core import decision as core
from promote.core.decision import Decision, PromotionRequest, Situation
from promote.core.promotion import Alias, Kind, RolledBack
from promote.core.version import Candidate, Content
from promote.pipeline.order import commit_of, compare_all, kept_out, order_back
from promote.pipeline.target import Target

ATTEMPTS = 5
"""The most attempts to change an alias or $LATEST if other runs or external changes change it first."""


def is_verified(target: Target, candidate: Candidate) -> bool:
    """Return whether the environment serves ``candidate`` and it passed the same checks, so it need not be verified."""
    return target.served.has_passed(candidate, target.plan)


def decide(
    target: Target, request: PromotionRequest, sequence: int, excused: Collection[str] = frozenset()
) -> Decision:
    """Decide whether the alias of ``target`` moves. The move fails if the alias changes after it was read.

    ``sequence`` is that of the release. ``excused`` is as for ``barred``. The errors are those of
    ``promote.core.decision.decide``.
    """
    alias, served, candidate, job = target.alias, target.served, request.candidate, target.job
    is_back = request.kind is Kind.ROLLBACK
    if not is_back:
        found, orders = compare_all(target, request.commit, commit_of(target, alias, candidate))
        order = kept_out(target, found, candidate, orders, excused)
    else:
        order, orders = order_back(target, request.commit, candidate, excused), {}
    may_be_pinned = alias is not None and bool(served.sequence) and alias.is_moved_by_others
    situation = Situation(
        function=target.function.name,
        place=job.place,
        environment=target.environment,
        order=order,
        alias=alias,
        served=served,
        sequence=sequence,
        run=job.run,
        override=job.inputs.override,
        is_pinned=alias is not None and may_be_pinned and target.ledger.is_pinned(alias),
        left=_left(target, alias) if is_back and alias else None,
        orders=orders,
    )
    return core.decide(request, situation)


def _left(target: Target, alias: Alias) -> RolledBack:
    """Return the version that a rollback leaves, which may have been set externally."""
    served, version = target.served, alias.version
    content: Content | None = served
    commit = served.commit
    if served.version != version:
        content = target.function.find(version)
        commit = str(target.ledger.versions.read(version).get("commit", "")) if version.isdecimal() else ""
    return RolledBack(
        version=version,
        code_sha256=content.code_sha256 if content else "",
        fingerprint=content.fingerprint if content else "",
        commit=commit,
        at=target.job.clock.now().isoformat(timespec="seconds"),
        reason="",
        by="",
        promotion="",
    )


def next_sequence(target: Target, alias: Alias | None) -> int:
    """Return the lowest sequence that the next promotion may have."""
    return max(alias.promotion.sequence if alias and alias.promotion else 0, target.served.sequence) + 1
