"""The code to deploy: a directory, a .zip, an S3 object, a container image, or what $LATEST already holds."""

import base64
import hashlib
import os
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from promote.aws.archive import UNPACKED_LIMIT, pack, size_of, too_large
from promote.aws.contents import Contents, is_pointer, pointer_error, read_contents, require_deployable, warnings
from promote.aws.errors import code_of, message_of
from promote.core.artifact_kind import Kind, is_other_registry, is_valid_image, kind_of
from promote.core.clock import Clock
from promote.core.disk import writing
from promote.core.errors import AccessError, InputError
from promote.core.redaction import quoted
from promote.core.workspace import require_inside, require_one

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from mypy_boto3_s3 import S3Client

DIRECT_LIMIT = 50 * 1024 * 1024
"""Bytes: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, deployment package."""


@dataclass(frozen=True)
class Archive:
    """A .zip on disk, or one in S3 of which ``file`` is a copy."""

    file: Path
    code_sha256: str
    """The digest in Base64, as Lambda returns it."""
    size: int
    """Bytes."""
    contents: Contents
    warnings: tuple[str, ...] = ()
    """What in it may not work, or may not be meant, as sentences."""
    bucket: str = ""
    key: str = ""
    object_version: str = ""
    package_type: Literal["Zip"] = "Zip"

    @property
    def names(self) -> frozenset[str]:
        """The names of the files in it."""
        return self.contents.names

    @contextmanager
    def arguments(self) -> Iterator[dict[str, Any]]:
        """Yield the code's arguments of CreateFunction and UpdateFunctionCode. A file in them is open in the block."""
        if self.bucket:
            where = {"S3Bucket": self.bucket, "S3Key": self.key}
            yield {**where, "S3ObjectVersion": self.object_version} if self.object_version else where
        else:
            with self.file.open("rb") as content:
                yield {"ZipFile": content}

    @property
    def is_oversized(self) -> bool:
        """Whether it is only on disk, and larger than Lambda accepts in a request."""
        return self.is_local and self.size > DIRECT_LIMIT

    @property
    def is_local(self) -> bool:
        """Whether this run uploads it, so that Lambda need not read it from S3."""
        return not self.bucket

    def is_in(self, code_sha256: str) -> bool:
        """Whether a function with this CodeSha256 has this code."""
        return code_sha256 == self.code_sha256

    def describe(self) -> str:
        """Return a short description for the log."""
        origin = f" from s3://{self.bucket}/{self.key}" if self.bucket else ""
        count = len(self.names)
        return f"{size_of(self.size)} with {count} {'file' if count == 1 else 'files'}{origin}"


@dataclass(frozen=True)
class Image:
    """A container image in ECR. Lambda resolves a tag to a digest at the moment of the update."""

    uri: str
    package_type: Literal["Image"] = "Image"
    is_local: Literal[False] = False
    warnings: tuple[str, ...] = ()

    @contextmanager
    def arguments(self) -> Iterator[dict[str, Any]]:
        """Yield the code's arguments of CreateFunction and UpdateFunctionCode."""
        yield {"ImageUri": self.uri}

    def is_in(self, code_sha256: str) -> bool:
        """Whether a function with this CodeSha256 has this image. For a tag it is unknown, and the result is False."""
        return self.uri.endswith(f"@sha256:{code_sha256}")

    def describe(self) -> str:
        """Return a short description for the log."""
        return f"image {self.uri}"


Code: TypeAlias = Archive | Image


def load(
    artifact: str, workspace: Path, temporary: Path, storage: Callable[[], "S3Client"], *, has_bucket: bool = False
) -> Code | None:
    """Return the code that the input ``artifact`` names; None if it is empty, so that $LATEST is used as it is.

    A packed directory or a copy from S3 is in ``temporary`` afterwards. With ``has_bucket``, the archive may be larger
    than Lambda accepts in a request.

    Raises:
        InputError: The artifact cannot be deployed.

    """
    kind = kind_of(artifact)
    if kind is Kind.NOTHING:
        return None
    if kind is Kind.OBJECT:
        return _from_s3(artifact, temporary, storage())
    if kind is Kind.IMAGE:
        return _image(artifact)
    if kind is Kind.UNKNOWN:
        raise InputError(
            "artifact",
            f"{quoted(artifact)} has an unknown scheme",
            hint="Set it to a path, s3://bucket/key or the URI of an image in ECR.",
        )
    path = require_one(workspace, artifact, "artifact")
    shown = artifact if require_inside(workspace, artifact, "artifact") == path else os.path.relpath(path, workspace)
    if path.is_dir():
        packed = temporary / "promote-on-success.zip"
        origins = pack(path, packed, workspace)
        archive = _inspect(packed, shown, origins)
    elif path.is_file():
        archive = _inspect(path, shown)
    else:
        raise InputError(
            "artifact",
            f"{artifact!r} is not a file or a directory, but a pipe, a socket or a device",
            hint="Set it to a directory, which the action packs, or to a .zip archive.",
        )
    if archive.is_oversized and not has_bucket:
        raise InputError(
            "artifact",
            f"the archive of {shown!r} is {size_of(archive.size)}; Lambda accepts {size_of(DIRECT_LIMIT)} directly",
            hint="For larger archives, set the input artifact-bucket to a bucket in the function's region.",
        )
    return archive


def _inspect(file: Path, shown: str, origins: Mapping[str, str] | None = None) -> Archive:
    """Return the archive in ``file``, after a check that Lambda can accept it.

    If it is a packed directory, ``origins`` is what ``pack`` has returned.
    """
    if is_pointer(file):
        raise pointer_error(repr(shown))
    digest, size = hashlib.sha256(), 0
    with file.open("rb") as source:
        while block := source.read(1 << 20):
            digest.update(block)
            size += len(block)
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            contents = read_contents(archive)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:  # ValueError: an unknown encoding
        raise InputError(
            "artifact",
            f"{shown!r} is not a valid .zip archive: {error}",
            hint="Set it to a directory, which the action packs, or build the archive with zip -r.",
        ) from error
    if not contents.names:
        raise InputError("artifact", f"{shown!r} contains no files", hint="Check that the build adds the code to it.")
    if any(entry.flag_bits & 1 for entry in entries):
        raise InputError("artifact", f"{shown!r} is encrypted", hint="Build it without a password.")
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > UNPACKED_LIMIT:
        raise too_large(f"{shown!r} is {size_of(unpacked)} when unpacked")
    require_deployable(contents, shown, is_directory=origins is not None)
    return Archive(
        file=file,
        code_sha256=base64.b64encode(digest.digest()).decode(),
        size=size,
        contents=contents,
        warnings=tuple(warnings(contents, shown, origins or {})),
    )


def _from_s3(artifact: str, temporary: Path, storage: "S3Client") -> Archive:
    """Download the object to read its digest and its file names. Lambda later reads it from S3."""
    match = re.fullmatch(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(.+)", artifact)
    if not match:
        raise InputError("artifact", f"{artifact!r} is not a valid S3 URI", hint="Write it as s3://bucket/key.")
    bucket, key = match[1], match[2]
    target = temporary / "promote-on-success.zip"
    try:
        response = storage.get_object(Bucket=bucket, Key=key)
    except storage.exceptions.ClientError as error:
        advice = "Also allow s3:ListBucket on the bucket. Without it, the error for a missing object is the same."
        _raise_if_unnamed(error, storage, f"s3:GetObject on arn:{{partition}}:s3:::{bucket}/{key}", advice)
        if code_of(error) not in ("NoSuchKey", "NoSuchBucket", "404"):
            raise
        raise InputError(
            "artifact",
            f"{artifact} does not exist",
            hint="Upload it in a step before this one, to a bucket in the function's region.",
        ) from error
    if (length := response["ContentLength"]) > UNPACKED_LIMIT:
        response["Body"].close()
        raise too_large(f"{artifact} is {size_of(length)}")
    with writing(target), target.open("wb") as sink:
        for block in response["Body"].iter_chunks(1 << 20):
            sink.write(block)
    version = response.get("VersionId", "")
    return replace(
        _inspect(target, artifact), bucket=bucket, key=key, object_version="" if version == "null" else version
    )


def stage(archive: Archive, place: str, storage: "S3Client", clock: Clock) -> tuple[Archive, bool]:
    """Upload the archive to ``place``, a bucket or a folder in one; return it with its key, and whether it is new.

    The key is the digest, which S3 checks. An existing object is not replaced, so that the same archive is stored only
    once: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html.

    Raises:
        InputError: The bucket does not exist.
        AccessError: S3 denies the upload without naming the permission.

    """
    bucket, _, folder = place.partition("/")
    key = f"{folder}/" * bool(folder) + base64.b64decode(archive.code_sha256).hex() + ".zip"
    uploaded = replace(archive, bucket=bucket, key=key)
    for pause in (*_CONFLICT_PAUSES, None):
        try:
            with archive.file.open("rb") as content:
                storage.put_object(
                    Bucket=bucket,
                    Key=key,
                    Body=content,
                    ContentType="application/zip",
                    ChecksumSHA256=archive.code_sha256,
                    IfNoneMatch="*",
                )
        except storage.exceptions.ClientError as error:
            if code_of(error) == "PreconditionFailed":
                return uploaded, False
            if code_of(error) == "ConditionalRequestConflict" and pause is not None:
                clock.sleep(pause)  # another process is writing or deleting the object
                continue
            if code_of(error) == "NoSuchBucket":
                raise InputError(
                    "artifact-bucket",
                    f"the bucket {bucket} does not exist",
                    hint="Correct the name, or create the bucket in the function's region.",
                ) from error
            advice = "docs/iam-policy.json of this action lists all permissions."
            _raise_if_unnamed(error, storage, f"s3:PutObject on arn:{{partition}}:s3:::{bucket}/{key}", advice)
            raise
        else:
            return uploaded, True
    raise AssertionError("unreachable")


_CONFLICT_PAUSES = (1.0, 2.0, 4.0)
"""Seconds between attempts to write an object that another process writes at the same time."""


def _raise_if_unnamed(error: "ClientError", storage: "S3Client", denied: str, advice: str) -> None:
    """Raise an error that names the action and the resource, if S3 denies access and its message does not name them.

    Raises:
        AccessError: S3 denies access without naming action and resource.

    """
    if code_of(error) == "AccessDenied" and "perform:" not in message_of(error):
        raise AccessError(
            f"AWS denies {denied.format(partition=storage.meta.partition)}: {message_of(error)}",
            hint=f"Allow it in the policy of the role that this job assumes. {advice}",
        ) from error


def _image(artifact: str) -> Image:
    if is_other_registry(artifact):
        raise InputError(
            "artifact",
            f"{artifact!r} is not in a private registry of ECR, and Lambda reads images from no other registry",
            hint="Push the image to a private repository of ECR in the function's region, and set artifact to its URI, "
            f"such as {_EXAMPLE}",
        )
    if not is_valid_image(artifact):
        raise InputError(
            "artifact", f"{artifact!r} is not a valid image URI with a tag or a digest", hint=f"Example: {_EXAMPLE}"
        )
    return Image(artifact)


_EXAMPLE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/app@sha256:..."
