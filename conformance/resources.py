"""What the kit makes, and how it finds it again to remove it.

Everything has a tag when it is created. So after a lost response or a crash, the kit finds what it has made, and
removes nothing else.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from conformance.account import Account
from conformance.finding import CouldNotAskError
from promote.aws.calls import pages
from promote.aws.errors import DENIED, code_of, to_promote_error
from promote.core.clock import Clock
from promote.core.errors import RefusedError, ServiceError

TAG = "promote-on-success-kit"
"""The tag of everything. Its value is the prefix."""
RUN_TAG = "promote-on-success-kit-run"
"""The tag with the run, so that a run does not remove what another run with the same prefix makes."""

APIS, FUNCTIONS, TABLES, ROLES = "HTTP APIs", "functions", "tables", "roles"
"""The kinds of resources, for messages."""

_GONE = frozenset({"ResourceNotFoundException", "NotFoundException", "NoSuchEntity", "NoSuchEntityException"})
_TABLE_PATIENCE = 120.0
"""Seconds until a new table is ACTIVE, or a deleted one has gone."""
_POLICY = "network"
"""The name of the role's policy."""
_NO_API = "0000000000"
"""The identity of no HTTP API."""

_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}
_NETWORK = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "ec2:AssignPrivateIpAddresses",
                "ec2:CreateNetworkInterface",
                "ec2:DeleteNetworkInterface",
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeSubnets",
                "ec2:UnassignPrivateIpAddresses",
            ],
            "Resource": "*",
        }
    ],
}
"""What Lambda needs for a function in a VPC. The role has no permission to write logs, so there are none."""


@dataclass(frozen=True)
class Names:
    """The names of what the kit makes with one prefix."""

    prefix: str

    @property
    def base(self) -> str:
        """The name of the role, the table and the first function, and the beginning of all others."""
        return f"{self.prefix}-kit"

    def is_taken(self, name: str) -> bool:
        """Return whether ``name`` begins with the prefix."""
        return name == self.prefix or name.startswith(f"{self.prefix}-")


@dataclass(frozen=True)
class Thing:
    """A resource of the kit."""

    kind: str
    name: str
    remove: Callable[[], None]

    def __str__(self) -> str:
        """Return kind and name."""
        return f"{self.kind} {self.name}"


class Resources:
    """The resources of one prefix in one account. ``run`` identifies this run.

    If ``makes_role`` is false, the functions use a role of the user, and the caller needs no permission of IAM.
    """

    def __init__(self, account: Account, prefix: str, run: str, clock: Clock, *, makes_role: bool) -> None:
        self._account = account
        self._clock = clock
        self._run = run
        self._makes_role = makes_role
        self.names = Names(prefix)
        self._made: dict[str, list[Thing]] = {}
        """What AWS has confirmed, in case that the caller may not read tags."""

    @property
    def tags(self) -> Mapping[str, str]:
        """The tags of what this run makes."""
        return {TAG: self.names.prefix, RUN_TAG: self._run}

    def require_free(self) -> None:
        """Check that nothing has the prefix.

        Raises:
            RefusedError: Something has it.

        """
        left = list(self.owned(any_run=True))
        if left:
            raise RefusedError(
                f"an earlier run with the prefix {self.names.prefix} has left {_listed(left)}",
                hint="Remove it with the same command and --clean (make aws: CLEAN=1), if that run has ended.",
            )
        for kind, name in self._all_names():
            if self.names.is_taken(name):
                raise RefusedError(
                    f"the {kind} {name} exists, so the prefix {self.names.prefix} is not free",
                    hint="Choose another prefix. Nothing was made.",
                )

    def require_removable(self) -> None:
        """Check, with names that nothing has, that the caller may find and remove what the kit will make."""
        base, account = self.names.base, self._account
        functions, tables, roles, gateway = account.function, account.table, account.roles, account.gateway
        checks: list[Callable[[], Any]] = [
            lambda: functions.get_function(FunctionName=base),
            lambda: functions.delete_function(FunctionName=base),
            lambda: tables.describe_table(TableName=base),
            lambda: tables.delete_table(TableName=base),
            lambda: gateway.delete_api(ApiId=_NO_API),
        ]
        if self._makes_role:
            checks += [
                lambda: roles.get_role(RoleName=base),
                lambda: roles.list_role_tags(RoleName=base),
                lambda: roles.list_role_policies(RoleName=base),
                lambda: roles.delete_role_policy(RoleName=base, PolicyName=_POLICY),
                lambda: roles.delete_role(RoleName=base),
            ]
        for check in checks:
            try:
                check()
            except Exception as error:
                if code_of(error) not in _GONE:
                    raise

    def make_role(self) -> str:
        """Make the role of the functions, and return its ARN."""
        roles, base = self._account.roles, self.names.base
        tags = [{"Key": key, "Value": value} for key, value in self.tags.items()]
        made = roles.create_role(RoleName=base, AssumeRolePolicyDocument=json.dumps(_TRUST), Tags=tags)
        self._note(ROLES, Thing("role", base, partial(self._remove_role, base)))
        roles.put_role_policy(RoleName=base, PolicyName=_POLICY, PolicyDocument=json.dumps(_NETWORK))
        return str(made["Role"]["Arn"])

    def make_function(self, name: str, role: str, **parameters: Any) -> str:
        """Make a function, and return its ARN. The client waits until Lambda can use a new role."""
        made = self._account.function.create_function(
            FunctionName=name, Role=role, Tags=dict(self.tags), MemorySize=128, Timeout=10, **parameters
        )
        self._note(FUNCTIONS, Thing("function", name, partial(self._remove_function, name)))
        return made["FunctionArn"]

    def make_table(self, name: str) -> None:
        """Begin to make a table."""
        self._account.table.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            Tags=[{"Key": key, "Value": value} for key, value in self.tags.items()],
        )
        self._note(TABLES, Thing("table", name, partial(self._remove_table, name)))

    def make_api(self, name: str) -> Mapping[str, Any]:
        """Make an HTTP API without routes, and return it."""
        made = self._account.gateway.create_api(Name=name, ProtocolType="HTTP", Tags=dict(self.tags))
        self._note(APIS, Thing("HTTP API", made["ApiId"], partial(self._remove_api, made["ApiId"])))
        return made

    def _note(self, kind: str, thing: Thing) -> None:
        self._made.setdefault(kind, []).append(thing)

    def wait_for_table(self, name: str, pause: float = 0.5) -> None:
        """Wait until DescribeTable says ACTIVE."""
        deadline = self._clock.monotonic() + _TABLE_PATIENCE
        while self._status(name) != "ACTIVE":
            if self._clock.monotonic() > deadline:
                raise CouldNotAskError("the table was not ACTIVE within two minutes")
            self._clock.sleep(pause)

    def owned(self, *, any_run: bool = False) -> Iterator[Thing]:
        """Yield what carries the tag: of this run, or of ``any_run``."""
        for find in self._finders.values():
            yield from find(any_run)

    def remove(self, *, any_run: bool = False) -> tuple[list[str], list[str]]:
        """Remove what carries the tag. Return what was removed, and what could not be, with the reason."""
        removed, left = [], []
        for kind, find in self._finders.items():
            try:
                found = list(find(any_run))
            except Exception as error:  # noqa: BLE001 - the others must be removed, whatever the reason
                found = [] if any_run else self._made.get(kind, [])
                others = "other " if found else ""
                left.append(f"{others}{kind}, if there are any, because they could not be listed: {_reason(error)}")
            for thing in found:
                try:
                    thing.remove()
                except Exception as error:  # noqa: BLE001 - as above
                    left.append(f"{thing}: {_reason(error)}")
                else:
                    removed.append(str(thing))
        return removed, left

    @property
    def _finders(self) -> Mapping[str, Callable[[bool], Iterator[Thing]]]:
        """How to find what is ours, by kind. APIs come first, because they use functions, and the role comes last."""
        return {
            APIS: self._owned_apis,
            FUNCTIONS: self._owned_functions,
            TABLES: self._owned_tables,
            ROLES: self._owned_role,
        }

    def _owned_apis(self, any_run: bool) -> Iterator[Thing]:  # noqa: FBT001 - as the others
        for api in pages(self._account.gateway.get_apis):
            if self._is_ours(api.get("Tags") or {}, any_run=any_run):
                yield Thing("HTTP API", api["ApiId"], partial(self._remove_api, api["ApiId"]))

    def _owned_functions(self, any_run: bool) -> Iterator[Thing]:  # noqa: FBT001 - as the others
        for name in filter(self.names.is_taken, self._functions()):
            if self._is_ours(self._tags_of_function(name), any_run=any_run):
                yield Thing("function", name, partial(self._remove_function, name))

    def _owned_tables(self, any_run: bool) -> Iterator[Thing]:  # noqa: FBT001 - as the others
        for name in filter(self.names.is_taken, self._tables()):
            if self._is_ours(self._tags_of_table(name), any_run=any_run):
                yield Thing("table", name, partial(self._remove_table, name))

    def _owned_role(self, any_run: bool) -> Iterator[Thing]:  # noqa: FBT001 - as the others
        name = self.names.base
        if self._is_ours(self._tags_of_role(name), any_run=any_run):
            yield Thing("role", name, partial(self._remove_role, name))

    def _is_ours(self, tags: Mapping[str, str], *, any_run: bool) -> bool:
        return tags.get(TAG) == self.names.prefix and (any_run or tags.get(RUN_TAG) == self._run)

    def _all_names(self) -> Iterator[tuple[str, str]]:
        yield from (("function", name) for name in self._functions())
        yield from (("table", name) for name in self._tables())
        yield from (("HTTP API", str(api.get("Name", ""))) for api in pages(self._account.gateway.get_apis))
        if self._has_role():
            yield "role", self.names.base

    def _functions(self) -> list[str]:
        listed = pages(self._account.function.list_functions, "Functions", "NextMarker", "Marker")
        return [function["FunctionName"] for function in listed]

    def _tables(self) -> list[str]:
        mark = "LastEvaluatedTableName", "ExclusiveStartTableName"
        return list(pages(self._account.table.list_tables, "TableNames", *mark))

    def _tags_of_function(self, name: str) -> Mapping[str, str]:
        client = self._account.function
        try:
            return client.get_function(FunctionName=name).get("Tags") or {}
        except client.exceptions.ResourceNotFoundException:
            return {}

    def _tags_of_table(self, name: str) -> Mapping[str, str]:
        client = self._account.table
        try:
            arn = client.describe_table(TableName=name)["Table"]["TableArn"]
            return {tag["Key"]: tag["Value"] for tag in client.list_tags_of_resource(ResourceArn=arn)["Tags"]}
        except client.exceptions.ResourceNotFoundException:
            return {}

    def _has_role(self) -> bool:
        """Return whether the role with our name exists."""
        client = self._account.roles
        with self._needing_no_permission(), suppress(client.exceptions.NoSuchEntityException):
            client.get_role(RoleName=self.names.base)
            return True
        return False

    def _tags_of_role(self, name: str) -> Mapping[str, str]:
        client = self._account.roles
        with self._needing_no_permission(), suppress(client.exceptions.NoSuchEntityException):
            return {tag["Key"]: tag["Value"] for tag in client.list_role_tags(RoleName=name)["Tags"]}
        return {}

    @contextmanager
    def _needing_no_permission(self) -> Iterator[None]:
        """Ignore that the caller may not use IAM, if the kit makes no role."""
        try:
            yield
        except self._account.roles.exceptions.ClientError as error:
            if self._makes_role or code_of(error) not in DENIED:
                raise

    def _status(self, table: str) -> str:
        client = self._account.table
        try:
            return str(client.describe_table(TableName=table)["Table"]["TableStatus"])
        except client.exceptions.ResourceNotFoundException:
            return ""

    def _remove_api(self, api: str) -> None:
        with suppress(self._account.gateway.exceptions.NotFoundException):
            self._account.gateway.delete_api(ApiId=api)

    def _remove_function(self, name: str) -> None:
        """Delete a function with all its versions, aliases and permissions, and its log."""
        client = self._account.function
        missing = client.exceptions.ResourceNotFoundException
        try:
            self._remove_capacity(name)
        except client.exceptions.ClientError as error:
            # The deletion of the function ends it as well.
            if code_of(error) not in DENIED:
                raise
        with suppress(missing):
            client.delete_function(FunctionName=name)
        self._remove_log(f"/aws/lambda/{name}")

    def _remove_capacity(self, name: str) -> None:
        """End the provisioned concurrency. It costs money, so it ends first, also if the deletion fails."""
        client = self._account.function
        missing = client.exceptions.ResourceNotFoundException
        with suppress(missing, client.exceptions.ProvisionedConcurrencyConfigNotFoundException):
            configs = client.list_provisioned_concurrency_configs(FunctionName=name)
            for config in configs.get("ProvisionedConcurrencyConfigs", []):
                qualifier = config["FunctionArn"].rpartition(":")[2]
                client.delete_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier)

    def _remove_log(self, group: str) -> None:
        logs = self._account.logs
        try:
            logs.delete_log_group(logGroupName=group)
        except logs.exceptions.ClientError as error:
            # The role that the kit makes writes no logs, so a caller need not be allowed to delete them.
            if code_of(error) in _GONE or (self._makes_role and code_of(error) in DENIED):
                return
            text = f"it is deleted, but its log group {group} may be left: {_reason(error)}"
            raise ServiceError(text, hint="Delete the log group.") from error

    def _remove_table(self, name: str) -> None:
        client = self._account.table
        deadline = self._clock.monotonic() + _TABLE_PATIENCE
        while self._status(name) == "CREATING" and self._clock.monotonic() < deadline:
            self._clock.sleep(0.5)
        with suppress(client.exceptions.ResourceNotFoundException):
            client.delete_table(TableName=name)
        while status := self._status(name):
            if self._clock.monotonic() >= deadline:
                raise ServiceError(f"it is {status} after two minutes", hint="Delete it with --clean.")
            self._clock.sleep(0.5)

    def _remove_role(self, name: str) -> None:
        client = self._account.roles
        with suppress(client.exceptions.NoSuchEntityException):
            for policy in client.list_role_policies(RoleName=name)["PolicyNames"]:
                client.delete_role_policy(RoleName=name, PolicyName=policy)
            client.delete_role(RoleName=name)


def new_run(clock: Clock, token: Callable[[int], str]) -> str:
    """Return the identity of a run. ``token`` returns random hexadecimal digits for a number of bytes.

    Two runs may begin in the same second, and must not remove what the other one makes.
    """
    return f"{clock.now():%Y%m%dT%H%M%S}-{token(4)}"


def _reason(error: Exception) -> str:
    return str(to_promote_error(error))


def _listed(things: list[Thing]) -> str:
    return ", ".join(map(str, things[:5])) + (f" and {len(things) - 5} more" if things[5:] else "")
