"""Images, objects, stacks; what goes to another project."""

from __future__ import annotations

import urllib.request
from typing import TYPE_CHECKING
from urllib.parse import quote

from openstack.exceptions import NotFoundException

import pouta
from pouta import images, object_store, stacks, volumes
from tests.acceptance.claims import Claims, part, refused, same, true
from tests.acceptance.parts import needs
from tests.acceptance.run import digest, random_file

if TYPE_CHECKING:
    from tests.acceptance.run import Run

MIB = 1024**2
LARGE, SEGMENT = 5 * MIB // 2, MIB


@part("images", minutes=1, makes="an image of 1 MiB")
def _(run: Run) -> Claims:
    conn, file = run.conn, random_file(run.home / "disk.raw", MIB)
    yield "a file is an image of this project, unchanged"
    image = images.upload(conn, file, run.name("disk"), tags=[run.tag])
    stored = conn.image.get_image(image.id)
    same("the image", (stored.status, stored.visibility, stored.size), ("active", "private", MIB))

    yield "it comes down as it went up"
    got = images.download(conn, image, run.home / "got.raw")
    same("its checksum", digest(got), digest(file))

    yield "it is deleted"
    images.delete(conn, image)
    same("images", [one.id for one in conn.image.images(name=image.name)], [])


@part("share", minutes=0.5, makes="an image of 1 MiB", needs=[needs.other_cloud])
def _(run: Run) -> Claims:
    conn, other, name = run.conn, run.other, run.name("shared")
    assert other is not None
    yield "an image is offered to the other project, which takes it"
    image = images.upload(conn, random_file(run.home / "shared.raw", MIB), name, tags=[run.tag])
    images.share(conn, image, other.current_project_id)
    images.accept(other, image.id)
    same("members", [one.status for one in images.members(conn, image)], ["accepted"])
    same("seen there", [one.id for one in other.image.images(name=name)], [image.id])

    yield "it is not deleted under them; once it is taken back they do not see it"
    with refused(pouta.Refused, "is used by the projects"):
        images.delete(conn, image)
    images.unshare(conn, image, other.current_project_id)
    same("seen there", [one.id for one in other.image.images(name=name)], [])
    images.delete(conn, image)


@part(
    "objects", minutes=1, makes="a container with 2.5 MiB, and its segments", needs=[needs.objects]
)
def _(run: Run) -> Claims:
    conn, container, folder = run.conn, run.name("objects"), run.folder("results")
    sums = {"small": digest(random_file(folder / "small", 1000))}
    sums["large"] = digest(random_file(folder / "large", LARGE))

    def bare(name: str) -> bytes:
        path = f"/{quote(container)}/{quote(name)}"
        return bytes(conn.object_store.get(path).content)

    def listed(where: str) -> list[str]:
        try:
            return sorted(one.name for one in conn.object_store.objects(where))
        except NotFoundException:
            return []

    yield "a folder goes up, a large file of it in segments"
    object_store.upload(conn, folder, container, segment_size=SEGMENT)
    same("the objects", listed(container), ["results/large", "results/small"])
    same("the segments", len(listed(f"{container}_segments")), 3)
    same("their bytes", bare("results/large"), (folder / "large").read_bytes())
    counted = [one.name for one in object_store.list(conn, container)]
    same("the list", sorted(counted), listed(container))

    yield "what is there already is not sent again, and what differs is not overwritten"
    before = {one.name: one.last_modified_at for one in conn.object_store.objects(container)}
    object_store.upload(conn, folder, container, segment_size=SEGMENT)
    now = {one.name: one.last_modified_at for one in conn.object_store.objects(container)}
    same("when they were written", now, before)
    other = random_file(run.home / "other", 1000)
    with refused(pouta.Refused, "with other data"):
        object_store.upload(conn, other, container, name="results/small")

    yield "all of it comes down as it was"
    got = object_store.download(conn, container, None, run.home / "down")
    same("checksums", {file.name: digest(file) for file in got}, sums)

    yield "whoever has a temporary URL gets the object"
    url = object_store.temporary_url(conn, container, "results/large", seconds=300)
    with urllib.request.urlopen(url, timeout=60) as answer:
        same("its bytes", answer.read(), (folder / "large").read_bytes())

    yield "a large object is deleted with its segments"
    object_store.delete(conn, container, "results/large")
    same(
        "what is left",
        (listed(container), listed(f"{container}_segments")),
        (["results/small"], []),
    )

    yield "a container goes with all that is in it, when it is said"
    with refused(pouta.Refused, "would be lost"):
        object_store.delete(conn, container)
    object_store.delete(conn, container, all_objects=True)
    held = [one.name for one in conn.object_store.containers()]
    true(f"{container} is still there", container not in held)


TEMPLATE = {
    "heat_template_version": "2018-08-31",
    "parameters": {"name": {"type": "string"}},
    "resources": {
        "disk": {
            "type": "OS::Cinder::Volume",
            "properties": {"name": {"get_param": "name"}, "size": 1},
        }
    },
    "outputs": {"volume": {"value": {"get_resource": "disk"}}},
}


@part("stacks", minutes=1, makes="a stack with a volume", gib=1, needs=[needs.heat, needs.disks])
def _(run: Run) -> Claims:
    conn, name = run.conn, run.name("stack")
    yield "a template becomes a volume, which the stack tells of"
    parameters = {"name": run.name("of-stack")}
    stack = stacks.create(conn, name, TEMPLATE, parameters=parameters, tags=[run.tag])
    told = stacks.outputs(conn, stack)["volume"]
    same("the volume", conn.block_storage.get_volume(told).name, run.name("of-stack"))
    parts = [(one.name, one.physical_resource_id) for one in stacks.resources(conn, name)]
    same("its parts", parts, [("disk", told)])
    same("the found one", stacks.find(conn, name).id, stack.id)
    true("it is not listed", stack.id in [one.id for one in stacks.list(conn)])

    yield "it is not deleted with its data, but when it is said"
    with refused(pouta.Refused, "would be lost"):
        stacks.delete(conn, name)
    stacks.delete(conn, name, delete_volumes=True)
    same("stacks", [one.id for one in conn.orchestration.stacks() if one.id == stack.id], [])
    same("volumes", [one.id for one in conn.block_storage.volumes() if one.id == told], [])


@part(
    "transfer",
    minutes=1,
    makes="a volume with a snapshot, in both projects",
    gib=1,
    needs=[needs.disks, needs.other_cloud],
)
def _(run: Run) -> Claims:
    conn, other = run.conn, run.other
    assert other is not None
    yield "a volume moves to the other project, with its snapshot and without its tags"
    volume = volumes.create(conn, run.name("moved"), 1, tags=[run.tag])
    taken = volumes.snapshot(conn, volume, run.name("moved-too"), tags=[run.tag])
    volumes.move(conn, volume, other)
    same("here", [one.id for one in conn.block_storage.volumes() if one.id == volume.id], [])
    there = other.block_storage.get_volume(volume.id)
    true(f"its metadata: {there.metadata}", run.tag not in str(there.metadata))
    same("its snapshot", other.block_storage.get_snapshot(taken.id).volume_id, volume.id)

    yield "it is offered from there, and accepted here"
    volumes.accept(conn, volumes.transfer(other, volume.id))
    same("here", conn.block_storage.get_volume(volume.id).status, "available")
    same("there", [one.id for one in other.block_storage.volumes() if one.id == volume.id], [])
    volumes.delete(conn, volume.id, delete_snapshots=True)
