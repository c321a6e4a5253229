"""The user's repository as files."""

import os
from pathlib import Path

from promote.core.errors import InputError


def inside(workspace: Path, path: str) -> Path | None:
    """Give where ``path`` leads to, links followed; None: out of the repository, or to what git keeps of it.

    In its ``.git``, actions/checkout may have left a token.

    Raises:
        OSError: it cannot be found out.
        RuntimeError: the links go round in a ring.
        ValueError: it has a null character.

    """
    root = workspace.resolve()
    file = (root / path).resolve()
    return file if file.is_relative_to(root) and ".git" not in file.relative_to(root).parts else None


def require_inside(workspace: Path, path: str, name: str) -> Path:
    """Give where ``path``, which the input ``name`` gives, leads to within the workspace; it need not be there.

    Raises:
        InputError: it leads out of the workspace.

    """
    resolved = _real(workspace / path)
    if not resolved.is_relative_to(_real(workspace)):
        raise InputError(
            name,
            f"{path!r} lies outside the workspace",
            hint="Give a path within the checked-out repository, relative to its root.",
        )
    try:
        resolved.exists()
    except OSError as error:
        raise InputError(
            name, f"{path!r} is no path: {error.strerror}", hint="Paths start at the repository's root."
        ) from error
    return resolved


def _real(path: Path) -> Path:
    """Follow the links; unlike ``Path.resolve``, one that leads to itself is no error, for it leads nowhere."""
    return Path(os.path.realpath(path))
