"""A function with what a team has around it: gateways, a queue, a schedule, a topic, a bucket, and aliases."""

import json
import time
from collections.abc import Mapping
from typing import Any

from promote.aws.tags import TAG
from sandbox.client import REGION
from tests.runner import REPOSITORY
from tests.world import FUNCTION, World, archive

CODE = (REPOSITORY / "tests" / "function" / "app.py").read_text(encoding="utf-8")


class Estate:
    """What is around the function, and how it is now."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.function: Any = world.function
        self.arn = f"arn:aws:lambda:{REGION}:{world.account.id}:function:{FUNCTION}"
        self.queue = f"arn:aws:sqs:{REGION}:{world.account.id}:orders"
        self._rest = world.session.client("apigateway", endpoint_url=world.url)
        self._events = world.session.client("events", endpoint_url=world.url)

    def make(self) -> str:
        """Make all of it, as other tools do, and return the UUID of the mapping of the queue."""
        world = self.world
        world.create(CODE, publishes=True)
        world.settle()
        for name, text in (("preprod", "made by our stack"), ("live", "what the shop uses")):
            world.function.create_alias(FunctionName=FUNCTION, Name=name, FunctionVersion="1", Description=text)
        rest = self._rest.create_rest_api(name="shop")["id"]
        self.permit("rest", "apigateway.amazonaws.com", f"arn:aws:execute-api:{REGION}:{world.account.id}:{rest}/*")
        http = world.gateway.create_api(Name="shop", ProtocolType="HTTP")["ApiId"]
        world.gateway.create_authorizer(
            ApiId=http,
            Name="users",
            AuthorizerType="JWT",
            IdentitySource=["$request.header.Authorization"],
            JwtConfiguration={"Issuer": "https://example.com", "Audience": ["shop"]},
        )
        integration = world.gateway.create_integration(
            ApiId=http, IntegrationType="AWS_PROXY", IntegrationUri=self.arn, PayloadFormatVersion="2.0"
        )["IntegrationId"]
        world.gateway.create_route(ApiId=http, RouteKey="GET /orders", Target=f"integrations/{integration}")
        self.permit("http", "apigateway.amazonaws.com", f"arn:aws:execute-api:{REGION}:{world.account.id}:{http}/*")
        rule = self._events.put_rule(Name="nightly", ScheduleExpression="rate(1 day)")["RuleArn"]
        self._events.put_targets(Rule="nightly", Targets=[{"Id": "1", "Arn": self.arn}])
        self.permit("schedule", "events.amazonaws.com", rule)
        self.permit("topic", "sns.amazonaws.com", f"arn:aws:sns:{REGION}:{world.account.id}:news")
        self.permit("bucket", "s3.amazonaws.com", "arn:aws:s3:::uploads", SourceAccount=world.account.id)
        return self.map_queue()

    def map_queue(self, called: str = FUNCTION, queue: str = "", **given: Any) -> str:
        """Let the function, a version or an alias read a queue, and return the UUID of the mapping."""
        made = self.function.create_event_source_mapping(
            EventSourceArn=queue or self.queue, FunctionName=called, BatchSize=5, **given
        )
        self.mapping(str(made["UUID"]))
        return str(made["UUID"])

    def permit(self, statement: str, principal: str, source: str, **more: str) -> None:
        """Let a service invoke $LATEST."""
        self.function.add_permission(
            FunctionName=FUNCTION,
            StatementId=statement,
            Action="lambda:InvokeFunction",
            Principal=principal,
            SourceArn=source,
            **more,
        )

    def mapping(self, uuid: str) -> dict[str, Any]:
        """Return a mapping after its last change has completed."""
        for _ in range(200):
            found: dict[str, Any] = self.function.get_event_source_mapping(UUID=uuid)
            if found["State"] in ("Enabled", "Disabled"):
                return {name: found[name] for name in ("EventSourceArn", "FunctionArn", "State", "BatchSize")}
            time.sleep(0.02)
        raise AssertionError(f"mapping {uuid} does not settle")

    def called(self, uuid: str) -> str:
        """Return what a mapping calls: ``hello`` or ``hello:preprod``."""
        return str(self.mapping(uuid)["FunctionArn"]).partition(":function:")[2]

    def facts(self) -> dict[str, Any]:
        """Return all that belongs to the team. Times and RevisionIds are left out."""
        world, aliases = self.world, self.function.list_aliases(FunctionName=FUNCTION)["Aliases"]
        mappings = [
            one["UUID"]
            for called in ("", *(f":{alias['Name']}" for alias in aliases))
            for one in self.function.list_event_source_mappings(FunctionName=FUNCTION + called)["EventSourceMappings"]
        ]
        apis = [api for api in world.gateway.get_apis()["Items"] if TAG not in (api.get("Tags") or {})]
        configuration = self.function.get_function_configuration(FunctionName=FUNCTION)
        return {
            "function": {name: configuration[name] for name in ("Handler", "Role", "Timeout", "MemorySize")},
            "aliases": {
                alias["Name"]: (alias["FunctionVersion"], alias["Description"], alias.get("RoutingConfig"))
                for alias in aliases
            },
            "policies": {name: self._policy(name) for name in ("", *(alias["Name"] for alias in aliases))},
            "mappings": {uuid: self.mapping(uuid) for uuid in mappings},
            "rest": [api["id"] for api in self._rest.get_rest_apis()["items"]],
            "http": {api["ApiId"]: self._parts(api["ApiId"]) for api in apis},
            "schedule": self._events.list_targets_by_rule(Rule="nightly")["Targets"],
        }

    def deploy(self, note: str) -> str:
        """Deploy with the team's own tool: code, a version, and the alias. Return the version."""
        code = archive({"app.py": f"{CODE}\n# {note}\n"})
        self.world.settle()
        self.function.update_function_code(FunctionName=FUNCTION, ZipFile=code)
        self.world.settle()
        version = str(self.function.publish_version(FunctionName=FUNCTION)["Version"])
        self.function.update_alias(FunctionName=FUNCTION, Name="preprod", FunctionVersion=version, Description=note)
        return version

    def _parts(self, api: str) -> list[str]:
        gateway = self.world.gateway
        routes = [f"{route['RouteKey']} {route['Target']}" for route in gateway.get_routes(ApiId=api)["Items"]]
        return [*routes, *(one["Name"] for one in gateway.get_authorizers(ApiId=api)["Items"])]

    def _policy(self, qualifier: str) -> list[Mapping[str, Any]]:
        keywords: Any = {"Qualifier": qualifier} if qualifier else {}
        try:
            policy = self.function.get_policy(FunctionName=FUNCTION, **keywords)["Policy"]
        except self.function.exceptions.ResourceNotFoundException:
            return []
        found: list[Mapping[str, Any]] = json.loads(policy)["Statement"]
        return found
