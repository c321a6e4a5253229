"""The fingerprint covers everything that can be configured, and nothing that changes by itself."""

from typing import Any

import botocore.session
import pytest

from promote.aws.fingerprint import CONFIGURABLE, fingerprint, snapshot
from promote.core.errors import FunctionError

ANSWER: dict[str, Any] = {
    "FunctionArn": "arn:aws:lambda:eu-west-1:123456789012:function:hello",
    "Version": "$LATEST",
    "RevisionId": "1",
    "CodeSha256": "a",
    "Runtime": "python3.13",
    "Handler": "app.handler",
    "MemorySize": 128,
    "Environment": {"Variables": {"A": "b"}},
    "VpcConfig": {"SubnetIds": ["s-1", "s-2"], "SecurityGroupIds": [], "VpcId": ""},
    "SnapStart": {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"},
    "Layers": [{"Arn": "arn:layer:1", "CodeSize": 1}],
}


def test_it_covers_what_botocores_model_says_can_be_configured() -> None:
    model = botocore.session.get_session().get_service_model("lambda")
    shapes: Any = [
        model.shape_for(name)
        for name in ("CreateFunctionRequest", "UpdateFunctionConfigurationRequest", "FunctionConfiguration")
    ]
    created, updated, returned = (set(shape.members) for shape in shapes)
    settable = created | updated
    configurable = {name for name in settable if name in returned or f"{name}Response" in returned}
    assert set(CONFIGURABLE) == configurable - {"FunctionName", "RevisionId", "Description"}


@pytest.mark.parametrize(
    "change",
    [
        {"MemorySize": 256},
        {"Environment": {"Variables": {"A": "c"}}},
        {"Environment": {}},
        {"Layers": [{"Arn": "arn:layer:2"}]},
        {"SnapStart": {"ApplyOn": "None"}},
        {"ImageConfigResponse": {"ImageConfig": {"Command": ["x"]}}},
        {"Architectures": ["arm64"]},
        {"VpcConfig": {"SubnetIds": ["s-1"]}},
    ],
)
def test_a_changed_configuration_shows(change: dict[str, Any]) -> None:
    assert fingerprint({**ANSWER, **change}) != fingerprint(ANSWER)


@pytest.mark.parametrize(
    "change",
    [
        {"RevisionId": "2", "LastModified": "now", "State": "Pending", "Version": "7", "CodeSha256": "b"},
        {"SnapStart": {"ApplyOn": "PublishedVersions", "OptimizationStatus": "On"}},
        {"Layers": [{"Arn": "arn:layer:1", "CodeSize": 2}]},
        {"VpcConfig": {"SubnetIds": ["s-2", "s-1"]}},
        {"DeadLetterConfig": {}, "FileSystemConfigs": [], "KMSKeyArn": None},
    ],
)
def test_what_is_not_configured_does_not_show(change: dict[str, Any]) -> None:
    assert fingerprint({**ANSWER, **change}) == fingerprint(ANSWER)


def test_a_versions_arn_is_read_without_its_qualifier() -> None:
    read = snapshot({**ANSWER, "FunctionArn": ANSWER["FunctionArn"] + ":7", "Version": "7"})
    assert (read.arn, read.version) == (ANSWER["FunctionArn"], "7")
    assert "'A': 'b'" not in repr(read)


@pytest.mark.parametrize(
    ("part", "meaning"),
    [("Environment", "environment variables"), ("ImageConfigResponse", "image configuration")],
)
@pytest.mark.parametrize("key", ["", "arn:aws:kms:eu-west-1:123456789012:key/1"])
def test_what_lambda_could_not_read_is_not_taken_for_nothing(part: str, meaning: str, key: str) -> None:
    error = {"ErrorCode": "AccessDeniedException", "Message": "Lambda was unable to decrypt it."}
    with pytest.raises(FunctionError) as caught:
        snapshot({**ANSWER, part: {"Error": error}, "KMSKeyArn": key})
    assert str(caught.value) == (
        f"the {meaning} of hello:$LATEST cannot be read: AccessDeniedException: Lambda was unable to decrypt it"
    )
    assert f"Allow kms:Decrypt on the KMS key {key or 'of the function'}" in caught.value.hint
