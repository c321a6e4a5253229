"""Links in a packed directory: kept within it, followed once out of it, as package managers need it."""

import os
import stat
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promote.aws.archive import pack
from promote.core.errors import InputError


def plant(folder: Path, files: Mapping[str, str], links: Mapping[str, str] | None = None) -> Path:
    """Write files with these texts, and links to these targets."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    for name, target in (links or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(target)
    return folder


def packed(folder: Path, workspace: Path) -> dict[str, str]:
    """Pack and return the text of each file, and ``-> target`` of each link."""
    archive = workspace.parent / "packed.zip"
    pack(folder, archive, workspace)
    with zipfile.ZipFile(archive) as file:
        assert file.testzip() is None
        names = file.namelist()
        assert len(set(names)) == len(names)
        return {
            entry.filename: ("-> " * stat.S_ISLNK(entry.external_attr >> 16)) + file.read(entry).decode()
            for entry in file.infolist()
        }


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "workspace").mkdir()
    return tmp_path / "workspace"


def test_links_within_the_directory_stay_links(workspace: Path) -> None:
    """The layout of pnpm: packages are in a store, and everything else is links."""
    links = {
        "node_modules/one": ".pnpm/one@1.0.0/node_modules/one",
        "node_modules/.pnpm/one@1.0.0/node_modules/two": "../../two@2.0.0/node_modules/two",
        "node_modules/.pnpm/two@2.0.0/node_modules/one": "../../one@1.0.0/node_modules/one",
        "up": "..//function/",
        "self": ".",
        "node_modules/.bin/two": "../one/../.pnpm/two@2.0.0/node_modules/two/index.js",
    }
    files = {
        "index.js": "0",
        "node_modules/.pnpm/one@1.0.0/node_modules/one/index.js": "1",
        "node_modules/.pnpm/two@2.0.0/node_modules/two/index.js": "2",
    }
    found = packed(plant(workspace / "function", files, {**links, "node_modules/.bin/two": "x"}), workspace)
    assert found == {
        **files,
        **{name: f"-> {target}" for name, target in links.items()},
        "up": "-> .",
        "node_modules/.bin/two": "-> x",  # broken, as package managers leave it
    }


def test_an_absolute_link_becomes_relative(workspace: Path) -> None:
    folder = plant(workspace / "function", {"lib/a.py": ""})
    plant(folder, {}, {"lib/b.py": f"{folder}/lib/a.py", "root": str(folder), "deep/er/lib": f"{folder}/lib"})
    found = packed(folder, workspace)
    assert found == {"lib/a.py": "", "lib/b.py": "-> a.py", "root": "-> .", "deep/er/lib": "-> ../../lib"}


@pytest.mark.parametrize("target", ["/opt/nodejs/node_modules", "/tmp/cache", "/mnt/models", "/var/task/lib"])  # noqa: S108 - in Lambda
def test_a_link_to_a_folder_of_lambda_is_kept(workspace: Path, target: str) -> None:
    folder = plant(workspace / "function", {"index.js": ""}, {"node_modules": target, "again": "node_modules/x"})
    assert packed(folder, workspace) == {"index.js": "", "node_modules": f"-> {target}", "again": "-> node_modules/x"}


def test_a_relative_link_to_a_layer_is_kept(workspace: Path) -> None:
    target = "../../../opt/lib"
    assert packed(plant(workspace / "function", {"a/b": ""}, {"a/lib": target}), workspace)["a/lib"] == f"-> {target}"


def test_what_links_lead_to_out_of_the_directory_is_packed_once(workspace: Path) -> None:
    plant(workspace, {"shared/b.py": "b", "shared/inner/c.py": "c", "d.py": "d"}, {"shared/link": "inner/c.py"})
    links = {
        "one": "../shared",
        "two": "../shared",
        "x/three": "../../shared/inner",
        "d.py": "../d.py",
        "e.py": "../d.py",
        "f.py": "../shared/b.py",
    }
    assert packed(plant(workspace / "function", {"app.py": ""}, links), workspace) == {
        "app.py": "",
        "one/b.py": "-> ../f.py",
        "one/inner/c.py": "c",
        "one/link": "-> inner/c.py",
        "two": "-> one",
        "x/three": "-> ../one/inner",
        "d.py": "d",
        "e.py": "-> d.py",
        "f.py": "b",
    }


def test_a_part_that_was_packed_before_the_whole(workspace: Path) -> None:
    plant(workspace, {"shared/b.py": "b", "shared/inner/c.py": "c"})
    links = {"a": "../shared/inner", "b.py": "../shared/b.py", "c": "../shared"}
    found = packed(plant(workspace / "function", {}, links), workspace)
    assert found == {"a/c.py": "c", "b.py": "b", "c/b.py": "-> ../b.py", "c/inner": "-> ../a"}


def test_a_link_to_a_folder_around_the_directory_ends(workspace: Path) -> None:
    plant(
        workspace, {"packages/api/app.py": "a", "packages/api/.git/HEAD": "", "packages/b/b.py": "b", ".git/config": ""}
    )
    folder = plant(workspace / "packages" / "api", {}, {"all": "../.."})
    assert packed(folder, workspace) == {"app.py": "a", "all/packages/api": "-> ../..", "all/packages/b/b.py": "b"}


def test_many_links_to_one_another_do_not_multiply(workspace: Path) -> None:
    """Packages that link to each other, as in a workspace of npm: each way through the links is a path."""
    count = 12
    for number in range(count):
        others = {f"node_modules/p{other}": f"../../p{other}" for other in range(count) if other != number}
        plant(workspace / "packages" / f"p{number}", {"index.js": "x" * 1000}, others)
    folder = workspace / "packages" / "p0"
    found = packed(folder, workspace)
    assert sum(not text.startswith("-> ") for text in found.values()) == count
    assert len(found) == 1 + (count - 1) * count


def test_a_workspace_of_pnpm_brings_the_packages_that_packages_need(workspace: Path) -> None:
    """The function's packages are in the store of the workspace. What they need is beside them there."""
    store = "node_modules/.pnpm"
    plant(
        workspace,
        {
            f"{store}/one@1.0.0/node_modules/one/index.js": "1",
            f"{store}/two@2.0.0/node_modules/two/index.js": "2",
            f"{store}/unused@3.0.0/node_modules/unused/index.js": "3",
            "packages/shared/index.js": "shared",
        },
        {
            f"{store}/one@1.0.0/node_modules/two": "../../two@2.0.0/node_modules/two",
            f"{store}/two@2.0.0/node_modules/one": "../../one@1.0.0/node_modules/one",
            "packages/shared/node_modules/two": f"../../../{store}/two@2.0.0/node_modules/two",
        },
    )
    links = {
        "node_modules/one": f"../../../{store}/one@1.0.0/node_modules/one",
        "node_modules/@team/shared": "../../../shared",
    }
    assert packed(plant(workspace / "packages" / "api", {"index.js": "0"}, links), workspace) == {
        "index.js": "0",
        "node_modules/one": "-> .pnpm/one@1.0.0/node_modules/one",
        "node_modules/@team/shared/index.js": "shared",
        "node_modules/@team/shared/node_modules/two": "-> ../../../.pnpm/two@2.0.0/node_modules/two",
        f"{store}/one@1.0.0/node_modules/one/index.js": "1",
        f"{store}/one@1.0.0/node_modules/two": "-> ../../two@2.0.0/node_modules/two",
        f"{store}/two@2.0.0/node_modules/two/index.js": "2",
        f"{store}/two@2.0.0/node_modules/one": "-> ../../one@1.0.0/node_modules/one",
    }


def test_two_stores_with_the_same_package_do_not_mix(workspace: Path) -> None:
    place = "node_modules/.pnpm/one@1.0.0/node_modules/one"
    plant(workspace, {f"{place}/index.js": "theirs", f"other/{place}/index.js": "others"})
    folder = plant(workspace / "api", {f"{place}/index.js": "own"}, {"a": f"../{place}", "b": f"../other/{place}"})
    found = packed(folder, workspace)
    assert {name: found[f"{found[name].removeprefix('-> ')}/index.js"] for name in ("a", "b")} == {
        "a": "theirs",
        "b": "others",
    }
    assert found[f"{place}/index.js"] == "own"


@pytest.mark.parametrize("target", ["../.git/config", "../.git", "../sub/.git/config"])
def test_the_files_of_git_are_not_followed(workspace: Path, target: str) -> None:
    plant(workspace, {".git/config": "token", "sub/.git/config": "token"})
    folder = plant(workspace / "function", {"app.py": ""}, {"link": target})
    with pytest.raises(InputError, match="the link 'link' leads to Git's own files"):
        packed(folder, workspace)


def test_a_link_into_left_out_files_is_refused(workspace: Path) -> None:
    folder = plant(workspace / "function", {"app.py": "", ".git/config": "token"}, {"link": ".git/config"})
    with pytest.raises(InputError, match="leads to Git's own files"):
        packed(folder, workspace)


def test_a_directory_that_cannot_be_read_is_named(workspace: Path) -> None:
    plant(workspace / "function", {"app.py": ""})
    with pytest.raises(InputError, match=r"'function/app.py' cannot be read: Not a directory"):
        packed(workspace / "function" / "app.py", workspace)


def test_links_give_the_same_bytes_again(workspace: Path) -> None:
    plant(workspace, {"shared/b.py": "b"})
    folder = plant(workspace / "function", {"app.py": ""}, {"z": "../shared", "a": "../shared", "s": "app.py"})
    pack(folder, workspace.parent / "first.zip", workspace)
    for link in ("s", "a", "z"):
        target = (folder / link).readlink()
        (folder / link).unlink()
        (folder / link).symlink_to(target)
    pack(folder, workspace.parent / "second.zip", workspace, width=1)
    assert (workspace.parent / "first.zip").read_bytes() == (workspace.parent / "second.zip").read_bytes()


def unpack(archive: Path, folder: Path) -> None:
    """Unpack with links, which come last."""
    with zipfile.ZipFile(archive) as file:
        entries = sorted(file.infolist(), key=lambda entry: stat.S_ISLNK(entry.external_attr >> 16))
        for entry in entries:
            if stat.S_ISLNK(entry.external_attr >> 16):
                (folder / entry.filename).parent.mkdir(parents=True, exist_ok=True)
                (folder / entry.filename).symlink_to(file.read(entry).decode())
            else:
                file.extract(entry, folder)


def tree(folder: Path, depth: int = 3) -> Iterator[tuple[str, str]]:
    """Yield each path, also through links, to this depth, with the text of a file or the word "folder"."""
    for entry in sorted(folder.iterdir()):
        yield entry.name, "folder" if entry.is_dir() else entry.read_text(encoding="utf-8")
        if entry.is_dir() and depth:
            yield from ((f"{entry.name}/{name}", text) for name, text in tree(entry, depth - 1))


FOLDERS = ("function", "function/a", "function/a/b", "shared", "shared/a", "shared/c", "else")


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.tuples(st.sampled_from(FOLDERS), st.sampled_from("xyz"), st.sampled_from(FOLDERS), st.booleans())),
)
def test_each_path_through_links_leads_to_the_same_file(links: list[tuple[str, str, str, bool]]) -> None:
    """Whatever links lead to, the unpacked archive has the same files at the same paths."""
    with tempfile.TemporaryDirectory() as temporary:
        workspace = Path(temporary).resolve() / "workspace"
        plant(workspace, {f"{folder}/file": folder for folder in FOLDERS})
        for folder, name, target, is_file in links:
            link, to = workspace / folder / name, workspace / target / ("file" if is_file else "")
            if not os.path.lexists(link):
                link.symlink_to(os.path.relpath(to, link.parent))
        pack(workspace / "function", workspace.parent / "packed.zip", workspace)
        (workspace.parent / "unpacked").mkdir()
        unpack(workspace.parent / "packed.zip", workspace.parent / "unpacked")
        assert dict(tree(workspace.parent / "unpacked")) == dict(tree(workspace / "function"))
        with zipfile.ZipFile(workspace.parent / "packed.zip") as archive:
            files = [entry for entry in archive.infolist() if not stat.S_ISLNK(entry.external_attr >> 16)]
            assert len(files) <= len(FOLDERS), "each file is there once"
