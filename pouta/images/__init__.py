"""What servers boot from, who may log in to them, and how they come and go. Glance."""

from __future__ import annotations

import math
import re
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from pouta import find as _find
from pouta import handwritten
from pouta.concurrently import each
from pouta.display import Columns, Table
from pouta.errors import NotFound, chore
from pouta.images.files import accept, delete, download, members, share, unshare, upload
from pouta.kinds import IMAGE, SERVER, VOLUME

if TYPE_CHECKING:
    from openstack.block_storage.v3.volume import Volume
    from openstack.compute.v2.server import Server
    from openstack.connection import Connection
    from openstack.image.v2.image import Image

__all__ = [
    "accept",
    "delete",
    "disk_needed",
    "download",
    "find",
    "list",
    "login_user",
    "members",
    "share",
    "unshare",
    "upload",
]


@chore("list images")
def list(conn: Connection, *, tag: str | None = None) -> Table[Image]:
    """The images that this project may boot: public, its own, shared with it. `GET /v2/images`.

    tag: only those that carry it.

    Pouta renews its public images: the name stays, the ID changes. Keep the name in scripts.
    """
    columns: Columns = {
        "name": "name",
        "login user": lambda image: _user_of(image),
        "min disk GB": "min_disk",
        "size MB": lambda image: image.size and round(image.size / 1e6, 1),
        "visibility": "visibility",
        "status": "status",
    }
    ordered = sorted(IMAGE.carrying(tag, IMAGE.list(conn)), key=lambda image: image.name or "")
    return Table.of(conn, IMAGE, ordered, columns)


def disk_needed(image: Image) -> int:
    """The GiB that a disk must have to hold this image; 0 where Glance does not tell."""
    bytes_held = max(image.virtual_size or 0, image.size or 0)
    return max(image.min_disk or 0, math.ceil(bytes_held / 1024**3))


@chore("find image {name_or_id}")
def find(conn: Connection, name_or_id: str | Image) -> Image:
    """The image of that name or ID. NotFound names the closest ones. `GET /v2/images`."""
    return _find.one(conn, IMAGE, name_or_id)


@chore("tell the login user of {image_or_server}")
def login_user(conn: Connection, image_or_server: str | Image | Server) -> str:
    """Who may log in over SSH to a server of this image: "ubuntu", "almalinux", "cloud-user", …

    image_or_server: an image's name, ID or resource, or a server as a resource or by its name.

    Told by the image's name, its os_distro, or the image that a snapshot was made of; else by the
    server's console log, where cloud-init names the user. NotFound when none of them tells.
    """
    image, server = _image_and_server(conn, image_or_server)
    user = _user_of(image) if image else None
    if not user and image and (base := (image.properties or {}).get("base_image_ref")):
        user = _user_of(_find.one(conn, IMAGE, base)) if _find.is_id(base) else None
    if not user and server:
        user = _user_in_console_log(conn, server)
    if not user:
        name = getattr(image or server, "name", image_or_server)
        raise NotFound(
            f"The login user of '{name}' is not known.",
            hint="Usual ones: ubuntu, almalinux, cloud-user, cirros.",
        )
    return user


def _image_and_server(
    conn: Connection, given: str | Image | Server
) -> tuple[Image | None, Server | None]:
    if isinstance(given, str):
        try:
            return find(conn, given), None
        except NotFound:
            given = _find.one(conn, SERVER, given)
    if given.resource_key == "server":
        server = cast("Server", given)
        return _image_of(conn, server), server
    return _find.one(conn, IMAGE, cast("Image", given)), None


def _image_of(conn: Connection, server: Server) -> Image | None:
    """What a server was made of; None when it is no more. A boot volume remembers its image."""
    id = (server.image or {}).get("id") or _image_of_boot_volume(conn, server)
    return next((image for image in IMAGE.list(conn) if image.id == id), None)


def _image_of_boot_volume(conn: Connection, server: Server) -> str | None:
    """What the first of its disks was made of; further ones may be of other images."""
    disks = each(lambda attached: VOLUME.get(conn, attached.id), server.attached_volumes)
    first = min(disks, key=lambda disk: _device(disk, server), default=None)
    return (first.volume_image_metadata or {}).get("image_id") if first else None


def _device(disk: Volume, server: Server) -> str:
    devices = (a["device"] for a in disk.attachments or [] if a["server_id"] == server.id)
    return next(devices, None) or "~"  # behind all others


def _user_of(image: Image) -> str | None:
    known = _login_users()
    for prefix, user in known["names"].items():
        if (image.name or "").casefold().startswith(prefix.casefold()):
            return str(user)
    return known["distros"].get(image.os_distro or "")  # type: ignore[no-any-return]


def _user_in_console_log(conn: Connection, server: Server) -> str | None:
    """cloud-init prints a table of authorized keys, with the user in its heading."""
    log = str(conn.compute.get_server_console_output(server)["output"])
    found = re.search(r"ci-info: \++Authorized keys from \S+ for user (\S+?)\++", log)
    return found[1] if found else None


@cache
def _login_users() -> dict[str, Any]:
    return handwritten.shipped("images.yaml")  # type: ignore[no-any-return]
