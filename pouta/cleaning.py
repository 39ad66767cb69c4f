"""Clean up by tag: everything that carries it, and nothing else, in the order that lets go."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pouta import progress, volumes
from pouta.concurrently import each, meet
from pouta.display import Columns, Table
from pouta.errors import Failed, InvalidInput, Leftover, PoutaError, TimedOut, chore, listed
from pouta.kinds import (
    FLOATING_IP,
    IMAGE,
    NETWORK,
    PORT,
    ROUTER,
    SECURITY_GROUP,
    SERVER,
    SNAPSHOT,
    SUBNET,
    TAG,
    VOLUME,
    Kind,
    id_of,
    in_order,
    name_of,
)
from pouta.made import remove
from pouta.redaction import Lines
from pouta.stacks import STACK

if TYPE_CHECKING:
    from openstack.block_storage.v3.volume import Volume
    from openstack.connection import Connection

REMOVE_WITHIN = 300.0  # seconds, for each kind
LET_GO_WITHIN = 30.0  # seconds; a part of a network that is still in use then has another user


KINDS: Sequence[Kind[Any]] = sorted(
    [
        *(STACK, SERVER, FLOATING_IP, PORT, IMAGE, SNAPSHOT, VOLUME),
        *(SECURITY_GROUP, ROUTER, SUBNET, NETWORK),
    ],
    key=in_order,
)


@dataclass(frozen=True)
class Tagged:
    """One thing that carries the tag."""

    kind: str
    name: str
    status: str
    id: str


@chore("clean up what is tagged {tag}")
def cleanup(
    conn: Connection, *, tag: str, dry_run: bool = False, timeout: float = REMOVE_WITHIN
) -> Table[Tagged]:
    """Everything of the project that carries this tag is gone, with all its data. No way back.

    All that `tags=` of a chore was put on: servers, floating IPs, volumes, snapshots, images,
    stacks; and ports, security groups, routers, subnets and networks that carry it in the same way
    or as a tag of Neutron's. What has no such tag is never touched: an untagged volume in a tagged
    server stays, and so do key pairs and the group that `ssh_from` makes, which cost nothing and
    which other servers may use. Stored objects have no tags.

    dry_run: only list it.
    timeout: seconds for each kind of thing.

    Returns what was removed, or with `dry_run` would be. Raises Failed when something stays, with
    the reason of each in `leftovers`; all the rest is removed then.
    """
    _check(tag)
    found = _carrying(conn, tag)
    table = _table(
        Tagged(kind.noun, name_of(thing), getattr(thing, "status", None) or "", id_of(thing))
        for kind, things in found.items()
        for thing in things
    )
    if dry_run or not table:
        return table
    progress.say(Lines(f"Removing what is tagged '{tag}':\n{table}"))
    left: list[Leftover] = []
    gone: set[str] = set()
    for kind in KINDS:
        stays = _remove(conn, kind, found[kind], gone, timeout)
        left += stays
        gone |= {*map(id_of, found[kind])} - {leftover.id for leftover in stays}
    if left:
        incomplete = Failed(
            f"{len(left)} of {len(table)} things that are tagged '{tag}' are still there.",
            hint=f"Free them, then call pouta.cleanup(conn, tag={tag!r}) again.",
            resource=_table(row for row in table if row.id in gone),
        )
        incomplete.leftovers = left
        raise incomplete
    return table


@contextmanager
def temporary(conn: Connection, *, timeout: float = REMOVE_WITHIN) -> Iterator[str]:
    """A fresh tag for a block; at its end everything that carries the tag is removed.

        with pouta.temporary(conn) as tag:
            server = pouta.servers.launch(conn, "try", …, tags=[tag])

    Also after an exception, which goes on its way afterwards, and after Ctrl-C. What could not be
    removed is in the exception's `leftovers`. What is and is not removed: see `cleanup`.
    """
    tag = _fresh("temporary")
    try:
        yield tag
    except BaseException as error:
        _clean_up_after(error, conn, tag, timeout)
        raise
    cleanup(conn, tag=tag, timeout=timeout)


@contextmanager
def all_or_nothing(conn: Connection, *, timeout: float = REMOVE_WITHIN) -> Iterator[str]:
    """A fresh tag for a block; when the block fails, everything that carries it is removed.

        with pouta.all_or_nothing(conn) as tag:
            volume = pouta.volumes.create(conn, "data", 100, tags=[tag])
            pouta.servers.launch(conn, "files", …, volumes=[volume], tags=[tag])

    For several chores of which none is of use, or worth paying for, without the others. Only a
    TimedOut removes nothing: the cloud may still be at work; the tag is in its hint. What could not
    be removed is in the exception's `leftovers`. What is and is not removed: see `cleanup`.
    """
    tag = _fresh("together")
    try:
        yield tag
    except TimedOut as error:
        error.hint = f"{error.hint}\npouta.cleanup(conn, tag={tag!r}) removes it all.".strip()
        raise
    except BaseException as error:
        _clean_up_after(error, conn, tag, timeout)
        raise


def _fresh(word: str) -> str:
    return f"{word}-{secrets.token_hex(4)}"


def _clean_up_after(error: BaseException, conn: Connection, tag: str, timeout: float) -> None:
    """Clean up, and tell it on the exception that ended the block: that is the one to see."""
    removed: Sequence[Tagged] = ()
    left: Sequence[Leftover] = ()
    try:
        if removed := cleanup(conn, tag=tag, timeout=timeout):
            error.add_note(f"pouta: all that was tagged '{tag}' is removed.")
    except PoutaError as incomplete:
        removed, left = incomplete.resource or (), incomplete.leftovers
        error.add_note(f"pouta: {incomplete}")
    known = {thing.id for thing in removed} | {thing.id for thing in left}
    before = [thing for thing in getattr(error, "leftovers", ()) if thing.id not in known]
    error.leftovers = [*before, *left]  # type: ignore[attr-defined]  # any exception may carry them


def _check(tag: str) -> None:
    if not isinstance(tag, str) or not re.fullmatch(TAG, tag):
        raise InvalidInput(f"{tag!r} is no tag: a word of letters, digits and . : _ -")


def _carrying(conn: Connection, tag: str) -> dict[Kind[Any], Sequence[Any]]:
    """What carries the tag, by kind; one listing for each, at the same time."""
    meet(conn, "compute", "network", "block_storage", "image")

    def of(kind: Kind[Any]) -> Sequence[Any]:
        if kind is STACK and not conn.endpoint_for("orchestration"):
            return []  # this cloud has none
        # Otherwise what is public, and for an administrator what is anybody's, is listed too.
        owner = {"network": "project_id", "image": "owner"}.get(kind.service)
        mine = {owner: conn.current_project_id} if owner else {}
        return kind.carrying(tag, kind.list(conn, **mine))

    return dict(zip(KINDS, each(of, KINDS), strict=True))


def _table(rows: Iterable[Tagged]) -> Table[Tagged]:
    columns: Columns = {name: name for name in Tagged.__dataclass_fields__}
    return Table(rows, columns, "thing with this tag")


def _remove(
    conn: Connection, kind: Kind[Any], things: Sequence[Any], gone: AbstractSet[str], timeout: float
) -> Sequence[Leftover]:
    """Remove things of one kind, and return those that stay; `gone` is what went before."""
    if kind is VOLUME and things:
        held = _held(conn, things, gone)
        free = [volume for volume in things if volume.id not in held]
        return [*held.values(), *remove(conn, kind, free, timeout=timeout)]
    limit = min(timeout, LET_GO_WITHIN) if kind.service == "network" else timeout
    return remove(conn, kind, things, timeout=limit)


def _held(conn: Connection, disks: Sequence[Volume], gone: AbstractSet[str]) -> dict[str, Leftover]:
    """The volumes, by ID, that something needs which stays: to ask for their end would be vain."""
    copies = {snapshot.volume_id: snapshot for snapshot in SNAPSHOT.list(conn)}
    held: dict[str, Leftover] = {}
    for disk in disks:
        reason = ""
        if disk.id in copies:
            reason = f"it has the snapshot '{copies[disk.id].name or copies[disk.id].id}'"
        if hosts := {*volumes.attached_to(disk)} - gone:
            reason = f"server {listed(sorted(hosts))} has it"
        if reason:
            held[disk.id] = Leftover(VOLUME.noun, disk.id, disk.name or "", reason)
    return held
