"""The GitHub release of a tag, with one section of notes per function or application."""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from promote.core.arn import Arn
from promote.core.errors import GitHubError
from promote.github.api.repository import GitHub, Release
from promote.github.tags import Version

BEGIN = "<!-- promote-on-success:begin {function} {place} -->"
END = "<!-- promote-on-success:end {function} {place} -->"
"""The markers around the section of a function, because several functions of a repository may share a tag. For several
functions that are released together, ``function`` is their names in alphabetical order, joined with :data:`AND`.
``place`` is their account and region (``promote.core.arn``), because functions in several may have the same name."""

AND = "+"
"""A character that function names cannot contain."""

BODY_LIMIT = 125_000
"""GitHub's limit for the text of a release, in characters. It includes the text of the author."""

_ATTEMPTS = 3
"""How often the section is written. GitHub replaces the whole text, so jobs for other functions may overwrite it."""
_ALREADY_EXISTS = "already_exists"

_IMMUTABLE_HINT = (
    "The tag belongs to an immutable release, which may be deleted. Use another tag, or remove publish-release."
)


@dataclass(frozen=True)
class Published:
    """The release after publishing."""

    url: str
    is_changed: bool
    """False if the text was already the same."""
    is_draft: bool
    """Whether the author must still publish it."""


def publish(github: GitHub, tag: str, section: "Section") -> Published:
    """Create the release of ``tag``, or write the section into the existing release.

    In an existing release, only the text between :data:`BEGIN` and :data:`END` of the functions is replaced. The other
    text stays, and the release stays a draft, a pre-release or the latest. The text of an immutable release can be
    edited too.

    Raises:
        GitHubError: The tag does not exist on GitHub, GitHub refuses, or there is no room for the notes.

    """
    try:
        return _publish(github, tag, section)
    except GitHubError as error:
        if error.status == HTTPStatus.UNPROCESSABLE_ENTITY and "immutable" in str(error):
            raise GitHubError(str(error), hint=_IMMUTABLE_HINT, status=error.status, codes=error.codes) from error
        raise


class Section:
    """The part of a release's text for a function, or for several functions that are released together.

    ``text_for`` returns the notes with at most the given number of characters. ``arn`` is that of any of the functions.
    If the release has a section of the same functions in another place, the heading shows the region, because both
    would look the same. If the other is in the same region, it also shows the end of the account.

    For several functions, the section is also replaced if it was written before a function was added, or when it
    contained one of ``retired``.
    """

    def __init__(
        self,
        functions: Sequence[str],
        text_for: Callable[[int], str],
        arn: Arn,
        retired: Collection[str] = (),
    ) -> None:
        name = AND.join(sorted(functions))
        self._own = {*functions, *retired} if len(functions) > 1 else set()
        self._arn = arn
        self._begin, self._end = (marker.format(function=name, place=arn.place) for marker in (BEGIN, END))
        begin, end = re.escape(self._begin), re.escape(self._end)
        self._pattern = re.compile(f"{begin}((?!{begin}).)*?{end}", re.DOTALL)
        self._elsewhere = re.compile(re.escape(BEGIN.format(function=name, place="@")).replace("@", "([\\w-]+)"))
        self._text_for = text_for
        # Rendered now, because it takes long. Between the read and the write of a release, other jobs may write it.
        self._whole = text_for(BODY_LIMIT)

    def is_in(self, body: str) -> bool:
        """Return whether ``body`` contains the section."""
        return bool(self._pattern.search(body))

    def placed(self, body: str, tag: str) -> str:
        """Return ``body`` with the section, in its old place or at the end. Markers without a counterpart are removed.

        Raises:
            GitHubError: The other text leaves no room.

        """
        before, after = self._around(_SEVERAL.sub(self._renamed, body))
        where = self._where(body)
        frame = f"{before}{self._begin}\n\n", f"\n\n{self._end}{after}"
        limit = BODY_LIMIT - sum(map(len, frame)) - len(where)
        text = self._text(limit) if limit > 0 else ""
        if limit <= 0 or len(text) > limit:
            raise GitHubError(
                f"the text of the release of {tag} leaves no room for the notes: GitHub accepts "
                f"{BODY_LIMIT:,} characters in all",
                hint="Shorten the other text of the release, or remove publish-release.",
            )
        # The first line of the action's own notes is a heading. A template may begin with anything.
        return re.sub(r"\A## .+", lambda line: line[0].rstrip() + where, text).join(frame)

    def _where(self, body: str) -> str:
        """Return the end of the heading, which distinguishes it from those of the same functions elsewhere."""
        others = {*self._elsewhere.findall(body)} - {self._arn.place}
        if not others:
            return ""
        is_same_region = any(place.rpartition("-")[0] == self._arn.region for place in others)
        return f" in {self._arn.region}" + (f", account {self._arn.account_end}" if is_same_region else "")

    def _renamed(self, marker: re.Match[str]) -> str:
        """Return the present marker for one of the same application with other functions."""
        is_ours = marker["place"] == self._arn.place and self._own.issuperset(marker["functions"].split(AND))
        return (self._begin if marker["side"] == "begin" else self._end) if is_ours else marker[0]

    def _text(self, limit: int) -> str:
        text = self._whole if len(self._whole) <= limit else self._text_for(limit)
        return _MARKER.sub("", text).strip()

    def _around(self, body: str) -> tuple[str, str]:
        """Return the text before and after the section, in its old place or at the end."""
        found = self._pattern.search(body)
        if found:
            return self._unmarked(body[: found.start()]), self._unmarked(self._pattern.sub("", body[found.end() :]))
        rest = self._unmarked(body)
        return (f"{rest}\n\n" if rest.strip() else "", "")

    def _unmarked(self, text: str) -> str:
        return text.replace(self._begin, "").replace(self._end, "")


def _publish(github: GitHub, tag: str, section: Section) -> Published:
    found = github.release(tag)
    if found is None:
        if not github.tag_commit(tag):
            raise GitHubError(
                f"the tag {tag} does not exist on GitHub",
                hint=f"Push it first: git push origin {tag}. If it exists, the token needs `contents: write`.",
            )
        try:
            return _published(_create(github, tag, section), is_changed=True)
        except GitHubError as error:
            # Another job has created the release.
            found = github.release(tag) if _ALREADY_EXISTS in error.codes else None
            if found is None:
                raise
    for _ in range(_ATTEMPTS):
        body = section.placed(found.body, tag)
        if _same(body, found.body):
            return _published(found, is_changed=False)
        written = github.update_release(found, body)
        found = github.release(tag) or written
        if section.is_in(found.body):
            return _published(found, is_changed=True)
    raise GitHubError(
        f"the notes were written to the release of {tag} {_ATTEMPTS} times, and overwritten by other jobs each time",
        hint="When the other jobs that write to this release have ended, run the job again.",
    )


def _create(github: GitHub, tag: str, section: Section) -> Release:
    version = Version.of(tag)
    is_prerelease = version is not None and version.is_prerelease
    return github.create_release(tag, section.placed("", tag), is_prerelease=is_prerelease)


def _published(release: Release, *, is_changed: bool) -> Published:
    return Published(release.url, is_changed, release.is_draft)


def _same(ours: str, theirs: str) -> bool:
    """Return whether two texts are the same on GitHub. Its editor writes CR LF, and removes spaces at the end."""
    return ours.replace("\r\n", "\n").rstrip() == theirs.replace("\r\n", "\n").rstrip()


_MARKER = re.compile(r"<!-- promote-on-success:(?:begin|end)[^>]*-->")
"""The markers of any function. The notes must not contain one."""

_SEVERAL = re.compile(
    r"<!-- promote-on-success:(?P<side>begin|end) (?P<functions>[\w-]+(?:\+[\w-]+)+) (?P<place>[\w-]+) -->"
)
"""The markers of several functions."""
