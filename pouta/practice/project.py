"""A project of its own in a practice cloud: like Pouta's, removed with all that is in it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..kinds import ROUTER_INTERFACES
from . import catalogue
from .control import connect_as
from .folder import Folder

if TYPE_CHECKING:
    from openstack.connection import Connection

SECONDS = 60
ASK_AGAIN_SECONDS = 5


@contextmanager
def own_project(folder: Folder, admin: Connection) -> Iterator[Connection]:
    """A connection to a new project, as its only member."""
    with new_member(folder, admin) as member:
        try:
            furnish(member, member.current_project.name)
            yield member
        finally:
            empty(admin, member, member.current_project.id)


@contextmanager
def new_member(folder: Folder, admin: Connection, **options: Any) -> Iterator[Connection]:
    """A connection to a new project with nothing in it, not even a network."""
    identity: Any = admin.identity
    name = f"project_2{secrets.randbelow(10**6):06}"
    password = secrets.token_urlsafe(12)
    project = identity.create_project(name=name, domain_id="default")
    user = identity.create_user(
        name=f"{name}-{secrets.token_hex(2)}",
        domain_id="default",
        password=password,
        default_project_id=project.id,
    )
    try:
        for role in identity.roles():
            if role.name in catalogue.ROLES:
                identity.assign_project_role_to_user(project, user, role)
        member = connect_as(folder, user.name, password, name, **options)
        try:
            yield member
        finally:
            member.close()
    finally:
        identity.delete_user(user)
        identity.delete_project(project)


def furnish(member: Connection, name: str) -> None:
    """The network and the router that a project has on Pouta."""
    network = member.network
    own = network.create_network(name=name)
    public = next(network.networks(name=catalogue.EXTERNAL_NETWORK))
    subnet = network.create_subnet(
        name=name,
        network_id=own.id,
        ip_version=4,
        cidr=catalogue.PROJECT_CIDR,
        dns_nameservers=[*catalogue.NAME_SERVERS],
    )
    router = network.create_router(name=name, external_gateway_info={"network_id": public.id})
    interface(network, router, "add", {"subnet_id": subnet.id})


def interface(network: Any, router: Any, verb: str, what: dict[str, str]) -> None:
    """Plug a router in or out; the SDK's own names for these parameters come and go."""
    answer = network.put(f"/routers/{router.id}/{verb}_router_interface", json=what)
    answer.raise_for_status()


def empty(admin: Connection, member: Connection, project_id: str) -> None:
    """Delete everything of a project, first what holds on to other things."""
    mine: Any = {"project_id": project_id}
    everywhere: Any = {"all_projects": True, **mine}
    compute, disks, network = admin.compute, admin.block_storage, admin.network
    for stack in in_catalog(member, "orchestration", member.orchestration.stacks):
        member.orchestration.delete_stack(stack)
    until_none(
        lambda: compute.servers(details=False, **everywhere),
        lambda server: compute.delete_server(server.id),
    )
    with ThreadPoolExecutor() as pool:
        parts = [
            pool.submit(empty_network, network, mine),
            pool.submit(
                until_none,
                lambda: disks.volumes(details=True, **everywhere),
                lambda volume: delete_volume(disks, volume),
            ),
            pool.submit(empty_rest, admin, member, project_id),
        ]
        for part in parts:
            part.result()


def until_none(find: Callable[[], Iterable[Any]], delete: Callable[[Any], Any]) -> None:
    """Delete what is found, again now and then, and wait until nothing is found."""
    again: dict[str, float] = {}
    deadline = time.monotonic() + SECONDS
    while there := list(find()):
        now = time.monotonic()
        if now > deadline:
            raise TimeoutError(f"{there[0]} does not go away")
        for thing in there:
            if now >= again.get(thing.id, 0):
                delete(thing)
                again[thing.id] = now + ASK_AGAIN_SECONDS
        time.sleep(0.1)


def delete_volume(disks: Any, volume: Any) -> None:
    """Also one that has snapshots, or that hangs in some state."""
    path = f"/volumes/{volume.id}"
    if disks.delete(path, params={"cascade": True}).status_code == 400:
        disks.post(f"{path}/action", json={"os-force_delete": {}})


def empty_network(network: Any, mine: dict[str, str]) -> None:
    """Floating IPs, routers, ports, networks and groups, in the order in which they let go."""
    for address in network.ips(**mine):
        network.delete_ip(address)
    for router in network.routers(**mine):
        for port in network.ports(device_id=router.id, device_owner=ROUTER_INTERFACES):
            interface(network, router, "remove", {"port_id": port.id})
        network.delete_router(router)
    for port in network.ports(**mine):
        network.delete_port(port)
    for own in network.networks(**mine):
        network.delete_network(own)
    for group in network.security_groups(**mine):
        network.delete_security_group(group)


def empty_rest(admin: Connection, member: Connection, project_id: str) -> None:
    """Images, keys, server groups and objects."""
    images: Any = admin.image
    for image in images.images(owner=project_id):
        if image.is_protected:
            images.update_image(image, is_protected=False)
        images.delete_image(image)
    for key in member.compute.keypairs():
        member.compute.delete_keypair(key)
    for group in member.compute.server_groups():
        member.compute.delete_server_group(group)
    empty_objects(member)


def empty_objects(member: Connection) -> None:
    """All containers, with what is in them."""
    objects = member.object_store
    for container in in_catalog(member, "object-store", objects.containers):
        place = f"/{quoted(container.name)}"
        for held in objects.get(place, params={"format": "json"}).json():
            objects.delete(f"{place}/{quoted(held['name'])}")
        objects.delete(place)


def quoted(name: str) -> str:
    """For a URL. openstacksdk does not quote; and ".." would lead out of the container."""
    return quote(name).replace(".", "%2E")


def in_catalog(member: Connection, kind: str, find: Callable[[], Iterable[Any]]) -> Iterable[Any]:
    """What a service lists, if the cloud has the service."""
    return list(find()) if member.endpoint_for(kind) else []
