"""Shorten notes to a limit by leaving out changes, so that each shown change is complete."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count as count_up

from promote.github.actions.markdown import Markdown, link
from promote.notes.model import Changes, Notes, Section
from promote.notes.template import Environment, compare_url, compiled, rendered
from promote.notes.template_values import ANYWHERE, OURS, Refused, Style

_GOOD = 0.97
"""The share of the limit that is enough to stop the search."""


@dataclass(frozen=True)
class Task:
    """A template and the notes to render."""

    source: str
    notes: Notes
    limit: int
    """The most characters."""
    is_ours: bool = False

    def done(self) -> Markdown:
        """Return the rendered notes.

        Raises:
            Refused: The user's template failed, or the notes are too long even without changes.

        """
        style = OURS if self.is_ours else ANYWHERE
        template = compiled(self.source, Environment(style, self.notes))
        try:
            return fitted(lambda notes, left_out: rendered(template, notes, left_out), self.notes, self.limit, style)
        except Refused:
            if not self.is_ours:
                raise
            return _ending(self.notes, 0, style)


def fitted(show: Callable[[Notes, int], str], notes: Notes, limit: int, style: Style) -> Markdown:
    """Return ``notes``, rendered by ``show``, with as many changes as fit in ``limit`` characters.

    Raises:
        Refused: The notes do not fit even without changes.

    """
    whole = show(notes, 0)
    if len(whole) <= limit:
        return Markdown(whole)
    # The smallest length that is known not to fit, and the largest that fits. The size is about linear between them.
    least, most, size, found = longest(notes), -1, len(whole), ""
    for attempt in count_up():
        if least - most <= 1 or len(found) > limit * _GOOD:
            break
        even = (limit - len(found)) * (least - most) // (size - len(found))
        guess = (least - most) // 2 if attempt % 2 else even
        length = most + max(1, min(least - most - 1, guess))
        shorter = shortened(notes, length)
        left_out = count(notes) - count(shorter)
        text = f"{show(shorter, left_out)}\n\n{_ending(notes, left_out, style)}"
        if len(text) <= limit:
            most, found = length, text
        else:
            least, size = length, max(len(text), len(found) + 1)
    if not found:
        raise Refused(
            f"even without changes, the notes are longer than {limit} characters", "Shorten the text of the template."
        )
    return Markdown(found)


def count(notes: Notes) -> int:
    """Return the number of changes in the sections of ``notes``."""
    return sum(len(section.changes) for section in notes.changes.sections)


def longest(notes: Notes) -> int:
    """Return the length of the longest list in ``notes``."""
    changes = notes.changes
    names = notes.verdict.names if notes.verdict else ()
    lists = (changes.people, changes.newcomers, changes.gaps, notes.differences, notes.carried, names)
    return max(count(notes), *map(len, lists))


def shortened(notes: Notes, length: int) -> Notes:
    """Return ``notes`` with at most ``length`` entries in each list. All sections together count as one list."""
    left, sections = length, []
    for section in notes.changes.sections:
        shown = section.changes[:left]
        left -= len(shown)
        if shown:
            sections.append(Section(section.title, shown, section.is_minor))
    changes = notes.changes
    return replace(
        notes,
        changes=Changes(
            tuple(sections), changes.people[:length], changes.newcomers[:length], changes.count, changes.gaps[:length]
        ),
        differences=notes.differences[:length],
        carried=notes.carried[:length],
        verdict=notes.verdict and replace(notes.verdict, names=notes.verdict.names[:length]),
    )


def _ending(notes: Notes, left_out: int, style: Style) -> Markdown:
    """Return a sentence with the number of missing changes, and a link to all changes."""
    missing = f"{left_out} more {'change is' if left_out == 1 else 'changes are'} not shown here"
    missing = missing if left_out else "Not everything is shown here"
    where = compare_url(notes) or notes.run_url
    return Markdown(f"{missing}; see {link(Markdown('the whole'), where)}." if where else f"{style.text(missing)}.")
