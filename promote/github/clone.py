"""A clone of a git repository, read from its files: what is checked out, its commits and its tags.

Git's own rules hold for what a commit's parents are: those of a graft (``info/grafts``) or of a replacement
(``refs/replace``) count in place of the commit's own. dulwich reads objects and refs.
"""

import os
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from promote.github.ancestry import Id
from promote.github.raw_commit import DIGEST_LENGTHS, RawCommit, links

if TYPE_CHECKING:
    from dulwich.config import ConfigFile
    from dulwich.refs import Ref, RefsContainer


class CloneError(Exception):
    """The clone cannot be read; the text says why."""

    def __init__(self, message: str, hint: str = "") -> None:
        """Take why, and what to do about it in particular; empty: to check out again."""
        super().__init__(message)
        self.hint = hint


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

        if len(name) not in DIGEST_LENGTHS or name.translate(None, b"0123456789abcdef"):
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
_COMMIT, _TAG = 1, 4
"""Kinds of objects, as packs have them."""
_REPLACEMENTS = 5
"""Replacements of replacements that git follows."""
_LARGEST = 1 << 26
"""Bytes of a commit."""
_REASON = 200
"""Characters of another library's words that are shown."""
