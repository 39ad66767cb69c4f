"""What servers are doing: waiting for it, showing it, and why it went wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pouta import floating_ips, prices, waiting
from pouta._session import last_answer
from pouta.display import Columns, Table
from pouta.errors import Failed, TimedOut
from pouta.kinds import SERVER

if TYPE_CHECKING:
    from openstack.compute.v2.server import Server
    from openstack.connection import Connection
    from openstack.network.v2.port import Port

HINT = "Look again with pouta.servers.find(conn, name), or give up with pouta.servers.delete."


def wait(
    conn: Connection,
    servers: Sequence[Server],
    done: Callable[[Server], bool],
    what: str = "",
    pace: waiting.Pace | None = None,
) -> Sequence[Server]:
    """The servers once each is `done`, or in ERROR."""
    return waiting.for_all(
        conn,
        SERVER,
        servers,
        lambda server: server.status == "ERROR" or done(server),
        what=what,
        hint=HINT,
        pace=pace,
    )


@dataclass(frozen=True)
class _Progress:
    """What is known of one server of many."""

    status: str


def wait_until_built(conn: Connection, servers: Sequence[Server]) -> None:
    """None of many is being built any more, however it went.

    Only those that are still at it are listed, without details: Nova gathers these from three
    services, and 100 servers that are looked at with them take a tenth longer to come.
    """

    def look() -> Sequence[_Progress]:
        building = {server.id for server in SERVER.list(conn, status="BUILD", details=False)}
        return [_Progress("BUILD" if server.id in building else "built") for server in servers]

    try:
        waiting.until(
            "servers",
            look,
            lambda server: server.status == "built",
            hint=HINT,
            pace=waiting.FLEET,
            answered=last_answer(conn),
        )
    except TimedOut as late:
        late.resource = servers
        raise


def is_idle(server: Server) -> bool:
    return SERVER.is_settled(server)


def wait_for_ports(conn: Connection, servers: Sequence[Server]) -> dict[str, Sequence[Port]]:
    """The servers' ports by server ID, as soon as they are there; none for one in ERROR.

    Neutron has the port a second before Nova shows the address. Whether a server failed is asked
    only when its port is late.
    """

    ports: dict[str, Sequence[Port]] = {}
    late: Sequence[Server] = ()
    sightings = waiting.Sightings(SERVER.noun, {s.id: s.name for s in servers})

    def without_port() -> Sequence[Server]:
        nonlocal ports, late
        ports |= floating_ips.ports_of(conn, servers)
        bare = [server for server in servers if server.id not in ports]
        if bare and late:
            there = {s.id: s for s in SERVER.present(conn, [server.id for server in bare])}
            sightings.check([*there, *ports])
            bare = [there[server.id] for server in bare]
        late = bare
        return late

    waiting.until(
        "ports on the network",
        without_port,
        lambda server: server.status == "ERROR",
        hint=HINT,
        pace=waiting.PORTS,
        answered=last_answer(conn),
    )
    return ports


def now(conn: Connection, servers: Sequence[Server]) -> Sequence[Server]:
    return wait(conn, servers, lambda server: True, pace=waiting.BY_NOW)


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


def table(conn: Connection, servers: Iterable[Server]) -> Table[Server]:
    rows, known = [*servers], prices.of(conn)
    columns: Columns = {
        "name": "name",
        "status": lambda server: waiting.state(server),
        "flavor": lambda server: (server.flavor or {}).get("original_name"),
        "private": lambda server: floating_ips.addresses(server, "fixed"),
        "floating IP": lambda server: floating_ips.addresses(server, "floating"),
        "key": "key_name",
        "BU/h": known.server,
    }
    if any(server.fault for server in rows):
        columns = {**columns, "fault": lambda server: (server.fault or {}).get("message")}
    return Table.of(conn, SERVER, rows, columns)
