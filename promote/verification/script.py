"""The input ``test-command``: a bash script, which records its commands while it runs."""

import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

from promote.core.verdict import CheckResult, Outcome
from promote.inputs.checks import SETTINGS
from promote.inputs.model import Inputs
from promote.verification.check import EndpointUse, Results, Subject
from promote.verification.process import CommandContext, run
from promote.verification.script_words import ScriptWords

NAME = "test-command"
"""The name of the check. The text of the script may have a secret."""

_LONGEST = 200
"""Characters of a command in a message."""

_LARGEST_RECORD = 1_000_000
"""Bytes of the record. The first entries are the ones that are shown."""

_BEGINNING = "the beginning"
"""What stands for the command before the first one."""

_WATCH = r"""
command_not_found_handle() {
  printf 'missing %s\n' "${1%%$'\n'*}" >>RECORD
  printf 'bash: %s: command not found\n' "${1%%$'\n'*}" >&2
  return 127
}
__promote_before=BEGINNING
__promote_look() {
  [[ ! ${__promote_busy-} ]] || return 0
  case " $1 " in *" 126 "*|*" 127 "*)
    case $__promote_before in
      wait|wait\ *) ;;
      *) printf 'near %s\n' "${__promote_before%%$'\n'*}" >>RECORD;;
    esac;;
  esac
  if [[ $2 ]]; then
    local word=${2%%[[:space:]]*}
    case $word in
      *[!A-Za-z0-9_./+@:-]*) ;;
      */*) [[ -f $word && -x $word ]] || declare -F "$word" >/dev/null || printf 'missing %s\n' "$word" >>RECORD;;
    esac
    [[ ${__promote_ran-} ]] || __promote_tests_nothing "$2" || {
      __promote_ran=1
      echo ran >>RECORD
    }
    __promote_before=$2
  fi
  : "$3"
}
__promote_tests_nothing() {
  local what=${1#command }
  what=${what#builtin }
  case $what in
    # After these, nothing is watched any more.
    trap\ *DEBUG*|trap\ *RETURN*) return 1;;
    SETTINGS|exec|exec\ [\<\>\&\{]*|exec\ [0-9][\<\>]*|trap|trap\ *) return 0;;
    # What they run is seen by itself.
    eval|eval\ *|.\ *|source\ *|bash|bash\ *|/bin/bash\ *) return 0;;
  esac
  declare -F "${what%%[[:space:]]*}" >/dev/null || __promote_assigns "$1" || __promote_is_empty "$1"
}
__promote_assigns() {
  [[ $1 == [A-Za-z_]*=* ]] || return 1
  local value="(\\([^)]*\\)|(\"[^\"]*\"|'[^']*'|[^[:space:]\"'()])*)" __promote_busy=1
  # In a subshell, because =~ sets BASH_REMATCH.
  ([[ $1 =~ ^([A-Za-z_][A-Za-z0-9_]*(\[[^]]*\])?\+?=$value([[:space:]]+|$))+$ ]])
}
__promote_is_empty() {
  local words=${1//[\"\{\}]/} name value
  words=${words#sh -c } words=${words%%[\<\>]*} words=${words%[[:space:]][0-9]}
  while [[ $words == [A-Za-z_]*=*[[:space:]]* ]]; do words=${words#*[[:space:]]}; done
  [[ $words == \$* ]] || return 1
  read -ra words <<<"$words"
  for name in "${words[@]}"; do
    [[ $name == \$* ]] || return 1
    name=${name#\$} name=${name%-} name=${name%:} name=${name%%[%#^,/]*}
    case $name in
      ''|*[!A-Za-z0-9_]*|[0-9]*) return 1;;
    esac
    value=${!name-}
    [[ ! ${value//[[:space:]]/} ]] || return 1
  done
}
set -o functrace
[[ ${BASH_EXECUTION_STRING+x} ]] || trap '{ :; } 2>/dev/null' EXIT
trap '{ __promote_look "$? ${PIPESTATUS[*]}" "" "$_"; } 2>/dev/null' RETURN
trap '{ __promote_look "$? ${PIPESTATUS[*]}" "$BASH_COMMAND" "$_"; } 2>/dev/null' DEBUG
"""
"""Commands that bash reads first, because BASH_ENV names them. Each bash that the script starts also reads them.

``if``, ``!``, ``&&`` and ``||`` use the status of a command, so a script can pass although a command was not found.
bash calls ``command_not_found_handle`` for a name that is not in PATH. The DEBUG trap runs before each command and
looks up a path without quotes and variables. Other commands, such as ``"$FOLDER/smoke.sh"`` and
``timeout 5 ./smoke.sh``, are recognized by their status when the next command begins, a function returns, or a file of
commands ends. ``wait`` returns 127 for an unknown process. $_ is restored. The redirection hides these commands from
the output of ``set -x``.

A setting of the shell, and a variable that is empty, are not commands that test anything.

Subshells have no trap on EXIT. If DEBUG sets one, bash has already decided to replace the subshell.

https://www.gnu.org/software/bash/manual/bash.html, 3.7.2, 4.1 (trap) and 6.2 (BASH_ENV).
"""


@dataclass(frozen=True)
class Script:
    """A bash script of the user: the input ``test-command``."""

    input: ClassVar[str] = "test-command"
    endpoint_use: ClassVar[EndpointUse] = EndpointUse.OPTIONAL
    is_command: ClassVar[bool] = True

    text: str

    @classmethod
    def parse(cls, inputs: Inputs, workspace: Path) -> Self | None:  # noqa: ARG003 - bash finds the files that it names
        """Return the script."""
        return cls(inputs.test_command) if inputs.test_command else None

    def digest(self) -> Mapping[str, object]:
        """Return the script."""
        return {self.input: self.text}

    def secrets(self) -> tuple[str, ...]:
        """Return nothing: the action does not know what commands send."""
        return ()

    def calls(self, subject: Subject) -> Iterator[Callable[[], Results]]:
        """Yield the call that runs the script."""
        yield lambda: [run_script(self.text, subject.context, subject.deadline)]


def run_script(script: str, context: CommandContext, deadline: float) -> CheckResult:
    """Run a bash script as a step of a workflow does. Exit code 0 passes."""
    started, words = context.clock.monotonic(), ScriptWords(script)
    with context.console.group(NAME) as group:
        options = ("--noprofile", "--norc", "-e", "-o", "pipefail")
        record = context.temporary / "test-command.record"
        record.unlink(missing_ok=True)
        file = context.temporary / "test-command.bash"
        watch(file, record, context.environ.get("BASH_ENV", ""))
        watched = replace(context, environ={**context.environ, "BASH_ENV": str(file)})

        def write(line: str) -> None:
            group.write(words.hidden(line))

        code = run(["bash", *options, "-c", ended(script)], watched, deadline - started, write)
    seen = traces(record, words)
    outcome, detail = Outcome.PASSED, ""
    if code is None:
        outcome, detail = Outcome.INCONCLUSIVE, "verify-timeout was reached, and the command was stopped"
    elif code in _NOT_RUN:
        outcome, detail = Outcome.INCONCLUSIVE, "; ".join([f"{_NOT_RUN[code]} (exit code {code})", *group.last_lines])
    elif code:
        outcome, detail = Outcome.FAILED, "; ".join([f"exit code {code}", *group.last_lines])
    elif seen.missing or seen.near:
        what = (
            f"{seen.missing[0]!r} was not found or cannot be executed, but the script continued"
            if seen.missing
            else f"a command was not found or cannot be executed (exit code 126 or 127) near {seen.near[0]!r}, "
            "but the script continued"
        )
        advice = "Use command -v to check whether an optional command exists"
        outcome, detail = Outcome.INCONCLUSIVE, f"{what}. {advice}"
    elif not seen.has_run:
        outcome, detail = Outcome.INCONCLUSIVE, "the script ran no command"
    return CheckResult(NAME, "command", outcome, context.clock.monotonic() - started, detail)


_NOT_RUN: Mapping[int, str] = {126: "a command cannot be executed", 127: "a command was not found"}
"""https://www.gnu.org/software/bash/manual/bash.html#Exit-Status"""


@dataclass(frozen=True)
class Traces:
    """The record of a script."""

    missing: tuple[str, ...]
    """The commands that were not found or could not be executed, in order, without duplicates."""
    near: tuple[str, ...]
    """Commands near an exit code 126 or 127: the command itself, its pipeline, or a subshell after it."""
    has_run: bool
    """Whether the script has run a command."""


def watch(file: Path, record: Path, also: str) -> None:
    """Write the commands for BASH_ENV, which write to ``record``. ``also`` is the previous value of BASH_ENV."""
    settings = "|".join(f"{word}|{word}\\ *" for word in (":", "exit", *SETTINGS))
    first = f"if [[ -r {shlex.quote(also)} ]]; then . {shlex.quote(also)}; fi\n" if also else ""
    commands = _WATCH
    for word, text in (
        ("SETTINGS", settings),
        ("RECORD", shlex.quote(str(record))),
        ("BEGINNING", shlex.quote(_BEGINNING)),
    ):
        commands = commands.replace(word, text)
    file.write_text(first + commands, encoding="utf-8")


def ended(script: str) -> str:
    """Return the script with an end that checks the status of its last command."""
    # An empty line ends a continued line.
    return f'{script}\n\n{{ exit "$?"; }} 2>/dev/null'


def traces(record: Path, words: ScriptWords) -> Traces:
    """Read the record of a script that has ended. ``words`` are its words."""
    lines: list[str] = []
    if record.is_file():
        with record.open("rb") as file:
            lines = file.read(_LARGEST_RECORD).decode(errors="replace").splitlines()

    def reported(word: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(line[len(word) :][:_LONGEST] for line in lines if line.startswith(word)))

    missing = map(words.named, reported("missing "))
    near = (_BEGINNING if text == _BEGINNING else words.command(text) for text in reported("near "))
    return Traces(tuple(missing), tuple(dict.fromkeys(near)), "ran" in lines)
