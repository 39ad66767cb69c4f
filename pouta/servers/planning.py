"""What a launch will make, before anything is made: its cost, and whether the quota has room."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, Protocol, TypeVar, cast, overload

from pouta import quotas
from pouta.concurrently import gather
from pouta.costs import COLUMNS, Cost, Costs
from pouta.errors import status_of
from pouta.kinds import FLOATING_IP, VOLUME
from pouta.prices import Prices

if TYPE_CHECKING:
    from openstack.block_storage.v3.volume import Volume
    from openstack.compute.v2.flavor import Flavor
    from openstack.connection import Connection
    from openstack.network.v2.floating_ip import FloatingIP

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

NEW = "new"


@dataclass(frozen=True)
class Room:
    """What the project has left, and what Cinder would do by itself.

    volume_type: of a volume for which none is given; None when unknown.
    volumes, addresses: those that are there, where a launch may take them as they are.
    """

    quotas: Sequence[quotas.Quota]
    volume_type: str | None = None
    volumes: Sequence[Volume] = ()
    addresses: Sequence[FloatingIP] = ()


class Plan(Costs):
    """What would be made, each with its cost; below that the total and what the quota says.

    fits_quota: None where the quota may not be read.
    refusal: what the quota has no room for, with used, limit and wanted; "" when all fits.
    """

    def __init__(
        self, rows: Iterator[Cost], prices: Prices, fits_quota: bool | None, refusal: str
    ) -> None:
        said = f"The quota has no room for this. {refusal}." if refusal else "The quota allows it."
        if fits_quota is None:
            said = "The quota may not be read here."
        super().__init__(rows, prices, columns=_COLUMNS, noun="new thing", notes=[said])
        self.fits_quota = fits_quota
        self.refusal = refusal


_COLUMNS = {header: column for header, column in COLUMNS.items() if header != "status"}


@dataclass(frozen=True)
class Intent:
    """What will be made.

    boots_from: the image or the volume.
    servers: their names. disks: the volumes' names and sizes in GiB. addresses: how many.
    free: what costs nothing, as pairs of kind and name.
    """

    flavor: Flavor
    boots_from: str
    servers: Sequence[str]
    disks: Sequence[tuple[str, int]]
    addresses: int
    free: Sequence[tuple[str, str]]

    def check(self, room: Room) -> None:
        """Raise QuotaExceeded, which names what does not fit, when there is no room."""
        quotas.check(room.quotas, self._wanted(room))

    def shown(self, room: Room, known: Prices) -> Plan:
        refusal = quotas.refusal(room.quotas, self._wanted(room))
        fits = not refusal if room.quotas else None
        return Plan(self._rows(room, known), known, fits, refusal)

    def _wanted(self, room: Room) -> dict[str, float]:
        return {
            **quotas.wanted_for_servers(self.flavor, len(self.servers)),
            **quotas.wanted_for_disks([(size, room.volume_type) for _, size in self.disks]),
            "port": len(self.servers),
            "floatingip": self.addresses,
            "security_group": sum(kind == "security group" for kind, _ in self.free),
        }

    def _rows(self, room: Room, known: Prices) -> Iterator[Cost]:
        for kind, name in self.free:
            yield Cost(kind, name, NEW, "costs nothing", 0.0)
        for name in self.servers:
            what = f"{self.flavor.name}, boots from {self.boots_from}"
            yield Cost("server", name, NEW, what, known.flavor(self.flavor.name))
        for name, size in self.disks:
            price = known.volume(size, room.volume_type)
            yield Cost("volume", name, NEW, f"{size} GiB, {room.volume_type or 'no type'}", price)
        for _ in range(self.addresses):
            yield Cost("floating IP", "any free address", NEW, "one address", known.floating_ip)


def room(conn: Connection, *, addresses: bool, disks: bool, taken: bool) -> Room:
    """What of the quotas matters, asked for at the same time.

    What may not be read is left out: the cloud itself looks at its quotas in the end.
    """
    left, volume_type, *there = gather(
        lambda: quotas.readable(conn, volume=disks, network=addresses),
        lambda: _default_volume_type(conn) if disks else None,
        lambda: [*VOLUME.list(conn)] if taken and disks else [],
        lambda: [*FLOATING_IP.list(conn)] if taken and addresses else [],
    )
    return Room(left, volume_type, *there)


def _default_volume_type(conn: Connection) -> str | None:
    from openstack.exceptions import HttpException

    try:
        return conn.block_storage.get_type("default").name
    except HttpException as error:
        if status_of(error) not in (403, 404):
            raise
        return None


class Rehearsable(Protocol[P, R_co]):
    """A chore that with `dry_run=True` returns a Plan instead of what it makes."""

    @overload
    def __call__(
        self, conn: Connection, name: str, *args: Any, dry_run: Literal[True], **wish: Any
    ) -> Plan: ...
    @overload
    def __call__(self, *args: P.args, **wish: P.kwargs) -> R_co: ...


def rehearsable(function: Callable[P, R]) -> Rehearsable[P, R]:
    """The function itself, whose type says what `dry_run` does."""
    return cast("Rehearsable[P, R]", function)
