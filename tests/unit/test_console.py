"""Output of concurrent commands: one group after the other, and no more than people can read."""

import io
import threading

import pytest

from promote.github.actions.log import ActionsLog
from promote.verification.log_groups import Console


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def console(stream: io.StringIO) -> Console:
    return Console(ActionsLog({}, stream, ["a secret"]))


def test_the_first_streams_and_the_others_wait_for_their_turn(console: Console, stream: io.StringIO) -> None:
    with console.group("one") as one:
        one.write("1")
        with console.group("two") as two:
            two.write("a")
            one.write("2")
            assert stream.getvalue() == "::group::one\n1\n2\n"
            with console.group("three") as three:
                three.write("x")
            two.write("b")
    assert stream.getvalue() == (
        "::group::one\n1\n2\n::endgroup::\n::group::two\na\nb\n::endgroup::\n::group::three\nx\n::endgroup::\n"
    )


def test_what_comes_next_streams_as_soon_as_it_is_its_turn(console: Console, stream: io.StringIO) -> None:
    first = console.group("one")
    first.__enter__()
    with console.group("two") as two:
        two.write("a")
        first.__exit__(None, None, None)
        two.write("b")
        assert stream.getvalue().endswith("::endgroup::\n::group::two\na\nb\n")


def test_a_group_ends_however_its_block_does(console: Console, stream: io.StringIO) -> None:
    with pytest.raises(OSError, match="gone"), console.group("one"):
        raise OSError("gone")
    with console.group("two"):
        pass
    assert stream.getvalue() == "::group::one\n::endgroup::\n::group::two\n::endgroup::\n"


def test_last_words_after_the_end_are_dropped(console: Console, stream: io.StringIO) -> None:
    """For example, of a process that does not end, read by a thread that is no longer waited for."""
    with console.group("one") as one:
        pass
    one.write("late")
    with console.group("two") as two:
        one.write("later")
        two.write("a")
    assert stream.getvalue() == "::group::one\n::endgroup::\n::group::two\na\n::endgroup::\n"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("10%\r20%", r"10%\r20%"),
        ("::stop-commands::x", ":\u200b:stop-commands::x"),
        (" \t::error::x", r" \t::error::x"),
        ("##[error]x", "##\u200b[error]x"),
        ("\x00\u2028\u202e", r"\x00\u2028\u202e"),
        ("it has a secret", "it has ***"),
        ("a, ä, \U0001f600", "a, ä, \U0001f600"),
    ],
)
def test_a_line_is_shown_and_does_nothing_else(console: Console, stream: io.StringIO, line: str, shown: str) -> None:
    with console.group("one") as group:
        group.write(line)
    assert stream.getvalue() == f"::group::one\n{shown}\n::endgroup::\n"


def test_a_title_is_one_line_without_secrets(console: Console, stream: io.StringIO) -> None:
    with console.group("a\n::error::b a secret"):
        pass
    assert stream.getvalue() == "::group::a\\n::error::b ***\n::endgroup::\n"


@pytest.mark.parametrize("is_first", [True, False])
def test_of_a_flood_beginning_and_end_are_shown(console: Console, stream: io.StringIO, *, is_first: bool) -> None:
    first = console.group("one")
    if not is_first:
        first.__enter__()
    with console.group("flood") as flood:
        for number in range(100_000):
            flood.write(f"line {number}")
        assert flood.last_lines == [f"line {number}" for number in range(99_995, 100_000)]
        assert sum(map(len, [*flood.kept, *flood.tail])) < 600_000
    if not is_first:
        first.__exit__(None, None, None)
    lines = stream.getvalue().splitlines()
    lines = lines[lines.index("::group::flood") :]
    assert lines[1] == "line 0"
    assert lines[-2:] == ["line 99999", "::endgroup::"]
    shown = [line for line in lines if line.startswith("line ")]
    left_out = next(line for line in lines if line.startswith("... "))
    assert left_out == f"... {100_000 - len(shown)} lines are omitted here ..."
    assert len(stream.getvalue()) < 600_000


@pytest.mark.parametrize("extra", [1, 199, 200, 201])
def test_no_line_at_the_edge_is_shown_twice_or_lost(console: Console, stream: io.StringIO, extra: int) -> None:
    """500,000 characters are shown as they come; of the rest, the last 200 lines."""
    with console.group("edge") as edge:
        for number in range(5000 + extra):
            edge.write(f"{number:099}")
    shown = [int(line) for line in stream.getvalue().splitlines() if line.isdecimal()]
    assert shown == [*range(5000), *range(5000 + max(0, extra - 200), 5000 + extra)]


def test_lines_of_many_threads_stay_in_their_groups(console: Console, stream: io.StringIO) -> None:
    barrier = threading.Barrier(8)

    def speak(name: str) -> None:
        barrier.wait()
        with console.group(name) as group:
            for _ in range(300):
                group.write(name)

    threads = [threading.Thread(target=speak, args=(f"thread {number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    blocks = stream.getvalue().removesuffix("::endgroup::\n").split("::endgroup::\n")
    assert len(blocks) == 8
    for block in blocks:
        title, *lines = block.splitlines()
        assert lines == [title.removeprefix("::group::")] * 300
