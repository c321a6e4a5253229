"""What the configuration inputs change: values are merged, never removed."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promote.core.errors import FunctionError, InputError
from promote.inputs.environment_variables import VARIABLES_LIMIT
from promote.inputs.model import Configuration
from promote.pipeline.configuration import changes, creation, describe

CURRENT: dict[str, Any] = {
    "PackageType": "Zip",
    "Handler": "app.handler",
    "Runtime": "python3.13",
    "Role": "arn:aws:iam::123456789012:role/hello",
    "MemorySize": 128,
    "Timeout": 3,
    "Environment": {"Variables": {"A_": "1", "B_": "2"}},
}
ALL = Configuration("app.handler", "python3.13", "arn:aws:iam::123456789012:role/hello", 128, 3, {"A_": "1"})


def test_equal_or_missing_values_are_not_a_change() -> None:
    assert changes(Configuration(), CURRENT) == {}
    assert changes(ALL, CURRENT) == {}
    assert changes(Configuration(environment_variables={}), CURRENT) == {}
    assert changes(Configuration(environment_variables={}), {}) == {}


def test_only_what_differs_is_sent() -> None:
    wanted = Configuration(handler="app.other", memory_size=256, timeout=3)
    assert changes(wanted, CURRENT) == {"Handler": "app.other", "MemorySize": 256}


def test_variables_are_merged() -> None:
    wanted = Configuration(environment_variables={"B_": "3", "C_": "4"})
    assert changes(wanted, CURRENT) == {"Environment": {"Variables": {"A_": "1", "B_": "3", "C_": "4"}}}
    assert changes(wanted, {}) == {"Environment": {"Variables": {"B_": "3", "C_": "4"}}}


VARIABLES = st.dictionaries(st.sampled_from(["A_", "B_", "C_", "D_"]), st.text(max_size=3))


@settings(deadline=None)
@given(VARIABLES, st.none() | VARIABLES)
def test_no_variable_is_ever_wiped(existing: dict[str, str], wanted: dict[str, str] | None) -> None:
    current = {**CURRENT, "Environment": {"Variables": existing}}
    found = changes(Configuration(environment_variables=wanted), current)
    after = found.get("Environment", current["Environment"])["Variables"]
    assert after == {**existing, **(wanted or {})}
    assert ("Environment" in found) == (after != existing)


def test_variables_that_become_too_large_together_are_refused() -> None:
    existing = {"OLD": "x" * (VARIABLES_LIMIT - 19)}
    current = {**CURRENT, "Environment": {"Variables": existing}}
    assert changes(Configuration(environment_variables={"A": "yz"}), current)
    with pytest.raises(InputError, match=r"together with the function.s existing variables, they are 4097 bytes"):
        changes(Configuration(environment_variables={"A": "xyz"}), current)


@pytest.mark.parametrize(
    ("wanted", "name"),
    [(Configuration(handler="a.b", runtime="python3.13"), "handler"), (Configuration(runtime="python3.13"), "runtime")],
)
def test_an_image_brings_its_own_handler_and_runtime(wanted: Configuration, name: str) -> None:
    with pytest.raises(InputError) as caught:
        changes(wanted, {"PackageType": "Image"})
    assert caught.value.name == name


def test_a_new_function_gets_what_is_given() -> None:
    assert creation(ALL, "hello", "Zip") == {
        "Handler": "app.handler",
        "Runtime": "python3.13",
        "Role": "arn:aws:iam::123456789012:role/hello",
        "MemorySize": 128,
        "Timeout": 3,
        "Environment": {"Variables": {"A_": "1"}},
    }
    assert creation(Configuration(role="r", environment_variables={}), "hello", "Image") == {"Role": "r"}


@pytest.mark.parametrize(
    ("wanted", "package_type", "missing"),
    [
        (Configuration(), "Zip", "role, runtime and handler"),
        (Configuration(role="r"), "Zip", "runtime and handler"),
        (Configuration(role="r", runtime="python3.13"), "Zip", "handler"),
        (Configuration(), "Image", "role"),
    ],
)
def test_what_a_new_function_needs_is_named(wanted: Configuration, package_type: str, missing: str) -> None:
    with pytest.raises(FunctionError) as caught:
        creation(wanted, "hello", package_type)
    assert str(caught.value) == (
        f"the function hello does not exist in this region, and {missing} would be needed to create it"
    )
    assert f"add {missing}." in caught.value.hint


def test_a_description_has_no_variables_value() -> None:
    wanted = Configuration(
        timeout=9, memory_size=256, environment_variables={"A_": "secret", "B_": "2", "C_": "secret"}
    )
    said = describe(changes(wanted, CURRENT), CURRENT)
    assert said == ["memory-size: 128 → 256", "timeout: 3 → 9", "environment-variables: A_, C_"]
    assert describe({"Handler": "a.b", "Environment": {"Variables": {"A_": "x"}}}, {}) == [
        "handler: a.b",
        "environment-variables: A_",
    ]
