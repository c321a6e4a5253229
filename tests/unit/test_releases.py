"""Notes in the release of a tag, together with its author's text."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace

import pytest

from promote.core.arn import Arn
from promote.core.errors import GitHubError
from promote.github.api import release_page
from promote.github.api.release_page import BODY_LIMIT, Published, Section
from tests.github import Repository, Request, emulated

NOTES = "## Changes\n\n- one ü 🎉"
EUROPE = Arn.of("arn:aws:lambda:eu-west-1:111111111111:function:hello")
AMERICA = replace(EUROPE, region="us-east-1")
ACCOUNT = replace(EUROPE, account="222222222222")

BEGIN, END = (marker.format(function="hello", place=EUROPE.place) for marker in (release_page.BEGIN, release_page.END))
SECTION = f"{BEGIN}\n\n{NOTES}\n\n{END}"
URL = "https://github.com/octo/hello/releases/tag/v1.0.0"


@pytest.fixture
def github() -> Iterator[Repository]:
    with emulated() as made:
        made.tag("v1.0.0", made.commit("first"))
        yield made


def notes(_limit: int) -> str:
    return NOTES


def publish(
    github: Repository,
    tag: str,
    functions: Sequence[str],
    text_for: Callable[[int], str],
    *,
    arn: Arn = EUROPE,
    retired: Collection[str] = (),
) -> Published:
    return release_page.publish(github.client(), tag, Section(functions, text_for, arn, retired))


def placed(body: str) -> str:
    return Section(["hello"], notes, EUROPE).placed(body, "v1")


def writes(github: Repository) -> list[str]:
    return [f"{request.method} {request.path.rpartition('/')[2]}" for request in github.requests if request.body]


def test_a_release_is_made_and_made_once(github: Repository) -> None:
    assert publish(github, "v1.0.0", ["hello"], notes) == Published(URL, is_changed=True, is_draft=False)
    (made,) = github.releases
    assert (made["name"], made["body"], made["draft"], made["prerelease"]) == ("v1.0.0", SECTION, False, False)
    assert github.requests[-1].body["make_latest"] == "legacy"  # an older series does not become the latest one
    assert publish(github, "v1.0.0", ["hello"], notes) == Published(URL, is_changed=False, is_draft=False)
    made["body"] = made["body"].replace("\n", "\r\n") + "\r\n"  # as written by GitHub's editor
    assert not publish(github, "v1.0.0", ["hello"], notes).is_changed
    assert writes(github) == ["POST releases"]
    assert publish(github, "v1.0.0", ["hello"], lambda _: "new").is_changed
    assert github.releases[0]["body"] == f"{BEGIN}\n\nnew\n\n{END}\r\n"
    assert github.requests[-2].body.keys() == {"body"}  # the author's other choices stay


@pytest.mark.parametrize("tag", ["v1.1.0-rc.1", "v1.1.0b1", "v1.1.0"])
def test_a_prerelease_is_one_by_its_tag(github: Repository, tag: str) -> None:
    github.tag(tag, github.branches["main"], annotated=1)
    publish(github, tag, ["hello"], notes)
    is_prerelease = tag != "v1.1.0"
    assert github.releases[0]["prerelease"] is is_prerelease
    assert github.requests[-1].body["make_latest"] == ("false" if is_prerelease else "legacy")


@pytest.mark.parametrize("kind", ["draft", "prerelease", "immutable"])
def test_a_release_stays_what_it_is(github: Repository, kind: str) -> None:
    before = dict(github.release("v1.0.0", "The author's\r\nwords  ", **{kind: True}))
    for number in range(250):
        github.release(f"v0.{number}", "")
    published = publish(github, "v1.0.0", ["hello"], notes)
    assert published == Published(URL, is_changed=True, is_draft=kind == "draft")
    made = github.releases[-1]
    assert made == before | {"body": f"The author's\r\nwords  \n\n{SECTION}"}
    assert made[kind] is True


def test_a_published_release_comes_before_a_draft(github: Repository) -> None:
    github.release("v1.0.0", "published")
    github.release("v1.0.0", "draft", draft=True)
    publish(github, "v1.0.0", ["hello"], notes)
    assert [release["body"] for release in github.releases] == ["draft", f"published\n\n{SECTION}"]


def test_a_release_without_text_is_given_one(github: Repository) -> None:
    github.release("v1.0.0", None)
    publish(github, "v1.0.0", ["hello"], notes)
    assert github.releases[0]["body"] == SECTION


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"  top\r\n{BEGIN}old{END}\tbottom\n\n", f"  top\r\n{SECTION}\tbottom\n\n"),
        (f"{BEGIN}{END}", SECTION),
        ("words", f"words\n\n{SECTION}"),
        (" \n", SECTION),
        # Damaged: leftovers are removed, but none of the author's text.
        (f"a {BEGIN} b", f"a  b\n\n{SECTION}"),
        (f"a {END} b", f"a  b\n\n{SECTION}"),
        (f"a {END} b {BEGIN} c", f"a  b  c\n\n{SECTION}"),
        (f"a {BEGIN} b {BEGIN}old{END} c", f"a  b {SECTION} c"),
        (f"a {BEGIN}old{END} b {END} c", f"a {SECTION} b  c"),
        (f"a {BEGIN}old{END} b {BEGIN}older{END} c", f"a {SECTION} b  c"),
        (f"{END}{BEGIN}old{END}{BEGIN}", SECTION),
    ],
)
def test_the_authors_words_stay(before: str, after: str) -> None:
    assert placed(before) == after
    assert placed(after) == after


def test_a_long_body_with_broken_markers_takes_no_time() -> None:
    body = BEGIN * 3_000 + "x" * 20_000
    assert placed(body) == "x" * 20_000 + f"\n\n{SECTION}"


def test_notes_cannot_end_their_section() -> None:
    others = release_page.BEGIN.format(function="other", place=EUROPE.place)
    made = Section(["hello"], lambda _: f"one{END}two{BEGIN}three{others}four", EUROPE).placed("", "v1")
    assert made == f"{BEGIN}\n\nonetwothreefour\n\n{END}"


def test_notes_get_the_room_that_the_author_leaves(github: Repository) -> None:
    asked: list[int] = []

    def text_for(limit: int) -> str:
        asked.append(limit)
        return "n" * limit

    words = "ü" * 1_000
    github.release("v1.0.0", words)
    publish(github, "v1.0.0", ["hello"], text_for)
    body = github.releases[0]["body"]
    assert len(body) == BODY_LIMIT
    assert body.startswith(words)
    assert asked == [BODY_LIMIT, BODY_LIMIT - len(f"{words}\n\n{BEGIN}\n\n\n\n{END}")]

    for length, text in ((BODY_LIMIT, notes), (BODY_LIMIT - 80, notes), (1_000, lambda limit: "n" * (limit + 1))):
        github.releases[0]["body"] = "w" * length
        with pytest.raises(GitHubError, match="leaves no room for the notes") as raised:
            publish(github, "v1.0.0", ["hello"], text)
        assert raised.value.hint.startswith("Shorten the other text of the release")
        assert github.releases[0]["body"] == "w" * length


def test_a_release_that_another_job_creates_first_is_updated(github: Repository) -> None:
    def interfere(request: Request) -> None:
        if request.method == "POST":
            github.release("v1.0.0", "theirs")

    github.on_request = interfere
    assert publish(github, "v1.0.0", ["hello"], notes).is_changed
    assert [release["body"] for release in github.releases] == [f"theirs\n\n{SECTION}"]


def test_functions_of_a_repository_share_the_release_of_a_tag(github: Repository) -> None:
    """As the jobs of a matrix do."""
    for text in ("old", "new"):
        for function in ("orders", "orders-2", "invoices"):
            said = f"{function} {text}"
            assert publish(github, "v1.0.0", [function], lambda _, said=said: said).is_changed  # type: ignore[misc]
        github.releases[0]["body"] += "\n\nYours, the team" if text == "old" else ""
    sections = [
        f"{release_page.BEGIN.format(function=function, place=EUROPE.place)}\n\n{function} new\n\n"
        f"{release_page.END.format(function=function, place=EUROPE.place)}"
        for function in ("orders", "orders-2", "invoices")
    ]
    assert github.releases[0]["body"] == "\n\n".join([*sections, "Yours, the team"])


def test_functions_of_the_same_name_in_several_places_have_a_section_each(github: Repository) -> None:
    for text in ("old", "new"):
        for name, arn in (("a1", EUROPE), ("b2", AMERICA)):
            publish(github, "v1.0.0", ["orders"], lambda _, said=f"{text} of {name}": said, arn=arn)  # type: ignore[misc]
            publish(github, "v1.0.0", ["api", "mail"], lambda _, said=f"both {text} of {name}": said, arn=arn)  # type: ignore[misc]
    publish(github, "v1.0.0", ["api", "mail", "worker"], lambda _: "all of b2", arn=AMERICA)
    texts = [line for line in github.releases[0]["body"].splitlines() if line and not line.startswith("<!--")]
    assert texts == ["new of a1", "both new of a1", "new of b2", "all of b2"]


def test_an_application_has_one_section_whichever_functions_it_had_before(github: Repository) -> None:
    def written(*functions: str, retired: tuple[str, ...] = ()) -> str:
        said = " ".join(functions)
        assert publish(github, "v1.0.0", functions, lambda _: said, retired=retired).is_changed
        return str(github.releases[0]["body"])

    def section(names: str, text: str) -> str:
        begin, end = (
            marker.format(function=names, place=EUROPE.place) for marker in (release_page.BEGIN, release_page.END)
        )
        return f"{begin}\n\n{text}\n\n{end}"

    written("mail", "api")
    written("api")
    written("mail", "billing")
    others = [section("api", "api"), section("billing+mail", "mail billing")]
    body = written("worker", "api", "mail")
    assert body == "\n\n".join([section("api+mail+worker", "worker api mail"), *others])
    body = written("api", "worker", retired=("mail",))
    assert body == "\n\n".join([section("api+worker", "api worker"), *others])
    # Left by hand, or by two jobs that wrote at the same moment.
    github.releases[0]["body"] += section("api+mail", "old") + release_page.BEGIN.format(
        function="mail+worker", place=EUROPE.place
    )
    body = written("mail", "api", "worker")
    assert body == "\n\n".join([section("api+mail+worker", "mail api worker"), *others])


@pytest.mark.parametrize("times", [1, 2, 3])
def test_what_another_job_overwrites_is_written_again(github: Repository, times: int) -> None:
    """It has read the release before our notes were there, and writes it after that."""
    theirs = "theirs"
    github.release("v1.0.0", theirs)
    rendered: list[int] = []
    overwritten: list[str] = []

    def interfere(request: Request) -> None:
        assert rendered  # because it takes a while
        if request.method == "GET" and BEGIN in github.releases[0]["body"] and len(overwritten) < times:
            overwritten.append(github.releases[0]["body"])
            github.releases[0]["body"] = theirs

    def text_for(limit: int) -> str:
        rendered.append(limit)
        return NOTES

    github.on_request = interfere
    if times < 3:
        assert publish(github, "v1.0.0", ["hello"], text_for).is_changed
        assert github.releases[0]["body"] == f"theirs\n\n{SECTION}"
    else:
        with pytest.raises(GitHubError, match="overwritten by other jobs each time"):
            publish(github, "v1.0.0", ["hello"], text_for)
    assert writes(github) == ["PATCH 1"] * min(times + 1, 3)
    assert len(rendered) == 1


def test_without_a_tag_nothing_is_made(github: Repository) -> None:
    with pytest.raises(GitHubError, match=r"the tag v2\.0\.0 does not exist on GitHub") as raised:
        publish(github, "v2.0.0", ["hello"], notes)
    assert "git push origin v2.0.0" in raised.value.hint
    assert (github.releases, list(github.tags)) == ([], ["v1.0.0"])


def refused(github: Repository) -> GitHubError:
    with pytest.raises(GitHubError) as raised:
        publish(github, "v1.0.0", ["hello"], notes)
    return raised.value


def test_the_missing_permission_is_named(github: Repository) -> None:
    github.permissions["contents"] = "read"
    assert "`contents: write`" in refused(github).hint
    github.release("v1.0.0", "words")
    assert "`contents: write`" in refused(github).hint
    assert github.releases[0]["body"] == "words"


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_what_github_forbids_has_the_message_of_github(github: Repository, method: str) -> None:
    if method == "PATCH":
        github.release("v1.0.0", "words", immutable=True)
    message = "tag_name was used by an immutable release"
    errors = [{"resource": "Release", "code": "custom", "field": "tag_name", "message": message}]
    github.fail(422, method=method, body={"message": "Validation Failed", "errors": errors})
    error = refused(github)
    assert str(error).endswith(f"the release of v1.0.0 failed: GitHub returned 422: Validation Failed: {message}")
    assert error.hint == (
        "The tag belongs to an immutable release, which may be deleted. Use another tag, or remove publish-release."
    )


def test_functions_of_the_same_name_in_two_regions_have_different_headings() -> None:
    def placed(body: str, arn: Arn, text: str = "## hello v1\n\nNews") -> str:
        return Section(["hello"], lambda _: text, arn).placed(body, "v1")

    first = placed("", EUROPE)
    assert "## hello v1\n" in first, "there is only one"
    both = placed(first, AMERICA)
    assert "## hello v1\n" in both
    assert "## hello v1 in us-east-1\n" in both
    both = placed(both, EUROPE)
    assert "## hello v1 in eu-west-1\n" in both
    assert placed(both, AMERICA) == both
    assert "in us-east-1" not in placed(first, AMERICA, "News\n## hello v1"), "of a template"
    other = Section(["other"], lambda _: "## other v1", AMERICA).placed(first, "v1")
    assert "in us-east-1" not in other


def test_functions_of_the_same_name_in_two_accounts_have_different_headings() -> None:
    text = ""
    for arn in (EUROPE, ACCOUNT, AMERICA) * 2:
        text = Section(["hello"], lambda _: "## hello v1", arn).placed(text, "v1")
    headings = [line for line in text.splitlines() if line.startswith("#")]
    ends = ["in eu-west-1, account …1111", "in eu-west-1, account …2222", "in us-east-1"]
    assert headings == [f"## hello v1 {end}" for end in ends]
    assert EUROPE.account not in text
