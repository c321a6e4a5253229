"""What triggers a function, and what a user is to change."""

import shlex
from typing import Any

import pytest

from promote.aws.lambda_permissions import invokers_of
from promote.core.trigger import EventSource, Invoker, advice, calls_latest

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:hello"
ALIAS = f"{ARN}:preprod"


def statement(service: str, source: str = "", **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "Sid": "one",
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "lambda:InvokeFunction",
        "Resource": ARN,
        **more,
    }
    return {**made, "Condition": {"ArnLike": {"AWS:SourceArn": source}}} if source else made


def invoker(service: str, source: str = "", **more: Any) -> Invoker:
    [found] = invokers_of(statement(service, source, **more))
    return found


@pytest.mark.parametrize(
    ("called", "is_latest"),
    [(ARN, True), (f"{ARN}:$LATEST", True), (ALIAS, False), (f"{ARN}:7", False), (f"{ARN}2", False)],
)
def test_what_names_no_version_calls_latest(called: str, *, is_latest: bool) -> None:
    assert calls_latest(called, ARN) is is_latest


@pytest.mark.parametrize(
    ("service", "source", "name", "change"),
    [
        ("s3.amazonaws.com", "arn:aws:s3:::uploads", "S3 bucket uploads", "put-bucket-notification-configuration"),
        (
            "sns.amazonaws.com",
            "arn:aws:sns:eu-west-1:123456789012:news",
            "SNS topic news",
            f"--protocol lambda --notification-endpoint {ALIAS}), then remove the old subscription",
        ),
        (
            "events.amazonaws.com",
            "arn:aws:events:eu-west-1:123456789012:rule/bus/nightly",
            "EventBridge rule nightly",
            "target of the rule nightly",
        ),
        (
            "scheduler.amazonaws.com",
            "arn:aws:scheduler:eu-west-1:123456789012:schedule/default/weekly",
            "EventBridge schedule weekly",
            "aws scheduler update-schedule",
        ),
        (
            "apigateway.amazonaws.com",
            "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/*/GET/orders",
            "API Gateway a1b2c3d4e5",
            f"name {ALIAS} in the integrations of the API a1b2c3d4e5",
        ),
        ("lex.amazonaws.com", "", "lex.amazonaws.com (statement one)", f"name {ALIAS} where lex.amazonaws.com names"),
    ],
)
def test_each_service_has_its_way(service: str, source: str, name: str, change: str) -> None:
    found = invoker(service, source)
    text = advice(found, ARN, ALIAS)
    assert found.name == name
    assert change in text
    allow = "aws lambda add-permission --function-name hello --qualifier preprod --statement-id one "
    assert f"{allow}--action lambda:InvokeFunction --principal {service}" in text
    assert f"To go back, name {ARN} there again" in text


def test_a_bucket_keeps_its_account() -> None:
    condition = {"StringEquals": {"AWS:SourceAccount": "123456789012"}, "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::a"}}
    found = invoker("s3.amazonaws.com", Condition=condition)
    assert "--source-arn arn:aws:s3:::a --source-account 123456789012" in advice(found, ARN, ALIAS)


def test_a_function_url_is_one_trigger_with_two_permissions() -> None:
    url = {"Principal": "*", "Action": "lambda:InvokeFunctionUrl"}
    condition = {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}}
    found = invoker("any", Condition=condition, **url)
    assert found.name == "function URL (statement one)"
    text = advice(found, ARN, ALIAS)
    assert "--action lambda:InvokeFunctionUrl --principal '*' --function-url-auth-type NONE" in text
    assert "create-function-url-config --function-name hello --qualifier preprod --auth-type NONE" in text
    second = statement("any", Principal="*", Condition={"Bool": {"lambda:InvokedViaFunctionUrl": "true"}})
    assert list(invokers_of(second)) == []


def test_only_statements_that_allow_invocations_are_triggers() -> None:
    assert list(invokers_of(statement("s3.amazonaws.com", Effect="Deny"))) == []
    assert list(invokers_of(statement("s3.amazonaws.com", Action="lambda:GetFunction"))) == []
    several = statement("any", Principal={"AWS": ["arn:aws:iam::1:root", "arn:aws:iam::2:root"]}, Action=["lambda:*"])
    assert [found.principal for found in invokers_of(several)] == ["arn:aws:iam::1:root", "arn:aws:iam::2:root"]


def test_only_statements_of_our_apis_are_ours() -> None:
    ours = invoker("apigateway.amazonaws.com", Sid="promote-on-success-a1b2c3d4e5-latest")
    assert ours.is_ours
    assert not invoker("events.amazonaws.com", Sid="promote-on-success-a1b2c3d4e5-latest").is_ours
    assert not invoker("apigateway.amazonaws.com", Sid="shop").is_ours


def test_text_of_a_policy_is_quoted_for_the_shell() -> None:
    """Who can write the policy must not get a command into the shell of a person who copies the advice."""
    source = "arn:aws:sns:eu-west-1:123456789012:news; rm -rf ~"
    text = advice(invoker("sns.amazonaws.com", source), ARN, ALIAS)
    assert text.count(shlex.quote(source)) == 2
    assert "rm -rf" not in text.replace(shlex.quote(source), "")


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("arn:aws:sqs:eu-west-1:123456789012:orders", "SQS orders"),
        ("arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000", "DynamoDB orders"),
        ("arn:aws:kinesis:eu-west-1:123456789012:stream/clicks", "Kinesis clicks"),
        ("", "a self-managed source"),
    ],
)
def test_an_event_source_has_a_name(source: str, name: str) -> None:
    found = EventSource("1-2", source, ARN, "Enabled", "")
    assert found.name == f"{name} (event source mapping 1-2)"
    assert (found.is_settled, found.is_enabled) == (True, True)
