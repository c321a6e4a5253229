"""API Gateway: one HTTP API per endpoint, created once.

An API is found by its description. So if a run dies before it has recorded an API, the next run finds and uses it. The
missing parts of an API are created, and the existing parts are not changed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from promote.aws.calls import pages
from promote.aws.confirmation import confirmed
from promote.aws.errors import is_transient, message_of
from promote.aws.lambda_function import Function
from promote.aws.tags import TAG
from promote.core.arn import Arn
from promote.core.clock import Clock
from promote.core.concurrency import run_both
from promote.core.endpoint import LATEST_ENDPOINT, Gateway
from promote.core.errors import EndpointError, InputError
from promote.core.trigger import STATEMENT

if TYPE_CHECKING:
    from mypy_boto3_apigatewayv2 import ApiGatewayV2Client

STAGE = "$default"
ROUTE = "$default"

_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between attempts at a change that may succeed later."""

_ANOTHER_PATH = "Choose another base-path, or remove that mapping (aws apigatewayv2 delete-api-mapping)."


class Gateways:
    """The HTTP APIs of one function, by qualifier: ``latest``, an environment, or a version such as ``7#a1b2``."""

    def __init__(  # noqa: PLR0913 - clients, function and inputs
        self,
        client: Callable[[], "ApiGatewayV2Client"],
        without_retries: Callable[[], "ApiGatewayV2Client"],
        function: Function,
        arn: str,
        clock: Clock,
        *,
        domain_name: str,
        base_path: str,
    ) -> None:
        """``without_retries`` returns a client that never retries."""
        self._lazy_client = client
        self._without_retries = without_retries
        self._clock = clock
        self._function = function
        self._arn = arn
        self._domain_name = domain_name
        self._base_path = base_path

    @property
    def _client(self) -> "ApiGatewayV2Client":
        return self._lazy_client()

    def require_domain(self, qualifiers: Sequence[str]) -> None:
        """Check that the custom domain exists, and that no path of ``qualifiers`` on it leads to another API.

        Raises:
            InputError: The domain does not exist, or a path is in use.

        """
        if not self._domain_name:
            return
        try:
            self._client.get_domain_name(DomainName=self._domain_name)
        except self._client.exceptions.NotFoundException as error:
            raise InputError(
                "domain-name",
                f"API Gateway has no custom domain {self._domain_name} in this region",
                hint="Create it once, with its certificate and DNS record (aws apigatewayv2 create-domain-name). "
                "The action then maps its endpoints to it.",
            ) from error
        for qualifier in qualifiers:
            if conflict := self._path_conflict(qualifier, self._find_mapping(qualifier)):
                raise InputError("base-path", conflict, hint=_ANOTHER_PATH)

    def find(self, qualifier: str, remembered: Gateway | None) -> Gateway | None:
        """Return the remembered API of ``qualifier``, or one that a run created and did not record; else None.

        The remembered API is checked, because a record may name any API if it was restored or written externally.
        """
        if remembered and (found := self._own(qualifier, remembered.api_id)):
            return found
        for api in pages(self._client.get_apis):
            if self._is_own(qualifier, api):
                return Gateway(api["ApiId"], api["ApiEndpoint"])
        return None

    def all(self) -> list[tuple[str, Gateway]]:
        """Return all APIs that the action has made for the function, with their qualifiers, recorded or not."""
        start = self._description("")
        return [
            (description.removeprefix(start), Gateway(api["ApiId"], api["ApiEndpoint"]))
            for api in pages(self._client.get_apis)
            if (description := str(api.get("Description", ""))).startswith(start)
            and self._is_own(description.removeprefix(start), api)
        ]

    def make(self, qualifier: str) -> Gateway:
        """Create the API without integration, route and stage.

        CreateApi takes no idempotency token. So if a response is lost, this looks for the API before it creates
        another.
        """
        for pause in (*_PAUSES, None):
            try:
                response = self._without_retries().create_api(
                    Name=f"{self._function.name}-{qualifier}"[:128],
                    Description=self._description(qualifier),
                    ProtocolType="HTTP",
                    Tags={TAG: self._arn},
                )
                return Gateway(response["ApiId"], response["ApiEndpoint"])
            except Exception as error:
                # Names need not be unique, so a conflict means another change at the same time.
                if not is_transient(error) and not isinstance(error, self._conflict):
                    raise
                self._clock.sleep(pause or 0)
                found = self.find(qualifier, None)
                if found:
                    return found
                if pause is None:
                    raise
        raise AssertionError("unreachable")

    def build(self, qualifier: str) -> Gateway:
        """Create an API with all its parts except a mapping on a custom domain, and the permission to invoke."""
        gateway = self.make(qualifier)
        api = gateway.api_id

        def fill() -> None:
            # One after the other, because API Gateway refuses two changes of an API at the same time.
            self._route(api, self._target(qualifier), set(), is_there=False)
            self._stage(api)

        run_both(
            fill,
            lambda: self._function.add_permission(
                _alias(qualifier), self._statement(qualifier, gateway), self._source(api)
            ),
        )
        return gateway

    def remove(self, qualifier: str, gateway: Gateway) -> None:
        """Delete an API and its permission, if they exist."""
        # The API is deleted last. If the run dies before that, the next run finds the permission by the API.
        self.forget(qualifier, gateway)
        self.delete(gateway)

    def dismantle(self, qualifier: str, gateway: Gateway) -> None:
        """Delete an API with its recorded mapping and, after that, its permission.

        Raises:
            EndpointError: Another path of a custom domain leads to it. It reaches the function as before.

        """
        self._unmap(gateway)
        if "#" in qualifier:  # nothing else would find the permission of a preview, which no domain leads to
            self.remove(qualifier, gateway)
            return
        try:
            self.delete(gateway)
        except self._client.exceptions.BadRequestException as error:
            raise EndpointError(
                f"the HTTP API {gateway.api_id} of {qualifier} cannot be deleted: {message_of(error)}",
                hint="Remove that mapping (aws apigatewayv2 delete-api-mapping), or let it lead to another API. Then "
                "run the job again.",
            ) from error
        self.forget(qualifier, gateway)

    def _unmap(self, gateway: Gateway) -> None:
        """Delete the recorded mapping of an API on a custom domain, if it still leads to this API."""
        domain, _, key = gateway.mapping.partition("/")
        if not domain:
            return
        client = self._client
        with suppress(client.exceptions.NotFoundException):
            for item in pages(client.get_api_mappings, DomainName=domain):
                if item.get("ApiMappingKey", "") == key and item["ApiId"] == gateway.api_id:
                    wanted = {"DomainName": domain, "ApiMappingId": item["ApiMappingId"]}
                    self._change(lambda wanted=wanted: client.delete_api_mapping(**wanted))  # type: ignore[misc]

    def complete(self, qualifier: str, gateway: Gateway) -> None:
        """Create the missing parts of an API.

        Raises:
            EndpointError: The path on the custom domain leads to another API.

        """
        for create in self._missing_parts(qualifier, gateway):
            create()

    def is_whole(self, qualifier: str, gateway: Gateway) -> bool:
        """Return whether the API and all its parts exist."""
        found = self.find(qualifier, gateway)
        return found is not None and found.api_id == gateway.api_id and not any(self._missing_parts(qualifier, gateway))

    def delete(self, gateway: Gateway) -> None:
        """Delete an API, if it exists."""
        with suppress(self._client.exceptions.NotFoundException):
            self._change(lambda: self._client.delete_api(ApiId=gateway.api_id))

    def _own(self, qualifier: str, api: str) -> Gateway | None:
        """Return an API; None if it does not exist or is not the API for ``qualifier`` of this function."""
        try:
            response = self._client.get_api(ApiId=api)
        except self._client.exceptions.NotFoundException:
            return None
        return Gateway(response["ApiId"], response["ApiEndpoint"]) if self._is_own(qualifier, response) else None

    def _is_own(self, qualifier: str, api: Mapping[str, Any]) -> bool:
        """Return whether an API has the description and the tag that it gets when it is created.

        The IAM policy lets the role of another function write any description, but only the tag of its own function.
        """
        is_tagged = (api.get("Tags") or {}).get(TAG) == self._arn
        return is_tagged and bool(api.get("Description") == self._description(qualifier))

    def forget(self, qualifier: str, gateway: Gateway) -> None:
        """Remove the permission of an API."""
        self._function.remove_permission(_alias(qualifier), self._statement(qualifier, gateway))

    def _missing_parts(self, qualifier: str, gateway: Gateway) -> Iterator[Callable[[], Any]]:
        """Yield a call for each missing part that creates it. A later part may need an earlier one."""
        api, client = gateway.api_id, self._client
        target = self._target(qualifier)
        routes = {route["RouteKey"]: route.get("Target") for route in pages(client.get_routes, ApiId=api)}
        integrations = {
            f"integrations/{integration['IntegrationId']}"
            for integration in pages(client.get_integrations, ApiId=api)
            if integration.get("IntegrationUri") == target
        }
        if routes.get(ROUTE) not in integrations:
            yield lambda: self._route(api, target, integrations, is_there=ROUTE in routes)
        if STAGE not in {stage["StageName"] for stage in pages(client.get_stages, ApiId=api)}:
            yield lambda: self._stage(api)
        statement = self._statement(qualifier, gateway)
        if statement not in self._function.statements(_alias(qualifier)):
            yield lambda: self._function.add_permission(_alias(qualifier), statement, self._source(api))
        if self._domain_name:
            mapping = self._find_mapping(qualifier)
            if mapping is None or mapping["ApiId"] != api:
                yield lambda: self._map(qualifier, mapping, api)

    def _change(self, call: Callable[[], Any], find: Callable[[], Any] = lambda: None) -> Any:
        """Make a change, repeat it while another change is in progress, and return the response or what ``find`` finds.

        ``find`` returns what the call creates, or None. ConflictException means that it exists, or that another change
        is in progress ("Unable to complete operation due to concurrent modification. Please try again later."). Only a
        read shows which one it is. In the second case, a retry succeeds:
        https://github.com/hashicorp/terraform-provider-aws/issues/18018.
        """
        for pause in (*_PAUSES, None):
            try:
                return confirmed(call, find, "the API may have been changed")
            except self._conflict:
                if (found := find()) is not None:
                    return found
                if pause is None:
                    raise
                self._clock.sleep(pause)
        raise AssertionError("unreachable")

    @property
    def _conflict(self) -> type[Exception]:
        return self._client.exceptions.ConflictException

    def _target(self, qualifier: str) -> str:
        return self._arn + (f":{_alias(qualifier)}" if _alias(qualifier) else "")

    def _route(self, api: str, target: str, integrations: set[str], *, is_there: bool) -> None:
        client = self._client
        integration = next(iter(integrations), None)
        if integration is None:
            made = self._change(
                lambda: client.create_integration(
                    ApiId=api,
                    IntegrationType="AWS_PROXY",
                    IntegrationUri=target,
                    PayloadFormatVersion="2.0",
                    TimeoutInMillis=30_000,
                ),
                lambda: _having(pages(client.get_integrations, ApiId=api), "IntegrationUri", target),
            )
            integration = f"integrations/{made['IntegrationId']}"

        def find() -> Any:
            return _having(pages(client.get_routes, ApiId=api), "RouteKey", ROUTE)

        if is_there and (route := find()):
            wanted = {"ApiId": api, "RouteId": route["RouteId"], "Target": integration}
            self._change(lambda: client.update_route(**wanted))
        else:
            # Another run may have created the route, with the same target.
            self._change(lambda: client.create_route(ApiId=api, RouteKey=ROUTE, Target=integration), find)

    def _stage(self, api: str) -> None:
        client = self._client
        self._change(
            lambda: client.create_stage(ApiId=api, StageName=STAGE, AutoDeploy=True),
            lambda: _having(pages(client.get_stages, ApiId=api), "StageName", STAGE),
        )

    def _map(self, qualifier: str, mapping: Mapping[str, Any] | None, api: str) -> None:
        """Map the path of ``qualifier`` to ``api``. ``mapping`` is its present mapping."""
        if conflict := self._path_conflict(qualifier, mapping):
            raise EndpointError(conflict, hint=_ANOTHER_PATH)
        domain, _, key = self.mapping(qualifier).partition("/")
        wanted: Any = {"DomainName": domain, "ApiMappingKey": key, "ApiId": api, "Stage": STAGE}
        if mapping is not None:
            found = mapping["ApiMappingId"]
            self._change(lambda: self._client.update_api_mapping(ApiMappingId=found, **wanted))
            return
        # Another run may have mapped the path since it was read.
        made = self._change(lambda: self._client.create_api_mapping(**wanted), lambda: self._find_mapping(qualifier))
        if made["ApiId"] != api:
            self._map(qualifier, made, api)

    def _path_conflict(self, qualifier: str, mapping: Mapping[str, Any] | None) -> str:
        """Return a message if ``mapping``, that of the path of ``qualifier``, leads to another API; else empty."""
        if mapping is None:
            return ""
        found: Mapping[str, Any]
        try:
            found = self._client.get_api(ApiId=mapping["ApiId"])
        except self._client.exceptions.NotFoundException:
            # GetApi does not return REST APIs. The API exists, because an API with a mapping cannot be deleted.
            found = {"Name": "a REST API"}
        if self._is_own(qualifier, found):
            return ""
        return f"{self.mapping(qualifier)} already leads to another API ({found['Name']}, {mapping['ApiId']})"

    def _find_mapping(self, qualifier: str) -> Mapping[str, Any] | None:
        """Return the mapping of the path of ``qualifier`` on the custom domain; None if it has none."""
        domain, _, key = self.mapping(qualifier).partition("/")
        mappings = pages(self._client.get_api_mappings, DomainName=domain)
        return next((item for item in mappings if item.get("ApiMappingKey", "") == key), None)

    def mapping(self, qualifier: str) -> str:
        """Return the ``domain/key`` that the inputs give to ``qualifier``; empty without a custom domain."""
        parts = [self._domain_name, self._base_path, qualifier]
        return "/".join(part for part in parts if part) if self._domain_name else ""

    def _description(self, qualifier: str) -> str:
        return f"promote-on-success {self._arn} {qualifier}"

    def _statement(self, qualifier: str, gateway: Gateway) -> str:
        return f"{STATEMENT}{gateway.api_id}-{qualifier.replace('#', '-')}"[:100]

    def _source(self, api: str) -> str:
        return Arn.of(self._arn).of_api(api)


def _having(items: Iterable[Any], name: str, value: str) -> Any:
    """Return the first of ``items`` whose ``name`` is ``value``, or None."""
    return next((item for item in items if item.get(name) == value), None)


def _alias(qualifier: str) -> str:
    """Return Lambda's qualifier, without our suffix after ``#``; empty for $LATEST, which AddPermission refuses."""
    return "" if qualifier == LATEST_ENDPOINT else qualifier.partition("#")[0]
