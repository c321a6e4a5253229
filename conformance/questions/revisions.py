"""What changes a RevisionId, and what an update does when it is sent again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from conformance.cost import Usage
from conformance.finding import Finding, judged
from conformance.questions.question import Question
from conformance.stage import RUNTIME, Stage, Subject, archive
from promote.aws.calls import pages
from promote.aws.errors import code_of

_ALIAS = "revisions"
_TAGS = "tags"
"""The change that gives $LATEST a new RevisionId, as recorded:
https://github.com/localstack/localstack/blob/main/tests/aws/services/lambda_/test_lambda_api.py (test_tag_lifecycle)"""
_WITHOUT_EFFECT = ("reserved concurrency", "a function URL", "a permission of an alias")
"""Changes that give no new RevisionId."""


@dataclass(frozen=True)
class Revisions:
    """Whether a change gave a new RevisionId to $LATEST and to an alias, by the name of the change."""

    of_latest: Mapping[str, bool]
    of_alias: Mapping[str, bool]


def judge_revisions(seen: Revisions) -> Finding:
    """Decide whether tags change the RevisionId of $LATEST alone, and nothing else of what is external changes one."""
    latest = [name for name, changed in seen.of_latest.items() if changed]
    alias = [name for name, changed in seen.of_alias.items() if changed]
    text = f"$LATEST: changed by {', '.join(latest) or 'nothing'}; alias: by {', '.join(alias) or 'nothing'}"
    is_of_latest_alone = _TAGS in latest and _TAGS not in alias
    return judged(text, holds=is_of_latest_alone and not set(_WITHOUT_EFFECT) & {*latest, *alias})


def ask_revisions(stage: Stage) -> Revisions:
    """Make each change, and read $LATEST and an alias before and after it."""
    # A function for this question alone: if its reserved concurrency stays 0, it answers no other question.
    subject = stage.make("revisions", Code={"ZipFile": archive("made")}, Runtime=RUNTIME, Handler="app.handler")
    client = stage.account.function
    subject.point(_ALIAS, subject.release("revisions"))
    url = {"FunctionName": subject.name, "AuthType": "AWS_IAM"}
    changes: Mapping[str, Callable[[], Any]] = {
        "a permission of $LATEST": lambda: stage.permit(subject, "", "0000000000"),
        "a permission of an alias": lambda: stage.permit(subject, _ALIAS, "0000000000"),
        _TAGS: lambda: client.tag_resource(Resource=subject.arn, Tags={"promote-on-success-kit-asks": "tags"}),
        # A reservation of 0 takes nothing from the other functions of the account.
        "reserved concurrency": lambda: client.put_function_concurrency(
            FunctionName=subject.name, ReservedConcurrentExecutions=0
        ),
        "no reserved concurrency": lambda: client.delete_function_concurrency(FunctionName=subject.name),
        "a function URL": lambda: client.create_function_url_config(**url),  # type: ignore[arg-type] # its literal
    }
    of_latest, of_alias = {}, {}
    for name, change in changes.items():
        before = _revisions(stage, subject)
        change()
        after = _revisions(stage, subject)
        of_latest[name], of_alias[name] = before[0] != after[0], before[1] != after[1]
    return Revisions(of_latest, of_alias)


def _revisions(stage: Stage, subject: Subject) -> tuple[str, str]:
    alias = stage.account.function.get_alias(FunctionName=subject.name, Name=_ALIAS)
    return str(subject.settle()["RevisionId"]), str(alias["RevisionId"])


@dataclass(frozen=True)
class Repeated:
    """An update under a RevisionId that was sent three times."""

    codes: tuple[str, ...]
    """The error codes of the second, while the update is in progress, and of the third, after it."""
    versions: int
    """The number of versions that were published."""


def judge_repeated(seen: Repeated) -> Finding:
    """Decide whether the update takes effect once."""
    refused = [code in ("ResourceConflictException", "PreconditionFailedException") for code in seen.codes]
    text = f"{seen.versions} version; the repetitions: {', '.join(code or 'accepted' for code in seen.codes)}"
    return judged(text, holds=all(refused) and seen.versions == 1)


def ask_repeated(stage: Stage) -> Repeated:
    """Send the same update with Publish and RevisionId three times."""
    subject, client = stage.plain, stage.account.function_once
    revision = str(subject.settle()["RevisionId"])
    before = _versions(stage)
    codes = []
    for attempt in range(3):
        try:
            client.update_function_code(
                FunctionName=subject.name, ZipFile=archive("repeated"), Publish=True, RevisionId=revision
            )
            codes.append("")
        except client.exceptions.ClientError as error:
            codes.append(code_of(error))
        if attempt == 1:
            subject.settle()
    subject.settle()
    return Repeated(tuple(codes[1:]), len(_versions(stage) - before))


def _versions(stage: Stage) -> set[str]:
    call = stage.account.function.list_versions_by_function
    listed = pages(call, "Versions", "NextMarker", "Marker", FunctionName=stage.plain.name)
    return {version["Version"] for version in listed}


@dataclass(frozen=True)
class Published:
    """PublishVersion after the code was changed and changed back."""

    last: str
    """The version before the changes."""
    returned: str
    has_same_code: bool
    """Whether the returned version has the code of $LATEST."""


def judge_published(seen: Published) -> Finding:
    """Decide whether the returned version is what $LATEST is. Whether it is a new one does not matter."""
    which = "the version from before" if seen.returned == seen.last else "a new version"
    text = f"Lambda returned {which}, with {'the same' if seen.has_same_code else 'other'} code"
    return judged(text, holds=seen.has_same_code)


def ask_published(stage: Stage) -> Published:
    """Publish, change the code, change it back, and publish again."""
    subject = stage.plain
    last = subject.release("back")
    subject.upload("forth")
    subject.upload("back")
    latest = subject.settle()
    made = stage.account.function.publish_version(FunctionName=subject.name)
    return Published(last, made["Version"], made["CodeSha256"] == latest["CodeSha256"])


QUESTIONS: tuple[Question[Any], ...] = (Question("revision-ids", ask_revisions, judge_revisions, lambda _: Usage()),)
PUBLICATIONS: tuple[Question[Any], ...] = (
    Question("update-repeated", ask_repeated, judge_repeated, lambda _: Usage()),
    Question("publish-unchanged", ask_published, judge_published, lambda _: Usage()),
)
