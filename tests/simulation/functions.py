"""AWS Lambda: functions with versions, aliases, policies and asynchronous updates, as strict as the sandbox.

sandbox/README.md lists the rules and their sources. One rule is only here: $LATEST runs its previous code for a moment
after each update (docs/assumptions.md).
"""

import base64
import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from io import BytesIO
from random import Random
from typing import Any

from tests.simulation.errors import ACCOUNT, REGION, NotModelledError, Refusal
from tests.simulation.pages import Pages
from tests.simulation.scheduler import Scheduler

OVERLAP = 1.5
"""Seconds after an update for which $LATEST runs its previous code."""
FUNCTIONS = ("hello", "api", "mail", "worker")
FUNCTION = FUNCTIONS[0]
"""The function of most schedules."""
FRESH = 3.0
"""Seconds for which a service may not find a new resource."""
_RECENTLY, _LONG, _MOMENT = 3.0, 60.0, 1.0
"""Seconds for which a version does not become Inactive after its last use, and longer after its publication.

Lambda waits for weeks. Within this time, a run that published the version may still work.
"""
_STUCK = 0.1
"""The share of moves of provisioned concurrency that fail."""
_CONFIGURED = ("Runtime", "Handler", "Role", "MemorySize", "Timeout", "Environment")


@dataclass(frozen=True)
class Content:
    """The content of a version: its code and all of its configuration."""

    code_sha256: str
    configuration: str


@dataclass(frozen=True)
class Alias:
    """An alias. A change makes a new value."""

    version: str
    revision_id: str
    description: str = ""
    weights: Mapping[str, float] = field(default_factory=dict)
    is_by_aws: bool = False
    """Whether AWS has set or removed the weights because provisioned concurrency moves."""


@dataclass
class Version:
    """A published version."""

    configuration: dict[str, Any]
    content: Content


class Function:
    """One function, with botocore's methods. ``chance`` determines the duration of updates."""

    def __init__(self, name: str, scheduler: Scheduler, chance: Random, numbers: Iterator[int], pages: Pages) -> None:
        self.name, self.arn = name, arn_of(name)
        self._pages = pages
        self._scheduler = scheduler
        self._chance = chance
        self._numbers = numbers
        self.latest: dict[str, Any] | None = None
        """The configuration of $LATEST, or None if the function does not exist."""
        self.running: Content | None = None
        """The content that an invocation of $LATEST runs."""
        self._update = 0
        """The number of updates that have completed."""
        self.versions: dict[str, Version] = {}
        self.aliases: dict[str, Alias] = {}
        self.policies: dict[str, dict[str, str]] = {}
        """Source ARNs by statement by qualifier. The qualifier of $LATEST is empty."""
        self._policy_revisions: dict[str, str] = {}
        self.update_fails = False
        """Whether the next update fails."""
        self.deleted_at = -1.0
        """When it was deleted externally; negative if never."""
        self.provisioned: frozenset[str] = frozenset()
        """Aliases with provisioned concurrency."""
        self.is_short = True
        """Whether the allocation of provisioned concurrency may fail."""
        self._holders: dict[str, str] = {}
        """The version that has the provisioned concurrency of an alias."""
        self._moving: dict[str, tuple[str, str]] = {}
        """The version to which it moves, and ``IN_PROGRESS`` or ``FAILED``, by the alias's name."""
        self.heard: Callable[[], None] = lambda: None
        """Called after AWS has changed an alias."""
        self._used: dict[str, float] = {}
        """Since when each version is unused: its last invocation, or when an alias left it; later if new."""
        self._created: dict[str, float] = {}
        """The creation time of each version and alias, by name."""

    def save(self) -> Any:
        """Return the whole state."""
        return self.latest, self.running, self.versions, self.aliases, self.policies, self._policy_revisions

    def load(self, saved: Any) -> None:
        """Restore a saved state."""
        self.latest, self.running, self.versions, self.aliases, self.policies, self._policy_revisions = saved

    def not_found(self, qualifier: str) -> Refusal | None:
        """Return Lambda's possible error for a version or an alias that was just created, or None."""
        is_there = qualifier in self.versions or qualifier in self.aliases
        if not is_there or self._scheduler.now - self._created.get(qualifier, -FRESH) >= FRESH:
            return None
        return self._no_alias(qualifier) if qualifier in self.aliases else self._missing(qualifier)

    # External changes

    def delete(self) -> None:
        """Delete the function with all its versions, aliases and policies. The version numbers start again."""
        self.deleted_at = self._scheduler.now
        self.latest, self.running = None, None
        self.versions, self.aliases, self.policies = {}, {}, {}
        self._holders, self._moving = {}, {}

    def create_ready(self, *, code: bytes, versions: int, role: str) -> None:
        """Create the function with that many ready versions, as another tool did some time ago."""
        for number in range(1, versions + 1):
            self.latest = {
                "FunctionName": self.name,
                "FunctionArn": self.arn,
                "PackageType": "Zip",
                "MemorySize": 128,
                "Timeout": 20 + number,
                "Version": "$LATEST",
                "Description": "",
                "Runtime": "python3.13",
                "Handler": "app.handler",
                "Role": role,
                "CodeSha256": _digest(ZipFile=code),
                "RevisionId": self._revision(),
                "State": "Active",
                "LastUpdateStatus": "Successful",
            }
            self.running = content_of(self.latest)
            named = {"Version": str(number), "FunctionArn": f"{self.arn}:{number}", "RevisionId": self._revision()}
            self.versions[str(number)] = Version({**self.latest, **named}, self.running)

    def idle(self, needed: Collection[str]) -> None:
        """Make versions Inactive that serve nothing, were not used for a while and are not ``needed``."""
        used = {*needed, *(alias.version for alias in self.aliases.values())}
        used |= {version for alias in self.aliases.values() for version in alias.weights}
        used |= {number for number, when in self._used.items() if self._scheduler.now - when < _RECENTLY}
        for number, version in self.versions.items():
            if number not in used and version.configuration["State"] == "Active":
                version.configuration["State"] = "Inactive"

    def _wake(self, version: Version) -> None:
        """Start to restore an Inactive version, as its first invocation does."""

        def complete() -> None:
            version.configuration["State"] = "Active"

        version.configuration["State"] = "Pending"
        self._scheduler.at(self._scheduler.now + self._chance.choice((0.3, 1.0, 4.0)), complete)

    # Called by other models

    def resolve(self, qualifier: str, pick: float, *, wakes: bool = True) -> tuple[str, Content] | None:
        """Return the version that runs for ``qualifier``, and its content, or None if none can run.

        ``pick``, from 0 to 1, decides how an alias splits its traffic. A version that is Inactive fails. If this
        ``wakes`` it, as an invocation does, it is restored.
        """
        if not qualifier or qualifier == "$LATEST":
            is_active = self.latest is not None and self.latest["State"] == "Active"
            return ("$LATEST", self.running) if is_active and self.running else None
        if qualifier in self.aliases:
            alias = self.aliases[qualifier]
            qualifier = next((other for other, weight in alias.weights.items() if pick < weight), alias.version)
            if qualifier == "$LATEST":
                return self.resolve("", pick)
        version = self.versions.get(qualifier)
        if version is None:
            return None
        if wakes:
            self._used[qualifier] = max(self._scheduler.now, self._used.get(qualifier, 0.0))
        if version.configuration["State"] == "Inactive" and wakes:
            self._wake(version)
        return (qualifier, version.content) if version.configuration["State"] == "Active" else None

    def allows(self, qualifier: str, api: str) -> bool:
        """Whether API Gateway may invoke ``qualifier`` for the API."""
        return self._source(api) in self.policies.get(qualifier, {}).values()

    @staticmethod
    def _source(api: str) -> str:
        return f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api}/*"

    # Code and configuration

    def get_function_configuration(self, *, FunctionName: str, Qualifier: str = "$LATEST") -> dict[str, Any]:
        latest = self._function(FunctionName)
        if Qualifier == "$LATEST":
            return dict(latest)
        if Qualifier not in self.versions:
            raise self._missing(Qualifier)
        # Inactivity takes weeks without an invocation, not the moment between a read and the action after it.
        self._used[Qualifier] = max(self._scheduler.now - _RECENTLY + _MOMENT, self._used.get(Qualifier, 0.0))
        return dict(self.versions[Qualifier].configuration)

    def create_function(self, *, FunctionName: str, Code: Mapping[str, Any], PackageType: str, **given: Any) -> Any:
        if FunctionName != self.name or given.keys() - set(_CONFIGURED) or PackageType != "Zip":
            raise NotModelledError((FunctionName, given))
        if self.latest is not None:
            raise Refusal("ResourceConflictException", f"Function already exist: {self.name}", 409)
        self.latest = {
            "FunctionName": self.name,
            "FunctionArn": self.arn,
            "PackageType": PackageType,
            "MemorySize": 128,
            "Timeout": 3,
            "Version": "$LATEST",
            "Description": "",
            "CodeSha256": _digest(**Code),
            "RevisionId": self._revision(),
            "State": "Pending",
            **given,
        }
        self._complete_later(lambda failed: self._completed(is_new=True, failed=failed))
        return dict(self.latest)

    def update_function_code(
        self,
        *,
        FunctionName: str,
        ZipFile: bytes,
        RevisionId: str = "",
        Publish: bool = False,
    ) -> dict[str, Any]:
        latest = self._function(FunctionName)
        self._require_rest(latest)
        self._require_revision(latest, RevisionId)
        self.latest = self._begun({**latest, "CodeSha256": _digest(ZipFile=ZipFile)})
        return self._published() if Publish else dict(self.latest)

    def update_function_configuration(self, *, FunctionName: str, RevisionId: str = "", **changes: Any) -> Any:
        if changes.keys() - set(_CONFIGURED):
            raise NotModelledError(changes)
        latest = self._function(FunctionName)
        self._require_rest(latest)
        self._require_revision(latest, RevisionId)
        self.latest = self._begun({**latest, **changes})
        return dict(self.latest)

    def publish_version(self, *, FunctionName: str, CodeSha256: str = "", RevisionId: str = "") -> dict[str, Any]:
        latest = self._function(FunctionName)
        self._require_rest(latest)
        if CodeSha256 and latest["CodeSha256"] != CodeSha256:
            raise Refusal(
                "InvalidParameterValueException",
                f"CodeSHA256 ({CodeSha256}) is different from current CodeSHA256 in $LATEST ({latest['CodeSha256']}). "
                "Please try again with the CodeSHA256 in $LATEST.",
            )
        self._require_revision(latest, RevisionId)
        return self._published()

    def _published(self) -> dict[str, Any]:
        """Publish $LATEST, or return the last version if nothing has changed since."""
        assert self.latest is not None
        content = content_of(self.latest)
        last = max(self.versions, key=int, default="")
        if last and self.versions[last].content == content:
            self._used[last] = self._scheduler.now + _LONG
            return dict(self.versions[last].configuration)
        number = str(len(self.versions) + 1)
        configuration = {
            **self.latest,
            "Version": number,
            "FunctionArn": f"{self.arn}:{number}",
            "RevisionId": self._revision(),
        }
        # A version of settled code is Active at once.
        is_settled = self.latest["LastUpdateStatus"] != "InProgress"
        if not is_settled:
            configuration["State"] = "Pending"
            del configuration["LastUpdateStatus"]
        version = self.versions[number] = Version(configuration, content)

        self._created[number] = self._scheduler.now
        self._used[number] = self._scheduler.now + _LONG

        def complete(failed: bool) -> None:  # noqa: FBT001 - the only fact of the completion
            status = "Failed" if failed else "Successful"
            state = "Failed" if failed else "Active"
            version.configuration |= {"State": state, "LastUpdateStatus": status, "RevisionId": self._revision()}

        if not is_settled:
            self._complete_later(complete)
        self.latest = {**self.latest, "RevisionId": self._revision()}
        return dict(configuration)

    def _begun(self, latest: dict[str, Any]) -> dict[str, Any]:
        self._complete_later(lambda failed: self._completed(is_new=False, failed=failed))
        return {**latest, "RevisionId": self._revision(), "State": "Active", "LastUpdateStatus": "InProgress"}

    def _completed(self, *, is_new: bool, failed: bool) -> None:
        if self.latest is None:
            return  # it was deleted
        state = {"LastUpdateStatus": "Failed" if failed else "Successful"}
        state |= {"State": "Failed" if failed else "Active"} if is_new else {}
        self.latest = {**self.latest, **state, "RevisionId": self._revision()}
        if not failed:
            content, self._update = content_of(self.latest), self._update + 1
            if is_new:
                self.running = content
            else:
                self._scheduler.at(self._scheduler.now + OVERLAP, partial(self._run, self._update, content))

    def _run(self, update: int, content: Content) -> None:
        """Run the code and configuration of an update, unless a later one has completed or the function is gone."""
        if update == self._update and self.latest is not None:
            self.running = content

    def _complete_later(self, complete: Callable[[bool], None]) -> None:
        failed = self.update_fails
        settled = self._scheduler.now + self._chance.choice((0.05, 0.2, 0.2, 0.7, 3.0))
        self._scheduler.at(settled, lambda: complete(failed))

    def _require_rest(self, latest: Mapping[str, Any]) -> None:
        if latest["State"] == "Pending" or latest["LastUpdateStatus"] == "InProgress":
            what = f"An update is in progress for resource: {self.arn}"
            if latest["State"] == "Pending":
                what = "The function is currently in the following state: Pending"
            raise Refusal(
                "ResourceConflictException",
                f"The operation cannot be performed at this time. {what}",
                409,
            )

    def _require_revision(self, current: Mapping[str, Any], wanted: str) -> None:
        if wanted and current["RevisionId"] != wanted:
            raise _stale()

    # Aliases

    def get_alias(self, *, FunctionName: str, Name: str) -> dict[str, Any]:
        if self._found(FunctionName) is None or Name not in self.aliases:
            raise self._no_alias(Name)
        return self._shown(Name)

    def create_alias(
        self, *, FunctionName: str, Name: str, FunctionVersion: str, Description: str = ""
    ) -> dict[str, Any]:
        self._function(FunctionName, FunctionVersion)
        self._require_target(FunctionVersion)
        if Name in self.aliases:
            raise Refusal("ResourceConflictException", f"Alias already exists: {self.arn}:{Name}", 409)
        self.aliases[Name] = Alias(FunctionVersion, self._revision(), Description)
        self._created[Name] = self._scheduler.now
        return self._shown(Name)

    def update_alias(
        self,
        *,
        FunctionName: str,
        Name: str,
        FunctionVersion: str = "",
        Description: str | None = None,
        RoutingConfig: Mapping[str, Any] | None = None,
        RevisionId: str = "",
    ) -> dict[str, Any]:
        self._function(FunctionName)
        if Name not in self.aliases:
            raise Refusal("ResourceNotFoundException", f"Alias not found: {self.arn}:{Name}", 404)
        alias = self.aliases[Name]
        if RevisionId and alias.revision_id != RevisionId:
            raise _stale()
        version = FunctionVersion or alias.version
        self._used[alias.version] = max(self._scheduler.now, self._used.get(alias.version, 0.0))
        weights = alias.weights if RoutingConfig is None else RoutingConfig["AdditionalVersionWeights"]
        self._require_target(version)
        self._require_weights(version, weights)
        self.aliases[Name] = replace(
            alias,
            version=version,
            revision_id=self._revision(),
            description=alias.description if Description is None else Description,
            weights=dict(weights),
            is_by_aws=alias.is_by_aws and version == alias.version and dict(weights) == dict(alias.weights),
        )
        if Name in self.provisioned:
            self._holders.setdefault(Name, alias.version)
            self._follow(Name)
        return self._shown(Name)

    def _require_weights(self, version: str, weights: Mapping[str, float]) -> None:
        """Refuse weights that an alias of this version cannot have."""
        invalid = "InvalidParameterValueException"
        if len(weights) > 1:
            raise Refusal(invalid, "Number of items in AdditionalVersionWeights cannot be greater than 1")
        if version in weights:
            text = f"Invalid function version {version}. Function version {version} is already included in routing "
            raise Refusal(invalid, f"{text}configuration.")
        if weights and version == "$LATEST":
            raise Refusal(invalid, "$LATEST is not supported for an alias pointing to more than 1 version")
        if missing := set(weights) - set(self.versions):
            raise self._missing(missing.pop())

    def _follow(self, name: str) -> None:
        """Let provisioned concurrency follow an updated alias, as the sandbox does.

        Until then, AWS gives all traffic to the version that has it, by a weight of 1. If the move fails, the weight
        stays.
        """
        alias, holder = self.aliases[name], self._holders[name]
        if alias.version in (holder, "$LATEST"):
            self._moving.pop(name, None)
            return
        if self._moving.get(name, ("", ""))[0] == alias.version:
            return
        if holder not in self.versions:
            self._holders[name] = alias.version
            return
        self.aliases[name] = replace(alias, weights={holder: 1.0}, is_by_aws=True)
        self._moving[name] = alias.version, "IN_PROGRESS"
        seconds = self._chance.choice((1.0, 5.0, 20.0))
        self._scheduler.at(self._scheduler.now + seconds, lambda: self._arrive(name, alias.version))

    def _arrive(self, name: str, version: str) -> None:
        if self._moving.get(name) != (version, "IN_PROGRESS"):
            return
        if self.is_short and self._chance.random() < _STUCK:
            self._moving[name] = version, "FAILED"
            return
        self.allocate(name)

    def allocate(self, name: str) -> None:
        """Move the provisioned concurrency of an alias to its version."""
        self._moving.pop(name, None)
        alias = self.aliases[name]
        self._holders[name] = alias.version
        if alias.is_by_aws:
            self.aliases[name] = replace(alias, weights={}, revision_id=self._revision())
            self.heard()

    def is_stuck(self, name: str) -> bool:
        """Whether the provisioned concurrency of the alias could not be allocated."""
        return self._moving.get(name, ("", ""))[1] == "FAILED"

    def get_provisioned_concurrency_config(self, *, FunctionName: str, Qualifier: str) -> dict[str, Any]:
        self._function(FunctionName)
        if Qualifier == "$LATEST":
            text = "The function resource provided must be an alias or a published version."
            raise Refusal("InvalidParameterValueException", text)
        if Qualifier not in self.versions and Qualifier not in self.aliases:
            raise self._missing(Qualifier) if Qualifier.isdecimal() else self._no_alias(Qualifier)
        if Qualifier not in self.provisioned:
            text = "No Provisioned Concurrency Config found for this function"
            raise Refusal("ProvisionedConcurrencyConfigNotFoundException", text, 404)
        _, status = self._moving.get(Qualifier, ("", "READY"))
        return {"Status": status, **({"StatusReason": "it could not be allocated"} if status == "FAILED" else {})}

    def list_aliases(self, *, FunctionName: str, Marker: str | None = None) -> dict[str, Any]:
        self._function(FunctionName)
        names, following = self._pages.page(self.aliases, Marker)
        further = {"NextMarker": following} if following else {}
        return {"Aliases": [self._shown(name) for name in names], **further}

    def delete_alias(self, *, FunctionName: str, Name: str) -> dict[str, Any]:
        self._function(FunctionName)
        self.aliases.pop(Name, None)
        self._holders.pop(Name, None)
        self._moving.pop(Name, None)
        self.policies.pop(Name, None)
        return {}

    def _shown(self, name: str) -> dict[str, Any]:
        alias = self.aliases[name]
        answer: dict[str, Any] = {
            "AliasArn": f"{self.arn}:{name}",
            "Name": name,
            "FunctionVersion": alias.version,
            "Description": alias.description,
            "RevisionId": alias.revision_id,
        }
        return {**answer, **({"RoutingConfig": {"AdditionalVersionWeights": alias.weights}} if alias.weights else {})}

    def _require_target(self, version: str) -> None:
        if version == "$LATEST":
            return
        if version not in self.versions:
            raise self._missing(version)
        if self.versions[version].configuration["State"] == "Failed":
            raise Refusal(
                "ResourceConflictException",
                "The operation cannot be performed at this time. "
                f"The function {self.arn}:{version} is currently in the following state: Failed",
                409,
            )

    # Policies and invocations

    def get_policy(self, *, FunctionName: str, Qualifier: str = "") -> dict[str, Any]:
        statements = self.policies.get(Qualifier, {})
        if self._found(FunctionName) is None or not statements:
            raise Refusal("ResourceNotFoundException", "The resource you requested does not exist.", 404)
        policy = json.dumps({"Statement": [{"Sid": statement} for statement in statements]})
        return {"Policy": policy, "RevisionId": self._policy_revisions[Qualifier]}

    def add_permission(
        self,
        *,
        FunctionName: str,
        StatementId: str,
        Action: str,
        Principal: str,
        SourceArn: str,
        Qualifier: str = "",
    ) -> dict[str, Any]:
        if (Action, Principal) != ("lambda:InvokeFunction", "apigateway.amazonaws.com"):
            raise NotModelledError((Action, Principal))
        self._function(FunctionName, Qualifier)
        self._require_qualifier(Qualifier)
        statements = self.policies.setdefault(Qualifier, {})
        if StatementId in statements:
            raise Refusal(
                "ResourceConflictException",
                f"The statement id ({StatementId}) provided already exists. "
                "Please provide a new statement id, or remove the existing statement.",
                409,
            )
        statements[StatementId] = SourceArn
        self._change_policy(Qualifier)
        return {"Statement": json.dumps({"Sid": StatementId})}

    def remove_permission(self, *, FunctionName: str, StatementId: str, Qualifier: str = "") -> dict[str, Any]:
        if self._found(FunctionName) is None:
            arn = f"{self.arn}:{Qualifier}" if Qualifier else self.arn
            raise Refusal("ResourceNotFoundException", f"No policy found for: {arn}", 404)
        self._require_qualifier(Qualifier)
        statements = self.policies.get(Qualifier, {})
        if StatementId not in statements:
            text = "No policy is associated with the given resource."
            text = f"Statement {StatementId} is not found in resource policy." if statements else text
            raise Refusal("ResourceNotFoundException", text, 404)
        del statements[StatementId]
        self._change_policy(Qualifier)
        return {}

    def _require_qualifier(self, qualifier: str) -> None:
        """Refuse a version or an alias that does not exist, in the words of the operations on policies."""
        if qualifier and qualifier not in self.aliases and qualifier not in self.versions:
            raise self._missing(qualifier) if qualifier.isdecimal() else self._no_alias(qualifier)

    def _change_policy(self, qualifier: str) -> None:
        """Change the RevisionId of a policy and, without a qualifier, that of $LATEST to the same value."""
        revision = self._policy_revisions[qualifier] = self._revision()
        if not qualifier and self.latest is not None:
            self.latest = {**self.latest, "RevisionId": revision}

    def _function(self, name: str, qualifier: str = "") -> dict[str, Any]:
        latest = self._found(name)
        if latest is None:
            raise self._missing(qualifier)
        return latest

    def _found(self, name: str) -> dict[str, Any] | None:
        """Return the configuration of $LATEST, or None if the function does not exist."""
        if name not in (self.name, self.arn):
            raise NotModelledError(name)
        return self.latest

    def _no_alias(self, name: str) -> Refusal:
        return Refusal("ResourceNotFoundException", f"Cannot find alias arn: {self.arn}:{name}", 404)

    def _missing(self, qualifier: str) -> Refusal:
        arn = f"{self.arn}:{qualifier}" if qualifier else self.arn
        return Refusal("ResourceNotFoundException", f"Function not found: {arn}", 404)

    def _revision(self) -> str:
        return f"revision-{next(self._numbers)}"


class Functions:
    """The service: all possible functions by name, whether or not they exist."""

    def __init__(
        self, scheduler: Scheduler, chance: Random, numbers: Iterator[int], pages: Pages | None = None
    ) -> None:
        self.all = {name: Function(name, scheduler, chance, numbers, pages or Pages()) for name in FUNCTIONS}

    def __getitem__(self, function: str) -> Function:
        """Return the function with a name or an ARN."""
        return self.all[name_of(function)]

    @property
    def aliases(self) -> dict[tuple[str, str], Alias]:
        """All aliases, by the names of their function and alias."""
        return {(name, alias): found for name, one in self.all.items() for alias, found in one.aliases.items()}


def arn_of(name: str) -> str:
    """Return the ARN of a function."""
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"


def name_of(function: str) -> str:
    """Return the function's name from a name or an ARN with or without a qualifier."""
    return function.split(":")[6] if function.startswith("arn:") else function


def content_of(configuration: Mapping[str, Any]) -> Content:
    """Return the content, which is equal for two identical versions."""
    configured = {name: configuration.get(name) for name in _CONFIGURED}
    return Content(configuration["CodeSha256"], json.dumps(configured, sort_keys=True))


def _digest(*, ZipFile: bytes) -> str:
    return base64.b64encode(hashlib.sha256(ZipFile).digest()).decode()


def _stale() -> Refusal:
    return Refusal(
        "PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id. "
        "Call the GetFunction/GetAlias API to retrieve the latest Revision Id",
        412,
    )


def payload(text: str) -> BytesIO:
    """Return the body of an invocation's response."""
    return BytesIO(text.encode())
