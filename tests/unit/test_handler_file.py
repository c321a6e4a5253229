"""The file that a handler names: found as Lambda finds it, and refused if Lambda cannot run it."""

from collections.abc import Mapping

import pytest

from promote.aws.contents import Contents
from promote.aws.handler_file import require_handler
from promote.core.errors import InputError


def contents(*names: str, mode: int = 0o755, links: Mapping[str, str] | None = None) -> Contents:
    return Contents({**dict.fromkeys(names, mode), **dict.fromkeys(links or {})}, links or {})


@pytest.mark.parametrize(
    ("runtime", "handler", "name"),
    [
        ("python3.13", "app.handler", "app.py"),
        ("python3.13", "app.handler", "app/__init__.py"),
        ("python3.13", "src/app.handler", "src/app.py"),
        ("python3.13", "src.app.handler", "src/app.py"),
        ("python3.13", "app.handler", "app.cpython-313-x86_64-linux-gnu.so"),
        ("nodejs22.x", "index.handler", "index.js"),
        ("nodejs22.x", "index.handler", "index.mjs"),
        ("nodejs22.x", "dist/index.handler", "dist/index.cjs"),
        ("nodejs22.x", "index.api.users.get", "index.js"),
        ("nodejs22.x", "index.handler", "index/index.js"),
        ("ruby3.4", "function.handler", "function.rb"),
        ("ruby3.4", "lib/function.Module::Class.handler", "lib/function.rb"),
        ("provided.al2023", "anything", "bootstrap"),
        ("java21", "com.example.Handler::handle", "app.jar"),
        ("dotnet8", "Assembly::Type::Method", "app.dll"),
        ("", "app.handler", "other.py"),
        ("python3.13", "/opt/extension/app.handler", "other.py"),
    ],
)
def test_a_handler_that_is_there_or_cannot_be_judged(runtime: str, handler: str, name: str) -> None:
    require_handler(contents(name, "else.txt"), runtime, handler)


@pytest.mark.parametrize(
    ("runtime", "handler", "name", "missing"),
    [
        ("python3.13", "app.handler", "main.py", "app.py"),
        ("python3.13", "app.handler", "function/app.py", "app.py"),
        ("python3.13", "app.handler", "application.py", "app.py"),
        ("python3.13", "src.app.handler", "app.py", "src/app.py"),
        ("python3.13", "app.handler", "app.js", "app.py"),
        ("nodejs22.x", "index.handler", "src/index.js", "index.js"),
        ("nodejs22.x", "index.handler", "index.ts", "index.js"),
        ("ruby3.4", "function.handler", "app.rb", "function.rb"),
        ("provided.al2023", "bootstrap", "bin/bootstrap", "bootstrap"),
    ],
)
def test_a_handler_that_is_missing(runtime: str, handler: str, name: str, missing: str) -> None:
    with pytest.raises(InputError) as caught:
        require_handler(contents(name), runtime, handler)
    assert str(caught.value) == (
        f"artifact: the handler {handler} needs {missing}, which is not at the root of the archive"
        + (f". It has {name!r}" if name.endswith(f"/{missing}") else "")
    )


@pytest.mark.parametrize(
    ("handler", "packed", "text"),
    [
        ("app.handler", contents("App.py"), "It has 'App.py', and upper and lower case are different"),
        ("src.app.handler", contents("Src/app.py"), "It has 'Src/app.py', and upper"),
    ],
    ids=["case", "case of a folder"],
)
def test_a_handler_that_is_almost_there(handler: str, packed: Contents, text: str) -> None:
    with pytest.raises(InputError) as caught:
        require_handler(packed, "python3.13", handler)
    assert text in str(caught.value)


@pytest.mark.parametrize("handler", ["app", "src/app", ".handler", "src/.handler", ""])
def test_a_handler_that_names_no_function(handler: str) -> None:
    with pytest.raises(InputError, match="is not a valid handler") as caught:
        require_handler(contents("app.py"), "python3.13", handler)
    assert caught.value.name == "handler"


@pytest.mark.parametrize(
    ("runtime", "handler", "name"),
    [
        ("python3.13", "./src/app.handler", "src/app.py"),
        ("python3.13", "src.inner/app.handler", "src/inner/app.py"),
        ("python3.13", "/var/task/src/app.handler", "src/app.py"),
        ("python3.13", "app.handler", "app.pyc"),
        ("nodejs22.x", "./src/index.handler", "src/index.js"),
        ("nodejs22.x", "/var/task/src/index.handler", "src/index.mjs"),
        ("nodejs22.x", "src//index.handler", "src/index.js"),
        ("nodejs22.x", "wrapper/dist/index.handler", "node_modules/wrapper/dist/index.js"),
    ],
)
def test_spellings_of_a_handler(runtime: str, handler: str, name: str) -> None:
    require_handler(contents(name), runtime, handler)


@pytest.mark.parametrize(
    ("links", "name"),
    [
        ({"src": "lib"}, "lib/app.py"),
        ({"src": "./a/", "a": "/var/task/lib"}, "lib/app.py"),
        ({"src/app.py": "../lib/app.py"}, "lib/app.py"),
        ({"src/app": "../lib/app"}, "lib/app/__init__.py"),
        ({"src": "/opt/python"}, "else.py"),
        ({"src": "."}, "app.py"),
    ],
)
def test_a_handler_behind_links(links: Mapping[str, str], name: str) -> None:
    require_handler(contents(name, links=links), "python3.13", "src/app.handler")


def test_a_handler_that_is_a_link_to_nothing() -> None:
    with pytest.raises(
        InputError, match=r"needs app\.py, which is a link to 'gone\.py', and the archive does not have that"
    ):
        require_handler(contents("else.txt", links={"app.py": "gone.py"}), "python3.13", "app.handler")


def test_a_link_that_leads_to_no_handler() -> None:
    with pytest.raises(InputError, match=r"needs src/app.py, which is not at the root"):
        require_handler(contents("app.py", links={"src": "nowhere"}), "python3.13", "src/app.handler")


def test_backslashes_are_named() -> None:
    with pytest.raises(InputError, match=r"It has 'src.*app.py'") as caught:
        require_handler(contents("src\\app.py"), "python3.13", "src/app.handler")
    assert "backslashes, which Lambda does not take as folders" in caught.value.hint


@pytest.mark.parametrize("has_layers", [False, True])
@pytest.mark.parametrize("mode", [0o644, 0o744, None])
def test_a_bootstrap_that_is_not_executable(mode: int | None, *, has_layers: bool) -> None:
    found = Contents({"bootstrap": mode}, {})
    with pytest.raises(InputError, match="bootstrap is not executable") as caught:
        require_handler(found, "provided.al2023", "any", may_be_in_layer=has_layers)
    assert "chmod 755" in caught.value.hint


def test_a_bootstrap_elsewhere() -> None:
    require_handler(Contents({}, {}), "provided.al2023", "any", may_be_in_layer=True)
    require_handler(contents("bin/main", links={"bootstrap": "bin/main"}), "provided.al2023", "any")
    require_handler(contents(links={"bootstrap": "/opt/bootstrap"}), "provided.al2023", "any")
    with pytest.raises(InputError, match="bootstrap is not executable"):
        require_handler(contents("bin/main", mode=0o644, links={"bootstrap": "bin/main"}), "provided.al2", "any")


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o700])
def test_a_handler_that_not_everyone_may_read(mode: int) -> None:
    with pytest.raises(InputError, match=r"not everyone may read app.py") as caught:
        require_handler(contents("app.py", mode=mode), "python3.13", "app.handler")
    assert "chmod -R a+rX" in caught.value.hint
    require_handler(contents("app.py", mode=mode), "java21", "example.Handler")
    with pytest.raises(InputError, match=r"not everyone may read app.py"):
        require_handler(contents("app.py", mode=mode), "python3.13", "app.handler", may_be_in_layer=True)


@pytest.mark.parametrize("handler", ["app.handler", "run", "run.sh", "datadog_lambda.handler.handler"])
def test_a_layer_may_bring_the_handler(handler: str) -> None:
    require_handler(contents("else.py"), "python3.13", handler, may_be_in_layer=True)
