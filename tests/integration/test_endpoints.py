"""Endpoints: a path on a custom domain belongs to one API, and what a run creates in vain is deleted again."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from promote.aws.api_gateway import Gateways
from promote.aws.lambda_function import Function
from promote.core.clock import SystemClock
from promote.core.endpoint import Gateway
from promote.core.errors import EndpointError, InputError
from promote.pipeline.endpoints import Endpoints
from promote.state.ledger import Ledger, State
from tests.runner import Runner
from tests.world import FUNCTION, World

PATH = "api.example.com/app/latest"


@pytest.fixture(autouse=True)
def domain(world: World) -> None:
    certificate = f"arn:aws:acm:us-east-1:{world.account.id}:certificate/1"
    world.gateway.create_domain_name(
        DomainName="api.example.com", DomainNameConfigurations=[{"CertificateArn": certificate}]
    )


@pytest.fixture
def ours(world: World) -> Gateways:
    return gateways_of(world, FUNCTION)


def gateways_of(world: World, name: str, base_path: str = "app") -> Gateways:
    """Create the function ``name``, and return the manager of its HTTP APIs."""
    world.create("def handler(event, context): return {}", name=name)
    return Gateways(
        lambda: world.gateway,
        lambda: world.gateway,
        Function(lambda: world.function, name, "", SystemClock()),
        f"arn:aws:lambda:us-east-1:{world.account.id}:function:{name}",
        SystemClock(),
        domain_name="api.example.com",
        base_path=base_path,
    )


def made(gateways: Gateways, qualifier: str = "latest") -> Gateway:
    gateway = gateways.make(qualifier)
    gateways.complete(qualifier, gateway)
    return gateway


def mappings(world: World) -> dict[str, str]:
    """Return the API of each path."""
    items = world.gateway.get_api_mappings(DomainName="api.example.com")["Items"]
    return {item["ApiMappingKey"]: item["ApiId"] for item in items}


def rest_api(world: World) -> str:
    """Create a REST API, which API Gateway's second version does not show:
    https://github.com/aws/aws-sdk-js/issues/2458."""
    client: Any = world.session.client("apigateway", endpoint_url=world.url)
    api: str = client.create_rest_api(name="shop")["id"]
    root = client.get_resources(restApiId=api)["items"][0]["id"]
    client.put_method(restApiId=api, resourceId=root, httpMethod="GET", authorizationType="NONE")
    client.put_integration(restApiId=api, resourceId=root, httpMethod="GET", type="MOCK")
    client.create_deployment(restApiId=api, stageName="live")
    world.gateway.create_api_mapping(DomainName="api.example.com", ApiMappingKey="app/latest", ApiId=api, Stage="live")
    return api


def http_api(world: World) -> str:
    api: str = world.gateway.create_api(Name="shop", ProtocolType="HTTP", Description="promote-on-success is nice")[
        "ApiId"
    ]
    world.gateway.create_stage(ApiId=api, StageName="$default")
    world.gateway.create_api_mapping(
        DomainName="api.example.com", ApiMappingKey="app/latest", ApiId=api, Stage="$default"
    )
    return api


def api_of_another_function(world: World) -> str:
    return made(gateways_of(world, "other")).api_id


@pytest.mark.parametrize("occupy", [api_of_another_function, http_api, rest_api])
def test_a_path_that_leads_to_another_api_is_left_to_it(ours: Gateways, world: World, occupy: Any) -> None:
    other = occupy(world)
    with pytest.raises(InputError, match=f"^base-path: {PATH} already leads to another API .*{other}") as early:
        ours.require_domain(["latest"])
    assert "another base-path" in early.value.hint
    with pytest.raises(EndpointError, match=f"^{PATH} already leads to another API .*{other}"):
        made(ours)
    assert mappings(world) == {"app/latest": other}
    ours.require_domain([])
    ours.require_domain(["preprod"])


def test_a_path_that_leads_to_an_api_of_our_own_is_taken_over(ours: Gateways, world: World) -> None:
    made(ours)
    ours.require_domain(["latest", "preprod"])
    again = made(ours)
    assert mappings(world) == {"app/latest": again.api_id}


def test_two_functions_do_not_take_each_others_path(runner: Runner, inputs: dict[str, str], world: World) -> None:
    given = {**inputs, "domain-name": "api.example.com", "base-path": "app"}
    assert runner.run(given).result == "promoted"
    before = mappings(world), world.apis(), world.items()
    ended = runner.run({**given, "function-name": "other"})
    assert ended.code == 1, ended.log
    assert [error.title for error in ended.errors] == ["Input base-path"]
    assert (mappings(world), world.apis(), world.items()) == before
    assert len(world.function.list_functions()["Functions"]) == 1
    assert runner.run({**given, "function-name": "other", "base-path": "other"}).result == "promoted"


@pytest.mark.parametrize("kind", ["cut-after", "error-after"])
def test_an_api_that_was_made_without_an_answer_is_not_made_again(
    runner: Runner, inputs: dict[str, str], world: World, kind: str
) -> None:
    world.account.inject(kind, "apigatewayv2.CreateApi")
    ended = runner.run(inputs)
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert len(world.apis()) == 2


class Overtaken:
    """A ledger in which another run records its endpoint first. ``is_mapped_last``: our mapping came later."""

    def __init__(self, gateways: Gateways, world: World, *, is_mapped_last: bool) -> None:
        self._gateways = gateways
        self._world = world
        self._is_mapped_last = is_mapped_last
        self.winner: Gateway | None = None

    def remember(self, _qualifier: str, gateway: Gateway, _known: Gateway | None) -> bool:
        self.winner = made(self._gateways)
        if self._is_mapped_last:
            (mapping,) = self._world.gateway.get_api_mappings(DomainName="api.example.com")["Items"]
            self._world.gateway.update_api_mapping(
                DomainName="api.example.com",
                ApiMappingId=mapping["ApiMappingId"],
                ApiId=gateway.api_id,
                ApiMappingKey="app/latest",
                Stage="$default",
            )
        return False

    def read(self) -> State:
        return State(latest=self.winner)


@pytest.mark.parametrize("is_mapped_last", [False, True])
def test_a_run_that_another_one_overtakes_leaves_nothing_behind(
    ours: Gateways,
    world: World,
    is_mapped_last: bool,  # noqa: FBT001 - a table's column
) -> None:
    ledger = Overtaken(ours, world, is_mapped_last=is_mapped_last)
    endpoints = endpoints_of(ours, cast("Ledger", ledger))
    endpoint = endpoints.ensure("latest", None)
    assert ledger.winner
    assert endpoint
    assert endpoint.gateway == ledger.winner
    assert world.apis() == [ledger.winner.api_id]
    assert mappings(world) == {"app/latest": ledger.winner.api_id}
    assert statements(world) == [f"promote-on-success-{ledger.winner.api_id}-latest"]


def endpoints_of(gateways: Gateways, ledger: Ledger, owned: Mapping[str, str] | None = None) -> Endpoints:
    return Endpoints(
        gateways,
        ledger,
        is_kept=True,
        owned=owned or {},
        emulator="",
        session=cast("Any", None),
        clock=SystemClock(),
        say=lambda *_: None,
    )


def statements(world: World) -> Sequence[str]:
    """Return the APIs that $LATEST's policy allows."""
    return sorted(Function(lambda: world.function, FUNCTION, "", SystemClock()).statements(""))


def test_what_is_served_is_not_tested_in_place_of_the_candidate(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    first = runner.run(inputs)
    (runner.workspace / "function" / "commit").write_text("2")
    served = first.outputs["environment-url"]
    refused = runner.run({**inputs, "latest-url": served}, run_id=1001)
    assert (refused.code, refused.errors[0].title) == (1, "Input latest-url"), refused.log
    assert "it is the endpoint of preprod" in refused.errors[0].message
    assert world.versions() == ["1"]
