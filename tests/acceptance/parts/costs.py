"""What a day costs, and how that ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pouta import billing, prices, servers, volumes
from tests.acceptance.claims import Claim, Claims, part, same, true
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


@part(
    "delete",
    minutes=1,
    makes="nothing",
    servers=1,
    addresses=1,
    gib=1,
    needs=[needs.disks, needs.server],
)
def _(run: Run) -> Claims:
    conn, web = run.conn, run.web
    yield "the server and its address are gone, and its volume is not"
    data = volumes.create(conn, run.name("stays"), 1, tags=[run.tag])
    volumes.attach(conn, web, data)
    ports = {port.id for port in conn.network.ports(device_id=web.id)}
    led = {ip.id for ip in conn.network.ips() if ip.port_id in ports}
    servers.delete(conn, web, release_floating_ips=True)
    run.forget_web()
    same("servers", [one.id for one in conn.compute.servers() if one.id == web.id], [])
    same("addresses", {ip.id for ip in conn.network.ips()} & led, set())
    same("the volume", conn.block_storage.get_volume(data.id).status, "available")
    volumes.delete(conn, data)
