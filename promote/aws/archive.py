"""Pack a directory as a .zip whose bytes depend only on names, contents, executable bits and the build of zlib.

Only a few chunks are in memory at a time. Files are compressed in parallel, and written in the order of their names.
Other builds of zlib, such as zlib-ng, produce other bytes. The action's image contains one build.
"""

import os
import stat
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeAlias

from promote.core.concurrency import map_ordered
from promote.core.errors import InputError

UNPACKED_LIMIT = 250 * 1024 * 1024
"""Bytes: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, deployment package."""

_LEFT_OUT = frozenset({".git", "__pycache__", ".DS_Store"})
"""Files that are not part of a function. As ``*.pyc`` files, they differ between builds and would change the digest."""

_LEVEL = 4
"""The compression level. Measured against zip's default of 6: 33% less time, and an archive that is 1% larger."""

_CHUNK = 1 << 20
"""Bytes per chunk. Each chunk is compressed separately, which makes archives 1% larger."""

_WIDTH = min(8, os.cpu_count() or 1)
"""Chunks that are compressed in parallel. Each of them, and of those waiting to be written, takes up to 2 MB."""

_SAMPLE, _SAMPLES, _WORTHWHILE = 4096, 4, 0.95
"""Size (bytes) and number of the samples of a chunk, and the ratio above which it counts as compressed already."""


@dataclass(frozen=True, slots=True)
class _File:
    """A file to pack."""

    name: str
    path: str
    size: int
    is_executable: bool


@dataclass(frozen=True, slots=True)
class _Part:
    """A compressed file, or a chunk of one."""

    file: _File
    deflated: bytes
    crc: int
    """The CRC of the file, up to the end of this part."""
    size: int
    """The bytes of the file, up to the end of this part."""
    is_first: bool = True
    is_last: bool = True


_Task: TypeAlias = Callable[[], list[_Part]]


def pack(directory: Path, archive: Path, workspace: Path, width: int = _WIDTH) -> None:
    """Write ``directory`` as a .zip to ``archive``, in ``width`` threads.

    Raises:
        InputError: The directory is empty or too large, or a link in it is broken or leads out of the workspace.

    """
    files, size = [], 0
    for file in _files(str(directory), "", os.path.realpath(workspace), frozenset()):
        files.append(file)
        size += file.size
        if size > UNPACKED_LIMIT:
            raise too_large("the directory is too large")
    if not files:
        raise InputError(
            "artifact", "the directory contains no files", hint="Build or download its files in a step before this one."
        )
    files.sort(key=lambda file: file.name)
    with archive.open("wb") as sink:
        _write(sink, (part for parts in map_ordered(_tasks(files), width) for part in parts))


def too_large(what: str) -> InputError:
    """Return the error for code that is larger, unpacked, than Lambda accepts."""
    return InputError(
        "artifact",
        f"{what}, and Lambda accepts {size_of(UNPACKED_LIMIT)} unpacked",
        hint="Remove what the function does not need, or deploy it as a container image.",
    )


def size_of(count: int) -> str:
    """Return ``count`` bytes with a unit, such as ``1.5 MB``."""
    size = float(count)
    for unit in ("bytes", "KB", "MB"):
        if size < 1024:  # noqa: PLR2004 - the next unit begins here
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GB"


def _files(folder: str, prefix: str, workspace: str, above: frozenset[tuple[int, int]]) -> Iterator[_File]:
    """Yield the files. Links are followed, as by ``zip -r``, except to one of the parent folders ``above``."""
    status = os.stat(folder)  # noqa: PTH116 - a Path for each of ten thousand files takes longer than the rest
    here = (status.st_dev, status.st_ino)
    if here in above:
        return
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        name = prefix + entry.name
        if entry.name in _LEFT_OUT or entry.name.endswith(".pyc"):
            continue
        if entry.is_symlink() and not Path(os.path.realpath(entry.path)).is_relative_to(workspace):
            raise InputError(
                "artifact",
                f"the link {name!r} leads out of the workspace",
                hint="Replace it with a copy of its target.",
            )
        try:
            status = entry.stat()
            mode = status.st_mode
        except OSError:  # a link to nothing, or to itself
            mode = 0
        if stat.S_ISDIR(mode):
            yield from _files(entry.path, f"{name}/", workspace, above | {here})
        elif not stat.S_ISREG(mode):
            raise InputError(
                "artifact", f"{name!r} is a broken link or not a regular file", hint="Remove it from the directory."
            )
        elif name.encode(errors="replace").decode() != name:
            raise InputError("artifact", f"{name!r} is not a valid file name in a .zip", hint="Rename it, in UTF-8.")
        else:
            yield _File(name, entry.path, status.st_size, bool(mode & stat.S_IXUSR))


def _tasks(files: Iterable[_File]) -> Iterator[_Task]:
    """Yield the tasks in the order of the files: small files together, large files in chunks."""
    together: list[_File] = []
    size = 0
    for file in files:
        if together and size + file.size > _CHUNK:
            yield partial(_compressed, tuple(together))
            together, size = [], 0
        if file.size > _CHUNK:
            yield from _chunks(file)
        else:
            together.append(file)
            size += file.size
    if together:
        yield partial(_compressed, tuple(together))


def _compressed(files: Iterable[_File]) -> list[_Part]:
    parts = []
    for file in files:
        with open(file.path, "rb", buffering=0) as source:  # noqa: PTH123 - as above
            content = source.read()
        parts.append(_Part(file, _deflated(content, is_last=True), zlib.crc32(content), len(content)))
    return parts


def _chunks(file: _File) -> Iterator[_Task]:
    """Yield the task for each chunk. The chunks are read here, one after the other, because a file has one CRC."""
    crc = size = 0
    with open(file.path, "rb", buffering=0) as source:  # noqa: PTH123 - as above
        following = source.read(_CHUNK)
        is_last = False
        while not is_last:
            content, following = following, source.read(_CHUNK)
            is_first, is_last = size == 0, not following
            crc, size = zlib.crc32(content, crc), size + len(content)
            yield partial(_chunk, content, _Part(file, b"", crc, size, is_first, is_last))


def _chunk(content: bytes, part: _Part) -> list[_Part]:
    deflated = _deflated(content, is_last=part.is_last)
    return [_Part(part.file, deflated, part.crc, part.size, part.is_first, part.is_last)]


def _deflated(content: bytes, *, is_last: bool) -> bytes:
    """Deflate so that the next chunk can be deflated separately."""
    compressor = zlib.compressobj(_level(content), zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(content) + compressor.flush(zlib.Z_FINISH if is_last else zlib.Z_SYNC_FLUSH)


def _level(content: bytes) -> int:
    """Return the compression level; 0 if samples show that the content is compressed already, such as an image."""
    if len(content) < _SAMPLES * _SAMPLE:
        return _LEVEL
    starts = range(0, len(content), len(content) // _SAMPLES)
    sample = b"".join(content[start : start + _SAMPLE] for start in starts)
    return _LEVEL if len(zlib.compress(sample, 1)) < _WORTHWHILE * len(sample) else 0


_HEADER = struct.Struct("<4s5H3L2H")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_LARGE_END = struct.Struct("<4sQ2H2L4Q")
_LARGE_END_PLACE = struct.Struct("<4sLQL")
"""https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3.7, 4.3.12, 4.3.16, 4.3.14 and 4.3.15."""

_VERSION, _LARGE_VERSION, _UNIX = 20, 45, 3
_DEFLATED = 8
_UTF8 = 0x800
_MIDNIGHT, _FIRST_DAY = 0, 0x21
"""The earliest time in a .zip, 1980-01-01. Every entry has it, so that the same files give the same bytes."""
_MOST_ENTRIES, _NOT_HERE = 0xFFFF, 0xFFFFFFFF


def _write(sink: BinaryIO, parts: Iterable[_Part]) -> None:
    entries: list[bytes] = []
    start = end = 0
    for part in parts:
        name = part.file.name.encode()
        if part.is_first:
            start, end = end, end + _HEADER.size + len(name)
        end += len(part.deflated)
        header = _header(part, name, end - start - _HEADER.size - len(name))
        if part.is_first:
            sink.write(header)
        sink.write(part.deflated)
        if part.is_last:
            if not part.is_first:  # the CRC and the sizes are known only now
                sink.seek(start)
                sink.write(header)
                sink.seek(end)
            mode = stat.S_IFREG | (0o755 if part.file.is_executable else 0o644)
            made_by = _UNIX << 8 | _VERSION
            fields = _HEADER.unpack_from(header)[1:]
            entries.append(_ENTRY.pack(b"PK\1\2", made_by, *fields, 0, 0, 0, mode << 16, start) + name)
    directory = sink.tell()
    sink.writelines(entries)
    size = sink.tell() - directory
    if len(entries) >= _MOST_ENTRIES:
        place, count = sink.tell(), len(entries)
        versions = _UNIX << 8 | _LARGE_VERSION, _LARGE_VERSION
        sink.write(_LARGE_END.pack(b"PK\6\6", _LARGE_END.size - 12, *versions, 0, 0, count, count, size, directory))
        sink.write(_LARGE_END_PLACE.pack(b"PK\6\7", 0, place, 1))
        directory = _NOT_HERE
    count = min(len(entries), _MOST_ENTRIES)
    sink.write(_END.pack(b"PK\5\6", 0, 0, count, count, size, directory, 0))


def _header(part: _Part, name: bytes, deflated_size: int) -> bytes:
    flags = 0 if name.isascii() else _UTF8
    fields = _VERSION, flags, _DEFLATED, _MIDNIGHT, _FIRST_DAY, part.crc, deflated_size, part.size, len(name), 0
    return _HEADER.pack(b"PK\3\4", *fields) + name
