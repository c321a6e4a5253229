"""Versions that take long to become ready: with SnapStart, and of container images."""

from dataclasses import dataclass
from typing import Any

from conformance.cost import Usage
from conformance.finding import Finding, judged
from conformance.questions.question import Question
from conformance.stage import RUNTIME, SETTLING, Stage, Subject, archive
from promote.aws.errors import code_of


@dataclass(frozen=True)
class Readiness:
    """A published version, from the response to its readiness."""

    first: str
    """The state in the response."""
    early: str
    """The error code of an invocation at once; empty if it succeeded."""
    last: str
    seconds: float
    executed: str
    """The version that an invocation ran after that."""
    version: str


def judge(seen: Readiness) -> Finding:
    """Decide whether the version says truly when it is ready, and is ready in time."""
    text = (
        f"{seen.first} in the response, {seen.last} after {seen.seconds:.1f} s; "
        f"an invocation at once: {seen.early or 'accepted'}"
    )
    is_true = seen.first != "Active" or not seen.early
    is_ready = seen.last == "Active" and seen.executed == seen.version
    return judged(text, holds=is_true and is_ready and seen.seconds < SETTLING)


def ask_snapshot(stage: Stage) -> Readiness:
    """Publish a version of a function with SnapStart."""
    snapshots: Any = {"ApplyOn": "PublishedVersions"}
    code: Any = {"ZipFile": archive("snapshot")}
    subject = stage.make("snapstart", Code=code, Runtime=RUNTIME, Handler="app.handler", SnapStart=snapshots)
    return _readiness(stage, subject)


def ask_image(stage: Stage) -> Readiness:
    """Publish a version of a function from a container image."""
    subject = stage.make("image-version", Code={"ImageUri": stage.options.image}, PackageType="Image")
    return _readiness(stage, subject)


def _readiness(stage: Stage, subject: Subject) -> Readiness:
    client = stage.account.function_once
    made = stage.account.function.publish_version(FunctionName=subject.name)
    started, version = stage.clock.monotonic(), made["Version"]
    early = ""
    try:
        client.invoke(FunctionName=subject.name, Qualifier=version, Payload=b"{}")
    except client.exceptions.ClientError as error:
        early = code_of(error)
    settled = subject.settle(version)
    seconds = round(stage.clock.monotonic() - started, 3)
    executed = client.invoke(FunctionName=subject.name, Qualifier=version, Payload=b"{}").get("ExecutedVersion", "")
    return Readiness(made.get("State", ""), early, settled.get("State", ""), seconds, executed, version)


QUESTIONS: tuple[Question[Any], ...] = (
    Question("snapstart-version", ask_snapshot, judge, lambda _: Usage(invocations=2, snapshots=1)),
    Question(
        "image-version",
        ask_image,
        judge,
        lambda options: Usage(invocations=2 if options.image else 0),
        lambda options: "" if options.image else "no image was given (--image)",
    ),
)
