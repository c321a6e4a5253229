"""Mutants of how the product answers to the rest of the world: what is outside of the protocol of one release."""

from tests.simulation.mutant import Mutant
from tests.simulation.plan import Hit

MUTANTS = (
    Mutant(
        "what has diverged is taken for older",
        "promote.history",
        '    "diverged": Relation.DIVERGED,\n',
        '    "diverged": Relation.OLDER,\n',
    ),
    Mutant(
        "a move that cannot be read back is taken for one that failed",
        "promote.function",
        "raise unconfirmed_move(name, promotion.version, error, second) from second",
        "raise error from second",
        ("lambda.UpdateAlias", "lambda.CreateAlias"),
        (Hit.LOST_UNREADABLE,),
    ),
    Mutant(
        "a 404 is believed though it was just created",
        "promote.recent",
        "if _code(error) not in _MISSING or left <= 0:",
        "if True:",
        hits=(Hit.NOT_YET,),
    ),
    Mutant(
        "a change of an API at the same time is taken for one that exists",
        "promote.gateway",
        "                if (found := find()) is not None:\n                    return found\n",
        '                return find() or {"IntegrationId": "none"}\n',
        hits=(Hit.CONCURRENT,),
    ),
    Mutant(
        "a record alone tells which API is deleted",
        "promote.trial",
        "found = self.gateways.find(trial.qualifier, trial.gateway)",
        "found = trial.gateway or self.gateways.find(trial.qualifier, None)",
        hits=(Hit.EXTERNAL_RECORD,),
    ),
    Mutant(
        "what has diverged is promoted though that is to be refused",
        "promote.pipeline",
        "(found.relation is Relation.DIVERGED and wanted is Diverged.REFUSE)",
        "False",
    ),
)
