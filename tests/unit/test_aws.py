"""Errors of AWS, as users read them."""

from typing import Any

import pytest
from boto3 import Session
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigParseError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)

from promote.aws.clients import Clients
from promote.aws.error_codes import MEANINGS, PASSING
from promote.aws.errors import explain, is_throttled
from promote.core.errors import AccessError, InputError, ServiceError


def error(code: str, message: str, status: int = 0) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "GetFunctionConfiguration")


@pytest.mark.parametrize(
    ("message", "denied"),
    [
        (
            (
                "User: arn:aws:sts::1:assumed-role/a/b is not authorized to perform: iam:PassRole on resource: "
                "arn:aws:iam::1:role/c because no identity-based policy allows the iam:PassRole action"
            ),
            "iam:PassRole on arn:aws:iam::1:role/c",
        ),
        (
            'is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::b/k"',
            "s3:GetObject on arn:aws:s3:::b/k",
        ),
        ("Access Denied", "GetFunctionConfiguration"),
    ],
)
def test_a_denial_names_action_and_resource(message: str, denied: str) -> None:
    made = explain(error("AccessDenied", message))
    assert isinstance(made, AccessError)
    assert str(made) == f"AWS denies {denied}: {message}"
    assert made.hint.startswith(f"Allow {denied} in the policy of the role")


def test_a_role_that_does_not_trust_the_job_is_not_a_missing_permission_of_its_policy() -> None:
    made = explain(error("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"))
    assert str(made).startswith("AWS denies sts:AssumeRoleWithWebIdentity: ")
    assert "trust policy of the role" in made.hint


def test_an_explicit_deny_cannot_be_allowed_away() -> None:
    made = explain(error("AccessDeniedException", "... with an explicit deny in a service control policy"))
    assert "overrides" in made.hint


@pytest.mark.parametrize("code", ["ExpiredToken", "ExpiredTokenException", "RequestExpired"])
def test_credentials_expire(code: str) -> None:
    made = explain(error(code, "expired"))
    assert isinstance(made, AccessError)
    assert str(made) == "the AWS credentials have expired (GetFunctionConfiguration: expired)"


@pytest.mark.parametrize("code", ["UnrecognizedClientException", "InvalidAccessKeyId", "SignatureDoesNotMatch"])
def test_credentials_may_be_unknown(code: str) -> None:
    assert str(explain(error(code, "no"))) == "the AWS credentials are not valid (GetFunctionConfiguration: no)"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("InvalidSignatureException", "Signature expired: 20261201T000000Z is now earlier than 20261201T001500Z"),
        ("SignatureDoesNotMatch", "Signature not yet current: 20261201T003000Z is still later than 20261201T001500Z"),
        ("RequestTimeTooSkewed", "The difference between the request time and the current time is too large."),
        ("RequestInTheFuture", "no"),
    ],
)
def test_a_clock_that_is_wrong_is_not_a_wrong_secret(code: str, message: str) -> None:
    made = explain(error(code, message, 403))
    assert isinstance(made, AccessError)
    assert str(made).startswith("the clock of the runner is wrong")
    assert message in str(made)
    assert "NTP" in made.hint


def test_a_wrong_signature_is_a_wrong_secret() -> None:
    made = explain(error("SignatureDoesNotMatch", "The request signature we calculated does not match", 403))
    assert str(made).startswith("the AWS credentials are not valid")
    assert "AWS_SECRET_ACCESS_KEY does not belong to AWS_ACCESS_KEY_ID" in made.hint


@pytest.mark.parametrize("code", sorted(MEANINGS))
def test_a_code_that_aws_documents_is_said_in_words(code: str) -> None:
    made = explain(error(code, "The message of AWS", 400))
    assert str(made) == f"GetFunctionConfiguration failed: {MEANINGS[code].cause} ({code}: The message of AWS)"
    assert "un the job again" not in made.hint.replace("and run the job again", "")
    assert made.hint.endswith(".")


def test_the_table_of_codes_has_those_of_lambda() -> None:
    """The others are handled where they occur, or are passing."""
    model = Session().client("lambda", region_name="eu-west-1").meta.service_model
    refusals = {name for name in model.shape_names if model.shape_for(name).metadata.get("exception")}
    passing = {
        "CodeArtifactUserPendingException",
        "PreconditionFailedException",
        "ResourceConflictException",
        "ResourceNotReadyException",
        "ServiceException",
        "SnapStartNotReadyException",
    }
    others = {  # of operations that the action does not call, or about a parameter that the message names
        "CallbackTimeoutException",
        "DurableExecutionAlreadyStartedException",
        "InvalidParameterValueException",
        "InvalidRequestContentException",
        "NoPublishedVersionException",
        "ProvisionedConcurrencyConfigNotFoundException",
        "ResourceInUseException",
        "ResourceNotFoundException",
        "UnsupportedMediaTypeException",
    }
    throttled = {name for name in refusals if is_throttled(error(name, "", 400))}
    assert refusals - set(MEANINGS) == passing | others | throttled


@pytest.mark.parametrize(("status", "again"), [(400, False), (402, False), (404, False), (409, True), (503, True)])
def test_a_refusal_with_an_unknown_code_is_not_repeated(status: int, *, again: bool) -> None:
    made = explain(error("BrandNewException", "no", status))
    assert ("Run the job again" in made.hint) == again
    assert "AWS" in made.hint


@pytest.mark.parametrize("code", sorted(PASSING))
def test_a_refusal_that_may_pass_is_repeated(code: str) -> None:
    made = explain(error(code, "no", 400))
    assert "Run the job again" in made.hint
    assert "each time" not in made.hint


@pytest.mark.parametrize(
    ("reasons", "again"),
    [
        (["None", "TransactionConflict"], True),
        (["TransactionConflict", "ThrottlingError"], True),
        (["TransactionConflict", "ValidationError"], False),
        (["AccessDenied"], False),
        ([], False),
    ],
)
def test_a_cancelled_transaction_may_pass_if_each_reason_may(reasons: list[str], *, again: bool) -> None:
    cancelled = error("TransactionCanceledException", "Transaction cancelled", 400)
    response: Any = cancelled.response
    response["CancellationReasons"] = [{"Code": reason} for reason in reasons]
    assert ("each time" not in explain(cancelled).hint) == again


@pytest.mark.parametrize("code", ["InvalidIdentityToken", "InvalidIdentityTokenException"])
def test_keys_that_aws_cannot_get_are_not_a_missing_provider(code: str) -> None:
    message = "Couldn't retrieve verification key from your identity provider"
    made = explain(error(code, message, 400))
    assert "could not get the keys of the identity provider" in str(made)
    assert "run the job again" in made.hint
    assert "Create the OIDC provider" not in made.hint
    assert "Create the OIDC provider" in explain(error(code, "No OpenIDConnect provider found", 400)).hint


@pytest.mark.parametrize(
    ("message", "quota"),
    [
        ("Subscriber limit exceeded: Only 500 tables can be created, updated, or deleted simultaneously", False),
        ("There are too many concurrent control plane operations", False),
        ("Too many operations for a given subscriber.", False),
        ("Subscriber limit exceeded: There is a limit of 2500 tables per region", True),
    ],
)
def test_too_many_tables_at_the_same_time_are_not_too_many_tables(message: str, *, quota: bool) -> None:
    made = explain(error("LimitExceededException", message, 400))
    assert "run the job again" in made.hint
    assert ("higher quota" in made.hint) == quota


def test_any_other_error_has_the_message_of_aws() -> None:
    made = explain(error("ServiceException", "internal"))
    assert isinstance(made, ServiceError)
    assert str(made) == "GetFunctionConfiguration failed: ServiceException: internal"


@pytest.mark.parametrize(
    "error", [EndpointConnectionError(endpoint_url="https://a"), ReadTimeoutError(endpoint_url="https://a")]
)
def test_no_answer(error: BotoCoreError) -> None:
    made = explain(error)
    assert isinstance(made, ServiceError)
    assert str(made).startswith("AWS is not reachable: ")


def test_no_credentials() -> None:
    assert isinstance(explain(NoCredentialsError()), AccessError)


def test_what_cannot_be_sent_names_the_parameters_and_no_value() -> None:
    secret = "s3cr3t\nInvalid"
    client = Session().client("lambda", region_name="eu-west-1", aws_access_key_id="1", aws_secret_access_key="2")
    wrong: Any = {
        "FunctionName": "",
        "Environment": {"Variables": {"API_KEY": [secret]}},
        "Secret": secret,
    }
    with pytest.raises(ParamValidationError) as caught:
        client.update_function_configuration(**wrong)
    made = explain(caught.value)
    assert isinstance(made, ServiceError)
    assert str(made) == (
        "a request to AWS is not valid: Unknown parameter in input, "
        "Invalid length for parameter FunctionName, Invalid type for parameter Environment.Variables.API_KEY"
    )
    assert "s3cr3t" not in made.hint


def test_other_errors_of_the_client_have_its_message() -> None:
    made = explain(ConfigParseError(path="/home/me/.aws/config", error="no section"))
    assert isinstance(made, ServiceError)
    assert str(made).startswith("the AWS client failed: Unable to parse config file")


def test_a_runtime_is_one_that_lambda_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "2")
    clients = Clients("eu-west-1", {})
    for known in (None, "python3.13", "nodejs22.x", "provided.al2023"):
        clients.require_runtime(known)
    with pytest.raises(InputError, match=r"^runtime: 'python9.9' is not a Lambda runtime") as caught:
        clients.require_runtime("python9.9")
    assert caught.value.hint.startswith("Did you mean python3.9?")
    assert "update the action" in caught.value.hint
    with pytest.raises(InputError) as caught:
        clients.require_runtime("cobol")
    assert "Did you mean" not in caught.value.hint


def test_the_region_is_the_inputs_or_the_environments() -> None:
    assert Clients("eu-west-1", {"AWS_REGION": "us-east-1"}).region == "eu-west-1"
    assert Clients("", {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-2"}).region == "us-east-1"
    assert Clients("", {"AWS_REGION": "", "AWS_DEFAULT_REGION": "us-east-2"}).region == "us-east-2"


def test_an_unknown_region_is_an_input_error() -> None:
    with pytest.raises(InputError, match="'eu-wset-1' is not a valid region of Lambda") as caught:
        Clients("eu-wset-1", {}).resolve_region()
    assert caught.value.hint.startswith("Did you mean eu-west-1?")


def test_an_emulators_url_is_a_url() -> None:
    with pytest.raises(ServiceError, match="'localhost:4566' is not a valid http"):
        Clients("eu-west-1", {"AWS_ENDPOINT_URL": "localhost:4566/"}).resolve_region()
