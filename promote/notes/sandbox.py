"""Render a user's template in a separate process with limits: ``python -m promote.notes.sandbox``.

Jinja's sandbox limits a template to its values. It does not prevent endless loops, or the use of all memory. The
standard input comes only from the action's process, and the output is JSON.
"""

import json
import pickle
import resource
import sys
from contextlib import suppress

SECONDS = 3
"""The limit of CPU time. A usual template takes hundredths of a second."""
_MEMORY = 1 << 29
"""The limit of the address space in bytes. A usual template needs a tenth of it."""


def main() -> None:
    """Render the task from the standard input."""
    # At the first limit, the process gets a signal. At the second one, it is killed.
    cpu, memory, core = (SECONDS, SECONDS + 1), (_MEMORY, _MEMORY), (0, 0)
    for limit, values in ((resource.RLIMIT_CPU, cpu), (resource.RLIMIT_AS, memory), (resource.RLIMIT_CORE, core)):
        with suppress(ValueError, OSError):  # already lower, or not supported by the system
            resource.setrlimit(limit, values)
    from promote.notes.template_values import Refused  # noqa: PLC0415 - under the limits

    task = pickle.load(sys.stdin.buffer)  # noqa: S301 - written by the action's process
    try:
        result: dict[str, object] = {"markdown": task.done()}
    except Refused as error:
        result = {"problem": error.problem, "hint": error.hint, "line": error.line}
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    main()
