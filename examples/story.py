"""The demo's story: what a developer does in each act, and what must come of it."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """What an endpoint answers."""

    status: int
    body: str


@dataclass(frozen=True)
class Commit:
    """A change of the function's code."""

    message: str
    removed: str = ""
    added: str = ""
    """The code that takes the place of `removed`; without both, the commit adds the files as they are."""
    branch: str = "main"


@dataclass(frozen=True)
class Act:
    """Something that the developer does, and what must come of it."""

    title: str
    developer: str
    """What the developer does, in words."""
    commit: Commit | None
    """None: the last commit of main once more."""
    result: str
    """The action's output `result`."""
    preprod: tuple[Answer, ...]
    latest: tuple[Answer, ...]
    """What the endpoints answer at `PATHS` afterwards."""
    writes_to: AbstractSet[str]
    """The services that the run changes something in."""
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
        developer="A developer has written a small HTTP API and pushes it. In AWS there is nothing of it yet.",
        commit=Commit("Greet people"),
        result="promoted",
        preprod=(_HELLO, _HELLO),
        latest=(_HELLO, _HELLO),
        writes_to={"apigatewayv2", "dynamodb", "lambda"},
        moral="The action made the function and its endpoints, ran all checks at latest, and pointed preprod at the "
        "version that had passed them.",
    ),
    Act(
        title="A bug",
        developer="The developer teaches it French, tries it with language=fr, likes it, and pushes. Nobody notices "
        "that it now crashes for everyone who names no language.",
        commit=Commit("Greet in the visitor's language", _ENGLISH, _CARELESS),
        result="blocked",
        preprod=(_HELLO, _HELLO),
        latest=(_CRASH, _BONJOUR),
        writes_to={"dynamodb", "lambda"},
        moral="A check failed, so preprod was not touched: it keeps serving commit 1, and nothing needs a rollback. "
        "latest shows the broken build to those who want to look into it.",
    ),
    Act(
        title="The fix",
        developer="The job is red, and its annotation says which check failed and how. The developer pushes a fix.",
        commit=Commit("Speak English where no language is named", _CARELESS, _CAREFUL),
        result="promoted",
        preprod=(_HELLO, _BONJOUR),
        latest=(_HELLO, _BONJOUR),
        writes_to={"dynamodb", "lambda"},
        moral="All checks passed, so preprod went from commit 1 straight to commit 3. No user ever met commit 2.",
    ),
    Act(
        title="A dry run",
        developer="The developer opens a pull request with the next change. For those, the workflow has dry-run: true.",
        commit=Commit("Learn Spanish", _CAREFUL, _SPANISH, branch="spanish"),
        is_dry_run=True,
        result="planned",
        preprod=(_HELLO, _BONJOUR),
        latest=(_HELLO, _BONJOUR),
        writes_to=set(),
        moral="The action said what it would do, and nothing has changed: it made no call that writes.",
    ),
    Act(
        title="The same commit again",
        developer="Somebody starts the workflow of commit 3 once more.",
        commit=None,
        result="unchanged",
        preprod=(_HELLO, _BONJOUR),
        latest=(_HELLO, _BONJOUR),
        writes_to={"dynamodb"},
        moral="A fresh checkout, packed anew, gave the very same archive: no upload, no new version, no move.",
    ),
)
