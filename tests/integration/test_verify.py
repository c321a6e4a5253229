"""Verification by tests and commands, in parallel with checks and invocations: every result, and any output."""

import gzip
import io
import json
import os
import re
import shutil
import signal
import subprocess
import textwrap
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from signal import Signals
from xml.etree import ElementTree as ET

import pytest
from boto3.dynamodb.types import TypeSerializer

from sandbox.client import Account
from tests.runner import REPOSITORY, Ended, Runner, edit
from tests.world import World

pytestmark = pytest.mark.usefixtures("history")

SECRET = "s3cr3t/of+the=cloud"
TOKEN = "ghs_0123456789abcdefghijABCDEFGHIJ"


def write(runner: Runner, name: str, text: str) -> None:
    file = runner.workspace / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(text), encoding="utf-8")


def temporary(runner: Runner) -> Path:
    return runner.workspace.parent / "runner_temp"


def left(runner: Runner) -> list[str]:
    """Return what is in RUNNER_TEMP that the runner itself has not put there."""
    return sorted(path.name for path in temporary(runner).iterdir() if not path.name.startswith("_"))


def junit(runner: Runner) -> ET.Element:
    suite = ET.parse(temporary(runner) / "promote-on-success" / "junit-preprod.xml").getroot().find("testsuite")  # noqa: S314 - our own
    assert suite is not None
    return suite


def located(log: str) -> list[tuple[str, str]]:
    """Return file and line of the errors that have them."""
    return re.findall(r"^::error (?:[^:]*,)?file=([^,:]*),line=(\d+)", log.replace("%2C", ","), re.MULTILINE)


def groups(log: str) -> dict[str, list[str]]:
    """Return the lines within each group. A group within another one is an error."""
    found: dict[str, list[str]] = {}
    title = ""
    for line in log.splitlines():
        if line.startswith("::group::"):
            assert not title, f"{line} within {title}"
            title = line.removeprefix("::group::")
            found[title] = []
        elif line == "::endgroup::":
            assert title, "the end of no group"
            title = ""
        elif title:
            found[title].append(line)
    assert not title, f"{title} has no end"
    return found


def processes(marker: str) -> list[str]:
    """Return the command lines of the processes that contain ``marker``."""
    lines = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                lines += [line] if marker in line else []
    return lines


def eventually(is_so: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def assert_blocked(ended: Ended, world: World, outcome: str) -> None:
    assert (ended.code, ended.result, ended.outputs["promoted"]) == (1, "blocked", "false"), ended.log
    assert world.alias_version() == ""
    assert world.history() == []
    assert world.records("version")[0]["verdict"]["outcome"] == outcome
    assert world.lock_owner() == ""
    assert "Traceback" not in ended.log.replace("Traceback (most recent call last) of the test's own", "")


MEETING = """\
import json, os, pathlib, time

def test_meet(base_url):
    pathlib.Path("pytest.here").touch()
    deadline = time.monotonic() + 60
    while not pathlib.Path("bash.here").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    pathlib.Path("pytest.json").write_text(json.dumps(dict(os.environ)))
    assert base_url == os.environ["PROMOTE_URL"]

def test_counted():
    with open("count", "a") as file:
        file.write("x")
"""
MEET = """\
touch bash.here
for _ in $(seq 600); do [[ -e pytest.here ]] && break; sleep 0.1; done
[[ -e pytest.here ]]
python3 -c 'import json, os; print(json.dumps(dict(os.environ)))' > bash.json
"""


def test_every_kind_at_the_same_time(runner: Runner, inputs: dict[str, str], world: World) -> None:
    """Each command waits for the other. A new commit may have other tests, so it is verified again."""
    write(runner, "tests/test_site.py", MEETING)
    write(runner, "event.json", '{"rawPath": "/health"}')
    given = {
        **inputs,
        "tests": "tests",
        "test-command": MEET,
        "invoke": "event.json statusCode == `200`",
        "test-environment": "AWS_SESSION_TOKEN\nACTIONS_ID_TOKEN_REQUEST_TOKEN",
        "github-token": TOKEN,
    }
    secrets = {
        "AWS_SESSION_TOKEN": "the token",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "ACTIONS_RUNTIME_TOKEN": "runtime token",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "identity token",
        "STATE_other": "x",
        "MINE": "mine",
    }
    ended = runner.run(given, environ=secrets)
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert ended.errors == []
    for file in ("pytest.json", "bash.json"):
        environ = json.loads((runner.workspace / file).read_text())
        assert environ["PROMOTE_URL"] == ended.outputs["latest-url"]
        assert environ["PROMOTE_VERSION"] == "1"
        assert (environ["PROMOTE_FUNCTION"], environ["PROMOTE_ENVIRONMENT"]) == ("hello", "preprod")
        assert environ["MINE"] == "mine"
        assert (environ["AWS_SESSION_TOKEN"], environ["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]) == (
            "the token",
            "identity token",
        )
        assert not [name for name in environ if name.startswith(("INPUT_", "STATE_"))]
        assert not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "ACTIONS_RUNTIME_TOKEN"} & environ.keys()
        assert not [name for name, value in environ.items() if SECRET in value or TOKEN in value]
    assert list(groups(ended.log)) in (["pytest tests", "test-command"], ["test-command", "pytest tests"])
    cases = [(case.get("classname"), case.get("name")) for case in junit(runner)]
    assert cases == [
        ("pytest", "tests/test_site.py::test_meet"),
        ("pytest", "tests/test_site.py::test_counted"),
        ("command", "test-command"),
        ("http", "GET /health 200 status == 'ok'"),
        ("http", "GET /greeting?name=… 200 greeting == 'Hello, you!'"),
        ("invoke", "event.json statusCode == `200`"),
    ]
    assert left(runner) == ["promote-on-success", "promote-on-success-1000-1-release.json"]

    again = runner.run(given, commit="d" * 40, run_id=1001)
    assert (again.code, again.outputs["version"], world.alias_version()) == (0, "1", "1"), again.log
    assert (runner.workspace / "count").read_text() == "xx"
    same = runner.run(given, commit="d" * 40, run_id=1002)
    assert (same.code, same.result) == (0, "unchanged"), same.log
    assert (runner.workspace / "count").read_text() == "xx"


MANY = """\
import pytest

class TestShop:
    @pytest.mark.parametrize("number", range(3000))
    def test_number(self, number):
        if number % 250 == 7:
            raise ValueError(f"number \\x01 {number}")

def test_odd():
    assert "\\x00\\x1b[31m\\ufffe" == ""
"""


def test_failing_tests_are_errors_at_their_lines(runner: Runner, inputs: dict[str, str], world: World) -> None:
    """The runner shows ten errors of a step, and one of them is the result of the environment."""
    write(runner, "tests/pytest.ini", "[pytest]\n")
    write(runner, "tests/shop/test_shop.py", MANY)
    ended = runner.run({**inputs, "tests": "tests -q", "test-command": "echo before\necho why >&2; exit 3"})
    assert_blocked(ended, world, "failed")
    assert located(ended.log) == [("tests/shop/test_shop.py", "7")] * 9
    assert len(ended.errors) == 10
    assert "ValueError: number" in ended.errors[0].message
    assert "14 of 3004 checks failed" in ended.errors[-1].message
    suite = junit(runner)
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3004", "14", "0")
    assert len(suite) == 3004
    assert "exit code 3; before; why" in ended.summary
    assert len(ended.summary.encode()) < 1024 * 1024
    assert ended.summary.index("test_number[7]") < ended.summary.index("test_number[0]")
    record = TypeSerializer().serialize(world.records("version")[0])
    assert len(json.dumps(record, default=str)) < 100_000
    assert world.records("version")[0]["verdict"]["count"] == 3004


LEAVES = "import pytest\ndef test_a(): pass\ndef test_b(): pytest.exit('enough', 0)\ndef test_c(): pass\n"
SKIPS = "import pytest\npytestmark = pytest.mark.skip\ndef test_a(): pass\n"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"tests": "tests/test_skips.py"}, "skipped"),
        ({"tests": "tests -k nothing"}, "no test was collected"),
        ({"tests": "tests/test_leaves.py"}, "only 1 of 3 collected tests completed"),
        ({"tests": "tests --setup-plan"}, "only 1 of 4 collected tests completed"),
        ({"test-command": "no-such-tool --fast"}, "a command was not found (exit code 127)"),
        ({"test-command": "if no-such-tool; then exit 1; fi"}, "'no-such-tool' was not found or cannot be executed"),
        ({"test-command": "! ./no-such-script.sh"}, "'./no-such-script.sh' was not found or cannot be executed"),
        ({"test-command": "smoke() { python3 smoke.py; }"}, "the script ran no command"),
    ],
    ids=["skipped", "none", "exit", "setup-plan", "not found", "not found in if", "not found after !", "not called"],
)
def test_what_could_not_be_tested_is_not_promoted(
    runner: Runner, inputs: dict[str, str], world: World, given: dict[str, str], reason: str
) -> None:
    """Although the checks pass."""
    write(runner, "tests/test_skips.py", SKIPS)
    write(runner, "tests/test_leaves.py", LEAVES)
    ended = runner.run({**inputs, **given})
    assert_blocked(ended, world, "inconclusive")
    assert "could not be verified" in ended.errors[-1].message
    assert reason in ended.log
    assert len(ended.errors) == 1


ASK = 'python3 -c "import sys, urllib.request as r; r.urlopen(sys.argv[1]).read()" "$PROMOTE_URL/health"'


@pytest.mark.parametrize("is_late", [True, False])
def test_a_mended_endpoint_is_waited_for_before_commands_ask_it(
    runner: Runner,
    inputs: dict[str, str],
    world: World,
    is_late: bool,  # noqa: FBT001 - a parameter of pytest's
) -> None:
    """It is deleted after it was confirmed. API Gateway's own 404 at the new one does not come from the function."""
    assert runner.run(inputs, commit="1" * 40, run_id=1).result == "promoted"
    edit(runner.workspace, "Hello", "Goodbye")
    confirmed = world.account.inject("hold-after", "execute-api.Invoke")
    started = runner.start({**inputs, "checks": "GET /health 200", "test-command": ASK}, commit="2" * 40, run_id=2)
    confirmed.wait_until_hit()
    for api in world.apis():
        world.gateway.delete_api(ApiId=api)
    made = world.account.inject("hold-before", "apigatewayv2.CreateApi")
    confirmed.release()
    made.wait_until_hit(30)
    status, times = (404, 4) if is_late else (500, 0)
    message = "Not Found" if is_late else "Internal Server Error"
    fresh = world.account.inject("error-before", "execute-api.Invoke", times=times, status=status, message=message)
    made.release()
    ended = started.wait()
    assert fresh.hit
    if is_late:
        assert (ended.code, ended.result) == (0, "promoted"), ended.log
    else:
        assert (ended.code, ended.result) == (1, "blocked"), ended.log
        assert world.records("version")[1]["verdict"]["outcome"] == "inconclusive"
        assert "does not reach the function" in ended.errors[0].message


HOSTILE = rf"""
echo '::error::from outside'
printf '   ::set-output name=result::promoted\n'
echo '##[error]from outside'
echo 'text ##[set-output name=result]promoted'
echo '::stop-commands::pause'
echo '::endgroup::'
echo '::add-mask::e'
printf '\r::warning::from outside\r\n'
printf '\033[::error::from outside\n'
printf '\033[31mred\033[0m and \033]0;title\007 no more\n'
printf '\xff\xfe\x00 odd\n'
echo 'the token {TOKEN} and the secret {SECRET}'
head -c 1000000 /dev/zero | tr '\0' x
printf '{TOKEN}'
head -c 4070 /dev/zero | tr '\0' y
printf '{SECRET}'
for _ in $(seq 97); do head -c 73 /dev/zero | tr '\0' z; printf '{TOKEN}'; done
echo
echo '{"d" * 265}{TOKEN}'
exit 1
"""
HOSTILE_TEST = rf"""
import pytest

@pytest.mark.parametrize("name", ["::error::x", "##[error]x", "{TOKEN}", "a\r\n::error::x", "<script>|`"])
def test_hostile(name):
    print("::error::from a test")
    raise ValueError("::error::x\r::error::y " + "d" * 252 + "{TOKEN} {SECRET}")
"""


def pieces(secret: str) -> set[str]:
    """Return the parts of a secret that would reveal it, also if it was cut."""
    return {secret[:10], secret[-10:], secret[5:15]}


def test_nothing_that_is_printed_does_harm(runner: Runner, inputs: dict[str, str], world: World) -> None:
    write(runner, "tests/test_hostile.py", HOSTILE_TEST)
    write(runner, "hostile.sh", HOSTILE)
    ended = runner.run(
        {**inputs, "tests": "tests", "test-command": "bash hostile.sh", "github-token": TOKEN},
        environ={"AWS_SECRET_ACCESS_KEY": SECRET},
    )
    assert_blocked(ended, world, "failed")
    folded = groups(ended.log)
    assert list(folded) in (["pytest tests", "test-command"], ["test-command", "pytest tests"])
    assert not [line for lines in folded.values() for line in lines if re.match(r"\s*::", line) or "##[" in line]
    assert {annotation.kind for annotation in ended.annotations} == {"error"}
    assert located(ended.log) == [("tests/test_hostile.py", "7")] * 5
    assert len(ended.errors) == 6
    assert "red and  no more" in folded["test-command"]
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", ended.log)
    report = (temporary(runner) / "promote-on-success" / "junit-preprod.xml").read_text(encoding="utf-8")
    assert junit(runner).get("failures") == "6"
    places = {
        "log": ended.log,
        "summary": ended.summary,
        "outputs": json.dumps(dict(ended.outputs)),
        "report": report,
        "ledger": json.dumps(world.items(), default=str),
    }
    leaks = {
        (place, piece)
        for place, text in places.items()
        for secret in (TOKEN, SECRET)
        for piece in pieces(secret)
        if piece in text
    }
    assert leaks == set()
    assert len(ended.log) < 2_000_000


def peak_memory(process: int) -> int:
    """Return the peak memory of a process in kB; 0 if it has ended."""
    with suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process}/status").read_text())
        return int(found[1]) if found else 0
    return 0


FLOOD = """\
def test_flood():
    for number in range(1_000_000):
        print(f"{number:08d}", "y" * 90)
    print("the end of the tests")
"""


def test_a_flood_is_cut_short_and_costs_no_memory(runner: Runner, inputs: dict[str, str], tmp_path: Path) -> None:
    """100 MB each. The relevant part of the output is at its end."""
    write(runner, "tests/test_flood.py", FLOOD)
    zeros = "head -c 50000000 /dev/zero | tr '\\0' x"
    flood = f"{zeros}; {zeros} | fold -w 99\necho\necho the end of the command"
    started = runner.start({**inputs, "tests": "tests -s", "test-command": flood})
    assert started.process.stdout
    peak = 0
    with started.process.stdout as output, (tmp_path / "log").open("w") as log:
        for number, line in enumerate(output):
            log.write(line)
            if number % 100 == 0:
                peak = max(peak, peak_memory(started.process.pid))
    assert started.process.wait(60) == 0
    ended = (tmp_path / "log").read_text()
    assert peak
    assert peak < 150_000, peak
    assert len(ended) < 4_000_000
    tests, command = (lines for _, lines in sorted(groups(ended).items()))
    assert any("the end of the tests" in line for line in tests[-5:])
    assert command[-1] == "the end of the command"
    assert all(
        any(re.match(r"\.\.\. \d+ lines are omitted here", line) for line in lines) for lines in (tests, command)
    )


ENDLESS = """\
import subprocess, time

def test_endless():
    subprocess.Popen(["sleep", "{marker}"], start_new_session=True)
    subprocess.Popen(["sleep", "{marker}"])
    print("waiting, the tests", flush=True)
    time.sleep({marker})
"""
ENDLESS_COMMAND = (
    "trap '' TERM INT\n( ( sleep {marker} & ) & )\nsetsid sleep {marker} &\necho waiting, the command\nsleep {marker}"
)


def endless(runner: Runner) -> tuple[str, dict[str, str]]:
    marker = f"3600.{time.monotonic_ns()}"
    write(runner, "tests/test_endless.py", ENDLESS.format(marker=marker))
    return marker, {"tests": "tests -s", "test-command": ENDLESS_COMMAND.format(marker=marker)}


def test_the_time_out_ends_everything(runner: Runner, inputs: dict[str, str], world: World) -> None:
    marker, commands = endless(runner)
    ended = runner.run({**inputs, **commands, "verify-timeout": "0.05"})
    assert_blocked(ended, world, "inconclusive")
    assert processes(marker) == []
    assert "verify-timeout was reached, and the tests were stopped" in ended.log
    assert "verify-timeout was reached, and the command was stopped" in ended.log
    folded = groups(ended.log)
    assert len(folded) == 2
    assert [line for lines in folded.values() for line in lines if line == "waiting, the command"]
    assert left(runner) == ["promote-on-success", "promote-on-success-1000-1-release.json"]


def test_an_invocation_lasts_no_longer_than_the_verification(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    write(runner, "event.json", '{"rawPath": "/health"}')
    held = world.hold("hold-before", "lambda.Invoke")
    given = {**inputs, "endpoints": "none", "checks": "", "invoke": "event.json", "verify-timeout": "0.02"}
    ended = runner.run(given)
    held.release()
    assert_blocked(ended, world, "inconclusive")
    assert "verify-timeout was reached before the function responded" in ended.log


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_no_test_outlives_its_run(runner: Runner, inputs: dict[str, str], world: World, number: Signals) -> None:
    marker, commands = endless(runner)
    started = runner.start({**inputs, **commands})
    started.wait_for("waiting")
    assert eventually(lambda: sum(line.startswith("sleep") for line in processes(marker)) == 5), processes(marker)
    started.process.send_signal(number)
    ended = started.wait()
    assert eventually(lambda: not processes(marker)), processes(marker)
    assert world.alias_version() == ""
    if number is not signal.SIGKILL:
        assert (ended.code, [error.title for error in ended.errors]) == (1, ["Cancelled"]), ended.log
        assert left(runner) == ["promote-on-success-1000-1-release.json"]
        assert "Traceback" not in ended.log
        assert len(groups(ended.log)) == 1


def wheel(target: Path) -> None:
    """Write a wheel with one module: https://packaging.python.org/specifications/binary-distribution-format."""
    target.parent.mkdir(parents=True)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as sink:
        sink.writestr("courier.py", "ANSWER = 42\n")
        sink.writestr("courier-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: courier\nVersion: 1.0\n")
        sink.writestr("courier-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        sink.writestr("courier-1.0.dist-info/RECORD", "courier.py,,\ncourier-1.0.dist-info/METADATA,,\n")
    target.write_bytes(content.getvalue())


OFFLINE = {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def test_requirements_are_installed_once_in_a_job(runner: Runner, inputs: dict[str, str], world: World) -> None:
    wheel(runner.workspace / "tests" / "wheels" / "courier-1.0-py3-none-any.whl")
    write(runner, "tests/requirements.txt", "./tests/wheels/courier-1.0-py3-none-any.whl\n")
    write(runner, "tests/test_courier.py", "import courier\ndef test_it(base_url): assert courier.ANSWER == 42\n")
    given = {**inputs, "tests": "tests", "tests-requirements": "tests/requirements.txt"}
    ended = runner.run(given, environ=OFFLINE)
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert list(groups(ended.log)) == ["install requirements.txt", "pytest tests"]
    edit(runner.workspace, "Hello", "Good morning")
    given["checks"] = "GET /health"
    second = runner.run(given, environ=OFFLINE)
    assert (second.code, second.result, world.alias_version()) == (0, "promoted", "2"), second.log
    assert list(groups(second.log)) == ["pytest tests"]


def test_requirements_that_cannot_be_installed_move_nothing(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    write(runner, "tests/requirements.txt", "no-such-package-anywhere==1.0\n")
    write(runner, "tests/test_a.py", "def test_a(): pass\n")
    ended = runner.run({**inputs, "tests": "tests", "tests-requirements": "tests/requirements.txt"}, environ=OFFLINE)
    assert_blocked(ended, world, "inconclusive")
    assert "the requirements of the tests cannot be installed" in ended.summary
    assert "No matching distribution found for no-such-package-anywhere==1.0" in ended.log
    assert list(groups(ended.log)) == ["install requirements.txt"]


@pytest.mark.parametrize(
    "given",
    [
        {"tests": "tests/nope.py"},
        {"tests": "../outside"},
        {"tests": "tests -k 'open"},
        {"tests-requirements": "tests/requirements.txt"},
        {"tests": "tests", "tests-requirements": "tests/nope.txt"},
        {"test-environment": "NAME=a value of mine", "test-command": "true"},
    ],
    ids=lambda given: next(reversed(given.values())),
)
def test_wrong_inputs_change_nothing(
    runner: Runner, inputs: dict[str, str], world: World, given: dict[str, str]
) -> None:
    write(runner, "tests/requirements.txt", "")
    (runner.workspace.parent / "outside").mkdir()
    ended = runner.run({**inputs, **given})
    assert (ended.code, ended.result) == (1, "failed"), ended.log
    assert len(ended.errors) == 1
    assert ended.errors[0].message.startswith(("tests: ", "tests-requirements: ", "test-environment: "))
    assert "a value of mine" not in ended.log
    writes = [call.name for call in world.account.calls() if not re.search(r"\.(Get|List|Query|Describe)", call.name)]
    assert writes == []


def zeros(number: int) -> bytes:
    """Return gzip data of zeros."""
    return gzip.compress(bytes(number))


ENDS_BADLY: dict[str, tuple[bytes, bytes, float]] = {
    # What is sent first, what follows it forever, and the pause before each repetition.
    "/endless": (b"Content-Type: text/plain\r\n\r\n", b"x", 0.1),
    "/flood": (b"Content-Type: text/plain\r\n\r\n", b"x" * 65536, 0),
    "/headers": (b"", b"X: " + b"x" * 60_000 + b"\r\n", 0),
    "/drip": (b"", b"X: x\r\n", 0.1),
    "/bomb": (b"Content-Encoding: gzip\r\n\r\n", zeros(50_000_000), 1),
    "/lists": (b"Content-Length: 6000001\r\n\r\n", b"[" + b"[]," * 1_999_999 + b"1]" + b" " * 2, 60),
    "/words": (
        b"Content-Length: 5000002\r\n\r\n",
        b"[" + ",".join(['"😀%s"' % ("x" * 18)] * 200_000).encode() + b" ]",
        60,
    ),
    "/text": (b"Content-Length: 6000006\r\n\r\n", '["😀'.encode() + b"x" * 5_999_998 + b'"]', 60),
}


@contextmanager
def hostile() -> Iterator[str]:
    """Serve what never ends or is too large."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            first, repeated, pause = ENDS_BADLY[self.path.partition("?")[0]]
            with suppress(OSError):
                self.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + first)
                while True:
                    self.wfile.write(repeated)
                    time.sleep(pause)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_no_response_takes_more_time_or_memory_than_it_may(runner: Runner, inputs: dict[str, str]) -> None:
    """Each response several times, side by side."""
    paths = [f"{path}?{number}" for path in ENDS_BADLY for number in range(2)]
    checks = "\n".join(f"GET {path} 200 length(@) > `0`" for path in paths)
    peak = 0
    with hostile() as url:
        asked = {
            **inputs,
            "latest-url": url,
            "environment-url": f"{url}/served",
            "checks": checks,
            "verify-timeout": "0.1",
        }
        started = runner.start(asked, environ={"NO_PROXY": "127.0.0.1"})
        while started.process.poll() is None:
            peak = max(peak, peak_memory(started.process.pid))
            time.sleep(0.02)
        log = started.wait().log
    assert peak < 150_000, peak
    seen = {
        # How much of the six seconds is left depends on how busy the machine is.
        path: (outcome, int(milliseconds), re.sub(r"within \d seconds", "within six seconds", detail))
        for outcome, path, milliseconds, detail in re.findall(
            r"(passed|FAILED|unknown) +GET (/\w+)\S* .* \((\d+) ms\):? ?(.*)", log
        )
    }
    # A busy machine may not get as far as the limit of the headers.
    assert seen.pop("/headers")[::2] in {
        ("unknown", "the response cannot be read: its headers are larger than 256 KB"),
        ("unknown", "no response within six seconds"),
    }
    assert {path: (outcome, detail) for path, (outcome, _, detail) in seen.items()} == {
        "/endless": ("unknown", "the response did not end within six seconds"),
        "/flood": ("unknown", "the response is larger than 6 MB, so the rest of it was not read"),
        "/drip": ("unknown", "no response within six seconds"),
        "/bomb": ("unknown", "the response is larger than 6 MB, so the rest of it was not read"),
        "/lists": ("unknown", "the body has more than 250,000 values, so it was not read as JSON"),
        "/words": ("passed", ""),
        "/text": ("passed", ""),
    }
    assert max(milliseconds for _, milliseconds, _ in seen.values()) < 20_000


def test_sixteen_large_responses_at_once_take_no_more_memory_than_one(runner: Runner, inputs: dict[str, str]) -> None:
    peak = 0
    with hostile() as url:
        checks = "\n".join(f"GET /words?{number} 200 length(@) == `200000`" for number in range(16))
        started = runner.start({**inputs, "latest-url": url, "environment-url": f"{url}/served", "checks": checks})
        while started.process.poll() is None:
            peak = max(peak, peak_memory(started.process.pid))
            time.sleep(0.02)
        log = started.wait().log
    assert len(re.findall(r"passed +GET /words", log)) == 16
    assert peak < 150_000, peak


PEEK = """\
import os
from pathlib import Path

process, variables = os.getpid(), {}
while b"entrypoint" not in (Path("/proc") / str(process) / "cmdline").read_bytes():
    status = (Path("/proc") / str(process) / "status").read_text()
    process = int(status.partition("PPid:")[2].split()[0])
for name in ("environ", "mem", "maps", "fd/1", "cwd/"):
    try:
        with open(f"/proc/{process}/{name}", "rb") as file:
            file.read(1)
        print(name, "can be read")
    except OSError as error:
        print(name, error.strerror)
"""


class WithoutCapabilities(Runner):
    """A runner whose root has no capabilities. In a container, it has no CAP_SYS_PTRACE and no CAP_PERFMON."""

    def _spawn(self, command: Sequence[str], environ: Mapping[str, str]) -> subprocess.Popen[str]:
        dropped = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
        return super()._spawn([*dropped, *command], environ)


def test_tests_can_read_neither_the_memory_nor_the_variables_of_the_action(
    tmp_path: Path, account: Account, inputs: dict[str, str]
) -> None:
    folder = tmp_path / "started"
    folder.mkdir()
    runner = WithoutCapabilities(folder, account.environ)
    shutil.copytree(REPOSITORY / "tests" / "function", runner.workspace / "function")
    write(runner, "peek.py", PEEK)
    ended = runner.start({**inputs, "checks": "", "test-command": "python3 peek.py"}).wait()
    assert ended.code == 0, ended.log
    denied = [f"{name} Permission denied" for name in ("environ", "mem", "maps", "fd/1", "cwd/")]
    assert groups(ended.log)["test-command"] == denied


FORGE = """\
[[ ! ${GITHUB_ENV+x}${GITHUB_OUTPUT+x}${GITHUB_PATH+x}${GITHUB_STATE+x} ]]
for file in "$RUNNER_TEMP"/_runner_file_commands/*; do echo forged=1 >>"$file"; done
"""


@pytest.mark.parametrize("allowed", ["", "GITHUB_STEP_SUMMARY"])
def test_commands_cannot_write_what_the_runner_reads(runner: Runner, inputs: dict[str, str], allowed: str) -> None:
    started = runner.start({**inputs, "test-command": FORGE, "test-environment": allowed})
    files, ended = started.files, started.wait()
    assert ended.result == "promoted", ended.log
    assert "forged" not in {*ended.outputs, *ended.state}
    assert [file.read_text() for file in (files.env, files.path)] == ["", ""]
    assert ended.state
    assert ("forged=1" in ended.summary) is bool(allowed)
    assert "now serves version 1" in ended.summary
    warned = [annotation.message for annotation in ended.annotations if "has undone this" in annotation.message]
    assert len(warned) == (4 if allowed else 5)


def test_a_message_is_readable_if_a_variable_has_one_of_its_words(runner: Runner, inputs: dict[str, str]) -> None:
    variables = json.dumps({"MODE": "status", "WORD": "instead", "FIELD": "greeting"})
    checks = "GET /greeting 201\nGET /greeting 200 greeting == 'x'"
    ended = runner.run({**inputs, "checks": checks, "environment-variables": variables})
    assert ended.result == "blocked", ended.log
    [error] = ended.errors
    assert error.message.splitlines()[1:3] == [
        'GET /greeting 201: status 200 instead of 201: {"***": "Hello, world!"}',
        """GET /greeting 200 greeting == 'x': greeting == 'x' is false of {"***": "Hello, world!"}""",
    ]


def test_values_of_a_query_are_shown_nowhere_if_the_response_repeats_them(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    ended = runner.run({**inputs, "checks": "GET /greeting?name=t0k%2Fof+query 201"})
    assert_blocked(ended, world, "failed")
    detail = 'status 200 instead of 201: {"greeting": "Hello, ***!"}'
    assert f"GET /greeting?name=… 201: {detail}" in ended.errors[0].message
    assert "Hello, ***!" in ended.summary.replace("\\*", "*")
    [report] = (runner.folder / "runner_temp").rglob("junit-*.xml")
    known = [ended.log, ended.summary, report.read_text(), *map(str, [*world.items(), *ended.outputs.values()])]
    assert not [text for text in known if re.search("t0k.*of.*query", text)]


def test_texts_of_an_event_are_shown_nowhere_if_the_function_repeats_them(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    for name, path, query in (("answer", "/greeting", {"name": "t0ken-of-event"}), ("error", "/t0ken-of-event", 1)):
        event = {"rawPath": path, "queryStringParameters": query}
        (runner.workspace / f"{name}.json").write_text(json.dumps(event))
    (runner.workspace / "function" / "app.py").write_text(
        (runner.workspace / "function" / "app.py").read_text().replace("return answer(404,", "raise ValueError(")
    )
    ended = runner.run({**inputs, "invoke": "answer.json statusCode == `201`\nerror.json"})
    assert_blocked(ended, world, "failed")
    assert "Hello, ***!" in ended.log
    assert "nothing is at ***" in ended.log
    [report] = (runner.folder / "runner_temp").rglob("junit-*.xml")
    known = [ended.log, ended.summary, report.read_text(), *map(str, [*world.items(), *ended.outputs.values()])]
    assert not [text for text in known if "t0ken-of-event" in text]


def test_variables_of_the_function_are_redacted_in_output_and_tracebacks(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    """The environment has the same value as a variable, and it is shown in the action's own messages."""
    variables = json.dumps({"PASSWORD": SECRET, "STAGE": "preprod"})
    given = {**inputs, "environment-variables": variables, "test-command": f"echo '{SECRET}' preprod; false"}
    ended = runner.run(given, environ={"RUNNER_DEBUG": "1"})
    assert_blocked(ended, world, "failed")
    assert groups(ended.log)["test-command"] == ["*** ***"]
    assert "preprod of hello still serves nothing" in ended.log
    assert ended.outputs["latest-url"].startswith("http")
    world.account.inject(
        "error-before",
        "lambda.UpdateFunctionConfiguration",
        status=400,
        code="InvalidParameterValueException",
        message=f"{SECRET} is not valid",
    )
    again = runner.run({**given, "memory-size": "256"}, run_id=1001, environ={"RUNNER_DEBUG": "1"})
    assert again.code == 1
    assert "Traceback (most recent call last)" in again.log
    assert "*** is not valid" in again.log
    assert SECRET not in ended.log + ended.summary + again.log + again.summary
