"""Play a recorded sequence against the sandbox, and compare its answers with those of AWS."""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError

from sandbox.client import Account
from tests.conformance.handlers import archive, archive_of, results
from tests.conformance.placeholders import Placeholders
from tests.conformance.recording import UPDATES, Answer, Call, Recording

LONG = 1.5
"""Seconds of an update whose progress later calls show."""
_ACCOUNT = "111111111111"
_VALUE_OF = re.compile(r"@(\d+)\.(\w+)")
_CUT = re.compile(r"(?P<start>.*?)\.\.\.\s?\((?P<length>\d+) characters\)", re.DOTALL)
_JSON = {"Policy", "Statement"}
"""Members that are JSON in a text."""

_LATER = {"LoggingConfig", "RuntimeVersionConfig", "SnapStart"}
"""Members that AWS has added since the oldest recordings."""


class Outcome:
    """What the sandbox answered."""

    def __init__(self, response: Mapping[str, Any], text: str = "") -> None:
        self.text = text
        self.status: int = response["ResponseMetadata"]["HTTPStatusCode"]
        self.members = {name: value for name, value in response.items() if name != "ResponseMetadata"}
        for name in _JSON & self.members.keys():
            self.members[name] = json.loads(self.members[name])
        if "Payload" in self.members:
            self.members["Payload"] = self.members["Payload"].read().decode()

    def part(self, expected: Mapping[str, Any]) -> dict[str, Any]:
        """Return the members to compare with the recorded ones, which may be those of an item alone."""
        members = dict(self.members)
        if isinstance(expected.get("Payload"), dict):
            members["Payload"] = json.loads(members.get("Payload") or "null")
        is_item = "Item" in members and not {"Item", "Error", "HTTPStatus"} & expected.keys()
        return dict(members["Item"]) if is_item else {**members, "HTTPStatus": self.status}


class Player:
    """Plays one sequence in a new account."""

    def __init__(self, account: Account, recording: Recording) -> None:
        self._account = account
        self._recording = recording
        self._results = results(recording)
        self._names = Placeholders()
        self._outcomes: list[Outcome] = []
        self._clients: dict[tuple[str, bool], Any] = {}
        self._updated: set[str] = set()
        """Functions whose update may not have ended."""
        self._created: set[str] = set()
        """Tables that may not be active."""
        self._handler = "", ""

    def play(self) -> Iterator[str]:
        """Make the calls, and yield each difference."""
        for number, call in enumerate(self._recording.calls):
            self._prepare(number, call)
            outcome = self._make(call)
            self._outcomes.append(outcome)
            for answer in call.answers:
                for difference in self._compare(answer, outcome):
                    yield f"{number + 1} {call.operation} ({answer.name}) {difference}"

    def _prepare(self, number: int, call: Call) -> None:
        """Wait as the upstream test has waited, and create the conditions of the call."""
        name = self._text(call.qualified[0])
        if name in self._updated and not call.is_in_progress:
            _until(lambda: self._has_settled(name))
            self._updated.discard(name)
        if self._created and call.error != "ResourceNotFoundException":
            _until(lambda: all(map(self._is_active, self._created)))
            self._created.clear()
        if call.waits and call.operation == "GetProvisionedConcurrencyConfig":
            _until(lambda: self._has_capacity(call))
        if call.condition:
            condition = dict(call.condition)
            self._account.inject(condition.pop("kind"), call.name, **condition)
        if self._recording.lasts(number):
            self._account.inject("update-lasts", call.name, seconds=LONG)
        if call.operation in UPDATES:
            self._store(call)
            self._updated.add(name)
        elif call.operation == "CreateTable":
            self._created.add(self._text(call.parameters["TableName"]))

    def _store(self, call: Call) -> None:
        """Put the code into the bucket, unless AWS did not find it there."""
        code = call.parameters.get("Code", call.parameters)
        if "S3Key" in code and call.error != "InvalidParameterValueException":
            body = self._archive(archive_of(code), call)
            self._client("s3").put_object(Bucket=code["S3Bucket"], Key=code["S3Key"], Body=body)

    def _has_settled(self, name: str) -> bool:
        client = self._client("lambda")
        try:
            versions = client.list_versions_by_function(FunctionName=name)["Versions"]
            states = [
                client.get_function_configuration(FunctionName=name, Qualifier=version["Version"])
                for version in versions
            ]
        except ClientError:
            return True
        return all(
            state["State"] != "Pending" and state.get("LastUpdateStatus", "") != "InProgress" for state in states
        )

    def _has_capacity(self, call: Call) -> bool:
        found = self._client("lambda").get_provisioned_concurrency_config(**self._filled(call.parameters, call))
        return bool(found["Status"] != "IN_PROGRESS")

    def _is_active(self, table: str) -> bool:
        described: Any = self._client("dynamodb").describe_table(TableName=table)
        return bool(described["Table"]["TableStatus"] == "ACTIVE")

    def _make(self, call: Call) -> Outcome:
        client = self._client(call.service, checks=call.is_refused_by_sdk)
        if call.operation == "CreateFunction":
            given = call.parameters
            self._handler = given.get("Handler", "handler.handler"), given.get("Runtime", "")
        method = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", call.operation).lower()
        given = self._filled(call.parameters, call)
        if "CodeSha256" in given and not call.error:
            # The code is not the recorded one, so its digest is not either.
            latest = client.get_function_configuration(FunctionName=given["FunctionName"])
            given["CodeSha256"] = latest["CodeSha256"]
        try:
            return Outcome(getattr(client, method)(**given))
        except ParamValidationError as error:
            return Outcome({"ResponseMetadata": {"HTTPStatusCode": 0}}, str(error))
        except ClientError as error:
            return Outcome(error.response, re.sub(r" \(reached max retries: \d+\)", "", str(error)))

    def _filled(self, value: Any, call: Call) -> Any:
        """Return parameters with the values of this account."""
        if isinstance(value, dict):
            return {name: self._filled(part, call) for name, part in value.items()}
        if isinstance(value, list):
            return [self._filled(part, call) for part in value]
        if isinstance(value, str) and value.startswith("<archive "):
            return self._archive(value, call)
        return self._text(value) if isinstance(value, str) else value

    def _text(self, value: str) -> str:
        if found := _CUT.fullmatch(value):
            start, length = found["start"], int(found["length"])
            return (start * (length // len(start) + 1))[:length]
        value = _VALUE_OF.sub(lambda found: self._value(int(found[1]), found[2]), value)
        value = re.sub(r"<(function|table|api|domain)(-\d+)?>", r"conformance-\1\2", value)
        return value.replace(_ACCOUNT, self._account.id)

    def _archive(self, name: str, call: Call) -> bytes:
        message = next((str(answer.expected["Error"].get("Message")) for answer in call.answers if answer.error), "")
        handler = call.parameters.get("Handler", self._handler[0])
        runtime = call.parameters.get("Runtime", self._handler[1])
        return archive(handler, runtime, self._results.get(name, {}), name, message)

    def _value(self, number: int, member: str) -> str:
        """Return a value of the answer to a recorded call."""
        calls = zip(self._recording.calls, self._outcomes, strict=False)
        members = [outcome for call, outcome in calls if not call.is_added][number - 1].members
        return str(members.get("Configuration", members)[member])

    def _client(self, service: str, *, checks: bool = False) -> Any:
        """Return a client that sends what the tests of AWS have sent, also if botocore knows that it is invalid.

        If it ``checks``, it sends nothing that botocore knows to be invalid.
        """
        if (service, checks) not in self._clients:
            environ = self._account.environ
            session: Any = boto3.session.Session(
                aws_access_key_id=self._account.id, aws_secret_access_key="any", region_name=environ["AWS_REGION"]
            )
            self._clients[service, checks] = session.client(
                service,
                endpoint_url=environ["AWS_ENDPOINT_URL"],
                config=Config(parameter_validation=checks, retries={"total_max_attempts": 1}),
            )
        return self._clients[service, checks]

    def _compare(self, answer: Answer, outcome: Outcome) -> Iterator[str]:
        expected = self._own(answer.expected)
        if isinstance(expected, str):
            yield from self._names.differences(expected, outcome.text)
            return
        actual = outcome.part(expected)
        yield from self._names.differences(expected, actual)
        if answer.keys is None or bool(answer.error) != ("Error" in actual):
            return
        compared = actual.get("Configuration", actual) if "Configuration" in expected else actual
        keys = compared.keys() - {"HTTPStatus"} - (_LATER - answer.keys)
        if keys != answer.keys:
            yield f"keys: sandbox lacks {sorted(answer.keys - keys)}, AWS lacks {sorted(keys - answer.keys)}"

    def _own(self, value: Any) -> Any:
        """Return a recorded answer with the account of this run."""
        return json.loads(json.dumps(value).replace(_ACCOUNT, self._account.id))


def _until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.02)
