"""What the project costs and wastes, in Billing Units. Counted here: OpenStack knows no prices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pouta import clouds, costs, prices
from pouta.concurrently import gather, meet
from pouta.costs import Cost, Costs
from pouta.errors import chore
from pouta.kinds import FLOATING_IP, NETWORK, PORT, ROUTER, SERVER, VOLUME, id_of, name_of
from pouta.prices import Prices

if TYPE_CHECKING:
    from openstack.block_storage.v3.volume import Volume
    from openstack.compute.v2.server import Server
    from openstack.connection import Connection
    from openstack.network.v2.floating_ip import FloatingIP
    from openstack.network.v2.router import Router

__all__ = ["Cost", "Costs", "estimate", "waste"]

IDLE = ("SHUTOFF", "PAUSED", "SUSPENDED", "ERROR")  # of a server
UNUSED = ("available", "error")  # of a volume


@chore("estimate what the project costs")
def estimate(conn: Connection, *, tag: str | None = None) -> Costs:
    """What the project costs as it is now, per hour and in 30 days, thing by thing.

    Servers by flavor in every state but shelved, volumes by size and type whether attached or not,
    floating IPs whether used or not, and each router with an external gateway but the first. Below
    the rows: the total, what has no known price (it is never guessed), and the date and source of
    the prices. Object storage is billed in other units, and not in it.

    tag: only what carries it.

    Costs nothing, changes nothing: `GET /servers/detail`, `/volumes/detail`, `/v2.0/floatingips`
    and `/v2.0/routers` at the same time.
    """
    held, known = _look(conn), prices.of(conn)
    tagged = held.carrying(tag)
    rows = (cost for cost in _count(held, known) if cost.id in tagged)
    return Costs(rows, known, notes=held.notes, link=_pages(conn))


@chore("look for what is paid for and not used")
def waste(conn: Connection) -> Costs:
    """What is billed and does nothing, and for each the call that ends it.

    Stopped, paused, suspended and failed servers, volumes that no server has, floating IPs that
    lead to no port, and routers with an external gateway beyond the first.

    Nothing is changed. Read a call before you run it: where it deletes data it says so.
    The same four requests as `estimate`.
    """
    held, known = _look(conn), prices.of(conn)
    columns = {**costs.COLUMNS, "this ends it": "ends_by"}
    rows = (cost for cost in _count(held, known) if cost.wasted)
    noun = "unused thing"
    return Costs(rows, known, columns=columns, noun=noun, notes=held.notes, link=_pages(conn))


@dataclass(frozen=True)
class _Held:
    """What the project has that is billed. `free` is the router that costs nothing."""

    servers: Sequence[Server]
    volumes: Sequence[Volume]
    ips: Sequence[FloatingIP]
    routers: Sequence[Router]
    free: Router | None
    notes: Sequence[str]

    def carrying(self, tag: str | None) -> set[str]:
        """The IDs of what carries the tag; of all when there is none."""
        return {
            *map(id_of, SERVER.carrying(tag, self.servers)),
            *map(id_of, VOLUME.carrying(tag, self.volumes)),
            *map(id_of, FLOATING_IP.carrying(tag, self.ips)),
            *map(id_of, ROUTER.carrying(tag, self.routers)),
        }


def _look(conn: Connection) -> _Held:
    meet(conn, "compute", "block_storage", "network")
    # An administrator would see the addresses and routers of every project.
    mine = {"project_id": conn.current_project_id}
    servers, volumes, ips, routers = gather(
        lambda: [*SERVER.list(conn)],
        lambda: [*VOLUME.list(conn)],
        lambda: [*FLOATING_IP.list(conn, **mine)],
        lambda: [*ROUTER.list(conn, **mine)],
    )
    outward = [router for router in routers if router.external_gateway_info]
    free, note = _free_router(conn, outward)
    return _Held(servers, volumes, ips, outward, free, [note] if note else [])


def _free_router(conn: Connection, routers: Sequence[Router]) -> tuple[Router | None, str]:
    """The router that is not billed, and why it is taken for that one: no API tells."""
    if len(routers) < 2:
        return next(iter(routers), None), ""
    project = conn.current_project.name
    networks, ports = gather(
        lambda: [*NETWORK.named(conn, project)],
        lambda: [*PORT.list(conn, device_id=[router.id for router in routers])],
    )
    own = {network.id for network in networks}
    on_it = {port.device_id for port in ports if port.network_id in own}
    oldest_first = sorted(routers, key=lambda router: str(router.created_at))
    free = next((router for router in oldest_first if router.id in on_it), oldest_first[0])
    why = "it is on the network called like the project" if free.id in on_it else "it is the oldest"
    return free, f"Router '{free.name or free.id}' is taken for the free one, because {why}."


def _count(held: _Held, known: Prices) -> Iterator[Cost]:
    """All that is billed, and the free router."""
    for server in held.servers:
        call = (
            "delete(conn, {})  # and its disk" if server.status == "ERROR" else "shelve(conn, {})"
        )
        yield Cost(
            kind="server",
            name=server.name,
            status=server.status,
            what=(server.flavor or {}).get("original_name") or "unknown flavor",
            per_hour=known.server(server),
            id=server.id,
            wasted=server.status in IDLE,
            ends_by="pouta.servers." + call.format(_named(server, held.servers)),
        )
    for volume in held.volumes:
        yield Cost(
            kind="volume",
            name=volume.name or "",
            status=volume.status,
            what=f"{volume.size} GiB, {volume.volume_type or 'no type'}",
            per_hour=known.volume(volume.size, volume.volume_type),
            id=volume.id,
            wasted=volume.status in UNUSED,
            ends_by=f"pouta.volumes.delete(conn, {_named(volume, held.volumes)})  # and its data",
        )
    for ip in held.ips:
        leads_on = bool(ip.port_id)  # to a server, or to a virtual IP or a load balancer
        yield Cost(
            kind="floating IP",
            name=ip.floating_ip_address,
            status=ip.status or "",
            what=f"leads to {ip.fixed_ip_address}" if leads_on else "leads to no server",
            per_hour=known.floating_ip,
            id=ip.id,
            wasted=not leads_on,
            ends_by=f"pouta.floating_ips.release(conn, {ip.floating_ip_address!r})",
        )
    for router in held.routers:
        free = router is held.free
        yield Cost(
            kind="router",
            name=router.name or "",
            status=router.status or "",
            what="the first router is free" if free else "a further router to the outside",
            per_hour=0.0 if free and known.router is not None else known.router,
            id=router.id,
            wasted=not free,
            ends_by=f"conn.network.update_router({router.id!r}, external_gateway_info={{}})",
        )


def _pages(conn: Connection) -> Callable[[Cost], str]:
    url = clouds.auth_url(conn)
    return lambda cost: clouds.page(url, cost.kind, cost.id)


def _named(thing: Any, among: Sequence[Any]) -> str:
    """The thing's name as code, or its ID where others have that name."""
    names = [name_of(other) for other in among]
    return repr(thing.name if thing.name and names.count(thing.name) == 1 else thing.id)
