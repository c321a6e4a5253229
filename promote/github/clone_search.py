"""Where in the workspace the clones are."""

import os
import re
from collections import deque
from pathlib import Path

_PACKAGES = frozenset(
    {".git", ".terraform", ".tox", ".venv", "__pycache__", "node_modules", "site-packages", "vendor", "venv"}
)
"""Folders that may hold clones which a tool has made."""
_DEPTH, _FOLDERS = 4, 10_000
"""How deep and how many folders are searched."""


def find(folder: Path, workspace: Path) -> Path | None:
    """Return the folder of the clone that holds ``folder``; None: none does, from there up to ``workspace``.

    A submodule belongs to the repository around it, whose commit names the submodule's.
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
    """Return the folders of the clones that lie below ``workspace``, as after ``path:`` at actions/checkout.

    Folders of packages are not searched, nor is what lies deep. Within a clone, all belongs to that clone.
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
    """Return the folders in ``folder``, without links, and without those that hold packages of others."""
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
"""Git keeps a submodule below the git directory of its repository, or of the worktree that it is checked out in."""
