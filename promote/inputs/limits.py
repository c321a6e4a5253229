"""The names and numbers that AWS, git and the action accept, for the inputs and for ``promote.yml``."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """The numbers from ``least`` to ``most``."""

    unit: str
    least: float
    most: float

    def __contains__(self, number: float) -> bool:
        """Return whether it is one of them; NaN is not."""
        return self.least <= number <= self.most

    def __str__(self) -> str:
        """Return the range as text."""
        return f"{self.unit} from {self.least:g} to {self.most:g}"


MEMORY_SIZE = Range("MB", 128, 10240)
TIMEOUT = Range("seconds", 1, 900)
"""https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, function configuration."""
VERIFY_TIMEOUT = Range("minutes", 0.01, 360)
SETTLE_TIME = Range("seconds", 0, 60)
DEFAULT_SETTLE_TIME = 2.0
"""Seconds. docs/assumptions.md has the reason."""
LOCK_TIMEOUT = Range("minutes", 0, 360)
KEEP_VERSIONS = Range("versions", 1, 10_000)

FUNCTION_NAME = r"[a-zA-Z0-9-_]{1,64}"
FUNCTION_ARN = rf"arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{{12}}:function:{FUNCTION_NAME}"
"""A function's name and its unqualified ARN, as patterns."""

ALIAS = r"[a-zA-Z0-9-_]{1,128}"
ENVIRONMENT = rf"(?![0-9]+$)(?![lL][aA][tT][eE][sS][tT]$){ALIAS}"
"""An alias's name, and one that an environment can have, as patterns."""

SHA = r"[0-9a-f]{40}|[0-9a-f]{64}"
"""A commit's full SHA, as a pattern."""

TAG = r"(?!.*(\.\.|@\{|//|/\.|\.lock(/|$)))(?![./-])[^\x00-\x20\x7f~^:?*\[\\]{1,255}(?<![./])"
"""A tag's name, as a pattern: https://git-scm.com/docs/git-check-ref-format."""

VARIABLE = r"[a-zA-Z][a-zA-Z0-9_]+"
"""An environment variable's name, as a pattern."""
