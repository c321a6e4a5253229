"""Random histories, and git's order of their commits: ``python -m tests.histories --pairs 20000``.

Clocks are right, equal, skewed or reversed. Commits have no parent, one, two, or more (octopus). Some histories have
grafts, replacements, or borders as in a shallow clone.
"""

import argparse
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

from promote.core.commit_order import CommitRelation
from promote.github import ancestry
from promote.github.clone import opened
from tests.repository import environment, git

START = 1_700_000_000
PAIRS = 50
"""Pairs per history."""

_CLOCKS: Mapping[str, Callable[[Random, int], int]] = {
    "right": lambda _, place: START + 60 * place,
    "equal": lambda _, __: START,
    "nearly equal": lambda chance, _: START + chance.randint(0, 2),
    "skewed": lambda chance, place: START + 60 * place + chance.randint(-2_000, 2_000),
    "reversed": lambda _, place: START - 60 * place,
    "random": lambda chance, _: chance.randint(0, 2 * START),
}


@dataclass(frozen=True)
class History:
    """A repository with random commits."""

    folder: Path
    commits: tuple[str, ...]
    """Parents come before their children."""
    said: str
    """The seed and kind of the history."""


def make(folder: Path, seed: int) -> History:
    """Create one."""
    chance = Random(seed)  # noqa: S311 - no secret
    count = chance.randint(2, 40)
    name, clock = chance.choice(list(_CLOCKS.items()))
    parents = [_parents(chance, place) for place in range(count)]
    git(folder, "init", "--quiet", "--initial-branch=main")
    stream = "".join(_commit(place, clock(chance, place), given) for place, given in enumerate(parents))
    marks = folder / ".git" / "marks"
    subprocess.run(  # noqa: S603 - our own
        ["git", "fast-import", "--quiet", f"--export-marks={marks}"],  # noqa: S607 - whatever git there is
        cwd=folder,
        check=True,
        input=stream.encode(),
        env=environment(folder),
    )
    by_mark = dict(line.split() for line in marks.read_text().splitlines())
    commits = tuple(by_mark[f":{place + 1}"] for place in range(count))
    said = [f"seed {seed}", f"{count} commits", f"clocks {name}"]
    if chance.random() < 0.2:
        lines = [
            " ".join([commits[place], *(commits[one] for one in given)]) for place, given in _others(chance, count)
        ]
        (folder / ".git" / "info").mkdir(exist_ok=True)
        (folder / ".git" / "info" / "grafts").write_text("\n".join(["# made by hand", "", *lines, ""]))
        said.append(f"{len(lines)} grafts")
    if chance.random() < 0.1:
        for place, given in _others(chance, count)[:2]:
            with suppress(subprocess.CalledProcessError):  # it has these parents already
                git(folder, "replace", "--force", "--graft", commits[place], *(commits[one] for one in given))
        said.append("replacements")
    return History(folder, commits, ", ".join(said))


def check(history: History, seed: int, pairs: int = PAIRS) -> Iterator[str]:
    """Compare our result for ``pairs`` of its commits with git's, and yield each difference."""
    chance = Random(seed)  # noqa: S311 - no secret
    whole = _contained(history)
    border: set[str] = set()
    if chance.random() < 0.3:
        border = set(chance.sample(history.commits, chance.randint(1, min(4, len(history.commits)))))
        (history.folder / ".git" / "shallow").write_text("".join(f"{one}\n" for one in sorted(border)))
    seen = _contained(history) if border else whole
    with opened(history.folder) as clone:
        for _ in range(pairs):
            ours, theirs = chance.choice(history.commits), chance.choice(history.commits)
            found = ancestry.relation(clone, ours.encode(), theirs.encode())
            expected = _relation(whole, ours, theirs)
            if (
                border
                and _relation(seen, ours, theirs) is CommitRelation.DIVERGED
                and border & (seen[ours] ^ seen[theirs])
            ):
                expected = CommitRelation.UNKNOWN
            if found is not expected:
                yield f"{history.said}: {ours} to {theirs} is {expected}, and not {found}"
            listed = ancestry.between(clone, theirs.encode(), ours.encode(), len(history.commits))
            if listed is None:
                if not border & (seen[ours] | seen[theirs]):
                    yield f"{history.said}: {theirs}..{ours} is not known"
                continue
            shas = [one.decode() for one in listed.commits]
            if sorted(shas) != sorted(whole[ours] - whole[theirs]):
                yield f"{history.said}: {theirs}..{ours} is not {shas}"
            places = {one: place for place, one in enumerate(shas)}
            for one in shas:
                if any(places[one] > places[other] for other in (whole[one] - {one}) & places.keys()):
                    yield f"{history.said}: {theirs}..{ours} has {one} after what it contains"


def compare(pairs: int, seed: int = 0) -> list[str]:
    """Compare that many pairs, from as many histories as needed, and return the differences."""
    found: list[str] = []
    for number in range(seed, seed - (-pairs // PAIRS)):
        with tempfile.TemporaryDirectory() as folder:
            found += check(make(Path(folder), number), number, min(PAIRS, pairs))
    return found


def _parents(chance: Random, place: int) -> list[int]:
    """Choose parents among earlier commits, near ones more often. Most commits have one."""
    if not place or chance.random() < 0.04:
        return []
    most = chance.choices([1, 2, 3, 5], [70, 22, 5, 3])[0]
    reach = chance.choice([2, 6, place])
    before = range(max(0, place - reach), place)
    return sorted(chance.sample(before, min(most, len(before))), reverse=True)


def _others(chance: Random, count: int) -> list[tuple[int, list[int]]]:
    """Choose other parents for a few commits."""
    places = chance.sample(range(count), min(count, 3))
    return [(place, chance.sample(range(place), min(place, chance.randint(0, 3)))) for place in places]


def _commit(place: int, at: int, parents: list[int]) -> str:
    who = f"A <a@example.com> {at} +0000"
    links = "".join(f"{'merge' if index else 'from'} :{one + 1}\n" for index, one in enumerate(parents))
    branch = f"refs/heads/branch-{place}"
    return (
        f"commit {branch}\nmark :{place + 1}\nauthor {who}\ncommitter {who}\ndata {len(str(place))}\n{place}\n{links}\n"
    )


def _contained(history: History) -> dict[str, set[str]]:
    """Return the commits that each commit contains according to git, including itself."""
    return {one: set(git(history.folder, "rev-list", one).split()) for one in history.commits}


def _relation(contained: Mapping[str, set[str]], ours: str, theirs: str) -> CommitRelation:
    if ours == theirs:
        return CommitRelation.SAME
    if theirs in contained[ours]:
        return CommitRelation.NEWER
    return CommitRelation.OLDER if ours in contained[theirs] else CommitRelation.DIVERGED


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    differences = compare(given.pairs, given.seed)
    print(*differences, f"{given.pairs} pairs, {len(differences)} differences", sep="\n")  # noqa: T201 - a command
    raise SystemExit(bool(differences))
