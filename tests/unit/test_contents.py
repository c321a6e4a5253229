"""What is in a given archive: understood whatever tool made it, and named if Lambda would fail."""

import io
import zipfile
from pathlib import Path

import pytest

from promote.aws.artifact import Archive, load
from promote.aws.contents import Contents, is_secret, read_contents
from promote.core.errors import InputError
from tests.unit.test_artifact import no_storage

POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 123456\n"
LINK = 0o120777
UNIX, WINDOWS = 3, 0


def zipped(*files: tuple[str, str, int], system: int = UNIX) -> bytes:
    """Return an archive of names, texts and modes."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text, mode in files:
            entry = zipfile.ZipInfo(name)
            entry.create_system = system
            entry.external_attr = mode << 16 | 0x20
            archive.writestr(entry, text)
    return target.getvalue()


def read(content: bytes) -> Contents:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return read_contents(archive)


def loaded(content: bytes, folder: Path) -> Archive:
    (folder / "code.zip").write_bytes(content)
    archive = load("code.zip", folder, folder, no_storage)
    assert isinstance(archive, Archive)
    assert archive.file.read_bytes() == content
    return archive


def test_names_are_those_that_lambda_unpacks() -> None:
    files = ("./app.py", "lib/./b.py", "lib//c.py", "/d.py", "lib/", "empty/")
    found = read(zipped(*((name, "", 0o644) for name in files)))
    assert found.names == {"app.py", "lib/b.py", "lib/c.py", "d.py"}
    assert found.folders == {".", "lib", "empty"}


def test_links_are_read(tmp_path: Path) -> None:
    files = (("a", "lib/b", LINK), ("lib/b", "", 0o644), ("lib/c", "../nowhere", LINK), ("d", "/opt/d", LINK))
    found = read(zipped(*files, ("up", ".", LINK), ("all", "lib", LINK)))
    assert found.links == {"a": "lib/b", "lib/c": "../nowhere", "d": "/opt/d", "up": ".", "all": "lib"}
    assert [found.follow(name) for name in ("a", "all/b", "up/up/all/b", "d")] == ["lib/b", "lib/b", "lib/b", None]
    [warning] = loaded(zipped(*files), tmp_path).warnings
    assert warning.startswith("'code.zip' has the link 'lib/c', whose target is not in the archive.")


@pytest.mark.parametrize("target", ["a", "b", "../../../etc/passwd"])
def test_a_link_that_cannot_be_followed(target: str) -> None:
    assert read(zipped(("a", target, LINK), ("b", "a", LINK))).follow("a/x") is None


def test_modes_count_on_systems_that_have_them() -> None:
    files = (("app.py", "", 0o100600), ("run", "", 0o100755))
    assert read(zipped(*files)).modes == {"app.py": 0o600, "run": 0o755}
    assert read(zipped(*files, system=WINDOWS)).modes == {"app.py": None, "run": None}
    assert read(zipped(*files, system=19)).modes["run"] == 0o755, "of macOS"


def test_files_that_not_everyone_may_read_are_named(tmp_path: Path) -> None:
    files = [(f"lib/{number}.py", "", 0o600) for number in range(5)]
    [warning] = loaded(zipped(("app.py", "", 0o644), *files), tmp_path).warnings
    assert "has 'lib/0.py', 'lib/1.py', 'lib/2.py' and 2 more with permissions that do not let everyone" in warning
    assert "Set artifact to the directory" in warning


def test_folders_that_not_everyone_may_enter_are_named(tmp_path: Path) -> None:
    folders = [("a/", "", 0o040700), ("b/", "", 0o040600), ("c/", "", 0o040755), ("d/", "", 0)]
    content = zipped(("app.py", "", 0o644), *folders, ("a/x.py", "", 0o644))
    [warning] = loaded(content, tmp_path).warnings
    assert "has 'a/', 'b/' with permissions that do not let everyone read" in warning


def test_scripts_that_are_not_executable_are_named(tmp_path: Path) -> None:
    files = (
        ("run.sh", "#!/bin/sh\n", 0o644),
        ("bin/migrate", "#!/usr/bin/env python3\n", 0o644),
        ("ok.sh", "#!/bin/sh\n", 0o755),
        ("sourced.sh", "a=1\n", 0o644),
        ("module.py", "#!/usr/bin/env python3\n", 0o644),
        ("LICENSE", "#\n", 0o644),
    )
    [warning] = loaded(zipped(*files), tmp_path).warnings
    assert warning.startswith("'code.zip' has 'run.sh', 'bin/migrate', which is not executable.")


def test_names_that_lead_out_of_the_archive_are_named_and_are_not_the_handler(tmp_path: Path) -> None:
    code = loaded(zipped(("app.py", "", 0o644), ("/etc/x", "", 0o644), ("a/../../y", "", 0o644)), tmp_path)
    [warning] = code.warnings
    assert warning.startswith("'code.zip' has '/etc/x', 'a/../../y', which is not a path in the function's folder.")
    assert code.contents.names == {"app.py", "etc/x"}


def test_backslashes_are_named(tmp_path: Path) -> None:
    [warning] = loaded(zipped(("app.py", "", 0), ("lib\\b.py", "", 0), system=WINDOWS), tmp_path).warnings
    assert r"has 'lib\\b.py'. Its path has backslashes" in warning


@pytest.mark.parametrize(
    "name",
    [
        *(".env", "a/.env", ".env.production", ".npmrc", ".yarnrc.yml", ".pypirc", ".netrc", ".git-credentials"),
        *(".aws/credentials", ".ssh/id", "id_ed25519", "credentials.json", "gha-creds-0a1b.json", "terraform.tfstate"),
        *(
            ".ENV",
            "a/prod.env",
            ".envrc",
            ".Env.Production",
            "Credentials.JSON",
            "x.tfstate.backup",
            "prod.auto.tfvars",
        ),
        *("terraform.tfvars.json", "terraform.tfstate.1700000000.backup", ".aws\\credentials", "a\\.env"),
    ],
)
def test_files_that_often_contain_secrets(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        *(".env.example", ".env.dist", "node_modules/a/.npmrc", "lib/site-packages/x/.env", "env", "a.env.py"),
        *(".aws-sam/build.toml", "botocore/credentials.py", "certifi/cacert.pem", ".environment"),
        *(
            ".ENV.EXAMPLE",
            "prod.env.template",
            "environment.env.ts",
            "terraform.tfvars.example",
            "node_modules\\a\\.env",
        ),
    ],
)
def test_files_that_do_not(name: str) -> None:
    assert not is_secret(name)


def test_files_that_often_contain_secrets_are_named_and_nothing_of_them_is_shown(tmp_path: Path) -> None:
    [warning] = loaded(zipped(("app.py", "", 0o644), (".env", "TOKEN=hunter2", 0o644)), tmp_path).warnings
    assert "has '.env'. Such files often contain secrets" in warning
    assert "hunter2" not in warning


CERTIFICATE, PRIVATE = (
    f"-----BEGIN {kind}-----\n{'MIIB' * 300}\n-----END {kind}-----\n" for kind in ("CERTIFICATE", "RSA PRIVATE KEY")
)


@pytest.mark.parametrize(
    ("name", "text", "is_named"),
    [
        ("server.key", PRIVATE, True),
        ("certs/SERVER.PEM", CERTIFICATE + PRIVATE, True),
        ("firebase.json", '{"type": "service_account", "private_key" : "-----BEGIN"}', True),
        ("certifi/cacert.pem", CERTIFICATE * 3, False),
        ("public.key", "-----BEGIN PUBLIC KEY-----", False),
        ("schema.json", '{"private_key": {"type": "string"}}', False),
        ("fixtures.json", '{"private_key": ""}' + " " * 20000, False),
        ("docs/keys.md", PRIVATE, False),
        ("node_modules/a/test/server.key", PRIVATE, False),
    ],
)
def test_files_with_a_private_key_are_named(tmp_path: Path, name: str, text: str, is_named: bool) -> None:  # noqa: FBT001 - a table's column
    found = loaded(zipped(("app.py", "", 0o644), (name, text, 0o644)), tmp_path).warnings
    assert [f"has {name!r}. Such files often contain secrets" in warning for warning in found] == [True] * is_named


def test_a_secret_is_named_if_a_link_gives_it_another_name(tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    for name in ("function/app.py", ".env", ".aws/config", "shared/.npmrc", "notes.txt"):
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).touch()
    for name, target in {"config.txt": "../.env", "data": "../.aws", "notes": "../notes.txt"}.items():
        (workspace / "function" / name).symlink_to(target)
    (workspace / "function" / "node_modules").symlink_to("../shared")
    archive = load("function", workspace, tmp_path, no_storage)
    assert archive
    [warning] = archive.warnings
    assert "has 'config.txt', 'data/config', 'node_modules/.npmrc'. Such files often contain secrets" in warning


def test_a_pointer_of_git_lfs_is_refused(tmp_path: Path) -> None:
    for content, said in (
        (zipped(("app.py", "", 0o644), ("model.bin", POINTER, 0o644)), "'model.bin' in 'code.zip' is a pointer"),
        (POINTER.encode(), "'code.zip' is a pointer"),
    ):
        with pytest.raises(InputError, match=f"{said} of Git LFS, not the file itself") as caught:
            loaded(content, tmp_path)
        assert "lfs: true" in caught.value.hint
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "model.bin").write_text(POINTER)
    with pytest.raises(InputError, match=r"'model.bin' in 'dist' is a pointer"):
        load("dist", tmp_path, tmp_path, no_storage)


@pytest.mark.parametrize("name", ["function.zip", "target/app.jar"])
def test_an_archive_in_an_archive_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"'code.zip' has only the archive '{name}'") as caught:
        loaded(zipped((name, "", 0o644)), tmp_path)
    assert "Unpack it" in caught.value.hint
    (tmp_path / "dist" / name).parent.mkdir(parents=True)
    (tmp_path / "dist" / name).touch()
    with pytest.raises(InputError, match=f"'dist' has only the archive '{name}'") as caught:
        load("dist", tmp_path, tmp_path, no_storage)
    assert caught.value.hint == f"Set artifact to dist/{name}."


def test_a_java_function_may_have_one_archive(tmp_path: Path) -> None:
    assert loaded(zipped(("lib/app.jar", "", 0o644)), tmp_path).names == {"lib/app.jar"}


def test_a_pattern_that_matches_one_file_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "app-1.2.3.zip").write_bytes(zipped(("app.py", "", 0o644)))
    (tmp_path / "dist" / ".hidden").touch()
    (tmp_path / "loop").symlink_to(".")
    for pattern in (
        "./dist/*.zip",
        "out/../dist/*",
        "dist/*.zip",
        "**/app-*.zip",
        "dist/app-?.?.?.zip",
        str(tmp_path / "dist" / "*"),
    ):
        archive = load(pattern, tmp_path, tmp_path, no_storage)
        assert isinstance(archive, Archive)
        assert archive.file.name == "app-1.2.3.zip"


@pytest.mark.parametrize(
    ("path", "says", "do"),
    [
        ("dist/*.zip", "'dist/*.zip' matches 2 paths: 'dist/a.zip', 'dist/b.zip'", "Name one of them"),
        ("out/*.zip", "'out/*.zip' matches nothing in the workspace", "Did you mean dist/a.zip?"),
        ("dits/a.zip", "'dits/a.zip' does not exist", "Did you mean dist/a.zip?"),
        ("b.zip", "'b.zip' does not exist", "Did you mean dist/b.zip?"),
        ("Dist", "'Dist' does not exist", "Did you mean dist?"),
        ("./dits", "'./dits' does not exist", "Did you mean dist?"),
        ("else", "'else' does not exist", "Build or download it"),
        (".git", "'.git' leads to Git's own files", "the output of the build"),
        (".git/*", "'.git/*' leads to Git's own files", "the output of the build"),
        (".gi[t]/*", "'.gi[t]/*' matches nothing", "Build or download it"),
        ("../*", "'../*' lies outside the workspace", "relative to its root"),
    ],
)
def test_paths_that_do_not_exist(tmp_path: Path, path: str, says: str, do: str) -> None:
    workspace = tmp_path / "workspace"
    (workspace / "dist").mkdir(parents=True)
    (workspace / ".git").mkdir()
    (workspace / ".git" / "config").touch()
    for name in ("a.zip", "b.zip"):
        (workspace / "dist" / name).write_bytes(zipped(("app.py", "", 0o644)))
    with pytest.raises(InputError) as caught:
        load(path, workspace, tmp_path, no_storage)
    assert says in str(caught.value)
    assert do in caught.value.hint


def test_an_empty_workspace_is_named(tmp_path: Path) -> None:
    (tmp_path / "workspace").mkdir()
    with pytest.raises(InputError, match="'dist' does not exist") as caught:
        load("dist", tmp_path / "workspace", tmp_path, no_storage)
    assert "The workspace is empty" in caught.value.hint
    assert "actions/checkout" in caught.value.hint
