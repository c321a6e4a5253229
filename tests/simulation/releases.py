"""What must be true of releases after every step: all functions of a release move, or none does.

The record of a release names its moves, and the aliases show which moves were made. If an alias was changed externally,
no run is responsible for what its function serves.
"""

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from promote.core.promotion import Kind, Promotion, placeholder
from promote.core.release import Release, ReleasePart, Stage
from promote.state.releases import release_of
from tests.simulation.functions import Alias, name_of
from tests.simulation.guarantees import ONE, OUT, Broken
from tests.simulation.world import TABLE, World

Key = tuple[str, str]
"""The key of an item: ``pk`` and ``sk``."""
Place = tuple[str, str]
"""An alias: the names of the function and of the environment."""

EXTERNAL = "an external change"

_NEXT = {(Stage.MOVING, Stage.DONE), (Stage.MOVING, Stage.ROLLING_BACK), (Stage.ROLLING_BACK, Stage.ROLLED_BACK)}
_SERVED = ("version", "sequence", "commit", "plan", "previous")
"""What nobody changes in the record of an environment while its function is part of a release."""

_decoded = TypeDeserializer().deserialize


class Releases:
    """All releases and their states."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.known: dict[Key, Release] = {}
        """The current records."""
        self.undone: set[tuple[Place, str]] = set()
        """Moves that were rolled back, by their identities."""
        self.reported: set[Key] = set()
        """Releases that a run has reported as done."""
        self._states: list[dict[Place, str]] = []
        """The versions of all functions without an unfinished release, one moment after the other."""
        self._marks: dict[Place, Key] = {}
        self._environments: dict[Place, Any] = {}
        self._parts: dict[tuple[Place, str], tuple[Key, ReleasePart]] = {}
        """By the identity of the move."""
        self._moved: dict[tuple[Place, str], int] = {}
        """Moves that took effect, numbered."""
        self._numbers = count(1)
        self._at: dict[Place, str] = {}
        """What moved each alias to where it is: the identity of a move, or an external change."""
        self._last: dict[Place, Key] = {}
        """The last release that each function was part of."""
        for key in sorted(self._items):
            if key[1].startswith("release#"):
                self._know(key, self._read(key))
        for key in self._items:
            if key[1].startswith("environment#"):
                self._environments[_place(key)] = self._items[key]
        for place, alias in self._world.functions.aliases.items():
            self._at[place] = identity_of(alias)
            self._moved[place, self._at[place]] = next(self._numbers)
        self._note_state()

    # Called by others

    def of(self, place: Place) -> Release | None:
        """Return the unfinished release of a function."""
        return self.known[self._marks[place]] if place in self._marks else None

    def needed(self, name: str) -> set[str]:
        """Return the versions of a function that an unfinished release moves it to, or back to."""
        found = [_part(self.known[key], place) for place, key in self._marks.items() if place[0] == name]
        return {part.promotion.version for part in found} | {part.before.version for part in found if part.before}

    def by(self, operation: str) -> list[Release]:
        """Return the releases that an operation has begun, in order."""
        return [found for key, found in self.known.items() if key[1].endswith(f"-{operation}")]

    def has(self, place: Place, identity: str) -> bool:
        """Whether a move is part of a release that was begun."""
        return (place, identity) in self._parts

    def has_returned(self, functions: Iterable[str], environment: str) -> bool:
        """Whether an unfinished release of these functions was rolled back, or an unfinished rollback completed."""
        names = set(functions)
        ended = [
            found
            for found in self.known.values()
            if found.environment == environment
            and (found.undone or (found.kind is Kind.ROLLBACK and found.stage is Stage.DONE))
        ]
        return any(part.name in names for found in ended for part in found.parts)

    def has_others(self, place: Place, identity: str) -> bool:
        """Whether a move is part of a release of several functions."""
        found = self._parts.get((place, identity))
        return found is not None and self.known[found[0]].has_several

    def is_on_its_way_back(self, place: Place, description: str) -> bool:
        """Whether an alias with this Description is rolled back, and not moved late."""
        release = self.of(place)
        if release is None or release.stage is not Stage.ROLLING_BACK:
            return False
        return _part(release, place).promotion.description != description

    def has_moved(self, release: Release) -> bool:
        """Whether all of its moves took effect."""
        return all((place, part.promotion.identity) in self._moved for place, part in _moves(release))

    def is_new(self, place: Place, identity: str) -> bool:
        """Whether no move with this identity was ever seen at the alias."""
        return (place, identity) not in self._moved

    def is_repeated(self, place: Place, before: Alias | None, identity: str) -> bool:
        """Whether a move of an unfinished release is made again, because its alias was deleted since."""
        release = self.of(place)
        is_moving = before is None and release is not None and release.stage is Stage.MOVING
        return is_moving and (place, identity) in self._parts and self._parts[place, identity][0] == self._marks[place]

    # The records

    def see_records(self, keys: Iterable[Key]) -> list[Release]:
        """See items that were written in one step, and return the releases that ended with it."""
        keys = list(keys)
        ended = [found for key in keys if key[1].startswith("release#") for found in self._see_release(key)]
        environments = [key for key in keys if key[1].startswith("environment#")]
        for key in environments:
            self._see_environment(_place(key), self._items[key])
        for key in keys:
            if key[1].startswith("promotion#"):
                self._see_entry(key)
        if environments:
            self._note_state()
        for release in ended:
            (self._require_done if release.stage is Stage.DONE else self._require_rolled_back)(release)
        self.require_whole()
        return ended

    def _see_release(self, key: Key) -> Iterator[Release]:
        """See the record of a release, and yield it if it has just ended."""
        before, after = self.known.get(key), self._read(key)
        if before is None:
            self._require_beginning(key, after)
        elif before.stage is not after.stage:
            self._require_next(key, before, after)
            if after.stage.is_final:
                yield after

    def _know(self, key: Key, release: Release) -> None:
        self.known[key] = release
        for place, part in _places(release):
            self._parts[place, part.promotion.identity] = key, part
            self._last[place] = key

    def _require_beginning(self, key: Key, release: Release) -> None:
        """See that a release begins as a whole, from what is recorded, and with functions that are free."""
        if release.stage is not Stage.MOVING:
            raise Broken(ONE, f"{key[1]} begins as {release.stage}")
        for place, part in _places(release):
            if place in self._marks:
                raise Broken(ONE, f"{key[1]} begins while {place[0]} is part of {self._marks[place][1]}")
            item = self._items.get((part.arn, f"environment#{place[1]}"), {})
            if _mark(item) != key:
                raise Broken(ONE, f"{key[1]} begins, and {place[0]} is not marked")
            if int(item.get("sequence", {"N": "0"})["N"]) != part.sequence:
                raise Broken(ONE, f"{key[1]} was decided before the last promotion of {place[0]}")
        self._know(key, release)

    def _require_next(self, key: Key, before: Release, after: Release) -> None:
        if (before.stage, after.stage) not in _NEXT:
            raise Broken(ONE, f"{key[1]} goes from {before.stage} to {after.stage}")
        if after.parts != before.parts:
            raise Broken(ONE, f"the functions of {key[1]} change")
        is_external = any(self._at.get(place) == EXTERNAL for place, _ in _moves(after))
        if after.stage is Stage.ROLLING_BACK and not after.undone and key in self.reported and not is_external:
            raise Broken(ONE, f"{key[1]} is rolled back after its run has reported it as done")
        if after.undone and after.kind is Kind.ROLLBACK:
            raise Broken(OUT, f"{key[1]} is a rollback, and another rollback has undone it")
        self.known[key] = after

    def _see_environment(self, place: Place, item: Any) -> None:
        """See that only one release at a time marks a function, and that nothing else is recorded for it."""
        before, self._environments[place] = self._environments.get(place, {}), item
        old, new = self._marks.get(place), _mark(item)
        if new and new != old and (old or new not in self.known or self.known[new].stage is not Stage.MOVING):
            raise Broken(ONE, f"{place[0]} becomes part of {new[1]}" + (f", but is part of {old[1]}" if old else ""))
        if old and not new and not self.known[old].stage.is_final:
            raise Broken(ONE, f"{place[0]} leaves {old[1]}, which has not ended")
        if old and new and any(before.get(name) != item.get(name) for name in _SERVED):
            raise Broken(ONE, f"the record of {place[0]} changes while it is part of {old[1]}")
        if new:
            self._marks[place] = new
        else:
            self._marks.pop(place, None)

    def _see_entry(self, key: Key) -> None:
        _, environment, identity = key[1].split("#")
        found = self._parts.get(((name_of(key[0]), environment), identity))
        if found and self.known[found[0]].stage is not Stage.DONE:
            raise Broken(ONE, f"{key[1]} of {name_of(key[0])} is in the history before its release is done")

    def _require_done(self, release: Release) -> None:
        """See that everything has moved and is recorded for each function in the same step."""
        for place, part in _places(release):
            identity = part.promotion.identity
            item = self._environments[place]
            if (item["version"]["S"], int(item["sequence"]["N"])) != (part.promotion.version, part.promotion.sequence):
                raise Broken(ONE, f"{release.key.sk} is done, but the record of {place[0]} does not show it")
            if ((part.arn, f"promotion#{place[1]}#{identity}") in self._items) is not part.moves:
                raise Broken(ONE, f"{release.key.sk} is done, but the history of {place[0]} does not show it")
            if part.moves and (place, identity) not in self._moved:
                raise Broken(ONE, f"{release.key.sk} is done, but {place[0]} has not moved")
            alias = self._alias(place)
            is_there = alias is not None and alias.version == part.promotion.version
            if not part.moves and not is_there and self._at.get(place) != EXTERNAL:
                raise Broken(ONE, f"{release.key.sk} is done, but {place[0]} serves {alias}")

    def _require_rolled_back(self, release: Release) -> None:
        """See that each alias is what it was before or was changed externally, and that no move can arrive any more."""
        for place, part in _moves(release):
            alias, before, at = self._alias(place), part.before, self._at.get(place, "")
            if (part.arn, f"promotion#{place[1]}#{part.promotion.identity}") in self._items:
                raise Broken(ONE, f"{release.key.sk} is rolled back, but is in the history of {place[0]}")
            if at == part.promotion.identity:
                raise Broken(ONE, f"{release.key.sk} is rolled back, but {place[0]} still has it")
            version = self._world.functions[place[0]].versions.get(part.promotion.version)
            is_same = version is not None and version.content.code_sha256 == part.candidate.code_sha256
            is_refused = part.arn in release.denied  # if it does arrive all the same, ``moved`` sees that
            if alias is None and (not is_same or at == EXTERNAL or (is_refused and before is None)):
                continue  # an external change has deleted the function, or the fence; or none was needed
            if not is_refused and (alias and alias.revision_id) == (before and before.revision_id):
                raise Broken(ONE, f"{release.key.sk} is rolled back, and a move of {place[0]} may still arrive")
            is_back = alias is not None and (
                # It may remain from an earlier first release, which was rolled back after this run had read the alias.
                _content(alias) == _content(before)
                if before
                else alias.description.startswith(placeholder(alias.version, ""))
            )
            is_others = at == EXTERNAL or self._moved.get((place, at), 0) > self._moved.get((place, before_of(part)), 0)
            if not is_back and not is_others:
                raise Broken(ONE, f"{release.key.sk} is rolled back, but {place[0]} is {alias}, not {before}")

    # The aliases

    def moved(self, place: Place, before: Alias | None, identity: str) -> None:
        """See a forward move that took effect. ``before`` is the alias until then."""
        found = self._parts.get((place, identity))
        if found is None:
            raise Broken(ONE, f"{place[0]} moves by {identity}, which no release has")
        key, part = found
        if self.known[key].stage.is_final:
            raise Broken(ONE, f"{place[0]} moves by {key[1]}, which has ended")
        if (before and before.revision_id) != (part.before and part.before.revision_id):
            raise Broken(ONE, f"{place[0]} moves by {key[1]} from {before}, which it was not decided upon")
        self._moved[place, identity] = next(self._numbers)
        self._at[place] = identity
        self._note_state()
        self.require_whole()

    def see_restored(self, place: Place, before: Alias | None, alias: Alias) -> str:
        """See an alias that is rolled back, and return the identity of the move that is undone, or nothing.

        An external change stays. A change that is not visible does not count.
        """
        release = self.of(place)
        if release is None or release.stage is not Stage.ROLLING_BACK:
            raise Broken(ONE, f"{place[0]} becomes {alias}, although no release is rolled back")
        part = _part(release, place)
        then, identity, at = part.before, part.promotion.identity, self._at.get(place, "")
        has_moved = at == identity or (before is not None and part.promotion.description == before.description)
        is_its_own = has_moved or (before is None and then is None)
        is_its_own |= before is not None and before.description == release.fence
        is_its_own |= before is not None and then is not None and before.revision_id == then.revision_id
        if not is_its_own:
            raise Broken(ONE, f"{place[0]} is rolled back from {before}, which does not belong to {release.key.sk}")
        if before is not None and _is_touched(part, before, has_moved=has_moved):
            versions = before.version, _weights(before)
        else:
            versions = (then.version, _weights(then)) if then else (part.promotion.version, {})
        texts = (release.fence, then.description) if then else ("", placeholder(alias.version, release.key.identity))
        if (alias.version, _weights(alias)) != versions or alias.description not in texts:
            raise Broken(ONE, f"{place[0]} is rolled back to {alias}, but was {then}")
        if at != identity:
            return ""
        self.undone.add((place, identity))
        self._at[place] = before_of(part)
        self._note_state()
        return identity

    def take_back(self, place: Place, identity: str) -> bool:
        """Count a move of a rolled-back release as undone. Return False if it was undone before, or never made."""
        if (place, identity) not in self._moved or (place, identity) in self.undone:
            return False
        self.undone.add((place, identity))
        return True

    def changed_externally(self, place: Place) -> None:
        """Record an external change of an alias."""
        self._at[place] = EXTERNAL
        self._note_state()

    def require_source(self, release: Release, environment: str) -> None:
        """See that ``environment`` served everything that is promoted from it at one time."""
        wanted = {(part.name, environment): part.promotion.version for part in release.parts}
        if not any(wanted.items() <= state.items() for state in self._states):
            raise Broken(ONE, f"{release.key.sk} consists of {wanted}, which were never served together")

    def _note_state(self) -> None:
        aliases = self._world.functions.aliases.items()
        self._states.append({place: alias.version for place, alias in aliases if place not in self._marks})

    def require_whole(self) -> None:
        """See that the functions of the last release all serve it, or none does, except after later moves of one.

        A release that was rolled back does not count: its functions are where they were.
        """
        for key in set(self._last.values()):
            release = self.known[key]
            if not release.stage.is_final:
                continue
            for place, part in _moves(release):
                identity, at = part.promotion.identity, self._at.get(place, "")
                if self._last[place] != key or at == EXTERNAL:
                    continue
                if release.stage is Stage.ROLLED_BACK and at == identity:
                    raise Broken(ONE, f"{place[0]} serves {key[1]}, which was rolled back")
                number = self._moved.get((place, identity), 0)
                if release.stage is Stage.DONE and self._moved.get((place, at), 0) < number:
                    raise Broken(ONE, f"{place[0]} does not serve {key[1]}, which is done")

    def require_rest(self, places: Iterable[Place]) -> None:
        """See that these have no unfinished release."""
        for place in places:
            if place in self._marks:
                raise Broken(ONE, f"{place[0]} is still part of {self._marks[place][1]}")

    # Lookups

    @property
    def _items(self) -> Any:
        return self._world.tables.tables.get(TABLE, {})

    def _read(self, key: Key) -> Release:
        return release_of({name: _decoded(value) for name, value in self._items[key].items()})

    def _alias(self, place: Place) -> Alias | None:
        return self._world.functions[place[0]].aliases.get(place[1])


def before_of(part: ReleasePart) -> str:
    """Return the identity of the move that put an alias where it was before, or empty."""
    return identity_of(part.before) if part.before else ""


def identity_of(alias: Any) -> str:
    """Return the identity of the move in an alias's Description, or empty."""
    promotion = Promotion.described("", alias.description)
    return promotion.identity if promotion else ""


def _place(key: Key) -> Place:
    return name_of(key[0]), key[1].partition("#")[2]


def _places(release: Release) -> Iterator[tuple[Place, ReleasePart]]:
    for part in release.parts:
        yield (part.name, release.environment), part


def _moves(release: Release) -> Iterator[tuple[Place, ReleasePart]]:
    return ((place, part) for place, part in _places(release) if part.moves)


def _part(release: Release, place: Place) -> ReleasePart:
    return next(part for found, part in _places(release) if found == place)


def _is_touched(part: ReleasePart, alias: Alias, *, has_moved: bool) -> bool:
    """Whether the alias was moved or split externally since the release moved it or, without a move, was decided."""
    then = part.before
    if has_moved:  # Lambda may have given a weight to the version that the alias left
        weights = _weights(alias)
        is_whole = not weights or (then is not None and weights == {then.version: 1.0})
        return alias.version != part.promotion.version or not is_whole
    return then is None or (alias.version, _weights(alias)) != (then.version, _weights(then))


def _mark(item: Any) -> Key | None:
    pending = item["pending"]["M"] if "pending" in item else None
    return (pending["pk"]["S"], pending["sk"]["S"]) if pending else None


def _content(alias: Any) -> Any:
    """Return the members of an alias that are restored, without what AWS has changed since."""
    return alias.version, alias.description, _weights(alias)


def _weights(alias: Any) -> dict[str, float]:
    """Return the weights that people or tools have set. A weight of AWS is 1 for one version."""
    return {} if list(alias.weights.values()) == [1.0] else dict(alias.weights)
