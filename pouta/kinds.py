"""The kinds of things that chores find, make and delete, and where each is asked for.

A kind knows its four calls on openstacksdk's proxies and where its mark is written: the note that
goes with a create and tells whose call made the thing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from pouta.errors import InvalidInput

if TYPE_CHECKING:
    from openstack.block_storage.v3.snapshot import Snapshot
    from openstack.block_storage.v3.type import Type
    from openstack.block_storage.v3.volume import Volume
    from openstack.compute.v2.flavor import Flavor
    from openstack.compute.v2.keypair import Keypair
    from openstack.compute.v2.server import Server
    from openstack.compute.v2.server_group import ServerGroup
    from openstack.connection import Connection
    from openstack.image.v2.image import Image
    from openstack.network.v2.floating_ip import FloatingIP
    from openstack.network.v2.network import Network
    from openstack.network.v2.port import Port
    from openstack.network.v2.router import Router
    from openstack.network.v2.security_group import SecurityGroup
    from openstack.network.v2.security_group_rule import SecurityGroupRule
    from openstack.network.v2.subnet import Subnet

R = TypeVar("R")

CALL = "pouta_call"
TAGS = "pouta_tags"
TAG = r"[\w.:-]{1,60}"  # what a user's tag looks like; Nova's limit
TAGS_LIMIT = 200  # characters; a description holds 255, and the mark of the call besides


@dataclass(frozen=True)
class Kind(Generic[R]):
    """One kind of thing: `service` and `verb` name its calls, as in `conn.network.create_ip`.

    `named_by` is the query that lists by name, None where the API has no such filter. `note` is
    where the mark goes: "metadata" or "description", "" where the API has room for neither.
    `vanishes`: a delete is over when it is answered. `can_be_busy`: a delete refused with 409 may
    be accepted a moment later. `brief`: a list without details spares the cloud much. `underway`:
    the states in which something is being done to it.
    """

    noun: str
    service: str
    verb: str
    named_by: str | None = "name"
    note: str = ""
    vanishes: bool = True
    can_be_busy: bool = True
    brief: bool = False
    underway: frozenset[str] = frozenset()

    def create(self, conn: Connection, **attributes: Any) -> R:
        return cast(R, self._call(conn, f"create_{self.verb}")(**attributes))

    def get(self, conn: Connection, id: str) -> R:
        return cast(R, self._call(conn, f"get_{self.verb}")(id))

    def list(self, conn: Connection, **query: Any) -> Iterator[R]:
        return cast(Iterator[R], self._call(conn, f"{self.verb}s")(**query))

    def delete(self, conn: Connection, id: str) -> None:
        self._call(conn, f"delete_{self.verb}")(id, ignore_missing=True)

    def named(self, conn: Connection, name: str) -> Iterator[R]:
        """Those that have exactly this name; one request."""
        asked = name
        if self.service == "compute":
            asked = f"^{pattern(name)}$"
        if self.service == "image" and ":" in name:
            asked = f"eq:{name}"  # what stands before a colon is an operator to Glance
        query = {self.named_by: asked} if self.named_by else {}
        return (thing for thing in self.list(conn, **query) if name_of(thing) == name)

    def present(self, conn: Connection, ids: Iterable[str], *, details: bool = True) -> Sequence[R]:
        """Those of `ids` that are there; one request for one thing, one listing for many."""
        from openstack.exceptions import NotFoundException

        wanted = {*ids}
        if len(wanted) > 1:
            query = {} if details or not self.brief else {"details": False}
            return [thing for thing in self.list(conn, **query) if id_of(thing) in wanted]
        try:
            return [self.get(conn, id) for id in wanted]
        except NotFoundException:
            return []

    def noted(self, attributes: dict[str, Any], mark: str, tags: Sequence[str]) -> dict[str, Any]:
        """`attributes` with the mark, and the user's tags, written where this kind has room."""
        joined = ",".join(tags)
        if self.note == "metadata":
            note = {CALL: mark} | ({TAGS: joined} if tags else {})
            return attributes | {"metadata": (attributes.get("metadata") or {}) | note}
        if self.note == "description":
            words = (attributes.get("description"), f"{CALL}={mark}", joined and f"{TAGS}={joined}")
            return attributes | {"description": " ".join(filter(None, words))}
        return attributes

    def marked(self, conn: Connection, mark: str) -> Sequence[R]:
        """Those whose create carried this mark."""
        return [thing for thing in self.list(conn) if self.notes(thing).get(CALL) == mark]

    def notes(self, thing: R) -> dict[str, str]:
        """What `noted` wrote into a thing, read back."""
        if self.note == "metadata":
            return dict(getattr(thing, "metadata", None) or {})
        words = str(getattr(thing, "description", None) or "").split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def is_settled(self, thing: R) -> bool:
        """Whether nothing is being done to it."""
        status = str(getattr(thing, "status", None) or "")
        at_work = status in self.underway or status.endswith("_IN_PROGRESS")
        return not (at_work or getattr(thing, "task_state", None))

    def complaint(self, conn: Connection, thing: R) -> str:
        """Why the cloud did not delete a thing, as far as it tells."""
        return ""

    def is_others(self, conn: Connection, thing: R) -> bool:
        """Whether another user made it; False where nothing tells."""
        me = str(conn.current_user_id)
        if user := getattr(thing, "user_id", None):
            return bool(user != me)
        marked_by, _, call = self.notes(thing).get(CALL, "").partition("-")
        return call.count("-") > 0 and marked_by != maker(me)

    def tags(self, thing: R) -> set[str]:
        """The user's tags on a thing: those that `noted` wrote, and the API's own."""
        written = self.notes(thing).get(TAGS, "").split(",")
        return {*written, *(getattr(thing, "tags", None) or [])} - {""}

    def carrying(self, tag: str | None, things: Iterable[R]) -> Sequence[R]:
        """Those of `things` that carry the user's tag; all when there is none to look for."""
        if tag is None:
            return [*things]
        wanted = checked_tag(tag)
        return [thing for thing in things if wanted in self.tags(thing)]

    def _call(self, conn: Connection, name: str) -> Any:
        return getattr(getattr(conn, self.service), name)


@dataclass(frozen=True)
class _Disks(Kind[R]):
    """Volumes and snapshots. What Cinder could not do it tells in messages to the user."""

    def complaint(self, conn: Connection, thing: R) -> str:
        query = f"/messages?resource_uuid={id_of(thing)}&sort=created_at:desc&limit=1"
        answer = conn.block_storage.get(query, microversion="3.5")  # with filters
        told = answer.json()["messages"] if answer.ok else ()
        words = next((str(message["user_message"]) for message in told), "")
        reason = words.rpartition(":")[2].strip(" .")  # "delete snapshot:Snapshot is busy."
        return f"Cinder says: {reason}." if "delete" in words else ""


@dataclass(frozen=True)
class _Snapshots(_Disks["Snapshot"]):
    def complaint(self, conn: Connection, thing: Snapshot) -> str:
        made_of_it = [v for v in VOLUME.list(conn) if v.snapshot_id == id_of(thing)]
        names = ", ".join(f"'{name_of(volume) or id_of(volume)}'" for volume in made_of_it)
        told = super().complaint(conn, thing)
        return f"{told} Volumes made from it need it: {names}.".strip() if names else told


# The owners of a router's ports in the networks that it connects: of a plain router, of a
# distributed one, and of a highly available one, which most production clouds have.
ROUTER_INTERFACES = (
    "network:router_interface",
    "network:router_interface_distributed",
    "network:ha_router_replicated_interface",
)


@dataclass(frozen=True)
class _Routers(Kind["Router"]):
    """A router goes once it is unplugged from its networks."""

    def delete(self, conn: Connection, id: str) -> None:
        from openstack.exceptions import NotFoundException

        ports = PORT.list(conn, device_id=id, device_owner=ROUTER_INTERFACES)
        for subnet in {address["subnet_id"] for port in ports for address in port.fixed_ips}:
            with suppress(NotFoundException):  # it was unplugged before, and nobody was told
                conn.network.remove_interface_from_router(id, subnet)
        super().delete(conn, id)


# Each before what it holds on to.
ORDER = (
    *("stack", "server", "floating IP", "port", "volume snapshot", "volume", "image"),
    *("security group rule", "security group", "router", "subnet", "network"),
)


def pattern(name: str) -> str:
    """A regular expression that finds a name anywhere in others, and a few that look like it.

    Nova gives it to its database; with no escapes, SQLite, MySQL and PostgreSQL read it alike.
    """
    return re.sub(r"[\0-,./:-@[-^`{-\x7f]", ".", name)


def in_order(kind: Kind[Any]) -> int:
    """The place of a kind when things are removed; what nothing holds on to comes last."""
    return ORDER.index(kind.noun) if kind.noun in ORDER else len(ORDER)


def checked_tags(tags: Any) -> Sequence[str]:
    """The tags of a chore, or InvalidInput: they are words, and a list of them."""
    if isinstance(tags, str) or not isinstance(tags, Sequence):
        raise InvalidInput(
            f"tags must be a list of words (got {tags!r:.80}).", hint=f"tags=[{tags!r:.80}]"
        )
    for tag in tags:
        checked_tag(tag)
    if len(",".join(tags)) > TAGS_LIMIT:
        raise InvalidInput(f"tags must have at most {TAGS_LIMIT} characters in all.")
    return tags


def checked_tag(tag: Any) -> str:
    """A tag, or InvalidInput."""
    if not isinstance(tag, str) or not re.fullmatch(TAG, tag):
        raise InvalidInput(
            f"Invalid tag {tag!r:.80}: use 1 to 60 letters, digits and . : _ - without blanks."
        )
    return tag


def maker(user_id: str) -> str:
    """What tells in a mark who made a thing, where the API itself does not."""
    return hashlib.sha256(user_id.encode()).hexdigest()[:8]


def id_of(thing: Any) -> str:
    return str(thing.id)


def name_of(thing: Any) -> str:
    return str(thing.name or "")


SERVER: Kind[Server] = Kind(
    "server",
    "compute",
    "server",
    note="metadata",
    vanishes=False,
    brief=True,
    underway=frozenset({"BUILD", "REBOOT", "HARD_REBOOT"}),
)
SERVER_GROUP: Kind[ServerGroup] = Kind("server group", "compute", "server_group", named_by=None)
FLAVOR: Kind[Flavor] = Kind("flavor", "compute", "flavor", named_by=None)
KEYPAIR: Kind[Keypair] = Kind("key pair", "compute", "keypair", named_by=None)
IMAGE: Kind[Image] = Kind(
    "image",
    "image",
    "image",
    can_be_busy=False,
    underway=frozenset({"queued", "saving", "importing", "uploading"}),
)
VOLUME: Kind[Volume] = _Disks(
    "volume",
    "block_storage",
    "volume",
    note="metadata",
    vanishes=False,
    underway=frozenset(
        {
            *("creating", "downloading", "attaching", "detaching", "reserved", "extending"),
            *("retyping", "backing-up", "restoring-backup", "maintenance", "uploading"),
        }
    ),
)
VOLUME_TYPE: Kind[Type] = Kind("volume type", "block_storage", "type", named_by=None)
SNAPSHOT: Kind[Snapshot] = _Snapshots(
    "volume snapshot",
    "block_storage",
    "snapshot",
    note="metadata",
    vanishes=False,
    underway=frozenset(
        {"creating", "deleting", "restoring", "backing-up", "unmanaging", "updating"}
    ),
)
NETWORK: Kind[Network] = Kind("network", "network", "network", note="description")
SUBNET: Kind[Subnet] = Kind("subnet", "network", "subnet", note="description")
ROUTER: Kind[Router] = _Routers("router", "network", "router", note="description")
PORT: Kind[Port] = Kind("port", "network", "port", note="description")
SECURITY_GROUP: Kind[SecurityGroup] = Kind(
    "security group", "network", "security_group", note="description"
)
SECURITY_GROUP_RULE: Kind[SecurityGroupRule] = Kind(
    "security group rule",
    "network",
    "security_group_rule",
    named_by=None,
    note="description",
)
FLOATING_IP: Kind[FloatingIP] = Kind(
    "floating IP", "network", "ip", named_by="floating_ip_address", note="description"
)
