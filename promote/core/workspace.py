"""Paths in the user's repository."""

import os
import re
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import partial
from glob import has_magic
from pathlib import Path

from promote.core.errors import InputError
from promote.core.redaction import quoted


def inside(workspace: Path, path: str) -> Path | None:
    """Return ``path`` with links resolved; None if it is outside of the repository or in ``.git``.

    The folder ``.git`` may contain a token from actions/checkout.

    Raises:
        OSError: The path cannot be resolved.
        RuntimeError: The links form a loop.
        ValueError: The path has a null character.

    """
    root = workspace.resolve()
    file = (root / path).resolve()
    return file if file.is_relative_to(root) and ".git" not in file.relative_to(root).parts else None


def require_inside(workspace: Path, path: str, name: str) -> Path:
    """Return ``path``, the value of the input ``name``, with links resolved. The file need not exist.

    Raises:
        InputError: The path is outside of the workspace.

    """
    resolved = _real(workspace / path)
    if not resolved.is_relative_to(_real(workspace)):
        raise InputError(
            name,
            f"{quoted(path)} lies outside the workspace",
            hint="Use a path in the checked-out repository, relative to its root.",
        )
    try:
        resolved.exists()
    except OSError as error:
        raise InputError(
            name, f"{quoted(path)} is not a valid path: {error.strerror}", hint="Paths start at the repository's root."
        ) from error
    return resolved


def matches(workspace: Path, path: str) -> list[str]:
    """Return what ``path`` names if it is a glob pattern, such as ``dist/*.zip``, sorted; otherwise return it alone.

    A file that exists is not a pattern, whatever its name. As in a shell, ``*`` matches no name that begins with a dot.
    ``**`` does not follow links, which may form a loop.
    """
    if not has_magic(path) or os.path.lexists(workspace / path):
        return [path]
    pattern = os.path.relpath(workspace / path, workspace)
    written = pattern.split("/")
    try:
        found = [file.relative_to(workspace).as_posix() for file in workspace.glob(pattern)]
    except (OSError, ValueError, re.error):
        return []
    return sorted(
        {file for file in found if not any(part.startswith(".") and part not in written for part in file.split("/"))}
    )


def require_one(workspace: Path, path: str, name: str) -> Path:
    """Return the file or directory that ``path`` names, with links resolved. It can be a glob pattern.

    Raises:
        InputError: It does not exist, is outside of the workspace, or several match the pattern.

    """
    require_inside(workspace, path, name)
    found = matches(workspace, path)
    if len(found) > 1:
        raise InputError(name, f"{quoted(path)} matches {len(found)} paths: {listed(found)}", hint="Name one of them.")
    one = require_inside(workspace, found[0], name) if found else None
    if one and ".git" in one.relative_to(_real(workspace)).parts:
        raise InputError(
            name,
            f"{quoted(path)} leads to Git's own files, which may contain a token",
            hint="Set it to the output of the build.",
        )
    if one and one.exists():
        return one
    raise InputError(
        name,
        f"{quoted(path)} {'matches nothing' if has_magic(path) else 'does not exist'} in the workspace",
        hint=_missing_hint(workspace, path),
    )


def listed(paths: Sequence[str]) -> str:
    """Return the first paths as text, and how many more there are."""
    shown = ", ".join(map(repr, paths[:_SHOWN]))
    more = len(paths) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


_SHOWN = 3
_SHORT = 4
_DEPTH, _FOLDERS, _PATHS = 5, 5_000, 20_000
"""The depth of the search for a path of a similar name, and the most folders and paths that are searched."""
_NOT_SEARCHED = frozenset({".git", ".venv", "__pycache__", "node_modules", "site-packages", "vendor", "venv"})


def _missing_hint(workspace: Path, path: str) -> str:
    """Return what to do about a path that does not exist."""
    try:
        is_empty = not any(workspace.iterdir())
    except OSError:
        is_empty = True
    if is_empty:
        return (
            "The workspace is empty: nothing was checked out or downloaded in this job. Use actions/checkout and the "
            "build, or actions/download-artifact, in steps before this one."
        )
    similar = _similar(workspace, path)
    guess = f"Did you mean {similar}? " if similar else ""
    return f"{guess}Build or download it in a step before this one. Paths start at the repository's root."


def _similar(workspace: Path, path: str) -> str:
    """Return the path in the workspace that is most similar to one that does not exist; empty if none is similar."""
    wanted = os.path.normpath(path)
    pending, known = deque([("", 0)]), list[str]()
    for _ in range(_FOLDERS):
        if not pending or len(known) > _PATHS:
            break
        folder, depth = pending.popleft()
        with suppress(OSError), os.scandir(workspace / folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                here = os.path.join(folder, entry.name)  # noqa: PTH118 - as text
                known.append(here)
                if depth < _DEPTH and entry.is_dir(follow_symlinks=False) and entry.name not in _NOT_SEARCHED:
                    pending.append((here, depth + 1))
    last = os.path.basename(wanted)  # noqa: PTH119 - as text
    is_last = partial(fnmatchcase, pat=last) if has_magic(last) else last.__eq__
    moved = next((here for here in known if is_last(os.path.basename(here))), "")  # noqa: PTH119 - as text
    lower = {here.lower(): here for here in reversed(known)}
    # In a short name, two letters that are swapped are a large part.
    cutoff = 0.75 if len(wanted) > _SHORT else 0.65
    close = get_close_matches(wanted.lower(), lower, n=1, cutoff=cutoff)
    return moved or (lower[close[0]] if close else "")


def _real(path: Path) -> Path:
    """Resolve the links. Unlike with ``Path.resolve``, a link to itself is not an error."""
    return Path(os.path.realpath(path))
