"""The order of tags, by their names only."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import total_ordering
from operator import itemgetter
from typing import Self


@total_ordering
@dataclass(frozen=True)
class Version:
    """The version in the name of a tag, such as ``v1.2.0-rc.1`` or ``hello/2026.11``."""

    prefix: str
    """The text before the number. Tags with different prefixes belong to different series."""
    numbers: tuple[int, ...]
    suffix: str = ""
    """The suffix of a pre-release (``rc.1``) or a later edition (``post1``); empty for the release itself."""
    variant: str = ""
    """Any other text after the number, such as ``arm64``. Tags with different ones belong to different series, too."""

    @classmethod
    def of(cls, tag: str) -> Self | None:
        """Return the version of ``tag``; None if its name is not a version."""
        start = len(_name_before(tag))
        found = _DATED.fullmatch(tag) or _DOTTED.fullmatch(tag, start) or _NUMBERED.fullmatch(tag, start)
        if not found:
            return None
        prefix = tag[: found.start("numbers")]
        numbers = tuple(int(number) for number in re.split(r"\D", found["numbers"]))
        text = found.groupdict().get("suffix") or ""
        if text.lower() in _FINAL or _COMMIT.fullmatch(text):
            return cls(prefix, numbers)
        if not (text[:1].isdecimal() or _is_edition(text)):
            return cls(prefix, numbers, *_edition_after_variant(text))
        both = _BEFORE_VARIANT.fullmatch(text)
        if both and not (_is_edition(both["variant"]) or _COMMIT.fullmatch(both["variant"])):
            return cls(prefix, numbers, both["suffix"], both["variant"])
        return cls(prefix, numbers, text)

    @property
    def is_prerelease(self) -> bool:
        """Whether it is before the release with the same number: ``1.2.0-rc.1``, ``1.2.0b2``."""
        return bool(self.suffix) and not _LATER.match(self.suffix)

    def __lt__(self, other: Self) -> bool:
        return self._order < other._order

    @property
    def _order(self) -> tuple[object, ...]:
        """The sort key, by the rules of https://semver.org/#spec-item-11."""
        numbers = self.numbers
        while numbers and numbers[-1] == 0:  # 1.2 is 1.2.0
            numbers = numbers[:-1]
        parts = tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in _parts(self.suffix))
        return (self.prefix, self.variant, numbers, -1 if self.is_prerelease else int(bool(self.suffix)), parts)


def before(tag: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return the tags in ``names`` that are before ``tag`` in its series, the nearest first.

    Only releases are before a release, so that its notes include the changes of its pre-releases. Any older version is
    before a pre-release. If ``tag`` is not a version, there is none before it.
    """
    ours = Version.of(tag)
    if ours is None:
        return ()
    found = []
    for name in set(names) - {tag}:
        version = Version.of(name)
        if version is None or (version.prefix, version.variant) != (ours.prefix, ours.variant) or not version < ours:
            continue
        if ours.is_prerelease or not version.is_prerelease:
            found.append((version, name))
    # If tags have the same number, such as v1 and v1.0.0, the longest is first, because the short one is moved.
    found.sort(key=lambda one: (len(one[0].numbers), one[1]))
    return tuple(name for _, name in sorted(found, key=itemgetter(0))[::-1])


def _is_edition(text: str) -> bool:
    """Return whether ``text`` begins with the word of a pre-release or a later edition, such as ``RC1`` or ``rc.1``."""
    return bool(_LATER.match(text)) or re.split(r"[^a-z]", text.lower(), maxsplit=1)[0] in _EARLIER


def _edition_after_variant(text: str) -> tuple[str, str]:
    """Return the edition at the end of ``text`` and the variant before it: ``rc.1`` and ``arm64`` in ``arm64-rc.1``."""
    # A single letter may belong to the variant.
    starts = [part.start() for part in re.finditer(r"(?<=[-._])[A-Za-z]{2}", text) if _is_edition(text[part.start() :])]
    return (text[starts[0] :], text[: starts[0] - 1]) if starts else ("", text)


def _parts(suffix: str) -> list[str]:
    return re.findall(r"\d+|[^\d.]+", suffix)


def _name_before(tag: str) -> str:
    """Return the part of ``tag`` that ends with a word before a version: ``python3.12-`` before ``v1.10.0``."""
    ends = [
        found.end()
        for found in _NAME.finditer(tag.partition("+")[0])
        if found["word"].lower() not in _FINAL | _EARLIER
        and not _LATER.match(found["word"])
        and not _VERSION.match(found[0])
    ]
    return tag[: max(ends, default=0)]


_NAME = re.compile(
    r"(?<![A-Za-z0-9])(?P<word>[A-Za-z]+)"
    r"[\d.]*[-_/@ ](?:(?:\d[\d.]*[-_/@ ])?(?=[vV]\d)|(?=\d+(?:\.\d+)+))"
)
"""A word, with the number of what it names: ``python3.12-``. Before ``v``, that may be apart: ``python-3.12-``."""
_VERSION = re.compile(r"[vV]\d+\.")
_DATED = re.compile(r"(?P<prefix>\D*)(?P<numbers>\d{4}([-_])\d\d?\3\d\d?(?:[-_.T]\d+)*)")
"""A date, which may have a counter or a time: ``release/2026-11-23.2``, ``2026-11-23T10-30``."""
_DOTTED = re.compile(
    r"(?P<prefix>.*?)(?P<numbers>\d+(?:\.\d+)+)(?:[-._]?(?P<suffix>(?<=[-._])\d[\w.-]*|[A-Za-z][\w.-]*))?(?:\+.*)?"
)
_NUMBERED = re.compile(r"(?P<prefix>\D*)(?P<numbers>\d+(?:[-_]\d+)*)")
"""A single number or a date: ``build-123``, ``release-2026-11-23``."""
_FINAL = frozenset({"final", "ga", "release"})
_EARLIER = frozenset(
    re.findall(r"\w+", "a alpha b beta c canary cr dev m milestone next nightly pre preview rc snapshot")
)
_BEFORE_VARIANT = re.compile(r"(?P<suffix>[A-Za-z]+[-.]?\d+)[-_](?P<variant>[A-Za-z][\w.-]*)")
"""A pre-release of a variant: ``rc.1-arm64``."""
_COMMIT = re.compile(r"(?=\d*[a-f])(?=[a-f]*\d)[0-9a-f]{7,40}")
"""The short SHA of a commit, which says nothing about the order."""
_LATER = re.compile(r"(?:post|patch|hotfix|sp|p)(?![a-z])", re.IGNORECASE)
