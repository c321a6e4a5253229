"""Paths in the user's repository."""

import os
from pathlib import Path

from promote.core.errors import InputError


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
            f"{path!r} lies outside the workspace",
            hint="Use a path in the checked-out repository, relative to its root.",
        )
    try:
        resolved.exists()
    except OSError as error:
        raise InputError(
            name, f"{path!r} is not a valid path: {error.strerror}", hint="Paths start at the repository's root."
        ) from error
    return resolved


def _real(path: Path) -> Path:
    """Resolve the links. Unlike with ``Path.resolve``, a link to itself is not an error."""
    return Path(os.path.realpath(path))
