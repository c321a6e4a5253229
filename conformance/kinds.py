"""The kinds of resources that the kit makes: how to find them, and how to delete one."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from conformance.account import Account
from promote.aws.calls import pages
from promote.aws.errors import DENIED, code_of, to_promote_error
from promote.core.errors import ServiceError

_GONE = frozenset({"ResourceNotFoundException", "NotFoundException", "NoSuchEntity", "NoSuchEntityException"})

Tags = Mapping[str, str]


def is_missing(error: Exception) -> bool:
    """Return whether AWS does not find the resource of a call.

    For a table that does not exist, dynamodb:ListTagsOfResource responds with AccessDeniedException. Its message names
    no permission, as a true denial does.
    """
    code = code_of(error)
    return code in _GONE or (code in DENIED and "not authorized to access this resource" in str(error))


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
class Kind:
    """A kind of resources."""

    noun: str
    plural: str
    find: Callable[[], Mapping[str, Tags | None]]
    """Return the tags of those that can be the kit's, by name.

    They are None if AWS lists the resource and does not find it: it was just created, or is being deleted.
    """
    delete: Callable[[str], None]
    """Delete the one with this name. Ignore that AWS does not find it: only ``find`` shows that it is gone."""


class Kinds:
    """The kinds of resources of one prefix in one account."""

    def __init__(self, account: Account, names: Names, *, makes_role: bool) -> None:
        self._account = account
        self._names = names
        self._makes_role = makes_role
        self.api = Kind("HTTP API", "HTTP APIs", self._find_apis, self._delete_api)
        self.function = Kind("function", "functions", self._find_functions, self._delete_function)
        self.table = Kind("table", "tables", self._find_tables, self._delete_table)
        self.role = Kind("role", "roles", self._find_role, self._delete_role)

    def __iter__(self) -> Iterator[Kind]:
        """Yield each. APIs come first, because they use functions, and the role comes last."""
        yield from (self.api, self.function, self.table, self.role)

    def all_names(self) -> Iterator[tuple[str, str]]:
        """Yield kind and name of everything in the account that a name of the kit could conflict with."""
        yield from (("function", name) for name in self._functions())
        yield from (("table", name) for name in self._tables())
        yield from (("HTTP API", str(api.get("Name", ""))) for api in pages(self._account.gateway.get_apis))
        if self._has_role():
            yield "role", self._names.base

    def _find_apis(self) -> Mapping[str, Tags | None]:
        return {api["ApiId"]: api.get("Tags") or {} for api in pages(self._account.gateway.get_apis)}

    def _find_functions(self) -> Mapping[str, Tags | None]:
        taken = {name: arn for name, arn in self._functions().items() if self._names.is_taken(name)}
        return {name: self._tags_of_function(arn) for name, arn in taken.items()}

    def _find_tables(self) -> Mapping[str, Tags | None]:
        return {name: self._tags_of_table(name) for name in self._tables() if self._names.is_taken(name)}

    def _find_role(self) -> Mapping[str, Tags | None]:
        """Return the role with our name. The kit does not list roles, so a missing one does not exist."""
        client, name = self._account.roles, self._names.base
        with self._needing_no_permission(), suppress(client.exceptions.NoSuchEntityException):
            return {name: {tag["Key"]: tag["Value"] for tag in client.list_role_tags(RoleName=name)["Tags"]}}
        return {}

    def _functions(self) -> Mapping[str, str]:
        """Return the ARNs by name."""
        listed = pages(self._account.function.list_functions, "Functions", "NextMarker", "Marker")
        return {function["FunctionName"]: function["FunctionArn"] for function in listed}

    def _tables(self) -> list[str]:
        mark = "LastEvaluatedTableName", "ExclusiveStartTableName"
        return list(pages(self._account.table.list_tables, "TableNames", *mark))

    def _tags_of_function(self, arn: str) -> Tags | None:
        """Return the tags. GetFunction has them too, but leaves them out without a permission for ListTags."""
        client = self._account.function
        try:
            return client.list_tags(Resource=arn)["Tags"]
        except client.exceptions.ResourceNotFoundException:
            return None

    def _tags_of_table(self, name: str) -> Tags | None:
        client = self._account.table
        try:
            arn = client.describe_table(TableName=name)["Table"]["TableArn"]
            return {tag["Key"]: tag["Value"] for tag in client.list_tags_of_resource(ResourceArn=arn)["Tags"]}
        except client.exceptions.ClientError as error:
            if is_missing(error):
                return None
            raise

    def _has_role(self) -> bool:
        """Return whether the role with our name exists."""
        client = self._account.roles
        with self._needing_no_permission(), suppress(client.exceptions.NoSuchEntityException):
            client.get_role(RoleName=self._names.base)
            return True
        return False

    @contextmanager
    def _needing_no_permission(self) -> Iterator[None]:
        """Ignore that the caller may not use IAM, if the kit makes no role."""
        try:
            yield
        except self._account.roles.exceptions.ClientError as error:
            if self._makes_role or code_of(error) not in DENIED:
                raise

    def _delete_api(self, api: str) -> None:
        with suppress(self._account.gateway.exceptions.NotFoundException):
            self._account.gateway.delete_api(ApiId=api)

    def _delete_function(self, name: str) -> None:
        """Delete a function with all its versions, aliases and permissions, and its log.

        The log has no tag, so it is deleted first: if the kit is killed, the function shows that there is more to do.
        An invocation can have written to the log until the function was deleted, so the log is deleted again then.
        """
        client = self._account.function
        try:
            self._end_capacity(name)
        except client.exceptions.ClientError as error:
            # The deletion of the function ends it as well.
            if code_of(error) not in DENIED:
                raise
        group = f"/aws/lambda/{name}"
        with suppress(ServiceError):
            self._delete_log(group)
        with suppress(client.exceptions.ResourceNotFoundException):
            client.delete_function(FunctionName=name)
        self._delete_log(group)

    def _end_capacity(self, name: str) -> None:
        """End the provisioned concurrency. It costs money, so it ends first, also if the deletion fails."""
        client = self._account.function
        missing = client.exceptions.ResourceNotFoundException
        with suppress(missing, client.exceptions.ProvisionedConcurrencyConfigNotFoundException):
            configs = client.list_provisioned_concurrency_configs(FunctionName=name)
            for config in configs.get("ProvisionedConcurrencyConfigs", []):
                qualifier = config["FunctionArn"].rpartition(":")[2]
                client.delete_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier)

    def _delete_log(self, group: str) -> None:
        logs: Any = self._account.logs
        try:
            logs.delete_log_group(logGroupName=group)
        except logs.exceptions.ClientError as error:
            # The role that the kit makes writes no logs, so a caller need not be allowed to delete them.
            if is_missing(error) or (self._makes_role and code_of(error) in DENIED):
                return
            text = f"it is deleted, but its log group {group} may be left: {to_promote_error(error)}"
            raise ServiceError(text, hint="Delete the log group.") from error

    def _delete_table(self, name: str) -> None:
        with suppress(self._account.table.exceptions.ResourceNotFoundException):
            self._account.table.delete_table(TableName=name)

    def _delete_role(self, name: str) -> None:
        client = self._account.roles
        with suppress(client.exceptions.NoSuchEntityException):
            for policy in client.list_role_policies(RoleName=name)["PolicyNames"]:
                client.delete_role_policy(RoleName=name, PolicyName=policy)
            client.delete_role(RoleName=name)
