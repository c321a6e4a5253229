"""What an application has received in an environment, from the histories of its functions and its releases' records."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from promote.aws.dynamodb import Item, Table
from promote.core.promotion import ReleaseKey
from promote.state.promotion_records import promotion_item
from promote.state.releases import Part, Release, release_of

Histories = Mapping[str, Sequence[Item]]
"""The promotions and rollbacks of each function, by ARN, newest first."""


def release_keys(histories: Histories) -> list[ReleaseKey]:
    """Return the releases that have moved any of the functions, newest first; for several functions, of several."""
    values = [item["release"] for items in histories.values() for item in items if item.get("release")]
    if len(histories) > 1:
        values = [value for value in values if int(value.get("functions", 1)) > 1]
    keys = {ReleaseKey(str(value["pk"]), str(value["sk"])) for value in values}
    return sorted(keys, key=lambda key: key.identity, reverse=True)


def last_release(releases: Iterable[Release], arns: Collection[str], retired: Collection[str]) -> Release | None:
    """Give the last of ``releases`` that is of the application of the functions ``arns``; None: there is none.

    That is one of all of these functions; only where there is none, they have been fewer so far.
    """

    def rank(release: Release) -> tuple[int, str]:
        return sum(part.arn in arns for part in release.parts), release.key.identity

    return max((release for release in releases if release.is_of(arns, retired)), key=rank, default=None)


def read_releases(table: Table, keys: Iterable[ReleaseKey]) -> list[Release]:
    """Read the records of many releases to one environment; those that somebody has deleted are left out."""
    places: dict[str, set[str]] = {}
    for key in keys:
        places.setdefault(key.pk, set()).add(key.sk)
    items = [item for pk, found in places.items() for item in table.query(pk, min(found), max(found))]
    return [release_of(item) for item in items if item["sk"] in places[str(item["pk"])]]


def with_stays(histories: Histories, releases: Sequence[Release]) -> Histories:
    """Add to the history of each function the releases in which it was promoted without being moved."""
    stays: dict[str, list[Item]] = {arn: [] for arn in histories}
    for release in releases:
        for part in release.parts:
            if part.arn in stays and not part.moves:
                stays[part.arn].append(_stay(release, part))
    return {
        arn: sorted([*items, *stays[arn]], key=lambda item: int(item["sequence"]), reverse=True)
        for arn, items in histories.items()
    }


def _stay(release: Release, part: Part) -> Item:
    return {**promotion_item(part.promotion), "kind": release.kind.value, "at": release.ended, "url": release.url}
