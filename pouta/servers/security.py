"""The security groups of a server, which Neutron keeps by its ports. Nova puts them there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pouta import find as _find
from pouta import floating_ips, waiting
from pouta.concurrently import gather
from pouta.errors import chore
from pouta.kinds import SECURITY_GROUP, SERVER
from pouta.made import once

if TYPE_CHECKING:
    from openstack.compute.v2.server import Server
    from openstack.connection import Connection
    from openstack.network.v2.port import Port
    from openstack.network.v2.security_group import SecurityGroup


@chore("add security group {group} to server {server}")
def add_security_group(
    conn: Connection, server: str | Server, group: str | SecurityGroup
) -> Server:
    """The group's rules hold for the server afterwards, at once. `addSecurityGroup`."""
    found, wanted = _with_group(conn, server, group)
    put(conn, found, wanted)
    return waiting.fetch(conn, SERVER, found)


@chore("remove security group {group} from server {server}")
def remove_security_group(
    conn: Connection, server: str | Server, group: str | SecurityGroup
) -> Server:
    """The group's rules do not hold for the server any more, at once. `removeSecurityGroup`.

    Without `default` a server may not get its SSH key at its next boot.
    """
    found, wanted = _with_group(conn, server, group)

    def gone() -> Sequence[Server]:
        return [] if any(_holds(conn, found, wanted)) else [found]

    if not gone():
        once(
            f"server '{found.name}' without group '{wanted.name}'",
            lambda: conn.compute.remove_security_group_from_server(found, wanted.id),
            gone,
        )
    return waiting.fetch(conn, SERVER, found)


def put(conn: Connection, server: Server, group: SecurityGroup) -> None:
    """The group is on every port of the server afterwards."""
    ports = _ports(conn, server)
    missing = [port for port in ports if group.id not in port.security_group_ids]
    if len(missing) < len(ports):
        for port in missing:  # Nova asks for all ports, and Neutron takes no group twice
            conn.network.update_port(port, security_groups=[*port.security_group_ids, group.id])
        return
    once(
        f"group '{group.name}' of server '{server.name}'",
        lambda: conn.compute.add_security_group_to_server(server, group.id),
        lambda: [server] if ports and all(_holds(conn, server, group)) else [],
    )


def _holds(conn: Connection, server: Server, group: SecurityGroup) -> Sequence[bool]:
    """Of each port that can have groups, whether it has this one. Nova tells only their names."""
    return [group.id in port.security_group_ids for port in _ports(conn, server)]


def _ports(conn: Connection, server: Server) -> Sequence[Port]:
    """The ports that can have groups."""
    return [
        port
        for port in floating_ips.all_ports_of(conn, [server])
        if port.is_port_security_enabled is not False and port.fixed_ips
    ]


def _with_group(
    conn: Connection, server: str | Server, group: str | SecurityGroup
) -> tuple[Server, SecurityGroup]:
    found, wanted = gather(
        lambda: _find.now(conn, SERVER, server), lambda: _find.one(conn, SECURITY_GROUP, group)
    )
    return found, wanted
