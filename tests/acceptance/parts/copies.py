"""Servers whose disks are kept: as an image, or as a volume that outlives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pouta import images, servers, volumes
from tests.acceptance.claims import Claim, Claims, part, same, true
from tests.acceptance.parts import needs

if TYPE_CHECKING:
    from tests.acceptance.run import Run

BOOT_GIB = 10  # holds every usual image


@part(
    "snapshot",
    minutes=10,
    makes="an image, and a second server from it",
    servers=2,
    addresses=2,
    needs=[needs.server],
)
def _(run: Run) -> Claims:
    conn, web = run.conn, run.web
    if not run.why_no_guests:
        run.write_note("snapshotted")
    yield "its disk is an image, and it runs again"
    image = servers.snapshot(conn, web, run.name("image"), tags=[run.tag])
    kept = conn.image.get_image(image.id)
    same("the image", (kept.status, kept.visibility), ("active", "private"))
    true(f"its tags: {kept.tags}", run.tag in kept.tags)
    same("the server", conn.compute.get_server(web.id).status, "ACTIVE")
    if (yield run.in_guest("with its files")):
        run.log_in(web)
        same("the file", run.note(), "snapshotted")

    yield "a server from the image has the key and the groups of the old one"
    copy = servers.launch(
        conn, run.name("copy"), image=image, like=web, floating_ip=True, tags=[run.tag]
    )
    now, old = (conn.compute.get_server(one.id) for one in (copy, web))
    same("its image", now.image["id"], image.id)
    groups = [sorted(group["name"] for group in one.security_groups) for one in (now, old)]
    same("key and groups", (now.key_name, groups[0]), (old.key_name, groups[1]))
    if (yield run.in_guest("and the file that was in it")):
        run.log_in(copy)
        same("the file", run.note(copy), "snapshotted")

    yield "both are deleted"
    servers.delete(conn, copy, release_floating_ips=True)
    images.delete(conn, image)
    same("the image", [one.id for one in conn.image.images() if one.id == image.id], [])


@part(
    "boot_volume",
    minutes=12,
    makes="a server, its boot volume and a snapshot",
    servers=1,
    addresses=1,
    gib=2 * BOOT_GIB,
    needs=[needs.disks],
)
def _(run: Run) -> Claims:
    conn = run.conn
    size = max(images.disk_needed(run.image), BOOT_GIB)
    yield "a server boots from a volume of its own"
    first = servers.launch(
        conn, run.name("root"), boot_volume_size=size, floating_ip=True, **run.options
    )
    (disk,) = conn.compute.get_server(first.id).attached_volumes
    same("dies with the server", disk.delete_on_termination, False)
    root = conn.block_storage.get_volume(disk.id)
    same("the volume", (root.is_bootable, root.size), (True, size))
    if (yield run.in_guest("it can be written to")):
        run.log_in(first)
        run.write_note("on a volume", first)

    second = first
    none = needs.larger(run)
    if (yield Claim("it is made again on another flavor, from the same volume", none)):
        assert run.larger is not None
        second = servers.recreate(conn, first, run.larger)
        now = conn.compute.get_server(second.id)
        same("its flavor", now.flavor["original_name"], run.larger.name)
        same("its disks", [one.id for one in now.attached_volumes], [root.id])
        same("the old one", [one.id for one in conn.compute.servers() if one.id == first.id], [])
        if (yield run.in_guest("with its files")):
            run.log_in(second)
            same("the file", run.note(second), "on a volume")

    yield "its snapshot is one of the volume, from which a bootable one is made"
    taken = servers.snapshot(conn, second, run.name("root-taken"), tags=[run.tag])
    same("of", [conn.block_storage.get_snapshot(one.id).volume_id for one in taken], [root.id])
    copy = volumes.create(conn, run.name("root-copy"), snapshot=taken[0], tags=[run.tag])
    same("bootable", conn.block_storage.get_volume(copy.id).is_bootable, True)

    yield "the server is deleted, and its volumes when it is said"
    servers.delete(conn, second, release_floating_ips=True)
    same("the volume", conn.block_storage.get_volume(root.id).status, "available")
    volumes.delete(conn, copy)
    volumes.delete(conn, root, delete_snapshots=True)
    left = {one.id for one in [*conn.block_storage.volumes(), *conn.block_storage.snapshots()]}
    same("what is left", left & {root.id, copy.id, taken[0].id}, set())
