"""Deploy, verify, promote: the protocol's steps, in the order in which they come."""

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from promote import configuration
from promote.ancestry import Relation
from promote.answers import unconfirmed_move
from promote.artifact import Image
from promote.aws import understood
from promote.capacity import require_free, settled
from promote.errors import ConflictError, LockError, RefusedError, UnconfirmedError
from promote.function import Moved, Pointed, changed_by_others, not_as_it_was
from promote.history import order
from promote.holding import Holding
from promote.inputs import Diverged, Endpoints
from promote.job import Job
from promote.latest import require_published
from promote.ledger import Pending
from promote.model import (
    LATEST_ENDPOINT,
    Alias,
    Candidate,
    Content,
    Endpoint,
    Kind,
    Outcome,
    Promotion,
    Result,
    RolledBack,
    Snapshot,
    Verdict,
    same_content,
)
from promote.parallel import side_by_side, within
from promote.records import Judged
from promote.rolledback import Barred, after_promotion, after_rollback, barred
from promote.snapshot import fingerprint
from promote.target import Target, finish_release, looked_again, staged
from promote.traffic import Split
from promote.trial import on_trial
from promote.verify.suite import KIND

_ANNOTATIONS = 9
"""Failed tests at whose lines the run is annotated: the runner shows ten errors of a step, and one is our own."""

_HURRY = 1.5
"""Seconds for each of the last calls of a run that was interrupted."""

_ATTEMPTS = 5
"""Decisions that are made again when somebody else was first; more often than that, somebody does not stop."""


@dataclass(frozen=True)
class Built:
    """A candidate and $LATEST as it was when both had settled."""

    candidate: Candidate
    latest: Snapshot
    alias: Alias | None = None
    """The environment's, as it was read before the version was."""


@dataclass(frozen=True)
class Examined:
    """What is known of the candidate before the promotion, and the alias as it was then."""

    verdict: Verdict | None
    """None: the environment serves the candidate, proven by the same checks."""
    alias: Alias | None
    is_fresh: bool = True
    """Whether the alias was read after the verification; else its RevisionId tells whether it is still so."""
    latest: Endpoint | None = None
    """The endpoint of $LATEST, where it was verified there."""
    is_reached: bool = False
    """Whether the environment's endpoint was seen to reach the function meanwhile."""
    revision_id: str = ""
    """The RevisionId of $LATEST after it was verified there."""


@dataclass(frozen=True)
class Proposal:
    """What is to be promoted, and why it may be."""

    candidate: Candidate
    commit: str
    """The commit that the environment is to have then."""
    run_id: int
    """The run that has built it, which says how old it is where the history does not; 0: not known."""
    plan: str
    """Digest of the verification that the candidate has passed."""
    verdict: Verdict | None = None
    """What is still to be recorded; None: the ledger has it."""
    token: str = ""
    """The key of the candidate's record that this promotion of one function uses up; empty: it has none."""
    kind: Kind = Kind.PROMOTION
    is_proven: bool = True
    """Whether it has a passed verdict; else a person has overridden that."""
    reason: str = ""
    by: str = ""
    instead_of: str = ""
    """The version that the environment must still serve; empty: any."""
    seen_under: str = ""
    """The RevisionId of the environment's alias that was read before the version was; empty: there was none.

    The alias goes with its function. So long as it has this RevisionId, the version is the one that was read."""


@dataclass(frozen=True)
class Standing:
    """How the commit that is to be promoted stands to the one that the environment has."""

    ours: str
    commit: str
    """The environment's; of both, empty: not known."""
    relation: Relation
    is_refused: bool = False
    """Whether the user does not want it promoted, since the histories have diverged or the order is not known."""
    cause: str = ""
    """Why the order is not known, without a full stop; empty: it is."""
    hint: str = ""
    """What makes it known, in sentences."""
    is_first: bool = False
    """Whether there is nothing to compare with: this action has not promoted to the environment yet."""
    barred: Barred | None = None
    """Why it would bring back what was rolled back; None: it would not. With an override it is not refused for that."""

    @property
    def is_older(self) -> bool:
        """Whether this run gives way."""
        return self.relation is Relation.OLDER


@dataclass(frozen=True)
class Decision:
    """How a promotion ended."""

    result: Result
    previous: str
    """The version that the alias pointed at; empty: there was no alias."""
    standing: Standing
    promotion: Promotion | None = None
    """The move that was made; None: none was needed."""
    warnings: tuple[str, ...] = ()
    since: str = ""
    """The commit of the environment's last promotion before; empty: there was none, or it is not known."""
    alias: Alias | None = None
    """The alias as it was last seen, after a move or without one; None: it was not seen."""


def standing(target: Target, ours: str, theirs: str | None) -> Standing:
    """Say how ``ours`` stands to ``theirs``, the environment's; None: there is nothing that could be newer.

    What has diverged is promoted, unless the input ``diverged`` refuses it. An order that is not known is refused,
    unless that input says ``promote``.
    """
    job = target.job
    if theirs is None:
        return Standing(ours, "", Relation.NEWER, is_first=True)
    found = order(ours, theirs, job.context, job.session, job.clock)
    cause, hint = found.cause, found.hint
    if not theirs:
        cause = f"the commit of what {target.environment} serves is not known"
        hint = "See with `command: status` what it serves, and who has moved its alias."
    if not ours:
        cause = "its commit is not known"
        hint = "Check out with actions/checkout, or give the commit with the input `commit`."
    wanted = job.inputs.diverged
    is_refused = (found.relation is Relation.DIVERGED and wanted is Diverged.REFUSE) or (
        found.relation is Relation.UNKNOWN and wanted is not Diverged.PROMOTE
    )
    return Standing(ours, theirs, found.relation, is_refused, cause, hint)


def ordered(
    target: Target, ours: str, content: Content | None = None, excused: Collection[str] = frozenset()
) -> Standing:
    """Say how ``ours`` stands to the environment's commit and to what was rolled back, before anything is deployed.

    ``content`` is what would be promoted, where that is known; ``excused`` is as for ``barred``. What the ledger says
    is enough to spare the work. Whether the alias may move is decided again, by the alias itself.
    """
    found = standing(target, ours, _commit_of(target, target.alias, content))
    return kept_out(target, found, content, excused=excused)


def kept_out(
    target: Target,
    found: Standing,
    content: Content | None,
    *,
    excused: Collection[str] = frozenset(),
    is_back: bool = False,
) -> Standing:
    """Say the same, and whether it would bring back what was rolled back; ``excused`` is as for ``barred``.

    A rollback (``is_back``) goes to older commits, so that there only the code counts.
    """
    entries = target.served.rolled_back
    if not entries:
        return found
    relate = partial(standing, target, found.ours)
    if is_back:
        entries = tuple(replace(entry, commit="") for entry in entries)
    bar = barred(entries, found.ours, content, relate, served=found.commit, excused=excused)
    if bar is None:
        return found
    return replace(found, barred=bar, is_refused=found.is_refused or not target.job.inputs.override)


def foreseen(target: Target) -> Content | None:
    """Say what the candidate is going to be, before it is deployed; None: that is not known."""
    latest, code = target.latest, target.code
    if latest is None or (isinstance(code, Image) and not code.is_in(latest.code_sha256)):
        return None
    changes = configuration.changes(target.job.inputs.configuration, latest.configuration)
    is_changed = code is not None and not code.is_in(latest.code_sha256)
    digest = code.code_sha256 if is_changed and code is not None and not isinstance(code, Image) else latest.code_sha256
    return Candidate("", digest, fingerprint({**latest.configuration, **changes}))


def _commit_of(target: Target, alias: Alias | None, content: Content | None) -> str | None:
    """Return the commit that the environment serves; empty: it is not known; None: this action has not promoted to it.

    If the alias was changed externally, the record of its version names the commit. ``content`` is what would be
    promoted. If the alias serves that already, as after a deployment by another tool, the ledger's commit counts.
    """
    if target.is_lost or alias is None:
        return None
    served, last = target.served, alias.promotion
    # An alias that has stayed as it was, while others of its release moved, knows of an earlier commit than the ledger.
    if last is not None and last.sequence > served.sequence and last.version == alias.version:
        return last.commit
    if served.sequence and (served.version == alias.version or alias.follows_latest):
        return served.commit
    snapshot = target.function.find(alias.version)
    if served.sequence and snapshot and content and same_content(snapshot, content):
        return served.commit
    unknown = "" if served.sequence or last else None
    record = target.ledger.version(alias.version)
    return str(record.get("commit", "")) or unknown if snapshot and snapshot.candidate.is_in(record) else unknown


def latest_endpoint(target: Target) -> Endpoint | None:
    """Give the endpoint that shows $LATEST; make the function and the endpoint where they are missing."""
    if target.latest is None and target.code is not None:
        target.job.say("deploy", f"creating the function {target.function.name}")
        target.function.create(staged(target.job, target.code), target.creation)
    return target.endpoints.obtain(LATEST_ENDPOINT, target.state.gateway(LATEST_ENDPOINT))


def deploy(target: Target, endpoint: Endpoint | None) -> Built:
    """Bring configuration and code to $LATEST and publish exactly that; give the version and $LATEST, both settled.

    ``endpoint`` is that of $LATEST: where it was just made, its permission has changed the RevisionId.

    Raises:
        ConflictError: somebody else keeps changing $LATEST, or has replaced what was to be adopted.

    """
    known = None if endpoint and endpoint.is_new else target.latest
    unseen: UnconfirmedError | None = None
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            latest = target.function.idle(known=known)
        except Exception as error:
            if unseen:
                raise unseen from error
            raise
        if target.code is None and target.latest and latest.code_sha256 != target.latest.code_sha256:
            raise changed_by_others(target.function.name)
        try:
            return _deploy_once(target, latest)
        except (ConflictError, UnconfirmedError) as error:
            # Also a write of our own whose answer was lost: reading again shows what is left to do.
            if attempt == _ATTEMPTS:
                raise
            unseen = error if isinstance(error, UnconfirmedError) else None
            target.job.say("deploy", "$LATEST is not what was read: reading it again")
            known = None
    raise AssertionError("unreachable")


def _deploy_once(target: Target, latest: Snapshot) -> Built:
    function, code, job = target.function, target.code, target.job
    changes = configuration.changes(job.inputs.configuration, latest.configuration)
    if changes:
        for line in configuration.describe(changes, latest.configuration):
            job.say("deploy", line)
        configured = function.configure(latest, changes)
        _require_ours(target, configured, latest.code_sha256)
        latest = configured
    if code is not None and (latest.has_failed or not code.is_in(latest.code_sha256)):
        stored = staged(job, code)
        if stored is not code:
            # It may have taken minutes. The environment's own alias was pinned before.
            alias = looked_again(target).alias
            require_published(function.name, [alias] if alias else [], job.inputs.latest_aliases)
        answer = function.upload(latest, stored)
        job.say("deploy", f"uploaded {code.describe()}, published as version {answer.version}")
    else:
        served = _served_version(target, latest)
        if served is not None:
            job.say("deploy", f"$LATEST is what version {served.version} was published from")
            if not is_proven(target, served.candidate):
                latest = awake(target, latest)
            return Built(served.candidate, latest, target.alias)
        latest = awake(target, latest)
        answer = function.publish(latest)
        job.say("deploy", f"published $LATEST as version {answer.version}")
    published, _ = side_by_side(lambda: function.settled(answer.version, known=answer), job.idle)
    # What digest the tag of an image stands for, only Lambda knows.
    expected = answer.code_sha256 if isinstance(code, Image) else code.code_sha256 if code else latest.code_sha256
    _require_ours(target, published, expected)
    if published.fingerprint != latest.fingerprint:
        raise changed_by_others(target.function.name)
    return Built(published.candidate, function.settled(), target.alias)


def _served_version(target: Target, latest: Snapshot) -> Snapshot | None:
    """Give the version that the environment serves, where it holds exactly what $LATEST does."""
    if not (target.served.version and same_content(latest, target.served)):
        return None
    version = target.function.find(target.served.version)
    if version is None or not same_content(version, latest):
        return None
    stays = is_proven(target, version.candidate) and target.alias and target.alias.version == version.version
    return version if stays else awake(target, version)


def awake(target: Target, version: Snapshot) -> Snapshot:
    """Give the version as it is when it can serve; an Inactive one is woken, and waited for.

    Raises:
        FunctionError: it cannot be woken.

    """
    if version.is_inactive:
        target.job.say("version", f"{version.version} is Inactive, because it was idle: waking it")
        return target.function.settled(version.version, known=version)
    return version


def looked_at(target: Target, proposal: Proposal, alias: Alias | None) -> Proposal:
    """See that the proposed version still is what was verified, and can serve; ``alias`` was just read.

    If a function is deleted and created again, its versions start at 1 again. The alias is deleted with it, so that an
    alias with the RevisionId from before the version was read proves the version. Otherwise the version is read again.

    Raises:
        ConflictError: it is not what was verified.
        FunctionError: it is Inactive and cannot be woken.

    """
    if alias is not None and alias.revision_id == proposal.seen_under:
        return proposal
    version = target.function.find(proposal.candidate.version)
    if version is None or not same_content(version, proposal.candidate):
        raise not_as_it_was(target.function.name, proposal.candidate.version, is_gone=version is None)
    awake(target, version)
    return replace(proposal, seen_under=alias.revision_id if alias else "")


def _require_ours(target: Target, snapshot: Snapshot, code_sha256: str) -> None:
    """Refuse what is not exactly the code and configuration that this run has deployed."""
    wanted = target.job.inputs.configuration
    if snapshot.code_sha256 != code_sha256 or configuration.changes(wanted, snapshot.configuration):
        raise changed_by_others(target.function.name)


def examine(target: Target, built: Built, endpoint: Endpoint | None) -> Examined:
    """Verify the candidate, unless the environment serves it proven; read the alias along with that."""
    if is_proven(target, built.candidate):
        target.job.say("verify", f"version {built.candidate.version} is proven already, by the same checks")
        return Examined(None, target.function.alias(target.environment), latest=endpoint)
    return verify(target, built, endpoint)


def examine_alone(target: Target, candidate: Candidate) -> Examined:
    """Verify the candidate at an endpoint of its own, where it needs one, unless the environment serves it proven."""
    if is_proven(target, candidate):
        target.job.say("verify", f"version {candidate.version} is proven already, by the same checks")
        return Examined(None, target.function.alias(target.environment))
    return Examined(verdict_alone(target, candidate), target.function.alias(target.environment))


def verdict_alone(target: Target, candidate: Candidate) -> Verdict:
    """Verify the candidate at an endpoint of its own, where it needs one."""
    target.ledger.record_candidate(candidate)
    has_gateways = target.job.inputs.endpoints is Endpoints.HTTP
    if target.verification.needs_url or (has_gateways and target.verification.needs_endpoint):
        with on_trial(target.job, target.trials, candidate.version) as (endpoint, heartbeat):
            verdict = _verify_alone(target, candidate, endpoint)
            try:
                heartbeat.require()
            except LockError:
                reason = "the endpoint may have been removed by another run, for this one was suspended or cut off"
                verdict = replace(verdict, outcome=Outcome.INCONCLUSIVE, reason=reason)
    else:
        verdict = _verify_alone(target, candidate, None)
    _tell(target, verdict)
    return verdict


def _verify_alone(target: Target, candidate: Candidate, endpoint: Endpoint | None) -> Verdict:
    target.job.say("verify", f"version {candidate.version}" + (f" at {endpoint.url}" if endpoint else ""))
    path = target.job.inputs.first_path
    if endpoint and not target.verification.has_commands:
        # Checks wait for it themselves, and each may be what shows that it reaches the function.
        is_reached = target.endpoints.answers(endpoint, path)
        return target.verification.run(endpoint, candidate.version, is_reached=is_reached)
    if endpoint:
        endpoint, problems = target.endpoints.confirm(endpoint, path)
        if problems:
            return _not_reached(target, candidate, endpoint, problems[0])
    return target.verification.run(endpoint, candidate.version, is_reached=True)


def _not_reached(target: Target, candidate: Candidate, endpoint: Endpoint | None, problem: str) -> Verdict:
    """Return the verdict where a new endpoint gives no answer of the function's own: a crash is the function's."""
    path = target.job.inputs.first_path
    crash = target.verification.crash(candidate.version, path) if target.endpoints.fails(endpoint, path) else None
    return crash or Verdict(Outcome.INCONCLUSIVE, (), problem.rstrip("."))


def is_proven(target: Target, candidate: Candidate) -> bool:
    """Whether the environment serves exactly this, proven by the same plan, so that nothing is left to find out."""
    served = target.served
    return served.version == candidate.version and served.plan == target.plan and same_content(candidate, served)


def verify(target: Target, built: Built, endpoint: Endpoint | None) -> Examined:
    """Verify the candidate, and make sure that $LATEST was the candidate all the while."""
    function, job = target.function, target.job
    candidate, latest = built.candidate, built.latest
    gap = configuration.gap_of_latest(latest.configuration)
    if target.verification.needs_endpoint and (gap or not same_content(latest, candidate)):
        target.ledger.record_candidate(candidate)
        verdict = Verdict(Outcome.INCONCLUSIVE, (), gap or OVERWRITTEN)
        return Examined(verdict, function.alias(target.environment), latest=endpoint)
    confirmed, problems = _confirmed(target, endpoint)
    if confirmed != endpoint:
        endpoint, latest = confirmed, function.settled()
    if problems:
        target.ledger.record_candidate(candidate)
        verdict = _not_reached(target, candidate, endpoint, problems[0])
        _tell(target, verdict)
        return Examined(verdict, function.alias(target.environment), latest=endpoint)
    job.say("verify", f"version {candidate.version}" + (f" at {endpoint.url}" if endpoint else ""))
    verdict, is_reached = side_by_side(
        lambda: target.verification.run(endpoint, candidate.version, is_reached=target.verification.has_commands),
        lambda: record_and_look(target, candidate),
    )
    mended = _mended(target, endpoint, verdict)
    if mended is not None:
        endpoint, problems = _confirmed(target, mended)
        latest = function.settled()
        verdict = (
            _not_reached(target, candidate, endpoint, problems[0])
            if problems
            else target.verification.run(endpoint, candidate.version, is_reached=target.verification.has_commands)
        )
    now = function.read()
    if target.verification.needs_endpoint and (
        now.revision_id != latest.revision_id or not same_content(latest, candidate)
    ):
        verdict = replace(verdict, outcome=Outcome.INCONCLUSIVE, reason=OVERWRITTEN)
    _tell(target, verdict)
    # Before a move, the alias need not be read again: its RevisionId is the condition of the move.
    alias = built.alias if verdict.passed else function.alias(target.environment)
    return Examined(verdict, alias, not verdict.passed, endpoint, is_reached, now.revision_id)


def _confirmed(target: Target, endpoint: Endpoint | None) -> tuple[Endpoint | None, tuple[str, ...]]:
    """Wait for an endpoint if there are commands: they take API Gateway's own answer for the function's."""
    if not target.verification.has_commands:
        return endpoint, ()
    return target.endpoints.confirm(endpoint, target.job.inputs.first_path)


def record_and_look(target: Target, candidate: Candidate) -> bool:
    """Record the candidate; then see whether the environment's endpoint reaches what its alias points at.

    It leads to the alias, whatever that points at: what would be wrong with it after the move shows before.
    """
    target.ledger.record_candidate(candidate)
    known = target.endpoints.known(target.environment, target.served.gateway)
    is_missing = target.endpoints.is_missing(target.environment, target.served.gateway)
    is_reached = not is_missing and target.endpoints.answers(known, target.job.inputs.first_path)
    target.job.idle()
    return is_reached


def _tell(target: Target, verdict: Verdict) -> None:
    """Say what was found, check by check; of tests, whose own output is in the log, only what has not passed."""
    job = target.job
    for check in verdict.checks:
        if check.kind == KIND and check.outcome in (Outcome.PASSED, Outcome.SKIPPED):
            continue
        mark = {Outcome.PASSED: "passed", Outcome.FAILED: "FAILED"}.get(check.outcome, "unknown")
        job.say(
            "",
            f"{mark:<7} {check.name} ({1000 * check.seconds:.0f} ms)" + (f": {check.detail}" if check.detail else ""),
        )
    tests = [check for check in verdict.checks if check.kind == KIND and check.file]
    if tests:
        job.say("", f"{sum(check.outcome is Outcome.PASSED for check in tests)} of {len(tests)} tests passed")
    located = [check for check in verdict.checks if check.outcome is Outcome.FAILED and check.file]
    for check in located[:_ANNOTATIONS]:
        job.workflow.error(check.detail or "failed", title=check.name, file=check.file, line=check.line)
    if job.steps.folder:
        from promote.verify import junit  # noqa: PLC0415 - seldom slower than what it is written beside

        # Beside the promotion, and never in its way.
        with suppress(OSError):
            seconds = sum(check.seconds for check in verdict.checks)
            junit.write(verdict, f"{target.function.name} {target.environment}", seconds, job.report_file)


OVERWRITTEN = "somebody else changed $LATEST during this run, so it is not known what the checks have tested"


def _mended(target: Target, endpoint: Endpoint | None, verdict: Verdict) -> Endpoint | None:
    """Mend the endpoint where API Gateway may have answered instead of the function; None: there was nothing to mend.

    That may also look like a success: to a check that wants a 404, for example.
    """
    if endpoint is None or not any(check.gateway_symptom for check in verdict.checks):
        return None
    return target.endpoints.mend(endpoint)


def promote(  # noqa: PLR0913 - what is promoted, and what is known of it
    target: Target,
    holding: Holding | None,
    proposal: Proposal,
    alias: Alias | None,
    moved: Callable[[Decision], None],
    *,
    is_fresh: bool = True,
) -> Decision:
    """Move the environment's alias, as it was read, as ``proposal`` says; ``holding`` is released with its record.

    If the alias was not just read (``is_fresh``), it is read again before the decision to leave it as it is.
    ``moved`` hears of it at once. From then on nothing that goes wrong makes this fail: a record that cannot be written
    is left to the next run.

    Raises:
        ConflictError: somebody else keeps moving the alias, or the version is not what was verified.
        FunctionError: Lambda refuses the move.
        UnconfirmedError: the alias may have moved, or may still move.

    """
    verdict = proposal.verdict
    for _ in range(_ATTEMPTS):
        target = target.seeing(alias)
        proposal = looked_at(target, proposal, alias)
        if (now := rested(target, proposal, alias)) is not alias:
            alias, is_fresh = now, True
            continue
        try:
            target, decision = _intended(target, proposal, alias, verdict)
        except Pending:
            target = finish_release(target)
            alias, is_fresh = target.alias, True
            continue
        verdict = None
        if decision.promotion is None:
            if is_fresh:
                return decision
            alias, is_fresh = target.function.alias(target.environment), True
            continue
        try:
            pointed = _move(target, alias, decision.promotion)
            decision = replace(decision, alias=pointed.alias)
            if pointed.moved is Moved.UNKNOWN:
                text = f"Somebody else has moved {target.environment} on since then: see what it serves now."
                decision = replace(decision, warnings=(*decision.warnings, text))
            if pointed.moved is not Moved.NO:
                moved(decision)
                return _recorded(target, holding, proposal, decision)
        except KeyboardInterrupt:
            _reconcile(target, holding, proposal, decision, moved)
            raise
        target.job.say("promote", f"{target.environment} was moved by somebody else meanwhile: deciding again")
        alias, is_fresh = target.function.alias(target.environment), True
    raise ConflictError(
        f"the alias {target.environment} was moved by somebody else each of the {_ATTEMPTS} times that this run tried",
        hint="See who else moves this alias (a console, another workflow); then run the job again.",
    )


def _intended(
    target: Target, proposal: Proposal, alias: Alias | None, verdict: Verdict | None
) -> tuple[Target, Decision]:
    """Decide, and record the verdict and the intent; a move that nobody has recorded yet is recorded before.

    Raises:
        Pending: the function is part of an unfinished release, or of another promotion since the ledger was read.

    """
    if alias and alias.promotion and alias.promotion.sequence > target.served.sequence:
        target = target.with_served(target.ledger.finish(target.environment, alias.promotion, target.served))
    decision = decide(target, proposal, alias)
    if needs_proof(proposal, decision):
        require_passed(target, proposal.candidate, target.ledger.judged(proposal.candidate))
    if verdict or decision.promotion:
        target.ledger.record_verdict(
            proposal.candidate,
            proposal.plan,
            verdict,
            decision.promotion,
            token=proposal.token,
            known=target.served.intent,
        )
    return target, decision


def needs_proof(proposal: Proposal, decision: Decision) -> bool:
    """Whether the ledger alone says that what is moved has passed, so that it is read again before the move."""
    is_moved = decision.promotion is not None and decision.promotion.previous is not None
    return is_moved and proposal.verdict is None and proposal.is_proven and proposal.kind is Kind.PROMOTION


def require_passed(target: Target, candidate: Candidate, judged: Judged) -> None:
    """Refuse a version that has not passed, or has failed since it passed.

    Raises:
        RefusedError: it is such a version.

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


def rested(target: Target, proposal: Proposal, alias: Alias | None, *, stays: bool = False) -> Alias | None:
    """Return the alias as it is when Lambda does not move provisioned concurrency any more.

    A rollback does not wait, and neither does an override, nor what changes nothing of the alias. With ``stays``, the
    alias is written though it stays where it is.

    Raises:
        FunctionError: that takes too long; nothing was changed.

    """
    is_waited_for = proposal.kind is not Kind.ROLLBACK and not target.job.inputs.override
    if alias is None or alias.split is not Split.CAPACITY or not is_waited_for:
        return alias
    if not stays and decide(target, proposal, alias).promotion is None:
        return alias
    return settled(target.job, target.function, alias)


def _move(target: Target, alias: Alias | None, promotion: Promotion) -> Pointed:
    """Move the alias; UNKNOWN: it took effect, and somebody else has moved the alias on since then.

    Whoever does that records our move before, so the ledger tells what the alias does not show any more.

    Raises:
        UnconfirmedError: the alias may have moved, or may still move.

    """
    unseen: UnconfirmedError | None = None
    try:
        pointed = target.function.point(alias, promotion)
    except UnconfirmedError as error:
        pointed, unseen = Pointed(Moved.UNKNOWN), error
    if pointed.moved is not Moved.UNKNOWN:
        return pointed
    try:
        is_recorded = target.ledger.has_recorded(promotion)
    except Exception as error:
        name = f"{target.environment} of {target.function.name}"
        raise unseen or unconfirmed_move(name, promotion.version, error) from error
    if unseen and not is_recorded:
        raise unseen
    return Pointed(Moved.UNKNOWN if is_recorded else Moved.NO)


def _reconcile(
    target: Target, holding: Holding | None, proposal: Proposal, decision: Decision, moved: Callable[[Decision], None]
) -> None:
    """Find out what became of a move that an interrupt has cut off and, if it took effect, record it.

    What does not get done in the few seconds that are left is done by the next run: the intent is in the ledger.
    """
    with suppress(Exception):
        alias = within(_HURRY, lambda: target.function.alias(target.environment))
        if alias is not None and alias.promotion == decision.promotion:
            moved(decision)
            within(_HURRY, lambda: _recorded(target, holding, proposal, decision))
            return
    name = f"{target.environment} of {target.function.name}"
    report_cut_off(target.job, f"moved {name} to version {proposal.candidate.version}")


def report_cut_off(job: Job, what: str) -> None:
    """Report that the run was cancelled while it did ``what``, which may have taken effect, or may still do so."""
    reports = job.reports
    if reports and not reports[-1].result.is_success:
        text = (
            f"The run was cancelled while it {what}. The alias may have moved, or may still move. See what it serves "
            "with command: status. The next run finds out, and finishes the record."
        )
        reports.append(replace(reports[-1], may_have_moved=True, warnings=(*reports[-1].warnings, text)))


def _recorded(target: Target, holding: Holding | None, proposal: Proposal, decision: Decision) -> Decision:
    assert decision.promotion is not None  # noqa: S101 - the caller has just made it
    release = holding.lock.giving_back(holding.lease) if holding and not holding.stays else None
    record = partial(
        target.ledger.record_promotion,
        decision.promotion,
        proposal.candidate,
        proposal.plan,
        token=proposal.token,
        release=release,
    )
    try:
        _write(target, record)
    except Exception as error:  # noqa: BLE001 - the alias has moved, whatever the table says
        text = f"The alias has moved, but the record of it failed: {understood(error)} The next run writes it."
        return replace(decision, warnings=(*decision.warnings, text))
    if holding:
        holding.is_given_back = True
    return decision


def _write(target: Target, record: Callable[[], None]) -> None:
    """Write the record of a move; a release of several functions that is in its way is brought to its end first.

    Raises:
        ConflictError: other runs have begun a release each time.

    """
    for _ in range(_ATTEMPTS):
        try:
            record()
        except Pending:
            finish_release(target)
        else:
            return
    raise ConflictError(
        f"{target.function.name} was part of another release each of the {_ATTEMPTS} times that it was written",
        hint="Run the jobs that release this function one after the other.",
    )


def decide(
    target: Target,
    proposal: Proposal,
    alias: Alias | None,
    sequence: int = 0,
    excused: Collection[str] = frozenset(),
) -> Decision:
    """Decide from what the alias says at this moment; the move is made only if it still says so.

    ``target`` was made by ``Target.seeing`` the same alias: what the ledger says of a deleted one decides nothing.
    ``sequence`` is that of the promotion, where it is the same for several functions; 0: the next of this one.
    ``excused`` is as for ``barred``.
    """
    run, served, candidate = target.job.run, target.served, proposal.candidate
    is_back = proposal.kind is Kind.ROLLBACK
    found = standing(target, proposal.commit, None if is_back else _commit_of(target, alias, candidate))
    found = kept_out(target, found, candidate, excused=excused, is_back=is_back)
    is_there = alias is not None and alias.version == candidate.version and not alias.is_moved_by_others
    previous = alias.version if alias else ""
    if proposal.instead_of not in ("", previous):
        raise ConflictError(
            f"{target.environment} was moved from version {proposal.instead_of} to {previous or 'nothing'} meanwhile",
            hint="See what it serves now (command: status), and go back from there if that is still wanted.",
        )
    is_known = served.version == candidate.version and served.plan == proposal.plan and same_content(candidate, served)
    if is_there and (is_back or found.is_older or (found.relation is Relation.SAME and is_known)):
        return Decision(Result.UNCHANGED, previous, found, alias=alias)
    if found.is_older and not is_back:
        return Decision(Result.SUPERSEDED, previous, found)
    if found.is_refused:
        return Decision(Result.REFUSED, previous, found)
    if not is_back:
        require_not_lower(target, proposal.commit, candidate, previous)
    require_free(target.function.name, alias, target.job.inputs, is_back=is_back)
    promotion = Promotion(
        environment=target.environment,
        version=candidate.version,
        previous=None if is_there else previous,
        commit=proposal.commit,
        run_id=proposal.run_id,
        attempt=run.attempt if proposal.run_id == run.run_id else 1,
        sequence=sequence or next_sequence(target, alias),
        operation=run.operation,
        kind=_kind(proposal, found, stays=is_there),
        is_proven=proposal.is_proven,
        reason=proposal.reason,
        by=proposal.by,
    )
    promotion = replace(promotion, rolled_back=_rolled_back(target, alias, promotion, candidate))
    made = Result.ROLLED_BACK if is_back else Result.PROMOTED
    warnings = () if is_back else tuple(_warnings(target, alias, found))
    return Decision(Result.UNCHANGED if is_there else made, previous, found, promotion, warnings, since=served.promoted)


def _kind(proposal: Proposal, found: Standing, *, stays: bool) -> Kind:
    """Return the kind of a move. A Description cannot tell any other one of an alias that ``stays`` where it is."""
    if stays:
        return Kind.PROMOTION
    return Kind.OVERRIDE if found.barred and proposal.kind is not Kind.ROLLBACK else proposal.kind


def _rolled_back(
    target: Target, alias: Alias | None, promotion: Promotion, candidate: Candidate
) -> tuple[RolledBack, ...] | None:
    """Give what must not return to the environment after a move; None: nothing, neither before it nor after it."""
    entries = target.served.rolled_back
    if promotion.kind is Kind.ROLLBACK:
        return after_rollback(entries, candidate, _left(target, alias, promotion) if alias else None)
    relate = partial(standing, target, promotion.commit)
    return after_promotion(entries, promotion.commit, candidate, relate) if entries else None


def _left(target: Target, alias: Alias, rollback: Promotion) -> RolledBack:
    """Say what a rollback leaves: what the environment has, also where external changes have brought it there."""
    served, version = target.served, alias.version
    content: Content | None = served
    commit = served.commit
    if served.version != version:
        content = target.function.find(version)
        commit = str(target.ledger.version(version).get("commit", "")) if version.isdecimal() else ""
    return RolledBack(
        version=version,
        code_sha256=content.code_sha256 if content else "",
        fingerprint=content.fingerprint if content else "",
        commit=commit,
        at=target.job.clock.now().isoformat(timespec="seconds"),
        reason=rollback.reason,
        by=rollback.by,
        promotion=rollback.identity,
    )


def require_not_lower(target: Target, commit: str, candidate: Candidate, served: str) -> None:
    """Refuse a version that is lower than the one ``served`` where its commit is not known.

    Lambda's numbers grow, so that it is the older one as far as anything is known of it.

    Raises:
        RefusedError: it is.

    """
    if commit or not served.isdecimal() or int(candidate.version) >= int(served):
        return
    raise RefusedError(
        f"version {candidate.version} of {target.function.name} is not promoted: its commit is not known, and "
        f"{target.environment} serves version {served}, which was published after it",
        hint=f"To go back, use `command: rollback` with `version: {candidate.version}`. Otherwise give its commit with "
        "the input `commit`.",
    )


def next_sequence(target: Target, alias: Alias | None) -> int:
    """Give the least that a further promotion may have."""
    return max(alias.promotion.sequence if alias and alias.promotion else 0, target.served.sequence) + 1


def _warnings(target: Target, alias: Alias | None, found: Standing) -> Iterator[str]:
    """Say what is to be looked into after a promotion that is made all the same."""
    name, ours = target.environment, found.ours
    if alias and alias.split is not Split.NONE:
        yield f"This promotion has ended a traffic split of {name} that this action had not set: {alias.shares}."
    elif alias and target.served.sequence and alias.is_moved_by_others and not target.ledger.is_pinned(alias):
        yield f"Somebody else had pointed {name} at version {alias.version} since its last promotion."
    if found.relation is Relation.DIVERGED:
        yield f"The history has parted: {found.commit[:10]}, which {name} served, is no ancestor of {ours[:10]}."
    if found.relation is Relation.UNKNOWN:
        yield f"{undecided(target, found)} It was promoted, since the input diverged says so."
    if found.is_first and alias:
        yield (
            f"{name} served version {alias.version}, which this action has not promoted. Its commit is not known, so "
            "the order of commits was not checked."
        )


def undecided(target: Target, found: Standing) -> str:
    """Say that the order of commits is not known, and why."""
    where = f"{target.environment} of {target.function.name}"
    ours = found.ours[:10] or "what is to be promoted"
    theirs = f"{found.commit[:10]}, which is in {where}" if found.commit else f"what is in {where}"
    return f"Cannot tell whether {ours} is newer than {theirs}: {found.cause}."
