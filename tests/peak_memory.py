"""Run a command and write its peak memory in KB into a file: ``python -IS peak_memory.py FILE COMMAND...``.

Linux counts the memory of the parent process as memory of the child at its start, so this process must be small.
"""

import os
import sys


def main() -> int:
    """Run the command and return its exit code."""
    file, *command = sys.argv[1:]
    process = os.posix_spawn(command[0], command, os.environ)
    _, status, usage = os.wait4(process, 0)
    with open(file, "w", encoding="ascii") as sink:  # noqa: PTH123 - pathlib would add to the memory
        sink.write(str(usage.ru_maxrss // (1024 if sys.platform == "darwin" else 1)))
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
