"""Output of commands that run at the same time, in the log one after the other, each folded into a group of its own.

The first streams as it comes; what the others say is kept until it is their turn. Of a flood, the beginning and the end
are shown.
"""

import re
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from promote.github.actions.log import ActionsLog

_HEAD, _TAIL = 500_000, 200
"""Characters shown as they come, and lines shown of what comes after."""

_ESCAPE = re.compile(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-_])")
"""Colours and cursor movements: ECMA-48, 5.4 and 8.3."""


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
        """Take one line, as the command has written it."""
        self._console.write(self, _ESCAPE.sub("", line))

    @property
    def last_lines(self) -> list[str]:
        """The last lines that were not empty, a few."""
        return [line for line in self.tail if line.strip()][-5:]


class Console:
    """Groups of output, in the order in which they were opened."""

    def __init__(self, workflow: ActionsLog) -> None:
        self._workflow = workflow
        self.redact = workflow.redact
        self._groups: deque[Group] = deque()
        self._lock = threading.Lock()
        self._is_over = False

    @contextmanager
    def group(self, title: str) -> Iterator[Group]:
        """Open a group for the block."""
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
        """Show a line of ``group``, or keep it until it is that group's turn."""
        with self._lock:
            if group.is_closed:
                return  # from a process that would not end
            group.tail.append(line)
            group.shown += len(line) + 1
            if group.shown > _HEAD:
                group.hidden += 1
            elif self._groups[0] is group:
                self._workflow.info(line)
            else:
                group.kept.append(line)

    def close(self) -> None:
        """Show nothing more: the run was interrupted, and what it says now is not to be folded."""
        with self._lock:
            self._is_over = True
            if self._groups:
                self._workflow.close_group()
            for group in self._groups:
                group.is_closed = True
            self._groups.clear()

    def _advance(self) -> None:
        """Close the group that is shown if it has ended, and show the next."""
        while self._groups and self._groups[0].is_closed:
            ended = self._groups.popleft()
            if ended.hidden:
                left_out = ended.hidden - min(ended.hidden, _TAIL)
                self._workflow.info(f"... {left_out} lines are left out here ...")
                for line in list(ended.tail)[-ended.hidden :]:
                    self._workflow.info(line)
            self._workflow.close_group()
            if self._groups:
                self._workflow.open_group(self._groups[0].title)
                for line in self._groups[0].kept:
                    self._workflow.info(line)
                self._groups[0].kept.clear()
