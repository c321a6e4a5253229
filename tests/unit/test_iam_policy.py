"""The documented policy names what the code calls."""

import json
import re

from tests.runner import REPOSITORY

POLICY = json.loads((REPOSITORY / "docs" / "iam-policy.json").read_text(encoding="utf-8"))


def actions(prefix: str) -> set[str]:
    found: set[str] = set()
    for statement in POLICY["Statement"]:
        named = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        found |= {name.partition(":")[2] for name in named if name.startswith(prefix + ":")}
    return found


def called(module: str, pattern: str) -> set[str]:
    source = (REPOSITORY / "promote" / module).read_text(encoding="utf-8")
    methods = set(re.findall(pattern, source)) - {"exceptions"}
    return {"".join(word.capitalize() for word in method.split("_")) for method in methods}


def test_each_call_of_lambda_is_allowed_and_nothing_else() -> None:
    calls = {"InvokeFunction" if name == "Invoke" else name for name in called("function.py", r"_client\.(\w+)")}
    assert calls == actions("lambda")


def test_each_call_of_dynamodb_is_allowed_and_nothing_else() -> None:
    calls = called("table.py", r"""(?:client\.|_call\(\s*")(\w+)""")
    # A transaction needs the permissions of its parts: there is none of its own.
    assert calls - {"TransactWriteItems"} == actions("dynamodb")
