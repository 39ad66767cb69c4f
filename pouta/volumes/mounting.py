"""The script that makes a volume a folder of its server, and loses no data on the way."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from pouta.errors import InvalidInput, Refused

if TYPE_CHECKING:
    from openstack.block_storage.v3.volume import Volume


def device_path(volume: Volume) -> str:
    """The path of this volume in its server, the same after each start (KVM guests).

    The disk's serial number is the volume's ID, of which the guest shows 20 characters.
    """
    return f"/dev/disk/by-id/virtio-{volume.id[:20]}"


def mount_script(
    volume: Volume,
    mount_point: str,
    *,
    filesystem: str = "ext4",
    user: str | None = None,
    one_server_only: bool = False,
) -> str:
    """A shell script, for root in the server, that makes the volume a folder for good.

    It makes a file system only on an empty disk, mounts by the file system's UUID, and writes a
    line with `nofail` into /etc/fstab, so that the server starts without the volume too. It may
    run again. Give it as `user_data`, or copy it over and run `sudo sh mount.sh`.

    mount_point: an absolute path without spaces, such as "/media/data".
    filesystem: "ext4" or "xfs".
    user: owner of the new, empty file system; the image's login user, say.
    one_server_only: needed for a volume that several servers can have, as a promise that only one
        will: ext4 and xfs are destroyed when two servers write to them.
    """
    if volume.is_multiattach and not one_server_only:
        raise Refused(
            f"Volume '{volume.name}' can be in several servers at once, and {filesystem} is "
            "destroyed when two of them write to it.",
            hint="Make it a cluster file system by hand (GFS2 for up to 16 servers, or OCFS2), or "
            "promise that only one server has it: one_server_only=True.",
            resource=volume,
        )
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
