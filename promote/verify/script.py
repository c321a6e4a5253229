"""The script of ``test-command``: whether it holds a command, and bash text that records what its commands were."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from promote.errors import InputError

_NO_COMMAND = re.compile(r"\s*(#.*|:|exit(\s+0)?|set(\s+\S+)*)?\s*;?\s*")
"""A line that tests nothing: empty, a comment, the null command, an end, an option of the shell."""

_LONGEST = 200
"""Characters of a command in a message."""

_WATCH = r"""
command_not_found_handle() {
  printf 'missing %s\n' "$1" >>RECORD; printf 'bash: %s: command not found\n' "$1" >&2; return 127; };
export -f command_not_found_handle;
__promote_look() {
  case " $1 " in *" 126 "*|*" 127 "*)
    case ${__promote_before-} in wait|wait\ *) ;;
      *) printf 'missing %s\n' "${__promote_before%%$'\n'*}" >>RECORD;;
    esac;;
  esac;
  case $2 in exit*|:|:\ *|set|set\ *) ;; *) [[ ${__promote_ran-} ]] || { __promote_ran=1; echo ran >>RECORD; };; esac;
  __promote_before=$2; : "$3"; };
set -o functrace;
trap '{ __promote_look "${PIPESTATUS[*]}" "$BASH_COMMAND" "$_"; } 2>/dev/null' RETURN;
trap '{ __promote_look "${PIPESTATUS[*]}" "$BASH_COMMAND" "$_"; } 2>/dev/null' DEBUG;
"""
"""What a script is preceded by.

``if``, ``!``, ``&&`` and ``||`` take the status of a command, so that the script goes on, and passes, though a command
was not found. bash calls ``command_not_found_handle`` for each name that PATH does not have, also in scripts that this
one starts, for the function is exported. For a path that is missing, and for tools such as ``timeout``, PIPESTATUS
still has 127 or 126 when the next command begins or a function returns. ``wait`` gives 127 for an unknown process.
$_ is restored; the redirection keeps all of it out of the output of ``set -x``.

https://www.gnu.org/software/bash/manual/bash.html, 3.7.2 and 4.1 (trap).
"""


@dataclass(frozen=True)
class Traces:
    """What a script has left in its record."""

    missing: tuple[str, ...]
    """The commands that were not found or could not be executed, in order, each once."""
    has_run: bool
    """Whether it has run any command."""


def require_command(script: str) -> None:
    """Refuse a script that holds no command.

    Raises:
        InputError: it would pass whatever the function does.

    """
    if script.strip() and all(_NO_COMMAND.fullmatch(line) for line in script.splitlines()):
        raise InputError(
            "test-command",
            "it has no command, so it tests nothing",
            hint='Write a command that fails if the function is broken, such as python3 smoke.py "$PROMOTE_URL"; '
            "or leave the input empty.",
        )


def watched(script: str, record: Path) -> str:
    """Return the script with what makes bash write into ``record``, on its first line, so that line numbers stay."""
    prelude = " ".join(_WATCH.replace("RECORD", shlex.quote(str(record))).split("\n"))
    # The last command's status is looked at when the next one begins. An empty line ends a line that goes on.
    return f'{prelude.strip()} {script}\n\n{{ exit "$?"; }} 2>/dev/null'


def traces(record: Path) -> Traces:
    """Read the record of a script that has ended."""
    lines = record.read_text(encoding="utf-8", errors="replace").splitlines() if record.is_file() else []
    missing = dict.fromkeys(line.removeprefix("missing ")[:_LONGEST] for line in lines if line.startswith("missing "))
    return Traces(tuple(missing), "ran" in lines)
