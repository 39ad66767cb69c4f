"""What things cost in Billing Units, from dated tables: no OpenStack service knows it.

The tables are in data/prices.yaml, with their source. The environment variable POUTA_PRICES names
a file of the same form that is read instead.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pouta import clouds, handwritten
from pouta.errors import ConfigurationError

if TYPE_CHECKING:
    from openstack.compute.v2.server import Server
    from openstack.connection import Connection

GIB_IN_TIB = 1024
UNBILLED = ("SHELVED", "SHELVED_OFFLOADED", "DELETED", "SOFT_DELETED")
SHIPPED = "pouta/data/prices.yaml"
PRICED = ("floating_ip", "router", "volumes", "flavors")
UNSET = "Unset POUTA_PRICES to use the prices that come with pouta."
PRICE = "a number of BU/h, or a table of one for each cloud"


@dataclass(frozen=True)
class Prices:
    """The prices of one cloud on one day, in BU an hour. None is an unknown price, never a guess.

    cloud: "cpouta" or "epouta"; "" when it is another one.
    valid_from: since when these prices hold; None when none are known.
    source, read: where the prices were read, and when.
    floating_ip: for each address that the project has, in use or not.
    router: for each router with an external gateway beyond the project's first.
    note: why no price is known; "" otherwise.
    """

    cloud: str = ""
    valid_from: date | None = None
    source: str = ""
    read: date | None = None
    floating_ip: float | None = None
    router: float | None = None
    note: str = ""
    flavors: Mapping[str, float] = field(default_factory=dict, repr=False)
    volume_types: Mapping[str, float] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        if self.note:
            return self.note
        return f"Prices of {self.cloud} since {self.valid_from}: {self.source}, read {self.read}."

    def flavor(self, name: str) -> float | None:
        """BU/h of a server of this flavor, in any state but shelved and deleted."""
        return self.flavors.get(name)

    def server(self, server: Server) -> float | None:
        """BU/h of a server as it is now: nothing once it is shelved, but as before when stopped."""
        if self.valid_from and server.status in UNBILLED:
            return 0.0
        return self.flavor((server.flavor or {}).get("original_name") or "")

    def volume(self, size_gib: float, volume_type: str | None) -> float | None:
        """BU/h of a volume of this size in GiB, attached or not."""
        per_tib = self.volume_types.get(volume_type or "")
        return None if per_tib is None else per_tib * size_gib / GIB_IN_TIB


def shown(per_hour: float | None) -> float | None:
    """A price as tables show it."""
    return None if per_hour is None else round(per_hour, 4)


def of(conn: Connection) -> Prices:
    """Today's prices of the cloud that this Connection logs in at. No request is made."""
    return for_cloud(clouds.auth_url(conn))


def for_cloud(auth_url: str, on: date | None = None, path: Path | None = None) -> Prices:
    """The prices of the cloud at `auth_url`.

    on: the day that they are asked for; today if not given.
    path: as in `load`.

    For a cloud or a day without known prices, every price is None and `note` says why.
    """
    tables = load(path)
    host, day = clouds.host(auth_url), on or date.today()
    named = {host, "practice"} if clouds.is_practice(auth_url) else {host}
    cloud = next((name for name, hosts in tables["clouds"].items() if named & {*hosts}), "")
    if not cloud:
        return Prices(note=f"No prices are known for the cloud at {host or auth_url!r}.")
    begun = [period for period in tables["periods"] if period["valid_from"] <= day]
    if not begun:
        return Prices(cloud, note=f"No prices of {cloud} are known for {day}.")
    period = max(begun, key=lambda period: period["valid_from"])
    return Prices(
        cloud=cloud,
        valid_from=period["valid_from"],
        source=tables["source"],
        read=tables["read"],
        floating_ip=_in(cloud, {"": period.get("floating_ip")}).get(""),
        router=_in(cloud, {"": period.get("router")}).get(""),
        flavors=_in(cloud, period["flavors"]),
        volume_types=_in(cloud, period["volumes"]),
    )


def load(path: Path | None = None) -> dict[str, Any]:
    """The tables, checked: source, read, clouds, and periods with their prices.

    path: a file in the form of data/prices.yaml; if not given, the one that POUTA_PRICES names,
    else pouta's own.

    Raises ConfigurationError, naming the entry, when the file cannot be used.
    """
    chosen = path or os.environ.get("POUTA_PRICES")
    if not chosen:
        return _shipped()
    try:
        tables = handwritten.read(Path(chosen).expanduser().read_text(encoding="utf-8"))
    except handwritten.Unreadable as error:
        raise ConfigurationError(f"{chosen}{error}", hint=UNSET) from None
    except (OSError, RuntimeError, ValueError) as error:
        message = f"The price tables in {chosen} cannot be read: {error}"
        raise ConfigurationError(message, hint=UNSET) from error
    return _checked(tables, str(chosen))


@cache
def _shipped() -> dict[str, Any]:
    return _checked(handwritten.shipped("prices.yaml"), SHIPPED)


def _in(cloud: str, prices: Mapping[str, Any]) -> dict[str, float]:
    """Those of the prices that this cloud has."""
    here = {
        name: price.get(cloud) if isinstance(price, dict) else price
        for name, price in prices.items()
    }
    return {name: float(price) for name, price in here.items() if price is not None}


def _checked(tables: Any, file: str) -> dict[str, Any]:
    def check(value: Any, key: str, fits: Callable[[Any], bool], expected: str) -> None:
        if not fits(value):
            raise ConfigurationError(
                f"{file}: {key or 'the file'} should be {expected}.",
                hint="The form is that of the file that comes with pouta: data/prices.yaml.",
            )

    def is_price(value: Any) -> bool:
        if not isinstance(value, dict):
            return _is_number(value)
        return value.keys() <= tables["clouds"].keys() and all(map(_is_number, value.values()))

    check(tables, "", _is_table, "a table with source, read, clouds and periods")
    check(tables.get("source"), "source", _is_text, "the address of the page with the prices")
    check(tables.get("read"), "read", _is_date, "a date such as 2026-08-21")
    check(tables.get("clouds"), "clouds", _is_table, "a table of host names for each cloud")
    for cloud, hosts in tables["clouds"].items():
        check(hosts, f"clouds: {cloud}", _are_texts, "a list of host names")
    check(tables.get("periods"), "periods", _is_list, "a list of tables of prices")
    for number, period in enumerate(tables["periods"], 1):
        place = f"periods, number {number}"
        check(period, place, _is_table, "a table of prices with valid_from")
        check(period.get("valid_from"), f"{place}: valid_from", _is_date, "a date")
        for key in period.keys() - {"valid_from"}:
            check(key, f"{place}: {key}", PRICED.__contains__, f"one of {', '.join(PRICED)}")
        for key in ("flavors", "volumes"):
            check(period.get(key), f"{place}: {key}", _is_table, "a table of names and prices")
            for name, price in period[key].items():
                check(price, f"{place}: {key}: {name}", is_price, PRICE)
        for key in ("floating_ip", "router"):
            check(period.get(key, 0), f"{place}: {key}", is_price, PRICE)
    return tables  # type: ignore[no-any-return]


def _is_number(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and value >= 0


def _is_date(value: Any) -> bool:
    return isinstance(value, date) and not isinstance(value, datetime)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value)


def _are_texts(value: Any) -> bool:
    return _is_list(value) and all(map(_is_text, value))


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(map(_is_text, value))
