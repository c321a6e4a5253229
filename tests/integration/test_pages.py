"""A list may need several responses. The action reads all of them before it decides."""

from pathlib import Path

import pytest

from promote.aws.api_gateway import Gateways
from promote.aws.dynamodb import Table
from promote.aws.lambda_function import Function
from promote.core.clock import SystemClock
from promote.core.run import Run
from promote.core.version import Candidate
from promote.state.candidate_records import Deployment
from promote.state.ledger import Ledger
from sandbox.client import Account, Fault
from tests.clock import Time
from tests.conftest import make_runner
from tests.repository import line
from tests.world import FUNCTION, TABLE, World

LISTS = (
    "dynamodb.Query",
    "lambda.ListAliases",
    "lambda.ListVersionsByFunction",
    "apigatewayv2.Get*s",
    "lambda.ListEventSourceMappings",
)


def paged(account: Account, items: int) -> list[Fault]:
    """Let each list have at most as many entries per page."""
    return [account.inject("small-pages", name, times=0, items=items) for name in LISTS]


def arn(world: World) -> str:
    return f"arn:aws:lambda:us-east-1:{world.account.id}:function:{FUNCTION}"


@pytest.fixture
def function(world: World) -> Function:
    """A function with four versions. The environment's alias is the last one of three."""
    world.create("1", publishes=True)
    world.publish("2", "3", "4")
    for name, version in (("canary", "1"), ("old", "2"), ("preprod", "4")):
        world.function.create_alias(FunctionName=FUNCTION, Name=name, FunctionVersion=version)
    return Function(lambda: world.function, FUNCTION, "", SystemClock())


@pytest.mark.parametrize("items", [1, 2])
def test_all_versions_and_aliases_are_read(world: World, function: Function, items: int) -> None:
    faults = paged(world.account, items)
    assert [version.number for version in function.versions()] == [1, 2, 3, 4]
    assert [alias.name for alias in function.aliases() or []] == ["canary", "old", "preprod"]
    assert [fault.hit for fault in faults] == [False, True, True, False, False]


@pytest.fixture
def ledger(world: World) -> Ledger:
    table = Table(lambda: world.table, TABLE, Time())
    table.ensure()
    return Ledger(table, arn(world), Run("c" * 40, 7, 1, "", "abc"), Time())


@pytest.mark.parametrize("items", [1, 2, 3])
def test_all_records_are_read(world: World, ledger: Ledger, items: int) -> None:
    candidates = [Candidate(str(number), f"code {number}", "configuration") for number in range(1, 6)]
    for candidate in candidates:
        ledger.versions.record(candidate)
        ledger.candidates.record(Deployment(candidate, "abc", "", 7, "", "version"))
        ledger.previews.begin(candidate.version, "job", 30)
    for number in (2, 5):
        ledger.versions.record_deletion(number, 1)
    for environment in ("a", "b", "c"):
        world.table.put_item(TableName=TABLE, Item={"pk": {"S": ledger.arn}, "sk": {"S": f"environment#{environment}"}})
    world.table.put_item(TableName=TABLE, Item={"pk": {"S": ledger.arn}, "sk": {"S": "lock"}, "token": {"N": "4"}})
    paged(world.account, items)
    state = ledger.read()
    assert [preview.version for preview in state.previews] == ["1", "2", "3", "4", "5"]
    assert (sorted(state.environments), state.lock.token) == (["a", "b", "c"], 4)
    assert sorted(ledger.versions.between(1, 5)) == [1, 2, 3, 4, 5]
    # A page without a match is not the end.
    assert ledger.versions.deleted("1", "5") == {"2", "5"}
    assert [found.candidate for found in ledger.candidates.listed()] == candidates


def test_an_api_and_a_mapping_are_found_on_any_page(world: World, function: Function) -> None:
    certificate = f"arn:aws:acm:us-east-1:{world.account.id}:certificate/1"
    world.gateway.create_domain_name(
        DomainName="api.example.com", DomainNameConfigurations=[{"CertificateArn": certificate}]
    )
    for name in ("one", "two"):
        api = world.gateway.create_api(Name=name, ProtocolType="HTTP")["ApiId"]
        world.gateway.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
        world.gateway.create_api_mapping(DomainName="api.example.com", ApiMappingKey=name, ApiId=api, Stage="$default")
    clock, gateway = SystemClock(), world.gateway
    gateways = Gateways(
        lambda: gateway, lambda: gateway, function, arn(world), clock, domain_name="api.example.com", base_path="app"
    )
    made = gateways.make("latest")
    gateways.complete("latest", made)
    paged(world.account, 1)
    world.account.forget()
    assert gateways.find("latest", None) == made
    assert gateways.is_whole("latest", made)
    lists = [call.operation for call in world.account.calls()]
    assert (lists.count("GetApis"), lists.count("GetApiMappings")) == (3, 3)


@pytest.mark.usefixtures("function")
def test_a_run_with_small_pages_ends_like_any_other(
    tmp_path: Path, account: Account, world: World, inputs: dict[str, str]
) -> None:
    runner = make_runner(tmp_path / "runner", account)
    line(runner.workspace)
    faults = paged(account, 1)
    for number in (1, 2, 3):
        (runner.workspace / "function" / "commit").write_text(str(number))
        given = {**inputs, "isolation": "version"} if number == 2 else inputs
        ended = runner.run(given, commit=f"{number:x}" * 40, run_id=number)
        assert (ended.code, ended.result) == (0, "promoted"), ended.log
        assert len(ended.annotations) == (1 if number == 1 else 0), ended.log  # version 4 is external
    assert world.history() == [("4", "5"), ("5", "6"), ("6", "7")]
    assert all(fault.hit for fault in faults[:2])
    account.clear_faults()  # the outside view of the tests reads one page
    assert (world.lock_owner(), len(world.apis())) == ("", 2)
