"""The values that a template may insert, how they are shown, and the action's filters.

All inserted values are escaped, except the results of the action's filters.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from typing import NoReturn

from jinja2 import Undefined

from promote.core.run import short_commit
from promote.github.actions import markdown
from promote.github.actions.markdown import Markdown
from promote.github.model import Person, PullRequest
from promote.notes.model import Notes

_LOGIN = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9-]{0,38})(?P<bot>\[bot\])?", re.ASCII)
_TIME = "%Y-%m-%d %H:%M UTC"
DOCUMENTED = "docs/release-notes.md lists what templates can use."


class Refused(Exception):  # noqa: N818 - it becomes an InputError
    """A template is not valid, in ``line`` (0 if it is not known)."""

    def __init__(self, problem: str, hint: str, line: int = 0) -> None:
        super().__init__(problem)
        self.problem, self.hint, self.line = problem, hint, line


@dataclass(frozen=True)
class Style:
    """How text is shown: ``text`` a sentence, ``code`` a value, ``prose`` a sentence with words marked as code."""

    text: Callable[[str], Markdown]
    code: Callable[[str], Markdown]
    prose: Callable[[str], Markdown]


OURS = Style(markdown.text, markdown.code, markdown.prose)
"""For the action's template, which only inserts text where Markdown is read."""
ANYWHERE = Style(markdown.text_anywhere, markdown.code_anywhere, markdown.prose_anywhere)
"""For users' templates, which may insert text anywhere."""


def shown(value: object, style: Style) -> Markdown:
    """Return an inserted value as Markdown.

    Raises:
        Refused: The value is not a text, a number or a time.

    """
    if isinstance(value, Markdown):
        return value
    if isinstance(value, datetime):
        return Markdown(time(value))
    if value is None:
        return Markdown("")
    if isinstance(value, Undefined):
        value = str(value)  # raises the error, unless it is the result of an if without else
    if not isinstance(value, str | int | float):
        raise Refused(f"{kind_of(value)} cannot be inserted as it is", _parts(value))
    words = str(value)
    around = [" " if words[end : end + 1].isspace() else "" for end in (0, len(words) - 1)]
    body = style.text(words)
    return Markdown(f"{around[0]}{body}{around[1]}" if body else around[0])


class Filters:
    """The action's filters, by their names in templates."""

    NAMES = frozenset(
        {"code", "commit", "date", "duration", "join", "link", "mention", "person", "prose", "pull_request"}
    )

    def __init__(self, style: Style, notes: Notes) -> None:
        self._style = style
        self._site = notes.repository_url.rstrip("/")
        self._server = self._site.removesuffix(f"/{notes.repository}") if notes.repository else ""

    def by_name(self) -> dict[str, Callable[..., Markdown]]:
        """Return the filters for Jinja."""
        return {name: getattr(self, name) for name in self.NAMES}

    def code(self, value: object) -> Markdown:
        """Return a text as code."""
        return self._style.code(_text(value, "code"))

    def prose(self, value: object) -> Markdown:
        """Return a text in which words between backticks are code."""
        return self._style.prose(_text(value, "prose"))

    def link(self, label: object, address: object) -> Markdown:
        """Return a link to an address."""
        return markdown.link(shown(label, self._style), _text(address, "link"))

    def commit(self, sha: object) -> Markdown:
        """Return a link to a commit."""
        digest = _text(sha, "commit")
        is_digest = re.fullmatch(r"[0-9a-f]{7,64}", digest)
        label = self._style.code(short_commit(digest) if is_digest else digest)
        return markdown.link(label, f"{self._site}/commit/{digest}" if self._site and is_digest else "")

    def pull_request(self, request: object) -> Markdown:
        """Return a link to a pull request."""
        if not isinstance(request, PullRequest):
            _misused("pull_request", "a pull request", request)
        # Without a page, it is text that GitHub does not turn into a link.
        number = f"#{request.number}"
        return markdown.link(Markdown(number) if request.url else self._style.text(number), request.url)

    def person(self, who: object) -> Markdown:
        """Return a link to a profile. GitHub sends no notification for a link."""
        if not isinstance(who, Person):
            _misused("person", "a person", who)
        account = _LOGIN.fullmatch(who.login)
        if not (self._server and account):
            return self._style.text(who.name or who.login)
        if account["bot"]:
            return markdown.link(self._style.text(who.login), f"{self._server}/apps/{account['name']}")
        return markdown.link(Markdown(f"@{who.login}"), f"{self._server}/{who.login}")

    def mention(self, who: object) -> Markdown:
        """Return a mention, for which GitHub sends a notification."""
        if not isinstance(who, Person):
            _misused("mention", "a person", who)
        account = _LOGIN.fullmatch(who.login)
        return Markdown(f"@{who.login}") if account and not account["bot"] else self.person(who)

    def join(self, values: Iterable[object], separator: object = "") -> Markdown:
        """Return the values joined with a separator."""
        return Markdown(shown(separator, self._style).join(shown(value, self._style) for value in values))

    def date(self, moment: object) -> Markdown:
        """Return the day of a time."""
        if not isinstance(moment, datetime):
            _misused("date", "a time", moment)
        return Markdown(moment.astimezone(UTC).strftime("%Y-%m-%d"))

    def duration(self, seconds: object) -> Markdown:
        """Return a number of seconds as a duration."""
        from promote.github.actions.summary import duration  # noqa: PLC0415 - slow to load, and rarely needed

        if not isinstance(seconds, int | float):
            _misused("duration", "a number of seconds", seconds)
        return Markdown(duration(seconds))


def time(moment: datetime) -> str:
    """Return a time in the format of the notes."""
    return moment.astimezone(UTC).strftime(_TIME)


def field_names(value: object) -> frozenset[str]:
    """Return the names of the parts of ``value``; empty if it has no parts."""
    return frozenset(field.name for field in fields(value)) if is_dataclass(value) else frozenset()


def kind_of(value: object) -> str:
    """Return the kind of ``value`` in words: ``PullRequest`` is a pull request."""
    if is_dataclass(value):
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(value).__name__).lower()
        return words if words.endswith("s") else f"a {words}"
    kinds = {str: "text", tuple: "a list", list: "a list", dict: "a mapping", datetime: "a time", type(None): "nothing"}
    return next((words for kind, words in kinds.items() if isinstance(value, kind)), f"a {type(value).__name__}")


def _parts(value: object) -> str:
    names = field_names(value)
    if names:
        return f"Insert one of its parts: {', '.join(sorted(names))}."
    return "Use {% for %}, or join it: {{ list | join(', ') }}."


def _text(value: object, name: str) -> str:
    if not isinstance(value, str | int):
        _misused(name, "text", value)
    return str(value)


def _misused(name: str, wanted: str, value: object) -> NoReturn:
    if isinstance(value, Undefined):
        str(value)  # raises the error
    raise Refused(f"the filter {name} takes {wanted}, and this is {kind_of(value)}", DOCUMENTED)
