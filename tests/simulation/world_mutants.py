"""Mutants of how the product reacts to the outside world: everything except the protocol of one release."""

from tests.simulation.mutant import Mutant
from tests.simulation.plan import Hit

MUTANTS = (
    Mutant(
        "what has diverged is taken for older",
        "promote.github.git",
        '    "diverged": CommitRelation.DIVERGED,\n',
        '    "diverged": CommitRelation.OLDER,\n',
    ),
    Mutant(
        "a move that cannot be read back is taken for one that failed",
        "promote.aws.lambda_aliases",
        "raise unconfirmed_move(name, promotion.version, error, second) from second",
        "raise error from second",
        ("lambda.UpdateAlias", "lambda.CreateAlias"),
        (Hit.LOST_UNREADABLE,),
    ),
    Mutant(
        "a 404 is believed though it was just created",
        "promote.aws.recent",
        "if code_of(error) not in _MISSING or left <= 0:",
        "if True:",
        hits=(Hit.NOT_YET,),
    ),
    Mutant(
        "a change of an API at the same time is taken for one that exists",
        "promote.aws.api_gateway",
        "                if (found := find()) is not None:\n                    return found\n",
        '                return find() or {"IntegrationId": "none"}\n',
        hits=(Hit.CONCURRENT,),
    ),
    Mutant(
        "a record alone tells which API is deleted",
        "promote.pipeline.previews",
        "found = self.gateways.find(preview.qualifier, preview.gateway)",
        "found = preview.gateway or self.gateways.find(preview.qualifier, None)",
        hits=(Hit.EXTERNAL_RECORD,),
    ),
    Mutant(
        "what has diverged is promoted though that is to be refused",
        "promote.pipeline.order",
        "(found.relation is CommitRelation.DIVERGED and wanted is Diverged.REFUSE)",
        "False",
    ),
    Mutant(
        "a version is not compared again before the move",
        "promote.pipeline.promote",
        "    if version is None or not same_content(version, request.candidate):\n",
        "    if version is None:\n",
        hits=(Hit.EXTERNAL_DELETED,),
    ),
    Mutant(
        "what the ledger says of a deleted alias still decides",
        "promote.pipeline.order",
        "    if target.is_lost or alias is None:\n        return None\n",
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
        "a split that a person has set is ended unasked",
        "promote.pipeline.capacity",
        '    name = f"{alias.name} of {function}"\n    if alias.split.is_external:\n',
        '    name = f"{alias.name} of {function}"\n    if False:\n',
        hits=(Hit.STRANGER_WEIGHTS,),
    ),
    Mutant(
        "a promotion does not wait until provisioned concurrency has moved",
        "promote.pipeline.promote",
        "if alias is None or alias.split is not Split.CAPACITY or not is_waited_for:",
        "if True:",
    ),
    Mutant(
        "a split that a person has set is taken for that of provisioned concurrency",
        "promote.core.traffic",
        "        Capacity.NONE: Split.EXTERNAL,\n",
        "        Capacity.NONE: Split.CAPACITY,\n",
        hits=(Hit.STRANGER_WEIGHTS,),
    ),
)
