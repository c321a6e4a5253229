"""Recorded sequences of calls, with the answers of real AWS."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parent / "recorded.json"

UPDATES = {"CreateFunction", "UpdateFunctionCode", "UpdateFunctionConfiguration"}
"""The operations of Lambda after which a function takes a moment to settle."""
_LISTS = {"Aliases": "ListAliases", "Versions": "ListVersionsByFunction", "Functions": "ListFunctions"}
"""The operation that lists the items in a member. Upstream tests list with paginators, whose calls are not recorded."""
_IN_PROGRESS = re.compile(r'"(State|LastUpdateStatus)": "(Pending|InProgress)"|update is in progress|state: Pending')


@dataclass(frozen=True)
class Answer:
    """What AWS answered, or the part of it that was recorded."""

    name: str
    expected: Any
    """Members that say nothing of behavior are left out. A text is that of the error."""
    keys: frozenset[str] | None = None
    """All members of the answer or, for GetFunction, of its configuration; None if they are not recorded."""

    @property
    def error(self) -> str:
        """The code of the error, or empty."""
        return str(self.expected.get("Error", {}).get("Code", "")) if isinstance(self.expected, dict) else ""

    @property
    def is_in_progress(self) -> bool:
        """Whether the answer shows an update that has not ended."""
        return bool(_IN_PROGRESS.search(json.dumps(self.expected)))


@dataclass(frozen=True)
class Call:
    """One call, and what AWS answered to it."""

    service: str
    operation: str
    parameters: Mapping[str, Any]
    waits: bool = False
    """Whether it is repeated until the function has settled."""
    condition: Mapping[str, Any] = field(default_factory=dict)
    """The fault of the sandbox under which it is made, for what AWS does at times only."""
    answers: tuple[Answer, ...] = ()
    is_added: bool = False
    """Whether it stands for the calls of a paginator, which are not recorded."""

    @property
    def name(self) -> str:
        """Service and operation, such as ``lambda.UpdateAlias``."""
        return f"{self.service}.{self.operation}"

    @property
    def is_read(self) -> bool:
        """Whether it changes nothing."""
        return self.operation.startswith(("Get", "List", "Describe"))

    @property
    def error(self) -> str:
        """The code of the recorded error, or empty."""
        return next((answer.error for answer in self.answers if answer.error), "")

    @property
    def is_refused_by_sdk(self) -> bool:
        """Whether botocore has not sent it, because a parameter is invalid."""
        return any(str(answer.expected).startswith("Parameter validation failed") for answer in self.answers)

    @property
    def is_in_progress(self) -> bool:
        """Whether it was made while an update was in progress."""
        return any(answer.is_in_progress for answer in self.answers) and (self.is_read or bool(self.error))

    @property
    def qualified(self) -> tuple[str, str]:
        """The function's name and the qualifier, or empty texts."""
        name, _, qualifier = str(self.parameters.get("FunctionName", "")).rpartition("function:")[2].partition(":")
        return name, str(self.parameters.get("Qualifier", qualifier))


@dataclass(frozen=True)
class Recording:
    """One sequence."""

    source: str
    calls: tuple[Call, ...]

    @property
    def id(self) -> str:
        """The name of the upstream test, or the address of the report."""
        return self.source.rpartition("::")[2].split(" (")[0].removeprefix("github.com/")

    def lasts(self, number: int) -> bool:
        """Return whether later calls show that the update which a call begins is still in progress."""
        if self.calls[number].operation not in UPDATES:
            return False
        following = self.calls[number + 1 :]
        return bool(following) and following[0].is_in_progress


def load(file: Path = RECORDED) -> list[Recording]:
    """Read the sequences of a file. Reports that describe their calls in words cannot be played, and are left out."""
    data = json.loads(file.read_text(encoding="utf-8"))
    return [_recording(entry, data["key_sets"]) for entry in data["entries"] if _is_written_out(entry)]


def _is_written_out(entry: Mapping[str, Any]) -> bool:
    has_answers = all(isinstance(one, dict) and "answer" in one for one in entry["recorded"].values())
    return has_answers and all(isinstance(call.get("parameters", {}), dict) for call in entry["calls"])


def _recording(entry: Mapping[str, Any], key_sets: Mapping[str, Sequence[str]]) -> Recording:
    calls = entry["calls"]
    answers: dict[int, list[Answer]] = defaultdict(list)
    lists: dict[int, list[Call]] = defaultdict(list)
    for name, recorded in entry["recorded"].items():
        number = recorded.get("answers_call")
        if number is None:
            continue  # the source does not tell the call
        expected = recorded["answer"]
        keys = frozenset(key_sets[recorded["keys"]]) if "keys" in recorded else None
        if isinstance(expected, dict) and "CreateFunctionResponse" in expected:
            expected, keys = expected["CreateFunctionResponse"], None
        answer = Answer(name, expected, keys)
        call = calls[number - 1]
        if answer.error and call.get("until"):
            number -= 1  # a helper that creates and waits: its creation has failed
        listed = _listing(answer, call)
        if listed:
            lists[number].append(Call("lambda", listed, _function_of(call), answers=(answer,), is_added=True))
        else:
            answers[number].append(answer)
    return Recording(entry["source"], tuple(_calls(calls, answers, lists)))


def _calls(
    calls: Sequence[Mapping[str, Any]], answers: Mapping[int, list[Answer]], lists: Mapping[int, list[Call]]
) -> Iterator[Call]:
    for number, call in enumerate(calls, 1):
        service, _, operation = call["operation"].partition(".")
        yield Call(
            service,
            operation,
            call.get("parameters", {}),
            waits="until" in call,
            condition=call.get("while", {}),
            answers=tuple(answers.get(number, ())),
        )
        yield from lists.get(number, ())


def _listing(answer: Answer, call: Mapping[str, Any]) -> str:
    """Return the operation whose pages the answer collects, if that is not the operation of the call."""
    if not isinstance(answer.expected, dict) or "HTTPStatus" in answer.expected:
        return ""
    operation = next((_LISTS[member] for member in answer.expected if member in _LISTS), "")
    return "" if call["operation"].endswith(f".{operation}") else operation


def _function_of(call: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in call["parameters"].items() if name == "FunctionName"}
