"""What this process has just created: AWS may answer "not found" for it during the first seconds.

Reads are eventually consistent: a function, version, alias or API can be unknown right after the call that created it
(https://github.com/hashicorp/terraform-provider-aws/issues/25440), and a table right after it became ACTIVE
(https://github.com/scalar-labs/scalardb/issues/2769). Such an answer is believed only when the thing is older than
:data:`PATIENCE`. For everything else, "not found" is believed at once.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar, cast

from promote.aws.errors import code_of
from promote.core.clock import Clock

Client = TypeVar("Client")
Key = tuple[str, ...]
"""What names a thing, its kind first."""
Arguments = Mapping[str, Any]

PATIENCE = 15.0
"""Seconds after its creation during which a thing may be unknown to AWS."""

_SHORTEST, _LONGEST, _GROWTH = 0.1, 3.0, 2.0
"""Seconds between two attempts, and how the pause grows."""

_MISSING = frozenset({"NotFoundException", "ResourceNotFoundException"})
_EXISTS = frozenset({"ConflictException", "ResourceConflictException", "ResourceInUseException"})
"""Another process, or an earlier attempt of ours, has created it."""


class Recent:
    """The things that this process has just created; safe to use from several threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._created: dict[Key, float] = {}

    def watch(self, client: Client) -> Client:
        """Return ``client`` so that it repeats calls that do not find what was just created."""
        return cast("Client", _Watched(client, self))

    def create(self, call: Callable[..., Any], name: Callable[[Arguments, Arguments], Key], **arguments: Any) -> Any:
        """Make a call that creates something, and remember what it created."""
        try:
            answer = call(**arguments)
        except Exception as error:
            if _may_exist(error):
                self._remember(name(arguments, {}))
            raise
        self._remember(name(arguments, answer))
        return answer

    def ask(
        self,
        call: Callable[..., Any],
        names: Callable[[Arguments], Iterator[Key]],
        guard: Callable[[], None],
        **arguments: Any,
    ) -> Any:
        """Make a call that can be repeated, until it finds what was just created; ``guard`` may end the repetition."""
        pause = _SHORTEST
        while True:
            try:
                return call(**arguments)
            except Exception as error:
                left = max(map(self._left, names(arguments)), default=0.0)
                if code_of(error) not in _MISSING or left <= 0:
                    raise
                self._clock.sleep(min(pause, left))
                guard()
                pause = min(_LONGEST, pause * _GROWTH)

    def _remember(self, key: Key) -> None:
        if all(key):
            self._created[key] = self._clock.monotonic()

    def _left(self, key: Key) -> float:
        """Return the seconds during which AWS may not know ``key``; 0 or less: it must know it."""
        created = self._created.get(key)
        return 0.0 if created is None else created + PATIENCE - self._clock.monotonic()


def guarded(client: Client, guard: Callable[[], None]) -> Client:
    """Return ``client`` so that it calls ``guard`` before it repeats a call. The guard raises if it must not."""
    return cast("Client", client.guarded(guard)) if isinstance(client, _Watched) else client


class _Watched:
    """A client of boto3 whose calls are watched."""

    def __init__(self, client: Any, recent: Recent, guard: Callable[[], None] = lambda: None) -> None:
        self._client = client
        self._recent = recent
        self._guard = guard

    def guarded(self, guard: Callable[[], None]) -> "_Watched":
        return _Watched(self._client, self._recent, guard)

    def __getattr__(self, method: str) -> Any:
        call = getattr(self._client, method)
        if method in CREATING:
            call = partial(self._recent.create, call, CREATING[method])
        if method in ASKING:
            call = partial(self._recent.ask, call, ASKING[method], self._guard)
        return call


def _function(arguments: Arguments) -> Key:
    """Name the function, which calls name by its name or ARN."""
    return "function", str(arguments["FunctionName"]).rpartition("function:")[2]


def _qualified(arguments: Arguments) -> Key:
    """Name what a call with a qualifier is on: the function without one, else its version or alias."""
    name, qualifier = _function(arguments), str(arguments.get("Qualifier", ""))
    return (*name, qualifier) if qualifier and qualifier != "$LATEST" else name


def _version(arguments: Arguments, answer: Arguments) -> Key:
    version = str(answer.get("Version", ""))
    return (*_function(arguments), version if version.isdecimal() else "")


def _alias(arguments: Arguments) -> Key:
    return (*_function(arguments), str(arguments["Name"]))


def _target(arguments: Arguments) -> Key:
    """Name the version that an alias is to point at."""
    return (*_function(arguments), str(arguments["FunctionVersion"]))


def _api(arguments: Arguments) -> Key:
    return "api", str(arguments["ApiId"])


def _table(arguments: Arguments) -> Iterator[Key]:
    yield "table", str(arguments.get("TableName", ""))
    for part in arguments.get("TransactItems", ()):
        yield from (("table", str(given["TableName"])) for given in part.values())


def _each(*names: Callable[[Arguments], Key]) -> Callable[[Arguments], Iterator[Key]]:
    def keys(arguments: Arguments) -> Iterator[Key]:
        yield from (name(arguments) for name in names)

    return keys


CREATING: Mapping[str, Callable[[Arguments, Arguments], Key]] = {
    "create_function": lambda arguments, _: _function(arguments),
    "update_function_code": _version,
    "publish_version": _version,
    "create_alias": lambda arguments, _: _alias(arguments),
    "create_api": lambda _, answer: ("api", str(answer.get("ApiId", ""))),
    "create_table": lambda arguments, _: ("table", str(arguments["TableName"])),
}
"""What each of these calls creates, by its arguments and its answer."""

ASKING: Mapping[str, Callable[[Arguments], Iterator[Key]]] = {
    "get_function_configuration": _each(_qualified),
    "update_function_configuration": _each(_function),
    "publish_version": _each(_function),
    "invoke": _each(_qualified),
    "get_alias": _each(_alias),
    "create_alias": _each(_target, _function),
    "update_alias": _each(_alias, _target),
    # Not get_policy and remove_permission: "not found" also means that there is no policy.
    "add_permission": _each(_qualified),
    **dict.fromkeys(
        (
            "get_api",
            "get_routes",
            "get_integrations",
            "get_stages",
            "create_integration",
            "create_route",
            "create_stage",
            "update_route",
            "create_api_mapping",
            "update_api_mapping",
            "delete_api",
        ),
        _each(_api),
    ),
    **dict.fromkeys(("query", "put_item", "update_item", "delete_item", "transact_write_items"), _table),
}
"""What each of these calls must find. None of them sends an open file, which could not be sent twice."""


def _may_exist(error: Exception) -> bool:
    """Whether a call that should have created something may have done so, or found that it exists."""
    answer = _response(error)
    status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    return not answer or status >= HTTPStatus.INTERNAL_SERVER_ERROR or code_of(error) in _EXISTS


def _response(error: Exception) -> Mapping[str, Any]:
    """Return AWS's answer; empty: none arrived."""
    return getattr(error, "response", None) or {}
