"""A clone of a git repository, read from its files: where it is, what is checked out, its commits and its tags.

Git's own rules hold for what a commit's parents are: those of a graft (``info/grafts``) or of a replacement
(``refs/replace``) count in place of the commit's own. dulwich reads objects and refs. Its parser of commits is not
used: it refuses commits that git takes, such as one without an address or a time zone.
"""

import os
import re
import zlib
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from promote.github.ancestry import Id

if TYPE_CHECKING:
    from dulwich.config import ConfigFile
    from dulwich.refs import Ref, RefsContainer


class CloneError(Exception):
    """The clone cannot be read; the text says why."""

    def __init__(self, message: str, hint: str = "") -> None:
        """Take why, and what to do about it in particular; empty: to check out again."""
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class RawCommit:
    """A commit as it is stored."""

    parents: tuple[Id, ...]
    author: bytes
    """Name, address and time, if they are there."""
    committer: bytes
    encoding: bytes
    """Of the names and the message; empty: UTF-8."""
    message: bytes

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Read the content of a commit object.

        Raises:
            CloneError: git does not take it for a commit.

        """
        head, _, message = content.partition(b"\n\n")
        headers: dict[bytes, bytes] = {}
        for line in head.split(b"\n"):
            name, _, value = line.partition(b" ")
            headers.setdefault(name, value)
        author, committer = headers.get(b"author", b""), headers.get(b"committer", b"")
        return cls(links(content)[0], author, committer, headers.get(b"encoding", b""), message)


def links(content: bytes) -> tuple[tuple[Id, ...], int]:
    """Return the parents of a commit, and when it was committed (0: it does not say), from its content.

    Git takes for parents what stands between the tree and the author, and nothing that comes later.

    Raises:
        CloneError: git does not take it for a commit.

    """
    place = content.find(b"\n") + 1
    size = place - len(b"tree \n")
    if size not in _LENGTHS or not content.startswith(b"tree "):
        raise CloneError("a commit in it has no tree")
    parents: list[Id] = []
    while content.startswith(b"parent ", place):
        parents.append(content[place + 7 : place + 7 + size])
        place += size + 8
    start = content.find(b"\ncommitter ", place - 1)
    return tuple(parents), seconds(content[start : content.find(b"\n", start + 1)]) if start >= 0 else 0


def seconds(person: bytes) -> int:
    """Return the time at the end of an ``author`` or ``committer`` line; 0 if there is none."""
    words = person.rpartition(b">")[2].split()
    if words and words[0].isdigit() and len(words[0]) <= _DIGITS:
        return int(words[0])
    found = _TIME.search(person)
    return int(found[1]) if found else 0


def signature(person: bytes) -> bytes:
    """Return an ``author`` or ``committer`` line without the time at its end."""
    return _TIME.sub(b"", person)


_TIME = re.compile(rb"(?:(?<=>)|^|[ ])[ ]*(-?\d{1,18})(?: [+-]\d+)?\s*$")


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


class Clone:
    """A clone. Each method raises CloneError where it cannot be read, and KeyError for what it does not have."""

    def __init__(self, folder: Path) -> None:
        """Open the clone whose ``.git`` lies in ``folder``."""
        from dulwich.object_format import get_object_format  # noqa: PLC0415 - needed only where there is a clone
        from dulwich.object_store import DiskObjectStore  # noqa: PLC0415 - the same

        self._folder = _git_directory(folder)
        shared = _line(self._folder / "commondir")
        self._shared = self._folder / shared if shared else self._folder
        extensions = _extensions(self._shared / "config")
        if unknown := extensions.keys() - _EXTENSIONS:
            raise CloneError(f"it uses the git extension {min(unknown)}")
        self._has_table = extensions.get("refstorage") == "reftable"
        self._store: DiskObjectStore = DiskObjectStore(
            str(self._shared / "objects"), object_format=get_object_format(extensions.get("objectformat", "sha1"))
        )
        self._read = _read_in(self._shared)
        self._links: dict[Id, tuple[tuple[Id, ...] | None, int]] = {}

    def close(self) -> None:
        """Close its files."""
        self._store.close()

    @property
    def head(self) -> str:
        """The commit that is checked out; empty: none was made yet."""
        found = self._refs.follow(_ref("HEAD"))[1]
        return found.decode() if found else ""

    @property
    def pull(self) -> str:
        """The ref of a pull request that is checked out, such as ``pull/5/merge``; empty: none is.

        actions/checkout leaves it in ``refs/remotes``.
        """
        head = self.head.encode()
        found = self._refs.as_dict(_ref("refs/remotes/pull"))
        return min((f"pull/{name.decode(errors='replace')}" for name, at in found.items() if at == head), default="")

    @property
    def repository(self) -> str:
        """The ``owner/name`` that it was cloned from, in lower case; empty: its address does not say."""
        url = _setting(self._shared / "config", "remote", "origin", "url")
        found = re.fullmatch(r"(?:(?:https?|ssh|git)://[^/]+/|[^/:]+:/?)([^/:]+/[^/:]+?)(?:\.git)?/*", url)
        return found[1].lower() if found else ""

    @cached_property
    def is_shallow(self) -> bool:
        """Whether its history was cut off."""
        return bool(self._border)

    def commit(self, commit: Id) -> RawCommit:
        """Return a commit, or what replaces it."""
        return RawCommit.of(self._content(commit))

    def parents(self, commit: Id) -> tuple[Id, ...] | None:
        """Return the parents of ``commit``, as git has them; None: they are not in the clone."""
        return (self._links.get(commit) or self._linked(commit))[0]

    def time(self, commit: Id) -> int:
        """Return when it was committed, in seconds since 1970; 0: it does not say."""
        return (self._links.get(commit) or self._linked(commit))[1]

    def _linked(self, commit: Id) -> tuple[tuple[Id, ...] | None, int]:
        """Find out the parents and the time of a commit."""
        found: tuple[tuple[Id, ...] | None, int]
        name = self._replacements.get(commit, commit)
        try:
            if name not in self._read:
                self._read[name] = links(self._content(name))
            found = self._read[name]
        except KeyError:
            found = None, 0
        if commit in self._border:
            found = None, found[1]
        elif commit in self._grafts:
            found = self._grafts[commit], found[1]
        self._links[commit] = found
        return found

    def tags(self) -> list[str]:
        """Return the names of all tags."""
        return [name.decode("utf-8", "replace") for name in self._refs.as_dict(_ref("refs/tags"))]

    def tagged(self, tag: str) -> Id:
        """Return the commit that ``tag`` is of."""
        found: Id = self._refs[_ref(f"refs/tags/{tag}")]
        kind, content = self._object(found)
        while kind == _TAG:
            target = re.match(rb"object ([0-9a-f]{40,64})\n", content)
            if not target:
                raise CloneError(f"the tag {tag} in it is damaged")
            found = target[1]
            kind, content = self._object(found)
        if kind != _COMMIT:
            raise KeyError(tag)
        return found

    def _content(self, commit: Id) -> bytes:
        kind, content = self._object(commit)
        if kind != _COMMIT:
            raise KeyError(commit)
        return content

    def _object(self, name: Id) -> tuple[int, bytes]:
        from dulwich.objects import ObjectID  # noqa: PLC0415 - as above

        if len(name) not in _LENGTHS or name.translate(None, b"0123456789abcdef"):
            raise KeyError(name)
        name = self._replacements.get(name, name)
        try:
            return self._store.get_raw(ObjectID(name))
        except KeyError:
            raise
        except Exception:
            # Of objects that are not packed, dulwich does use its parser.
            found = self._loose(name.decode())
            if found is None:
                raise
            return found

    def _loose(self, name: str) -> tuple[int, bytes] | None:
        """Read a commit that is a file of its own; None: it is not."""
        for store in (self._store, *self._store.alternates):
            file = Path(os.fspath(getattr(store, "path", ""))) / name[:2] / name[2:]
            if file.is_file():
                header, end, content = zlib.decompressobj().decompress(file.read_bytes(), _LARGEST).partition(b"\0")
                return (_COMMIT, content) if end and header == b"commit %d" % len(content) else None
        return None

    @cached_property
    def _refs(self) -> "RefsContainer":
        if self._has_table:
            from dulwich.reftable import ReftableRefsContainer  # noqa: PLC0415 - seldom needed

            return ReftableRefsContainer(str(self._shared))
        from dulwich.refs import DiskRefsContainer  # noqa: PLC0415 - as above

        return DiskRefsContainer(str(self._shared), str(self._folder))

    @cached_property
    def _replacements(self) -> Mapping[Id, Id]:
        """The object that counts in the place of another one."""
        found = {bytes(name): bytes(other) for name, other in self._refs.as_dict(_ref("refs/replace")).items()}
        for name, other in found.items():
            for _ in range(_REPLACEMENTS):
                found[name] = other = found.get(other, other)  # noqa: PLW2901 - the end of the chain is what counts
        return found

    @cached_property
    def _border(self) -> frozenset[Id]:
        """The commits whose parents were left out when it was cloned."""
        return frozenset(_text(self._shared / "shallow").split())

    @cached_property
    def _grafts(self) -> Mapping[Id, tuple[Id, ...]]:
        """The parents that commits were given: https://git-scm.com/docs/gitrepository-layout, info/grafts."""
        lines = (line.split() for line in _text(self._shared / "info" / "grafts").splitlines())
        return {words[0]: tuple(words[1:]) for words in lines if words and not words[0].startswith(b"#")}


@contextmanager
def opened(folder: Path) -> Iterator[Clone]:
    """Open the clone in ``folder`` for the block; whatever cannot be read there is a CloneError.

    Raises:
        CloneError: it cannot be read.
        KeyError: it does not have what the block asked for.

    """
    try:
        clone = Clone(folder)
        try:
            yield clone
        finally:
            clone.close()
    except (CloneError, KeyError):
        raise
    except Exception as error:  # a clone may be broken in many ways, and dulwich has an error for each
        reason = " ".join(str(error).split())[:_REASON] or type(error).__name__
        raise CloneError(reason) from error


@cache
def _read_in(_folder: Path) -> dict[Id, tuple[tuple[Id, ...], int]]:
    """Return what this process knows of the commits of a clone: objects never change, and large histories take time."""
    return {}


def _git_directory(folder: Path) -> Path:
    """Return where git keeps the clone in ``folder``: in its ``.git``, or where that file says.

    Raises:
        CloneError: it is not there.

    """
    place = folder / ".git"
    if place.is_file():
        target = _line(place)
        if not target.startswith("gitdir:"):
            raise CloneError("its file .git does not say where it is")
        named = Path(target.partition(":")[2].strip())
        place = folder / named
        if named.is_absolute() and not named.exists():
            raise CloneError(
                f"its git directory {named} is outside of the container that the action runs in",
                hint="Give the commit with the input commit. Or create the worktree within the workspace, with git "
                "worktree add --relative-paths (git 2.48).",
            )
    if not (place / "HEAD").is_file() and not (place / "HEAD").is_symlink():
        raise CloneError(f"there is no HEAD in {place.name if place.name == '.git' else place}")
    return place


def _extensions(file: Path) -> dict[str, str]:
    """Return what the configuration says of the clone's format: https://git-scm.com/docs/repository-version."""
    version = _setting(file, "core", "repositoryformatversion") or "0"
    if version not in {"0", "1"}:
        raise CloneError(f"its format has the version {version}")
    found = _configuration(file).items((b"extensions",)) if version == "1" else ()
    return {name.decode(errors="replace").lower(): value.decode(errors="replace") for name, value in found}


def _setting(file: Path, *names: str) -> str:
    """Return a setting of the configuration by its section and its name; empty: it is not set."""
    *section, name = (name.encode() for name in names)
    try:
        return _configuration(file).get(tuple(section), name).decode(errors="replace")
    except KeyError:
        return ""


def _configuration(file: Path) -> "ConfigFile":
    from dulwich.config import ConfigFile  # noqa: PLC0415 - as above

    return ConfigFile.from_path(str(file), expand_includes=False) if file.is_file() else ConfigFile()


def _line(file: Path) -> str:
    return _text(file).decode("utf-8", "surrogateescape").strip()


def _text(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""


def _ref(name: str) -> "Ref":
    from dulwich.refs import Ref  # noqa: PLC0415 - as above

    return Ref(name.encode("utf-8", "surrogateescape"))


_EXTENSIONS = frozenset(
    {
        "noop",
        "objectformat",
        "partialclone",
        "preciousobjects",
        "refstorage",
        "relativeworktrees",
        "worktreeconfig",
    }
)
"""Those that change nothing of what is read here: https://git-scm.com/docs/git-config, extensions."""
_PACKAGES = frozenset(
    {".git", ".terraform", ".tox", ".venv", "__pycache__", "node_modules", "site-packages", "vendor", "venv"}
)
"""Folders that may hold clones which a tool has made."""
_DEPTH, _FOLDERS = 4, 10_000
"""How deep and how many folders are searched."""
_COMMIT, _TAG = 1, 4
"""Kinds of objects, as packs have them."""
_LENGTHS = frozenset({40, 64})
"""Of digests in hexadecimal: SHA-1 and SHA-256."""
_REPLACEMENTS = 5
"""Replacements of replacements that git follows."""
_LARGEST = 1 << 26
"""Bytes of a commit."""
_DIGITS = 18
"""Of a time, in seconds."""
_REASON = 200
"""Characters of another library's words that are shown."""
