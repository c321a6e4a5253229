"""Clients of a process that can die after one of its calls, or run a hook before one."""

import threading
from collections.abc import Callable
from typing import Any


class Killed(BaseException):
    """The process is dead. No cleanup may catch it."""


class Life:
    """State that the clients of one process share. It dies after call number ``after``; 0 means never."""

    def __init__(self, after: int = 0) -> None:
        self.calls: list[str] = []
        self._after = after
        self._is_dead = False
        self._lock = threading.Lock()
        self._hooks: list[tuple[str, str, Callable[[], None]]] = []

    def before(self, operation: str, arn: str, hook: Callable[[], None]) -> None:
        """Call ``hook`` once, before a call of ``operation`` for the function ``arn``. It may raise an error."""
        self._hooks.append((operation, arn, hook))

    def client(self, client: Any) -> Any:
        """Return the client with the process's behavior."""
        return _Client(self, client)

    def call(self, name: str, method: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        with self._lock:
            if self._is_dead:
                raise Killed
            self.calls.append(name)
            is_last = len(self.calls) == self._after
            self._is_dead = is_last
            hook = next((hook for hook in self._hooks if hook[:2] == (name, arguments.get("FunctionName"))), None)
            if hook:
                self._hooks.remove(hook)
        if hook:
            hook[2]()
        answer = method(**arguments)
        if is_last:
            raise Killed
        return answer


class _Client:
    def __init__(self, life: Life, client: Any) -> None:
        self._life, self._client = life, client

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if name in ("exceptions", "meta"):
            return found
        return lambda **arguments: self._life.call(name, found, arguments)
