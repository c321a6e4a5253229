"""The kinds of check. To add one, add a class that implements ``Check`` to ``KINDS``."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from promote.inputs.model import Inputs
from promote.verification.check import Check
from promote.verification.http_checks import HttpChecks
from promote.verification.invocations import Invocations
from promote.verification.pytest_suite import Suite
from promote.verification.script import Script

KINDS: tuple[type[Check], ...] = (Suite, Script, HttpChecks, Invocations)
"""Results are reported in this order."""


def parse(inputs: Inputs, workspace: Path) -> tuple[Check, ...]:
    """Return the checks that the inputs ask for.

    Raises:
        InputError: A file that an input names is missing or invalid.

    """
    return tuple(check for kind in KINDS if (check := kind.parse(inputs, workspace)))


def secrets(checks: Sequence[Check]) -> Iterator[str]:
    """Yield the values that the checks send and that may be secret."""
    for check in checks:
        yield from check.secrets()


def plan(checks: Sequence[Check], latest_url: str, commit: str) -> str:
    """Return a digest of the checks. A version that has passed with another digest is verified again.

    The digest includes the gateway that the checks use. Commands are files of the repository, so the digest includes
    ``commit`` if there are commands.
    """
    # Each kind adds a key only if it is used, so that a new kind does not change the digest of others. These two keys
    # are always there.
    parts: dict[str, object] = {"latest-url": latest_url, HttpChecks.input: [], Invocations.input: []}
    for check in checks:
        parts |= check.digest()
    if any(check.is_command for check in checks):
        parts["commit"] = commit
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
