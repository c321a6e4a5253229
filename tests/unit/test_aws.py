"""What AWS's errors mean to a user."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from promote.aws import Clients, explain
from promote.errors import AccessError, InputError, ServiceError


def error(code: str, message: str, operation: str = "GetFunctionConfiguration") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


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
        ("Not authorized to perform sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithWebIdentity"),
        ("Access Denied", "GetFunctionConfiguration"),
    ],
)
def test_a_denial_names_action_and_resource(message: str, denied: str) -> None:
    made = explain(error("AccessDenied", message))
    assert isinstance(made, AccessError)
    assert str(made) == f"AWS denies {denied}: {message}"
    assert made.hint.startswith(f"Allow {denied} in the policy of the role")


def test_an_explicit_deny_cannot_be_allowed_away() -> None:
    made = explain(error("AccessDeniedException", "... with an explicit deny in a service control policy"))
    assert "outweighs" in made.hint


@pytest.mark.parametrize("code", ["ExpiredToken", "ExpiredTokenException", "RequestExpired"])
def test_credentials_expire(code: str) -> None:
    made = explain(error(code, "expired"))
    assert isinstance(made, AccessError)
    assert str(made) == "the AWS credentials have expired (GetFunctionConfiguration: expired)"


@pytest.mark.parametrize("code", ["UnrecognizedClientException", "InvalidAccessKeyId", "SignatureDoesNotMatch"])
def test_credentials_may_be_unknown(code: str) -> None:
    assert str(explain(error(code, "no"))) == "AWS does not know the credentials (GetFunctionConfiguration: no)"


def test_anything_else_is_told_in_awss_words() -> None:
    made = explain(error("ServiceException", "internal"))
    assert isinstance(made, ServiceError)
    assert str(made) == "GetFunctionConfiguration failed: ServiceException: internal"


def test_no_answer_and_no_credentials_are_told_apart() -> None:
    assert isinstance(explain(EndpointConnectionError(endpoint_url="https://a")), ServiceError)
    assert isinstance(explain(NoCredentialsError()), AccessError)


def test_the_region_is_the_inputs_or_the_environments() -> None:
    assert Clients("eu-west-1", {"AWS_REGION": "us-east-1"}).region == "eu-west-1"
    assert Clients("", {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-2"}).region == "us-east-1"
    assert Clients("", {"AWS_REGION": "", "AWS_DEFAULT_REGION": "us-east-2"}).region == "us-east-2"


def test_an_unknown_region_is_an_input_error() -> None:
    with pytest.raises(InputError, match="'eu-wset-1' is no region that has Lambda") as caught:
        Clients("eu-wset-1", {}).resolve_region()
    assert caught.value.hint.startswith("Did you mean eu-west-1?")


def test_an_emulators_url_is_a_url() -> None:
    with pytest.raises(ServiceError, match="'localhost:4566' is no http"):
        Clients("eu-west-1", {"AWS_ENDPOINT_URL": "localhost:4566/"}).resolve_region()
