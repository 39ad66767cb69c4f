"""Virtual machines, from launch to delete. Nova, with what makes them reachable."""

from __future__ import annotations

import shlex
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pouta import clouds, floating_ips, images, keypairs, states, waiting
from pouta import find as _find
from pouta.concurrently import gather
from pouta.display import Table
from pouta.errors import Failed, Refused, chore
from pouta.kinds import FLOATING_IP, SERVER, VOLUME
from pouta.launching import launch, launch_many
from pouta.made import once, remove

if TYPE_CHECKING:
    from openstack.compute.v2.server import Server
    from openstack.connection import Connection
    from openstack.network.v2.floating_ip import FloatingIP

__all__ = [
    "console_log",
    "delete",
    "find",
    "launch",
    "launch_many",
    "list",
    "reboot",
    "ssh_command",
    "start",
    "stop",
    "wait_for_ssh",
]

CHANGE_TIMEOUT = 300.0  # seconds
SSH_PORT = 22


@chore("list servers")
def list(conn: Connection) -> Table[Server]:
    """The project's servers. `GET /servers/detail`."""
    return states.table(SERVER.list(conn))


@chore("find server {name_or_id}")
def find(conn: Connection, name_or_id: str | Server) -> Server:
    """The server of that name or ID. NotFound names the closest ones, Ambiguous the IDs."""
    return _find.one(conn, SERVER, name_or_id)


@chore("delete server {server}")
def delete(
    conn: Connection,
    server: str | Server,
    *,
    release_floating_ips: bool = False,
    delete_volumes: bool = False,
    wait: bool = True,
    timeout: float = CHANGE_TIMEOUT,
) -> None:
    """The server and its own disks are gone afterwards, and its billing ends.

    release_floating_ips: release its addresses too; they stay allocated, and billed, otherwise.
    delete_volumes: delete the volumes that are attached to it too, with all their data.

    `DELETE /servers/{id}`.
    """
    found = _find.now(conn, SERVER, server)
    addresses = _floating_ips(conn, found) if release_floating_ips else []
    disks = [VOLUME.get(conn, disk.id) for disk in found.attached_volumes] if delete_volumes else []
    if not wait and not disks:
        SERVER.delete(conn, found.id)
        remove(conn, FLOATING_IP, addresses)
        return
    left = remove(conn, SERVER, [found], timeout=timeout)
    if not left:
        left = remove(conn, FLOATING_IP, addresses) + remove(conn, VOLUME, disks, timeout=timeout)
    if left:
        gone_wrong = Failed(f"Server '{found.name}' was not wholly deleted.", resource=found)
        gone_wrong.leftovers = left
        raise gone_wrong


@chore("start server {server}")
def start(
    conn: Connection, server: str | Server, *, wait: bool = True, timeout: float = CHANGE_TIMEOUT
) -> Server:
    """The server runs afterwards; running already, nothing changes. `os-start`."""
    return _change(conn, server, conn.compute.start_server, {"ACTIVE"}, {"SHUTOFF"}, wait, timeout)


@chore("stop server {server}")
def stop(
    conn: Connection, server: str | Server, *, wait: bool = True, timeout: float = CHANGE_TIMEOUT
) -> Server:
    """The server is off afterwards, and billed as before: only shelving or deleting ends that.

    `os-stop`.
    """
    return _change(conn, server, conn.compute.stop_server, {"SHUTOFF"}, {"ACTIVE"}, wait, timeout)


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

    def ask(found: Server) -> None:
        conn.compute.reboot_server(found, "HARD" if hard else "SOFT")

    running = {"ACTIVE", "SHUTOFF"} if hard else {"ACTIVE"}
    return _change(conn, server, ask, {"ACTIVE"}, running, wait, timeout, always=True)


@chore("read the console log of server {server}")
def console_log(conn: Connection, server: str | Server, *, lines: int | None = None) -> str:
    """What the server wrote to its console, the last `lines` or all. `os-getConsoleOutput`."""
    found = find(conn, server)
    return str(conn.compute.get_server_console_output(found, length=lines)["output"])


@chore("tell how to log in to server {server}")
def ssh_command(conn: Connection, server: str | Server) -> str:
    """The line that logs in: the image's user, the floating (or private) address, the key.

    A practice server has nobody inside; the line is what it would be on Pouta.
    """
    found = _find.now(conn, SERVER, server)
    user, pair = gather(
        lambda: images.login_user(conn, found),
        lambda: conn.compute.find_keypair(found.key_name) if found.key_name else None,
    )
    private = keypairs.private_key_of(pair.public_key) if pair and pair.public_key else None
    usual = private is None or private.name in keypairs.USUAL_KEYS
    identity = "" if usual else f"-i {shlex.quote(str(private))} "
    return f"ssh {identity}{user}@{_address(found)}"


@chore("wait for SSH on server {server}")
def wait_for_ssh(conn: Connection, server: str | Server, *, timeout: float = 300) -> Server:
    """The server's SSH answers afterwards. A new server takes a minute or two to get there.

    timeout: seconds; then TimedOut says what to look at. Refused on the practice cloud, whose
    servers have nobody inside.
    """
    found = _find.now(conn, SERVER, server)
    if clouds.is_practice(clouds.auth_url(conn)):
        raise Refused(
            "Nobody can log in to a server of the practice cloud: there is no machine behind it.",
            hint="On Pouta the same call waits until SSH answers.",
        )
    address = _address(found)
    waiting.until(
        f"SSH at {address}",
        lambda: [_ssh_answers(address)],
        bool,
        timeout=timeout,
        hint="Is port 22 open to you (ssh_from='my-ip'), and does the server have a floating IP? "
        "pouta.servers.console_log(conn, server) shows how far it has come.",
    )
    return SERVER.get(conn, found.id)


def _ssh_answers(address: str, port: int = SSH_PORT) -> bool:
    try:
        with socket.create_connection((address, port), timeout=5) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _change(
    conn: Connection,
    server: str | Server,
    ask: Callable[[Server], Any],
    after: set[str],
    before: set[str],
    wait: bool,
    timeout: float,
    *,
    always: bool = False,
) -> Server:
    """Ask a server that is in one of the states `before` to get into one of `after`."""
    # Nova answers 409 while the server is still busy with the last request.
    found = _find.now(conn, SERVER, server)
    if not states.is_idle(found):
        (found,) = states.wait(conn, [found], states.is_idle, timeout)
    if found.status in after and not always:
        return found
    if found.status not in before:
        raise Refused(
            f"Server '{found.name}' is {found.status}; it must be {' or '.join(sorted(before))}.",
            resource=found,
        )
    once(f"server '{found.name}'", lambda: ask(found), lambda: _under_way(conn, found))
    if not wait:
        return SERVER.get(conn, found.id)
    (now,) = states.wait(conn, [found], states.is_idle, timeout)
    if now.status not in after:
        raise states.failure(now)
    return now


def _under_way(conn: Connection, before: Server) -> Sequence[Server]:
    now = SERVER.get(conn, before.id)
    return [now] if now.task_state or now.status != before.status else []


def _floating_ips(conn: Connection, server: Server) -> Sequence[FloatingIP]:
    wanted = set(floating_ips.addresses(server, "floating"))
    if not wanted:
        return []
    return [ip for ip in FLOATING_IP.list(conn) if ip.floating_ip_address in wanted]


def _address(server: Server) -> str:
    found = floating_ips.addresses(server, "floating") or floating_ips.addresses(server)
    if not found:
        raise Refused(f"Server '{server.name}' has no address yet.", resource=server)
    return found[0]
