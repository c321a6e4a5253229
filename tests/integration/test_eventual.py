"""AWS is eventually consistent, and sometimes busy. The action waits for temporary errors and does not trust them."""

import pytest

from promote.aws.api_gateway import Gateways
from promote.aws.lambda_function import Function
from promote.core.clock import SystemClock
from sandbox.client import Account, Fault
from tests.conftest import hurried
from tests.runner import Runner
from tests.world import FUNCTION, World, get

pytestmark = pytest.mark.usefixtures("history")


def busy(world: World, operation: str, times: int = 1) -> Fault:
    """Let API Gateway refuse a call because of another change."""
    return world.account.inject(
        "error-before",
        f"apigatewayv2.{operation}",
        times=times,
        status=409,
        code="ConflictException",
        message="Unable to complete operation due to concurrent modification. Please try again later.",
    )


def url_of(world: World, qualifier: str) -> str:
    (api,) = [api for api in world.gateway.get_apis()["Items"] if api["Description"].endswith(f" {qualifier}")]
    return f"{world.url}/_aws/execute-api/{api['ApiId']}/$default/health"


@pytest.mark.parametrize(
    "operation",
    [
        "lambda.CreateFunction",
        "lambda.UpdateFunctionCode",
        "lambda.PublishVersion",
        "lambda.CreateAlias",
        "apigatewayv2.CreateApi",
        "dynamodb.CreateTable",
    ],
)
def test_what_a_run_has_just_created_may_be_unknown_at_first(
    runner: Runner, world: World, inputs: dict[str, str], operation: str
) -> None:
    fault = world.account.inject("appears-late", operation, seconds=1, times=0)
    ended = runner.run(inputs, commit="1" * 40, run_id=1)
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    if operation == "lambda.UpdateFunctionCode":  # not called when the function is created
        (runner.workspace / "function" / "commit").write_text("2")
        ended = runner.run(inputs, commit="2" * 40, run_id=2)
        assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert fault.hit
    assert any(
        call.status in (400, 404)
        for call in world.account.calls()
        if call.service == operation.split(".", maxsplit=1)[0]
    )
    assert len(world.apis()) == 2
    for qualifier in ("latest", "preprod"):
        assert get(url_of(world, qualifier))[0] == 200


@pytest.mark.parametrize(
    "operation",
    ["CreateApi", "CreateIntegration", "CreateRoute", "CreateStage"],
)
@pytest.mark.parametrize("isolation", ["latest", "version"])
def test_another_change_of_an_api_at_the_same_time_is_waited_for(
    runner: Runner, world: World, inputs: dict[str, str], operation: str, isolation: str
) -> None:
    fault = busy(world, operation, times=2)
    ended = runner.run({**inputs, "isolation": isolation}, run_id=1)
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert fault.hit
    for qualifier in ("latest", "preprod"):
        if isolation == "latest" or qualifier == "preprod":
            assert get(url_of(world, qualifier))[0] == 200


def test_a_run_ends_well_under_the_rates_of_aws(runner: Runner, world: World, inputs: dict[str, str]) -> None:
    """Other jobs of the account use most of the requests that AWS allows in a second."""
    for service, rate in (("lambda", 3), ("apigatewayv2", 2)):
        world.account.inject("limit-rate", f"{service}.*", times=0, per_second=rate)
    ended = runner.run(inputs, run_id=1)
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    throttled = {call.service for call in world.account.calls() if call.status == 429}
    assert throttled == {"lambda", "apigatewayv2"}


@pytest.fixture
def gateways(world: World, account: Account) -> Gateways:
    world.create("def handler(event, context): return {}")
    world.settle()
    arn = f"arn:aws:lambda:us-east-1:{account.id}:function:{FUNCTION}"
    function = Function(lambda: world.function, FUNCTION, "", SystemClock())
    make = lambda: world.gateway  # noqa: E731 - both of its clients
    return Gateways(make, make, function, arn, SystemClock(), domain_name="api.example.com", base_path="app")


@pytest.fixture
def domain(world: World, account: Account) -> str:
    certificate = f"arn:aws:acm:us-east-1:{account.id}:certificate/1"
    configurations: list[dict[str, str]] = [{"CertificateArn": certificate}]
    world.gateway.create_domain_name(DomainName="api.example.com", DomainNameConfigurations=configurations)  # type: ignore[arg-type]
    return "api.example.com"


@pytest.mark.usefixtures("domain")
def test_a_change_of_a_part_and_a_deletion_are_waited_for(world: World, gateways: Gateways) -> None:
    busy(world, "CreateApiMapping")
    gateway = gateways.make("latest")
    gateways.complete("latest", gateway)
    assert gateways.is_whole("latest", gateway)

    route = world.gateway.get_routes(ApiId=gateway.api_id)["Items"][0]["RouteId"]
    world.gateway.update_route(ApiId=gateway.api_id, RouteId=route, Target="integrations/gone")
    busy(world, "UpdateRoute")
    gateways.complete("latest", gateway)
    assert gateways.is_whole("latest", gateway)

    second = gateways.make("latest")
    gateways.complete("latest", second)  # takes over the path
    busy(world, "UpdateApiMapping")
    gateways.complete("latest", gateway)
    assert gateways.is_whole("latest", gateway)

    busy(world, "DeleteApi")
    gateways.remove("latest", second)
    assert world.apis() == [gateway.api_id]


@pytest.mark.usefixtures("domain")
@pytest.mark.parametrize("operation", ["CreateRoute", "CreateStage", "CreateApiMapping"])
def test_what_exists_is_not_created_again(world: World, gateways: Gateways, operation: str) -> None:
    """Its first response is lost, and botocore's next attempt finds the effect of the first one."""
    fault = world.account.inject("cut-after", f"apigatewayv2.{operation}")
    gateway = gateways.make("latest")
    gateways.complete("latest", gateway)
    assert fault.hit
    assert gateways.is_whole("latest", gateway)


def test_an_update_of_the_function_is_not_taken_for_an_existing_permission(
    runner: Runner, world: World, inputs: dict[str, str]
) -> None:
    fault = world.account.inject(
        "error-before",
        "lambda.AddPermission",
        times=2,
        status=409,
        code="ResourceConflictException",
        message="The operation cannot be performed at this time. An update is in progress for resource: hello",
    )
    ended = runner.run(inputs, run_id=1)
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert fault.hit
    for qualifier in ("latest", "preprod"):
        assert get(url_of(world, qualifier))[0] == 200


def test_a_change_that_never_ends_is_an_error_with_its_cause(
    runner: Runner, world: World, inputs: dict[str, str]
) -> None:
    busy(world, "CreateRoute", times=0)
    ended = hurried(runner).run(inputs, run_id=1)
    assert ended.code == 1
    (error,) = ended.errors
    assert "CreateRoute failed: ConflictException: Unable to complete operation" in error.message
    assert world.alias_version() == ""


def test_a_deleted_version_is_believed_to_be_gone(runner: Runner, world: World, inputs: dict[str, str]) -> None:
    """Another run created it long ago, so nothing is waited for."""
    assert runner.run(inputs, commit="1" * 40, run_id=1).code == 0
    (runner.workspace / "function" / "commit").write_text("2")
    assert runner.run(inputs, commit="2" * 40, run_id=2).code == 0
    world.function.delete_function(FunctionName=FUNCTION, Qualifier="1")
    world.account.forget()
    command = {"command": "promote", "function-name": FUNCTION, "environment": "prod", "version": "1"}
    ended = runner.run({**command, "github-deployments": "false"}, run_id=3)
    assert ended.code == 1, ended.log
    calls = [(call.name, call.status) for call in world.account.calls()]
    assert calls.count(("lambda.GetFunctionConfiguration", 404)) <= 2
