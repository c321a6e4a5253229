"""How commits stand to each other: by a real repository, and by GitHub's answer."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
import requests

from promote.context import Context
from promote.github import Relation, relation
from tests.repository import commit, git


class Answers:
    """A session that gives one answer, and remembers what it was asked."""

    def __init__(self, status: int, body: Any) -> None:
        self.asked: list[str] = []
        self._response = requests.Response()
        self._response.status_code = status
        self._response._content = json.dumps(body).encode()  # noqa: SLF001 - how requests' own tests do it

    def __call__(self) -> requests.Session:
        return cast("requests.Session", self)

    def get(self, url: str, **options: Any) -> requests.Response:
        self.asked.append(url)
        assert options["timeout"]
        return self._response


def nobody() -> requests.Session:
    raise AssertionError("GitHub was asked")


@pytest.fixture
def history(tmp_path: Path) -> Mapping[str, str]:
    """Commits first - second - third, and other beside second."""
    folder = tmp_path / "clone"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    commits = {name: commit(folder, name) for name in ("first", "second", "third")}
    git(folder, "checkout", "--quiet", "-b", "side", commits["first"])
    commits["other"] = commit(folder, "other")
    git(folder, "gc", "--quiet")  # packed, as a clone is
    return commits


def context(workspace: Path, token: str = "") -> Context:
    return Context.from_environ(
        {"GITHUB_WORKSPACE": str(workspace), "GITHUB_REPOSITORY": "octo/hello", "INPUT_GITHUB-TOKEN": token}
    )


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ("third", "first", Relation.NEWER),
        ("first", "third", Relation.OLDER),
        ("second", "second", Relation.SAME),
        ("other", "second", Relation.DIVERGED),
    ],
)
def test_local_history_decides(
    tmp_path: Path, history: Mapping[str, str], ours: str, theirs: str, expected: Relation
) -> None:
    assert relation(history[ours], history[theirs], context(tmp_path / "clone"), nobody) is expected


def test_a_shallow_clone_does_not_take_missing_history_for_a_parting(
    tmp_path: Path, history: Mapping[str, str]
) -> None:
    git(tmp_path, "clone", "--quiet", "--depth=1", "--no-single-branch", f"file://{tmp_path}/clone", "shallow")
    shallow = context(tmp_path / "shallow")
    assert relation(history["third"], history["first"], shallow, nobody_without_token) is Relation.UNKNOWN
    assert relation(history["third"], history["other"], shallow, nobody_without_token) is Relation.UNKNOWN


def nobody_without_token() -> requests.Session:
    return cast("requests.Session", None)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("ahead", Relation.NEWER),
        ("behind", Relation.OLDER),
        ("identical", Relation.SAME),
        ("diverged", Relation.DIVERGED),
        ("something new", Relation.UNKNOWN),
    ],
)
def test_github_is_asked_where_there_is_no_history(tmp_path: Path, status: str, expected: Relation) -> None:
    session = Answers(200, {"status": status})
    assert relation("b" * 40, "a" * 40, context(tmp_path, "token"), session) is expected
    assert session.asked == [f"https://api.github.com/repos/octo/hello/compare/{'a' * 40}...{'b' * 40}"]


@pytest.mark.parametrize(("status", "body"), [(404, {"status": "404"}), (200, []), (500, {})])
def test_whatever_else_github_says_is_unknown(tmp_path: Path, status: int, body: Any) -> None:
    assert relation("b" * 40, "a" * 40, context(tmp_path, "token"), Answers(status, body)) is Relation.UNKNOWN


def test_without_a_commit_nothing_is_asked(tmp_path: Path) -> None:
    assert relation("", "a" * 40, context(tmp_path, "token"), nobody) is Relation.UNKNOWN
    assert relation("", "", context(tmp_path, "token"), nobody) is Relation.SAME
