"""External changes: what people and other tools do to a function, without this action and its lock."""

from collections.abc import Callable, Collection
from random import Random
from typing import Any

from tests.simulation.errors import ACCOUNT, Refusal
from tests.simulation.functions import Function
from tests.simulation.plan import Hit

_MOST_VERSIONS = 3
"""Versions of a function that was created again: the same numbers as those of other versions before."""


class Externals:
    """People and tools that change functions."""

    def __init__(
        self,
        chance: Random,
        environments: tuple[str, str],
        archive: Callable[[str], bytes],
        needed: Callable[[str], Collection[str]],
        items: Callable[[], dict[tuple[str, str], Any]],
    ) -> None:
        """Take the world; ``archive`` and ``needed`` are called with the name of a function.

        ``archive`` returns the code of external changes, and ``needed`` the versions of an unfinished release.

        ``items`` returns all records by their keys.
        """
        self._chance, self._environments, self._archive, self._needed = chance, environments, archive, needed
        self._items = items
        self._count = 0

    def act(self, hit: Hit, function: Function) -> None:
        """Change the function as ``hit`` defines.

        Raises:
            Refusal: Lambda refuses the change.

        """
        self._count += 1
        if function.latest is None:
            return
        {
            Hit.EXTERNAL_CODE: self._update_code,
            Hit.EXTERNAL_CONFIGURATION: self._update_configuration,
            Hit.EXTERNAL_ALIAS: self._move,
            Hit.EXTERNAL_WEIGHTS: self._split,
            Hit.EXTERNAL_DELETED: self._create_again,
            Hit.EXTERNAL_ALIAS_DELETED: self._delete_alias,
            Hit.EXTERNAL_LATEST: self._follow_latest,
            Hit.EXTERNAL_RECORD: self._plant,
            Hit.IDLE: self._idle,
        }[hit](function)

    def tidy(self, function: Function, *, ends_splits: bool) -> bool:
        """Do what a refused run asks a person to do: move aliases from $LATEST to a version, and end splits.

        Return whether an alias followed $LATEST.
        """
        has_followed = any(alias.version == "$LATEST" for alias in function.aliases.values())
        for name, alias in list(function.aliases.items()):
            is_split = bool(alias.weights)
            if is_split and alias.is_by_aws:
                if ends_splits:
                    function.allocate(name)
                continue
            if alias.version == "$LATEST" and not function.versions:
                function.delete_alias(FunctionName=function.name, Name=name)
            elif alias.version == "$LATEST" or (is_split and ends_splits):
                version = alias.version if alias.version in function.versions else self._version(function)
                weights: dict[str, dict[str, float]] = {"AdditionalVersionWeights": {}}
                function.update_alias(
                    FunctionName=function.name, Name=name, FunctionVersion=version, RoutingConfig=weights
                )
        return has_followed

    def _update_code(self, function: Function) -> None:
        function.update_function_code(FunctionName=function.name, ZipFile=self._archive(function.name))

    def _update_configuration(self, function: Function) -> None:
        function.update_function_configuration(FunctionName=function.name, Timeout=10 + self._count)

    def _move(self, function: Function) -> None:
        version = self._version(function)
        function.update_alias(FunctionName=function.name, Name=self._environments[0], FunctionVersion=version)

    def _split(self, function: Function) -> None:
        name = self._environments[0]
        # With provisioned concurrency, a weight of 1 counts as Lambda's own, because nothing shows who has set it.
        weight = 0.5 if name in function.provisioned else self._chance.choice((0.5, 0.5, 1.0))
        weights = {"AdditionalVersionWeights": {self._version(function): weight}}
        function.update_alias(FunctionName=function.name, Name=name, RoutingConfig=weights)

    def _create_again(self, function: Function) -> None:
        """Delete the function. Usually create it again, with versions of the same numbers and other code."""
        function.delete()
        if self._chance.random() < 0.3:
            return
        function.create_ready(
            code=self._archive(function.name),
            versions=self._chance.randint(1, _MOST_VERSIONS),
            role=f"arn:aws:iam::{ACCOUNT}:role/other",
        )
        if self._chance.random() < 0.5:
            self._create_alias(function, self._environments[0])

    def _delete_alias(self, function: Function) -> None:
        function.delete_alias(FunctionName=function.name, Name=self._environments[0])
        if self._chance.random() < 0.5:
            self._create_alias(function, self._environments[0])

    def _create_alias(self, function: Function, name: str) -> None:
        version = self._version(function)
        function.create_alias(FunctionName=function.name, Name=name, FunctionVersion=version)

    def _follow_latest(self, function: Function) -> None:
        name = self._chance.choice(self._environments)
        if name in function.provisioned:
            return  # AWS has no provisioned concurrency for $LATEST
        try:
            function.update_alias(FunctionName=function.name, Name=name, FunctionVersion="$LATEST")
        except Refusal:
            function.create_alias(FunctionName=function.name, Name=name, FunctionVersion="$LATEST")

    def _plant(self, function: Function) -> None:
        """Write a record of a preview endpoint of a dead run, which names an API that is not a preview."""
        found = [self._items().get((function.arn, f"environment#{name}"), {}) for name in self._environments]
        gateways = [item["endpoint"] for item in found if "endpoint" in item]
        if not gateways:
            return
        operation, sort_key = f"{self._count:012x}", f"endpoint#preview#{1:010d}#{self._count:012x}"
        texts = {"version": "1", "job": "0", "commit": f"{0:040x}", "url": "", "operation": operation}
        self._items()[function.arn, sort_key] = {
            "pk": {"S": function.arn},
            "sk": {"S": sort_key},
            **{name: {"S": text} for name, text in texts.items()},
            **{
                name: {"N": str(number)} for name, number in {"lease": 2, "alive": 1, "run_id": 1, "attempt": 1}.items()
            },
            "endpoint": self._chance.choice(gateways),
        }

    def _idle(self, function: Function) -> None:
        function.idle(self._needed(function.name))

    def _version(self, function: Function) -> str:
        return self._chance.choice(list(function.versions) or ["$LATEST"])
