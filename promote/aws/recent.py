"""Repeat calls that return "not found" for a resource that this process has just created.

Reads are eventually consistent. A function, version, alias or API can be missing right after the call that created it
(https://github.com/hashicorp/terraform-provider-aws/issues/25440), and a table right after it became ACTIVE
(https://github.com/scalar-labs/scalardb/issues/2769). During :data:`PATIENCE` after the creation, such a call is
repeated. For any other resource, "not found" is final at once.
"""

from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from promote.aws.errors import code_of
from promote.core.clock import Clock

Key = tuple[str, ...]
"""The identity of a resource. Its kind comes first."""
Arguments = Mapping[str, Any]

PATIENCE = 15.0
"""Seconds after its creation during which AWS may not find a resource."""

_SHORTEST, _LONGEST, _GROWTH = 0.1, 3.0, 2.0
"""The shortest and the longest pause between two attempts in seconds, and its growth."""

_MISSING = frozenset({"NotFoundException", "ResourceNotFoundException"})
_EXISTS = frozenset({"ConflictException", "ResourceConflictException", "ResourceInUseException"})
"""Another process, or an earlier attempt of this call, has created it."""


class Recent:
    """The resources that this process has just created. Thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._created: dict[Key, float] = {}

    def create(self, call: Callable[..., Any], name: Callable[[Arguments, Arguments], Key], **arguments: Any) -> Any:
        """Make a call that creates a resource, and remember the resource."""
        try:
            response = call(**arguments)
        except Exception as error:
            if _may_exist(error):
                self.remember(name(arguments, {}))
            raise
        self.remember(name(arguments, response))
        return response

    def ask(
        self,
        call: Callable[..., Any],
        names: Callable[[Arguments], Iterator[Key]],
        guard: Callable[[], None],
        **arguments: Any,
    ) -> Any:
        """Make a call, and repeat it until it finds the resource that was just created.

        ``guard`` is called before each repetition. If it raises, the call is not repeated.
        """
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

    def remember(self, key: Key) -> None:
        """Remember that the resource was just created. If a part of the key is empty, it is not known."""
        if all(key):
            self._created[key] = self._clock.monotonic()

    def _left(self, key: Key) -> float:
        """Return the seconds during which AWS may still not find ``key``; 0 or less if "not found" is final."""
        created = self._created.get(key)
        return 0.0 if created is None else created + PATIENCE - self._clock.monotonic()


def _function(arguments: Arguments) -> Key:
    """Return the key of the function, which calls identify by name or ARN."""
    return "function", str(arguments["FunctionName"]).rpartition("function:")[2]


def _qualified(arguments: Arguments) -> Key:
    """Return the key of what a call addresses: a version or alias if it has a qualifier, else the function."""
    name, qualifier = _function(arguments), str(arguments.get("Qualifier", ""))
    return (*name, qualifier) if qualifier and qualifier != "$LATEST" else name


def _version(arguments: Arguments, response: Arguments) -> Key:
    version = str(response.get("Version", ""))
    return (*_function(arguments), version if version.isdecimal() else "")


def _alias(arguments: Arguments) -> Key:
    return (*_function(arguments), str(arguments["Name"]))


def _target(arguments: Arguments) -> Key:
    """Return the key of the version that the alias will point at."""
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
    "create_api": lambda _, response: ("api", str(response.get("ApiId", ""))),
    "create_table": lambda arguments, _: ("table", str(arguments["TableName"])),
}
"""The key of the resource that each call creates, from its arguments and its response."""

ASKING: Mapping[str, Callable[[Arguments], Iterator[Key]]] = {
    "get_function_configuration": _each(_qualified),
    "update_function_configuration": _each(_function),
    "publish_version": _each(_function),
    "invoke": _each(_qualified),
    "get_alias": _each(_alias),
    "create_alias": _each(_target, _function),
    "update_alias": _each(_alias, _target),
    # Not get_policy and remove_permission: for them, "not found" also means that there is no policy.
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
"""The keys of the resources that each call needs. No call here sends an open file, which cannot be sent twice."""


def _may_exist(error: Exception) -> bool:
    """Return whether a failed call may have created its resource, or has found that the resource exists."""
    response = _response(error)
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    return not response or status >= HTTPStatus.INTERNAL_SERVER_ERROR or code_of(error) in _EXISTS


def _response(error: Exception) -> Mapping[str, Any]:
    """Return the response of AWS; empty if none arrived."""
    return getattr(error, "response", None) or {}
