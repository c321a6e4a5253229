"""Find the clones in the workspace."""

import os
import re
from collections import deque
from pathlib import Path

_PACKAGES = frozenset(
    {".git", ".terraform", ".tox", ".venv", "__pycache__", "node_modules", "site-packages", "vendor", "venv"}
)
"""Folders that may contain clones created by tools."""
_DEPTH, _FOLDERS = 4, 10_000
"""The depth of the search, and the most folders that are searched."""


def find(folder: Path, workspace: Path) -> Path | None:
    """Return the folder of the clone that contains ``folder``, within ``workspace``; None if there is none.

    A submodule belongs to the repository around it, whose commit refers to the submodule's commit.
    """
    submodule: Path | None = None
    for here in (folder, *folder.parents):
        if not here.is_relative_to(workspace):
            break
        if os.path.lexists(here / ".git"):
            if not _is_submodule(here / ".git"):
                return here
            submodule = submodule or here
    return submodule


def below(workspace: Path) -> list[Path]:
    """Return the folders of the clones below ``workspace``, such as those of actions/checkout with ``path:``.

    Folders of packages and deep folders are not searched. All folders in a clone belong to that clone.
    """
    found: list[Path] = []
    pending = deque([(workspace, 0)])
    for _ in range(_FOLDERS):
        if not pending:
            break
        here, depth = pending.popleft()
        if depth and os.path.lexists(here / ".git") and not _is_submodule(here / ".git"):
            found.append(here)
        elif depth < _DEPTH:
            pending.extend((folder, depth + 1) for folder in _folders(here))
    return sorted(found)


def _folders(folder: Path) -> list[Path]:
    """Return the folders in ``folder``, without links and folders of packages."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return [folder / name for name in sorted(names) if name not in _PACKAGES]


def _is_submodule(file: Path) -> bool:
    try:
        target = file.read_text(encoding="utf-8", errors="surrogateescape") if file.is_file() else ""
    except OSError:
        return False
    return bool(_SUBMODULE.match(target))


_SUBMODULE = re.compile(r"gitdir:\s*(.*/)?(\.git|worktrees/[^/]+)/modules/(?!.*/\.git/)")
"""Git keeps a submodule below the git directory of its repository or of its worktree."""
