"""What GitHub shows of environments: one deployment a promotion."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from promote.github.api.repository import GitHub

_PRODUCTION = frozenset({"prod", "production"})
_OURS = "promote-on-success"


@dataclass(frozen=True)
class Attempt:
    """A promotion that was made, or one that verification has blocked."""

    environment: str
    commit: str
    is_success: bool
    description: str
    """Shortened to what GitHub takes."""
    details: Mapping[str, Any]
    """JSON values for readers of the API: the promotion, and the ``function`` and its version, or all ``functions``,
    each with its version."""
    environment_url: str = ""
    run_url: str = ""


def announce(github: GitHub, attempt: Attempt) -> None:
    """Show on GitHub how ``attempt`` has ended: as a deployment of its own, with a status that links to the run.

    Raises:
        GitHubError: it cannot be shown, and the hint names the permission that is missing.

    """
    is_production = attempt.environment.lower() in _PRODUCTION
    made = github.create_deployment(
        attempt.commit,
        attempt.environment,
        attempt.description,
        {_OURS: {**attempt.details, "success": attempt.is_success}},
        is_production=is_production,
    )
    github.set_status(
        made,
        "success" if attempt.is_success else "failure",
        attempt.description,
        environment_url=attempt.environment_url,
        log_url=attempt.run_url,
    )
    if attempt.is_success:
        _retire(github, attempt, made)


def _retire(github: GitHub, attempt: Attempt, since: int) -> None:
    """End what was active of the same functions, and of no other, before the deployment numbered ``since``."""
    left = ours = _functions(attempt.details)
    for earlier in github.deployments(attempt.environment):
        details = earlier.payload.get(_OURS)
        if earlier.id >= since or not isinstance(details, dict) or details.get("success") is not True:
            continue
        theirs = _functions(details)
        if theirs <= ours and theirs & left:
            github.set_status(earlier.id, "inactive")
            left = left - theirs
            if not left:
                return


def _functions(details: Mapping[str, Any]) -> frozenset[str]:
    several, one = details.get("functions"), details.get("function")
    if isinstance(several, dict):
        return frozenset(several)
    return frozenset([one] if isinstance(one, str) else [])
