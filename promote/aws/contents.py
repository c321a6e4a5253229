"""What is in a .zip archive, at the paths to which Lambda unpacks it, and what in it will not work."""

import posixpath
import re
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from promote.core.errors import InputError
from promote.core.workspace import listed

_UNIX = frozenset({3, 19})
"""Unix and macOS, whose archives have modes: APPNOTE.TXT, 4.4.2."""

_POINTER = b"version https://git-lfs.github.com/spec/"
_POINTER_SIZES = range(100, 300)
"""How a pointer of Git LFS begins, and how many bytes it has. https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md"""

_HOPS = 40
"""The most links that Linux follows to one file."""


@dataclass(frozen=True)
class Contents:
    """The entries of an archive. Names have no ``./``; folders end without ``/``."""

    modes: Mapping[str, int | None]
    """The permissions of each file; None if the archive has none, as from Windows."""
    links: Mapping[str, str]
    """What each link points to. Links are also in ``modes``."""
    folders: frozenset[str] = frozenset()
    """The folders, also those that have no entry, and ``.`` for the root."""
    pointers: tuple[str, ...] = ()
    """Pointers of Git LFS, in place of files."""
    outside: tuple[str, ...] = ()
    """Names that are absolute or lead out of the archive. The latter are not files of the function."""
    scripts: tuple[str, ...] = ()
    """Scripts that begin with ``#!`` and are not executable."""
    keys: tuple[str, ...] = ()
    """Files with a private key."""
    closed: tuple[str, ...] = ()
    """Folders that not everyone may read and enter."""

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of all files and links."""
        return frozenset(self.modes)

    def follow(self, name: str) -> str | None:
        """Return ``name`` with links resolved, also links of folders; None if they leave the archive or form a loop."""
        hops = 0
        pending, path = name.split("/")[::-1], ""
        while pending:
            path = posixpath.normpath(posixpath.join(path, pending.pop()))
            if path.startswith(".."):
                return None
            target = self.links.get(path)
            if target is None:
                continue
            hops += 1
            target = posixpath.normpath(posixpath.join("/var/task", posixpath.dirname(path), target))
            if hops > _HOPS or not f"{target}/".startswith("/var/task/"):
                return None
            pending += filter(None, target.removeprefix("/var/task").split("/")[::-1])
            path = ""
        return path or "."

    def has_file(self, name: str) -> bool:
        """Whether a name leads to a file: in the archive, or in a folder of Lambda that is not known here."""
        found = self.follow(name)
        return found is None or found in self.modes

    def is_readable(self, name: str) -> bool:
        """Whether everyone may read a file. Lambda runs functions as a user that does not own it."""
        return self._allows(name, stat.S_IROTH, unknown=True)

    def is_executable(self, name: str) -> bool:
        """Whether everyone may start a file."""
        return self._allows(name, stat.S_IXOTH, unknown=False)

    def _allows(self, name: str, bit: int, *, unknown: bool) -> bool:
        found = self.follow(name)
        if found is None:
            return True  # such as a file of a layer, which is not known here
        mode = self.modes.get(found)
        return unknown if mode is None else bool(mode & bit)


def read_contents(archive: zipfile.ZipFile) -> Contents:
    """Read the entries. Only links, and files that may be scripts, pointers or private keys, are unpacked."""
    modes: dict[str, int | None] = {}
    links: dict[str, str] = {}
    folders: list[str] = []
    pointers: list[str] = []
    outside: list[str] = []
    scripts: list[str] = []
    keys: list[str] = []
    closed: list[str] = []
    for entry in archive.infolist():
        name = posixpath.normpath(entry.filename)
        if name.startswith(("/", "../")):
            outside.append(entry.filename)
        name = name.lstrip("/")
        if name.startswith("../"):
            continue
        mode = entry.external_attr >> 16 if entry.create_system in _UNIX else 0
        # ZipInfo.is_dir raises IndexError where a damaged archive has an empty name.
        if entry.filename.endswith("/"):
            folders.append(name)
            if mode and ~mode & (stat.S_IROTH | stat.S_IXOTH):
                closed.append(f"{name}/")
            continue
        modes[name] = stat.S_IMODE(mode) if mode else None
        if stat.S_ISLNK(mode):
            modes[name] = None
            links[name] = _beginning(archive, entry, 4096).decode(errors="replace")
        elif entry.file_size in _POINTER_SIZES and _beginning(archive, entry, len(_POINTER)) == _POINTER:
            pointers.append(name)
        elif _may_be_script(name) and not mode & stat.S_IXOTH and _beginning(archive, entry, 2) == b"#!":
            scripts.append(name)
        elif _may_be_key(name, entry.file_size) and _KEY.search(_beginning(archive, entry, _KEY_SIZE)):
            keys.append(name)
    return Contents(
        modes=modes,
        links=links,
        folders=_with_parents(modes, folders),
        pointers=tuple(pointers),
        outside=tuple(outside),
        scripts=tuple(scripts),
        keys=tuple(keys),
        closed=tuple(closed),
    )


def _may_be_script(name: str) -> bool:
    """Whether a name is that of a program: ``bin/migrate``, ``start.sh``. Python or Node read others as modules."""
    return name.endswith(".sh") or "." not in posixpath.basename(name)


def _may_be_key(name: str, size: int) -> bool:
    """Whether a file may have a private key. Packages have many JSON files. That of an account is small."""
    suffix = posixpath.splitext(name.lower())[1]
    return not _is_of_package(name) and (suffix in (".key", ".pem") or (suffix == ".json" and size <= _KEY_SIZE))


def _with_parents(names: Iterable[str], folders: Iterable[str]) -> frozenset[str]:
    """Return the folders of an archive, also those that it only has as a part of names."""
    found = {".", *folders}
    for name in (*names, *folders):
        above = posixpath.dirname(name)
        while above and above not in found:
            found.add(above)
            above = posixpath.dirname(above)
    return frozenset(found)


def _beginning(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, size: int) -> bytes:
    """Return the first bytes of an entry; nothing if it is damaged or encrypted, which is found elsewhere."""
    try:
        with archive.open(entry) as file:
            return file.read(size)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError, ValueError):
        return b""


def is_pointer(file: Path) -> bool:
    """Whether a file on disk is a pointer of Git LFS."""
    with file.open("rb") as source:
        return source.read(len(_POINTER)) == _POINTER


def pointer_error(what: str) -> InputError:
    """Return the error for a pointer of Git LFS."""
    return InputError(
        "artifact",
        f"{what} is a pointer of Git LFS, not the file itself",
        hint="Check out with lfs: true at actions/checkout, or run git lfs pull before the build.",
    )


def require_deployable(contents: Contents, shown: str, *, is_directory: bool) -> None:
    """Refuse contents that are certainly not the code.

    Raises:
        InputError: There is a pointer of Git LFS, or the only file is another archive.

    """
    if contents.pointers:
        raise pointer_error(f"{listed(contents.pointers)} in {shown!r}")
    inner = _only_archive(contents.names)
    if inner:
        raise InputError(
            "artifact",
            f"{shown!r} has only the archive {inner!r}, and Lambda does not unpack an archive in an archive",
            hint=f"Set artifact to {posixpath.join(shown, inner)}."
            if is_directory
            else "Unpack it, and set artifact to the archive inside.",
        )


def _only_archive(names: Iterable[str]) -> str:
    """Return the archive that is the only file; empty if there is none. Java functions load archives from ``lib``."""
    found = list(names)
    is_archive = len(found) == 1 and re.search(r"\.(zip|jar|war)$", found[0], re.IGNORECASE)
    return found[0] if is_archive and not found[0].startswith("lib/") else ""


def warnings(contents: Contents, shown: str, origins: Mapping[str, str]) -> Iterator[str]:
    """Yield what may not work, or may not be meant, with what to do. ``origins``: see ``archive.pack``."""
    secret = sorted(
        name for name in contents.names if is_secret(name) or name in contents.keys or is_secret(origins.get(name, ""))
    )
    if secret:
        yield (
            f"{shown!r} has {listed(secret)}. Such files often contain secrets, and everyone who may read the "
            "function's code can read them. If the function does not need them, remove them before this step."
        )
    unreadable = sorted({*contents.closed, *(name for name in contents.names if not contents.is_readable(name))})
    if unreadable:
        yield (
            f"{shown!r} has {listed(unreadable)} with permissions that do not let everyone read. Lambda runs the "
            f"function as another user, which gets 'Permission denied'. {_MODES_HINT}"
        )
    if contents.scripts:
        yield (
            f"{shown!r} has {listed(contents.scripts)}, which is not executable. If the function starts it, it gets "
            f"'Permission denied'. {_MODES_HINT}"
        )
    if contents.outside:
        yield (
            f"{shown!r} has {listed(contents.outside)}, which is not a path in the function's folder. Do not rely on "
            "it: AWS does not document what Lambda does with it."
        )
    flat = sorted(name for name in contents.names if "\\" in name)
    if flat:
        yield f"{shown!r} has {listed(flat)}. {BACKSLASHES}"
    missing = sorted(name for name in contents.links if not _leads_somewhere(contents, name))
    if missing:
        yield (
            f"{shown!r} has the link {listed(missing)}, whose target is not in the archive. If the function needs it, "
            "add its target."
        )


def _leads_somewhere(contents: Contents, name: str) -> bool:
    """Whether a link leads to something in the archive, or out of it to a folder of Lambda."""
    found = contents.follow(name)
    return found is None or found in contents.modes or found in contents.folders


_MODES_HINT = (
    "Set artifact to the directory, which the action packs with the right permissions; or use chmod before zip."
)

BACKSLASHES = (
    "Its path has backslashes, which Lambda does not take as folders: it unpacks such a file at the root. Build the "
    "archive with a tool that writes slashes, or set artifact to the directory."
)
"""Reported in https://github.com/aws/aws-cli/issues/8501."""

_SECRET = re.compile(
    r"(^|/)(\.env(\..+)?|[^/]+\.env|\.envrc|\.npmrc|\.yarnrc(\.yml)?|\.pypirc|[._]netrc|\.git-credentials|\.dockercfg"
    r"|gha-creds-[^/]*\.json|id_(rsa|dsa|ecdsa|ed25519)|[^/]*\.tfstate(\.[^/]*backup)?|[^/]*\.tfvars(\.json)?"
    r"|credentials(\.json)?|\.aws/.*|\.ssh/.*|\.kube/.*|\.docker/config\.json)$",
    re.IGNORECASE,
)
_SAMPLE = re.compile(r"\.(dist|defaults?|example|sample|template|tmpl)$", re.IGNORECASE)
_KEY = re.compile(rb'-----BEGIN [A-Z ]*PRIVATE KEY-----|"private_key"\s*:\s*"')
"""A private key in PEM format, and that of a service account of Google in JSON."""
_KEY_SIZE = 16384
"""Bytes in which it is looked for. A certificate may be before it."""
_PACKAGES = frozenset({"node_modules", "site-packages"})
"""Folders of packages from registries. What is in them is public already."""


def is_secret(name: str) -> bool:
    """Whether files with this name often contain secrets. A name from Windows may have backslashes."""
    path = name.replace("\\", "/")
    return bool(_SECRET.search(path)) and not _SAMPLE.search(path) and not _is_of_package(name)


def _is_of_package(name: str) -> bool:
    return not _PACKAGES.isdisjoint(re.split(r"[/\\]", name))
