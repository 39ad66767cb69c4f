"""What somebody else in the project does while a chore is at work."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from pouta import networks, servers, volumes
from tests.campaigns.inventory import Inventory
from tests.campaigns.scenarios import SSH_GROUP, TINY

THEIRS = "theirs"


@dataclass
class Deed:
    """What a colleague did. `made` must stay; of `touched` nobody can say how it ends.

    Both hold IDs; `touched` also an ID with a fact, where only that is another.
    """

    made: set[str] = field(default_factory=set)
    touched: set[str | tuple[str, str]] = field(default_factory=set)


#: Does it, in a project that held these things; raises what the cloud refuses.
Act = Callable[[Any, Inventory], Deed]


@dataclass(frozen=True)
class _Act:
    """An act, and the thing that there must be before, or that the chore makes."""

    do: Act
    needs: str


ACTS: dict[str, _Act] = {}


def act(needs: str) -> Callable[[Act], Act]:
    def register(do: Act) -> Act:
        ACTS[do.__name__.replace("_", "-")] = _Act(do, needs)
        return do

    return register


def fitting(held: Collection[str], effect: Collection[str]) -> list[str]:
    """The names of the acts that matter where these things are held, or come by the chore."""
    there = {*held, *(line for line in effect if line.startswith("+ "))}
    return [name for name, one in ACTS.items() if any(t.startswith(one.needs) for t in there)]


def named(held: Inventory, kind: str, name: str = "") -> str:
    """The ID of the thing that was there before."""
    return next(id for (k, id), thing in held.items() if k == kind and thing.name == name)


def of_server(held: Inventory, server: str) -> set[str | tuple[str, str]]:
    """The server with its port, its addresses, its volumes and the image of a shelved one."""
    ports = {id for (kind, id), thing in held.items() if thing.facts.get("of") == server}
    led = {id for (kind, id), thing in held.items() if thing.facts.get("leads to") in ports}
    disks = {id for (kind, id), thing in held.items() if server in thing.facts.get("in", ())}
    free = {(id, fact) for kind, id in held if kind == "volume" for fact in ("in", "status")}
    shelved = {id for (kind, id), thing in held.items() if thing.name.endswith("-shelved")}
    return {server, *ports, *led, *disks, *free, *shelved}


# Something of the same name


@act("+ server web")
def makes_a_server_web(conn: Any, held: Inventory) -> Deed:
    made = servers.launch(conn, "web", **TINY, wait=False)
    return Deed({made.id, *(port.id for port in conn.network.ports(device_id=made.id))})


@act("+ volume")
def makes_volumes_of_these_names(conn: Any, held: Inventory) -> Deed:
    names = ("data", "first", "second", "disk", "web-volume-1", "web-1-volume-1", "scratch")
    return Deed({volumes.create(conn, name, 1, wait=False).id for name in names})


@act("+ volume snapshot")
def snapshots_the_volume_by_this_name(conn: Any, held: Inventory) -> Deed:
    disk = named(held, "volume", "data")
    return Deed({volumes.snapshot(conn, disk, "copy", force=True, wait=False).id})


@act("+ security group")
def makes_groups_of_these_names(conn: Any, held: Inventory) -> Deed:
    names = ("cluster", SSH_GROUP.removeprefix("+ security group "))
    return Deed({conn.network.create_security_group(name=name).id for name in names})


@act("+ image")
def makes_an_image_of_this_name(conn: Any, held: Inventory) -> Deed:
    image = {"disk_format": "raw", "container_format": "bare", "visibility": "private"}
    made = [conn.image.post("/images", json={"name": n, **image}).json() for n in ("mine", "kept")]
    return Deed({image["id"] for image in made})


@act("+ server group")
def makes_a_server_group_of_this_name(conn: Any, held: Inventory) -> Deed:
    made = conn.compute.create_server_group(name="spread", policy="affinity")
    return Deed({made.id})


@act("+ network")
def makes_a_network_of_this_name(conn: Any, held: Inventory) -> Deed:
    return Deed({conn.network.create_network(name=conn.current_project.name).id})


@act("+ stack")
def makes_a_stack_of_this_name(conn: Any, held: Inventory) -> Deed:
    template = {"heat_template_version": "2018-08-31"}
    body = {"stack_name": "lab", "template": template}
    return Deed({conn.orchestration.post("/stacks", json=body).json()["stack"]["id"]})


@act("+ floating IP")
def takes_an_address(conn: Any, held: Inventory) -> Deed:
    return Deed({conn.network.create_ip(floating_network_id=networks.external(conn).id).id})


@act("+ container runs")
def stores_an_object_there(conn: Any, held: Inventory) -> Deed:
    conn.object_store.put("/runs")
    return stores_another_object(conn, held)


# Something with the same server


@act("server web")
def snapshots_the_server(conn: Any, held: Inventory) -> Deed:
    web = named(held, "server", "web")
    made = conn.compute.create_server_image(web, THEIRS, wait=False)
    return Deed({made.id}, {(web, "createImage")})


@act("server web")
def stops_the_server(conn: Any, held: Inventory) -> Deed:
    web = named(held, "server", "web")
    conn.compute.stop_server(web)
    return Deed(touched=of_server(held, web))


@act("server web")
def deletes_the_server(conn: Any, held: Inventory) -> Deed:
    web = named(held, "server", "web")
    conn.compute.delete_server(web)
    return Deed(touched=of_server(held, web))


@act("server web")
def puts_a_volume_of_theirs_into_the_server(conn: Any, held: Inventory) -> Deed:
    web = named(held, "server", "web")
    disk = volumes.create(conn, THEIRS, 1)
    try:
        volumes.ask_to_attach(conn, conn.compute.get_server(web), disk)
    except Exception:
        volumes.delete(conn, disk)
        raise
    return Deed({disk.id}, {(web, "volumes"), (disk.id, "in")})


# The same volume, address, group, image, container, stack


@act("volume data")
def snapshots_the_volume(conn: Any, held: Inventory) -> Deed:
    disk = named(held, "volume", "data")
    return Deed({volumes.snapshot(conn, disk, THEIRS, force=True, wait=False).id})


@act("volume data")
def deletes_the_volume(conn: Any, held: Inventory) -> Deed:
    disk = named(held, "volume", "data")
    conn.block_storage.delete_volume(disk)
    return Deed(touched={disk})


@act("volume data")
def extends_the_volume(conn: Any, held: Inventory) -> Deed:
    disk = named(held, "volume", "data")
    conn.block_storage.extend_volume(disk, 3)
    return Deed(touched={disk})


@act("volume data")
def offers_the_volume(conn: Any, held: Inventory) -> Deed:
    disk = named(held, "volume", "data")
    offer = conn.block_storage.create_transfer(volume_id=disk, name=THEIRS)
    return Deed({offer.id}, {disk})


@act("floating IP")
def releases_the_address(conn: Any, held: Inventory) -> Deed:
    address = named(held, "floating IP")
    conn.network.delete_ip(address)
    return Deed(touched={address})


@act("floating IP")
def leads_the_address_elsewhere(conn: Any, held: Inventory) -> Deed:
    address = named(held, "floating IP")
    port = conn.network.create_port(network_id=networks.default(conn).id)
    conn.network.update_ip(address, port_id=port.id)
    return Deed({port.id, address}, {(address, "leads to")})


@act("security group jupyter")
def adds_the_same_rule(conn: Any, held: Inventory) -> Deed:
    return _rule(conn, held, 443)


@act("security group jupyter")
def adds_another_rule(conn: Any, held: Inventory) -> Deed:
    return _rule(conn, held, 5432)


def _rule(conn: Any, held: Inventory, port: int) -> Deed:
    group = named(held, "security group", "jupyter")
    conn.network.create_security_group_rule(
        security_group_id=group,
        direction="ingress",
        ethertype="IPv4",
        protocol="tcp",
        port_range_min=port,
        port_range_max=port,
        remote_ip_prefix="192.0.2.0/24",
    )
    return Deed(touched={(group, "rules")})


@act("image mine")
def deletes_the_image(conn: Any, held: Inventory) -> Deed:
    image = named(held, "image", "mine")
    conn.image.delete_image(image)
    return Deed(touched={image})


@act("container runs")
def stores_another_object(conn: Any, held: Inventory) -> Deed:
    conn.object_store.put(f"/runs/also/{THEIRS}", data=BytesIO(b"theirs"))
    return Deed({f"runs/also/{THEIRS}"})


@act("stack lab")
def deletes_the_stack(conn: Any, held: Inventory) -> Deed:
    stack = named(held, "stack", "lab")
    conn.orchestration.delete_stack(stack)
    disks = {id for kind, id in held if kind == "volume"}
    return Deed(touched={stack, *disks})
