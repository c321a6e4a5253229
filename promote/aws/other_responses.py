"""Responses of something else than AWS, such as a proxy that blocks an address or wants a login.

botocore would take their status for a refusal of AWS, or fail to read them with an error that names no cause.
"""

import json
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from promote.core.errors import ServiceError
from promote.core.network import is_direct, proxy_variable

if TYPE_CHECKING:
    from botocore.hooks import BaseEventHooks
    from botocore.model import OperationModel

_OF_AWS = ("x-amzn-requestid", "x-amz-request-id", "x-amz-id-2", "apigw-requestid", "x-amzn-errortype")
"""Headers of AWS. Each response has one of them."""

_OF_PROXIES = frozenset(
    {
        HTTPStatus.FOUND,
        HTTPStatus.SEE_OTHER,
        HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
        HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS,
    }
)
_START = 120
"""Characters of a body that an error shows."""

_PROBLEM = "PromoteOtherResponse"
"""The name, in an error of botocore, of the error to show instead."""


def refuse_other_responses(events: "BaseEventHooks", environ: Mapping[str, str]) -> None:
    """Raise an error for each response that is not of AWS. ``environ`` names what may have answered instead of it."""
    events.register("before-parse", partial(_require_of_aws, environ))


def problem_of(error: Exception) -> ServiceError | None:
    """Return the error to show if ``error`` is about a response that is not of AWS; else None."""
    problem: ServiceError | None = vars(error).get(_PROBLEM)
    return problem


def _require_of_aws(
    environ: Mapping[str, str], operation_model: "OperationModel", response_dict: Mapping[str, Any], **_: Any
) -> None:
    """Check a response. The names of the parameters are those of botocore's event."""
    variable = _endpoint_variable(environ, operation_model)
    if not _is_other(operation_model, response_dict, is_emulated=bool(variable)):
        return
    from botocore.exceptions import HTTPClientError  # noqa: PLC0415 - a client has loaded it

    # As after a broken connection, it is not known whether a write took effect.
    error = HTTPClientError(error="the response is not of AWS")
    vars(error)[_PROBLEM] = _problem(environ, variable, operation_model, response_dict)
    raise error


def _endpoint_variable(environ: Mapping[str, str], operation: "OperationModel") -> str:
    """Return the variable that names another endpoint than that of AWS; empty if none does."""
    service = operation.service_model.service_id.replace(" ", "_").upper()
    return next((name for name in (f"AWS_ENDPOINT_URL_{service}", "AWS_ENDPOINT_URL") if environ.get(name)), "")


def _is_other(operation: "OperationModel", response: Mapping[str, Any], *, is_emulated: bool) -> bool:
    """Return whether a response is not of AWS. Load balancers of AWS itself return 5xx as HTML.

    An emulator may leave out the headers of AWS, so its responses may be empty documents.
    """
    status, headers = response["status_code"], response["headers"]
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or any(name in headers for name in _OF_AWS):
        return False
    if status in _OF_PROXIES or "html" in headers.get("content-type", ""):
        return True
    if not isinstance(response["body"], bytes):  # a stream
        return False
    if body := response["body"].strip():
        return not (body == b"{}" and is_emulated) and not _is_document(body)
    if status >= HTTPStatus.MULTIPLE_CHOICES:
        return operation.service_model.resolved_protocol != "rest-xml"  # a HEAD of S3 has no body
    # In S3, headers may be the whole response.
    has_output = bool(operation.output_shape and operation.output_shape.members)
    return has_output and operation.service_model.resolved_protocol != "rest-xml"


def _is_document(body: bytes) -> bool:
    """Return whether the body is a JSON object with members, or XML."""
    if body.startswith(b"<"):
        return not body[:9].lower().startswith((b"<!doctype", b"<html"))
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and bool(found)


def _problem(
    environ: Mapping[str, str], variable: str, operation: "OperationModel", response: Mapping[str, Any]
) -> ServiceError:
    url = environ.get(variable) or f"https://{operation.service_model.endpoint_prefix}.amazonaws.com"
    proxy = "" if is_direct(url, environ) else proxy_variable(url, environ)
    if proxy:
        who = f", probably the proxy of {proxy},"
        hint = f"Let the proxy pass the requests to {variable or 'amazonaws.com'}, or add the host to NO_PROXY."
    elif variable:
        who, hint = f" at {variable}", f"Correct {variable}, or unset it to use AWS."
    else:
        who = ", probably a proxy or a firewall in the network of the runner,"
        hint = "Let it pass the requests to amazonaws.com, or set HTTPS_PROXY if the network needs a proxy."
    body = response["body"] if isinstance(response["body"], bytes) else b""
    start = " ".join(body[: 4 * _START].decode(errors="replace").split())[:_START]
    what = f"status {response['status_code']}{f': {start}' if start else ', without content'}"
    return ServiceError(
        f"{operation.name} failed: something else than AWS{who} responded with {what}",
        hint=hint,
    )
