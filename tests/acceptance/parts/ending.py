"""The end of a day: what it costs, and that all of it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pouta
from pouta import billing, prices, volumes
from tests.acceptance.claims import Claim, Claims, Untrue, part, same, true
from tests.acceptance.parts import needs

if TYPE_CHECKING:
    from tests.acceptance.run import Run


@part(
    "billing",
    minutes=1,
    makes="a volume",
    servers=1,
    addresses=1,
    gib=1,
    needs=[needs.disks, needs.server],
)
def _(run: Run) -> Claims:
    conn, web = run.conn, run.web
    yield "the estimate has the server, its address and a volume"
    volume = volumes.create(conn, run.name("billed"), 1, tags=[run.tag])
    costs = {cost.id: cost for cost in billing.estimate(conn, tag=run.tag)}
    ports = {port.id for port in conn.network.ports(device_id=web.id)}
    led = {ip.id for ip in conn.network.ips() if ip.port_id in ports}
    true(f"only {[str(cost) for cost in costs.values()]}", {web.id, volume.id, *led} <= {*costs})

    known = prices.of(conn)
    unknown = known.note or f"no price of {run.flavor.name} is known here" * (
        known.flavor(run.flavor.name) is None
    )
    if (yield Claim("a running server has the price of its flavor", unknown)):
        flavor = conn.compute.get_server(web.id).flavor["original_name"]
        same("BU/h", costs[web.id].per_hour, known.flavor(flavor))

    yield "what is paid for and not used has the call that ends it"
    ends = {cost.id: cost.ends_by for cost in billing.waste(conn)}
    true("the volume is not in it", "pouta.volumes.delete" in ends.get(volume.id, ""))
    true("the running server is in it", web.id not in ends)
    volumes.delete(conn, volume)


@part("cleanup", minutes=1, makes="three volumes, for a moment each", gib=2, needs=[needs.disks])
def _(run: Run) -> Claims:
    conn = run.conn

    def there(*names: str) -> set[str]:
        wanted = {*map(run.name, names)}
        return {one.name for one in conn.block_storage.volumes()} & wanted

    yield "a temporary thing is gone after its block"
    with pouta.temporary(conn) as tag:
        volumes.create(conn, run.name("scratch"), 1, tags=[tag, run.tag])
        same("within", there("scratch"), {run.name("scratch")})
    same("afterwards", there("scratch"), set())

    yield "what stands or falls together falls together"
    try:
        with pouta.all_or_nothing(conn) as tag:
            volumes.create(conn, run.name("first"), 1, tags=[tag, run.tag])
            raise Untrue("for a try")
    except Untrue as error:
        same("the exception", str(error), "for a try")
    same("afterwards", there("first"), set())

    yield "all with the tag goes, and nothing else"
    tag = run.name("cleanup")
    for name, tags in {"goes": [tag, run.tag], "stays": [run.tag]}.items():
        volumes.create(conn, run.name(name), 1, tags=tags)
    gone = pouta.cleanup(conn, tag=tag)
    same("removed", [thing.name for thing in gone], [run.name("goes")])
    same("afterwards", there("goes", "stays"), {run.name("stays")})
    volumes.delete(conn, run.name("stays"))
