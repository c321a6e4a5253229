"""What reaches the runner: no unintended commands, and no secrets."""

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promote.github.actions.log import ANNOTATION_LIMIT, SUMMARY_LIMIT, ActionsLog, plain
from tests.runner import parse_annotations, parse_file_command


def is_command(line: str) -> bool:
    """Return whether a line is a command, as in ActionCommand.TryParseV2 ("::", trimmed) and TryParse ("##[")."""
    return line.lstrip().startswith("::") or "##[" in line


@pytest.mark.parametrize(
    "text",
    [
        "::error::no",
        "   ::set-output name=a::b",
        "\t::error::no",
        "\u00a0::error::no",
        ":::error::no",
        "a\n::error::no",
        "a\r::error::no",
        "##[error]no",
        "a ##[command]no",
        "##[##[error]no",
        "\x1b[31m::error::no",
        "\x0b::error::no",
        "\u2028::error::no",
        "\x85::error::no",
    ],
)
def test_a_command_within_text_does_nothing(text: str) -> None:
    assert not any(is_command(line) for line in plain(text).splitlines())


@settings(deadline=None)
@given(st.text(st.sampled_from(":#[] \t\r\n\x1b\u00a0\u2028error]") | st.characters()))
def test_plain_text_is_one_line_and_not_a_command(text: str) -> None:
    made = plain(text)
    assert len(made.splitlines()) <= 1
    assert not is_command(made)
    assert all(character.isprintable() or character == "\u200b" for character in made)
    made.encode()
    assert plain(made.replace("\u200b", "")) == made.replace("\\u200b", "\\u200b")


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="#:")))
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert plain(text) == text


def test_colours_and_line_ends_are_shown() -> None:
    assert plain("\x1b[31mred\x1b[0m\r\nnext\tcolumn") == r"\x1b[31mred\x1b[0m\r\nnext\tcolumn"


def test_lines_are_made_harmless() -> None:
    log = io.StringIO()
    workflow = ActionsLog({}, log)
    workflow.info("::error::no")
    workflow.info("a\n::error::no")
    assert log.getvalue().splitlines() == [":\u200b:error::no", "a\\n::error::no"]


def test_annotations_are_read_as_they_were_meant() -> None:
    log = io.StringIO()
    workflow = ActionsLog({}, log)
    workflow.error("100 %: a,\r\nb%0Ac\n\n d", title="T: 1, 2 %", file="a,b:c%.py", line=3)
    workflow.warn("careful", title="W")
    error, warning = parse_annotations(log.getvalue())
    assert (error.kind, error.title, error.message) == ("error", "T: 1, 2 %", "100 %: a,\nb%0Ac\n\n d")
    assert (error.file, error.line) == ("a,b:c%.py", "3")
    assert (warning.kind, warning.title, warning.message) == ("warning", "W", "careful")


def test_the_lines_of_an_annotation_are_shown_in_the_log_and_are_text_alone() -> None:
    log = io.StringIO()
    ActionsLog({}, log).error(
        "a\r\n::error::b\n##[group]c\n\x1b[31md\re\u202e", title="##[x]\n\x1b", file="\x1b.py", line=1
    )
    (error,) = parse_annotations(log.getvalue())
    assert error.message == "a\n:\u200b:error::b\n##\u200b[group]c\n\\x1b[31md\\re\\u202e"
    assert (error.title, error.file) == ("##\u200b[x]\\n\\x1b", "\\x1b.py")


def test_a_long_annotation_keeps_what_to_do() -> None:
    log = io.StringIO()
    workflow = ActionsLog({}, log)
    workflow.error("x" * (ANNOTATION_LIMIT - 2) + "\ny", title="T")
    workflow.error("What happened: " + "x" * ANNOTATION_LIMIT + "\nDo this.", title="T")
    fits, cut = parse_annotations(log.getvalue())
    assert fits.message == "x" * (ANNOTATION_LIMIT - 2) + "\ny"
    assert len(cut.message) == ANNOTATION_LIMIT
    assert cut.message.startswith("What happened: xxx")
    assert "x…x" in cut.message
    assert cut.message.endswith("\nDo this.")


def test_secrets_are_replaced_in_all_that_leaves(tmp_path: Path) -> None:
    output, summary, log = tmp_path / "output", tmp_path / "summary", io.StringIO()
    environ = {"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)}
    workflow = ActionsLog(environ, log, ["secret", "secret and more", "", "short"])
    workflow.info("a secret and more")
    workflow.error("secret", title="secret")
    workflow.warn("secret", title="secret")
    workflow.output("name", "a secret")
    workflow.summary("a secret, and short")
    written = log.getvalue() + output.read_text() + summary.read_text()
    assert "secret" not in written
    assert "a ***\n" in log.getvalue()
    assert "and short" in written, "a value so short would blank out half the log"


def test_each_line_of_a_secret_is_one() -> None:
    log = io.StringIO()
    workflow = ActionsLog({}, log, ["-----BEGIN KEY-----\r\nMIIEvQIBADAN\nBgkqhkiG9w0B\n"])
    workflow.info("the body is not JSON: MIIEvQIBADAN BgkqhkiG9w0B")
    assert log.getvalue() == "the body is not JSON: *** ***\n"


@pytest.mark.parametrize("value", ["", "a", "a\nb\n\nc", "a<<b", "a=b", "%0A::error::", "ghadelimiter_", " ä "])
def test_outputs_are_read_as_they_were_written(tmp_path: Path, value: str) -> None:
    file = tmp_path / "output"
    workflow = ActionsLog({"GITHUB_OUTPUT": str(file)}, io.StringIO())
    workflow.output("first", value)
    workflow.output("second", "2")
    assert parse_file_command(file.read_text(encoding="utf-8")) == {"first": value, "second": "2"}


def test_a_summary_that_the_runner_would_drop_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "summary"
    workflow = ActionsLog({"GITHUB_STEP_SUMMARY": str(file)}, io.StringIO())
    workflow.summary("x" * (SUMMARY_LIMIT - 1))
    assert file.stat().st_size == SUMMARY_LIMIT
    file.unlink()
    workflow.summary("x" * SUMMARY_LIMIT)
    assert file.read_text() == "The summary is larger than the runner accepts. See the log.\n\n"


@pytest.mark.parametrize("value", ["", "a", "a\nb", "a<<b", '{"job": "0a", "locks": [["arn:x", "eu-west-1", "t", 7]]}'])
def test_what_is_saved_for_the_post_step_is_read_as_it_was_written(tmp_path: Path, value: str) -> None:
    """The runner uses the last of them, and nothing of it gets into the log or the outputs."""
    file, output, log = tmp_path / "state", tmp_path / "output", io.StringIO()
    workflow = ActionsLog({"GITHUB_STATE": str(file), "GITHUB_OUTPUT": str(output)}, log)
    workflow.state("promote", "an earlier one")
    workflow.state("promote", value)
    assert parse_file_command(file.read_text(encoding="utf-8")) == {"promote": value}
    assert file.read_text(encoding="utf-8").endswith("\n")
    assert not output.exists()
    assert not log.getvalue()


def test_outside_a_runner_no_file_is_written() -> None:
    log = io.StringIO()
    workflow = ActionsLog({}, log)
    workflow.output("name", "value")
    workflow.state("name", "value")
    workflow.summary("text")
    assert not log.getvalue()


def test_half_a_character_ends_nothing(tmp_path: Path) -> None:
    output, summary = tmp_path / "output", tmp_path / "summary"
    with (tmp_path / "log").open("w", encoding="utf-8") as log:
        workflow = ActionsLog({"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)}, log)
        workflow.info("say \udcff")
        workflow.error("error \udcff", title="T\udcff")
        workflow.output("name", "\udcff")
        workflow.summary("\udcff")
    assert (tmp_path / "log").read_text(encoding="utf-8") == "say \\udcff\n::error title=T\\udcff::error \\udcff\n"
    assert parse_file_command(output.read_text(encoding="utf-8")) == {"name": "\\udcff"}
    assert summary.read_text(encoding="utf-8") == "\\udcff\n"


def test_a_log_that_cannot_be_written_ends_nothing() -> None:
    log = io.StringIO()
    log.close()
    workflow = ActionsLog({}, log)
    workflow.info("a")
    workflow.error("b", title="c")
