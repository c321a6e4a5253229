"""The models of the simulation answer as AWS has answered, as far as they go: recorded sequences, played against them.

The sandbox plays the whole sequences (``tests/conformance``). A model knows only what the action uses, so a sequence
ends here at the first call that it does not know.
"""

import re
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any, NoReturn

from tests.conformance.recording import Answer, Call, Recording, load
from tests.conformance.replay import Outcome, Player
from tests.simulation.errors import ACCOUNT, NotModelledError, Refusal, refusal
from tests.simulation.functions import FUNCTION
from tests.simulation.network import Call as Request
from tests.simulation.scheduler import Scheduler
from tests.simulation.test_models import COMPARED, NAMED
from tests.simulation.world import World

_INNER = {"Configuration", "Error", "Versions"}
"""Members whose own members are compared."""
_OPEN = {"Code", "Message", *COMPARED, *NAMED, *_INNER} - {"Items"}
_WITHOUT_EFFECT = {"Architectures", "Tags"}
"""Parameters of a creation that change no answer to what the action asks."""
_NOT_REQUIRED = {"RequestEntityTooLargeException", "ValidationException", "InvalidParameterValueException"}
"""Errors of requests that the action does not make: the models do not look for them in a creation or an update."""
LEAST = 75
"""The recorded answers that the models give. Fewer would mean that a model knows less than before."""


class Unknown:
    """Stands for the account of the sandbox: the models have no such faults."""

    id = ACCOUNT

    def inject(self, kind: str, _operation: str, **_options: object) -> None:
        if kind != "update-lasts":  # until the scheduler goes on, each update lasts
            raise NotModelledError(kind)


class Client:
    """A model with the methods of a client."""

    def __init__(self, world: World, service: str) -> None:
        self._world = world
        self._service = service

    def __getattr__(self, method: str) -> Any:
        def call(**given: Any) -> dict[str, Any]:
            try:
                answer = self._answer(method, given)
            except Refusal as found:
                raise refusal(self._service, method, found.code, found.message, found.status, **found.more) from None
            except (AttributeError, IndexError, KeyError, TypeError) as error:
                raise NotModelledError((method, given)) from error
            return {**answer, "ResponseMetadata": {"HTTPStatusCode": 200}}

        return call

    def _answer(self, method: str, given: dict[str, Any]) -> dict[str, Any]:
        if method == "get_function":
            return {"Configuration": self._answer("get_function_configuration", given)}
        if method == "create_function":
            given = {
                "PackageType": "Zip",
                **{name: value for name, value in given.items() if name not in _WITHOUT_EFFECT},
            }
        operation = "".join(map(str.capitalize, method.split("_")))
        answer = self._world.carry_out(Request(self._service, operation, given))
        if isinstance(answer, Refusal):
            raise answer
        return dict(answer)


class ModelPlayer(Player):
    """Plays one sequence against the models."""

    def __init__(self, recording: Recording) -> None:
        super().__init__(Unknown(), recording)  # type: ignore[arg-type] # as far as it is used
        self._scheduler = Scheduler()
        self._world = World(self._scheduler, Random(0), codes={})
        self.compared = 0

    def play(self) -> Iterator[str]:
        try:
            yield from super().play()
        except NotModelledError:
            return

    def _make(self, call: Call) -> Outcome:
        try:
            return super()._make(call)
        except NotModelledError:
            if not call.is_read:
                raise
            return Outcome({"ResponseMetadata": {"HTTPStatusCode": 0}})

    def _store(self, call: Call) -> None:
        code = call.parameters.get("Code", call.parameters)
        if call.error in _NOT_REQUIRED:
            raise NotModelledError(call.error)
        if "S3Key" in code or "ImageUri" in code:
            raise NotModelledError(code)

    def _has_settled(self, name: str) -> bool:
        del name
        self._scheduler.run()
        return True

    def _is_active(self, table: str) -> NoReturn:
        raise NotModelledError(table)

    def _client(self, service: str, *, checks: bool = False) -> Any:
        del checks
        return Client(self._world, service)

    def _text(self, value: str) -> str:
        if "<function-2>" in value or "<table" in value or "<api" in value:
            raise NotModelledError(value)
        return super()._text(re.sub(r"<function(-1)?>", FUNCTION, value))

    def _compare(self, answer: Answer, outcome: Outcome) -> Iterator[str]:
        expected = self._own(answer.expected)
        if isinstance(expected, str) or not outcome.status:
            return
        self.compared += 1
        actual = outcome.part(expected)
        yield from self._names.differences(*known(expected, actual))
        if "Error" in expected and expected.get("HTTPStatus", outcome.status) != outcome.status:
            yield f"HTTPStatus: AWS {expected['HTTPStatus']}, model {outcome.status}"


def without(given: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name not in names}


def known(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the members of two answers that a model has."""
    names = _OPEN & expected.keys() & ({*actual} | {"Error"})
    one, other = {name: expected[name] for name in names}, {name: actual.get(name) for name in names}
    for name in names & _INNER:
        theirs, ours = one[name], other[name]
        if isinstance(theirs, dict) and isinstance(ours, dict):
            one[name], other[name] = known(theirs, ours)
    return one, other


def test_the_models_answer_as_aws() -> None:
    compared, differences = 0, []
    for recording in load():
        player = ModelPlayer(recording)
        differences += [f"{recording.id}: {difference}" for difference in player.play()]
        compared += player.compared
    assert differences == []
    assert compared >= LEAST
