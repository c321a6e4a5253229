"""What tests have in common before they begin, such as a first promotion. It is done once, and copied for each test."""

import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from promote.aws.fingerprint import fingerprint
from sandbox.client import Account, Sandbox
from tests.runner import Ended, Past, Runner
from tests.world import World


@dataclass(frozen=True)
class _Kept:
    """What one test has made, with copies of its account and its runner that nobody changes."""

    account: Account
    names: Mapping[str, str]
    """The names in the copied account, by those in the account of the test."""
    runner: Past
    folder: str
    """The folder of the test's runner."""
    ended: Ended


class Pasts:
    """The pasts of the tests of one process, all on one sandbox."""

    def __init__(self, sandbox: Sandbox, folders: pytest.TempPathFactory) -> None:
        self._sandbox = sandbox
        self._folders = folders
        self._kept: dict[tuple[str, str], _Kept] = {}

    def of(
        self, what: str, runner: Runner, account: Account, inputs: Mapping[str, str], make: Callable[[], Ended]
    ) -> Ended:
        """Do what ``make`` does, or copy what it did for an earlier test, and return what the last step returned.

        ``what`` names it: tests with equal names and inputs have the same past. ``account`` is still empty. ``make``
        ends its steps, and changes nothing but the account and the files of the runner outside its clone.
        """
        key = what, json.dumps(inputs).replace(account.id, "")
        if key in self._kept:
            return self._repeat(self._kept[key], runner, account)
        ended = make()
        copied = self._sandbox.account()
        names = _copy(account, copied)
        past = runner.save(self._folders.mktemp("past") / "runner")
        self._kept[key] = _Kept(copied, names, past, str(runner.folder), ended)
        return ended

    def _repeat(self, kept: _Kept, runner: Runner, account: Account) -> Ended:
        new = _copy(kept.account, account)
        names = {kept.folder: str(runner.folder), **{old: new[name] for old, name in kept.names.items()}}
        pattern = re.compile("|".join(map(re.escape, names)))

        def rename(text: str) -> str:
            return pattern.sub(lambda found: names[found[0]], text)

        runner.load(kept.runner, rename)
        ended = _renamed(kept.ended, rename)
        assert isinstance(ended, Ended)
        return ended


def _copy(source: Account, target: Account) -> dict[str, str]:
    """Copy an account. The action records digests of configurations, which have a role, and so the account's number."""
    world = World(source)
    digests = {}
    for function in world.function.list_functions()["Functions"]:
        name = function["FunctionName"]
        for version in world.function.list_versions_by_function(FunctionName=name)["Versions"]:
            found = world.function.get_function_configuration(FunctionName=name, Qualifier=version["Version"])
            renamed = _renamed(found, lambda text: text.replace(source.id, target.id))
            digests[fingerprint(found)] = fingerprint(renamed)
    return source.copy_to(target, digests)


def _renamed(value: Any, rename: Callable[[str], str]) -> Any:
    """Return a copy of a value, with each of its texts renamed."""
    if isinstance(value, str):
        return rename(value)
    if isinstance(value, Mapping):
        return {name: _renamed(item, rename) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_renamed(item, rename) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return dataclasses.replace(value, **{each.name: _renamed(getattr(value, each.name), rename) for each in fields})
    return value


def first_release(pasts: Pasts, runner: Runner, account: Account, inputs: Mapping[str, str]) -> Ended:
    """Promote commit 1, as version 1."""

    def make() -> Ended:
        ended = runner.run(inputs, commit="1" * 40, run_id=1)
        assert ended.result == "promoted", ended.log
        return ended

    return pasts.of("commit 1 is served", runner, account, inputs, make)
