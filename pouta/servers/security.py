"""The security groups of a server, which Neutron keeps on its ports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pouta import find as _find
from pouta import floating_ips, waiting
from pouta.concurrently import gather
from pouta.errors import Refused, chore
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
    """The group's rules hold for the server afterwards, at once. `PUT /v2.0/ports/{id}`."""
    found, wanted = _with_group(conn, server, group)
    put(conn, found, [wanted])
    return waiting.fetch(conn, SERVER, found)


@chore("remove security group {group} from server {server}")
def remove_security_group(
    conn: Connection, server: str | Server, group: str | SecurityGroup
) -> Server:
    """The group's rules do not hold for the server any more, at once. `PUT /v2.0/ports/{id}`.

    Without `default` a server may not get its SSH key at its next boot.
    """
    found, unwanted = _with_group(conn, server, group)
    _change(conn, _ports(conn, found), lambda ids: [held for held in ids if held != unwanted.id])
    return waiting.fetch(conn, SERVER, found)


def put(conn: Connection, server: Server, groups: Sequence[SecurityGroup]) -> None:
    """The groups are on every port of the server afterwards."""
    wanted = [group.id for group in groups]
    ports = _ports(conn, server)
    if wanted and not ports:
        raise Refused(
            f"Server '{server.name}' has no port that takes security groups.",
            hint="A port takes them when it has an IP address, and its port security is on.",
        )
    _change(conn, ports, lambda ids: [*dict.fromkeys([*ids, *wanted])])


def _change(
    conn: Connection, ports: Sequence[Port], change: Callable[[Sequence[str]], Sequence[str]]
) -> None:
    """Neutron refuses a change of what is out of date; Nova's own calls undo what came between."""
    from openstack.exceptions import PreconditionFailedException

    for port in ports:
        while (ids := change(port.security_group_ids)) != port.security_group_ids:
            try:
                _write(conn, port, ids)
                break
            except PreconditionFailedException:
                port = conn.network.get_port(port.id)


def _write(conn: Connection, port: Port, ids: Sequence[str]) -> None:
    def written() -> Sequence[Port]:
        now = conn.network.get_port(port.id)
        return [now] if {*now.security_group_ids} == {*ids} else []

    once(
        f"groups of port {port.id}",
        lambda: conn.network.update_port(
            port.id, if_revision=port.revision_number, security_groups=ids
        ),
        written,
    )


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
