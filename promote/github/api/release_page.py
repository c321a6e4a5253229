"""The GitHub Release of a tag, with the notes of each function, or of each application, in a section of their own."""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from promote.core.errors import GitHubError
from promote.github.api.repository import GitHub, Release
from promote.github.tags import Version

BEGIN = "<!-- promote-on-success:begin {function} -->"
END = "<!-- promote-on-success:end {function} -->"
"""What stands around the section of a function: several functions of a repository may share a tag. That of several
functions which are released as one has the names of all, by the alphabet and with :data:`AND` in between."""

AND = "+"
"""What no function's name has."""

BODY_LIMIT = 125_000
"""Characters of a release's text, the author's included: GitHub refuses more."""

_ATTEMPTS = 3
"""Times that the section is written: GitHub takes a text as a whole, and jobs for other functions may write theirs."""
_ALREADY_EXISTS = "already_exists"

_IMMUTABLE_HINT = (
    "An immutable release is there, or was: its tag is used up. Take another tag, or leave publish-release out."
)


@dataclass(frozen=True)
class Published:
    """What became of a release."""

    url: str
    is_changed: bool
    """False: it said the same before."""
    is_draft: bool
    """Whether it is still to be published by its author."""


def publish(
    github: GitHub,
    tag: str,
    functions: Sequence[str],
    text_for: Callable[[int], str],
    *,
    retired: Collection[str] = (),
) -> Published:
    """Make the release of ``tag``, or put the notes of ``functions`` into the one that is there.

    ``text_for`` gives the notes with at most so many characters. In a release that is there, only what stands between
    :data:`BEGIN` and :data:`END` of the functions is replaced; the rest of its text, and whether it is a draft, a
    pre-release or the latest, stays as its author has it. That goes for an immutable release too: GitHub lets its text
    be edited.

    Raises:
        GitHubError: GitHub has no such tag, does not let us, or the author's text leaves no room.

    """
    try:
        return _publish(github, tag, Section(functions, text_for, retired))
    except GitHubError as error:
        if error.status == HTTPStatus.UNPROCESSABLE_ENTITY and "immutable" in str(error):
            raise GitHubError(str(error), hint=_IMMUTABLE_HINT, status=error.status, codes=error.codes) from error
        raise


class Section:
    """The part of a release's text that is a function's, or that of several which are released as one.

    Of several, a section that was written before a function was added, or while one of ``retired`` belonged to them, is
    the same one: it is replaced.
    """

    def __init__(self, functions: Sequence[str], text_for: Callable[[int], str], retired: Collection[str] = ()) -> None:
        name = AND.join(sorted(functions))
        self._own = {*functions, *retired} if len(functions) > 1 else set()
        self._begin, self._end = BEGIN.format(function=name), END.format(function=name)
        begin, end = re.escape(self._begin), re.escape(self._end)
        self._pattern = re.compile(f"{begin}((?!{begin}).)*?{end}", re.DOTALL)
        self._text_for = text_for
        # Rendered now, since it takes a while: between reading a release and writing it others may write theirs.
        self._whole = text_for(BODY_LIMIT)

    def is_in(self, body: str) -> bool:
        """Whether ``body`` has one."""
        return bool(self._pattern.search(body))

    def placed(self, body: str, tag: str) -> str:
        """Put it into ``body``: where it is, else at the end. Markers that have no counterpart are removed.

        Raises:
            GitHubError: the rest leaves no room.

        """
        before, after = self._around(_SEVERAL.sub(self._renamed, body))
        frame = f"{before}{self._begin}\n\n", f"\n\n{self._end}{after}"
        limit = BODY_LIMIT - sum(map(len, frame))
        text = self._text(limit) if limit > 0 else ""
        if limit <= 0 or len(text) > limit:
            raise GitHubError(
                f"the text that the release of {tag} has already leaves no room for the notes: GitHub takes "
                f"{BODY_LIMIT:,} characters in all",
                hint="Shorten the release's own text, or leave publish-release out.",
            )
        return text.join(frame)

    def _renamed(self, marker: re.Match[str]) -> str:
        """Give our own marker for one of the same application, as it was before."""
        is_ours = self._own.issuperset(marker["functions"].split(AND))
        return (self._begin if marker["place"] == "begin" else self._end) if is_ours else marker[0]

    def _text(self, limit: int) -> str:
        text = self._whole if len(self._whole) <= limit else self._text_for(limit)
        return _MARKER.sub("", text).strip()

    def _around(self, body: str) -> tuple[str, str]:
        """Give what stands before and after it, where it is or where it is to be."""
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
                f"there is no tag {tag} on GitHub to make a release of",
                hint=f"Push it first: git push origin {tag}. If it is there, the token needs `contents: write`.",
            )
        try:
            return _published(_create(github, tag, section), is_changed=True)
        except GitHubError as error:
            # Somebody else was first.
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
        f"the notes were written to the release of {tag} {_ATTEMPTS} times, and others have overwritten them each time",
        hint="Run the job again when the others that write to this release have ended.",
    )


def _create(github: GitHub, tag: str, section: Section) -> Release:
    version = Version.of(tag)
    is_prerelease = version is not None and version.is_prerelease
    return github.create_release(tag, section.placed("", tag), is_prerelease=is_prerelease)


def _published(release: Release, *, is_changed: bool) -> Published:
    return Published(release.url, is_changed, release.is_draft)


def _same(ours: str, theirs: str) -> bool:
    """Compare as GitHub keeps texts: its editor makes CR LF of line feeds, and drops space at the end."""
    return ours.replace("\r\n", "\n").rstrip() == theirs.replace("\r\n", "\n").rstrip()


_MARKER = re.compile(r"<!-- promote-on-success:(?:begin|end)[^>]*-->")
"""Of any function: notes have none in them."""

_SEVERAL = re.compile(r"<!-- promote-on-success:(?P<place>begin|end) (?P<functions>[\w-]+(?:\+[\w-]+)+) -->")
"""Of several functions."""
