"""What gives a server another flavor or another system, and puts its disks at stake. Nova."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pouta import flavors, floating_ips, images, known_hosts, progress
from pouta.errors import InvalidInput, NotFound, Refused, chore, listed
from pouta.kinds import IMAGE
from pouta.servers.changing import (
    CHANGE_TIMEOUT,
    COPY_TIMEOUT,
    NO_ROOM,
    act,
    at_rest,
    boots_from_volume,
    change,
    check_ephemeral,
    doomed_volumes,
    flavor_name,
    has_flavor,
    off,
)

if TYPE_CHECKING:
    from openstack.compute.v2.flavor import Flavor
    from openstack.compute.v2.server import Server
    from openstack.connection import Connection
    from openstack.image.v2.image import Image

LOCAL_DISKS = ("io", "gpu", "tb")  # families whose disks are in the host itself
CONFIRMED_AFTER = "three days"  # on Pouta; docs.csc.fi, read 2026-08-21


@chore("resize server {server} to {flavor}")
def resize(
    conn: Connection,
    server: str | Server,
    flavor: str | Flavor,
    *,
    confirm: bool = True,
    other_family: bool = False,
    allow_unbootable: bool = False,
    allow_ephemeral_loss: bool = False,
    timeout: float = COPY_TIMEOUT,
) -> Server:
    """The server has this flavor afterwards, with its disk, addresses and volumes. It is off for
    some minutes meanwhile, and billed by the new flavor from then on.

    confirm: False leaves both on hand until `confirm_resize` or `revert_resize`; Pouta confirms by
        itself after three days.
    other_family: CSC advises against moving to another family (from standard to hpc.6, say), since
        data may be lost.
    allow_unbootable: resizing to or from io, gpu and tb flavors, whose disks are in the host, ends
        with "No bootable device" and a lost disk.
    allow_ephemeral_loss: the ephemeral disk is not taken along.

    Try it on a server that may be lost, or see `recreate`. A disk never becomes smaller.
    `resize`, `confirmResize`.
    """
    wanted = flavors.find(conn, flavor)
    found = at_rest(conn, server)
    if has_flavor(found, wanted):
        return confirm_resize(conn, found, timeout=timeout) if confirm else found
    check_flavor(found, wanted, other_family, allow_unbootable)
    check_ephemeral(found, "Resizing", allow_ephemeral_loss)
    resized = change(
        conn,
        found,
        "resize",
        lambda found: conn.compute.resize_server(found, wanted),
        before={"ACTIVE", "SHUTOFF"},
        after={"VERIFY_RESIZE"},
        hint=f"It is as it was. {NO_ROOM}",
    )
    if confirm:
        return confirm_resize(conn, resized, timeout=timeout)
    progress.say(
        f"See whether '{found.name}' works; then pouta.servers.confirm_resize(conn, server) or "
        f"revert_resize. Pouta confirms by itself after {CONFIRMED_AFTER}."
    )
    return resized


@chore("confirm the resize of server {server}")
def confirm_resize(
    conn: Connection, server: str | Server, *, wait: bool = True, timeout: float = CHANGE_TIMEOUT
) -> Server:
    """A resized server keeps its new flavor; there is no way back then. `confirmResize`."""
    return change(
        conn,
        at_rest(conn, server),
        "confirmResize",
        conn.compute.confirm_server_resize,
        before={"VERIFY_RESIZE"},
        after={"ACTIVE", "SHUTOFF"},
        wait=wait,
        # This action alone leaves the task state empty while it is at work.
        until=lambda now: now.status != "VERIFY_RESIZE",
    )


@chore("revert the resize of server {server}")
def revert_resize(
    conn: Connection, server: str | Server, *, wait: bool = True, timeout: float = COPY_TIMEOUT
) -> Server:
    """A server that was resized without confirming is as it was before. `revertResize`.

    What was written on it since the resize is lost.
    """
    return change(
        conn,
        at_rest(conn, server),
        "revertResize",
        conn.compute.revert_server_resize,
        before={"VERIFY_RESIZE"},
        after={"ACTIVE", "SHUTOFF"},
        wait=wait,
        always=True,
    )


@chore("rebuild server {server}")
def rebuild(
    conn: Connection,
    server: str | Server,
    *,
    image: str | Image | None = None,
    allow_data_loss: bool = False,
    wait: bool = True,
    timeout: float = COPY_TIMEOUT,
) -> Server:
    """The server starts anew from an image, with its ID, addresses, groups, key and volumes.

    image: its own when not given.
    allow_data_loss: all that is on its root disk, and on an ephemeral one, is lost; without this
        word nothing is done.

    A server that boots from a volume is refused. `rebuild`.
    """
    found = at_rest(conn, server)
    if boots_from_volume(found):
        raise Refused(
            f"Server '{found.name}' boots from a volume, which a rebuild leaves as it is.",
            hint="Launch a new server with boot_volume_size=True, and attach the old volume to it.",
            resource=found,
        )
    template = images.find(conn, image) if image is not None else own_image(conn, found)
    disk = found.flavor["disk"]
    if disk and (needed := images.disk_needed(template)) > disk:
        raise InvalidInput(
            f"Image '{template.name}' needs {needed} GB; the server's disk has {disk}."
        )
    if not allow_data_loss:
        raise Refused(
            f"Rebuilding '{found.name}' overwrites its disk with the image '{template.name}': all "
            "that is on it would be lost.",
            hint="pouta.servers.snapshot(conn, server, name) keeps it; allow_data_loss=True goes "
            "on without.",
            resource=found,
        )
    rebuilt = change(
        conn,
        found,
        "rebuild",
        lambda found: conn.compute.rebuild_server(found, image=template.id),
        before={"ACTIVE", "SHUTOFF", "ERROR"},
        after={"ACTIVE", "SHUTOFF"},
        wait=wait,
        always=True,
    )
    _tell_of_host_key(rebuilt)
    return rebuilt


@chore("rescue server {server}")
def rescue(
    conn: Connection,
    server: str | Server,
    *,
    image: str | Image | None = None,
    timeout: float = CHANGE_TIMEOUT,
) -> Server:
    """The server runs a fresh system, with its own disk beside it to be mended, until `unrescue`.

    It is stopped first. Log in as usual; its disk is then the second one: `lsblk`, and
    `sudo mount /dev/vdb1 /mnt`. The host key is another one meanwhile.

    image: the server's own when not given, which fits best. For a lost key: "cirros", whose
        password its console shows (`console_url`), but not where the disk is XFS, as AlmaLinux's
        and CentOS's are: cirros cannot read that.

    A server that boots from a volume is refused, with what to do instead. `os-stop`, `rescue`.
    """
    found = at_rest(conn, server)
    if found.status == "RESCUE":
        return found
    if boots_from_volume(found):
        raise Refused(
            f"Server '{found.name}' boots from a volume, which cannot be rescued.{_doomed(found)}",
            hint="Stop and delete the server: its volume stays. Attach the volume to another one "
            "(pouta.volumes.attach), mend it there, detach it, and launch it again: "
            f"pouta.servers.launch(conn, {found.name!r}, flavor={flavor_name(found)!r}, "
            "boot_volume=…).",
            resource=found,
        )
    template = images.find(conn, image) if image is not None else own_image(conn, found)
    with off(conn, found, stays=True) as now:
        rescued = change(
            conn,
            now,
            "rescue",
            lambda server: conn.compute.rescue_server(server, image=template.id),
            before={"SHUTOFF", "ERROR"},
            after={"RESCUE"},
        )
    progress.say(
        f"The disk of '{found.name}' is the second one in the rescue system: sudo mount /dev/vdb1 "
        "/mnt. When it is mended: pouta.servers.unrescue(conn, server)."
    )
    _tell_of_host_key(rescued)
    return rescued


@chore("unrescue server {server}")
def unrescue(
    conn: Connection, server: str | Server, *, wait: bool = True, timeout: float = CHANGE_TIMEOUT
) -> Server:
    """A rescued server runs from its own disk again. `unrescue`."""
    unrescue = conn.compute.unrescue_server
    back = act(conn, server, "unrescue", unrescue, {"RESCUE"}, {"ACTIVE"}, wait)
    _tell_of_host_key(back)
    return back


def own_image(conn: Connection, server: Server) -> Image:
    """What the server was made of, if it is still there."""
    from openstack.exceptions import NotFoundException

    try:
        return IMAGE.get(conn, server.image["id"])
    except NotFoundException as error:
        raise NotFound(
            f"The image that '{server.name}' was made of is no more: Pouta renews its images.",
            hint="Name one of the same system: image=…",
            resource=server,
        ) from error


def check_flavor(
    server: Server, wanted: Flavor, other_family: bool, allow_unbootable: bool
) -> None:
    """Refuse a resize that would end without a disk, or that CSC advises against."""
    now = flavor_name(server)
    elsewhere = (
        "pouta.servers.recreate moves a server that boots from a volume; for others, launch a "
        "snapshot of it on the new flavor, with like=server."
    )
    local = sorted(name for name in (now, wanted.name) if name.split(".")[0] in LOCAL_DISKS)
    if local and not allow_unbootable:
        raise Refused(
            f"{local[0]} has its disks in the host: after a resize the server would find no "
            "bootable device, and what is on its disks would be lost.",
            hint=f"{elsewhere} allow_unbootable=True tries it all the same.",
            resource=server,
        )
    if family(now) != family(wanted.name) and not other_family:
        raise Refused(
            f"{now} and {wanted.name} are of different families: data may be lost on the way.",
            hint=f"{elsewhere} other_family=True tries it all the same.",
            resource=server,
        )
    if not boots_from_volume(server) and wanted.disk < (server.flavor or {}).get("disk", 0):
        raise InvalidInput(
            f"A disk cannot become smaller: {wanted.name} has {wanted.disk} GB, {now} has "
            f"{server.flavor['disk']}.",
            hint=elsewhere,
        )


def family(flavor: str) -> str:
    """ "hpc.6" of "hpc.6.14core": servers move well only within it."""
    return flavor.rpartition(".")[0]


def _tell_of_host_key(server: Server) -> None:
    """Another system runs at the old address now, with a host key of its own."""
    for address in floating_ips.addresses(server):
        known_hosts.tell(address)


def _doomed(server: Server) -> str:
    """A warning about volumes that Nova deletes together with the server."""
    doomed = doomed_volumes(server)
    return f" Deleting it would delete volume {listed(doomed)} with it." if doomed else ""
