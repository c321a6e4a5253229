"""The image keeps only botocore's descriptions of ``promote.aws.clients.SERVICES``, from which all clients are made."""

import ast
from collections.abc import Iterator
from pathlib import Path

import botocore
from botocore.loaders import Loader

from promote.aws.clients import SERVICES
from tests.runner import REPOSITORY

KNOWN = set(Loader().list_available_services("service-2"))


def calls(folder: Path) -> Iterator[tuple[Path, ast.Call]]:
    """Return the calls in the modules of ``folder`` of anything with ``client`` or ``resource`` in its name."""
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func).rpartition(".")[2]
                if "client" in name or "resource" in name:
                    yield file, node


def services(folder: Path) -> set[str]:
    """Return the services among the arguments of such calls."""
    arguments = (
        argument for _, call in calls(folder) for argument in (*call.args, *(word.value for word in call.keywords))
    )
    return {argument.value for argument in arguments if isinstance(argument, ast.Constant) and argument.value in KNOWN}


def test_the_list_has_what_we_and_botocores_credentials_make_clients_of() -> None:
    ours, credentials = services(REPOSITORY / "promote"), services(Path(botocore.__file__).parent)
    assert {"lambda", "s3"} <= ours
    assert {"sts", "sso"} <= credentials
    assert ours | credentials == SERVICES


def test_one_place_alone_makes_clients_of_a_service_that_it_does_not_name() -> None:
    nameless = [
        file.name
        for file, call in calls(REPOSITORY / "promote")
        if ast.unparse(call.func).endswith(("client", "resource"))
        and call.args
        and not isinstance(call.args[0], ast.Constant)
    ]
    # Clients._client, which has no time limits for a service that is not on the list.
    assert nameless == ["clients.py"]
