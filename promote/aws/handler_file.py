"""The file that a handler names, and whether Lambda can run it."""

import fnmatch
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping

from promote.aws.contents import BACKSLASHES, Contents
from promote.core.errors import InputError


def require_handler(contents: Contents, runtime: str, handler: str, *, may_be_in_layer: bool = False) -> None:
    """Check that the archive has the file that ``handler`` names, for runtimes whose file names are known.

    With ``may_be_in_layer``, the file may be missing. If the archive has it, Lambda must be able to run it.

    Raises:
        InputError: The file is missing, Lambda cannot run it, or ``handler`` is not valid.

    """
    family = re.match(r"[a-z]*", runtime)
    endings = _ENDINGS.get(family[0] if family else "")
    if endings is None:
        return
    try:
        module = "bootstrap" if runtime.startswith("provided") else _module(runtime, handler)
    except InputError:
        if may_be_in_layer:  # a layer may take handlers of another form, such as a script
            return
        raise
    if module is None:
        return
    is_node = runtime.startswith("nodejs")
    found = next(filter(contents.has_file, _files(contents, module, endings, is_node=is_node)), "")
    if not found:
        if not may_be_in_layer:
            raise _missing(contents, module, endings, handler, is_node=is_node)
        return
    if runtime.startswith("provided") and not contents.is_executable(found):
        raise InputError(
            "artifact",
            "bootstrap is not executable, so Lambda cannot start it",
            hint="Set artifact to the directory, which the action packs with the right permissions; or run chmod 755 "
            "bootstrap before zip. Archives that are made on Windows have no permissions.",
        )
    if not contents.is_readable(found):
        raise InputError(
            "artifact",
            f"not everyone may read {found}, so Lambda cannot load the handler",
            hint="Set artifact to the directory, which the action packs with the right permissions; or run chmod -R "
            "a+rX before zip.",
        )


def _module(runtime: str, handler: str) -> str | None:
    """Return the path that ``handler`` names, without the ending; None if it is not in the archive.

    Raises:
        InputError: The handler is not valid.

    """
    is_python = runtime.startswith("python")
    folder, slash, last = handler.removeprefix("/var/task/").rpartition("/")
    if folder.startswith("/") or (slash and not folder):
        return None
    # In Python, the function follows the last dot. In the other runtimes, the file precedes the first dot.
    file, dot, _ = last.rpartition(".") if is_python else last.partition(".")
    if not (file and dot):
        raise InputError(
            "handler",
            f"{handler!r} is not a valid handler",
            hint="Write the file without its extension, a dot, and the function. Example: app.handler.",
        )
    path = folder + slash + file
    if is_python:
        # Lambda imports it as a module: a dot is as good as a slash, but "./" makes it relative.
        return path.removeprefix("./").replace(".", "/")
    return posixpath.normpath(path)


def _files(contents: Contents, module: str, endings: Iterable[str], *, is_node: bool) -> Iterator[str]:
    """Yield the files of the archive that Lambda would load, at the path that the links in it lead to."""
    for place in (module, f"node_modules/{module}") if is_node else (module,):
        folder, last = posixpath.split(place)
        there = contents.follow(folder) if folder else ""
        if there is None:  # a link leads out of the archive, such as to a layer, which may have the file
            yield place
            continue
        start = posixpath.join(there, last)
        yield from (name for name in contents.names if name.startswith(start) and _ends(name[len(start) :], endings))
        package = contents.follow(start)
        if package and package != start:  # a package whose folder is a link
            yield from (
                name for name in contents.names if name.startswith(package) and _ends(name[len(package) :], endings)
            )


def _ends(rest: str, endings: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(rest, ending) for ending in endings)


def _missing(contents: Contents, module: str, endings: Iterable[str], handler: str, *, is_node: bool) -> InputError:
    """Return the error for a missing file, with where a file of that name is."""
    link = next(filter(contents.links.get, _files(contents, module, endings, is_node=is_node)), "")
    if link:
        return InputError(
            "artifact",
            f"the handler {handler} needs {link}, which is a link to {contents.links[link]!r}, and the archive does "
            "not have that",
            hint="Add the target of the link to the archive, or replace the link with the file.",
        )
    first = next(iter(endings))
    name = f"{module}{first}"
    message = f"the handler {handler} needs {name}, which is not at the root of the archive"
    for other in sorted(contents.names):
        if "\\" in other and other.replace("\\", "/") == name:
            return InputError("artifact", f"{message}. It has {other!r}", hint=BACKSLASHES)
        if other.lower() == name.lower():
            return InputError(
                "artifact",
                f"{message}. It has {other!r}, and upper and lower case are different",
                hint="Rename the file, or correct the input handler.",
            )
    deeper = min((other for other in contents.names if other.endswith(f"/{name}")), key=len, default="")
    return InputError(
        "artifact",
        f"{message}. It has {deeper!r}" if deeper else message,
        hint="Set artifact to the directory that contains that file, or correct the input handler.",
    )


_ENDINGS: Mapping[str, tuple[str, ...]] = {
    "python": (".py", "/__init__.py", ".pyc", "/__init__.pyc", ".so", ".*.so"),
    "nodejs": (".js", ".mjs", ".cjs", "", "/index.js", "/package.json"),
    "ruby": (".rb",),
    "provided": ("",),
}
"""How the files end that a runtime loads for a handler, by the runtime's family."""
