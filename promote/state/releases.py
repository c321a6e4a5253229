"""The item of a release in the table: write a release into it, and read it."""

from collections.abc import Sequence
from typing import Any

from promote.aws.dynamodb import Item
from promote.core.promotion import Alias, ReleaseKey
from promote.core.release import Release, ReleasePart, Stage, Undo
from promote.core.traffic import Capacity
from promote.core.version import LATEST, Candidate
from promote.state.promotion_records import RELEASE, content_item, planned_item, promotion_of
from promote.state.strict import Record


def release_key(arns: Sequence[str], environment: str, identity: str) -> ReleaseKey:
    """Return the key of a release. Its record is in the partition of the first function by ARN."""
    return ReleaseKey(min(arns), f"{RELEASE}{environment}#{identity}")


def release_item(release: Release) -> dict[str, Any]:
    """Return the record of a release without the times of its start and its end, which its caller adds."""
    return {
        "pk": release.key.pk,
        "sk": release.key.sk,
        "environment": release.environment,
        "stage": release.stage.value,
        "reason": release.reason,
        "denied": list(release.denied),
        "run_id": release.run_id,
        "url": release.url,
        "origin": release.origin,
        "parts": [_part_item(part) for part in release.parts],
    }


def release_of(item: Item) -> Release:
    """Return the release in an item.

    Raises:
        RecordError: The item is not valid.

    """
    record = Record.of(item)
    environment, parts = record.text("environment"), record.parts("parts")
    if not parts:
        raise record.unreadable("parts", [])
    return Release(
        key=ReleaseKey(record.text("pk"), record.text("sk")),
        environment=environment,
        parts=tuple(_part_of(environment, part) for part in parts),
        run_id=record.whole("run_id"),
        url=record.text("url"),
        origin=record.text("origin"),
        stage=record.choice("stage", Stage),
        reason=record.text("reason"),
        denied=record.texts("denied"),
        undone=_undo_of(record.part("undone")),
        begun=record.text("begun"),
        ended=record.text("ended", ""),
    )


def _undo_of(record: Record | None) -> Undo | None:
    return Undo(record.text("at"), record.text("reason"), record.text("by")) if record else None


def _part_item(part: ReleasePart) -> dict[str, Any]:
    before = part.before
    return {
        "arn": part.arn,
        "promotion": planned_item(part.promotion),
        **content_item(part.candidate, part.plan),
        "sequence": part.sequence,
        "since": part.since,
        "token": part.token,
        "before": before
        and {
            "version": before.version,
            "revision_id": before.revision_id,
            "description": before.description,
            "capacity": before.capacity.value,
            # boto3 does not accept floats for DynamoDB.
            "weights": {version: str(weight) for version, weight in before.weights.items()},
        },
    }


def _part_of(environment: str, record: Record) -> ReleasePart:
    before, promotion = record.part("before"), promotion_of(record.require_part("promotion"))
    return ReleasePart(
        arn=record.text("arn"),
        promotion=promotion,
        candidate=Candidate(promotion.version, record.text("code_sha256"), record.text("fingerprint")),
        plan=record.text("plan"),
        sequence=record.whole("sequence"),
        since=record.text("since", ""),
        token=record.text("token", ""),
        before=_alias_of(environment, before) if before else None,
    )


def _alias_of(environment: str, record: Record) -> Alias:
    return Alias(
        name=environment,
        version=record.version("version", others=(LATEST,)),
        revision_id=record.text("revision_id"),
        description=record.text("description"),
        weights=record.weights("weights"),
        capacity=record.choice("capacity", Capacity),
    )
