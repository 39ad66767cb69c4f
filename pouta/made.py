"""What a chore has made so far, each thing once, and how all of it is taken back.

Nova, Cinder and Neutron have no token that makes a create safe to repeat. So each create carries a
mark. When an answer is lost, the mark tells whether the thing was made; only if not is it asked for
again.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from pouta import deadline, deletion, waiting
from pouta.errors import (
    Failed,
    Leftover,
    PoutaError,
    TimedOut,
    is_passing,
    retry_after,
    status_of,
    what_the_cloud_said,
)
from pouta.kinds import Kind, checked_tags, id_of, in_order, maker, name_of

if TYPE_CHECKING:
    from openstack.connection import Connection

R = TypeVar("R")

TRIES = 3
LOOK_FOR = 8.0  # seconds in which a create whose answer was lost must show up


@dataclass
class Creation:
    """One create: noted before it is asked for, so that it can be found whatever happens.

    `things` are those of it that are known; none until all `count` are.
    """

    kind: Kind[Any]
    mark: str
    name: str
    count: int = 1
    things: list[Any] = field(default_factory=list)
    asked: int = 0

    @property
    def what(self) -> str:
        return f"{self.kind.noun} '{self.name}'"


class Made:
    """What one call has made so far.

    Used as a block. When the block fails, all that it made is removed; what could not be removed is
    listed in the exception's `leftovers`. A TimedOut removes nothing, for the cloud
    may be a moment away from done, and lists all.
    """

    def __init__(self, conn: Connection, *, tags: Sequence[str] = ()) -> None:
        self.conn = conn
        self.tags = checked_tags(tags)
        self.call = f"{maker(str(conn.current_user_id))}-{secrets.token_hex(6)}"
        self.creations: list[Creation] = []
        self._numbers = itertools.count(1)

    def create(self, kind: Kind[R], **attributes: Any) -> R:
        """Make one thing, exactly once."""
        return self._create(kind, attributes, 1)[0]

    def create_many(self, kind: Kind[R], count: int, **attributes: Any) -> Sequence[R]:
        """Make `count` things by the one request that `attributes` describe, exactly once.

        The answer of such a request names only the first; the mark finds the others.
        """
        return self._create(kind, attributes, count)

    def _create(self, kind: Kind[R], attributes: dict[str, Any], count: int) -> Sequence[R]:
        mark = f"{self.call}-{next(self._numbers)}"
        creation = Creation(kind, mark, attributes.get("name") or "", count)
        attributes = kind.noted(attributes, mark, self.tags)

        def ask() -> R:
            creation.asked += 1
            return kind.create(self.conn, **attributes)

        self.creations.append(creation)
        try:
            things = once(creation.what, ask, lambda: kind.marked(self.conn, mark))
        except Exception as error:
            if creation.asked == 1 and not is_passing(error):
                self.creations.remove(creation)  # refused at once: nothing was made
            raise
        if count > 1:
            things = self._whatever_it_made(creation)
        # One that was asked for twice may be there twice.
        chosen = [*{name_of(thing): thing for thing in things}.values()][:count]
        if len(chosen) < count:
            raise Failed(f"Of {count} {kind.noun}s '{creation.name}' there are {len(chosen)}.")
        creation.things = chosen
        return chosen

    def __contains__(self, thing: Any) -> bool:
        """Whether this call made it."""
        ours = {id_of(made) for creation in self.creations for made in creation.things}
        return thing is not None and id_of(thing) in ours

    def undo(self) -> list[Leftover]:
        """Remove all that was made, and return what stays behind."""
        return self._each_kind(lambda kind, things: deletion.attempt(self.conn, kind, things))

    def left(self) -> list[Leftover]:
        """All that was made, as what stays behind."""
        return self._each_kind(lambda kind, things: [_leftover(kind, t, "") for t in things])

    def _each_kind(
        self, leave: Callable[[Kind[Any], Sequence[Any]], list[Leftover]]
    ) -> list[Leftover]:
        """What `leave` says stays behind, each kind before what it holds on to."""
        left: list[Leftover] = []
        made: dict[Kind[Any], list[Any]] = {}
        for creation in sorted(self.creations, key=lambda made: in_order(made.kind)):
            try:
                if creation.asked > 1 or not creation.things:
                    creation.things = [*self._whatever_it_made(creation)]
            except Exception as error:  # noqa: BLE001 - the others must still be removed
                if not creation.things:
                    why = what_the_cloud_said(error)
                    left.append(Leftover(creation.kind.noun, "of unknown ID", creation.name, why))
            made.setdefault(creation.kind, []).extend(creation.things)
        for kind, things in made.items():
            try:
                left += leave(kind, things)
            except Exception as error:  # noqa: BLE001 - the others must still be removed
                left += [_leftover(kind, thing, what_the_cloud_said(error)) for thing in things]
        return left

    def __enter__(self) -> Made:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            return self._give_up(error)
        try:
            self._remove_duplicates()
        except BaseException as twice:
            self._give_up(twice)
            raise

    def _give_up(self, error: BaseException) -> None:
        with deadline.suspended():
            left = self.left() if isinstance(error, TimedOut) else self.undo()
        refusal = error.__cause__ if isinstance(error, Failed) and error.goes_on else None
        if refusal is None or left:
            _tell(error, left, bool(self.creations))
        else:  # nothing goes on any more
            _tell(refusal, left, bool(self.creations))
            raise refusal

    def _whatever_it_made(self, creation: Creation) -> Sequence[Any]:
        """What the cloud has of a create that was interrupted, asked for again, or of many."""
        kind, mark = creation.kind, creation.mark
        return _look_for(creation.what, lambda: kind.marked(self.conn, mark), count=creation.count)

    def _remove_duplicates(self) -> None:
        """A create that was asked for again may have been on its way all along."""
        for creation in self.creations:
            if creation.asked > 1:
                ours = {*map(id_of, creation.things)}
                twins = creation.kind.marked(self.conn, creation.mark)
                spare = [twin for twin in twins if id_of(twin) not in ours]
                deletion.delete(self.conn, creation.kind, spare)


def once(
    what: str,
    ask: Callable[[], R],
    find: Callable[[], Sequence[R]],
    *,
    anyones: bool = False,
) -> Sequence[R]:
    """Make a request whose effect must not come twice, and return what it made.

    When its answer is lost, `find` looks for the effect; only when that is nowhere to be seen is
    the request made again. A refusal is final, unless it comes after a lost answer.

    anyones: the effect counts whoever brought it about, so it is looked for after a refusal too.
    """
    lost = anyones
    for tries_left in reversed(range(TRIES)):
        try:
            return [ask()]
        except Exception as error:
            if not is_passing(error):
                if lost and (found := find()):
                    return found  # it came through before, and nobody was told
                raise
            lost = lost or status_of(error) != 429  # "too many requests" did nothing
            if found := _look_for(what, find, max(LOOK_FOR, retry_after(error))):
                return found
            if not tries_left:
                raise
    raise AssertionError("the last try returns or raises")


def _look_for(
    what: str, find: Callable[[], Sequence[R]], seconds: float = LOOK_FOR, *, count: int = 1
) -> Sequence[R]:
    """The `count` things that a request made, or what there is of them after `seconds`."""
    found: Sequence[R] = ()

    def look() -> Sequence[bool]:
        nonlocal found
        found = find()
        return [len(found) >= count]

    try:
        with deadline.suspended():  # whether it is there must be known, however late it is
            waiting.until(f"{what} in the making", look, bool, timeout=seconds, pace=waiting.BY_NOW)
    except TimedOut as nothing_seen:
        if nothing_seen.__cause__:  # nobody answered, so nobody knows
            raise nothing_seen.__cause__ from None
    return found


def _tell(error: BaseException, left: list[Leftover], something_was_made: bool) -> None:
    if isinstance(error, PoutaError):
        error.leftovers = [*error.leftovers, *left]
        return
    error.leftovers = left  # type: ignore[attr-defined]  # `explain` carries it over
    if something_was_made:
        left_behind = "; ".join(map(str, left))
        error.add_note(
            f"pouta: left behind: {left_behind}." if left else "pouta: what was made is removed."
        )


def _leftover(kind: Kind[R], thing: R, reason: str) -> Leftover:
    return Leftover(kind.noun, id_of(thing), name_of(thing), reason)
