"""Volumes as they were at one moment, kept by the cloud. Cinder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pouta import deletion, waiting
from pouta import find as _find
from pouta.concurrently import gather
from pouta.display import Columns, Table
from pouta.errors import Failed, Refused, chore, listed
from pouta.kinds import SNAPSHOT, VOLUME
from pouta.made import Made
from pouta.volumes.attaching import at_rest, hosts_of, not_available

if TYPE_CHECKING:
    from openstack.block_storage.v3.snapshot import Snapshot
    from openstack.block_storage.v3.volume import Volume
    from openstack.compute.v2.server import Server
    from openstack.connection import Connection

SNAPSHOT_TIMEOUT = 1800.0  # seconds


@chore("snapshot volume {volume}")
def snapshot(
    conn: Connection,
    volume: str | Volume,
    name: str,
    *,
    force: bool = False,
    tags: Sequence[str] = (),
    wait: bool = True,
    timeout: float = SNAPSHOT_TIMEOUT,
) -> Snapshot:
    """The volume's data of this moment is kept afterwards; `create(…, snapshot=…)` brings it back.

    force: take it although a running server has the volume. What the server has not yet written is
        not in it, and a database may be caught in the middle of a change. Without it, detach the
        volume or stop the server first.
    tags: words by which to find it again.

    While it exists, the volume cannot be deleted. It cannot be downloaded: make a volume of it, and
    copy the files from there. When it fails nothing is left behind.
    `POST /v3/{project_id}/snapshots`.
    """
    _find.check_name(SNAPSHOT.noun, name)
    disk = at_rest(conn, _find.now(conn, VOLUME, volume))
    check_still(conn, disk, force=force)
    with Made(conn, tags=tags) as made:
        # Cinder wants it forced for every attached volume, also when the server is off.
        taken = made.create(SNAPSHOT, name=name, volume_id=disk.id, is_forced=True)
        if not wait:
            return taken
        (ready,) = waiting.for_all(conn, SNAPSHOT, [taken], SNAPSHOT.is_settled)
        if ready.status != "available":
            raise Failed(
                f"Snapshot '{name}' went to {ready.status}.",
                hint="The cloud may be out of space: try again later.",
                resource=ready,
            )
        return ready


@chore("list volume snapshots")
def list_snapshots(
    conn: Connection, volume: str | Volume | None = None, *, tag: str | None = None
) -> Table[Snapshot]:
    """The project's volume snapshots, the oldest first, or those of one volume.

    tag: only those that carry it. `GET /snapshots/detail`.
    """
    disks = {disk.id: disk for disk in VOLUME.list(conn)}
    chosen = {} if volume is None else {"volume_id": _find.one(conn, VOLUME, volume).id}
    snapshots = SNAPSHOT.carrying(tag, SNAPSHOT.list(conn, **chosen))
    columns: Columns = {
        "name": "name",
        "GiB": "size",
        "of volume": lambda taken: getattr(disks.get(taken.volume_id), "name", taken.volume_id),
        "taken at": lambda taken: _taken_at(taken)[:19].replace("T", " "),
        "status": "status",
        "id": "id",
    }
    return Table.of(conn, SNAPSHOT, sorted(snapshots, key=_taken_at), columns)


@chore("find volume snapshot {name_or_id}")
def find_snapshot(conn: Connection, name_or_id: str | Snapshot) -> Snapshot:
    """The snapshot of that name or ID. NotFound names the closest ones, Ambiguous the IDs."""
    return _find.one(conn, SNAPSHOT, name_or_id)


@chore("delete volume snapshot {snapshot}")
def delete_snapshot(
    conn: Connection,
    snapshot: str | Snapshot,
    *,
    wait: bool = True,
    timeout: float = SNAPSHOT_TIMEOUT,
) -> None:
    """The snapshot is gone afterwards; its volume stays as it is.

    Refused where volumes that were made from it need it, as on Ceph; the refusal names them.

    `DELETE /snapshots/{id}`.
    """
    taken = _find.one(conn, SNAPSHOT, snapshot)
    deletion.delete(conn, SNAPSHOT, [taken], wait=wait)


def of_volume(conn: Connection, volume: Volume) -> Sequence[Snapshot]:
    """A volume's snapshots, the oldest first; one request."""
    return sorted(SNAPSHOT.list(conn, volume_id=volume.id), key=_taken_at)


def check_still(conn: Connection, disk: Volume, *, force: bool) -> None:
    """Refuse to copy a volume that a running server may be writing to, unless forced."""
    if disk.status not in ("available", "in-use"):
        raise not_available(disk)
    running = [host.name for host in hosts_of(conn, disk) if host.status != "SHUTOFF"]
    if running and not force:
        raise Refused(
            f"Volume '{disk.name}' is in the running server {listed(running)}: files that are "
            "being written could be broken in the copy.",
            hint="Detach it or stop the server first, or say force=True.",
            resource=disk,
        )


def check_idle(
    conn: Connection, disk: Volume, cannot: str, *, snapshots: bool = False
) -> Sequence[Snapshot]:
    """Refuse a volume that something holds on to, and name that; else return its snapshots.

    snapshots: they are no obstacle.
    """
    hosts: Sequence[Server]
    taken: Sequence[Snapshot]
    hosts, taken = gather(lambda: hosts_of(conn, disk), lambda: of_volume(conn, disk))
    if hosts and disk.status == "in-use":
        named = listed(f"{host.name} ({host.id})" for host in hosts)
        raise Refused(
            f"Volume '{disk.name}' is attached to server {named}: {cannot}.",
            hint="pouta.volumes.detach(conn, volume) first.",
            resource=disk,
        )
    if disk.status != "available" and "error" not in disk.status:
        raise not_available(disk)
    if taken and not snapshots:
        raise Refused(
            f"Volume '{disk.name}' has the snapshots {listed(t.name or t.id for t in taken)}: "
            f"{cannot}.",
            hint="pouta.volumes.delete_snapshot(conn, snapshot) first, if they can go.",
            resource=disk,
        )
    return taken


def _taken_at(taken: Snapshot) -> str:
    return str(taken.created_at or "")
