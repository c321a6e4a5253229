"""Mutants: small defects in the protocol. The guarantees must catch each of them.

A mutant changes one place in the source of a module when it is imported. The files do not change. The old text must
occur exactly once.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

from tests.simulation import world_mutants
from tests.simulation.mutant import Mutant
from tests.simulation.plan import ANNOUNCING, BEGINNING, RELEASING, ROLLBACK_CALLS, Hit

GITHUB = tuple(call for call in ANNOUNCING if call.startswith("github."))

MUTANTS = (
    Mutant(
        "release without owner and token",
        "promote.state.lock",
        'return "Update", self._release_change({"owner": lease.owner, "token": lease.token})',
        'return "Update", self._release_change({}, "attribute_exists(#owner)")',
    ),
    Mutant(
        "the token does not grow",
        "promote.state.lock",
        'expressions={"token": "if_not_exists(#token, :zero) + :one"}',
        'expressions={"token": "if_not_exists(#token, :one)"}',
    ),
    Mutant(
        "the lock is taken though another run holds it",
        "promote.state.lock",
        'change = self._acquire_change(f"{_FREE} AND {_NONE_WAIT}", {"none": []})',
        'change = self._acquire_change(_NONE_WAIT, {"none": []})',
    ),
    Mutant(
        "a holder counts as dead after half of its lease",
        "promote.core.lock_state",
        "return self.silence(claim, now) > claim.lease",
        "return self.silence(claim, now) > claim.lease / 2",
    ),
    Mutant(
        "a holder counts as dead although it has sent a heartbeat since",
        "promote.state.lock",
        'self._release_change(values, f"{_OURS} AND #beat = :beat")',
        'self._release_change(values, f"{_OURS} AND #beat >= :beat")',
        ("dynamodb.UpdateItem lock",),
        (Hit.LATE_ANSWER,),
    ),
    Mutant(
        "a lease starts at the response",
        "promote.state.heartbeat",
        "self._trusted_until = sent + self._lease",
        "self._trusted_until = self._clock.monotonic() + self._lease",
        ("dynamodb.UpdateItem lock beat",),
    ),
    Mutant(
        "a lease never expires for its holder",
        "promote.state.heartbeat",
        "if self._clock.monotonic() >= self._trusted_until:",
        "if self._clock.monotonic() >= self._trusted_until + 9999:",
    ),
    Mutant(
        "an unlock leaves no record",
        "promote.state.ledger",
        'self._table.transact([("Put", self._table.insertion(entry)), opening], what=what)',
        "self._table.transact([opening], what=what)",
    ),
    Mutant(
        "an unlock does not raise the token",
        "promote.state.lock",
        'assign={"token": token, "opened"',
        'assign={"token": found.token, "opened"',
    ),
    Mutant(
        "a requested lock is not saved for the post step",
        "promote.github.actions.job_state",
        "self.locks[location] = token or self.locks.get(location, 0)",
        "pass",
    ),
    Mutant(
        "the alias is moved without its RevisionId",
        "promote.aws.lambda_aliases",
        "            RevisionId=alias.revision_id,\n",
        "",
    ),
    Mutant(
        "weights are not cleared",
        "promote.aws.lambda_aliases",
        '            RoutingConfig={"AdditionalVersionWeights": wanted.weights},\n',
        "",
        ("lambda.UpdateFunctionCode", "lambda.GetAlias", "execute-api.Invoke"),
    ),
    Mutant(
        "weights are not noticed",
        "promote.core.promotion",
        "return promotion is None or promotion.version != self.version or self.split.is_external",
        "return promotion is None or promotion.version != self.version",
    ),
    Mutant(
        "the operation does not identify a move",
        "promote.aws.lambda_aliases",
        "            if found is not None and found.promotion == promotion:",
        "            if found is not None and found.version == promotion.version:",
    ),
    Mutant(
        "a move with a lost response counts as failed",
        "promote.aws.lambda_aliases",
        "            if not is_unknown and code_of(error) not in STALE:",
        "            if code_of(error) not in STALE:",
        ("lambda.UpdateAlias",),
    ),
    Mutant(
        "a last attempt without a connection counts as never sent",
        "promote.aws.confirmation",
        "context[_MARK] = earlier or not _was_never_sent(exception)",
        "context[_MARK] = not _was_never_sent(exception)",
        ("lambda.UpdateAlias",),
    ),
    Mutant(
        "a refusal means that earlier attempts had no effect",
        "promote.aws.confirmation",
        "metadata[_MARK] = earlier",
        "metadata[_MARK] = False",
        ("lambda.UpdateAlias",),
        (Hit.LOST_THEN_THROTTLED, Hit.LOST_THEN_REFUSED),
    ),
    Mutant(
        "a retry that finds its own effect counts as a lost race",
        "promote.aws.lambda_aliases",
        """            if found is not None and found.promotion == promotion:
                return found
""",
        "",
        ("lambda.UpdateAlias",),
    ),
    Mutant(
        "an older run supersedes a newer one",
        "promote.state.lock_queue",
        "if claim.replaces(self._claim):",
        "if self._claim.replaces(claim):",
    ),
    Mutant(
        "the RevisionId is taken from the update's response",
        "promote.aws.lambda_states",
        "    while _is_pending(response):\n        if function.clock",
        "    while False:\n        if function.clock",
    ),
    Mutant(
        "a published version must have the next number",
        "promote.aws.lambda_function",
        "        return snapshot(response)\n\n    def check_code",
        '        return snapshot({**response, "Version": str(int(latest.version.replace("$LATEST", "0")) + 2)})\n\n'
        "    def check_code",
    ),
    Mutant(
        "a candidate with a preview endpoint is verified at $LATEST",
        "promote.aws.api_gateway",
        'return "" if qualifier == LATEST_ENDPOINT else qualifier.partition("#")[0]',
        'return "" if qualifier == LATEST_ENDPOINT or "#" in qualifier else qualifier',
    ),
    Mutant(
        "the environment's endpoint shows $LATEST",
        "promote.aws.api_gateway",
        'return "" if qualifier == LATEST_ENDPOINT else qualifier.partition("#")[0]',
        'return qualifier.partition("#")[0] if "#" in qualifier else ""',
    ),
    Mutant(
        "$LATEST is not read again after the job's own steps",
        "promote.commands.promote",
        "latest.revision_id != deployment.revision_id or not same_content(latest, source.candidate)",
        "False",
    ),
    Mutant(
        "any verdict counts as passed",
        "promote.state.version_records",
        'return Verdicts(record.get("passed"), record.get("failure"))',
        'return Verdicts(record.get("verdict"))',
        hits=(Hit.EXTERNAL_ALIAS,),
    ),
    Mutant(
        "a rollback does not compare the alias with what it was when it began",
        "promote.core.decision",
        'if request.instead_of not in ("", previous):',
        "if False:",
        # The rollback reads the alias, and something moves it before the rollback does.
        calls=("lambda.GetAlias",),
        hits=(Hit.EXTERNAL_LATEST,),
    ),
    Mutant(
        "what was rolled back returns",
        "promote.core.rolled_back",
        "is_kept_out = bar.entry.promotion not in overridden",
        "is_kept_out = False",
        hits=(Hit.RERUN,),
    ),
    Mutant(
        "a rollback does not record what it leaves",
        "promote.core.rolled_back",
        "added = [left] if left and not is_same(left, content) else []",
        "added: list[RolledBack] = []",
        hits=(Hit.RERUN,),
    ),
    Mutant(
        "only the commit that was rolled back stays out, but not its code",
        "promote.core.rolled_back",
        "return bool(entry.code_sha256) and same_content(entry, content)",
        "return False",
    ),
    Mutant(
        "a candidate is not claimed before the move",
        "promote.pipeline.promote",
        """            further.append(ledger.candidates.claim_update(request.token, recorded.promotion))
            refusals.append(partial(ledger.candidates.claimed, request.token))
""",
        "            pass\n",
        hits=(Hit.RERUN,),
    ),
    Mutant(
        "a preview endpoint in use counts as left by a dead run",
        "promote.state.endpoint_records",
        "> 2 * lease + _SLACK",
        "> -1",
    ),
    Mutant(
        "a preview endpoint is not removed",
        "promote.pipeline.previews",
        "            self.gateways.remove(preview.qualifier, found)\n        self.ledger.previews.end",
        "            pass\n        self.ledger.previews.end",
    ),
    Mutant(
        "no ancestry",
        "promote.core.commit_order",
        "return self.relation is CommitRelation.OLDER",
        "return False",
    ),
    Mutant(
        "an unknown order counts as newer",
        "promote.core.commit_order",
        "CommitRelation.UNKNOWN: diverged is not Diverged.PROMOTE",
        "CommitRelation.UNKNOWN: False",
        ("github.Compare",),
    ),
    Mutant(
        "the order is decided once, before the deployment",
        "promote.core.decision",
        "    if order.is_older and not is_back:\n        return Decision(Result.SUPERSEDED, previous, order)\n",
        "",
    ),
    Mutant(
        "the sequence does not grow",
        "promote.pipeline.decision",
        "alias.promotion else 0, target.served.sequence) + 1",
        "alias.promotion else 0, target.served.sequence, 1)",
    ),
    Mutant(
        "a verdict is not bound to the content of $LATEST",
        "promote.pipeline.verify",
        "        now.revision_id != latest.revision_id or not same_content(latest, candidate)\n",
        "        False\n",
        ("execute-api.Invoke", "dynamodb.PutItem version"),
    ),
    Mutant(
        "a verification at $LATEST begins while old code may answer",
        "promote.pipeline.settling",
        "if left > 0:",
        "if left > seconds:",
    ),
    Mutant(
        "an upload of code that $LATEST had already does not count as an update",
        "promote.pipeline.deploy",
        "    if is_uploaded:\n",
        "    if updated.code_sha256 != latest.code_sha256:\n",
        ("lambda.UpdateFunctionConfiguration", "lambda.UpdateFunctionCode"),
        (Hit.UPDATE_FAILS,),
    ),
    Mutant(
        "$LATEST is not read again after the verification",
        "promote.pipeline.verify",
        "now.revision_id != latest.revision_id or not same_content(latest, candidate)",
        "not same_content(latest, candidate)",
        ("execute-api.Invoke", "dynamodb.PutItem version"),
    ),
    Mutant(
        "no fingerprint of the configuration",
        "promote.aws.fingerprint",
        "parts: dict[str, Any] = {name: configuration.get(name) for name in CONFIGURABLE}",
        'return "0" * 64\n    parts: dict[str, Any] = {}',
        ("lambda.GetFunctionConfiguration",),
    ),
    Mutant(
        "an inconclusive verdict counts as passed",
        "promote.core.verdict",
        "return self.outcome is Outcome.PASSED\n",
        "return self.outcome is not Outcome.FAILED\n",
        ("execute-api.Invoke", "lambda.Invoke"),
    ),
    Mutant(
        "the verdict is not recorded before the move",
        "promote.state.version_records",
        'further: dict[str, Any] = {"passed": record} if verdict.passed else {}',
        "further: dict[str, Any] = {}",
    ),
    Mutant(
        "the loser of a race for an endpoint deletes the other's",
        "promote.pipeline.endpoints",
        "self._gateways.delete(gateway)",
        "self._gateways.delete(winner)",
        ("apigatewayv2.CreateApi", "apigatewayv2.GetRoutes", "apigatewayv2.GetStages", "apigatewayv2.GetApis"),
    ),
    Mutant(
        "code in $LATEST is not uploaded again although its update failed",
        "promote.pipeline.deploy",
        "if code is not None and (latest.has_failed or not code.is_in(latest.code_sha256)):",
        "if code is not None and not code.is_in(latest.code_sha256):",
        ("lambda.UpdateFunctionConfiguration", "lambda.CreateFunction"),
        (Hit.UPDATE_FAILS,),
    ),
    Mutant(
        "a repeated CreateRoute is an error",
        "promote.aws.api_gateway",
        "RouteKey=ROUTE, Target=integration), find)",
        "RouteKey=ROUTE, Target=integration))",
        ("apigatewayv2.CreateRoute",),
    ),
    Mutant(
        "an API is created again without checking the effect of the first call",
        "promote.aws.api_gateway",
        "found = self.find(qualifier, None)\n                if found:\n                    return found",
        "found = None",
        ("apigatewayv2.CreateApi",),
        (Hit.LOST, Hit.FAILED_AFTER),
    ),
    Mutant(
        "the lock is not released with the record of the promotion",
        "promote.pipeline.promote",
        "locks = [held.lock.release_update(held.lease) for held in held_locks if not held.kept_for_job]",
        "locks: list[tuple[str, dict[str, str]]] = []",
    ),
    Mutant(
        "an error of GitHub fails the run",
        "promote.pipeline.announce",
        'yield f"GitHub does not show what {name} serves: {to_promote_error(error).full_text}"',
        "raise",
        GITHUB,
    ),
    Mutant(
        "notes that cannot be written fail the run",
        "promote.pipeline.announce",
        "def _warning(error: Exception) -> str:\n    return",
        "def _warning(error: Exception) -> str:\n    raise error\n    return",
        ("dynamodb.PutItem notes",),
    ),
    Mutant(
        "GitHub always receives a success",
        "promote.pipeline.announce",
        "is_success=move is not None,",
        "is_success=True,",
    ),
    Mutant(
        "a promotion fails if its announcement is interrupted",
        "promote.action",
        "    if certain.result.is_success:\n",
        "    if False:\n",
        ANNOUNCING,
        (Hit.SIGINT, Hit.SIGTERM),
    ),
    Mutant(
        "a holder is removed although the attempt found a heartbeat",
        "promote.state.lock",
        """            return LockState.read(refused.item)
        self.found_dead.add(state.holder.owner)""",
        """            self.found_dead.add(state.holder.owner)
            return LockState.read(refused.item)""",
        ("dynamodb.UpdateItem lock",),
        (Hit.PAUSED, Hit.PAUSED_AFTER),
    ),
    Mutant(
        "a move is recorded although the function is part of a release",
        "promote.state.ledger",
        'condition=f"{_FREE} AND (attribute_not_exists(#sequence) OR #sequence < :sequence) AND {known}",',
        'condition=f"(attribute_not_exists(#sequence) OR #sequence < :sequence) AND {known}",',
        RELEASING,
    ),
    Mutant(
        "a release begins although a function is part of another one",
        "promote.state.release_records",
        'condition=f"attribute_not_exists(#pending) AND {known}",',
        "condition=known,",
        RELEASING,
    ),
    Mutant(
        "a release begins although a function was promoted since it was read",
        "promote.state.release_records",
        'known = "#sequence = :sequence" if part.sequence',
        'known = "#sequence >= :sequence" if part.sequence',
        RELEASING,
    ),
    Mutant(
        "unchanged functions are not part of the release",
        "promote.state.release_records",
        """        for part in release.parts:
            known =""",
        """        for part in release.moves:
            known =""",
        RELEASING,
    ),
    Mutant(
        "a release begins although a lock was lost",
        "promote.pipeline.promote",
        """    for held in held_locks:
        held.heartbeat.require()
""",
        "",
        ("execute-api.Invoke", "lambda.GetAlias", "dynamodb.Query release", BEGINNING),
    ),
    Mutant(
        "a decision about an unchanged function is valid after the release",
        "promote.pipeline.release",
        "            moved = function.move_alias(part.before, part.promotion)\n",
        "            if not part.moves:\n                return AliasMove(part, Movement.YES, part.before)\n"
        "            moved = function.move_alias(part.before, part.promotion)\n",
        RELEASING,
    ),
    Mutant(
        "a move that the ledger lacks is recorded from an alias that was read before the ledger",
        "promote.pipeline.promote",
        """    return _read(part) if _unrecorded(part.target) else part
""",
        """    target, moved = part.target, _unrecorded(part.target)
    if moved:
        target = target.with_served(target.ledger.record_move(target.environment, moved, target.served))
    return replace(part, target=target)
""",
        ("dynamodb.UpdateItem release",),
        (Hit.LOST_UNREADABLE,),
    ),
    Mutant(
        "the verdicts are not recorded when the release begins",
        "promote.pipeline.promote",
        """            further.append(ledger.versions.verdict_update(request.candidate, request.plan, request.verdict))
            refusals.append(partial(replaced, request.candidate))
""",
        "            pass\n",
        RELEASING,
    ),
    Mutant(
        "a release that begins again has the previous sequence",
        "promote.pipeline.promote",
        "sequence = attempt + max(next_sequence(part.target, part.target.alias) for part in parts)",
        "sequence = max(next_sequence(part.target, part.target.alias) for part in parts)",
        RELEASING,
    ),
    Mutant(
        "a release has the lowest sequence of its functions",
        "promote.pipeline.promote",
        "sequence = attempt + max(next_sequence(part.target, part.target.alias) for part in parts)",
        "sequence = attempt + min(next_sequence(part.target, part.target.alias) for part in parts)",
        RELEASING,
    ),
    Mutant(
        "a function with a newer commit does not stop the others",
        "promote.pipeline.promote",
        "if result in (Result.SUPERSEDED, Result.REFUSED) or not any(",
        "if result is Result.REFUSED or not any(",
        RELEASING,
    ),
    Mutant(
        "a release begins although a function has not passed",
        "promote.pipeline.part",
        "return any(part.is_blocked for part in parts)",
        "return all(part.is_blocked for part in parts)",
        RELEASING,
    ),
    Mutant(
        "a release is done although not everything has moved",
        "promote.core.recovery",
        "    if all(move.moved is Movement.YES for move in moves):\n",
        "    if intent.is_ours or all(move.moved is Movement.YES for move in moves):\n",
        ROLLBACK_CALLS,
    ),
    Mutant(
        "a release that is rolled back is done",
        "promote.state.release_records",
        'parts = [self._transition(release, Stage.DONE, {"ended": now})]',
        'parts = [self._transition(self.read(release.key), Stage.DONE, {"ended": now})]',
        RELEASING,
    ),
    Mutant(
        "a release that is done is rolled back",
        "promote.state.release_records",
        "_, change = self._transition(release, Stage.ROLLING_BACK",
        "_, change = self._transition(self.read(release.key), Stage.ROLLING_BACK",
        RELEASING,
    ),
    Mutant(
        "a stage can follow any other",
        "promote.state.release_records",
        """            condition=f"#stage = :before{further}",
""",
        """            condition=f"(attribute_exists(#stage) OR #stage = :before){further}",
""",
        RELEASING,
    ),
    Mutant(
        "aliases that have not moved get no fence",
        "promote.core.recovery",
        """        return replace(before, description=release.fence)
    if alias is None or not""",
        """        return None
    if alias is None or not""",
        ROLLBACK_CALLS,
    ),
    Mutant(
        "new aliases get no fence",
        "promote.core.recovery",
        "return _remaining(release, part) if alias is None else None",
        "return None",
        ROLLBACK_CALLS,
    ),
    Mutant(
        "an alias is rolled back although it was changed externally",
        "promote.pipeline.alias_rollback",
        "function.restore_alias(alias, wanted), None",
        "function.restore_alias(function.alias(release.environment), wanted), None",
        ROLLBACK_CALLS,
    ),
    Mutant(
        "only the first alias is rolled back",
        "promote.pipeline.alias_rollback",
        "return self._restored(release, part)",
        "return part is not release.moves[0] or self._restored(release, part)",
        ROLLBACK_CALLS,
    ),
    Mutant(
        "a release of another run is always rolled back",
        "promote.core.recovery",
        """    if all(move.moved is Movement.YES for move in moves):
        return None
""",
        """    if intent.is_ours and all(move.moved is Movement.YES for move in moves):
        return None
    stopped = stopped or _STOPPED
""",
        RELEASING,
    ),
    Mutant(
        "a release of another run is always completed",
        "promote.pipeline.release",
        "release = self.records.start_rollback(ended.release, failure.problem, failure.denied, undo)\n",
        "release = ended.release\n        if intent.is_ours:\n"
        "            release = self.records.start_rollback(ended.release, failure.problem, failure.denied, undo)\n",
        ("dynamodb.UpdateItem release",),
        (Hit.CRASH_BEFORE,),
    ),
    Mutant(
        "a run removes a function from an unfinished release",
        "promote.pipeline.recover",
        "        release = finish(target.job, pending, undo)\n",
        """        table, sk = target.job.table, "environment#" + target.environment
        table.update(table.change(target.ledger.arn, sk, remove=("pending",)))
""",
        RELEASING,
    ),
    Mutant(
        "the post step does not finish the release",
        "promote.pipeline.release",
        "if found is None or found.stage.is_final:",
        "if True:",
        RELEASING,
    ),
    Mutant(
        "a release is not saved for the post step",
        "promote.pipeline.promote",
        """    job.state.begin(place, release.key.sk)
    try:""",
        "    try:",
        RELEASING,
    ),
    Mutant(
        "several locks are acquired in the order of the input",
        "promote.pipeline.held_locks",
        "in_order = sorted(targets, key=lambda target: target.ledger.arn)",
        "in_order = targets",
        RELEASING,
    ),
    Mutant(
        "several locks are released only by the post step",
        "promote.pipeline.locks",
        "        if not held_lock.kept_for_job:\n            _release",
        "        if not (held_lock.kept_for_job or job.part):\n            _release",
        RELEASING,
    ),
    Mutant(
        "half of a release is promoted to the next environment",
        "promote.pipeline.source",
        """        states = map_and_wait([target.ledger.read for target in targets], CALLS_AT_ONCE)
""",
        """        if name:
            return sources
        states = map_and_wait([target.ledger.read for target in targets], CALLS_AT_ONCE)
""",
        RELEASING,
    ),
    Mutant(
        "a release that a rollback has undone may return",
        "promote.state.release_records",
        "kept_out = self._kept_out(release, release.undone) if release.undone else {}",
        "kept_out: dict[str, dict[str, Any]] = {}",
        RELEASING,
    ),
    Mutant(
        "a rollback undoes an unfinished rollback",
        "promote.core.recovery",
        "return None if release.kind is Kind.ROLLBACK or not release.moves else self.undo",
        "return self.undo if release.moves else None",
        RELEASING,
    ),
    Mutant(
        "a rollback of a release that is being rolled back is not recorded",
        "promote.core.recovery",
        "is_new = release.undone is None and intent.undo_of(release) is not None",
        "is_new = False",
        RELEASING,
    ),
    Mutant(
        "the end of a release overlooks that a user has rolled it back",
        "promote.state.release_records",
        'known = "" if release.undone else " AND attribute_not_exists(#undone)"',
        'known = ""',
        RELEASING,
    ),
    Mutant(
        "a rollback completes a release that it finds late",
        "promote.pipeline.promote",
        "return replace(part, target=undo_release(part.target)[0])",
        "return replace(part, target=finish_release(part.target))",
        RELEASING,
    ),
    *world_mutants.MUTANTS,
)


class _Loader(SourceFileLoader):
    """Compiles a module with the mutant's text."""

    mutant: Mutant

    def get_code(self, fullname: str) -> CodeType:
        """Compile the changed source, because cached bytecode is that of the original."""
        source = self.get_source(fullname)
        count = source.count(self.mutant.old) if source else 0
        if source is None or count != 1:
            raise ImportError(f"mutant {self.mutant.name!r}: its text stands {count} times in {fullname}")
        return compile(source.replace(self.mutant.old, self.mutant.new), self.path, "exec", dont_inherit=True)


class _Finder(MetaPathFinder):
    """Finds the changed module."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._mutant.module:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.origin is None:
            raise ImportError(f"there is no module {fullname}")
        loader = _Loader(fullname, spec.origin)
        loader.mutant = self._mutant
        spec.loader = loader
        return spec


def install(name: str) -> Mutant:
    """Install the mutant in this process, before any of the product is imported."""
    loaded = [module for module in sys.modules if module == "promote" or module.startswith("promote.")]
    if loaded:
        raise RuntimeError(f"too late: {loaded[0]} is imported already")
    mutant = next(mutant for mutant in MUTANTS if mutant.name == name)
    sys.meta_path.insert(0, _Finder(mutant))
    return mutant
