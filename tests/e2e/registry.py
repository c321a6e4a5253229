"""A registry of images on this machine, as far as ``docker push`` and ``docker pull`` need one.

It follows https://github.com/opencontainers/distribution-spec/blob/main/spec.md. Docker allows one at 127.0.0.1 without
TLS.
"""

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

_BLOB = re.compile(r"/v2/(?P<name>.+)/blobs/(?P<digest>sha256:[0-9a-f]{64})")
_UPLOAD = re.compile(r"/v2/(?P<name>.+)/blobs/uploads/(?P<number>\d*)")
_MANIFEST = re.compile(r"/v2/(?P<name>.+)/manifests/(?P<reference>.+)")


class _Handler(BaseHTTPRequestHandler):
    """One connection. Blobs and manifests are files of ``folder``, by their digests."""

    protocol_version = "HTTP/1.1"
    folder: Path
    tags: dict[tuple[str, str], str]
    """The digests of manifests, by repository and tag or digest."""
    types: dict[str, str]
    """The media types of manifests, by digest."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the base class
        """Log nothing."""

    def do_GET(self) -> None:
        """Send a blob or a manifest; for ``HEAD``, only its headers."""
        if self.path == "/v2/":
            self._answer(HTTPStatus.OK)
        elif found := _BLOB.fullmatch(self.path):
            self._send(found["digest"], "application/octet-stream")
        elif found := _MANIFEST.fullmatch(self.path):
            digest = self.tags.get((found["name"], found["reference"]), "")
            self._send(digest, self.types.get(digest, ""))
        else:
            self._answer(HTTPStatus.NOT_FOUND)

    do_HEAD = do_GET  # noqa: N815 - the name in the base class

    def do_POST(self) -> None:
        """Begin an upload."""
        number = len(list(self.folder.glob("upload-*"))) + threading.get_ident()
        (self.folder / f"upload-{number}").touch()
        self._answer(HTTPStatus.ACCEPTED, Location=f"{urlsplit(self.path).path}{number}")

    def do_PATCH(self) -> None:
        """Add a part to an upload."""
        found = _UPLOAD.fullmatch(urlsplit(self.path).path)
        assert found
        with (self.folder / f"upload-{found['number']}").open("ab") as file:
            for part in self._body():
                file.write(part)
            end = file.tell() - 1
        self._answer(HTTPStatus.ACCEPTED, Location=self.path, Range=f"0-{end}")

    def do_PUT(self) -> None:
        """Complete an upload, or store a manifest."""
        address = urlsplit(self.path)
        if found := _UPLOAD.fullmatch(address.path):
            [digest] = parse_qs(address.query)["digest"]
            upload = self.folder / f"upload-{found['number']}"
            with upload.open("ab") as file:
                for part in self._body():
                    file.write(part)
            with upload.open("rb") as file:
                assert f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}" == digest
            upload.rename(self.folder / digest)
        else:
            manifest = _MANIFEST.fullmatch(address.path)
            assert manifest
            body = b"".join(self._body())
            digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
            (self.folder / digest).write_bytes(body)
            self.types[digest] = self.headers["Content-Type"]
            for reference in (manifest["reference"], digest):
                self.tags[manifest["name"], reference] = digest
        self._answer(HTTPStatus.CREATED, **{"Docker-Content-Digest": digest, "Location": self.path})

    def _body(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding") != "chunked":
            yield self.rfile.read(int(self.headers.get("Content-Length", 0)))
            return
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _send(self, digest: str, kind: str) -> None:
        file = self.folder / digest
        if not digest or not file.exists():
            self._answer(HTTPStatus.NOT_FOUND)
            return
        content = file.read_bytes()
        self.send_response(HTTPStatus.OK)
        headers = {"Content-Type": kind, "Content-Length": str(len(content)), "Docker-Content-Digest": digest}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def _answer(self, status: HTTPStatus, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()


@contextmanager
def registry(folder: Path) -> Iterator[str]:
    """Yield the host and port of a registry that stores its images in ``folder``."""
    handler = type("Handler", (_Handler,), {"folder": folder, "tags": {}, "types": {}})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
