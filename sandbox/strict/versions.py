"""Functions and their versions: creation, updates, publication, deletion."""

from __future__ import annotations

import copy
import hashlib
import re
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ministack.services import lambda_svc, s3

from sandbox.strict.emulator import (
    Record,
    Reply,
    content,
    first,
    function_missing,
    function_record,
    json_reply,
    refusal,
    replace,
    set_function_record,
)
from sandbox.strict.previous import running
from sandbox.strict.updates import Updates, refuse_while_updating, renew_revision

if TYPE_CHECKING:
    from collections.abc import Callable


def refuse_other_code(function: Record, data: Record) -> Reply | None:
    """Refuse to publish $LATEST if its code is not the expected one.

    botocore lambda:PublishVersionRequest.CodeSha256: "Only publish a version if the hash value matches the value
    that's specified"; InvalidParameterValueException (400).
    """
    wanted, real = data.get("CodeSha256"), function["config"]["CodeSha256"]
    if not wanted or wanted == real:
        return None
    message = (
        f"CodeSHA256 ({wanted}) is different from current CodeSHA256 in $LATEST ({real}). "
        "Please try again with the CodeSHA256 in $LATEST."
    )
    return refusal("InvalidParameterValueException", message, 400)


def refuse_stale_revision(function: Record, data: Record) -> Reply | None:
    """Refuse a change of $LATEST or an alias, or a publication, if it has changed since the caller read it.

    botocore lambda:PublishVersionRequest.RevisionId; PreconditionFailedException (412), in the words of
    test_function_revisions_basic (see `sandbox.strict.updates.renew_revision`).
    """
    wanted = data.get("RevisionId")
    if not wanted or wanted == function["config"]["RevisionId"]:
        return None
    message = (
        "The Revision Id provided does not match the latest Revision Id. "
        "Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
    )
    return refusal("PreconditionFailedException", message, 412)


def refuse_missing_object(code: Record) -> Reply | None:
    """Refuse code in S3 that does not exist.

    test_lambda_code_location_s3_errors (see `sandbox.strict.updates.renew_revision`).
    """
    bucket, key = code.get("S3Bucket"), code.get("S3Key")
    if not bucket or not key or lambda_svc.s3_code_region_message(bucket):
        return None
    if lambda_svc._fetch_code_from_s3(bucket, key, code.get("S3ObjectVersion")) is not None:  # noqa: SLF001 - MiniStack's
        return None
    message = (
        "S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist."
        if s3.bucket_region(bucket) is not None
        else "S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does not exist"
    )
    return refusal("InvalidParameterValueException", f"Error occurred while GetObject. {message}", 400)


def refuse_other_package(function: Record, data: Record) -> Reply | None:
    """Refuse an image for a function from an archive, and the reverse.

    test_lambda_zip_file_to_image, test_lambda_image_crud (see `sandbox.strict.updates.renew_revision`).
    """
    package = function["config"].get("PackageType", "Zip")
    if (package == "Image") == bool(data.get("ImageUri")):
        return None
    wish = "Please provide" if package == "Image" else "Please don't provide"
    message = f"{wish} ImageUri when updating a function with packageType {package}."
    return refusal("InvalidParameterValueException", message, 400)


def refuse_deleting_latest(qualifier: str | None) -> Reply | None:
    """Refuse to delete $LATEST as if it were a version.

    botocore lambda:DeleteFunctionRequest.Qualifier: "Specify a version to delete";
    InvalidParameterValueException (400).
    """
    if qualifier != "$LATEST":
        return None
    message = "$LATEST version cannot be deleted without deleting the function."
    return refusal("InvalidParameterValueException", message, 400)


def refuse_deleting_alias(qualifier: str | None) -> Reply | None:
    """Refuse to delete by a qualifier that is not a number, even if no alias has that name.

    https://github.com/floci-io/floci/pull/2824; InvalidParameterValueException (400).
    """
    if qualifier is None or not re.fullmatch(r"(?![0-9]+$)[a-zA-Z0-9-_]+", qualifier):
        return None
    return refusal("InvalidParameterValueException", "Deletion of aliases is not currently supported.", 400)


def refuse_deleting_referenced(function: Record, qualifier: str | None) -> Reply | None:
    """Refuse to delete a version that an alias names, also with a weight.

    botocore lambda:DeleteFunctionRequest.Qualifier: "You can't delete a version that an alias references";
    ResourceConflictException (409), worded as in
    https://github.com/karl-cardenas-coding/go-lambda-cleanup/issues/45.
    """
    names = [
        name
        for name, alias in function["aliases"].items()
        if qualifier == alias["FunctionVersion"]
        or qualifier in (alias.get("RoutingConfig", {}).get("AdditionalVersionWeights") or {})
    ]
    if not names:
        return None
    message = f"Unable to delete version because the following aliases reference it: [{', '.join(names)}]"
    return refusal("ResourceConflictException", message, 409)


def nothing_to_delete(function: Record, qualifier: str | None) -> Reply | None:
    """Respond to the deletion of a version that does not exist as if it did.

    https://github.com/floci-io/floci/pull/2824.
    """
    return None if qualifier is None or qualifier in function["versions"] else (204, {}, b"")


def resolve_image(config: Record) -> None:
    """Set the image's digest as CodeSha256 of a function from a container image.

    https://docs.aws.amazon.com/lambda/latest/dg/images-create.html: a tag is resolved to a digest when the code is
    updated. There is no registry here, so the digest of a tag is that of its text.
    """
    if uri := config.get("ImageUri"):
        config["CodeSha256"] = uri.partition("@sha256:")[2] or hashlib.sha256(uri.encode()).hexdigest()


def complete_logging(config: Record, before: Record | None = None) -> None:
    """Set what a request does not say about logs: from the configuration before it, and AWS's defaults.

    test_function_advanced_logging_configuration, test_advanced_logging_configuration_format_switch (see
    `sandbox.strict.updates.renew_revision`). Only the format JSON has levels.
    """
    defaults = {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{config['FunctionName']}"}
    logging = {**defaults, **(before or {}), **config["LoggingConfig"]}
    levels = {"ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO"}
    is_json = logging["LogFormat"] == "JSON"
    others = {name: value for name, value in logging.items() if name not in levels}
    config["LoggingConfig"] = {**levels, **logging} if is_json else others


class Versions:
    """The operations on functions and versions, under the rules above."""

    def __init__(self, updates: Updates) -> None:
        """Take the completion of asynchronous updates."""
        self._updates = updates

    def install(self) -> None:
        """Replace MiniStack's operations."""
        replace(lambda_svc, "_schedule_state_transition", lambda _: lambda *_: None)
        replace(lambda_svc, "_create_function", self._create)
        replace(lambda_svc, "_update_code", self._update_code)
        replace(lambda_svc, "_update_config", self._update_configuration)
        replace(lambda_svc, "_publish_version", lambda _: self._publish_version)
        replace(lambda_svc, "_delete_function", self._delete)
        replace(lambda_svc, "_get_function", _read)
        replace(lambda_svc, "_get_function_config", _read)

    def publish(self, function: Record, description: str | None = None) -> Record:
        """Publish $LATEST and return the version's configuration, or the last version's if nothing has changed.

        botocore lambda:PublishVersion; :UpdateFunctionCodeRequest.Publish and :CreateFunctionRequest.Publish: "Set to
        true to publish a new version of the function after updating the code. This has the same effect as calling
        PublishVersion separately."
        """
        config: Record = function["config"]
        is_settled = config["State"] == "Active" and config["LastUpdateStatus"] != "InProgress"
        versions: dict[str, Record] = function["versions"]
        last = versions[max(versions, key=int)] if versions else None
        if last is not None and last["published_from"] == content(config):
            unchanged: Record = last["config"]
            return unchanged
        number = str(function["next_version"])
        function["next_version"] += 1
        published: Record = copy.deepcopy(config)
        published |= {
            "Version": number,
            "FunctionArn": f"{config['FunctionArn']}:{number}",
            "RevisionId": str(uuid4()),
            "Description": description or config["Description"],
        }
        version = {"config": published, "code_zip": function["code_zip"], "published_from": content(config)}
        versions[number] = version
        self._updates.begin_publication(version, is_settled=is_settled)
        renew_revision(function)
        return published

    def _publish_version(self, name: str, data: Record) -> Reply:
        function = function_record(name)
        if function is None:
            return function_missing(name)
        return (
            refuse_while_updating(function)
            or refuse_other_code(function, data)
            or refuse_stale_revision(function, data)
            or json_reply(self.publish(function, data.get("Description")), 201)
        )

    def _create(self, original: Callable[[Record], Reply]) -> Callable[[Record], Reply]:
        def create(data: Record) -> Reply:
            if refused := refuse_missing_object(data.get("Code", {})):
                return refused
            reply = original(_without(data, "Publish"))
            function = function_record(data.get("FunctionName", ""))
            if reply[0] != 201 or function is None:  # noqa: PLR2004 - botocore lambda:CreateFunction responseCode
                return reply
            resolve_image(function["config"])
            complete_logging(function["config"])
            self._updates.begin_creation(function)
            # The ARN in this response has no qualifier, also with Publish=true: test_publish_version_on_create.
            arn = function["config"]["FunctionArn"]
            return json_reply({**self._outcome(function, data), "FunctionArn": arn}, 201)

        return create

    def _update_code(self, original: Callable[[str, Record], Reply]) -> Callable[[str, Record], Reply]:
        def update_code(name: str, data: Record) -> Reply:
            function = function_record(name)
            if function is None:
                return function_missing(name)
            if (
                refused := refuse_other_package(function, data)
                or refuse_missing_object(data)
                or refuse_while_updating(function)
                or refuse_stale_revision(function, data)
            ):
                return refused
            if data.get("DryRun"):
                return dry_run(name, data, original)
            before = running(function)
            reply = original(name, _without(data, "Publish"))
            if reply[0] != 200:  # noqa: PLR2004 - botocore lambda:UpdateFunctionCode
                return reply
            resolve_image(function["config"])
            self._updates.begin_update(function, before)
            return json_reply(self._outcome(function, data))

        return update_code

    def _update_configuration(self, original: Callable[[str, Record], Reply]) -> Callable[[str, Record], Reply]:
        def update_configuration(name: str, data: Record) -> Reply:
            function = function_record(name)
            if function is None:
                return function_missing(name)
            if refused := refuse_while_updating(function) or refuse_stale_revision(function, data):
                return refused
            before, logging = running(function), function["config"]["LoggingConfig"]
            reply = original(name, data)
            if reply[0] != 200:  # noqa: PLR2004 - botocore lambda:UpdateFunctionConfiguration
                return reply
            complete_logging(function["config"], logging)
            self._updates.begin_update(function, before)
            return json_reply(function["config"])

        return update_configuration

    def _delete(self, original: Callable[..., Reply]) -> Callable[..., Reply]:
        def delete(name: str, query: Record, path_qualifier: str | None = None) -> Reply:
            qualifier = path_qualifier or first(query, "Qualifier")
            function = function_record(name)
            refused = refuse_deleting_latest(qualifier) or refuse_deleting_alias(qualifier)
            if refused or function is None:
                return refused or function_missing(name)
            return (
                refuse_deleting_referenced(function, qualifier)
                or nothing_to_delete(function, qualifier)
                or original(name, query, path_qualifier)
            )

        return delete

    def _outcome(self, function: Record, data: Record) -> Record:
        """Return the configuration in the response to a creation or an update of the code."""
        config: Record = self.publish(function) if data.get("Publish") else function["config"]
        return config


def _read(original: Callable[[str, str | None], Reply]) -> Callable[[str, str | None], Reply]:
    """Name the qualifier in the error for a function or version that does not exist.

    test_ops_on_nonexisting_version, test_ops_with_arn_qualifier_mismatch
    """

    def read(name: str, qualifier: str | None = None) -> Reply:
        function = function_record(name)
        known = {None, "$LATEST", *function["aliases"], *function["versions"]} if function else {}
        return original(name, qualifier) if qualifier in known else function_missing(name, qualifier)

    return read


def dry_run(name: str, data: Record, original: Callable[[str, Record], Reply]) -> Reply:
    """Validate an update of the code without changing anything.

    botocore lambda:UpdateFunctionCodeRequest.DryRun: "Set to true to validate the request parameters and access
    permissions without modifying the function code."
    """
    function = function_record(name)
    set_function_record(name, copy.deepcopy(function or {}))
    try:
        reply = original(name, _without(data, "Publish"))
        updated = function_record(name) or {}
    finally:
        set_function_record(name, function or {})
    if reply[0] != 200 or function is None:  # noqa: PLR2004 - botocore lambda:UpdateFunctionCode
        return reply
    resolve_image(updated["config"])
    unchanged = {
        member: function["config"][member] for member in ("RevisionId", "State", "LastUpdateStatus", "LastModified")
    }
    return json_reply({**updated["config"], **unchanged})


def _without(data: Record, name: str) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key != name}
