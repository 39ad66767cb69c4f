"""Rules of placement: servers on one host, or each on another. Nova."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING

from pouta import deletion
from pouta import find as _find
from pouta.display import Columns, Table
from pouta.errors import InvalidInput, Refused, chore, listed
from pouta.kinds import SERVER_GROUP
from pouta.made import once

if TYPE_CHECKING:
    from openstack.compute.v2.server_group import ServerGroup
    from openstack.connection import Connection

POLICIES = ("anti-affinity", "soft-anti-affinity", "affinity", "soft-affinity")


@chore("list server groups")
def list_groups(conn: Connection) -> Table[ServerGroup]:
    """The project's server groups and their servers. `GET /os-server-groups`."""
    columns: Columns = {"name": "name", "policy": "policy", "servers": "member_ids", "id": "id"}
    return Table.of(conn, SERVER_GROUP, SERVER_GROUP.list(conn), columns)


@chore("create server group {name}")
def create_group(conn: Connection, name: str, policy: str = "anti-affinity") -> ServerGroup:
    """A server group of that name and policy is there afterwards; one that is there is taken.

    A server gets its group by `launch(…, server_group=name)`, or never.

    policy: "anti-affinity" puts each server on a host of its own, and a server for which none is
        free does not come up; "affinity" puts all on one host; with "soft-" before them, where
        that is possible. `POST /os-server-groups`.
    """
    _find.check_plain_name(SERVER_GROUP.noun, name)
    if policy not in POLICIES:
        raise InvalidInput(f"'{policy}' is no policy: {listed(POLICIES)} are.")

    def namesakes() -> builtins.list[ServerGroup]:
        return [*SERVER_GROUP.named(conn, name)]

    if there := namesakes():
        group = _find.pick(SERVER_GROUP.noun, name, there)
        if group.policy != policy:
            raise Refused(
                f"Server group '{name}' is there already, with the policy {group.policy}.",
                hint="A group keeps its policy: choose another name.",
                resource=group,
            )
        return group
    ask = {"name": name, "policy": policy}
    return once(f"server group '{name}'", lambda: SERVER_GROUP.create(conn, **ask), namesakes)[0]


@chore("delete server group {group}")
def delete_group(conn: Connection, group: str | ServerGroup) -> None:
    """The rule is gone; its servers stay where they are. `DELETE /os-server-groups/{id}`."""
    deletion.delete(conn, SERVER_GROUP, [_find.one(conn, SERVER_GROUP, group)])
