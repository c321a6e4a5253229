"""Decide how a release goes on that was not completed: complete it, or roll it back. Values only, no calls.

The Description that prevents a late move of an alias is called the fence.
"""

from dataclasses import replace

from promote.core.promotion import Alias, placeholder
from promote.core.release import Release, ReleasePart


def next_alias(release: Release, part: ReleasePart, alias: Alias | None) -> Alias | None:
    """Return the next state of ``alias`` on the way to the one before the release; None if it stays as it is."""
    before = part.before
    is_fence = alias is not None and alias.description == release.fence
    if alias is not None and alias.promotion == part.promotion:
        # Until provisioned concurrency has moved, the version before may still have all the traffic.
        is_whole = not alias.own.weights or (before is not None and alias.weights == {before.version: 1.0})
        if alias.version == part.promotion.version and is_whole:
            return before or _remaining(release, part)
        # It was moved or split externally. Its Description is still ours, and is no longer true.
        return replace(alias, description=before.description if before else "")
    if before is None:
        return _remaining(release, part) if alias is None else None
    if alias is not None and is_unchanged(part, alias):
        return replace(before, description=release.fence)
    if alias is None or not is_fence:
        return None
    # If it was changed externally since the fence, it stays, with the Description from before the release.
    is_untouched = (alias.version, alias.own.weights) == (before.version, before.weights)
    return before if is_untouched else replace(alias, description=before.description)


def _remaining(release: Release, part: ReleasePart) -> Alias:
    """Return the alias that remains if there was none before the release."""
    version = part.promotion.version
    return Alias(release.environment, version, "", placeholder(version, release.key.identity), {})


def is_unchanged(part: ReleasePart, alias: Alias | None) -> bool:
    """Return whether the alias is unchanged since the release was decided."""
    if alias is None or part.before is None:
        return alias is part.before
    return alias.revision_id == part.before.revision_id


def is_restored(release: Release, part: ReleasePart, alias: Alias | None) -> bool:
    """Return whether the alias is as the rollback leaves it. If not, it was changed externally."""
    before = part.before
    if alias is None:
        return False
    if before is None:
        remaining = _remaining(release, part)
        return (alias.version, alias.weights, alias.description) == (remaining.version, {}, remaining.description)
    # Until provisioned concurrency has moved, Lambda itself leaves the traffic on the version that the alias leaves.
    is_whole = alias.weights in (before.weights, {part.promotion.version: 1.0}) or alias.split.is_lambdas
    return is_whole and (alias.version, alias.description) == (before.version, before.description)
