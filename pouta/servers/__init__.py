"""Virtual machines, from launch to delete. Nova, with what makes them reachable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pouta import find as _find
from pouta import floating_ips
from pouta.concurrently import gather
from pouta.display import Table
from pouta.errors import Failed, chore
from pouta.kinds import FLOATING_IP, SERVER, VOLUME, name_of
from pouta.made import remove
from pouta.servers import states
from pouta.servers.changing import (
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
from pouta.servers.diagnosing import diagnose
from pouta.servers.keeping import recreate, snapshot
from pouta.servers.launching import launch, launch_many
from pouta.servers.reaching import run, ssh_command, ssh_config, wait_for_ssh
from pouta.servers.remaking import confirm_resize, rebuild, rescue, resize, revert_resize, unrescue
from pouta.servers.security import add_security_group, remove_security_group
from pouta.servers.server_groups import create_group, delete_group, list_groups

if TYPE_CHECKING:
    from openstack.compute.v2.server import Server
    from openstack.connection import Connection
    from openstack.network.v2.floating_ip import FloatingIP

__all__ = [
    "add_security_group",
    "confirm_resize",
    "console_log",
    "console_url",
    "create_group",
    "delete",
    "delete_group",
    "diagnose",
    "find",
    "launch",
    "launch_many",
    "list",
    "list_groups",
    "pause",
    "reboot",
    "rebuild",
    "recreate",
    "remove_security_group",
    "rescue",
    "resize",
    "resume",
    "revert_resize",
    "run",
    "shelve",
    "snapshot",
    "ssh_command",
    "ssh_config",
    "start",
    "stop",
    "suspend",
    "unpause",
    "unrescue",
    "unshelve",
    "wait_for_ssh",
]


@chore("list servers")
def list(conn: Connection) -> Table[Server]:
    """The project's servers and what each costs. `GET /servers/detail`."""
    return states.table(conn, sorted(SERVER.list(conn), key=name_of))


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
    attached = [disk.id for disk in found.attached_volumes] if delete_volumes else []
    addresses, disks = gather(
        lambda: _floating_ips(conn, found) if release_floating_ips else [],
        lambda: VOLUME.present(conn, attached),
    )
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


def _floating_ips(conn: Connection, server: Server) -> Sequence[FloatingIP]:
    wanted = set(floating_ips.addresses(server, "floating"))
    if not wanted:
        return []
    return [ip for ip in FLOATING_IP.list(conn) if ip.floating_ip_address in wanted]
