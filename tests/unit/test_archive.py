"""What packing does to keep its pace: chunks, threads, samples. What it packs is in ``test_artifact.py``."""

import random
import zipfile
from pathlib import Path

import pytest

from promote.archive import pack

CHUNK = 1 << 20


def packed(folder: Path, width: int = 2) -> Path:
    archive = folder.parent / f"{folder.name}-{width}.zip"
    pack(folder, archive, folder.parent, width)
    return archive


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)  # noqa: S311 - the same each time


def text(size: int) -> bytes:
    return b"".join(b"line %d of many\n" % number for number in range(size // 14))[:size]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Give a folder with files of all the sizes at which something changes."""
    folder = tmp_path / "function"
    (folder / "small").mkdir(parents=True)
    for size in (0, 1, 4096, 4 * 4096 - 1, 4 * 4096, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1, 5 * CHUNK):
        (folder / f"noise-{size}").write_bytes(noise(size))
        (folder / f"text-{size}").write_bytes(text(size))
    for number in range(300):
        (folder / "small" / str(number)).write_bytes(text(number * 50))
    return folder


def test_every_file_comes_out_as_it_went_in(tree: Path) -> None:
    with zipfile.ZipFile(packed(tree)) as archive:
        assert len(archive.namelist()) == 322
        for entry in archive.infolist():
            content = (tree / entry.filename).read_bytes()
            assert entry.file_size == len(content)
            assert archive.read(entry) == content, entry.filename
        # The headers before the files' data are read by those who cannot seek, and agree with the directory.
        ends = [entry.header_offset for entry in archive.infolist()[1:]] + [archive.start_dir]
        for entry, end in zip(archive.infolist(), ends, strict=True):
            assert entry.header_offset + 30 + len(entry.filename) + entry.compress_size == end


def test_the_number_of_threads_does_not_show(tree: Path) -> None:
    assert packed(tree, 1).read_bytes() == packed(tree, 7).read_bytes()


def test_what_is_compressed_already_is_stored_as_it_is(tree: Path) -> None:
    with zipfile.ZipFile(packed(tree)) as archive:
        sizes = {entry.filename: entry.compress_size for entry in archive.infolist()}
    for size in (4 * 4096, CHUNK, 5 * CHUNK):
        assert size < sizes[f"noise-{size}"] <= size * 1.001 + 16
        assert sizes[f"text-{size}"] < size / 3
    assert noise(4 * 4096)[100:1000] in packed(tree).read_bytes()


def test_a_file_that_is_compressed_here_and_there(tmp_path: Path) -> None:
    folder = tmp_path / "function"
    folder.mkdir()
    (folder / "mixed").write_bytes(noise(CHUNK) + text(CHUNK) + noise(CHUNK))
    with zipfile.ZipFile(packed(folder)) as archive:
        assert archive.getinfo("mixed").compress_size < 2.4 * CHUNK
        assert archive.testzip() is None


def test_more_files_than_a_small_directory_counts(tmp_path: Path) -> None:
    """65,535 is the most that the fields of the first zip hold."""
    folder = tmp_path / "function"
    (folder / "folder").mkdir(parents=True)
    for number in range(256):
        (folder / "folder" / str(number)).touch()
        (folder / f"link-{number}").symlink_to("folder")
    with zipfile.ZipFile(packed(folder)) as archive:
        assert len(set(archive.namelist())) == 257 * 256
        assert archive.read("link-255/255") == b""
