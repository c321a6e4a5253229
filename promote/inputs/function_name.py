"""The input ``function-name``: a function's name or ARN, and the region."""

import re
from collections.abc import Mapping

from promote.core.redaction import quoted
from promote.inputs.limits import FUNCTION_ARN, FUNCTION_NAME
from promote.inputs.reader import Reader
from promote.inputs.value import Place, step_values

_QUALIFIED = rf"(?P<target>{FUNCTION_NAME}|{FUNCTION_ARN})(?P<qualifier>:[a-zA-Z0-9$_-]+)"


def target(read: Reader, in_use: str) -> tuple[str, str, str]:
    """Return the function's name, its ARN (or empty) and the region (or empty)."""
    value, region = read.text("function-name"), read.text("aws-region")
    if not value:
        raise read.error("function-name", "it is missing", hint="Set it to the Lambda function's name or ARN.")
    if region and not re.fullmatch(r"[a-z0-9-]+", region):
        raise read.error("aws-region", f"{region!r} is not a valid region", hint="Write it like eu-west-1.")
    name, arn, named = parse_function(value, read.value("function-name").place)
    if region and named and region != named:
        raise read.error(
            "aws-region",
            f"it is {region}, and the region of the function's ARN is {named}",
            hint="Leave aws-region empty when function-name is an ARN.",
        )
    if named and in_use and named != in_use:
        raise read.error(
            "function-name",
            f"the region of its ARN is {named}, and the region in use is {in_use} (AWS_REGION)",
            hint=f"Correct the ARN, or set aws-region: {named}.",
        )
    return name, arn, named or region


def region_of(environ: Mapping[str, str]) -> str:
    """Return the region of the input ``aws-region``, or else of the environment; empty if neither has one."""
    return (
        Reader(step_values(environ)).text("aws-region")
        or environ.get("AWS_REGION", "")
        or environ.get("AWS_DEFAULT_REGION", "")
    )


def parse_function(value: str, place: Place) -> tuple[str, str, str]:
    """Return the name, the ARN (or empty) and its region (or empty) from a function's name or ARN.

    Raises:
        InputError: The value is neither a name nor a valid ARN without a qualifier.

    """
    if re.fullmatch(FUNCTION_NAME, value):
        return value, "", ""
    if match := re.fullmatch(_QUALIFIED, value):
        raise place.error(
            "function-name",
            f"it ends with {match['qualifier']!r}, a version or an alias",
            hint=f"Write {match['target']}: the action deploys to $LATEST and moves the alias that the input "
            "environment names.",
        )
    if not re.fullmatch(FUNCTION_ARN, value):
        raise place.error(
            "function-name",
            f"{quoted(value)} is neither a function's name nor its ARN",
            hint="A name has up to 64 letters, digits, - and _; an ARN looks like "
            "arn:aws:lambda:eu-west-1:123456789012:function:my-function.",
        )
    _, partition, _, region, *_, name = value.split(":")
    fitting = partition_of(region)
    if partition != fitting:
        raise place.error(
            "function-name",
            f"the partition of its ARN is {partition}, and the region {region} is in {fitting}",
            hint=f"Write it like {value.replace(partition, fitting, 1)}.",
        )
    return name, value, region


def partition_of(region: str) -> str:
    """Return the AWS partition of a region."""
    return next((name for prefix, name in _PARTITIONS.items() if region.startswith(prefix)), "aws")


_PARTITIONS: Mapping[str, str] = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "us-isof-": "aws-iso-f",
    "eu-isoe-": "aws-iso-e",
    "eusc-": "aws-eusc",
}
"""Partitions by the beginnings of their regions' names, from botocore."""
