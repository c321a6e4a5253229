"""The rules of AWS that MiniStack leaves out.

Each rule is one small function that cites its source: `botocore lambda:Operation` is that operation in botocore's model
of the service; other sources are pages. README.md lists all rules in one table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.strict import (
    aliases,
    concurrency,
    event_sources,
    gateway,
    permissions,
    previous,
    routing,
    tags,
    updates,
    urls,
    versions,
)

if TYPE_CHECKING:
    import random


def install(settle: float, chance: random.Random) -> None:
    """Make the MiniStack of this process strict. Updates take `settle` seconds, and `chance` routes by weight."""
    completing = updates.Updates(settle)
    versions.Versions(completing).install()
    concurrency.Concurrency(settle).install()
    event_sources.EventSources(settle).install()
    aliases.install()
    permissions.install()
    previous.install()
    tags.install()
    urls.install()
    weighted = routing.Routing(chance, completing)
    weighted.install()
    gateway.Gateway(weighted).install()
