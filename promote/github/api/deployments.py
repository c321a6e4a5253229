"""GitHub deployments: one per promotion."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from promote.github.api.repository import GitHub

_PRODUCTION = frozenset({"prod", "production"})
_OURS = "promote-on-success"


@dataclass(frozen=True)
class Attempt:
    """A promotion, or one that the verification blocked."""

    environment: str
    commit: str
    is_success: bool
    description: str
    """The description. It is shortened to GitHub's limit."""
    details: Mapping[str, Any]
    """JSON for users of the API: the promotion, the ``function`` with its version or all ``functions`` with their
    versions, and the ``place`` of their account and region (``promote.core.arn``)."""
    environment_url: str = ""
    run_url: str = ""


def announce(github: GitHub, attempt: Attempt) -> None:
    """Create a deployment for ``attempt``, with a status that links to the run.

    Raises:
        GitHubError: GitHub refuses. The hint names a missing permission.

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
    """Set the earlier active deployments of the same functions to inactive. ``since`` is the id of the new one."""
    left = ours = _functions(attempt.details)
    for earlier in github.deployments(attempt.environment):
        details = earlier.payload.get(_OURS)
        if earlier.id >= since or not isinstance(details, dict) or details.get("success") is not True:
            continue
        # Functions of the same name in other accounts and regions are others.
        theirs = _functions(details) if details.get("place") == attempt.details.get("place") else frozenset()
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
