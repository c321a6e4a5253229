"""A process that has loaded what the handlers of Python functions need, and whose copies run handlers.

`sandbox.workers` starts it as `python -m sandbox.handlers SCRIPT`. The script is MiniStack's, which loads a function's
code and calls its handler for each event. A copy's only argument is the path that the script would have.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
import traceback
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NoReturn

from sandbox.forks import serve

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType

LOADED = (importlib, json, os, sys, time, traceback)
"""What the script imports."""


def main() -> None:
    """Serve copies until there are no more requests."""
    script = compile(sys.argv[1], "_worker.py", "exec")

    def run(arguments: Sequence[str]) -> NoReturn:
        execute(script, arguments[0])

    gc.collect()
    gc.freeze()
    serve(run)


def execute(script: CodeType, path: str) -> NoReturn:
    """Run the script as `python PATH` does. The function may have modules with the sandbox's names."""
    for name in [name for name in sys.modules if name.split(".")[0] == "sandbox"]:
        del sys.modules[name]
    sys.argv = [path]
    sys.path[0] = str(Path(path).parent)
    sys.modules["__main__"] = ModuleType("__main__")
    exec(script, vars(sys.modules["__main__"]))  # noqa: S102 - MiniStack's script
    sys.exit()


if __name__ == "__main__":
    main()
