"""The action's inputs: one frozen value, read and checked before anything else happens."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Self

from promote.check import HttpCheck, Invocation, first_path, json_object, json_type, parse_checks, parse_invocations
from promote.errors import InputError
from promote.line import LONGEST_LEASE, Queue
from promote.model import listed
from promote.reader import Reader
from promote.usage import INPUTS, command_of, require_company
from promote.usage import Command as Command  # noqa: PLC0414 - its name for the other modules
from promote.usage import given as given_inputs
from promote.verify.script import require_command


class Isolation(StrEnum):
    """Where a candidate is verified."""

    LATEST = "latest"
    """At the endpoint of $LATEST, under the lock."""
    VERSION = "version"
    """At an endpoint of its own, beside others."""


class Diverged(StrEnum):
    """What to do where the environment's commit is no ancestor of ours, nor ours of it, or nobody knows."""

    PROMOTE = "promote"
    REFUSE = "refuse"


class Endpoints(StrEnum):
    """Whether the action keeps API Gateway endpoints."""

    HTTP = "http"
    NONE = "none"


@dataclass(frozen=True)
class Configuration:
    """The configuration inputs; what is None is left as the function has it."""

    handler: str | None = None
    runtime: str | None = None
    role: str | None = None
    memory_size: int | None = None
    """MB."""
    timeout: int | None = None
    """Seconds."""
    environment_variables: Mapping[str, str] | None = field(default=None, repr=False)
    """Merged into what the function has; never shown."""


@dataclass(frozen=True)
class Inputs:
    """All inputs, as the user meant them."""

    command: Command
    function_name: str
    """Without ARN and qualifier."""
    function_arn: str
    """Unqualified, or empty when the user gave a name."""
    region: str
    """Empty: the environment's."""
    environment: str
    latest_aliases: frozenset[str]
    """Names of aliases that may follow $LATEST, and so serve unverified code."""
    artifact: str
    commit: str
    """The commit that the artifact was built from, in full; empty: the clone or the event says it."""
    artifact_bucket: str
    """``bucket`` or ``bucket/prefix``, or empty."""
    configuration: Configuration
    endpoints: Endpoints
    latest_url: str
    environment_url: str
    domain_name: str
    base_path: str
    checks: tuple[HttpCheck, ...]
    invocations: tuple[Invocation, ...]
    tests: str
    """Arguments of pytest, as they were written."""
    tests_requirements: str
    test_command: str
    test_environment: tuple[str, ...]
    """Names of variables that tests and test-command get though they may be secrets."""
    verify_timeout: float
    """Seconds."""
    table: str
    lock_timeout: float
    """Seconds."""
    queue: Queue
    lease: int
    """Seconds."""
    diverged: Diverged | None
    """None: what has diverged is promoted with a warning, and an order that is not known is refused."""
    isolation: Isolation
    candidate: str
    """``version@CodeSha256@operation``, or empty."""
    job_status: str
    """What the runner says of the job's steps so far: ``success``, ``failure`` or ``cancelled``; empty: unknown."""
    source: str
    """The environment to promote from, or empty."""
    version: str
    override: bool
    reason: str
    release_notes_path: str
    """Where the notes are written, relative to the repository; empty: nowhere."""
    release_notes_template: str
    """A template of the repository's own, relative to it; empty: ours."""
    publish_release: bool
    tag: str
    """The tag whose notes are wanted; empty: that of the workflow's run, where it runs for one."""
    github_deployments: bool
    keep_versions: int | None
    """How many of the newest versions stay after a promotion; None: all."""
    dry_run: bool
    allow_pull_requests: bool
    parts: tuple["Inputs", ...] = ()
    """Those of each function, where several are released as one, the first of which these are; empty: there is one."""
    retired: frozenset[str] = frozenset()
    """The names of functions that were released with these once, and are not any more."""
    application: str = ""
    """The file that names the functions; empty: the input ``function-name`` does."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], *, is_part: bool = False) -> Self:
        """Read ``INPUT_*`` as the runner hands them over: upper case, hyphens kept, optional ones set and empty.

        ``is_part``: of one function of several, which need not be verified each by checks of its own.

        Raises:
            InputError: the first input that is wrong.

        """
        command = command_of(environ)
        read = Reader(environ)
        read.text("github-token")  # the context has it; a broken one is refused here, as every input
        function_name, function_arn, region = _target(read)
        inputs = cls(
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
        inputs.require_consistency(is_part=is_part)
        if not is_part:
            require_company(given_inputs(environ), command)
            require_archive([inputs])
        return inputs

    def require_consistency(self, *, is_part: bool = False) -> None:
        """Refuse inputs that are right one by one and wrong together; ``is_part`` as of ``from_environ``.

        Raises:
            InputError: names the input to change.

        """
        if self.command in INPUTS["reason"].required and not self.reason:
            raise InputError(
                "reason",
                "it is missing, and a lock is not opened by force without one",
                hint="Say why in a sentence: it is recorded, and shown to whoever loses the lock.",
            )
        if self.override and not self.reason:
            raise InputError(
                "reason",
                "it is missing, and nothing is overridden without one",
                hint="Say why in a sentence; it is recorded.",
            )
        if self.environment in self.latest_aliases:
            raise InputError(
                "latest-aliases",
                f"it names {self.environment}, the environment that this step promotes to",
                hint="Remove the name. The action points this alias at verified versions only.",
            )
        if self.command in _RELEASING:
            self._require_release(is_part=is_part)
        if self.command is Command.PROMOTE:
            self._require_source()

    def _require_source(self) -> None:
        """Refuse a promotion that does not say of what, or says more than that."""
        given = [name for name, value in self._sources.items() if value]
        if len(given) != 1:
            raise InputError(
                given[-1] if given else "candidate",
                f"it cannot be combined with {given[0]}" if given else "there is nothing to promote",
                hint="Give one of: candidate (of a step with command: deploy), from (an environment), version.",
            )
        if self.source == self.environment:
            raise InputError("from", "it is the environment itself", hint="Name the environment that comes before it.")
        if self.override and self.candidate:
            raise InputError("override", "a candidate is what tests have passed", hint="Give version in its place.")

    @property
    def _sources(self) -> Mapping[str, str]:
        return {"candidate": self.candidate, "from": self.source, "version": self.version}

    def _require_release(self, *, is_part: bool) -> None:
        if self.command is Command.RUN and not (is_part or self.has_verification):
            raise InputError(
                "checks",
                "there is nothing to verify the candidate with, and what is not verified is not promoted",
                hint="Give at least one line in checks, such as GET /health 200; or tests, test-command or invoke.",
            )
        if self.command is Command.DEPLOY and self.isolation is Isolation.VERSION and self.endpoints is Endpoints.NONE:
            raise InputError(
                "isolation",
                "version means an endpoint of the candidate's own, and endpoints is none",
                hint="Set endpoints: http, or isolation: latest.",
            )
        if self.latest_url and self.isolation is Isolation.VERSION:
            raise InputError(
                "latest-url",
                "it has no effect with isolation: version, which verifies the candidate at a temporary endpoint",
                hint="Remove latest-url, or set isolation: latest.",
            )
        if (self.checks or self.tests) and not self._has_endpoint:
            raise InputError(
                "checks" if self.checks else "tests",
                "HTTP checks and tests need an endpoint, and endpoints is none",
                hint=_NEED_ENDPOINT[self.command is Command.PROMOTE and not self.candidate],
            )
        if self.base_path and not self.domain_name:
            raise InputError(
                "base-path", "it has no effect without domain-name", hint="Add domain-name, or remove base-path."
            )
        if self.latest_url and self.latest_url.rstrip("/") == self.environment_url.rstrip("/"):
            raise InputError(
                "latest-url",
                "it is the same as environment-url, so the checks would test what is served already",
                hint="Give the URL of a gateway that invokes $LATEST, or leave latest-url empty.",
            )
        for name, url in (("latest-url", self.latest_url), ("environment-url", self.environment_url)):
            if url and self.domain_name:
                raise InputError(
                    name,
                    "it cannot be combined with domain-name",
                    hint="Use domain-name for endpoints that the action makes, or the URLs of gateways that you own.",
                )
        if self.endpoints is Endpoints.NONE and self.domain_name:
            raise InputError(
                "domain-name", "it has no use with endpoints: none", hint="Set endpoints: http, or take it away."
            )

    @property
    def _has_endpoint(self) -> bool:
        """Whether the candidate has, or gets, an endpoint that checks can ask."""
        if self.endpoints is Endpoints.HTTP:
            return True
        if self.command is Command.PROMOTE and not self.candidate:
            return False  # a version is verified at a preview endpoint, and latest-url does not show it
        return bool(self.latest_url) or self.isolation is Isolation.VERSION

    @property
    def names(self) -> str:
        """The function's name, or the names of all, for people."""
        return listed([part.function_name for part in self.parts] or [self.function_name])

    @property
    def has_verification(self) -> bool:
        """Whether the inputs say how to verify."""
        return bool(self.checks or self.invocations or self.tests or self.test_command)

    @property
    def has_archive(self) -> bool:
        """Whether the code is a directory or an archive of the workspace."""
        return bool(self.artifact) and not re.match(r"s3://|[^/]*\.dkr\.ecr\.", self.artifact)

    @property
    def first_path(self) -> str:
        """The path to ask for when it is to be seen whether an endpoint reaches the function at all."""
        return first_path(self.checks)

    def plan(self, events: Mapping[Invocation, bytes], commit: str) -> str:
        """Digest the verification that the inputs ask for: a version proven by another plan is verified again.

        ``events`` has the contents of the files that ``invoke`` names. Whose gateway is asked is part of it as well.
        What tests and test-command do is written in the repository, so that those of another ``commit`` are others.
        """
        parts = {
            "latest-url": self.latest_url,
            "checks": [check.name for check in self.checks],
            "invoke": [[invocation.name, hashlib.sha256(event).hexdigest()] for invocation, event in events.items()],
        }
        if self.tests or self.test_command:
            parts |= {"tests": [self.tests, self.tests_requirements, self.test_command], "commit": commit}
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


_NEED_ENDPOINT = {
    False: "Set endpoints: http, or latest-url for a gateway of your own, or verify with invoke.",
    True: "Set endpoints: http for a preview endpoint of the version, or verify with invoke.",
}
"""Hints; by whether a version is promoted that is not in $LATEST."""


def require_archive(read: Sequence[Inputs]) -> None:
    """Refuse a bucket for archives if no function's code goes through it.

    Raises:
        InputError: of ``artifact-bucket``: all code is in S3 already, or in a container image.

    """
    if read[0].artifact_bucket and not any(inputs.has_archive for inputs in read):
        raise InputError(
            "artifact-bucket",
            "it has no effect: only a directory or a .zip of the workspace goes through it",
            hint="Remove artifact-bucket: an object in S3 and a container image need none.",
        )


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


_RELEASING = (Command.RUN, Command.DEPLOY, Command.PROMOTE, Command.ROLLBACK)
"""The commands that work on an environment."""

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
        environment_variables=_environment_variables(read),
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


VARIABLE = r"[a-zA-Z][a-zA-Z0-9_]+"
"""An environment variable's name, as a pattern."""


def _environment_variables(read: Reader) -> Mapping[str, str] | None:
    """Read the JSON object of variables. No value is ever repeated in an error: it may be a secret."""
    name, text = "environment-variables", read.raw("environment-variables").strip()
    if not text:
        return None
    hint = 'Write a JSON object of strings, such as {"LOG_LEVEL": "info"}.'
    try:
        value = json_object(text)
    except ValueError as error:
        raise InputError(name, str(error), hint=hint) from None
    for key, item in value.items():
        if not re.fullmatch(VARIABLE, key):
            raise InputError(
                name,
                f"{key!r} is no name that Lambda takes for a variable",
                hint="Names begin with a letter and have two or more letters, digits and _.",
            )
        if key in RESERVED_VARIABLES:
            raise InputError(
                name, f"{key} is set by Lambda itself and cannot be given", hint="Choose another name for it."
            )
        if not isinstance(item, str):
            raise InputError(name, f"the value of {key} is {json_type(item)}, not a string", hint='Put it in "quotes".')
        if item.encode(errors="replace").decode() != item:
            raise InputError(name, f"the value of {key} holds half a character", hint="Write it in Unicode (UTF-8).")
    require_size(value, "the variables are")
    return value


def require_size(variables: Mapping[str, str], which: str) -> None:
    """Refuse environment variables that together are larger than Lambda takes; ``which`` says whose they are.

    Raises:
        InputError: they are.

    """
    size = sum(len(key.encode()) + len(item.encode()) for key, item in variables.items())
    if size > VARIABLES_LIMIT:
        raise InputError(
            "environment-variables",
            f"{which} {size} bytes, and Lambda takes {VARIABLES_LIMIT}",
            hint="Keep large values in Parameter Store or Secrets Manager.",
        )


VARIABLES_LIMIT = 4096
"""Bytes: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, environment variables."""


RESERVED_VARIABLES = frozenset(
    {
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)
"""https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html, reserved environment variables."""


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
