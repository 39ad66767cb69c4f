"""What servers can be: vCPUs, memory, disk, and Billing Units an hour. Nova."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pouta import find as _find
from pouta import prices, quotas
from pouta.display import Columns, Table
from pouta.errors import NotFound, chore
from pouta.kinds import FLAVOR

if TYPE_CHECKING:
    from openstack.compute.v2.flavor import Flavor
    from openstack.connection import Connection


NEARLY_A_GIB = 0.95 * 1024  # MiB; clouds count memory by the thousand, and keep a little of it


@chore("list flavors")
def list(
    conn: Connection,
    *,
    min_vcpus: int | None = None,
    min_ram: float | None = None,
    family: str | None = None,
    fits_quota: bool = False,
) -> Table[Flavor]:
    """The flavors that this project may use, cheapest first, with their BU/h.

    min_vcpus: at least so many vCPUs.
    min_ram: at least so much memory, in GiB; a flavor of 4000 MiB is taken for one of 4 GiB.
    family: "standard", "hpc", "hpc.5", "io", "gpu", …
    fits_quota: only those of which the project may have one more now.

    `GET /flavors/detail`, and `GET /limits` for the quota. The BU/h come from pouta's dated price
    data; "-" is a flavor without a known price.
    """
    room = quotas.compute(conn) if fits_quota else ()
    chosen = (
        flavor
        for flavor in FLAVOR.list(conn)
        if flavor.vcpus >= (min_vcpus or 0)
        and flavor.ram >= (min_ram or 0) * NEARLY_A_GIB
        and (family is None or f"{flavor.name}.".startswith(f"{family}."))
        and not quotas.refusal(room, quotas.wanted_for_servers(flavor))
    )
    known = prices.of(conn)
    unpriced = float("inf")
    by_price = sorted(
        chosen, key=lambda flavor: (known.flavor(flavor.name) or unpriced, flavor.vcpus, flavor.ram)
    )
    columns: Columns = {
        "name": "name",
        "vCPUs": "vcpus",
        "RAM GiB": lambda flavor: round(flavor.ram / 1024, 1),
        "root GB": "disk",
        "ephemeral GB": "ephemeral",
        "BU/h": lambda flavor: known.flavor(flavor.name),
    }
    return Table.of(conn, FLAVOR, by_price, columns)


@chore("find flavor {name_or_id}")
def find(conn: Connection, name_or_id: str | Flavor) -> Flavor:
    """The flavor of that name or ID. `GET /flavors/detail`.

    NotFound names the closest ones, or says that Pouta has it but not for this project.
    """
    try:
        return _find.one(conn, FLAVOR, name_or_id)
    except NotFound as error:
        if isinstance(name_or_id, str) and prices.of(conn).flavor(name_or_id) is not None:
            error.hint = "Pouta has it, but not for every project: servicedesk@csc.fi."
        raise


@chore("find a flavor with {vcpus} vCPUs and {ram} GiB")
def smallest(conn: Connection, *, vcpus: int, ram: float) -> Flavor:
    """The cheapest flavor with at least `vcpus` vCPUs and `ram` GiB of memory."""
    fitting = list(conn, min_vcpus=vcpus, min_ram=ram)
    if not fitting:
        raise NotFound(
            f"No flavor of this project has {vcpus} vCPUs and {ram:g} GiB of memory.",
            hint="pouta.flavors.list(conn) shows what there is; more by servicedesk@csc.fi.",
        )
    return fitting[0]
