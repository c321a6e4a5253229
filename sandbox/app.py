"""The sandbox as an ASGI application: MiniStack made strict, with every request recorded and faults injected."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import ministack.app

from sandbox import (
    copies,
    dynamodb_answers,
    expressions,
    faults,
    lambda_answers,
    lambda_requests,
    owners,
    pages,
    strict,
)
from sandbox.authorization import Callers, Permission, Ruling
from sandbox.exchange import (
    Answer,
    Application,
    ConnectionCutError,
    Message,
    Receive,
    Request,
    Scope,
    Send,
    answer_of,
    cut_connection,
    read,
    send_answer,
)
from sandbox.operations import DEFAULT_ACCOUNT, UNKNOWN, Operation, name_signed
from sandbox.strict.emulator import function_record
from sandbox.strict.updates import make_inactive
from sandbox.tables import Tables
from sandbox.unseen import Newborn

if TYPE_CHECKING:
    import random

CONTROL = "/_sandbox/"


@dataclass(frozen=True)
class Call:
    """One request that has ended. `sandbox.client.Call` describes the fields."""

    account: str
    service: str
    operation: str
    resource: str
    started: float
    seconds: float
    status: int | None
    bytes_in: int
    bytes_out: int
    faults: tuple[str, ...]
    origin: str
    permissions: tuple[Permission, ...]


def create(settle: float, chance: random.Random) -> Application:
    """Return the application, with MiniStack made strict; updates take `settle` seconds."""
    strict.install(settle, chance)
    return Wrapper(ministack.app.app, settle)


class Wrapper:
    """Records every request to an application and injects faults. `/_sandbox/` controls it."""

    def __init__(self, inner: Application, settle: float) -> None:
        """Wrap an application in which a creation takes `settle` seconds."""
        self._inner = inner
        self._tables = Tables(settle)
        self._board = faults.Board()
        self._callers = Callers()
        self._newborn = Newborn()
        self._calls: dict[str, list[Call]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of any kind."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] != "http":
            await self._inner(scope, receive, send)
        elif scope["path"].startswith(CONTROL):
            request = await read(scope, receive)
            await send_answer(await self._control(request), send)
        else:
            await self._serve(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Replace MiniStack's own start, which opens ports, polls, and removes containers of this machine."""
        message: Message = await receive()
        while message["type"] != "lifespan.shutdown":
            ministack.app._MAIN_LOOP = asyncio.get_running_loop()  # noqa: SLF001 - its own start sets it
            await send({"type": "lifespan.startup.complete"})
            message = await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request to AWS."""
        try:
            request = await read(scope, receive)
        except ConnectionCutError:
            return
        operation = identify(request)
        applying = self._board.applying(operation)
        victim = faults.Victim(operation, receive)
        started = time.monotonic()
        answer: Answer | None = None
        ruling = Ruling()
        try:
            answer = await faults.before(applying, victim)
            if answer is None:
                ruling = self._callers.rule(operation, request)
                real = (
                    ruling.refusal
                    or self._newborn.missing(operation, request)
                    or self._tables.refuse(operation, request)
                    or lambda_requests.refuse(operation, request)
                    or expressions.refuse(operation, request)
                    or await self._answer(operation, request, scope, receive, faults.page_size(applying))
                )
                if seconds := faults.seconds_unseen(applying):
                    self._newborn.hide(operation, request, real, seconds)
                answer = await faults.after(applying, replace(victim, answer=real)) or real
        except ConnectionCutError:
            answer = None
        self._record(operation, request, answer, started=started, applied=applying, ruling=ruling)
        if answer is None:
            cut_connection()
        else:
            await send_answer(answer, send)

    async def _answer(
        self, operation: Operation, request: Request, scope: Scope, receive: Receive, size: int
    ) -> Answer:
        """Return the emulator's response. If `size` is not 0, a list has at most as many entries per page."""
        known = expressions.plain(operation, lambda_requests.plain(operation, request))
        asked = pages.whole(operation, known, size) if size else known
        real = await answer_of(self._inner, scope if asked is request else asked.scope(scope), asked, receive)
        shaped = dynamodb_answers.shaped(operation, lambda_answers.shaped(operation, request, real))
        found = self._tables.shown(operation, request, shaped)
        return pages.cut(operation, request, found, size) if size else found

    def _record(  # noqa: PLR0913 - the fields of a request
        self,
        operation: Operation,
        request: Request,
        answer: Answer | None,
        *,
        started: float,
        applied: list[faults.Fault],
        ruling: Ruling,
    ) -> None:
        self._calls.setdefault(operation.account, []).append(
            Call(
                account=operation.account,
                service=operation.service,
                operation=operation.name,
                resource=operation.resource,
                started=started,
                seconds=time.monotonic() - started,
                status=answer.status if answer else None,
                bytes_in=len(request.body),
                bytes_out=len(answer.body) if answer else 0,
                faults=tuple(fault.kind for fault in applied),
                origin=request.origin,
                permissions=ruling.permissions,
            )
        )

    async def _control(self, request: Request) -> Answer:
        """Serve a control request about an account's calls, faults and callers."""
        account, *rest = request.path.removeprefix(CONTROL).split("/")
        answer: Answer | None = None
        match rest:
            case ["calls"]:
                answer = self._control_calls(request.method, account)
            case ["faults"]:
                answer = self._control_faults(request, account)
            case ["callers", token]:
                answer = self._control_callers(request, account, token)
            case ["copies", target]:
                answer = self._control_copies(request, account, target)
            case ["functions", name, qualifier, "idle"]:
                answer = self._control_idle(request, account, name, qualifier)
            case ["faults", identifier, ("release" | "wait") as action]:
                for fault in self._board.of(account):
                    if fault.id != identifier:
                        continue
                    if action == "release":
                        fault.released.set()
                    else:
                        with suppress(TimeoutError):
                            await asyncio.wait_for(fault.hit.wait(), float(json.loads(request.body)["seconds"]))
                    answer = reply(200, fault.describe())
        return answer or reply(404, {"message": f"There is no {request.path}."})

    def _control_calls(self, method: str, account: str) -> Answer:
        """Return an account's calls, or forget them."""
        if method == "DELETE":
            self._calls.pop(account, None)
        calls = sorted(self._calls.get(account, []), key=lambda call: call.started)
        return reply(200, {"calls": [asdict(call) for call in calls]})

    def _control_callers(self, request: Request, account: str, token: str) -> Answer:
        """Give a caller of an account a policy."""
        try:
            wish = json.loads(request.body)
            self._callers.admit(account, token, wish["policy"], are_tags_inherited=wish["are_tags_inherited"])
        except (KeyError, TypeError, ValueError) as error:
            return reply(400, {"message": str(error)})
        return reply(201, {"token": token})

    def _control_copies(self, request: Request, account: str, target: str) -> Answer:
        """Copy what an account has into another account."""
        try:
            return reply(201, {"names": copies.copy_account(account, target, json.loads(request.body)["names"])})
        except copies.NotEmptyError as error:
            return reply(409, {"message": str(error)})

    def _control_idle(self, request: Request, account: str, name: str, qualifier: str) -> Answer:
        """Make a function or version Inactive, as after weeks without an invocation."""
        owners.enter(account)
        function = function_record(name)
        record = (
            function if function and qualifier == "$LATEST" else (function or {}).get("versions", {}).get(qualifier)
        )
        if record is None:
            return reply(404, {"message": f"There is no {name}:{qualifier}."})
        make_inactive(record, str(json.loads(request.body).get("stuck", "")))
        return reply(200, {"State": "Inactive"})

    def _control_faults(self, request: Request, account: str) -> Answer:
        """Return an account's faults, add one, or clear them."""
        if request.method == "POST":
            try:
                return reply(201, self._board.inject(account, json.loads(request.body)).describe())
            except (TypeError, ValueError) as error:
                return reply(400, {"message": str(error)})
        if request.method == "DELETE":
            self._board.clear(account)
        return reply(200, {"faults": [fault.describe() for fault in self._board.of(account)]})


def identify(request: Request) -> Operation:
    """Return the operation of a request. For a request to a deployed API, select the account of the API."""
    if (deployed := owners.name_deployed(request)) is not None:
        owners.enter(deployed.account)
        return deployed
    return name_signed(request) or Operation(DEFAULT_ACCOUNT, UNKNOWN, UNKNOWN)


def reply(status: int, data: dict[str, Any]) -> Answer:
    """Return a response of the control plane."""
    body = json.dumps(data).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    return Answer(status, headers, body)
