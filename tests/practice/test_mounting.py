"""The script that mounts a volume: run as it is, by root, on real disks."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest
from openstack.block_storage.v3.volume import Volume

import pouta
from pouta import volumes

NEEDED = ("blkid", "losetup", "mkfs.ext4", "nsenter", "unshare")
GENERATOR = Path("/usr/lib/systemd/system-generators/systemd-fstab-generator")
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
MIB = 1024 * 1024


@dataclass
class Disk:
    """A volume as the server sees it."""

    volume: Volume
    file: Path
    device: str

    @property
    def content(self) -> bytes:
        return self.file.read_bytes()


@dataclass
class Server:
    """Mounts, /etc/fstab and /dev/disk/by-id of its own; the disks are loop devices."""

    folder: Path
    pid: int
    stack: ExitStack
    disks: list[Disk] = field(default_factory=list)

    def sh(self, command: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["nsenter", "-t", str(self.pid), "-m", "sh", "-c", command],
            capture_output=True,
            text=True,
            env={"PATH": PATH},
            timeout=90,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    def disk(self, size: int = 320, *, by: str = "virtio-{:.20}") -> Disk:
        """A new, empty disk, of so many MiB."""
        volume = Volume(id=str(uuid4()), name="data")
        file = self.folder / volume.id
        with file.open("wb") as empty:
            empty.truncate(size * MIB)
        device = self.sh(f"losetup --find --show {file}").stdout.strip()
        self.stack.callback(self.sh, f"losetup -d {device}", check=False)
        (self.folder / "by-id" / by.format(volume.id)).symlink_to(device)
        disk = Disk(volume, file, device)
        self.disks.append(disk)
        return disk

    def grow(self, disk: Disk, size: int) -> None:
        """What the cloud does when a volume is extended."""
        with disk.file.open("ab") as longer:
            longer.truncate(size * MIB)
        self.sh(f"losetup -c {disk.device}")

    def mount(self, disk: Disk, folder: str = "/media/data", **options: str) -> str:
        """Run the script; what it says on stderr, with its status when it is not 0."""
        script = self.folder / "mount.sh"
        script.write_text(volumes.mount_script(disk.volume, folder, **options))
        done = self.sh(f"sh {script}", check=False)
        return done.stderr if done.returncode == 0 else f"{done.returncode}: {done.stderr.strip()}"

    @property
    def fstab(self) -> str:
        return (self.folder / "fstab").read_text()

    def size(self, folder: str = "/media/data") -> int:
        """Of the file system, in MiB."""
        return int(self.sh(f"df --output=size -B 1M {folder} | tail -n 1").stdout)

    def mounts(self) -> str:
        return self.sh("findmnt -rn -o SOURCE,TARGET").stdout


def mounts_of(process: int | str) -> Path:
    return Path(f"/proc/{process}/ns/mnt").readlink()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    if os.geteuid() != 0:
        pytest.skip("only root mounts disks")
    if missing := [name for name in NEEDED if not shutil.which(name, path=PATH)]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    inside = subprocess.Popen(["unshare", "-m", "--propagation", "private", "sleep", "600"])
    with ExitStack() as stack:
        stack.callback(inside.wait)
        stack.callback(inside.send_signal, signal.SIGTERM)
        made = Server(tmp_path, inside.pid, stack)
        (tmp_path / "by-id").mkdir()
        (tmp_path / "fstab").write_text("UUID=0a / ext4 defaults 0 1")  # no end of the line
        while mounts_of(inside.pid) == mounts_of("self"):
            time.sleep(0.01)
        made.sh("mkdir -p /dev/disk && mount -t tmpfs none /dev/disk && mkdir /dev/disk/by-id")
        made.sh(f"mount --bind {tmp_path}/by-id /dev/disk/by-id")
        made.sh("touch /etc/fstab")
        made.sh(f"mount --bind {tmp_path}/fstab /etc/fstab")
        made.sh("mount -t tmpfs none /media")
        try:
            made.sh("losetup --find")
        except AssertionError as error:
            pytest.skip(f"there are no loop devices: {error}")
        yield made
        for disk in made.disks:
            made.sh(f"umount {disk.device}", check=False)


def may_resize() -> bool:
    (line,) = re.findall(r"CapEff:\s*(\w+)", Path("/proc/self/status").read_text())
    return bool(int(line, 16) >> 24 & 1)


def needs(*programs: str) -> None:
    if missing := [name for name in programs if not shutil.which(name, path=PATH)]:
        pytest.skip(f"not installed: {', '.join(missing)}")


@pytest.mark.parametrize("filesystem", ["ext4", "xfs"])
def test_an_empty_disk_is_formatted_mounted_and_remembered(server, filesystem):
    needs(f"mkfs.{filesystem}")
    disk = server.disk()
    assert server.mount(disk, "/media/of/mine", filesystem=filesystem, user="nobody") == ""
    assert f"{disk.device} /media/of/mine" in server.mounts()
    line = f"{volumes.device_path(disk.volume)} /media/of/mine {filesystem} defaults,nofail 0 2"
    assert server.fstab.splitlines() == ["UUID=0a / ext4 defaults 0 1", line]
    assert server.sh("stat -c %U /media/of/mine").stdout == "nobody\n"


@pytest.mark.parametrize("filesystem", ["ext4", "xfs"])
def test_a_second_run_changes_nothing(server, filesystem):
    needs(f"mkfs.{filesystem}")
    disk = server.disk()
    server.mount(disk, filesystem=filesystem)
    server.sh("echo mine >/media/data/file")
    fstab = server.fstab
    assert server.mount(disk, filesystem=filesystem, user="nobody") == ""
    server.sh("umount /media/data")
    assert server.mount(disk, filesystem="ext4") == ""  # what is there counts
    assert server.fstab == fstab
    assert server.sh("cat /media/data/file").stdout == "mine\n"
    assert server.sh("stat -c %U /media/data").stdout == "root\n"


@pytest.mark.parametrize("filesystem", ["ext4", "xfs"])
@pytest.mark.parametrize("mounted", [True, False])
def test_the_file_system_grows_with_its_volume(server, filesystem, mounted):
    needs(f"mkfs.{filesystem}")
    if filesystem == "ext4" and not may_resize():
        pytest.skip("this root may not resize a mounted ext4 (no CAP_SYS_RESOURCE)")
    disk = server.disk()
    server.mount(disk, filesystem=filesystem)
    before = server.size()
    server.grow(disk, 480)
    if not mounted:
        server.sh("umount /media/data")
    assert server.mount(disk, filesystem=filesystem) == ""
    assert server.size() > before + 120


def partitioned(server: Server, table: str) -> Disk:
    needs("parted")
    disk = server.disk()
    server.sh(f"parted -s {disk.file} mklabel {table} mkpart primary 1MiB 100%")
    return disk


def encrypted(server: Server) -> Disk:
    needs("cryptsetup")
    disk = server.disk()
    make = f"cryptsetup luksFormat --pbkdf pbkdf2 --iter-time 1 -q {disk.device} -"
    server.sh(f"echo secret | {make}")
    return disk


def in_a_volume_group(server: Server) -> Disk:
    needs("pvcreate")
    disk = server.disk()
    server.sh(f"pvcreate -q {disk.device}")
    return disk


def raw_data(server: Server) -> Disk:
    disk = server.disk()
    with disk.file.open("r+b") as data:
        data.seek(10 * MIB)
        data.write(b"precious")
    return disk


def swapped(server: Server) -> Disk:
    disk = server.disk()
    server.sh(f"mkswap -q {disk.device}")
    return disk


def damaged(server: Server) -> Disk:
    """The beginning of a file system that was larger."""
    disk = server.disk()
    server.sh(f"mkfs.ext4 -q {disk.device}")
    with disk.file.open("r+b") as data:
        data.truncate(100 * MIB)
    server.sh(f"losetup -c {disk.device}")
    return disk


def several_things(server: Server) -> Disk:
    """A file system, and the partitions that were there before it."""
    disk = partitioned(server, "msdos")
    first = disk.content[:512]
    server.sh(f"wipefs -qa {disk.device} && mkfs.ext4 -q {disk.device}")
    with disk.file.open("r+b") as data:
        data.write(first)
    return disk


PASTS: dict[str, tuple[Callable[[Server], Disk], str]] = {
    "MBR": (lambda server: partitioned(server, "msdos"), r"partitions \(dos\)"),
    "GPT": (lambda server: partitioned(server, "gpt"), r"partitions \(gpt\)"),
    "LUKS": (encrypted, "LUKS"),
    "LVM": (in_a_volume_group, "LVM"),
    "data": (raw_data, "no file system"),
    "swap": (swapped, "holds swap"),
    "damaged": (damaged, "may be damaged"),
    "both": (several_things, "partitions|several things"),
}


@pytest.mark.parametrize("past", PASTS)
def test_a_disk_with_a_past_is_left_as_it_is(server, past):
    make, why = PASTS[past]
    disk = make(server)
    before, fstab = disk.content, server.fstab
    said = server.mount(disk, "/media/of/mine")
    assert said.startswith("1: ")
    assert "\n" not in said
    assert re.search(why, said), said
    assert disk.content == before
    assert server.fstab == fstab
    assert disk.device not in server.mounts()
    assert server.sh("ls /media").stdout == ""


def test_a_copy_of_a_disk_that_is_there_is_told(server):
    first, copy = server.disk(), server.disk()
    server.mount(first)
    server.sh("sync")
    server.sh(f"umount /media/data; cp {first.file} {copy.file}; mount {first.device} /media/data")
    server.sh(f"losetup -c {copy.device}; blockdev --flushbufs {copy.device}")
    fstab = server.fstab
    assert "is a copy of" in server.mount(copy, "/media/copy")
    assert server.fstab == fstab
    assert server.sh("ls /media").stdout == "data\n"
    server.sh(f"e2fsck -fp {copy.device}; tune2fs -U random {copy.device}")
    assert server.mount(copy, "/media/copy") == ""


def test_a_folder_that_is_taken_is_told(server):
    first, other = server.disk(), server.disk()
    server.mount(first)
    fstab = server.fstab
    assert "1: /etc/fstab has" in server.mount(other)
    server.sh("umount /media/data")
    assert "1: /etc/fstab has" in server.mount(other)
    server.sh("mount --bind /media /media/data")
    (server.folder / "fstab").write_text("")
    assert server.mount(other) == "1: Another disk is mounted on /media/data."
    server.sh("umount /media/data; touch /media/data/mine")
    assert "which the disk would hide" in server.mount(other)
    server.sh("rm -r /media/data; touch /media/data")
    assert server.mount(other) == "1: /media/data is no folder."
    assert server.fstab == ""
    (server.folder / "fstab").write_text(fstab)
    server.sh("rm /media/data")
    server.mount(first)
    assert "is mounted on /media/data already" in server.mount(first, "/media/twice")
    assert server.fstab == fstab


def test_a_user_that_is_not_there_is_told_before_anything_is_made(server):
    disk = server.disk()
    assert server.mount(disk, user="nobody-here") == "1: There is no user nobody-here."
    assert not any(disk.content)


@pytest.mark.parametrize("shown", ["{}", "{:.20}"], ids=["whole", "shortened"])
def test_a_disk_on_the_scsi_bus(server, shown):
    disk = server.disk(by="scsi-0QEMU_QEMU_HARDDISK_" + shown)
    (server.folder / "by-id" / f"scsi-0QEMU_QEMU_HARDDISK_{disk.volume.id}-part1").touch()
    assert server.mount(disk) == ""
    path = "/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_" + shown.format(disk.volume.id)
    assert f"{path} /media/data ext4" in server.fstab
    attached = Volume(id=disk.volume.id, attachments=[{"device": "/dev/sdb"}])
    assert volumes.device_path(attached).endswith(f"HARDDISK_{disk.volume.id}")


@pytest.mark.skipif(not GENERATOR.exists(), reason="systemd is not installed")
def test_the_next_start_waits_for_no_disk_that_is_gone(server, tmp_path):
    """What systemd makes of the line: it is not needed for the start, and leads to this disk."""
    disk = server.disk()
    server.mount(disk)
    (server.folder / "fstab").write_text(server.fstab.splitlines()[-1] + "\n")
    units = tmp_path / "units"
    units.mkdir()
    server.sh(f"{GENERATOR} {units} {units} {units}")
    unit = (units / "media-data.mount").read_text()
    assert f"What={volumes.device_path(disk.volume)}" in unit
    assert "Where=/media/data" in unit
    assert "Before=local-fs.target" not in unit
    assert [link.parent.name for link in units.rglob("*/media-data.mount")] == [
        "local-fs.target.wants"
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"mount_point": "media"},
        {"mount_point": "/media/my data"},
        {"mount_point": "/media/../etc"},
        {"mount_point": "/x\nrm -rf /"},
        {"filesystem": "ntfs"},
        {"user": "a; reboot"},
    ],
    ids=str,
)
def test_what_could_break_out_of_the_script_is_refused(wrong):
    data = Volume(id="4b1f7a2c-93d5-4f6e-8a17-c2d05e9b6f31", name="data")
    with pytest.raises(pouta.InvalidInput):
        volumes.mount_script(data, **{"mount_point": "/media/data", **wrong})
