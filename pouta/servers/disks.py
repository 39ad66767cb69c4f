"""The volumes that a launch makes, and those of their names that `exist_ok` takes instead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pouta import volumes
from pouta.errors import Ambiguous, Refused, listed

if TYPE_CHECKING:
    from openstack.block_storage.v3.volume import Volume
    from openstack.image.v2.image import Image


def disk_name(server: str, number: int) -> str:
    return f"{server}-volume-{number}"


def root_name(server: str) -> str:
    return f"{server}-boot"


def there_already(
    among: Sequence[Volume], name: str, size: int, host: str | None, image: Image | None = None
) -> Volume | None:
    """The volume of this name that no server but `host` (its ID) has; None where there is none.

    Refused when it is not what would be made: of this size, and of the image, or of nothing.
    """
    free = [
        volume
        for volume in among
        if volume.name == name and _is_sound(volume) and not {*volumes.attached_to(volume)} - {host}
    ]
    mine = [volume for volume in free if host in volumes.attached_to(volume)]
    if len(found := mine or free) > 1:
        raise Ambiguous(
            f"{len(found)} volumes are called '{name}': {listed(one.id for one in found)}.",
            hint="Rename or delete those that are not meant.",
            resource=found,
        )
    for volume in found:
        if differences := [*_differences(volume, size, image)]:
            raise Refused(
                f"There is a volume '{name}' already (ID {volume.id}), and it is not what would be "
                f"made: {'; '.join(differences)}.",
                hint="Ask for what it is, rename it (conn.block_storage.update_volume(id, "
                "name=…)), or delete it with its data: "
                f"pouta.volumes.delete(conn, {volume.id!r}).",
                resource=volume,
            )
    return next(iter(found), None)


def _is_sound(volume: Volume) -> bool:
    return volume.status in ("available", "in-use") or not volumes.settled(volume)


def _differences(volume: Volume, size: int, image: Image | None) -> Iterator[str]:
    if volume.size != size:
        yield f"it has {volume.size} GiB, not {size}"
    origin = _origin(volume)
    if image is None and origin:
        yield f"it was made from {origin}, not empty"
    if image is not None and image_of(volume) != image.id:
        yield f"it was made from {origin or 'nothing'}, not from image {image.id}"


def _origin(volume: Volume) -> str:
    """What its data was copied from, "" for nothing."""
    if volume.snapshot_id:
        return f"volume snapshot {volume.snapshot_id}"
    if volume.source_volume_id:
        return f"volume {volume.source_volume_id}"
    if volume.volume_image_metadata:
        return f"image {image_of(volume) or 'of unknown ID'}"
    return ""


def image_of(volume: Volume) -> str | None:
    """The ID of the image that it was made from, by way of snapshots and copies too."""
    return (volume.volume_image_metadata or {}).get("image_id")
