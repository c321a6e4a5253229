"""The one place that builds what a run uses in AWS: table, function, gateways, ledger, lock and release protocol."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from random import Random

from promote.aws.api_gateway import Gateways
from promote.aws.clients import Clients
from promote.aws.dynamodb import Table
from promote.aws.lambda_function import Function
from promote.aws.patience import Patience
from promote.core.clock import Clock
from promote.core.lock_state import RENEWALS, Claim
from promote.core.run import Run
from promote.github.actions.job_state import LedgerLocation
from promote.pipeline.release import ReleaseProtocol
from promote.state.ledger import Ledger
from promote.state.lock import Lock

Say = Callable[[str, str], None]
"""Writes a line into the log, by subject and text."""

_AFTER_JOB = 60.0
"""Seconds for which the post step repeats a throttled call. What it leaves, the next run or the lease ends."""

_NO_RUN = Run("", 0, 1, "", "")
"""For commands and steps whose records name no run."""


@dataclass(frozen=True)
class Resources:
    """The clients of a region, and the names in it."""

    clients: Clients
    table_name: str
    clock: Clock

    @classmethod
    def at(cls, location: LedgerLocation, environ: Mapping[str, str], clock: Clock, say: Say) -> "Resources":
        """Return the resources of a ledger that an earlier step has used, for the post step."""
        patience = Patience(clock, Random().random, say, _AFTER_JOB)  # noqa: S311 - pauses, not a secret
        return cls(Clients(location.region, environ, clock=clock, patience=patience), location.table, clock)

    @cached_property
    def table(self) -> Table:
        """The table of lock and ledger."""
        return Table(lambda: self.clients.table, self.table_name, self.clock)

    def function(self, arn: str, name: str = "") -> Function:
        """Return the function; without ``name``, it has the one in its ARN."""
        name = name or arn.rpartition(":")[2]
        return Function(lambda: self.clients.function, name, arn, self.clock, lambda: self.clients.invoker)

    def informing(self, arn: str) -> Function:
        """Return the function for reads whose result does not matter for the run."""
        return Function(lambda: self.clients.informer, arn.rpartition(":")[2], arn, self.clock)

    def gateways(self, function: Function, arn: str, domain_name: str = "", base_path: str = "") -> Gateways:
        """Return the HTTP APIs of a function. With ``domain_name``, they are mapped to that domain."""
        return Gateways(
            lambda: self.clients.gateway,
            lambda: self.clients.gateway_without_retries,
            function,
            arn,
            self.clock,
            domain_name=domain_name,
            base_path=base_path,
        )

    def ledger(self, arn: str, run: Run = _NO_RUN, only: str = "") -> Ledger:
        """Return the records of the function ``arn``, written in the name of ``run``.

        With ``only``, only the records of this environment are read.
        """
        return Ledger(self.table, arn, run, self.clock, only)

    def heartbeat_table(self, lease: float) -> Table:
        """Return the table for the heartbeat of a lease of ``lease`` seconds. No call takes longer than the lease.

        It has a separate client, which is made at the first heartbeat.
        """
        client = cache(lambda: self.clients.heartbeat(min(2, lease / RENEWALS)))
        return Table(client, self.table_name, self.clock, reads_back=False)

    def lock(self, arn: str, claim: Claim, say: Say) -> Lock:
        """Return the lock of the function ``arn``, as ``claim`` claims it."""
        return Lock(self.table, arn, claim, self.clock, say)

    def releases(self, say: Say) -> ReleaseProtocol:
        """Return what carries out releases."""
        return ReleaseProtocol(
            self.table,
            self.function,
            lambda arn, candidate: self.ledger(arn).versions.verdicts(candidate),
            self.clock,
            say,
        )
