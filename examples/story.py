"""The demo's story: what a developer does in each act, and the expected results."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """The response of an endpoint."""

    status: int
    body: str


@dataclass(frozen=True)
class Commit:
    """A change of the function's code."""

    message: str
    removed: str = ""
    added: str = ""
    """The code that replaces `removed`. If both are empty, the commit adds the files as they are."""
    branch: str = "main"


@dataclass(frozen=True)
class Act:
    """What the developer does, and the expected results."""

    title: str
    developer: str
    """A description of what the developer does."""
    commit: Commit | None
    """None for the last commit of main again."""
    result: str
    """The action's output `result`."""
    preprod: tuple[Answer, ...]
    latest: tuple[Answer, ...]
    """The endpoints' responses at `PATHS` afterwards."""
    writes_to: AbstractSet[str]
    """The services to which the run writes."""
    moral: str
    is_dry_run: bool = False

    @property
    def branch(self) -> str:
        """The branch that the action runs on."""
        return self.commit.branch if self.commit else "main"

    @property
    def exit_code(self) -> int:
        """The code that the action exits with."""
        return 1 if self.result == "blocked" else 0


PATHS = ("/greeting?name=Ada", "/greeting?name=Ada&language=fr")
_HELLO = Answer(200, '{"greeting": "Hello, Ada!"}')
_BONJOUR = Answer(200, '{"greeting": "Bonjour, Ada!"}')
_CRASH = Answer(500, '{"message":"Internal Server Error"}')

_ENGLISH = 'hello = "Hello"'
_CARELESS = 'hello = {"en": "Hello", "fr": "Bonjour"}[query["language"]]'
_CAREFUL = 'hello = {"fr": "Bonjour"}.get(query.get("language"), "Hello")'
_SPANISH = 'hello = {"fr": "Bonjour", "es": "Hola"}.get(query.get("language"), "Hello")'

STORY = (
    Act(
        title="The first release",
        developer="A developer has written a small HTTP API and pushes it. AWS has no function for it yet.",
        commit=Commit("Greet people"),
        result="promoted",
        preprod=(_HELLO, _HELLO),
        latest=(_HELLO, _HELLO),
        writes_to={"apigatewayv2", "dynamodb", "lambda"},
        moral="The action created the function and its endpoints, ran all checks at latest, and moved preprod to the "
        "version that had passed them.",
    ),
    Act(
        title="A bug",
        developer="The developer adds French, tests it with language=fr, and pushes. Now the function crashes if the "
        "request has no language.",
        commit=Commit("Greet in the visitor's language", _ENGLISH, _CARELESS),
        result="blocked",
        preprod=(_HELLO, _HELLO),
        latest=(_CRASH, _BONJOUR),
        writes_to={"dynamodb", "lambda"},
        moral="A check failed, so preprod still serves commit 1, and no rollback is needed. latest shows the broken "
        "build for debugging.",
    ),
    Act(
        title="The fix",
        developer="The job is red, and its annotation shows which check failed and why. The developer pushes a fix.",
        commit=Commit("Greet in English by default", _CARELESS, _CAREFUL),
        result="promoted",
        preprod=(_HELLO, _BONJOUR),
        latest=(_HELLO, _BONJOUR),
        writes_to={"dynamodb", "lambda"},
        moral="All checks passed, so preprod moved from commit 1 to commit 3. No user has seen commit 2.",
    ),
    Act(
        title="A dry run",
        developer="The developer opens a pull request with the next change. The workflow has dry-run: true for it.",
        commit=Commit("Add Spanish", _CAREFUL, _SPANISH, branch="spanish"),
        is_dry_run=True,
        result="planned",
        preprod=(_HELLO, _BONJOUR),
        latest=(_HELLO, _BONJOUR),
        writes_to=set(),
        moral="The action reported what it would do and made no call that writes.",
    ),
    Act(
        title="The same commit again",
        developer="The workflow of commit 3 runs again.",
        commit=None,
        result="unchanged",
        preprod=(_HELLO, _BONJOUR),
        latest=(_HELLO, _BONJOUR),
        writes_to={"dynamodb"},
        moral="A fresh checkout resulted in the same archive, so there was no upload, no new version and no move.",
    ),
)
