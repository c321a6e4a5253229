"""Function URLs: their ARNs, members and errors.

As recorded on AWS, test_url_config_lifecycle and test_url_config_deletion_without_qualifier:
https://github.com/localstack/localstack/blob/main/tests/aws/services/lambda_/test_lambda_api.py
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ministack.services import lambda_svc

from sandbox.strict.emulator import Record, Reply, function_arn, json_reply, refusal, replace

if TYPE_CHECKING:
    from collections.abc import Callable


def install() -> None:
    """Replace MiniStack's operations."""
    replace(lambda_svc, "_create_function_url_config", _create)
    replace(lambda_svc, "_get_function_url_config", _get)
    replace(lambda_svc, "_update_function_url_config", _update)


def _create(
    original: Callable[[str, Record, str | None], Reply],
) -> Callable[[str, Record, str | None], Reply]:
    def create(name: str, data: Record, qualifier: str | None) -> Reply:
        reply = original(name, data, qualifier)
        if reply[0] == 409:  # noqa: PLR2004 - botocore lambda:ResourceConflictException
            message = (
                f"Failed to create function url config for [functionArn = {function_arn(name, qualifier)}]. "
                "Error message:  FunctionUrlConfig exists for this Lambda function"
            )
            return refusal("ResourceConflictException", message, 409)
        return _written(_shown(reply, name, qualifier), data, ("LastModifiedTime",))

    return create


def _get(original: Callable[[str, str | None], Reply]) -> Callable[[str, str | None], Reply]:
    def get(name: str, qualifier: str | None) -> Reply:
        return _shown(original(name, qualifier), name, qualifier)

    return get


def _update(
    original: Callable[[str, Record, str | None], Reply],
) -> Callable[[str, Record, str | None], Reply]:
    def update(name: str, data: Record, qualifier: str | None) -> Reply:
        return _written(_shown(original(name, data, qualifier), name, qualifier), data)

    return update


def _shown(reply: Reply, name: str, qualifier: str | None) -> Reply:
    """Return a reply with the ARN of the alias that the URL is for, or AWS's error if there is no URL."""
    if reply[0] == 404:  # noqa: PLR2004 - botocore lambda:ResourceNotFoundException
        return refusal("ResourceNotFoundException", "The resource you requested does not exist.", 404)
    if reply[0] >= 400:  # noqa: PLR2004 - HTTP's limit between success and error
        return reply
    return json_reply({**json.loads(reply[2]), "FunctionArn": function_arn(name, qualifier)}, reply[0])


def _written(reply: Reply, data: Record, unknown: tuple[str, ...] = ()) -> Reply:
    """Return the reply to a write, which does not have members with defaults that the request leaves out."""
    if reply[0] >= 400:  # noqa: PLR2004 - HTTP's limit between success and error
        return reply
    left_out = {*unknown, *({"InvokeMode"} - data.keys())}
    members = {name: value for name, value in json.loads(reply[2]).items() if name not in left_out}
    return json_reply(members, reply[0])
