"""Volumes: in a server with data on them, and by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pouta
from pouta import billing, images, servers, volumes
from tests.acceptance.claims import Claim, Claims, part, refused, same, true
from tests.acceptance.parts import needs

if TYPE_CHECKING:
    from openstack.block_storage.v3.volume import Volume

    from tests.acceptance.run import Run

FOLDER, COPY = "/media/data", "/media/copy"
GIB = 1024**3


@part(
    "attach",
    minutes=6,
    makes="two volumes and a snapshot",
    servers=1,
    addresses=1,
    gib=3,
    needs=[needs.disks, needs.server],
)
def _(run: Run) -> Claims:
    conn, web = run.conn, run.web

    def mount(volume: Volume, folder: str) -> None:
        user = images.login_user(conn, web)
        run.sh(volumes.mount_script(volume, folder, user=user))

    def hosts(volume: Volume) -> list[str]:
        return [one["server_id"] for one in volume_now(run, volume).attachments]

    yield "a new volume is a disk of the server"
    data = volumes.create(conn, run.name("data"), 1, tags=[run.tag])
    data = volumes.attach(conn, web, data)
    same("its servers", hosts(data), [web.id])
    attached = [disk.id for disk in conn.compute.get_server(web.id).attached_volumes]
    true("Nova does not have it", data.id in attached)

    written = ""
    if (yield run.in_guest("it is there by its path, is formatted, mounted and written to")):
        run.sh(
            f"for i in $(seq 30); do [ ! -e {volumes.device_path(data)} ] || exit 0; sleep 2;"
            " done; exit 1"
        )
        mount(data, FOLDER)
        same("where", run.sh(f"findmnt -n -o TARGET {FOLDER}"), FOLDER)
        run.sh(f"head -c 20000000 /dev/urandom >{FOLDER}/file; sync")
        written = run.sh(f"sha256sum <{FOLDER}/file")
        same("its line in fstab", run.sh(f"grep -c ' {FOLDER} ' /etc/fstab"), "1")

    yield "it leaves the server"
    if not run.why_no_guests:
        run.sh(f"umount {FOLDER}")
    volumes.detach(conn, data)
    same("its servers", hosts(data), [])
    same("its status", volume_now(run, data).status, "available")

    yield "a snapshot of it is a volume again"
    taken = volumes.snapshot(conn, data, run.name("taken"), tags=[run.tag])
    copy = volumes.create(conn, run.name("copy"), snapshot=taken, tags=[run.tag])
    same("its size and source", (copy.size, volume_now(run, copy).snapshot_id), (1, taken.id))
    if (yield run.in_guest("with the same data")):
        volumes.attach(conn, web, copy)
        mount(copy, COPY)
        same("the checksum", run.sh(f"sha256sum <{COPY}/file"), written)
        run.sh(f"umount {COPY}; sed -i '\\| {COPY} |d' /etc/fstab")
        volumes.detach(conn, copy)

    yield "back in the server it is the same"
    volumes.delete(conn, copy)
    volumes.delete_snapshot(conn, taken)
    data = volumes.attach(conn, web, data)
    same("its servers", hosts(data), [web.id])
    if (yield run.in_guest("with the data that was on it")):
        mount(data, FOLDER)
        same("the checksum", run.sh(f"sha256sum <{FOLDER}/file"), written)

    yield "it grows, taken out and put back in; not without the word for it"
    with refused(pouta.Refused, "allow_detach"):
        volumes.extend(conn, data, 2)
    if not run.why_no_guests:
        run.sh(f"umount {FOLDER}")
    data = volumes.extend(conn, data, 2, allow_detach=True)
    same("its size and servers", (volume_now(run, data).size, hosts(data)), (2, [web.id]))
    if (yield run.in_guest("its file system grows with it, around the data")):
        mount(data, FOLDER)
        size = int(run.sh(f"df -B1 --output=size {FOLDER} | tail -n 1"))
        true(f"df shows {size} bytes", size > 1.8 * GIB)
        same("the checksum", run.sh(f"sha256sum <{FOLDER}/file"), written)
    if (yield run.in_guest("after a reboot it is mounted by itself")):
        servers.reboot(conn, web)
        run.log_in(web)
        same("the checksum", run.sh(f"sha256sum <{FOLDER}/file"), written)
        run.sh(f"umount {FOLDER}; sed -i '\\| {FOLDER} |d' /etc/fstab")

    yield "it is deleted, with all that is on it"
    volumes.detach(conn, data)
    volumes.delete(conn, data)
    same("volumes", [v.id for v in conn.block_storage.volumes() if v.id == data.id], [])


def volume_now(run: Run, volume: Volume) -> Volume:
    return run.conn.block_storage.get_volume(volume.id)


@part("volumes", minutes=2, makes="two volumes and a snapshot", gib=2, needs=[needs.disks])
def _(run: Run) -> Claims:
    conn = run.conn
    yield "a volume is there, is found, and is known as paid for and not used"
    data = volumes.create(conn, run.name("free"), 1, tags=[run.tag])
    same("its status", volume_now(run, data).status, "available")
    same("the found one", volumes.find(conn, run.name("free")).id, data.id)
    true("it is not listed", data.id in [one.id for one in volumes.list(conn)])
    (wasted,) = [cost for cost in billing.waste(conn) if cost.id == data.id]
    true(f"the call that ends it: {wasted.ends_by}", "pouta.volumes.delete" in wasted.ends_by)

    yield "it never shrinks"
    with refused(pouta.InvalidInput, "smaller"):
        volumes.extend(conn, volumes.extend(conn, data, 2), 1)
    same("its size", volume_now(run, data).size, 2)

    types = [
        kind.name
        for kind in conn.block_storage.types()
        if kind.name not in (data.volume_type, "__DEFAULT__")
        and (kind.extra_specs or {}).get("multiattach") != "<is> True"
    ]
    lone = f"there is no other type than {data.volume_type}" * (not types)
    if (yield Claim("it gets another type, and its data with it", lone)):
        volumes.retype(conn, data, types[0])
        same("its type", volume_now(run, data).volume_type, types[0])

    yield "its snapshot is listed and found, and holds on to it"
    taken = volumes.snapshot(conn, data, run.name("kept"), tags=[run.tag])
    same("of", conn.block_storage.get_snapshot(taken.id).volume_id, data.id)
    same("listed", [one.id for one in volumes.list_snapshots(conn, data)], [taken.id])
    same("the found one", volumes.find_snapshot(conn, run.name("kept")).id, taken.id)
    with refused(pouta.Refused, "has the snapshots"):
        volumes.delete(conn, data)

    yield "it is offered to another project, and the offer is taken back"
    offer = volumes.transfer(conn, data)
    same("its status", volume_now(run, data).status, "awaiting-transfer")
    true("there is no offer", offer.id in [one.id for one in conn.block_storage.transfers()])
    volumes.cancel_transfer(conn, data)
    same("its status", volume_now(run, data).status, "available")

    yield "both are deleted together"
    volumes.delete(conn, data, delete_snapshots=True)
    left = {one.id for one in [*conn.block_storage.volumes(), *conn.block_storage.snapshots()]}
    same("what is left of them", left & {data.id, taken.id}, set())
