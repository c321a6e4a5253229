"""The output of commands that run in parallel: one group of the log per command, one after the other.

The output of the first command is shown at once. That of the others is kept until their turn. If a command writes too
much, only the beginning and the end are shown.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from promote.core.redaction import Redactor
from promote.github.actions.log import ActionsLog

_HEAD, _TAIL = 500_000, 200
"""Characters that are shown at once, and lines that are shown of the rest."""


class Group:
    """The output of one command."""

    def __init__(self, console: "Console", title: str) -> None:
        self.title = title
        self.kept: list[str] = []
        self.tail: deque[str] = deque(maxlen=_TAIL)
        self.shown = self.hidden = 0
        self.is_closed = False
        self._console = console

    def write(self, line: str) -> None:
        """Take one line of the command's output, without escape sequences and secrets. See ``process.run``."""
        self._console.write(self, line)

    @property
    def last_lines(self) -> list[str]:
        """The last lines that are not empty, at most five."""
        return [line for line in self.tail if line.strip()][-5:]


class Console:
    """Groups of output, in the order in which they were opened."""

    def __init__(self, workflow: ActionsLog) -> None:
        self._workflow = workflow
        self._groups: deque[Group] = deque()
        self._lock = threading.Lock()
        self._is_over = False

    @property
    def redact(self) -> Redactor:
        """Redacts the output of commands, and what they name."""
        return self._workflow.redact_outside

    @property
    def redact_own(self) -> Redactor:
        """Redacts what the inputs name."""
        return self._workflow.redact

    @contextmanager
    def group(self, title: str) -> Iterator[Group]:
        """Open a group for the ``with`` block."""
        group = Group(self, title)
        with self._lock:
            if self._is_over:
                group.is_closed = True
            else:
                self._groups.append(group)
                if self._groups[0] is group:
                    self._workflow.open_group(title)
        try:
            yield group
        finally:
            with self._lock:
                group.is_closed = True
                self._advance()

    def write(self, group: Group, line: str) -> None:
        """Show a line of ``group``, or keep it until the group's turn."""
        with self._lock:
            if group.is_closed:
                return  # from a process that did not stop
            group.tail.append(line)
            group.shown += len(line) + 1
            if group.shown > _HEAD:
                group.hidden += 1
            elif self._groups[0] is group:
                self._workflow.info(line)
            else:
                group.kept.append(line)

    def close(self) -> None:
        """Show no more output. The run was interrupted, and its messages must not be in a group."""
        with self._lock:
            self._is_over = True
            if self._groups:
                self._workflow.close_group()
            for group in self._groups:
                group.is_closed = True
            self._groups.clear()

    def _advance(self) -> None:
        """Close the group that is shown if it has ended, and show the next one."""
        while self._groups and self._groups[0].is_closed:
            ended = self._groups.popleft()
            if ended.hidden:
                omitted = ended.hidden - min(ended.hidden, _TAIL)
                self._workflow.info(f"... {omitted} lines are omitted here ...")
                for line in list(ended.tail)[-ended.hidden :]:
                    self._workflow.info(line)
            self._workflow.close_group()
            if self._groups:
                self._workflow.open_group(self._groups[0].title)
                for line in self._groups[0].kept:
                    self._workflow.info(line)
                self._groups[0].kept.clear()
