"""What each chore needs, how it is called, and what is different afterwards.

    @scenario("servers.stop", web, effect=["~ server web: status ACTIVE -> SHUTOFF"])
    def _(conn, there):
        servers.stop(conn, "web", timeout=T)

The lines of an effect are those of `inventory.changes`: + came, - went, ~ changed. The campaign
judges by them: they are all that a chore that returns has changed, and each is there once.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pouta
from pouta import (
    floating_ips,
    identity,
    images,
    keypairs,
    networks,
    object_store,
    security_groups,
    servers,
    stacks,
    volumes,
)
from pouta.security_groups import Rule

if TYPE_CHECKING:
    from openstack.connection import Connection

T = 60.0  # seconds
IMAGE, FLAVOR, LARGER = "cirros", "standard.tiny", "standard.small"
TINY: Mapping[str, Any] = {"image": IMAGE, "flavor": FLAVOR, "key_name": False}
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHkOc6ZvbhJ3DNzYJ2rTcOdWQeUyKDmMzA6e6iYXqGOw me"
OWN_PAIR = "+ key pair pouta-b4a1d081"  # by PUBLIC_KEY
SSH_GROUP = "+ security group ssh-from-192.0.2.7-32"
TEMPLATE = {
    "heat_template_version": "2018-08-31",
    "resources": {
        "disk": {"type": "OS::Cinder::Volume", "properties": {"name": "disk", "size": 1}}
    },
}

#: Modules whose functions are chores; the others of `pouta` are its own.
NOUNS = [
    *("billing", "flavors", "floating_ips", "identity", "images", "keypairs", "networks"),
    *("object_store", "quotas", "security_groups", "servers", "stacks", "volumes"),
]
BLOCKS = ("all_or_nothing", "cleanup", "temporary")


class There(SimpleNamespace):
    """What a scenario has: connections that nothing breaks, a home folder, and what it prepared.

    conn leads to the project, neighbour to another one, `to` there through the proxy.
    """

    conn: Any
    neighbour: Any
    to: Any
    folder: Path


Prepare = Callable[[There], object]
Act = Callable[[Any, There], object]


@dataclass(frozen=True)
class Scenario:
    """One chore, as it is called in the campaign.

    leaves: what may be left or half done by its documentation when it raises, as shell patterns.
    says: what is told, as shell patterns, when the exception has these words.
    neighbour: whether the other project's things count.
    settle: seconds in which the cloud begins what it was asked without showing it.
    """

    needs: Sequence[Prepare]
    act: Act
    effect: Sequence[str]
    leaves: Sequence[str] = ()
    says: Mapping[str, Sequence[str]] = field(default_factory=dict)
    neighbour: bool = False
    settle: float = 0.3


SCENARIOS: dict[str, Scenario] = {}


def scenario(chore: str, *needs: Prepare, effect: Sequence[str], **more: Any) -> Any:
    def register(act: Act) -> Act:
        assert chore not in SCENARIOS
        SCENARIOS[chore] = Scenario(needs, act, effect, **more)
        return act

    return register


def chores() -> set[str]:
    """Every public chore of the code, as `noun.chore`."""
    found = {f"pouta.{name}" for name in BLOCKS}
    for noun in NOUNS:
        module = importlib.import_module(f"pouta.{noun}")
        names = getattr(module, "__all__", None) or [n for n in vars(module) if n[0] != "_"]
        for name in names:
            made = getattr(module, name)
            if hasattr(made, "__wrapped__") and made.__module__.startswith(module.__name__):
                found.add(f"{noun}.{name}")
    return found


# What is there before


def web(there: There) -> None:
    servers.launch(there.conn, "web", **TINY)


def web_after(*names: str, **options: Any) -> Prepare:
    def prepare(there: There) -> None:
        web(there)
        for name in names:
            getattr(servers, name)(there.conn, "web", **options)

    return prepare


def web_from_volume(there: There) -> None:
    servers.launch(there.conn, "web", **TINY, boot_volume_size=1)


def web_with_all(there: There) -> None:
    servers.launch(there.conn, "web", **TINY, floating_ip=True, volumes=[1], tags=["run-7"])


def resized(there: There) -> None:
    web(there)
    servers.resize(there.conn, "web", LARGER, confirm=False)


def data(there: There) -> None:
    volumes.create(there.conn, "data", 1)


def data_in_web(there: There) -> None:
    volumes.attach(there.conn, "web", "data")


def copy_of_data(there: There) -> None:
    volumes.snapshot(there.conn, "data", "copy")


def offered(there: There) -> None:
    there.offer = volumes.transfer(there.conn, "data")


def offered_by_neighbour(there: There) -> None:
    volumes.create(there.neighbour, "data", 1)
    there.offer = volumes.transfer(there.neighbour, "data")


def address(there: There) -> None:
    there.address = there.conn.network.create_ip(
        floating_network_id=networks.external(there.conn).id
    ).floating_ip_address


def group(there: There) -> None:
    security_groups.allow(there.conn, "jupyter", port=8888, remote_ip="192.0.2.0/24")


def group_of_web(there: There) -> None:
    servers.add_security_group(there.conn, "web", "jupyter")


def no_network(there: There) -> None:
    from pouta.kinds import ROUTER

    for router in there.conn.network.routers():
        ROUTER.delete(there.conn, router.id)
    there.conn.network.delete_network(networks.default(there.conn))


def own_key(there: There) -> None:
    file = there.folder / ".ssh" / "id_ed25519.pub"
    file.parent.mkdir(exist_ok=True)
    file.write_text(PUBLIC_KEY)


def laptop(there: There) -> None:
    keypairs.ensure(there.conn, "laptop")


def disk_image(there: There) -> None:
    (there.folder / "disk.img").write_bytes(bytes(range(256)) * 40)


def mine(there: There) -> None:
    images.upload(there.conn, there.folder / "disk.img", "mine")


def shared(there: There) -> None:
    images.share(there.conn, "mine", there.neighbour.current_project_id)


def shared_by_neighbour(there: There) -> None:
    images.upload(there.neighbour, there.folder / "disk.img", "offered")
    image = images.share(there.neighbour, "offered", there.conn.current_project_id)
    there.image = image.id


def results(there: There) -> None:
    folder = there.folder / "results"
    folder.mkdir()
    for name, size in {"small": 100, "large": 2500}.items():
        (folder / name).write_bytes(b"x" * size)
        os.utime(folder / name, (1_700_000_000, 1_700_000_000))


def stored(there: There) -> None:
    object_store.upload(there.conn, there.folder / "results", "runs", segment_size=1000)


def lab(there: There) -> None:
    stacks.create(there.conn, "lab", TEMPLATE)


def login(there: There) -> None:
    identity.create_application_credential(there.conn, "nightly")


def s3_keys(there: There) -> None:
    there.keys = identity.create_ec2_credentials(there.conn)


def tagged(there: There) -> None:
    web_with_all(there)
    volumes.create(there.conn, "more", 1, tags=["run-7"])
    data(there)


# Servers


@scenario(
    "servers.launch",
    own_key,
    effect=[
        "+ floating IP",
        OWN_PAIR,
        "+ port of web",
        SSH_GROUP,
        "+ server web",
        "+ volume web-volume-1",
    ],
    leaves=[OWN_PAIR, SSH_GROUP],
)
def _(conn: Connection, there: There) -> None:
    servers.launch(
        conn,
        "web",
        image=IMAGE,
        flavor=FLAVOR,
        ssh_from="192.0.2.7/32",
        floating_ip=True,
        volumes=[1],
        timeout=T,
    )


@scenario(
    "servers.launch_many",
    effect=[
        *("+ port of web-1", "+ port of web-2", "+ server web-1", "+ server web-2"),
        *("+ volume web-1-volume-1", "+ volume web-2-volume-1"),
    ],
)
def _(conn: Connection, there: There) -> None:
    servers.launch_many(conn, "web", 2, **TINY, volumes=[1], all_or_nothing=True, timeout=T)


@scenario(
    "servers.delete",
    web_with_all,
    effect=["- floating IP", "- port of web", "- server web", "- volume web-volume-1"],
)
def _(conn: Connection, there: There) -> None:
    servers.delete(conn, "web", release_floating_ips=True, delete_volumes=True, timeout=T)


def changes(name: str, before: str, after: str, *needs: Prepare, **more: Any) -> None:
    """A chore that asks a server for another state."""
    effect = [f"~ server web: status {before} -> {after}"] if before != after else []

    @scenario(f"servers.{name}", *needs, effect=more.pop("effect", effect), **more)
    def _(conn: Connection, there: There) -> None:
        getattr(servers, name)(conn, "web", timeout=T)


changes("start", "SHUTOFF", "ACTIVE", web_after("stop"))
changes("stop", "ACTIVE", "SHUTOFF", web)
changes("pause", "ACTIVE", "PAUSED", web)
changes("unpause", "PAUSED", "ACTIVE", web_after("pause"))
changes("suspend", "ACTIVE", "SUSPENDED", web)
changes("resume", "SUSPENDED", "ACTIVE", web_after("suspend"))
changes(
    *("shelve", "ACTIVE", "SHELVED_OFFLOADED", web),
    effect=["+ image web-shelved", "~ server web: status ACTIVE -> SHELVED_OFFLOADED"],
)
changes(
    *("unshelve", "SHELVED_OFFLOADED", "ACTIVE", web_after("shelve")),
    effect=["- image web-shelved", "~ server web: status SHELVED_OFFLOADED -> ACTIVE"],
)
changes("rescue", "ACTIVE", "RESCUE", web)
changes("unrescue", "RESCUE", "ACTIVE", web_after("rescue"))
changes("confirm_resize", "VERIFY_RESIZE", "ACTIVE", resized, settle=2.0)
changes(
    *("revert_resize", "VERIFY_RESIZE", "ACTIVE", resized),
    effect=[
        f"~ server web: flavor {LARGER} -> {FLAVOR}",
        "~ server web: status VERIFY_RESIZE -> ACTIVE",
    ],
)
changes("reboot", "ACTIVE", "ACTIVE", web, effect=["~ server web: reboot 0 -> 1"])


@scenario("servers.resize", web, effect=[f"~ server web: flavor {FLAVOR} -> {LARGER}"], settle=2.0)
def _(conn: Connection, there: There) -> None:
    servers.resize(conn, "web", LARGER, timeout=T)


@scenario("servers.rebuild", web, effect=["~ server web: rebuild 0 -> 1"])
def _(conn: Connection, there: There) -> None:
    servers.rebuild(conn, "web", allow_data_loss=True, timeout=T)


@scenario(
    "servers.snapshot",
    web,
    effect=["+ image kept", "~ server web: createImage 0 -> 1"],
    leaves=["~ server web: createImage *"],
    says={"is still off": ["~ server web: status ACTIVE -> SHUTOFF"]},
)
def _(conn: Connection, there: There) -> None:
    servers.snapshot(conn, "web", "kept", tags=["nightly"], timeout=T)


@scenario(
    "servers.recreate",
    web_from_volume,
    effect=[
        *("+ port of web", "+ server web", "- port of web", "- server web"),
        *("~ volume web-boot: in + <server web>", "~ volume web-boot: in - <server web>"),
    ],
    says={"All data is on its volumes": ["- port of web", "- server web", "~ volume web-boot: *"]},
)
def _(conn: Connection, there: There) -> None:
    servers.recreate(conn, "web", LARGER, timeout=T)


@scenario(
    "servers.add_security_group",
    web,
    group,
    effect=[
        "~ port of web: groups + <security group jupyter>",
        "~ server web: groups + jupyter",
    ],
)
def _(conn: Connection, there: There) -> None:
    servers.add_security_group(conn, "web", "jupyter")


@scenario(
    "servers.remove_security_group",
    web,
    group,
    group_of_web,
    effect=[
        "~ port of web: groups - <security group jupyter>",
        "~ server web: groups - jupyter",
    ],
)
def _(conn: Connection, there: There) -> None:
    servers.remove_security_group(conn, "web", "jupyter")


@scenario("servers.create_group", effect=["+ server group spread"])
def _(conn: Connection, there: There) -> None:
    servers.create_group(conn, "spread")


def spread(there: There) -> None:
    servers.create_group(there.conn, "spread")


@scenario("servers.delete_group", spread, effect=["- server group spread"])
def _(conn: Connection, there: There) -> None:
    servers.delete_group(conn, "spread")


# Volumes


@scenario("volumes.create", effect=["+ volume data"])
def _(conn: Connection, there: There) -> None:
    volumes.create(conn, "data", 2, tags=["run-7"], timeout=T)


@scenario(
    "volumes.attach",
    web,
    data,
    effect=[
        "~ server web: volumes + <volume data>",
        "~ volume data: in + <server web>",
        "~ volume data: status available -> in-use",
    ],
)
def _(conn: Connection, there: There) -> None:
    volumes.attach(conn, "web", "data", timeout=T)


@scenario(
    "volumes.detach",
    web,
    data,
    data_in_web,
    effect=[
        "~ server web: volumes - <volume data>",
        "~ volume data: in - <server web>",
        "~ volume data: status in-use -> available",
    ],
)
def _(conn: Connection, there: There) -> None:
    volumes.detach(conn, "data", timeout=T)


@scenario(
    "volumes.extend", web, data, data_in_web, effect=["~ volume data: size 1 -> 2"], settle=1.0
)
def _(conn: Connection, there: There) -> None:
    volumes.extend(conn, "data", 2, allow_detach=True, timeout=T)


@scenario("volumes.retype", data, effect=["~ volume data: type standard -> capacity"])
def _(conn: Connection, there: There) -> None:
    volumes.retype(conn, "data", "capacity", timeout=T)


@scenario("volumes.snapshot", data, effect=["+ volume snapshot copy"])
def _(conn: Connection, there: There) -> None:
    volumes.snapshot(conn, "data", "copy", tags=["nightly"], timeout=T)


@scenario("volumes.delete_snapshot", data, copy_of_data, effect=["- volume snapshot copy"])
def _(conn: Connection, there: There) -> None:
    volumes.delete_snapshot(conn, "copy", timeout=T)


@scenario("volumes.delete", data, copy_of_data, effect=["- volume data", "- volume snapshot copy"])
def _(conn: Connection, there: There) -> None:
    volumes.delete(conn, "data", delete_snapshots=True, timeout=T)


@scenario(
    "volumes.transfer",
    data,
    effect=[
        "+ transfer data",
        "~ volume data: status available -> awaiting-transfer",
    ],
)
def _(conn: Connection, there: There) -> None:
    volumes.transfer(conn, "data")


@scenario(
    "volumes.cancel_transfer",
    data,
    offered,
    effect=[
        "- transfer data",
        "~ volume data: status awaiting-transfer -> available",
    ],
)
def _(conn: Connection, there: There) -> None:
    volumes.cancel_transfer(conn, "data")


@scenario(
    "volumes.accept",
    offered_by_neighbour,
    neighbour=True,
    effect=[
        "+ volume data",
        "- their transfer data",
        "- their volume data",
    ],
)
def _(conn: Connection, there: There) -> None:
    volumes.accept(conn, there.offer, timeout=T)


@scenario(
    "volumes.move",
    data,
    copy_of_data,
    neighbour=True,
    effect=[
        "+ their volume data",
        "+ their volume snapshot copy",
        "- volume data",
        "- volume snapshot copy",
    ],
    says={"with its snapshots": ["+ their volume snapshot copy"]},
)
def _(conn: Connection, there: There) -> None:
    volumes.move(conn, "data", there.to, timeout=T)


# Addresses, groups, keys, networks


@scenario("floating_ips.attach", web, effect=["+ floating IP"])
def _(conn: Connection, there: There) -> None:
    floating_ips.attach(conn, "web", timeout=T)


@scenario("floating_ips.release", address, effect=["- floating IP"])
def _(conn: Connection, there: There) -> None:
    floating_ips.release(conn, there.address)


@scenario("security_groups.ensure", effect=["+ security group cluster"])
def _(conn: Connection, there: There) -> None:
    rules = [Rule(80, remote_ip="192.0.2.0/24"), Rule(2049, remote_group="cluster")]
    security_groups.ensure(conn, "cluster", rules=rules)


@scenario(
    "security_groups.allow",
    group,
    effect=[
        "~ security group jupyter: rules + ingress IPv4 tcp 443 443 192.0.2.0/24",
    ],
)
def _(conn: Connection, there: There) -> None:
    security_groups.allow(conn, "jupyter", port=443, remote_ip="192.0.2.0/24")


@scenario(
    "keypairs.ensure",
    effect=[
        "+ file .ssh/laptop",
        "+ file .ssh/laptop.pub",
        "+ key pair laptop",
    ],
    leaves=["+ file .ssh/laptop*"],
)
def _(conn: Connection, there: There) -> None:
    keypairs.ensure(conn, "laptop")


@scenario("keypairs.ensure_own", own_key, effect=[OWN_PAIR])
def _(conn: Connection, there: There) -> None:
    keypairs.ensure_own(conn)


@scenario(
    "networks.ensure_default",
    no_network,
    effect=[
        "+ network PROJECT",
        "+ port of PROJECT",
        "+ router PROJECT",
        "+ subnet PROJECT",
    ],
)
def _(conn: Connection, there: There) -> None:
    networks.ensure_default(conn)


# Images and objects

SEGMENTS = "runs_segments/results/large/TIME/2500/1000/0000000"
STORED = [
    *("container runs", "container runs_segments"),
    *("object runs/results/large", "object runs/results/small"),
    *(f"object {SEGMENTS}{number}" for number in range(3)),
]


@scenario("images.upload", disk_image, effect=["+ image mine"])
def _(conn: Connection, there: There) -> None:
    images.upload(conn, there.folder / "disk.img", "mine", tags=["run-7"], timeout=T)


@scenario("images.download", disk_image, mine, effect=["+ file down.img"], leaves=["+ file *.part"])
def _(conn: Connection, there: There) -> None:
    images.download(conn, "mine", there.folder / "down.img")


@scenario(
    "images.share",
    disk_image,
    mine,
    neighbour=True,
    effect=[
        "~ image mine: members + pending",
        "~ image mine: visibility private -> shared",
    ],
)
def _(conn: Connection, there: There) -> None:
    images.share(conn, "mine", there.neighbour.current_project_id)


@scenario(
    "images.accept",
    disk_image,
    shared_by_neighbour,
    neighbour=True,
    effect=[
        "+ accepted image offered",
        "~ their image offered: members + accepted",
        "~ their image offered: members - pending",
    ],
)
def _(conn: Connection, there: There) -> None:
    images.accept(conn, there.image)


@scenario(
    "images.unshare",
    disk_image,
    mine,
    shared,
    neighbour=True,
    effect=[
        "~ image mine: members - pending",
        "~ image mine: visibility shared -> private",
    ],
)
def _(conn: Connection, there: There) -> None:
    images.unshare(conn, "mine", there.neighbour.current_project_id)


@scenario("images.delete", disk_image, mine, effect=["- image mine"])
def _(conn: Connection, there: There) -> None:
    images.delete(conn, "mine")


# What has come of an upload stays: the same call goes on from there.
@scenario(
    "object_store.upload",
    results,
    effect=[f"+ {thing}" for thing in STORED],
    leaves=["+ container runs*", "+ object runs*"],
)
def _(conn: Connection, there: There) -> None:
    object_store.upload(conn, there.folder / "results", "runs", segment_size=1000)


@scenario(
    "object_store.download",
    results,
    stored,
    effect=[
        "+ file down/results/large",
        "+ file down/results/small",
    ],
    leaves=["+ file down/*"],
)
def _(conn: Connection, there: There) -> None:
    object_store.download(conn, "runs", None, there.folder / "down")


@scenario("object_store.delete", results, stored, effect=[f"- {thing}" for thing in STORED])
def _(conn: Connection, there: There) -> None:
    object_store.delete(conn, "runs", all_objects=True)


@scenario(
    "object_store.temporary_url",
    results,
    stored,
    effect=[
        "~ account: another key",
        "~ account: for URLs false -> true",
    ],
)
def _(conn: Connection, there: There) -> None:
    object_store.temporary_url(conn, "runs", "results/small", seconds=60)


# Stacks and logins


@scenario("stacks.create", effect=["+ stack lab", "+ volume disk"])
def _(conn: Connection, there: There) -> None:
    stacks.create(conn, "lab", TEMPLATE, tags=["course"], timeout=T)


@scenario("stacks.delete", lab, effect=["- stack lab", "- volume disk"])
def _(conn: Connection, there: There) -> None:
    stacks.delete(conn, "lab", delete_volumes=True, timeout=T)


@scenario(
    "identity.create_application_credential",
    effect=[
        "+ application credential nightly",
        "+ file .config/openstack/clouds.yaml",
    ],
)
def _(conn: Connection, there: There) -> None:
    identity.create_application_credential(conn, "nightly", save_as="nightly")


@scenario(
    "identity.delete_application_credential", login, effect=["- application credential nightly"]
)
def _(conn: Connection, there: There) -> None:
    identity.delete_application_credential(conn, "nightly")


@scenario("identity.create_ec2_credentials", effect=["+ EC2 key"])
def _(conn: Connection, there: There) -> None:
    identity.create_ec2_credentials(conn)


@scenario("identity.delete_ec2_credentials", s3_keys, effect=["- EC2 key"])
def _(conn: Connection, there: There) -> None:
    identity.delete_ec2_credentials(conn, there.keys)


# Blocks


@scenario(
    "pouta.cleanup",
    tagged,
    effect=[
        "- floating IP",
        "- port of web",
        "- server web",
        "- volume more",
        "- volume web-volume-1",
    ],
)
def _(conn: Connection, there: There) -> None:
    pouta.cleanup(conn, tag="run-7", timeout=T)


@scenario("pouta.temporary", effect=[])
def _(conn: Connection, there: There) -> None:
    with pouta.temporary(conn, timeout=T) as tag:
        volumes.create(conn, "scratch", 1, tags=[tag], timeout=T)


@scenario("pouta.all_or_nothing", effect=["+ volume first", "+ volume second"])
def _(conn: Connection, there: There) -> None:
    with pouta.all_or_nothing(conn, timeout=T) as tag:
        volumes.create(conn, "first", 1, tags=[tag], timeout=T)
        volumes.create(conn, "second", 1, tags=[tag], timeout=T)


# What changes nothing


Read = Callable[[Any, There], object]

#: Each is called once in a project that has `tagged`, `mine` and `lab`; it may only read.
READ_ONLY: Mapping[str, Read] = {
    "billing.estimate": lambda conn, there: pouta.billing.estimate(conn),
    "billing.waste": lambda conn, there: pouta.billing.waste(conn),
    "flavors.find": lambda conn, there: pouta.flavors.find(conn, FLAVOR),
    "flavors.list": lambda conn, there: pouta.flavors.list(conn),
    "flavors.smallest": lambda conn, there: pouta.flavors.smallest(conn, vcpus=1, ram=1),
    "floating_ips.find": lambda conn, there: floating_ips.find(conn, there.address),
    "floating_ips.list": lambda conn, there: floating_ips.list(conn),
    "identity.catalog": lambda conn, there: identity.catalog(conn),
    "identity.list_application_credentials": lambda conn, there: (
        identity.list_application_credentials(conn)
    ),
    "identity.list_ec2_credentials": lambda conn, there: identity.list_ec2_credentials(conn),
    "identity.projects": lambda conn, there: identity.projects(conn),
    "identity.token": lambda conn, there: identity.token(conn),
    "identity.whoami": lambda conn, there: identity.whoami(conn),
    "images.find": lambda conn, there: images.find(conn, IMAGE),
    "images.list": lambda conn, there: images.list(conn),
    "images.login_user": lambda conn, there: images.login_user(conn, IMAGE),
    "images.members": lambda conn, there: images.members(conn, "mine"),
    "keypairs.find": lambda conn, there: keypairs.find(conn, "laptop"),
    "keypairs.list": lambda conn, there: keypairs.list(conn),
    "networks.default": lambda conn, there: networks.default(conn),
    "networks.external": lambda conn, there: networks.external(conn),
    "networks.find": lambda conn, there: networks.find(conn, "public"),
    "networks.list": lambda conn, there: networks.list(conn),
    "object_store.list": lambda conn, there: object_store.list(conn),
    "quotas.show": lambda conn, there: pouta.quotas.show(conn),
    "security_groups.find": lambda conn, there: security_groups.find(conn, "default"),
    "security_groups.list": lambda conn, there: security_groups.list(conn),
    "servers.console_log": lambda conn, there: servers.console_log(conn, "web"),
    "servers.console_url": lambda conn, there: servers.console_url(conn, "web"),
    "servers.diagnose": lambda conn, there: servers.diagnose(conn, "web"),
    "servers.find": lambda conn, there: servers.find(conn, "web"),
    "servers.list": lambda conn, there: servers.list(conn),
    "servers.list_groups": lambda conn, there: servers.list_groups(conn),
    "servers.copy": lambda conn, there: servers.copy(conn, "web", ":file", there.folder / "file"),
    "servers.run": lambda conn, there: servers.run(conn, "web", "true", timeout=1),
    "servers.ssh_command": lambda conn, there: servers.ssh_command(conn, "web"),
    "servers.ssh_config": lambda conn, there: servers.ssh_config(conn),
    "servers.wait_for_ssh": lambda conn, there: servers.wait_for_ssh(conn, "web", timeout=1),
    "stacks.find": lambda conn, there: stacks.find(conn, "lab"),
    "stacks.list": lambda conn, there: stacks.list(conn),
    "stacks.outputs": lambda conn, there: stacks.outputs(conn, "lab"),
    "stacks.resources": lambda conn, there: stacks.resources(conn, "lab"),
    "volumes.find": lambda conn, there: volumes.find(conn, "data"),
    "volumes.find_snapshot": lambda conn, there: volumes.find_snapshot(conn, "copy"),
    "volumes.list": lambda conn, there: volumes.list(conn),
    "volumes.list_snapshots": lambda conn, there: volumes.list_snapshots(conn),
    "volumes.list_types": lambda conn, there: volumes.list_types(conn),
}
#: Nova has them posted although they change nothing.
ASKED_BY_POST = {
    "servers.console_log": "/action",
    "servers.console_url": "/remote-consoles",
    "servers.diagnose": "/action",
}
