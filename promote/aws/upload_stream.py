"""Upload archives to Lambda as streams, without loading them into memory.

botocore builds the JSON of a request, with the archive in base64, before it sends it. For an archive of 50 MB, it holds
several copies in memory. If the body is a file, as for S3, botocore does not load it. It reads the file
once for the length, once for the signature and once to send it, and rewinds it for a retry. So this module builds the
JSON with a marker, and then replaces the body with a file that has the encoded archive in place of the marker.
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
"""Bytes of base64 that are encoded at once."""


def stream_archives(events: "BaseEventHooks") -> None:
    """Make a client of Lambda take an open file as ``ZipFile``."""
    events.register("before-parameter-build.lambda", _mark)
    events.register("before-call.lambda", _replace)


def _mark(params: MutableMapping[str, Any], context: MutableMapping[str, Any], **_: Any) -> None:
    """Replace the file with a marker, random bytes that occur nowhere else in the request."""
    holder = params.get("Code", params)
    content = holder.get("ZipFile")
    if not hasattr(content, "read"):
        return
    mark = secrets.token_bytes(24)
    marked = {**holder, "ZipFile": mark}
    params.update({"Code": marked} if "Code" in params else marked)
    context["promote_archive"] = (base64.b64encode(mark), content)


def _replace(params: MutableMapping[str, Any], context: Mapping[str, Any], **_: Any) -> None:
    """Replace the marker with the encoded file."""
    if "promote_archive" not in context:
        return
    mark, content = context["promote_archive"]
    before, after = params["body"].split(mark)
    params["body"] = io.BufferedReader(Base64Within(before, content, after), _BUFFER)


class Base64Within(io.RawIOBase):
    """A file of ``before``, ``content`` in base64, and ``after``. It does not close ``content``."""

    def __init__(self, before: bytes, content: BinaryIO, after: bytes) -> None:
        """``content`` must be seekable."""
        self._content = content
        size = 4 * -(-content.seek(0, io.SEEK_END) // 3)
        self._starts = (0, len(before), len(before) + size)
        self._before, self._after = before, after
        self._size = self._starts[2] + len(after)
        self._place = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position in bytes, relative to the start, the current position or the end, and return it."""
        self._place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        return self._place

    def tell(self) -> int:
        """Return the position, in bytes from the start."""
        return self._place

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Read bytes of one of the three parts into ``buffer``, and return their number; 0 at the end."""
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
