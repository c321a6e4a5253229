"""Packages as tools make them: each is deployed, and answers. The sandbox unpacks them as strictly as Lambda."""

import io
import json
import shutil
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.runner import Runner
from tests.world import FUNCTION, World, get

NODE_HANDLER = """
exports.handler = async () => ({
  statusCode: 200, headers: {"content-type": "application/json"}, body: JSON.stringify({status: require("%s")}),
});
"""
PYTHON_HANDLER = """
import json
from %s
def handler(event, context):
    headers = {"content-type": "application/json"}
    return {"statusCode": 200, "headers": headers, "body": json.dumps({"status": value})}
"""
BOOTSTRAP = f"""#!{sys.executable} -I
import json, os, urllib.request
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(api + "next") as event:
        request = event.headers["Lambda-Runtime-Aws-Request-Id"]
    body = json.dumps({{"status": "ok"}})
    answer = {{"statusCode": 200, "headers": {{"content-type": "application/json"}}, "body": body}}
    urllib.request.urlopen(api + request + "/response", json.dumps(answer).encode()).close()
"""
"""A program that speaks Lambda's API for runtimes, as one in Go does."""


@dataclass(frozen=True)
class Package:
    """A package: what a build leaves in the workspace, and the inputs for it."""

    name: str
    artifact: str
    files: Mapping[str, str]
    links: Mapping[str, str] = field(default_factory=dict)
    runtime: str = "python3.13"
    handler: str = "app.handler"
    change: Callable[[Path], object] | None = None

    def plant(self, workspace: Path) -> None:
        for name, text in self.files.items():
            (workspace / name).parent.mkdir(parents=True, exist_ok=True)
            (workspace / name).write_text(text, encoding="utf-8")
        for name, target in self.links.items():
            (workspace / name).parent.mkdir(parents=True, exist_ok=True)
            (workspace / name).symlink_to(target)
        if self.change:
            self.change(workspace)


def private(workspace: Path) -> None:
    """Take away what others may do with the files."""
    for file in (workspace / "dist").rglob("*"):
        file.chmod(0o700 if file.is_dir() else 0o600)


def on_windows(workspace: Path) -> None:
    """Make an archive as Windows does: without permissions, and with another order."""
    with zipfile.ZipFile(workspace / "function.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("app.py", "lib/", "lib/__init__.py", "lib/words.py"):
            entry = zipfile.ZipInfo(name)
            entry.create_system, entry.external_attr = 0, 0x10 if name.endswith("/") else 0x20
            archive.writestr(entry, "" if name.endswith("/") else (workspace / "src" / name).read_text("utf-8"))


STORE = "node_modules/.pnpm"
PYTHON = {"app.py": PYTHON_HANDLER % "lib.words import value", "lib/__init__.py": "", "lib/words.py": "value = 'ok'\n"}
PACKAGES = (
    Package(
        "the bootstrap of Go, downloaded without its mode",
        "dist",
        {"dist/bootstrap": BOOTSTRAP},
        runtime="provided.al2023",
        handler="bootstrap",
        change=private,
    ),
    Package(
        "pnpm",
        "app",
        {
            "app/index.js": NODE_HANDLER % "one",
            f"app/{STORE}/one@1.0.0/node_modules/one/index.js": "module.exports = require('two');\n",
            f"app/{STORE}/two@1.0.0/node_modules/two/index.js": "module.exports = 'ok';\n",
        },
        {
            "app/node_modules/one": ".pnpm/one@1.0.0/node_modules/one",
            f"app/{STORE}/one@1.0.0/node_modules/two": "../../two@1.0.0/node_modules/two",
        },
        runtime="nodejs22.x",
        handler="index.handler",
    ),
    Package(
        "SAM",
        ".aws-sam/build/HelloFunction",
        {f".aws-sam/build/HelloFunction/{name}": text for name, text in PYTHON.items()}
        | {".aws-sam/build/template.yaml": "", ".aws-sam/build.toml": ""},
    ),
    Package(
        "a package in a workspace of pnpm",
        "packages/api",
        {
            "packages/api/src/index.js": NODE_HANDLER % "@team/shared",
            "packages/shared/index.js": "module.exports = require('one');\n",
            f"{STORE}/one@1.0.0/node_modules/one/index.js": "module.exports = require('two');\n",
            f"{STORE}/two@1.0.0/node_modules/two/index.js": "module.exports = 'ok';\n",
        },
        {
            "packages/api/node_modules/@team/shared": "../../../shared",
            "packages/shared/node_modules/one": f"../../../{STORE}/one@1.0.0/node_modules/one",
            f"{STORE}/one@1.0.0/node_modules/two": "../../two@1.0.0/node_modules/two",
        },
        runtime="nodejs22.x",
        handler="./src/index.handler",
    ),
    Package(
        "a workspace of npm",
        ".",
        {
            "services/api/index.js": NODE_HANDLER % "@team/shared",
            "packages/shared/index.js": "module.exports = 'ok';\n",
        },
        {"node_modules/@team/shared": "../../packages/shared", "node_modules/@team/api": "../../services/api"},
        runtime="nodejs22.x",
        handler="services/api/index.handler",
    ),
    Package(
        "an archive from Windows",
        "*.zip",
        {f"src/{name}": text for name, text in PYTHON.items()},
        change=on_windows,
    ),
    Package(
        "Poetry and pip install --target",
        "dist",
        {
            "dist/app.py": PYTHON_HANDLER % "words import value",
            "dist/words/__init__.py": "from words.value import value\n",
            "dist/words/value.py": "value = 'ok'\n",
            "dist/words/__pycache__/value.cpython-313.pyc": "",
            "dist/words-1.0.dist-info/RECORD": "words/__init__.py,,\n",
            "dist/bin/words": "#!/bin/sh\n",
        },
        change=private,
    ),
)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_a_package_is_deployed_and_answers(
    runner: Runner, inputs: dict[str, str], world: World, package: Package
) -> None:
    if package.runtime.startswith("nodejs") and shutil.which("node") is None:
        pytest.skip("Node.js is not installed")
    shutil.rmtree(runner.workspace / "function")
    package.plant(runner.workspace)
    given = {**inputs, "artifact": package.artifact, "runtime": package.runtime, "handler": package.handler}
    ended = runner.run({**given, "checks": "GET / 200 status == 'ok'"})
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert not [annotation for annotation in ended.annotations if annotation.kind == "warning"], ended.log
    assert get(ended.outputs["environment-url"]) == (200, {"status": "ok"})
    assert world.versions() == ["1"]


def test_files_that_often_contain_secrets_are_named_once(runner: Runner, inputs: dict[str, str]) -> None:
    (runner.workspace / "function" / ".env").write_text("TOKEN=hunter2\n")
    (runner.workspace / "function" / ".npmrc").write_text("//registry.example.com/:_authToken=hunter2\n")
    ended = runner.run({**inputs, "dry-run": "true"})
    assert (ended.code, ended.result) == (0, "planned"), ended.log
    [warning] = [one.message for one in ended.annotations if one.kind == "warning" and "'.env'" in one.message]
    assert warning.startswith("'function' has '.env', '.npmrc'. Such files often contain secrets")
    assert "hunter2" not in ended.log


def zipped(*files: tuple[str, str, int]) -> bytes:
    """Return an archive of names, texts and modes."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, text, mode in files:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            archive.writestr(entry, text)
    return target.getvalue()


LOOK = """
import os, stat
def handler(event, context):
    return {name: os.readlink(name) if os.path.islink(name) else oct(stat.S_IMODE(os.stat(name).st_mode))
            for name in os.listdir() if not name.startswith("__")}
"""


def invoke(world: World, content: bytes, runtime: str = "python3.13") -> tuple[str, object]:
    """Create a function as another tool does, and return how an invocation ends."""
    world.function.create_function(
        FunctionName=FUNCTION,
        Runtime=runtime,  # type: ignore[arg-type]
        Handler="app.handler",
        Role=f"arn:aws:iam::{world.account.id}:role/hello",
        Code={"ZipFile": content},
    )
    world.settle()
    answer = world.function.invoke(FunctionName=FUNCTION)
    return answer.get("FunctionError", ""), json.load(answer["Payload"])


def test_the_sandbox_keeps_links_and_modes(world: World) -> None:
    files = (("app.py", LOOK, 0o100644), ("run", "", 0o100755), ("b.py", "app.py", 0o120777), ("l\\c.py", "", 0o100644))
    links = (("layer", "/opt/python", 0o120777), ("private", "", 0o100600))
    assert invoke(world, zipped(*files, *links)) == (
        "",
        {
            "app.py": "0o644",
            "run": "0o755",
            "b.py": "app.py",
            "l\\c.py": "0o644",
            "layer": "/opt/python",
            "private": "0o0",  # what a user that does not own it may do
        },
    )


def test_the_sandbox_does_not_let_a_function_read_files_of_others(world: World) -> None:
    kind, payload = invoke(world, zipped(("app.py", LOOK, 0o100600)))
    assert kind
    assert "ermission denied" in json.dumps(payload)


@pytest.mark.parametrize("mode", [0o100644, 0o100744])
def test_the_sandbox_does_not_make_a_bootstrap_executable(world: World, mode: int) -> None:
    kind, payload = invoke(world, zipped(("bootstrap", BOOTSTRAP, mode)), "provided.al2023")
    assert kind
    assert "Runtime.InvalidEntrypoint" in json.dumps(payload)
