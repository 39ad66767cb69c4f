"""Two servers that belong together: one with an address, and one behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pouta
from pouta import floating_ips, keypairs, security_groups, servers
from pouta.security_groups import Rule
from tests.acceptance.claims import Claims, part, refused, same, true
from tests.acceptance.parts import needs
from tests.acceptance.run import digest, random_file

if TYPE_CHECKING:
    from tests.acceptance.run import Run


@part(
    "cluster",
    minutes=8,
    makes="two servers, an address and a server group",
    servers=2,
    addresses=1,
    needs=[needs.address],
)
def _(run: Run) -> Claims:
    conn, name = run.conn, run.name("cluster")
    run.drop_web()

    def leads_to(address: str) -> str:
        (ip,) = conn.network.ips(floating_ip_address=address)
        return str(conn.network.get_port(ip.port_id).device_id)

    yield "two servers come by one call, in one server group"
    placed = servers.create_group(conn, name, "soft-anti-affinity")
    group = security_groups.ensure(
        conn, name, rules=[Rule(22, remote_ip=run.ssh_from), Rule(22, remote_group=name)]
    )
    small = {**run.options, "ssh_from": None, "security_groups": [group]}
    own = keypairs.ensure_own(conn)
    keypairs.ensure(conn, run.name("worker-key"), public_key=own.public_key)
    gate, worker = servers.launch_many(
        conn, name, 2, server_group=name, key_name=run.name("worker-key"), **small
    )
    states = [conn.compute.get_server(one.id).status for one in (gate, worker)]
    same("their states", states, ["ACTIVE", "ACTIVE"])
    members = next(one.member_ids for one in conn.compute.server_groups() if one.id == placed.id)
    same("in the group", {*members}, {gate.id, worker.id})
    true("it is not listed", placed.id in [one.id for one in servers.list_groups(conn)])

    yield "the first gets an address"
    address = floating_ips.attach(conn, gate).floating_ip_address
    same("it leads to", leads_to(address), gate.id)

    if (yield run.in_guest("a command runs on the second, through the first")):
        run.log_in(gate)
        run.log_in(worker, jump_host=gate)
        said = servers.run(conn, worker, "hostname", jump_host=gate).strip()
        same("its name", said.partition(".")[0], worker.name)
    if (yield run.in_guest("a file goes there through it, and back")):
        sent = random_file(run.home / "sent", 100_000)
        servers.copy(conn, worker, sent, ":", jump_host=gate)
        servers.copy(conn, worker, ":sent", run.home / "got", jump_host=gate)
        same("its checksum", digest(run.home / "got"), digest(sent))

    yield "the address is moved only when it is said, and not released in use"
    with refused(pouta.Refused, "leads to server"):
        floating_ips.attach(conn, worker, address)
    same("it leads to", leads_to(address), gate.id)
    floating_ips.attach(conn, worker, address, move=True)
    same("it leads to", leads_to(address), worker.id)
    with refused(pouta.Refused, "leads to server"):
        floating_ips.release(conn, address)
    if (yield run.in_guest("the second answers there now")):
        run.log_in(worker)
        said = servers.run(conn, worker, "hostname").strip()
        same("its name", said.partition(".")[0], worker.name)

    yield "all of it is gone when it is said"
    floating_ips.release(conn, address, in_use=True)
    same("the address", [*conn.network.ips(floating_ip_address=address)], [])
    servers.delete(conn, [gate, worker])
    servers.delete_group(conn, placed)
    left = {one.id for one in [*conn.compute.servers(), *conn.compute.server_groups()]}
    same("what is left", left & {gate.id, worker.id, placed.id}, set())
