"""Read everything that a run works on, and refuse what cannot work."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from promote.aws.artifact import Code, Image, load, stage
from promote.aws.clients import CALLS_AT_ONCE
from promote.aws.handler_file import require_handler
from promote.aws.lambda_function import Function
from promote.core.concurrency import map_and_wait, run_both
from promote.core.decision import require_free
from promote.core.endpoint import LATEST_ENDPOINT
from promote.core.errors import ConflictError, FunctionError, InputError, RecordError
from promote.core.promotion import Alias
from promote.core.redaction import Redactor
from promote.core.run import join_names
from promote.core.version import Snapshot
from promote.inputs.model import Configuration, Inputs, Isolation
from promote.inputs.usage import Command
from promote.pipeline import configuration
from promote.pipeline.endpoints import Endpoints
from promote.pipeline.job import Job
from promote.pipeline.latest import require_known, require_published
from promote.pipeline.locks import make_lock
from promote.pipeline.previews import Previews
from promote.pipeline.target import Target, keeps_endpoints
from promote.state.ledger import State
from promote.verification import registry
from promote.verification.log_groups import Console
from promote.verification.process import CommandContext, environment
from promote.verification.verification import Verification

if TYPE_CHECKING:
    from promote.notes.render import Template


def _prepare_one(job: Job) -> Target:
    """Read everything about one function, and refuse what cannot work."""
    inputs, clients, clock = job.inputs, job.clients, job.clock
    region = clients.resolve_region()
    clients.require_runtime(inputs.configuration.runtime)
    checks = registry.parse(inputs, job.context.workspace)
    template = read_template(job)
    function = job.function
    _ = clients.function  # made first, because its call is the first
    code, ((latest, aliases), _) = run_both(
        lambda: load(
            inputs.artifact,
            job.context.workspace,
            job.temporary,
            lambda: clients.storage,
            has_bucket=bool(inputs.artifact_bucket),
        ),
        lambda: run_both(lambda: read_function(job, function), job.table.connect),
    )
    arn, creation = _identity(job, region, code, latest)
    job.workflow.hide_outside(_variables(latest, inputs.configuration))
    if latest and not job.part:  # several functions share the input, and a function need not have all aliases
        require_known(inputs.function_name, aliases, inputs.latest_aliases)
    require_movable(job, aliases)
    require_fit(code, latest.configuration if latest else creation, inputs.configuration)
    if code and code.warnings:  # in one annotation, because GitHub shows only ten of a step
        job.workflow.warn("\n".join(code.warnings), title=f"Artifact of {job.part}" if job.part else "Artifact")
    # A rollback is urgent: it does not wait for records that it does not need, such as the lock.
    only = inputs.environment if inputs.command is Command.ROLLBACK else ""
    ledger = job.resources.ledger(arn, job.run, only)
    gateways = job.resources.gateways(function, arn, inputs.domain_name, inputs.base_path)
    state = ledger.read()
    target = Target(
        job=job,
        function=function,
        lock=make_lock(job, arn, can_be_superseded=True),
        ledger=ledger,
        endpoints=Endpoints(
            gateways,
            ledger,
            is_kept=keeps_endpoints(inputs, state),
            owned={LATEST_ENDPOINT: inputs.latest_url, inputs.environment: inputs.environment_url},
            emulator=clients.endpoint_url,
            session=job.session,
            clock=clock,
            say=job.say,
        ),
        previews=Previews.of(job.resources, function, ledger),
        verification=Verification(
            checks,
            _process_context(job),
            inputs.verify_timeout,
            job.session,
            function,
            clock,
            redact=Redactor([*_variables(latest, inputs.configuration), *registry.secrets(checks)]),
        ),
        plan=registry.plan(checks, inputs.latest_url, _tested_by(job)),
        code=code,
        latest=latest,
        state=state,
        overridden=_overridden(inputs, state),
        creation=creation,
        template=template,
    ).seeing(find_alias(aliases, inputs.environment))
    _require_latest_counts(target)
    _require_own_gateway(target)
    _require_other_urls(target)
    if target.missing_endpoints:
        gateways.require_domain(target.missing_endpoints)
    if code is None or (latest and code.is_in(latest.code_sha256)):
        return target
    if not inputs.dry_run:
        # Before the lock, because the upload takes time, and an error of the bucket shows before anything changes.
        code = uploaded(job, code)
    if latest and not code.is_local:
        function.check_code(code)
    target = replace(target, code=code)
    return recheck_aliases(target) if target.is_from_storage else target


def recheck_aliases(target: Target) -> Target:
    """Check the aliases again, because the transfer of the code from or to S3 may have taken minutes.

    Raises:
        RefusedError: An alias now follows $LATEST, or has an external split.

    """
    aliases = target.function.aliases() or []
    require_movable(target.job, aliases)
    return target.seeing(find_alias(aliases, target.environment))


def read_function(job: Job, function: Function) -> tuple[Snapshot | None, list[Alias]]:
    """Read $LATEST and all aliases at the same time.

    Raises:
        ConflictError: The function was deleted between the two calls.

    """
    latest, aliases = run_both(function.find, function.aliases)
    if latest is not None and aliases is None:
        # The function was created between the two calls, or one response was stale.
        aliases = function.aliases()
    if latest is not None and aliases is None:
        raise ConflictError(
            f"the function {job.inputs.function_name} was deleted while this run read it",
            hint="Find out what deleted it. Then run the job again.",
        )
    return latest, aliases or []


def find_alias(aliases: Iterable[Alias], name: str) -> Alias | None:
    """Return the alias with this name, if there is one."""
    return next((alias for alias in aliases if alias.name == name), None)


def require_movable(job: Job, aliases: Sequence[Alias]) -> None:
    """Refuse a run if an alias follows $LATEST, or if the alias to move has an external split.

    Raises:
        RefusedError: There is such an alias.

    """
    _require_published(job, aliases)
    _require_free(job, aliases)


def _overridden(inputs: Inputs, state: State) -> frozenset[str]:
    """Return the rollbacks that the input ``override`` is about."""
    found = state.served(inputs.environment).rolled_back if inputs.override else ()
    return frozenset(entry.promotion for entry in found)


def _require_published(job: Job, aliases: Iterable[Alias]) -> None:
    """Refuse to deploy while an alias of another environment follows $LATEST. The own alias is pinned first."""
    inputs = job.inputs
    if inputs.command in (Command.RUN, Command.DEPLOY):
        require_published(inputs.function_name, aliases, {inputs.environment, *inputs.latest_aliases})


def _require_free(job: Job, aliases: Iterable[Alias]) -> None:
    """Refuse a move that would end an external split. ``deploy`` does not move an alias."""
    inputs = job.inputs
    if inputs.command in (Command.RUN, Command.PROMOTE, Command.ROLLBACK):
        alias, is_back = find_alias(aliases, inputs.environment), inputs.command is Command.ROLLBACK
        require_free(inputs.function_name, alias, override=inputs.override, is_back=is_back)


def uploaded(job: Job, code: Code) -> Code:
    """Return the code as Lambda accepts it. Upload an archive that is too large for a request to the user's bucket."""
    if isinstance(code, Image) or not code.is_oversized:
        return code
    archive, is_new = stage(code, job.inputs.artifact_bucket, job.clients.storage, job.clock)
    job.say("deploy", f"s3://{archive.bucket}/{archive.key} {'was uploaded' if is_new else 'is there already'}")
    return archive


def read_template(job: Job) -> "Template | None":
    """Return the repository's template of the release notes, if the inputs name one.

    Raises:
        InputError: The file is missing, or is not a valid template.

    """
    path = job.inputs.release_notes_template
    if not path:
        return None
    from promote.notes.render import load_template  # noqa: PLC0415 - seldom needed

    return load_template(path, job.context.workspace)


def _tested_by(job: Job) -> str:
    """Return the commits that the tests come from: those of the workspace's clone and of the artifact's."""
    commits = dict.fromkeys(filter(None, [job.run.commit, job.context.head]))
    return " ".join(commits) or job.run.operation


def _process_context(job: Job) -> CommandContext:
    inputs = job.inputs
    facts = {"PROMOTE_FUNCTION": inputs.function_name, "PROMOTE_ENVIRONMENT": inputs.environment}
    return CommandContext(
        workspace=job.context.workspace,
        temporary=job.temporary,
        shared=job.state.folder or job.temporary,
        environ={**environment(job.environ, inputs.test_environment), **facts},
        console=Console(job.workflow),
        clock=job.clock,
    )


def _identity(job: Job, region: str, code: Code | None, latest: Snapshot | None) -> tuple[str, Mapping[str, Any]]:
    """Return the function's ARN and, if it does not exist, the configuration to create it with."""
    name = job.inputs.function_name
    if latest is not None:
        return latest.arn, {}
    if code is None:
        raise FunctionError(
            f"the function {name} does not exist in {region}, so there is nothing to adopt",
            hint="Correct function-name or aws-region. To create it, set artifact, role, runtime and handler.",
        )
    creation = configuration.creation(job.inputs.configuration, name, code.package_type)
    # A function is in the account of its role.
    role = re.match(r"arn:(?P<partition>[a-z-]+):iam::(?P<account>\d{12}):", creation["Role"])
    assert role  # noqa: S101 - the input was checked
    arn = f"arn:{role['partition']}:lambda:{region}:{role['account']}:function:{name}"
    return job.inputs.function_arn or arn, {"PackageType": code.package_type, **creation}


def _require_own_gateway(target: Target) -> None:
    """Refuse records by which the endpoint of $LATEST is the one of an environment: it would not show the candidate.

    Raises:
        RecordError: Both records name the same API.

    """
    latest, environments = target.state.latest, target.state.environments
    if target.job.inputs.command is Command.ROLLBACK:  # it verifies nothing
        return
    for name, served in environments.items():
        if latest and served.gateway and latest.api_id == served.gateway.api_id:
            raise RecordError(
                f"the endpoint of $LATEST and the endpoint of {name} are the same API in the records of "
                f"{target.function.name}: {latest.api_id}",
                hint="Another program wrote into the table, or an item was edited. Delete the item endpoint#latest of "
                "the function. The next run makes the endpoint again.",
            )


def _require_other_urls(target: Target) -> None:
    """Refuse the endpoint of the environment as ``latest-url``: it does not show $LATEST."""
    given = target.job.inputs.latest_url.rstrip("/")
    known = target.endpoints.known(target.environment, target.served.gateway)
    if given and known and given == known.url.rstrip("/"):
        raise InputError(
            "latest-url",
            f"it is the endpoint of {target.environment}, so the checks would test what is served already",
            hint="Set latest-url to the URL of a gateway that invokes $LATEST, or leave it empty.",
        )


def _require_latest_counts(target: Target) -> None:
    """Refuse to verify at $LATEST a function whose versions run differently.

    Raises:
        InputError: The inputs verify such a function at the endpoint of $LATEST.

    """
    inputs, latest = target.job.inputs, target.latest
    if inputs.command not in (Command.RUN, Command.DEPLOY) or inputs.isolation is not Isolation.LATEST or not latest:
        return
    # A function without checks is verified with others, which reach $LATEST.
    is_there = target.verification.needs_endpoint or not inputs.has_verification
    gap = configuration.gap_of_latest(latest.configuration)
    if is_there and gap:
        raise InputError(
            "isolation",
            f"{inputs.function_name} cannot be verified at $LATEST: {gap}",
            hint="Set isolation: version. Then the candidate is verified as a published version, at a preview "
            "endpoint.",
        )


def _variables(latest: Snapshot | None, wanted: Configuration) -> list[str]:
    """Return the values of the function's environment variables, current and new ones."""
    environment = (latest.configuration.get("Environment") if latest else None) or {}
    return [*(environment.get("Variables") or {}).values(), *(wanted.environment_variables or {}).values()]


def require_fit(code: Code | None, current: Mapping[str, Any], wanted: Configuration) -> None:
    """Refuse code that does not match the configuration."""
    configuration.changes(wanted, current)
    if code is None:
        return
    if code.package_type != current.get("PackageType", "Zip"):
        given, needed = ("a container image", "a .zip") if isinstance(code, Image) else ("a .zip", "a container image")
        raise InputError(
            "artifact",
            f"it is {given}, but the function uses {needed}",
            hint="Lambda cannot change a function's package type. Set another artifact or another function-name.",
        )
    if isinstance(code, Image):
        return
    runtime, handler = wanted.runtime or current.get("Runtime", ""), wanted.handler or current.get("Handler", "")
    require_handler(code.contents, runtime, handler, may_be_in_layer=bool(current.get("Layers")))


def prepare(job: Job) -> tuple[Target, ...]:
    """Read everything about every function. If one cannot work, refuse all.

    Raises:
        PromoteError: An input, a permission or a resource is wrong.

    """
    if job.inputs.parts:
        job.clients.make_shared()
    targets = map_and_wait([partial(_prepare_one, part) for part in _parts(job)], CALLS_AT_ONCE)
    if len(targets) > 1 and any(target.is_from_storage for target in targets):
        targets = map_and_wait([partial(recheck_aliases, target) for target in targets], CALLS_AT_ONCE)
    arns = [target.ledger.arn for target in targets]
    if len({arn.rpartition(":")[0] for arn in arns}) > 1:
        raise InputError(
            "function-name",
            "it names functions of different regions or accounts: " + ", ".join(arns),
            hint="The functions of a release share one ledger. Release the others in a separate step.",
        )
    if len(set(arns)) < len(arns):
        twice = next(arn for arn in arns if arns.count(arn) > 1)
        raise InputError("function-name", f"it names {twice} twice", hint="Name each function once.")
    if job.inputs.command in (Command.RUN, Command.PROMOTE, Command.ROLLBACK):
        _require_all(job, targets)
    return tuple(targets)


def _parts(job: Job) -> list[Job]:
    """Return the job of each function. If there is only one function, return the job itself."""
    if not job.inputs.parts:
        return [job]
    names = sorted(inputs.function_arn or inputs.function_name for inputs in job.inputs.parts)
    application = hashlib.sha256(" ".join(names).encode()).hexdigest()[:12]
    return job.of_parts(application)


def _require_all(job: Job, targets: Sequence[Target]) -> None:
    """Refuse a release without a function that this step released before, unless ``retired`` names it.

    It is a warning if the input lists the functions itself, because its author sees what is missing. For a rollback,
    which is urgent, it is a warning too.

    Raises:
        InputError: The file does not name such a function.

    """
    named = {target.ledger.arn.rpartition(":")[2] for target in targets} | job.inputs.retired
    known = dict.fromkeys(target.served.together for target in targets)
    for together in known:
        missing = [name for name in together.functions if name not in named]
        if not missing or not job.origin or together.origin != job.origin:
            continue
        text = f"{join_names(missing)}, previously released to {job.inputs.environment} with the others"
        is_back = job.inputs.command is Command.ROLLBACK
        if not job.inputs.application or is_back:
            what = "rollback" if is_back else "release"
            job.workflow.warn(f"This {what} is without {text}.", title="Application")
            continue
        raise InputError(
            "application",
            f"{job.inputs.application} does not name {text}",
            hint="Add it again. If it is no longer released with the others, add it to retired.",
        )
