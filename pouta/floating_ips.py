"""Addresses that the internet can reach. Neutron; each is billed from allocation to release."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pouta import deletion, known_hosts, networks, prices, quotas, waiting
from pouta import find as _find
from pouta.concurrently import each, gather
from pouta.deletion import Deletion
from pouta.display import Columns, Table
from pouta.errors import NotFound, Refused, chore
from pouta.kinds import FLOATING_IP, PORT, SERVER, id_of
from pouta.made import Made
from pouta.networks import Ways

if TYPE_CHECKING:
    from openstack.compute.v2.server import Server
    from openstack.connection import Connection
    from openstack.network.v2.floating_ip import FloatingIP
    from openstack.network.v2.network import Network
    from openstack.network.v2.port import Port

OF_SERVERS = ("compute:", "baremetal:")  # what a port's device_owner begins with
IDS_IN_A_URL = 100  # with more, a URL gets longer than servers and proxies take


@chore("list floating IPs")
def list(conn: Connection) -> Table[FloatingIP]:
    """The project's floating IPs, used or not, and what each costs; all are billed.

    `GET /v2.0/floatingips`, `GET /servers`.
    """
    ips, price = [*FLOATING_IP.list(conn)], prices.of(conn).floating_ip
    any_used = any(map(leads_to, ips))
    names = {s.id: s.name for s in conn.compute.servers(details=False)} if any_used else {}
    columns: Columns = {
        "address": "floating_ip_address",
        "status": "status",
        "private address": "fixed_ip_address",
        "leads to": lambda ip: names.get(leads_to(ip), leads_to(ip)) or port_name(ip),
        "BU/h": lambda ip: price,
    }
    return Table.of(conn, FLOATING_IP, ips, columns)


@chore("find floating IP {address}")
def find(conn: Connection, address: str | FloatingIP) -> FloatingIP:
    """The floating IP with that address or ID. NotFound names the closest ones."""
    return _find.one(conn, FLOATING_IP, address)


@chore("attach floating IP {address} to server {server}")
def attach(
    conn: Connection,
    server: str | Server,
    address: str | FloatingIP | None = None,
    *,
    move: bool = False,
    timeout: float = 120,
) -> FloatingIP:
    """The server answers at a floating IP afterwards; the FloatingIP is returned.

    address: one of the project's. Without it the address that the server has is kept, or a new one
    allocated, which is billed from now on (0.2 BU/h on Pouta) until `release`. A free address of
    the project is never taken unless it is named: somebody may be keeping it.
    move: take the address from another server, which is then not reachable by it any more.
    timeout: seconds until Nova shows the address on the server.

    `POST` or `PUT /v2.0/floatingips`.
    """
    wanted = _find.now(conn, FLOATING_IP, address) if address is not None else None
    found = _find.one(conn, SERVER, server)
    ports = ports_of(conn, [found]).get(found.id, [])
    if not ports:
        raise NotFound(
            f"Server '{found.name}' has no IPv4 address that a floating IP can lead to.",
            resource=found,
        )
    with Made(conn) as made:
        ip = connect(made, ports, wanted, move=move)
        wait_until_shown(conn, found, ip)
        known_hosts.tell(ip.floating_ip_address)
        return waiting.fetch(conn, FLOATING_IP, ip)


@chore("release floating IP {address}")
def release(
    conn: Connection,
    address: str | FloatingIP | Iterable[str | FloatingIP],
    *,
    in_use: bool = False,
) -> None:
    """The project has this address no more, and its billing ends. It may not be had again.

    address: one, or several, which are released at the same time.
    in_use: release it even though it leads to a server, or to another port.

    When one is still there at the end the error lists it with the reason in `leftovers`: Refused
    when none was released, Failed otherwise. `DELETE /v2.0/floatingips/{id}`.
    """
    ips = _find.several(conn, FLOATING_IP, address)
    for ip in ips:
        if ip.port_id and not in_use:
            raise Refused(
                _leads_to(conn, ip), hint="in_use=True releases it all the same.", resource=ip
            )
    deletion.delete(conn, FLOATING_IP, ips)


def release_of(going: Deletion, ips: Sequence[FloatingIP], gone: Collection[str]) -> None:
    """Release the addresses that led to servers which are gone; one may lead elsewhere by now."""
    now = FLOATING_IP.present(going.conn, map(id_of, ips))
    free = [ip for ip in now if not ip.port_id or leads_to(ip) in gone]
    for ip in now:
        if ip not in free:
            going.keep(FLOATING_IP, ip, _leads_to(going.conn, ip))
    going.delete(FLOATING_IP, free)


@dataclass(frozen=True)
class Outside:
    """The external networks, the default first, and which subnets lead to them."""

    networks: Sequence[Network]
    ways: Ways


def connect(
    made: Made,
    ports: Sequence[Port],
    wanted: FloatingIP | None = None,
    *,
    among: Outside | None = None,
    move: bool = False,
) -> FloatingIP:
    """`wanted`, or a new address, leads to one of a server's ports; nothing is waited for.

    A server that has an address by any of its ports keeps it.

    among: the external networks, where they were asked before.

    openstacksdk's `compute.add_floating_ip_to_server` posts an action that Nova has not had since
    2.44; it is Neutron that attaches.
    """
    conn, ids = made.conn, [port.id for port in ports]
    if wanted is None:
        here = next(iter(FLOATING_IP.list(conn, port_id=ids)), None)
        return here or allocate(made, ports, among)
    if wanted.port_id in ids:
        return wanted
    if not move:
        check_free(conn, wanted)
    pool = wanted.floating_network_id
    target = _target(conn, ports, [pool], among.ways if among else None)
    return conn.network.update_ip(wanted, None, **target.lead)


@dataclass(frozen=True)
class _Target:
    """An address of a server, and the external network that a floating IP for it comes from."""

    port: Port
    fixed_ip: dict[str, str]
    pool: str

    @property
    def lead(self) -> dict[str, Any]:
        return {"port_id": self.port.id, "fixed_ip_address": self.fixed_ip["ip_address"]}


def _target(
    conn: Connection, ports: Sequence[Port], pools: Sequence[str], ways: Ways | None
) -> _Target:
    """The first that a router leads to; Neutron judges where the project sees no router."""
    targets = [_Target(port, ip, pool) for pool in pools for port in ports for ip in _ipv4(port)]
    if len(targets) > 1:
        ways = networks.ways_out(conn) if ways is None else ways
        open_ones = [one for one in targets if (one.fixed_ip["subnet_id"], one.pool) in ways]
        targets = open_ones or targets
    return targets[0]


def _ipv4(port: Port) -> Sequence[dict[str, str]]:
    return [ip for ip in port.fixed_ips if "." in ip["ip_address"]]


def check_free(conn: Connection, ip: FloatingIP) -> None:
    """Refuse an address that another server answers at: it would go dark without a word."""
    if ip.port_id:
        raise Refused(
            _leads_to(conn, ip),
            hint="pouta.floating_ips.attach(conn, server, address, move=True) takes it from there.",
            resource=ip,
        )


def allocate(made: Made, ports: Sequence[Port], among: Outside | None = None) -> FloatingIP:
    """A new address that leads to one of the ports, in one request."""
    from openstack.exceptions import ConflictException

    conn = made.conn
    pools = among.networks if among else networks.externals(conn)
    if not pools:
        raise NotFound("This cloud has no floating IPs.", hint="ePouta: use the private address.")
    target = _target(conn, ports, [*map(id_of, pools)], among.ways if among else None)
    try:
        return made.create(FLOATING_IP, floating_network_id=target.pool, **target.lead)
    except ConflictException:
        # Neutron says that the quota is full, not how full it is; that costs a request only now.
        quotas.check(quotas.networks(made.conn), {"floatingip": 1})
        raise


def of_servers(conn: Connection, servers: Sequence[Server]) -> Sequence[FloatingIP]:
    """The floating IPs that lead to these servers, by any of their ports, as Neutron has it.

    What Nova tells of a server's addresses is some seconds old, and may be another server's by now.
    """
    return [ip for ips in by_server(conn, servers).values() for ip in ips]


def by_server(conn: Connection, servers: Sequence[Server]) -> dict[str, Sequence[FloatingIP]]:
    """`of_servers`, by server ID."""
    if not servers:
        return {}
    ports, ips = gather(lambda: all_ports_of(conn, servers), lambda: [*FLOATING_IP.list(conn)])
    theirs = {port.id: port.device_id for port in ports}
    led = [ip for ip in ips if ip.port_id in theirs]
    return {server.id: [ip for ip in led if theirs[ip.port_id] == server.id] for server in servers}


def ports_of(conn: Connection, servers: Sequence[Server]) -> dict[str, Sequence[Port]]:
    """The ports with an IPv4 address of each server that has one, by server ID."""
    ports: dict[str, Sequence[Port]] = {}
    for port in all_ports_of(conn, servers):
        if _ipv4(port):
            ports[port.device_id] = [*ports.get(port.device_id, ()), port]
    return ports


def all_ports_of(conn: Connection, servers: Sequence[Server]) -> Sequence[Port]:
    """The ports of the servers; one request for each `IDS_IN_A_URL` of them."""
    ids = [server.id for server in servers]
    pages = [ids[i : i + IDS_IN_A_URL] for i in range(0, len(ids), IDS_IN_A_URL)]
    found = each(lambda page: [*PORT.list(conn, device_id=page)], pages)
    return [port for page in found for port in page]


def wait_until_shown(conn: Connection, server: Server, ip: FloatingIP) -> Server:
    """The server once Nova knows its floating IP; Neutron tells it a second or two later."""
    (shown,) = waiting.for_all(
        conn,
        SERVER,
        [server],
        lambda now: ip.floating_ip_address in addresses(now),
        what=f"{ip.floating_ip_address} on server '{server.name}'",
        pace=waiting.TOLD,
    )
    return shown


def addresses(server: Server, kind: str | None = None) -> Sequence[str]:
    """The server's IPv4 addresses, or those of IPv6 where it has no other.

    kind: "fixed" or "floating" narrows them.
    """
    entries = [
        entry
        for entries in (server.addresses or {}).values()
        for entry in entries
        if kind in (None, entry.get("OS-EXT-IPS:type"))
    ]
    version = min((entry["version"] for entry in entries), default=4)
    return [entry["addr"] for entry in entries if entry["version"] == version]


def leads_to(ip: FloatingIP) -> str:
    """The ID of the server that answers at this address, "" for none.

    A port without a server, of a virtual IP or a load balancer, may answer: see `port_name`.
    """
    details = ip.port_details or {}
    is_server = (details.get("device_owner") or "").startswith(OF_SERVERS)
    return (details.get("device_id") or "") if is_server else ""


def port_name(ip: FloatingIP) -> str | None:
    """How the port that the address leads to is called; None where it leads nowhere."""
    name = (ip.port_details or {}).get("name") or ip.port_id
    return f"port {name}" if ip.port_id else None


def _leads_to(conn: Connection, ip: FloatingIP) -> str:
    if server := leads_to(ip):
        name = _find.known_as(conn, SERVER, server)
        return f"{ip.floating_ip_address} leads to server '{name}'."
    name = (ip.port_details or {}).get("name") or ip.port_id
    return f"{ip.floating_ip_address} leads to port '{name}', which no server has."
