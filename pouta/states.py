"""What servers are doing: waiting for it, showing it, and why it went wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from pouta import floating_ips, waiting
from pouta.display import Columns, Table
from pouta.errors import Failed
from pouta.kinds import SERVER

if TYPE_CHECKING:
    from openstack.compute.v2.server import Server
    from openstack.connection import Connection


def wait(
    conn: Connection,
    servers: Sequence[Server],
    done: Callable[[Server], bool],
    timeout: float,
    what: str = "",
) -> Sequence[Server]:
    """The servers once each is `done`, or in ERROR."""
    hint = "Look again with pouta.servers.find(conn, name), or give up with pouta.servers.delete."
    return waiting.for_all(
        conn,
        SERVER,
        servers,
        lambda server: server.status == "ERROR" or done(server),
        timeout=timeout,
        what=what,
        hint=hint,
    )


def is_idle(server: Server) -> bool:
    return server.status not in ("BUILD", "REBOOT", "HARD_REBOOT") and server.task_state is None


def now(conn: Connection, servers: Sequence[Server]) -> Sequence[Server]:
    present = {s.id: s for s in SERVER.present(conn, [server.id for server in servers])}
    return [present[server.id] for server in servers]


def failure(server: Server, also: int = 0) -> Failed:
    said = fault(server)
    hint = ""
    if "No valid host" in said:
        hint = (
            "The cloud has no room for this flavor now, or its server group leaves no host: "
            "try again later, or another flavor."
        )
    others = f", and {also} more with it" if also else ""
    return Failed(
        f"Server '{server.name}' went to ERROR{others}. The cloud says: {said}",
        hint=hint or "If it happens again: servicedesk@csc.fi, with the server's ID and the time.",
        resource=server,
    )


def fault(server: Server) -> str:
    return (server.fault or {}).get("message") or "nothing"


def table(servers: Iterable[Server]) -> Table[Server]:
    columns: Columns = {
        "name": "name",
        "status": lambda server: waiting.state(server),
        "flavor": lambda server: (server.flavor or {}).get("original_name"),
        "private": lambda server: floating_ips.addresses(server, "fixed"),
        "floating IP": lambda server: floating_ips.addresses(server, "floating"),
        "key": "key_name",
        "fault": lambda server: (server.fault or {}).get("message"),
    }
    return Table(servers, columns, "server")
