"""Objects go away, and what is stored apart for them, unless another object needs it."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pouta import progress, streams
from pouta.concurrently import each
from pouta.deletion import Deletion
from pouta.kinds import Kind
from pouta.object_store.contents import Held, look, look_for, may_be_large
from pouta.object_store.names import SEGMENTS_OF
from pouta.object_store.wire import checked, containers, delete_if_empty, entries, url

if TYPE_CHECKING:
    from openstack.connection import Connection

#: What pouta, swift and rclone put behind an object's name: when it was changed, its size, …
NUMBERED = re.compile(r"/(slo/)?\d{9,}(\.\d+)?(/\d+){1,2}/\d{8}")
FOR_SEGMENTS = (SEGMENTS_OF, "+segments")  # what is elsewhere is an object of its own


@dataclass(frozen=True)
class Place:
    """Where something is stored: a container, or container/object."""

    id: str

    @property
    def name(self) -> str:
        return self.id

    @property
    def container(self) -> str:
        return self.id.partition("/")[0]


@dataclass(frozen=True)
class _Stored(Kind[Place]):
    def delete(self, conn: Connection, id: str) -> None:
        checked(conn.object_store.delete(url(id)), gone=True)


@dataclass(frozen=True)
class _Homes(_Stored):
    """Containers of segments: they go when they are empty."""

    def delete(self, conn: Connection, id: str) -> None:
        delete_if_empty(conn, id)


CONTAINER = _Stored("container", "object_store", "container", can_be_busy=False)
HOME = _Homes("container", "object_store", "container", can_be_busy=False)
OBJECT = _Stored("object", "object_store", "object", can_be_busy=False)


def remove(going: Deletion, container: str, names: Sequence[str]) -> None:
    """Delete objects of a container; with those that are gone, what only they need."""
    conn = going.conn
    held = each(lambda name: look(conn, container, name), names)
    by_place = {f"{container}/{one.name}": one for one in held}
    gone = [by_place[place.id] for place in going.delete(OBJECT, map(Place, by_place))]
    unfinished = _unfinished(conn, container, {one.name for one in gone})
    remove_apart(going, gone, unfinished, gone={f"{container}/{one.name}" for one in gone})


def remove_apart(
    going: Deletion,
    of: Sequence[Held],
    also: Collection[str] = (),
    *,
    gone: Collection[str] = (),
) -> None:
    """Delete what was stored apart for objects that are no more, unless something else needs it.

    also: more of it, as container/object.
    gone: those of the objects that no list of a container can name any more.
    """
    untold = [one.name for one in of if one.segments is None]
    if untold:
        progress.say(f"The cloud does not tell the segments of {streams.few(untold)}: they stay.")
    apart = {place for one in of for place in one.segments or ()} | {*also}
    apart = {place for place in apart if Place(place).container.endswith(FOR_SEGMENTS)}
    if not apart:
        return
    apart -= _needed(going.conn, apart, without={*gone, *apart})
    going.delete(OBJECT, map(Place, sorted(apart)))
    going.delete(HOME, {Place(Place(place).container) for place in apart})


def _unfinished(conn: Connection, container: str, names: Collection[str]) -> set[str]:
    """The segments of uploads of these names that broke off, or that nothing has named since."""
    home = container + SEGMENTS_OF
    prefix = f"{next(iter(names))}/" if len(names) == 1 else ""
    found = entries(conn, home, prefix) if names else []
    return {
        f"{home}/{entry['name']}"
        for entry in found
        if (numbers := NUMBERED.search(entry["name"]))
        and not entry["name"][numbers.end() :]
        and entry["name"][: numbers.start()] in names
    }


def _needed(conn: Connection, places: Collection[str], without: Collection[str]) -> set[str]:
    """Those of the places that large objects need, of all in the project but `without`.

    Where the cloud does not tell what an object needs, it may be any of them.
    """
    listings = each(
        lambda held: [(held.name, entry) for entry in entries(conn, held.name)], containers(conn)
    )
    large = [
        (container, entry["name"])
        for listing in listings
        for container, entry in listing
        if may_be_large(entry) and f"{container}/{entry['name']}" not in without
    ]
    needed: set[str] = set()
    for held in filter(None, each(lambda one: look_for(conn, *one), large)):
        needed |= {*places} if held.segments is None else held.segments
    return needed & {*places}
