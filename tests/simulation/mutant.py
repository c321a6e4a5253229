"""The value of a mutant; see ``tests.simulation.mutants``."""

from dataclasses import dataclass

from tests.simulation.plan import Hit


@dataclass(frozen=True)
class Mutant:
    """One change of the source."""

    name: str
    module: str
    old: str
    new: str
    calls: tuple[str, ...] = ()
    """Calls at which faults probably show it. If empty, any call."""
    hits: tuple[Hit, ...] = ()
    """Faults that probably show it at these calls."""
