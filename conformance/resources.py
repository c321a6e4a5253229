"""What the kit makes, and how it finds it again to remove it.

Everything has a tag when it is created. So after a lost response or a crash, the kit finds what it has made, and
removes nothing else.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from conformance.account import Account
from conformance.finding import CouldNotAskError
from conformance.kinds import Kind, Kinds, Names, Tags, is_missing
from promote.aws.errors import code_of, to_promote_error
from promote.core.clock import Clock
from promote.core.errors import RefusedError

TAG = "promote-on-success-kit"
"""The tag of everything. Its value is the prefix."""
RUN_TAG = "promote-on-success-kit-run"
"""The tag with the run, so that a run does not remove what another run with the same prefix makes."""

_BUSY = frozenset({"ConflictException", "ResourceConflictException", "ResourceInUseException"})
"""The codes of AWS's errors about a resource that is being created, changed or deleted."""
_PATIENCE = 120.0
"""Seconds until a new table is ACTIVE, what is listed is found, or what is deleted is not listed."""
_PAUSE = 0.5
"""Seconds between two looks at what is left."""
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
        self._kinds = Kinds(account, self.names, makes_role=makes_role)
        self._made: dict[str, list[str]] = {}
        """The names that AWS has confirmed, by the noun of their kind."""

    @property
    def tags(self) -> Mapping[str, str]:
        """The tags of what this run makes."""
        return {TAG: self.names.prefix, RUN_TAG: self._run}

    def require_free(self) -> None:
        """Check that nothing has the prefix.

        Raises:
            RefusedError: Something has it.

        """
        left = list(self._owned())
        if left:
            raise RefusedError(
                f"an earlier run with the prefix {self.names.prefix} has left {_listed(left)}",
                hint="Remove it with the same command and --clean (make aws: CLEAN=1), if that run has ended.",
            )
        for kind, name in self._kinds.all_names():
            if self.names.is_taken(name):
                raise RefusedError(
                    f"the {kind} {name} exists, so the prefix {self.names.prefix} is not free",
                    hint="Choose another prefix. Nothing was made.",
                )

    def require_removable(self) -> None:
        """Check, with names that nothing has, that the caller may find and remove what the kit will make."""
        base, account = self.names.base, self._account
        functions, tables, roles, gateway = account.function, account.table, account.roles, account.gateway
        arn = f"arn:{tables.meta.partition}:{{}}:{account.region}:{account.id}"
        checks: list[Callable[[], Any]] = [
            lambda: functions.list_tags(Resource=f"{arn.format('lambda')}:function:{base}"),
            lambda: functions.delete_function(FunctionName=base),
            lambda: tables.describe_table(TableName=base),
            lambda: tables.list_tags_of_resource(ResourceArn=f"{arn.format('dynamodb')}:table/{base}"),
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
                if not is_missing(error):
                    raise

    def make_role(self) -> str:
        """Make the role of the functions, and return its ARN."""
        roles, base = self._account.roles, self.names.base
        tags = [{"Key": key, "Value": value} for key, value in self.tags.items()]
        made = roles.create_role(RoleName=base, AssumeRolePolicyDocument=json.dumps(_TRUST), Tags=tags)
        self._note(self._kinds.role, base)
        roles.put_role_policy(RoleName=base, PolicyName=_POLICY, PolicyDocument=json.dumps(_NETWORK))
        return str(made["Role"]["Arn"])

    def make_function(self, name: str, role: str, **parameters: Any) -> str:
        """Make a function, and return its ARN. The client waits until Lambda can use a new role."""
        made = self._account.function.create_function(
            FunctionName=name, Role=role, Tags=dict(self.tags), MemorySize=128, Timeout=10, **parameters
        )
        self._note(self._kinds.function, name)
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
        self._note(self._kinds.table, name)

    def make_api(self, name: str) -> Mapping[str, Any]:
        """Make an HTTP API without routes, and return it."""
        made = self._account.gateway.create_api(Name=name, ProtocolType="HTTP", Tags=dict(self.tags))
        self._note(self._kinds.api, made["ApiId"])
        return made

    def _note(self, kind: Kind, name: str) -> None:
        self._made.setdefault(kind.noun, []).append(name)

    def wait_for_table(self, name: str, pause: float = 0.5) -> None:
        """Wait until DescribeTable says ACTIVE."""
        deadline = self._clock.monotonic() + _PATIENCE
        while self._status(name) != "ACTIVE":
            if self._clock.monotonic() > deadline:
                raise CouldNotAskError("the table was not ACTIVE within two minutes")
            self._clock.sleep(pause)

    def remove(self, *, any_run: bool = False) -> tuple[list[str], list[str]]:
        """Remove what carries the tag. Return what was removed, and what could not be, with the reason."""
        removed, left = [], []
        for kind in self._kinds:
            made = [] if any_run else self._made.get(kind.noun, [])
            is_ours = partial(self._is_ours, any_run=any_run)
            gone, others = _removed(kind, made, is_ours, self._clock)
            removed += gone
            left += others
        return removed, left

    def _owned(self) -> Iterator[str]:
        """Yield what carries the tag of any run."""
        for kind in self._kinds:
            for name, tags in kind.find().items():
                if tags and self._is_ours(tags, any_run=True):
                    yield f"{kind.noun} {name}"

    def _is_ours(self, tags: Tags, *, any_run: bool) -> bool:
        return tags.get(TAG) == self.names.prefix and (any_run or tags.get(RUN_TAG) == self._run)

    def _status(self, table: str) -> str:
        client = self._account.table
        try:
            return str(client.describe_table(TableName=table)["Table"]["TableStatus"])
        except client.exceptions.ResourceNotFoundException:
            return ""


def _removed(
    kind: Kind, made: Iterable[str], is_ours: Callable[[Tags], bool], clock: Clock
) -> tuple[list[str], list[str]]:
    """Remove all of one kind. Return what was removed, and what could not be, with the reason.

    AWS may not find what was created a moment ago. So tags that are not found are read again, and something is removed
    when AWS does not list it any more. ``made`` has the names that AWS has confirmed. They are deleted also if AWS does
    not list them, or the caller may not read their tags.
    """
    ours = dict.fromkeys(made, False)  # whether it was deleted once
    reasons: dict[str, str] = {}
    unlisted: list[str] = []
    deadline = clock.monotonic() + _PATIENCE
    while not unlisted:
        found: Mapping[str, Tags | None] = {}
        try:
            found = kind.find()
        except Exception as error:  # noqa: BLE001 - what was made must be removed, whatever the reason
            others = "other " if ours else ""
            cause = to_promote_error(error)
            unlisted = [f"{others}{kind.plural}, if there are any, because they could not be listed: {cause}"]
        claimed = [name for name, tags in found.items() if tags and is_ours(tags)]
        unread = [name for name, tags in found.items() if tags is None]
        ours |= {name: False for name in claimed if name not in ours}
        waiting = [n for n in ours if n not in reasons and (not ours[n] or n in claimed or n in unread)]
        unread = [name for name in unread if name not in ours]
        if not waiting and not unread:
            break
        if clock.monotonic() > deadline:
            reasons |= dict.fromkeys(waiting, "AWS lists it two minutes later")
            reasons |= dict.fromkeys(unread, "AWS lists it, but did not find its tags for two minutes")
            break
        if all(ours[name] for name in waiting):
            clock.sleep(_PAUSE)
        for name in waiting:
            ours[name] = True
            try:
                kind.delete(name)
            except Exception as error:  # noqa: BLE001 - the others must be removed, whatever the reason
                if unlisted or code_of(error) not in _BUSY:
                    reasons[name] = str(to_promote_error(error))
    removed = [f"{kind.noun} {name}" for name in ours if name not in reasons]
    return removed, [*unlisted, *(f"{kind.noun} {name}: {reason}" for name, reason in reasons.items())]


def new_run(clock: Clock, token: Callable[[int], str]) -> str:
    """Return the identity of a run. ``token`` returns random hexadecimal digits for a number of bytes.

    Two runs may begin in the same second, and must not remove what the other one makes.
    """
    return f"{clock.now():%Y%m%dT%H%M%S}-{token(4)}"


def _listed(things: list[str]) -> str:
    return ", ".join(things[:5]) + (f" and {len(things) - 5} more" if things[5:] else "")
