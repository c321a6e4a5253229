"""Applications: the lines of ``function-name``, promote.yml, its schema, and the errors."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from promote.core.errors import InputError
from promote.inputs.application import Application
from promote.inputs.function_lines import parse_lines
from promote.inputs.located_yaml import LARGEST, Located, LocatedError, read
from promote.inputs.manifest import parse
from promote.inputs.manifest_schema import FUNCTION, MOST, WHOLE, check
from promote.inputs.model import Inputs
from promote.inputs.step import application
from tests.runner import INPUTS
from tools.document import REPOSITORY, editors

EXAMPLE = (REPOSITORY / "examples" / "promote.yml").read_text(encoding="utf-8")
DOCUMENT = (REPOSITORY / "docs" / "applications.md").read_text(encoding="utf-8")
SCHEMA = json.loads((REPOSITORY / "docs" / "promote.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:"


def environ(**inputs: str) -> dict[str, str]:
    """Return the variables that the runner sets. In names, _ is used for -."""
    values = {name: str(known.get("default", "")) for name, known in INPUTS.items()}
    values |= {"environment": "preprod"} | {name.replace("_", "-"): value for name, value in inputs.items()}
    return {f"INPUT_{name.upper()}": value for name, value in values.items()}


def lines(text: str) -> Application:
    found = parse_lines(text)
    assert found
    return found


def refused_lines(text: str) -> InputError:
    with pytest.raises(InputError) as caught:
        parse_lines(text)
    assert caught.value.name == "function-name"
    return caught.value


def refused(text: str, environment: str = "") -> InputError:
    with pytest.raises(InputError) as caught:
        parse(text, "promote.yml", environment)
    assert caught.value.name == "application"
    assert str(caught.value).startswith("application: promote.yml:")
    assert caught.value.hint.endswith((".", "?"))
    return caught.value


def contents(found: Application) -> dict[str, dict[str, Any]]:
    return {part.name: {name: given.content for name, given in part.given.items()} for part in found.parts}


RIGHT_LINES = {"api": "api", "api # why": "api", "mail = build": "mail", " web=a b.zip": "web", "# why": "", "": ""}
"""Lines, with the function that each names."""
WRONG_LINES = [" = build", "api =", "my mail", "mail:7", "mail = a\x1bb", "f" * 65]


class TestLines:
    @pytest.mark.parametrize("text", ["", "hello", " hello\n", f"{ARN}hello", "two words", "hello:7"])
    def test_one_line_is_what_it_was(self, text: str) -> None:
        assert parse_lines(text) is None

    def test_a_line_is_a_function_with_or_without_an_artifact(self) -> None:
        text = f"\n# the shop\napi = build/a b.zip\n\n  mail\t# adopted\n{ARN}reports=s3://builds/a=b.zip#1\n"
        found = lines(text)
        assert contents(found) == {
            "api": {"artifact": "build/a b.zip"},
            "mail": {},
            "reports": {"artifact": "s3://builds/a=b.zip#1"},
        }
        assert [part.arn for part in found.parts] == ["", "", f"{ARN}reports"]
        assert [str(part.place) for part in found.parts] == ["line 2", "line 4", "line 5"]
        assert (found.region, found.account, found.file) == ("eu-west-1", "123456789012", "")

    def test_one_function_with_its_artifact_is_an_application_too(self) -> None:
        assert contents(lines("api = build")) == {"api": {"artifact": "build"}}
        assert contents(lines("api # with a comment\n# and another")) == {"api": {}}

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("api\nmail\napi = a", "line 3: the function api is listed twice, first in line 1"),
            (f"api\n{ARN}api", "line 2: the function api is listed twice, first in line 1"),
            ("api\n = build", "line 2: the artifact 'build' has no function"),
            ("api =\nmail", "line 1: the artifact after the = is missing"),
            ("api\nmy mail = a", "line 2: 'my mail' is neither a function's name nor its ARN"),
            ("api\nmail:7", "line 2: it ends with ':7', a version or an alias"),
            ("api = a\x1bb\nmail", "line 1: the artifact contains a control character"),
            (
                f"{ARN}api\nmail\n{ARN.replace('eu-west-1', 'us-east-1')}c",
                "line 3: c is in the region us-east-1, and api in eu-west-1",
            ),
            (
                f"{ARN}api\n{ARN.replace('123456789012', '210987654321')}c",
                "line 2: c is in the account 210987654321, and api in 123456789012",
            ),
            ("\n".join(f"f{number}" for number in range(MOST + 1)), "line 26: there are more than 25 functions"),
        ],
    )
    def test_what_is_wrong_is_refused_with_its_line(self, text: str, problem: str) -> None:
        assert str(refused_lines(text)) == f"function-name: {problem}"

    @settings(max_examples=300)
    @given(st.lists(st.sampled_from([*RIGHT_LINES, *WRONG_LINES]), max_size=4))
    def test_lines_are_read_if_each_is_right_and_none_is_listed_twice(self, written: list[str]) -> None:
        text = "\n".join(written).strip()
        names = [name for line in written if (name := RIGHT_LINES.get(line))]
        is_right = set(written) <= set(RIGHT_LINES) and 0 < len(names) == len(set(names))
        if "\n" not in text and "=" not in text:
            assert parse_lines(text) is None
        elif is_right:
            assert [part.name for part in lines(text).parts] == names
        else:
            assert refused_lines(text).name == "function-name"

    @given(st.text())
    def test_whatever_else_is_written_is_an_error_of_that_input_or_the_name_of_a_function(self, text: str) -> None:
        """A text of one line is checked later, as the name of one function."""
        try:
            found = parse_lines(text)
        except InputError as error:
            assert error.name == "function-name"  # noqa: PT017 - both ends are right
            return
        assert (found is None) == ("\n" not in text.strip() and "=" not in text)
        assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", part.name) for part in (found.parts if found else ()))


class TestFile:
    def test_the_example_is_right_in_every_environment(self) -> None:
        for environment in ("preprod", "prod"):
            found = parse(EXAMPLE, "promote.yml", environment)
            api, mail, reports = found.inputs(environ(environment=environment))
            is_prod = environment == "prod"
            assert api.configuration.memory_size == (1024 if is_prod else 512)
            level = "warning" if is_prod else "info"
            assert api.configuration.environment_variables == {"CURRENCY": "EUR", "LOG_LEVEL": level}
            assert (api.function_name, api.artifact, len(api.checks), api.tests) == (
                "shop-api",
                "build/api.zip",
                2,
                "tests/smoke -k 'not slow'",
            )
            assert (mail.checks, mail.endpoints.value, mail.invocations[0].event) == ((), "auto", "events/order.json")
            assert (mail.tests, mail.configuration.memory_size, mail.verify_timeout) == ("", 256, 300)
            assert (reports.configuration.timeout, reports.configuration.handler) == (120, "app.handler")
            assert found.retired == {"shop-legacy"}

    def test_what_the_file_does_not_say_the_step_says_for_all(self) -> None:
        found = parse("functions:\n  a:\n  b: {handler: b.run}\nchecks: GET /", "promote.yml", "preprod")
        step = environ(runtime="python3.13", handler="app.run", artifact="build.zip", table="ledger")
        one, other = found.inputs(step)
        assert [one.configuration.handler, other.configuration.handler] == ["app.run", "b.run"]
        assert {inputs.configuration.runtime for inputs in (one, other)} == {"python3.13"}
        assert {(inputs.artifact, inputs.table) for inputs in (one, other)} == {("build.zip", "ledger")}
        assert [paths(one), paths(other)] == [["/"], []]

    @pytest.mark.parametrize(
        ("name", "value", "text"),
        [
            ("checks", "GET /step", "functions: {a: {}, b: {}}\nchecks: GET /"),
            ("verify-timeout", "5", "functions: {a: {}, b: {}}\nverify-timeout: 3"),
            ("handler", "app.run", "functions: {a: {handler: a.run}, b: {handler: b.run}}"),
            ("runtime", "python3.13", "functions: {a: {runtime: python3.12}}"),
            ("environment-variables", '{"A_": "1"}', "functions: {a: {environment-variables: {A_: x}}}"),
        ],
    )
    def test_what_the_file_says_of_all_functions_is_not_said_by_the_step_as_well(
        self, name: str, value: str, text: str
    ) -> None:
        with pytest.raises(InputError) as caught:
            parse(text, "promote.yml", "").inputs(environ(**{name: value}))
        assert str(caught.value).startswith(f"{name}: it has no effect: promote.yml sets it for ")
        assert caught.value.hint == f"Remove {name} from the step, or from promote.yml."

    def test_an_artifact_of_the_step_that_each_line_replaces_is_refused(self) -> None:
        with pytest.raises(InputError, match=r"^artifact: it has no effect: function-name sets it for all functions"):
            lines("a = a.zip\nb = b.zip").inputs(environ(artifact="build", checks="GET /"))
        assert lines("a = a.zip\nb").inputs(environ(artifact="build", checks="GET /"))[1].artifact == "build"

    def test_the_file_is_for_all_commands_and_each_takes_what_counts_for_it(self) -> None:
        text = "functions: {a: {artifact: a.zip, handler: a.run, endpoints: none, invoke: e.json}}\nverify-timeout: 3"
        commands = {
            "run": {},
            "deploy": {},
            "promote": {"from": "test"},
            "rollback": {},
            "release-notes": {},
            "status": {},
        }
        found = {
            command: parse(text, "promote.yml", "").inputs(environ(command=command, **others))[0]
            for command, others in commands.items()
        }
        assert [command for command, inputs in found.items() if inputs.artifact] == ["run", "deploy"]
        assert [command for command, inputs in found.items() if inputs.configuration.handler] == ["run", "deploy"]
        assert [command for command, inputs in found.items() if inputs.has_verification] == ["run", "promote"]

    @pytest.mark.parametrize(
        ("text", "name"),
        [
            ("functions: {a: {invoke: e.json}}\ntests-requirements: r.txt", "tests-requirements"),
            ("functions: {a: {invoke: e.json}}\ntest-environment: NAME", "test-environment"),
            ("functions: {a: {invoke: e.json, base-path: a}}", "base-path"),
        ],
    )
    def test_a_key_that_has_no_effect_alone_is_refused(self, text: str, name: str) -> None:
        with pytest.raises(InputError) as caught:
            parse(text, "promote.yml", "").inputs(environ())
        assert f"{name}: it has no effect without" in str(caught.value)

    @pytest.mark.parametrize("text", ["#=", "# a\n# b"])
    def test_lines_that_are_all_comments_name_no_function(self, text: str) -> None:
        with pytest.raises(InputError, match="it names no function"):
            parse_lines(text)

    def test_lines_of_checks_say_whose_they_are(self) -> None:
        step = environ(checks="GET /a\nb: GET /b\n# c: GET /c\n\nb: POST /b 201\n", invoke="b: event.json")
        one, other = lines("a\nb").inputs(step)
        assert (paths(one), paths(other)) == (["/a"], ["/b", "/b"])
        assert [inputs.invocations != () for inputs in (one, other)] == [False, True]
        with pytest.raises(InputError, match=r"^checks: line 5: 'FETCH' is not an HTTP method"):
            lines("a\nb").inputs(environ(checks="GET /\n# a comment\nb: GET /\n\nb: FETCH /"))
        with pytest.raises(InputError) as caught:
            lines("alpha\nbeta").inputs(environ(checks="GET /\nbeto: GET /"))
        assert str(caught.value) == "checks: line 2: there is no function 'beto'"
        assert caught.value.hint == "Did you mean beta? The functions are: alpha, beta."

    def test_own_checks_come_before_those_of_the_whole(self) -> None:
        text = "checks: |\n  b: GET /whole\n  GET /first\nfunctions: {a: {}, b: {checks: [GET /own]}}"
        one, other = parse(text, "promote.yml", "").inputs(environ())
        assert (paths(one), paths(other)) == (["/first"], ["/own", "/whole"])

    def test_an_arn_says_the_region_of_all(self) -> None:
        one, other = lines(f"a\n{ARN}b").inputs(environ(checks="GET /"))
        assert [(inputs.region, inputs.function_arn) for inputs in (one, other)] == [
            ("eu-west-1", ""),
            ("eu-west-1", f"{ARN}b"),
        ]
        with pytest.raises(InputError, match="aws-region: it is us-east-1"):
            lines(f"a\n{ARN}b").inputs(environ(checks="GET /", aws_region="us-east-1"))
        with pytest.raises(InputError, match="the region in use is us-east-1"):
            lines(f"a\n{ARN}b").inputs({**environ(checks="GET /"), "AWS_REGION": "us-east-1"})

    def test_the_application_needs_something_to_verify_it_with(self) -> None:
        with pytest.raises(InputError, match="nothing to verify the application with"):
            lines("a\nb").inputs(environ())
        assert lines("a\nb").inputs(environ(test_command="true"))[1].has_verification is False
        assert lines("a\nb").inputs(environ(command="status"))

    def test_what_is_of_one_function_cannot_be_said_of_all(self) -> None:
        with pytest.raises(InputError, match="latest-url: it is one URL, and there are 2 functions"):
            lines("a\nb").inputs(environ(checks="GET /", latest_url="https://a"))
        with pytest.raises(InputError, match=r"base-path: a and b would be at the same path of shop\.example\.com"):
            lines("a\nb").inputs(environ(checks="GET /", domain_name="shop.example.com", base_path="shop"))
        assert lines("a = b").inputs(environ(checks="GET /", latest_url="https://a"))

    @pytest.mark.parametrize(
        ("text", "problem", "hint"),
        [
            ("", ":1: it must be a mapping, and it is empty", "key: value"),
            ("- a", ":1: it must be a mapping, and it is a list", "key: value"),
            ("checks: GET /", ":1: functions is missing", "Name the functions"),
            ("functions: {}", ":1: functions: it names no function", "Add at least one"),
            (
                "functions:\n  a: {}\nfunctoins:",
                ":3: functoins is not known",
                "Did you mean functions? Known keys:",
            ),
            ("functions:\n  a:\n    memory: 1", ":3: functions.a.memory is not known", "Did you mean memory-size?"),
            (
                "functions:\n  a: {handler: []}",
                ":2: functions.a.handler: it must be a line of text, and it is a list",
                "",
            ),
            (
                "functions:\n  a: {runtime: 3.13}",
                ":2: functions.a.runtime: it must be a line of text, and it is a number",
                "quotes",
            ),
            (
                "functions:\n  a:\n    memory-size: '512'",
                ":3: functions.a.memory-size: it must be a whole number from 128 to 10240, and it is text",
                "without quotes",
            ),
            (
                "functions: {a: {timeout: 901}}",
                ":1: functions.a.timeout: it must be a whole number from 1 to 900, and it is 901",
                "",
            ),
            (
                "functions: {a: {timeout: 1.5}}",
                ":1: functions.a.timeout: it must be a whole number from 1 to 900, and it is 1.5",
                "",
            ),
            ("functions: {a: {timeout: true}}", "it is true or false", ""),
            (
                "functions: {a: {endpoints: htpp}}",
                ":1: functions.a.endpoints: 'htpp' is neither auto nor http nor none",
                "",
            ),
            ("functions: {a: {artifact: ''}}", ":1: functions.a.artifact: it is empty", "remove the key"),
            (
                "functions: {a: {artifact: }}",
                ":1: functions.a.artifact: it must be a line of text, and it is empty",
                "",
            ),
            (
                "functions: {a: {checks: [GET /, 7]}}",
                "functions.a.checks: it must be a line of text, and it is a number",
                "",
            ),
            ("functions: {a: {checks: 7}}", "it must be text or a list of text, and it is a number", ""),
            ("functions:\n  a b: {}", ":2: functions: 'a b' is not a function's name or ARN", ""),
            ("functions:\n  no: {}", ":2: a key must be text, and 'no' is true or false", "quotes"),
            ("functions:\n  a: {}\n  a: {}", ":3: 'a' is listed twice, first in line 2", ""),
            (
                f"functions:\n  a: {{}}\n  {ARN}a: {{}}",
                ":3: the function a is listed twice, first in line 2",
                "same function",
            ),
            (
                f"functions:\n  {ARN}a: {{}}\n  {ARN.replace('west', 'east')}b: {{}}",
                ":3: b is in the region eu-east-1, and a in",
                "",
            ),
            (
                "functions: {a: {environment-variables: {A_: 1}}}",
                "environment-variables.A_: it must be text, and it is a number",
                "quotes",
            ),
            ("functions: {a: {environment-variables: {AWS_REGION: x}}}", "AWS_REGION is set by Lambda itself", ""),
            ("functions: {a: {environment-variables: {1A: x}}}", "'1A' is not a valid name of a Lambda", ""),
            ("functions: {a: }\nenvironments:\n  7: {}", ":3: a key must be text, and '7' is a number", ""),
            (
                "functions: {a: }\nenvironments:\n  latest: {}",
                ":3: environments: 'latest' is not an environment's name",
                "",
            ),
            ("functions: {a: }\nenvironments: {prod: {retired: []}}", ":2: environments.prod.retired is not known", ""),
            (
                "functions: {a: }\nenvironments:\n prod: {functions: {b: }}",
                ":3: environments.prod.functions: there is no function 'b'",
                "",
            ),
            ("functions: {a: }\nretired: a", ":2: retired: it must be a list, and it is text", ""),
            ("functions: {a: }\nretired: [a b]", ":2: retired: 'a b' is not a function's name", ""),
            ("functions: {a: }\nretired:\n- a", ":3: retired: a is among the functions", ""),
            ("functions:\n\ta: {}", ":2: it is not valid YAML: while scanning", ""),
            ("functions: {a: &x [*x]}", "nested too deeply", ""),
            ("functions: {a: *x}", "undefined alias", ""),
            ("functions: {a: !!python/name:os.system }", "it must be a mapping, and it is something else", ""),
            ("functions: {a: {timeout: !!int x}}", "this is not a number", ""),
            ("functions: {a: {timeout: 010}}", "this is not a decimal number", "Write its digits alone"),
            ("functions: {a: {timeout: 1:30}}", "this is not a decimal number", "Write its digits alone"),
            ("functions: {a: !x {}}", "it has a tag, which has no meaning here", "Remove the word that begins with !"),
            ("functions: {a: {<<: 7}}", "<< accepts only mappings", ""),
            ("functions: {a: }\n---\nfunctions: {b: }", ":2: it is not valid YAML: expected a single document", ""),
            ("functions: {a: \x00}", ":1: it contains a character that YAML does not accept", ""),
            (
                "functions:\n" + "\n".join(f"  f{number}:" for number in range(26)),
                ":27: functions: there are more than 25",
                "",
            ),
            ("[" * 5000, "nested too deeply", ""),
        ],
    )
    def test_what_is_wrong_is_refused_with_its_line(self, text: str, problem: str, hint: str) -> None:
        error = refused(text)
        assert problem in str(error)
        assert hint in error.hint

    def test_aliases_do_not_multiply_without_end(self) -> None:
        bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        bomb += "".join(
            f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefg", "bcdefgh", strict=True)
        )
        assert "it is too large" in str(refused(bomb))

    @pytest.mark.parametrize(
        "merged",
        ["{<<: *a, x: 9}", "{x: 9, <<: *a}", "{<<: [*a, *b]}", "{<<: [*b, *a], z: 9}", "{<<: []}", "{<<: {y: 7}}"],
    )
    def test_mappings_are_merged_as_yaml_says(self, merged: str) -> None:
        """The mapping's own keys win, and of the merged ones the first."""

        def plain(found: Located) -> object:
            if isinstance(found.value, Mapping):
                return {key: plain(value) for key, value in found.value.items()}
            return found.value

        text = f"a: &a {{x: 1, y: 2}}\nb: &b {{y: 3, z: 4}}\nc: {merged}\n"
        assert plain(read(text)) == yaml.safe_load(text)

    @pytest.mark.parametrize("merged", ["7", "[*a, 7]", "[7, *a]", "[[*a]]", "text", ""])
    def test_only_mappings_can_be_merged(self, merged: str) -> None:
        with pytest.raises(LocatedError, match="<< accepts only mappings"):
            read(f"a: &a {{x: 1}}\nc: {{<<: {merged}}}\n")

    def test_the_largest_file_and_the_deepest_one(self) -> None:
        """A file has 20,000 values, including what its aliases repeat, and 20 levels."""

        def sized(count: int) -> str:
            repeated, left = divmod(count - 102, 100)  # two values of these three lines, and the first list
            items = ["*a"] * repeated + ["x"] * left
            return f"a: &a [{', '.join(['x'] * 99)}]\nb: [{', '.join(items)}]\n"

        assert read(sized(20_000)).kind == "a mapping"
        with pytest.raises(LocatedError, match="it is too large"):
            read(sized(20_001))
        assert read("[" * 19 + "x" + "]" * 19).kind == "a list"
        with pytest.raises(LocatedError, match="nested too deeply"):
            read("[" * 20 + "x" + "]" * 20)

    def test_an_environment_that_the_file_does_not_have_is_a_mistake(self) -> None:
        text = "functions: {a: }\nenvironments:\n  preprod:\n  prod:"
        error = refused(text, "perprod")
        assert ":2: environments: there is no 'perprod', which the input environment names" in str(error)
        assert error.hint == "Did you mean preprod? There are: preprod, prod."
        assert parse(text, "promote.yml", "").parts
        assert parse("functions: {a: }", "promote.yml", "perprod").parts

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("functions:\n  a:\n    handler: a b", ":3: functions.a.handler: 'a b' is not a valid handler"),
            (
                "functions:\n  a:\n    latest-url: ftp://a",
                ":3: functions.a.latest-url: 'ftp://a' is not an http(s) URL",
            ),
            (
                "functions:\n  a:\n    checks: |\n      GET /\n\n      FETCH /",
                ":6: functions.a.checks: 'FETCH' is not an HTTP method",
            ),
            (
                "functions:\n  a:\n    checks:\n    - GET /\n    - GET x",
                ":5: functions.a.checks: the path 'x' must begin with /",
            ),
            ("functions:\n  a:\n  b:\nchecks: |\n  GET /\n  b: GO /", ":6: checks: 'GO' is not an HTTP method"),
            ("functions:\n  a:\nchecks: |\n  GET /\n  b: GET /", ":5: checks: there is no function 'b'"),
            ("functions:\n  a:\ntest-environment: [A, B=c]", ":3: test-environment: 'B' has a value"),
            (
                "functions: {a: }\nenvironments:\n preprod:\n  functions:\n   a:\n    role: x",
                ":6: functions.a.role: 'x' is not the ARN of a role",
            ),
        ],
    )
    def test_what_an_input_refuses_is_refused_where_it_is_written(self, text: str, problem: str) -> None:
        with pytest.raises(InputError) as caught:
            parse(text, "promote.yml", "preprod").inputs(environ(tests="tests"))
        assert f"application: promote.yml{problem}" in str(caught.value)

    def test_what_the_step_gives_wrong_is_an_error_of_that_input(self) -> None:
        with pytest.raises(InputError) as caught:
            parse("functions: {a: {checks: GET /}}", "promote.yml", "preprod").inputs(environ(lease="0"))
        assert caught.value.name == "lease"

    def test_a_variables_value_is_never_shown(self) -> None:
        text = "functions: {{a: {{environment-variables: {{A_: {0}}}}}}}"
        found = parse(text.format("s3cr3t"), "promote.yml", "")
        assert "s3cr3t" not in repr(found)
        for value in ("[s3cr3t]", "{s3cr3t: 1}", "!!int s3cr3t", "*s3cr3t", "!s3cr3t!x y"):
            with pytest.raises(InputError) as caught:
                parse(text.format(value), "promote.yml", "")
            assert "s3cr3t" not in f"{caught.value} {caught.value.hint}"


def paths(inputs: Inputs) -> list[str]:
    return [found.path for found in inputs.checks]


class TestWhichFile:
    def test_the_file_at_the_root_is_read_where_nothing_else_is_said(self, tmp_path: Path) -> None:
        assert application(environ(), tmp_path) is None
        (tmp_path / "promote.yml").write_text("functions: {a: }")
        (tmp_path / "other.yml").write_text("\ufefffunctions: {b: }", encoding="utf-8")
        assert names(application(environ(), tmp_path)) == ["a"]
        assert names(application(environ(application=" other.yml\n"), tmp_path)) == ["b"]
        assert application(environ(function_name="hello"), tmp_path) is None
        assert names(application(environ(function_name="c = d"), tmp_path)) == ["c"]

    @pytest.mark.parametrize(
        ("inputs", "problem"),
        [
            ({"function_name": "a", "application": "promote.yml"}, "it cannot be combined with function-name"),
            ({"application": "none.yml"}, "'none.yml' does not exist"),
            ({"application": "folder"}, "'folder' is a directory"),
            ({"application": "../promote.yml"}, "lies outside the workspace"),
            ({"application": "link.yml"}, "lies outside the workspace"),
            ({"application": "large.yml"}, "'large.yml' is larger than 256 KB"),
            ({"application": "latin.yml"}, "'latin.yml' is not valid UTF-8 (byte 2)"),
            ({"application": "a\nb"}, "it contains a line break"),
        ],
    )
    def test_a_file_that_cannot_be_read(self, tmp_path: Path, inputs: dict[str, str], problem: str) -> None:
        workspace = tmp_path / "workspace"
        (workspace / "folder").mkdir(parents=True)
        (workspace / "link.yml").symlink_to("/etc/hostname")
        (workspace / "large.yml").write_text("#" * (LARGEST + 1))
        (workspace / "latin.yml").write_bytes(b"# \xe4")
        with pytest.raises(InputError, match=r"^application: ") as caught:
            application(environ(**inputs), workspace)
        assert problem in str(caught.value)


def names(found: Application | None) -> list[str]:
    assert found
    return [part.name for part in found.parts]


class TestSchema:
    """docs/promote.schema.json and the action accept the same files."""

    def test_it_is_that_of_the_tables(self) -> None:
        action = yaml.safe_load((REPOSITORY / "action.yml").read_text(encoding="utf-8"))
        assert editors(action) == (REPOSITORY / "docs" / "promote.schema.json").read_text(encoding="utf-8"), "make docs"
        Draft202012Validator.check_schema(SCHEMA)
        assert set(FUNCTION) | set(WHOLE) <= set(INPUTS)

    def test_the_examples_are_right(self) -> None:
        documented = re.findall(r"```yaml\n(# yaml-language-server.*?)```", DOCUMENT, re.DOTALL)
        assert len(documented) == 1
        for text in (EXAMPLE, *documented):
            VALIDATOR.validate(yaml.safe_load(text))
            assert len(parse(text, "promote.yml", "prod").inputs(environ(environment="prod"))) > 1
        steps = re.findall(r"```yaml\n(      - uses: .*?)```", DOCUMENT, re.DOTALL)
        assert len(steps) == 1
        given = yaml.safe_load(steps[0])[0]["with"]
        assert len(lines(given.pop("function-name")).inputs(environ(**given))) == 3

    def test_every_key_is_documented(self) -> None:
        known = {*FUNCTION, *WHOLE, "functions", "environments", "retired"}
        assert known <= set(re.findall(r"`([a-z-]+)`", DOCUMENT))

    @settings(max_examples=150, deadline=None)
    @given(st.data())
    def test_they_agree(self, data: st.DataObject) -> None:
        document = data.draw(documents())
        assert taken(document) == VALIDATOR.is_valid(document), list(VALIDATOR.iter_errors(document))

    @settings(deadline=None)
    @given(st.text(max_size=200))
    def test_a_text_that_describes_no_functions_is_an_error_of_the_application(self, text: str) -> None:
        with suppress(yaml.YAMLError, ValueError):
            assume(not VALIDATOR.is_valid(yaml.safe_load(text)))
        with pytest.raises(InputError) as caught:
            parse(text, "promote.yml", "prod")
        assert caught.value.name == "application"


def taken(document: Any) -> bool:
    text = yaml.safe_dump(document, allow_unicode=True)
    try:
        check(text, "promote.yml")
    except InputError:
        return False
    return True


odd = st.sampled_from(
    [
        None,
        True,
        0,
        1,
        128,
        128.0,
        0.5,
        10241,
        -1,
        "",
        " ",
        "a",
        "a\n",
        "a\nb",
        "\t",
        "7",
        "http",
        [],
        ["a"],
        ["a\n"],
        [1],
        {},
        {"a": 1},
    ]
)


def rarely(strategy: st.SearchStrategy[Any], other: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw from ``other`` rarely. A document is hardly ever valid if each part may be invalid."""
    return st.integers(0, 11).flatmap(lambda drawn: strategy if drawn else other)


wrong_names = st.sampled_from(["a b", "a\n", "", "7", "x" * 65, "latest", "Latest", f"{ARN}a:7", "ä"])
functions_ = rarely(st.sampled_from(["a", "api", "_", "x" * 64, f"{ARN}a"]), wrong_names)
environments_ = rarely(st.sampled_from(["prod", "pre-prod", "_", "x" * 128]), wrong_names)
line = rarely(st.sampled_from(["a", "x y", " app.handler", "build/a.zip"]), st.text(max_size=4))
RIGHT: Mapping[str, st.SearchStrategy[Any]] = {
    "memory-size": rarely(st.integers(128, 10240), st.integers(126, 129)),
    "timeout": rarely(st.integers(1, 900), st.floats(0, 2)),
    "verify-timeout": rarely(st.floats(0.01, 360), st.floats(0, 361)),
    "endpoints": rarely(st.sampled_from(["auto", "http", "none"]), st.just("htpp")),
    "environment-variables": st.dictionaries(
        rarely(st.sampled_from(["AB", "LEVEL"]), st.sampled_from(["A", "_A", "AWS_REGION", "A_\n"])),
        rarely(st.text(max_size=3), odd),
        max_size=2,
    ),
    "checks": st.one_of(line, st.lists(line, max_size=2), st.just("GET /\nGET /b\n")),
}


def sections(keys: Mapping[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return the keys of a function or of the application."""
    key = rarely(st.sampled_from(sorted(keys)), st.just("unknown"))
    said = key.flatmap(lambda name: st.tuples(st.just(name), rarely(RIGHT.get(name, line), odd)))
    return st.lists(said, max_size=3).map(dict)


def functions(least: int) -> st.SearchStrategy[Any]:
    said = st.one_of(st.none(), sections(FUNCTION))
    return rarely(st.dictionaries(functions_, rarely(said, odd), min_size=least, max_size=3), odd)


@st.composite
def documents(draw: st.DrawFn) -> Any:
    """Return documents, many of which are valid, and many invalid in one place."""
    document = draw(sections(WHOLE))
    if draw(st.integers(0, 15)):
        document["functions"] = draw(rarely(functions(1), functions(0)))
    if draw(st.booleans()):
        document["retired"] = draw(rarely(st.lists(functions_.filter(lambda name: ":" not in name), max_size=2), odd))
    if draw(st.booleans()):
        said = st.tuples(sections(WHOLE), functions(0)).map(lambda both: {**both[0], "functions": both[1]})
        environment = st.one_of(st.none(), sections(WHOLE), said)
        document["environments"] = draw(rarely(st.dictionaries(environments_, environment, max_size=2), odd))
    return draw(rarely(st.just(document), odd)) if draw(st.booleans()) else document
