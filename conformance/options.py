"""The options of the kit, and their parser."""

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from promote.core.errors import InputError

PREFIX = re.compile(r"[a-z][a-z0-9-]{1,28}[a-z0-9]")
"""Names that a function, a role, a table and an API accept, with room for what the kit adds."""
MOST = 200
"""The most repetitions."""


@dataclass(frozen=True)
class Options:
    """What the user has asked for."""

    region: str
    prefix: str
    is_clean: bool = False
    """Only remove what a killed run with the same prefix has left."""
    role: str = ""
    """The ARN of the functions' role; empty to make one."""
    image: str = ""
    """The URI of a container image of `conformance/image/`; empty to ask nothing about images."""
    subnets: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    repeat: int = 50
    """How often a question about timing is asked."""
    watch: float = 3.0
    """Seconds for which the answers after most updates are watched. ``watch_of`` has those of each."""
    patience: float = 1200.0
    """The longest wait in seconds, which is for provisioned concurrency."""
    only: tuple[str, ...] = ()
    """The questions to ask; empty to ask all."""
    report: Path = Path("conformance-report.md")

    def watch_of(self, number: int) -> float:
        """Return the seconds for which the answers after an update are watched. Updates are counted from 0.

        One in ten is watched ten times as long, to see old code that comes back late.
        """
        return self.watch if number % 10 else max(self.watch, min(60.0, 10 * self.watch))

    def fewer(self, most: int) -> int:
        """Return the number of repetitions of a question that takes long or costs more."""
        return min(self.repeat, most)


def parse(arguments: Sequence[str], questions: Sequence[str]) -> Options:
    """Return the options. End the process with its usage if there is an unknown or a missing one.

    Raises:
        InputError: A value is not valid.

    """
    parser = argparse.ArgumentParser(
        prog="python -m conformance",
        description="Ask an AWS account whether what promote-on-success assumes about AWS holds there. The kit makes "
        "functions, a role, a table and HTTP APIs, and removes them. It uses the credentials of the environment.",
    )
    parser.add_argument("--region", required=True, help="the region, such as eu-west-1")
    parser.add_argument("--prefix", required=True, help="the beginning of all names, such as try-1; it must be free")
    parser.add_argument("--clean", action="store_true", help="only remove what a killed run with this prefix has left")
    parser.add_argument("--role", default="", help="the ARN of the functions' role; by default, the kit makes one")
    parser.add_argument("--image", default="", help="the URI in ECR of an image of conformance/image/")
    parser.add_argument("--subnets", default="", help="subnets for a function in a VPC, separated by commas")
    parser.add_argument("--security-groups", default="", help="its security groups, separated by commas")
    parser.add_argument("--repeat", default="50", help=f"how often to ask about timing, from 1 to {MOST}; default 50")
    parser.add_argument(
        "--watch",
        default="3",
        help="seconds to watch after each update, from 0.1 to 60, and ten times as long after one in ten; default 3",
    )
    parser.add_argument("--only", default="", help=f"questions, separated by commas, of {', '.join(questions)}")
    parser.add_argument("--report", default="conformance-report.md", help="the file that the report is written to")
    given = parser.parse_args(arguments)
    only = _names("only", given.only)
    subnets, groups = _names("subnets", given.subnets), _names("security-groups", given.security_groups)
    if not given.region.strip():
        raise InputError("region", "it is empty", hint="Example: eu-west-1 (make aws: REGION=eu-west-1).")
    if not PREFIX.fullmatch(given.prefix):
        raise InputError(
            "prefix",
            f"{given.prefix!r} is not 3 to 30 lower-case letters, digits and hyphens that begin with a letter",
            hint="Example: try-1 (make aws: PREFIX=try-1).",
        )
    if unknown := [name for name in only if name not in questions]:
        raise InputError("only", f"there is no question {unknown[0]!r}", hint=f"There are {', '.join(questions)}.")
    if bool(subnets) != bool(groups):
        raise InputError(
            "subnets", "a function in a VPC needs subnets and security groups", hint="Give both, or neither."
        )
    if given.role and not re.fullmatch(r"arn:[\w-]+:iam::\d{12}:role/\S+", given.role):
        raise InputError(
            "role", f"{given.role!r} is not the ARN of a role", hint="Example: arn:aws:iam::123456789012:role/try."
        )
    return Options(
        region=given.region.strip(),
        prefix=given.prefix,
        is_clean=given.clean,
        role=given.role,
        image=given.image.strip(),
        subnets=subnets,
        groups=groups,
        repeat=int(_number("repeat", given.repeat, 1, MOST)),
        watch=_number("watch", given.watch, 0.1, 60),
        only=only,
        report=Path(given.report),
    )


def _names(option: str, text: str) -> tuple[str, ...]:
    names = tuple(filter(None, (name.strip() for name in text.split(","))))
    if text.strip() and not names:
        raise InputError(option, f"{text!r} names nothing", hint="Name at least one, or leave the option out.")
    return names


def _number(name: str, text: str, least: float, most: float) -> float:
    number = float(text) if re.fullmatch(r"\d{1,6}(\.\d{1,3})?", text) else -1
    if not least <= number <= most or (isinstance(least, int) and number != int(number)):
        raise InputError(name, f"{text!r} is not a number from {least:g} to {most:g}", hint="Correct it.")
    return number
