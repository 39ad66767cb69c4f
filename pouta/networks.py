"""The network that a project's servers are in, and the one that floating IPs come from. Neutron."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pouta import clouds, waiting
from pouta import find as _find
from pouta.display import Columns, Table
from pouta.errors import Ambiguous, NotFound, chore, listed
from pouta.kinds import NETWORK, PORT, ROUTER, SUBNET
from pouta.made import Made, once

if TYPE_CHECKING:
    from openstack.connection import Connection
    from openstack.network.v2.network import Network
    from openstack.network.v2.router import Router

# docs.csc.fi, read 2026-08-21
CSC_NAME_SERVERS = ("193.166.4.24", "193.166.4.25")
SUBNET_RANGE = "192.168.1.0/24"


@chore("list networks")
def list(conn: Connection) -> Table[Network]:
    """The networks that this project sees. `GET /v2.0/networks`."""
    columns: Columns = {
        "name": "name",
        "external": "is_router_external",
        "shared": "is_shared",
        "status": "status",
        "subnets": lambda network: len(network.subnet_ids or []),
    }
    return Table.of(conn, NETWORK, NETWORK.list(conn), columns)


@chore("find network {name_or_id}")
def find(conn: Connection, name_or_id: str | Network) -> Network:
    """The network of that name or ID. NotFound names the closest ones."""
    return _find.one(conn, NETWORK, name_or_id)


@chore("find the project's network")
def default(conn: Connection, *, among: Sequence[Network] | None = None) -> Network:
    """The project's own network: the only one, or the one called like the project.

    among: networks that were listed before; no request is made then.

    NotFound when there is none, Ambiguous when there are several. `GET /v2.0/networks`.
    """
    seen = [*NETWORK.list(conn)] if among is None else among
    usable = [network for network in seen if not network.is_router_external]
    own = [network for network in usable if network.project_id == conn.current_project_id] or usable
    if not own:
        raise NotFound(
            "This project has no network.", hint="pouta.networks.ensure_default(conn) makes one."
        )
    namesakes = [network for network in own if network.name == conn.current_project.name]
    for choice in (own, namesakes):
        if len(choice) == 1:
            return choice[0]
    raise Ambiguous(
        f"This project has several networks: {listed(sorted(network.name for network in own))}.",
        hint="Say which: network=…",
        resource=own,
    )


@chore("find the external network")
def external(conn: Connection, *, among: Sequence[Network] | None = None) -> Network | None:
    """The network that floating IPs come from; None where there is none, as on ePouta."""
    seen = [*NETWORK.list(conn, is_router_external=True)] if among is None else among
    outside = [network for network in seen if network.is_router_external]
    return next((n for n in outside if n.name == "public"), outside[0] if outside else None)


@chore("ensure that the project has a network")
def ensure_default(
    conn: Connection,
    *,
    subnet_range: str = SUBNET_RANGE,
    dns_nameservers: Sequence[str] | None = None,
) -> Network:
    """A network with a subnet and a router to the outside is there afterwards.

    Called like the project, as Pouta makes them; only what is missing is made. Where there is an
    external network the router has a gateway on it. The first router of a project is free on Pouta,
    each further one costs as much as a floating IP.

    subnet_range: CIDR of the subnet, when one is made.
    dns_nameservers: CSC's on CSC's clouds, none elsewhere.
    """
    name = conn.current_project.name
    seen = [*NETWORK.list(conn)]
    own = [n for n in seen if not n.is_router_external and n.project_id == conn.current_project_id]
    with Made(conn) as made:
        network = default(conn, among=own) if own else made.create(NETWORK, name=name)
        if not network.subnet_ids:
            servers = dns_nameservers
            if servers is None:
                servers = CSC_NAME_SERVERS if clouds.is_csc(clouds.auth_url(conn)) else ()
            made.create(
                SUBNET,
                name=name,
                network_id=network.id,
                ip_version=4,
                cidr=subnet_range,
                dns_nameservers=[*servers],
            )
        subnets = waiting.fetch(conn, NETWORK, network).subnet_ids
        if not _has_router(conn, network):
            outside = external(conn, among=seen)
            gateway = {"external_gateway_info": {"network_id": outside.id}} if outside else {}
            router = made.create(ROUTER, name=name, **gateway)
            for subnet in subnets:
                _plug_in(conn, router, subnet)
        return waiting.fetch(conn, NETWORK, network)


def _has_router(conn: Connection, network: Network) -> bool:
    ports = conn.network.ports(network_id=network.id, device_owner="network:router_interface")
    return any(True for _ in ports)


def _plug_in(conn: Connection, router: Router, subnet: str) -> None:
    once(
        f"router '{router.name}' in its network",
        lambda: conn.network.add_interface_to_router(router, subnet),
        lambda: [router] if _leads_into(conn, router, subnet) else [],
        anyones=True,
    )


def _leads_into(conn: Connection, router: Router, subnet: str) -> bool:
    ports = PORT.list(conn, device_id=router.id)
    return any(address["subnet_id"] == subnet for port in ports for address in port.fixed_ips)
