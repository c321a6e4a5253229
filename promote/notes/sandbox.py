"""Renders a template of somebody's own, in a process of its own with limits: ``python -m promote.notes.sandbox``.

Jinja's sandbox keeps a template from everything but its values; it does not keep it from going on for ever, or from
filling the memory. What this reads from standard input comes from our own process alone; what it writes is JSON.
"""

import json
import pickle
import resource
import sys
from contextlib import suppress

SECONDS = 3
"""Of computing. An ordinary template takes hundredths of one."""
_MEMORY = 1 << 29
"""Bytes of address space; a tenth of that is in use."""


def main() -> None:
    """Render the task that standard input holds."""
    # Where the first of the two is reached, the signal says so; at the second it can only be killed.
    cpu, memory, core = (SECONDS, SECONDS + 1), (_MEMORY, _MEMORY), (0, 0)
    for limit, values in ((resource.RLIMIT_CPU, cpu), (resource.RLIMIT_AS, memory), (resource.RLIMIT_CORE, core)):
        with suppress(ValueError, OSError):  # lower already, or not known to this system
            resource.setrlimit(limit, values)
    from promote.notes.template_values import Refused  # noqa: PLC0415 - under the limits

    task = pickle.load(sys.stdin.buffer)  # noqa: S301 - our own process has written it
    try:
        answer: dict[str, object] = {"markdown": task.done()}
    except Refused as error:
        answer = {"problem": error.problem, "hint": error.hint, "line": error.line}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
