"""Several functions as one application: the lines of ``function-name``, and the file ``promote.yml``.

Both are brought into the same form: for each function, the inputs that it would be given if it were alone.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from promote.core.errors import InputError
from promote.core.run import join_names
from promote.core.workspace import require_inside
from promote.inputs.located_yaml import Located
from promote.inputs.manifest_schema import FUNCTION, MOST, TOO_MANY, WHOLE, Key, Place, check, hint_of, refuse
from promote.inputs.model import Endpoints, Inputs, Isolation
from promote.inputs.parse import NAME, inputs_from_environ, parse_function, region_of
from promote.inputs.rules import require_archive
from promote.inputs.usage import INPUTS, Command, command_of, require_company
from promote.inputs.usage import given as given_inputs

DEFAULT = "promote.yml"
"""The file that is read where neither ``function-name`` nor ``application`` says anything."""
LARGEST = 256 * 1024
"""Bytes of the file."""

_SHARED = ("checks", "invoke")
"""Those whose lines say which function they are for."""
_FIRST = ("tests", "tests-requirements", "test-command", "test-environment")
"""Those that are carried out once, at the first function's endpoint."""
_OWN = ("latest-url", "environment-url")
"""Those that cannot be said of several functions at once."""


@dataclass(frozen=True)
class InputValue:
    """The value of an input, as the action would get it, and where each of its lines is written."""

    text: str = field(repr=False)
    places: tuple[Place, ...]
    variables: Mapping[str, str] | None = field(default=None, repr=False)
    """Of ``environment-variables``: they are merged with those of the environment."""

    @property
    def place(self) -> Place:
        """Where it begins."""
        return self.places[0]

    def place_of(self, line: int) -> Place:
        """Say where its line with this number, from 1, is written."""
        return self.places[min(line, len(self.places)) - 1]


@dataclass(frozen=True)
class Part:
    """One function of an application."""

    name: str
    """Without ARN."""
    arn: str
    """Unqualified, or empty when the user gave a name."""
    place: Place
    given: Mapping[str, InputValue] = field(default_factory=dict)
    """What is said of it, by the names of the inputs."""


@dataclass(frozen=True)
class Application:
    """Functions that are released together."""

    parts: tuple[Part, ...]
    """In the order in which they are written; the names differ, and region and account do not."""
    given: Mapping[str, InputValue] = field(default_factory=dict)
    """What is said of the whole."""
    retired: frozenset[str] = frozenset()
    """Functions that belonged to it once, and are not promoted any more."""
    file: str = ""
    """The file that says so; empty: the input ``function-name``."""

    @property
    def region(self) -> str:
        """The region that ARNs say; empty: there is none."""
        return next((part.arn.split(":")[3] for part in self.parts if part.arn), "")

    @property
    def account(self) -> str:
        """The account that ARNs say; empty: there is none."""
        return next((part.arn.split(":")[4] for part in self.parts if part.arn), "")

    def inputs(self, environ: Mapping[str, str]) -> tuple[Inputs, ...]:
        """Give each function's inputs: those of the step (``INPUT_*``), and in their place what is said of it here.

        Raises:
            InputError: the first that is wrong; where it is written in the file, the error names the line.

        """
        command = command_of(environ)
        for name in given_inputs(environ):
            self._require_effect(name)
        if len(self.parts) > 1:
            for name in _OWN:
                if environ.get(_variable(name), "").strip():
                    raise InputError(
                        name,
                        f"it is one URL, and there are {len(self.parts)} functions",
                        hint=f"Say it of the function that it is of, in {self.file or DEFAULT}.",
                    )
        shared = {name: self._share(name, environ) for name in _SHARED}
        read = tuple(self._part(part, environ, shared) for part in self.parts)
        if read[0].command is Command.RUN and not any(inputs.has_verification for inputs in read):
            raise InputError(
                "checks",
                "there is nothing to verify the application with, and what is not verified is not promoted",
                hint="Give at least one line in checks, such as GET /health 200; or tests, test-command or invoke.",
            )
        said = {*self.given, *(name for part in self.parts for name in part.given)}
        require_company({*given_inputs(environ), *said}, command)
        require_archive(read)
        self._require_traffic(read)
        self._require_paths_of_their_own(read)
        return read

    def _require_effect(self, name: str) -> None:
        """Refuse an input of the step that counts for no function, since something else says it for all of them."""
        places = [self.given[name].place] if name in self.given else []
        if not places and name not in _SHARED:
            places = [part.given[name].place for part in self.parts if name in part.given]
        if places and (name in self.given or len(places) == len(self.parts)):
            source = self.file or "function-name"
            raise InputError(
                name,
                f"it has no effect: {source} says it for {'all' if len(self.parts) > 1 else 'the'} "
                f"function{'s' if len(self.parts) > 1 else ''} ({places[0]})",
                hint=f"Remove {name} from the step, or from {source}.",
            )

    def _part(self, part: Part, environ: Mapping[str, str], shared: Mapping[str, Mapping[str, InputValue]]) -> Inputs:
        given = {**{name: value for name, value in self.given.items() if name not in _SHARED}, **part.given}
        for name, lines in shared.items():
            both = [value for value in (part.given.get(name), lines.get(part.name)) if value]
            given[name] = InputValue("\n".join(value.text for value in both), sum((value.places for value in both), ()))
        if part is not self.parts[0]:
            given |= {name: InputValue("", (part.place,)) for name in _FIRST}
        # The file describes the functions for all commands: what does not count for this one is left out.
        command = command_of(environ)
        given = {name: value for name, value in given.items() if command in INPUTS[name].commands}
        texts = {_variable(name): value.text for name, value in given.items()}
        texts[_variable("function-name")] = part.arn or part.name
        if self.region and not region_of(environ):
            texts[_variable("aws-region")] = self.region
        try:
            return inputs_from_environ({**environ, **texts}, is_part=True)
        except InputError as error:
            known = given.get(error.name)
            if known is None or not known.text:
                raise
            raise _placed(part, error, known) from None

    def _share(self, name: str, environ: Mapping[str, str]) -> Mapping[str, InputValue]:
        """Divide the lines of ``checks`` or ``invoke`` among the functions: those of the file, or else of the step."""
        given = self.given.get(name)
        if given is None:
            text = environ.get(_variable(name), "")
            given = InputValue(text, tuple(Place("", number) for number, _ in enumerate(text.splitlines() or [""], 1)))
        names = [part.name for part in self.parts]
        lines: dict[str, list[tuple[str, Place]]] = {}
        for number, line in enumerate(given.text.splitlines(), 1):
            place = given.place_of(number)
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            found = re.fullmatch(rf"\s*({NAME}):\s+(\S.*)", line)
            owner = found[1] if found else names[0]
            if owner not in names:
                where = ("application", f"{place}: {name}") if place.file else (name, str(place))
                raise InputError(
                    where[0],
                    f"{where[1]}: there is no function {owner!r}",
                    hint=hint_of(owner, names, "The functions are"),
                )
            lines.setdefault(owner, []).append((found[2] if found else line, place))
        return {
            owner: InputValue("\n".join(line for line, _ in found), tuple(place for _, place in found))
            for owner, found in lines.items()
        }

    def _require_traffic(self, read: Sequence[Inputs]) -> None:
        """Refuse a function that nothing would reach: at endpoints of their own, no candidate meets the others."""
        silent = [inputs.function_name for inputs in read if not inputs.has_verification]
        if not silent or read[0].command is not Command.RUN:
            return
        if read[0].isolation is Isolation.VERSION:
            raise InputError(
                "isolation",
                f"version verifies each function alone, and there is nothing to verify {join_names(silent)} with",
                hint=f"Give each a line in checks, such as {silent[0]}: GET /health 200, or invoke; or take isolation: "
                "latest, where the functions reach each other.",
            )

        unseen = [
            inputs.function_name
            for inputs in read
            if not (inputs.has_verification or inputs.latest_url or inputs.endpoints is Endpoints.HTTP)
        ]
        if unseen:
            raise InputError(
                "invoke",
                f"nothing shows whether the code of {join_names(unseen)} runs: there is no check, "
                "and endpoints is none",
                hint=f"Give each a line in invoke, such as {unseen[0]}: events/test.json; or set endpoints: http.",
            )

    def _require_paths_of_their_own(self, read: Sequence[Inputs]) -> None:
        """Refuse two functions at one path of a custom domain: their endpoints would be mapped to the same."""
        seen: dict[tuple[str, str], str] = {}
        for inputs in read:
            path = (inputs.domain_name, inputs.base_path)
            if inputs.domain_name and path in seen:
                raise InputError(
                    "base-path",
                    f"{seen[path]} and {inputs.function_name} would be at the same path of {inputs.domain_name}",
                    hint=f"Give each function a base-path of its own, in {self.file or DEFAULT}.",
                )
            seen[path] = inputs.function_name


def _placed(part: Part, error: InputError, given: InputValue) -> InputError:
    """Say of an input that is wrong where it is written: in the file, or on which line of the input."""
    problem = str(error).removeprefix(f"{error.name}: ")
    found = re.match(r"line (\d+): ", problem)
    place = given.place_of(int(found[1])) if found else given.place
    problem = problem.removeprefix(found[0]) if found else problem
    if not place.file:
        return InputError(error.name, f"{place}: {problem}" if found else problem, hint=error.hint)
    owner = f"functions.{part.name}." if error.name in part.given else ""
    return InputError("application", f"{place}: {owner}{error.name}: {problem}", hint=error.hint)


OF_APPLICATIONS = frozenset({Command.RUN, Command.PROMOTE, Command.ROLLBACK, Command.RELEASE_NOTES, Command.STATUS})
"""The commands that work on several functions as one."""


def read(environ: Mapping[str, str], workspace: Path) -> Inputs:
    """Give the step's inputs: of one function or, with ``parts``, of several that are released as one.

    Raises:
        InputError: the first thing that is wrong.

    """
    command_of(environ)
    found = application(environ, workspace)
    if found is None:
        return inputs_from_environ(environ)
    parts = tuple(replace(part, application=found.file) for part in found.inputs(environ))
    if len(parts) == 1:
        return replace(parts[0], retired=found.retired)
    if parts[0].command not in OF_APPLICATIONS:
        raise InputError(
            "command",
            f"{parts[0].command} works on one function, and there are {len(parts)}",
            hint="Use a step for each function, with its name in function-name.",
        )
    return replace(parts[0], parts=parts, retired=found.retired)


def application(environ: Mapping[str, str], workspace: Path) -> Application | None:
    """Read what the step's inputs ask for; None: one function, which ``function-name`` names as ever.

    Raises:
        InputError: the first thing that is wrong, with its file and line.

    """
    lines = environ.get(_variable("function-name"), "").strip()
    path = environ.get(_variable("application"), "").strip()
    if lines and path:
        raise InputError(
            "application", "it cannot be combined with function-name", hint="Name the functions in one place alone."
        )
    if lines:
        return parse_lines(lines)
    if not path and not (workspace / DEFAULT).is_file():
        return None
    return parse(_text(workspace, path or DEFAULT), path or DEFAULT, environ.get(_variable("environment"), "").strip())


def parse_lines(text: str) -> Application | None:
    """Read ``function-name``: a line each, ``name`` or ``name = artifact``; ``#`` starts a comment.

    None: it is one line with a name alone.

    Raises:
        InputError: a line is wrong.

    """
    text = text.strip()
    if "\n" not in text and "=" not in text:
        return None
    parts: list[Part] = []
    for number, line in enumerate(text.splitlines(), 1):
        if written := re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip():
            parts.append(_line_part(written, Place("", number)))
    if not parts:
        raise InputError(
            "function-name",
            "it names no function, for all of its lines are comments",
            hint="Write the function's name, or `name = artifact`, one function per line.",
        )
    return _checked(Application(tuple(parts)))


def _line_part(line: str, place: Place) -> Part:
    name, equals, artifact = (text.strip() for text in line.partition("="))
    if equals and not name:
        raise InputError(
            "function-name",
            f"{place}: the artifact {artifact!r} is there without a function",
            hint="Write name = artifact.",
        )
    if equals and not artifact:
        raise InputError(
            "function-name",
            f"{place}: there is no artifact after the =",
            hint="Write name = artifact; or the name alone, to adopt what another tool has put into $LATEST.",
        )
    if not artifact.isprintable():
        raise InputError("function-name", f"{place}: the artifact holds a control character", hint="Take it away.")
    try:
        name, arn, _ = parse_function(name)
    except InputError as error:
        problem = str(error).removeprefix(f"{error.name}: ")
        raise InputError("function-name", f"{place}: {problem}", hint=error.hint) from None
    return Part(name, arn, place, {"artifact": InputValue(artifact, (place,))} if equals else {})


def parse(text: str, file: str, environment: str) -> Application:
    """Read ``text`` of the file ``file``, with what it says of ``environment``; empty: with nothing of any.

    Raises:
        InputError: it is wrong; the error names the line.

    """
    document = check(text, file)
    functions = _mapping(document["functions"])
    _require_known_functions(functions, document, file)
    environments = _mapping(document["environments"]) if "environments" in document else {}
    here: Mapping[str, Located] = {}
    if environment and environments:
        if environment not in environments:
            refuse(
                Place(file, document["environments"].key_line),
                f"environments: there is no {environment!r}, which the input environment names",
                hint_of(environment, environments, "There are"),
            )
        here = _mapping(environments[environment])
    changed = _mapping(here["functions"]) if "functions" in here else {}
    parts = []
    for key, written in functions.items():
        name, arn, _ = parse_function(key)
        given = _given(_mapping(written), FUNCTION, file)
        if key in changed:
            given = _merged(given, _given(_mapping(changed[key]), FUNCTION, file))
        parts.append(Part(name, arn, Place(file, written.key_line), given))
    retired = document["retired"].value if "retired" in document else ()
    assert isinstance(retired, tuple)  # noqa: S101 - it was checked
    names = frozenset(str(item.value) for item in retired)
    for item in retired:
        if any(item.value == part.name for part in parts):
            refuse(
                Place(file, item.line), f"retired: {item.value} is among the functions", "Take it away in one place."
            )
    given = _merged(_given(document, WHOLE, file), _given(here, WHOLE, file))
    return _checked(Application(tuple(parts), given, names, file))


def _variable(name: str) -> str:
    return f"INPUT_{name.upper()}"


def _mapping(value: Located) -> Mapping[str, Located]:
    """Give the mapping that was found to be one; nothing is an empty one."""
    return value.value if isinstance(value.value, Mapping) else {}


def _given(section: Mapping[str, Located], keys: Mapping[str, Key], file: str) -> dict[str, InputValue]:
    """Give what a section says, as inputs."""
    return {name: _input(section[name], file) for name in keys if name in section}


def _input(marked: Located, file: str) -> InputValue:
    """Write a value as the input would have it."""
    value, place = marked.value, Place(file, marked.line)
    if isinstance(value, Mapping):
        variables = {name: str(item.value) for name, item in value.items()}
        return InputValue(json.dumps(variables), (place,), variables)
    if isinstance(value, tuple):
        places = tuple(Place(file, item.line) for item in value) or (place,)
        return InputValue("\n".join(str(item.value) for item in value), places)
    if isinstance(value, str):
        is_block = marked.first_line > marked.line
        lines = range(len(value.splitlines())) if is_block else (0,)
        return InputValue(value, tuple(Place(file, marked.first_line + number) for number in lines))
    assert isinstance(value, int | float)  # noqa: S101 - it was checked
    text = str(int(value)) if value == int(value) else f"{value:.6f}".rstrip("0")
    return InputValue(text, (place,))


def _merged(given: Mapping[str, InputValue], changed: Mapping[str, InputValue]) -> dict[str, InputValue]:
    """Put ``changed`` in the place of what is ``given``; variables are added to those that there are."""
    merged = {**given, **changed}
    for name in given.keys() & changed.keys():
        old, new = given[name].variables, changed[name].variables
        if old is not None and new is not None:
            both = {**old, **new}
            merged[name] = InputValue(json.dumps(both), changed[name].places, both)
    return merged


def _require_known_functions(functions: Mapping[str, Located], document: Mapping[str, Located], file: str) -> None:
    """Refuse an environment that says something of a function which is not there."""
    environments = _mapping(document["environments"]) if "environments" in document else {}
    for name, environment in environments.items():
        section = _mapping(environment)
        for function, said in (_mapping(section["functions"]) if "functions" in section else {}).items():
            if function not in functions:
                refuse(
                    Place(file, said.key_line),
                    f"environments.{name}.functions: there is no function {function!r}",
                    hint_of(function, functions, "The functions are"),
                )


def _checked(application: Application) -> Application:
    """Refuse functions that are there twice, too many, or not all in one region and account."""
    source = "application" if application.file else "function-name"
    seen: dict[str, Part] = {}
    for part in application.parts:
        if part.name in seen:
            raise InputError(
                source,
                f"{part.place}: the function {part.name} is there twice, first in {_first(seen[part.name].place)}",
                hint="Take one away; a name and an ARN with that name are the same function.",
            )
        seen[part.name] = part
    if len(application.parts) > MOST:
        raise InputError(
            source, f"{application.parts[MOST].place}: there are more than {MOST} functions", hint=TOO_MANY
        )
    named = [part for part in application.parts if part.arn]
    for part in named:
        for what, ours, theirs in (
            ("region", part.arn.split(":")[3], application.region),
            ("account", part.arn.split(":")[4], application.account),
        ):
            if ours != theirs:
                raise InputError(
                    source,
                    f"{part.place}: {part.name} is in the {what} {ours}, and {named[0].name} in {theirs}",
                    hint=f"An application has one {what}: release the others by a step of their own.",
                )
    return application


def _first(place: Place) -> str:
    return str(place) if not place.file else f"line {place.line}"


def _text(workspace: Path, path: str) -> str:
    """Read the file.

    Raises:
        InputError: it is not in the repository, too large, or no text.

    """
    hint = "Write its path from the repository's root, such as promote.yml; is actions/checkout before this step?"
    if not path.isprintable():
        raise InputError("application", "it holds a line break or a control character", hint="Write it on one line.")
    file = require_inside(workspace, path, "application")
    if not file.is_file():
        raise InputError("application", f"{path!r} is {'a directory' if file.is_dir() else 'not there'}", hint=hint)
    try:
        with file.open("rb") as source:
            content = source.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise InputError("application", f"{path!r} is larger than 256 KB", hint="Is it that file?")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"{path!r} is no text in UTF-8 (byte {error.start})"
        raise InputError("application", problem, hint="Save it as UTF-8.") from None
    except OSError as error:
        raise InputError("application", f"{path!r} cannot be read: {error.strerror}", hint=hint) from None
