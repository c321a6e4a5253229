"""The container's entry: the action's main step."""

import io
import os
import sys

from promote.action import main

if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):
        # The runner reads UTF-8, whatever the locale says.
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    sys.exit(main(os.environ, sys.stdout))
