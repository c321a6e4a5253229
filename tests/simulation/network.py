"""The network to AWS, to an endpoint and to GitHub. A fault can hit each call on its way there and back.

A request that was sent takes effect when it arrives, even if its sender has died. Clients retry as in botocore's
standard mode.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from http import HTTPStatus
from http.client import responses
from io import BytesIO
from random import Random
from types import SimpleNamespace
from typing import Any, Protocol

import requests
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError
from botocore.retries import standard
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, ProtocolError
from urllib3.exceptions import ReadTimeoutError as ReadTimeoutOfUrllib3

from promote.aws.clients import Clients
from promote.aws.confirmation import note
from promote.aws.errors import is_throttled_response
from promote.aws.patience import THROTTLED, Patience
from tests.simulation.errors import REGION, NotModelledError, Refusal, real, refusal
from tests.simulation.github import API_URL, routed
from tests.simulation.plan import Fault, Hit, can_hit
from tests.simulation.scheduler import Killed, Process, Scheduler

_TRANSIENT: Any = standard.TransientRetryableChecker
_THROTTLED: Any = standard.ThrottledRetryableChecker
_RETRIED_CODES = {*_THROTTLED._THROTTLED_ERROR_CODES, *_TRANSIENT._TRANSIENT_ERROR_CODES}  # noqa: SLF001 - botocore has
_RETRIED_STATUSES = _TRANSIENT._TRANSIENT_STATUS_CODES  # noqa: SLF001 - these tables nowhere else
_LONGEST_BACKOFF = 20.0
_THROTTLED_FOR = 1.2 * THROTTLED
"""Seconds in which a call is throttled "for good": longer than promote.aws.patience repeats it, on any clock."""

_PATIENCE = {"lambda": 60.0, "dynamodb": 5.0, "apigatewayv2": 30.0, "sts": 30.0}
"""Seconds of the read timeouts in promote.aws.clients."""

_THROTTLING = {
    "dynamodb": ("ThrottlingException", 400),
    "lambda": ("TooManyRequestsException", 429),
    "apigatewayv2": ("TooManyRequestsException", 429),
    "sts": ("Throttling", 400),
}
_EXPIRED = {"dynamodb": ("ExpiredTokenException", 400), "sts": ("ExpiredToken", 403), "github": ("", 401)}
"""The error for expired credentials by service. All other services: ExpiredTokenException with status 403."""
_FAILURE = {
    "dynamodb": "InternalServerError",
    "lambda": "ServiceException",
    "apigatewayv2": "InternalServerErrorException",
    "sts": "InternalFailure",
}


@dataclass(frozen=True)
class Call:
    """One request."""

    service: str
    operation: str
    arguments: Mapping[str, Any]
    subject: str = ""
    """An addition to its name, if needed to distinguish it."""

    @cached_property
    def name(self) -> str:
        """The name for faults."""
        return f"{self.service}.{self.operation}{self.subject and ' ' + self.subject}"

    @property
    def is_read(self) -> bool:
        """Whether it only reads."""
        return self.operation.startswith(("Get", "Query", "Describe", "Invoke", "Compare", "List"))


class Caller(Protocol):
    """A job, as the network sees it."""

    place: int
    """Its position in the plan."""
    lease: float
    name: str

    @property
    def is_announcing(self) -> bool:
        """Whether it is writing notes or deployments after a promotion."""


class Backstage(Protocol):
    """Carries out the calls, and the faults that do not happen in a network."""

    def carry_out(self, caller: Caller, call: Call) -> Any:
        """Apply the call. A Refusal is a response."""

    def make_trouble(self, hit: Hit, caller: Caller, call: Call) -> None:
        """Make an external change, remove the lock by force, or run the job again."""

    def issued(self, caller: Caller, call: Call) -> None:
        """See a call before it is sent."""

    def subject(self, operation: str, arguments: Mapping[str, Any]) -> str:
        """Return the subject of a change of an alias or of a transaction, if needed to distinguish it."""

    def hit(self, caller: Caller, call: Call, hit: Hit) -> None:
        """Record a fault."""

    def not_found(self, call: Call) -> "Refusal | None":
        """Return the error of a service that does not find a new resource yet, or None if the resource is not new."""

    def fail(self, error: Exception) -> None:
        """End the schedule with an error that the code under test must not catch."""

    def say(self, who: str, text: str) -> None:
        """Write a line into the trace."""


@dataclass
class Faults:
    """The faults of a plan, with their counters."""

    planned: tuple[Fault, ...]
    counts: list[int] = field(init=False)
    hit: list[tuple[str, Hit]] = field(default_factory=list)
    """The faults that have happened: the call's name and the fault."""
    spared: frozenset[str] = frozenset()
    """Names of calls without faults in this schedule."""
    are_over: bool = False

    def __post_init__(self) -> None:
        self.counts = [0] * len(self.planned)

    def at(self, name: str, place: int, *, is_new: bool = False) -> list[Hit]:
        """Count a call and return its fault. ``is_new``: it concerns a new resource."""
        found: list[Hit] = []
        if self.are_over or name in self.spared:
            return found
        for number, fault in enumerate(self.planned):
            if fault.call not in ("", name) or fault.job not in (-1, place) or not can_hit(fault.hit, name):
                continue
            if fault.hit is Hit.NOT_YET and not is_new:
                continue
            self.counts[number] += 1
            if self.counts[number] == fault.nth:
                found.append(fault.hit)
                self.hit.append((name, fault.hit))
        return found


_THEN = {
    Hit.UNSENT_FOR_GOOD: Hit.UNSENT_FOR_GOOD,
    Hit.THROTTLED_FOR_GOOD: Hit.THROTTLED_FOR_GOOD,
    Hit.FAILED_FOR_GOOD: Hit.FAILED_FOR_GOOD,
    # Only the first attempt takes effect.
    Hit.LOST_FOR_GOOD: Hit.UNSENT_FOR_GOOD,
    Hit.LOST_UNREADABLE: Hit.UNSENT_FOR_GOOD,
    Hit.LOST_THEN_THROTTLED: Hit.THROTTLED_FOR_GOOD,
    Hit.LOST_THEN_REFUSED: Hit.LOST_THEN_REFUSED,
}
"""The fault of further attempts of the same call."""
_LOST = {Hit.LOST, Hit.LOST_FOR_GOOD, Hit.LOST_UNREADABLE, Hit.LOST_THEN_THROTTLED, Hit.LOST_THEN_REFUSED}
_UNREADABLE = 2
"""Reads of the same service that fail after a write, so that its effect stays unknown."""
_PROLONGED = {Hit.LATE_EFFECT, Hit.LATE_ANSWER, Hit.PAUSED, Hit.PAUSED_AFTER}
_TROUBLE = (
    Hit.UNLOCK,
    Hit.EXTERNAL_CODE,
    Hit.EXTERNAL_CONFIGURATION,
    Hit.EXTERNAL_ALIAS,
    Hit.EXTERNAL_WEIGHTS,
    Hit.EXTERNAL_DELETED,
    Hit.EXTERNAL_ALIAS_DELETED,
    Hit.EXTERNAL_LATEST,
    Hit.EXTERNAL_RECORD,
    Hit.IDLE,
)


class Lost(Exception):  # noqa: N818 - a client makes its own error of it
    """There was no response."""

    lasting: Hit | None = None
    """The fault of further attempts."""
    is_unreadable = False
    """Whether reads after the last attempt fail."""

    def __init__(self, *, in_time: bool, was_sent: bool) -> None:
        super().__init__("no answer")
        self.in_time = in_time
        """Whether the client notices it at once, because the connection was closed."""
        self.was_sent = was_sent


class Network:
    """Carries calls. Each way takes some time, drawn from ``chance``; with None, always the same."""

    def __init__(self, scheduler: Scheduler, chance: Random | None, faults: Faults, backstage: Backstage) -> None:
        self.scheduler = scheduler
        self.faults = faults
        self.backstage = backstage
        self.chance = chance or Random(0)
        self._is_even = chance is None
        self.longest = 0.25
        """Seconds of one way without a fault."""
        self.calls = 0
        self.under_way: Counter[str] = Counter()
        """Writes to the table that have not arrived yet, by the names of their callers."""
        self.unreadable: Counter[tuple[Process, str]] = Counter()
        """How many of the next reads fail, by process and service."""

    def delay(self) -> float:
        """Return the seconds of one way."""
        if self._is_even:
            return 0.02
        draw = self.chance.random()
        if draw < 0.8:
            return 0.005 + 0.05 * self.chance.random()
        return self.longest * self.chance.random()

    def beyond(self, lease: float) -> float:
        """Return seconds longer than the lease, and sometimes longer than a preview endpoint may live."""
        if self._is_even:
            return 1.6 * lease
        return 3 * lease + 6 if self.chance.random() < 0.3 else lease * (1.1 + 0.8 * self.chance.random())

    def exchange(self, process: Process, caller: Caller, call: Call, patience: float, hit: Hit | None = None) -> Any:
        """Send ``call`` once and return its response. ``hit`` is a fault that continues.

        Raises:
            Refusal: The service returns an error.
            Lost: There is no response.

        """
        self.calls += 1
        missing = self.backstage.not_found(call) if hit is None else None
        hits = [hit] if hit else self.faults.at(call.name, caller.place, is_new=missing is not None)
        for one in hits if hit is None else ():  # a fault that continues counts once
            self.backstage.hit(caller, call, one)
        if hit is None and call.is_read and self.unreadable[process, call.service] > 0:
            self.unreadable[process, call.service] -= 1
            hits.append(Hit.FAILED_FOR_GOOD)
        is_again = hit is not None
        try:
            return _Exchange(self, process, caller, call, set(hits), missing, is_again=is_again).carry_out(patience)
        except (Refusal, Lost) as error:
            error.lasting = next((_THEN[one] for one in hits if one in _THEN), None)
            error.is_unreadable = Hit.LOST_UNREADABLE in hits
            raise


class _Exchange:
    """One request on its way, with its fault."""

    def __init__(  # noqa: PLR0917 - all that it needs
        self,
        network: Network,
        process: Process,
        caller: Caller,
        call: Call,
        hits: set[Hit],
        missing: Refusal | None,
        *,
        is_again: bool,
    ) -> None:
        self._missing, self._is_again = missing, is_again
        self._network, self._process, self._caller, self._call, self._hits = network, process, caller, call, hits
        self._scheduler, self._chance, self._backstage = network.scheduler, network.chance, network.backstage
        self._beyond = network.beyond(caller.lease) if hits & _PROLONGED else 0.0
        self._there, self._back = network.delay(), network.delay()
        self._there += self._beyond if Hit.LATE_EFFECT in hits else 0
        self._back += self._beyond if Hit.LATE_ANSWER in hits else 0
        self._is_first = self._chance.random() < 0.5
        """Whether the fault comes before the effect."""
        self._is_write = call.service == "dynamodb" and not call.is_read
        self._answered = process.event()
        self._answer: Any = None

    def carry_out(self, patience: float) -> Any:
        """Send it and wait for the response."""
        self._disturb()
        self._refuse()
        self._network.under_way[self._caller.name] += self._is_write
        self._scheduler.at(self._scheduler.now + self._there, self._arrive)
        is_soon = (self._there + self._back) * self._process.rate < patience
        if not self._answered.wait(None if is_soon else patience):
            raise Lost(in_time=False, was_sent=True)
        if Hit.CRASH_ANSWERED in self._hits:
            self._process.kill()
            raise Killed
        if isinstance(self._answer, Refusal | Lost):
            raise self._answer
        return self._answer

    def _disturb(self) -> None:
        """Apply faults that concern only the process."""
        scheduler, process, hits, chance = self._scheduler, self._process, self._hits, self._chance
        if Hit.CRASH_BEFORE in hits:
            process.kill()
            raise Killed
        if Hit.WALL_CLOCK in hits:
            process.skew += chance.choice((600, -600))
        if Hit.CLOCK_RATE in hits:
            rate = chance.choice((0.95, 1.05))
            process.zero += scheduler.now * (process.rate - rate)
            process.rate = rate
        if hits & {Hit.SIGINT, Hit.SIGTERM}:
            # Some of these hit the call on its way, before or after the effect. The runner waits ten seconds.
            when = scheduler.now + chance.choice((0.0, 0.01, 0.03, 0.08))
            scheduler.at(when, process.signal)
            if Hit.SIGINT in hits:
                scheduler.at(when + 7.5, process.signal)
            scheduler.at(when + 10.0, process.kill)
        if Hit.PAUSED in hits:
            process.freeze(self._beyond)
            process.sleep(0)

    def _refuse(self) -> None:
        """Let it return without an effect."""
        hits, process = self._hits, self._process
        if hits & {Hit.UNSENT, Hit.UNSENT_FOR_GOOD}:
            process.sleep(self._there)
            raise Lost(in_time=True, was_sent=False)
        if hits & {Hit.THROTTLED, Hit.THROTTLED_FOR_GOOD}:
            process.sleep(self._there + self._back)
            code, status = _THROTTLING.get(self._call.service, ("", 429))
            raise Refusal(code, "Rate exceeded", status)
        if Hit.FAILED_BEFORE in hits:
            process.sleep(self._there + self._back)
            raise _failure(self._call)
        if self._is_again and Hit.LOST_THEN_REFUSED in hits:
            process.sleep(self._there + self._back)
            code, status = _EXPIRED.get(self._call.service, ("ExpiredTokenException", 403))
            raise Refusal(code, "The security token included in the request is expired", status)
        if Hit.NOT_YET in hits and self._missing:
            process.sleep(self._there + self._back)
            raise self._missing
        if Hit.CONCURRENT in hits:
            process.sleep(self._there + self._back)
            text = "Unable to complete operation due to concurrent modification. Please try again later."
            raise Refusal("ConflictException", text, 409)

    def _arrive(self) -> None:
        scheduler, hits = self._scheduler, self._hits
        self._network.under_way[self._caller.name] -= self._is_write
        if self._is_first:
            self._make_trouble(_TROUBLE)
        self._make_trouble((Hit.UPDATE_FAILS,))
        answer = self._take_effect()
        if not self._is_first:
            self._make_trouble(_TROUBLE)
        if Hit.DUPLICATED in hits:
            later = 1.2 * self._caller.lease * self._chance.random()
            scheduler.at(scheduler.now + later, self._take_effect_again)
        if hits & {Hit.CRASH_AFTER, Hit.RERUN}:
            self._process.kill()
        self._make_trouble((Hit.RERUN,))
        if Hit.PAUSED_AFTER in hits:
            self._process.freeze(self._beyond)
        if hits & {Hit.FAILED_AFTER, Hit.FAILED_FOR_GOOD}:
            answer = _failure(self._call)
        if hits & _LOST:
            answer = Lost(in_time=True, was_sent=True)
        scheduler.at(scheduler.now + self._back, lambda: self._deliver(answer))

    def _take_effect(self) -> Any:
        try:
            return self._backstage.carry_out(self._caller, self._call)
        except Refusal as refusal:
            return refusal

    def _take_effect_again(self) -> None:
        self._backstage.say(self._caller.name, f"{self._call.name} takes effect once more")
        self._take_effect()

    def _make_trouble(self, kinds: tuple[Hit, ...]) -> None:
        for hit in kinds:
            if hit in self._hits:
                self._backstage.make_trouble(hit, self._caller, self._call)

    def _deliver(self, answer: Any) -> None:
        self._answer = answer
        if not self._process.is_dead:
            self._answered.set()


def _failure(call: Call) -> Refusal:
    return Refusal(_FAILURE.get(call.service, ""), "The service encountered an internal error.", 500)


class Client:
    """A client of boto3, as far as promote uses it."""

    def __init__(
        self, network: Network, process: Process, caller: Caller, service: str, *, attempts: int, patience: float
    ) -> None:
        self._network, self._process, self._caller = network, process, caller
        self._service, self._attempts, self._patience = service, attempts, patience
        self.exceptions = real(service).exceptions
        self.meta = real(service).meta
        self._throttled_until: dict[str, float] = {}
        """Until when calls are throttled "for good", by their names."""

    def __getattr__(self, method: str) -> Callable[..., Any]:
        operation = self.meta.method_to_api_mapping[method]
        call = partial(self._call, operation)
        setattr(self, method, call)
        return call

    def _call(self, operation: str, **arguments: Any) -> Any:
        network, process = self._network, self._process
        if operation == "TransactWriteItems":
            arguments.setdefault("ClientRequestToken", f"token-{network.chance.getrandbits(64):x}")
        call = Call(self._service, operation, _sent(arguments), self._subject(operation, arguments))
        lasting = Hit.THROTTLED_FOR_GOOD if self._throttled_until.get(call.name, 0) > network.scheduler.now else None
        is_unreadable = False
        context: dict[str, Any] = {}
        network.backstage.issued(self._caller, call)
        for attempt in range(1, self._attempts + 1):
            try:
                return network.exchange(process, self._caller, call, self._patience, lasting)
            except (Refusal, Lost) as error:
                failure = self._error(call, error)
                # As in botocore's event response-received.
                note(context, getattr(failure, "response", None), failure if isinstance(error, Lost) else None)
                lasting, is_unreadable = error.lasting, is_unreadable or error.is_unreadable
                now = network.scheduler.now
                if lasting is Hit.THROTTLED_FOR_GOOD and self._throttled_until.get(call.name, 0) <= now:
                    self._throttled_until[call.name] = now + _THROTTLED_FOR
                if attempt == self._attempts or not _is_retried(error):
                    network.unreadable[process, self._service] += _UNREADABLE * is_unreadable
                    raise failure from None
            process.sleep(min(network.chance.random() * 2 ** (attempt - 1), _LONGEST_BACKOFF))
        raise AssertionError("unreachable")

    def _subject(self, operation: str, arguments: Mapping[str, Any]) -> str:
        if operation == "GetFunctionConfiguration":
            return "announced" if self._caller.is_announcing else ""
        if operation == "Query":
            return "release" if arguments["ExpressionAttributeValues"][":first"]["S"].startswith("release#") else ""
        if operation in ("UpdateAlias", "TransactWriteItems"):
            return self._network.backstage.subject(operation, arguments)
        if operation not in ("UpdateItem", "PutItem"):
            return ""
        key = arguments["Item" if operation == "PutItem" else "Key"]
        kind: str = key["sk"]["S"].partition("#")[0].partition("@")[0]
        return kind + (" beat" if self._attempts == 1 else "")

    def _error(self, call: Call, error: Refusal | Lost) -> Exception:
        url = f"https://{call.service}.{REGION}.amazonaws.com/"
        if isinstance(error, Refusal):
            return refusal(call.service, call.operation, error.code, error.message, error.status, **error.more)
        if not error.in_time:
            return ReadTimeoutError(endpoint_url=url)
        return ConnectionClosedError(endpoint_url=url) if error.was_sent else EndpointConnectionError(endpoint_url=url)


def _sent(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the arguments as they are sent. An archive is read now, because its file may be closed later."""
    if "Code" in arguments:
        return {**arguments, "Code": _sent(arguments["Code"])}
    return {name: value.read() if hasattr(value, "read") else value for name, value in arguments.items()}


def _is_retried(error: Refusal | Lost) -> bool:
    """Return whether botocore repeats the call. A throttled call is repeated by promote.aws.patience."""
    if isinstance(error, Lost):
        return True
    response = {"Error": {"Code": error.code, "Message": error.message}, **error.more}
    return not is_throttled_response(response) and (error.status in _RETRIED_STATUSES or error.code in _RETRIED_CODES)


class Table(Client):
    """A client of DynamoDB. Without a working lock, each job has its own lock under that name."""

    def __init__(
        self,
        network: Network,
        process: Process,
        caller: Caller,
        *,
        attempts: int,
        patience: float,
        has_lock: bool,
    ) -> None:
        super().__init__(network, process, caller, "dynamodb", attempts=attempts, patience=patience)
        self._lock = "lock" if has_lock else f"lock@{caller.name}"

    def _call(self, operation: str, **arguments: Any) -> Any:
        if self._lock == "lock":
            return super()._call(operation, **arguments)
        if operation == "Query":
            return self._query(**arguments)
        if operation == "TransactWriteItems":
            arguments["TransactItems"] = [
                {kind: self._veiled(part) for kind, part in item.items()} for item in arguments["TransactItems"]
            ]
        return super()._call(operation, **self._veiled(arguments))

    def _veiled(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        if arguments.get("Key", {}).get("sk") != {"S": "lock"}:
            return arguments
        return {**arguments, "Key": {**arguments["Key"], "sk": {"S": self._lock}}}

    def _query(self, **arguments: Any) -> Any:
        values = arguments["ExpressionAttributeValues"]
        first, last = values[":first"]["S"], values[":last"]["S"]
        if last == "lock":
            last = self._lock if first == "lock" else "lock~"
        first = self._lock if first == "lock" else first
        arguments["ExpressionAttributeValues"] = {**values, ":first": {"S": first}, ":last": {"S": last}}
        answer = super()._call("Query", **arguments)
        items = [item for item in answer["Items"] if item["sk"]["S"] == self._lock or "@" not in item["sk"]["S"]]
        shown = [{**item, "sk": {"S": "lock"}} if item["sk"]["S"] == self._lock else item for item in items]
        return {**answer, "Items": shown}


class Informer:
    """Lambda's answers to reads that only inform. No run depends on them, so they are not a part of the schedule."""

    def list_event_source_mappings(self, **_: Any) -> Mapping[str, Any]:
        return {"EventSourceMappings": []}

    def get_policy(self, **_: Any) -> Mapping[str, Any]:
        return {"Policy": '{"Statement": []}'}


class Reach(Clients):
    """The clients of one process."""

    def __init__(self, network: Network, process: Process, caller: Caller, *, has_lock: bool) -> None:
        quiet = Patience(process, network.chance.random, lambda *_: None)
        super().__init__(REGION, {}, clock=process, patience=quiet)
        self._network, self._process, self._caller, self._has_lock = network, process, caller, has_lock

    def resolve_region(self) -> str:
        """Return the only region."""
        return REGION

    def require_runtime(self, runtime: str | None) -> None:
        """Accept any session token."""

    @cached_property
    def informer(self) -> Any:
        """Answer outside of the schedule."""
        return Informer()

    def _client(self, service: str, **different: Any) -> Any:
        attempts = different.get("retries", {}).get("total_max_attempts", 5)
        patience = different.get("read_timeout", _PATIENCE[service])
        network, process, caller = self._network, self._process, self._caller
        if service == "dynamodb":
            return Table(network, process, caller, attempts=attempts, patience=patience, has_lock=self._has_lock)
        return Client(network, process, caller, service, attempts=attempts, patience=patience)


class Session:
    """A session of requests, as far as promote uses it."""

    def __init__(self, network: Network, process: Process, caller: Caller) -> None:
        self._network, self._process, self._caller = network, process, caller
        self.adapters: dict[str, HTTPAdapter] = {}
        self.trust_env = False

    def mount(self, prefix: str, adapter: HTTPAdapter) -> None:
        """Take the adapter that decides about retries."""
        self.adapters[prefix] = adapter

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Any,
        timeout: tuple[float, float],
        allow_redirects: bool = True,
        params: Any = None,
        json: Any = None,
        auth: Any = None,
        stream: bool = False,  # noqa: ARG002 - the bodies are small
    ) -> Any:
        """Send a request to an endpoint or to GitHub."""
        if url.startswith(f"{API_URL}/") and auth:
            return self._ask_github(method, url, params, json, timeout[1])
        if method != "GET" or url.rpartition("/")[2] not in ("", "health") or allow_redirects or "Host" in headers:
            self._network.backstage.fail(NotModelledError(url))
        api = url.removeprefix("https://").partition(".")[0]
        try:
            answer = self._exchange(Call("execute-api", "Invoke", {"api": api}), timeout[1])
        except Refusal as error:
            body = f'{{"message":"{responses[error.status]}"}}'.encode()
            return SimpleNamespace(status_code=error.status, raw=BytesIO(body), headers={})
        except Lost as error:
            raise (requests.ConnectionError("closed") if error.in_time else requests.ReadTimeout("late")) from None
        if answer is None:
            raise requests.ConnectionError("its name does not resolve yet")
        return SimpleNamespace(status_code=answer.status, raw=BytesIO(answer.body), headers={})

    def _ask_github(self, method: str, url: str, query: Any, body: Any, limit: float) -> "Response":
        """Retry as the adapter decides, like urllib3.HTTPConnectionPool.urlopen and requests' adapter."""
        try:
            operation, arguments, subject = routed(method, url, query, body)
        except NotModelledError as error:
            self._network.backstage.fail(error)
            raise
        call = Call("github", operation, arguments, subject)
        self._network.backstage.issued(self._caller, call)
        retries = next(adapter for prefix, adapter in self.adapters.items() if url.startswith(prefix)).max_retries
        lasting: Hit | None = None
        while True:
            try:
                return Response(method, 200, self._exchange(call, limit, lasting))
            except Refusal as refusal:
                lasting, response = refusal.lasting, self._refused(method, refusal)
                if not retries.is_retry(method, response.status, "Retry-After" in response.headers):
                    return response
                try:
                    retries = retries.increment(method, url, response=response, _pool=_POOL)  # type: ignore[arg-type]
                except MaxRetryError:
                    return response
                retries.sleep(response)  # type: ignore[arg-type] # only the members that are used
            except Lost as lost:
                lasting = lost.lasting
                try:
                    retries = retries.increment(method, url, error=_broken(lost, url), _pool=_POOL)
                except ReadTimeoutOfUrllib3 as error:
                    raise requests.ReadTimeout(error) from error
                except (MaxRetryError, ProtocolError) as error:
                    raise requests.ConnectionError(error) from error
                retries.sleep()

    def _refused(self, method: str, refusal: Refusal) -> "Response":
        headers: dict[str, str] = {}
        if refusal.status == HTTPStatus.FORBIDDEN:
            headers["X-Accepted-GitHub-Permissions"] = refusal.code
        if refusal.status == HTTPStatus.TOO_MANY_REQUESTS:
            headers["Retry-After"] = self._network.chance.choice(("1", "5", "60"))
        return Response(method, refusal.status, {"message": refusal.message}, headers)

    def _exchange(self, call: Call, limit: float, hit: Hit | None = None) -> Any:
        return self._network.exchange(self._process, self._caller, call, limit, hit)


class Response:
    """A response of GitHub, as far as requests, urllib3's retries and promote use it."""

    def __init__(self, method: str, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        self.status = self.status_code = status
        self.reason, self.headers = responses[status], headers or {}
        self.ok, self.links = status < HTTPStatus.BAD_REQUEST, dict[str, Any]()
        self.request = SimpleNamespace(method=method)
        self._body = body

    def json(self) -> Any:
        return self._body

    def get_redirect_location(self) -> bool:
        return False


_POOL: Any = "GitHub"
"""A connection pool for the texts of errors."""


def _broken(lost: Lost, url: str) -> Exception:
    if not lost.in_time:
        return ReadTimeoutOfUrllib3(_POOL, url, "Read timed out.")
    return ProtocolError("Connection aborted.") if lost.was_sent else ConnectTimeoutError(_POOL, "refused")
