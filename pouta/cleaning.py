"""Clean up by tag: everything that carries it, and nothing else, in the order that lets go."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pouta import floating_ips, progress, volumes
from pouta.concurrently import each, meet
from pouta.deletion import Deletion
from pouta.display import Columns, Table
from pouta.errors import Leftover, PoutaError, TimedOut, chore, explain, listed
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
    VOLUME,
    Kind,
    checked_tag,
    id_of,
    in_order,
    name_of,
)
from pouta.redaction import Lines
from pouta.servers.changing import doomed_volumes
from pouta.stacks import STACK

if TYPE_CHECKING:
    from openstack.block_storage.v3.volume import Volume
    from openstack.connection import Connection

CLEAN_TIMEOUT = 600.0  # seconds

KINDS: Sequence[Kind[Any]] = sorted(
    [
        *(STACK, SERVER, FLOATING_IP, PORT, IMAGE, SNAPSHOT, VOLUME),
        *(SECURITY_GROUP, ROUTER, SUBNET, NETWORK),
    ],
    key=in_order,
)


@dataclass(frozen=True)
class Tagged:
    """One thing that carries the tag.

    stays: why it is kept back; "" for what goes.
    """

    kind: str
    name: str
    status: str
    id: str
    stays: str = ""


@chore("clean up what is tagged {tag}")
def cleanup(
    conn: Connection,
    *,
    tag: str,
    others: bool = False,
    dry_run: bool = False,
    timeout: float = CLEAN_TIMEOUT,
) -> Table[Tagged]:
    """Everything of the project that carries this tag is gone, with all its data. No way back.

    All that `tags=` of a chore was put on: servers, floating IPs, volumes, snapshots, images,
    stacks; and ports, security groups, routers, subnets and networks that carry it in the same way
    or as a tag of Neutron's. What has no such tag is never touched: an untagged volume in a tagged
    server stays, and so do key pairs and the group that `ssh_from` makes, which cost nothing and
    which other servers may use. Stored objects have no tags.

    Kept back is what another member of the project made, and what something uses that stays: an
    address that leads to a server without the tag, say.

    others: remove what other members made, too.
    dry_run: only list it, with the reason for what would be kept back.
    timeout: seconds for all of it.

    Returns what was removed, or with `dry_run` would be. When something stays, all the rest is
    removed, and the error has the reason of each in `leftovers`: Refused when nothing was removed,
    TimedOut when the cloud may still be at work, Failed otherwise.
    """
    checked_tag(tag)
    going = Deletion(conn)
    found = _carrying(conn, tag, going)
    kept = _kept(conn, found, others)
    rows = {
        id_of(thing): Tagged(
            kind.noun,
            name_of(thing),
            getattr(thing, "status", None) or "",
            id_of(thing),
            kept.get(id_of(thing), ""),
        )
        for kind, things in found.items()
        for thing in things
    }
    if dry_run:
        return _table(rows.values())
    if rows:
        progress.say(Lines(f"Removing what is tagged '{tag}':\n{_table(rows.values())}"))
    try:
        with going:
            _remove(going, found, kept)
    except PoutaError as incomplete:
        incomplete.message = _incomplete(tag, rows, going.left)
        incomplete.resource = _table(rows[id_of(thing)] for thing in going.gone)
        incomplete.leftovers = going.left
        again = f"Once nothing holds them, call pouta.cleanup(conn, tag={tag!r}) again."
        incomplete.hint = f"{incomplete.hint}\n{again}".strip()
        raise
    return _table(rows.values())


def _incomplete(tag: str, rows: Collection[str], left: Sequence[Leftover]) -> str:
    count = len({thing.id for thing in left} & {*rows})
    message = f"{count} of {len(rows)} things that are tagged '{tag}' are still there."
    if unknown := sorted({f"{thing.kind}s" for thing in left if thing.id not in rows}):
        message += f" The cloud did not tell which {', '.join(unknown)} have the tag."
    return message


def _remove(
    going: Deletion, found: Mapping[Kind[Any], Sequence[Any]], kept: Mapping[str, str]
) -> None:
    """Remove what is not kept back, each kind before what it holds on to."""
    free: dict[Kind[Any], Sequence[Any]] = {}
    for kind, things in found.items():
        free[kind] = [thing for thing in things if id_of(thing) not in kept]
        for thing in things:
            if reason := kept.get(id_of(thing)):
                going.keep(kind, thing, reason)
    for kind in KINDS:
        if kind is VOLUME:
            volumes.delete_together(going, free[VOLUME], free[SNAPSHOT])
        elif kind is FLOATING_IP:
            floating_ips.release_of(going, free[kind], {id_of(thing) for thing in going.gone})
        elif kind is not SNAPSHOT:
            going.delete(kind, free[kind])


@contextmanager
def temporary(conn: Connection, *, timeout: float = CLEAN_TIMEOUT) -> Iterator[str]:
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
def all_or_nothing(conn: Connection, *, timeout: float = CLEAN_TIMEOUT) -> Iterator[str]:
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


def _carrying(conn: Connection, tag: str, going: Deletion) -> dict[Kind[Any], Sequence[Any]]:
    """What carries the tag, by kind; one listing for each, at the same time.

    A service that does not answer is noted, and does not keep the others from their clean-up.
    """

    def of(kind: Kind[Any]) -> Sequence[Any]:
        if kind is STACK and not conn.endpoint_for("orchestration"):
            return []  # this cloud has none
        # Otherwise what is public, and for an administrator what is anybody's, is listed too.
        owner = {"network": "project_id", "image": "owner"}.get(kind.service)
        mine = {owner: conn.current_project_id} if owner else {}
        try:
            return kind.carrying(tag, kind.list(conn, **mine))
        except Exception as error:
            problem = explain(error, f"list {kind.noun}s")
            if problem is None:
                raise
            going.miss(kind, problem)
            return []

    with suppress(Exception):  # what does not answer is told below
        meet(conn, "compute", "network", "block_storage", "image")
    return dict(zip(KINDS, each(of, KINDS), strict=True))


def _table(rows: Iterable[Tagged]) -> Table[Tagged]:
    given = [*rows]
    columns: Columns = {name: name for name in ("kind", "name", "status", "id")}
    if any(row.stays for row in given):
        columns = {**columns, "stays because": "stays"}
    return Table(given, columns, "thing with this tag")


def _kept(
    conn: Connection, found: Mapping[Kind[Any], Sequence[Any]], others: bool
) -> dict[str, str]:
    """Why things are kept back, by their IDs: others made them, or what stays uses them."""
    kept: dict[str, str] = {}
    if not others:
        for kind, things in found.items():
            kept |= {
                id_of(thing): "another member of the project made it"
                for thing in things
                if kind.is_others(conn, thing)
            }
    everything = {id_of(thing) for things in found.values() for thing in things}
    users = _Users(conn, found)
    # In the order of removal: what stays keeps back what it uses.
    for kind in KINDS:
        for thing in found[kind]:
            if id_of(thing) not in kept and (use := users.of(kind, thing, everything - {*kept})):
                kept[id_of(thing)] = use
    return kept


class _Users:
    """What uses the things that a clean-up found. Asked for only where it is needed."""

    def __init__(self, conn: Connection, found: Mapping[Kind[Any], Sequence[Any]]) -> None:
        networked = any(found[kind] for kind in (SECURITY_GROUP, ROUTER, SUBNET, NETWORK))
        self.ports = [*PORT.list(conn, project_id=conn.current_project_id)] if networked else []
        self.snapshots = [*SNAPSHOT.list(conn)] if found[VOLUME] else []

    def of(self, kind: Kind[Any], thing: Any, going: Collection[str]) -> str:
        """What uses a thing that is not among those that go; "" for nothing."""
        if kind is SERVER:
            doomed = [id for id in doomed_volumes(thing) if id not in going]
            return f"volume {listed(doomed)}, which stays, would be deleted with it" * bool(doomed)
        if kind is FLOATING_IP and thing.port_id:
            server = floating_ips.leads_to(thing)
            leads_on = {thing.port_id, server}.isdisjoint(going)
            return f"it leads to {f'server {server}' if server else thing.port_id}" * leads_on
        if kind is PORT:
            held = thing.device_id and thing.device_id not in going
            return f"'{thing.device_id}' uses it" if held else ""
        if kind is VOLUME:
            return self._of_volume(thing, going)
        return self._of_network(kind, thing, going)

    def _of_volume(self, disk: Volume, going: Collection[str]) -> str:
        if hosts := [id for id in volumes.attached_to(disk) if id not in going]:
            return f"server {listed(hosts)} has it"
        copies = [s for s in self.snapshots if s.volume_id == disk.id and s.id not in going]
        return f"it has the snapshot {listed(c.name or c.id for c in copies)}" if copies else ""

    def _of_network(self, kind: Kind[Any], thing: Any, going: Collection[str]) -> str:
        """A port that stays, where there is one, keeps its groups, its network and its router."""
        id = id_of(thing)
        staying = [port for port in self.ports if {port.id, port.device_id}.isdisjoint(going)]
        hosts = [port for port in staying if not port.device_owner.startswith("network:")]
        served = {port.network_id for port in self.ports if port.device_id == id}
        users = {
            SECURITY_GROUP: [port for port in staying if id in (port.security_group_ids or ())],
            NETWORK: [port for port in hosts if port.network_id == id],
            SUBNET: [p for p in hosts if id in {place["subnet_id"] for place in p.fixed_ips}],
            ROUTER: [port for port in hosts if port.network_id in served],
        }.get(kind)
        return f"port '{users[0].id}' of '{users[0].device_id}' uses it" if users else ""
