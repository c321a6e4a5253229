"""Tags of functions, which change the RevisionId of $LATEST.

As recorded on AWS, test_tag_lifecycle, test_tag_versions and test_tag_exceptions:
https://github.com/localstack/localstack/blob/main/tests/aws/services/lambda_/test_lambda_api.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ministack.services import lambda_svc

from sandbox.lambda_requests import refer
from sandbox.strict.emulator import Record, Reply, function_record, refusal, replace
from sandbox.strict.updates import renew_revision

if TYPE_CHECKING:
    from collections.abc import Callable


def refuse_qualified(resource: str) -> Reply | None:
    """Refuse tags of a version or an alias, also if it does not exist."""
    if not refer(resource).qualifier:
        return None
    message = "Tags on function aliases and versions are not supported. Please specify a function ARN."
    return refusal("InvalidParameterValueException", message, 400)


def refuse_no_tags(data: Record) -> Reply | None:
    """Refuse to add no tags."""
    if data.get("Tags"):
        return None
    return refusal("InvalidParameterValueException", "An error occurred and the request cannot be processed.", 400)


def refuse_no_keys(query: Record) -> Reply | None:
    """Refuse to remove no tags."""
    if query.get("tagKeys"):
        return None
    message = (
        "1 validation error detected: Value null at 'tagKeys' failed to satisfy constraint: Member must not be null"
    )
    return refusal("ValidationException", message, 400)


def install() -> None:
    """Replace MiniStack's operations."""
    replace(lambda_svc, "_tag_resource", _tag)
    replace(lambda_svc, "_untag_resource", _untag)


def _tag(original: Callable[[str, Record], Reply]) -> Callable[[str, Record], Reply]:
    def tag(resource: str, data: Record) -> Reply:
        return refuse_qualified(resource) or refuse_no_tags(data) or _changed(resource, original(resource, data))

    return tag


def _untag(original: Callable[[str, Record], Reply]) -> Callable[[str, Record], Reply]:
    def untag(resource: str, query: Record) -> Reply:
        return refuse_qualified(resource) or refuse_no_keys(query) or _changed(resource, original(resource, query))

    return untag


def _changed(resource: str, reply: Reply) -> Reply:
    """Return the reply to a change of tags. If it has succeeded, the function has a new RevisionId."""
    function = function_record(refer(resource).name)
    if function and reply[0] == 204:  # noqa: PLR2004 - botocore lambda:TagResource and :UntagResource, responseCode
        renew_revision(function)
    return reply
