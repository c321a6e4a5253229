"""The outside world: the Lambda functions, tables and HTTP APIs of one account, and the repository on GitHub."""

import copy
from collections.abc import Mapping
from itertools import count
from random import Random
from typing import Any

from botocore import xform_name

from tests.simulation.commits import Commits
from tests.simulation.errors import ACCOUNT, Refusal
from tests.simulation.functions import Content, Functions, payload
from tests.simulation.gateways import Gateways
from tests.simulation.github import GitHub
from tests.simulation.network import Call
from tests.simulation.pages import Pages
from tests.simulation.scheduler import Scheduler
from tests.simulation.tables import Tables

TABLE = "promote-on-success"


class World:
    """Everything that calls can change. ``codes`` maps each possible CodeSha256 to whether its code works."""

    def __init__(
        self,
        scheduler: Scheduler,
        chance: Random,
        codes: Mapping[str, bool],
        saved: Any = None,
        *,
        github: GitHub | None = None,
        pages: Pages | None = None,
    ) -> None:
        """Begin with the ``saved`` state of another world, if given. Without ``pages``, each list has one page."""
        self._chance = chance
        self.codes = codes
        numbers = count(10_000 if saved else 1)
        self.functions = Functions(scheduler, chance, numbers, pages)
        self.tables = Tables(scheduler, pages)
        self.gateways = Gateways(scheduler, self.functions, chance, numbers, codes.__getitem__, pages)
        self.github = github or GitHub(Commits(), is_generous=True)
        self.verified: set[Content] = set()
        """Contents that have responded to a check as they should."""
        if saved:
            self._load(saved)

    def carry_out(self, call: Call) -> Any:
        """Apply a call and return its response.

        Raises:
            Refusal: The service returns an error.

        """
        if call.service == "execute-api":
            return self._request(call.arguments["api"])
        if call.service == "github":
            return self.github.carry_out(call.operation, call.arguments)
        if call.service == "sts":
            return {"Account": ACCOUNT, "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/deployer/job"}
        if call.operation == "Invoke":
            return self._invoke(**call.arguments)
        model: Any = {"dynamodb": self.tables, "apigatewayv2": self.gateways}.get(call.service)
        if call.service == "lambda":
            model = self.functions[call.arguments["FunctionName"]]
        return getattr(model, xform_name(call.operation))(**call.arguments)

    def not_found(self, call: Call) -> Refusal | None:
        """Return the error of a service that does not find a new resource yet, or None if the resource is not new."""
        if call.service == "lambda":
            function = self.functions[call.arguments["FunctionName"]]
            return function.not_found(call.arguments.get("Qualifier") or call.arguments.get("Name", ""))
        return self.gateways.not_found(call.arguments["ApiId"]) if "ApiId" in call.arguments else None

    def _request(self, api: str) -> Any:
        if not self.gateways.is_reachable(api):
            return None
        answer = self.gateways.request(api, self._chance.random())
        self._note(answer.content)
        return answer

    def _invoke(self, *, FunctionName: str, Qualifier: str, Payload: bytes) -> Any:
        del Payload
        function = self.functions[FunctionName]
        is_idle = Qualifier in function.versions and function.versions[Qualifier].configuration["State"] == "Inactive"
        found = function.resolve(Qualifier, self._chance.random())
        if is_idle:
            text = "ERROR: Lambda is initializing your function. It will be ready to invoke shortly."
            raise Refusal("CodeArtifactUserPendingException", text, 409)
        if found is None:
            raise Refusal("ResourceConflictException", "The function is currently in the following state: Pending", 409)
        self._note(found[1])
        return {"StatusCode": 200, "ExecutedVersion": found[0], "Payload": payload(self.gateways.answer(found[1]))}

    def _note(self, content: Content | None) -> None:
        if content is not None and self.codes[content.code_sha256]:
            self.verified.add(content)

    def save(self) -> Any:
        """Return the whole state, with which another world can begin."""
        return copy.deepcopy(
            (
                {name: function.save() for name, function in self.functions.all.items()},
                self.tables.tables,
                self.gateways.apis,
                self.verified,
            )
        )

    def _load(self, saved: Any) -> None:
        found, tables, apis, self.verified = copy.deepcopy(saved)
        for name, function in self.functions.all.items():
            function.load(found[name])
        self.tables.tables, self.gateways.apis = tables, apis
        for api in apis.values():
            api.reachable_at = 0.0
