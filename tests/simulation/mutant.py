"""What a mutant is: see ``tests.simulation.mutants``."""

from dataclasses import dataclass

from tests.simulation.plan import Hit


@dataclass(frozen=True)
class Mutant:
    """One breakage."""

    name: str
    module: str
    old: str
    new: str
    calls: tuple[str, ...] = ()
    """At which faults are likely to show it; empty: any. A matter of time alone."""
    hits: tuple[Hit, ...] = ()
    """The same of what goes wrong there."""
