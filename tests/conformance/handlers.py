"""The code of recorded functions, which is not recorded: what it answered tells what it has to do."""

import io
import json
import re
import zipfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.conformance.recording import Recording

_LIMIT = re.compile(r"(Zipped size|Request) must be smaller than (\d+) bytes")
_PADDING = "padding"


@dataclass
class _State:
    """What the calls have made of one function."""

    latest: str = ""
    versions: list[str] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)
    is_published: bool = False

    def update(self, archive: str, *, publishes: bool) -> None:
        if archive:
            self.latest, self.is_published = archive, False
        if publishes:
            self.publish()

    def publish(self) -> None:
        if not self.is_published:
            self.versions.append(self.latest)
        self.is_published = True

    def archive_of(self, qualifier: str) -> str:
        version = self.aliases.get(qualifier, qualifier)
        return self.versions[int(version) - 1] if version.isdecimal() else self.latest


def archive_of(code: Mapping[str, Any]) -> str:
    """Return the name of the archive in a request, or empty."""
    return str(code.get("ZipFile") or code.get("S3Key") or "")


def results(recording: Recording) -> Mapping[str, Mapping[str, Any]]:
    """Return the first recorded result of each archive that is invoked."""
    states: dict[str, _State] = defaultdict(_State)
    found: dict[str, Mapping[str, Any]] = {}
    for call in recording.calls:
        name, qualifier = call.qualified
        state, given = states[name], call.parameters
        if call.error:
            continue
        if call.operation == "CreateFunction":
            states[name] = _State()
            states[name].update(archive_of(given["Code"]), publishes=bool(given.get("Publish")))
        elif call.operation == "UpdateFunctionCode":
            state.update(archive_of(given), publishes=bool(given.get("Publish")))
        elif call.operation == "UpdateFunctionConfiguration":
            state.is_published = False
        elif call.operation == "PublishVersion":
            state.publish()
        elif call.operation in {"CreateAlias", "UpdateAlias"} and "FunctionVersion" in given:
            state.aliases[given["Name"]] = given["FunctionVersion"]
        elif call.operation == "Invoke" and call.answers:
            found.setdefault(state.archive_of(qualifier), call.answers[0].expected)
    return found


def archive(handler: str, runtime: str, result: Mapping[str, Any], number: str, error: str = "") -> bytes:
    """Return a .zip of a function that answers as recorded. ``error`` is that of a request with too many bytes."""
    module = handler.rpartition(".")[0] or "handler"
    is_node = runtime.startswith("nodejs")
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as sink:
        for name, text in (
            (f"{module}.js" if is_node else f"{module}.py", _node(result) if is_node else _python(result)),
            ("number", number),
        ):
            entry = zipfile.ZipInfo(name)  # the same bytes at any time
            entry.external_attr = 0o644 << 16  # everyone may read it
            sink.writestr(entry, text)
        if limit := _LIMIT.search(error):
            # The size of the archive is checked before that of the request.
            size = int(limit[2]) if limit[1] == "Zipped size" else 50 * 2**20 - 2**12
            sink.writestr(_PADDING, b"#" * size)
    return target.getvalue()


def _node(result: Mapping[str, Any]) -> str:
    return f"exports.handler = async () => ({json.dumps(_payload(result))});\n"


def _python(result: Mapping[str, Any]) -> str:
    payload = _payload(result)
    if not result.get("FunctionError"):
        body = f"return {_expression(payload, str(result.get('ExecutedVersion', '')))}"
    elif payload["errorType"] == "Sandbox.Timedout":
        body = "import time; time.sleep(event['wait'])"
    elif payload["errorType"] == "Runtime.ExitError":
        body = "raise SystemExit(0)"
    else:
        body = f"raise {payload['errorType']}({payload['errorMessage']!r})"
        if any("in <module>" in frame for frame in payload.get("stackTrace", ())):
            return f"{body}\n"
    return f"def handler(event, context):\n    {body}\n"


def _payload(result: Mapping[str, Any]) -> Any:
    payload = result.get("Payload") or "null"
    return json.loads(payload) if isinstance(payload, str) else payload


def _expression(value: Any, version: str) -> str:
    """Return Python code for a result: what is the context's comes from the context."""
    if isinstance(value, dict):
        if set(value) == {"event", "context"}:
            names = ", ".join(f"{name!r}: getattr(context, {name!r}, None)" for name in value["context"])
            return f"{{'event': event, 'context': {{{names}}}}}"
        return "{" + ", ".join(f"{name!r}: {_expression(part, version)}" for name, part in value.items()) + "}"
    if isinstance(value, str) and value.startswith("arn:<partition>:lambda:"):
        return "context.invoked_function_arn"
    return "context.function_version" if version and value == version else repr(value)
