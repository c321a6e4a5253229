"""The log of a step, as actions/runner reads it: commands are carried out, secrets masked, and the rest is shown.

Based on ActionCommand.cs, ActionCommandManager.cs and ExecutionContext.cs of https://github.com/actions/runner.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote
from xml.sax.saxutils import escape

ANNOTATIONS = 10
"""The largest number of annotations of each kind in a step."""
MESSAGE = 4096
"""The largest number of characters of an annotation."""

REGISTERED = frozenset(
    {
        *("add-mask", "add-matcher", "add-path", "debug", "echo", "endgroup", "error", "group", "notice"),
        *("remove-matcher", "save-state", "set-env", "set-output", "stop-commands", "warning"),
    }
)
_STOP = "stop-commands"
_DISABLED = ("set-env", "add-path")
"""The command is refused, and the step fails."""

_BLANK = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""The characters that .NET trims. Python's list has four more."""

_IGNORED = (
    r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e0fff]*"
)
"""The characters that .NET ignores in a culture-sensitive search, as the runner does."""


@dataclass(frozen=True)
class Annotation:
    """A ``::error::``, ``::warning::`` or ``::notice::`` as the runner reads it."""

    kind: str
    title: str
    message: str
    file: str = ""
    line: str = ""


@dataclass(frozen=True)
class Command:
    """An action of the runner that a line of the log requests."""

    name: str
    properties: Mapping[str, str]
    data: str


def parse_command(line: str, registered: Iterable[str] = REGISTERED) -> Command | None:
    """Parse ``::name key=value,...::data`` at the beginning or ``##[name key=value;...]data`` anywhere."""
    names = {name.lower() for name in registered}
    return _parse_new(line.lstrip(_BLANK), names) or _parse_old(line, names)


def _parse_new(line: str, names: set[str]) -> Command | None:
    # The search is culture-sensitive, and the length of what is cut is that of the searched text.
    end = _find("::", line, 2) if re.match(f"{_IGNORED}:{_IGNORED}:", line) else -1
    if end < 0:
        return None
    name, _, properties = line[2:end].partition(" ")
    if name.lower() not in names:
        return None
    pairs = _pairs(properties.strip(_BLANK), ",")
    return Command(
        name, {key: _unescape(value, "\r\n:,%") for key, value in pairs}, _unescape(line[end + 2 :], "\r\n%")
    )


def _parse_old(line: str, names: set[str]) -> Command | None:
    begin = _find("##[", line, 0)
    end = line.find("]", max(begin, 0))
    if begin < 0 or end < 0:
        return None
    name, _, properties = line[begin + 3 : end].partition(" ")
    if name.lower() not in names:
        return None
    pairs = _pairs(properties, ";")
    return Command(
        name, {key: _unescape(value, ";\r\n]%") for key, value in pairs}, _unescape(line[end + 1 :], ";\r\n]%")
    )


def _find(text: str, line: str, start: int) -> int:
    found = re.compile(_IGNORED.join(map(re.escape, text))).search(line, start)
    return found.start() if found else -1


def _pairs(text: str, separator: str) -> Iterator[tuple[str, str]]:
    for item in filter(None, text.split(separator)):
        pair = [part for part in item.split("=", 1) if part]
        if len(pair) == 2:
            yield pair[0].lower(), pair[1]


def _unescape(text: str, characters: str) -> str:
    for character in characters:  # one after the other, the percent sign last
        text = text.replace(f"%{ord(character):02X}", character)
    return text


class Masks:
    """The secrets of a job, which no log shows."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values: set[str] = set()
        for value in values:
            self.add(value)

    def add(self, value: str) -> None:
        """Mask ``value`` from now on, in all its encodings, and each of its lines."""
        for part in [value, *re.split(r"[\r\n]+", value)]:
            if not part.strip(_BLANK):
                continue
            raw = part.encode(errors="replace")
            shifted = {base64.b64encode(raw[start:]).decode().rstrip("=") for start in range(3)}
            spelled = {part, part.strip('"'), json.dumps(part)[1:-1], escape(part), quote(part, safe=""), *shifted}
            self._values |= {spelling for spelling in spelled if spelling}

    def __call__(self, text: str) -> str:
        """Return ``text`` with masked secrets. Overlapping secrets are one."""
        found = sorted(
            (place.start(), place.start() + len(value))
            for value in self._values
            for place in re.finditer(f"(?={re.escape(value)})", text)
        )
        shown: list[str] = []
        end = 0
        for start, stop in found:
            if start > end or not shown:  # secrets that overlap or follow each other are one
                shown += [text[end:start], "***"]
            end = max(end, stop)
        return "".join([*shown, text[end:]])


@dataclass
class Log:
    """The processing of a step's output, line by line, from stdout and stderr."""

    masks: Masks = field(default_factory=Masks)
    is_debug: bool = False
    shown: list[str] = field(default_factory=list)
    """The lines that a person sees."""
    commands: list[Command] = field(default_factory=list)
    """What the runner has carried out, in order."""
    annotations: list[Annotation] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    state: dict[str, str] = field(default_factory=dict)
    has_failed: bool = False
    """Whether a command was invalid, which fails the step."""
    _token: str | None = None
    """The token that ends the time without commands, or None if commands are carried out."""
    _is_echoing: bool = False

    def read(self, line: str) -> None:
        """Process a line without its end."""
        command = parse_command(line, REGISTERED | {self._token or _STOP})
        if command is None or (self._token is not None and command.name.lower() != self._token.lower()):
            self._show(line)
            return
        self.commands.append(command)
        if self._token is not None:
            self._token = None
            self._show(line)
            return
        if self._is_echoing and command.name.lower() not in ("add-mask", "debug", "error", "notice", "warning"):
            self._show(line)
        self._carry_out(command, line)

    def complain(self, message: str, title: str = "") -> None:
        """Report that the runner could not carry out a command, and fail the step."""
        self.has_failed = True
        self._annotate(Annotation("error", title, message))

    def _carry_out(self, command: Command, line: str) -> None:  # noqa: C901, PLR0912 - a table of commands
        name, data = command.name.lower(), command.data
        key = command.properties.get("name", "")
        if name == _STOP:
            if not data or data.lower() in REGISTERED | {"pause-logging"}:
                self.complain(f"Unable to process command '{line}' successfully: no token that could end it.")
            else:
                self._token = data
                self._show(line)
        elif name in ("error", "warning", "notice"):
            place = (command.properties.get("file", ""), command.properties.get("line", ""))
            self._annotate(Annotation(name, command.properties.get("title", ""), data, *place))
        elif name in ("group", "endgroup"):
            self._show(f"##[{name}]{data if name == 'group' else ''}")
        elif name == "add-mask":
            self.masks.add(data)
        elif name == "debug":
            if self.is_debug:
                self._show(f"##[debug]{data}")
        elif name == "echo":
            if data.strip().lower() not in ("on", "off"):
                self.complain(f"Unable to process command '{line}' successfully: it is neither on nor off.")
            self._is_echoing = data.strip().lower() == "on"
        elif name in ("set-output", "save-state"):
            if key:
                (self.outputs if name == "set-output" else self.state)[key] = data
            else:
                self.complain(f"Unable to process command '{line}' successfully: it has no name.")
        elif name in _DISABLED:
            self.complain(f"Unable to process command '{line}' successfully: {name} is disabled.")

    def _annotate(self, annotation: Annotation) -> None:
        message = self.masks(annotation.message)[:MESSAGE]
        if [known.kind for known in self.annotations].count(annotation.kind) < ANNOTATIONS:
            masked = Annotation(
                annotation.kind, self.masks(annotation.title), message, annotation.file, annotation.line
            )
            self.annotations.append(masked)
        self._show(f"##[{annotation.kind}]{message}")

    def _show(self, line: str) -> None:
        self.shown.append(self.masks(line))


def split_lines(text: str) -> list[str]:
    """Split as .NET's readers do: at line feeds, at carriage returns, and at both together."""
    lines = re.split("\r\n|\r|\n", text)
    return lines[:-1] if not lines[-1] else lines
