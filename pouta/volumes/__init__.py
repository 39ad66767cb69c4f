"""Disks that outlive servers. Cinder; billed by size, attached or not."""

from __future__ import annotations

import builtins
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pouta import find as _find
from pouta import images, prices, quotas, waiting
from pouta.concurrently import each, gather
from pouta.deletion import Deletion
from pouta.display import Columns, Table
from pouta.errors import (
    Failed,
    InvalidInput,
    QuotaExceeded,
    Refused,
    chore,
    listed,
    status_of,
    what_the_cloud_said,
)
from pouta.kinds import SNAPSHOT, VOLUME, VOLUME_TYPE, Kind, id_of, name_of
from pouta.made import Made, once
from pouta.volumes.attaching import (
    ask_to_attach,
    at_rest,
    attach,
    attached_to,
    boots_from,
    check_can_leave,
    check_free,
    detach,
    hosts_of,
    not_available,
    settled,
    taken_out,
    wait_until_attached,
)
from pouta.volumes.mounting import device_path, mount_script
from pouta.volumes.snapshots import (
    check_idle,
    check_still,
    delete_snapshot,
    find_snapshot,
    list_snapshots,
    snapshot,
)
from pouta.volumes.transfers import Transfer, accept, cancel_transfer, move, transfer

if TYPE_CHECKING:
    from openstack.block_storage.v3.snapshot import Snapshot
    from openstack.block_storage.v3.type import Type
    from openstack.block_storage.v3.volume import Volume
    from openstack.compute.v2.server import Server
    from openstack.connection import Connection
    from openstack.image.v2.image import Image

__all__ = [
    "Transfer",
    "accept",
    "ask_to_attach",
    "at_rest",
    "attach",
    "attached_to",
    "boots_from",
    "cancel_transfer",
    "check_free",
    "checked_size",
    "create",
    "delete",
    "delete_of",
    "delete_snapshot",
    "delete_together",
    "detach",
    "device_path",
    "extend",
    "find",
    "find_snapshot",
    "list",
    "list_snapshots",
    "list_types",
    "make",
    "mount_script",
    "move",
    "retype",
    "settled",
    "snapshot",
    "transfer",
    "wait_until_attached",
    "wait_until_ready",
]

CREATE_TIMEOUT = 600.0  # seconds; a volume from an image is copied first
CHANGE_TIMEOUT = 300.0  # seconds
RETYPE_TIMEOUT = 3600.0  # seconds; 2 TiB take about 15 minutes


@chore("list volumes")
def list(conn: Connection) -> Table[Volume]:
    """The project's volumes, where they are attached, and what each costs.

    `GET /volumes/detail`, and `GET /servers` when any is attached.
    """
    volumes, known = [*VOLUME.list(conn)], prices.of(conn)
    any_attached = any(map(attached_to, volumes))
    names = {s.id: s.name for s in conn.compute.servers(details=False)} if any_attached else {}
    columns: Columns = {
        "name": "name",
        "GiB": "size",
        "type": "volume_type",
        "status": "status",
        "bootable": lambda volume: "yes" if volume.is_bootable else "",
        "attached to": lambda volume: [names.get(id, id) for id in attached_to(volume)],
        "BU/h": lambda volume: prices.shown(known.volume(volume.size, volume.volume_type)),
        "id": "id",
    }
    return Table.of(conn, VOLUME, sorted(volumes, key=name_of), columns)


@chore("list volume types")
def list_types(conn: Connection) -> Table[Type]:
    """What a volume can be, for the `volume_type` of `create` and `retype`, with its price.

    BU/h are for a TiB; "-" is a type without a known price. `GET /types`.
    """
    known = prices.of(conn)
    columns: Columns = {
        "name": "name",
        "BU/h for a TiB": lambda type: known.volume(prices.GIB_IN_TIB, type.name),
        "what": "description",
    }
    return Table.of(conn, VOLUME_TYPE, VOLUME_TYPE.list(conn), columns)


@chore("find volume {name_or_id}")
def find(conn: Connection, name_or_id: str | Volume) -> Volume:
    """The volume of that name or ID. NotFound names the closest ones, Ambiguous the IDs."""
    return _find.one(conn, VOLUME, name_or_id)


@chore("create volume {name}")
def create(
    conn: Connection,
    name: str,
    size: int | None = None,
    *,
    volume_type: str | None = None,
    snapshot: str | Snapshot | None = None,
    image: str | Image | None = None,
    source: str | Volume | None = None,
    force: bool = False,
    tags: Sequence[str] = (),
    wait: bool = True,
    timeout: float = CREATE_TIMEOUT,
) -> Volume:
    """A new volume, ready to be attached.

    size: GiB; may be left out with a snapshot, an image or a source, whose size it then has.
    volume_type: on Pouta "standard" (3.6 BU/TiB·h), "capacity" (1.8) or "standard.multiattach".
    snapshot: a volume snapshot whose data it starts with.
    image: an image that it can boot.
    source: a volume of which it is a copy.
    force: copy the source although a running server has it, and may be writing to it.
    tags: words by which to find it again.

    Billed by its full size from now until it is deleted, attached or not. When it fails nothing is
    left behind. `POST /v3/{project_id}/volumes`.
    """
    _find.check_name(VOLUME.noun, name)
    if size is not None:
        checked_size(size)
    if sum(origin is not None for origin in (snapshot, image, source)) > 1:
        raise InvalidInput("A volume is made of a snapshot, an image or a source: name only one.")
    taken: Snapshot | None
    template: Image | None
    original: Volume | None
    taken, template, original = gather(
        lambda: _find.one(conn, SNAPSHOT, snapshot) if snapshot is not None else None,
        lambda: images.find(conn, image) if image is not None else None,
        lambda: _find.now(conn, VOLUME, source) if source is not None else None,
    )
    size = checked_size(size, taken, template, original)
    if original is not None:
        original = at_rest(conn, original)
        check_still(conn, original, force=force)
        if volume_type not in (None, original.volume_type):
            raise InvalidInput(
                f"A copy has the type of its source, which is {original.volume_type}.",
                hint="Leave volume_type out, and change it then: pouta.volumes.retype.",
            )
    with Made(conn, tags=tags) as made:
        volume = make(
            made,
            name,
            size,
            volume_type=volume_type,
            snapshot=taken,
            image=template,
            source=original,
        )
        if wait:
            (volume,) = wait_until_ready(conn, [volume])
        return volume


@chore("extend volume {volume}")
def extend(
    conn: Connection,
    volume: str | Volume,
    size: int,
    *,
    allow_detach: bool = False,
    timeout: float = CHANGE_TIMEOUT,
) -> Volume:
    """The volume has `size` GiB afterwards, and its data; it cannot be made smaller again.

    A volume in servers is taken out of them, and put back in afterwards, also when extending fails.
    The file system inside still has its old size: mount it, and run `sudo xfs_growfs FOLDER` or
    `sudo resize2fs DEVICE`. Billed by the new size from now.

    size: GiB. The volume's own size changes nothing.
    allow_detach: take it out of a running server, too. Unmount it there first (`sudo umount …`), or
        what is not yet written is lost.

    Refused for the disk that a server boots from, and for a volume of a shelved server.
    `os-extend`.
    """
    disk = at_rest(conn, _find.now(conn, VOLUME, volume))
    _check_growth(disk, size)
    if size == disk.size:
        return disk
    if disk.status not in ("available", "in-use"):
        raise not_available(disk)
    hosts = hosts_of(conn, disk)
    check_can_leave(disk, hosts)
    if not allow_detach:
        _check_stopped(disk, hosts)
    if hosts:  # else the cloud's own refusal disturbs nobody
        more = size - disk.size
        known = quotas.readable(conn, volume=True)
        quotas.check(known, {"gigabytes": more, f"gigabytes_{disk.volume_type}": more})
    with taken_out(conn, disk, hosts):
        _grow(conn, disk, size)
    return waiting.fetch(conn, VOLUME, disk)


@chore("change the type of volume {volume} to {volume_type}")
def retype(
    conn: Connection,
    volume: str | Volume,
    volume_type: str,
    *,
    wait: bool = True,
    timeout: float = RETYPE_TIMEOUT,
) -> Volume:
    """The volume is of that type afterwards, and billed so; its data is moved if need be.

    Meanwhile it cannot be used; 2 TiB take about 15 minutes. Of that type already, nothing changes.
    Refused while it is attached, has snapshots or is offered to another project. `os-retype` with
    the migration policy "on-demand" (openstacksdk's default, "never", moves no data).
    """
    disk, types = gather(
        lambda: _find.now(conn, VOLUME, volume), lambda: [*conn.block_storage.types()]
    )
    wanted = _find.pick("volume type", volume_type, types)
    disk = at_rest(conn, disk)
    if disk.volume_type == wanted.name:
        return disk
    check_idle(conn, disk, "its type cannot be changed")

    def ask() -> None:
        conn.block_storage.retype_volume(disk.id, wanted.id, migration_policy="on-demand")

    def underway() -> Sequence[Volume]:
        now = VOLUME.get(conn, disk.id)
        return [now] if now.status == "retyping" or now.volume_type == wanted.name else []

    with _explained_quota(wanted.name):
        once(f"new type of volume '{disk.name}'", ask, underway)
    if not wait:
        return waiting.fetch(conn, VOLUME, disk)
    (now,) = waiting.for_all(conn, VOLUME, [disk], settled)
    if now.volume_type != wanted.name:
        raise Failed(
            f"The cloud did not change the type of volume '{now.name}': it is {now.volume_type} as "
            f"before, and {now.status}. Its data is as it was.",
            hint=f"Try again, or create a volume of the type {wanted.name} and copy the files to "
            "it in a server.",
            resource=now,
        )
    return now


@chore("delete volume {volume}")
def delete(
    conn: Connection,
    volume: str | Volume | Iterable[str | Volume],
    *,
    delete_snapshots: bool = False,
    wait: bool = True,
    timeout: float = CHANGE_TIMEOUT,
) -> None:
    """The volume and all its data are gone afterwards; there is no way back.

    volume: one, or several, which are deleted at the same time.
    delete_snapshots: delete its snapshots first, with all that they keep.
    wait: False returns as soon as the cloud has taken the request.
    timeout: seconds for all of it.

    Refused while it is attached, has snapshots or is offered to another project. When something is
    still there at the end the error lists each with the reason in `leftovers`: Refused when nothing
    was deleted, TimedOut when the cloud may still be at work, Failed otherwise.
    `DELETE /volumes/{id}`.
    """
    disks = _find.several(conn, VOLUME, volume)

    def held_by(disk: Volume) -> Sequence[Snapshot]:
        return check_idle(conn, disk, "it cannot be deleted", snapshots=delete_snapshots)

    snapshots = dict(zip(map(id_of, disks), each(held_by, disks), strict=True))
    taken = [one for those in snapshots.values() for one in those]
    with Deletion(conn, wait=wait or bool(taken)) as going:
        delete_together(going, disks, taken)


# What the chores, and launch, rest on


def make(
    made: Made,
    name: str,
    size: int,
    *,
    volume_type: str | None = None,
    snapshot: Snapshot | None = None,
    image: Image | None = None,
    source: Volume | None = None,
) -> Volume:
    """Ask for a volume; nothing is waited for."""
    given: dict[str, Any] = {
        "volume_type": volume_type,
        "snapshot_id": snapshot and snapshot.id,
        "image_id": image and image.id,
        "source_volume_id": source and source.id,
    }
    chosen = {key: value for key, value in given.items() if value}
    with _explained_quota(volume_type):
        return made.create(VOLUME, name=name, size=size, **chosen)


def delete_of(going: Deletion, disks: Sequence[Volume], gone: Collection[str]) -> None:
    """Delete the volumes of servers which are gone; another server may have one of them too."""
    free = [disk for disk in disks if {*attached_to(disk)} <= {*gone}]
    for disk in disks:
        if disk not in free:
            going.keep(VOLUME, disk, f"It is attached to server {listed(attached_to(disk))}.")
    delete_together(going, free, [])


def delete_together(
    going: Deletion, disks: Sequence[Volume], snapshots: Sequence[Snapshot]
) -> None:
    """Delete volumes and snapshots, each after what was made from it: Ceph wants it so."""
    rest: builtins.list[tuple[Kind[Any], Any]]
    rest = [*((VOLUME, disk) for disk in disks), *((SNAPSHOT, taken) for taken in snapshots)]
    needed: set[str | None] = set()  # by what is still there
    while rest:
        origins = {_origin(thing) for _, thing in rest}
        turn = [pair for pair in rest if pair[1].id not in origins]
        rest = [pair for pair in rest if pair[1].id in origins]
        for kind in (VOLUME, SNAPSHOT):
            things = [thing for its, thing in turn if its is kind]
            held = [thing for thing in things if thing.id in needed]
            for thing in held:
                going.keep(kind, thing, "What was made from it is still there.")
            gone = {*map(id_of, going.delete(kind, [t for t in things if t not in held]))}
            needed |= {_origin(thing) for thing in things if thing.id not in gone}


def _origin(thing: Any) -> str | None:
    """The ID of the snapshot that a volume was made from, or of the volume of a snapshot."""
    id = getattr(thing, "volume_id", None) or getattr(thing, "snapshot_id", None)
    return str(id) if id else None


def checked_size(
    size: int | None,
    snapshot: Snapshot | None = None,
    image: Image | None = None,
    source: Volume | None = None,
) -> int:
    """A size in GiB that can be, or InvalidInput."""
    origins = {
        "snapshot": snapshot.size if snapshot else 0,
        "image": images.disk_needed(image) if image else 0,
        "source": source.size if source else 0,
    }
    what, least = max(origins.items(), key=lambda origin: origin[1])
    least = max(1, least)
    if size is None and (snapshot or image or source):
        return least
    if not isinstance(size, int) or isinstance(size, bool):
        raise InvalidInput(f"A volume's size is a whole number of GiB, not {size!r}.")
    if size < least:
        why = f", for its {what}" if least > 1 else ""
        raise InvalidInput(f"{size} GiB is too small: at least {least} GiB{why}.")
    return size


def wait_until_ready(
    conn: Connection,
    volumes: Sequence[Volume],
    *,
    pace: waiting.Pace | None = None,
) -> Sequence[Volume]:
    """The volumes once nothing is being done to them. Raises Failed when one went to error."""
    ready = waiting.for_all(conn, VOLUME, volumes, settled, pace=pace)
    for volume in ready:
        if volume.status not in ("available", "in-use"):
            raise Failed(
                f"Volume '{volume.name}' went to {volume.status}.",
                hint="The cloud may be out of space: try another volume_type, or later.",
                resource=volume,
            )
    return ready


def _check_growth(disk: Volume, size: int) -> None:
    if checked_size(size) < disk.size:
        raise InvalidInput(
            f"Volume '{disk.name}' has {disk.size} GiB, and a volume cannot be made smaller.",
            hint=f"Make a new one of {size} GiB, and copy the files to it in a server.",
        )


def _check_stopped(disk: Volume, hosts: Sequence[Server]) -> None:
    """Refuse to take a volume out of a running server, where it may be mounted."""
    if running := [host.name for host in hosts if host.status == "ACTIVE"]:
        raise Refused(
            f"Volume '{disk.name}' is in the running server {listed(running)}, and has to be taken "
            "out of it for a moment: if it is mounted there, what is not yet written is lost.",
            hint="Unmount it in the server, then allow_detach=True; or stop the server first.",
            resource=disk,
        )


@chore("extend volume {disk}")
def _grow(conn: Connection, disk: Volume, size: int) -> None:
    def ask() -> None:
        conn.block_storage.extend_volume(disk.id, size)

    def underway() -> Sequence[Volume]:
        now = VOLUME.get(conn, disk.id)
        return [now] if now.status == "extending" or now.size >= size else []

    once(f"new size of volume '{disk.name}'", ask, underway)
    (now,) = waiting.for_all(conn, VOLUME, [disk], settled)
    if now.size < size:
        raise Failed(
            f"Volume '{disk.name}' could not be extended: it is {now.status}, of {now.size} GiB.",
            hint="What the cloud broke, cloud-support@csc.fi can mend.",
            resource=now,
        )


@contextmanager
def _explained_quota(volume_type: str | None) -> Iterator[None]:
    """Say of the type for several servers that its quota has to be asked for."""
    from openstack.exceptions import HttpException

    try:
        yield
    except HttpException as error:
        if status_of(error) != 413 or not str(volume_type).endswith("multiattach"):
            raise
        raise QuotaExceeded(
            f"No more volumes of the type {volume_type}: {what_the_cloud_said(error)}",
            hint="A project has no quota for this type until it asks: servicedesk@csc.fi. Such a "
            "volume needs a cluster file system (GFS2, OCFS2); two servers destroy ext4 or xfs.",
        ) from error
