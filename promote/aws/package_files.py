"""What is packed of a directory: files, links and empty folders.

Lambda keeps links. So a link within the directory stays a link, which matters for pnpm, whose ``node_modules`` consists
of links. A link that leaves the directory is followed within the workspace. Each file and folder out there is packed
once. Other links to it become links to that one place.
"""

import errno
import os
import posixpath
import re
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from promote.core.errors import InputError

_LEFT_OUT = frozenset({".git", "__pycache__", ".DS_Store"})
"""Names that are not part of a function. They differ between builds, and would change the digest."""

_LAMBDA_FOLDERS = ("/opt", "/tmp", "/mnt", "/var/task", "/var/runtime", "/var/lang")  # noqa: S108 - in Lambda
"""Folders that exist where the function runs: of layers, for temporary files, of mounted file systems, and others.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

_STORE = re.compile(r"(?P<unit>.*/(?P<place>node_modules/\.[^/]+/[^/]+))/node_modules/.")
"""A package in the store of pnpm or of a similar tool: ``node_modules/.pnpm/name@1.0.0/node_modules/name``.

The packages that it needs are beside it, as links.
"""


@dataclass(frozen=True, slots=True)
class PackedFile:
    """An entry of the archive: a file, a link, or an empty folder."""

    name: str
    """The name in the archive. That of a folder ends with ``/``."""
    path: str = ""
    """The file on disk. It is empty for links and folders."""
    size: int = 0
    is_executable: bool = False
    """Whether its mode says so."""
    target: str = ""
    """What a link points to."""

    @property
    def is_folder(self) -> bool:
        """Whether it is an empty folder."""
        return self.name.endswith("/")


def find_files(directory: Path, workspace: Path) -> Iterator[PackedFile]:
    """Yield what is packed of ``directory``, always in the same order, which is not that of the names.

    Raises:
        InputError: An entry cannot be packed.
        OSError: A folder cannot be read.

    """
    return _Walk(directory, workspace).entries()


class _Walk:
    """One walk through a directory, and through what its links lead to. Folders are visited level by level."""

    def __init__(self, directory: Path, workspace: Path) -> None:
        self._root = os.path.realpath(directory)
        self._workspace = os.path.realpath(workspace)
        self._placed = {self._root: ""}
        """The names in the archive of the directory, and of each file and folder that a link out of it led to."""
        self._pending = deque([(self._root, "")])
        self._units: set[str] = set()
        """The names in the archive of the packages from stores out of the directory."""

    def entries(self) -> Iterator[PackedFile]:
        while self._pending:
            folder, name = self._pending.popleft()
            yield from self._folder(folder, name)

    def _folder(self, folder: str, inside: str) -> Iterator[PackedFile]:
        """Yield the files and links of one folder. ``folder`` has no links in it."""
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        kept = [entry for entry in entries if entry.name not in _LEFT_OUT]
        names = {entry.name for entry in kept}
        is_out = not _is_within(folder, self._root)
        is_empty = True
        for entry in kept:
            if entry.name.endswith(".pyc") and entry.name[:-1] in names:
                continue  # Python writes it from the source
            is_empty = False
            name = f"{inside}/{entry.name}" if inside else entry.name
            _require_utf8(name)
            if entry.is_symlink():
                yield from self._link(entry.path, name)
            elif is_out and entry.path in self._placed:
                yield _link(name, self._placed[entry.path])
            elif entry.is_dir(follow_symlinks=False):
                self._pending.append((entry.path, name))
            else:
                yield _file(name, entry.path, entry.stat(follow_symlinks=False))
        if is_empty and inside:
            yield PackedFile(f"{inside}/")

    def _link(self, path: str, name: str) -> Iterator[PackedFile]:
        """Yield a link, or what it leads to."""
        text = os.readlink(path)  # noqa: PTH115 - as text
        _require_utf8(text)
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), text))
        if text.startswith("/") and _is_lambdas(target) and not _is_within(target, self._workspace):
            yield PackedFile(name, target=text)
            return
        try:
            real = os.path.realpath(path, strict=True)
        except OSError as error:
            yield self._broken(name, text, target, error)
            return
        # A target with ".." behind a link may be elsewhere than its text says.
        for found in (target, real) if os.path.realpath(target) == real else (real,):
            if (there := self._name_of(found)) is not None:
                is_as_written = posixpath.normpath(posixpath.join(posixpath.dirname(name), text)) == (there or ".")
                yield PackedFile(name, target=text) if is_as_written else _link(name, there)
                return
        self._require_inside(name, real)
        unit = self._unit(real)
        if unit:
            place, there = unit
            self._placed[place] = there
            self._pending.append((place, there))
            yield _link(name, there + real[len(place) :])
            return
        self._placed[real] = name
        if os.path.isdir(real):  # noqa: PTH112 - as text
            self._pending.append((real, name))
        else:
            yield _file(name, real, os.stat(real))  # noqa: PTH116 - as text

    def _name_of(self, path: str) -> str | None:
        """Return the name in the archive of a file or folder; None if it is not in it."""
        here, rest = path, ""
        while here not in self._placed:
            here, slash, last = here.rpartition("/")
            if not slash:
                return None
            rest = f"/{last}{rest}"
        if ".git" in rest.split("/"):
            return None
        return (self._placed[here] + rest).removeprefix("/")

    def _unit(self, real: str) -> tuple[str, str] | None:
        """Return the folder of a store that holds a package with its dependencies, and its name in the archive."""
        match = _STORE.match(real)
        if not match:
            return None
        place = match["place"]
        while place in self._units or os.path.lexists(posixpath.join(self._root, place)):
            place += "+"
        first, second, _ = place.split("/", 2)
        if any(os.path.islink(posixpath.join(self._root, folder)) for folder in (first, f"{first}/{second}")):  # noqa: PTH114 - as text
            return None
        self._units.add(place)
        return match["unit"], place

    def _require_inside(self, name: str, real: str) -> None:
        """Refuse to follow a link out of the workspace or to Git's files, which may contain a token."""
        if not _is_within(real, self._workspace):
            raise InputError(
                "artifact",
                f"the link {name!r} leads out of the workspace",
                hint="Replace it with a copy of its target. If its target is in the workspace, make the link relative.",
            )
        if ".git" in real[len(self._workspace) :].split("/"):
            raise InputError("artifact", f"the link {name!r} leads to Git's own files", hint="Remove the link.")

    def _broken(self, name: str, text: str, target: str, error: OSError) -> PackedFile:
        """Return a link whose target is missing, if it may stay.

        Package managers leave broken links in ``node_modules``. A chain of links may end in a folder of Lambda.
        """
        is_loop = error.errno == errno.ELOOP
        end = os.path.realpath(target)
        is_chain = self._name_of(target) is not None and _is_lambdas(end) and not _is_within(end, self._workspace)
        is_layers = _is_within(posixpath.normpath(posixpath.join("/var/task", posixpath.dirname(name), text)), "/opt")
        is_left_over = "node_modules" in name.split("/")[:-1]
        if not is_loop and not text.startswith("/") and (is_chain or is_layers or is_left_over):
            return PackedFile(name, target=text)
        if not _is_within(target, self._workspace):
            self._require_inside(name, target)
        raise InputError(
            "artifact",
            f"{name!r} is a broken link: {'it leads to itself' if is_loop else f'{text!r} does not exist'}",
            hint="Remove it from the directory, or create its target.",
        )


def _file(name: str, path: str, status: os.stat_result) -> PackedFile:
    if not stat.S_ISREG(status.st_mode):
        raise InputError("artifact", f"{name!r} is not a regular file", hint="Remove it from the directory.")
    return PackedFile(name, path, status.st_size, bool(status.st_mode & 0o111))


def _link(name: str, there: str) -> PackedFile:
    """Return a link to ``there``, another name in the archive."""
    return PackedFile(name, target=posixpath.relpath(there or ".", posixpath.dirname(name) or "."))


def _require_utf8(name: str) -> None:
    if name.encode(errors="replace").decode() != name:
        raise InputError("artifact", f"{name!r} is not a valid file name in a .zip", hint="Rename it, in UTF-8.")


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _is_lambdas(path: str) -> bool:
    """Whether a path is in a folder that exists where the function runs."""
    return any(_is_within(path, folder) for folder in _LAMBDA_FOLDERS)
