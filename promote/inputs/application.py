"""Functions that are released together: each function's inputs, from the step and from the list of functions."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from promote.core.arn import Arn
from promote.core.errors import InputError
from promote.core.run import join_names
from promote.inputs.function_name import region_of
from promote.inputs.limits import FUNCTION_NAME
from promote.inputs.manifest_schema import MOST, TOO_MANY, hint_of
from promote.inputs.model import Endpoints, Inputs, Isolation
from promote.inputs.parse import parse
from promote.inputs.reader import Reader
from promote.inputs.rules import require_archive
from promote.inputs.usage import INPUTS, Command, command_of, require_company
from promote.inputs.usage import given as given_inputs
from promote.inputs.value import STEP, Line, Place, Value, step_values

DEFAULT = "promote.yml"
"""The file that is read if neither ``function-name`` nor ``application`` is given."""

_SHARED = ("checks", "invoke")
"""Inputs whose lines can name the function that they are for."""
_FIRST = ("tests", "tests-requirements", "test-command", "test-environment")
"""Inputs whose checks run once, at the first function's endpoint."""
_OWN = ("latest-url", "environment-url")
"""Inputs that cannot have one value for several functions."""


@dataclass(frozen=True)
class FunctionInputs:
    """One function of an application."""

    name: str
    """The name, without ARN."""
    arn: str
    """The unqualified ARN; empty if the user gave a name."""
    place: Place
    given: Mapping[str, Value] = field(default_factory=dict)
    """Its own values, by the names of the inputs."""


@dataclass(frozen=True)
class Application:
    """Functions that are released together."""

    parts: tuple[FunctionInputs, ...]
    """The functions, as they are ordered in the list. Their names are unique. Region and account are the same."""
    given: Mapping[str, Value] = field(default_factory=dict)
    """The values for the application as a whole, by the names of the inputs."""
    retired: frozenset[str] = frozenset()
    """Functions that belonged to it and are no longer released with it."""
    file: str = ""
    """The file that describes it; empty if the input ``function-name`` does."""

    @property
    def region(self) -> str:
        """The region of the ARNs; empty if no function has an ARN."""
        return next((Arn.of(part.arn).region for part in self.parts if part.arn), "")

    @property
    def account(self) -> str:
        """The account of the ARNs; empty if no function has an ARN."""
        return next((Arn.of(part.arn).account for part in self.parts if part.arn), "")

    def inputs(self, environ: Mapping[str, str]) -> tuple[Inputs, ...]:
        """Return the inputs of each function. Its own values replace those of the step (``INPUT_*``).

        Raises:
            InputError: An input is invalid. If the file gives it, the error names the line.

        """
        command, step = command_of(environ), step_values(environ)
        for name in given_inputs(environ):
            self._require_effect(name)
        if len(self.parts) > 1:
            for name in _OWN:
                if name in step and step[name].text.strip():
                    raise InputError(
                        name,
                        f"it is one URL, and there are {len(self.parts)} functions",
                        hint=f"Set it for one function, in {self.file or DEFAULT}.",
                    )
        shared = {name: self._share(name, step) for name in _SHARED}
        region = region_of(environ)
        if self.region and not region:
            step["aws-region"], region = Value(self.region), self.region
        read = tuple(
            parse(Reader({**step, **self._given(part, shared, command)}), command, region, is_part=True)
            for part in self.parts
        )
        if command is Command.RUN and not any(inputs.has_verification for inputs in read):
            raise InputError(
                "checks",
                "there is nothing to verify the application with, and only verified code is promoted",
                hint="Set at least one of checks (such as GET /health 200), invoke, tests and test-command.",
            )
        described = {*self.given, *(name for part in self.parts for name in part.given)}
        require_company({*given_inputs(environ), *described}, command)
        require_archive(read)
        self._require_traffic(read)
        self._require_different_paths(read)
        return read

    def _require_effect(self, name: str) -> None:
        """Refuse an input of the step that has no effect, because each function has its own value."""
        places = [self.given[name].place] if name in self.given else []
        if not places and name not in _SHARED:
            places = [part.given[name].place for part in self.parts if name in part.given]
        if places and (name in self.given or len(places) == len(self.parts)):
            source = self.file or "function-name"
            raise InputError(
                name,
                f"it has no effect: {source} sets it for {'all' if len(self.parts) > 1 else 'the'} "
                f"function{'s' if len(self.parts) > 1 else ''} ({places[0]})",
                hint=f"Remove {name} from the step, or from {source}.",
            )

    def _given(
        self, part: FunctionInputs, shared: Mapping[str, Mapping[str, Sequence[Line]]], command: Command
    ) -> Mapping[str, Value]:
        """Return the values of one function's inputs that do not come from the step unchanged."""
        given = {**self.given, **part.given}
        for name, lines in shared.items():
            own = part.given[name].lines if name in part.given else ()
            given[name] = _joined((*own, *lines.get(part.name, ())))
        if part is not self.parts[0]:
            given |= {name: Value("") for name in _FIRST}
        # The file describes the functions for all commands. This command ignores what has no effect on it.
        counting = {name: value for name, value in given.items() if command in INPUTS[name].commands}
        return {**counting, "function-name": Value(part.arn or part.name, part.place)}

    def _share(self, name: str, step: Mapping[str, Value]) -> Mapping[str, Sequence[Line]]:
        """Return the lines of ``checks`` or ``invoke`` by function. The file's lines replace those of the step."""
        given = self.given.get(name) or step.get(name) or Value("")
        names = [part.name for part in self.parts]
        lines: dict[str, list[Line]] = {}
        for line in given.lines:
            if not line.text.strip() or line.text.lstrip().startswith("#"):
                continue
            found = re.fullmatch(rf"\s*({FUNCTION_NAME}):\s+(\S.*)", line.text)
            owner = found[1] if found else names[0]
            if owner not in names:
                hint = hint_of(owner, names, "The functions are")
                raise line.place.error(name, f"there is no function {owner!r}", hint=hint)
            lines.setdefault(owner, []).append(Line(found[2], line.place) if found else line)
        return lines

    def _require_traffic(self, read: Sequence[Inputs]) -> None:
        """Refuse a function that no check reaches. With ``isolation: version``, candidates do not call each other."""
        silent = [inputs.function_name for inputs in read if not inputs.has_verification]
        if not silent or read[0].command is not Command.RUN:
            return
        if read[0].isolation is Isolation.VERSION:
            raise InputError(
                "isolation",
                f"version verifies each function alone, and there is nothing to verify {join_names(silent)} with",
                hint=f"Add a line for each of them to checks, such as {silent[0]}: GET /health 200, or to invoke. "
                "Or set isolation: latest, with which the functions call each other.",
            )

        unseen = [
            inputs.function_name
            for inputs in read
            if not (inputs.has_verification or inputs.latest_url or inputs.endpoints is not Endpoints.NONE)
        ]
        if unseen:
            raise InputError(
                "invoke",
                f"nothing shows whether the code of {join_names(unseen)} runs: there is no check, "
                "and endpoints is none",
                hint=f"Add a line for each of them to invoke, such as {unseen[0]}: events/test.json. Or remove "
                "endpoints: none.",
            )

    def _require_different_paths(self, read: Sequence[Inputs]) -> None:
        """Refuse two functions with the same path of a custom domain."""
        seen: dict[tuple[str, str], str] = {}
        for inputs in read:
            path = (inputs.domain_name, inputs.base_path)
            if inputs.domain_name and path in seen:
                raise InputError(
                    "base-path",
                    f"{seen[path]} and {inputs.function_name} would be at the same path of {inputs.domain_name}",
                    hint=f"Set a different base-path for each function, in {self.file or DEFAULT}.",
                )
            seen[path] = inputs.function_name


def _joined(lines: tuple[Line, ...]) -> Value:
    """Return lines of the file and of the step as one value. Its place is the first line in the file."""
    return Value(lines, next((line.place for line in lines if line.place.file), STEP))


def require_one_application(application: Application) -> Application:
    """Refuse duplicate functions, too many functions, and functions of several regions or accounts."""
    source = "application" if application.file else "function-name"
    seen: dict[str, FunctionInputs] = {}
    for part in application.parts:
        if part.name in seen:
            raise InputError(
                source,
                f"{part.place}: the function {part.name} is listed twice, first in {_short(seen[part.name].place)}",
                hint="Remove one of them. A name and an ARN with that name are the same function.",
            )
        seen[part.name] = part
    if len(application.parts) > MOST:
        raise InputError(
            source, f"{application.parts[MOST].place}: there are more than {MOST} functions", hint=TOO_MANY
        )
    named = [part for part in application.parts if part.arn]
    for part in named:
        for what, ours, theirs in (
            ("region", Arn.of(part.arn).region, application.region),
            ("account", Arn.of(part.arn).account, application.account),
        ):
            if ours != theirs:
                raise InputError(
                    source,
                    f"{part.place}: {part.name} is in the {what} {ours}, and {named[0].name} in {theirs}",
                    hint=f"An application has one {what}. Release the others in another step.",
                )
    return application


def _short(place: Place) -> str:
    return str(place) if not place.file else f"line {place.line}"
