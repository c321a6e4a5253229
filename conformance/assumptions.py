"""Each assumption about AWS that the action depends on, with its evidence.

docs/assumptions.md is made from this module, and a test compares them.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

_GUIDE = "https://docs.aws.amazon.com/lambda/latest/dg"
_API = "https://docs.aws.amazon.com/lambda/latest/api"
_GATEWAY = "https://docs.aws.amazon.com/apigateway/latest/developerguide"
_TABLE = "https://docs.aws.amazon.com/amazondynamodb/latest"
_LOCALSTACK = (
    "https://github.com/localstack/localstack/blob/8b9a79f05846835cf4dff63ab7eefdde9df83783/tests/aws/services"
)
_MOTO = "https://github.com/getmoto/moto/blob/0af643a5dbfc98797f08ee64f5be3ef8002d56ff/tests"


class Kind(Enum):
    """How an assumption is known."""

    RECORDED = "recorded"
    """AWS's own responses were recorded by others, or reported with their text."""
    DOCUMENTED = "documented"
    """AWS's documentation states it."""
    MEASURED = "measured"
    """A report of the kit from a user's account shows it."""
    UNPROVEN = "unproven"
    """Neither. The kit asks it, if it can."""


@dataclass(frozen=True)
class Evidence:
    """One source."""

    kind: Kind
    source: str = ""
    """Such as the name of a page or a test."""
    url: str = ""


@dataclass(frozen=True)
class Assumption:
    """What the action takes for true, why it matters, and how it is known."""

    text: str
    use: str
    """What depends on it, and what happens if it does not hold."""
    evidence: tuple[Evidence, ...]

    @property
    def is_unproven(self) -> bool:
        """Whether no source shows it."""
        return any(found.kind is Kind.UNPROVEN for found in self.evidence)


def _recorded(source: str, url: str) -> Evidence:
    return Evidence(Kind.RECORDED, source, url)


def _functions(test: str) -> Evidence:
    """Return a test of LocalStack, whose snapshot has the responses of AWS."""
    return _recorded(f"LocalStack, {test}", f"{_LOCALSTACK}/lambda_/test_lambda_api.py")


def _tables(test: str) -> Evidence:
    return _recorded(f"LocalStack, {test}", f"{_LOCALSTACK}/dynamodb/test_dynamodb.py")


def _documented(source: str, url: str) -> Evidence:
    return Evidence(Kind.DOCUMENTED, source, url)


def measured(region: str, date: str, report: str) -> Evidence:
    """Return a report of the kit: its region, the date of its run (YYYY-MM-DD), and the URL of the issue with it."""
    return Evidence(Kind.MEASURED, f"the kit in {region} on {date}", report)


_UNPROVEN = (Evidence(Kind.UNPROVEN),)

NOT_ASKED = ("throttled-without-effect",)
"""What the kit does not ask although it is unproven: it would have to exceed the limits of the account."""

ASSUMPTIONS: Mapping[str, Assumption] = {
    "update-in-progress": Assumption(
        "During an update, $LATEST runs the previous code. A second update fails with ResourceConflictException.",
        "The action waits until LastUpdateStatus is Successful.",
        (
            _documented("Lambda function states", f"{_GUIDE}/functions-states.html"),
            _functions("test_lambda_concurrent_code_updates"),
        ),
    ),
    "new-code-archive": Assumption(
        "Two seconds after LastUpdateStatus is Successful, $LATEST answers from the new code only (archive).",
        "Verification with isolation: latest. The wait (settle-time) reduces the risk that old code passes for the new "
        "code. Old code that answers longer could pass. isolation: version does not depend on it.",
        _UNPROVEN,
    ),
    "new-code-image": Assumption(
        "The same for a function from a container image, after a change of its configuration.",
        "As above.",
        _UNPROVEN,
    ),
    "new-code-vpc": Assumption("The same for a function in a VPC.", "As above.", _UNPROVEN),
    "alias-under-load": Assumption(
        "While an alias moves under load, no request fails, and the traffic follows.",
        "The environment stays up.",
        _UNPROVEN,
    ),
    "left-version": Assumption(
        "For a while, requests of an alias may still go to the version that it has left. If that version was deleted, "
        "they fail.",
        "keep-versions does not delete the version that an alias has just left.",
        (_recorded("AWS Support, in DataBiosphere/azul#7883", "https://github.com/DataBiosphere/azul/issues/7883"),),
    ),
    "provisioned-concurrency": Assumption(
        "After an alias with provisioned concurrency has moved, it has weight 1 for the old version, which keeps the "
        "traffic, until the capacity has moved. Then Lambda removes the weight. The response to UpdateAlias has it "
        "already.",
        "The action waits for the capacity and reports which version has the traffic. It never clears this weight. If "
        "the response did not have the weight, as one from 2023 ([LocalStack, "
        f"test_lambda_provisioned_concurrency_moves_with_alias]({_LOCALSTACK}/lambda_/test_lambda.py)), the action "
        "would not wait, and would report the new version as served while the old one still has the traffic. The next "
        "run or status that reads the alias sees the weight.",
        (
            _recorded(
                "hashicorp/terraform-provider-aws#48116",
                "https://github.com/hashicorp/terraform-provider-aws/pull/48116",
            ),
            *_UNPROVEN,
        ),
    ),
    "revision-ids": Assumption(
        "Tags change the RevisionId of $LATEST, and not that of an alias. Reserved concurrency, function URLs and "
        "permissions of an alias change neither.",
        "A run in which the RevisionId of $LATEST changes ends as inconclusive, and can be repeated. Whether a "
        "permission of $LATEST changes it does not matter, because the action reads it again.",
        (_functions("test_tag_lifecycle"), *_UNPROVEN),
    ),
    "revision-id-stale": Assumption(
        "The RevisionId in the response to an update is stale when the update completes.",
        "The action reads $LATEST again after the wait, and uses only that RevisionId.",
        (
            _recorded("aws/aws-sdk#377", "https://github.com/aws/aws-sdk/issues/377"),
            _functions("test_function_revisions_basic"),
        ),
    ),
    "revision-id-condition": Assumption(
        "An update of code, configuration or alias with another RevisionId fails with PreconditionFailedException.",
        "No external change is overwritten.",
        (
            _documented("UpdateAlias, RevisionId", f"{_API}/API_UpdateAlias.html"),
            _functions("test_function_revisions_basic"),
        ),
    ),
    "publish-condition": Assumption(
        "PublishVersion with the CodeSha256 of other code fails.",
        "Only the code that was uploaded is published.",
        (
            _documented("PublishVersion, CodeSha256", f"{_API}/API_PublishVersion.html"),
            _functions("test_publish_with_wrong_sha256"),
        ),
    ),
    "publish-revision": Assumption(
        "PublishVersion with another RevisionId than that of $LATEST fails with PreconditionFailedException.",
        "Only the configuration that was verified is published.",
        (
            _documented("PublishVersion, RevisionId", f"{_API}/API_PublishVersion.html"),
            _functions("test_publish_with_wrong_revisionid"),
        ),
    ),
    "code-digest": Assumption(
        "CodeSha256 is the SHA-256 of the uploaded archive, in Base64.",
        "The action compares the code of a function with that of an archive, without a download.",
        (_functions("test_lambda_code_location_zipfile"),),
    ),
    "throttled-without-effect": Assumption(
        "A call to a control plane that is answered with status 429 has had no effect.",
        "The action repeats the call as if it had not been sent. AWS calls such a request denied, and no report of the "
        "contrary was found. If a move of an alias had had an effect, its RevisionId would refuse the repetition, and "
        "the action would read the alias and see that it has moved.",
        (
            _documented(
                "Lambda, ThrottlingException", "https://docs.aws.amazon.com/lambda/latest/api/CommonErrors.html"
            ),
            *_UNPROVEN,
        ),
    ),
    "version-immutable": Assumption(
        "Code and configuration of a version never change.",
        "The version that was verified is the version that is served.",
        (_documented("Lambda function versions", f"{_GUIDE}/configuration-versions.html"),),
    ),
    "new-resources": Assumption(
        "A new function, version or alias is found within 15 seconds, and a read after that is not stale.",
        "Calls about what the run has just created are repeated for 15 seconds.",
        (
            _recorded(
                "hashicorp/terraform-provider-aws#25440",
                "https://github.com/hashicorp/terraform-provider-aws/issues/25440",
            ),
            *_UNPROVEN,
        ),
    ),
    "update-repeated": Assumption(
        "UpdateFunctionCode with Publish and RevisionId takes effect once, if it is sent again.",
        "A retry after a lost response cannot publish a second version.",
        _UNPROVEN,
    ),
    "publish-unchanged": Assumption(
        "The version that PublishVersion returns has the code of $LATEST, also after a change and its reverse.",
        "The action compares code and configuration of the version with those of $LATEST before it verifies.",
        _UNPROVEN,
    ),
    "new-api": Assumption(
        "A new HTTP API reaches the function within 30 seconds. Until then, its responses are those of API Gateway "
        "that the action recognizes.",
        "After that time, the verdict is inconclusive. A response that is not recognized counts as the function's.",
        _UNPROVEN,
    ),
    "two-writers": Assumption(
        "Two changes of one HTTP API at the same time fail at most with ConflictException or TooManyRequestsException, "
        "and succeed when they are repeated.",
        "The action repeats them for 15 seconds.",
        (
            _recorded(
                "hashicorp/terraform-provider-aws#18018",
                "https://github.com/hashicorp/terraform-provider-aws/issues/18018",
            ),
            *_UNPROVEN,
        ),
    ),
    "new-table": Assumption(
        "The first write to a table that is ACTIVE succeeds within 15 seconds.",
        "Calls that do not find a new table are repeated for 15 seconds.",
        (
            _recorded("scalar-labs/scalardb#2769", "https://github.com/scalar-labs/scalardb/pull/2769"),
            *_UNPROVEN,
        ),
    ),
    "two-transactions": Assumption(
        "Of two transactions with the same condition on one item, one at most succeeds. The other one is canceled with "
        "ConditionalCheckFailed or TransactionConflict.",
        "One run begins a release, and others see who did. After TransactionConflict, the action repeats it.",
        (
            _documented("TransactWriteItems", f"{_TABLE}/APIReference/API_TransactWriteItems.html"),
            _tables("test_transaction_write_canceled"),
            *_UNPROVEN,
        ),
    ),
    "condition-returns-item": Assumption(
        "A failed condition of a write or transaction returns the item as it is (ReturnValuesOnConditionCheckFailure).",
        "The run that does not get the lock sees who has it, without another read.",
        (
            _tables("test_return_values_on_conditions_check_failure"),
            _recorded(
                "moto, test_transact_write_items_failure__return_item",
                f"{_MOTO}/test_dynamodb/test_dynamodb_transact.py",
            ),
        ),
    ),
    "transaction-token": Assumption(
        "A transaction that is sent again with the same ClientRequestToken takes effect once.",
        "A retry after a lost response does not count twice.",
        (_documented("TransactWriteItems, ClientRequestToken", f"{_TABLE}/APIReference/API_TransactWriteItems.html"),),
    ),
    "conditional-write": Assumption(
        "A conditional write of one item is atomic: of two with the same condition, one at most succeeds.",
        "One run has the lock, and each record is written once.",
        (
            _documented(
                "Conditional writes",
                f"{_TABLE}/developerguide/WorkingWithItems.html#WorkingWithItems.ConditionalUpdate",
            ),
        ),
    ),
    "consistent-reads": Assumption(
        "A query with ConsistentRead sees each earlier write.",
        "What is read under the lock is what other runs have written.",
        (_documented("DynamoDB read consistency", f"{_TABLE}/developerguide/HowItWorks.ReadConsistency.html"),),
    ),
    "snapstart-version": Assumption(
        "A version with SnapStart is Pending, and not invoked, until its snapshot exists, within ten minutes.",
        "The action waits for State Active of the version before it verifies.",
        (
            _documented("SnapStart function states", f"{_GUIDE}/snapstart-activate.html#snapstart-function-states"),
            *_UNPROVEN,
        ),
    ),
    "image-version": Assumption(
        "A version of a container image says truly when it can be invoked, and can be within ten minutes.",
        "As above.",
        _UNPROVEN,
    ),
    "empty-weights": Assumption(
        "UpdateAlias with an empty map of weights removes all weights.",
        "A promoted version gets all of the traffic.",
        (_functions("test_alias_lifecycle"),),
    ),
    "permission-per-qualifier": Assumption(
        "A permission belongs to $LATEST, to one version or to one alias. API Gateway needs it for exactly what it "
        "invokes, and responds with 500 without it.",
        "Each endpoint has a permission. A missing one is added again.",
        (
            _documented("Resource-based policies", f"{_GUIDE}/access-control-resource-based.html"),
            _documented("Lambda integrations", f"{_GATEWAY}/http-api-develop-integrations-lambda.html"),
            _functions("test_lambda_permission_fn_versioning"),
        ),
    ),
    "executed-version": Assumption(
        "The response to an invocation names the version that ran.",
        "An event that is sent to a version has tested this version.",
        (_documented("Invoke, ExecutedVersion", f"{_API}/API_Invoke.html#API_Invoke_ResponseElements"),),
    ),
    "inactive": Assumption(
        "A version that was idle for weeks is Inactive. An invocation fails and wakes it, and runs no code.",
        "The action wakes a version before it moves an alias to it.",
        (_documented("Lambda function states", f"{_GUIDE}/functions-states.html"),),
    ),
    "version-in-use": Assumption(
        "A version that an alias names, also with a weight, cannot be deleted.",
        "keep-versions deletes nothing that serves.",
        (_documented("DeleteFunction, Qualifier", f"{_API}/API_DeleteFunction.html"),),
    ),
    "event-source-continues": Assumption(
        "An event source mapping can call another alias of the function, and continues from the same location.",
        "`adopt` changes the mapping and does not make another one. So no event is lost or repeated.",
        (_documented("UpdateEventSourceMapping", f"{_API}/API_UpdateEventSourceMapping.html"),),
    ),
}
"""All assumptions. Those with a question in ``conformance.questions.registry`` have its id, in its order."""


def table(asked: Collection[str], assumptions: Mapping[str, Assumption] = ASSUMPTIONS) -> str:
    """Return the Markdown of the table of assumptions. The kit asks those in ``asked``."""
    rows = ["| assumption | what depends on it | evidence |", "| --- | --- | --- |"]
    for name, assumption in assumptions.items():
        sources = "; ".join(_sources(assumption, name if name in asked else ""))
        rows.append(f"| {assumption.text} | {assumption.use} | {sources} |")
    return "\n".join(rows)


def _sources(assumption: Assumption, question: str) -> Iterator[str]:
    """Yield the evidence, and the question of the kit if it has a name."""
    for found in assumption.evidence:
        if found.kind is not Kind.UNPROVEN:
            yield f"{found.kind.value}: [{found.source}]({found.url})"
    if assumption.is_unproven:
        yield "**unproven**" if len(assumption.evidence) == 1 else "unproven in detail"
    if question:
        yield f"the kit asks it: `{question}`"
