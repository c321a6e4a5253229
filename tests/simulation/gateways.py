"""Amazon API Gateway's HTTP APIs and their responses. Custom domains are not modelled."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.simulation.errors import ACCOUNT, REGION, NotModelledError, Refusal
from tests.simulation.functions import FRESH, Content, Functions, name_of
from tests.simulation.pages import Pages, by_number
from tests.simulation.scheduler import Scheduler


@dataclass
class Api:
    """One HTTP API."""

    name: str
    description: str
    reachable_at: float
    """When its name resolves everywhere."""
    created_at: float = -FRESH
    integrations: dict[str, str] = field(default_factory=dict)
    """URIs."""
    routes: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Key and target."""
    stages: set[str] = field(default_factory=set)
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Response:
    """The response of an endpoint. ``content`` is the content that ran, or None if API Gateway itself responded."""

    status: int
    body: bytes
    content: Content | None = None


class Gateways:
    """The service, with botocore's methods. ``is_good`` returns whether the code with a CodeSha256 works."""

    def __init__(  # noqa: PLR0917 - all that it needs
        self,
        scheduler: Scheduler,
        functions: Functions,
        chance: Random,
        numbers: Iterator[int],
        is_good: Callable[[str], bool],
        pages: Pages | None = None,
    ) -> None:
        self._pages = pages or Pages()
        self._scheduler = scheduler
        self._functions = functions
        self._chance = chance
        self._is_good = is_good
        self._numbers = numbers
        self.apis: dict[str, Api] = {}

    def get_api(self, *, ApiId: str) -> dict[str, Any]:
        return self._shown(ApiId, self._api(ApiId))

    def get_apis(self, *, NextToken: str | None = None) -> dict[str, Any]:
        return self._page({api: self._shown(api, made) for api, made in self.apis.items()}, NextToken)

    def create_api(self, *, Name: str, Description: str, ProtocolType: str, Tags: dict[str, str]) -> dict[str, Any]:
        if ProtocolType != "HTTP" or not Tags:
            raise NotModelledError(ProtocolType)
        api = f"api{next(self._numbers)}"
        now = self._scheduler.now
        self.apis[api] = Api(Name, Description, now + self._chance.choice((0, 0, 0.3, 2.0)), now, tags=Tags)
        return self._shown(api, self.apis[api])

    def delete_api(self, *, ApiId: str) -> dict[str, Any]:
        self._api(ApiId)
        del self.apis[ApiId]
        return {}

    def create_integration(
        self,
        *,
        ApiId: str,
        IntegrationType: str,
        IntegrationUri: str,
        PayloadFormatVersion: str,
        TimeoutInMillis: int,
    ) -> dict[str, Any]:
        if (IntegrationType, PayloadFormatVersion, TimeoutInMillis) != ("AWS_PROXY", "2.0", 30_000):
            raise NotModelledError(IntegrationType)
        number = f"integration{next(self._numbers)}"
        self._api(ApiId).integrations[number] = IntegrationUri
        return {"IntegrationId": number, "IntegrationUri": IntegrationUri}

    def create_route(self, *, ApiId: str, RouteKey: str, Target: str) -> dict[str, Any]:
        api = self._api(ApiId)
        if any(key == RouteKey for key, _ in api.routes.values()):
            raise Refusal("ConflictException", f"Route with key {RouteKey} already exists for this API", 409)
        number = f"route{next(self._numbers)}"
        api.routes[number] = RouteKey, Target
        return {"RouteId": number, "RouteKey": RouteKey, "Target": Target}

    def update_route(self, *, ApiId: str, RouteId: str, Target: str) -> dict[str, Any]:
        api = self._api(ApiId)
        if RouteId not in api.routes:
            raise Refusal("NotFoundException", f"Route {RouteId} not found", 404)
        api.routes[RouteId] = api.routes[RouteId][0], Target
        return {"RouteId": RouteId, "Target": Target}

    def create_stage(self, *, ApiId: str, StageName: str, AutoDeploy: bool) -> dict[str, Any]:
        if not AutoDeploy:
            raise NotModelledError(AutoDeploy)
        api = self._api(ApiId)
        if StageName in api.stages:
            raise Refusal("ConflictException", "Stage already exists", 409)
        api.stages.add(StageName)
        return {"StageName": StageName}

    def get_routes(self, *, ApiId: str, NextToken: str | None = None) -> dict[str, Any]:
        routes = self._api(ApiId).routes
        shown = {
            route: {"RouteId": route, "RouteKey": key, "Target": target} for route, (key, target) in routes.items()
        }
        return self._page(shown, NextToken)

    def get_integrations(self, *, ApiId: str, NextToken: str | None = None) -> dict[str, Any]:
        found = self._api(ApiId).integrations
        shown = {number: {"IntegrationId": number, "IntegrationUri": uri} for number, uri in found.items()}
        return self._page(shown, NextToken)

    def get_stages(self, *, ApiId: str, NextToken: str | None = None) -> dict[str, Any]:
        return self._page({name: {"StageName": name} for name in self._api(ApiId).stages}, NextToken)

    def _page(self, items: Mapping[str, Any], token: str | None) -> dict[str, Any]:
        names, following = self._pages.page(items, token, by_number)
        return {"Items": [items[name] for name in names], **({"NextToken": following} if following else {})}

    def is_reachable(self, api: str) -> bool:
        """Whether a client can reach the API."""
        return api in self.apis and self._scheduler.now >= self.apis[api].reachable_at

    def request(self, api: str, pick: float, *, wakes: bool = True) -> Response:
        """Respond to a request for ``/health``. ``pick``, from 0 to 1, decides how an alias splits its traffic.

        If this ``wakes`` an Inactive version, it is restored.
        """
        made = self.apis[api]
        target = next((target for key, target in made.routes.values() if key == "$default"), None)
        if target is None or "$default" not in made.stages:
            return Response(404, b'{"message":"Not Found"}')
        uri = made.integrations.get(target.removeprefix("integrations/"), "")
        if not uri.startswith("arn:aws:lambda:"):
            return Response(500, b'{"message":"Internal Server Error"}')
        function = self._functions[name_of(uri)]
        qualifier = uri.removeprefix(function.arn).removeprefix(":")
        if not function.allows(qualifier, api):
            return Response(500, b'{"message":"Internal Server Error"}')
        found = function.resolve(qualifier, pick, wakes=wakes)
        if found is None:
            return Response(500, b'{"message":"Internal Server Error"}')
        return Response(200, self.answer(found[1]).encode(), found[1])

    def answer(self, content: Content) -> str:
        """Return the response of the code itself."""
        return json.dumps({"status": "ok" if self._is_good(content.code_sha256) else "broken"})

    def not_found(self, api: str) -> Refusal | None:
        """Return API Gateway's possible error for an API that was just created, or None."""
        made = self.apis.get(api)
        if made is None or self._scheduler.now - made.created_at >= FRESH:
            return None
        return _missing(api)

    def _api(self, api: str) -> Api:
        if api not in self.apis:
            raise _missing(api)
        return self.apis[api]

    def _shown(self, api: str, made: Api) -> dict[str, Any]:
        endpoint = f"https://{api}.execute-api.{REGION}.amazonaws.com"
        shown = {"ApiId": api, "ApiEndpoint": endpoint, "Name": made.name, "Description": made.description}
        return {**shown, "Tags": made.tags}


def _missing(api: str) -> Refusal:
    return Refusal("NotFoundException", f"Invalid API identifier specified {ACCOUNT}:{api}", 404)
