"""What Pouta offers, by its own names (CSC's user guide, read 2026-08-21)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Flavor:
    """RAM in MiB, disks in GB. Where the guide gives GiB with one digit, the nearest round MiB."""

    name: str
    vcpus: int
    ram: int
    disk: int = 80
    ephemeral: int = 0


FLAVORS = (
    Flavor("standard.tiny", 1, 1000),
    Flavor("standard.small", 2, 2000),
    Flavor("standard.medium", 3, 4000),
    Flavor("standard.large", 4, 8000),
    Flavor("standard.xlarge", 6, 15600),
    Flavor("standard.xxlarge", 8, 31800),
    Flavor("standard.3xlarge", 8, 63600),
    Flavor("hpc.6.14core", 14, 90000),
    Flavor("hpc.6.28core", 28, 180000),
    Flavor("hpc.6.56core", 56, 360000),
    Flavor("hpc.6.112core", 112, 722000),
    Flavor("hpc.5.16core", 16, 60000),
    Flavor("hpc.5.32core", 32, 120000),
    Flavor("hpc.5.64core", 64, 240000),
    Flavor("hpc.5.128core", 128, 480000),
    Flavor("hpc.4.5core", 5, 22000),
    Flavor("hpc.4.10core", 10, 44000),
    Flavor("hpc.4.20core", 20, 88000),
    Flavor("hpc.4.40core", 40, 176000),
    Flavor("hpc.4.80core", 80, 352000),
    Flavor("io.70GB", 2, 10000, 20, 70),
    Flavor("io.160GB", 4, 20000, 20, 160),
    Flavor("io.340GB", 8, 40000, 20, 340),
    Flavor("io.700GB", 16, 80000, 20, 700),
    Flavor("io.2.80GB", 2, 13000, 80, 80),
    Flavor("io.2.240GB", 4, 27000, 80, 240),
    Flavor("io.2.550GB", 8, 55000, 80, 550),
    Flavor("io.2.1200GB", 16, 110000, 80, 1200),
    Flavor("gpu.1.1gpu", 14, 120000),
    Flavor("gpu.1.2gpu", 28, 240000),
    Flavor("gpu.1.4gpu", 56, 480000),
)

#: Name, distribution, version, smallest disk in GB.
IMAGES = (
    ("Ubuntu-22.04", "ubuntu", "22.04", 4),
    ("Ubuntu-24.04", "ubuntu", "24.04", 4),
    ("Ubuntu-26.04", "ubuntu", "26.04", 4),
    ("AlmaLinux-8", "almalinux", "8", 10),
    ("AlmaLinux-9", "almalinux", "9", 10),
    ("AlmaLinux-10", "almalinux", "10", 10),
    ("CentOS-9-Stream", "centos", "9", 10),
    ("CentOS-10-Stream", "centos", "10", 10),
    ("cirros", "cirros", "0.6", 0),
)

#: Name, what a user reads about it, extra specs.
VOLUME_TYPES: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    ("standard", "Replicated, for everything", {}),
    ("capacity", "Cheaper and slower, for what is seldom read", {}),
    ("standard.multiattach", "Can be attached to several servers", {"multiattach": "<is> True"}),
)

#: What everybody in a project may do.
ROLES = ("member", "heat_stack_owner", "object_store_user", "creator")

EXTERNAL_NETWORK = "public"
#: A range that no network uses (RFC 2544), large enough for a fleet.
EXTERNAL_CIDR = "198.18.0.0/16"
PROJECT_CIDR = "192.168.1.0/24"
NAME_SERVERS = ("193.166.4.24", "193.166.4.25")
