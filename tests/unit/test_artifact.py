"""The code to deploy: packed reproducibly, and refused if Lambda cannot run it."""

import base64
import hashlib
import io
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

import pytest
from botocore.response import StreamingBody
from hypothesis import given, settings
from hypothesis import strategies as st

from promote.aws.archive import pack
from promote.aws.artifact import Archive, Image, load
from promote.core.errors import InputError
from promote.core.workspace import require_inside

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app"
DIGEST = "0123456789abcdef" * 4


def no_storage() -> NoReturn:
    raise AssertionError("S3 is not needed here")


def plant(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder


def packed(folder: Path, workspace: Path | None = None) -> bytes:
    archive = folder.parent / f"{folder.name}.zip"
    pack(folder, archive, workspace or folder.parent)
    return archive.read_bytes()


def names(content: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return archive.namelist()


def zipped(files: Mapping[str, str]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, text in files.items():
            file = zipfile.ZipInfo(name)  # with the same time in each process
            file.external_attr = 0o644 << 16
            archive.writestr(file, text)
    return target.getvalue()


TREE = {"app.py": "a = 1\n", "lib/b.py": "", "lib/inner/c.txt": "c" * 5000, "lib-2/d": "d", "größe.json": "{}"}


def test_the_same_tree_gives_the_same_bytes(tmp_path: Path) -> None:
    first = plant(tmp_path / "first", TREE)
    previous = os.umask(0o077)
    try:
        second = plant(tmp_path / "second", dict(reversed(TREE.items())))
    finally:
        os.umask(previous)
    for second_ago, file in enumerate(second.rglob("*")):
        os.utime(file, (1_000_000_000 - second_ago,) * 2)
    (first / "app.py").chmod(0o666)
    (second / "app.py").chmod(0o400)
    (second / "lib" / "__pycache__").mkdir()
    assert packed(first) == packed(second)
    assert names(packed(first)) == sorted(TREE)


def test_content_and_names_count(tmp_path: Path) -> None:
    contents = [
        packed(plant(tmp_path / "a", {"app.py": "1"})),
        packed(plant(tmp_path / "b", {"app.py": "2"})),
        packed(plant(tmp_path / "c", {"b.py": "1"})),
    ]
    assert len(set(contents)) == 3


def test_the_executable_bit_is_kept(tmp_path: Path) -> None:
    folder = plant(tmp_path / "function", {"tool": "", "app.py": ""})
    without = packed(folder)
    (folder / "tool").chmod(0o700)
    content = packed(folder)
    assert content != without
    assert modes(content) == {"app.py": "0o100644", "tool": "0o100755"}


def modes(content: bytes) -> Mapping[str, str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {entry.filename: oct(entry.external_attr >> 16) for entry in archive.infolist()}


def test_everyone_may_read_the_files_and_start_the_programs(tmp_path: Path) -> None:
    """Downloaded artifacts of GitHub have lost their modes, and other files are private. Lambda is another user."""
    files = {"bootstrap": "", "run.sh": "#!/bin/sh\n", "bin/tool": "\x7fELF", "app.py": "", "lib/bootstrap": ""}
    folder = plant(tmp_path / "function", files)
    content = packed(folder)
    for file in folder.rglob("*"):
        file.chmod(0o700 if file.is_dir() else 0o600)
    assert packed(folder) == content
    executable = {name for name, mode in modes(content).items() if mode == "0o100755"}
    assert executable == {"bootstrap", "run.sh", "bin/tool"}
    assert {mode for name, mode in modes(content).items() if name not in executable} == {"0o100644"}


def test_a_large_program_is_executable(tmp_path: Path) -> None:
    folder = plant(tmp_path / "function", {"main": "\x7fELF" + "x" * (3 << 20)})
    assert modes(packed(folder)) == {"main": "0o100755"}


def test_files_without_code_are_left_out(tmp_path: Path) -> None:
    files = {"app.py": "", ".git/HEAD": "", "__pycache__/app.pyc": "", "app.pyc": "", ".DS_Store": ""}
    folder = plant(tmp_path / "function", {**files, ".github/a": "", ".gitignore": "", "git": ""})
    assert names(packed(folder)) == [".github/a", ".gitignore", "app.py", "git"]


def test_a_compiled_module_without_its_source_is_code(tmp_path: Path) -> None:
    files = {"app.pyc": "", "lib/b.py": "", "lib/b.pyc": "", "lib/__pycache__/b.cpython-313.pyc": ""}
    assert names(packed(plant(tmp_path / "function", files))) == ["app.pyc", "lib/b.py"]


def test_empty_folders_are_kept(tmp_path: Path) -> None:
    folder = plant(tmp_path / "function", {"app.py": "", "lib/__pycache__/b.pyc": ""})
    (folder / "data" / "cache").mkdir(parents=True)
    content = packed(folder)
    assert names(content) == ["app.py", "data/cache/", "lib/"]
    assert modes(content)["lib/"] == "0o40755"


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        ("nowhere", "'lib/link' is a broken link"),
        ("link", "'lib/link' is a broken link"),
        ("/etc", "the link 'lib/link' leads out of the workspace"),
        ("/nowhere/at/all", "the link 'lib/link' leads out of the workspace"),
        ("../../../..", "the link 'lib/link' leads out of the workspace"),
    ],
)
def test_links_that_lead_nowhere_or_out(tmp_path: Path, target: str, complaint: str) -> None:
    folder = plant(tmp_path / "function", {"lib/app.py": ""})
    (folder / "lib" / "link").symlink_to(target)
    with pytest.raises(InputError) as caught:
        packed(folder)
    assert complaint in str(caught.value)


def test_a_file_that_is_not_regular_is_refused(tmp_path: Path) -> None:
    folder = plant(tmp_path / "function", {"app.py": ""})
    os.mkfifo(folder / "pipe")
    with pytest.raises(InputError, match="'pipe' is not a regular file"):
        packed(folder)
    with pytest.raises(InputError, match="'function/pipe' is not a file or a directory"):
        load("function/pipe", tmp_path, tmp_path, no_storage)


def test_a_name_in_no_encoding_is_refused(tmp_path: Path) -> None:
    folder = plant(tmp_path / "function", {"app.py": ""})
    try:
        (folder / "\udcff.py").touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    with pytest.raises(InputError, match=r"'\\udcff.py' is not a valid file name"):
        packed(folder)


def test_names_with_unusual_characters_are_kept(tmp_path: Path) -> None:
    unusual = ["a b.py", "名\u3000前.py", "e\u0301.py", "'\".py", "line\nbreak.py"]
    folder = plant(tmp_path / "function", dict.fromkeys(unusual, ""))
    assert names(packed(folder)) == sorted(unusual)


def test_a_directory_without_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "function" / "empty").mkdir(parents=True)
    with pytest.raises(InputError, match="the directory contains no files"):
        packed(tmp_path / "function")


def test_a_directory_becomes_an_archive(tmp_path: Path) -> None:
    workspace, temporary = plant(tmp_path / "workspace", {"function/app.py": "a"}), tmp_path / "temporary"
    temporary.mkdir()
    archive = load("function", workspace, temporary, no_storage)
    assert isinstance(archive, Archive)
    content = archive.file.read_bytes()
    assert archive.file.parent == temporary
    with archive.arguments() as arguments:
        assert arguments["ZipFile"].read() == content
    assert archive.code_sha256 == base64.b64encode(hashlib.sha256(content).digest()).decode()
    assert archive.is_in(archive.code_sha256)
    assert not archive.is_in("else")
    assert archive.size == len(content)
    assert archive.names == {"app.py"}
    assert archive.describe() == f"{len(content)} bytes with 1 file"


def test_an_archive_is_taken_as_it_is(tmp_path: Path) -> None:
    content = zipped({"app.py": "", "lib/b.py": "x" * 2000})
    (tmp_path / "code.zip").write_bytes(content)
    archive = load("./code.zip", tmp_path, tmp_path, no_storage)
    assert isinstance(archive, Archive)
    with archive.arguments() as arguments:
        assert arguments["ZipFile"].read() == content
    assert archive.describe() == "2.2 KB with 2 files"
    assert load(str(tmp_path / "code.zip"), tmp_path, tmp_path, no_storage) == archive


WHOLE = zipped({"grüße.py": "text"})
DIRECTORY, END = WHOLE.index(b"PK\1\2"), WHOLE.index(b"PK\5\6")


def inverted(place: int, bits: int = 0xFF) -> bytes:
    """Return the archive with wrong bits in one byte."""
    return WHOLE[:place] + bytes([WHOLE[place] ^ bits]) + WHOLE[place + 1 :]


def load_bytes(content: bytes, folder: Path) -> Archive:
    (folder / "code.zip").write_bytes(content)
    archive = load("code.zip", folder, folder, no_storage)
    assert isinstance(archive, Archive)
    return archive


def assert_is(archive: Archive, content: bytes) -> None:
    """Assert that the archive is this file, as it is."""
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    assert (archive.code_sha256, archive.size) == (digest, len(content))
    assert archive.file.read_bytes() == content


DAMAGED = [
    *((WHOLE[:size], "is not a valid .zip archive: ") for size in range(len(WHOLE))),
    # The signature of the central directory, of its end, and the size of the directory.
    *((inverted(place), "is not a valid .zip archive: ") for place in range(DIRECTORY, DIRECTORY + 4)),
    *((inverted(place), "is not a valid .zip archive: ") for place in range(END, END + 4)),
    *((inverted(place), "is not a valid .zip archive: ") for place in range(END + 12, END + 16)),
    (inverted(DIRECTORY + 8, 1), "is encrypted"),
    (inverted(DIRECTORY + 27), "is 4.0 GB when unpacked"),
    (inverted(DIRECTORY + 46), "is not a valid .zip archive: "),  # a name that is not UTF-8
    (zipped({}), "contains no files"),
    (zipped({"folder/": ""}), "contains no files"),
    (b"#!/bin/sh\n" * 20, "is not a valid .zip archive: "),
]


@pytest.mark.parametrize(("damaged", "problem"), DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_archive_is_refused(tmp_path: Path, damaged: bytes, problem: str) -> None:
    with pytest.raises(InputError) as caught:
        load_bytes(damaged, tmp_path)
    assert str(caught.value).startswith(f"artifact: 'code.zip' {problem}")


def test_what_unpacks_to_250_mb_is_taken_and_no_byte_more(tmp_path: Path) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html."""

    def declaring(size: int) -> bytes:
        return WHOLE[: DIRECTORY + 24] + size.to_bytes(4, "little") + WHOLE[DIRECTORY + 28 :]

    assert load_bytes(declaring(250 * 2**20), tmp_path).names == {"grüße.py"}
    with pytest.raises(InputError, match="when unpacked"):
        load_bytes(declaring(250 * 2**20 + 1), tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        WHOLE,
        b"#!/bin/sh\n" + WHOLE,  # as of an archive that unpacks itself
        *(inverted(place) for place in range(DIRECTORY)),
    ],
)
def test_only_the_directory_of_an_archive_is_read(tmp_path: Path, content: bytes) -> None:
    """Lambda unpacks the files, and refuses what it cannot unpack."""
    archive = load_bytes(content, tmp_path)
    assert archive.names == {"grüße.py"}
    assert_is(archive, content)


@settings(deadline=None)
@given(st.binary(max_size=60), st.integers(0, 200), st.booleans())
def test_whatever_is_damaged_it_is_an_error_of_the_artifact_or_the_file_as_it_is(
    noise: bytes,
    at: int,
    cut: bool,  # noqa: FBT001 - one of its ways
) -> None:
    """Python's module decides what it can read, and its versions differ. The tests above have the certain cases."""
    damaged = WHOLE[:at] + noise + (b"" if cut else WHOLE[at + len(noise) :])
    with tempfile.TemporaryDirectory() as folder:
        try:
            archive = load_bytes(damaged, Path(folder))
        except InputError as error:
            assert str(error).startswith("artifact: 'code.zip' ")  # noqa: PT017 - both ends are right
            assert damaged != WHOLE
        else:
            assert_is(archive, damaged)
            assert archive.names


def test_nothing_is_to_be_adopted(tmp_path: Path) -> None:
    assert load("", tmp_path, tmp_path, no_storage) is None


@pytest.mark.parametrize(("response", "version"), [({"VersionId": "v1"}, "v1"), ({"VersionId": "null"}, ""), ({}, "")])
def test_the_version_of_an_object_that_was_read_is_the_one_that_is_deployed(
    tmp_path: Path, response: Mapping[str, str], version: str
) -> None:
    """In a bucket whose versioning is suspended, S3 calls it ``null``, and the next upload replaces it."""
    content = zipped({"app.py": ""})

    class Storage:
        def get_object(self, **_: str) -> dict[str, Any]:
            body = StreamingBody(io.BytesIO(content), len(content))
            return {"Body": body, "ContentLength": len(content), **response}

    storage: Any = Storage()
    archive = load("s3://builds/code.zip", tmp_path, tmp_path, lambda: storage)
    assert isinstance(archive, Archive)
    with archive.arguments() as arguments:
        where = {"S3Bucket": "builds", "S3Key": "code.zip"}
        assert arguments == ({**where, "S3ObjectVersion": version} if version else where)


@pytest.mark.parametrize("tag", [":1.2.3", ":latest", f"@sha256:{DIGEST}"])
def test_an_image(tmp_path: Path, tag: str) -> None:
    image = load(IMAGE + tag, tmp_path, tmp_path, no_storage)
    assert image == Image(IMAGE + tag)
    with image.arguments() as arguments:
        assert arguments == {"ImageUri": IMAGE + tag}
    assert image.describe() == f"image {IMAGE}{tag}"
    assert image.is_in(DIGEST) == tag.endswith(DIGEST), "of a tag, nobody knows"


@pytest.mark.parametrize("artifact", [IMAGE, f"{IMAGE}:", f"{IMAGE}@sha256:12", f"{IMAGE}:1 2", f"12.{IMAGE[13:]}:1"])
def test_invalid_images(tmp_path: Path, artifact: str) -> None:
    with pytest.raises(InputError, match="is not a valid image URI with a tag or a digest"):
        load(artifact, tmp_path, tmp_path, no_storage)


@pytest.mark.parametrize(
    "host",
    [
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
        "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
        "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
        "123456789012.dkr-ecr.eu-west-1.on.aws",
        "123456789012.dkr-ecr-fips.us-east-1.on.aws",
        "123456789012.dkr-ecr.cn-northwest-1.on.amazonwebservices.com.cn",
        "123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu",
        "123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov",
    ],
)
def test_hosts_of_private_registries(tmp_path: Path, host: str) -> None:
    assert load(f"{host}/team/app:1", tmp_path, tmp_path, no_storage) == Image(f"{host}/team/app:1")


@pytest.mark.parametrize(
    "image",
    ["public.ecr.aws/team/app:1", "ghcr.io/org/app:1", "docker.io/app:1", "eu.gcr.io/a/b:1", "eu-docker.pkg.dev/a/b:1"],
)
def test_images_in_registries_that_lambda_does_not_read(tmp_path: Path, image: str) -> None:
    with pytest.raises(InputError, match="is not in a private registry of ECR") as caught:
        load(image, tmp_path, tmp_path, no_storage)
    assert "Push the image to a private repository" in caught.value.hint


def test_an_object_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    class Storage:
        """Has one object, and fails if it is read."""

        def get_object(self, **_: str) -> Mapping[str, Any]:
            return {"ContentLength": 251 << 20, "Body": io.BytesIO()}

    with pytest.raises(InputError, match=r"s3://builds/a.zip is 251.0 MB, and Lambda accepts 250.0 MB") as caught:
        load("s3://builds/a.zip", tmp_path, tmp_path, lambda: cast("S3Client", Storage()))
    assert "container image" in caught.value.hint
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", ["..", "../sibling", "/", "/etc/hosts", "a/../../b", "out/x"])
def test_what_lies_outside_the_workspace(tmp_path: Path, path: str) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "out").symlink_to("..")
    with pytest.raises(InputError, match="lies outside the workspace") as caught:
        require_inside(workspace, path, "invoke")
    assert caught.value.name == "invoke"


@pytest.mark.parametrize("path", [".", "a", "a/../b", "a" * 200])
def test_what_lies_inside(tmp_path: Path, path: str) -> None:
    assert require_inside(tmp_path, path, "artifact").is_relative_to(tmp_path)


def test_a_workspace_behind_a_link_is_one(tmp_path: Path) -> None:
    plant(tmp_path / "real", {"function/app.py": ""})
    (tmp_path / "workspace").symlink_to("real")
    assert isinstance(load("function", tmp_path / "workspace", tmp_path, no_storage), Archive)
