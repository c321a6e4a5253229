"""The recorded sequences that the sandbox does not play as AWS, and why."""

from collections.abc import Mapping

from tests.conformance.recording import Recording

UNSUPPORTED: Mapping[str, str] = {
    "::test_lambda_provisioned_concurrency_moves_with_alias": (
        "The response to UpdateAlias has the weight that Lambda sets while the capacity moves. In the recorded "
        "response, of 2023, it is missing. The action reads it from the response, and would not wait without it."
    ),
}
"""The reason for each sequence, by the end of its source."""

MOST = 5


def reason_of(recording: Recording) -> str:
    """Return why the sandbox does not play a sequence, or empty."""
    return next((reason for end, reason in UNSUPPORTED.items() if recording.source.endswith(end)), "")
