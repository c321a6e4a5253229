"""Which input has an effect on which command: one table for the parser, its messages, the README and the tests.

An input that has no effect is an error. The runner sets every input of action.yml, so an input with its default value
counts as not given. To add an input, add one row to ``INPUTS``.
"""

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from promote.core.errors import InputError
from promote.inputs.reader import Reader
from promote.inputs.value import step_values


class Command(StrEnum):
    """What the action does. See action.yml."""

    RUN = "run"
    DEPLOY = "deploy"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    RELEASE_NOTES = "release-notes"
    STATUS = "status"
    LOCK = "lock"
    UNLOCK = "unlock"
    ADOPT = "adopt"
    UNINSTALL = "uninstall"


@dataclass(frozen=True)
class Input:
    """One row of the table."""

    commands: frozenset[Command]
    """The commands that it has an effect on."""
    default: str | None = ""
    """The default in action.yml; None if it is an expression, whose value only the runner knows."""
    required: frozenset[Command] = frozenset()
    """The commands that require it."""
    needs: tuple[str, ...] = ()
    """Inputs of which at least one must also be given; empty if it has an effect without others."""
    off: str = ""
    """A value that every command accepts, because it switches off what the other commands do not do."""


_C = Command
_ALL = frozenset(_C)
_RELEASING = frozenset({_C.RUN, _C.DEPLOY, _C.PROMOTE, _C.ROLLBACK})
_DEPLOYING = frozenset({_C.RUN, _C.DEPLOY})
_VERIFYING = frozenset({_C.RUN, _C.PROMOTE})
_ORDERING = frozenset({_C.RUN, _C.DEPLOY, _C.PROMOTE})
_LOCKING = frozenset({_C.RUN, _C.DEPLOY, _C.PROMOTE, _C.LOCK, _C.UNINSTALL})
_ADAPTING = frozenset({_C.ADOPT, _C.UNINSTALL})
_OVERRIDING = frozenset({_C.RUN, _C.PROMOTE, _C.ROLLBACK})
_NOTING = frozenset({_C.RUN, _C.PROMOTE, _C.ROLLBACK, _C.RELEASE_NOTES})

VERIFICATION = ("checks", "invoke", "tests", "test-command")
"""The inputs that say how to verify a candidate."""
NEED_ENDPOINT = ("checks", "tests")
"""Those of them that need an endpoint."""
USE_ENDPOINT = (*NEED_ENDPOINT, "test-command")
"""Those of them that use an endpoint if there is one."""

INPUTS: Mapping[str, Input] = {
    "command": Input(_ALL, default="run"),
    "function-name": Input(_ALL),
    "application": Input(_ALL),
    "environment": Input(_RELEASING | {_C.RELEASE_NOTES, _C.STATUS, _C.ADOPT}, required=_RELEASING | {_C.ADOPT}),
    "aws-region": Input(_ALL),
    "latest-aliases": Input(_DEPLOYING | {_C.LOCK}),
    "artifact": Input(_DEPLOYING),
    "commit": Input(_ORDERING),
    "artifact-bucket": Input(_DEPLOYING, needs=("artifact",)),
    "handler": Input(_DEPLOYING),
    "runtime": Input(_DEPLOYING),
    "role": Input(_DEPLOYING),
    "memory-size": Input(_DEPLOYING),
    "timeout": Input(_DEPLOYING),
    "environment-variables": Input(_DEPLOYING),
    "endpoints": Input(_RELEASING, default="auto", off="none"),
    "latest-url": Input(_RELEASING),
    "environment-url": Input(_RELEASING | {_C.RELEASE_NOTES}),
    "domain-name": Input(_RELEASING),
    "base-path": Input(_RELEASING, needs=("domain-name",)),
    "checks": Input(_VERIFYING),
    "invoke": Input(_VERIFYING),
    "tests": Input(_VERIFYING),
    "tests-requirements": Input(_VERIFYING, needs=("tests",)),
    "test-command": Input(_VERIFYING),
    "test-environment": Input(_VERIFYING, needs=("tests", "test-command")),
    "isolation": Input(_DEPLOYING, default="latest"),
    "settle-time": Input(_DEPLOYING, default="2", off="0"),
    "candidate": Input(frozenset({_C.PROMOTE})),
    # Only promote with candidate uses it, but the runner sets it for every command.
    "job-status": Input(_ALL, default=None),
    "from": Input(frozenset({_C.PROMOTE})),
    "version": Input(frozenset({_C.PROMOTE, _C.ROLLBACK})),
    "override": Input(_OVERRIDING, default="false"),
    "verify-timeout": Input(_VERIFYING, default="10", needs=VERIFICATION),
    "table": Input(_ALL, default="promote-on-success"),
    "lock-timeout": Input(_LOCKING, default="30"),
    "lease": Input(_LOCKING),
    "queue": Input(_DEPLOYING, default="newest"),
    "diverged": Input(_ORDERING),
    "reason": Input(_OVERRIDING | {_C.UNLOCK}, required=frozenset({_C.UNLOCK})),
    "release-notes-path": Input(_NOTING),
    "release-notes-template": Input(_NOTING),
    "publish-release": Input(frozenset({_C.RELEASE_NOTES}), default="false"),
    "tag": Input(frozenset({_C.RELEASE_NOTES})),
    "keep-versions": Input(_VERIFYING),
    "github-deployments": Input(_RELEASING - {_C.DEPLOY}, default="true", off="false"),
    "github-token": Input(_ALL, default=None),
    "allow-pull-requests": Input(_ORDERING, default="false"),
    "apply": Input(_ADAPTING, default="false", off="false"),
    "undo": Input(frozenset({_C.ADOPT}), default="false", off="false"),
    "dry-run": Input(_ALL, default="false"),
}
"""Every input of action.yml, in its order."""

_DEPLOYS = "Only commands that deploy use it. Set command: run or command: deploy, or remove the input."
_ADVICE: Mapping[str, str] = {
    **dict.fromkeys(("artifact", "artifact-bucket", "handler", "runtime", "role", "memory-size", "timeout"), _DEPLOYS),
    "environment-variables": _DEPLOYS,
    "environment": "The lock covers the function with all of its environments. Remove the input.",
    "candidate": "Set command: promote to promote the candidate, or remove the input.",
    "queue": "Only runs that deploy are superseded. This command waits in order of arrival. Remove the input.",
    "settle-time": "Only a step that deploys changes $LATEST. Set it there, or remove the input.",
    "isolation": "A candidate keeps the isolation that command: deploy gave it. Remove the input.",
    "from": "Set command: promote to promote what that environment serves, or remove the input.",
}
"""Hints for inputs that have no effect on a command, other than the default hint."""
_AT_DEPLOY = (
    "The job's own steps test a candidate of command: deploy. Set the input in the step with command: promote, or use "
    "command: run."
)

_RUNNERS_OWN = frozenset({"entrypoint", "args"})
"""Inputs that the runner itself defines for a Docker container action:
https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idstepswithargs."""

_NEIGHBOURS: Mapping[str, str] = {
    "alias": "environment",
    "alias-name": "environment",
    "code-artifacts-dir": "artifact",
    "function": "function-name",
    "image-uri": "artifact",
    "lambda-function-name": "function-name",
    "package": "artifact",
    "region": "aws-region",
    "s3-bucket": "artifact",
    "s3-key": "artifact",
    "source": "artifact",
    "stage": "environment",
    "zip-file": "artifact",
    "zip-file-path": "artifact",
}
"""The input for each name that other actions and tools use."""


def command_of(environ: Mapping[str, str]) -> Command:
    """Return the step's command. Check that each input is known and has an effect on it.

    Raises:
        InputError: An input is unknown or has no effect, or the command is unknown.

    """
    require_known(environ)
    command = Reader(step_values(environ)).choice("command", Command, Command.RUN)
    require_use(environ, command)
    return command


def require_known(environ: Mapping[str, str]) -> None:
    """Refuse ``INPUT_*`` variables that are not inputs of this action. The hint has the nearest input.

    Raises:
        InputError: There are unknown inputs. The message names all of them.

    """
    names = (name.removeprefix("INPUT_").lower() for name in environ if name.startswith("INPUT_"))
    unknown = sorted({name for name in names if name and name not in INPUTS} - _RUNNERS_OWN)
    if not unknown:
        return
    nearby = {name: near for name in unknown if (near := nearest(name))}
    guess = listed_or([f"{near} instead of {name}" if len(unknown) > 1 else near for name, near in nearby.items()])
    others = f", and neither is {listed_or(unknown[1:])}" if unknown[1:] else ""
    raise InputError(
        unknown[0],
        f"it is not an input of this action{others}",
        hint=f"{f'Did you mean {guess}? ' if guess else ''}The README lists all inputs. If it is your own "
        f"variable, rename INPUT_{unknown[0].upper()}.",
    )


def nearest(name: str) -> str:
    """Return the input whose name is nearest to ``name``; empty if none is near."""
    plain = name.replace("_", "-").replace(" ", "-")
    if plain in INPUTS:
        return plain
    if plain in _NEIGHBOURS:
        return _NEIGHBOURS[plain]
    joined = {known.replace("-", ""): known for known in INPUTS}
    if plain.replace("-", "") in joined:
        return joined[plain.replace("-", "")]
    return next(iter(difflib.get_close_matches(plain, INPUTS, n=1)), "")


def given(environ: Mapping[str, str]) -> list[str]:
    """Return the inputs that the step sets: those that are neither empty nor the default."""
    return [name for name, known in INPUTS.items() if known.default is not None and _value(environ, name) != ""]


def _value(environ: Mapping[str, str], name: str) -> str:
    """Return the value of an input; empty if it is the default. Booleans are in lower case."""
    known, value = INPUTS[name], environ.get(f"INPUT_{name.upper()}", "").strip()
    value = value.lower() if known.default in ("true", "false") else value
    return "" if value == known.default else value


def require_use(environ: Mapping[str, str], command: Command) -> None:
    """Refuse inputs that have no effect with ``command``.

    Raises:
        InputError: An input has no effect. The error names the first one in the table.

    """
    for name in given(environ):
        known = INPUTS[name]
        if command in known.commands or _value(environ, name) == known.off:
            continue
        which = f"{command}, the default" if command == INPUTS["command"].default else command
        raise InputError(name, f"it has no effect with command: {which}", hint=_advice(name, command))


def require_company(names: Collection[str], command: Command) -> None:
    """Refuse inputs that have an effect only together with others. ``names`` are all given inputs.

    Raises:
        InputError: An input has no effect. The error names the first one in the table.

    """
    for name, known in INPUTS.items():
        if name in names and command in known.commands and known.needs and not set(known.needs) & set(names):
            raise InputError(
                name,
                f"it has no effect without {listed_or(known.needs)}",
                hint=f"Add {listed_or(known.needs)}, or remove {name}.",
            )


def _advice(name: str, command: Command) -> str:
    if command is Command.DEPLOY and INPUTS[name].commands == _VERIFYING and name != "keep-versions":
        return _AT_DEPLOY
    if name in _ADVICE:
        return _ADVICE[name]
    commands = [known.value for known in Command if known in INPUTS[name].commands]
    return f"It works with command: {listed_or(commands)}. Use that command, or remove the input."


def listed_or(names: Iterable[str]) -> str:
    """Join ``names`` with commas and "or"."""
    *most, last = names or [""]
    return f"{', '.join(most)} or {last}" if most else last
