"""One parser per input: its value, from the step or from ``promote.yml``, becomes a part of ``Inputs``."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from promote.core.commit_order import Diverged
from promote.core.lock_state import LEASE, LONGEST_LEASE, Queue
from promote.core.redaction import quoted
from promote.inputs.checks import parse_checks, parse_invocations, require_command
from promote.inputs.environment_variables import environment_variables
from promote.inputs.function_name import region_of, target
from promote.inputs.limits import (
    ALIAS,
    DEFAULT_SETTLE_TIME,
    ENVIRONMENT,
    KEEP_VERSIONS,
    LOCK_TIMEOUT,
    MEMORY_SIZE,
    SETTLE_TIME,
    SHA,
    TAG,
    TIMEOUT,
    VERIFY_TIMEOUT,
    Range,
)
from promote.inputs.model import Configuration, Endpoints, Inputs, Isolation
from promote.inputs.reader import Reader
from promote.inputs.rules import require_archive, require_consistency
from promote.inputs.usage import INPUTS, Command, command_of, require_company
from promote.inputs.usage import given as given_inputs
from promote.inputs.value import step_values


def inputs_from_environ(environ: Mapping[str, str]) -> Inputs:
    """Return the inputs of a step for one function. The runner sets ``INPUT_*``, including empty ones.

    Raises:
        InputError: An input is invalid. The error names the first one.

    """
    command = command_of(environ)
    read = Reader(step_values(environ))
    inputs = parse(read, command, region_of(environ))
    require_company(given_inputs(environ), command)
    require_archive([inputs])
    return inputs


def parse(read: Reader, command: Command, region_in_use: str, *, is_part: bool = False) -> Inputs:
    """Return the inputs of one function, from values of the step and of ``promote.yml``.

    ``is_part`` says whether it is one of several functions, not all of which need checks.

    Raises:
        InputError: An input is invalid. The error names the first one.

    """
    read.text("github-token")  # the context uses it; an invalid one is refused here, like every input
    function_name, function_arn, region = target(read, region_in_use)
    inputs = Inputs(
        command=command,
        function_name=function_name,
        function_arn=function_arn,
        region=region,
        environment=_environment(read, "environment", is_required=command in INPUTS["environment"].required),
        latest_aliases=_latest_aliases(read),
        artifact=read.text("artifact"),
        commit=_commit(read),
        artifact_bucket=_bucket(read),
        configuration=_configuration(read),
        endpoints=read.choice("endpoints", Endpoints, Endpoints.AUTO),
        latest_url=read.url("latest-url"),
        environment_url=read.url("environment-url"),
        domain_name=_domain_name(read),
        base_path=_base_path(read),
        checks=parse_checks(read.value("checks")),
        invocations=parse_invocations(read.value("invoke")),
        tests=read.raw("tests").strip(),
        tests_requirements=read.text("tests-requirements"),
        test_command=_script(read),
        test_environment=_names(read),
        verify_timeout=60 * read.number("verify-timeout", VERIFY_TIMEOUT, default=10),
        table=_table(read),
        lock_timeout=60 * read.number("lock-timeout", LOCK_TIMEOUT, default=30),
        queue=read.choice("queue", Queue, Queue.NEWEST),
        lease=_lease(read, command),
        diverged=read.choice("diverged", Diverged, Diverged.REFUSE) if read.text("diverged") else None,
        isolation=read.choice("isolation", Isolation, Isolation.LATEST),
        settle_time=read.number("settle-time", SETTLE_TIME, default=DEFAULT_SETTLE_TIME),
        candidate=_candidate(read),
        job_status=_job_status(read),
        source=_environment(read, "from", is_required=False),
        version=_version(read),
        override=read.boolean("override"),
        reason=_reason(read),
        release_notes_path=_path(read, "release-notes-path"),
        release_notes_template=_path(read, "release-notes-template"),
        publish_release=read.boolean("publish-release"),
        tag=_tag(read),
        github_deployments=not read.text("github-deployments") or read.boolean("github-deployments"),
        keep_versions=read.integer("keep-versions", KEEP_VERSIONS, empty="to delete none"),
        apply=read.boolean("apply"),
        undo=read.boolean("undo"),
        dry_run=read.boolean("dry-run"),
        allow_pull_requests=read.boolean("allow-pull-requests"),
    )
    require_consistency(inputs, read, is_part=is_part)
    return inputs


def _reason(read: Reader) -> str:
    value = read.text("reason")
    if len(value) > _LONGEST_REASON:
        raise read.error(
            "reason",
            f"it has more than {_LONGEST_REASON} characters",
            hint="Write one sentence, and link to the details.",
        )
    return value


_LONGEST_REASON = 500


_JOB_STATUSES = ("success", "failure", "cancelled")
"""https://docs.github.com/actions/reference/workflows-and-actions/contexts#job-context"""


def _job_status(read: Reader) -> str:
    """Return the job's status; empty if the runner does not support the default of the input."""
    value = read.text("job-status")
    return value if value in _JOB_STATUSES else ""


def _script(read: Reader) -> str:
    require_command(read.value("test-command"))
    return read.raw("test-command").strip()


def _path(read: Reader, name: str) -> str:
    """Return the path of a file in the repository; empty if none is given."""
    value = read.text(name)
    path = PurePosixPath(value)
    if value and (path.is_absolute() or ".." in path.parts or path.name in ("", ".git") or ".git" in path.parts):
        raise read.error(
            name,
            f"{quoted(value)} is not the path of a file in the repository",
            hint="Write its path from the repository's root, such as docs/release-notes.md.",
        )
    return str(path) if value else ""


def _tag(read: Reader) -> str:
    value = read.text("tag").removeprefix("refs/tags/")
    if value and not re.fullmatch(TAG, value):
        raise read.error("tag", f"{value!r} is not a valid name of a git tag", hint="Write it like v1.2.0.")
    return value


def _lease(read: Reader, command: Command) -> int:
    """Return the lease in seconds. It is long if no heartbeat renews it between the steps of the job."""
    default = 3600 if command in (Command.LOCK, Command.DEPLOY) else LEASE
    return round(read.number("lease", _LEASE, default=default))


_LEASE = Range("seconds", 1, LONGEST_LEASE)
"""A heartbeat is sent in each quarter of the lease, so three of them may fail."""

_CANDIDATE = r"[1-9][0-9]{0,9}@[A-Za-z0-9+/]{43}=@[0-9a-f]{12}|[1-9][0-9]{0,9}@[0-9a-f]{64}@[0-9a-f]{12}"


def _candidate(read: Reader) -> str:
    value = read.text("candidate")
    if value and not re.fullmatch(_CANDIDATE, value):
        raise read.error(
            "candidate",
            f"{value[:100]!r} is not a candidate from command: deploy",
            hint="Pass the output unchanged: ${{ steps.<id of the deploy step>.outputs.candidate }}.",
        )
    return value


def _commit(read: Reader) -> str:
    value = read.text("commit").lower()
    if value and not re.fullmatch(SHA, value):
        raise read.error(
            "commit",
            f"{value[:100]!r} is not a full commit SHA",
            hint="Write all 40 or 64 hexadecimal digits. git rev-parse HEAD prints them.",
        )
    if value and not value.strip("0"):
        raise read.error(
            "commit",
            f"{value} is not a commit: git uses it for a missing commit",
            hint="An event of a deleted or new branch has it. Set the commit that is deployed. git rev-parse HEAD "
            "prints it.",
        )
    return value


def _version(read: Reader) -> str:
    value = read.text("version")
    if value and not re.fullmatch(r"[1-9][0-9]{0,9}", value):
        raise read.error(
            "version", f"{value!r} is not a version number", hint="Write a number such as 7, and not $LATEST."
        )
    return value


def _environment(read: Reader, name: str, *, is_required: bool) -> str:
    value = read.text(name)
    if not value and not is_required:
        return ""
    if not value:
        raise read.error(name, "it is missing", hint="Name the alias to promote to, such as preprod or prod.")
    if value.startswith("{"):
        # Another action has an input of this name for variables. They may be secrets, so the error has no value.
        raise read.error(
            name,
            "it is JSON, and not the name of an alias",
            hint="Set the function's variables in environment-variables, and an alias such as preprod or prod here.",
        )
    if value.isdecimal():
        raise read.error(
            name,
            f"{value!r} is a number, which Lambda reads as a version and not as an alias",
            hint="Use a name such as preprod or prod.",
        )
    if not re.fullmatch(ALIAS, value):
        raise read.error(
            name,
            f"{value!r} is not a valid alias name",
            hint="Use up to 128 letters, digits, - and _, such as preprod or prod.",
        )
    if value.lower() == "latest":
        raise read.error(
            name,
            f"{value!r} is the name of the endpoint of $LATEST, so no environment can have it",
            hint="Name the alias to promote to, such as preprod or prod.",
        )
    return value


def _configuration(read: Reader) -> Configuration:
    handler = read.optional("handler")
    if handler and (len(handler) > 128 or re.search(r"\s", handler)):  # noqa: PLR2004 - Lambda's own limit
        raise read.error("handler", f"{handler!r} is not a valid handler", hint="Write it like app.handler.")
    runtime = read.optional("runtime")
    if runtime and not re.fullmatch(r"[a-z]+[a-z0-9.]*", runtime):
        raise read.error(
            "runtime", f"{runtime!r} is not a valid Lambda runtime", hint="Write it like python3.13 or nodejs22.x."
        )
    role = read.optional("role")
    if role and not re.fullmatch(r"arn:aws[a-z-]*:iam::\d{12}:role/[a-zA-Z0-9+=,.@_/-]+", role):
        raise read.error(
            "role",
            f"{role!r} is not the ARN of a role",
            hint="Write it like arn:aws:iam::123456789012:role/my-function.",
        )
    return Configuration(
        handler=handler,
        runtime=runtime,
        role=role,
        memory_size=read.integer("memory-size", MEMORY_SIZE),
        timeout=read.integer("timeout", TIMEOUT),
        environment_variables=environment_variables(read.value("environment-variables")),
    )


def _bucket(read: Reader) -> str:
    value = read.text("artifact-bucket").removeprefix("s3://").strip("/")
    if value and not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[a-zA-Z0-9!_.*'()-]{1,200}){0,4}", value):
        raise read.error(
            "artifact-bucket",
            f"{quoted(value)} is not a valid S3 bucket",
            hint="Write its name, such as my-builds, or my-builds/some/folder to use one folder of it.",
        )
    return value


def _names(read: Reader) -> tuple[str, ...]:
    names = [(name, line.place) for line in read.lines("test-environment") for name in line.text.split()]
    for name, place in names:
        if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name):
            raise read.error(
                "test-environment",
                f"{name.partition('=')[0]!r} {'has a value' if '=' in name else 'is not a valid name of a variable'}",
                hint="Write only names, one per line, such as AWS_ACCESS_KEY_ID. Values come from the step's env.",
                place=place,
            )
    return tuple(name for name, _ in names)


def _latest_aliases(read: Reader) -> frozenset[str]:
    names = re.split(r"[\s,]+", read.raw("latest-aliases").strip(" \n\r\t,"))
    for name in filter(None, names):
        if not re.fullmatch(ENVIRONMENT, name):
            raise read.error(
                "latest-aliases",
                f"{name[:100]!r} is not a valid alias name",
                hint="List one alias name per line, such as nightly. A name has letters, digits, - and _.",
            )
    return frozenset(filter(None, names))


def _domain_name(read: Reader) -> str:
    value = read.text("domain-name")
    if value and not re.fullmatch(
        r"(?=.{4,253}$)([a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\.)+[a-zA-Z]{2,63}", value
    ):
        raise read.error(
            "domain-name",
            f"{quoted(value)} is not a valid domain name",
            hint="Write it like api.example.com, without https://.",
        )
    return value.lower()


def _base_path(read: Reader) -> str:
    value = read.text("base-path").strip("/")
    if value and not re.fullmatch(r"[a-zA-Z0-9$_.+!*'()-]+(/[a-zA-Z0-9$_.+!*'()-]+)*", value):
        raise read.error(
            "base-path",
            f"{value!r} is not a valid base path",
            hint="Use letters, digits and $-_.+!*'() between slashes, such as my-application.",
        )
    return value


def _table(read: Reader) -> str:
    value = read.text("table") or "promote-on-success"
    if not re.fullmatch(r"[a-zA-Z0-9_.-]{3,255}", value):
        raise read.error(
            "table", f"{value!r} is not a valid DynamoDB table name", hint="Use 3 to 255 letters, digits, _, . and -."
        )
    return value
