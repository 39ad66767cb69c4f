"""Whether the servers that `exist_ok` takes are what was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pouta import floating_ips, keypairs, volumes
from pouta.concurrently import each
from pouta.errors import Refused, listed
from pouta.kinds import IMAGE, SERVER, VOLUME
from pouta.servers import states
from pouta.servers.changing import boots_from_volume, flavor_name, has_flavor
from pouta.servers.disks import image_of

if TYPE_CHECKING:
    from openstack.block_storage.v3.volume import Volume
    from openstack.compute.v2.server import Server
    from openstack.connection import Connection
    from openstack.network.v2.port import Port

    from pouta.servers.resolving import Resolved


def check(conn: Connection, plan: Resolved) -> None:
    """Refuse to take a server that is not what was asked for, and tell all that differs.

    One that is being built is waited for: only then it tells its disks and ports.
    """
    if building := [server for server in plan.existing.values() if server.status == "BUILD"]:
        built = states.wait(conn, building, states.is_idle)
        plan.existing |= {server.name: server for server in built}
    there = [*plan.existing.values()]
    ports = floating_ips.all_ports_of(conn, there)
    for server in there:
        theirs = [port for port in ports if port.device_id == server.id]
        if differences := [
            *_of_itself(conn, plan, server),
            *_of_disk(conn, plan, server),
            *(_of_network(plan, theirs) if theirs else ()),
        ]:
            raise Refused(
                f"There is a server '{server.name}' already (ID {server.id}), and it is not what "
                f"was asked for: {'; '.join(differences)}.",
                hint="Ask for what it is, choose another name, or delete it: "
                f"pouta.servers.delete(conn, {server.id!r}).",
                resource=server,
            )


def _of_itself(conn: Connection, plan: Resolved, server: Server) -> Iterator[str]:
    wish, name = plan.wish, flavor_name(server)
    if not has_flavor(server, plan.flavor):
        other = "the one that has this name now" if name == plan.flavor.name else plan.flavor.name
        yield f"its flavor is {name}, not {other}"
    # A key pair that is not named may be any that the user has.
    if plan.keypair and keypairs.of_server(conn, server, [plan.keypair]) is None:
        yield f"its key pair is '{server.key_name}', not your '{plan.keypair.name}'"
    # Told since Nova 2.71, and in no listing.
    groups = SERVER.get(conn, server.id).server_groups if plan.server_group else None
    if groups is not None and plan.server_group not in groups:
        yield f"it is not in server group {plan.server_group}"
    if wish.availability_zone not in (None, server.availability_zone):
        yield f"it is in zone {server.availability_zone}, not {wish.availability_zone}"


def _of_network(plan: Resolved, ports: Sequence[Port]) -> Iterator[str]:
    wish = plan.wish
    if wish.network is not None and plan.network.id not in {port.network_id for port in ports}:
        yield f"it is not in network '{plan.network.name}' ({plan.network.id})"
    fixed = [address["ip_address"] for port in ports for address in port.fixed_ips]
    if wish.fixed_ip and wish.fixed_ip not in fixed:
        yield f"it has the address {listed(fixed)}, not {wish.fixed_ip}"


def _of_disk(conn: Connection, plan: Resolved, server: Server) -> Iterator[str]:
    """What differs in what it boots from."""
    by_volume = plan.root is not None or plan.root_size is not None
    if by_volume != boots_from_volume(server):
        yield f"it boots from {'its own disk' if by_volume else 'a volume'}"
    elif plan.root:
        if plan.root.id not in {disk.id for disk in server.attached_volumes}:
            yield f"it does not boot from volume '{plan.root.name}' ({plan.root.id})"
    elif plan.image and by_volume:
        root = _root(conn, server)
        if root and root.size != plan.root_size:
            yield f"its root disk has {root.size} GiB, not {plan.root_size}"
        yield from _of_image(conn, plan, image_of(root) if root else None)
    elif plan.image:
        yield from _of_image(conn, plan, server.image["id"])


def _of_image(conn: Connection, plan: Resolved, id: str | None) -> Iterator[str]:
    wanted = plan.image
    if wanted is None or id == wanted.id:
        return
    renewed = isinstance(plan.wish.image, str) and plan.wish.image == wanted.name
    if renewed and id and not IMAGE.present(conn, [id]):
        return  # Pouta renews its images: the name stays, and the old one is no more
    yield f"it was made from image {id or 'of unknown ID'}, not '{wanted.name}' ({wanted.id})"


def _root(conn: Connection, server: Server) -> Volume | None:
    disks = each(lambda disk: VOLUME.get(conn, disk.id), server.attached_volumes)
    return next((disk for disk in disks if volumes.boots_from(server, disk)), None)
