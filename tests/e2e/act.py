"""nektos/act, which runs workflows on this machine."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ACT = Path(sys.executable).with_name("act")

Act = Callable[..., subprocess.Popen[str]]
"""Starts a workflow of this folder, with further options of act."""


def end(process: subprocess.Popen[str], *, code: int) -> str:
    """Wait for act's end and return its log."""
    log, _ = process.communicate(timeout=100)
    assert process.returncode == code, log
    return log
