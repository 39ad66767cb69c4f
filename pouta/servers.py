"""Virtual machines, from launch to delete. Nova, with what makes them reachable."""

from __future__ import annotations

import shlex
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pouta import clouds, floating_ips, images, keypairs, states, waiting
from pouta import find as _find
from pouta.changing import (
    CHANGE_TIMEOUT,
    check_others,
    pause,
    reboot,
    resume,
    shelve,
    start,
    stop,
    suspend,
    unpause,
    unshelve,
)
from pouta.concurrently import gather
from pouta.display import Table
from pouta.errors import Failed, Refused, chore
from pouta.keeping import recreate, snapshot
from pouta.kinds import FLOATING_IP, SERVER, VOLUME
from pouta.launching import launch, launch_many
from pouta.made import remove
from pouta.remaking import confirm_resize, rebuild, rescue, resize, revert_resize, unrescue
from pouta.server_groups import create_group, delete_group, list_groups

if TYPE_CHECKING:
    from openstack.compute.v2.server import Server
    from openstack.connection import Connection
    from openstack.network.v2.floating_ip import FloatingIP

__all__ = [
    "confirm_resize",
    "console_log",
    "console_url",
    "create_group",
    "delete",
    "delete_group",
    "find",
    "launch",
    "launch_many",
    "list",
    "list_groups",
    "pause",
    "reboot",
    "rebuild",
    "recreate",
    "rescue",
    "resize",
    "resume",
    "revert_resize",
    "shelve",
    "snapshot",
    "ssh_command",
    "start",
    "stop",
    "suspend",
    "unpause",
    "unrescue",
    "unshelve",
    "wait_for_ssh",
]

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
    others: bool = False,
    wait: bool = True,
    timeout: float = CHANGE_TIMEOUT,
) -> None:
    """The server is gone afterwards with its root and ephemeral disk, and its billing ends.

    release_floating_ips: release its addresses too; they stay allocated, and billed, otherwise.
    delete_volumes: delete the volumes that are attached to it too, with all their data.
    others: delete it even though another member of the project made it.

    `DELETE /servers/{id}`.
    """
    found = _find.now(conn, SERVER, server)
    check_others(conn, found, others)
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


@chore("read the console log of server {server}")
def console_log(conn: Connection, server: str | Server, *, lines: int | None = None) -> str:
    """What the server wrote to its console, the last `lines` or all. `os-getConsoleOutput`."""
    found = find(conn, server)
    return str(conn.compute.get_server_console_output(found, length=lines)["output"])


@chore("open the console of server {server}")
def console_url(conn: Connection, server: str | Server, *, protocol: str = "novnc") -> str:
    """The address of the server's screen and keyboard in a browser, for some minutes.

    It asks for a password, which only an account that was made before has. On the practice cloud
    nobody is behind it.

    protocol: "novnc", "spice-html5" or "serial", as the cloud has it.
    `POST /servers/{id}/remote-consoles`.
    """
    found = find(conn, server)
    service = "spice" if protocol.startswith("spice") else protocol.replace("novnc", "vnc")
    console = conn.compute.create_console(found, protocol, service) or {}
    return str(console["url"])


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
