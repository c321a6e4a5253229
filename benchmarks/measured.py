"""Run a command and write down the most memory that it has had: ``python -IS measured.py FILE COMMAND...``.

A process begins with the memory of the one that starts it, as far as Linux counts: so that one has to be small.
"""

import os
import sys


def main() -> int:
    """Run the command; give its exit code."""
    file, *command = sys.argv[1:]
    process = os.posix_spawn(command[0], command, os.environ)
    _, status, usage = os.wait4(process, 0)
    with open(file, "w", encoding="ascii") as sink:  # noqa: PTH123 - pathlib would add to the memory
        sink.write(str(usage.ru_maxrss // (1024 if sys.platform == "darwin" else 1)))
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
