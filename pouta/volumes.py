"""Disks that outlive servers. Cinder; billed by size, attached or not."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pouta import find as _find
from pouta import images, progress, waiting
from pouta.concurrently import gather
from pouta.display import Columns, Table
from pouta.errors import Ambiguous, Failed, InvalidInput, Refused, chore, listed
from pouta.kinds import SERVER, SNAPSHOT, VOLUME
from pouta.made import Made, once, remove

if TYPE_CHECKING:
    from openstack.block_storage.v3.snapshot import Snapshot
    from openstack.block_storage.v3.volume import Volume
    from openstack.compute.v2.server import Server
    from openstack.connection import Connection
    from openstack.image.v2.image import Image

CREATE_TIMEOUT = 600.0  # seconds; a volume from an image is copied first
ATTACH_TIMEOUT = 300.0  # seconds
UNDERWAY = {"creating", "downloading", "attaching", "detaching", "reserved", "extending"}


@chore("list volumes")
def list(conn: Connection) -> Table[Volume]:
    """The project's volumes and where they are attached. `GET /volumes/detail`, `GET /servers`."""
    volumes, servers = gather(
        lambda: [*VOLUME.list(conn)], lambda: [*conn.compute.servers(details=False)]
    )
    names = {server.id: server.name for server in servers}
    columns: Columns = {
        "name": "name",
        "GiB": "size",
        "type": "volume_type",
        "status": "status",
        "attached to": lambda volume: [names.get(id, id) for id in attached_to(volume)],
        "id": "id",
    }
    return Table(volumes, columns, "volume")


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
    tags: Sequence[str] = (),
    wait: bool = True,
    timeout: float = CREATE_TIMEOUT,
) -> Volume:
    """A new volume, ready to be attached.

    size: GiB; may be left out with a snapshot or an image, whose size it then has.
    volume_type: on Pouta "standard" (3.6 BU/TiB·h), "capacity" (1.8) or "standard.multiattach".
    snapshot: a volume snapshot whose data it starts with.
    image: an image that it can boot.
    tags: words by which to find it again.

    Billed by its full size from now until it is deleted, attached or not. When it fails nothing is
    left behind. `POST /v3/{project_id}/volumes`.
    """
    source: Snapshot | None
    template: Image | None
    source, template = gather(
        lambda: _find.one(conn, SNAPSHOT, snapshot) if snapshot is not None else None,
        lambda: images.find(conn, image) if image is not None else None,
    )
    size = checked_size(size, source, template)
    with Made(conn, tags=tags) as made:
        volume = make(made, name, size, volume_type=volume_type, snapshot=source, image=template)
        if wait:
            (volume,) = wait_until_ready(conn, [volume], timeout=timeout)
        return volume


@chore("attach volume {volume} to server {server}")
def attach(
    conn: Connection,
    server: str | Server,
    volume: str | Volume,
    *,
    wait: bool = True,
    timeout: float = ATTACH_TIMEOUT,
) -> Volume:
    """The volume is a disk of the server afterwards; attached already, nothing changes.

    In the server it is at `device_path(volume)`, which stays the same; /dev/vdb may be another disk
    after the next start. `mount_script` makes it a folder.

    Refused when it is attached elsewhere, unless its type is for several servers at once.
    `POST /servers/{id}/os-volume_attachments`. (openstacksdk's `attach_volume` cannot attach to a
    second server, and does not notice when attaching fails.)
    """
    host: Server
    disk: Volume
    host, disk = gather(
        lambda: _find.one(conn, SERVER, server), lambda: _find.now(conn, VOLUME, volume)
    )
    if disk.status in UNDERWAY:
        (disk,) = waiting.for_all(conn, VOLUME, [disk], _settled, timeout=timeout)
    if host.id in attached_to(disk):
        return disk
    check_free(disk)
    ask_to_attach(conn, host, disk)
    if not wait:
        return VOLUME.get(conn, disk.id)
    (disk,) = wait_until_attached(conn, [disk], [host], timeout=timeout)
    progress.say(f"In '{host.name}' the volume '{disk.name}' is {device_path(disk)}")
    return disk


@chore("detach volume {volume}")
def detach(
    conn: Connection,
    volume: str | Volume,
    server: str | Server | None = None,
    *,
    wait: bool = True,
    timeout: float = ATTACH_TIMEOUT,
) -> Volume:
    """The volume is free afterwards, its data kept; free already, nothing changes.

    Unmount it in the server first (`sudo umount …`, and `cryptsetup luksClose` where it is
    encrypted): what is not yet written is lost otherwise.

    server: needed only when the volume is attached to several.
    `DELETE /servers/{id}/os-volume_attachments/{volume_id}`.
    """
    disk = _find.now(conn, VOLUME, volume)
    hosts = attached_to(disk)
    if server is not None:
        host = _find.one(conn, SERVER, server).id
        if host not in hosts:
            return disk
    elif not hosts:
        return disk
    elif len(hosts) > 1:
        raise Ambiguous(
            f"Volume '{disk.name}' is attached to several servers: {listed(hosts)}.",
            hint="Say from which to take it: server=…",
        )
    else:
        host = hosts[0]
    conn.compute.delete_volume_attachment(host, disk.id, ignore_missing=True)
    if not wait:
        return VOLUME.get(conn, disk.id)

    def free(now: Volume) -> bool:
        return host not in attached_to(now) or now.status == "in-use"

    (now,) = waiting.for_all(conn, VOLUME, [disk], free, timeout=timeout)
    if host in attached_to(now):
        raise Failed(
            f"Volume '{disk.name}' could not be detached: the server does not let go of it.",
            hint="Unmount it in the server, or stop the server, and try again.",
            resource=now,
        )
    return now


@chore("delete volume {volume}")
def delete(
    conn: Connection,
    volume: str | Volume,
    *,
    wait: bool = True,
    timeout: float = ATTACH_TIMEOUT,
) -> None:
    """The volume and all its data are gone afterwards; there is no way back.

    Refused while it is attached or has snapshots. `DELETE /volumes/{id}`.
    """
    disk = _find.now(conn, VOLUME, volume)
    if hosts := attached_to(disk):
        raise Refused(
            f"Volume '{disk.name}' is attached to server {listed(hosts)}.",
            hint="pouta.volumes.detach(conn, volume) first.",
            resource=disk,
        )
    if not wait:
        return VOLUME.delete(conn, disk.id)
    if left := remove(conn, VOLUME, [disk], timeout=timeout):
        raise Refused(f"Volume '{disk.name}' was not deleted: {left[0].reason}", resource=disk)
    return None


def device_path(volume: Volume) -> str:
    """The path of this volume in its server, the same after each start (KVM guests).

    The disk's serial number is the volume's ID, of which the guest shows 20 characters.
    """
    return f"/dev/disk/by-id/virtio-{volume.id[:20]}"


def mount_script(
    volume: Volume, mount_point: str, *, filesystem: str = "ext4", user: str | None = None
) -> str:
    """A shell script, for root in the server, that makes the volume a folder for good.

    It makes a file system only on an empty disk, mounts by the file system's UUID, and writes a
    line with `nofail` into /etc/fstab, so that the server starts without the volume too. It may
    run again. Give it as `user_data`, or copy it over and run `sudo sh mount.sh`.

    mount_point: an absolute path without spaces, such as "/media/data".
    filesystem: "ext4" or "xfs".
    user: owner of the new, empty file system; the image's login user, say.
    """
    if not re.fullmatch(r"(/[\w.-]+)+", mount_point) or ".." in mount_point.split("/"):
        raise InvalidInput(f"'{mount_point}' is no plain absolute path, such as /media/data.")
    if filesystem not in ("ext4", "xfs"):
        raise InvalidInput(f"'{filesystem}': the file systems are ext4 and xfs.")
    if user is not None and not re.fullmatch(r"[a-z_][a-z0-9_-]*", user):
        raise InvalidInput(f"'{user}' is no user name.")
    own = f'chown {user}: "$folder"' if user else ":"
    return _MOUNT.format(
        disk=shlex.quote(device_path(volume)),
        folder=shlex.quote(mount_point),
        filesystem=filesystem,
        own=own,
    )


_MOUNT = """\
#!/bin/sh
set -eu
disk={disk}
folder={folder}

tries=0
while [ ! -e "$disk" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || {{ echo "$disk is not there: is the volume attached?" >&2; exit 1; }}
    sleep 1
done

# blkid -p reads the disk itself: exit status 2 says that nothing is known to be on it. Data that it
# does not know is caught by looking for anything but zeros in the first MiB.
new=no
known=0
blkid -p "$disk" >/dev/null 2>&1 || known=$?
if [ "$known" -eq 2 ] && cmp -s -n 1048576 "$disk" /dev/zero; then
    mkfs.{filesystem} "$disk"
    new=yes
elif [ "$known" -ne 0 ]; then
    echo "$disk holds something that is no file system; it is left as it is." >&2
    exit 1
fi

mkdir -p "$folder"
uuid=$(blkid -p -s UUID -o value "$disk")
type=$(blkid -p -s TYPE -o value "$disk")
grep -q "UUID=$uuid " /etc/fstab ||
    echo "UUID=$uuid $folder $type defaults,nofail 0 2" >>/etc/fstab
mountpoint -q "$folder" || mount "$folder"
if [ "$new" = yes ]; then {own}; fi
"""


def attached_to(volume: Volume) -> Sequence[str]:
    """The IDs of the servers that have this volume."""
    return [attachment["server_id"] for attachment in volume.attachments or []]


def make(
    made: Made,
    name: str,
    size: int,
    *,
    volume_type: str | None = None,
    snapshot: Snapshot | None = None,
    image: Image | None = None,
) -> Volume:
    """Ask for a volume; nothing is waited for."""
    given: dict[str, Any] = {
        "volume_type": volume_type,
        "snapshot_id": snapshot and snapshot.id,
        "image_id": image and image.id,
    }
    chosen = {key: value for key, value in given.items() if value}
    return made.create(VOLUME, name=name, size=size, **chosen)


def checked_size(
    size: int | None, snapshot: Snapshot | None = None, image: Image | None = None
) -> int:
    """A size in GiB that can be, or InvalidInput."""
    least = max(1, snapshot.size if snapshot else 1, (image.min_disk or 1) if image else 1)
    if size is None and (snapshot or image):
        return least
    if not isinstance(size, int) or isinstance(size, bool):
        raise InvalidInput(f"A volume's size is a whole number of GiB, not {size!r}.")
    if size < least:
        why = f", for its {'snapshot' if snapshot else 'image'}" if least > 1 else ""
        raise InvalidInput(f"{size} GiB is too small: at least {least} GiB{why}.")
    return size


def wait_until_ready(
    conn: Connection,
    volumes: Sequence[Volume],
    *,
    timeout: float = CREATE_TIMEOUT,
    pace: waiting.Pace | None = None,
) -> Sequence[Volume]:
    """The volumes once they can be attached. Raises Failed when one went to error."""
    ready = waiting.for_all(conn, VOLUME, volumes, _settled, timeout=timeout, pace=pace)
    for volume in ready:
        if volume.status != "available":
            raise Failed(
                f"Volume '{volume.name}' went to {volume.status}.",
                hint="The cloud may be out of space: try another volume_type, or later.",
                resource=volume,
            )
    return ready


def ask_to_attach(conn: Connection, server: Server, volume: Volume) -> None:
    """Ask for a volume to be put into a server; nothing is waited for."""
    once(
        f"volume '{volume.name}' in server '{server.name}'",
        lambda: conn.compute.create_volume_attachment(server, volume_id=volume.id),
        lambda: [a for a in conn.compute.volume_attachments(server) if a.volume_id == volume.id],
    )


def wait_until_attached(
    conn: Connection,
    volumes: Sequence[Volume],
    servers: Sequence[Server],
    *,
    timeout: float = ATTACH_TIMEOUT,
) -> Sequence[Volume]:
    """The volumes once each is in its server. Raises Failed when one came back free."""
    seen = waiting.for_all(conn, VOLUME, volumes, _settled, timeout=timeout)
    for volume, server in zip(seen, servers, strict=True):
        if server.id not in attached_to(volume):
            raise Failed(
                f"Volume '{volume.name}' did not get into server '{server.name}': "
                f"it is {volume.status} again.",
                hint="Is the server running well? pouta.servers.console_log(conn, server)",
                resource=volume,
            )
    return seen


def check_free(volume: Volume) -> None:
    """Refuse a volume that cannot be attached now."""
    if volume.status == "available" or (volume.status == "in-use" and volume.is_multiattach):
        return
    if hosts := attached_to(volume):
        raise Refused(
            f"Volume '{volume.name}' is attached to server {listed(hosts)}.",
            hint="pouta.volumes.detach(conn, volume) first. Only the type standard.multiattach can "
            "be in several servers at once, and it needs a cluster file system.",
            resource=volume,
        )
    raise Refused(f"Volume '{volume.name}' is {volume.status}, not available.", resource=volume)


def _settled(volume: Volume) -> bool:
    return volume.status not in UNDERWAY
