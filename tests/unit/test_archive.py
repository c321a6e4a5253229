"""How packing stays fast: chunks, threads, samples. ``test_artifact.py`` tests what it packs."""

import random
import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from promote.aws.archive import pack

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
    """Return a folder with files of all sizes at which the behavior changes."""
    folder = tmp_path / "function"
    (folder / "small").mkdir(parents=True)
    for size in (0, 1, 4096, 4 * 4096 - 1, 4 * 4096, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1, 5 * CHUNK):
        (folder / f"noise-{size}").write_bytes(noise(size))
        (folder / f"text-{size}").write_bytes(text(size))
    for number in range(300):
        (folder / "small" / str(number)).write_bytes(text(number * 50))
    return folder


def test_every_file_comes_out_as_it_went_in(tree: Path) -> None:
    file = packed(tree)
    with zipfile.ZipFile(file) as archive:
        assert len(archive.namelist()) == 322
        for entry in archive.infolist():
            content = (tree / entry.filename).read_bytes()
            assert entry.file_size == len(content)
            assert archive.read(entry) == content, entry.filename
        entries, end = archive.infolist(), archive.start_dir
    # Readers from front to back use the headers before the data, which have the same values and leave no gap.
    content, place = file.read_bytes(), 0
    for entry in entries:
        signature, crc, deflated, size, name = struct.unpack_from("<4s10x3LH", content, place)
        assert (place, signature, name) == (entry.header_offset, b"PK\3\4", len(entry.filename))
        assert (crc, deflated, size) == (entry.CRC, entry.compress_size, entry.file_size), entry.filename
        place += 30 + name + deflated
    assert place == end


def test_the_number_of_threads_does_not_show(tree: Path) -> None:
    assert packed(tree, 1).read_bytes() == packed(tree, 7).read_bytes()


def test_what_is_compressed_already_is_stored_as_it_is(tree: Path) -> None:
    with zipfile.ZipFile(packed(tree)) as archive:
        sizes = {entry.filename: entry.compress_size for entry in archive.infolist()}
    for size in (4 * 4096, CHUNK, 5 * CHUNK):
        assert size < sizes[f"noise-{size}"] <= size * 1.001 + 16
        assert sizes[f"text-{size}"] < size / 3
    assert noise(4 * 4096)[100:1000] in packed(tree).read_bytes()


def test_what_would_hardly_become_smaller_is_stored_as_well(tmp_path: Path) -> None:
    folder = tmp_path / "function"
    folder.mkdir()
    dense = noise(CHUNK).translate(None, bytes(range(16)))
    (folder / "dense").write_bytes(dense)
    assert len(zlib.compress(dense, 1)) < 0.995 * len(dense)
    with zipfile.ZipFile(packed(folder)) as archive:
        assert archive.getinfo("dense").compress_size > len(dense)


def test_a_file_that_is_compressed_here_and_there(tmp_path: Path) -> None:
    folder = tmp_path / "function"
    folder.mkdir()
    (folder / "mixed").write_bytes(noise(CHUNK) + text(CHUNK) + noise(CHUNK))
    with zipfile.ZipFile(packed(folder)) as archive:
        assert archive.getinfo("mixed").compress_size < 2.4 * CHUNK
        assert archive.testzip() is None


def test_more_files_than_a_small_directory_counts(tmp_path: Path) -> None:
    """65,535 is the maximum of the fields of the first zip format."""
    folder = tmp_path / "function"
    (folder / "folder").mkdir(parents=True)
    for number in range(256):
        (folder / "folder" / str(number)).touch()
        (folder / f"link-{number}").symlink_to("folder")
    file = packed(folder)
    end = file.read_bytes()[-98:]
    assert struct.unpack_from("<4s28xQ", end) == (b"PK\6\6", 257 * 256)
    assert struct.unpack_from("<4s4xQ", end, 56) == (b"PK\6\7", file.stat().st_size - 98)
    assert struct.unpack_from("<4s4xHH", end, 76) == (b"PK\5\6", 65535, 65535)
    with zipfile.ZipFile(file) as archive:
        assert len(set(archive.namelist())) == 257 * 256
        assert archive.read("link-255/255") == b""
