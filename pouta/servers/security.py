"""The security groups of a server, which Neutron keeps on its ports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pouta import deletion, floating_ips, waiting
from pouta import find as _find
from pouta.concurrently import gather
from pouta.errors import Refused, chore
from pouta.kinds import CALL, PORT, SECURITY_GROUP, SERVER
from pouta.made import once
from pouta.security_groups import ssh_group

if TYPE_CHECKING:
    from openstack.compute.v2.server import Server
    from openstack.connection import Connection
    from openstack.network.v2.port import Port
    from openstack.network.v2.security_group import SecurityGroup

UNDER_WAY = timedelta(hours=1)  # longer than a launch takes


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


def drop_unused(conn: Connection, known: Sequence[SecurityGroup]) -> None:
    """Delete the groups that `ssh_from` made for this user's former addresses, and no port has.

    Else each place that a laptop is taken to leaves one, until the quota is full. A group that was
    changed since it was made stays, and so does one that may be of a launch that is under way.
    """
    former = [group for group in known if _is_of_ssh_from(conn, group)]
    if former:
        in_use = {id for port in PORT.list(conn) for id in port.security_group_ids}
        deletion.attempt(conn, SECURITY_GROUP, [g for g in former if g.id not in in_use])


def _is_of_ssh_from(conn: Connection, group: SecurityGroup) -> bool:
    age = datetime.now(UTC) - datetime.fromisoformat(group.created_at)
    lets_in = [rule for rule in group.security_group_rules if rule["direction"] == "ingress"]
    return (
        age > UNDER_WAY
        and CALL in SECURITY_GROUP.notes(group)
        and not SECURITY_GROUP.is_others(conn, group)
        and [ssh_group(rule["remote_ip_prefix"] or "") for rule in lets_in] == [group.name]
    )


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
