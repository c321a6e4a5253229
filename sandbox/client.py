"""The sandbox for its users: a server, accounts, recorded calls and injected faults.

Only the standard library is used, so that any interpreter can use the sandbox, which runs in its own interpreter.
"""

from __future__ import annotations

import json
import secrets
import select
import subprocess
import time
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

REPOSITORY = Path(__file__).resolve().parent.parent
INTERPRETER = REPOSITORY / ".venv-sandbox" / "bin" / "python"
REGION = "us-east-1"
START_TIMEOUT = 30.0
"""Seconds until a server must be ready."""
STOP_TIMEOUT = 5.0
"""Seconds until a server must end by itself."""
ANSWER_TIMEOUT = 10.0
"""Seconds until a server must respond to a control request."""
LONGEST_WAIT = 2.0
"""Seconds that a control request waits for a fault."""


class SandboxError(Exception):
    """The sandbox could not be started, or a control request failed."""


@dataclass(frozen=True)
class Permission:
    """A permission that a request of a caller with a policy needed."""

    action: str
    """Such as `lambda:UpdateAlias`."""
    resource: str
    """The ARN of the resource, or `*` if the service has none."""
    statement: str | None
    """The Sid of the statement that allows it, or None if it was denied."""


@dataclass(frozen=True)
class Call:
    """One request of an account, or to one of its APIs."""

    account: str
    service: str
    """botocore's name, such as `lambda` or `apigatewayv2`, or `execute-api` for a request to a deployed API."""
    operation: str
    """The name in botocore's model, such as `UpdateAlias`, or `Invoke` for a request to a deployed API."""
    resource: str
    """The function, table, API, bucket, ... that the request names first, or empty."""
    started: float
    """The time at which the request had been read, in seconds of the sandbox's monotonic clock."""
    seconds: float
    status: int | None
    """The HTTP status of the response, or None if the connection was cut."""
    bytes_in: int
    bytes_out: int
    faults: tuple[str, ...]
    """The kinds of the faults that were applied, in the order of their injection."""
    origin: str
    """The AWS_EXECUTION_ENV of the process that made it, or empty. It distinguishes processes."""
    permissions: tuple[Permission, ...]
    """The permissions that it needed, up to the denied one. Empty if its caller has no policy."""

    @property
    def name(self) -> str:
        """Service and operation, such as `lambda.UpdateAlias`, as matched by a fault's pattern."""
        return f"{self.service}.{self.operation}"


class Sandbox:
    """A running sandbox. It ends with `stop`, with the `with` block, or with the process that started it."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        """Take over a server that is ready. Use `start` to create one."""
        self._process = process
        self.url = url

    @classmethod
    def start(cls, settle: float = 0.1, python: Path | None = None, seed: int = 0) -> Sandbox:
        """Start a server on a free port and wait until it is ready.

        `settle` is the duration of an asynchronous update of a function, in seconds. `python` is the interpreter with
        MiniStack, by default that of `.venv-sandbox` in this repository. `seed` determines how alias weights route.
        """
        interpreter = python or INTERPRETER
        if not interpreter.exists():
            message = f"The sandbox's interpreter {interpreter} is missing: install sandbox/requirements.txt there."
            raise SandboxError(message)
        process = subprocess.Popen(  # noqa: S603 - the arguments are our own
            [str(interpreter), "-m", "sandbox.server", "--settle", str(settle), "--seed", str(seed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            process_group=0,  # Ctrl-C reaches only the parent, which stops the sandbox
        )
        try:
            return cls(process, _ready_url(process))
        except BaseException:
            _end(process)
            raise

    def __enter__(self) -> Self:
        """Return the sandbox itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the sandbox."""
        self.stop()

    def stop(self) -> None:
        """End the server. A second call does nothing."""
        _end(self._process)

    def account(self) -> Account:
        """Return a new account with its own resources, calls and faults."""
        return Account(f"{secrets.randbelow(9 * 10**11) + 10**11}", self.url)


class Account:
    """An AWS account of the sandbox, isolated from every other one."""

    def __init__(self, account: str, url: str) -> None:
        """Take the account's 12 digits and the sandbox's URL."""
        self.id = account
        self._url = url

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables with which any AWS SDK uses this account."""
        return {
            "AWS_ENDPOINT_URL": self._url,
            "AWS_ACCESS_KEY_ID": self.id,
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def assume(self, policy: Mapping[str, Any], *, are_tags_inherited: bool = True) -> dict[str, str]:
        """Return the environment variables of a caller that may only do what the policy allows.

        Its session token identifies it. A caller without a known token may do everything. With `are_tags_inherited`
        False, routes, integrations and stages do not have the tags of their HTTP API for this caller.
        """
        token = secrets.token_hex(8)
        self._ask("PUT", f"callers/{token}", {"policy": dict(policy), "are_tags_inherited": are_tags_inherited})
        return {**self.environ, "AWS_SESSION_TOKEN": token}

    def calls(self) -> list[Call]:
        """Return the requests that have ended, in the order in which they arrived."""
        answer = self._ask("GET", "calls")
        return [
            Call(
                **{
                    **call,
                    "faults": tuple(call["faults"]),
                    "permissions": tuple(Permission(**permission) for permission in call["permissions"]),
                }
            )
            for call in answer["calls"]
        ]

    def forget(self) -> None:
        """Clear the calls."""
        self._ask("DELETE", "calls")

    def copy_to(self, other: Account, given: Mapping[str, str] | None = None) -> dict[str, str]:
        """Give another account, which has nothing yet, all resources of this one. Return the new names by the old ones.

        The number of the account and the ids of its HTTP APIs are other ones, wherever they are written. `given` has
        more new names by the old ones, such as those of digests that include the number. Calls, faults and callers are
        not copied. No update of a function may be in progress.
        """
        names: dict[str, str] = self._ask("POST", f"copies/{other.id}", {"names": dict(given or {})})["names"]
        return names

    def idle(self, function: str, qualifier: str, stuck: str = "") -> None:
        """Make a version, or $LATEST, Inactive, as Lambda does after weeks without an invocation.

        The next invocation fails and wakes it. If `stuck` is not empty, it is the reason why waking fails.
        """
        self._ask("POST", f"functions/{function}/{qualifier}/idle", {"stuck": stuck})

    def inject(
        self, kind: str, operation: str = "*", *, nth: int = 1, times: int = 1, **parameters: float | str
    ) -> Fault:
        """Inject a fault into this account's requests. README.md lists the kinds and their parameters.

        `operation` is a pattern such as `lambda.UpdateAlias`, `dynamodb.*` or `*`. The fault applies to the `nth`
        matching request from now on, and to `times` consecutive ones in total. 0 means all of them.
        """
        fault = {"kind": kind, "operation": operation, "nth": nth, "times": times, **parameters}
        return Fault(self, self._ask("POST", "faults", fault)["id"])

    def clear_faults(self) -> None:
        """Remove every fault. Held requests continue."""
        self._ask("DELETE", "faults")

    def fault(self, identifier: str) -> dict[str, Any]:
        """Return the state of one fault."""
        for fault in self._ask("GET", "faults")["faults"]:
            if fault["id"] == identifier:
                found: dict[str, Any] = fault
                return found
        message = f"There is no fault {identifier} in account {self.id}; it has been cleared."
        raise SandboxError(message)

    def wait(self, identifier: str, seconds: float) -> bool:
        """Wait at most so many seconds until one fault has been applied, and return whether it has been."""
        return bool(self._ask("POST", f"faults/{identifier}/wait", {"seconds": seconds})["hit"])

    def release(self, identifier: str) -> None:
        """Release the requests that a fault holds, and hold no more."""
        self._ask("POST", f"faults/{identifier}/release")

    def _ask(self, method: str, what: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        connection = HTTPConnection(urlsplit(self._url).netloc, timeout=ANSWER_TIMEOUT)
        try:
            connection.request(method, f"/_sandbox/{self.id}/{what}", None if body is None else json.dumps(body))
            response = connection.getresponse()
            answer: dict[str, Any] = json.loads(response.read())
        finally:
            connection.close()
        if response.status >= 400:  # noqa: PLR2004 - HTTP's limit between success and error
            raise SandboxError(answer["message"])
        return answer


class Fault:
    """One injected fault."""

    def __init__(self, account: Account, identifier: str) -> None:
        """Take the fault's account and its identifier."""
        self._account = account
        self.id = identifier

    @property
    def hit(self) -> bool:
        """Whether the fault has been applied to a request. For a hold: whether a request waits."""
        return bool(self._account.fault(self.id)["hit"])

    def is_hit_within(self, seconds: float) -> bool:
        """Return whether the fault is applied within so many seconds. It returns as soon as it is."""
        deadline = time.monotonic() + seconds
        while True:
            left = max(0.0, deadline - time.monotonic())
            if self._account.wait(self.id, min(left, LONGEST_WAIT)):
                return True
            if left <= LONGEST_WAIT:
                return False

    def wait_until_hit(self, timeout: float = 10.0) -> None:
        """Wait at most `timeout` seconds until the fault has been applied."""
        if not self.is_hit_within(timeout):
            message = f"No request has hit the fault within {timeout} seconds: {self._account.fault(self.id)}"
            raise SandboxError(message)

    def release(self) -> None:
        """Release the held requests. Later requests are not held."""
        self._account.release(self.id)


def _ready_url(process: subprocess.Popen[str]) -> str:
    output = process.stdout
    if output is None or not select.select([output], [], [], START_TIMEOUT)[0]:
        message = f"The sandbox did not start within {START_TIMEOUT} seconds."
        raise SandboxError(message)
    line = output.readline()
    if not line:
        message = f"The sandbox ended before it was ready (exit {process.wait()}); its last words are on stderr."
        raise SandboxError(message)
    url: str = json.loads(line)["url"]
    return url


def _end(process: subprocess.Popen[str]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
