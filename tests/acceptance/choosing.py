"""Which image and which flavors a run takes when nobody says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pouta
from pouta import flavors, images
from pouta.servers.remaking import LOCAL_DISKS, family

if TYPE_CHECKING:
    from openstack.compute.v2.flavor import Flavor
    from openstack.connection import Connection
    from openstack.image.v2.image import Image

#: What is to be in the guest: blkid, lsblk, findmnt, mkfs, sudo. cirros only where nothing boots.
SYSTEMS = ("ubuntu", "debian", "almalinux", "rocky", "centos", "cirros")
LEAST_RAM = 950  # MiB; for a system that is not cirros


def image(conn: Connection, wanted: str | None) -> Image:
    """The newest of the first system of which there is an image; plain names before longer ones."""
    if wanted:
        return images.find(conn, wanted)
    usable = [one for one in images.list(conn) if one.status == "active" and one.name]
    for system in SYSTEMS:
        if found := [one for one in usable if one.name.lower().startswith(system)]:
            return max(found, key=lambda one: (_version(one.name), -len(one.name)))
    raise pouta.NotFound("No usual image is in this project.", hint="Name one: --image NAME")


def _version(name: str) -> Sequence[int]:
    numbers = re.search(r"\d+(\.\d+)*", name)
    return [*map(int, numbers[0].split("."))] if numbers else []


def flavor(conn: Connection, wanted: str | None, template: Image) -> Flavor:
    """The cheapest, then smallest, that this image runs on."""
    if wanted:
        return flavors.find(conn, wanted)
    least = 0 if template.name.lower().startswith("cirros") else LEAST_RAM
    fitting = [
        one
        for one in flavors.list(conn, fits_quota=True)
        if one.ram >= least
        and one.disk >= images.disk_needed(template)
        and one.disk
        and one.name.split(".")[0] not in LOCAL_DISKS
    ]
    if not fitting:
        raise pouta.NotFound(
            f"No flavor has room for image '{template.name}', or the quota is full.",
            hint="Name one: --flavor NAME",
        )
    return fitting[0]


def larger(conn: Connection, small: Flavor) -> Flavor | None:
    """The next one of its family to which a server can be resized."""
    bigger = [
        one
        for one in flavors.list(conn, fits_quota=True)
        if family(one.name) == family(small.name)
        and one.disk >= small.disk
        and one.ephemeral == small.ephemeral
        and (one.vcpus, one.ram) > (small.vcpus, small.ram)
        and one.ram >= small.ram
    ]
    return min(bigger, key=lambda one: (one.vcpus, one.ram, one.disk), default=None)
