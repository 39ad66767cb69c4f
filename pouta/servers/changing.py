"""What a server is asked to do: run, stop, stand still, be put away. Nova's actions.

Each waits until the server is done with what it was asked before, and asks only once. What is so
already is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pouta import deadline, floating_ips, prices, progress, waiting
from pouta import find as _find
from pouta.errors import Failed, PoutaError, Refused, chore, explain, listed
from pouta.kinds import SERVER
from pouta.made import once
from pouta.servers import states

if TYPE_CHECKING:
    from openstack.compute.v2.flavor import Flavor
    from openstack.compute.v2.server import Server
    from openstack.compute.v2.server_action import ServerAction
    from openstack.connection import Connection

CHANGE_TIMEOUT = 300.0  # seconds
START_AGAIN_WITHIN = 60.0  # seconds, after what failed or took too long, too
COPY_TIMEOUT = 3600.0  # seconds; for what copies a root disk, of 80 GB on Pouta
SHELVED = {"SHELVED", "SHELVED_OFFLOADED"}
NO_ROOM = "The cloud may have no room for this flavor now: try again later, or another flavor."
SIZES = ("vcpus", "ram", "disk", "ephemeral")
WAY_BACK = {
    "SHUTOFF": "start",
    "PAUSED": "unpause",
    "SUSPENDED": "resume",
    "SHELVED": "unshelve",
    "SHELVED_OFFLOADED": "unshelve",
    "RESCUE": "unrescue",
    "VERIFY_RESIZE": "confirm_resize",
}


@chore("start server {server}")
def start(
    conn: Connection, server: str | Server, *, wait: bool = True, timeout: float = CHANGE_TIMEOUT
) -> Server:
    """The server runs afterwards; running already, nothing changes. `os-start`."""
    return act(conn, server, "start", conn.compute.start_server, {"SHUTOFF"}, {"ACTIVE"}, wait)


@chore("stop server {server}")
def stop(
    conn: Connection, server: str | Server, *, wait: bool = True, timeout: float = CHANGE_TIMEOUT
) -> Server:
    """The server is off afterwards, and billed as before: only shelving or deleting ends that.

    `os-stop`.
    """
    off = switch_off(conn, at_rest(conn, server), wait=wait)
    price = prices.of(conn).flavor(flavor_name(off))
    progress.say(
        f"'{off.name}' is off, and still billed{f' at {price:g} BU/h' if price else ''}: "
        "pouta.servers.shelve(conn, server) ends that."
    )
    return off


@chore("reboot server {server}")
def reboot(
    conn: Connection,
    server: str | Server,
    *,
    hard: bool = False,
    wait: bool = True,
    timeout: float = CHANGE_TIMEOUT,
) -> Server:
    """The server has started again.

    hard: cut the power instead of asking the system to restart. `reboot`.
    """
    return change(
        conn,
        at_rest(conn, server),
        "reboot",
        lambda found: conn.compute.reboot_server(found, "HARD" if hard else "SOFT"),
        before={"ACTIVE", "SHUTOFF"} if hard else {"ACTIVE"},
        after={"ACTIVE"},
        wait=wait,
        always=True,
    )


@chore("pause server {server}")
def pause(
    conn: Connection, server: str | Server, *, wait: bool = True, timeout: float = CHANGE_TIMEOUT
) -> Server:
    """The server stands still in memory until `unpause`, and is billed as if it ran.

    Maintenance of the cloud may switch it off. `pause`.
    """
    return act(conn, server, "pause", conn.compute.pause_server, {"ACTIVE"}, {"PAUSED"}, wait)


@chore("unpause server {server}")
def unpause(
    conn: Connection, server: str | Server, *, wait: bool = True, timeout: float = CHANGE_TIMEOUT
) -> Server:
    """A paused server goes on where it stood still. `unpause`."""
    return act(conn, server, "unpause", conn.compute.unpause_server, {"PAUSED"}, {"ACTIVE"}, wait)


@chore("suspend server {server}")
def suspend(
    conn: Connection, server: str | Server, *, wait: bool = True, timeout: float = CHANGE_TIMEOUT
) -> Server:
    """The server's memory is on disk until `resume`; it is billed as if it ran.

    Maintenance of the cloud may switch it off. `suspend`.
    """
    return act(
        conn, server, "suspend", conn.compute.suspend_server, {"ACTIVE"}, {"SUSPENDED"}, wait
    )


@chore("resume server {server}")
def resume(
    conn: Connection, server: str | Server, *, wait: bool = True, timeout: float = CHANGE_TIMEOUT
) -> Server:
    """A suspended server goes on where it was. `resume`."""
    return act(conn, server, "resume", conn.compute.resume_server, {"SUSPENDED"}, {"ACTIVE"}, wait)


@chore("shelve server {server}")
def shelve(
    conn: Connection,
    server: str | Server,
    *,
    allow_ephemeral_loss: bool = False,
    wait: bool = True,
    timeout: float = COPY_TIMEOUT,
) -> Server:
    """The server is off and put away, its root disk kept: its billing ends until `unshelve`.

    Its floating IP and volumes stay billed and stay with it: they cannot be given to another server
    meanwhile. Its vCPUs and memory still count in the quota. The cloud may be full when you want it
    back.

    allow_ephemeral_loss: the ephemeral disk (of io and tb flavors) is not kept; without this word
        a server that has one is refused.
    timeout: seconds; a root disk on the host's own disks takes its time. `shelve`.
    """
    found = at_rest(conn, server)
    if found.status in SHELVED:
        return found
    check_ephemeral(found, "Shelving", allow_ephemeral_loss)
    led = [ip.floating_ip_address for ip in floating_ips.of_servers(conn, [found])]
    kept = [*led, *(disk.id for disk in found.attached_volumes)]
    if kept:
        progress.say(
            f"While '{found.name}' is shelved these stay with it, and stay billed: {listed(kept)}."
        )
    return change(
        conn,
        found,
        "shelve",
        conn.compute.shelve_server,
        before={"ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED"},
        after=SHELVED,
        wait=wait,
    )


@chore("unshelve server {server}")
def unshelve(
    conn: Connection, server: str | Server, *, wait: bool = True, timeout: float = COPY_TIMEOUT
) -> Server:
    """A shelved server runs again, and is billed again. Failed when the cloud is full. `unshelve`.

    A server that is not shelved stays as it is.
    """
    return change(
        conn,
        at_rest(conn, server),
        "unshelve",
        conn.compute.unshelve_server,
        before=SHELVED,
        after={"ACTIVE", "SHUTOFF"},
        wait=wait,
        hint=f"{NO_ROOM} It stays shelved, and nothing of it is lost.",
    )


def switch_off(conn: Connection, found: Server, *, wait: bool = True) -> Server:
    """`stop`, without a word about its price."""
    return change(
        conn,
        found,
        "stop",
        conn.compute.stop_server,
        before={"ACTIVE"},
        after={"SHUTOFF"},
        wait=wait,
    )


@contextmanager
def off(conn: Connection, server: Server, *, stays: bool = False) -> Iterator[Server]:
    """A server that ran is off inside the block, and on again afterwards, whatever happened.

    stays: it stays off, unless the cloud refuses what the block asks for.
    """
    again = server.status == "ACTIVE"
    try:
        yield switch_off(conn, server) if again else server
        again = again and not stays
    except Exception as error:
        refused = isinstance(explain(error, "go on") or error, Refused)
        again = again and (refused or not stays)
        raise
    finally:
        if again:
            _start_again(conn, server)


def _start_again(conn: Connection, server: Server) -> None:
    try:
        with deadline.suspended():
            start(conn, server, timeout=START_AGAIN_WITHIN)
    except PoutaError as error:
        error.hint = (
            f"'{server.name}' is still off: pouta.servers.start(conn, {server.name!r}), once the "
            f"cloud is done with what it was asked. {error.hint}"
        )
        raise


def act(
    conn: Connection,
    server: str | Server,
    action: str,
    ask: Callable[[Server], Any],
    before: Collection[str],
    after: Collection[str],
    wait: bool,
) -> Server:
    """`change`, for an action that loses nothing."""
    found = at_rest(conn, server)
    return change(conn, found, action, ask, before=before, after=after, wait=wait)


def at_rest(conn: Connection, server: str | Server) -> Server:
    """The server as it is once it is done with what it was asked before.

    Nova answers 409 to a server that is still busy.
    """
    found = _find.now(conn, SERVER, server)
    if states.is_idle(found):
        return found
    return states.wait(conn, [found], states.is_idle)[0]


def change(
    conn: Connection,
    found: Server,
    action: str,
    ask: Callable[[Server], Any],
    *,
    before: Collection[str],
    after: Collection[str],
    wait: bool = True,
    always: bool = False,
    until: Callable[[Server], bool] = lambda now: True,
    hint: str = "",
) -> Server:
    """Ask a server that is in one of the states `before` to get into one of `after`.

    action: what Nova's journal calls it.
    always: ask although it is in one of `after` already.
    until: what must be so, besides that no task is under way, before it is over.
    hint: what to do when it comes back unchanged.
    """
    if found.status in after and not always:
        return found
    if found.status not in before:
        raise Refused(
            f"Server '{found.name}' is {found.status}; it must be {' or '.join(sorted(before))}.",
            hint=way_back(found),
            resource=found,
        )
    once(f"server '{found.name}'", lambda: ask(found), lambda: _begun(conn, found, action))
    if not wait:
        return waiting.fetch(conn, SERVER, found)
    (now,) = states.wait(conn, [found], lambda now: states.is_idle(now) and until(now))
    if now.status == "ERROR":
        raise states.failure(now)
    if now.status not in after:
        raise Failed(
            f"Server '{now.name}' is {now.status}: the cloud did not do it, and does not say why.",
            hint=hint or "If it happens again: servicedesk@csc.fi, with its ID and the time.",
            resource=now,
        )
    return now


def way_back(server: Server) -> str:
    """The call that makes a server run again."""
    verb = WAY_BACK.get(server.status)
    return f"pouta.servers.{verb}(conn, {server.name!r}) first." if verb else ""


def boots_from_volume(server: Server) -> bool:
    return not (server.image or {}).get("id")


def flavor_name(server: Server) -> str:
    return str((server.flavor or {}).get("original_name"))


def doomed_volumes(server: Server) -> Sequence[str]:
    """The IDs of the volumes that Nova deletes together with the server."""
    return [disk.id for disk in server.attached_volumes or [] if disk.delete_on_termination]


def has_flavor(server: Server, flavor: Flavor) -> bool:
    """Whether it is of this flavor. Nova tells no ID, and a name can have gone to another one."""
    its = server.flavor or {}
    if not its.get("original_name"):
        return bool(its.get("id") == flavor.id)  # before Nova 2.47
    told = [its["original_name"], *(its[size] for size in SIZES)]
    return told == [flavor.name, *(getattr(flavor, size) for size in SIZES)]


def check_ephemeral(server: Server, doing: str, allowed: bool) -> None:
    """Refuse what loses the ephemeral disk, unless it is allowed in so many words."""
    size = (server.flavor or {}).get("ephemeral")
    if size and not allowed:
        raise Refused(
            f"{doing} '{server.name}' loses its ephemeral disk of {size} GB, usually /mnt.",
            hint="Copy what you need to a volume or to Allas; then allow_ephemeral_loss=True.",
            resource=server,
        )


def check_others(conn: Connection, server: Server, allowed: bool) -> None:
    """Refuse to take away what another member made: each may, and none is asked."""
    if server.user_id and server.user_id != conn.current_user_id and not allowed:
        raise Refused(
            f"Server '{server.name}' was made by another member of the project (user "
            f"{server.user_id}).",
            hint="Ask them; others=True deletes it all the same.",
            resource=server,
        )


def _begun(conn: Connection, before: Server, action: str) -> Sequence[ServerAction]:
    """What Nova's journal has of this action since then; others may be at work on the server."""
    return [
        entry
        for entry in conn.compute.server_actions(before.id)
        if entry.action == action
        and entry.user_id == conn.current_user_id
        and entry.start_time[:19] >= before.updated_at[:19]
    ]
