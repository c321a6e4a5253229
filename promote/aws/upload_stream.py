"""Files as parameters of Lambda's API: encoded as they are sent, and never held in memory.

botocore makes the whole JSON of a request before it sends it, with the archive in base64: of 50 MB, it holds several
copies. Bodies that are files, on the other hand, are its daily bread, for S3 has them: it measures and signs them in
passes of their own, and rewinds them for a retry. So the JSON is made around a mark, which such a body replaces.
"""

import base64
import io
import secrets
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from botocore.hooks import BaseEventHooks

_BUFFER = 3 << 16
"""Bytes of base64 that are made at once."""


def stream_archives(events: "BaseEventHooks") -> None:
    """Let a client of Lambda's take an open file as ``ZipFile``."""
    events.register("before-parameter-build.lambda", _mark)
    events.register("before-call.lambda", _replace)


def _mark(params: MutableMapping[str, Any], context: MutableMapping[str, Any], **_: Any) -> None:
    """Keep the file aside: what botocore encodes in its place occurs nowhere else in the request."""
    holder = params.get("Code", params)
    content = holder.get("ZipFile")
    if not hasattr(content, "read"):
        return
    mark = secrets.token_bytes(24)
    marked = {**holder, "ZipFile": mark}
    params.update({"Code": marked} if "Code" in params else marked)
    context["promote_archive"] = (base64.b64encode(mark), content)


def _replace(params: MutableMapping[str, Any], context: Mapping[str, Any], **_: Any) -> None:
    """Put the file where its mark is."""
    if "promote_archive" not in context:
        return
    mark, content = context["promote_archive"]
    before, after = params["body"].split(mark)
    params["body"] = io.BufferedReader(Base64Within(before, content, after), _BUFFER)


class Base64Within(io.RawIOBase):
    """``before``, the bytes of ``content`` in base64, and ``after``, as one file; ``content`` is left open."""

    def __init__(self, before: bytes, content: BinaryIO, after: bytes) -> None:
        """Take a file that can be read at any place."""
        self._content = content
        size = 4 * -(-content.seek(0, io.SEEK_END) // 3)
        self._starts = (0, len(before), len(before) + size)
        self._before, self._after = before, after
        self._size = self._starts[2] + len(after)
        self._place = 0

    def readable(self) -> bool:
        """Whether it can be read: it can."""
        return True

    def seekable(self) -> bool:
        """Whether it can be read again: it can."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, in bytes from the start, from here or from the end."""
        self._place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        return self._place

    def tell(self) -> int:
        """Give the place, in bytes from the start."""
        return self._place

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Read up to as much as fits, from one of the three parts; 0 bytes at the end."""
        view = memoryview(buffer)
        found = self._read(len(view))
        view[: len(found)] = found
        self._place += len(found)
        return len(found)

    def _read(self, size: int) -> bytes:
        _, encoded, after = self._starts
        if self._place < encoded:
            return self._before[self._place : self._place + size]
        if self._place >= after:
            return self._after[self._place - after :][:size]
        whole, skipped = divmod(self._place - encoded, 4)
        self._content.seek(3 * whole)
        return base64.b64encode(self._content.read(3 * (size // 4 + 1)))[skipped : skipped + size]
