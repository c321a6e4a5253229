"""What a question is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from conformance.cost import Usage
from conformance.finding import CouldNotAskError, Finding, Result
from conformance.options import Options
from conformance.stage import Stage
from promote.aws.errors import to_promote_error

Seen = TypeVar("Seen")


@dataclass(frozen=True)
class Question(Generic[Seen]):
    """A question to AWS: how it is asked, and what the observations mean."""

    id: str
    """The assumption that it is about, in ``conformance.assumptions``."""
    ask: Callable[[Stage], Seen]
    """Make the calls, and return what was observed."""
    judge: Callable[[Seen], Finding]
    """Decide from the observations alone."""
    usage: Callable[[Options], Usage]
    """What it uses at most."""
    missing: Callable[[Options], str] = lambda _: ""
    """Why the options do not allow it; empty if they do."""

    def examine(self, stage: Stage) -> tuple[Finding, Seen | None]:
        """Ask. Return the finding, and the observations if there are some."""
        if reason := self.missing(stage.options):
            return Finding(Result.NOT_ASKED, reason), None
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - the clients have loaded it

        try:
            seen = self.ask(stage)
        except CouldNotAskError as error:
            return Finding(Result.NOT_ASKED, str(error)), None
        except (BotoCoreError, ClientError) as error:
            return Finding(Result.NOT_ASKED, str(to_promote_error(error))), None
        return self.judge(seen), seen
