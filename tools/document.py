"""Write the generated files: ``python -m tools.document``.

They are the README's tables of inputs and outputs, from action.yml and the table of inputs and commands
(``promote.inputs.usage``), and the schema of promote.yml.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from promote.inputs.usage import INPUTS, Command
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


def _commands(name: str) -> str:
    """Return the commands that an input has an effect on, and the inputs that it needs."""
    known = INPUTS[name]
    counting = (
        "all" if known.commands == set(Command) else _codes(command for command in Command if command in known.commands)
    )
    return f"{counting}; with {' or '.join(f'`{other}`' for other in known.needs)}" if known.needs else counting


def _codes(commands: Iterable[Command]) -> str:
    return ", ".join(f"`{command}`" for command in commands)


def document(readme: str, action: dict[str, Any]) -> str:
    """Return ``readme`` with each part between ``<!-- name -->`` and ``<!-- /name -->`` generated again.

    Raises:
        ValueError: the markers of a part are missing.

    """
    for name, table in tables(action).items():
        before, opened, rest = readme.partition(f"<!-- {name} -->\n")
        _, closed, after = rest.partition(f"<!-- /{name} -->")
        if not (opened and closed):
            raise ValueError(f"the README has no markers for {name}")
        readme = f"{before}{opened}{table}\n{closed}{after}"
    return readme


def editors(action: dict[str, Any]) -> str:
    """Return the schema of promote.yml as a text."""
    return json.dumps(schema(action), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the README's tables and the schema."""
    readme = REPOSITORY / "README.md"
    action = yaml.safe_load((REPOSITORY / "action.yml").read_text(encoding="utf-8"))
    readme.write_text(document(readme.read_text(encoding="utf-8"), action), encoding="utf-8")
    (REPOSITORY / "docs" / "promote.schema.json").write_text(editors(action), encoding="utf-8")


if __name__ == "__main__":
    main()
