"""The state that the steps of one job share, in several places of which a runner may provide only one."""

import io
import itertools
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from promote.github.actions.context import Context
from promote.github.actions.job_state import JobState, LedgerLocation
from promote.github.actions.log import ActionsLog
from tests.runner import parse_file_command

HELLO = LedgerLocation("arn:aws:lambda:eu-west-1:123456789012:function:hello", "eu-west-1", "promote-on-success")
OTHER = LedgerLocation("arn:aws:lambda:eu-west-1:123456789012:function:other", "eu-west-1", "promote-on-success")


class Machine:
    """A runner's folders. Each step has its own command file."""

    def __init__(self, folder: Path) -> None:
        self.temporary = folder / "runner_temp"
        self.commands = folder / "commands"
        self.temporary.mkdir()
        self.commands.mkdir()
        self._numbers = itertools.count(1)
        self._steps = itertools.count(1)

    def environ(self, **different: str) -> Mapping[str, str]:
        state = self.commands / f"save_state_{next(self._steps)}"
        state.touch()
        return {
            "RUNNER_TEMP": str(self.temporary),
            "GITHUB_STATE": str(state),
            "GITHUB_JOB": "release",
            "GITHUB_RUN_ID": "1000",
            "GITHUB_RUN_ATTEMPT": "1",
            **different,
        }

    def step(self, environ: Mapping[str, str] | None = None, draw: Callable[[], str] | None = None) -> JobState:
        """Start a step. The numbers that it draws are ``number 1``, ``number 2``, ..."""
        environ = environ or self.environ()
        workflow = ActionsLog(environ, io.StringIO())
        return JobState(
            environ, Context.from_environ(environ), workflow, draw or (lambda: f"number {next(self._numbers)}")
        )

    def files(self) -> list[Path]:
        return sorted([*self.temporary.glob("promote-on-success*"), *self.commands.glob("promote-on-success*")])


@pytest.fixture
def place(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def saved(environ: Mapping[str, str]) -> Mapping[str, str]:
    """The runner's variables for the post step of the step with ``environ``."""
    text = Path(environ["GITHUB_STATE"]).read_text(encoding="utf-8")
    return {f"STATE_{name}": value for name, value in parse_file_command(text).items()}


def test_a_further_step_of_the_job_knows_the_number_and_the_locks(place: Machine) -> None:
    first = place.step()
    first.remember(HELLO, 7)
    first.remember(OTHER)
    further = place.step()
    assert (further.job, further.locks) == (first.job, {HELLO: 7, OTHER: 0})


@pytest.mark.parametrize(
    "different", [{"GITHUB_JOB": "another"}, {"GITHUB_RUN_ID": "1001"}, {"GITHUB_RUN_ATTEMPT": "2"}]
)
def test_another_job_run_or_attempt_on_the_same_machine_knows_nothing(
    place: Machine, different: dict[str, str]
) -> None:
    first = place.step()
    first.remember(HELLO, 7)
    other = place.step(place.environ(**different))
    assert other.job != first.job
    assert other.locks == {}
    other.remember(OTHER)
    assert place.step().locks == {HELLO: 7}


def test_each_of_the_places_is_enough(place: Machine, tmp_path: Path) -> None:
    environ = place.environ()
    first = place.step(environ)
    first.remember(HELLO, 7)
    nowhere = str(tmp_path / "nowhere")
    by_temporary = place.step({**environ, "GITHUB_STATE": nowhere + "/state"})
    by_commands = place.step({**environ, "RUNNER_TEMP": nowhere})
    for file in place.files():
        file.unlink()
    by_state = place.step({**environ, **saved(environ)})
    for steps in (by_temporary, by_commands, by_state):
        assert (steps.job, steps.locks) == (first.job, {HELLO: 7})
    forgotten = place.step(environ)
    assert (forgotten.job, forgotten.locks) == ("number 2", {})


def test_outside_a_runner_every_step_is_a_separate_job() -> None:
    environ: Mapping[str, str] = {}
    steps = JobState(environ, Context.from_environ(environ), ActionsLog(environ, io.StringIO()), lambda: "number")
    steps.remember(HELLO, 7)
    assert (steps.job, steps.locks) == ("number", {HELLO: 7})


def test_a_folder_that_cannot_be_written_leaves_it_to_the_others(place: Machine, tmp_path: Path) -> None:
    file = tmp_path / "a file"
    file.touch()
    environ = place.environ(RUNNER_TEMP=str(file))
    first = place.step(environ)
    first.remember(HELLO, 7)
    assert place.step(environ).locks == {HELLO: 7}


def test_what_was_given_back_is_forgotten_everywhere(place: Machine) -> None:
    environ = place.environ()
    first = place.step(environ)
    first.remember(HELLO, 7)
    first.remember(OTHER, 8)
    first.forget(HELLO)
    assert place.step().locks == {OTHER: 8}
    for file in place.files():
        file.unlink()
    # If a step saves one name several times, the runner passes on the last value.
    assert place.step({**environ, **saved(environ)}).locks == {OTHER: 8}


def test_what_an_earlier_step_keeps_is_not_made_unsure_by_asking_for_it_again(place: Machine) -> None:
    place.step().remember(HELLO, 7)
    further = place.step()
    further.remember(HELLO)
    assert further.locks == {HELLO: 7}


def test_to_forget_what_was_never_known_is_well(place: Machine) -> None:
    steps = place.step()
    steps.forget(HELLO)
    assert steps.locks == {}


def test_what_the_files_say_comes_before_what_was_saved_for_the_step(place: Machine) -> None:
    """The post step of a later step ran first, and released the lock."""
    environ = place.environ()
    place.step(environ).remember(HELLO, 7)
    place.step().forget(HELLO)
    assert place.step({**environ, **saved(environ)}).locks == {}


@pytest.mark.parametrize("name", ["../../elsewhere", "a/b", "a b\n", "\u00e4", "x" * 64])
def test_a_job_of_any_name_has_its_file_in_the_folder(place: Machine, name: str) -> None:
    place.step(place.environ(GITHUB_JOB=name)).remember(HELLO, 7)
    assert [file.parent for file in place.files()] == [place.commands, place.temporary]
    assert place.step(place.environ(GITHUB_JOB=name)).locks == {HELLO: 7}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "\x00",
        "[]",
        "7",
        '"text"',
        "null",
        "{}",
        '{"job": ""}',
        '{"job": null}',
        '{"job": "forged", "locks": 7}',
        '{"job": "forged", "locks": null}',
        '{"job": "forged", "locks": ["abcd"]}',
        '{"job": "forged", "locks": [["arn", "region"]]}',
        '{"job": "forged", "locks": [[["arn"], "region", "table", 1]]}',
        '{"job": "forged", "locks": [["arn", "region", "table", "1"]]}',
        '{"job": ["forged"], "locks": []}',
        "[" * 100_000,
    ],
)
@pytest.mark.parametrize("where", ["temporary", "commands"])
def test_a_file_that_makes_no_sense_is_as_good_as_none(place: Machine, text: str, where: str) -> None:
    """A damaged file must not end the step with an obscure error, and the other places may have the truth."""
    environ = place.environ()
    first = place.step(environ)
    first.remember(HELLO, 7)
    folder = {"temporary": place.temporary, "commands": place.commands}[where]
    next(file for file in place.files() if file.parent == folder).write_text(text, encoding="utf-8")
    steps = place.step(environ)
    assert (steps.job, steps.locks) == (first.job, {HELLO: 7})


def test_the_post_step_of_a_job_that_left_nothing_has_no_number(place: Machine) -> None:
    """An empty number belongs to no job, so nothing can be released with it."""
    assert place.step(draw=str).job == ""


def test_a_reader_never_sees_half_a_file(place: Machine) -> None:
    place.step().remember(HELLO, 7)
    for file in place.files():
        assert json.loads(file.read_text(encoding="utf-8"))["locks"] == [[*vars(HELLO).values(), 7]]
    assert all(file.suffix == ".json" for file in place.files())
