#!/opt/promote/bin/python -Iu
"""The container's entry: the action's main step or, under the name ``post`` or with that argument, its post step."""

import io
import os
import sys
from pathlib import Path

from promote.action import main, post

if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):
        # The runner reads UTF-8, whatever the locale says.
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    is_post = Path(sys.argv[0]).name == "post" or sys.argv[1:] == ["post"]
    sys.exit((post if is_post else main)(os.environ, sys.stdout))
