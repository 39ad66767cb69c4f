"""Images of one's own: uploaded, downloaded, shared with another project, deleted. Glance."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pouta import deletion, files, progress, streams, waiting
from pouta import find as _find
from pouta.display import Columns, Table
from pouta.errors import Failed, InvalidInput, NotFound, Refused, chore, is_passing, status_of
from pouta.kinds import IMAGE, Kind
from pouta.made import Made, once
from pouta.redaction import printable

if TYPE_CHECKING:
    from openstack.connection import Connection
    from openstack.image.v2._proxy import Proxy
    from openstack.image.v2.image import Image
    from openstack.image.v2.member import Member
    from requests import Response

UPLOAD_TIMEOUT = 86400.0  # seconds; images are large, and lines may be slow
ACTIVE_WITHIN = 600.0  # seconds that Glance may take for what it has got
TRIES = 3
DISK_FORMATS = ("qcow2", "raw", "vmdk", "vdi", "vhd", "vhdx", "iso")
SIGNATURES = {
    0: {
        b"QFI\xfb": "qcow2",
        b"KDMV": "vmdk",
        b"vhdxfile": "vhdx",
        b"conectix": "vhd",
        b"\x1f\x8b": "gzip",
        b"\xfd7zXZ": "xz",
        b"BZh": "bzip2",
        b"PK\x03\x04": "zip",
        b"\x28\xb5\x2f\xfd": "zstd",
    },
    64: {b"\x7f\x10\xda\xbe": "vdi"},
    0x8001: {b"CD001": "iso"},
}
RAW_NAMES = (".raw", ".img", ".dd", ".bin")


@chore("upload image {name}")
def upload(
    conn: Connection,
    path: str | os.PathLike[str],
    name: str,
    *,
    disk_format: str | None = None,
    properties: Mapping[str, str] | None = None,
    min_disk: int = 0,
    tags: Sequence[str] = (),
    visibility: str = "private",
    timeout: float = UPLOAD_TIMEOUT,
) -> Image:
    """The file is a private image of this project afterwards, from which servers can boot.

    disk_format: "qcow2", "raw", …; told by the file's first bytes, and raw by its name (.raw, .img)
        when they say nothing. A compressed file is to be unpacked first.
    properties: notes for the image, such as {"os_distro": "ubuntu"}.
    min_disk: the root disk, in GB, that a server needs for it.
    tags: words by which to find it again.
    visibility: only "private": Pouta lets nobody publish images. `share` gives it to a project.
    timeout: seconds for all of it.

    Its checksum is compared with the cloud's. When it fails nothing is left behind. An image of
    your own needs cloud-init. `POST /v2/images`, `PUT /v2/images/{id}/file`.
    """
    file = streams.existing_file(path)
    disk_format = _format_of(file, disk_format)
    if visibility != "private":
        raise Refused(
            f"Only private images can be uploaded, not {visibility} ones.",
            hint="pouta.images.share(conn, image, project_id) lets another project use it.",
        )
    _find.check_plain_name(IMAGE.noun, name)
    with Made(conn, tags=tags) as made:
        image: Image = made.create(
            _NEW_IMAGE,
            name=name,
            disk_format=disk_format,
            container_format="bare",
            visibility="private",
            min_disk=min_disk,
            **(properties or {}),
        )
        before = file.stat()
        with streams.Meter(f"image '{name}' uploaded", before.st_size) as meter:
            data = streams.Part(file, meter, algorithms=("sha512", "md5"))
            _send(conn, image, data)
        now = file.stat()
        if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise Failed(f"{file} changed while it was read.", hint="Try again once it is at rest.")
        (image,) = waiting.for_all(conn, IMAGE, [image], IMAGE.is_settled, timeout=ACTIVE_WITHIN)
        algorithm, expected = _digest(image)
        if image.status != "active" or data.digest(algorithm) != expected:
            raise Failed(
                f"Image '{name}' did not reach the cloud as it is in {file}: it is {image.status}, "
                "or its checksum is another.",
                hint="Try again.",
            )
        return image


@chore("download image {image}")
def download(
    conn: Connection,
    image: str | Image,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
) -> Path:
    """The image, or snapshot of a server, is a file of this machine afterwards; its path.

    path: of the file, or a folder that is there: the file is named like the image then.
    overwrite: replace a file that is there.

    Its checksum is compared with the cloud's. What has come is in a file with `.part` behind its
    name; a download that broke off goes on from there when it is called again.
    `GET /v2/images/{id}/file`.
    """
    file = files.path_of(path)
    found = _find.now(conn, IMAGE, image)
    if found.status != "active":
        raise Refused(f"Image '{found.name}' is {found.status}: there is nothing to download yet.")
    if not found.size:
        raise Refused(
            f"Image '{found.name}' holds no data: it is the snapshot of a server that boots from a "
            "volume.",
            hint="Its data are in volume snapshots: pouta.volumes.create(conn, name, snapshot=…).",
        )
    if file.is_dir():
        name = printable(f"{found.name or found.id}.{found.disk_format}".replace("/", "_"))
        file = files.path_of(file / name)
    streams.check_target(file, overwrite=overwrite)

    def ask(start: int) -> Response:
        from openstack.exceptions import raise_from_response

        headers = {"Accept": "application/octet-stream"}
        if start:
            headers["Range"] = f"bytes={start}-"
        url = f"/images/{found.id}/file"
        # A log would read all of it into memory.
        answer = conn.image.get(url, stream=True, log=False, headers=headers)
        raise_from_response(answer)
        return answer

    algorithm, expected = _digest(found)

    def is_right(part: Path) -> bool:
        return not expected or streams.digest_of(part, algorithm) == expected

    with streams.Meter(f"image '{found.name}' downloaded", found.size) as meter:
        return streams.save(
            ask, file, meter, size=found.size, is_right=is_right, overwrite=overwrite
        )


@chore("share image {image} with project {project_id}")
def share(conn: Connection, image: str | Image, project_id: str) -> Image:
    """The other project may use the image once somebody there has accepted it; billed to this one.

    project_id: the project's ID, 32 digits, which `pouta.identity.whoami` tells its members.

    There: `pouta.images.accept(conn, image_id)`. Shared already, nothing changes.
    `PATCH /v2/images/{id}`, `POST /v2/images/{id}/members`.
    """
    found = _own(conn, image, "shared")
    if not _find.is_id(project_id):
        raise InvalidInput(
            f"A project is named by its ID here, not by '{project_id}'.",
            hint="Somebody there finds it with pouta.identity.whoami(conn).project_id.",
        )
    if project_id == found.owner_id:
        raise InvalidInput("That is the project that has the image.")
    if found.visibility == "public":
        raise Refused(f"Image '{found.name}' is public: every project may use it already.")
    if found.visibility != "shared":
        _change(conn, found, visibility="shared")

    def there() -> Sequence[Any]:
        return [m for m in _glance(conn).members(found.id) if m.member_id == project_id]

    try:
        if not there():
            once(
                f"image '{found.name}' shared",
                lambda: _glance(conn).add_member(found.id, member=project_id),
                there,
                anyones=True,
            )
    except BaseException:
        if found.visibility != "shared":
            _change(conn, found, visibility=found.visibility)
        raise
    progress.say(
        f"To use it, somebody in the other project accepts it: "
        f"pouta.images.accept(conn, '{found.id}')"
    )
    return waiting.fetch(conn, IMAGE, found)


@chore("accept image {image}")
def accept(conn: Connection, image: str | Image) -> Image:
    """The image that another project shares with this one is in its list of images afterwards.

    image: its ID, or its name if it is the only one offered by that name.

    Accepted already, nothing changes. `PUT /v2/images/{id}/members/{project_id}`.
    """
    id = image if isinstance(image, str) else image.id
    if not _find.is_id(id):
        offered = _glance(conn).images(visibility="shared", member_status="all")
        id = _find.pick("shared image", id, [*offered]).id
    try:
        _glance(conn).update_member(_project_id(conn), id, status="accepted")
    except Exception as error:
        if status_of(error) != 404:
            raise
        raise NotFound(
            f"No image '{id}' is shared with this project.",
            hint="Was it shared with this project's ID, in the same cloud? It is "
            f"{_project_id(conn)}.",
        ) from error
    return waiting.fetch(conn, IMAGE, id)


@chore("stop sharing image {image}")
def unshare(conn: Connection, image: str | Image, project_id: str) -> Image:
    """The other project can no longer use the image; servers that it has made of it stay.

    Not shared with it, nothing changes. `DELETE /v2/images/{id}/members/{project_id}`.
    """
    found = _own(conn, image, "unshared")
    users = {member.member_id for member in _glance(conn).members(found.id)}
    if project_id in users:
        _glance(conn).remove_member(project_id, found.id, ignore_missing=True)
    if not users - {project_id}:
        try:
            _change(conn, found, visibility="private")
        except Exception as error:
            raise Failed(
                f"Project {project_id} cannot use image '{found.name}' any more, but the image is "
                "still marked as shared.",
                hint="pouta.images.unshare(conn, image, project_id) again mends that.",
                resource=found,
            ) from error
    return waiting.fetch(conn, IMAGE, found)


@chore("list the members of image {image}")
def members(conn: Connection, image: str | Image) -> Table[Member]:
    """The projects with which an image is shared, and whether they have accepted it.

    `GET /v2/images/{id}/members`.
    """
    found = _find.now(conn, IMAGE, image)
    shared = [*_glance(conn).members(found.id)] if found.visibility == "shared" else []
    columns: Columns = {"project": "member_id", "status": "status", "since": "created_at"}
    return Table(shared, columns, "member")


@chore("delete image {image}")
def delete(
    conn: Connection, image: str | Image, *, even_if_shared: bool = False, protected: bool = False
) -> None:
    """The image is gone afterwards; servers made of it stay, but cannot be rebuilt from it.

    even_if_shared: delete it although other projects have accepted it.
    protected: delete it although it is protected from that.

    Refused for an image of another project. `DELETE /v2/images/{id}`.
    """
    found = _own(conn, image, "deleted")
    if found.is_protected and not protected:
        raise Refused(
            f"Image '{found.name}' is protected from being deleted.",
            hint="Somebody meant to keep it. To delete it all the same: protected=True.",
            resource=found,
        )
    users = [m.member_id for m in members(conn, found) if m.status == "accepted"]
    if users and not even_if_shared:
        raise Refused(
            f"Image '{found.name}' is used by the projects {', '.join(users)}, which would lose "
            "it.",
            hint="To delete it all the same: even_if_shared=True.",
            resource=found,
        )
    if found.is_protected:
        _change(conn, found, is_protected=False)
    deletion.delete(conn, IMAGE, [found])


@dataclass(frozen=True)
class _NewImage(Kind[Any]):
    """Glance lets the caller choose an image's ID, so that is the mark of its create.

    (openstacksdk's `create_image` takes a name that is also a file's for that file.)
    """

    def create(self, conn: Connection, **attributes: Any) -> Any:
        from openstack.exceptions import raise_from_response
        from openstack.image.v2.image import Image

        answer = conn.image.post("/images", json=attributes)
        raise_from_response(answer)
        known = {name: attributes[name] for name in ("id", "name", "disk_format")}
        return Image.existing(connection=conn, status="queued", **known)

    def noted(self, attributes: dict[str, Any], mark: str, tags: Sequence[str]) -> dict[str, Any]:
        return {**attributes, "id": _id_for(mark), "tags": [*tags]}

    def marked(self, conn: Connection, mark: str) -> Sequence[Any]:
        return self.present(conn, [_id_for(mark)])


_NEW_IMAGE = _NewImage("image", "image", "image")


def _id_for(mark: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"pouta:{mark}"))


def _send(conn: Connection, image: Image, data: streams.Part) -> None:
    """The cloud has all of the file afterwards.

    When the answer is lost, or says that there is something already, the image is looked at: only
    one that has got nothing is sent again.
    """
    for tries_left in reversed(range(TRIES)):
        try:
            return _put(conn, image, data)
        except Exception as error:
            if status_of(error) != 409 and not is_passing(error):
                raise
            (now,) = waiting.for_all(
                conn, IMAGE, [image], _is_at_rest, timeout=ACTIVE_WITHIN, pace=waiting.BY_NOW
            )
            if now.status == "active":
                return None
            if now.status != "queued" or not tries_left:
                raise


def _put(conn: Connection, image: Image, data: streams.Part) -> None:
    from openstack.exceptions import raise_from_response

    answer = conn.image.put(
        f"/images/{image.id}/file",
        data=data,
        headers={"Content-Type": "application/octet-stream", "Accept": ""},
        timeout=streams.ANSWER_TIMEOUT,
    )
    if answer.status_code == 415:  # newer Glances look into it
        raise InvalidInput(
            f"The cloud found that {data.path} is not a whole, plain {image.disk_format} image.",
            hint="`qemu-img check FILE` may tell more.",
        )
    raise_from_response(answer)


def _format_of(file: Path, given: str | None) -> str:
    """The disk format of a file, or InvalidInput: a wrong one gives an image that cannot boot."""
    if given is not None and given not in DISK_FORMATS:
        raise InvalidInput(f"'{given}' is no disk format. They are: {', '.join(DISK_FORMATS)}.")
    if not file.stat().st_size:
        raise InvalidInput(f"The file {file} is empty.")
    seen = _signature(file)
    if seen and seen not in DISK_FORMATS:
        raise InvalidInput(
            f"{file} is compressed ({seen}): no server can boot from that.", hint="Unpack it first."
        )
    if given and seen and given != seen:
        raise InvalidInput(f"{file} is {seen}, not {given}: no server could boot from it.")
    if given and given not in ("raw", seen):
        raise InvalidInput(f"{file} is not {given}: it does not begin like that.")
    if not seen and not given and file.suffix.lower() not in RAW_NAMES:
        raise InvalidInput(
            f"What kind of image {file} is cannot be told.",
            hint='Say it: disk_format="raw". `qemu-img info FILE` tells.',
        )
    return given or seen or "raw"


def _signature(file: Path) -> str | None:
    with file.open("rb") as opened:
        for offset, known in SIGNATURES.items():
            opened.seek(offset)
            start = opened.read(16)
            for signature, format in known.items():
                if start.startswith(signature):
                    return format
    return None


def _digest(image: Image) -> tuple[str, str]:
    if image.hash_algo and image.hash_value:
        return image.hash_algo, image.hash_value
    return "md5", image.checksum or ""


def _is_at_rest(image: Image) -> bool:
    return IMAGE.is_settled(image) or image.status == "queued"


def _change(conn: Connection, image: Image, **wanted: Any) -> None:
    """The image is so afterwards. A change of an image is not repeated by itself."""

    def there() -> Sequence[Any]:
        now = IMAGE.get(conn, image.id)
        return [now] if all(getattr(now, name) == value for name, value in wanted.items()) else []

    once(
        f"change of image '{image.name}'",
        lambda: _glance(conn).update_image(image.id, **wanted),
        there,
    )


def _own(conn: Connection, image: str | Image, done: str) -> Image:
    """An image of this project: others' can only be used."""
    found = _find.now(conn, IMAGE, image)
    if found.owner_id != _project_id(conn):
        whose = "is everybody's" if found.visibility == "public" else "is another project's"
        raise Refused(
            f"Image '{found.name}' {whose}: it cannot be {done} from here.", resource=found
        )
    return found


def _glance(conn: Connection) -> Proxy:
    """For the type checker: openstacksdk's own type allows for Glance v1 as well."""
    return cast("Proxy", conn.image)


def _project_id(conn: Connection) -> str:
    return str(conn.current_project_id)
