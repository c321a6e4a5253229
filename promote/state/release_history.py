"""The history of releases: what an application received, according to its functions' histories and its releases."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from promote.aws.dynamodb import Item, Table
from promote.core.promotion import ReleaseKey
from promote.core.release import Release, ReleasePart
from promote.state.promotion_records import has_several, promotion_item
from promote.state.releases import release_of

Histories = Mapping[str, Sequence[Item]]
"""The promotions and rollbacks of each function, by ARN, newest first."""


def release_keys(histories: Histories) -> list[ReleaseKey]:
    """Return the keys of the releases that have moved any of the functions, newest first.

    For several functions, releases of a single function are left out.
    """
    items = [item for items in histories.values() for item in items if item.get("release")]
    if len(histories) > 1:
        items = list(filter(has_several, items))
    keys = {ReleaseKey(str(item["release"]["pk"]), str(item["release"]["sk"])) for item in items}
    return sorted(keys, key=lambda key: key.identity, reverse=True)


def last_release(releases: Iterable[Release], arns: Collection[str], retired: Collection[str]) -> Release | None:
    """Return the last of ``releases`` of the application with the functions ``arns``; None if there is none.

    A release with more of the functions is preferred, because the application may have had fewer functions before.
    """

    def rank(release: Release) -> tuple[int, str]:
        return sum(part.arn in arns for part in release.parts), release.key.identity

    return max((release for release in releases if release.is_of(arns, retired)), key=rank, default=None)


def read_releases(table: Table, keys: Iterable[ReleaseKey]) -> list[Release]:
    """Return many releases to one environment. Releases whose records were deleted are left out."""
    places: dict[str, set[str]] = {}
    for key in keys:
        places.setdefault(key.pk, set()).add(key.sk)
    items = [item for pk, found in places.items() for item in table.query(pk, min(found), max(found))]
    return [release_of(item) for item in items if item["sk"] in places[str(item["pk"])]]


def with_unmoved(histories: Histories, releases: Sequence[Release]) -> Histories:
    """Return the histories with the releases in which a function was promoted but its alias did not move."""
    unmoved: dict[str, list[Item]] = {arn: [] for arn in histories}
    for release in releases:
        for part in release.parts:
            if part.arn in unmoved and not part.moves:
                unmoved[part.arn].append(_entry(release, part))
    return {
        arn: sorted([*items, *unmoved[arn]], key=lambda item: int(item["sequence"]), reverse=True)
        for arn, items in histories.items()
    }


def _entry(release: Release, part: ReleasePart) -> Item:
    return {**promotion_item(part.promotion), "kind": release.kind.value, "at": release.ended, "url": release.url}
