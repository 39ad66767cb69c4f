"""A picture of the project: networks, routers, servers, addresses, volumes, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pouta import floating_ips, volumes
from pouta.canvas import LINE, Canvas, Picture
from pouta.concurrently import each
from pouta.display import OFF, colour
from pouta.errors import chore
from pouta.kinds import FLOATING_IP, NETWORK, PORT, ROUTER, SERVER, VOLUME, Kind, name_of

if TYPE_CHECKING:
    from openstack.block_storage.v3.volume import Volume
    from openstack.compute.v2.server import Server
    from openstack.connection import Connection
    from openstack.network.v2.floating_ip import FloatingIP
    from openstack.network.v2.network import Network
    from openstack.network.v2.port import Port
    from openstack.network.v2.router import Router

COLUMN, BOX, GAP = 200, 180, 20  # pixels: a server with its margin, without it, and the margin
OUTSIDE_Y, ROUTER_Y, NETWORK_Y, SERVER_Y, VOLUME_Y = 30, 90, 170, 215, 316
SERVER_HEIGHT, VOLUME_HEIGHT = 90, 26


@dataclass
class _Project:
    """What is drawn."""

    networks: Sequence[Network]
    routers: Sequence[Router]
    ports: Sequence[Port]
    servers: Sequence[Server]
    ips: Sequence[FloatingIP]
    volumes: Sequence[Volume]


@chore("draw the project")
def diagram(conn: Connection) -> Picture:
    """The project as a picture: what is connected to what, and what is not.

    External networks are at the top, then routers, the project's networks, the servers in them with
    their floating IPs, and the volumes of each server. What no server has stands on the right, an
    address with the port that it leads to, if any; it is billed all the same. Six listings, made
    at once.
    """
    kinds: tuple[Kind[Any], ...] = (NETWORK, ROUTER, PORT, SERVER, FLOATING_IP, VOLUME)
    networks, routers, ports, servers, ips, disks = each(lambda kind: [*kind.list(conn)], kinds)
    servers.sort(key=name_of)
    disks.sort(key=name_of)
    return Picture(_draw(_Project(networks, routers, ports, servers, ips, disks)))


def _draw(project: _Project) -> str:
    canvas = Canvas()
    inside = [network for network in project.networks if not network.is_router_external]
    columns = _columns(project, inside)
    right = GAP + COLUMN * max(1, len(columns))
    places = {server.id: GAP + COLUMN * i for i, (_, server) in enumerate(columns) if server}

    _draw_outside(canvas, project, right)
    middles = _draw_networks(canvas, inside, columns)
    _draw_routers(canvas, project, middles)
    for server in project.servers:
        _draw_server(canvas, project, server, places[server.id])
    width = _draw_loose(canvas, project, right)
    most = max((len(_disks(project, server)) for server in project.servers), default=0)
    loose = len(_loose(project))
    height = max(VOLUME_Y + most * (VOLUME_HEIGHT + 6), SERVER_Y + loose * 48) + GAP
    return canvas.svg(width, height)


def _columns(
    project: _Project, networks: Sequence[Network]
) -> list[tuple[Network | None, Server | None]]:
    """From left to right: each network's servers, an empty column for one without any."""
    columns: list[tuple[Network | None, Server | None]] = []
    placed: set[str] = set()
    for network in networks:
        on_it = {port.device_id for port in project.ports if port.network_id == network.id}
        here = [s for s in project.servers if s.id in on_it and s.id not in placed]
        placed |= {server.id for server in here}
        columns += [(network, server) for server in here] or [(network, None)]
    return columns + [(None, server) for server in project.servers if server.id not in placed]


def _draw_outside(canvas: Canvas, project: _Project, right: float) -> None:
    names = [network.name for network in project.networks if network.is_router_external]
    if names:
        canvas.bar(GAP, OUTSIDE_Y, right - 2 * GAP, f"{', '.join(names)} (outside)")


def _draw_networks(
    canvas: Canvas,
    networks: Sequence[Network],
    columns: Sequence[tuple[Network | None, Server | None]],
) -> dict[str, float]:
    """The bars of the networks; the middle of each by its ID."""
    middles = {}
    for network in networks:
        mine = [i for i, (owner, _) in enumerate(columns) if owner is network]
        x, width = GAP + COLUMN * mine[0], COLUMN * len(mine) - GAP
        canvas.bar(x, NETWORK_Y, width, network.name or network.id)
        middles[network.id] = x + width / 2
    return middles


def _draw_routers(canvas: Canvas, project: _Project, middles: dict[str, float]) -> None:
    for router in project.routers:
        legs = [
            middles[port.network_id]
            for port in project.ports
            if port.device_id == router.id and port.network_id in middles
        ]
        x = sum(legs) / len(legs) if legs else GAP + BOX / 2
        canvas.box(x - BOX / 2, ROUTER_Y, BOX, 28, LINE, f"router {router.name}", dash=not legs)
        for leg in legs:
            canvas.line(x, ROUTER_Y + 14, leg, NETWORK_Y + 11)
        if router.external_gateway_info:
            canvas.line(x, OUTSIDE_Y + 11, x, ROUTER_Y + 14)


def _draw_server(canvas: Canvas, project: _Project, server: Server, x: float) -> None:
    theirs = [port for port in project.ports if port.device_id == server.id]
    fixed = [ip["ip_address"] for port in theirs for ip in port.fixed_ips]
    private = ", ".join(address for address in fixed if "." in address)
    led = {port.id for port in theirs}
    public = ", ".join(ip.floating_ip_address for ip in project.ips if ip.port_id in led)
    canvas.line(x + BOX / 2, NETWORK_Y + 11, x + BOX / 2, SERVER_Y)
    flavor = (server.flavor or {}).get("original_name")
    texts = (server.name or "", server.status or "", flavor or "", private, public)
    canvas.box(x, SERVER_Y, BOX, SERVER_HEIGHT, colour(server.status or ""), *texts)
    for number, disk in enumerate(_disks(project, server)):
        y = VOLUME_Y + number * (VOLUME_HEIGHT + 6)
        canvas.line(x + BOX / 2, SERVER_Y, x + BOX / 2, y)
        canvas.box(x, y, BOX, VOLUME_HEIGHT, LINE, _disk_text(disk))


def _draw_loose(canvas: Canvas, project: _Project, right: float) -> float:
    """What no server has, on the right; the width of the picture is returned."""
    loose = _loose(project)
    for number, (title, text) in enumerate(loose):
        free = title.startswith("free")
        paint = OFF if free else LINE
        canvas.box(right, SERVER_Y + number * 48, BOX, 42, paint, title, text, dash=free)
    return right + (COLUMN if loose else 0)


def _loose(project: _Project) -> list[tuple[str, str]]:
    drawn = {p.id for p in project.ports if p.device_id in {s.id for s in project.servers}}
    ips = [
        (
            f"floating IP of {floating_ips.port_name(ip)}" if ip.port_id else "free floating IP",
            ip.floating_ip_address,
        )
        for ip in project.ips
        if ip.port_id not in drawn
    ]
    disks = [
        ("free volume", _disk_text(disk))
        for disk in project.volumes
        if not volumes.attached_to(disk)
    ]
    return ips + disks


def _disks(project: _Project, server: Server) -> Sequence[Volume]:
    return [disk for disk in project.volumes if server.id in volumes.attached_to(disk)]


def _disk_text(disk: Volume) -> str:
    return f"{disk.size} GiB  {disk.name or disk.id}"
