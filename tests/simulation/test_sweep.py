"""Two thousand schedules of several runs, with faults. docs/proof.md explains them and how to play one again."""

import subprocess
import sys

import pytest

from tests.runner import REPOSITORY
from tests.simulation.plan import PAIRS, random_plan
from tests.simulation.prove import play_seeds
from tests.simulation.schedule import play, workspace

SHARE, SHARES = 80, 25


@pytest.mark.parametrize("share", range(SHARES))
def test_nothing_is_broken(share: int) -> None:
    tally = play_seeds(range(SHARE * share, SHARE * (share + 1)))
    assert not tally.broken, "\n".join(
        f"python -m tests.simulation.prove --seed {seed}: {what}" for seed, what in tally.broken
    )
    assert tally.schedules == SHARE
    assert len(tally.faults) > SHARE / 2


def test_a_schedule_is_all_in_memory() -> None:
    """A schedule reads only what the jobs have checked out, starts no process and opens no connection."""
    seen: set[str] = set()
    seeds = range(0, len(PAIRS), 40)
    play_seeds(seeds)  # which loads all modules that are loaded late

    def hear(event: str, arguments: tuple[object, ...]) -> None:
        if is_listening and event.startswith(("open", "os.", "subprocess.", "socket.", "shutil.", "tempfile.")):
            seen.add(f"{event} {arguments[0]}")

    is_listening = True
    sys.addaudithook(hear)
    try:
        play_seeds(seeds)
    finally:
        is_listening = False
    folder = str(workspace().folder)
    assert {one for one in seen if not one.startswith(f"open {folder}/")} == set()
    assert seen


def test_a_seed_is_one_schedule() -> None:
    """A schedule is the same in another process, in which sets have another order."""
    seed = 4
    trace = "\n".join(play(random_plan(seed), traced=True).trace or [])
    command = [sys.executable, "-m", "tests.simulation.prove", "--seed", str(seed)]
    for hashes in ("1", "2"):
        ended = subprocess.run(  # noqa: S603 - ourselves
            command, cwd=REPOSITORY, env={"PYTHONHASHSEED": hashes}, capture_output=True, text=True, check=True
        )
        assert trace in ended.stdout
