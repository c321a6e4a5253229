"""Notes that are not longer than they may be: with fewer changes, so that what is shown is whole."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count as count_up

from promote.github.actions.markdown import Markdown, link
from promote.notes.model import Changes, Notes, Section
from promote.notes.template import Environment, compare_url, compiled, rendered
from promote.notes.template_values import ANYWHERE, OURS, Refused, Style

_GOOD = 0.97
"""Of the room that is there, how much is to be used."""


@dataclass(frozen=True)
class Task:
    """A template to be rendered with values."""

    source: str
    notes: Notes
    limit: int
    """Characters."""
    is_ours: bool = False

    def done(self) -> Markdown:
        """Render it.

        Raises:
            Refused: the template, if it is not ours, failed, or is too long even without any change.

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
    """Give ``show`` of as much of ``notes`` as fits into ``limit`` characters, and say what was left out.

    Raises:
        Refused: it does not fit, however little is shown.

    """
    whole = show(notes, 0)
    if len(whole) <= limit:
        return Markdown(whole)
    # The least that is known not to fit, and the most that does; sizes grow about evenly between them.
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
            f"without any change the notes are longer than {limit} characters already", "Let it say less by itself."
        )
    return Markdown(found)


def count(notes: Notes) -> int:
    """Count the changes that ``notes`` show."""
    return sum(len(section.changes) for section in notes.changes.sections)


def longest(notes: Notes) -> int:
    """Give the length of the longest list in ``notes``."""
    changes = notes.changes
    names = notes.proof.names if notes.proof else ()
    lists = (changes.people, changes.newcomers, changes.gaps, notes.differences, notes.carried, names)
    return max(count(notes), *map(len, lists))


def shortened(notes: Notes, length: int) -> Notes:
    """Leave out of each list what goes beyond ``length``; the sections count as one."""
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
        proof=notes.proof and replace(notes.proof, names=notes.proof.names[:length]),
    )


def _ending(notes: Notes, left_out: int, style: Style) -> Markdown:
    """Say how much is missing, and where the whole is."""
    said = f"{left_out} more {'change is' if left_out == 1 else 'changes are'} not shown here"
    where = compare_url(notes) or notes.run_url
    said = said if left_out else "Not everything is shown here"
    return Markdown(f"{said}; see {link(Markdown('the whole'), where)}." if where else f"{style.text(said)}.")
