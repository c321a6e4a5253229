"""Text from outside is shown harmlessly: the runner carries out our own commands and no others.

Each run has the whole corpus (tests/corpus.py) wherever the product accepts text from others.
"""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

from boto3.dynamodb.types import TypeSerializer

from sandbox.client import Account
from tests.corpus import CORPUS, TEXTS, assert_harmless_log, assert_harmless_summary
from tests.repository import commit, git
from tests.runner import INPUTS, METADATA, Ended, InProcessRunner, Runner
from tests.world import FUNCTION, TABLE, World

SCRIPT_NAME = ": '::error::injected ##[error]injected <script> @octocat'"
OURS = {"group", "endgroup", "error", "warning"}
"""The commands of the action itself."""
UNDECODABLE = b"\xff\xfe\xed\xa0\x80\xc0\xaf\x80 half of something"

FUNCTION_CODE = """
import base64, json, pathlib

TEXTS = json.loads(pathlib.Path(__file__).with_name("texts.json").read_text())

def handler(event, _context):
    if "fail" in event:
        raise RuntimeError(TEXTS[event["fail"]])
    if "answer" in event:
        return {TEXTS[event["answer"]][:500]: TEXTS[event["answer"]]}
    kind, number = event["rawPath"].strip("/").split("/")
    text = TEXTS[int(number)]
    body = json.dumps({"error": text}).encode() if kind == "json" else text.encode("utf-8", "surrogatepass")
    return {"statusCode": 500, "isBase64Encoded": True, "body": base64.b64encode(body).decode()}
"""
TESTS = """
import json, os, pathlib, unittest
import pytest

TEXTS = json.loads(pathlib.Path("texts.json").read_text())

@pytest.mark.parametrize("text", TEXTS, ids=[f"{number} {text[:60]}" for number, text in enumerate(TEXTS)])
def test_text(text):
    for stream in (1, 2):
        os.write(stream, text.encode("utf-8", "surrogatepass") + b"\\n")
    raise AssertionError(text)

class Named(unittest.TestCase):
    pass

for text in TEXTS:
    # With a control character in the name of a test, pytest's own report is not XML.
    name = "test " + "".join(character for character in text[:60] if character.isprintable())
    setattr(Named, name, lambda self, text=text: self.fail(text))
"""


def write(runner: Runner, files: Mapping[str, str | bytes]) -> None:
    for name, content in files.items():
        file = runner.workspace / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)


def assert_harmless(ended: Ended, *, title: str = "", leads_to: tuple[str, ...] = ("https://github.com/",)) -> None:
    """Nothing in log, annotations, outputs and summary is more than text."""
    commands = [command for command in ended.commands if command.name not in ("group", "endgroup")]
    assert {command.name for command in ended.commands} <= OURS, ended.commands
    assert len(commands) == len(ended.annotations), commands
    depth = 0
    for command in ended.commands:
        assert set(command.properties) <= {"title", "file", "line"}
        depth += {"group": 1, "endgroup": -1}.get(command.name, 0)
        assert depth in (0, 1)
    assert depth == 0
    for annotation in ended.annotations:
        assert_harmless_log(annotation.message)
        assert_harmless_log(annotation.title)
        assert "\n" not in annotation.title
        assert "##[" not in annotation.message
        assert not title or annotation.title == title
    assert_harmless_log(ended.log.replace("%0A", "\n"))
    # The page of the log interprets only our own commands.
    marks = [line for line in ended.shown.splitlines() if "##[" in line]
    assert all(re.match(r"##\[(group|endgroup|error|warning)\]", line) for line in marks)
    assert len(marks) == len(ended.commands)
    assert all(line.count("##[") == 1 for line in marks)
    assert set(ended.outputs) <= set(METADATA["outputs"])
    assert ended.outputs["promoted"] in ("true", "false")
    assert_harmless_summary(ended.summary, leads_to)
    assert_harmless_summary(ended.outputs.get("release-notes", ""), leads_to)


def test_the_corpus_is_large_and_its_texts_have_names() -> None:
    assert len(CORPUS) >= 30
    assert len(dict(CORPUS)) == len(CORPUS) == len(set(TEXTS))


def test_what_functions_tests_and_commands_say(runner: Runner, inputs: dict[str, str], world: World) -> None:
    """Status texts and bodies, names of tests, their output on both streams, and failures of tests and the function."""
    texts = json.dumps(TEXTS)
    # Each text as the body of a response, and each in one of the three other ways, which take longer.
    ways = {way: range(start, len(TEXTS), 3) for start, way in enumerate(("json", "fail", "answer"))}
    numbers = {"raw": range(len(TEXTS)), **ways}
    events = [(f"events/{kind}{number}.json", kind, number) for kind in ("fail", "answer") for number in numbers[kind]]
    printed = b"\n".join([*(text.encode("utf-8", "surrogatepass") for text in TEXTS), UNDECODABLE])
    # The result shows five of the last lines of a command's output.
    last = b"\n".join(text.replace("\n", " ").encode("utf-8", "surrogatepass")[:200] for text in TEXTS[:5])
    write(
        runner,
        {
            "function/app.py": FUNCTION_CODE,
            "function/texts.json": texts,
            "texts.json": texts,
            "texts.bin": printed + b"\n" + last,
            "tests/test_texts.py": TESTS,
            **{name: json.dumps({kind: number}) for name, kind, number in events},
        },
    )
    paths = [f"GET /{kind}/{number} 200" for kind in ("json", "raw") for number in numbers[kind]]
    ended = runner.run(
        {
            **inputs,
            "checks": "\n".join([*paths, "GET /json/1 500 error == '<script>alert(1)</script> @octocat **x** | y'"]),
            "invoke": "\n".join(f"{name} ok" for name, _, _ in events),
            "tests": "tests -s",
            "test-command": f"{SCRIPT_NAME}\ncat texts.bin\ncat texts.bin >&2\nexit 3",
        }
    )
    assert (ended.code, ended.result) == (1, "blocked"), ended.log[-3000:]
    sandbox = world.url
    assert_harmless(ended, leads_to=("https://github.com/", sandbox))
    # The whole corpus was there.
    assert len(re.findall(r"^\| ❌", ended.summary, re.MULTILINE)) > 3.5 * len(TEXTS)
    assert ended.log.count(":\u200b:error::injected") > 5
    assert world.alias_version() == ""
    junit = runner.workspace.parent / "runner_temp" / "promote-on-success" / "junit-preprod.xml"
    assert junit.stat().st_size > 10_000


def test_what_aws_says(runner: Runner, inputs: dict[str, str], account: Account) -> None:
    """The text of an error, with all of the corpus, from its beginning and from its end, because both may be cut."""
    for texts in (TEXTS, TEXTS[::-1]):
        message = "\n".join(text[:150] for text in texts)
        account.inject(
            "error-before",
            "lambda.GetFunctionConfiguration",
            times=0,
            status=400,
            code="InvalidParameterValueException",
            message=message,
        )
        ended = runner.run(inputs)
        assert (ended.code, ended.result, len(ended.errors)) == (1, "failed", 1), ended.log[-3000:]
        assert_harmless(ended)
        account.clear_faults()


def given(text: str) -> str:
    """Return ``text`` as an environment variable can contain it."""
    return text.replace("\0", "\\0").encode("utf-8", "replace").decode()[:100_000]


def test_what_inputs_say(tmp_path: Path, account: Account) -> None:
    """Each mistake is one annotation, which may repeat the value, and nothing in it is more than text."""
    runner = InProcessRunner(tmp_path, account.environ)
    sound = {"function-name": FUNCTION, "environment": "preprod", "checks": "GET /health"}
    others = [name for name in INPUTS if name not in ("github-token", "reason", "test-command", "test-environment")]
    refused = 0
    for number, (name, text) in enumerate(zip(cycle(others), [*TEXTS, *TEXTS[::-1]])):
        # No AWS call is made: the account has no function and cannot be reached.
        faraway = {
            "AWS_ENDPOINT_URL": "not a URL: " + given(text),
            "GITHUB_ACTOR": given(text),
            "GITHUB_REF": given(text),
        }
        ended = runner.run({**sound, name: given(text)}, run_id=number, environ=faraway)
        assert (ended.code, len(ended.errors)) == (1, 1), f"{name}: {ended.log}"
        assert_harmless(ended)
        refused += ended.errors[0].title == f"Input {name}"
    assert refused > len(TEXTS)
    assert account.calls() == []


def claims(texts: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Return tickets in which every text field has some of the corpus."""
    for number, text in enumerate(texts):
        owner, since, url, group, job = (texts[(number + step) % len(texts)] for step in (0, 1, 2, 3, 4))
        yield {
            "owner": owner or "x",
            "lease": 3600,
            "beat": number,
            "run_id": number % 2,
            "attempt": 2,
            "group": group,
            "queue": "fifo",
            "since": since,
            "url": url if number % 3 else f"https://evil.example/{text}",
            "job": job,
        }


def sound(text: str) -> str:
    """Return ``text`` as DynamoDB can store it, and short enough for many of them in one item."""
    return text.encode("utf-8", "replace").decode()[:300] or "x"


def test_what_others_have_written_into_the_table(runner: Runner, inputs: dict[str, str], world: World) -> None:
    """The lock, its queue, who has removed it by force, and the history, in status, unlock and a run that waits."""
    promoted = runner.run(inputs)
    assert promoted.result == "promoted", promoted.log
    serialize = TypeSerializer().serialize
    texts = tuple(dict.fromkeys(sound(text) for text in TEXTS))

    def put(item: Mapping[str, Any]) -> None:
        world.table.put_item(TableName=TABLE, Item={name: serialize(value) for name, value in item.items()})

    everything = " ".join(text[:100] for text in texts)
    (lock,) = world.records("lock")
    holder, *waiting = claims(texts)
    opened = {"by": everything, "at": everything, "reason": everything}
    put({**lock, **holder, "phase": everything, "kept_by": False, "tickets": waiting, "opened": opened})
    (move,) = world.records("promotion")
    for number in range(9):
        said = " ".join(texts[number::9])
        operation = f"{move['operation']}{number}"
        put(
            {
                **move,
                "sk": f"promotion#preprod#{int(move['sequence']):010d}-{operation}",
                "operation": operation,
                "kind": "rollback",
                "reason": said,
                "by": said,
                "at": said,
                "commit": said,
                "previous": "$LATEST",
            }
        )
    for item in (*world.records("version"), *world.records("environment")):
        put({**item, "commit": everything})
    world.function.update_alias(FunctionName=FUNCTION, Name="preprod", Description=everything[:256])

    trusted = ("https://github.com/", "http://127.0.0.1:")  # to runs, and to the sandbox
    shown = runner.run({"command": "status", "function-name": FUNCTION}, run_id=8)
    assert (shown.code, shown.result) == (0, "reported"), shown.log[-3000:]
    assert_harmless(shown, leads_to=trusted)
    assert shown.summary.count("number ") >= len(waiting)
    late = runner.run({**inputs, "lock-timeout": "0"}, run_id=9)
    assert (late.code, len(late.errors)) == (1, 1), late.log[-3000:]
    assert_harmless(late, leads_to=trusted)
    unlock = {"command": "unlock", "function-name": FUNCTION}
    said = "".join(character if character.isprintable() else " " for character in everything)
    actor = {"GITHUB_ACTOR": given(everything), "GITHUB_TRIGGERING_ACTOR": given(everything)}
    for number, reason in enumerate((said[:500], said[-500:])):
        opened_now = runner.run({**unlock, "reason": reason}, run_id=10 + number, environ=actor)
        assert opened_now.code == 0, opened_now.log[-3000:]
        assert_harmless(opened_now, leads_to=trusted)
    shown = runner.run({"command": "status", "function-name": FUNCTION}, run_id=8)
    assert shown.code == 0, shown.log[-3000:]
    assert_harmless(shown, leads_to=trusted)


def test_variables_are_named_and_their_values_are_not_shown(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    texts = [given(text)[:40] for text in TEXTS if len(given(text).strip()) > 5]
    variables = {f"TEXT_{number}": text for number, text in enumerate(texts)}
    ended = runner.run({**inputs, "environment-variables": json.dumps(variables)})
    assert (ended.code, ended.result, ended.annotations) == (0, "promoted", ()), ended.log
    assert_harmless(ended, leads_to=("https://github.com/", world.url))
    found = world.function.get_function_configuration(FunctionName=FUNCTION)["Environment"]["Variables"]
    assert found == variables
    for text in texts:
        assert text not in ended.log + ended.summary


def test_what_commits_and_those_who_write_them_say(runner: Runner, inputs: dict[str, str], world: World) -> None:
    """Subjects, bodies, types, scopes, footers, names: all of them are in the notes of a promotion."""
    git(runner.workspace, "init", "--quiet", "--initial-branch=main")
    first = commit(runner.workspace, "Begin")
    assert runner.run(inputs, commit=first, run_id=1).result == "promoted"
    for number, text in enumerate(TEXTS):
        said = text.replace("\0", "").encode(errors="replace").decode().strip() or "nothing"
        name = " ".join(re.sub(r"[<>\n]", " ", said).split())[:60] or "nobody"
        message = (said, f"feat({name[:20]})!: {said}", f"Tell of it\n\nBREAKING CHANGE: {said}", f'Revert "{said}"')[
            number % 4
        ]
        author = f"--author={name} <{number}@example.com>"
        git(runner.workspace, "commit", "--quiet", "--allow-empty", "--cleanup=verbatim", author, "--message", message)
    (runner.workspace / "function" / "data").write_text("new")
    ended = runner.run(inputs, commit=commit(runner.workspace, "End"), run_id=2)
    assert (ended.code, ended.result) == (0, "promoted"), ended.log[-3000:]
    assert ended.outputs["release-notes"].count("\n- ") >= len(TEXTS) // 2
    assert_harmless(ended, leads_to=("https://github.com/", "http://127.0.0.1:"))
    assert world.alias_version() == "2"
