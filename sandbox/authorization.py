"""Authorization: callers with a policy, and the permissions that each of their requests needs.

MiniStack evaluates a policy. This module defines what a request needs, because MiniStack's own enforcement applies to a
whole server, confuses operations on aliases, and does not know passed roles or what Lambda reads from S3.

Sources:
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
lists actions, resources and condition keys of each service. Rules with another source name it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from ministack.core.iam_evaluator import EvalContext, evaluate, parse_policy_document, validate_policy_document
from ministack.services import apigateway, dynamodb, lambda_svc

from sandbox import errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sandbox.exchange import Answer, Request
    from sandbox.operations import Operation

SESSION = "assumed-role/release/job"
"""The role that every caller has assumed, and the name of the session."""

FREE = frozenset({"sts.GetCallerIdentity"})
"""What needs no permission: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html."""

_PARTS = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
_VERSIONED = {"GetObject": "GetObjectVersion", "DeleteObject": "DeleteObjectVersion"}


@dataclass(frozen=True)
class Need:
    """A permission that a request needs."""

    action: str
    resource: str
    context: Mapping[str, Any] = field(default_factory=dict)
    """The condition keys of the request, in lower case."""
    message: str = "{}"
    """The service's message of a refusal, with braces for IAM's text."""


@dataclass(frozen=True)
class Permission:
    """A permission that a request needed. `sandbox.client.Permission` describes the fields."""

    action: str
    resource: str
    statement: str | None


@dataclass(frozen=True)
class Ruling:
    """The decision about one request."""

    permissions: tuple[Permission, ...] = ()
    refusal: Answer | None = None


class Callers:
    """The callers that have a policy, by account and session token."""

    def __init__(self) -> None:
        """Begin without callers. A caller without a policy may do everything."""
        self._policies: dict[tuple[str, str], list[Any]] = {}
        self._are_tags_inherited: dict[tuple[str, str], bool] = {}

    def admit(self, account: str, token: str, policy: Mapping[str, Any], *, are_tags_inherited: bool = True) -> None:
        """Register a policy for the caller with that token. Raise ValueError for an invalid policy.

        With `are_tags_inherited` False, the parts of an HTTP API do not have its tags (see `_tags`).
        """
        problem = validate_policy_document(dict(policy))
        if problem:
            raise ValueError(problem)
        self._policies[account, token] = parse_policy_document(dict(policy))
        self._are_tags_inherited[account, token] = are_tags_inherited

    def rule(self, operation: Operation, request: Request) -> Ruling:
        """Decide whether the caller may make the request."""
        token = request.headers.get("x-amz-security-token", "")
        statements = self._policies.get((operation.account, token)) if token else None
        if statements is None or operation.full_name in FREE:
            return Ruling()
        permissions: list[Permission] = []
        for need in needs(operation, request, are_tags_inherited=self._are_tags_inherited[operation.account, token]):
            context = EvalContext(
                principal_arn=f"arn:aws:sts::{operation.account}:{SESSION}",
                principal_type="AssumedRole",
                principal_account=operation.account,
                action=need.action,
                resource_arn=need.resource,
                region=operation.region,
                service_context=dict(need.context),
            )
            result = evaluate(context, [statements])
            is_allowed = result.decision == "Allow"
            permissions.append(Permission(need.action, need.resource, result.matched_sid if is_allowed else None))
            if not is_allowed:
                text = _words(need, context.principal_arn, is_explicit=result.decision == "Deny")
                refusal = errors.answer(operation.service, errors.denial(operation.service, text))
                return Ruling(tuple(permissions), refusal)
        return Ruling(tuple(permissions))


def needs(operation: Operation, request: Request, *, are_tags_inherited: bool = True) -> Iterator[Need]:
    """Yield the permissions that a request needs, in the order in which its service checks them."""
    body = _body(request)
    match operation.service:
        case "lambda":
            yield from _lambda(operation, request, body)
        case "dynamodb":
            yield from _dynamodb(operation, body)
        case "apigatewayv2" | "apigateway":
            yield from _gateway(operation, request, body, are_tags_inherited=are_tags_inherited)
        case "s3":
            yield _s3(operation, request)
        case "iam":
            yield from _iam(operation, request)
        case "logs" if group := body.get("logGroupName"):
            yield Need(
                f"logs:{operation.name}", f"arn:aws:logs:{operation.region}:{operation.account}:log-group:{group}"
            )
        case _:
            yield Need(f"{operation.service}:{operation.name}", "*")


def _lambda(operation: Operation, request: Request, body: Mapping[str, Any]) -> Iterator[Need]:
    """Yield what Lambda checks.

    An operation on an alias needs permission on its function. One with a qualifier needs permission on exactly what
    the qualifier names: https://docs.aws.amazon.com/lambda/latest/dg/lambda-api-permissions-ref.html.
    """
    if "/event-source-mappings" in request.path:
        yield from _event_source(operation, body)
        return
    name = str(body.get("FunctionName", "")) if operation.name == "CreateFunction" else operation.resource
    resource = "*"
    if name and "/functions" in request.path:
        _, _, name = name.rpartition("function:")
        name, _, qualifier = name.partition(":")
        qualifier = parse_qs(request.query).get("Qualifier", [qualifier])[0]
        resource = f"arn:aws:lambda:{operation.region}:{operation.account}:function:{name}"
        resource += f":{qualifier}" if qualifier else ""
    elif name and "/tags/" in request.path:
        resource = name
    context = {}
    if operation.name == "AddPermission":
        context["lambda:principal"] = body.get("Principal")
    yield Need(f"lambda:{'InvokeFunction' if operation.name == 'Invoke' else operation.name}", resource, context)
    if body.get("Tags"):
        yield Need("lambda:TagResource", resource)
    if operation.name in ("CreateFunction", "UpdateFunctionConfiguration") and body.get("Role"):
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
        yield Need("iam:PassRole", str(body["Role"]), {"iam:passedtoservice": "lambda.amazonaws.com"})
    code = body.get("Code", {}) if operation.name == "CreateFunction" else body
    if operation.name in ("CreateFunction", "UpdateFunctionCode") and code.get("S3Bucket"):
        # Lambda reads the object with the caller's permissions.
        place = f"{code['S3Bucket']}/{code['S3Key']}"
        yield Need(
            "s3:GetObjectVersion" if code.get("S3ObjectVersion") else "s3:GetObject",
            f"arn:aws:s3:::{place}",
            message="Your access has been denied by S3, please make sure your request credentials have permission to "
            f"GetObject for {place}. S3 Error Code: AccessDenied. S3 Error Message: {{}}",
        )


def _event_source(operation: Operation, body: Mapping[str, Any]) -> Iterator[Need]:
    """Yield what Lambda checks for event source mappings.

    To list or to create them, no resource can be named. The key ``lambda:FunctionArn`` is that of the function which
    the mapping calls. For a change of it, nothing says whether that is the one before or after, so both are needed.
    """
    home = f"arn:aws:lambda:{operation.region}:{operation.account}"
    mapping = lambda_svc._esms.get_scoped(operation.account, operation.region, operation.resource) or {}  # noqa: SLF001 - MiniStack has no other access
    resource = f"{home}:event-source-mapping:{operation.resource}" if operation.resource else "*"
    called = [mapping.get("FunctionArn")]
    if name := str(body.get("FunctionName", "")):
        called.append(f"{home}:function:{name.rpartition('function:')[2]}")
    for function in filter(None, dict.fromkeys(called)):
        yield Need(f"lambda:{operation.name}", resource, {"lambda:functionarn": function})
    if not any(called):
        yield Need(f"lambda:{operation.name}", resource)


def _dynamodb(operation: Operation, body: Mapping[str, Any]) -> Iterator[Need]:
    """Yield what DynamoDB checks. For a transaction, these are the permissions of its parts.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
    """

    def table(given: Mapping[str, Any]) -> str:
        name = str(given.get("TableName", ""))
        home = f"arn:aws:dynamodb:{operation.region}:{operation.account}:table/"
        return name if name.startswith("arn:") else home + name if name else "*"

    if operation.name == "TransactWriteItems":
        for part in body.get("TransactItems", []):
            for kind, given in part.items():
                context = {"dynamodb:enclosingoperation": ["TransactWriteItems"], **_leading_keys(operation, given)}
                yield Need(f"dynamodb:{_PARTS[kind]}", table(given), context)
    else:
        resource = str(body.get("ResourceArn") or table(body))
        yield Need(f"dynamodb:{operation.name}", resource, _leading_keys(operation, body))
        if body.get("Tags"):
            yield Need("dynamodb:TagResource", table(body))


def _leading_keys(operation: Operation, given: Mapping[str, Any]) -> Mapping[str, list[str]]:
    """Return `dynamodb:LeadingKeys`: the partition key of the item, or of the items that a query reads.

    Operations on a whole table have no such key. Neither have operations on a table that does not exist:
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
    """
    name = str(given.get("TableName", "")).rpartition("/")[2]
    found: Mapping[str, Any] = dynamodb._tables.get_scoped(operation.account, operation.region, name) or {}  # noqa: SLF001 - MiniStack has no other access
    schema = found.get("KeySchema", [])
    key = next((part["AttributeName"] for part in schema if part["KeyType"] == "HASH"), "")
    item = {**given.get("Item", {}), **given.get("Key", {})}
    if given.get("KeyConditionExpression"):
        names: Mapping[str, str] = given.get("ExpressionAttributeNames", {})
        equal = re.findall(r"([#\w.-]+)\s*=\s*(:\w+)", given["KeyConditionExpression"])
        values: Mapping[str, Any] = given.get("ExpressionAttributeValues", {})
        item = {names.get(attribute, attribute): values.get(value, {}) for attribute, value in equal}
    return {"dynamodb:leadingkeys": [str(value) for value in item[key].values()]} if key in item else {}


def _gateway(
    operation: Operation, request: Request, body: Mapping[str, Any], *, are_tags_inherited: bool
) -> Iterator[Need]:
    """Yield what API Gateway checks: the method as the action, the path as the resource.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/arn-format-reference.html

    Tags in a request need `TagResource` on the path of the request. The reference does not list this action.
    AWS names it when it denies a call: https://github.com/aws-amplify/amplify-cli/issues/12316
    """
    path = request.path.removeprefix("/v2").rstrip("/")
    resource = f"arn:aws:apigateway:{operation.region}::{path}"
    tags: Mapping[str, str] = body.get("tags") or {}
    context: dict[str, Any] = {f"aws:requesttag/{key.lower()}": value for key, value in tags.items()}
    if tags:
        context["aws:tagkeys"] = list(tags)
    for key, value in _tags(operation, path, are_tags_inherited=are_tags_inherited).items():
        context[f"aws:resourcetag/{key.lower()}"] = value
    yield Need(f"apigateway:{request.method}", resource, context)
    if tags:
        yield Need("apigateway:TagResource", resource)


def _tags(operation: Operation, path: str, *, are_tags_inherited: bool) -> Mapping[str, str]:
    """Return the tags that a policy sees of an HTTP API or of a part of one.

    It is not documented whether the parts have the tags of their API. The guide states it only for REST APIs. The
    reference lists `aws:ResourceTag` for routes and integrations, which cannot have tags themselves. So a policy must
    work in both cases.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-tagging-supported-resources.html
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonapigatewaymanagementv2.html
    """
    _, kind, *parts = path.split("/")
    if kind != "apis" or not parts or (len(parts) > 1 and not are_tags_inherited):
        return {}
    arn = f"arn:aws:apigateway:{operation.region}::/apis/{parts[0]}"
    found: Mapping[str, str] = apigateway._api_tags.get_scoped(operation.account, operation.region, arn) or {}  # noqa: SLF001 - as above
    return found


def _iam(operation: Operation, request: Request) -> Iterator[Need]:
    """Yield what IAM checks. An operation on a role needs permission on it; tags in a request also need TagRole.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
    """
    form = parse_qs(request.body.decode("latin-1"))
    role = form.get("RoleName", [""])[0]
    resource = f"arn:aws:iam::{operation.account}:role/{role}" if role else "*"
    yield Need(f"iam:{operation.name}", resource)
    if operation.name == "CreateRole" and any(name.startswith("Tags.") for name in form):
        yield Need("iam:TagRole", resource)


def _s3(operation: Operation, request: Request) -> Need:
    """Return what S3 checks. Among operations whose action has another name, it knows those that read."""
    bucket, _, key = request.path.lstrip("/").partition("/")
    name = {"HeadObject": "GetObject", "HeadBucket": "ListBucket", "ListObjectsV2": "ListBucket"}.get(
        operation.name, operation.name
    )
    if "versionId" in parse_qs(request.query):
        name = _VERSIONED.get(name, name)
    return Need(f"s3:{name}", f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}")


def _words(need: Need, principal: str, *, is_explicit: bool) -> str:
    """Return a refusal in IAM's words.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
    """
    quoted = f'"{need.resource}"' if need.action.startswith("s3:") else need.resource
    reason = (
        "with an explicit deny in an identity-based policy"
        if is_explicit
        else f"because no identity-based policy allows the {need.action} action"
    )
    return need.message.format(
        f"User: {principal} is not authorized to perform: {need.action} on resource: {quoted} {reason}"
    )


def _body(request: Request) -> Mapping[str, Any]:
    """Return a request's JSON, or an empty object if it has none."""
    if not request.body.lstrip().startswith(b"{"):
        return {}
    try:
        data = json.loads(request.body)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
