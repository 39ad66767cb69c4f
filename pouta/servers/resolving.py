"""From a wish to things: every name found, every guard asked; nothing is made here."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pouta import find as _find
from pouta import (
    flavors,
    floating_ips,
    images,
    keypairs,
    networks,
    progress,
    volumes,
)
from pouta import security_groups as groups
from pouta.concurrently import gather, meet
from pouta.errors import Ambiguous, InvalidInput, Refused, listed
from pouta.floating_ips import Outside
from pouta.kinds import FLOATING_IP, NETWORK, SERVER, SUBNET, VOLUME, checked_tags, pattern
from pouta.servers import disks, planning
from pouta.servers.disks import disk_name, root_name

if TYPE_CHECKING:
    from openstack.block_storage.v3.volume import Volume
    from openstack.compute.v2.flavor import Flavor
    from openstack.compute.v2.keypair import Keypair
    from openstack.compute.v2.server import Server
    from openstack.connection import Connection
    from openstack.image.v2.image import Image
    from openstack.network.v2.floating_ip import FloatingIP
    from openstack.network.v2.network import Network
    from openstack.network.v2.security_group import SecurityGroup
    from openstack.network.v2.subnet import Subnet

LAUNCH_TIMEOUT = 600.0  # seconds
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


@dataclass
class Resolved:
    """What a launch will make, with every name resolved."""

    wish: Wish
    image: Image | None
    flavor: Flavor
    root: Volume | None
    root_size: int | None
    network: Network
    outside: Outside
    keypairs: Sequence[Keypair]
    keypair: Keypair | None
    ssh: groups.Rule | None
    known_groups: Sequence[SecurityGroup]
    groups: Sequence[SecurityGroup]
    address: FloatingIP | None
    disks: Sequence[Volume]
    server_group: str | None
    room: planning.Room
    existing: dict[str, Server] = field(default_factory=dict)


def ready(conn: Connection, names: Sequence[str], wish: Wish) -> Resolved:
    """Every name is resolved and every guard was asked; nothing is made."""
    _check(names, wish)
    ssh = _ssh_rule(conn, wish)
    return _resolve(conn, names, _completed(conn, wish), ssh)


def _check(names: Sequence[str], wish: Wish) -> None:
    """Refuse what cannot work, before the first request."""
    for field_name in ("security_groups", "volumes"):
        if not isinstance(given := getattr(wish, field_name), Sequence) or isinstance(given, str):
            raise InvalidInput(
                f"{field_name} is a list, not {given!r:.80}.", hint=f"{field_name}=[{given!r:.80}]"
            )
    _find.check_plain_name("server", names[-1])
    for disk in _new_disks(names[-1], wish):
        _find.check_name(VOLUME.noun, disk)
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
    if not isinstance(wish.boot_volume_size, bool | None):
        volumes.checked_size(wish.boot_volume_size)
    for size in wish.volumes:
        if isinstance(size, int | float):
            volumes.checked_size(size)
        if isinstance(size, str) and size.isdigit():
            raise InvalidInput(f"volumes=['{size}']: a size is a number, without quotes.")
    checked_tags(wish.tags)
    if not wish.wait and (wish.floating_ip or wish.volumes):
        raise InvalidInput(
            "A floating IP and volumes are attached to a server that is there.",
            hint="Leave wait=True with them.",
        )
    if wish.floating_ip and not (wish.ssh_from or wish.security_groups or wish.like):
        progress.say("Nothing lets SSH in from outside: ssh_from='my-ip' would.")
    encoded(wish.user_data)


def _ssh_rule(conn: Connection, wish: Wish) -> groups.Rule | None:
    if wish.ssh_from is None:
        return None
    return groups.checked(
        conn, groups.Rule(groups.SSH_PORT, "tcp", wish.ssh_from), wish.allow_world
    )


def _completed(conn: Connection, wish: Wish) -> Wish:
    """The wish, with what it leaves open as the server has it that it shall be like."""
    if wish.like is None:
        return wish
    old = _find.one(conn, SERVER, wish.like)
    # By their IDs, for groups and networks may share their names; of a server that is gone, only
    # the names are known.
    if ports := floating_ips.all_ports_of(conn, [old]):
        network, its_groups = str(ports[0].network_id), [*ports[0].security_group_ids]
    else:
        network = next(iter(old.addresses or {}), "")
        names = dict.fromkeys(group["name"] for group in old.security_groups or [])
        its_groups = [name for name in names if name != "default"]
    return replace(
        wish,
        flavor=wish.flavor or old.flavor["original_name"],
        key_name=_key_like(conn, old) if wish.key_name is None else wish.key_name,
        network=wish.network or network or None,
        security_groups=wish.security_groups or its_groups,
    )


def _key_like(conn: Connection, old: Server) -> str | bool | None:
    """The key pair of the server given as `like`; the user's own if a colleague made it."""
    if old.key_name and old.user_id not in (None, conn.current_user_id):
        progress.say(
            f"Key pair '{old.key_name}' of '{old.name}' is another member's: your own is taken."
        )
        return None
    return old.key_name or False


def _resolve(
    conn: Connection, names: Sequence[str], wish: Wish, ssh: groups.Rule | None
) -> Resolved:
    """Every name becomes a thing, all at once; nothing is made."""
    found = _look_up(conn, names, wish)
    if found["existing"] and not wish.exist_ok:
        first = next(iter(found["existing"].values()))
        raise Refused(
            f"There is a server '{first.name}' already (ID {first.id}).",
            hint="exist_ok=True takes it as it is; or choose another name.",
            resource=first,
        )
    found["room"] = _with_disks_at_rest(conn, names, wish, found["room"])
    seen, pairs, known = found.pop("networks"), found["keypairs"], found["known_groups"]
    subnets, ways = found.pop("subnets"), found.pop("ways")
    plan = Resolved(
        **found,
        wish=wish,
        ssh=ssh,
        root_size=_root_size(wish, found["image"], found["flavor"]),
        network=_network(conn, wish.network, seen),
        outside=Outside(networks.externals(conn, among=seen), ways),
        keypair=(
            _find.pick("key pair", wish.key_name, pairs) if isinstance(wish.key_name, str) else None
        ),
        groups=[
            group
            for group in (
                _find.pick("security group", group, known) if isinstance(group, str) else group
                for group in wish.security_groups
            )
            if not groups.is_default(conn, group)
        ],
    )
    _check_free(conn, plan)
    _check_room(plan)
    if wish.fixed_ip:
        _check_address(wish.fixed_ip, plan.network, subnets)
    if not plan.existing.keys() >= {*names}:
        _check_network(plan)
        if wish.floating_ip:
            _check_way_out(conn, plan)
    return plan


def _network(conn: Connection, wanted: str | Network | None, seen: Sequence[Network]) -> Network:
    if wanted is None:
        return networks.default(conn, among=seen)
    if isinstance(wanted, str):
        return _find.pick(NETWORK.noun, wanted, [*seen])
    # As it is now: a subnet may have come since the resource was fetched.
    return next((network for network in seen if network.id == wanted.id), wanted)


def _look_up(conn: Connection, names: Sequence[str], wish: Wish) -> dict[str, Any]:
    """What the wish names, and what a launch must know, by its place in `Resolved`."""
    new_disks = bool(sizes(wish)) or wish.boot_volume_size not in (None, False)
    any_disk = bool(new_disks or wish.volumes or wish.boot_volume)
    meet(conn, "compute", "image", "network", *["block_storage"] * any_disk)
    calls: dict[str, Callable[[], Any]] = {
        "image": lambda: images.find(conn, wish.image) if wish.image else None,
        "root": lambda: _find.now(conn, VOLUME, wish.boot_volume) if wish.boot_volume else None,
        "flavor": lambda: flavors.find(conn, wish.flavor or ""),
        "networks": lambda: networks.list(conn),
        "subnets": lambda: [*SUBNET.list(conn)] if wish.fixed_ip else [],
        "ways": lambda: networks.ways_out(conn) if wish.floating_ip else (),
        "existing": lambda: _existing(conn, names, taken=wish.exist_ok),
        "known_groups": lambda: groups.list(conn) if wish.security_groups or wish.ssh_from else [],
        "keypairs": lambda: keypairs.list(conn) if wish.key_name is not False else [],
        "server_group": lambda: _server_group(conn, wish.server_group),
        "address": lambda: _named_address(conn, wish.floating_ip),
        "room": lambda: planning.room(
            conn,
            addresses=wish.floating_ip is True,
            disks=new_disks,
            taken=wish.exist_ok,
        ),
    }
    named = [volume for volume in wish.volumes if not isinstance(volume, int)]
    *found, disks = gather(
        *calls.values(), lambda: [_find.now(conn, VOLUME, volume) for volume in named]
    )
    return dict(zip(calls, found, strict=True)) | {"disks": disks}


def _check_free(conn: Connection, plan: Resolved) -> None:
    """Whether the volumes and the address that were named can be had."""
    there = {server.id for server in plan.existing.values()}
    for disk in [*plan.disks, plan.root] if plan.root else plan.disks:
        if not there & {*volumes.attached_to(disk)}:
            volumes.check_free(disk)
    if plan.address and floating_ips.leads_to(plan.address) not in there:
        floating_ips.check_free(conn, plan.address)


def _root_size(wish: Wish, image: Image | None, flavor: Flavor) -> int | None:
    """The size of the root disk where it is a volume to be made."""
    size = wish.boot_volume_size
    if image and size is True:
        return max(int(flavor.disk), images.disk_needed(image), 1)
    return None if size is False else size


def _check_address(address: str, network: Network, subnets: Sequence[Subnet]) -> None:
    """Whether the network has this address; that another server has it, Nova says at once."""
    ranges = [subnet.cidr for subnet in subnets if subnet.network_id == network.id]
    if not any(ipaddress.ip_address(address) in ipaddress.ip_network(range) for range in ranges):
        raise InvalidInput(
            f"{address} is not in network '{network.name}', which has {listed(ranges)}."
        )


def _check_network(plan: Resolved) -> None:
    """Whether a server of this network gets an address, and its security groups."""
    wish, network = plan.wish, plan.network
    if not network.subnet_ids:
        raise Refused(
            f"Network '{network.name}' has no subnet, so a server gets no address there.",
            hint="pouta.networks.ensure_default(conn) mends the project's own network.",
        )
    if network.is_port_security_enabled is False and (wish.security_groups or wish.ssh_from):
        raise Refused(
            f"Port security is off in network '{network.name}': security groups do not apply "
            "there, and nothing is kept out.",
            hint="Leave out security_groups= and ssh_from=, or choose another network=.",
        )


def _check_way_out(conn: Connection, plan: Resolved) -> None:
    """Whether a floating IP can lead into the network, as far as this project sees its routers."""
    network, pools = plan.network, {network.id for network in plan.outside.networks}
    if plan.address:
        pools &= {plan.address.floating_network_id}
    leads = any(
        (subnet, pool) in plan.outside.ways for subnet in network.subnet_ids for pool in pools
    )
    if leads or not pools or network.project_id != conn.current_project_id:
        return
    subnets = [*SUBNET.list(conn, network_id=network.id)]
    if not any(subnet.ip_version == 4 for subnet in subnets):
        raise Refused(
            f"Network '{network.name}' has IPv6 only; a floating IP leads to an IPv4 address.",
            hint="Leave out floating_ip=, or choose another network=.",
        )
    names = [one.name for one in plan.outside.networks if one.id in pools]
    raise Refused(
        f"No router leads from network '{network.name}' to {listed(names)}, where floating IPs "
        "come from.",
        hint="pouta.networks.ensure_default(conn) makes one for the project's own network.",
    )


def _check_room(plan: Resolved) -> None:
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
    elif flavor.disk and (needed := images.disk_needed(image)) > flavor.disk:
        raise InvalidInput(
            f"Image '{image.name}' needs {needed} GB; the root disk of {flavor.name} has "
            f"{flavor.disk}.",
            hint="Choose a flavor with a larger disk, or boot it from a volume: "
            f"boot_volume_size={needed}.",
        )
    if (image.min_ram or 0) > flavor.ram:
        raise InvalidInput(
            f"Image '{image.name}' needs {image.min_ram} MiB of memory; {flavor.name} has "
            f"{flavor.ram}."
        )


def intent(names: Sequence[str], plan: Resolved) -> planning.Intent:
    """What a launch will make; what servers that are there have already is left out."""
    wish, there = plan.wish, plan.existing
    missing = [name for name in names if name not in there]
    # Neutron knows of an address before Nova shows it.
    reached = {floating_ips.leads_to(ip) for ip in plan.room.addresses}
    without_address = [name for name in names if name not in there or there[name].id not in reached]
    disks = [
        (disk_name(name, number), size, there_already(plan, name, number, size))
        for name in names
        for number, size in enumerate(sizes(wish), start=1)
    ]
    if plan.root_size is not None:
        size = plan.root_size
        disks = [*((root_name(name), size, root_there(plan, name)) for name in missing), *disks]
    free: list[tuple[str, str]] = []
    if wish.key_name is None and not keypairs.own(plan.keypairs):
        free.append(("key pair", "your own key"))
    ssh = groups.ssh_group(plan.ssh.remote_ip) if plan.ssh else None
    if ssh and ssh not in {group.name for group in plan.known_groups}:
        free.append(("security group", ssh))
    return planning.Intent(
        flavor=plan.flavor,
        boots_from=getattr(plan.image or plan.root, "name", ""),
        servers=missing,
        disks=[(disk, size) for disk, size, there in disks if not there],
        addresses=len(without_address) if wish.floating_ip is True and plan.outside.networks else 0,
        free=free,
    )


def sizes(wish: Wish) -> Sequence[int]:
    """The sizes of the volumes to be made for each server."""
    return [size for size in wish.volumes if isinstance(size, int)]


def _new_disks(server: str, wish: Wish) -> Sequence[str]:
    """The names of the volumes that will be made for a server."""
    root = [] if wish.boot_volume_size in (None, False) else [root_name(server)]
    return root + [disk_name(server, number) for number, _ in enumerate(sizes(wish), start=1)]


def there_already(plan: Resolved, server: str, number: int, size: int) -> Volume | None:
    """The volume that `exist_ok` takes for the server's new one of this number."""
    host = plan.existing.get(server)
    name = disk_name(server, number)
    return disks.there_already(plan.room.volumes, name, size, host.id if host else None)


def root_there(plan: Resolved, server: str) -> Volume | None:
    """The volume that `exist_ok` takes for a missing server to boot from."""
    return disks.there_already(
        plan.room.volumes, root_name(server), plan.root_size or 0, None, plan.image
    )


def _existing(conn: Connection, names: Sequence[str], *, taken: bool) -> dict[str, Server]:
    """Servers that have these names already; one listing. `taken`: as they are, so none twice."""
    if len(names) == 1:
        found: Iterable[Server] = SERVER.named(conn, names[0])
    else:
        base = pattern(names[0].removesuffix("-1"))
        found = (s for s in SERVER.list(conn, name=f"^{base}-[0-9]+$") if s.name in {*names})
    by_name: dict[str, Server] = {}
    for server in found:
        if (twin := by_name.get(server.name)) and taken:
            raise Ambiguous(
                f"Several servers are called '{server.name}': {listed([twin.id, server.id])}.",
                hint="Choose another name, or rename or delete those that are not meant.",
                resource=[twin, server],
            )
        by_name[server.name] = server
    return by_name


def _with_disks_at_rest(
    conn: Connection, names: Sequence[str], wish: Wish, room: planning.Room
) -> planning.Room:
    """The room, with the volumes that may be taken as they are once nothing is done to them.

    What a volume was made from is told only then.
    """
    numbers = range(1, len(sizes(wish)) + 1)
    wanted = {root_name(name) for name in names}
    wanted |= {disk_name(name, number) for name in names for number in numbers}

    def now(disk: Volume) -> Volume:
        return volumes.at_rest(conn, disk) if disk.name in wanted else disk

    return replace(room, volumes=[now(disk) for disk in room.volumes])


def _server_group(conn: Connection, wanted: str | None) -> str | None:
    if wanted is None:
        return None
    return _find.pick("server group", wanted, [*conn.compute.server_groups()]).id


def _named_address(conn: Connection, wanted: bool | str | FloatingIP) -> FloatingIP | None:
    return None if isinstance(wanted, bool) else _find.now(conn, FLOATING_IP, wanted)


def _is_ipv4(word: str) -> bool:
    try:
        return ipaddress.ip_address(word).version == 4
    except ValueError:
        return False


def encoded(user_data: str | bytes | None) -> str | None:
    if user_data is None:
        return None
    if not isinstance(user_data, str | bytes):
        raise InvalidInput(
            "The user data is text or bytes.", hint="Of a file: user_data=path.read_text()."
        )
    try:
        raw = user_data.encode() if isinstance(user_data, str) else user_data
    except UnicodeEncodeError:
        # Unchained: that exception holds all of it.
        raise InvalidInput("The user data has characters that no text in UTF-8 has.") from None
    text = base64.b64encode(raw).decode()
    if len(text) > USER_DATA_LIMIT:
        raise InvalidInput(
            f"The user data has {len(raw)} bytes; Nova takes {USER_DATA_LIMIT // 4 * 3} at most.",
            hint="Let a short script fetch the rest.",
        )
    return text
