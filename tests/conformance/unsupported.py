"""The recorded sequences that the sandbox does not play as AWS, and why."""

from collections.abc import Mapping

from tests.conformance.recording import Recording

UNSUPPORTED: Mapping[str, str] = {}
"""The reason for each sequence, by the end of its source."""

MOST = 5


def reason_of(recording: Recording) -> str:
    """Return why the sandbox does not play a sequence, or empty."""
    return next((reason for end, reason in UNSUPPORTED.items() if recording.source.endswith(end)), "")
