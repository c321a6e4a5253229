"""Archives within Lambda's requests: encoded while they are sent, signed, and repeated like any other body."""

import base64
import io
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from promote.aws.clients import Clients
from promote.aws.upload_stream import Base64Within

CREDENTIALS = Credentials("123456789012", "secret")
CONTENT = bytes(range(256)) * 3001  # not a multiple of what is encoded at once, and none of three


@given(st.binary(max_size=9), st.binary(max_size=40), st.binary(max_size=9), st.data())
def test_it_reads_as_one_file_from_any_place(before: bytes, content: bytes, after: bytes, data: st.DataObject) -> None:
    whole = before + base64.b64encode(content) + after
    expected, body = io.BytesIO(whole), Base64Within(before, io.BytesIO(content), after)
    buffered = io.BufferedReader(Base64Within(before, io.BytesIO(content), after), 7)
    assert body.seek(0, io.SEEK_END) == len(whole)
    for _ in range(5):
        place, size = data.draw(st.integers(0, len(whole))), data.draw(st.integers(1, 30))
        for file in (expected, body, buffered):
            assert file.seek(place) == place == file.tell()
        found = body.read(size)
        assert found is not None
        wanted = expected.read(size)
        assert wanted.startswith(found)
        assert bool(found) == bool(wanted)
        assert buffered.read(size) == wanted
        assert body.seek(-len(found), io.SEEK_CUR) == place
        body.seek(place)
        assert body.readall() == whole[place:]


@dataclass
class Service:
    """Lambda for these tests: it records the requests, and fails the first ones."""

    url: str = ""
    requests: list[AWSRequest] = field(default_factory=list)
    signatures: list[str] = field(default_factory=list)


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            signed = re.search(r"SignedHeaders=([^,]+), Signature=(\w+)", self.headers["Authorization"])
            assert signed
            headers = {name: self.headers[name] for name in signed[1].split(";")}
            made.requests.append(AWSRequest(self.command, made.url + self.path, headers, body))
            made.signatures.append(signed[2])
            answer = b"{}"
            self.send_response(500 if len(made.requests) == 1 else 200)
            self.send_header("x-amzn-requestid", "1")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_PUT = do_POST = answer  # noqa: N815 - the names that the server looks for

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base class calls it that
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        made.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield made
        server.shutdown()


@pytest.fixture
def clients(service: Service, monkeypatch: pytest.MonkeyPatch) -> Clients:
    # botocore reads the environment of the process.
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", CREDENTIALS.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CREDENTIALS.secret_key)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", service.url)
    return Clients("eu-west-1", {"AWS_ENDPOINT_URL": service.url})


@pytest.fixture
def code(tmp_path: Path) -> Path:
    file = tmp_path / "code.zip"
    file.write_bytes(CONTENT)
    return file


def signature_of(request: AWSRequest) -> str:
    """Sign the received request as AWS does."""
    request.context["timestamp"] = request.headers["X-Amz-Date"]
    signer = SigV4Auth(CREDENTIALS, "lambda", "eu-west-1")
    return str(signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request))


def test_an_update_is_sent_whole_each_time_and_rightly_signed(service: Service, clients: Clients, code: Path) -> None:
    with code.open("rb") as content:
        clients.function.update_function_code(FunctionName="hello", ZipFile=content, Publish=True, RevisionId="1")
    assert len(service.requests) == 2
    for request, signature in zip(service.requests, service.signatures, strict=True):
        body = json.loads(request.data or b"")
        assert base64.b64decode(body.pop("ZipFile")) == CONTENT
        assert body == {"Publish": True, "RevisionId": "1"}
        assert signature_of(request) == signature


def test_a_creation_keeps_what_looks_like_the_archive(service: Service, clients: Clients, code: Path) -> None:
    variables = {"ZipFile": "", "A": '"ZipFile": ""'}
    with code.open("rb") as content:
        given: Any = {"ZipFile": content}
        clients.function.create_function(
            FunctionName="hello", Role="arn:aws:iam::1:role/a", Code=given, Environment={"Variables": variables}
        )
        assert given == {"ZipFile": content}
    assert len(service.requests) == 2
    for request, signature in zip(service.requests, service.signatures, strict=True):
        body = json.loads(request.data or b"")
        assert base64.b64decode(body["Code"]["ZipFile"]) == CONTENT
        assert body["Environment"] == {"Variables": variables}
        assert signature_of(request) == signature


def test_bytes_and_objects_in_s3_are_sent_as_ever(service: Service, clients: Clients) -> None:
    clients.function.update_function_code(FunctionName="hello", ZipFile=b"bytes")
    clients.function.update_function_code(FunctionName="hello", S3Bucket="builds", S3Key="1.zip")
    assert [json.loads(request.data or b"") for request in service.requests[1:]] == [
        {"ZipFile": base64.b64encode(b"bytes").decode()},
        {"S3Bucket": "builds", "S3Key": "1.zip"},
    ]
