"""A clone of a git repository, read from its files: what is checked out, its commits and its tags.

The parents of a commit follow git's rules: the parents of a graft (``info/grafts``) or a replacement (``refs/replace``)
take the place of those in the commit. dulwich reads objects and refs.
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
    """The clone cannot be read. The message is the cause."""

    def __init__(self, message: str, hint: str = "") -> None:
        """``hint`` is what to do; if it is empty, the fix is to check out again."""
        super().__init__(message)
        self.hint = hint


class Clone:
    """A clone. Each method raises CloneError if it cannot be read, and KeyError for what it does not contain."""

    def __init__(self, folder: Path) -> None:
        """Open the clone in ``folder``, which contains ``.git``."""
        from dulwich.object_format import get_object_format  # noqa: PLC0415 - needed only if there is a clone
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
        """The commit that is checked out; empty if there is no commit yet."""
        found = self._refs.follow(_ref("HEAD"))[1]
        return found.decode() if found else ""

    @property
    def pull(self) -> str:
        """The ref of the pull request that is checked out, such as ``pull/5/merge``; empty if none is.

        actions/checkout writes it to ``refs/remotes/pull``, and each fetch to ``FETCH_HEAD``. A fetch may also write it
        to ``refs/pull`` or below a remote.
        """
        head = self.head.encode()
        found = [(_PULL.fullmatch(name), at) for name, at in self._refs.as_dict(_ref("refs")).items()]
        names = [name[1].decode() for name, at in found if name and at == head]
        # A worktree has its own FETCH_HEAD, and shares that of its clone.
        for folder in {self._folder, self._shared}:
            fetched = _FETCHED_PULL.findall(_text(folder / "FETCH_HEAD"))
            names += [name.decode() for at, name in fetched if at == head]
        return min(names, default="")

    @property
    def repository(self) -> str:
        """The ``owner/name`` that it was cloned from, in lower case; empty if the URL does not contain it."""
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
        """Return the parents of ``commit``, by git's rules; None if they are not in the clone."""
        return (self._links.get(commit) or self._linked(commit))[0]

    def time(self, commit: Id) -> int:
        """Return when it was committed, in seconds since 1970; 0 if it is not known."""
        return (self._links.get(commit) or self._linked(commit))[1]

    def _linked(self, commit: Id) -> tuple[tuple[Id, ...] | None, int]:
        """Read the parents and the time of a commit."""
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
        """Return the commit of ``tag``."""
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
            # For objects that are not packed, dulwich uses its parser, which refuses some valid commits.
            found = self._loose(name.decode())
            if found is None:
                raise
            return found

    def _loose(self, name: str) -> tuple[int, bytes] | None:
        """Read a commit that is not packed; None if it is."""
        for store in (self._store, *self._store.alternates):
            file = Path(os.fspath(getattr(store, "path", ""))) / name[:2] / name[2:]
            if file.is_file():
                header, end, content = zlib.decompressobj().decompress(file.read_bytes(), _LARGEST).partition(b"\0")
                return (_COMMIT, content) if end and header == b"commit %d" % len(content) else None
        return None

    @cached_property
    def _refs(self) -> "RefsContainer":
        if self._has_table:
            from dulwich.reftable import ReftableRefsContainer  # noqa: PLC0415 - rarely needed

            return ReftableRefsContainer(str(self._shared))
        from dulwich.refs import DiskRefsContainer  # noqa: PLC0415 - as above

        return DiskRefsContainer(str(self._shared), str(self._folder))

    @cached_property
    def _replacements(self) -> Mapping[Id, Id]:
        """The replacement of each replaced object."""
        found = {bytes(name): bytes(other) for name, other in self._refs.as_dict(_ref("refs/replace")).items()}
        for name, other in found.items():
            for _ in range(_REPLACEMENTS):
                found[name] = other = found.get(other, other)  # noqa: PLW2901 - the end of the chain counts
        return found

    @cached_property
    def _border(self) -> frozenset[Id]:
        """The commits whose parents are not in a shallow clone."""
        return frozenset(_text(self._shared / "shallow").split())

    @cached_property
    def _grafts(self) -> Mapping[Id, tuple[Id, ...]]:
        """The parents of grafted commits: https://git-scm.com/docs/gitrepository-layout, info/grafts."""
        lines = (line.split() for line in _text(self._shared / "info" / "grafts").splitlines())
        return {words[0]: tuple(words[1:]) for words in lines if words and not words[0].startswith(b"#")}


@contextmanager
def opened(folder: Path) -> Iterator[Clone]:
    """Open the clone in ``folder`` for the block, and turn any other error in the block into a CloneError.

    Raises:
        CloneError: The clone cannot be read.
        KeyError: The clone does not contain what the block needs.

    """
    try:
        clone = Clone(folder)
        try:
            yield clone
        finally:
            clone.close()
    except (CloneError, KeyError):
        raise
    except Exception as error:  # dulwich raises many kinds of errors for a broken clone
        reason = " ".join(str(error).split())[:_REASON] or type(error).__name__
        raise CloneError(reason) from error


@cache
def _read_in(_folder: Path) -> dict[Id, tuple[tuple[Id, ...], int]]:
    """Return the cache of the commits of a clone. Objects never change, and large histories take long to read."""
    return {}


def _git_directory(folder: Path) -> Path:
    """Return the git directory of the clone in ``folder``: the folder ``.git``, or the one that a file ``.git`` names.

    Raises:
        CloneError: There is no git directory.

    """
    place = folder / ".git"
    if place.is_file():
        target = _line(place)
        if not target.startswith("gitdir:"):
            raise CloneError("its file .git does not name the git directory")
        named = Path(target.partition(":")[2].strip())
        place = folder / named
        if named.is_absolute() and not named.exists():
            raise CloneError(
                f"its git directory {named} is outside of the action's container",
                hint="Set the input commit. Or create the worktree in the workspace, with git worktree add "
                "--relative-paths (git 2.48).",
            )
        if not place.exists():
            raise CloneError(
                f"its file .git names the git directory {named}, which does not exist",
                hint="Check out again with actions/checkout, for a submodule with submodules: true. Or set the input "
                "commit.",
            )
    if not (place / "HEAD").is_file() and not (place / "HEAD").is_symlink():
        raise CloneError(f"there is no HEAD in {place.name if place.name == '.git' else place}")
    return place


def _extensions(file: Path) -> dict[str, str]:
    """Return the extensions of the clone's format: https://git-scm.com/docs/repository-version."""
    version = _setting(file, "core", "repositoryformatversion") or "0"
    if version not in {"0", "1"}:
        raise CloneError(f"its format has the version {version}")
    found = _configuration(file).items((b"extensions",)) if version == "1" else ()
    return {name.decode().lower(): value.decode(errors="replace") for name, value in found}


def _setting(file: Path, *names: str) -> str:
    """Return a setting of the configuration by section and name; empty if it is not set."""
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
"""The extensions that this module supports: https://git-scm.com/docs/git-config, extensions."""
_COMMIT, _TAG = 1, 4
"""Kinds of objects, by their numbers in packs."""
_PULL = re.compile(rb"(?:remotes/(?:[^/]+/)?)?(pull/\d+/(?:head|merge))")
"""The ref of a pull request, below ``refs``."""

_FETCHED_PULL = re.compile(rb"^([0-9a-f]+)\t.*'refs/(pull/\d+/\w+)' of ", re.MULTILINE)
"""The commit and the ref of a pull request, as ``git fetch`` writes it to ``FETCH_HEAD``."""

_REPLACEMENTS = 5
"""The longest chain of replacements that git follows."""
_LARGEST = 1 << 26
"""The most bytes of a commit."""
_REASON = 200
"""The most characters of a library's error message that are shown."""
