"""Read a FunctionConfiguration from Lambda into a snapshot that can be compared."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from promote.core.errors import FunctionError
from promote.core.version import Snapshot

CONFIGURABLE = (
    "AcceleratorConfig",
    "Architectures",
    "CapacityProviderConfig",
    "DeadLetterConfig",
    "DurableConfig",
    "Environment",
    "EphemeralStorage",
    "FileSystemConfigs",
    "Handler",
    "ImageConfig",
    "KMSKeyArn",
    "Layers",
    "LoggingConfig",
    "MemorySize",
    "PackageType",
    "Role",
    "Runtime",
    "RuntimeConfig",
    "SnapStart",
    "TenancyConfig",
    "Timeout",
    "TracingConfig",
    "VpcConfig",
)
"""The fields of a FunctionConfiguration that a version freezes, except Description."""


def fingerprint(configuration: Mapping[str, Any]) -> str:
    """Return the SHA-256 of all configurable fields, in lower-case hexadecimal. $LATEST and its version share it."""
    parts: dict[str, Any] = {name: configuration.get(name) for name in CONFIGURABLE}
    parts["Environment"] = (configuration.get("Environment") or {}).get("Variables")
    parts["ImageConfig"] = (configuration.get("ImageConfigResponse") or {}).get("ImageConfig")
    parts["Layers"] = [layer["Arn"] for layer in configuration.get("Layers") or []]
    # OptimizationStatus is On for a version and Off for $LATEST.
    parts["SnapStart"] = (configuration.get("SnapStart") or {}).get("ApplyOn")
    return hashlib.sha256(json.dumps(_canonical(parts), sort_keys=True, default=str).encode()).hexdigest()


def _canonical(value: Any) -> Any:
    """Remove empty values, and sort lists without an order. Lambda may return both in different forms."""
    if isinstance(value, Mapping):
        parts = {name: _canonical(part) for name, part in value.items()}
        for name in ("SubnetIds", "SecurityGroupIds"):
            if parts.get(name):
                parts[name] = sorted(parts[name])
        return {name: part for name, part in parts.items() if part not in (None, "", [], {})}
    return [_canonical(part) for part in value] if isinstance(value, list) else value


_UNREADABLE = {"Environment": "environment variables", "ImageConfigResponse": "image configuration"}
"""Parts of a FunctionConfiguration for which Lambda may return an ``Error`` instead of the content.

In botocore: lambda:EnvironmentResponse.Error and lambda:ImageConfigResponse.Error.
"""


def snapshot(response: Mapping[str, Any]) -> Snapshot:
    """Return the snapshot of a FunctionConfiguration.

    Raises:
        FunctionError: Lambda could not read a part of it. Such a part is unknown, not empty.

    """
    arn, version = response["FunctionArn"], response["Version"]
    for name, meaning in _UNREADABLE.items():
        error = (response.get(name) or {}).get("Error")
        if error:
            raise _unreadable(f"{arn.split(':')[6]}:{version}", meaning, error, response.get("KMSKeyArn") or "")
    return Snapshot(
        arn=":".join(arn.split(":")[:7]),
        version=version,
        revision_id=response["RevisionId"],
        code_sha256=response["CodeSha256"],
        fingerprint=fingerprint(response),
        configuration=response,
    )


def _unreadable(name: str, meaning: str, error: Mapping[str, Any], key: str) -> FunctionError:
    reason = f"{error.get('ErrorCode', 'unknown error')}: {error.get('Message', 'Lambda gives no reason')}"
    which = f"the KMS key {key}" if key else "the KMS key of the function"
    return FunctionError(
        f"the {meaning} of {name} cannot be read: {reason.rstrip('.')}",
        hint=f"Allow kms:Decrypt on {which} in the policy of the role that this job assumes and in the key policy. "
        "Then run the job again.",
    )
