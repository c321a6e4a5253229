"""pytest suites and bash commands as processes: the result of each way in which they can end."""

import io
import os
import sys
import textwrap
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from promote.core.clock import SystemClock
from promote.core.concurrency import map_concurrently
from promote.core.errors import InputError
from promote.core.verdict import CheckResult, Outcome, Verdict
from promote.github.actions.log import ActionsLog
from promote.inputs.checks import require_command
from promote.inputs.value import Value
from promote.verification.log_groups import Console
from promote.verification.process import CommandContext, environment, run
from promote.verification.pytest_suite import Suite, read_suite, run_suite
from promote.verification.script import run_script

PASSED, FAILED, SKIPPED, INCONCLUSIVE = Outcome.PASSED, Outcome.FAILED, Outcome.SKIPPED, Outcome.INCONCLUSIVE


@dataclass
class Place:
    """A repository, and what runs in it."""

    context: CommandContext
    stream: io.StringIO

    @property
    def log(self) -> str:
        return self.stream.getvalue()

    def write(self, name: str, text: str) -> Path:
        file = self.context.workspace / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        return file

    def tests(self, arguments: str, seconds: float = 300) -> list[CheckResult]:
        suite = read_suite(arguments, "", self.context.workspace)
        assert suite
        return run_suite(suite, "http://127.0.0.1:9/x", self.context, self.context.clock.monotonic() + seconds)

    def script(self, text: str, seconds: float = 300) -> CheckResult:
        return run_script(text, self.context, self.context.clock.monotonic() + seconds)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    for name in ("workspace", "temporary", "shared"):
        (tmp_path / name).mkdir()
    stream = io.StringIO()
    # pytest deletes the folders of earlier sessions, so its root must not be that of these tests.
    own = {"PYTEST_DEBUG_TEMPROOT": str(tmp_path)}
    environ = environment({"PATH": os.environ["PATH"], "HOME": str(tmp_path), **own}, ())
    console = Console(ActionsLog({}, stream))
    return Place(
        CommandContext(
            tmp_path / "workspace", tmp_path / "temporary", tmp_path / "shared", environ, console, SystemClock()
        ),
        stream,
    )


def found(results: list[CheckResult]) -> Mapping[str, tuple[Outcome, str, int]]:
    return {result.name: (result.outcome, result.file, result.line) for result in results}


def test_each_test_is_a_result_with_its_place_in_the_repository(place: Place) -> None:
    """Also if a folder has pytest's own configuration, which would make that folder pytest's root."""
    place.write("tests/pytest.ini", "[pytest]\naddopts = -ra --color=yes\n")
    place.write("tests/conftest.py", "")
    place.write(
        "tests/deep/test_site.py",
        """\
        import pytest

        def test_good(base_url):
            assert base_url == "http://127.0.0.1:9/x"

        def test_bad():
            answer = 500
            assert answer == 200

        class TestShop:
            class TestCart:
                def test_empty(self):
                    raise RuntimeError("no cart")

        @pytest.mark.parametrize("number", [1, 2])
        def test_number(number):
            assert number == 1

        def helper():
            raise ValueError("in a helper")

        def test_helped():
            helper()

        @pytest.fixture
        def broken():
            raise OSError("no database")

        def test_set_up(broken):
            pass

        @pytest.mark.skip(reason="not today")
        def test_later():
            pass

        @pytest.mark.xfail
        def test_known():
            assert 0
        """,
    )
    results = place.tests("tests")
    file = "tests/deep/test_site.py"
    assert found(results) == {
        f"{file}::test_good": (PASSED, file, 3),
        f"{file}::test_bad": (FAILED, file, 8),
        f"{file}::TestShop::TestCart::test_empty": (FAILED, file, 13),
        f"{file}::test_number[1]": (PASSED, file, 15),
        f"{file}::test_number[2]": (FAILED, file, 17),
        f"{file}::test_helped": (FAILED, file, 20),
        f"{file}::test_set_up": (FAILED, file, 27),
        f"{file}::test_later": (SKIPPED, file, 32),
        f"{file}::test_known": (SKIPPED, file, 36),
    }
    details = {result.name.rpartition("::")[2]: result.detail for result in results}
    assert details["test_bad"] == "assert 500 == 200"
    assert details["test_empty"] == "RuntimeError: no cart"
    assert "no database" in details["test_set_up"]
    assert details["test_later"] == "not today"
    assert "\x1b" not in place.log


def test_tests_that_cannot_be_collected_say_why_and_where(place: Place) -> None:
    place.write("tests/test_good.py", "def test_good(): pass\n")
    place.write("tests/test_broken.py", "import os\nimport nowhere_to_be_found\n")
    place.write("tests/test_syntax.py", "def test_x():\n    return (\n")
    results = {result.file: result for result in place.tests("tests") if result.file}
    assert set(results) == {"tests/test_broken.py", "tests/test_syntax.py"}
    broken = results["tests/test_broken.py"]
    assert (broken.outcome, broken.line) == (FAILED, 2)
    assert "nowhere_to_be_found" in broken.detail
    assert results["tests/test_syntax.py"].outcome is FAILED
    assert "SyntaxError" in results["tests/test_syntax.py"].detail


NOTHING = "def helper(): pass\n"
SKIPS = "import pytest\n@pytest.mark.skip\ndef test_a(): pass\n"


@pytest.mark.parametrize(
    ("source", "arguments", "reason"),
    [
        (NOTHING, "tests", "no test was collected"),
        ("def test_a(): pass\n", "tests -k nothing_like_it", "no test was collected"),
        ("def test_a(): pass\n", "tests --collect-only", "no test was collected"),
        (SKIPS, "tests", "skipped"),
        ("def test_a(): pass\n", "tests --no-such-option", "pytest does not understand the input tests"),
        ("def test_a(): pass\n", "tests/test_a.py::test_b", "pytest does not understand the input tests"),
        ("import pytest\ndef test_a(): pytest.exit('enough')\n", "tests", "pytest was interrupted"),
        (
            "import os\ndef test_a(): os._exit(0)\n",
            "tests",
            "pytest ended with exit code 0, and the report of the tests is missing",
        ),
        ("import os\ndef test_a(): os._exit(9)\n", "tests", "pytest ended with exit code 9"),
        ("import os\ndef test_a(): os.kill(os.getpid(), 11)\n", "tests", "pytest ended with exit code 139"),
    ],
)
def test_a_suite_without_a_result_is_inconclusive(place: Place, source: str, arguments: str, reason: str) -> None:
    """Also beside checks that pass: a user who sets tests wants them to run."""
    place.write("tests/test_a.py", source)
    results = place.tests(arguments)
    verdict = Verdict.of((*results, CheckResult("GET /", "http", PASSED, 0.1)))
    assert verdict.outcome is INCONCLUSIVE, results
    assert any(reason in result.detail for result in results), results


THREE = "import pytest\ndef test_a(): pass\ndef test_b(): {0}\ndef test_c(): pass\n"
"""The second of three tests does something else."""
END = "import pytest\n@pytest.fixture\ndef end():\n    yield\n    pytest.exit('x', 0)\n"
LAST = f"{END}def test_a(): pass\ndef test_b(end): pass\n"
INI = "[pytest]\naddopts = {0}\n"


@pytest.mark.parametrize(
    ("source", "arguments", "ini", "counts"),
    [
        (THREE.format("pytest.exit('enough', 0)"), "tests", "", "1 of 3"),
        (THREE.format("pytest.exit('enough', 0)"), "tests -p no:cacheprovider -q", "", "1 of 3"),
        (THREE.format("pass"), "tests --setup-plan", "", "0 of 3"),
        (THREE.format("pass"), "tests", "--setup-only", "0 of 3"),
        (LAST, "tests", "", "1 of 2"),
    ],
)
def test_tests_that_were_not_run_to_their_end_do_not_pass(
    place: Place, source: str, arguments: str, ini: str, counts: str
) -> None:
    """pytest itself ends with 0, and its report shows them as passed."""
    place.write("pytest.ini", INI.format(ini))
    place.write("tests/test_a.py", source)
    (result,) = place.tests(arguments)
    assert (result.outcome, result.detail) == (
        INCONCLUSIVE,
        f"only {counts} collected tests completed",
    )


def test_tests_that_run_in_separate_processes_are_counted_together(place: Place) -> None:
    place.write("tests/test_a.py", THREE.format("pytest.skip('not now')"))
    results = place.tests("tests -n 2")
    assert sorted(result.outcome for result in results) == [PASSED, PASSED, SKIPPED], results
    place.write("tests/test_a.py", THREE.format("pytest.exit('enough', 0)"))
    assert Verdict.of(tuple(place.tests("tests -n 1"))).outcome is FAILED


def test_python_can_ignore_the_repository(place: Place) -> None:
    place.write("tests/test_a.py", "import json, decimal\ndef test_a(): pass\n")
    environ = {**place.context.environ, "PYTHONSAFEPATH": "1"}
    safe = Place(replace(place.context, environ=environ), place.stream)
    assert [result.outcome for result in safe.tests("tests")] == [PASSED], safe.log


def test_a_repository_may_have_modules_of_any_name(place: Place) -> None:
    for name in ("promote", "session", "junit", "log_groups", "process"):
        place.write(f"{name}.py", "mine = True\n")
    place.write(
        "tests/test_a.py",
        "import junit, log_groups, process, promote, session\ndef test_a(): assert promote.mine and junit.mine\n",
    )
    assert [result.outcome for result in place.tests("tests")] == [PASSED]


def test_a_failure_counts_for_more_than_an_interruption(place: Place) -> None:
    place.write("tests/test_a.py", "import pytest\ndef test_a(): assert 0\ndef test_b(): pytest.exit('enough')\n")
    assert Verdict.of(tuple(place.tests("tests"))).outcome is FAILED


def test_a_report_of_an_earlier_round_is_not_taken_for_this_one(place: Place) -> None:
    """Verification is repeated if the endpoint had to be repaired."""
    place.write("tests/test_a.py", "def test_a(): assert 0\n")
    assert Verdict.of(tuple(place.tests("tests"))).outcome is FAILED
    place.write("tests/test_a.py", "import time\ndef test_a(): time.sleep(60)\n")
    results = place.tests("tests", seconds=3)
    assert [result.outcome for result in results] == [INCONCLUSIVE]
    assert "verify-timeout" in results[0].detail


def test_the_checkout_is_left_as_it_was(place: Place) -> None:
    place.write("tests/test_a.py", "def test_a(): assert 0\n")
    place.tests("tests")
    left = sorted(str(path.relative_to(place.context.workspace)) for path in place.context.workspace.rglob("*"))
    assert left == ["tests", "tests/test_a.py"]


@pytest.mark.parametrize(
    ("script", "outcome", "detail"),
    [
        ("echo", PASSED, ""),
        ("false\necho not reached", FAILED, "exit code 1"),
        ("false | cat", FAILED, "exit code 1"),
        ("echo first\necho last >&2\nexit 3", FAILED, "exit code 3; first; last"),
        ("kill -KILL $$", FAILED, "exit code 137"),
        ("no-such-command --now", INCONCLUSIVE, "a command was not found (exit code 127)"),
        ("./plain.txt", INCONCLUSIVE, "a command cannot be executed (exit code 126)"),
        ("if", FAILED, "syntax error"),
        ("[[ $1 == '' ]] && read -r line || echo no input", PASSED, ""),
    ],
)
def test_a_command_ends_as_its_exit_code_says(place: Place, script: str, outcome: Outcome, detail: str) -> None:
    place.write("plain.txt", "text")
    result = place.script(script)
    assert result.outcome is outcome, result
    assert detail in result.detail
    assert "not reached" not in place.log


NOT_FOUND = {
    "no-such-tool": "'no-such-tool' ",
    "no-such-tool | cat": "'no-such-tool' ",
    "./no-such-script": "'./no-such-script' ",
    "/no/such/tool": "'/no/such/tool' ",
    "timeout 5 no-such-tool": " near 'timeout …'",
    "env no-such-tool": " near 'env …'",
    "command no-such-tool": "'no-such-tool' ",
    "./plain.txt": "'./plain.txt' ",
}
"""Commands, with what the message names."""


@pytest.mark.parametrize("command", NOT_FOUND)
@pytest.mark.parametrize(
    "form",
    [
        "if {0}; then exit 1; fi",
        "! {0}",
        "{0} || true",
        "{0} || exit 0",
        "while {0}; do false; done; echo",
        "echo $({0} || true)",
        "look() {{ if {0}; then return 1; fi; }}\nlook",
        "set -x\nlook() {{ ! {0} 2>/dev/null; }}\nlook && echo yes",
    ],
)
def test_a_command_that_was_not_found_is_inconclusive_wherever_it_stands(place: Place, command: str, form: str) -> None:
    place.write("plain.txt", "text")
    result = place.script(form.format(command))
    assert result.outcome is INCONCLUSIVE, result
    assert "not found or cannot be executed" in result.detail
    assert NOT_FOUND[command] in result.detail
    assert "__promote" not in place.log


def test_a_command_that_was_not_found_is_inconclusive_in_a_script_of_the_repository(place: Place) -> None:
    place.write("smoke.sh", "set -u\nif no-such-tool $UNKNOWN_TO_ALL; then exit 1; fi\n")
    result = place.script("bash smoke.sh || true\ntrap 'echo the end' EXIT")
    assert result.outcome is PASSED, result  # the variable was not found before the command
    place.write("smoke.sh", "if ( no-such-tool --fast ); then exit 1; fi\n")
    result = place.script("bash smoke.sh\ntrap 'echo the end' EXIT")
    assert (result.outcome, "'no-such-tool' was not found" in result.detail) == (INCONCLUSIVE, True), result
    assert "the end" in place.log
    assert "no-such-tool: command not found" in place.log


@pytest.mark.parametrize("command", ["no-such-tool", "./no-such-script.sh", "./plain.txt", "./folder"])
@pytest.mark.parametrize(
    "form",
    [
        'if [ "$({0})" != error ]; then echo; fi',
        "export X=$({0})",
        "echo `{0}`",
        "for i in $({0}); do echo; done; echo",
        'case "$({0})" in *) echo;; esac',
        "echo $(if {0}; then echo; fi)",
        "cat < <({0})",
        "{0} | cat || true",
        "( cd / && cd - && {0} ) || true",
        "bash smoke.sh",
        "./smoke.sh",
        "python3 smoke.py",
        "bash -c '{0} || true'",
        "bash -c 'echo $({0})'",
        "bash -c 'if {0}; then echo; fi'",
    ],
)
def test_a_command_that_was_not_found_is_named_in_subshells_and_other_scripts(
    place: Place, command: str, form: str
) -> None:
    place.write("plain.txt", "text")
    place.write("folder/file", "text")
    place.write("smoke.sh", f"#!/usr/bin/env bash\nif {command}; then exit 1; fi\n").chmod(0o755)
    place.write("smoke.py", "import subprocess\nsubprocess.run(['./smoke.sh'], check=True)\n")
    result = place.script(form.format(command))
    assert result.outcome is INCONCLUSIVE, result
    assert result.detail.startswith(f"'{command}' was not found or cannot be executed"), result
    assert "__promote" not in place.log


@pytest.mark.parametrize(
    ("script", "near"),
    [
        ("(exit 126) || true", "the beginning"),
        ("echo one\n(exit 126) || echo two", "echo …"),
        ('folder=.\n"$folder/missing" | cat || true', "cat"),
        ("! timeout 5 no-such-tool", "timeout …"),
        ("test \"$(bash -c 'exit 127'; echo $?)\" = 127", "bash …"),
        ("TOKEN=s3cr3t env no-such-tool || true", "env …"),
        ("folder=. TOKEN=s3cr3t; (exit 126) || true", "a variable …"),
        ("printf 'if \"$0.d/missing\"; then exit 1; fi' > a.sh; bash a.sh", '"$0.d/missing"'),
    ],
)
def test_an_exit_code_of_a_missing_command_is_inconclusive_without_a_wrong_name(
    place: Place, script: str, near: str
) -> None:
    result = place.script(script)
    assert result.outcome is INCONCLUSIVE, result
    assert result.detail.startswith(
        f"a command was not found or cannot be executed (exit code 126 or 127) near {near!r}, but"
    )


def test_what_bash_env_named_before_is_read_as_well(place: Place) -> None:
    environ = {**place.context.environ, "BASH_ENV": str(place.write("a b.sh", "greet() { echo hello; }\n"))}
    own = Place(replace(place.context, environ=environ), place.stream)
    assert own.script("greet\nbash -c greet").outcome is PASSED, own.log
    assert own.log.count("hello") == 2
    assert own.script("! bash -c 'no-such-tool || exit 1'").outcome is INCONCLUSIVE


@pytest.mark.parametrize(
    "script",
    [
        "command -v no-such-tool || echo not there",
        'set -eux -o pipefail\ntrap \'echo "$?"\' EXIT\n[[ -n $_ ]]\nfalse || echo "$?"',
        "sleep 0 &\nwait\nwait 999999 || true",
        "trap 'echo again' DEBUG\necho",
        "( echo )",
        "(( 1 + 1 ))",
        "x=1\n./here.sh",
        "X=1 ./here.sh",
        'folder=.; "$folder/here.sh" 2>&1 | cat',
        'test "$(./here.sh; bash -c ./here.sh)" = "" && cat < <(./here.sh)',
        "one/two() { test -x ./here.sh; }\none/two",
        "[ ! -x ./opt.sh ] || ./opt.sh",
        "cat <<'END'\nsome text\nEND",
        "echo goes on \\",
        "exec true",
    ],
)
def test_a_script_is_run_as_a_step_of_a_workflow_would_be(place: Place, script: str) -> None:
    place.write("here.sh", "#!/bin/bash\nexit 0\n").chmod(0o755)
    result = place.script(script)
    assert result.outcome is PASSED, (result, place.log)


def test_a_script_sees_what_bash_would_show_it(place: Place) -> None:
    """The script sees the recording of its commands neither in its variables nor in its line numbers."""
    script = (
        'echo one\necho "$_ $LINENO"\nfalse || echo "$? ${PIPESTATUS[*]}"\n( exit 7 ) || echo $?\nset -x\necho traced'
    )
    assert place.script(script).outcome is PASSED
    lines = [line for line in place.log.splitlines() if not line.startswith("::")]
    assert lines == ["one", "one 2", "1 1", "7", "+ echo traced", "traced"]


@pytest.mark.parametrize(
    "script",
    [
        *("$SMOKE", '"$SMOKE"', "${SMOKE:-}", 'eval "$SMOKE"', 'bash -c "$SMOKE"', 'sh -c "$SMOKE"', "exec $SMOKE"),
        *("$UNSET python3 -c 1", ". ./lib.sh", "source lib.sh", "eval 'test 1'", "exec 2>&1\ntest 1", "exec test 1"),
        *("test 1 & wait $!", "x=$(date)", "declare x=$(date)", "read -r x < <(date)", "trap 'test 1' EXIT; true"),
        *("export x=$(date)", "umask 022 && test 1", "f() { test 1; }; f", "(test 1)", "! false"),
        *(
            'bash -c "test 1"',
            "bash lib.sh",
            'bash <<<"test 1"',
            "/bin/bash -ec 'test 1'",
            "X=1 test 1",
            'A="a b" test 1',
        ),
        *(
            "${UNSET:-test 1}",
            "${SMOKE%x}",
            '"$SMOKE" >out.log 2>&1',
            "$SMOKE $UNSET",
            "command test 1",
            "f() { $SMOKE; }; f",
        ),
        *("[[ a =~ (.) ]]; X=1 Y=2; test ${BASH_REMATCH[1]} = a", "command -v test"),
    ],
)
def test_a_script_that_runs_a_command_passes(place: Place, script: str) -> None:
    place.write("lib.sh", "umask 022\ntest 1\n")
    place = Place(replace(place.context, environ={**place.context.environ, "SMOKE": "/bin/true"}), place.stream)
    assert place.script(script).outcome is PASSED, place.log


@pytest.mark.parametrize(
    "script",
    [
        "smoke() { curl --fail http://127.0.0.1:9; }",
        *("if :; then :; fi", "{ :; }\nexit", "set -e; exit 0", "{ :; }", "{ x=1; export y=$x; cd /; }"),
        *("$SMOKE", "${SMOKE}", "${SMOKE:-}", 'eval "$SMOKE"', 'bash -c "$SMOKE"', 'sh -c "$SMOKE"', "eval"),
        *("exec 2>&1", "exec >out.txt", "{ umask 022; }", "{ hash -r; }", "{ declare -x A=1; }"),
        *(". /dev/null", "source /dev/null", "{ alias x=y; }"),
        *(
            "$SMOKE >out.log 2>&1",
            "$SMOKE 2>&1",
            "$SMOKE $OTHER",
            "X=1 $SMOKE",
            "${SMOKE%x}",
            'bash -euo pipefail -c "$SMOKE"',
        ),
        *('/bin/bash -c "$SMOKE"', "bash -c :", "{ A=1 B=2; }", '{ A="a b"; }', "{ A=(1 2); }"),
        *(
            '{ URL="${PROMOTE_URL%/}/health" TIMEOUT=5; }',
            "{ exec {fd}>out.txt; }",
            "exec",
            "command set -e",
            "builtin cd .",
        ),
        *("trap - EXIT", "{ ulimit -c 0; }", "f() { set -e; }; f"),
    ],
)
def test_a_script_that_runs_no_command_is_inconclusive(place: Place, script: str) -> None:
    result = place.script(script)
    assert (result.outcome, result.detail) == (INCONCLUSIVE, "the script ran no command")


@pytest.mark.parametrize(
    "script",
    [
        *("# curl $PROMOTE_URL", "\n  \n# a\n\t# b\n", ":", "set -euo pipefail\n# later\n", "exit 0", "# a\n:;\nexit"),
        *("X=1", "X=", "X=$PROMOTE_URL", "cd .", "cd", "export A=1", "shopt -s nullglob # why", "unset a b"),
        *("set -euo pipefail; :", "set -e && cd tests && :;", "cd tests;X=1 # python3 smoke.py"),
    ],
)
def test_a_script_without_a_command_is_refused(script: str) -> None:
    with pytest.raises(InputError, match=r"^test-command: it has no command") as caught:
        require_command(Value(script))
    assert "smoke.py" in caught.value.hint


@pytest.mark.parametrize(
    "script",
    [
        *("", "  \n", "# a\ncurl x", "set -e\n./smoke.sh", ": > file", "exit 1", "X=1 ./smoke.sh", "true=1 smoke"),
        *('set -euo pipefail; python3 smoke.py "$PROMOTE_URL"', "set -e && python3 smoke.py", "set -e;./smoke.sh"),
        *("X=$(./smoke.sh)", "export X=`./smoke.sh`", "cd tests && ./smoke.sh", "true | ./smoke.sh", "set -e & ./x"),
        *("cd tests || exit 1", "truth", "settle x", "cd <(./smoke.sh)", "set -e; # why\n./smoke.sh"),
    ],
)
def test_a_script_with_a_command_is_taken(script: str) -> None:
    """An empty script means that the input is not set."""
    require_command(Value(script))


def test_the_text_of_a_command_is_shown_nowhere(place: Place) -> None:
    """It may have a secret, and names are recorded."""
    result = place.script("login --token=s3cr3t || true")
    assert result.name == "test-command"
    assert "s3cr3t" not in repr(result) + place.log


@pytest.mark.parametrize(
    ("script", "shown"),
    [
        ("TOKEN= s3cr3t", "bash: …: command not found"),
        ("TOKEN= s3cr3t || true", "'a word of the script' was not found"),
        ('TOKEN= "s3cr3t\nof two lines" || true', "bash: …: command not found"),
        ("TOKEN= ./s3cr3t || true", "bash: line 1: …: No such file or directory"),
        ("TOKEN=s3cr3t timeout 5 no-such-tool || true", "near 'a word of the script …'"),
        ("echo (s3cr3t)", "syntax error near unexpected token `…'"),
        ("curl -H 's3cr3t", "unexpected EOF while looking for matching `''"),
        ("cd s3cr3t || no-such-tool", "bash: line 1: cd: …: No such file or directory"),
        ("export s3cr3t-of-mine=1", "bash: line 1: export: `…': not a valid identifier"),
        ("echo ${TOKEN:?s3cr3t}", "bash: line 1: TOKEN: …"),
        ("set -u; echo s3cr3t $PROMOTE_TOKEN", "bash: line 1: PROMOTE_TOKEN: unbound variable"),
        ("bash -c 'TOKEN= s3cr3t' || true", "bash: …: command not found"),
        ("sh -c 'TOKEN= s3cr3t' || true", ": …: not found"),
        ("no-such-tool s3cr3t", "bash: no-such-tool: command not found"),
    ],
)
def test_messages_of_bash_name_commands_and_no_other_words_of_the_script(place: Place, script: str, shown: str) -> None:
    result = place.script(script)
    assert shown in place.log + result.detail
    assert "s3cr3t" not in repr(result) + place.log


def processes(marker: str) -> list[str]:
    """Return the command lines of the processes that contain ``marker``."""
    lines = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if marker in line:
                lines.append(line)
    return lines


def eventually(is_so: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


BACKGROUND = """\
sleep {0} &
( ( sleep {0} & ) & )
( trap '' HUP INT TERM; sleep {0}; sleep {0} ) &
setsid sleep {0} &
( setsid bash -c 'trap "" HUP TERM; sleep {0}; true' > /dev/null 2>&1 < /dev/null & )
echo started
"""
"""A child, an orphan, one that ignores signals, one in a new session, and a daemon."""


@pytest.mark.parametrize(
    ("end", "outcome"), [("sleep 1", PASSED), ("sleep {0}", INCONCLUSIVE)], ids=["ended", "timed out"]
)
def test_nothing_of_a_command_goes_on_after_it(place: Place, end: str, outcome: Outcome) -> None:
    """It is not waited for, although it may hold the command's output open."""
    marker = f"3600.{time.monotonic_ns()}"
    since = time.monotonic()
    result = place.script((BACKGROUND + end).format(marker), seconds=30 if outcome is PASSED else 1.5)
    assert time.monotonic() - since < 25
    assert result.outcome is outcome
    assert "started" in place.log
    assert eventually(lambda: not processes(marker)), processes(marker)


def test_a_character_is_read_whole_wherever_the_line_is_broken(place: Place) -> None:
    lines: list[str] = []
    place.write("long.txt", "a" + "ä" * 10_000)
    assert run(["cat", "long.txt"], place.context, 60, lines.append) == 0
    assert "".join(lines) == "a" + "ä" * 10_000


def test_colors_are_not_shown_and_hide_no_secret(place: Place) -> None:
    workflow = ActionsLog({}, place.stream)
    workflow.hide_outside(["s3cr3t-of-the-function"])
    context = replace(place.context, console=Console(workflow))
    shown = {
        "\x1b[31;1mred\x1b[0m": "red",
        "\x1b[2K\x1b[1Gprogress": "progress",
        "\x1b]0;title\x07text": "text",
        "\x1b]8;;https://example.com\x1b\\link\x1b]8;;\x1b\\": "link",
        "\x1b[::error::x": "::error::x",
        "a \x1b[32ms3cr3t-\x1b[0mof-the-\x1b[1mfunction z": "a *** z",
        # A line that is read in two parts, the first of which ends within the secret.
        "x" * 4090 + "s3cr3t-\x1b[0mof-the-function": "x" * 4090 + "***",
    }
    place.write("output.txt", "".join(f"{line}\n" for line in shown))
    lines: list[str] = []
    assert run(["cat", "output.txt"], context, 60, lines.append) == 0
    assert lines == list(shown.values())


def test_a_missing_program_is_reported(place: Place) -> None:
    lines: list[str] = []
    assert run(["no-such-program"], place.context, 60, lines.append) == 127
    assert lines == ["no-such-program: No such file or directory"]


def test_a_command_receives_signals_also_from_a_thread_that_blocks_them(place: Place) -> None:
    lines: list[str] = []
    asks = "from signal import *; print(SIGTERM in pthread_sigmask(SIG_BLOCK, ()), getsignal(SIGINT) is SIG_IGN)"
    calls = [partial(run, [sys.executable, "-c", asks], place.context, 60, lines.append) for _ in range(2)]
    assert map_concurrently(calls, 2) == [0, 0]
    assert lines == ["False False", "False False"]


@pytest.mark.parametrize(
    ("arguments", "requirements", "message"),
    [
        ("tests/nope.py", "", "tests: 'tests/nope.py' does not exist"),
        ("nope.py::test_a", "", "tests: 'nope.py' does not exist"),
        ("-q tests/nope", "", "tests: 'tests/nope' does not exist"),
        ("--tb=short tests/nope", "", "tests: 'tests/nope' does not exist"),
        ("nope", "", "tests: 'nope' does not exist"),
        ("tests nope -k name", "", "tests: 'nope' does not exist"),
        ("../elsewhere/test_a.py", "", "tests: '../elsewhere/test_a.py' lies outside the workspace"),
        ("/etc/passwd", "", "tests: '/etc/passwd' lies outside the workspace"),
        ("tests/link/test_a.py", "", "tests: 'tests/link/test_a.py' lies outside the workspace"),
        ("tests -k 'open", "", "tests: it cannot be split into arguments: No closing quotation"),
        ("tests/" + "x" * 5000, "", "is not a valid path"),
        ("", "requirements.txt", "tests-requirements: it has no effect without tests"),
        ("  # nothing", "", "tests: it contains only a comment"),
        ("tests", "nope.txt", "tests-requirements: the file 'nope.txt' does not exist"),
        ("tests", "tests", "tests-requirements: the file 'tests' does not exist"),
        ("tests", "../requirements.txt", "tests-requirements: '../requirements.txt' lies outside the workspace"),
    ],
)
def test_what_cannot_be_run_is_refused(tmp_path: Path, arguments: str, requirements: str, message: str) -> None:
    workspace = tmp_path / "workspace"
    (workspace / "tests").mkdir(parents=True)
    (workspace / "tests" / "link").symlink_to(tmp_path)
    (workspace / "requirements.txt").touch()
    (tmp_path / "test_a.py").touch()
    with pytest.raises(InputError, match="tests") as caught:
        read_suite(arguments, requirements, workspace)
    assert message in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("arguments", "split"),
    [
        ("tests", ["tests"]),
        ("tests -k name", ["tests", "-k", "name"]),
        ("-m 'not slow' tests/test_a.py::test_b[x=1/2]", ["-m", "not slow", "tests/test_a.py::test_b[x=1/2]"]),
        ("-p some.plugin tests", ["-p", "some.plugin", "tests"]),
        ("tests\n--deselect tests/gone.py::test_a\n", ["tests", "--deselect", "tests/gone.py::test_a"]),
        ("tests # smoke, and it's alone\n-q", ["tests", "-q"]),
        ("tests -k 'a # b'", ["tests", "-k", "a # b"]),
        ("--ignore=tests/gone tests", ["--ignore=tests/gone", "tests"]),
        ("tests/test_a.py::test_b[a#b]", ["tests/test_a.py::test_b[a#b]"]),
        ("--pyargs package.tests", ["--pyargs", "package.tests"]),
    ],
)
def test_arguments_are_those_of_pytest(tmp_path: Path, arguments: str, split: list[str]) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").touch()
    assert read_suite(arguments, "", tmp_path) == Suite(tuple(split), None)


def test_no_tests_are_no_suite(tmp_path: Path) -> None:
    assert read_suite("  \n", "", tmp_path) is None


def test_commands_do_not_get_what_only_this_step_is_to_have() -> None:
    kept = {
        "PATH": "/bin",
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": "http://x",
        "GITHUB_SHA": "c",
        "STATEMENT": "x",
    }
    held_back = [
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_PROFILE"),
        *("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_SHARED_CREDENTIALS_FILE", "AWS_DEFAULT_PROFILE"),
        *("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN"),
        *("ACTIONS_RUNTIME_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL"),
        *("INPUT_GITHUB-TOKEN", "INPUT_CHECKS", "STATE_promote"),
    ]
    environ = {**kept, **dict.fromkeys(held_back, "value")}
    given = environment(environ, ())
    assert given.keys() == kept.keys() | {"PYTHONDONTWRITEBYTECODE"}
    handed_over = environment(environ, ("AWS_PROFILE", "ACTIONS_RUNTIME_TOKEN"))
    assert handed_over.keys() - given.keys() == {"AWS_PROFILE", "ACTIONS_RUNTIME_TOKEN"}
