"""Volumes given to another project of the same cloud. Cinder."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pouta import find as _find
from pouta import waiting
from pouta.errors import (
    Failed,
    InvalidInput,
    NotFound,
    Refused,
    chore,
    status_of,
    what_the_cloud_said,
)
from pouta.kinds import CALL, TAGS, VOLUME
from pouta.made import once
from pouta.volumes.attaching import at_rest, settled
from pouta.volumes.snapshots import check_idle, of_volume

if TYPE_CHECKING:
    from openstack.block_storage.v3.volume import Volume
    from openstack.connection import Connection

CHANGE_TIMEOUT = 300.0  # seconds


@dataclass(frozen=True)
class Transfer:
    """An offer of a volume to whoever has its `auth_key`. Its repr hides that."""

    id: str
    name: str
    volume_id: str
    auth_key: str = field(repr=False)


@chore("offer volume {volume} to another project")
def transfer(conn: Connection, volume: str | Volume, *, name: str | None = None) -> Transfer:
    """The volume waits to be taken by another project of this cloud, with its snapshots.

    Give the `id` and the `auth_key` of what is returned to somebody there, in secret: who has them
    can take the volume, with `pouta.volumes.accept(conn, id, auth_key)`. The key cannot be read
    again. Until then the volume can only be looked at; `cancel_transfer` takes the offer back.

    Refused while it is attached. `POST /volume-transfers`.
    """
    if name is not None:
        _find.check_name("transfer", name)
    disk = at_rest(conn, _find.now(conn, VOLUME, volume))
    check_idle(conn, disk, "it cannot be given away", snapshots=True)

    def ask() -> Any:
        return conn.block_storage.create_transfer(volume_id=disk.id, name=name or disk.name)

    def offers_without_key() -> Sequence[Any]:
        # The key comes only with the answer, so an offer whose answer was lost is of no use.
        for offer in _offers(conn, disk):
            conn.block_storage.delete_transfer(offer)
        return []

    (offer,) = once(f"transfer of volume '{disk.name}'", ask, offers_without_key)
    return Transfer(offer.id, offer.name or "", disk.id, offer.auth_key)


@chore("take volume of transfer {transfer}")
def accept(
    conn: Connection,
    transfer: str | Transfer,
    auth_key: str | None = None,
    *,
    timeout: float = CHANGE_TIMEOUT,
) -> Volume:
    """The offered volume belongs to the Connection's project afterwards, which pays for it.

    transfer: its ID with the `auth_key`, or all of what `transfer` returned.

    The tags of the project that gave it away are dropped.

    `POST /volume-transfers/{id}/accept`.
    """
    from openstack.exceptions import HttpException

    given = transfer if isinstance(transfer, Transfer) else None
    id, key = (given.id, given.auth_key) if given else (str(transfer), auth_key)
    if not key:
        raise InvalidInput("The transfer's auth_key is needed, which came with its ID.")
    if not _find.is_id(id):  # perhaps the key, so it is not quoted
        raise InvalidInput("A transfer is given by its ID, then its auth_key.")

    def ask() -> str:
        return str(conn.block_storage.accept_transfer(id, key).volume_id)

    # Who has only its ID cannot ask which volume it is: then it is the one that is new here.
    before = set() if given else {disk.id for disk in VOLUME.list(conn)}

    def there() -> Sequence[str]:
        now = {disk.id for disk in VOLUME.list(conn)}
        new = [*(now & {given.volume_id} if given else now - before)]
        return new if len(new) == 1 else []

    try:
        (volume_id,) = once("transfer accepted", ask, there)
    except HttpException as error:
        if why := _why_not_accepted(error, id):
            raise why from error
        raise
    taken = waiting.fetch(conn, VOLUME, volume_id)
    (volume,) = waiting.for_all(conn, VOLUME, [taken], settled)
    _forget_tags(conn, volume)
    return waiting.fetch(conn, VOLUME, volume)


@chore("move volume {volume} to another project")
def move(
    conn: Connection, volume: str | Volume, to: Connection, *, timeout: float = CHANGE_TIMEOUT
) -> Volume:
    """The volume belongs to the project of the Connection `to` afterwards, with its snapshots.

    That project pays for it from then on. Both are in one cloud, and you are logged in to both; to
    give it to somebody else, see `transfer`. When it cannot be taken there it stays where it is.

    Refused while it is attached. `POST /volume-transfers`, `/volume-transfers/{id}/accept`.
    """
    if conn.current_project_id == to.current_project_id:
        raise InvalidInput(
            "Both connections lead to the same project.",
            hint="One openrc file, or one cloud in clouds.yaml, leads to one project.",
        )
    offer = transfer(conn, volume)
    try:
        return accept(to, offer, timeout=timeout)
    except BaseException:
        conn.block_storage.delete_transfer(offer.id, ignore_missing=True)
        raise


@chore("take back the offer of volume {volume}")
def cancel_transfer(conn: Connection, volume: str | Volume) -> Volume:
    """The volume is no more offered to another project; not offered at all, nothing changes.

    `DELETE /volume-transfers/{id}`.
    """
    disk = _find.now(conn, VOLUME, volume)
    for offer in _offers(conn, disk):
        conn.block_storage.delete_transfer(offer)
    return waiting.fetch(conn, VOLUME, disk)


def _forget_tags(conn: Connection, volume: Volume) -> None:
    """The marks and tags of the other project: a clean-up by tag here is not about this volume."""
    from openstack.exceptions import NotFoundException, SDKException

    here: Sequence[Any] = [volume]
    try:
        here = [volume, *of_volume(conn, volume)]
        for thing in here:
            for key in {CALL, TAGS} & {*(thing.metadata or {})}:
                with suppress(NotFoundException):  # made again, as the answer was lost
                    thing.delete_metadata_item(conn.block_storage, key)
    except SDKException as error:
        raise Failed(
            f"Volume '{volume.name}' is in this project now, with its snapshots, but may still "
            f"have tags of the other project: {what_the_cloud_said(error)}",
            hint=f"To remove them: volume.delete_metadata_item(conn.block_storage, {TAGS!r}).",
            resource=here,
        ) from error


def _offers(conn: Connection, disk: Volume) -> Sequence[Any]:
    return [o for o in conn.block_storage.transfers() if o.volume_id == disk.id]


def _why_not_accepted(error: Exception, id: str) -> Refused | NotFound | None:
    said = what_the_cloud_said(error)
    if status_of(error) == 404:
        return NotFound(
            f"There is no transfer '{id}'.",
            hint="Was it accepted already (pouta.volumes.list), or taken back? Both projects must "
            "be in the same cloud.",
        )
    if status_of(error) == 400 and "auth" in said.lower():
        return Refused(f"The auth_key does not fit the transfer '{id}'.")
    return None
