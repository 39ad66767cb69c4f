"""The script that makes a volume a folder of its server, and loses no data on the way."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from pouta.errors import InvalidInput, Refused

if TYPE_CHECKING:
    from openstack.block_storage.v3.volume import Volume

BY_ID = "/dev/disk/by-id"
SCSI = "scsi-0QEMU_QEMU_HARDDISK"
SHOWN = 20  # characters of a serial number


def device_path(volume: Volume) -> str:
    """The path of this volume in its server, the same after each start (KVM guests).

    The disk's serial number is the volume's ID, of which a virtio disk shows 20 characters. A disk
    on the SCSI bus (`hw_disk_bus=scsi` of the image) shows all of it, or also 20 in older systems.
    """
    disks = [str(attached.get("device")) for attached in volume.attachments or ()]
    if disks and all(disk.startswith("/dev/sd") for disk in disks):
        return f"{BY_ID}/{SCSI}_{volume.id}"
    return f"{BY_ID}/virtio-{volume.id[:SHOWN]}"


def mount_script(
    volume: Volume,
    mount_point: str,
    *,
    filesystem: str = "ext4",
    user: str | None = None,
    one_server_only: bool = False,
) -> str:
    """A shell script, for root in the server, that makes the volume a folder for good.

    It makes a file system only on an empty disk, mounts it, and writes a line with `nofail` into
    /etc/fstab, so that the server starts without the volume too. It may run again; after
    `pouta.volumes.extend` it lets the file system grow. Give it as `user_data`, or copy it over
    and run `sudo sh mount.sh`.

    It changes nothing, says why and ends with status 1 when the disk holds anything but an ext4 or
    xfs file system (partitions, LUKS, LVM, data), when it is a copy of another disk in the server,
    or when the folder is taken.

    mount_point: an absolute path without spaces, such as "/media/data".
    filesystem: "ext4" or "xfs"; for an empty disk.
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
    return _MOUNT.format(
        id=shlex.quote(volume.id),
        virtio=shlex.quote(f"{BY_ID}/virtio-{volume.id[:SHOWN]}"),
        scsi=shlex.quote(f"{BY_ID}/{SCSI}_{volume.id[:SHOWN]}"),
        folder=shlex.quote(mount_point),
        filesystem=filesystem,
        user=user or "",
    )


_MOUNT = """\
#!/bin/sh
# Makes a volume a folder of this server for good; changes nothing where it says why not.
set -eu
id={id}
folder={folder}
filesystem={filesystem}
user={user}

fail() {{
    echo "$*" >&2
    exit 1
}}

find_disk() {{
    for disk in {virtio} {scsi}*; do
        case $disk in *-part*) continue ;; esac
        [ ! -e "$disk" ] || return 0
    done
    return 1
}}

# -p reads the disk itself; what blkid remembers may be of another disk.
probe() {{
    blkid -p -s "$1" -o value "$real" || true
}}

in_fstab() {{
    awk -v folder="$folder" '$1 !~ /^#/ && $2 == folder {{ print $1; exit }}' /etc/fstab
}}

seconds=0
until find_disk; do
    [ "$seconds" -lt 60 ] || fail "No disk has the ID $id: is the volume attached?"
    seconds=$((seconds + 1))
    sleep 1
done
real=$(readlink -f "$disk")

# What is on it?

known=0
blkid -p "$real" >/dev/null 2>&1 || known=$?
type=
case $known in
0)
    table=$(probe PTTYPE)
    type=$(probe TYPE)
    [ -z "$table" ] || fail "$disk is left as it is: it has partitions ($table). Mount one of them."
    case $type in
    ext4 | xfs) ;;
    crypto_LUKS) fail "$disk is left as it is: it is encrypted (LUKS). Open it with cryptsetup." ;;
    LVM2_member) fail "$disk is left as it is: it is part of an LVM volume group." ;;
    *) fail "$disk is left as it is: it holds ${{type:-something}}, neither ext4 nor xfs." ;;
    esac
    ;;
2)
    # Data that blkid does not know begins with anything but zeros.
    cmp -s -n 16777216 "$real" /dev/zero ||
        fail "$disk is left as it is: it holds data that is no file system."
    command -v "mkfs.$filesystem" >/dev/null || fail "mkfs.$filesystem is not installed."
    ;;
*) fail "$disk is left as it is: it looks like several things at once (see wipefs)." ;;
esac
[ -z "$user" ] || id "$user" >/dev/null 2>&1 || fail "There is no user $user."

# May it be this folder?

uuid=$(probe UUID)
line=$(in_fstab)
case $line in
"" | "UUID=${{uuid:-none}}") ;;
*) [ "$(readlink -f "$line")" = "$real" ] || fail "/etc/fstab has $line for $folder already." ;;
esac
mounted=no
if mountpoint -q "$folder"; then
    [ "$(mountpoint -d "$folder")" = "$(mountpoint -x "$real")" ] ||
        fail "Another disk is mounted on $folder."
    mounted=yes
else
    elsewhere=$(findmnt -n -o TARGET -S "$real" | head -n 1)
    [ -z "$elsewhere" ] || fail "$disk is mounted on $elsewhere already."
    [ ! -e "$folder" ] || [ -d "$folder" ] || fail "$folder is no folder."
    [ ! -d "$folder" ] || [ -z "$(ls -A "$folder")" ] ||
        fail "$folder holds files, which the disk would hide."
    if [ -n "$uuid" ]; then
        for other in $(blkid -c /dev/null -o device -t UUID="$uuid"); do
            [ "$(readlink -f "$other")" = "$real" ] ||
                fail "$disk is a copy of $other: both have the UUID $uuid. A new UUID is given" \
                    "by 'tune2fs -U random' (ext4) or 'xfs_admin -U generate' (xfs)."
        done
    fi
fi

# It is, from here on.

new=no
if [ -z "$type" ]; then
    "mkfs.$filesystem" -q "$real"
    type=$filesystem
    new=yes
fi
if [ "$mounted" = no ]; then
    made=
    missing=$folder
    while [ ! -e "$missing" ]; do
        made="$made $missing"
        missing=$(dirname "$missing")
    done
    mkdir -p "$folder"
    if ! why=$(mount -t "$type" "$real" "$folder" 2>&1); then
        for one in $made; do rmdir "$one"; done
        fail "$disk cannot be mounted; its file system may be damaged:" $why
    fi
fi
[ "$new" = no ] || [ -z "$user" ] || chown "$user:" "$folder"
if [ -z "$line" ]; then
    [ -z "$(tail -c 1 /etc/fstab)" ] || echo >>/etc/fstab
    echo "$disk $folder $type defaults,nofail 0 2" >>/etc/fstab
    [ ! -d /run/systemd/system ] || systemctl daemon-reload
fi

# After the volume was extended.

case $type in
ext4) why=$(resize2fs "$real" 2>&1) ;;
xfs) why=$(xfs_growfs "$folder" 2>&1) ;;
esac || fail "$folder is mounted, but its file system did not grow with the disk:" $why
"""
