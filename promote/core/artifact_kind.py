"""The kinds of code that the input ``artifact`` can name."""

import re
from enum import Enum


class Kind(Enum):
    """What ``artifact`` names."""

    NOTHING = "nothing"
    """It is empty: the code of $LATEST is used as it is."""
    PATH = "path"
    """A file or a directory of the workspace."""
    OBJECT = "object"
    """An object in S3."""
    IMAGE = "image"
    """A container image, of any registry."""
    UNKNOWN = "unknown"
    """A URL with another scheme, or an ARN."""


_PRIVATE = r"dkr[.-]ecr(-fips)?\.[a-z0-9-]+\.[a-z0-9.-]+"
"""Hosts of private registries in ECR, without the account: also dual-stack and FIPS, and of other partitions.

https://docs.aws.amazon.com/general/latest/gr/ecr.html
"""
_OTHERS = (
    r"public\.ecr\.aws|docker\.io|ghcr\.io|quay\.io|mcr\.microsoft\.com|registry\.gitlab\.com"
    r"|([a-z0-9-]+\.)?gcr\.io|[a-z0-9-]+\.pkg\.dev|[a-z0-9]+\.azurecr\.io"
)
"""Hosts of registries that Lambda does not read. No folder has such a name."""

_IMAGE = re.compile(rf"([^/]*\.{_PRIVATE}|{_OTHERS})(/|$)")
_OTHER_IMAGE = re.compile(rf"({_OTHERS})(/|$)")
_VALID = re.compile(rf"\d{{12}}\.{_PRIVATE}/[a-z0-9._/-]+(:[\w.-]{{1,128}}|@sha256:[0-9a-f]{{64}})")


def kind_of(artifact: str) -> Kind:
    """Return what ``artifact`` names. The text may still be invalid."""
    if not artifact:
        return Kind.NOTHING
    if artifact.startswith("s3://"):
        return Kind.OBJECT
    if _IMAGE.match(artifact):
        return Kind.IMAGE
    return Kind.UNKNOWN if "://" in artifact or artifact.startswith("arn:") else Kind.PATH


def is_valid_image(uri: str) -> bool:
    """Whether ``uri`` is an image in a private registry of ECR, with a tag or a digest."""
    return bool(_VALID.fullmatch(uri))


def is_other_registry(uri: str) -> bool:
    """Whether ``uri`` is an image in a registry that Lambda does not read."""
    return bool(_OTHER_IMAGE.match(uri))
