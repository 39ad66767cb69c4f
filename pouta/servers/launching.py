"""Launching: from names to servers that run, that answer, and that hold their volumes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pouta import (
    floating_ips,
    keypairs,
    known_hosts,
    prices,
    progress,
    volumes,
    waiting,
)
from pouta import security_groups as groups
from pouta.concurrently import each, gather
from pouta.deletion import Deletion
from pouta.display import Table
from pouta.errors import InvalidInput, chore
from pouta.kinds import FLOATING_IP, SERVER, VOLUME
from pouta.made import Made
from pouta.servers import adopting, security, states
from pouta.servers.disks import disk_name, root_name
from pouta.servers.planning import Plan, rehearsable
from pouta.servers.resolving import (
    LAUNCH_TIMEOUT,
    Resolved,
    Wish,
    encoded,
    intent,
    ready,
    root_there,
    sizes,
    there_already,
)

if TYPE_CHECKING:
    from openstack.block_storage.v3.volume import Volume
    from openstack.compute.v2.flavor import Flavor
    from openstack.compute.v2.server import Server
    from openstack.connection import Connection
    from openstack.image.v2.image import Image
    from openstack.network.v2.floating_ip import FloatingIP
    from openstack.network.v2.network import Network
    from openstack.network.v2.security_group import SecurityGroup


@rehearsable
@chore("launch server {name}")
def launch(
    conn: Connection,
    name: str,
    *,
    image: str | Image | None = None,
    flavor: str | Flavor | None = None,
    like: str | Server | None = None,
    key_name: str | bool | None = None,
    network: str | Network | None = None,
    fixed_ip: str | None = None,
    security_groups: Sequence[str | SecurityGroup] = (),
    ssh_from: str | None = None,
    allow_world: bool = False,
    floating_ip: bool | str | FloatingIP = False,
    volumes: Sequence[int | str | Volume] = (),
    boot_volume_size: int | bool | None = None,
    boot_volume: str | Volume | None = None,
    user_data: str | bytes | None = None,
    server_group: str | None = None,
    availability_zone: str | None = None,
    tags: Sequence[str] = (),
    exist_ok: bool = False,
    wait: bool = True,
    timeout: float = LAUNCH_TIMEOUT,
    dry_run: bool = False,
) -> Server:
    """A server that is up and that you can log in to. It is billed until it is deleted or shelved.

    image, flavor: what it boots from, and its size.
    like: a server whose flavor, key pair, network and security groups it gets where you give none:
        for an image that is a snapshot of it. Its floating IP and volumes stay where they are.
    key_name: a key pair. None ensures the user's own key of `~/.ssh` (or makes one); False says
        that nobody shall log in with a key. A server gets its key now or never.
    network: the project's own when not given.
    fixed_ip: its address in that network, "192.168.1.20" say, instead of any that is free. It is
        free again when the server is deleted.
    security_groups: these, besides `default`, which it always has.
    ssh_from: who may reach port 22: a CIDR, or "my-ip" for this machine's public address.
    allow_world: without it, an `ssh_from` that is the whole internet is refused.
    floating_ip: True allocates one (0.2 BU/h on Pouta until it is released), an address is one of
        the project's. A free address is never taken unless it is named.
    volumes: a number is the size in GiB of one to be made, anything else an existing one.
    boot_volume_size: GiB; the root disk becomes a volume of its own, which outlives the server and
        is billed besides. True makes it as large as the flavor's own disk.
    boot_volume: an existing volume to boot from, in the place of an image.
    user_data: a script or `#cloud-config` text that runs at first boot, up to 64 KiB in base64.
    server_group: placement rules can be given only now.
    tags: words to find and clean up by; they go on all that is made.
    exist_ok: a server of that name is taken as it is, and given the groups, address and volumes
        that it has not, instead of refused. So are free volumes of the names that new ones would
        get: name-boot, name-volume-1, … What differs from what is asked for (flavor, image, key
        pair, network, a volume's size and source) is refused before anything is made.
    wait: False returns as soon as the cloud has accepted the server.
    timeout: seconds for all of it. When they are over TimedOut is raised, and nothing is undone.
    dry_run: nothing is made. All is looked up as for a launch, and a Plan comes back: a table of
        what would be made, its BU/h, the total, and whether the quota allows it.

    When it fails, all that this call made is removed, but for a key pair or a security group, which
    the next try needs; what could not be removed is in the exception's `leftovers`.

    Raises NotFound, Ambiguous, InvalidInput or Refused before anything is made; QuotaExceeded when
    the project has no room; Failed with the cloud's reason when the server does not come up.
    `POST /servers`, `/v3/…/volumes`, `/v2.0/floatingips`.
    """
    wish = Wish(
        image=image,
        flavor=flavor,
        like=like,
        key_name=key_name,
        network=network,
        fixed_ip=fixed_ip,
        security_groups=security_groups,
        ssh_from=ssh_from,
        allow_world=allow_world,
        floating_ip=floating_ip,
        volumes=volumes,
        boot_volume_size=boot_volume_size,
        boot_volume=boot_volume,
        user_data=user_data,
        server_group=server_group,
        availability_zone=availability_zone,
        tags=tags,
        exist_ok=exist_ok,
        wait=wait,
    )
    if dry_run:
        return _rehearse(conn, [name], wish)  # type: ignore[return-value]  # see `rehearsable`
    return _launch(conn, [name], wish, all_or_nothing=True)[0]


@rehearsable
@chore("launch {count} servers {name}", same=Wish.__dataclass_fields__)
def launch_many(
    conn: Connection,
    name: str,
    count: int,
    *,
    all_or_nothing: bool = False,
    timeout: float = LAUNCH_TIMEOUT,
    dry_run: bool = False,
    **same: Any,
) -> Table[Server]:
    """Servers name-1 to name-N, by one request where the APIs allow, waited for in one listing.

    same: what `launch` takes. Each server gets its own floating IP and its own volumes; an existing
        volume or a named address can serve only one.
    all_or_nothing: when one fails, remove all. Without it the others stay: the table shows which
        are in ERROR and why, and only when none came up the call fails.
    dry_run: nothing is made, and a Plan comes back, as from `launch`.
    """
    if not isinstance(count, int) or count < 1:
        raise InvalidInput(f"{count!r} servers? At least 1.")
    wish = Wish(**same)
    if count > 1 and isinstance(wish.floating_ip, str):
        raise InvalidInput(
            "One address cannot lead to several servers.", hint="floating_ip=True gives each one."
        )
    if count > 1 and wish.fixed_ip:
        raise InvalidInput("Several servers cannot have one address.")
    if count > 1 and not all(
        isinstance(disk, int) for disk in (*wish.volumes, wish.boot_volume or 1)
    ):
        raise InvalidInput(
            "One volume cannot be in several servers.", hint="Give sizes: each gets its own."
        )
    names = [f"{name}-{number}" for number in range(1, count + 1)]
    if dry_run:
        return _rehearse(conn, names, wish)  # type: ignore[return-value]  # see `rehearsable`
    return states.table(conn, _launch(conn, names, wish, all_or_nothing=all_or_nothing))


def _launch(
    conn: Connection, names: Sequence[str], wish: Wish, *, all_or_nothing: bool
) -> Sequence[Server]:
    plan = ready(conn, names, wish)
    adopting.check(conn, plan)
    intent(names, plan).check(plan.room)
    _prepare(conn, plan)
    with Made(conn, tags=wish.tags) as made:
        roots = _roots(made, names, plan)
        servers, disks = gather(
            lambda: _create(made, names, plan, roots), lambda: _make_disks(made, names, plan)
        )
        if not wish.wait:
            return states.now(conn, servers)
        ips = _connect(made, servers, plan)
        shown, pace = _is_up_with(ips), waiting.TOLD if ips else waiting.SERVERS
        if len(servers) > 1:
            states.wait_until_built(conn, servers)
            pace = waiting.BY_NOW
        if not any(disks.values()):
            servers = states.wait(conn, servers, shown, pace=pace)
            _judge(made, servers, ips, disks, all_or_nothing)
            return servers
        # A volume can go in before Nova has been told of the address.
        servers = states.wait(conn, servers, states.is_idle, pace=pace)
        up = _judge(made, servers, ips, disks, all_or_nothing)
        _attach(made, up, disks)
        pace = waiting.TOLD if ips else waiting.BY_NOW
        return states.wait(conn, servers, shown, pace=pace)


def _rehearse(conn: Connection, names: Sequence[str], wish: Wish) -> Plan:
    plan = ready(conn, names, wish)
    adopting.check(conn, plan)
    return intent(names, plan).shown(plan.room, prices.of(conn))


def _prepare(conn: Connection, plan: Resolved) -> None:
    """The key pair and the SSH group are there afterwards; they stay if the launch fails."""
    wish = plan.wish
    if wish.key_name is None:
        plan.keypair = keypairs.ensure_own(conn, among=plan.keypairs)
    if plan.ssh:
        name = groups.ssh_group(plan.ssh.remote_ip)
        if name not in {group.name for group in plan.known_groups}:
            security.drop_unused(conn, plan.known_groups)
        group = groups.ensure(
            conn,
            name,
            rules=[plan.ssh],
            allow_world=wish.allow_world,
            among=plan.known_groups,
        )
        plan.groups = [*plan.groups, group]


def _roots(made: Made, names: Sequence[str], plan: Resolved) -> dict[str, Volume | None]:
    """What the servers that are missing boot from, where it is a volume; by their names."""
    missing = [name for name in names if name not in plan.existing]
    size = plan.root_size
    if size is None or not missing:
        return dict.fromkeys(missing, plan.root)

    def make(name: str) -> Volume:
        disk = root_name(name)
        if root := root_there(plan, name):
            progress.say(f"Server '{name}' boots from volume '{disk}', which is there already.")
            return root
        return volumes.make(made, disk, size, image=plan.image)

    ready = volumes.wait_until_ready(made.conn, each(make, missing))
    return dict(zip(missing, ready, strict=True))


def _create(
    made: Made, names: Sequence[str], plan: Resolved, roots: dict[str, Volume | None]
) -> Sequence[Server]:
    """The servers, those that were there among them; the cloud has accepted them, no more."""
    if len(roots) > 1 and len(roots) == len(names) and plan.root_size is None:
        # Nova numbers them itself: name-1, name-2, …
        base = names[0].removesuffix("-1")
        count = len(names)
        fleet = made.create_many(
            SERVER, count, name=base, min_count=count, max_count=count, **_request(plan)
        )
        return sorted(fleet, key=lambda server: names.index(server.name))
    new = each(lambda name: made.create(SERVER, name=name, **_request(plan, roots[name])), roots)
    sound = [server for server in plan.existing.values() if server.status != "ERROR"]
    each(lambda server: security.put(made.conn, server, plan.groups), sound)
    by_name = plan.existing | dict(zip(roots, new, strict=True))
    return [by_name[name] for name in names]


def _request(plan: Resolved, root: Volume | None = None) -> dict[str, Any]:
    """The body of `POST /servers`."""
    wish = plan.wish
    others = dict.fromkeys(group.id for group in plan.groups)
    request: dict[str, Any] = {
        "flavor_id": plan.flavor.id,
        "networks": [
            {"uuid": plan.network.id} | ({"fixed_ip": wish.fixed_ip} if wish.fixed_ip else {})
        ],
        # `default` lets the server ask for its SSH key at first boot. Neutron takes none twice.
        "security_groups": [{"name": name} for name in ("default", *others)],
        "key_name": plan.keypair.name if plan.keypair else None,
        "user_data": encoded(wish.user_data),
        "availability_zone": wish.availability_zone,
        "tags": [*wish.tags] or None,
        "scheduler_hints": {"group": plan.server_group} if plan.server_group else None,
    }
    if root is None and plan.image:
        request["image_id"] = plan.image.id
    elif root:
        request["block_device_mapping"] = [
            {
                "uuid": root.id,
                "source_type": "volume",
                "destination_type": "volume",
                "boot_index": 0,
                "delete_on_termination": False,
            }
        ]
    return {key: value for key, value in request.items() if value is not None}


def _connect(made: Made, servers: Sequence[Server], plan: Resolved) -> dict[str, FloatingIP]:
    """Floating IPs lead to the servers' ports; by server ID."""
    if not plan.wish.floating_ip:
        return {}
    if not plan.outside.networks:
        progress.say("This cloud has no floating IPs (ePouta): use the private address.")
        return {}
    there = {server.id for server in plan.existing.values()}
    ports = states.wait_for_ports(made.conn, servers)

    def lead(server: str) -> FloatingIP:
        if plan.address is None and server not in there:
            return floating_ips.allocate(made, ports[server], plan.outside)
        return floating_ips.connect(made, ports[server], plan.address, among=plan.outside)

    ips = dict(zip(ports, each(lead, ports), strict=True))
    for id, ip in ips.items():
        if id not in there:
            known_hosts.tell(ip.floating_ip_address)
    return ips


def _make_disks(made: Made, names: Sequence[str], plan: Resolved) -> dict[str, Sequence[Volume]]:
    """The volumes of each server by its name: the named ones, and the new ones, still being made.

    They need no server to be made, so they are made while it is.
    """
    wanted = [
        (name, number, size)
        for name in names
        for number, size in enumerate(sizes(plan.wish), start=1)
    ]

    def make(wanted: tuple[str, int, int]) -> Volume:
        server, number, size = wanted
        there = there_already(plan, server, number, size)
        return there or volumes.make(made, disk_name(server, number), size)

    new = each(make, wanted)
    disks: dict[str, Sequence[Volume]] = {name: [*plan.disks] for name in names}
    for (server, _, _), volume in zip(wanted, new, strict=True):
        disks[server] = [*disks[server], volume]
    return disks


def _judge(
    made: Made,
    servers: Sequence[Server],
    ips: dict[str, FloatingIP],
    disks: dict[str, Sequence[Volume]],
    all_or_nothing: bool,
) -> Sequence[Server]:
    """The servers that came up. Raise when none did, or with `all_or_nothing` not all of them."""
    failed = [server for server in servers if server.status == "ERROR"]
    if failed and (all_or_nothing or len(failed) == len(servers)):
        raise states.failure(failed[0], also=len(failed) - 1)
    if failed:
        progress.say(f"{len(failed)} of {len(servers)} servers failed: {states.fault(failed[0])}")
        useless = [volume for server in failed for volume in disks[server.name] if volume in made]
        with Deletion(made.conn) as going:
            going.delete(FLOATING_IP, [ips[s.id] for s in failed if ips.get(s.id) in made])
            going.delete(VOLUME, useless)
    return [server for server in servers if server not in failed]


def _attach(made: Made, servers: Sequence[Server], disks: dict[str, Sequence[Volume]]) -> None:
    """The disks are in their servers afterwards."""
    conn = made.conn
    pairs = [(server, volume) for server in servers for volume in disks[server.name]]
    busy = [volume for _, volume in pairs if not volumes.settled(volume)]
    if busy:
        ready = volumes.wait_until_ready(conn, busy, pace=waiting.BY_NOW)
        now = {volume.id: volume for volume in ready}
        pairs = [(server, now.get(volume.id, volume)) for server, volume in pairs]
    missing = [pair for pair in pairs if pair[0].id not in volumes.attached_to(pair[1])]
    each(lambda pair: volumes.ask_to_attach(conn, *pair), missing)
    if missing:
        hosts, added = zip(*missing, strict=True)
        volumes.wait_until_attached(conn, added, hosts)


def _is_up_with(ips: dict[str, FloatingIP]) -> Callable[[Server], bool]:
    def done(server: Server) -> bool:
        ip = ips.get(server.id)
        shown = ip is None or ip.floating_ip_address in floating_ips.addresses(server)
        return states.is_idle(server) and shown

    return done
