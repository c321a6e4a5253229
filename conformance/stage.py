"""What the questions work with: functions, endpoints, and the answers of the functions."""

import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.account import Account
from conformance.finding import CouldNotAskError
from conformance.options import Options
from conformance.resources import Resources
from promote.aws.api_gateway import ROUTE, STAGE
from promote.core.arn import Arn
from promote.core.clock import Clock
from promote.core.concurrency import map_concurrently
from promote.core.endpoint import Endpoint, Gateway
from promote.pipeline.endpoints import locate
from promote.verification.http_client import Response, ask

if TYPE_CHECKING:
    import requests

WIDTH = 4
"""Requests at the same time. They keep several environments of the function warm."""
SETTLING = 600.0
"""Seconds within which an update must end."""
OPENING = 60.0
"""Seconds within which a new endpoint must reach the function."""
_LIMIT = 30.0

_SOURCE = Path(__file__).parent / "image" / "app.py"
"""The function. The one from an archive has its stamp in the code."""


@dataclass(frozen=True)
class Answer:
    """What a request was answered with, and when."""

    after: float
    """Seconds after the change, until the request was sent. Negative if it was sent before the change."""
    status: int
    """The HTTP status; 0 if there was none."""
    stamp: str
    """The stamp of the code that answered; empty if it was not the function."""


class Subject:
    """A function that the kit has made."""

    def __init__(self, account: Account, clock: Clock, name: str, arn: str) -> None:
        self._client = account.function
        self._clock = clock
        self.name = name
        self.arn = arn

    def configuration(self, qualifier: str = "$LATEST") -> Mapping[str, Any]:
        """Return the FunctionConfiguration."""
        return self._client.get_function_configuration(FunctionName=self.name, Qualifier=qualifier)

    def settle(self, qualifier: str = "$LATEST") -> Mapping[str, Any]:
        """Wait until no update is in progress, and return the configuration that shows it."""
        deadline = self._clock.monotonic() + SETTLING
        while True:
            found = self.configuration(qualifier)
            if found.get("State") != "Pending" and found.get("LastUpdateStatus") != "InProgress":
                if "Failed" in (found.get("State"), found.get("LastUpdateStatus")):
                    reason = found.get("LastUpdateStatusReason") or found.get("StateReason") or "no reason"
                    raise CouldNotAskError(f"an update failed: {reason}")
                return found
            if self._clock.monotonic() > deadline:
                raise CouldNotAskError("an update did not end within ten minutes")
            self._clock.sleep(0.1)

    def upload(self, stamp: str, **parameters: Any) -> Mapping[str, Any]:
        """Update the code, and return the response. It is in progress then."""
        self.settle()
        return self._client.update_function_code(FunctionName=self.name, ZipFile=archive(stamp), **parameters)

    def configure(self, stamp: str) -> Mapping[str, Any]:
        """Give the stamp to the environment variables, and return the response. It is in progress then."""
        self.settle()
        return self._client.update_function_configuration(
            FunctionName=self.name, Environment={"Variables": {"STAMP": stamp}}
        )

    def release(self, stamp: str) -> str:
        """Update the code, publish it, wait until it is ready, and return the version."""
        version = str(self.upload(stamp, Publish=True)["Version"])
        self.settle()
        self.settle(version)
        return version

    def point(self, alias: str, version: str) -> Mapping[str, Any]:
        """Make the alias, or move it."""
        client = self._client
        try:
            return client.create_alias(FunctionName=self.name, Name=alias, FunctionVersion=version)
        except client.exceptions.ResourceConflictException:
            empty: Any = {"AdditionalVersionWeights": {}}
            return client.update_alias(FunctionName=self.name, Name=alias, FunctionVersion=version, RoutingConfig=empty)


class Stage:
    """The resources of a run. Each is made when a question first needs it."""

    def __init__(self, options: Options, account: Account, resources: Resources, clock: Clock) -> None:
        self.options = options
        self.account = account
        self.resources = resources
        self.clock = clock

    @cached_property
    def role(self) -> str:
        """The ARN of the functions' role."""
        return self.options.role or self.resources.make_role()

    @cached_property
    def plain(self) -> Subject:
        """A function from an archive."""
        return self.make("", Code={"ZipFile": archive("made")}, Runtime=RUNTIME, Handler="app.handler")

    @cached_property
    def session(self) -> "requests.Session":
        """The HTTP session of all requests."""
        from promote.core.http_session import new_session  # noqa: PLC0415 - slow, and wrong options do not need it

        return new_session()

    def make(self, suffix: str, **parameters: Any) -> Subject:
        """Make a function, and wait until it is active."""
        name = self.resources.names.base + (f"-{suffix}" if suffix else "")
        subject = Subject(self.account, self.clock, name, self.resources.make_function(name, self.role, **parameters))
        subject.settle()
        return subject

    def create_api(self, subject: Subject, qualifier: str) -> Endpoint:
        """Make an HTTP API for $LATEST (an empty qualifier), a version or an alias, as the action does."""
        gateway = self.account.gateway
        made = self.resources.make_api(f"{subject.name}-{qualifier or 'latest'}")
        api, target = made["ApiId"], subject.arn + (f":{qualifier}" if qualifier else "")
        self.permit(subject, qualifier, api)
        integration = self._changed(
            gateway.create_integration,
            ApiId=api,
            IntegrationType="AWS_PROXY",
            IntegrationUri=target,
            PayloadFormatVersion="2.0",
        )["IntegrationId"]
        self._changed(gateway.create_route, ApiId=api, RouteKey=ROUTE, Target=f"integrations/{integration}")
        self._changed(gateway.create_stage, ApiId=api, StageName=STAGE, AutoDeploy=True)
        found = Gateway(api, made["ApiEndpoint"])
        return locate(qualifier or "latest", found, self.account.endpoint_url, is_new=True)

    def _changed(self, call: Callable[..., Any], **arguments: Any) -> Any:
        """Change an HTTP API. Repeat the call while API Gateway is still busy with the last change."""
        for pause in (0.5, 1.0, 2.0, 4.0, 8.0):
            try:
                return call(**arguments)
            except self.account.gateway.exceptions.ConflictException:
                self.clock.sleep(pause)
        return call(**arguments)

    def permit(self, subject: Subject, qualifier: str, api: str) -> None:
        """Let an API invoke the function, a version or an alias."""
        client: Any = self.account.function
        client.add_permission(
            FunctionName=subject.name,
            StatementId=f"kit-{api}",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=Arn.of(subject.arn).of_api(api),
            **({"Qualifier": qualifier} if qualifier else {}),
        )

    def open_api(self, subject: Subject, qualifier: str) -> Endpoint:
        """Make an HTTP API, and wait until it reaches the function."""
        endpoint = self.create_api(subject, qualifier)
        deadline = self.clock.monotonic() + OPENING
        while not self.get(endpoint).stamp:
            if self.clock.monotonic() > deadline:
                raise CouldNotAskError("a new HTTP API did not reach the function within a minute")
            self.clock.sleep(0.3)
        return endpoint

    def request(self, endpoint: Endpoint) -> Response:
        """Send one request."""
        return ask(self.session, endpoint, "GET", "/", _LIMIT)

    def get(self, endpoint: Endpoint, since: float = 0.0) -> Answer:
        """Send one request, and return its answer. ``since`` is the time of the change on the monotonic clock."""
        after = self.clock.monotonic() - since
        response = self.request(endpoint)
        return Answer(round(after, 3), response.status, stamp_of(response))

    def burst(self, endpoint: Endpoint, since: float = 0.0) -> list[Answer]:
        """Send some requests at the same time."""
        calls: Sequence[Callable[[], Answer]] = [lambda: self.get(endpoint, since)] * WIDTH
        return map_concurrently(calls, WIDTH)

    def watch(self, endpoint: Endpoint, since: float, seconds: float) -> tuple[Answer, ...]:
        """Send requests until ``seconds`` have passed since the change."""
        answers: list[Answer] = []
        while not answers or self.clock.monotonic() - since < seconds:
            if answers:
                self.clock.sleep(pause_of(self.options))
            answers += self.burst(endpoint, since)
        return tuple(answers)


RUNTIME: Any = "python3.13"


def pause_of(options: Options) -> float:
    """Return the seconds between two bursts of requests."""
    return min(0.25, options.watch / 5)


def requests_per_watch(options: Options, seconds: float) -> int:
    """Return the most requests while the answers after one change are watched for ``seconds``, for the cost."""
    return WIDTH * (2 + int(seconds / pause_of(options)))


def stamp_of(response: Response) -> str:
    """Return the stamp of the code that answered; empty if it was not the function."""
    try:
        found = json.loads(response.start)
    except ValueError:
        return ""
    return str(found.get("stamp", "")) if isinstance(found, dict) else ""


def archive(stamp: str) -> bytes:
    """Return an archive of the function with a stamp in its code."""
    source = _SOURCE.read_text(encoding="utf-8").replace('STAMP = ""', f"STAMP = {stamp!r}")
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as sink:
        entry = zipfile.ZipInfo("app.py")
        entry.external_attr = 0o644 << 16  # Lambda runs functions as a user that could not read it otherwise
        sink.writestr(entry, source)
    return target.getvalue()
