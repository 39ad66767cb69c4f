"""Volumes into servers and out of them, one or all at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pouta import deadline, progress, waiting
from pouta import find as _find
from pouta.concurrently import gather, meet
from pouta.errors import Ambiguous, Failed, PoutaError, Refused, TimedOut, chore, listed
from pouta.kinds import SERVER, VOLUME
from pouta.made import once
from pouta.volumes.mounting import device_path

if TYPE_CHECKING:
    from openstack.block_storage.v3.volume import Volume
    from openstack.compute.v2.server import Server
    from openstack.connection import Connection

ATTACH_TIMEOUT = 300.0  # seconds
FIRST_DISKS = {"/dev/vda", "/dev/sda", "/dev/xvda", "/dev/hda"}
SHELVED = {"SHELVED", "SHELVED_OFFLOADED"}


@chore("attach volume {volume} to server {server}")
def attach(
    conn: Connection,
    server: str | Server,
    volume: str | Volume,
    *,
    wait: bool = True,
    timeout: float = ATTACH_TIMEOUT,
) -> Volume:
    """The volume is a disk of the server afterwards; attached already, nothing changes.

    In the server it is at `device_path(volume)`, which stays the same; /dev/vdb may be another disk
    after the next start. `mount_script` makes it a folder.

    Refused when it is attached elsewhere, unless its type is for several servers at once: then it
    needs a cluster file system (GFS2, OCFS2), for two servers destroy an ext4 or xfs.
    `POST /servers/{id}/os-volume_attachments`. (openstacksdk's `attach_volume` cannot attach to a
    second server, and does not notice when attaching fails.)
    """
    host: Server
    disk: Volume
    host, disk = gather(
        lambda: _find.one(conn, SERVER, server), lambda: _find.now(conn, VOLUME, volume)
    )
    disk = at_rest(conn, disk)
    if host.id in attached_to(disk):
        return disk
    check_free(disk)
    if attached_to(disk):
        progress.say(
            f"Volume '{disk.name}' is in several servers now. An ext4 or xfs on it would be "
            "destroyed: it needs a cluster file system, GFS2 or OCFS2."
        )
    ask_to_attach(conn, host, disk)
    if not wait:
        return waiting.fetch(conn, VOLUME, disk)
    (disk,) = wait_until_attached(conn, [disk], [host])
    progress.say(f"In '{host.name}' the volume '{disk.name}' is {device_path(disk)}")
    return disk


@chore("detach volume {volume}")
def detach(
    conn: Connection,
    volume: str | Volume,
    server: str | Server | None = None,
    *,
    require_stopped: bool = False,
    wait: bool = True,
    timeout: float = ATTACH_TIMEOUT,
) -> Volume:
    """The volume is free afterwards, its data kept; free already, nothing changes.

    Unmount it in the server first (`sudo umount …`, and `cryptsetup luksClose` where it is
    encrypted): what is not yet written is lost otherwise.

    server: needed only when the volume is attached to several.
    require_stopped: refuse while the server runs, where nobody can tell whether it is unmounted.

    Refused for the disk that a server boots from.
    `DELETE /servers/{id}/os-volume_attachments/{volume_id}`.
    """
    disk: Volume
    disk, _ = gather(lambda: _find.now(conn, VOLUME, volume), lambda: meet(conn, "compute"))
    hosts = hosts_of(conn, disk)
    if server is not None:
        wanted = _find.one(conn, SERVER, server).id
        hosts = [host for host in hosts if host.id == wanted]
    if not hosts and server is None and (unknown := attached_to(disk)):
        raise Failed(
            f"Volume '{disk.name}' is attached to {listed(unknown)}, which is no server of this "
            "project any more.",
            hint="cloud-support@csc.fi can free it.",
            resource=disk,
        )
    if not hosts:
        return disk
    if len(hosts) > 1:
        names = listed(host.name for host in hosts)
        raise Ambiguous(
            f"Volume '{disk.name}' is attached to several servers: {names}.",
            hint="Say from which to take it: server=…",
        )
    check_can_leave(disk, hosts, require_stopped=require_stopped)
    return take_out(conn, disk, hosts[0], wait=wait)


def take_out(
    conn: Connection,
    disk: Volume,
    host: Server,
    *,
    wait: bool = True,
) -> Volume:
    """Take a volume out of a server that was checked to let go of it."""
    if host.status == "ACTIVE":
        progress.say(
            f"Taking volume '{disk.name}' out of the running server '{host.name}': if it is still "
            "mounted there, what is not yet written is lost."
        )

    def leaving() -> Sequence[Volume]:
        now = VOLUME.get(conn, disk.id)
        return [now] if now.status == "detaching" or host.id not in attached_to(now) else []

    once(
        f"volume '{disk.name}' out of server '{host.name}'",
        lambda: conn.compute.delete_volume_attachment(host, disk.id, ignore_missing=True),
        leaving,
        anyones=True,
    )
    if not wait:
        return waiting.fetch(conn, VOLUME, disk)

    def free(now: Volume) -> bool:
        if host.status in SHELVED:
            return bool(now.status != "reserved")
        return host.id not in attached_to(now) or now.status == "in-use"

    (now,) = waiting.for_all(conn, VOLUME, [disk], free)
    if host.id in attached_to(now):
        raise Failed(
            f"Volume '{disk.name}' could not be detached: the server does not let go of it.",
            hint="Unmount it in the server, or stop the server, and try again.",
            resource=now,
        )
    return now


@contextmanager
def taken_out(conn: Connection, disk: Volume, hosts: Sequence[Server]) -> Iterator[None]:
    """The volume is out of its servers in the block, and in them again after it.

    When the block fails it is put back too, and the error says where it is. Only a TimedOut leaves
    it out: the cloud is still at work on it.
    """
    out: list[Server] = []
    try:
        for host in hosts:
            out.append(host)
            take_out(conn, disk, host)
        yield
    except BaseException as error:
        where = _still_out(out) if isinstance(error, TimedOut) else _put_back(conn, disk, out)
        if isinstance(error, PoutaError):
            error.hint = f"{error.hint} {where}".strip()
        elif where:
            error.add_note(f"pouta: {where}")
        raise
    for host in out:
        try:
            attach(conn, host, disk)
        except TimedOut:
            raise
        except PoutaError as error:
            raise Failed(
                f"Volume '{disk.name}' was taken out of server '{host.name}' and could not be put "
                f"back: {error.message}",
                hint=error.hint,
                resource=[disk, host],
            ) from error


def _put_back(conn: Connection, disk: Volume, hosts: Sequence[Server]) -> str:
    sentences = []
    for host in hosts:
        try:
            with deadline.suspended():
                now = attach(conn, host, disk)
        except PoutaError as error:
            sentences.append(f"It is not in server '{host.name}' any more: {error.message}")
        else:
            sentences.append(f"It is in server '{host.name}' as before, with {now.size} GiB.")
    return " ".join(sentences)


def _still_out(hosts: Sequence[Server]) -> str:
    if not hosts:
        return ""
    names = listed(host.name for host in hosts)
    return f"It was taken out of {names}: once it is available, attach it again."


# What attaching rests on; several volumes at once


def attached_to(volume: Volume) -> Sequence[str]:
    """The IDs of the servers that have this volume."""
    return [attachment["server_id"] for attachment in volume.attachments or []]


def hosts_of(conn: Connection, volume: Volume) -> Sequence[Server]:
    """The servers that have this volume, or keep it for when they are unshelved; one request.

    Cinder lists no attachment of a shelved server: its volumes are only "reserved".
    """
    known = attached_to(volume)
    if not known and volume.status == "available":
        return []
    surely_all = known and not volume.is_multiattach
    return [
        server
        for server in (SERVER.present(conn, known) if surely_all else SERVER.list(conn))
        if any(disk.id == volume.id for disk in server.attached_volumes or [])
    ]


def at_rest(conn: Connection, disk: Volume) -> Volume:
    """The volume once nothing is being done to it. A shelved server's volume is at rest too."""
    if settled(disk):
        return disk
    if disk.status == "reserved" and any(h.status in SHELVED for h in hosts_of(conn, disk)):
        return disk
    (disk,) = waiting.for_all(conn, VOLUME, [disk], settled)
    return disk


def ask_to_attach(conn: Connection, server: Server, volume: Volume) -> None:
    """Ask for a volume to be put into a server; nothing is waited for."""
    once(
        f"volume '{volume.name}' in server '{server.name}'",
        lambda: conn.compute.create_volume_attachment(server, volume_id=volume.id),
        lambda: [a for a in conn.compute.volume_attachments(server) if a.volume_id == volume.id],
    )


def wait_until_attached(
    conn: Connection,
    volumes: Sequence[Volume],
    servers: Sequence[Server],
) -> Sequence[Volume]:
    """The volumes once each is in its server. Raises Failed when one came back free."""
    seen = waiting.for_all(conn, VOLUME, volumes, settled)
    for volume, server in zip(seen, servers, strict=True):
        if server.id not in attached_to(volume):
            raise Failed(
                f"Volume '{volume.name}' did not get into server '{server.name}': "
                f"it is {volume.status} again.",
                hint="Is the server running well? pouta.servers.console_log(conn, server)",
                resource=volume,
            )
    return seen


def check_free(volume: Volume) -> None:
    """Refuse a volume that cannot be attached now."""
    if volume.status == "available" or (volume.status == "in-use" and volume.is_multiattach):
        return
    if hosts := attached_to(volume):
        raise Refused(
            f"Volume '{volume.name}' is attached to server {listed(hosts)}.",
            hint="pouta.volumes.detach(conn, volume) first. Only the type standard.multiattach can "
            "be in several servers at once, and it needs a cluster file system such as GFS2 or "
            "OCFS2: two servers destroy an ext4 or xfs.",
            resource=volume,
        )
    raise not_available(volume)


def check_can_leave(
    disk: Volume, hosts: Sequence[Server], *, require_stopped: bool = False
) -> None:
    """Refuse to take a volume out of servers that cannot, or should not, let go of it."""
    for host in hosts:
        if boots_from(host, disk):
            raise Refused(
                f"Server '{host.name}' boots from volume '{disk.name}', and cannot be without it.",
                hint="Delete the server first; check that it keeps the volume: "
                "delete_on_termination in server.attached_volumes must be False.",
                resource=disk,
            )
        if require_stopped and host.status == "ACTIVE":
            raise Refused(
                f"Server '{host.name}' runs: if volume '{disk.name}' is mounted there, what is not "
                "yet written would be lost.",
                hint="pouta.servers.stop(conn, server) first.",
                resource=disk,
            )


def boots_from(server: Server, volume: Volume) -> bool:
    """Whether this is the server's first disk."""
    image: Any = server.image or {}
    first = any(
        a["server_id"] == server.id and a["device"] in FIRST_DISKS for a in volume.attachments or []
    )
    return first and not image.get("id")


def not_available(volume: Volume) -> Refused:
    """The refusal for a volume in a state in which it can be neither used nor changed."""
    hints = {
        "reserved": "A shelved server keeps it: unshelve the server first.",
        "awaiting-transfer": "It is offered to another project: "
        "pouta.volumes.cancel_transfer(conn, volume) takes the offer back.",
    }
    broken = "Its data may be damaged: cloud-support@csc.fi can look at it."
    return Refused(
        f"Volume '{volume.name}' is {volume.status}, not available.",
        hint=hints.get(volume.status, broken if "error" in volume.status else ""),
        resource=volume,
    )


def settled(volume: Volume) -> bool:
    """Whether nothing is being done to it."""
    return VOLUME.is_settled(volume)
