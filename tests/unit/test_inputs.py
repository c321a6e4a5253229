"""Valid inputs, and how invalid ones are refused. tests/integration/test_bad_input.py has the rest."""

import json
import re
import socket
from collections.abc import Callable
from typing import Any

import boto3.session
import pytest
import requests
from hypothesis import example, given, settings
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter

from promote.core.commit_order import Diverged
from promote.core.errors import InputError
from promote.core.lock_state import Queue
from promote.inputs.environment_variables import RESERVED_VARIABLES, VARIABLES_LIMIT
from promote.inputs.function_name import partition_of
from promote.inputs.model import Configuration, Endpoints, Inputs, Isolation
from promote.inputs.parse import inputs_from_environ
from promote.inputs.usage import INPUTS as TABLE
from promote.inputs.usage import Command
from tests.runner import INPUTS

RIGHT = {"function-name": "hello", "environment": "preprod", "checks": "GET /health 200"}
ARN = "arn:aws-cn:lambda:cn-north-1:123456789012:function:hello"


def read(**inputs: str) -> Inputs:
    """Read valid inputs and ``inputs``, as the runner sets them. In names, _ is used for -."""
    command = inputs.get("command", "run")
    right = {
        name: value for name, value in RIGHT.items() if command in TABLE[name].commands | ({command} - set(Command))
    }
    values = {name: str(known.get("default", "")) for name, known in INPUTS.items()} | right
    values |= {name.replace("_", "-"): value for name, value in inputs.items()}
    return inputs_from_environ({f"INPUT_{name.upper()}": value for name, value in values.items()})


def refused(**inputs: str) -> InputError:
    with pytest.raises(InputError) as caught:
        read(**inputs)
    assert caught.value.hint.endswith((".", "?")), "a hint is a sentence"
    assert caught.value.title == f"Input {caught.value.name}"
    return caught.value


def test_the_defaults_are_those_of_the_documentation() -> None:
    inputs = read()
    assert inputs == inputs_from_environ({f"INPUT_{name.upper()}": value for name, value in RIGHT.items()})
    assert (inputs.command, inputs.function_name, inputs.function_arn, inputs.region) == (Command.RUN, "hello", "", "")
    assert (inputs.environment, inputs.artifact, inputs.configuration) == ("preprod", "", Configuration())
    assert (inputs.endpoints, inputs.latest_url, inputs.environment_url) == (Endpoints.AUTO, "", "")
    assert (inputs.verify_timeout, inputs.lock_timeout, inputs.lease) == (600, 1800, 30)
    assert (inputs.isolation, inputs.settle_time) == (Isolation.LATEST, 2)
    assert (inputs.queue, inputs.diverged, inputs.reason) == (Queue.NEWEST, None, "")
    assert (inputs.table, inputs.dry_run, inputs.invocations) == ("promote-on-success", False, ())


OTHERS = {
    "status": {"command": "status"},
    "lock": {"command": "lock"},
    "unlock": {"command": "unlock", "reason": "its runner is gone"},
}
"""The commands that promote nothing, with the inputs that they need."""


@pytest.mark.parametrize("others", OTHERS.values(), ids=OTHERS)
def test_what_promotes_nothing_needs_no_environment_and_no_checks(others: dict[str, str]) -> None:
    inputs = read(environment="", checks="", **others)
    assert (inputs.command.value, inputs.environment, inputs.checks) == (others["command"], "", ())
    assert refused(environment="", command="run").name == "environment"


def test_status_may_show_one_environment() -> None:
    assert read(command="status", environment="prod").environment == "prod"


@pytest.mark.parametrize("command", ["status", "release-notes"])
@pytest.mark.parametrize("value", ["7", "latest", "pre prod"])
def test_an_environment_that_is_given_is_checked_where_it_is_optional(command: str, value: str) -> None:
    assert refused(environment=value, command=command).name == "environment"


def test_a_command_that_is_misspelt_is_guessed() -> None:
    known = "run, deploy, promote, rollback, release-notes, status, lock, unlock, adopt, uninstall"
    for value, near in {"statsu": "status", "unlcok": "unlock", "Lock": "lock", "rum": "run"}.items():
        error = refused(command=value)
        assert (error.name, str(error)) == ("command", f"command: {value!r} is not known")
        assert error.hint == f"Did you mean {near}? Known are: {known}."
    assert refused(command="teardown").hint == f"Known are: {known}."


def test_a_lock_is_not_opened_by_force_without_a_reason() -> None:
    for value in ("", " ", "\n"):
        assert refused(command="unlock", reason=value).name == "reason"
    assert read(command="unlock", reason=" its runner is gone ").reason == "its runner is gone"


@pytest.mark.parametrize(("value", "expected"), [("1", 1), ("1.4", 1), ("2.6", 3), ("30", 30), ("21600", 21600)])
def test_leases(value: str, expected: int) -> None:
    assert read(lease=value).lease == expected
    assert read(lease=value, command="lock").lease == expected


def test_a_job_that_keeps_the_lock_has_no_heartbeat_and_a_longer_lease() -> None:
    assert {command: read(lease="", **others).lease for command, others in OTHERS.items()} == {
        "status": 30,
        "lock": 3600,
        "unlock": 30,
    }


@pytest.mark.parametrize("value", ["0", "0.5", "0.99", "21601", "21600.1", "-1", "1e3", "1h", "inf", "nan", "9" * 400])
def test_invalid_leases(value: str) -> None:
    for command, default in {"run": 30, "lock": 3600}.items():
        error = refused(lease=value, command=command)
        assert str(error) == f"lease: {value!r} is not a number of seconds from 1 to 21600"
        assert error.hint == f"Write it like {default}, which is the default."


def test_how_to_wait_and_what_to_do_with_a_history_that_has_parted() -> None:
    assert [read(queue=value).queue for value in ("newest", "fifo")] == [Queue.NEWEST, Queue.FIFO]
    assert [read(diverged=value).diverged for value in ("promote", "refuse")] == [Diverged.PROMOTE, Diverged.REFUSE]
    assert refused(queue="lifo").hint == "Did you mean fifo? Known are: newest, fifo."
    assert refused(diverged="block").hint == "Known are: promote, refuse."


def test_white_space_around_a_value_is_nothing() -> None:
    inputs = read(
        function_name=" hello\n", environment="\tprod ", verify_timeout=" 2 ", dry_run=" True ", artifact="  "
    )
    assert (inputs.function_name, inputs.environment, inputs.verify_timeout) == ("hello", "prod", 120)
    assert inputs.dry_run
    assert inputs.artifact == ""


def test_an_arn_says_name_and_region() -> None:
    inputs = read(function_name=ARN)
    assert (inputs.function_name, inputs.function_arn, inputs.region) == ("hello", ARN, "cn-north-1")
    assert read(function_name=ARN, aws_region="cn-north-1") == inputs
    assert refused(function_name=ARN, aws_region="eu-west-1").name == "aws-region"
    variables = {"INPUT_FUNCTION-NAME": ARN, "INPUT_ENVIRONMENT": "preprod", "INPUT_CHECKS": RIGHT["checks"]}
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        with pytest.raises(InputError, match=r"function-name: the region of its ARN is cn-north-1, .* is eu-west-1"):
            inputs_from_environ({**variables, name: "eu-west-1"})
        assert inputs_from_environ({**variables, name: "eu-west-1", "INPUT_AWS-REGION": "cn-north-1"}) == inputs
        assert inputs_from_environ({**variables, name: "cn-north-1"}).region == "cn-north-1"


def test_the_partition_of_an_arn_is_that_of_its_region() -> None:
    session = boto3.session.Session()
    for partition in session.get_available_partitions():
        for region in session.get_available_regions("lambda", partition):
            assert partition_of(region) == partition
    error = refused(function_name=ARN.replace("cn-north-1", "us-east-1"))
    assert (error.name, "the region us-east-1 is in aws" in str(error)) == ("function-name", True)
    assert "arn:aws:lambda:us-east-1:123456789012:function:hello" in error.hint


@pytest.mark.parametrize("target", ["hello", ARN])
@pytest.mark.parametrize("qualifier", ["7", "prod", "$LATEST"])
def test_a_qualifier_is_to_be_left_off(target: str, qualifier: str) -> None:
    error = refused(function_name=f"{target}:{qualifier}")
    assert str(error) == f"function-name: it ends with ':{qualifier}', a version or an alias"
    assert error.hint.startswith(f"Write {target}: ")


@pytest.mark.parametrize(
    "value", ["a" * 65, "a b", "hällo", f"{ARN}:7:8", ARN.replace("lambda", "s3"), "arn:aws", ":7"]
)
def test_invalid_functions(value: str) -> None:
    assert refused(function_name=value).name == "function-name"


@pytest.mark.parametrize("value", ["prod", "PROD-1", "_", "7a", "e" * 128])
def test_alias_names(value: str) -> None:
    assert read(environment=value).environment == value


@pytest.mark.parametrize(
    "value", ["", "7", "\u0667", "007", "a b", "prod:eu", "ä", "e" * 129, "latest", "LATEST", "$LATEST"]
)
def test_invalid_alias_names(value: str) -> None:
    assert refused(environment=value).name == "environment"


def test_variables_in_the_place_of_an_alias_are_not_repeated() -> None:
    error = refused(environment='{"API_KEY": "s3cr3t"}')
    assert (error.name, str(error)) == ("environment", "environment: it is JSON, and not the name of an alias")
    assert "environment-variables" in error.hint
    assert "s3cr3t" not in error.hint


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("handler", "app.handler", "app.handler"),
        ("handler", "com.example.Handler::handle", "com.example.Handler::handle"),
        ("runtime", "provided.al2023", "provided.al2023"),
        ("runtime", "nodejs22.x", "nodejs22.x"),
        ("role", "arn:aws-us-gov:iam::123456789012:role/a/b+c=d", "arn:aws-us-gov:iam::123456789012:role/a/b+c=d"),
        ("memory-size", "128", 128),
        ("memory-size", "10240", 10240),
        ("timeout", "1", 1),
        ("timeout", "900", 900),
        ("environment-variables", ' {"A_": "", "B_": "ä"} ', {"A_": "", "B_": "ä"}),
        ("environment-variables", "{}", {}),
    ],
)
def test_the_configuration(name: str, value: str, expected: Any) -> None:
    configuration = read(**{name: value}).configuration
    assert getattr(configuration, name.replace("-", "_")) == expected


@pytest.mark.parametrize("name", sorted(RESERVED_VARIABLES))
def test_what_lambda_sets_itself_cannot_be_given(name: str) -> None:
    assert f"{name} is set by Lambda itself" in str(refused(environment_variables=json.dumps({name: "x"})))


def test_variables_may_be_as_large_as_lambda_takes() -> None:
    # Lambda measures {"NAME":"..."}, as recorded.
    largest = {"NAME": "x" + "ä" * ((VARIABLES_LIMIT - 12) // 2)}
    assert read(environment_variables=json.dumps(largest)).configuration.environment_variables == largest
    error = refused(environment_variables=json.dumps({**largest, "AB": ""}))
    assert str(error) == "environment-variables: the variables are 4104 bytes as JSON, and Lambda accepts 4096"


@pytest.mark.parametrize(
    "text",
    ["s3cr3t", '{"A_": "s3cr3t"', '["s3cr3t"]', '{"A_": ["s3cr3t"]}', '{"A_": "s3cr3t\\ud800"}', '{"A": "s3cr3t"}'],
)
def test_a_variables_value_is_never_repeated(text: str) -> None:
    error = refused(environment_variables=text)
    assert "s3cr3t" not in f"{error} {error.hint}"


def test_a_variables_value_is_never_shown() -> None:
    assert "s3cr3t" not in repr(read(environment_variables='{"A_": "s3cr3t"}'))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("https://api.example.com", "https://api.example.com"),
        ("http://127.0.0.1:3000/a/b@c/", "http://127.0.0.1:3000/a/b@c"),
        ("https://[::1]:8080/", "https://[::1]:8080"),
        ("https://a_b-1.xn--bcher-kva.example:65535/a", "https://a_b-1.xn--bcher-kva.example:65535/a"),
        (f"http://{'a' * 63}.example.com:1", f"http://{'a' * 63}.example.com:1"),
    ],
)
def test_urls(value: str, expected: str) -> None:
    assert read(latest_url=value).latest_url == expected


@pytest.mark.parametrize(
    "value",
    [
        "api.example.com",
        "https://",
        "https:///path",
        "ftp://a",
        "https://a?b",
        "https://a#b",
        "https://a:b",
        "https://a:",
        "https://a:0",
        "https://a:65536",
        "https://a:99999",
        "https://a..b",
        "https://.a",
        "https://a.",
        f"https://{'a' * 64}.example.com",
        f"https://{'a.' * 127}com",
        "https://bücher.example",
        "https://a%2e",
        "https://*.example.com",
        "https://[::1",
        "https://[1:2]",
        "https://[:::]",
        "https://[::1%a b]",
        "https://a b",
    ],
)
def test_invalid_urls(value: str) -> None:
    assert refused(environment_url=value).name == "environment-url"


@settings(deadline=None)
@given(st.from_regex(r"https?://[a-b.:0-9\-\[\]_ä%]{1,9}(/.*)?", fullmatch=True))
@example("http://a:0")
@example("http://a:65535")
@example("http://a:65536/")
@example("https://[::1]:1")
def test_a_url_is_taken_if_its_host_and_port_are_right_and_can_then_be_asked(value: str) -> None:
    host, _, rest = value.partition("://")[2].partition("/")
    name, colon, port = host.rpartition(":") if re.search(r":\d*$", host) and not host.endswith("]") else (host, "", "")
    if name.startswith("["):
        is_right = name.endswith("]") and is_ipv6(name[1:-1])
    else:
        is_right = all(re.fullmatch(r"[a-z0-9_-]+", label) for label in name.split("."))
    is_right = is_right and (not colon or (port.isdecimal() and len(port) < 6 and 0 < int(port) < 65536))
    is_right = is_right and value.strip().isprintable() and not set(rest.strip()) & {" ", "?", "#"}
    if not is_right:
        assert refused(latest_url=value).name == "latest-url"
        return
    url = read(latest_url=value).latest_url
    assert url == value.strip().rstrip("/")
    request = requests.Request("GET", url + "/health").prepare()
    assert HTTPAdapter().build_connection_pool_key_attributes(request, verify=True)[0]["host"]


def is_ipv6(text: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6, text)
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    "value", ["https://me:s3cr3t@a", "https://me:s3/cr3t@a", "me:s3cr3t@a", "https://a?key=s3cr3t"]
)
def test_a_password_in_a_url_is_not_repeated(value: str) -> None:
    assert "s3cr3t" not in str(refused(latest_url=value))


def test_domain_and_path() -> None:
    inputs = read(domain_name="API.Example.com", base_path="/my-application/v1/")
    assert (inputs.domain_name, inputs.base_path) == ("api.example.com", "my-application/v1")


@pytest.mark.parametrize(
    "value", ["a", "a.b", "-a.example.com", "a..com", "*.example.com", "a.example.com.", "1.2.3.4"]
)
def test_invalid_domains(value: str) -> None:
    assert refused(domain_name=value).name == "domain-name"


@pytest.mark.parametrize(
    ("inputs", "name"),
    [
        ({"checks": ""}, "checks"),
        ({"endpoints": "none"}, "checks"),
        ({"endpoints": "none", "isolation": "version"}, "checks"),
        ({"base-path": "a"}, "base-path"),
        ({"domain-name": "a.example.com", "latest-url": "https://b"}, "latest-url"),
        ({"isolation": "version", "latest-url": "https://b"}, "latest-url"),
        ({"environment-url": "https://a/b", "latest-url": "https://a/b/"}, "latest-url"),
        ({"domain-name": "a.example.com", "environment-url": "https://b"}, "environment-url"),
        ({"domain-name": "a.example.com", "endpoints": "none", "checks": "", "invoke": "a.json"}, "domain-name"),
    ],
)
def test_inputs_that_do_not_go_together(inputs: dict[str, str], name: str) -> None:
    assert refused(**inputs).name == name


def test_inputs_that_go_together() -> None:
    assert read(checks="", invoke="a.json").invocations
    assert read(endpoints="none", checks="", invoke="a.json").endpoints is Endpoints.NONE
    assert read(endpoints="none", latest_url="https://a").checks


@pytest.mark.parametrize(
    ("inputs", "needs"),
    [
        ({}, True),
        ({"isolation": "version"}, True),
        ({"checks": "", "tests": "tests"}, True),
        ({"checks": "", "test-command": "./smoke"}, True),
        ({"checks": "", "invoke": "a.json"}, False),
        ({"checks": "", "invoke": "a.json", "domain-name": "a.example.com"}, True),
        ({"invoke": "a.json", "latest-url": "https://a"}, False),
        ({"environment-url": "https://a"}, True),
        ({"command": "deploy", "checks": ""}, True),
        ({"command": "deploy", "checks": "", "latest-url": "https://a"}, False),
        ({"command": "promote", "checks": "", "version": "1", "artifact": ""}, False),
        ({"command": "promote", "version": "1", "artifact": ""}, True),
    ],
)
def test_what_needs_a_url(inputs: dict[str, str], *, needs: bool) -> None:
    assert read(**inputs).needs_url is needs


CHOICES: dict[str, dict[str, object]] = {
    "isolation": {"": Isolation.LATEST, "latest": Isolation.LATEST, "version": Isolation.VERSION},
    "queue": {"": Queue.NEWEST, "newest": Queue.NEWEST, "fifo": Queue.FIFO},
    "diverged": {"": None, "promote": Diverged.PROMOTE, "refuse": Diverged.REFUSE},
    "github-deployments": {"": True, "true": True, "false": False},
    "allow-pull-requests": {"": False, "true": True, "false": False},
    "dry-run": {"": False, "true": True, "false": False},
}
"""Inputs with a few values, and what each means."""

SPELLINGS: list[Callable[[str], str]] = [str, str.upper, str.title, " {}".format, "{}\n".format, "\t{} ".format]


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(sorted(CHOICES)), st.data())
def test_an_input_with_a_few_values_has_one_of_them_or_is_refused(name: str, data: st.DataObject) -> None:
    known = CHOICES[name]
    value = data.draw(st.sampled_from(SPELLINGS))(
        data.draw(st.sampled_from(sorted({*known, "other"})) | st.text(max_size=8))
    )
    meant = value.strip()
    if True in known.values():
        meant = meant.lower()  # YAML's booleans may be written True
    if meant in known:
        assert getattr(read(**{name: value}), name.replace("-", "_")) == known[meant]
    else:
        assert refused(**{name: value}).name == name


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(sorted(INPUTS)), st.text())
def test_whatever_a_user_writes_is_taken_or_an_error_of_that_input(name: str, value: str) -> None:
    """Which texts are right differs from input to input: the tests above and test_bad_input.py have them."""
    try:
        read(**{name: value})
    except InputError as error:
        assert error.name == name  # noqa: PT017 - both ends are right
        assert str(error).startswith(f"{name}: ")  # noqa: PT017 - both ends are right
