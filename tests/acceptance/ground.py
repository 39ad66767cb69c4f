"""What is in the project before and after a run, and how all goes that the run made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pouta
from pouta import keypairs, object_store, servers, volumes
from pouta.errors import explain
from pouta.kinds import KEYPAIR, NETWORK, ROUTER, SERVER, VOLUME
from tests.acceptance.claims import first_line
from tests.campaigns import inventory
from tests.campaigns.inventory import Change, Inventory, Look, Thing

if TYPE_CHECKING:
    from openstack.connection import Connection

TRIES = 3  # what is busy the first time is not for ever
#: Of the object store only what is in our own containers could change, and these go as a whole.
LOOKS = [look for look in inventory.LOOKS if inventory.KINDS[look] != ["object"]]


@dataclass
class Ground:
    """A project as it was before a run, looked at by bare openstacksdk.

    tag: of the run; all that it names begins with it.
    ssh_group: the group that its launches ensure.
    own_keys: whether the keys of the home folder are the run's.
    ec2_keys: the access keys that it made, which have no names.
    unseen: why some kinds of things cannot be looked at here.
    """

    conn: Connection
    tag: str
    ssh_group: str = ""
    own_keys: bool = False
    ec2_keys: list[str] = field(default_factory=list)
    looks: Sequence[Look] = ()
    unseen: Mapping[str, str] = field(default_factory=dict)
    before: Inventory = field(default_factory=dict)

    def look(self) -> None:
        why = {look: _why_not(self.conn, look) for look in LOOKS}
        self.looks = [look for look, said in why.items() if not said]
        self.unseen = {
            " and ".join(inventory.KINDS[look]): said for look, said in why.items() if said
        }
        self.before = self.now()

    def now(self) -> Inventory:
        return inventory.taken(self.conn, looks=self.looks)

    def changes(self) -> Sequence[Change]:
        """What is different from before, once the cloud has come to rest."""
        now, _ = inventory.at_rest(self.now)
        return inventory.changes(self.before, now, self.conn.current_project.name)

    def named(self) -> Sequence[Thing]:
        """What is there by the names of the run."""
        return [thing for thing in self.now().values() if self.is_named(thing)]

    def is_named(self, thing: Any) -> bool:
        return (thing.name or "").startswith(f"{self.tag}-")

    def untagged(self) -> Sequence[Thing]:
        """What the run made that can carry no tag."""
        own = [pair for pair in KEYPAIR.list(self.conn) if self.own_keys and keypairs.own([pair])]
        unnamed = {("security group", self.ssh_group), *(("key pair", one.name) for one in own)}
        return [
            thing
            for key, thing in self.now().items()
            if thing.kind in REMOVED_BY
            and (
                self.is_named(thing)
                or thing.id in self.ec2_keys
                or (key not in self.before and (thing.kind, thing.name) in unnamed)
            )
        ]

    def was_there(self, kind: str) -> bool:
        return any(thing.kind == kind for thing in self.before.values())


def _why_not(conn: Connection, look: Look) -> str:
    """Why nothing of this kind can be listed: no such service, or no right to it."""
    try:
        list(look(conn))
    except Exception as error:
        if (told := explain(error, "list it")) is None:
            raise
        return first_line(told)
    return ""


# Removing


def sweep(ground: Ground, other: Connection | None = None) -> Sequence[str]:
    """All that the run made is gone; why what did not go is still there."""
    conn = ground.conn
    steps = [
        partial(_take_back_offers, ground),
        partial(_remove_servers, ground),
        partial(pouta.cleanup, conn, tag=ground.tag),
        partial(_remove_untagged, ground),
        partial(_remove_url_key, ground),
        partial(_remove_network, ground),
    ]
    if other:
        steps.append(partial(_remove_volumes, replace(ground, conn=other)))
    trouble: Sequence[str] = ()
    for _ in range(TRIES):
        trouble = [said for step in steps if (said := _tried(step))]
        if not trouble:
            break
    return trouble


def _tried(step: Callable[[], object]) -> str:
    try:
        step()
    except pouta.PoutaError as error:
        return str(error)
    except Exception as error:
        if (told := explain(error, "remove what the run made")) is None:
            raise
        return str(told)
    return ""


def _take_back_offers(ground: Ground) -> None:
    for volume in filter(ground.is_named, VOLUME.list(ground.conn)):
        if volume.status == "awaiting-transfer":
            volumes.cancel_transfer(ground.conn, volume)


def _remove_servers(ground: Ground) -> None:
    """With the addresses that were attached later, which carry no tag."""
    if found := [*filter(ground.is_named, SERVER.list(ground.conn))]:
        servers.delete(ground.conn, found, release_floating_ips=True)


def _remove_volumes(ground: Ground) -> None:
    """A volume that was moved to another project has lost its tags."""
    if found := [*filter(ground.is_named, VOLUME.list(ground.conn))]:
        volumes.delete(ground.conn, found, delete_snapshots=True)


def _remove_untagged(ground: Ground) -> None:
    removals = [partial(REMOVED_BY[one.kind], ground.conn, one.id) for one in ground.untagged()]
    if trouble := [said for removal in removals if (said := _tried(removal))]:
        raise pouta.Failed(" ".join(trouble))


def _remove_url_key(ground: Ground) -> None:
    before, now = (taken.get(("account", "")) for taken in (ground.before, ground.now()))
    if before and now and now.facts["for URLs"] and not before.facts["for URLs"]:
        ground.conn.object_store.post("", headers={"X-Remove-Account-Meta-Temp-URL-Key": "1"})


def _remove_network(ground: Ground) -> None:
    """The network that `ensure_default` made where the project had none."""
    if ground.was_there("network"):
        return
    conn, name = ground.conn, ground.conn.current_project.name
    for kind in (ROUTER, NETWORK):
        for thing in kind.named(conn, name):
            kind.delete(conn, thing.id)


def _delete_ec2_key(conn: Connection, access: str) -> None:
    conn.identity.delete(f"/users/{conn.current_user_id}/credentials/OS-EC2/{access}")


#: What pouta's own clean-up does not know, as it can carry no tags.
REMOVED_BY: Mapping[str, Callable[[Any, str], object]] = {
    "key pair": lambda conn, id: conn.compute.delete_keypair(id),
    "server group": lambda conn, id: conn.compute.delete_server_group(id),
    "security group": lambda conn, id: conn.network.delete_security_group(id),
    "container": lambda conn, id: object_store.delete(conn, id, all_objects=True),
    "application credential": lambda conn, id: conn.identity.delete_application_credential(
        conn.current_user_id, id
    ),
    "EC2 key": _delete_ec2_key,
}
