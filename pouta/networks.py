"""The network that a project's servers are in, and the one that floating IPs come from. Neutron."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, TypeAlias

from pouta import clouds, waiting
from pouta import find as _find
from pouta.concurrently import gather
from pouta.display import Columns, Table
from pouta.errors import Ambiguous, NotFound, chore, listed
from pouta.kinds import NETWORK, PORT, ROUTER, ROUTER_INTERFACES, SUBNET
from pouta.made import Made, once

if TYPE_CHECKING:
    from openstack.connection import Connection
    from openstack.network.v2.network import Network
    from openstack.network.v2.router import Router

# docs.csc.fi, read 2026-08-21
CSC_NAME_SERVERS = ("193.166.4.24", "193.166.4.25")
SUBNET_RANGE = "192.168.1.0/24"

# Pairs: the ID of a subnet, and of an external network that a router leads from it to.
Ways: TypeAlias = Collection[tuple[str, str]]


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
    """The network that floating IPs come from; None where there is none, as on ePouta.

    Of several, the one that the cloud marks as its default, or that is called "public".

    Ambiguous when several are left. `GET /v2.0/networks`.
    """
    outside = externals(conn, among=among)
    if len(outside) > 1 and not _is_preferred(outside[0]):
        raise Ambiguous(
            f"This cloud has several external networks: {listed(n.name for n in outside)}.",
            hint="Say which: external=…",
            resource=outside,
        )
    return next(iter(outside), None)


def externals(conn: Connection, *, among: Sequence[Network] | None = None) -> Sequence[Network]:
    """The networks that floating IPs can come from, the default first."""
    seen = NETWORK.list(conn, is_router_external=True) if among is None else among
    outside = [network for network in seen if network.is_router_external]
    return sorted(outside, key=_is_preferred, reverse=True)


def _is_preferred(network: Network) -> bool:
    return bool(network.is_default) or network.name == "public"


def ways_out(conn: Connection) -> Ways:
    """From which subnet with IPv4 a router leads to which external network, by their IDs.

    Routers of other projects are not seen. `GET /v2.0/ports`, `GET /v2.0/routers`.
    """
    ports, routers = gather(
        lambda: [*PORT.list(conn, device_owner=ROUTER_INTERFACES)], lambda: [*ROUTER.list(conn)]
    )
    gateways = {
        router.id: router.external_gateway_info["network_id"]
        for router in routers
        if router.external_gateway_info
    }
    return {
        (address["subnet_id"], gateways[port.device_id])
        for port in ports
        for address in port.fixed_ips
        if port.device_id in gateways and "." in address["ip_address"]
    }


@chore("ensure that the project has a network")
def ensure_default(
    conn: Connection,
    *,
    subnet_range: str = SUBNET_RANGE,
    dns_nameservers: Sequence[str] | None = None,
    external: str | Network | None = None,
) -> Network:
    """A network with a subnet and a router to the outside is there afterwards.

    Called like the project, as Pouta makes them; only what is missing is made. Where there is an
    external network the router has a gateway on it. The first router of a project is free on Pouta,
    each further one costs as much as a floating IP.

    subnet_range: CIDR of the subnet, when one is made.
    dns_nameservers: CSC's on CSC's clouds, none elsewhere.
    external: the network that the gateway is on, where the cloud has several.
    """
    name = conn.current_project.name
    seen = [*NETWORK.list(conn)]
    own = [n for n in seen if not n.is_router_external and n.project_id == conn.current_project_id]
    there = default(conn, among=own) if own else None
    routers = routers_in(conn, there.id) if there else []
    leads_out = any(router is None or router.external_gateway_info for router in routers)
    outside = None if leads_out else _outside(conn, external, seen)
    with Made(conn) as made:
        network = there or made.create(NETWORK, name=name)
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
            network = waiting.fetch(conn, NETWORK, network)
        gateway = {"network_id": outside.id} if outside else None
        if not routers:
            router = made.create(ROUTER, name=name, external_gateway_info=gateway)
            for subnet in network.subnet_ids:
                _plug_in(conn, router, subnet)
        elif gateway and routers[0]:
            conn.network.update_router(routers[0], external_gateway_info=gateway)
        return waiting.fetch(conn, NETWORK, network)


def routers_in(conn: Connection, network_id: str) -> Sequence[Router | None]:
    """The routers in a network; None for one that belongs to another project."""
    ports = PORT.list(conn, network_id=network_id, device_owner=ROUTER_INTERFACES)
    ids = {port.device_id for port in ports}
    seen = {router.id: router for router in ROUTER.present(conn, ids)}
    return [seen.get(id) for id in ids]


def _outside(
    conn: Connection, wanted: str | Network | None, seen: Sequence[Network]
) -> Network | None:
    if isinstance(wanted, str):
        return _find.pick("external network", wanted, [*externals(conn, among=seen)])
    return wanted or external(conn, among=seen)


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
