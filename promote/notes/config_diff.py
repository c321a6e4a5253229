"""The differences between two versions of a function, without the values of environment variables."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from promote.aws.archive import size_of
from promote.aws.fingerprint import CONFIGURABLE
from promote.notes.model import Difference

_SET, _CHANGED = "set", "changed"


def differences(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Return the differences between two FunctionConfigurations from Lambda; none if ``before`` is None."""
    return tuple(_differences(before, after)) if before is not None else ()


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Difference]:
    for name, value in _SHOWN.items():
        yield from _difference(name, value(before), value(after))
    yield from _layers(before, after)
    yield from _variables(before, after)
    for key in CONFIGURABLE:
        if key not in _COVERED:
            rest = _flat(before.get(key), key), _flat(after.get(key), key)
            for name in sorted(rest[0].keys() | rest[1].keys()):
                yield from _difference(name, rest[0].get(name, ""), rest[1].get(name, ""))


def _difference(name: str, before: str, after: str) -> Iterator[Difference]:
    if before == after:
        return
    old, new = _unlocated(before), _unlocated(after)
    yield Difference(name, old, new if old != new else f"{new}, elsewhere")


def _unlocated(text: str) -> str:
    """Remove account and region from ARNs, because the notes may be public."""
    return _PLACE.sub("", text)


_PLACE = re.compile(r"\barn:[\w-]+:[\w-]+:[\w-]*:\d{12}:")


def _text(key: str, unit: str = "") -> Callable[[Mapping[str, Any]], str]:
    def value(configuration: Mapping[str, Any]) -> str:
        found = configuration.get(key)
        if found in (None, "", []):
            return ""
        return f"{', '.join(map(str, found)) if isinstance(found, list) else found}{unit}"

    return value


def _digest(package_type: str) -> Callable[[Mapping[str, Any]], str]:
    """Return a reader of the digest of the code, if the package has this type."""

    def value(configuration: Mapping[str, Any]) -> str:
        is_it = configuration.get("PackageType", "Zip") == package_type
        return str(configuration.get("CodeSha256") or "") if is_it else ""

    return value


def _code_size(configuration: Mapping[str, Any]) -> str:
    count = configuration.get("CodeSize")
    return size_of(count) if count else ""  # for an image, Lambda returns 0


def _storage(configuration: Mapping[str, Any]) -> str:
    found = (configuration.get("EphemeralStorage") or {}).get("Size")
    return f"{found} MB" if found else ""


def _snap_start(configuration: Mapping[str, Any]) -> str:
    """Return the setting. Its status is not compared, because it differs between a version and $LATEST."""
    return str((configuration.get("SnapStart") or {}).get("ApplyOn") or "").replace("None", "")


def _image(key: str) -> Callable[[Mapping[str, Any]], str]:
    def value(configuration: Mapping[str, Any]) -> str:
        found = ((configuration.get("ImageConfigResponse") or {}).get("ImageConfig") or {}).get(key) or ""
        return " ".join(map(str, found)) if isinstance(found, list) else str(found)

    return value


_SHOWN: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "Package": lambda configuration: str(configuration.get("PackageType") or "Zip"),
    "Code size": _code_size,
    "CodeSha256": _digest("Zip"),
    "Image digest": _digest("Image"),
    "Entry point": _image("EntryPoint"),
    "Image command": _image("Command"),
    "Working directory": _image("WorkingDirectory"),
    "Runtime": _text("Runtime"),
    "Handler": _text("Handler"),
    "Memory": _text("MemorySize", " MB"),
    "Timeout": _text("Timeout", " s"),
    "Architecture": _text("Architectures"),
    "Storage": _storage,
    "SnapStart": _snap_start,
    "Role": _text("Role"),
}
_COVERED = frozenset(
    {
        "Architectures",
        "Environment",
        "EphemeralStorage",
        "Handler",
        "ImageConfig",
        "Layers",
        "MemorySize",
        "PackageType",
        "Role",
        "Runtime",
        "SnapStart",
        "Timeout",
    }
)
"""The fields with a special text, or that cannot be compared directly."""


def _layers(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Difference]:
    """Compare the layers by their ARNs without versions, and their order. The versions are shown."""
    arns = [[str(layer["Arn"]) for layer in which.get("Layers") or []] for which in (before, after)]
    old, new = ({arn.rpartition(":")[0]: arn.rpartition(":")[2] for arn in which} for which in arns)
    for arn in sorted(old.keys() | new.keys()):
        yield from _difference(f"Layer {arn.rpartition(':')[2]}", *(_layer(arn, which) for which in (old, new)))
    if old == new and arns[0] != arns[1]:
        names = [", ".join(arn.split(":")[-2] for arn in which) for which in arns]
        yield Difference("Order of layers", *names)


def _layer(arn: str, versions: Mapping[str, str]) -> str:
    return f"{arn}:{versions[arn]}" if arn in versions else ""


def _variables(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Difference]:
    """Compare the environment variables. The values are not shown."""
    old, new = ((which.get("Environment") or {}) for which in (before, after))
    if old.get("Error") or new.get("Error"):
        return  # they could not be decrypted, so they only seem to be missing
    old, new = (which.get("Variables") or {} for which in (old, new))
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            yield Difference(f"Variable {name}", "", _SET)
        elif name not in new:
            yield Difference(f"Variable {name}", _SET, "")
        elif old[name] != new[name]:
            yield Difference(f"Variable {name}", _SET, _CHANGED)


def _flat(value: Any, name: str) -> dict[str, str]:
    """Return the values in ``value`` by their paths, such as ``TracingConfig.Mode``."""
    if isinstance(value, Mapping):
        return {key: found for part, inner in value.items() for key, found in _flat(inner, f"{name}.{part}").items()}
    if isinstance(value, list):
        if any(isinstance(item, Mapping | list) for item in value):
            parts = (_flat(item, f"{name}.{number}") for number, item in enumerate(value, 1))
            return {key: found for part in parts for key, found in part.items()}
        return {name: ", ".join(sorted(map(str, value)))} if value else {}
    return {} if value in (None, "") else {name: str(value)}
