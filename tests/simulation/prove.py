"""``make prove``: many schedules, one schedule again, or the mutants.

python -m tests.simulation.prove --seconds 60            as many schedules as fit
python -m tests.simulation.prove --schedules 50000       that many schedules
python -m tests.simulation.prove --seed 4711             one schedule, with its trace
python -m tests.simulation.prove --mutants               each mutant, until it is caught
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import chain, count, islice
from pathlib import Path
from typing import Any

from tests.simulation.mutant import Mutant
from tests.simulation.mutants import MUTANTS, install
from tests.simulation.plan import PAIRS, Hit, random_plan

CAUGHT = Path(__file__).parent / "caught.json"
"""What has caught each mutant: the guarantee, the number of schedules that were played, and the seed of the last one.

That schedule is played first, so that a hunt takes seconds. The table in docs/proof.md is generated from it.
"""

_CHUNK = 50
"""Schedules that a process plays before it reports."""
_PATIENCE = 4000
"""Schedules in which a mutant must be caught."""


@dataclass
class Tally:
    """The results of some schedules."""

    schedules: int = 0
    steps: int = 0
    calls: int = 0
    jobs: int = 0
    faults: Counter[tuple[str, Hit]] = field(default_factory=Counter)
    broken: list[tuple[int, str]] = field(default_factory=list)
    """Seeds, and what they break."""

    def add(self, other: "Tally") -> None:
        """Add the results of another tally."""
        self.schedules += other.schedules
        self.steps += other.steps
        self.calls += other.calls
        self.jobs += other.jobs
        self.faults.update(other.faults)
        self.broken += other.broken


def play_seeds(seeds: Iterable[int]) -> Tally:
    """Play the schedules of ``seeds``."""
    from tests.simulation.schedule import play  # noqa: PLC0415 - a mutant must be installed before

    tally = Tally()
    for seed in seeds:
        try:
            schedule = play(random_plan(seed))
        except Exception as error:  # noqa: BLE001 - every error belongs to a seed
            tally.schedules += 1
            tally.broken.append((seed, f"{type(error).__name__}: {error}"))
            continue
        tally.schedules += 1
        tally.steps += schedule.scheduler.steps
        tally.calls += schedule.network.calls
        tally.jobs += len(schedule.actors)
        tally.faults.update(schedule.faults.hit)
    return tally


def sweep(first: int, schedules: int | None, seconds: float, processes: int) -> Tally:
    """Play schedules from the seed ``first`` on, in several processes, until one breaks something or the time is up."""
    deadline = time.monotonic() + seconds
    tally, starts = Tally(), count(first, _CHUNK)
    last = None if schedules is None else first + schedules
    with ProcessPoolExecutor(processes) as pool:
        under_way: set[Future[Tally]] = set()
        while True:
            may_go_on = not tally.broken and (time.monotonic() < deadline if last is None else True)
            while may_go_on and len(under_way) < 2 * processes:
                start = next(starts)
                if last is not None and start >= last:
                    break
                end = start + _CHUNK if last is None else min(start + _CHUNK, last)
                under_way.add(pool.submit(play_seeds, range(start, end)))
            if not under_way:
                return tally
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            for future in done:
                tally.add(future.result())


def tell(tally: Tally, seconds: float) -> None:
    """Print what was played, and which pairs of call and fault were never reached."""
    _say(f"{tally.schedules:,} schedules of {tally.jobs:,} jobs in {seconds:.0f} s")
    _say(f"{tally.steps:,} steps, {tally.calls:,} calls, {sum(tally.faults.values()):,} faults injected")
    reached = [pair for pair in PAIRS if tally.faults[pair]]
    _say(f"{len(reached)} of {len(PAIRS)} pairs of call and fault reached")
    missing = [pair for pair in PAIRS if not tally.faults[pair]]
    for call, hit in missing[:20]:
        _say(f"  not reached: {call}: {hit}")


def replay(seed: int) -> int:
    """Play one schedule with its trace. Return 1 if it breaks something."""
    from tests.simulation.schedule import play  # noqa: PLC0415 - as above

    plan = random_plan(seed)
    _say(f"{plan}\n")
    try:
        schedule = play(plan, traced=True)
    except Exception as error:
        _say("\n".join(error.schedule.trace))  # type: ignore[attr-defined] # see play
        _say(f"\nseed {seed} breaks {type(error).__name__}: {error}")
        if not isinstance(error, AssertionError):
            raise
        return 1
    _say("\n".join(schedule.trace or []))
    _say(f"\nseed {seed} breaks nothing")
    return 0


def hunt(name: str) -> int:
    """Play schedules with the mutant until it is caught, and return 0; first the one that caught it last."""
    mutant = install(name)
    from tests.simulation.guarantees import Broken  # noqa: PLC0415 - the mutant is installed before
    from tests.simulation.schedule import play  # noqa: PLC0415 - the same

    known = json.loads(CAUGHT.read_text(encoding="utf-8")).get(name)
    found = [(known["schedules"], known["seed"])] if known else []
    for number, seed in chain(found, enumerate(islice(_seeds(mutant), _PATIENCE), 1)):
        try:
            play(random_plan(seed))
        except (Broken, TimeoutError) as error:
            if defect := next((name for name in _DEFECTS if f"unexpected {name}" in str(error)), ""):
                _say(f"the mutant does not run: {defect} in seed {seed}: {error}")
                return 1
            _say(f"{error}\n{json.dumps({'by': _guarantee(error), 'schedules': number, 'seed': seed})}")
            return 0
    _say(f"not caught in {_PATIENCE} schedules")
    return 1


_DEFECTS = ("NameError", "UnboundLocalError", "AttributeError", "TypeError", "ImportError")
"""Errors of a mutant whose source no longer fits its module. It would be caught without any guarantee."""


def _guarantee(error: Exception) -> str:
    """Return the guarantee that a schedule has broken, without what happened in it."""
    return str(error).partition(": ")[0].strip()


def _seeds(mutant: Mutant) -> Iterator[int]:
    """Yield seeds whose first fault is where the mutant probably shows."""
    for seed in count():
        call, hit = PAIRS[seed % len(PAIRS)]
        if (not mutant.calls or call in mutant.calls) and (not mutant.hits or hit in mutant.hits):
            yield seed


def hunt_all(processes: int) -> int:
    """Test each mutant in its own process, and return the number of mutants that were not caught.

    Write which schedules have caught them.
    """
    waiting, survivors, caught = list(MUTANTS), 0, dict[str, Any]()
    running: dict[str, subprocess.Popen[str]] = {}
    while waiting or running:
        while waiting and len(running) < processes:
            mutant = waiting.pop(0)
            command = [sys.executable, "-m", "tests.simulation.prove", "--mutant", mutant.name]
            running[mutant.name] = subprocess.Popen(  # noqa: S603 - ourselves
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        for name, process in list(running.items()):
            if process.poll() is not None:
                text = process.communicate()[0].strip().splitlines()
                _say(
                    f"{'caught' if process.returncode == 0 else 'MISSED'}  {name}\n          {text[-1] if text else ''}"
                )
                survivors += process.returncode != 0
                if process.returncode == 0:
                    caught[name] = json.loads(text[-1])
                del running[name]
        time.sleep(0.1)
    CAUGHT.write_text(
        json.dumps({mutant.name: caught[mutant.name] for mutant in MUTANTS if mutant.name in caught}, indent=1) + "\n",
        encoding="utf-8",
    )
    _say(f"{len(MUTANTS) - survivors} of {len(MUTANTS)} mutants caught")
    return survivors


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="prove", description="Schedules of runs, faults and clocks; see docs/proof.md."
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="play as many schedules as fit")
    parser.add_argument("--schedules", type=int, help="play so many, however long it takes")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, help="play this one alone, with its trace")
    parser.add_argument("--mutants", action="store_true", help="hunt each mutant")
    parser.add_argument("--mutant", help="hunt this one")
    given = parser.parse_args()
    if given.mutant:
        return hunt(given.mutant)
    if given.mutants:
        return min(hunt_all(given.processes), 1)
    if given.seed is not None:
        return replay(given.seed)
    started = time.monotonic()
    tally = sweep(given.first, given.schedules, given.seconds, given.processes)
    tell(tally, time.monotonic() - started)
    for seed, what in tally.broken:
        _say(f"seed {seed} breaks {what}\n  see: python -m tests.simulation.prove --seed {seed}")
    return 1 if tally.broken else 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
