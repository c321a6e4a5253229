"""API Gateway: one HTTP API for each endpoint, made once.

An API that exists is found again by its description, so that a run that died half-way leaves nothing behind that the
next one does not take up. Whatever is missing of one is made; what is there is not touched.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from promote.aws.confirmation import confirmed
from promote.aws.errors import is_transient
from promote.aws.lambda_function import Function
from promote.core.clock import Clock
from promote.core.concurrency import run_both
from promote.core.endpoint import LATEST_ENDPOINT, Gateway
from promote.core.errors import EndpointError, InputError

if TYPE_CHECKING:
    from mypy_boto3_apigatewayv2 import ApiGatewayV2Client

STAGE = "$default"
ROUTE = "$default"

TAG = "promote-on-success"
"""The tag that each API gets when it is created. Its value is the function's ARN; the IAM policy depends on it."""

_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds after attempts at a change that may yet succeed."""

_ANOTHER_PATH = "Choose another base-path, or remove that mapping (aws apigatewayv2 delete-api-mapping)."


class Gateways:
    """The HTTP APIs of one function, by what they show: ``latest``, an environment, or a version as ``7#a1b2``."""

    def __init__(  # noqa: PLR0913 - what they are made with
        self,
        client: Callable[[], "ApiGatewayV2Client"],
        maker: Callable[[], "ApiGatewayV2Client"],
        function: Function,
        arn: str,
        clock: Clock,
        *,
        domain_name: str,
        base_path: str,
    ) -> None:
        """``maker`` is a client that repeats nothing."""
        self._lazy_client = client
        self._maker = maker
        self._clock = clock
        self._function = function
        self._arn = arn
        self._domain_name = domain_name
        self._base_path = base_path

    @property
    def _client(self) -> "ApiGatewayV2Client":
        return self._lazy_client()

    def require_domain(self, qualifiers: Sequence[str]) -> None:
        """Refuse a custom domain that does not exist, or on which a path of ``qualifiers`` leads to another API.

        Raises:
            InputError: names the input to change.

        """
        if not self._domain_name:
            return
        try:
            self._client.get_domain_name(DomainName=self._domain_name)
        except self._client.exceptions.NotFoundException as error:
            raise InputError(
                "domain-name",
                f"API Gateway has no custom domain {self._domain_name} in this region",
                hint="Create it once, with its certificate and DNS record (aws apigatewayv2 create-domain-name); "
                "the action then maps its endpoints to it.",
            ) from error
        for qualifier in qualifiers:
            if trouble := self._trespass(qualifier, self._taken(qualifier)):
                raise InputError("base-path", trouble, hint=_ANOTHER_PATH)

    def find(self, qualifier: str, remembered: Gateway | None) -> Gateway | None:
        """Find the API: the remembered one if it is ours, else one that a run made and did not live to record.

        A record may name any API: it may have been restored, or written by another program.
        """
        if remembered and (found := self._own(qualifier, remembered.api_id)):
            return found
        token: dict[str, str] = {}
        while True:
            page = self._client.get_apis(**token)
            for api in page["Items"]:
                if self._is_own(qualifier, api):
                    return Gateway(api["ApiId"], api["ApiEndpoint"])
            if not page.get("NextToken"):
                return None
            token = {"NextToken": page["NextToken"]}

    def make(self, qualifier: str) -> Gateway:
        """Make the API itself, with nothing in it yet.

        API Gateway takes no token by which it would know a repetition: before another API is made, this looks whether
        the call that was not answered has made one.
        """
        for pause in (*_PAUSES, None):
            try:
                answer = self._maker().create_api(
                    Name=f"{self._function.name}-{qualifier}"[:128],
                    Description=self._description(qualifier),
                    ProtocolType="HTTP",
                    Tags={TAG: self._arn},
                )
                return Gateway(answer["ApiId"], answer["ApiEndpoint"])
            except Exception as error:
                # Names need not be unique, so a conflict is one with another change at the same time.
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
        """Make a whole new API that no custom domain leads to, and the permission beside it."""
        gateway = self.make(qualifier)
        api = gateway.api_id

        def fill() -> None:
            # One after the other: API Gateway refuses to change one API twice at the same time.
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
        """Delete an API that ``build`` or ``find`` has returned, and its permission; what is gone already is well."""
        # The API comes last: by it, the permission is found again where a run dies in between.
        self.forget(qualifier, gateway)
        self.delete(gateway)

    def complete(self, qualifier: str, gateway: Gateway) -> None:
        """Make whatever is missing of it.

        Raises:
            EndpointError: its path on the custom domain belongs to another API.

        """
        for make in self._gaps(qualifier, gateway):
            make()

    def is_whole(self, qualifier: str, gateway: Gateway) -> bool:
        """Whether everything that it is made of exists."""
        found = self.find(qualifier, gateway)
        return found is not None and found.api_id == gateway.api_id and not any(self._gaps(qualifier, gateway))

    def delete(self, gateway: Gateway) -> None:
        """Delete an API that this class has returned; that it is gone already is well."""
        with suppress(self._client.exceptions.NotFoundException):
            self._change(lambda: self._client.delete_api(ApiId=gateway.api_id))

    def _own(self, qualifier: str, api: str) -> Gateway | None:
        """Look at an API; None: it does not exist, or was not made for ``qualifier`` of this function."""
        try:
            answer = self._client.get_api(ApiId=api)
        except self._client.exceptions.NotFoundException:
            return None
        return Gateway(answer["ApiId"], answer["ApiEndpoint"]) if self._is_own(qualifier, answer) else None

    def _is_own(self, qualifier: str, api: Mapping[str, Any]) -> bool:
        """Whether an API has the description and the tag that it gets when it is created.

        The policy lets the role of another function write any description, but only the tag of that function.
        """
        is_tagged = (api.get("Tags") or {}).get(TAG) == self._arn
        return is_tagged and bool(api.get("Description") == self._description(qualifier))

    def forget(self, qualifier: str, gateway: Gateway) -> None:
        """Take back the permission of an API that is no more."""
        self._function.remove_permission(_alias(qualifier), self._statement(qualifier, gateway))

    def _gaps(self, qualifier: str, gateway: Gateway) -> Iterator[Callable[[], Any]]:
        """Yield, one after the other, how to make each part that is missing; a later part may need an earlier one."""
        api, client = gateway.api_id, self._client
        target = self._target(qualifier)
        routes = {route["RouteKey"]: route.get("Target") for route in client.get_routes(ApiId=api)["Items"]}
        integrations = {
            f"integrations/{integration['IntegrationId']}"
            for integration in client.get_integrations(ApiId=api)["Items"]
            if integration.get("IntegrationUri") == target
        }
        if routes.get(ROUTE) not in integrations:
            yield lambda: self._route(api, target, integrations, is_there=ROUTE in routes)
        if STAGE not in {stage["StageName"] for stage in client.get_stages(ApiId=api)["Items"]}:
            yield lambda: self._stage(api)
        statement = self._statement(qualifier, gateway)
        if statement not in self._function.statements(_alias(qualifier)):
            yield lambda: self._function.add_permission(_alias(qualifier), statement, self._source(api))
        if self._domain_name:
            taken = self._taken(qualifier)
            if taken is None or taken["ApiId"] != api:
                yield lambda: self._map(qualifier, taken, api)

    def _change(self, call: Callable[[], Any], find: Callable[[], Any] = lambda: None) -> Any:
        """Make a change, and repeat it while API Gateway makes another one; return the answer or what ``find`` finds.

        ``find`` returns what the call was to create, or None. ConflictException means one of two things: what is to be
        created exists, or another change is under way ("Unable to complete operation due to concurrent modification.
        Please try again later."). The second passes: https://github.com/hashicorp/terraform-provider-aws/issues/18018.
        Only a look tells which one it is.
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
                lambda: _having(client.get_integrations(ApiId=api), "IntegrationUri", target),
            )
            integration = f"integrations/{made['IntegrationId']}"

        def find() -> Any:
            return _having(client.get_routes(ApiId=api), "RouteKey", ROUTE)

        if is_there and (route := find()):
            wanted = {"ApiId": api, "RouteId": route["RouteId"], "Target": integration}
            self._change(lambda: client.update_route(**wanted))
        else:
            # It may be there: made by another run, to the same target.
            self._change(lambda: client.create_route(ApiId=api, RouteKey=ROUTE, Target=integration), find)

    def _stage(self, api: str) -> None:
        client = self._client
        self._change(
            lambda: client.create_stage(ApiId=api, StageName=STAGE, AutoDeploy=True),
            lambda: _having(client.get_stages(ApiId=api), "StageName", STAGE),
        )

    def _map(self, qualifier: str, taken: Mapping[str, Any] | None, api: str) -> None:
        """Let the path of ``qualifier`` lead to ``api``; ``taken`` is the mapping that it has."""
        if trouble := self._trespass(qualifier, taken):
            raise EndpointError(trouble, hint=_ANOTHER_PATH)
        domain, _, key = self.mapping(qualifier).partition("/")
        wanted: Any = {"DomainName": domain, "ApiMappingKey": key, "ApiId": api, "Stage": STAGE}
        if taken is not None:
            found = taken["ApiMappingId"]
            self._change(lambda: self._client.update_api_mapping(ApiMappingId=found, **wanted))
            return
        # Another run may have mapped the path since it was looked at.
        made = self._change(lambda: self._client.create_api_mapping(**wanted), lambda: self._taken(qualifier))
        if made["ApiId"] != api:
            self._map(qualifier, made, api)

    def _trespass(self, qualifier: str, taken: Mapping[str, Any] | None) -> str:
        """Say which other API has the path of ``qualifier``, given the mapping that it has; empty: none."""
        if taken is None:
            return ""
        found: Mapping[str, Any]
        try:
            found = self._client.get_api(ApiId=taken["ApiId"])
        except self._client.exceptions.NotFoundException:
            # It is a REST API, which this interface does not show; none is ever gone, for a mapping keeps it.
            found = {"Name": "a REST API"}
        if self._is_own(qualifier, found):
            return ""
        return f"{self.mapping(qualifier)} leads to another API already ({found['Name']}, {taken['ApiId']})"

    def _taken(self, qualifier: str) -> Mapping[str, Any] | None:
        """Give the mapping that the path of ``qualifier`` has on the custom domain, if it has one."""
        domain, _, key = self.mapping(qualifier).partition("/")
        return next((item for item in self._mappings(domain) if item.get("ApiMappingKey", "") == key), None)

    def _mappings(self, domain: str) -> Iterator[Any]:
        token: dict[str, str] = {}
        while True:
            page = self._client.get_api_mappings(DomainName=domain, **token)
            yield from page["Items"]
            if not page.get("NextToken"):
                return
            token = {"NextToken": page["NextToken"]}

    def mapping(self, qualifier: str) -> str:
        """Give ``domain/key`` under which the inputs want it, or empty."""
        parts = [self._domain_name, self._base_path, qualifier]
        return "/".join(part for part in parts if part) if self._domain_name else ""

    def _description(self, qualifier: str) -> str:
        return f"promote-on-success {self._arn} {qualifier}"

    def _statement(self, qualifier: str, gateway: Gateway) -> str:
        return f"promote-on-success-{gateway.api_id}-{qualifier.replace('#', '-')}"[:100]

    def _source(self, api: str) -> str:
        _, partition, _, region, account, *_ = self._arn.split(":")
        return f"arn:{partition}:execute-api:{region}:{account}:{api}/*"


def _having(page: Mapping[str, Any], name: str, value: str) -> Any:
    """Return the first item of ``page`` whose ``name`` is ``value``, or None."""
    return next((item for item in page["Items"] if item.get(name) == value), None)


def _alias(qualifier: str) -> str:
    """Give Lambda's qualifier: none for $LATEST, which AddPermission does not take; what follows a # is ours alone."""
    return "" if qualifier == LATEST_ENDPOINT else qualifier.partition("#")[0]
