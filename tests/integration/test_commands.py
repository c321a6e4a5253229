"""``lock``, ``unlock`` and ``status``, how the steps of a job share the lock, and what the post step releases."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer

from sandbox.client import Account
from tests.conftest import hurried
from tests.past import Pasts, first_release
from tests.runner import Ended, Runner, Started
from tests.world import FUNCTION, TABLE, World

pytestmark = pytest.mark.usefixtures("history")

LOCK = {"command": "lock", "function-name": FUNCTION}
UNLOCK = {"command": "unlock", "function-name": FUNCTION, "reason": "the runner is gone"}
STATUS = {"command": "status", "function-name": FUNCTION}


@pytest.fixture
def promoted(pasts: Pasts, runner: Runner, inputs: dict[str, str], account: Account) -> Ended:
    """Commit 1 is served. Commit 2 is in the workspace."""
    ended = first_release(pasts, runner, account, inputs)
    (runner.workspace / "function" / "commit").write_text("2")
    account.forget()
    return ended


def keep(runner: Runner, *, run_id: int = 2, name: str = FUNCTION, lease: str = "") -> Started:
    """Acquire the lock for a job, and keep it between its steps."""
    started = runner.start({**LOCK, "function-name": name, "lease": lease}, run_id=run_id)
    ended = started.wait()
    assert (ended.code, ended.result) == (0, "locked"), ended.log
    return started


def entry(world: World) -> Mapping[str, Any]:
    return next(iter(world.records("lock")), {})


def change(world: World, **attributes: Any) -> None:
    """Change the lock's item externally. None removes an attribute."""
    item = {name: value for name, value in {**entry(world), **attributes}.items() if value is not None}
    serialize = TypeSerializer().serialize
    world.table.put_item(TableName=TABLE, Item={name: serialize(value) for name, value in item.items()})


def writes(account: Account) -> list[str]:
    reads = ("Get", "List", "Query", "Scan", "Describe", "Invoke")
    return [call.name for call in account.calls() if not call.operation.startswith(reads)]


def remembered(runner: Runner) -> list[Path]:
    """The files with which the steps of a job find each other: in RUNNER_TEMP, and beside the command files."""
    temporary = runner.workspace.parent / "runner_temp"
    return sorted(temporary.rglob("promote-on-success-*"), key=lambda file: len(file.parts))


# The steps of one job


def test_a_job_keeps_the_lock_and_its_run_enters_and_leaves_it_to_the_post_step(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    first = keep(runner)
    token, owner = entry(world)["token"], world.lock_owner()
    assert owner.startswith("2/1/")
    other = runner.start(inputs, commit="3" * 40, run_id=3)
    other.wait_for("held by run 2")
    assert other.process.poll() is None

    release = runner.start(inputs, commit="2" * 40, run_id=2)
    ended = release.wait()
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert f"held, token {token}, acquired by an earlier step" in ended.log
    assert (entry(world)["token"], entry(world)["kept_by"]) == (token, "lock")
    assert world.lock_owner().startswith("2/1/")
    assert other.process.poll() is None

    # The runner runs post steps in the reverse order.
    posted = [runner.post(inputs, run_id=2, environ=step.saved) for step in (release, first)]
    assert [(ended.code, ended.annotations) for ended in posted] == [(0, ()), (0, ())], posted
    after = other.wait()
    assert after.result == "unchanged", after.log
    assert (entry(world)["token"], world.lock_owner()) == (token + 1, "")
    assert promoted.result == "promoted"


def test_the_lock_is_the_same_by_name_and_by_arn(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    arn = world.function.get_function_configuration(FunctionName=FUNCTION)["FunctionArn"]
    keep(runner, name=arn)
    ended = runner.run({**inputs, "lock-timeout": "0"}, commit="2" * 40, run_id=2)
    assert (ended.result, promoted.result) == ("promoted", "promoted"), ended.log
    assert [item["sk"] for item in world.records("lock")] == ["lock"]


def test_a_lock_taken_before_the_function_exists_is_that_of_the_run_which_creates_it(
    runner: Runner, inputs: dict[str, str], world: World
) -> None:
    step = keep(runner)
    ended = runner.run({**inputs, "lock-timeout": "0"}, run_id=2)
    assert ended.result == "promoted", ended.log
    assert len(world.records("lock")) == 1
    assert world.lock_owner()
    assert runner.post(LOCK, run_id=2, environ=step.saved).code == 0
    assert world.lock_owner() == ""


def test_a_second_lock_step_of_a_job_enters_and_may_lengthen_the_lease(runner: Runner, world: World) -> None:
    first = keep(runner, lease="60")
    token = entry(world)["token"]
    second = keep(runner, lease="600")
    assert (entry(world)["token"], entry(world)["lease"], entry(world)["kept_by"]) == (token, 600, "lock")
    posted = [runner.post(LOCK, run_id=2, environ=step.saved) for step in (second, first)]
    assert [(ended.code, ended.annotations) for ended in posted] == [(0, ()), (0, ())], posted
    assert world.lock_owner() == ""


def test_a_rerun_is_a_new_owner_and_waits(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    step = keep(runner)
    again = runner.run({**inputs, "lock-timeout": "0.01"}, commit="2" * 40, run_id=2, attempt=2)
    assert (again.code, again.result) == (1, "failed"), again.log
    assert "held by run 2" in again.errors[0].message
    assert world.lock_owner().startswith("2/1/")
    assert runner.post(inputs, run_id=2, environ=step.saved).code == 0
    again = runner.run(inputs, commit="2" * 40, run_id=2, attempt=2)
    assert (again.result, promoted.result) == ("promoted", "promoted"), again.log


def test_a_lock_step_waits_as_long_as_it_may(runner: Runner, world: World) -> None:
    step = keep(runner)
    late = hurried(runner).run({**LOCK, "lock-timeout": "0.05"}, run_id=3)
    assert (late.code, late.result) == (1, "failed"), late.log
    assert "The lock was not free within 0.05 minutes: it is held by run 2" in late.errors[0].message
    assert world.lock_owner().startswith("2/1/")
    # While it waits, a heartbeat renews its place. So others need not wait for an hour if it dies.
    waiting = runner.start(LOCK, run_id=4)
    waiting.wait_for("held by run 2")
    assert [ticket["lease"] for ticket in entry(world)["tickets"]] == [30]
    assert runner.post(LOCK, run_id=2, environ=step.saved).code == 0
    assert waiting.wait().result == "locked"
    assert (entry(world)["run_id"], entry(world)["lease"]) == (4, 3600)


@pytest.mark.parametrize("how", ["opened", "expired"])
def test_a_kept_lock_that_was_lost_is_acquired_again_by_the_jobs_next_run(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, how: str
) -> None:
    step = keep(runner, lease="1" if how == "expired" else "600")
    if how == "opened":
        assert runner.run(UNLOCK, run_id=8).result == "unlocked"
    else:
        other = runner.run(inputs, commit="2" * 40, run_id=2, environ={"GITHUB_JOB": "another"})
        assert other.result == "promoted", other.log
        assert "skipping it" in other.log
    token = entry(world)["token"]
    ended = runner.start(inputs, commit="2" * 40, run_id=2)
    result = ended.wait()
    # If it expired, another job of the same commit has promoted in the meantime.
    assert result.result == ("unchanged" if how == "expired" else "promoted"), result.log
    # It belongs to the run now, which releases it itself.
    assert (entry(world)["token"], world.lock_owner()) == (token + 1, "")
    for started in (ended, step):
        assert runner.post(inputs, run_id=2, environ=started.saved).code == 0
    assert promoted.result == "promoted"


def test_a_kept_lock_whose_lease_is_over_is_still_the_jobs_where_nobody_else_came(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    keep(runner, lease="1")
    token = entry(world)["token"]
    ended = runner.run({**inputs, "lock-timeout": "0"}, commit="2" * 40, run_id=2)
    assert (ended.result, entry(world)["token"]) == ("promoted", token), ended.log
    assert promoted.result == "promoted"


@pytest.mark.parametrize("has_table", [True, False])
def test_a_lock_in_a_dry_run_takes_nothing(runner: Runner, account: Account, world: World, *, has_table: bool) -> None:
    if has_table:
        step = keep(runner)
        runner.post(LOCK, run_id=2, environ=step.saved)
    before = world.items()
    account.forget()
    ended = runner.run({**LOCK, "dry-run": "true"}, run_id=3)
    assert (ended.code, ended.result) == (0, "planned"), ended.log
    assert "it is free" in ended.outputs["summary"]
    assert (writes(account), world.items()) == ([], before)


# The post step


def test_after_a_run_that_ended_well_the_post_step_asks_nobody(
    runner: Runner, inputs: dict[str, str], account: Account
) -> None:
    started = runner.start(inputs)
    assert started.wait().result == "promoted"
    account.forget()
    ended = runner.post(inputs, environ=started.saved)
    assert (ended.code, ended.log.strip(), account.calls()) == (0, "", [])


def test_the_post_step_works_with_what_was_saved_for_it_alone(runner: Runner, world: World) -> None:
    step = keep(runner)
    for file in remembered(runner):
        file.unlink()
    assert runner.post(LOCK, run_id=2, environ=step.saved).code == 0
    assert world.lock_owner() == ""


def test_the_post_step_works_with_the_runners_temporary_folder_alone(runner: Runner, world: World) -> None:
    keep(runner)
    remembered(runner)[1].unlink()
    assert runner.post(LOCK, run_id=2).code == 0
    assert world.lock_owner() == ""


def test_the_post_step_works_with_the_folder_of_the_command_files_alone(
    runner: Runner, world: World, tmp_path: Path
) -> None:
    """As under nektos/act, where each container has its own temporary folder, and there is no STATE_*."""
    own = [tmp_path / "main", tmp_path / "post"]
    for folder in own:
        folder.mkdir()
    started = runner.start(LOCK, run_id=2, environ={"RUNNER_TEMP": str(own[0])})
    assert started.wait().result == "locked"
    assert runner.post(LOCK, run_id=2, environ={"RUNNER_TEMP": str(own[1])}).code == 0
    assert world.lock_owner() == ""


@pytest.mark.parametrize(
    "other",
    [
        {"environ": {"GITHUB_JOB": "another"}},
        {"run_id": 3},
        {"attempt": 2},
    ],
)
def test_the_post_step_of_another_job_cannot_give_the_lock_back(
    runner: Runner, world: World, account: Account, other: dict[str, Any]
) -> None:
    """The defect of a similar action: any later step releases the lock."""
    keep(runner)
    account.forget()
    ended = runner.post(LOCK, **{"run_id": 2, **other})
    assert (ended.code, account.calls()) == (0, [])
    assert world.lock_owner().startswith("2/1/")


@pytest.mark.parametrize("number", ["", "0" * 32, None])
def test_a_forged_file_without_the_jobs_number_gives_nothing_back(runner: Runner, world: World, number: str) -> None:
    """Run, attempt and job can be known to others. Only the job knows the number."""
    keep(runner)
    for file in remembered(runner):
        known = json.loads(file.read_text())
        assert known["job"] not in ("", "0" * 32)
        file.write_text(json.dumps({**known, "job": number}))
    ended = runner.post(LOCK, run_id=2)
    assert ended.code == 0, ended.log
    assert world.lock_owner().startswith("2/1/")


@pytest.mark.parametrize(
    ("kind", "operation"),
    [
        ("hold-before", "dynamodb.UpdateItem"),  # requests the lock
        ("hold-after", "dynamodb.UpdateItem"),
        ("hold-after", "lambda.UpdateFunctionCode"),
        ("hold-before", "execute-api.Invoke"),
        ("hold-after", "lambda.UpdateAlias"),
    ],
)
@pytest.mark.parametrize("by", ["saved", "file"])
def test_the_post_step_gives_back_what_a_killed_run_has_left(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, *, kind: str, operation: str, by: str
) -> None:
    held = world.hold(kind, operation)
    started = runner.start(inputs, commit="2" * 40, run_id=2)
    held.wait_until_hit(20)
    started.kill()
    world.account.clear_faults()
    ended = runner.post(inputs, run_id=2, environ=started.saved if by == "saved" else {})
    assert (ended.code, ended.annotations) == (0, ()), ended.log
    assert world.lock_owner() == ""
    following = runner.run({**inputs, "lock-timeout": "0.1"}, commit="2" * 40, run_id=2, attempt=2)
    # If the alias had moved, the post step has completed the release.
    assert following.result == ("unchanged" if operation == "lambda.UpdateAlias" else "promoted"), following.log
    assert world.history() == [("", promoted.outputs["version"]), ("1", "2")]


def test_the_post_step_gives_back_the_ticket_of_a_run_killed_in_line(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    step = keep(runner, run_id=9)
    waiting = runner.start({**inputs, "queue": "fifo"}, commit="2" * 40, run_id=2)
    waiting.wait_for("held by run 9")
    waiting.kill()
    assert len(entry(world)["tickets"]) == 1
    assert runner.post(inputs, run_id=2, environ=waiting.saved).code == 0
    assert entry(world)["tickets"] == []
    assert world.lock_owner().startswith("9/")
    assert runner.post(LOCK, run_id=9, environ=step.saved).code == 0
    assert (world.lock_owner(), promoted.result) == ("", "promoted")


def test_the_post_step_warns_where_the_kept_lock_was_lost(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    step = keep(runner)
    assert runner.run(UNLOCK, run_id=8).result == "unlocked"
    other = keep(runner, run_id=3)
    ended = runner.post(LOCK, run_id=2, environ=step.saved)
    assert (ended.code, [annotation.kind for annotation in ended.annotations]) == (0, ["warning"]), ended.log
    assert "hello no longer belongs to this job" in ended.annotations[0].message
    assert world.lock_owner().startswith("3/")
    assert runner.post(LOCK, run_id=3, environ=other.saved).annotations == ()
    assert (inputs["function-name"], promoted.result) == ("hello", "promoted")


def test_a_post_step_without_credentials_says_so_and_changes_nothing_of_how_the_job_ended(
    runner: Runner, world: World
) -> None:
    step = keep(runner)
    nothing = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
    ended = runner.post(LOCK, run_id=2, environ={**step.saved, **nothing})
    assert (ended.code, [annotation.kind for annotation in ended.annotations]) == (0, ["warning"]), ended.log
    assert "credentials" in ended.annotations[0].message
    assert "Traceback" not in ended.log
    assert world.lock_owner()


def test_a_post_step_tries_again_for_all_locks_though_one_fails(runner: Runner, world: World) -> None:
    keep(runner, name="first")
    step = keep(runner, name="second")
    change_all = {item["pk"]: item for item in world.records("lock")}
    assert len(change_all) == 2
    damaged = next(pk for pk in change_all if pk.endswith(":first"))
    world.table.update_item(
        TableName=TABLE,
        Key={"pk": {"S": damaged}, "sk": {"S": "lock"}},
        UpdateExpression="SET tickets = :text",
        ExpressionAttributeValues={":text": {"S": "text"}},
    )
    ended = runner.post(LOCK, run_id=2, environ=step.saved)
    assert (ended.code, [annotation.kind for annotation in ended.annotations]) == (0, ["warning"]), ended.log
    assert {item["pk"].rpartition(":")[2] for item in world.records("lock") if "owner" in item} == {"first"}


# unlock


def test_unlock_needs_a_reason(runner: Runner, world: World) -> None:
    keep(runner)
    for reason in ("", "   ", "two\nlines"):
        ended = runner.run({**UNLOCK, "reason": reason}, run_id=8)
        assert (ended.code, [error.title for error in ended.errors]) == (1, ["Input reason"]), ended.log
    assert world.lock_owner().startswith("2/1/")
    assert world.records("unlock") == []


@pytest.mark.parametrize("kind", ["", "cut-after", "error-after", "cut-before"])
def test_unlock_opens_the_lock_and_records_it_once(runner: Runner, world: World, kind: str) -> None:
    keep(runner)
    token = entry(world)["token"]
    fault = world.account.inject(kind, "dynamodb.TransactWriteItems") if kind else None
    ended = runner.run(UNLOCK, run_id=8)
    assert fault is None or fault.hit
    assert (ended.code, ended.result, ended.annotations) == (0, "unlocked", ()), ended.log
    assert "run 2 held it" in ended.outputs["summary"]
    assert "https://github.com/octo/hello/actions/runs/2/attempts/1" in ended.summary
    assert (entry(world)["token"], world.lock_owner()) == (token + 1, "")
    (record,) = world.records("unlock")
    assert record["sk"] == f"unlock#{int(token) + 1:010d}-{record['operation']}"
    assert (record["held"], record["by"], record["reason"]) == ("run 2", "octocat", UNLOCK["reason"])
    assert record["run_id"] == 8
    # The next acquisition has its own token.
    keep(runner, run_id=3)
    assert entry(world)["token"] == token + 2


def test_unlock_whose_answers_were_all_lost_does_not_say_that_nothing_was_changed(runner: Runner, world: World) -> None:
    """Guarantee 6: botocore gives up after the call has taken effect."""
    keep(runner)
    world.account.inject("error-after", "dynamodb.TransactWriteItems", times=0)
    ended = runner.run(UNLOCK, run_id=8)
    assert (world.lock_owner(), len(world.records("unlock"))) == ("", 1)
    assert (ended.code, ended.result) == (0, "unlocked"), ended.log


def test_unlock_of_a_free_lock_changes_nothing(runner: Runner, account: Account, world: World) -> None:
    step = keep(runner)
    runner.post(LOCK, run_id=2, environ=step.saved)
    before = world.items()
    account.forget()
    ended = runner.run(UNLOCK, run_id=8)
    assert (ended.code, ended.result) == (0, "unchanged"), ended.log
    assert (writes(account), world.items()) == ([], before)


def test_unlock_without_a_table_changes_nothing(runner: Runner, account: Account) -> None:
    ended = runner.run(UNLOCK, run_id=8)
    assert (ended.code, ended.result, writes(account)) == (0, "unchanged", []), ended.log


def test_unlock_in_a_dry_run_changes_nothing(runner: Runner, account: Account, world: World) -> None:
    keep(runner)
    before = world.items()
    account.forget()
    ended = runner.run({**UNLOCK, "dry-run": "true"}, run_id=8)
    assert (ended.code, ended.result) == (0, "planned"), ended.log
    assert "run 2" in ended.outputs["summary"]
    assert (writes(account), world.items()) == ([], before)


def test_unlock_does_not_remove_the_lock_of_a_new_holder(runner: Runner, world: World) -> None:
    step = keep(runner)
    held = world.account.inject("hold-before", "dynamodb.TransactWriteItems")
    unlocking = runner.start(UNLOCK, run_id=8)
    held.wait_until_hit(20)
    runner.post(LOCK, run_id=2, environ=step.saved)
    keep(runner, run_id=3)
    held.release()
    ended = unlocking.wait()
    assert (ended.code, ended.result) == (0, "unchanged"), ended.log
    assert world.lock_owner().startswith("3/")
    assert world.records("unlock") == []


def test_a_holder_whose_lock_was_opened_stops_before_its_next_change_and_says_who_did_it(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    held = world.hold("hold-before", "execute-api.Invoke")
    holder = runner.start({**inputs, "lease": "2"}, commit="2" * 40, run_id=2)
    held.wait_until_hit(20)
    waiting = runner.start(inputs, commit="3" * 40, run_id=3)
    waiting.wait_for("held by run 2")
    waiting.process.terminate()
    waiting.wait()
    assert runner.run(UNLOCK, run_id=8).result == "unlocked"
    beats = world.account.inject("latency", "dynamodb.UpdateItem", seconds=0)  # the holder's next heartbeat shows it
    beats.wait_until_hit(20)
    beats = world.account.inject("latency", "dynamodb.UpdateItem", seconds=0)
    beats.wait_until_hit(20)
    world.account.forget()
    held.release()
    ended = holder.wait()
    assert (ended.code, ended.result, [error.title for error in ended.errors]) == (1, "failed", ["Lock"]), ended.log
    assert "lost to a forced unlock by octocat" in ended.errors[0].message
    assert "before its next change" in ended.errors[0].message
    changes = ("lambda.Update", "lambda.Publish", "lambda.Create")
    assert [name for name in writes(world.account) if name.startswith(changes)] == []
    assert (world.alias_version(), world.lock_owner()) == (promoted.outputs["version"], "")


def test_a_waiting_run_gets_the_lock_that_was_removed_by_force(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    keep(runner)
    waiting = runner.start(inputs, commit="3" * 40, run_id=3)
    waiting.wait_for("held by run 2")
    assert runner.run(UNLOCK, run_id=8).result == "unlocked"
    ended = waiting.wait()
    assert (ended.result, world.lock_owner(), promoted.result) == ("promoted", "", "promoted"), ended.log


@pytest.mark.parametrize(
    "reason",
    [
        "::error::the reason",
        "##[error]the reason",
        "**bold** <b>html</b> [link](javascript:alert(1)) `code` | cell",
        "@octocat #1 :tada: \u2192 https://example.com",
        "sandbox-secret-value is the key",
    ],
)
def test_a_reason_from_outside_does_no_harm(runner: Runner, reason: str) -> None:
    keep(runner)
    secret = {"AWS_SECRET_ACCESS_KEY": "sandbox-secret-value"}
    ended = runner.run({**UNLOCK, "reason": reason}, run_id=8, environ=secret)
    assert (ended.code, ended.result, ended.annotations) == (0, "unlocked", ()), ended.log
    shown = runner.run(STATUS, run_id=8, environ=secret)
    assert (shown.code, shown.annotations) == (0, ()), shown.log
    for step in (ended, shown):
        assert not any(line.lstrip().startswith("::") or "##[" in line for line in step.log.splitlines())
        for text in (step.log, step.summary):
            assert "sandbox-secret-value" not in text
        # Possible markup is within code, between runs of backticks of the same length.
        outside = re.sub(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)", "", step.summary)
        for markup in ("**bold**", "<b>", "](javascript", "@octocat", ":tada:"):
            assert markup not in outside


@pytest.mark.parametrize(
    "damage",
    [
        {"owner": 7},
        {"owner": ""},
        {"owner": ["a", "list"]},
        {"owner": {"a": "map"}},
        {"owner": b"bytes"},
        {"owner": True},
        {"lease": None},
        {"lease": "long"},
        {"lease": -1},
        {"beat": "x"},
        {"queue": "stack"},
        {"tickets": "text"},
        {"tickets": ["text"]},
        {"tickets": [{"owner": 7}]},
        {"run_id": "text", "attempt": []},
    ],
)
def test_a_damaged_lock_is_nobodys_until_it_is_opened_by_force(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended, damage: dict[str, Any]
) -> None:
    keep(runner)
    change(world, **damage)
    token, before = entry(world)["token"], entry(world)
    refused = runner.run({**inputs, "lock-timeout": "0.01"}, commit="2" * 40, run_id=3)
    assert (refused.code, [error.title for error in refused.errors]) == (1, ["Lock"]), refused.log
    assert entry(world) == before
    ended = runner.run(UNLOCK, run_id=8)
    assert (ended.code, ended.result) == (0, "unlocked"), ended.log
    (record,) = world.records("unlock")
    assert record["sk"].startswith(f"unlock#{int(token) + 1:010d}-")
    after = runner.run(inputs, commit="2" * 40, run_id=3)
    assert (after.result, promoted.result) == ("promoted", "promoted"), after.log
    assert entry(world)["token"] == token + 2


def test_a_lock_whose_owner_is_a_null_can_be_opened_as_well(runner: Runner, world: World) -> None:
    keep(runner)
    world.table.update_item(
        TableName=TABLE,
        Key={"pk": {"S": entry(world)["pk"]}, "sk": {"S": "lock"}},
        UpdateExpression="SET #owner = :null",
        ExpressionAttributeNames={"#owner": "owner"},
        ExpressionAttributeValues={":null": {"NULL": True}},
    )
    ended = runner.run(UNLOCK, run_id=8)
    assert (ended.code, ended.result) == (0, "unlocked"), ended.log
    assert "owner" not in entry(world)


@pytest.mark.parametrize(
    "damage",
    [{"token": None}, {"token": "7"}, {"token": -1}, {"token": []}, {"format": 2}, {"format": "x"}],
)
def test_a_lock_without_a_sane_token_or_of_another_format_is_not_opened(
    runner: Runner, world: World, damage: dict[str, Any]
) -> None:
    """If the token started again, two holders could have the same one."""
    keep(runner)
    change(world, **damage)
    before = world.items()
    ended = runner.run(UNLOCK, run_id=8)
    assert (ended.code, ended.result, [error.title for error in ended.errors]) == (1, "failed", ["Lock"]), ended.log
    assert "Traceback" not in ended.log
    assert world.items() == before


# status


def test_status_shows_everything_and_only_reads(
    runner: Runner, inputs: dict[str, str], world: World, promoted: Ended
) -> None:
    held = world.hold("hold-before", "execute-api.Invoke")
    holder = runner.start({**inputs, "lease": "4"}, commit="2" * 40, run_id=2)
    held.wait_until_hit(20)
    waiting = runner.start(inputs, commit="3" * 40, run_id=3)
    waiting.wait_for("held by run 2")
    before = {item["sk"]: item for item in world.items() if item["sk"] != "lock"}
    beats = world.account.inject("latency", "dynamodb.UpdateItem", nth=3, seconds=0)  # one shows the phase
    beats.wait_until_hit(30)
    ended = runner.run(STATUS, run_id=8)
    assert (ended.code, ended.result, ended.annotations) == (0, "reported", ()), ended.log
    for text in (ended.log, ended.summary):
        for shown in ("preprod", "1111111111", "passed", "run 2", "verify", "number 1 in the queue", "run 3"):
            assert shown in text, shown
    assert "hello: preprod serves version 1, run 2 holds the lock." in ended.outputs["summary"]
    assert {item["sk"]: item for item in world.items() if item["sk"] != "lock"} == before
    held.release()
    assert (holder.wait().result, waiting.wait().result) == ("promoted", "unchanged")

    world.account.forget()
    ended = runner.run(STATUS, run_id=8)
    assert writes(world.account) == []
    assert "The lock is free, and no run waits for it." in ended.log
    assert promoted.outputs["version"] in ended.log


def test_status_shows_a_lock_that_a_job_keeps(runner: Runner) -> None:
    keep(runner)
    ended = runner.run(STATUS, run_id=8)
    assert ended.code == 0
    assert "between its steps" in ended.log


@pytest.mark.parametrize("environment", ["", "preprod"])
def test_status_of_nothing_at_all(runner: Runner, account: Account, environment: str) -> None:
    ended = runner.run({**STATUS, "environment": environment}, run_id=8)
    assert (ended.code, ended.result, ended.annotations) == (0, "reported", ()), ended.log
    assert "does not exist" in ended.outputs["summary"]
    assert writes(account) == []


@pytest.mark.parametrize("environment", ["", "preprod"])
def test_status_without_the_table_shows_what_lambda_says(
    runner: Runner, world: World, promoted: Ended, environment: str
) -> None:
    world.table.delete_table(TableName=TABLE)
    world.account.forget()
    ended = runner.run({**STATUS, "environment": environment}, run_id=8)
    assert (ended.code, ended.result, ended.annotations) == (0, "reported", ()), ended.log
    assert writes(world.account) == []
    assert not environment or f"preprod serves version {promoted.outputs['version']}" in ended.outputs["summary"]


def test_status_of_a_function_that_was_deleted_shows_its_history(runner: Runner, world: World, promoted: Ended) -> None:
    world.function.delete_function(FunctionName=FUNCTION)
    ended = runner.run(STATUS, run_id=8)
    assert (ended.code, ended.result) == (0, "reported"), ended.log
    assert "does not exist" in ended.outputs["summary"]
    assert "1, the first" in ended.log
    assert promoted.result == "promoted"


def test_status_reports_an_external_move_of_the_alias(runner: Runner, world: World, promoted: Ended) -> None:
    world.overwrite_latest("def handler(event, context): return {}")
    external = world.function.publish_version(FunctionName=FUNCTION)["Version"]
    world.settle()
    world.function.update_alias(FunctionName=FUNCTION, Name="preprod", FunctionVersion=external)
    world.account.forget()
    ended = runner.run(STATUS, run_id=8)
    assert (ended.code, ended.result) == (0, "reported"), ended.log
    for text in (ended.log, ended.summary):
        assert f"preprod was changed externally since its last promotion: it points at version {external}." in text
        assert "none recorded" in text
    assert writes(world.account) == []
    assert world.alias_version() == external != promoted.outputs["version"]


def test_status_says_who_has_opened_the_lock(runner: Runner) -> None:
    keep(runner)
    assert runner.run(UNLOCK, run_id=8).result == "unlocked"
    ended = runner.run(STATUS, run_id=8)
    assert "last released by force by octocat" in ended.log
    assert UNLOCK["reason"] in ended.log
