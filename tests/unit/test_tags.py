"""Which tags name versions, and their order."""

import itertools
import random

import pytest

from promote.github.tags import Version, before


@pytest.mark.parametrize(
    "series",
    [
        # https://semver.org/#spec-item-11
        "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0",
        "v0.9 v0.10 v1.0-rc1 v1.0-rc2 v1.0-rc10 v1.0 v1.0.1 v1.2 v1.10 v2.0",
        "1.0a1 1.0b2 1.0rc1 1.0 1.0.post1 1.1",  # https://packaging.python.org/specifications/version-specifiers
        "my-s3-function/v1.0.0-1 my-s3-function/v1.0.0 my-s3-function/v1.0.1",
        "1.0.0.M1 1.0.0.RC1 1.0.0.RELEASE 1.1.0.Final",
        "release-2026-09-30 release-2026-10-01 release-2026-11-23",
        "v1.2.0-rc.1 v1.2 v1.2.1",
        "build-9 build-10 build-100",
        "fn@1.2.3-beta.0 fn@1.2.3+build.5 fn@1.2.4",
        "release/2026-01-31.1 release/2026-02-01 release/2026-02-01.1 release/2026-02-01.2",
        "deploy-2026-01-01T10-30 deploy-2026-01-01T11-05",
        "python3.12-v1.9.0 python3.12-v1.10.0-rc.1 python3.12-v1.10.0",
        "python3.12-1.9.0 python3.12-1.10.0",
        "python-3.12-v1.9 python-3.12-v1.10",
        "python3.12-v9 python3.12-v10",
        "v1.0.0-arm64 v1.0.1-arm64 v1.0.10-arm64",
        "v1.0.0-arm64-rc.1 v1.0.0-arm64-rc.2 v1.0.0-arm64 v1.0.1-arm64",
        "v1.0.0-rc.2-x86_64 v1.0.0-rc.10-x86_64 v1.0.0-x86_64 v1.0.0-x86_64-hotfix.1",
        "v2026.1.1-a1b2c3d v2026.1.2-ffffff1",
    ],
)
def test_versions_follow_one_another(series: str) -> None:
    names = series.split()
    versions = [Version.of(name) for name in names]
    assert all(one < other for one, other in itertools.combinations([one for one in versions if one], 2))
    assert None not in versions
    shuffled = random.Random(1).sample(names, len(names))  # noqa: S311 - any order
    latest = versions[-1]
    assert latest is not None
    assert (
        list(before(names[-1], shuffled))
        == [name for name, one in zip(names, versions, strict=True) if one and one < latest and not one.is_prerelease][
            ::-1
        ]
    )


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("v1.2.0-rc.1", True),
        ("v1.2.0-1", True),
        ("1.2b1", True),
        ("v1.2.0", False),
        ("1.2.post1", False),
        ("1.2.0+build-5", False),
        ("1.0.0.Final", False),
        ("release-2026-11-23", False),
        ("v7", False),
        ("python3.12-v1.10.0", False),
        ("python3.12-1.10.0", False),
        ("v1.0.1-arm64", False),
        ("v1.2.4-aws", False),
        ("v1.0.1-arm64-rc.1", True),
        ("v1.0.1-rc.1-arm64", True),
        ("v1.0.1-arm64-post1", False),
        ("v1.0.1-linux-c", False),
        ("v1.2.3-a1b2c3d", False),
        ("release/2026-02-01.1", False),
        ("v1.2.0-SNAPSHOT", True),
        ("v1.2.0-canary.20260101", True),
        ("1.2c1", True),
    ],
)
def test_a_prerelease_is_known_by_its_name(tag: str, expected: bool) -> None:  # noqa: FBT001 - the expectation
    version = Version.of(tag)
    assert version is not None
    assert version.is_prerelease is expected


@pytest.mark.parametrize("tag", ["nightly", "", "v", "🎉", "stable-branch", "v1.2.0 rc"])
def test_some_tags_name_no_version(tag: str) -> None:
    assert Version.of(tag) is None
    assert before(tag, ["v1", "v2", "nightly"]) == ()


@pytest.mark.parametrize(
    ("tag", "prefix", "numbers", "suffix"),
    [
        ("python3.12-layer-v1.10.0", "python3.12-layer-v", (1, 10, 0), ""),
        ("python3.12-layer-1.10.0-rc.2", "python3.12-layer-", (1, 10, 0), "rc.2"),
        ("node18.x/orders@2.0.1", "node18.x/orders@", (2, 0, 1), ""),
        ("2026.11-app_1.2.3", "2026.11-app_", (1, 2, 3), ""),
        ("v1.0.0-alpha-1.2", "v", (1, 0, 0), "alpha-1.2"),
        ("v1.0.0-RC1-2.1", "v", (1, 0, 0), "RC1-2.1"),
        ("1.2.3-hotfix-1.1", "", (1, 2, 3), "hotfix-1.1"),
        ("1.2.3+linux-5.4", "", (1, 2, 3), ""),
        ("python3.12-v1.10.0", "python3.12-v", (1, 10, 0), ""),
        ("python3.12-1.10.0", "python3.12-", (1, 10, 0), ""),
        ("layer-python3.12-1.10.0-rc.1", "layer-python3.12-", (1, 10, 0), "rc.1"),
        ("python-3.12-v1.10", "python-3.12-v", (1, 10), ""),
        ("python3.12-v10", "python3.12-v", (10,), ""),
        ("v1.0.0-1.2", "v", (1, 0, 0), "1.2"),
        ("hello/v1.0.0-1.2", "hello/v", (1, 0, 0), "1.2"),
        ("hello-1.0.0-1.2", "hello-", (1, 0, 0), "1.2"),
        ("release/2026-02-01.1", "release/", (2026, 2, 1, 1), ""),
        ("node20-v7", "node20-v", (7,), ""),
    ],
)
def test_a_version_is_read_from_the_right(tag: str, prefix: str, numbers: tuple[int, ...], suffix: str) -> None:
    assert Version.of(tag) == Version(prefix, numbers, suffix)


def test_a_variant_and_a_prerelease_are_both_read() -> None:
    for tag in ("v1.0.0-arm64-rc.1", "v1.0.0-rc.1-arm64"):
        assert Version.of(tag) == Version("v", (1, 0, 0), "rc.1", "arm64")
    assert Version.of("v1.0.0-canary.5-a1b2c3d") == Version("v", (1, 0, 0), "canary.5-a1b2c3d")
    assert before("v1.0.0-arm64-rc.2", ["v1.0.0-rc.1", "v1.0.0-arm64-rc.1", "v1.0.0-x86-rc.1"]) == (
        "v1.0.0-arm64-rc.1",
    )


def test_each_variant_has_its_own_series() -> None:
    names = ["v1.0.0", "v1.0.0-arm64", "v1.0.0-x86_64", "v1.0.1-x86_64", "v1.0.1-rc.1"]
    assert before("v1.0.1-arm64", names) == ("v1.0.0-arm64",)
    assert before("v1.0.1", names) == ("v1.0.0",)


def test_before_a_prerelease_comes_whatever_is_older() -> None:
    names = ["v1.2.0-rc.1", "v1.2.0-beta.1", "v1.1.0", "v1.1.0-rc.1", "v1.2.0", "2.0.0", "w1.0.0"]
    assert before("v1.2.0-rc.2", names) == ("v1.2.0-rc.1", "v1.2.0-beta.1", "v1.1.0", "v1.1.0-rc.1")
    assert before("v1.2.0", names) == ("v1.1.0",)
    assert before("v1.1.0", names) == ()


def test_the_tag_that_is_moved_along_comes_after_the_release_it_was_moved_to() -> None:
    names = ["v1", "v1.0", "v1.0.0", "v1.0.1", "v01.0.0"]
    for order in itertools.permutations(names):
        assert before("v1.0.1", order) == ("v1.0.0", "v01.0.0", "v1.0", "v1")
