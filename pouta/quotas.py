"""How much of everything the project may have, and whether there is room. Nova, Cinder, Neutron."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pouta.concurrently import gather, meet
from pouta.display import Columns, Table
from pouta.errors import QuotaExceeded, chore, status_of

if TYPE_CHECKING:
    from openstack.compute.v2.flavor import Flavor
    from openstack.connection import Connection

HINT = "Free something, or ask for more: servicedesk@csc.fi."
DISKS = {"gigabytes": "GiB", "volumes": "volumes", "snapshots": "snapshots"}
NETWORK = {
    "floatingip": "floating IPs",
    "port": "ports",
    "network": "networks",
    "router": "routers",
    "security_group": "security groups",
    "security_group_rule": "security group rules",
}


@dataclass(frozen=True)
class Quota:
    """How much of one thing is used and allowed.

    service: "compute", "volume" or "network".
    name: what it is in words; `key` is OpenStack's own name of it.
    used: what is there, and what is still being made. Memory and volumes are in GiB.
    limit: None where there is no limit.
    """

    service: str
    name: str
    key: str
    used: float
    limit: float | None

    @property
    def left(self) -> float | None:
        """What may still be made; None where there is no limit."""
        return None if self.limit is None else max(0, self.limit - self.used)

    def has_room_for(self, wanted: float) -> bool:
        return self.left is None or wanted <= self.left


@chore("show the quotas")
def show(conn: Connection) -> Table[Quota]:
    """What the project uses, may use and has left: compute, volumes by type, and network.

    Shelved and stopped servers count like running ones, volumes count attached or not. More is
    asked for at servicedesk@csc.fi.

    `GET /limits`, `GET /os-quota-sets/{project}?usage=true`, `GET /v2.0/quotas/{project}/details`,
    at the same time.
    """
    columns: Columns = {
        "service": "service",
        "quota": "name",
        "used": lambda quota: round(quota.used, 1),
        "limit": lambda quota: _or_unlimited(quota.limit),
        "left": lambda quota: _or_unlimited(quota.left),
    }
    return Table(read(conn, volume=True, network=True), columns, "quota")


def read(conn: Connection, *, volume: bool = False, network: bool = False) -> Sequence[Quota]:
    """The quotas of compute and of what else is asked for; a request each, at the same time."""
    services: dict[str, Callable[[Connection], Sequence[Quota]]] = {"compute": compute}
    if volume:
        services["block_storage"] = disks
    if network:
        services["network"] = networks
    meet(conn, *services)
    rows = gather(*(partial(ask, conn) for ask in services.values()))
    return [quota for service in rows for quota in service]


def readable(conn: Connection, *, volume: bool = False, network: bool = False) -> Sequence[Quota]:
    """`read`, or nothing where a role or an application credential may not look at quotas."""
    from openstack.exceptions import HttpException

    try:
        return read(conn, volume=volume, network=network)
    except HttpException as error:
        if status_of(error) not in (403, 404):
            raise
        return ()


def compute(conn: Connection) -> Sequence[Quota]:
    """Servers, vCPUs and memory. `GET /limits`."""
    now = conn.compute.get_limits().absolute
    return [
        _quota("compute", "instances", "instances", now.instances_used, now.instances),
        _quota("compute", "cores", "cores", now.total_cores_used, now.total_cores),
        _quota("compute", "RAM, GiB", "ram", now.total_ram_used, now.total_ram, divisor=1024),
    ]


def disks(conn: Connection) -> Sequence[Quota]:
    """Volumes and their snapshots, in all and by type. `GET /os-quota-sets/{project}`."""
    now = conn.block_storage.get_quota_set(str(conn.current_project_id), usage=True)
    limits, used, reserved = now.to_dict(), now.usage, now.reservation

    def quota(key: str) -> Quota:
        what, _, volume_type = key.partition("_")
        name = f"{DISKS[what]} of {volume_type or 'any type'}"
        return _quota("volume", name, key, used[key] + reserved.get(key, 0), limits[key])

    # First the totals, then each type's; the API has them in no order.
    keys = sorted(used, key=lambda key: ("_" in key, key))
    return [quota(key) for key in keys if key.partition("_")[0] in DISKS]


def networks(conn: Connection) -> Sequence[Quota]:
    """Floating IPs, ports, networks, routers, security groups. `GET /v2.0/quotas/{project}`."""
    found = conn.network.get_quota(str(conn.current_project_id), details=True)
    now = found.to_dict(original_names=True)
    return [
        _quota("network", name, key, there["used"] + int(there["reserved"]), there["limit"])
        for key, name in NETWORK.items()
        if (there := now.get(key))
    ]


def refusal(quotas: Sequence[Quota], wanted: Mapping[str, float]) -> str:
    """What does not fit, each with used, limit and wanted; "" when all does.

    wanted: how much more, by the quotas' keys. A quota that was not read is not looked at: the
    cloud does that itself.
    """
    return "; ".join(
        f"{quota.name}: {round(quota.used, 1):g} of {round(quota.limit, 1):g} used, "
        f"{round(wanted[quota.key], 1):g} wanted"
        for quota in quotas
        if quota.limit is not None and not quota.has_room_for(wanted.get(quota.key, 0))
    )


def check(quotas: Sequence[Quota], wanted: Mapping[str, float]) -> None:
    """Raise QuotaExceeded, which names what does not fit, when there is no room."""
    if why := refusal(quotas, wanted):
        raise QuotaExceeded(f"The project's quota has no room for this. {why}.", hint=HINT)


def wanted_for_servers(flavor: Flavor, count: int = 1) -> dict[str, float]:
    """What servers of a flavor need of the quotas."""
    return {"instances": count, "cores": count * flavor.vcpus, "ram": count * flavor.ram / 1024}


def wanted_for_disks(disks: Sequence[tuple[int, str | None]]) -> dict[str, float]:
    """What volumes need of the quotas, given as pairs of size in GiB and type."""
    wanted: dict[str, float] = {}
    for size, volume_type in disks:
        for suffix in ("", f"_{volume_type}") if volume_type else ("",):
            for key, amount in ((f"gigabytes{suffix}", size), (f"volumes{suffix}", 1)):
                wanted[key] = wanted.get(key, 0) + amount
    return wanted


def _quota(
    service: str, name: str, key: str, used: float, limit: float, *, divisor: int = 1
) -> Quota:
    # OpenStack writes "no limit" as -1.
    return Quota(service, name, key, used / divisor, None if limit < 0 else limit / divisor)


def _or_unlimited(amount: float | None) -> float | str:
    return "unlimited" if amount is None else round(amount, 1)
