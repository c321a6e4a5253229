"""The lock's item: the order of the queue, invalid items, and liveness."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from promote.core.errors import LockError
from promote.core.lock_state import LONGEST_LEASE, Claim, Liveness, LockState, Queue

HOLDER: Mapping[str, Any] = {
    "owner": "7/1/a",
    "lease": Decimal(30),
    "beat": Decimal(4),
    "run_id": Decimal(7),
    "attempt": Decimal(1),
    "group": "octo/hello main",
    "queue": "newest",
    "since": "2026-01-01T00:00:00+00:00",
    "url": "https://github.com/octo/hello/actions/runs/7",
    "job": "abc",
}
ITEM: Mapping[str, Any] = {
    "pk": "arn:hello",
    "sk": "lock",
    "format": Decimal(1),
    "token": Decimal(12),
    **HOLDER,
    "phase": "verify",
    "kept_by": "",
    "tickets": [{**HOLDER, "owner": "8/1/b", "run_id": Decimal(8), "beat": Decimal(0)}],
}
MISSING = object()


def claim(run_id: int, queue: Queue = Queue.NEWEST, group: str = "main", attempt: int = 1) -> Claim:
    return Claim(f"{run_id}/{attempt}/{queue}/{group}", 30, run_id=run_id, attempt=attempt, group=group, queue=queue)


def order(*tickets: Claim) -> list[Claim]:
    return LockState(tickets=tickets).queue


def changed(item: Mapping[str, Any], name: str, value: object) -> dict[str, Any]:
    return {**{key: item[key] for key in item if key != name}, **({} if value is MISSING else {name: value})}


# The order of the queue.


def test_a_newer_run_takes_the_place_of_an_older_one_of_its_branch() -> None:
    older, other, newer = claim(1), claim(2, group="other"), claim(3)
    assert order(older, other, newer) == [newer, older, other]


def test_an_older_run_that_comes_later_stands_behind() -> None:
    newer, older = claim(3), claim(1)
    assert order(newer, older) == [newer, older]
    assert order(newer, older, claim(2)) == [newer, claim(2), older]


def test_a_run_that_is_not_the_newest_stands_behind_the_one_that_is() -> None:
    assert order(claim(1), claim(3), claim(2)) == [claim(3), claim(2), claim(1)]


def test_fifo_is_never_replaced() -> None:
    older, newer = claim(1, Queue.FIFO), claim(2)
    assert order(older, newer) == [older, newer]
    assert not newer.replaces(older)


def test_another_attempt_of_a_run_is_newer() -> None:
    first, second = claim(1), claim(1, attempt=2)
    assert second.replaces(first)
    assert not first.replaces(second)
    assert order(first, second) == [second, first]
    assert claim(2).replaces(second)


def test_nobody_replaces_itself_or_its_like() -> None:
    assert not claim(1).replaces(claim(1))
    assert not claim(1).replaces(replace(claim(1), owner="another process of the same attempt"))


def test_runs_outside_github_never_replace_anybody() -> None:
    # They are in no group. Two such runs do not supersede each other.
    outside = claim(0, group="")
    assert order(outside, claim(5, group="")) == [outside, claim(5, group="")]
    assert order(claim(1), outside) == [claim(1), outside]


def test_groups_leave_each_other_alone() -> None:
    tickets = (claim(1, group="a"), claim(2, group="b"), claim(3, group="c"))
    assert order(*tickets) == list(tickets)


def test_who_is_ahead() -> None:
    entry = LockState(tickets=(claim(1), claim(2, group="other"), claim(3)))
    assert entry.ahead_of(claim(3).owner) == []
    assert entry.ahead_of(claim(2, group="other").owner) == [claim(3), claim(1)]
    assert entry.ahead_of("somebody without a ticket") == entry.queue
    assert entry.place_of(claim(3).owner) == 2
    assert entry.place_of("somebody without a ticket") is None


tickets_of = st.lists(
    st.builds(
        claim,
        st.integers(0, 6),
        st.sampled_from(Queue),
        st.sampled_from(["", "a", "b"]),
        st.integers(1, 2),
    ),
    max_size=12,
    unique_by=lambda ticket: ticket.owner,
)


@given(tickets_of)
def test_the_line_has_everybody_once(tickets: list[Claim]) -> None:
    line = order(*tickets)
    assert sorted(ticket.owner for ticket in line) == sorted(ticket.owner for ticket in tickets)


@given(tickets_of)
def test_a_superseded_run_leaves_the_queue_or_waits_behind_one_that_does(tickets: list[Claim]) -> None:
    for place, ticket in enumerate(tickets):
        line = order(*tickets)
        for later in tickets[place + 1 :]:
            if line.index(later) < line.index(ticket):
                ahead = [ticket, *(other for other in tickets if line.index(other) < line.index(ticket))]
                assert any(later.replaces(other) for other in ahead)


@given(tickets_of)
def test_the_newest_of_a_group_is_ahead_of_all_that_it_replaces(tickets: list[Claim]) -> None:
    line = order(*tickets)
    for place, ticket in enumerate(tickets):
        for other in tickets:
            if ticket.queue is Queue.NEWEST and ticket.replaces(other) and place > tickets.index(other):
                assert line.index(ticket) < line.index(other)


@given(tickets_of.map(lambda tickets: [replace(ticket, queue=Queue.FIFO) for ticket in tickets]))
def test_where_all_are_fifo_they_stand_as_they_came(tickets: list[Claim]) -> None:
    assert order(*tickets) == tickets


def test_fifo_runs_keep_their_order_among_superseded_ones() -> None:
    # The workflow of the branch has changed from newest to fifo between the runs 1 and 3.
    line = order(claim(1), claim(2, Queue.FIFO, group="other"), claim(3, Queue.FIFO))
    fifo = [ticket.run_id for ticket in line if ticket.queue is Queue.FIFO]
    assert fifo == [2, 3]


# Valid and invalid items.


def test_an_item_is_read_as_it_was_written() -> None:
    entry = LockState.read(ITEM)
    assert entry.holder is not None
    assert (entry.token, entry.phase, entry.kept_by) == (12, "verify", "")
    assert entry.holder.item() == HOLDER
    assert entry.holder.name == "run 7"
    assert entry.holder.describe() == "run 7, https://github.com/octo/hello/actions/runs/7"
    assert [ticket.owner for ticket in entry.tickets] == ["8/1/b"]
    assert Claim.read(entry.holder.item()) == entry.holder


def test_no_item_is_a_lock_that_was_never_held() -> None:
    assert LockState.read({}) == LockState()


def test_names_are_for_people() -> None:
    assert claim(7, attempt=2).name == "run 7 (attempt 2)"
    assert Claim("0/1/a", 30).describe() == "0/1/a (not a GitHub run)"


@pytest.mark.parametrize(
    "name", ["format", "run_id", "attempt", "group", "queue", "since", "url", "job", "phase", "kept_by", "tickets"]
)
def test_what_decides_nothing_may_be_missing(name: str) -> None:
    entry = LockState.read(changed(ITEM, name, MISSING))
    assert entry.holder is not None
    assert entry.holder.owner == "7/1/a"


def test_what_decides_nothing_may_be_anything() -> None:
    strange: dict[str, Any] = {
        "since": None,
        "url": 5,
        "phase": [],
        "opened": "by hand",
        "and": {"more": b"of it"},
    }
    entry = LockState.read({**ITEM, **strange})
    assert entry.holder is not None
    assert entry.opened == {}


def test_a_lock_without_an_owner_is_free_and_its_token_counts() -> None:
    entry = LockState.read(changed(ITEM, "owner", MISSING))
    assert entry.holder is None
    assert entry.token == 12
    assert len(entry.tickets) == 1


ABSURD: Mapping[str, list[Any]] = {
    "token": [MISSING, None, "12", Decimal(-1), Decimal("1.5"), True, [], b"12"],
    "owner": [None, "", Decimal(7), ["7/1/a"], {}, True],
    "lease": [
        MISSING,
        None,
        Decimal(0),
        Decimal(-30),
        Decimal("0.5"),
        "30",
        True,
        [],
        Decimal(21601),
        Decimal("1E+100"),
    ],
    "beat": [MISSING, None, Decimal(-1), Decimal("0.5"), "4", True, {}],
    "run_id": ["7", Decimal(-1), Decimal("7.5"), None],
    "attempt": ["1", Decimal(-1), []],
    "queue": ["lifo", Decimal(1), None, []],
}
CASES = [(name, value) for name, values in ABSURD.items() for value in values]


@pytest.mark.parametrize(("name", "value"), CASES)
def test_what_decides_must_make_sense(name: str, value: object) -> None:
    with pytest.raises(LockError, match=f"its {name} is") as caught:
        LockState.read(changed(ITEM, name, value))
    assert "never with a lower token" in caught.value.hint


@pytest.mark.parametrize(("name", "value"), [case for case in CASES if case[0] != "token"] + [("owner", MISSING)])
def test_so_it_is_with_tickets(name: str, value: object) -> None:
    sound = ITEM["tickets"][0]
    with pytest.raises(LockError, match=f"its {name} is"):
        LockState.read({**ITEM, "tickets": [sound, changed(sound, name, value), sound]})


STRANGE_TICKETS: list[object] = ["", "8/1/b", {}, {"owner": "8/1/b"}, None, Decimal(0), {"8/1/b"}, ["8/1/b"], [None]]


@pytest.mark.parametrize("value", STRANGE_TICKETS)
def test_tickets_are_a_list_of_maps(value: object) -> None:
    with pytest.raises(LockError, match="its tickets"):
        LockState.read({**ITEM, "tickets": value})


@pytest.mark.parametrize("value", [Decimal(2), Decimal(0), Decimal(99)])
def test_a_later_format_is_another_versions(value: Decimal) -> None:
    # Also if this version can read nothing else of the item.
    with pytest.raises(LockError, match=f"its format is {value}, and this version supports 1"):
        LockState.read({"format": value, "token": "of another kind"})


STRANGE_FORMATS: list[Any] = ["1", Decimal(-1), Decimal("1.5"), [], None]


@pytest.mark.parametrize("value", STRANGE_FORMATS)
def test_a_format_that_is_not_a_number_is_invalid(value: object) -> None:
    with pytest.raises(LockError, match="its format is"):
        LockState.read({**ITEM, "format": value})


plain = st.recursive(
    st.none() | st.booleans() | st.text(max_size=4) | st.integers(-3, 40).map(Decimal) | st.just(Decimal("0.5")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(HOLDER)), inner, max_size=9),
    max_leaves=8,
)


def is_whole(value: object, least: int = 0, most: int = 2**63) -> bool:
    return isinstance(value, Decimal) and value == int(value) and least <= value <= most


def is_claim(item: object) -> bool:
    """Whether the action can have written these attributes of a run. Texts for people may be anything."""
    return (
        isinstance(item, dict)
        and isinstance(item.get("owner"), str)
        and item["owner"] != ""
        and is_whole(item.get("lease"), 1, LONGEST_LEASE)
        and all(is_whole(item.get(name, Decimal(0))) for name in ("run_id", "attempt"))
        and is_whole(item.get("beat"))
        and item.get("queue", "fifo") in ("newest", "fifo")
    )


def is_lock(item: dict[str, Any]) -> bool:
    tickets = item["tickets"]
    return (
        item.get("format", Decimal(1)) == Decimal(1)
        and is_whole(item.get("format", Decimal(1)))
        and is_whole(item["token"])
        and item.get("kept_by", "") in (None, False, 0, "", [], {}, "lock", "deploy")
        and is_claim(item)
        and isinstance(tickets, list)
        and all(is_claim(ticket) for ticket in tickets)
    )


@settings(max_examples=500)
@given(st.dictionaries(st.sampled_from(sorted(ITEM)), plain, min_size=1))
@example({"owner": ""})
@example({"lease": Decimal(0)})
@example({"lease": Decimal(LONGEST_LEASE)})
@example({"lease": Decimal(LONGEST_LEASE + 1)})
@example({"tickets": [{**HOLDER, "owner": ""}]})
@example({"kept_by": "run"})
@example({"format": Decimal(2)})
def test_an_item_is_read_if_the_action_can_have_written_it_and_else_refused(changes: dict[str, Any]) -> None:
    item = {**ITEM, **changes}
    if not is_lock(item):
        with pytest.raises(LockError):
            LockState.read(item)
        return
    entry = LockState.read(item)
    assert entry.holder is not None
    assert (entry.token, entry.holder.owner, entry.holder.lease) == (item["token"], item["owner"], item["lease"])
    assert [ticket.owner for ticket in entry.tickets] == [ticket["owner"] for ticket in item["tickets"]]


# Liveness.


def held(token: int = 1, beat: int = 0, lease: int = 30, owner: str = "a") -> LockState:
    return LockState(token=token, holder=Claim(owner, lease, beat))


def is_dead(liveness: Liveness, entry: LockState, now: float) -> bool:
    assert entry.holder is not None
    return liveness.is_dead(entry.holder, now)


def test_a_holder_is_dead_when_nothing_has_changed_for_longer_than_its_lease() -> None:
    # On the waiting run's clock, from its first read. It is unknown how long the holder had been silent before.
    liveness = Liveness()
    for now in (1000, 1010, 1030):
        liveness.see(held(), now)
        assert not is_dead(liveness, held(), now)
    liveness.see(held(), 1030.1)
    assert is_dead(liveness, held(), 1030.1)


def test_its_own_lease_counts_and_not_the_waiters() -> None:
    liveness = Liveness()
    for now in (1000, 1100):
        liveness.see(held(lease=3600), now)
    assert not is_dead(liveness, held(lease=3600), 1100)


@pytest.mark.parametrize("after", [held(beat=1), held(token=2)])
def test_a_beat_or_a_new_token_revives(after: LockState) -> None:
    liveness = Liveness()
    liveness.see(held(), 1000)
    liveness.see(after, 1029)
    liveness.see(after, 1059)
    assert not is_dead(liveness, after, 1059)
    assert is_dead(liveness, after, 1059.1)
    liveness.see(replace(after, token=9), 1060)
    assert not is_dead(liveness, replace(after, token=9), 1060)


def test_another_holder_is_seen_for_the_first_time() -> None:
    liveness = Liveness()
    liveness.see(held(), 1000)
    liveness.see(held(token=2, owner="b"), 1031)
    assert not is_dead(liveness, held(token=2, owner="b"), 1061)


def test_a_run_that_was_away_is_new_when_it_returns() -> None:
    liveness = Liveness()
    liveness.see(held(), 1000)
    liveness.see(LockState(token=1), 1020)
    liveness.see(held(), 1040)
    assert not is_dead(liveness, held(), 1060)


def test_who_waits_dies_as_who_holds() -> None:
    liveness, ticket = Liveness(), Claim("b", 10)
    for now in (1000, 1010):
        liveness.see(LockState(tickets=(ticket,)), now)
    assert not liveness.is_dead(ticket, 1010)
    assert liveness.is_dead(ticket, 1010.5)
    assert liveness.silence(ticket, 1010.5) == 10.5


def test_who_gets_the_lock_was_not_silent() -> None:
    liveness, waiting = Liveness(), Claim("b", 30)
    liveness.see(LockState(token=1, tickets=(waiting,)), 1000)
    liveness.see(held(token=2, owner="b"), 1029)
    assert not is_dead(liveness, held(token=2, owner="b"), 1059)
    assert liveness.has_lived(waiting)


def test_who_has_beaten_has_lived() -> None:
    liveness = Liveness()
    fresh = Claim("b", 30)
    liveness.see(LockState(tickets=(fresh,)), 1000)
    liveness.see(LockState(tickets=(fresh,)), 1020)
    assert not liveness.has_lived(fresh)
    # A first read shows that it has sent heartbeats before.
    assert Liveness().has_lived(replace(fresh, beat=1))
    liveness.see(LockState(tickets=(replace(fresh, beat=1),)), 1021)
    assert liveness.has_lived(fresh)


@given(st.lists(st.tuples(st.floats(0, 20), st.booleans()), min_size=1, max_size=30), st.integers(1, 60))
def test_nobody_is_dead_who_beats_within_its_lease(steps: list[tuple[float, bool]], lease: int) -> None:
    liveness, now, beat, changed_at = Liveness(), 1000.0, 0, 1000.0
    liveness.see(held(lease=lease), now)
    for seconds, beats in steps:
        now += seconds
        if beats:
            beat, changed_at = beat + 1, now
        entry = held(beat=beat, lease=lease)
        liveness.see(entry, now)
        assert is_dead(liveness, entry, now) == (now - changed_at > lease)
