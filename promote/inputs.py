"""The action's inputs: one frozen value, read and checked before anything else happens."""

import difflib
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv6Address
from typing import Self, TypeVar

from promote.check import HttpCheck, Invocation, json_object, json_type, parse_checks, parse_invocations
from promote.errors import InputError
from promote.line import LONGEST_LEASE, Queue


class Command(StrEnum):
    """What the action can do; see action.yml."""

    RUN = "run"
    STATUS = "status"
    LOCK = "lock"
    UNLOCK = "unlock"


class Diverged(StrEnum):
    """What to do where the environment's commit is no ancestor of ours, nor ours of it."""

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
    artifact: str
    configuration: Configuration
    endpoints: Endpoints
    latest_url: str
    environment_url: str
    domain_name: str
    base_path: str
    checks: tuple[HttpCheck, ...]
    invocations: tuple[Invocation, ...]
    verify_timeout: float
    """Seconds."""
    table: str
    lock_timeout: float
    """Seconds."""
    queue: Queue
    lease: int
    """Seconds."""
    diverged: Diverged
    reason: str
    dry_run: bool

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read ``INPUT_*`` as the runner hands them over: upper case, hyphens kept, optional ones set and empty.

        Raises:
            InputError: the first input that is wrong.

        """
        read = _Reader(environ)
        read.text("github-token")  # the context has it; a broken one is refused here, as every input
        command = read.choice("command", Command, Command.RUN)
        function_name, function_arn, region = _target(read)
        inputs = cls(
            command=command,
            function_name=function_name,
            function_arn=function_arn,
            region=region,
            environment=_environment(read, is_required=command is Command.RUN),
            artifact=read.text("artifact"),
            configuration=_configuration(read),
            endpoints=read.choice("endpoints", Endpoints, Endpoints.HTTP),
            latest_url=read.url("latest-url"),
            environment_url=read.url("environment-url"),
            domain_name=_domain_name(read),
            base_path=_base_path(read),
            checks=parse_checks(read.raw("checks")),
            invocations=parse_invocations(read.raw("invoke")),
            verify_timeout=60 * read.number("verify-timeout", "minutes", default=10, least=0.01, most=360),
            table=_table(read),
            lock_timeout=60 * read.number("lock-timeout", "minutes", default=30, least=0, most=360),
            queue=read.choice("queue", Queue, Queue.NEWEST),
            lease=_lease(read, command),
            diverged=read.choice("diverged", Diverged, Diverged.PROMOTE),
            reason=_reason(read),
            dry_run=read.boolean("dry-run"),
        )
        inputs.require_consistency()
        return inputs

    def require_consistency(self) -> None:
        """Refuse inputs that are right one by one and wrong together.

        Raises:
            InputError: names the input to change.

        """
        if self.command is Command.UNLOCK and not self.reason:
            raise InputError(
                "reason",
                "it is missing, and a lock is not opened by force without one",
                hint="Say why in a sentence: it is recorded, and shown to whoever loses the lock.",
            )
        if self.command is Command.RUN:
            self._require_run()

    def _require_run(self) -> None:
        if not (self.checks or self.invocations):
            raise InputError(
                "checks",
                "there is nothing to verify the candidate with, and what is not verified is not promoted",
                hint="Give at least one line in checks, such as GET /health 200, or an event in invoke.",
            )
        if self.checks and self.endpoints is Endpoints.NONE and not self.latest_url:
            raise InputError(
                "checks",
                "HTTP checks need an endpoint, and endpoints is none",
                hint="Set endpoints: http, or latest-url for a gateway of your own, or verify with invoke.",
            )
        if self.base_path and not self.domain_name:
            raise InputError(
                "base-path", "it is given without domain-name", hint="Add domain-name, or take base-path away."
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

    def plan(self, events: Mapping[Invocation, bytes]) -> str:
        """Digest the verification that the inputs ask for: a version proven by another plan is verified again.

        ``events`` has the contents of the files that ``invoke`` names. Whose gateway is asked is part of it as well.
        """
        parts = {
            "latest-url": self.latest_url,
            "checks": [check.name for check in self.checks],
            "invoke": [[invocation.name, hashlib.sha256(event).hexdigest()] for invocation, event in events.items()],
        }
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


_Choice = TypeVar("_Choice", bound=StrEnum)


@dataclass(frozen=True)
class _Reader:
    """Typed access to the inputs."""

    environ: Mapping[str, str]

    def raw(self, name: str) -> str:
        return self.environ.get(f"INPUT_{name.upper()}", "")

    def text(self, name: str) -> str:
        value = self.raw(name).strip()
        if not value.isprintable():
            raise InputError(name, "it holds a line break or a control character", hint="Write it on one line.")
        return value

    def optional(self, name: str) -> str | None:
        return self.text(name) or None

    def choice(self, name: str, kind: type[_Choice], default: _Choice) -> _Choice:
        value = self.text(name)
        if not value:
            return default
        try:
            return kind(value)
        except ValueError:
            known = [member.value for member in kind]
            near = difflib.get_close_matches(value, known, n=1)
            hint = f"Did you mean {near[0]}? Known are: " if near else "Known are: "
            raise InputError(name, f"{value!r} is not known", hint=hint + ", ".join(known) + ".") from None

    def boolean(self, name: str) -> bool:
        value = self.text(name).lower()
        if value not in ("", "true", "false"):
            raise InputError(name, f"{self.text(name)!r} is neither true nor false", hint="Write true or false.")
        return value == "true"

    def number(self, name: str, unit: str, *, default: float, least: float, most: float) -> float:
        value = self.text(name)
        if not value:
            return default
        if not re.fullmatch(r"\d+(\.\d+)?", value) or not least <= float(value) <= most:
            raise InputError(
                name,
                f"{value!r} is no number of {unit} from {least:g} to {most:g}",
                hint=f"Write it like {default:g}, which is the default.",
            )
        return float(value)

    def integer(self, name: str, unit: str, least: int, most: int) -> int | None:
        value = self.text(name)
        if not value:
            return None
        if not re.fullmatch(r"[0-9]{1,9}", value) or not least <= int(value) <= most:
            raise InputError(
                name,
                f"{value!r} is no whole number of {unit} from {least} to {most}",
                hint="Correct it, or leave it empty to keep what the function has.",
            )
        return int(value)

    def url(self, name: str) -> str:
        value = self.text(name).rstrip("/")
        if value and not _is_url(value):
            # A user, or a query, may hold a password, which is not repeated.
            shown = "it" if set(value) & {"@", "?"} else repr(value)
            raise InputError(
                name, f"{shown} is no http(s) URL without user, query and fragment", hint="Write https://host/path."
            )
        return value


def _is_url(value: str) -> bool:
    """Whether ``value`` is the URL of a host, and what follows of a path."""
    found = re.fullmatch(
        rf"https?://({_HOST}|\[(?P<ipv6>[0-9a-fA-F:.]+)])(:(?P<port>[0-9]{{1,5}}))?(/[^\s?#]*)?", value
    )
    if not found or not 1 <= int(found["port"] or 1) <= 65535:  # noqa: PLR2004 - RFC 9293, 3.1
        return False
    try:
        return found["ipv6"] is None or bool(IPv6Address(found["ipv6"]))
    except ValueError:
        return False


_HOST = r"(?=[^/:]{1,253}(/|:|$))[a-zA-Z0-9_-]{1,63}(\.[a-zA-Z0-9_-]{1,63})*"
"""https://www.rfc-editor.org/rfc/rfc1035, 2.3.4; the _ of names inside a network or a container's is taken as well."""

_NAME = r"[a-zA-Z0-9-_]{1,64}"
_ARN = rf"arn:aws[a-z-]*:lambda:(?P<region>[a-z0-9-]+):[0-9]{{12}}:function:{_NAME}"
_QUALIFIED = rf"(?P<target>{_NAME}|{_ARN})(?P<qualifier>:[a-zA-Z0-9$_-]+)"


def _target(read: _Reader) -> tuple[str, str, str]:
    """Give the function's name, its ARN (or empty) and the region (or empty)."""
    value, region = read.text("function-name"), read.text("aws-region")
    if not value:
        raise InputError("function-name", "it is missing", hint="Give the Lambda function's name or ARN.")
    if region and not re.fullmatch(r"[a-z0-9-]+", region):
        raise InputError("aws-region", f"{region!r} is no region", hint="Write it like eu-west-1.")
    if re.fullmatch(_NAME, value):
        return value, "", region
    if match := re.fullmatch(_QUALIFIED, value):
        raise InputError(
            "function-name",
            f"it ends with {match['qualifier']!r}, a version or an alias",
            hint=f"Write {match['target']}: the action deploys to $LATEST and moves the alias that the input "
            "environment names.",
        )
    match = re.fullmatch(_ARN, value)
    if not match:
        raise InputError(
            "function-name",
            f"{value!r} is neither a function's name nor its ARN",
            hint="A name has up to 64 letters, digits, - and _; an ARN looks like "
            "arn:aws:lambda:eu-west-1:123456789012:function:my-function.",
        )
    if region and region != match["region"]:
        raise InputError(
            "aws-region",
            f"it says {region}, and the function's ARN says {match['region']}",
            hint="Leave aws-region empty when function-name is an ARN.",
        )
    return value.rpartition(":")[2], value, match["region"]


def _reason(read: _Reader) -> str:
    value = read.text("reason")
    if len(value) > _LONGEST_REASON:
        raise InputError(
            "reason",
            f"it has more than {_LONGEST_REASON} characters",
            hint="Say it in a sentence, and link to the rest.",
        )
    return value


_LONGEST_REASON = 500


def _lease(read: _Reader, command: Command) -> int:
    """Give the seconds of the lease: few where a heartbeat renews it, many where the job's own steps are at work."""
    default = 3600 if command is Command.LOCK else 30
    return round(read.number("lease", "seconds", default=default, least=_SHORTEST_LEASE, most=LONGEST_LEASE))


_SHORTEST_LEASE = 1
"""Seconds. A quarter of the lease is the time of one heartbeat: three of them may fail before it is lost."""


def _environment(read: _Reader, *, is_required: bool) -> str:
    value = read.text("environment")
    if not value and not is_required:
        return ""
    if not value:
        raise InputError("environment", "it is missing", hint="Name the alias to promote to, such as preprod or prod.")
    if value.isdecimal():
        raise InputError(
            "environment",
            f"{value!r} is a number, which Lambda takes for a version and not for an alias",
            hint="Name it after what it is for, such as preprod or prod.",
        )
    if not re.fullmatch(r"[a-zA-Z0-9-_]{1,128}", value):
        raise InputError(
            "environment",
            f"{value!r} is no alias name",
            hint="Use up to 128 letters, digits, - and _, such as preprod or prod.",
        )
    if value.lower() == "latest":
        raise InputError(
            "environment",
            f"{value!r} is what the endpoint of $LATEST is called, so no environment can have that name",
            hint="Name the alias to promote to, such as preprod or prod.",
        )
    return value


def _configuration(read: _Reader) -> Configuration:
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


def _environment_variables(read: _Reader) -> Mapping[str, str] | None:
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
        if not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_]+", key):
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


def _domain_name(read: _Reader) -> str:
    value = read.text("domain-name")
    if value and not re.fullmatch(
        r"(?=.{4,253}$)([a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\.)+[a-zA-Z]{2,63}", value
    ):
        raise InputError(
            "domain-name", f"{value!r} is no domain name", hint="Write it like api.example.com, without https://."
        )
    return value.lower()


def _base_path(read: _Reader) -> str:
    value = read.text("base-path").strip("/")
    if value and not re.fullmatch(r"[a-zA-Z0-9$_.+!*'()-]+(/[a-zA-Z0-9$_.+!*'()-]+)*", value):
        raise InputError(
            "base-path",
            f"{value!r} is no path that API Gateway can map",
            hint="Use letters, digits and $-_.+!*'() between slashes, such as my-application.",
        )
    return value


def _table(read: _Reader) -> str:
    value = read.text("table") or "promote-on-success"
    if not re.fullmatch(r"[a-zA-Z0-9_.-]{3,255}", value):
        raise InputError(
            "table", f"{value!r} is no DynamoDB table name", hint="Use 3 to 255 letters, digits, _, . and -."
        )
    return value
