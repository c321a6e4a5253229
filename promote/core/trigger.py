"""What triggers a function: its event source mappings, and what its policy lets invoke it. No calls."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from promote.core.arn import Arn
from promote.core.version import LATEST

STATEMENT = "promote-on-success-"
"""The beginning of the ids of the statements by which the action lets its HTTP APIs invoke the function."""


@dataclass(frozen=True)
class EventSource:
    """An event source mapping: Lambda reads a queue or a stream, and calls a function, a version or an alias."""

    uuid: str
    source: str
    """The ARN of the queue or the stream; empty if it is not in AWS, such as a self-managed Kafka."""
    function: str
    """The ARN that it calls."""
    state: str
    """https://docs.aws.amazon.com/lambda/latest/api/API_EventSourceMappingConfiguration.html, State."""
    modified: str
    """The time of its last change, as Lambda returns it."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Everything else that a user has configured, such as the size of a batch."""

    @property
    def is_settled(self) -> bool:
        """Whether no change of it is in progress."""
        return self.state in ("Enabled", "Disabled")

    @property
    def is_enabled(self) -> bool:
        """Whether a settled mapping reads its source."""
        return self.state == "Enabled"

    @property
    def name(self) -> str:
        """What it reads, as messages show it."""
        return f"{_source_name(self.source)} (event source mapping {self.uuid})"


@dataclass(frozen=True)
class Invoker:
    """A statement of a function's policy, which lets a service or an account invoke the function."""

    statement: str
    principal: str
    """A service such as ``s3.amazonaws.com``, an ARN, or ``*``."""
    action: str
    source: str
    """The ARN that the invocations must come from; empty if the statement names none."""
    account: str = ""
    """The account that they must come from; empty if the statement names none."""
    url_auth: str = ""
    """The AuthType of the function URL that it is about; empty if it is about none."""

    @property
    def is_ours(self) -> bool:
        """Whether the action has added it, for one of its HTTP APIs."""
        return self.principal == _API_GATEWAY and self.statement.startswith(STATEMENT)

    @property
    def api(self) -> str:
        """The id of the API of API Gateway that invokes the function; empty if it is something else."""
        return _resource_name(self.source) if self.principal == _API_GATEWAY and self.source else ""

    @property
    def kind(self) -> str:
        """What invokes the function, in the words of AWS."""
        if self.url_auth:
            return "function URL"
        return _KINDS.get(self.principal, self.principal)

    @property
    def name(self) -> str:
        """What invokes the function, as messages show it."""
        if not self.source:
            return f"{self.kind} (statement {self.statement})"
        return f"{self.kind} {_resource_name(self.source)}"


_API_GATEWAY = "apigateway.amazonaws.com"
_KINDS = {
    _API_GATEWAY: "API Gateway",
    "cognito-idp.amazonaws.com": "Cognito user pool",
    "elasticloadbalancing.amazonaws.com": "load balancer",
    "events.amazonaws.com": "EventBridge rule",
    "iot.amazonaws.com": "IoT rule",
    "logs.amazonaws.com": "CloudWatch log group",
    "s3.amazonaws.com": "S3 bucket",
    "scheduler.amazonaws.com": "EventBridge schedule",
    "sns.amazonaws.com": "SNS topic",
}


@dataclass(frozen=True)
class Triggers:
    """What calls $LATEST of a function, so that it runs code before the code is verified."""

    sources: tuple[EventSource, ...] = ()
    invokers: tuple[Invoker, ...] = ()
    unread: tuple[str, ...] = ()
    """Why some of them could not be read, as sentences."""

    @property
    def names(self) -> list[str]:
        """The names of all that were read."""
        return [*(source.name for source in self.sources), *(invoker.name for invoker in self.invokers)]


def calls_latest(called: str, function: str) -> bool:
    """Return whether the ARN ``called`` is that of $LATEST. ``function`` is the unqualified ARN.

    An event source, a schedule or a service that names the function without a qualifier calls $LATEST.
    """
    return called in (function, f"{function}:{LATEST}")


def advice(invoker: Invoker, function: str, alias: str) -> str:
    """Return how a user lets ``invoker`` call the alias with the ARN ``alias``, and how to go back.

    ``function`` is the unqualified ARN. The action changes none of this itself: the configuration is another service's.
    """
    name, _, qualifier = alias.partition(":function:")[2].partition(":")
    given = {
        "--function-name": name,
        "--qualifier": qualifier,
        "--statement-id": invoker.statement,
        "--action": invoker.action,
        "--principal": invoker.principal,
        "--source-arn": invoker.source,
        "--source-account": invoker.account,
        "--function-url-auth-type": invoker.url_auth,
    }
    # The policy may have been written by others, and the command is copied into a shell.
    options = " ".join(f"{option} {shlex.quote(value)}" for option, value in given.items() if value)
    return (
        f"First let it invoke the alias (aws lambda add-permission {options}). "
        f"Then {_change(invoker, name, qualifier, alias)} "
        f"To go back, name {function} there again: its permission stays."
    )


def _change(invoker: Invoker, name: str, qualifier: str, alias: str) -> str:
    resource = _resource_name(invoker.source) if invoker.source else ""
    changes = {
        "S3 bucket": f"name {alias} in the notifications of the bucket {resource} "
        "(aws s3api put-bucket-notification-configuration).",
        "SNS topic": f"subscribe the alias (aws sns subscribe --topic-arn {shlex.quote(invoker.source)} --protocol "
        f"lambda --notification-endpoint {alias}), then remove the old subscription (aws sns unsubscribe).",
        "EventBridge rule": f"name {alias} in the target of the rule {resource}, and keep the id of the target "
        "(aws events put-targets).",
        "EventBridge schedule": f"name {alias} in the target of the schedule {resource} (aws scheduler "
        "update-schedule).",
        "API Gateway": f"name {alias} in the integrations of the API {resource}, and deploy its stage.",
        "function URL": f"create a URL of the alias (aws lambda create-function-url-config --function-name {name} "
        f"--qualifier {qualifier} --auth-type {invoker.url_auth}), and let your clients use it. A new URL also needs "
        "the permission lambda:InvokeFunction with --invoked-via-function-url.",
    }
    return changes.get(invoker.kind, f"name {alias} where {invoker.kind} names the function.")


def _source_name(arn: str) -> str:
    if not arn:
        return "a self-managed source"
    services = {"sqs": "SQS", "kinesis": "Kinesis", "dynamodb": "DynamoDB", "kafka": "Kafka", "mq": "MQ"}
    service = Arn.of(arn).service if _is_arn(arn) else ""
    return f"{services.get(service, service)} {_resource_name(arn)}".strip()


def _is_arn(text: str) -> bool:
    return text.count(":") > 4  # noqa: PLR2004 - the parts of an ARN


def _resource_name(arn: str) -> str:
    """Return the part of an ARN that names the resource. Of an API, this is its id."""
    if not _is_arn(arn):
        return arn
    found = Arn.of(arn)
    if found.service == "execute-api":
        return found.resource.partition("/")[0]
    named = found.resource.partition("/stream/")[0]
    return named.rpartition("/")[2] or named
