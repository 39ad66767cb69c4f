"""Virtual machines, from launch to delete. Nova, with what makes them reachable."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pouta import find as _find
from pouta import floating_ips, volumes
from pouta.concurrently import gather
from pouta.deletion import Deletion
from pouta.display import Table
from pouta.errors import Refused, chore, listed
from pouta.kinds import SERVER, VOLUME, id_of, name_of
from pouta.servers import states
from pouta.servers.changing import (
    CHANGE_TIMEOUT,
    check_others,
    doomed_volumes,
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
from pouta.servers.reaching import copy, run, ssh_command, ssh_config, wait_for_ssh
from pouta.servers.remaking import confirm_resize, rebuild, rescue, resize, revert_resize, unrescue
from pouta.servers.security import add_security_group, remove_security_group
from pouta.servers.server_groups import create_group, delete_group, list_groups

if TYPE_CHECKING:
    from openstack.compute.v2.server import Server
    from openstack.connection import Connection

__all__ = [
    "add_security_group",
    "confirm_resize",
    "console_log",
    "console_url",
    "copy",
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
    server: str | Server | Iterable[str | Server],
    *,
    release_floating_ips: bool = False,
    delete_volumes: bool = False,
    others: bool = False,
    wait: bool = True,
    timeout: float = CHANGE_TIMEOUT,
) -> None:
    """The server is gone afterwards with its root and ephemeral disk, and its billing ends.

    server: one, or several, which are deleted at the same time.
    release_floating_ips: release its addresses too; they stay allocated, and billed, otherwise.
    delete_volumes: delete the volumes that are attached to it too, with all their data.
    others: delete it even though another member of the project made it.
    wait: False returns as soon as the cloud has taken the request.
    timeout: seconds for all of it.

    Refused before anything is deleted when the cloud would delete a volume together with the
    server, unless `delete_volumes` says so. When something is still there at the end the error
    lists each with the reason in `leftovers`: Refused when nothing was deleted, TimedOut when the
    cloud may still be at work, Failed otherwise. `DELETE /servers/{id}`.
    """
    found = _find.several(conn, SERVER, server)
    for one in found:
        check_others(conn, one, others)
        if not delete_volumes:
            _check_keeps_its_volumes(one)
    attached = [disk.id for one in found for disk in one.attached_volumes] if delete_volumes else []
    ips, disks = gather(
        lambda: floating_ips.of_servers(conn, found) if release_floating_ips else [],
        lambda: VOLUME.present(conn, attached),
    )
    with Deletion(conn, wait=wait or bool(disks)) as going:
        gone = {*map(id_of, going.delete(SERVER, found))}
        floating_ips.release_of(going, ips, gone)
        volumes.delete_of(going, disks, gone)


def _check_keeps_its_volumes(server: Server) -> None:
    """Refuse to delete a server with which volumes would die that nobody named."""
    if doomed := doomed_volumes(server):
        raise Refused(
            f"Deleting server '{server.name}' deletes volume {listed(doomed)} with it, and all "
            "data on it (delete_on_termination).",
            hint="delete_volumes=True deletes all volumes that are attached to it. To keep one: "
            "pouta.volumes.detach(conn, volume); or for the disk that it boots from "
            "conn.compute.update_volume_attachment(server, id, delete_on_termination=False).",
            resource=server,
        )


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
