"""Furnishes a new cloud through its APIs, so that it looks like Pouta to its user."""

from concurrent.futures import ThreadPoolExecutor

import openstack

from .. import catalogue
from ..folder import ADMIN, MEMBER, PROJECT, REGION
from . import cinder

IMAGE_DATA = b"There is nothing to boot in a practice image.\n"


def connect(folder, user, project):
    """A connection as one of the cloud's users."""
    return openstack.connect(
        load_yaml_config=False,
        load_envvars=False,
        auth={
            "auth_url": folder.url("identity", "/v3"),
            "username": user,
            "password": folder.password(user),
            "project_name": project,
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        },
        region_name=REGION,
        identity_api_version="3",
    )


def seed(folder):
    """Make all that is missing. Each part talks to another service, so they run at once."""
    admin = connect(folder, ADMIN, ADMIN)
    member = connect(folder, MEMBER, PROJECT)
    with ThreadPoolExecutor() as pool:
        parts = [
            pool.submit(make_flavors, admin),
            pool.submit(make_images, admin),
            pool.submit(make_volume_types, admin),
            pool.submit(make_networks, admin, member),
        ]
        for part in parts:
            part.result()


def make_flavors(admin):
    there = {flavor.name for flavor in admin.compute.flavors(details=False)}
    for flavor in catalogue.FLAVORS:
        if flavor.name in there:
            continue
        made = admin.compute.create_flavor(
            name=flavor.name,
            vcpus=flavor.vcpus,
            ram=flavor.ram,
            disk=flavor.disk,
            ephemeral=flavor.ephemeral,
        )
        family = flavor.name.rpartition(".")[0]
        admin.compute.create_flavor_extra_specs(made, {family: "true"})


def make_images(admin):
    """By plain requests: openstacksdk would leave properties of its own on each image."""
    there = {image.name for image in admin.image.images()}
    for name, distribution, version, min_disk in catalogue.IMAGES:
        if name in there:
            continue
        image = {
            "name": name,
            "disk_format": "raw",
            "container_format": "bare",
            "visibility": "public",
            "min_disk": min_disk,
            "os_type": "linux",
            "os_distro": distribution,
            "os_version": version,
        }
        made = admin.image.post("/images", json=image)
        made.raise_for_status()
        binary = {"Content-Type": "application/octet-stream"}
        path = f"/images/{made.json()['id']}/file"
        admin.image.put(path, data=IMAGE_DATA, headers=binary).raise_for_status()


def make_volume_types(admin):
    there = {kind.name: kind for kind in admin.block_storage.types()}
    for name, description, specs in catalogue.VOLUME_TYPES:
        if name not in there:
            admin.block_storage.create_type(
                name=name, description=description, extra_specs=specs, is_public=True
            )
    if "__DEFAULT__" in there:
        admin.block_storage.delete_type(there["__DEFAULT__"])


def set_volume_quotas(folder):
    """What each project may have of each volume type, unless it was told otherwise."""
    admin = connect(folder, ADMIN, ADMIN)
    limits = cinder.QUOTAS_BY_TYPE[folder.settings["quotas"]]
    body = {f"gigabytes_{kind}": limit for kind, limit in limits.items()}
    answer = admin.block_storage.put("/os-quota-class-sets/default", json={"quota_class_set": body})
    answer.raise_for_status()


def make_networks(admin, member):
    public = admin.network.find_network(catalogue.EXTERNAL_NETWORK)
    if public is None:
        public = admin.network.create_network(
            name=catalogue.EXTERNAL_NETWORK, is_router_external=True
        )
        admin.network.create_subnet(
            name=catalogue.EXTERNAL_NETWORK,
            network_id=public.id,
            ip_version=4,
            cidr=catalogue.EXTERNAL_CIDR,
            is_dhcp_enabled=False,
        )
    if member.network.find_network(PROJECT) is not None:
        return
    own = member.network.create_network(name=PROJECT)
    subnet = member.network.create_subnet(
        name=PROJECT,
        network_id=own.id,
        ip_version=4,
        cidr=catalogue.PROJECT_CIDR,
        is_dhcp_enabled=True,
        dns_nameservers=list(catalogue.NAME_SERVERS),
    )
    router = member.network.create_router(
        name=PROJECT, external_gateway_info={"network_id": public.id}
    )
    member.network.add_interface_to_router(router, subnet_id=subnet.id)
