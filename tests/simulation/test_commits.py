"""The graph of commits in GitHub's model."""

import pytest

from tests.simulation.commits import Commits
from tests.simulation.github import GitHub
from tests.simulation.plan import random_plan

FORK = Commits({3: (1,), 4: (2, 3), 5: ()})


@pytest.mark.parametrize(
    ("commit", "base", "status"),
    [
        (0, 0, "identical"),
        (2, 0, "ahead"),
        (0, 2, "behind"),
        (2, 3, "diverged"),
        (4, 3, "ahead"),
        (4, 2, "ahead"),
        (5, 4, "diverged"),
        (5, 0, "diverged"),
        (6, 5, "ahead"),
    ],
)
def test_how_two_commits_are_related(commit: int, base: int, status: str) -> None:
    assert FORK.status(commit, base) == status
    compared = GitHub(FORK, is_generous=True).carry_out(
        "Compare", {"base": f"{base:040x}", "head": f"{commit:040x}", "query": {"per_page": 100}}
    )
    assert compared["status"] == status
    assert [int(one["sha"], 16) for one in compared["commits"]] == FORK.between(base, commit)


def test_heads_have_nothing_after_them() -> None:
    assert FORK.heads(6) == (4, 5)


def test_the_last_commit_of_a_plan_follows_all_others() -> None:
    seen = set()
    for seed in range(300):
        commits = Commits(dict(random_plan(seed).history))
        assert commits.until(6) == frozenset(range(7))
        seen |= {commits.status(one, two) for one in range(6) for two in range(6)}
    assert seen >= {"identical", "ahead", "behind"}
