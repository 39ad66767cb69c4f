"""The kinds of things that chores find, make and delete, and where each is asked for.

A kind knows its four calls on openstacksdk's proxies and where its mark is written: the note that
goes with a create and tells whose call made the thing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

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
    from openstack.network.v2.subnet import Subnet

R = TypeVar("R")

CALL = "pouta_call"
TAGS = "pouta_tags"
TAG = r"[\w.:-]{1,60}"  # what a user's tag looks like; Nova's limit


@dataclass(frozen=True)
class Kind(Generic[R]):
    """One kind of thing: `service` and `verb` name its calls, as in `conn.network.create_ip`.

    `named_by` is the query that lists by name, None where the API has no such filter. `note` is
    where the mark goes: "metadata" or "description", "" where the API has room for neither.
    `vanishes` tells that a delete is over when it is answered, `brief` that a list without details
    spares the cloud much.
    """

    noun: str
    service: str
    verb: str
    named_by: str | None = "name"
    note: str = ""
    vanishes: bool = True
    brief: bool = False

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

    def tags(self, thing: R) -> set[str]:
        """The user's tags on a thing: those that `noted` wrote, and the API's own."""
        written = self.notes(thing).get(TAGS, "").split(",")
        return {*written, *(getattr(thing, "tags", None) or [])} - {""}

    def carrying(self, tag: str | None, things: Iterable[R]) -> Sequence[R]:
        """Those of `things` that carry the user's tag; all when there is none to look for."""
        return [thing for thing in things if tag is None or tag in self.tags(thing)]

    def _call(self, conn: Connection, name: str) -> Any:
        return getattr(getattr(conn, self.service), name)


@dataclass(frozen=True)
class _Routers(Kind["Router"]):
    """A router goes once it is unplugged from its networks."""

    def delete(self, conn: Connection, id: str) -> None:
        from openstack.exceptions import NotFoundException

        ports = [port for port in PORT.list(conn, device_id=id) if "interface" in port.device_owner]
        for subnet in {address["subnet_id"] for port in ports for address in port.fixed_ips}:
            with suppress(NotFoundException):  # it was unplugged before, and nobody was told
                conn.network.remove_interface_from_router(id, subnet)
        super().delete(conn, id)


# Each before what it holds on to.
ORDER = (
    *("stack", "server", "floating IP", "port", "image", "volume snapshot", "volume"),
    *("security group", "router", "subnet", "network"),
)


def pattern(name: str) -> str:
    """A regular expression that finds a name anywhere in others, and a few that look like it.

    Nova gives it to its database; with no escapes, SQLite, MySQL and PostgreSQL read it alike.
    """
    return re.sub(r"[\0-,./:-@[-^`{-\x7f]", ".", name)


def in_order(kind: Kind[Any]) -> int:
    """The place of a kind when things are removed; what nothing holds on to comes last."""
    return ORDER.index(kind.noun) if kind.noun in ORDER else len(ORDER)


def id_of(thing: Any) -> str:
    return str(thing.id)


def name_of(thing: Any) -> str:
    return str(thing.name or "")


SERVER: Kind[Server] = Kind(
    "server", "compute", "server", note="metadata", vanishes=False, brief=True
)
SERVER_GROUP: Kind[ServerGroup] = Kind("server group", "compute", "server_group", named_by=None)
FLAVOR: Kind[Flavor] = Kind("flavor", "compute", "flavor", named_by=None)
KEYPAIR: Kind[Keypair] = Kind("key pair", "compute", "keypair", named_by=None)
IMAGE: Kind[Image] = Kind("image", "image", "image")
VOLUME: Kind[Volume] = Kind("volume", "block_storage", "volume", note="metadata", vanishes=False)
VOLUME_TYPE: Kind[Type] = Kind("volume type", "block_storage", "type", named_by=None)
SNAPSHOT: Kind[Snapshot] = Kind(
    "volume snapshot", "block_storage", "snapshot", note="metadata", vanishes=False
)
NETWORK: Kind[Network] = Kind("network", "network", "network", note="description")
SUBNET: Kind[Subnet] = Kind("subnet", "network", "subnet", note="description")
ROUTER: Kind[Router] = _Routers("router", "network", "router", note="description")
PORT: Kind[Port] = Kind("port", "network", "port", note="description")
SECURITY_GROUP: Kind[SecurityGroup] = Kind(
    "security group", "network", "security_group", note="description"
)
FLOATING_IP: Kind[FloatingIP] = Kind(
    "floating IP", "network", "ip", named_by="floating_ip_address", note="description"
)
