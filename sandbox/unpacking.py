"""Packages unpacked as by Lambda: links stay links, files have the modes of the archive, and the function is not root.

MiniStack writes links as files, drops the modes of Python and Node.js functions, and makes ``bootstrap`` executable.
"""

from __future__ import annotations

import ctypes
import hashlib
import io
import os
import posixpath
import shutil
import stat
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ministack.core import lambda_runtime as runtime
from ministack.services import lambda_svc

UNIX = (3, 19)
"""Unix and macOS, whose archives have modes: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.4.2."""


def install() -> None:
    """Replace MiniStack's ways to unpack."""
    runtime.zipfile = SimpleNamespace(**{**vars(zipfile), "ZipFile": _ZipFile})
    lambda_svc._extract_zip_preserving_mode = unpack  # noqa: SLF001 - MiniStack has no other access
    lambda_svc._provided_runtime_code_dir = _custom_runtime_folder  # noqa: SLF001 - as above


class _ZipFile(zipfile.ZipFile):
    """An archive whose `extractall` keeps links and modes."""

    def extractall(self, path: Any = None, *_: object, **__: object) -> None:
        unpack(self, str(path))


def unpack(archive: zipfile.ZipFile, folder: str) -> None:
    """Unpack an archive. Backslashes in names are part of the names: https://github.com/aws/aws-cli/issues/8501.

    Links come last, so that nothing is written through them.
    """
    links: list[tuple[Path, str]] = []
    for entry in archive.infolist():
        name = posixpath.normpath(f"/{entry.filename}")[1:]
        file, mode = Path(folder, name), entry.external_attr >> 16 if entry.create_system in UNIX else 0
        if entry.is_dir():
            file.mkdir(parents=True, exist_ok=True)
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        if stat.S_ISLNK(mode):
            links.append((file, archive.read(entry).decode()))
            continue
        file.unlink(missing_ok=True)  # another entry may have the same name
        with archive.open(entry) as source, file.open("wb") as sink:
            shutil.copyfileobj(source, sink)
        file.chmod(seen_by_others(stat.S_IMODE(mode) or 0o644))
    for file, target in links:
        file.unlink(missing_ok=True)
        file.symlink_to(target)


def seen_by_others(mode: int) -> int:
    """Return a mode that gives the owner what `mode` gives others, if it differs: Lambda's user does not own the files.

    https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-deployment.html, "EACCES: permission denied".
    """
    others = mode & (stat.S_IROTH | stat.S_IXOTH)
    is_same = (mode >> 6) & (stat.S_IROTH | stat.S_IXOTH) == others
    return mode if is_same else others * 0o111


def _custom_runtime_folder(code: bytes) -> str:
    """Return the folder of a function with a custom runtime, unpacked once for each code."""
    digest = hashlib.sha256(code).hexdigest()
    with lambda_svc._provided_code_lock:  # noqa: SLF001 - MiniStack starts processes under it
        folder = Path(lambda_svc._PROVIDED_CODE_CACHE, digest)  # noqa: SLF001 - MiniStack has no other access
        if digest not in lambda_svc._provided_code_dirs:  # noqa: SLF001 - as above
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            with zipfile.ZipFile(io.BytesIO(code)) as archive:
                unpack(archive, str(folder))
            lambda_svc._provided_code_dirs[digest] = str(folder)  # noqa: SLF001 - as above
        return str(folder)


def remove_all() -> None:
    """Remove what was unpacked for functions with a custom runtime."""
    shutil.rmtree(lambda_svc._PROVIDED_CODE_CACHE, ignore_errors=True)  # noqa: SLF001 - as above


_DROP_FROM_BOUNDING_SET = 24
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1, 2
_VERSION_3 = 0x20080522
"""linux/prctl.h and linux/capability.h."""


def respect_modes() -> None:
    """Let the modes of files count for this process and all that it starts, also for root."""
    if os.geteuid():
        return
    libc = ctypes.CDLL(None)
    for capability in (_DAC_OVERRIDE, _DAC_READ_SEARCH):
        libc.prctl(_DROP_FROM_BOUNDING_SET, capability, 0, 0, 0)
    header, data = (ctypes.c_uint32 * 2)(_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    if libc.capget(header, data) == 0:
        for word in range(3):  # effective, permitted, inheritable; each capability below 32
            data[word] &= ~(1 << _DAC_OVERRIDE | 1 << _DAC_READ_SEARCH)
        libc.capset(header, data)
