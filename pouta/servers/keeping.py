"""What of a server is kept: its disk as an image or snapshots, or its volume for the next one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pouta import deadline, deletion, flavors, floating_ips, keypairs, progress, quotas, waiting
from pouta import find as _find
from pouta.concurrently import each, gather
from pouta.display import Columns, Table
from pouta.errors import Failed, PoutaError, Refused, TimedOut, chore, listed
from pouta.kinds import IMAGE, NETWORK, SECURITY_GROUP, SERVER, SNAPSHOT, VOLUME, Kind
from pouta.made import Made
from pouta.security_groups import is_default
from pouta.servers import states
from pouta.servers.changing import (
    COPY_TIMEOUT,
    at_rest,
    boots_from_volume,
    check_ephemeral,
    check_others,
    doomed_volumes,
    has_flavor,
    off,
    way_back,
)
from pouta.servers.launching import launch

if TYPE_CHECKING:
    from openstack.block_storage.v3.snapshot import Snapshot
    from openstack.block_storage.v3.volume import Volume
    from openstack.compute.v2.flavor import Flavor
    from openstack.compute.v2.server import Server
    from openstack.connection import Connection
    from openstack.image.v2.image import Image
    from openstack.network.v2.port import Port

IMAGE_SHOWN_WITHIN = 120.0  # seconds after Nova has uploaded it


@chore("snapshot server {server}")
def snapshot(
    conn: Connection,
    server: str | Server,
    name: str,
    *,
    keep_running: bool = False,
    tags: Sequence[str] = (),
    timeout: float = COPY_TIMEOUT,
) -> Image | Table[Snapshot]:
    """The server's root disk is kept as an image of this name, which is returned.

    The server is stopped for it, and started again whatever happens; one that is off stays off.
    What is on its ephemeral disk and on attached volumes is not in the image. `launch(…, image=…,
    like=server)` brings it back with the groups and the key of the old one.

    A server that boots from a volume would give an image of 0 bytes. Its volumes are snapshotted
    instead, that of the root disk by this name, and a Table of these is returned, the root disk
    first. `pouta.volumes.create(conn, name, snapshot=…)` and `launch(…, boot_volume=…)` bring it
    back.

    keep_running: do not stop it. Files that are being written may be broken in the snapshot, and
        on Pouta it sometimes fails and leaves the server suspended.
    tags: words by which to find it again.
    timeout: seconds; 80 GB take their time.

    When it fails, nothing of it stays. `createImage`, or `POST /v3/…/snapshots`.
    """
    _find.check_plain_name("snapshot", name)
    found = at_rest(conn, server)
    if found.status not in ("ACTIVE", "SHUTOFF"):
        raise Refused(
            f"Server '{found.name}' is {found.status}; it must be ACTIVE or SHUTOFF.",
            hint=way_back(found),
            resource=found,
        )
    if ephemeral := found.flavor["ephemeral"]:
        progress.say(
            f"The ephemeral disk of '{found.name}' ({ephemeral} GB) is not in the snapshot: copy "
            "what you need of it to a volume or to Allas."
        )
    copy = _volume_snapshots if boots_from_volume(found) else _image
    still = nullcontext() if keep_running else off(conn, found)
    taken = None
    try:
        with still, Made(conn, tags=tags) as made:
            taken = copy(made, found, name)
    except PoutaError as error:
        if taken is None:
            raise
        raise Failed(
            f"Snapshot '{name}' is there, but server '{found.name}' is not on again: "
            f"{error.message}",
            hint=error.hint,
            resource=taken,
        ) from error
    return taken


@chore("recreate server {server} on {flavor}")
def recreate(
    conn: Connection,
    server: str | Server,
    flavor: str | Flavor,
    *,
    others: bool = False,
    allow_ephemeral_loss: bool = False,
    timeout: float = COPY_TIMEOUT,
) -> Server:
    """A server that boots from a volume is made again on another flavor, of any family.

    The old server is stopped and deleted, its volumes are kept, and a new one boots from them. It
    has the old one's name, addresses, groups, key pair, server group, tags and volumes, and an ID
    of its own. Refused before anything is deleted when it cannot be made again. When the new one
    does not come up, the error says how to go on: all of its data is on the volumes.

    others: the server may be one that another member made.
    allow_ephemeral_loss: the ephemeral disk (of io and tb flavors) is not on a volume.

    `DELETE /servers/{id}`, `POST /servers`.
    """
    wanted = flavors.find(conn, flavor)
    found = at_rest(conn, server)
    if has_flavor(found, wanted):
        return found
    check_others(conn, found, others)
    check_ephemeral(found, "Recreating", allow_ephemeral_loss)
    disks, again = _what_makes_it_again(conn, found, wanted)
    try:
        with off(conn, found, stays=True):  # so that its file systems are in order
            deletion.delete(conn, SERVER, [found])
        waiting.for_all(conn, VOLUME, disks, lambda disk: disk.status == "available")
        new: Server = launch(conn, found.name, **again, timeout=timeout)
        return new
    except BaseException as error:
        _say_how_to_go_on(error, found.name, again)
        raise


@dataclass(frozen=True)
class _ImageOfServer(Kind["Image"]):
    """An image that Nova makes; it writes the mark among the image's properties.

    A server that is made of the image hands its properties on to its own images, so tags are not
    among them.
    """

    def noted(self, attributes: dict[str, Any], mark: str, tags: Sequence[str]) -> dict[str, Any]:
        return super().noted(attributes, mark, ())

    def create(self, conn: Connection, **attributes: Any) -> Image:
        from openstack.image.v2.image import Image

        server: Server = attributes.pop("server")
        id = server.create_image(conn.compute, **attributes)
        # A list of its own: `add_tag` would add to the empty one that all resources have.
        return Image.existing(connection=conn, id=id, name=attributes["name"], tags=[])

    def notes(self, thing: Image) -> dict[str, str]:
        return dict(thing.properties or {})


_IMAGE_OF_SERVER = _ImageOfServer("image", "image", "image", note="metadata")


def _image(made: Made, server: Server, name: str) -> Image:
    conn = made.conn
    image = made.create(_IMAGE_OF_SERVER, name=name, server=server)
    for tag in made.tags:
        image.add_tag(conn.image, tag)
    what = f"image '{name}' of server '{server.name}'"
    states.wait(conn, [server], states.is_idle, what)
    # Where Nova fails, the image is gone, or stays as it was.
    try:
        (image,) = waiting.for_all(
            conn,
            IMAGE,
            [image],
            IMAGE.is_settled,
            what=what,
            timeout=IMAGE_SHOWN_WITHIN,
            pace=waiting.BY_NOW,
        )
    except Failed as gone:
        raise _gave_up(what, server) from gone
    except TimedOut as late:
        if not deadline.current().left:
            raise
        raise _gave_up(what, server) from late
    if image.status != "active":
        raise _gave_up(what, server)
    # Glance may have written over those that came while it stored the data.
    for tag in {*made.tags} - {*image.tags}:
        image.add_tag(conn.image, tag)
    return waiting.fetch(conn, IMAGE, image)


def _gave_up(what: str, server: Server) -> Failed:
    return Failed(
        f"The cloud gave up on the {what}.",
        hint="Try again; if it stays: servicedesk@csc.fi, with the server's ID and the time.",
        resource=server,
    )


def _volume_snapshots(made: Made, server: Server, name: str) -> Table[Snapshot]:
    disks = _disks(made.conn, server)

    def take(disk: Volume) -> Snapshot:
        called = name if disk is disks[0] else f"{name}-{disk.name or disk.id}"[: _find.LONGEST]
        # Cinder wants it forced for every attached volume, also when the server is off.
        return made.create(SNAPSHOT, name=called, volume_id=disk.id, is_forced=True)

    taken = waiting.for_all(
        made.conn, SNAPSHOT, each(take, disks), lambda s: s.status != "creating"
    )
    for one in taken:
        if one.status != "available":
            raise Failed(f"Volume snapshot '{one.name}' went to {one.status}.", resource=one)
    progress.say(
        f"'{server.name}' boots from a volume, of which an image would be empty: snapshots of "
        f"its volumes were made instead, {listed(one.name for one in taken)}."
    )
    names = {disk.id: disk.name or disk.id for disk in disks}
    columns: Columns = {
        "name": "name",
        "GiB": "size",
        "of volume": lambda one: names[one.volume_id],
        "status": "status",
        "id": "id",
    }
    return Table.of(made.conn, SNAPSHOT, taken, columns)


def _disks(conn: Connection, server: Server) -> Sequence[Volume]:
    """The server's volumes in the order of their devices: the root disk first."""

    def device(disk: Volume) -> str:
        return next((a["device"] for a in disk.attachments if a["server_id"] == server.id), "")

    disks: Sequence[Volume] = each(lambda d: VOLUME.get(conn, d.id), server.attached_volumes)
    return sorted(disks, key=lambda disk: (not disk.is_bootable, device(disk)))


def _what_makes_it_again(
    conn: Connection, server: Server, flavor: Flavor
) -> tuple[Sequence[Volume], dict[str, Any]]:
    """The server's volumes, and what `launch` needs to make it again on another flavor.

    Refuses what could not be made again, or would be lost with the server.
    """
    _check_can_go(conn, server)
    disks, ports, ips, groups, pairs, known = gather(
        lambda: _disks(conn, server),
        lambda: floating_ips.all_ports_of(conn, [server]),
        lambda: floating_ips.of_servers(conn, [server]),
        lambda: [*SECURITY_GROUP.list(conn)],
        lambda: keypairs.list(conn),
        lambda: quotas.read(conn),
    )
    port, fixed_ip = _only_place(server, ports)
    pair = keypairs.of_server(conn, server, pairs)
    old = server.flavor
    more = {"cores": flavor.vcpus - old["vcpus"], "ram": (flavor.ram - old["ram"]) / 1024}
    quotas.check(known, more)
    if server.key_name and not pair:
        progress.say(f"Key pair '{server.key_name}' is not yours: the disk goes on letting it in.")
    held = {*port.security_group_ids} if port else set()
    held -= {group.id for group in groups if is_default(conn, group)}
    wish = {
        "flavor": flavor.name,
        "boot_volume": disks[0].id,
        "volumes": [disk.id for disk in disks[1:]],
        "network": NETWORK.get(conn, port.network_id).id if port else None,
        "fixed_ip": fixed_ip,
        "floating_ip": next((ip.floating_ip_address for ip in ips), False),
        "security_groups": [group.id for group in groups if group.id in held],
        "key_name": pair.name if pair else False,
        "server_group": next(iter(server.server_groups or []), None),
        "tags": [*(server.tags or [])],
    }
    return disks, {key: value for key, value in wish.items() if value not in (None, [])}


def _only_place(server: Server, ports: Sequence[Port]) -> tuple[Port | None, str | None]:
    """The port by which the server is reached, and its address; refused where there are several."""
    places = [
        (port, ip["ip_address"])
        for port in ports
        for ip in port.fixed_ips
        if "." in ip["ip_address"]
    ]
    if len(places) > 1:
        raise Refused(f"'{server.name}' is in several networks: make it again by hand.")
    return places[0] if places else (None, None)


def _check_can_go(conn: Connection, server: Server) -> None:
    if not boots_from_volume(server):
        raise Refused(
            f"The root disk of '{server.name}' is not a volume, and would be lost with it.",
            hint="Take a snapshot, and launch it: pouta.servers.launch(conn, name, image=…, "
            "flavor=…, like=server).",
            resource=server,
        )
    if doomed := doomed_volumes(server):
        raise Refused(
            f"The cloud would delete volume {listed(doomed)} together with '{server.name}'.",
            hint="conn.compute.update_volume_attachment(server, volume_id, "
            "delete_on_termination=False) keeps it.",
            resource=server,
        )
    if server.status not in ("ACTIVE", "SHUTOFF"):
        raise Refused(
            f"Server '{server.name}' is {server.status}; it must be ACTIVE or SHUTOFF.",
            hint=way_back(server),
            resource=server,
        )
    if len([*SERVER.named(conn, server.name)]) > 1:
        raise Refused(f"There is another server '{server.name}': rename one of them first.")


def _say_how_to_go_on(error: BaseException, name: str, again: dict[str, Any]) -> None:
    words = ", ".join(f"{key}={value!r}" for key, value in again.items())
    how = f"All data is on its volumes. To go on: pouta.servers.launch(conn, {name!r}, {words})"
    if isinstance(error, PoutaError):
        error.hint = f"{error.hint}\n{how}".strip()
    else:
        error.add_note(how)
