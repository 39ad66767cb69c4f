"""Launching: from names to servers that run, that answer, and that hold their volumes."""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pouta import find as _find
from pouta import (
    flavors,
    floating_ips,
    images,
    keypairs,
    known_hosts,
    networks,
    planning,
    prices,
    progress,
    states,
    volumes,
    waiting,
)
from pouta import security_groups as groups
from pouta.concurrently import each, gather, meet
from pouta.display import Table
from pouta.errors import InvalidInput, Refused, chore, listed, what_the_cloud_said
from pouta.kinds import FLOATING_IP, SERVER, SUBNET, TAG, VOLUME
from pouta.made import Made, remove
from pouta.planning import Plan, rehearsable

if TYPE_CHECKING:
    from openstack.block_storage.v3.volume import Volume
    from openstack.compute.v2.flavor import Flavor
    from openstack.compute.v2.keypair import Keypair
    from openstack.compute.v2.server import Server
    from openstack.connection import Connection
    from openstack.image.v2.image import Image
    from openstack.network.v2.floating_ip import FloatingIP
    from openstack.network.v2.network import Network
    from openstack.network.v2.port import Port
    from openstack.network.v2.security_group import SecurityGroup
    from openstack.network.v2.subnet import Subnet

LAUNCH_TIMEOUT = 600.0  # seconds
SSH_PORT = 22
TAGS_LIMIT = 200  # characters; a description holds 255, and the mark of the call besides
USER_DATA_LIMIT = 65535  # bytes, as base64; Nova's


@dataclass(frozen=True)
class Wish:
    """What a server shall be, as `launch` and `launch_many` take it: names, IDs or resources."""

    image: str | Image | None = None
    flavor: str | Flavor | None = None
    like: str | Server | None = None
    key_name: str | bool | None = None
    network: str | Network | None = None
    fixed_ip: str | None = None
    security_groups: Sequence[str | SecurityGroup] = ()
    ssh_from: str | None = None
    allow_world: bool = False
    floating_ip: bool | str | FloatingIP = False
    volumes: Sequence[int | str | Volume] = ()
    boot_volume_size: int | bool | None = None
    boot_volume: str | Volume | None = None
    user_data: str | bytes | None = None
    server_group: str | None = None
    availability_zone: str | None = None
    tags: Sequence[str] = ()
    exist_ok: bool = False
    wait: bool = True
    timeout: float = LAUNCH_TIMEOUT


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
    exist_ok: a server of that name is taken as it is, and completed, instead of refused.
    wait: False returns as soon as the cloud has accepted the server.
    timeout: seconds. When they are over TimedOut is raised, and nothing is undone.
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
        timeout=timeout,
    )
    if dry_run:
        return _rehearse(conn, [name], wish)  # type: ignore[return-value]  # see `rehearsable`
    return _launch(conn, [name], wish, all_or_nothing=True)[0]


@rehearsable
@chore("launch {count} servers {name}")
def launch_many(
    conn: Connection,
    name: str,
    count: int,
    *,
    all_or_nothing: bool = False,
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
    return states.table(_launch(conn, names, wish, all_or_nothing=all_or_nothing))


@dataclass
class _Plan:
    """What a launch will make, with every name resolved."""

    wish: Wish
    image: Image | None
    flavor: Flavor
    root: Volume | None
    root_size: int | None
    network: Network
    external: Network | None
    keypairs: Sequence[Keypair]
    keypair: Keypair | None
    known_groups: Sequence[SecurityGroup]
    groups: Sequence[SecurityGroup]
    address: FloatingIP | None
    disks: Sequence[Volume]
    server_group: str | None
    room: planning.Room
    existing: dict[str, Server] = field(default_factory=dict)


def _launch(
    conn: Connection, names: Sequence[str], wish: Wish, *, all_or_nothing: bool
) -> Sequence[Server]:
    plan, ssh = _ready(conn, names, wish)
    _intent(names, plan, ssh).check(plan.room)
    _prepare(conn, plan, ssh)
    with Made(conn, tags=wish.tags) as made:
        servers = _create(made, names, plan)
        if not wish.wait:
            return states.now(conn, servers)
        disks = _make_disks(made, servers, plan)
        ips = _connect(made, servers, plan)
        servers = states.wait(conn, servers, _is_up_with(ips), wish.timeout)
        up = _judge(made, servers, ips, disks, all_or_nothing)
        _attach(made, up, disks, wish.timeout)
    return states.now(conn, servers) if any(disks.values()) else servers


def _rehearse(conn: Connection, names: Sequence[str], wish: Wish) -> Plan:
    plan, ssh = _ready(conn, names, wish)
    return _intent(names, plan, ssh).shown(plan.room, prices.of(conn))


def _ready(conn: Connection, names: Sequence[str], wish: Wish) -> tuple[_Plan, groups.Rule | None]:
    """Every name is resolved and every guard was asked; nothing is made."""
    _check(names, wish)
    ssh = _ssh_rule(conn, wish)
    return _resolve(conn, names, _completed(conn, wish)), ssh


def _check(names: Sequence[str], wish: Wish) -> None:
    """Refuse what cannot work, before the first request."""
    for name in names[:1]:
        if not name.strip() or len(name) > 255 or not name.isprintable():
            raise InvalidInput(f"{name!r} is no name for a server: 1 to 255 plain characters.")
    if (wish.image is None) == (wish.boot_volume is None):
        raise InvalidInput(
            "A server boots from an image= or from a boot_volume=: give one of them."
        )
    if wish.boot_volume is not None and wish.boot_volume_size is not None:
        raise InvalidInput("boot_volume is an existing one, boot_volume_size makes one: not both.")
    if wish.flavor is None and wish.like is None:
        raise InvalidInput("Which flavor?", hint="pouta.flavors.list(conn) shows them.")
    if wish.fixed_ip is not None and not _is_ipv4(wish.fixed_ip):
        raise InvalidInput(f"{wish.fixed_ip!r} is no address, such as 192.168.1.20.")
    if wish.key_name is True:
        raise InvalidInput("key_name is a name, None for your own key, or False for none.")
    for size in wish.volumes:
        if isinstance(size, int):
            volumes.checked_size(size)
    if bad := [tag for tag in wish.tags if not re.fullmatch(TAG, tag)]:
        raise InvalidInput(f"{listed(bad)}: a tag is a word of letters, digits and . : _ -")
    if len(",".join(wish.tags)) > TAGS_LIMIT:
        raise InvalidInput(f"Tags have at most {TAGS_LIMIT} characters in all.")
    if not wish.wait and (wish.floating_ip or wish.volumes):
        raise InvalidInput(
            "A floating IP and volumes are attached to a server that is there.",
            hint="Leave wait=True with them.",
        )
    if wish.floating_ip and not (wish.ssh_from or wish.security_groups or wish.like):
        progress.say("Nothing lets SSH in from outside: ssh_from='my-ip' would.")
    _encoded(wish.user_data)


def _ssh_rule(conn: Connection, wish: Wish) -> groups.Rule | None:
    if wish.ssh_from is None:
        return None
    return groups.checked(conn, groups.Rule(SSH_PORT, "tcp", wish.ssh_from), wish.allow_world)


def _completed(conn: Connection, wish: Wish) -> Wish:
    """The wish, with what it leaves open as the server has it that it shall be like."""
    if wish.like is None:
        return wish
    old = _find.one(conn, SERVER, wish.like)
    its_groups = {group["name"]: None for group in old.security_groups or []}
    return replace(
        wish,
        flavor=wish.flavor or old.flavor["original_name"],
        key_name=(old.key_name or False) if wish.key_name is None else wish.key_name,
        network=wish.network or next(iter(old.addresses or {}), None),
        security_groups=wish.security_groups or [name for name in its_groups if name != "default"],
    )


def _resolve(conn: Connection, names: Sequence[str], wish: Wish) -> _Plan:
    """Every name becomes a thing, all at once; nothing is made."""
    new_disks = bool(_sizes(wish)) or wish.boot_volume_size not in (None, False)
    any_disk = bool(new_disks or wish.volumes or wish.boot_volume)
    meet(conn, "compute", "image", "network", *["block_storage"] * any_disk)
    (
        image,
        root,
        flavor,
        seen,
        subnets,
        existing,
        known,
        pairs,
        server_group,
        address,
        room,
        *disks,
    ) = gather(
        lambda: images.find(conn, wish.image) if wish.image is not None else None,
        lambda: volumes.find(conn, wish.boot_volume) if wish.boot_volume is not None else None,
        lambda: flavors.find(conn, wish.flavor or ""),
        lambda: networks.list(conn),
        lambda: [*SUBNET.list(conn)] if wish.fixed_ip else [],
        lambda: _existing(conn, names),
        lambda: groups.list(conn) if wish.security_groups or wish.ssh_from else [],
        lambda: keypairs.list(conn) if wish.key_name is not False else [],
        lambda: _server_group(conn, wish.server_group),
        lambda: _named_address(conn, wish.floating_ip),
        lambda: planning.room(
            conn,
            addresses=wish.floating_ip is True,
            disks=new_disks,
            volume_names=wish.exist_ok and bool(_sizes(wish)),
        ),
        *(
            (lambda volume=volume: volumes.find(conn, volume))
            for volume in wish.volumes
            if not isinstance(volume, int)
        ),
    )
    if existing and not wish.exist_ok:
        first = next(iter(existing.values()))
        raise Refused(
            f"There is a server '{first.name}' already (ID {first.id}).",
            hint="exist_ok=True takes it as it is; or choose another name.",
            resource=first,
        )
    plan = _Plan(
        wish=wish,
        image=image,
        flavor=flavor,
        root=root,
        root_size=_root_size(wish, image, flavor),
        network=(
            _find.pick("network", wish.network, seen)
            if isinstance(wish.network, str)
            else wish.network or networks.default(conn, among=seen)
        ),
        external=networks.external(conn, among=seen),
        keypairs=pairs,
        keypair=(
            _find.pick("key pair", wish.key_name, pairs) if isinstance(wish.key_name, str) else None
        ),
        known_groups=known,
        groups=[
            _find.pick("security group", group, known) if isinstance(group, str) else group
            for group in wish.security_groups
        ],
        address=address,
        disks=disks,
        server_group=server_group,
        room=room,
        existing=existing,
    )
    there = {server.id for server in existing.values()}
    for disk in [*disks, root] if root else disks:
        if not there & {*volumes.attached_to(disk)}:
            volumes.check_free(disk)
    if address and not there:
        floating_ips.check_free(conn, address)
    _check_room(plan)
    if wish.fixed_ip:
        _check_address(wish.fixed_ip, plan.network, subnets)
    return plan


def _root_size(wish: Wish, image: Image | None, flavor: Flavor) -> int | None:
    """The size of the root disk where it is a volume to be made."""
    size = wish.boot_volume_size
    if image and size is True:
        return max(int(flavor.disk), image.min_disk or 0, 1)
    return None if size is False else size


def _check_address(address: str, network: Network, subnets: Sequence[Subnet]) -> None:
    """Whether the network has this address; that another server has it, Nova says at once."""
    ranges = [subnet.cidr for subnet in subnets if subnet.network_id == network.id]
    if not any(ipaddress.ip_address(address) in ipaddress.ip_network(range) for range in ranges):
        raise InvalidInput(
            f"{address} is not in network '{network.name}', which has {listed(ranges)}."
        )


def _check_room(plan: _Plan) -> None:
    """Whether the image, or the volume, can be booted on the flavor."""
    image, flavor, size = plan.image, plan.flavor, plan.root_size
    if image is None:
        if plan.root and not plan.root.is_bootable:
            raise InvalidInput(
                f"Volume '{plan.root.name}' cannot be booted: it was not made from an image.",
                hint="pouta.volumes.create(conn, name, image=…) makes one that can.",
            )
        return
    if size is not None:
        volumes.checked_size(size, image=image)
    elif flavor.disk and (image.min_disk or 0) > flavor.disk:
        raise InvalidInput(
            f"Image '{image.name}' needs {image.min_disk} GB; the root disk of {flavor.name} has "
            f"{flavor.disk}.",
            hint="Choose a flavor with a larger disk, or boot it from a volume: "
            f"boot_volume_size={image.min_disk}.",
        )
    if (image.min_ram or 0) > flavor.ram:
        raise InvalidInput(
            f"Image '{image.name}' needs {image.min_ram} MiB of memory; {flavor.name} has "
            f"{flavor.ram}."
        )


def _intent(names: Sequence[str], plan: _Plan, ssh: groups.Rule | None) -> planning.Intent:
    """What a launch will make; what servers that are there have already is left out."""
    wish, there = plan.wish, plan.existing
    missing = [name for name in names if name not in there]
    without_address = [
        name
        for name in names
        if name not in there or not floating_ips.addresses(there[name], "floating")
    ]
    disks = [
        (disk, size)
        for name in names
        for number, size in enumerate(_sizes(wish), start=1)
        if (disk := _disk_name(name, number)) not in plan.room.volume_names or name not in there
    ]
    if plan.root_size is not None:
        disks = [*((f"{name}-boot", plan.root_size) for name in missing), *disks]
    free: list[tuple[str, str]] = []
    if wish.key_name is None and not keypairs.own(plan.keypairs):
        free.append(("key pair", "your own key"))
    if ssh and _ssh_group(ssh) not in {group.name for group in plan.known_groups}:
        free.append(("security group", _ssh_group(ssh)))
    return planning.Intent(
        flavor=plan.flavor,
        boots_from=getattr(plan.image or plan.root, "name", ""),
        servers=missing,
        disks=disks,
        addresses=len(without_address) if wish.floating_ip is True and plan.external else 0,
        free=free,
    )


def _sizes(wish: Wish) -> Sequence[int]:
    """The sizes of the volumes to be made for each server."""
    return [size for size in wish.volumes if isinstance(size, int)]


def _disk_name(server: str, number: int) -> str:
    return f"{server}-volume-{number}"


def _ssh_group(rule: groups.Rule) -> str:
    return f"ssh-from-{rule.remote_ip.replace('/', '-')}"


def _prepare(conn: Connection, plan: _Plan, ssh: groups.Rule | None) -> None:
    """The key pair and the SSH group are there afterwards; they stay if the launch fails."""
    wish = plan.wish
    if wish.key_name is None:
        plan.keypair = keypairs.ensure_own(conn, among=plan.keypairs)
    if ssh:
        group = groups.ensure(
            conn,
            _ssh_group(ssh),
            rules=[ssh],
            allow_world=wish.allow_world,
            among=plan.known_groups,
        )
        plan.groups = [*plan.groups, group]


def _create(made: Made, names: Sequence[str], plan: _Plan) -> Sequence[Server]:
    """The servers, those that were there among them; the cloud has accepted them, no more."""
    missing = [name for name in names if name not in plan.existing]
    if len(missing) > 1 and len(missing) == len(names) and plan.root_size is None:
        # Nova numbers them itself: name-1, name-2, …
        base = names[0].removesuffix("-1")
        count = len(names)
        fleet = made.create_many(
            SERVER, count, name=base, min_count=count, max_count=count, **_request(plan)
        )
        return sorted(fleet, key=lambda server: names.index(server.name))
    roots = each(lambda name: _root_disk(made, name, plan), missing)
    new = each(
        lambda pair: made.create(SERVER, name=pair[0], **_request(plan, pair[1])),
        zip(missing, roots, strict=True),
    )
    by_name = plan.existing | dict(zip(missing, new, strict=True))
    return [by_name[name] for name in names]


def _request(plan: _Plan, root: Volume | None = None) -> dict[str, Any]:
    """The body of `POST /servers`."""
    wish = plan.wish
    request: dict[str, Any] = {
        "flavor_id": plan.flavor.id,
        "networks": [
            {"uuid": plan.network.id} | ({"fixed_ip": wish.fixed_ip} if wish.fixed_ip else {})
        ],
        # `default` lets the server ask for its SSH key at first boot.
        "security_groups": [{"name": "default"}, *({"name": group.id} for group in plan.groups)],
        "key_name": plan.keypair.name if plan.keypair else None,
        "user_data": _encoded(wish.user_data),
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


def _root_disk(made: Made, name: str, plan: _Plan) -> Volume | None:
    if plan.root_size is None:
        return plan.root
    root = volumes.make(made, f"{name}-boot", plan.root_size, image=plan.image)
    return volumes.wait_until_ready(made.conn, [root], timeout=plan.wish.timeout)[0]


def _connect(made: Made, servers: Sequence[Server], plan: _Plan) -> dict[str, FloatingIP]:
    """Floating IPs lead to the servers' ports; by server ID."""
    from openstack.exceptions import NotFoundException

    if not plan.wish.floating_ip:
        return {}
    if plan.external is None:
        progress.say("This cloud has no floating IPs (ePouta): use the private address.")
        return {}
    there = {server.id for server in plan.existing.values()}
    ports = states.wait_for_ports(made.conn, servers, plan.wish.timeout)

    def lead(port: Port) -> FloatingIP:
        if plan.address is None and port.device_id not in there:
            return floating_ips.allocate(made, port, plan.external)
        return floating_ips.connect(made, port, plan.address, external=plan.external)

    try:
        ips = dict(zip(ports, each(lead, ports.values()), strict=True))
    except NotFoundException as error:
        if "not reachable" not in what_the_cloud_said(error):
            raise
        raise Refused(
            f"Network '{plan.network.name}' has no router, so no floating IP can lead into it.",
            hint="pouta.networks.ensure_default(conn) makes the one that a project should have.",
        ) from error
    for id, ip in ips.items():
        if id not in there:
            known_hosts.tell(ip.floating_ip_address)
    return ips


def _make_disks(made: Made, servers: Sequence[Server], plan: _Plan) -> dict[str, Sequence[Volume]]:
    """The volumes of each server by its ID: the named ones, and the new ones, still being made."""
    there = {server.id for server in plan.existing.values()}
    wanted = [
        (server, number, size)
        for server in servers
        if server.status != "ERROR"
        for number, size in enumerate(_sizes(plan.wish), start=1)
    ]

    def make(wanted: tuple[Server, int, int]) -> Volume:
        server, number, size = wanted
        name = _disk_name(server.name, number)
        if server.id in there and (before := [*VOLUME.named(made.conn, name)]):
            return before[0]
        return volumes.make(made, name, size)

    new = each(make, wanted)
    disks: dict[str, Sequence[Volume]] = {server.id: [*plan.disks] for server in servers}
    for (server, _, _), volume in zip(wanted, new, strict=True):
        disks[server.id] = [*disks[server.id], volume]
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
        useless = [volume for server in failed for volume in disks[server.id] if volume in made]
        remove(made.conn, FLOATING_IP, [ips[s.id] for s in failed if ips.get(s.id) in made])
        remove(made.conn, VOLUME, useless)
    return [server for server in servers if server not in failed]


def _attach(
    made: Made, servers: Sequence[Server], disks: dict[str, Sequence[Volume]], timeout: float
) -> None:
    """The disks are in their servers afterwards."""
    conn = made.conn
    pairs = [(server, volume) for server in servers for volume in disks[server.id]]
    new = [volume for _, volume in pairs if volume in made]
    if new:
        volumes.wait_until_ready(conn, new, timeout=timeout, pace=waiting.BY_NOW)
    missing = [pair for pair in pairs if pair[0].id not in volumes.attached_to(pair[1])]
    each(lambda pair: volumes.ask_to_attach(conn, *pair), missing)
    if missing:
        hosts, added = zip(*missing, strict=True)
        volumes.wait_until_attached(conn, added, hosts, timeout=timeout)


def _existing(conn: Connection, names: Sequence[str]) -> dict[str, Server]:
    """Servers that have these names already; one listing."""
    if len(names) == 1:
        found: Iterable[Server] = SERVER.named(conn, names[0])
    else:
        base = re.escape(names[0].removesuffix("-1"))
        found = (s for s in SERVER.list(conn, name=f"^{base}-[0-9]+$") if s.name in {*names})
    return {server.name: server for server in found}


def _server_group(conn: Connection, wanted: str | None) -> str | None:
    if wanted is None:
        return None
    return _find.pick("server group", wanted, [*conn.compute.server_groups()]).id


def _named_address(conn: Connection, wanted: bool | str | FloatingIP) -> FloatingIP | None:
    return None if isinstance(wanted, bool) else floating_ips.find(conn, wanted)


def _is_up_with(ips: dict[str, FloatingIP]) -> Callable[[Server], bool]:
    def done(server: Server) -> bool:
        ip = ips.get(server.id)
        shown = ip is None or ip.floating_ip_address in floating_ips.addresses(server)
        return states.is_idle(server) and shown

    return done


def _is_ipv4(word: str) -> bool:
    try:
        return ipaddress.ip_address(word).version == 4
    except ValueError:
        return False


def _encoded(user_data: str | bytes | None) -> str | None:
    if user_data is None:
        return None
    raw = user_data.encode() if isinstance(user_data, str) else user_data
    text = base64.b64encode(raw).decode()
    if len(text) > USER_DATA_LIMIT:
        raise InvalidInput(
            f"The user data has {len(raw)} bytes; Nova takes {USER_DATA_LIMIT * 3 // 4} at most.",
            hint="Let a short script fetch the rest.",
        )
    return text
