"""HTTP APIs: what API Gateway may invoke, its error responses, and which APIs it does not delete."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import apigateway, apigateway_v1, lambda_svc

from sandbox.errors import missing_api
from sandbox.strict.emulator import Record, Reply, function_arn, function_record, json_reply, refusal, replace
from sandbox.strict.permissions import allows
from sandbox.strict.routing import invoked_as, refuse_deleted, refuse_without_concurrency

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sandbox.strict.routing import Routing

INTERNAL_ERROR = {"message": "Internal Server Error"}


def source_arn(api: str, stage: str, route: str, method: str) -> str:
    """Return the ARN of the route for which API Gateway invokes a function.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-control-access-using-iam-policies-to-invoke-api.html
    (arn:aws:execute-api:region:account:api-id/stage/METHOD/path); a `$default` route has no method.
    """
    verb, _, path = route.partition(" ")
    resource = f"{method if verb == 'ANY' else verb}{path}" if path else route
    return f"arn:aws:execute-api:{get_region()}:{get_account_id()}:{api}/{stage}/{resource}"


def is_deployed(stage: Record | None) -> bool:
    """Return whether a stage serves requests: it has automatic deployment or a deployment.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-stages.html
    """
    return stage is not None and bool(stage.get("autoDeploy") or stage.get("deploymentId"))


def refuse_mapped(api: str) -> Reply | None:
    """Refuse to delete an API while a custom domain leads to it.

    https://github.com/gruntwork-io/cloud-nuke/issues/370 (HTTP API, BadRequestException, 400)
    """
    domains = apigateway_v1._base_path_mappings  # noqa: SLF001 - MiniStack has no other access
    if not any(mapping["restApiId"] == api for mappings in domains.values() for mapping in mappings.values()):
        return None
    message = f"Deleting API {api} failed. Please remove all API mappings for the API from your custom domain names."
    return refusal("BadRequestException", message, 400)


def refuse_existing_route(api: str, key: str) -> Reply | None:
    """Refuse a route whose key exists.

    https://github.com/anomalyco/sst/issues/5031 (ConflictException, 409)
    """
    if all(route["routeKey"] != key for route in apigateway._routes.get(api, {}).values()):  # noqa: SLF001 - as above
        return None
    return refusal("ConflictException", f"Route with key {key} already exists for this API", 409)


def refuse_existing_stage(api: str, name: str) -> Reply | None:
    """Refuse a stage that exists.

    botocore apigatewayv2:CreateStage, ConflictException (409)
    """
    if name not in apigateway._stages.get(api, {}):  # noqa: SLF001 - as above
        return None
    return refusal("ConflictException", "Stage already exists", 409)


def refuse_used_integration(api: str, integration: str) -> Reply | None:
    """Refuse to delete an integration that a route uses.

    https://github.com/milliHQ/terraform-aws-next-js/issues/247 (ConflictException, 409)
    """
    routes = apigateway._routes.get(api, {})  # noqa: SLF001 - MiniStack has no other access
    users = [route for route, found in routes.items() if found.get("target") == f"integrations/{integration}"]
    if not users:
        return None
    message = (
        f"Cannot delete Integration because it is referenced by the following Routes with Ids: [{', '.join(users)}]"
    )
    return refusal("ConflictException", message, 409)


def name_missing_api(original: Callable[[str, str, int], Reply]) -> Callable[[str, str, int], Reply]:
    """Name the account in the error for an API that does not exist.

    https://github.com/aws/aws-sdk-js/issues/2458
    """

    def error(code: str, message: str, status: int) -> Reply:
        missing = re.fullmatch(r"API (\S+) not found", message)
        return original(code, missing_api(get_account_id(), missing[1]) if missing else message, status)

    return error


def hide_function_error(original: Callable[[Record], object]) -> Callable[[Record], object]:
    """Respond with 500 without details if a function fails.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-troubleshooting-lambda.html
    """

    def shape(result: Record) -> object:
        if not result.get("error"):
            return original(result)
        return {"statusCode": 500, "body": '{"message":"Internal Server Error"}'}, None

    return shape


class Gateway:
    """HTTP APIs under the rules above."""

    def __init__(self, routing: Routing) -> None:
        """Take the routing of aliases with weights."""
        self._routing = routing

    def install(self) -> None:
        """Replace MiniStack's functions."""
        replace(apigateway, "_apigw_error", name_missing_api)
        replace(apigateway, "_delete_api", _delete)
        replace(apigateway, "_delete_integration", _delete_integration)
        replace(apigateway, "_create_route", _create_route)
        replace(apigateway, "_create_stage", _create_stage)
        replace(apigateway, "_handle_execute_in_scope", _execute)
        replace(apigateway, "_invoke_lambda_proxy", self._invoke)
        replace(lambda_svc, "lambda_execute_result_to_api_proxy_response", hide_function_error)

    def _invoke(self, original: Callable[..., Awaitable[Reply]]) -> Callable[..., Awaitable[Reply]]:
        async def invoke(integration: Record, *arguments: Any, **rest: object) -> Reply:
            api, stage, _path, method, _headers, _body, _query, route, *_ = arguments
            uri = integration["integrationUri"].rpartition("/functions/")[2].removesuffix("/invocations")
            name, _, qualifier = (uri.partition(":function:")[2] or uri).partition(":")
            function = function_record(name)
            source = source_arn(api, stage, route, method)
            if function is None or not allows(function, function_arn(name, qualifier), source, get_account_id()):
                return json_reply(INTERNAL_ERROR, 500)
            chosen = self._routing.route(function, qualifier)
            if refuse_deleted(name, function, chosen or None):
                return json_reply(INTERNAL_ERROR, 502)  # as users saw it: DataBiosphere/azul#7883
            if refuse_without_concurrency(function, chosen) or self._routing.refuse_not_active(function, chosen):
                return json_reply(INTERNAL_ERROR, 500)
            target = {**integration, "integrationUri": function_arn(name, chosen)}
            with invoked_as(name, qualifier, chosen):
                return await original(target, *arguments, **rest)

        return invoke


def _delete(original: Callable[[str], Reply]) -> Callable[[str], Reply]:
    def delete(api: str) -> Reply:
        return refuse_mapped(api) or original(api)

    return delete


def _delete_integration(original: Callable[[str, str], Reply]) -> Callable[[str, str], Reply]:
    def delete(api: str, integration: str) -> Reply:
        return refuse_used_integration(api, integration) or original(api, integration)

    return delete


def _create_route(original: Callable[[str, Record], Reply]) -> Callable[[str, Record], Reply]:
    def create(api: str, data: Record) -> Reply:
        return refuse_existing_route(api, data.get("routeKey", "$default")) or original(api, data)

    return create


def _create_stage(original: Callable[[str, Record], Reply]) -> Callable[[str, Record], Reply]:
    def create(api: str, data: Record) -> Reply:
        return refuse_existing_stage(api, data.get("stageName", "$default")) or original(api, data)

    return create


def _execute(original: Callable[..., Awaitable[Reply]]) -> Callable[..., Awaitable[Reply]]:
    async def execute(api: str, stage: str, *arguments: object) -> Reply:
        stages = apigateway._stages.get(api, {})  # noqa: SLF001 - MiniStack has no other access
        if not is_deployed(stages.get(stage)):
            return json_reply({"message": "Not Found"}, 404)
        return await original(api, stage, *arguments)

    return execute
