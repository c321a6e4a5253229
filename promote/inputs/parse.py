"""The action's inputs, read from ``INPUT_*`` and checked one by one before anything else happens."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from promote.core.errors import InputError
from promote.core.lock_state import LONGEST_LEASE, Queue
from promote.inputs.checks import parse_checks, parse_invocations, require_command
from promote.inputs.environment_variables import environment_variables
from promote.inputs.model import Configuration, Diverged, Endpoints, Inputs, Isolation
from promote.inputs.reader import Reader
from promote.inputs.rules import require_archive, require_consistency
from promote.inputs.usage import INPUTS, Command, command_of, require_company
from promote.inputs.usage import given as given_inputs


def inputs_from_environ(environ: Mapping[str, str], *, is_part: bool = False) -> Inputs:
    """Read ``INPUT_*`` as the runner hands them over: upper case, hyphens kept, optional ones set and empty.

    ``is_part``: of one function of several, which need not be verified each by checks of its own.

    Raises:
        InputError: the first input that is wrong.

    """
    command = command_of(environ)
    read = Reader(environ)
    read.text("github-token")  # the context has it; a broken one is refused here, as every input
    function_name, function_arn, region = _target(read)
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
        endpoints=read.choice("endpoints", Endpoints, Endpoints.HTTP),
        latest_url=read.url("latest-url"),
        environment_url=read.url("environment-url"),
        domain_name=_domain_name(read),
        base_path=_base_path(read),
        checks=parse_checks(read.raw("checks")),
        invocations=parse_invocations(read.raw("invoke")),
        tests=read.raw("tests").strip(),
        tests_requirements=read.text("tests-requirements"),
        test_command=_script(read),
        test_environment=_names(read),
        verify_timeout=60 * read.number("verify-timeout", "minutes", default=10, least=0.01, most=360),
        table=_table(read),
        lock_timeout=60 * read.number("lock-timeout", "minutes", default=30, least=0, most=360),
        queue=read.choice("queue", Queue, Queue.NEWEST),
        lease=_lease(read, command),
        diverged=read.choice("diverged", Diverged, Diverged.REFUSE) if read.text("diverged") else None,
        isolation=read.choice("isolation", Isolation, Isolation.LATEST),
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
        keep_versions=read.integer("keep-versions", "versions", 1, 10_000, empty="to delete none"),
        dry_run=read.boolean("dry-run"),
        allow_pull_requests=read.boolean("allow-pull-requests"),
    )
    require_consistency(inputs, is_part=is_part)
    if not is_part:
        require_company(given_inputs(environ), command)
        require_archive([inputs])
    return inputs


NAME = r"[a-zA-Z0-9-_]{1,64}"
ARN = rf"arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{{12}}:function:{NAME}"
"""A function's, as patterns."""
_QUALIFIED = rf"(?P<target>{NAME}|{ARN})(?P<qualifier>:[a-zA-Z0-9$_-]+)"


def _target(read: Reader) -> tuple[str, str, str]:
    """Give the function's name, its ARN (or empty) and the region (or empty)."""
    value, region = read.text("function-name"), read.text("aws-region")
    if not value:
        raise InputError("function-name", "it is missing", hint="Give the Lambda function's name or ARN.")
    if region and not re.fullmatch(r"[a-z0-9-]+", region):
        raise InputError("aws-region", f"{region!r} is no region", hint="Write it like eu-west-1.")
    name, arn, named = parse_function(value)
    if region and named and region != named:
        raise InputError(
            "aws-region",
            f"it says {region}, and the function's ARN says {named}",
            hint="Leave aws-region empty when function-name is an ARN.",
        )
    in_use = region_of(read.environ)
    if named and in_use and named != in_use:
        raise InputError(
            "function-name",
            f"its ARN is of the region {named}, and the region in use is {in_use} (AWS_REGION)",
            hint=f"Correct the ARN, or set aws-region: {named}.",
        )
    return name, arn, named or region


def region_of(environ: Mapping[str, str]) -> str:
    """Return the region that the input ``aws-region`` names, else the environment; empty: neither does."""
    return Reader(environ).text("aws-region") or environ.get("AWS_REGION", "") or environ.get("AWS_DEFAULT_REGION", "")


def parse_function(value: str) -> tuple[str, str, str]:
    """Read a function's name or ARN: the name, the ARN (or empty) and its region (or empty).

    Raises:
        InputError: of ``function-name``: it is neither.

    """
    if re.fullmatch(NAME, value):
        return value, "", ""
    if match := re.fullmatch(_QUALIFIED, value):
        raise InputError(
            "function-name",
            f"it ends with {match['qualifier']!r}, a version or an alias",
            hint=f"Write {match['target']}: the action deploys to $LATEST and moves the alias that the input "
            "environment names.",
        )
    if not re.fullmatch(ARN, value):
        raise InputError(
            "function-name",
            f"{value!r} is neither a function's name nor its ARN",
            hint="A name has up to 64 letters, digits, - and _; an ARN looks like "
            "arn:aws:lambda:eu-west-1:123456789012:function:my-function.",
        )
    _, partition, _, region, *_, name = value.split(":")
    fitting = partition_of(region)
    if partition != fitting:
        raise InputError(
            "function-name",
            f"its ARN is of the partition {partition}, and the region {region} is in {fitting}",
            hint=f"Write it like {value.replace(partition, fitting, 1)}.",
        )
    return name, value, region


def partition_of(region: str) -> str:
    """Return the partition of AWS that a region is in."""
    return next((name for prefix, name in _PARTITIONS.items() if region.startswith(prefix)), "aws")


_PARTITIONS: Mapping[str, str] = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "us-isof-": "aws-iso-f",
    "eu-isoe-": "aws-iso-e",
    "eusc-": "aws-eusc",
}
"""By how the names of their regions begin, as botocore knows them."""


def _reason(read: Reader) -> str:
    value = read.text("reason")
    if len(value) > _LONGEST_REASON:
        raise InputError(
            "reason",
            f"it has more than {_LONGEST_REASON} characters",
            hint="Say it in a sentence, and link to the rest.",
        )
    return value


_LONGEST_REASON = 500


_JOB_STATUSES = ("success", "failure", "cancelled")
"""https://docs.github.com/actions/reference/workflows-and-actions/contexts#job-context"""


def _job_status(read: Reader) -> str:
    """Return the job's status; a runner that does not know this expression leaves it as it is, or empty."""
    value = read.text("job-status")
    return value if value in _JOB_STATUSES else ""


def _script(read: Reader) -> str:
    value = read.raw("test-command").strip()
    require_command(value)
    return value


def _path(read: Reader, name: str) -> str:
    """Give a file's path within the repository, or nothing."""
    value = read.text(name)
    path = PurePosixPath(value)
    if value and (path.is_absolute() or ".." in path.parts or path.name in ("", ".git") or ".git" in path.parts):
        raise InputError(
            name,
            f"{value!r} is no file within the repository",
            hint="Write its path from the repository's root, such as docs/release-notes.md.",
        )
    return str(path) if value else ""


def _tag(read: Reader) -> str:
    value = read.text("tag").removeprefix("refs/tags/")
    if value and not re.fullmatch(_TAG, value):
        raise InputError("tag", f"{value!r} is no name that git takes for a tag", hint="Write it like v1.2.0.")
    return value


_TAG = r"(?!.*(\.\.|@\{|//|/\.|\.lock(/|$)))(?![./-])[^\x00-\x20\x7f~^:?*\[\\]{1,255}(?<![./])"
"""https://git-scm.com/docs/git-check-ref-format"""


def _lease(read: Reader, command: Command) -> int:
    """Give the seconds of the lease: few where a heartbeat renews it, many where the job's own steps are at work."""
    default = 3600 if command in (Command.LOCK, Command.DEPLOY) else 30
    return round(read.number("lease", "seconds", default=default, least=_SHORTEST_LEASE, most=LONGEST_LEASE))


_SHORTEST_LEASE = 1
"""Seconds. A quarter of the lease is the time of one heartbeat: three of them may fail before it is lost."""

_CANDIDATE = r"[1-9][0-9]{0,9}@[A-Za-z0-9+/]{43}=@[0-9a-f]{12}|[1-9][0-9]{0,9}@[0-9a-f]{64}@[0-9a-f]{12}"


def _candidate(read: Reader) -> str:
    value = read.text("candidate")
    if value and not re.fullmatch(_CANDIDATE, value):
        raise InputError(
            "candidate",
            f"{value[:100]!r} is no candidate that command: deploy has given",
            hint="Pass it on as it is: ${{ steps.<id of the deploy step>.outputs.candidate }}.",
        )
    return value


SHA = r"[0-9a-f]{40}|[0-9a-f]{64}"
"""A commit's full name, as a pattern."""


def _commit(read: Reader) -> str:
    value = read.text("commit").lower()
    if value and not re.fullmatch(SHA, value):
        raise InputError(
            "commit",
            f"{value[:100]!r} is not a full commit SHA",
            hint="Write all of its 40 or 64 hexadecimal digits; git rev-parse HEAD prints them.",
        )
    if value and not value.strip("0"):
        raise InputError(
            "commit",
            f"{value} is git's name for no commit",
            hint="An event of a deleted or new branch names it. Give the commit that is deployed; git rev-parse HEAD "
            "prints it.",
        )
    return value


def _version(read: Reader) -> str:
    value = read.text("version")
    if value and not re.fullmatch(r"[1-9][0-9]{0,9}", value):
        raise InputError("version", f"{value!r} is no version's number", hint="Write it like 7; $LATEST is none.")
    return value


_ALIAS = r"[a-zA-Z0-9-_]{1,128}"
ENVIRONMENT = rf"(?![0-9]+$)(?![lL][aA][tT][eE][sS][tT]$){_ALIAS}"
"""An alias's name that an environment can have, as a pattern."""


def _environment(read: Reader, name: str, *, is_required: bool) -> str:
    value = read.text(name)
    if not value and not is_required:
        return ""
    if not value:
        raise InputError(name, "it is missing", hint="Name the alias to promote to, such as preprod or prod.")
    if value.startswith("{"):
        # Another action calls the function's variables so. They may be secrets, so the value is not repeated.
        raise InputError(
            name,
            "it is JSON, and not the name of an alias",
            hint="Give the function's variables in environment-variables, and an alias such as preprod or prod here.",
        )
    if value.isdecimal():
        raise InputError(
            name,
            f"{value!r} is a number, which Lambda takes for a version and not for an alias",
            hint="Name it after what it is for, such as preprod or prod.",
        )
    if not re.fullmatch(_ALIAS, value):
        raise InputError(
            name,
            f"{value!r} is no alias name",
            hint="Use up to 128 letters, digits, - and _, such as preprod or prod.",
        )
    if value.lower() == "latest":
        raise InputError(
            name,
            f"{value!r} is what the endpoint of $LATEST is called, so no environment can have that name",
            hint="Name the alias to promote to, such as preprod or prod.",
        )
    return value


def _configuration(read: Reader) -> Configuration:
    handler = read.optional("handler")
    if handler and (len(handler) > 128 or re.search(r"\s", handler)):  # noqa: PLR2004 - Lambda's own limit
        raise InputError("handler", f"{handler!r} is no handler", hint="Write it like app.handler.")
    runtime = read.optional("runtime")
    if runtime and not re.fullmatch(r"[a-z]+[a-z0-9.]*", runtime):
        raise InputError("runtime", f"{runtime!r} is no Lambda runtime", hint="Write it like python3.13 or nodejs22.x.")
    role = read.optional("role")
    if role and not re.fullmatch(r"arn:aws[a-z-]*:iam::\d{12}:role/[a-zA-Z0-9+=,.@_/-]+", role):
        raise InputError(
            "role", f"{role!r} is no role's ARN", hint="Write it like arn:aws:iam::123456789012:role/my-function."
        )
    return Configuration(
        handler=handler,
        runtime=runtime,
        role=role,
        memory_size=read.integer("memory-size", "MB", 128, 10240),
        timeout=read.integer("timeout", "seconds", 1, 900),
        environment_variables=environment_variables(read),
    )


def _bucket(read: Reader) -> str:
    value = read.text("artifact-bucket").removeprefix("s3://").strip("/")
    if value and not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[a-zA-Z0-9!_.*'()-]{1,200}){0,4}", value):
        raise InputError(
            "artifact-bucket",
            f"{value!r} is no S3 bucket",
            hint="Write its name, such as my-builds, or my-builds/some/folder to keep to a folder of it.",
        )
    return value


def _names(read: Reader) -> tuple[str, ...]:
    names = read.raw("test-environment").split()
    for name in names:
        if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name):
            raise InputError(
                "test-environment",
                f"{name.partition('=')[0]!r} {'comes with a value' if '=' in name else 'is no name of a variable'}",
                hint="Write names alone, a line each, such as AWS_ACCESS_KEY_ID; values come from the step's env.",
            )
    return tuple(names)


def _latest_aliases(read: Reader) -> frozenset[str]:
    names = re.split(r"[\s,]+", read.raw("latest-aliases").strip(" \n\r\t,"))
    for name in filter(None, names):
        if not re.fullmatch(ENVIRONMENT, name):
            raise InputError(
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
        raise InputError(
            "domain-name", f"{value!r} is no domain name", hint="Write it like api.example.com, without https://."
        )
    return value.lower()


def _base_path(read: Reader) -> str:
    value = read.text("base-path").strip("/")
    if value and not re.fullmatch(r"[a-zA-Z0-9$_.+!*'()-]+(/[a-zA-Z0-9$_.+!*'()-]+)*", value):
        raise InputError(
            "base-path",
            f"{value!r} is no path that API Gateway can map",
            hint="Use letters, digits and $-_.+!*'() between slashes, such as my-application.",
        )
    return value


def _table(read: Reader) -> str:
    value = read.text("table") or "promote-on-success"
    if not re.fullmatch(r"[a-zA-Z0-9_.-]{3,255}", value):
        raise InputError(
            "table", f"{value!r} is no DynamoDB table name", hint="Use 3 to 255 letters, digits, _, . and -."
        )
    return value
