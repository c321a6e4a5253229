"""Extract what the tests need from GitHub's description of its API, as JSON Schema.

    npm pack @octokit/openapi
    python -m tools.github_openapi octokit-openapi-*.tgz

The description has more than 10 MB. The extract has the operations that promote/github/api/repository.py calls, with
their parameters, bodies and responses, and without documentation.
"""

import json
import sys
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

OUTPUT = Path(__file__).parents[1] / "tests" / "github_openapi.json"

OPERATIONS = (
    ("get", "/repos/{owner}/{repo}/commits"),
    ("get", "/repos/{owner}/{repo}/commits/{commit_sha}/pulls"),
    ("get", "/repos/{owner}/{repo}/compare/{basehead}"),
    ("get", "/repos/{owner}/{repo}/contents/{path}"),
    ("get", "/repos/{owner}/{repo}/deployments"),
    ("post", "/repos/{owner}/{repo}/deployments"),
    ("post", "/repos/{owner}/{repo}/deployments/{deployment_id}/statuses"),
    ("get", "/repos/{owner}/{repo}/git/matching-refs/{ref}"),
    ("get", "/repos/{owner}/{repo}/git/ref/{ref}"),
    ("get", "/repos/{owner}/{repo}/git/tags/{tag_sha}"),
    ("get", "/repos/{owner}/{repo}/pulls"),
    ("get", "/repos/{owner}/{repo}/releases"),
    ("post", "/repos/{owner}/{repo}/releases"),
    ("patch", "/repos/{owner}/{repo}/releases/{release_id}"),
    ("get", "/repos/{owner}/{repo}/releases/tags/{tag}"),
)
"""What promote/github/api/repository.py calls."""

_MEANINGFUL = (
    "type",
    "enum",
    "format",
    "pattern",
    "required",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "uniqueItems",
)
"""Keywords that mean the same in OpenAPI 3.0 as in JSON Schema, and whose values are not schemas."""


def main(archive: Path) -> None:
    """Write the extract of the description in ``archive``, the npm package."""
    with tarfile.open(archive) as package:
        description = _json(package, "package/generated/api.github.com.json")
        licence = _read(package, "package/LICENSE").decode()
        version = _json(package, "package/package.json")["version"]
    excerpt = {
        "source": f"@octokit/openapi {version}, generated/api.github.com.json, cut down by tools/github_openapi.py",
        "license": " ".join(licence.split()),
        "operations": {f"{method} {path}": _operation(description, method, path) for method, path in OPERATIONS},
    }
    excerpt["components"] = {"schemas": _schemas(description, excerpt)}
    OUTPUT.write_text(json.dumps(excerpt, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")


def _operation(description: Mapping[str, Any], method: str, path: str) -> dict[str, Any]:
    operation = description["paths"][path][method]
    body = operation.get("requestBody")
    return {
        "parameters": [
            {
                "name": parameter["name"],
                "in": parameter["in"],
                "required": parameter.get("required", False),
                "multi": parameter.get("x-multi-segment", False),
                "schema": _schema(parameter["schema"]),
            }
            for parameter in (_found(description, one) for one in operation["parameters"])
        ],
        "body": _schema(body["content"]["application/json"]["schema"]) if body else None,
        "responses": {
            status: _schema(response["content"]["application/json"]["schema"])
            for status, response in (
                (status, _found(description, one)) for status, one in operation["responses"].items()
            )
            if "application/json" in response.get("content", {})
        },
    }


def _schema(schema: Any) -> Any:
    """Return ``schema`` as JSON Schema, without documentation."""
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {name: schema[name] for name in _MEANINGFUL if name in schema}
    if "$ref" in schema:
        kept["$ref"] = schema["$ref"]
    for name in ("oneOf", "anyOf", "allOf"):
        if name in schema:
            kept[name] = [_schema(one) for one in schema[name]]
    for name in ("items", "additionalProperties", "not"):
        if name in schema:
            kept[name] = _schema(schema[name])
    if "properties" in schema:
        kept["properties"] = {name: _schema(one) for name, one in schema["properties"].items()}
    return {"anyOf": [{"type": "null"}, kept]} if schema.get("nullable") else kept


def _schemas(description: Mapping[str, Any], excerpt: Any) -> dict[str, Any]:
    """Return the named schemas that ``excerpt`` refers to, and those that they refer to."""
    found: dict[str, Any] = {}
    wanted = [*_references(excerpt), "basic-error"]
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name] = _schema(description["components"]["schemas"][name])
            wanted += _references(found[name])
    return found


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"].removeprefix("#/components/schemas/")
        part = list(part.values())
    if isinstance(part, list):
        for one in part:
            yield from _references(one)


def _found(description: Mapping[str, Any], part: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow a reference to a parameter or a response."""
    if "$ref" not in part:
        return part
    target: Any = description
    for name in part["$ref"].removeprefix("#/").split("/"):
        target = target[name]
    found: Mapping[str, Any] = target
    return found


def _json(package: tarfile.TarFile, name: str) -> Any:
    return json.loads(_read(package, name))


def _read(package: tarfile.TarFile, name: str) -> bytes:
    member = package.extractfile(name)
    if member is None:
        raise FileNotFoundError(name)
    return member.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
