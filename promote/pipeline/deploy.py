"""Deploy code and configuration to $LATEST, and publish exactly that as a version."""

from dataclasses import dataclass

from promote.aws.artifact import Image
from promote.aws.fingerprint import fingerprint
from promote.aws.lambda_function import changed_by_others
from promote.core.concurrency import run_both
from promote.core.endpoint import LATEST_ENDPOINT, Endpoint
from promote.core.errors import ConflictError, UnconfirmedError
from promote.core.promotion import Alias
from promote.core.version import Candidate, Content, Snapshot, same_content
from promote.pipeline import configuration
from promote.pipeline.decision import ATTEMPTS, is_verified
from promote.pipeline.latest import require_published
from promote.pipeline.prepare import recheck_aliases, uploaded
from promote.pipeline.target import Target


@dataclass(frozen=True)
class Deployed:
    """A candidate and $LATEST, after both have settled."""

    candidate: Candidate
    latest: Snapshot
    alias: Alias | None = None
    """The environment's alias. It was read before the version."""
    settled: float = 0.0
    """When the run first saw that $LATEST had this code and configuration and no update was in progress, on the
    clock's monotonic time."""


def expected_content(target: Target) -> Content | None:
    """Return the content that the candidate will have; None if it is not known before the deployment."""
    latest, code = target.latest, target.code
    if latest is None or (isinstance(code, Image) and not code.is_in(latest.code_sha256)):
        return None
    changes = configuration.changes(target.job.inputs.configuration, latest.configuration)
    is_changed = code is not None and not code.is_in(latest.code_sha256)
    digest = code.code_sha256 if is_changed and code is not None and not isinstance(code, Image) else latest.code_sha256
    return Candidate("", digest, fingerprint({**latest.configuration, **changes}))


def ensure_latest_endpoint(target: Target) -> Endpoint | None:
    """Return the endpoint that shows $LATEST. Create the function and the endpoint if they are missing."""
    if target.latest is None and target.code is not None:
        target.job.say("deploy", f"creating the function {target.function.name}")
        target.function.create(uploaded(target.job, target.code), target.creation)
    return target.endpoints.ensure(LATEST_ENDPOINT, target.state.gateway(LATEST_ENDPOINT))


def deploy(target: Target, endpoint: Endpoint | None) -> Deployed:
    """Deploy configuration and code to $LATEST and publish exactly that. Return the version and $LATEST, both settled.

    ``endpoint`` is that of $LATEST. If it is new, its permission has changed the RevisionId.

    Raises:
        ConflictError: $LATEST keeps being changed externally, or the code to adopt was replaced.

    """
    known = None if endpoint and endpoint.is_new else target.latest
    unseen: UnconfirmedError | None = None
    for attempt in range(1, ATTEMPTS + 1):
        try:
            latest = target.function.wait_until_updated(known=known)
        except Exception as error:
            if unseen:
                raise unseen from error
            raise
        if target.code is None and target.latest and latest.code_sha256 != target.latest.code_sha256:
            raise changed_by_others(target.function.name)
        try:
            return _deploy_once(target, latest, target.job.clock.monotonic())
        except (ConflictError, UnconfirmedError) as error:
            # It may be our own write whose response was lost. Reading again shows what is left to do.
            if attempt == ATTEMPTS:
                raise
            unseen = error if isinstance(error, UnconfirmedError) else None
            target.job.say("deploy", "$LATEST has changed since it was read: reading it again")
            known = None
    raise AssertionError("unreachable")


def _deploy_once(target: Target, latest: Snapshot, settled: float) -> Deployed:
    function, code, job = target.function, target.code, target.job
    changes = configuration.changes(job.inputs.configuration, latest.configuration)
    if changes:
        for line in configuration.describe(changes, latest.configuration):
            job.say("deploy", line)
        configured = function.configure(latest, changes)
        _require_ours(target, configured, latest.code_sha256)
        latest, settled = configured, job.clock.monotonic()
    is_uploaded = False
    if code is not None and (latest.has_failed or not code.is_in(latest.code_sha256)):
        stored = uploaded(job, code)
        if stored is not code:
            # The upload may have taken minutes. The environment's alias was pinned before it.
            alias = recheck_aliases(target).alias
            require_published(function.name, [alias] if alias else [], job.inputs.latest_aliases)
        response, is_uploaded = function.upload(latest, stored), True
        job.say("deploy", f"uploaded {code.describe()}, published as version {response.version}")
    else:
        served = _served_version(target, latest)
        if served is not None:
            job.say("deploy", f"$LATEST is what version {served.version} was published from")
            if not is_verified(target, served.candidate):
                latest = ensure_active(target, latest)
            return Deployed(served.candidate, latest, target.alias, settled)
        latest = ensure_active(target, latest)
        response = function.publish(latest)
        job.say("deploy", f"published $LATEST as version {response.version}")
    published, updated = run_both(
        lambda: function.wait_until_active(response.version, known=response),
        lambda: function.wait_until_active(since=response),
    )
    # Only Lambda knows the digest of an image's tag.
    expected = response.code_sha256 if isinstance(code, Image) else code.code_sha256 if code else latest.code_sha256
    _require_ours(target, published, expected)
    if published.fingerprint != latest.fingerprint:
        raise changed_by_others(target.function.name)
    if is_uploaded:
        settled = job.clock.monotonic()
    return Deployed(published.candidate, updated, target.alias, settled)


def _served_version(target: Target, latest: Snapshot) -> Snapshot | None:
    """Return the version that the environment serves, if it has exactly the content of $LATEST."""
    if not (target.served.version and same_content(latest, target.served)):
        return None
    version = target.function.find(target.served.version)
    if version is None or not same_content(version, latest):
        return None
    stays = is_verified(target, version.candidate) and target.alias and target.alias.version == version.version
    return version if stays else ensure_active(target, version)


def ensure_active(target: Target, version: Snapshot) -> Snapshot:
    """Return the version when it can serve. An Inactive version is activated first.

    Raises:
        FunctionError: It cannot be activated.

    """
    if version.is_inactive:
        target.job.say("version", f"{version.version} is Inactive, because it was idle: activating it")
        return target.function.wait_until_active(version.version, known=version)
    return version


def _require_ours(target: Target, snapshot: Snapshot, code_sha256: str) -> None:
    """Refuse a snapshot that does not have exactly the code and configuration of this run."""
    wanted = target.job.inputs.configuration
    if snapshot.code_sha256 != code_sha256 or configuration.changes(wanted, snapshot.configuration):
        raise changed_by_others(target.function.name)
