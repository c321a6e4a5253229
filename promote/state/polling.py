"""How often a waiter looks at the lock: the first in line fast, the others slowly, nobody in step with anybody."""

from collections.abc import Callable

_EAGER, _PATIENT = 0.1, 0.25
_EAGER_FOR = 60.0
"""Seconds between looks of the first in line, in its first minute and afterwards: some 2,800 in ten minutes."""

_SHORTEST, _LONGEST, _GROWTH = 0.75, 4.0, 1.3
"""Seconds between looks of everybody else: shorter while the line moves, some 160 in ten minutes while it does not."""

_JITTER = 0.2
"""How much longer a pause may be, as a part of it."""


class Pace:
    """One waiter's; ``chance`` gives numbers from 0 to 1."""

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self._pause = _SHORTEST
        self._ahead = -1

    def pause(self, ahead: int, first_for: float) -> float:
        """Give the seconds until the next look, with ``ahead`` others in front, or first in line for ``first_for``."""
        if ahead == 0:
            pause = _EAGER if first_for < _EAGER_FOR else _PATIENT
        else:
            has_moved = self._ahead not in (-1, ahead)
            self._pause = max(_SHORTEST, self._pause / 2) if has_moved else min(_LONGEST, self._pause * _GROWTH)
            pause = self._pause
        self._ahead = ahead
        return pause * (1 + _JITTER * self._chance())
