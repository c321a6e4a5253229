"""How often a waiting run reads the lock. The first in the queue reads it often, and the others less often."""

from collections.abc import Callable

_EAGER, _PATIENT = 0.1, 0.25
_EAGER_FOR = 60.0
"""Seconds between reads of the first in the queue, in its first minute and later: about 2,800 in ten minutes."""

_SHORTEST, _LONGEST, _GROWTH = 0.75, 4.0, 1.3
"""Seconds between reads of the others: shorter while the queue moves, otherwise about 160 reads in ten minutes."""

_JITTER = 0.2
"""The largest random addition to a pause, as a fraction of it. It keeps runs from reading at the same moment."""


class Pace:
    """The pauses of one waiting run; ``chance`` returns random numbers from 0 to 1."""

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self._pause = _SHORTEST
        self._ahead = -1

    def pause(self, ahead: int, first_for: float) -> float:
        """Return the seconds until the next read.

        ``ahead`` runs are before this one in the queue. If it is 0, this run has been first for ``first_for`` seconds.
        """
        if ahead == 0:
            pause = _EAGER if first_for < _EAGER_FOR else _PATIENT
        else:
            has_moved = self._ahead not in (-1, ahead)
            self._pause = max(_SHORTEST, self._pause / 2) if has_moved else min(_LONGEST, self._pause * _GROWTH)
            pause = self._pause
        self._ahead = ahead
        return pause * (1 + _JITTER * self._chance())
