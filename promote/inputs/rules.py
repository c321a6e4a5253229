"""Refuse inputs that are valid one by one and invalid together."""

from collections.abc import Mapping, Sequence

from promote.core.errors import InputError
from promote.inputs.limits import DEFAULT_SETTLE_TIME
from promote.inputs.model import Endpoints, Inputs, Isolation
from promote.inputs.reader import Reader
from promote.inputs.usage import INPUTS, NEED_ENDPOINT, USE_ENDPOINT, Command


def require_consistency(inputs: Inputs, read: Reader, *, is_part: bool = False) -> None:
    """Refuse inputs that are valid one by one and invalid together. ``is_part`` is that of ``parse``.

    Raises:
        InputError: The inputs do not fit together. The error names the input to change.

    """
    if inputs.command in INPUTS["reason"].required and not inputs.reason:
        raise read.error(
            "reason",
            "it is missing, and unlock requires it",
            hint="Write the reason in one sentence. It is recorded, and shown to the run that loses the lock.",
        )
    if inputs.override and not inputs.reason:
        raise read.error(
            "reason",
            "it is missing, and override requires it",
            hint="Write the reason in one sentence. It is recorded.",
        )
    if inputs.environment in inputs.latest_aliases:
        raise read.error(
            "latest-aliases",
            f"it names {inputs.environment}, the environment that this step promotes to",
            hint="Remove the name. The action points this alias at verified versions only.",
        )
    if inputs.command in _RELEASING:
        _require_release(inputs, read, is_part=is_part)
    if inputs.command is Command.PROMOTE:
        _require_source(inputs, read)


def _require_source(inputs: Inputs, read: Reader) -> None:
    """Refuse a promotion without exactly one source."""
    given = [name for name, value in _sources(inputs).items() if value]
    if len(given) != 1:
        raise read.error(
            given[-1] if given else "candidate",
            f"it cannot be combined with {given[0]}" if given else "there is nothing to promote",
            hint="Set one of: candidate (of a step with command: deploy), from (an environment), version.",
        )
    if inputs.source == inputs.environment:
        raise read.error("from", "it is the environment itself", hint="Name the environment that comes before it.")
    if inputs.override and inputs.candidate:
        raise read.error(
            "override",
            "it has no effect with candidate, which has passed its tests",
            hint="Remove override, or set version instead of candidate.",
        )


def _sources(inputs: Inputs) -> Mapping[str, str]:
    return {"candidate": inputs.candidate, "from": inputs.source, "version": inputs.version}


def _require_release(inputs: Inputs, read: Reader, *, is_part: bool) -> None:
    if inputs.command is Command.RUN and not (is_part or inputs.has_verification):
        raise read.error(
            "checks",
            "there is nothing to verify the candidate with, and only verified code is promoted",
            hint="Set at least one of checks (such as GET /health 200), invoke, tests and test-command.",
        )
    if (
        inputs.command is Command.DEPLOY
        and inputs.isolation is Isolation.VERSION
        and inputs.endpoints is Endpoints.NONE
    ):
        raise read.error(
            "isolation",
            "version needs a temporary endpoint, and endpoints is none",
            hint="Remove endpoints: none, or set isolation: latest.",
        )
    _require_latest(inputs, read, is_part=is_part)
    needing = [name for name in NEED_ENDPOINT if name in inputs.verified_by]
    if needing and not _has_endpoint(inputs):
        raise read.error(
            needing[0],
            "HTTP checks and tests need an endpoint, and endpoints is none",
            hint=_NEED_ENDPOINT[inputs.command is Command.PROMOTE and not inputs.candidate],
        )
    if inputs.base_path and not inputs.domain_name:
        raise read.error(
            "base-path", "it has no effect without domain-name", hint="Add domain-name, or remove base-path."
        )
    if inputs.latest_url and inputs.latest_url.rstrip("/") == inputs.environment_url.rstrip("/"):
        raise read.error(
            "latest-url",
            "it is the same as environment-url, so the checks would test the version that is already served",
            hint="Set the URL of a gateway that invokes $LATEST, or leave latest-url empty.",
        )
    for name, url in (("latest-url", inputs.latest_url), ("environment-url", inputs.environment_url)):
        if url and inputs.domain_name:
            raise read.error(
                name,
                "it cannot be combined with domain-name",
                hint="Use domain-name for endpoints that the action creates, or the URLs of gateways that you own.",
            )
    if inputs.endpoints is Endpoints.NONE and inputs.domain_name:
        raise read.error(
            "domain-name", "it has no effect with endpoints: none", hint="Remove endpoints: none, or domain-name."
        )


def _require_latest(inputs: Inputs, read: Reader, *, is_part: bool) -> None:
    """Refuse inputs about the verification at $LATEST if nothing is verified there."""
    is_at_version = inputs.isolation is Isolation.VERSION
    if inputs.latest_url and is_at_version:
        raise read.error(
            "latest-url",
            "it has no effect with isolation: version, which verifies the candidate at a temporary endpoint",
            hint="Remove latest-url, or set isolation: latest.",
        )
    is_invoked = not is_part and inputs.has_verification and set(USE_ENDPOINT).isdisjoint(inputs.verified_by)
    if (is_at_version or is_invoked) and inputs.settle_time not in (0, DEFAULT_SETTLE_TIME):
        raise read.error(
            "settle-time",
            "it has no effect with isolation: version, because the code of a version never changes"
            if is_at_version
            else "it has no effect, because nothing is verified at the endpoint of $LATEST",
            hint="Remove settle-time.",
        )


def _has_endpoint(inputs: Inputs) -> bool:
    """Whether the candidate has, or gets, an endpoint for checks."""
    if inputs.endpoints is not Endpoints.NONE:
        return True
    if inputs.command is Command.PROMOTE and not inputs.candidate:
        return False  # a version is verified at a preview endpoint, and not at latest-url
    return bool(inputs.latest_url)


_NEED_ENDPOINT = {
    False: "Remove endpoints: none, or set latest-url for a gateway that you own, or verify with invoke.",
    True: "Remove endpoints: none, so that the version gets a preview endpoint, or verify with invoke.",
}
"""Hints, by whether the version that is promoted may differ from $LATEST."""


def require_archive(read: Sequence[Inputs]) -> None:
    """Refuse a bucket for archives if no function's code goes through it.

    Raises:
        InputError: ``artifact-bucket`` has no effect, because all code is already in S3 or in a container image.

    """
    if read[0].artifact_bucket and not any(inputs.has_archive for inputs in read):
        raise InputError(
            "artifact-bucket",
            "it has no effect: only a directory or a .zip of the workspace is stored in it",
            hint="Remove artifact-bucket. An object in S3 and a container image do not need it.",
        )


_RELEASING = (Command.RUN, Command.DEPLOY, Command.PROMOTE, Command.ROLLBACK)
"""The commands that work on an environment."""
