"""The user's repository as files."""

from pathlib import Path


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
