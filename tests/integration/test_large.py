"""Large archives: read from disk piece by piece, directly to Lambda or through the user's bucket."""

import base64
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from promote.aws.artifact import Archive, load, stage
from sandbox.client import Account
from tests.clock import Time
from tests.runner import REPOSITORY, Runner
from tests.world import FUNCTION, World

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MEMORY = 120 * 1024
"""The largest memory of a run in KB, whatever the size of the archive."""
LARGE, DIRECT = 70 << 20, 40 << 20


@pytest.fixture
def storage(world: World) -> "S3Client":
    client: S3Client = world.session.client("s3", endpoint_url=world.url)
    return client


@pytest.fixture
def bucket(world: World, storage: "S3Client") -> str:
    name = f"archives-{world.account.id}"
    storage.create_bucket(Bucket=name)
    return name


def plant(runner: Runner, size: int) -> None:
    """Add a file that cannot be compressed."""
    (runner.workspace / "function" / "model.bin").write_bytes(os.urandom(size))


class MeasuringRunner(Runner):
    """A runner that records the peak memory of a step."""

    def _spawn(self, command: Sequence[str], environ: Mapping[str, str]) -> subprocess.Popen[str]:
        program = [sys.executable, "-IS", str(REPOSITORY / "tests" / "peak_memory.py"), str(self._memory)]
        return super()._spawn([*program, *command], environ)

    @property
    def _memory(self) -> Path:
        return self.workspace.parent / "memory"

    @property
    def memory(self) -> int:
        """The peak memory of the last step, in KB."""
        return int(self._memory.read_text("ascii"))


@pytest.fixture
def runner(tmp_path: Path, account: Account) -> MeasuringRunner:
    made = MeasuringRunner(tmp_path, account.environ)
    shutil.copytree(REPOSITORY / "tests" / "function", made.workspace / "function")
    return made


def test_it_goes_through_the_bucket_and_is_stored_once(
    runner: MeasuringRunner, inputs: dict[str, str], world: World, storage: "S3Client", bucket: str
) -> None:
    plant(runner, LARGE)
    given = {**inputs, "artifact-bucket": f"s3://{bucket}/lambda/"}
    assert runner.run({**given, "dry-run": "true"}).result == "planned"
    assert storage.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    ended = runner.run(given)
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert runner.memory < MEMORY
    key = f"lambda/{base64.b64decode(world.code_sha256('1')).hex()}.zip"
    stored = storage.list_objects_v2(Bucket=bucket)["Contents"]
    assert [entry["Key"] for entry in stored] == [key]
    assert f"s3://{bucket}/{key} was uploaded" in ended.log
    assert storage.head_object(Bucket=bucket, Key=key)["Metadata"] == {}
    calls = [call.name for call in world.account.calls() if call.service == "s3"]
    assert calls.count("s3.PutObject") == 1

    world.account.forget()
    other = runner.run({**given, "function-name": "other", "command": "deploy", "checks": "", "endpoints": "none"})
    assert (other.code, other.result) == (0, "deployed"), other.log
    assert f"s3://{bucket}/{key} is there already" in other.log
    puts = [call.status for call in world.account.calls() if call.name == "s3.PutObject"]
    assert puts == [412]
    assert storage.list_objects_v2(Bucket=bucket)["Contents"] == stored
    world.account.forget()
    again = runner.run(given)
    assert again.result == "unchanged"
    assert "s3" not in {call.service for call in world.account.calls()}

    # What $LATEST contained at first is not there any more when it is this run's turn.
    held = runner.start({"function-name": FUNCTION, "command": "lock"}, run_id=5)
    assert held.wait().result == "locked"
    started = runner.start(given, run_id=6)
    started.wait_for("next in the queue")
    world.overwrite_latest()
    runner.post({}, run_id=5, environ=held.saved)
    late = started.wait()
    assert late.code == 0, late.log
    assert f"s3://{bucket}/{key} is there already" in late.log
    assert key == f"lambda/{base64.b64decode(world.code_sha256()).hex()}.zip"


def test_an_alias_that_follows_latest_since_the_upload_to_s3_began_is_noticed(
    runner: MeasuringRunner, inputs: dict[str, str], world: World, bucket: str
) -> None:
    """An upload of 250 MB over a slow connection takes minutes, in which others may act."""
    assert runner.run(inputs, run_id=1).result == "promoted"
    assert [call.name for call in world.account.calls()].count("lambda.ListAliases") == 1
    world.function.create_alias(FunctionName=FUNCTION, Name="prod", FunctionVersion="1")
    plant(runner, LARGE)
    given = {**inputs, "artifact-bucket": f"s3://{bucket}"}
    held = world.hold("hold-before", "s3.PutObject")
    world.account.forget()
    started = runner.start(given, run_id=3)
    held.wait_until_hit(60)
    world.function.update_alias(FunctionName=FUNCTION, Name="prod", FunctionVersion="$LATEST")
    before = world.code_sha256()
    held.release()
    ended = started.wait()
    assert (ended.code, ended.result) == (1, "refused"), ended.log
    assert "he alias prod of hello follows $LATEST" in ended.errors[0].message
    assert world.code_sha256() == before
    names = [call.name for call in world.account.calls()]
    assert names.count("lambda.ListAliases") == 2


def test_the_same_is_noticed_if_the_upload_begins_under_the_lock(
    runner: MeasuringRunner, inputs: dict[str, str], world: World, bucket: str
) -> None:
    """The code was in $LATEST at first, so it was not stored before."""
    plant(runner, LARGE)
    given = {**inputs, "artifact-bucket": f"s3://{bucket}"}
    assert runner.run(given, run_id=1).result == "promoted"
    world.function.create_alias(FunctionName=FUNCTION, Name="prod", FunctionVersion="1")
    holder = runner.start({"function-name": FUNCTION, "command": "lock"}, run_id=2)
    assert holder.wait().result == "locked"
    started = runner.start(given, run_id=3)
    started.wait_for("next in the queue")
    world.overwrite_latest()
    before = world.code_sha256()
    held = world.hold("hold-before", "s3.PutObject")
    runner.post({}, run_id=2, environ=holder.saved)
    held.wait_until_hit(60)
    world.function.update_alias(FunctionName=FUNCTION, Name="prod", FunctionVersion="$LATEST")
    held.release()
    ended = started.wait()
    assert (ended.code, ended.result) == (1, "refused"), ended.log
    assert "he alias prod of hello follows $LATEST" in ended.errors[0].message
    assert world.code_sha256() == before


def test_what_lambda_takes_directly_is_sent_from_disk_also_twice(
    runner: MeasuringRunner, inputs: dict[str, str], world: World
) -> None:
    runner.run(inputs)
    plant(runner, DIRECT)
    world.account.forget()
    cut = world.account.inject("cut-after", "lambda.UpdateFunctionCode")
    ended = runner.run({**inputs, "artifact-bucket": "not-needed"})
    assert (ended.code, ended.result) == (0, "promoted"), ended.log
    assert cut.hit
    assert runner.memory < MEMORY
    calls = world.account.calls()
    assert "s3" not in {call.service for call in calls}
    sent = [call.bytes_in for call in calls if call.name == "lambda.UpdateFunctionCode"]
    assert len(sent) >= 2
    assert set(sent) == {sent[0]}
    assert sent[0] > 4 * DIRECT / 3


def test_a_bucket_in_another_region_is_refused_before_anything_is_changed(
    runner: MeasuringRunner, inputs: dict[str, str], world: World, storage: "S3Client"
) -> None:
    runner.run(inputs)
    revision = world.function.get_function_configuration(FunctionName=FUNCTION)["RevisionId"]
    elsewhere = f"elsewhere-{world.account.id}"
    storage.create_bucket(Bucket=elsewhere, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    plant(runner, LARGE)
    world.account.forget()
    ended = runner.run({**inputs, "artifact-bucket": elsewhere, "memory-size": "512"})
    assert (ended.code, ended.result) == (1, "failed"), ended.log
    assert world.function.get_function_configuration(FunctionName=FUNCTION)["RevisionId"] == revision
    calls = [call.name for call in world.account.calls()]
    assert "s3.PutObject" in calls
    assert "dynamodb.UpdateItem" not in calls, "the lock was not even asked for"
    assert len(ended.errors) == 1
    assert "PermanentRedirect" in ended.errors[0].message
    assert "Lambda reads only from that region" in ended.errors[0].message


def test_who_stores_it_at_the_same_time_is_waited_for(
    runner: MeasuringRunner, world: World, storage: "S3Client", bucket: str
) -> None:
    archive = load("function", runner.workspace, runner.workspace, lambda: storage)
    assert isinstance(archive, Archive)
    conflict: Any = {"status": 409, "code": "ConditionalRequestConflict", "message": "Try again."}
    clock = Time()
    world.account.inject("error-before", "s3.PutObject", times=2, **conflict)
    uploaded, is_new = stage(archive, bucket, storage, clock)
    key = base64.b64decode(archive.code_sha256).hex() + ".zip"
    assert (uploaded.bucket, uploaded.key, uploaded.is_local, is_new) == (bucket, key, False, True)
    assert clock.seconds == 1 + 2
    assert storage.get_object(Bucket=bucket, Key=key)["Body"].read() == archive.file.read_bytes()
    assert stage(archive, bucket, storage, clock) == (uploaded, False)
    world.account.inject("error-before", "s3.PutObject", times=0, **conflict)
    with pytest.raises(storage.exceptions.ClientError, match="Try again"):
        stage(archive, bucket, storage, clock)


def test_an_archive_that_changes_before_its_upload_is_not_stored(
    runner: MeasuringRunner, storage: "S3Client", bucket: str
) -> None:
    """S3 compares the content with the digest, which is also the key. Later runs use what has this key."""
    archive = load("function", runner.workspace, runner.workspace, lambda: storage)
    assert isinstance(archive, Archive)
    archive.file.write_bytes(archive.file.read_bytes() + b"more")
    with pytest.raises(storage.exceptions.ClientError):
        stage(archive, bucket, storage, Time())
    assert storage.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
