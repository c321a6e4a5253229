"""Mutants of how the product reacts to the outside world: everything except the protocol of one release."""

from tests.simulation.mutant import Mutant
from tests.simulation.plan import Hit

MUTANTS = (
    Mutant(
        "a diverged commit counts as older",
        "promote.github.git",
        '    "diverged": CommitRelation.DIVERGED,\n',
        '    "diverged": CommitRelation.OLDER,\n',
    ),
    Mutant(
        "a move that cannot be read back counts as failed",
        "promote.aws.lambda_aliases",
        "raise unconfirmed_move(name, promotion.version, error, second) from second",
        "raise error from second",
        ("lambda.UpdateAlias", "lambda.CreateAlias"),
        (Hit.LOST_UNREADABLE,),
    ),
    Mutant(
        "a 404 counts although the resource was just created",
        "promote.aws.recent",
        "if code_of(error) not in _MISSING or left <= 0:",
        "if True:",
        hits=(Hit.NOT_YET,),
    ),
    Mutant(
        "a 409 of a concurrent change counts as existing",
        "promote.aws.api_gateway",
        "                if (found := find()) is not None:\n                    return found\n",
        '                return find() or {"IntegrationId": "none"}\n',
        hits=(Hit.CONCURRENT,),
    ),
    Mutant(
        "a record alone decides which API is deleted",
        "promote.pipeline.previews",
        "found = self.gateways.find(preview.qualifier, preview.gateway)",
        "found = preview.gateway or self.gateways.find(preview.qualifier, None)",
        hits=(Hit.EXTERNAL_RECORD,),
    ),
    Mutant(
        "a diverged commit is promoted in spite of diverged: refuse",
        "promote.core.commit_order",
        "CommitRelation.DIVERGED: diverged is Diverged.REFUSE",
        "CommitRelation.DIVERGED: False",
    ),
    Mutant(
        "a version is not compared again before the move",
        "promote.pipeline.preconditions",
        "    if version is None or not same_content(version, request.candidate):\n",
        "    if version is None:\n",
        hits=(Hit.EXTERNAL_DELETED,),
    ),
    Mutant(
        "the ledger's record of a deleted alias is still used",
        "promote.pipeline.order",
        "    if alias is None or alias.is_placeholder:\n        return None\n",
        "    if alias is None:\n        return target.state.served(target.environment).commit or None\n",
        hits=(Hit.EXTERNAL_ALIAS_DELETED,),
    ),
    Mutant(
        "an Inactive version is not woken",
        "promote.pipeline.deploy",
        "    if version.is_inactive:\n",
        "    if False:\n",
        hits=(Hit.IDLE,),
    ),
    Mutant(
        "an alias of another environment may follow $LATEST",
        "promote.pipeline.latest",
        "    if not names:\n        return\n",
        "    return\n",
        hits=(Hit.EXTERNAL_LATEST,),
    ),
    Mutant(
        "the environment's alias is not pinned before a deployment",
        "promote.pipeline.latest",
        "    if target.alias is None or not target.alias.follows_latest:\n",
        "    if True:\n",
        hits=(Hit.EXTERNAL_LATEST,),
    ),
    Mutant(
        "an external split is ended without override",
        "promote.core.decision",
        '    name = f"{alias.name} of {function}"\n    if alias.split.is_external:\n',
        '    name = f"{alias.name} of {function}"\n    if False:\n',
        hits=(Hit.EXTERNAL_WEIGHTS,),
    ),
    Mutant(
        "a promotion does not wait until provisioned concurrency has moved",
        "promote.pipeline.preconditions",
        "if alias is None or alias.split is not Split.CAPACITY or is_back or override:",
        "if True:",
    ),
    Mutant(
        "an external split counts as that of provisioned concurrency",
        "promote.core.traffic",
        "        Capacity.NONE: Split.EXTERNAL,\n",
        "        Capacity.NONE: Split.CAPACITY,\n",
        hits=(Hit.EXTERNAL_WEIGHTS,),
    ),
)
