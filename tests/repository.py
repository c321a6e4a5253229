"""A git repository for a test, independent of the user's git configuration."""

import hashlib
import os
import subprocess
import zlib
from collections.abc import Sequence
from pathlib import Path


def environment(folder: Path) -> dict[str, str]:
    """Return the environment variables for git in ``folder``."""
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}


def git(folder: Path, *arguments: str) -> str:
    """Run git in ``folder`` and return its output."""
    done = subprocess.run(  # noqa: S603 - the tests' own arguments
        ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *arguments],  # noqa: S607 - whatever git there is
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        env=environment(folder),
    )
    return done.stdout.strip()


def commit(folder: Path, message: str) -> str:
    """Commit everything, also without changes, and return the commit."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(folder, "rev-parse", "HEAD")


def readable_names(numbers: int) -> tuple[str, ...]:
    """Return readable names of commits: so many numbers, the oldest 0, followed by ``"1" * 40`` to ``"f" * 40``."""
    return (*(f"{number:040x}" for number in range(numbers)), *(digit * 40 for digit in "123456789abcdef"))


NAMES = readable_names(20)
"""Each step reads all of them, so a longer history takes time."""


def line(folder: Path, names: Sequence[str] = NAMES) -> None:
    """Create a history in ``folder`` without git: commits with these names, one after the other.

    Each name is replaced by a commit: https://git-scm.com/docs/git-replace.
    None is checked out, so ``GITHUB_SHA`` is the deployed commit. A second call replaces the history.
    """
    store, who, parent, refs = folder / ".git", "A <a@example.com>", "", []
    (store / "refs").mkdir(parents=True, exist_ok=True)
    for place, name in enumerate(names):
        at = f"{1_700_000_000 + place} +0000"
        text = f"tree {_EMPTY}\n{parent}author {who} {at}\ncommitter {who} {at}\n\ncommit {name}\n".encode()
        content = b"commit %d\0%s" % (len(text), text)
        sha = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        (store / "objects" / sha[:2]).mkdir(parents=True, exist_ok=True)
        (store / "objects" / sha[:2] / sha[2:]).write_bytes(zlib.compress(content))
        refs.append(f"{sha} refs/replace/{name}\n")
        parent = f"parent {name}\n"
    (store / "packed-refs").write_text("".join(refs))
    (store / "HEAD").write_text("ref: refs/heads/main\n")


_EMPTY = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""The tree without files."""
