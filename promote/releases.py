"""The GitHub Release of a tag, with our notes in a section of their own."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from promote.errors import GitHubError
from promote.github import GitHub, Release
from promote.tags import Version

BEGIN = "<!-- promote-on-success:begin -->"
END = "<!-- promote-on-success:end -->"

BODY_LIMIT = 125_000
"""Characters of a release's text, the author's included: GitHub refuses more."""

_ALREADY_EXISTS = "already_exists"
_INVALID = 422
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


def publish(github: GitHub, tag: str, text_for: Callable[[int], str]) -> Published:
    """Make the release of ``tag``, or put our notes into the one that is there.

    ``text_for`` gives the notes with at most so many characters. In a release that is there, only what stands between
    :data:`BEGIN` and :data:`END` is replaced; the rest of its text, and whether it is a draft, a pre-release or the
    latest, stays as its author has it. That goes for an immutable release too: GitHub lets its text be edited.

    Raises:
        GitHubError: GitHub has no such tag, does not let us, or the author's text leaves no room.

    """
    try:
        return _publish(github, tag, text_for)
    except GitHubError as error:
        if error.status == _INVALID and "immutable" in str(error):
            raise GitHubError(str(error), hint=_IMMUTABLE_HINT, status=error.status, codes=error.codes) from error
        raise


def _publish(github: GitHub, tag: str, text_for: Callable[[int], str]) -> Published:
    found = github.release(tag)
    if found is None:
        if not github.tag_commit(tag):
            raise GitHubError(
                f"there is no tag {tag} on GitHub to make a release of",
                hint=f"Push it first: git push origin {tag}. If it is there, the token needs `contents: write`.",
            )
        try:
            return _published(_create(github, tag, text_for), is_changed=True)
        except GitHubError as error:
            # Somebody else was first.
            found = github.release(tag) if _ALREADY_EXISTS in error.codes else None
            if found is None:
                raise
    body = placed(found.body, tag, text_for)
    if _same(body, found.body):
        return _published(found, is_changed=False)
    return _published(github.update_release(found, body), is_changed=True)


def placed(body: str, tag: str, text_for: Callable[[int], str]) -> str:
    """Put our section into ``body``: where it is, else at the end. Markers that have no counterpart are removed.

    Raises:
        GitHubError: the rest leaves no room.

    """
    before, after = _around(body)
    frame = f"{before}{BEGIN}\n\n", f"\n\n{END}{after}"
    limit = BODY_LIMIT - sum(map(len, frame))
    text = _without_markers(text_for(limit)).strip() if limit > 0 else ""
    if limit <= 0 or len(text) > limit:
        raise GitHubError(
            f"the text that the release of {tag} has already leaves no room for the notes: GitHub takes "
            f"{BODY_LIMIT:,} characters in all",
            hint="Shorten the release's own text, or leave publish-release out.",
        )
    return text.join(frame)


def _around(body: str) -> tuple[str, str]:
    """Give what stands before and after our section, where it is or where it is to be."""
    found = _SECTION.search(body)
    if found:
        return _without_markers(body[: found.start()]), _without_markers(_SECTION.sub("", body[found.end() :]))
    rest = _without_markers(body)
    return (f"{rest}\n\n" if rest.strip() else "", "")


def _without_markers(text: str) -> str:
    return text.replace(BEGIN, "").replace(END, "")


def _create(github: GitHub, tag: str, text_for: Callable[[int], str]) -> Release:
    version = Version.of(tag)
    return github.create_release(
        tag, placed("", tag, text_for), is_prerelease=version is not None and version.is_prerelease
    )


def _published(release: Release, *, is_changed: bool) -> Published:
    return Published(release.url, is_changed, release.is_draft)


def _same(ours: str, theirs: str) -> bool:
    """Compare as GitHub keeps texts: its editor makes CR LF of line feeds, and drops space at the end."""
    return ours.replace("\r\n", "\n").rstrip() == theirs.replace("\r\n", "\n").rstrip()


_SECTION = re.compile(f"{re.escape(BEGIN)}((?!{re.escape(BEGIN)}).)*?{re.escape(END)}", re.DOTALL)
