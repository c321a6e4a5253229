"""How packing stays fast: chunks, threads, samples. ``test_artifact.py`` tests what it packs."""

import random
import shutil
import struct
import subprocess
import zipfile
import zlib
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Entry:
    """A file in an archive, as the central directory describes it."""

    name: str
    crc: int
    deflated: int
    size: int
    start: int
    """Where its local header begins."""


SMALL_COUNT, SMALL_PLACE = 0xFFFF, 0xFFFFFFFF
"""Fields of the first zip format that are too small. The value is then in the zip64 record."""


def read_directory(content: bytes) -> tuple[list[Entry], bool]:
    """Read the entries, and whether the archive is zip64, independently of ``zipfile``. It has no comments.

    https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3.12 and 4.3.14 to 4.3.16. Each record must end where
    the next one begins.
    """
    end = len(content) - 22
    signature, disk, first, here, count, size, place, comment = struct.unpack_from("<4s4H2LH", content, end)
    assert (signature, disk, first, here, comment) == (b"PK\5\6", 0, 0, count, 0)
    is_large = count == SMALL_COUNT or place == SMALL_PLACE
    if is_large:
        small = (count, size, place)
        end -= 20
        assert struct.unpack_from("<4sLQL", content, end) == (b"PK\6\7", 0, end - 56, 1)
        end -= 56
        record = struct.unpack_from("<4sQ2H2L4Q", content, end)
        signature, rest, _, needed, disk, first, here, count, size, place = record
        assert (signature, rest, needed, disk, first, here) == (b"PK\6\6", 56 - 12, 45, 0, 0, count)
        for old, limit, true in zip(small, (SMALL_COUNT, SMALL_PLACE, SMALL_PLACE), (count, size, place), strict=True):
            assert old in (limit, true)
    assert place + size == end
    entries = []
    for _ in range(count):
        fields = struct.unpack_from("<4s6H3L5H2L", content, place)
        signature, (crc, deflated, length), name, extra, text = fields[0], fields[7:10], *fields[10:13]
        assert (signature, extra, text) == (b"PK\1\2", 0, 0)
        entries.append(Entry(content[place + 46 : place + 46 + name].decode(), crc, deflated, length, fields[16]))
        place += 46 + name
    assert place == end
    return entries, is_large


@pytest.mark.parametrize(
    ("files", "folders", "is_large"),
    [(256, 256, True), (255, 257, True), (217, 302, False)],
    ids=["65,536", "65,535", "65,534"],
)
def test_more_files_than_a_small_directory_counts(tmp_path: Path, files: int, folders: int, *, is_large: bool) -> None:
    """65,534 is the highest number of files that the first zip format has."""
    folder = tmp_path / "function"
    for number in range(folders):
        (folder / str(number)).mkdir(parents=True)
        for place in range(files):
            (folder / str(number) / str(place)).touch()
    file = packed(folder)
    names = sorted(f"{above}/{number}" for above in range(folders) for number in range(files))
    content = file.read_bytes()
    entries, has_record = read_directory(content)
    assert ([entry.name for entry in entries], has_record) == (names, is_large)
    place = 0
    for entry in entries:
        # Each is empty, and lies where the directory says.
        assert (entry.start, entry.size, entry.crc) == (place, 0, 0)
        assert content[place + 30 : place + 30 + len(entry.name)] == entry.name.encode()
        place += 30 + len(entry.name) + entry.deflated
    with zipfile.ZipFile(file) as archive:
        assert archive.namelist() == names
        assert archive.read(names[-1]) == b""
    if UNZIP:
        assert ask(UNZIP, "-Z1", file).splitlines() == names
        assert ask(UNZIP, "-tqq", file, names[0], names[-1]) == ""


UNZIP = shutil.which("unzip")
"""Info-ZIP, which shares no code with Python's module."""


def ask(command: str, *arguments: str | Path) -> str:
    environ = {"LC_ALL": "C.UTF-8"}
    done = subprocess.run([command, *map(str, arguments)], check=False, capture_output=True, text=True, env=environ)  # noqa: S603 - our own
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout


@pytest.mark.skipif(UNZIP is None, reason="Info-ZIP is not installed")
def test_info_zip_unpacks_what_was_packed(tree: Path) -> None:
    (tree / "größe").write_bytes(text(5000))
    (tree / "small" / "0").chmod(0o755)
    target = tree.parent / "unpacked"
    assert ask(UNZIP or "", "-qq", packed(tree), "-d", target) == ""
    files = [file.relative_to(tree) for file in sorted(tree.rglob("*")) if file.is_file()]
    assert [file.relative_to(target) for file in sorted(target.rglob("*")) if file.is_file()] == files
    assert len(files) == 323
    for file in files:
        assert (target / file).read_bytes() == (tree / file).read_bytes(), file
    assert {file for file in files if (target / file).stat().st_mode & 0o100} == {Path("small/0")}
