"""Chromium in a container, used with its DevTools protocol over standard input and output.

https://chromedevtools.github.io/devtools-protocol describes the messages. A zero byte ends each of them.
"""

import base64
import json
import os
import subprocess
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

HERE = Path(__file__).parent
IMAGE = "promote-on-success:pictures"
SHARPNESS = 1.5
"""Pixels of a picture for one of the page."""


def build(docker: str) -> None:
    """Build the browser's image, or find it in Docker's cache."""
    command = [docker, "build", "--network", "host", "--tag", IMAGE, str(HERE)]
    ended = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # noqa: S603 - our own
    assert ended.returncode == 0, ended.stdout


class Browser:
    """One browser with one page and without network."""

    def __init__(self, docker: str) -> None:
        command = [docker, "run", "--rm", "--interactive", "--network", "none", IMAGE]
        self._process = subprocess.Popen(  # noqa: S603 - our own
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self._process.stdin
        assert self._process.stdout
        self._in, self._out = self._process.stdin, self._process.stdout
        self._numbers, self._read = count(1), bytearray()
        self._session: dict[str, object] = {}
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        self._session = {"sessionId": self.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._in.close()  # which ends the browser and the container
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._out.close()

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        number = next(self._numbers)
        message = {**self._session, "id": number, "method": method, "params": parameters}
        self._in.write(json.dumps(message).encode() + b"\0")
        self._in.flush()
        while (answer := self._next()).get("id") != number:
            pass  # events, which are ignored
        assert "error" not in answer, f"{method}: {answer['error']}"
        result: dict[str, Any] = answer["result"]
        return result

    def evaluate(self, script: str) -> Any:
        """Return the value of an expression, or the result of its promise."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"].get("exception", {}).get("description")
        return answer["result"].get("value")

    def open(self, document: str) -> None:
        """Load a whole document into the page."""
        tree = self.call("Page.getFrameTree")["frameTree"]
        self.call("Page.setDocumentContent", frameId=tree["frame"]["id"], html=document)

    def look(self, width: int, height: int, *, is_dark: bool) -> None:
        """Set the page's size and the preferred colour scheme."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=SHARPNESS,
            mobile=False,
        )
        preferred = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[preferred])

    def picture(self) -> bytes:
        """Return the page as a PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._read:
            part = os.read(self._out.fileno(), 1 << 20)
            assert part, "the browser has ended"
            self._read += part
        message, _, rest = self._read.partition(b"\0")
        self._read = rest
        answer: dict[str, Any] = json.loads(message)
        return answer
