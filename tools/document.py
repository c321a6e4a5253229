"""Write the generated files: ``python -m tools.document``.

They are the README's tables of inputs and outputs, from action.yml and the table of inputs and commands
(``promote.inputs.usage``), the table of mutants in docs/proof.md, those of docs/tests.md and docs/assumptions.md, and
the schema of promote.yml.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from conformance.assumptions import table as assumption_table
from conformance.questions.registry import QUESTIONS
from promote.inputs.usage import INPUTS, Command
from tests.exhaustive import table
from tools.schema import schema

REPOSITORY = Path(__file__).resolve().parent.parent


def tables(action: dict[str, Any]) -> dict[str, str]:
    """Return the Markdown of each generated part by its name."""
    inputs = ["| input | meaning | commands | default |", "| --- | --- | --- | --- |"]
    for name, known in action["inputs"].items():
        default = str(known.get("default", ""))
        shown = "**required**" if known.get("required") else f"`{default}`" if default else ""
        inputs.append(f"| `{name}` | {known['description']} | {_commands(name)} | {shown} |")
    outputs = ["| output | meaning |", "| --- | --- |"]
    outputs += [f"| `{name}` | {known['description']} |" for name, known in action["outputs"].items()]
    return {"inputs": "\n".join(inputs), "outputs": "\n".join(outputs)}


def mutants(caught: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return the Markdown of the table of mutants, from tests/simulation/caught.json."""
    rows = [f"| {name} | {how['by']} | {how['schedules']:,} |" for name, how in caught.items()]
    return {"mutants": "\n".join(["| mutant | caught by | schedules |", "| --- | --- | ---: |", *rows])}


def assumptions() -> dict[str, str]:
    """Return the Markdown of the table of assumptions about AWS."""
    return {"assumptions": assumption_table(QUESTIONS)}


def _commands(name: str) -> str:
    """Return the commands that an input has an effect on, and the inputs that it needs."""
    known = INPUTS[name]
    counting = (
        "all" if known.commands == set(Command) else _codes(command for command in Command if command in known.commands)
    )
    return f"{counting}; with {' or '.join(f'`{other}`' for other in known.needs)}" if known.needs else counting


def _codes(commands: Iterable[Command]) -> str:
    return ", ".join(f"`{command}`" for command in commands)


def document(page: str, parts: Mapping[str, str]) -> str:
    """Return ``page`` with each of ``parts``, which are between ``<!-- name -->`` and ``<!-- /name -->``.

    Raises:
        ValueError: the markers of a part are missing.

    """
    for name, text in parts.items():
        before, opened, rest = page.partition(f"<!-- {name} -->\n")
        _, closed, after = rest.partition(f"<!-- /{name} -->")
        if not (opened and closed):
            raise ValueError(f"the page has no markers for {name}")
        page = f"{before}{opened}{text}\n{closed}{after}"
    return page


def editors(action: dict[str, Any]) -> str:
    """Return the schema of promote.yml as a text."""
    return json.dumps(schema(action), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the generated files."""
    action = yaml.safe_load((REPOSITORY / "action.yml").read_text(encoding="utf-8"))
    caught = json.loads((REPOSITORY / "tests" / "simulation" / "caught.json").read_text(encoding="utf-8"))
    for name, parts in (
        ("README.md", tables(action)),
        ("docs/proof.md", mutants(caught)),
        ("docs/tests.md", table()),
        ("docs/assumptions.md", assumptions()),
    ):
        page = REPOSITORY / name
        page.write_text(document(page.read_text(encoding="utf-8"), parts), encoding="utf-8")
    (REPOSITORY / "docs" / "promote.schema.json").write_text(editors(action), encoding="utf-8")


if __name__ == "__main__":
    main()
