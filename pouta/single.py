"""A single resource as a table, which IPython and Jupyter show in its place.

What is shown is chosen for each kind, never all that there is: a resource may hold a password, a
private key, or user data with secrets in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pouta import clouds, display, floating_ips, kinds, prices, volumes, waiting
from pouta.display import Columns
from pouta.prices import Prices
from pouta.stacks import STACK

if TYPE_CHECKING:
    from openstack.compute.v2.server import Server
    from openstack.resource import Resource


@dataclass(frozen=True)
class _Sheet:
    """What is shown of one kind of thing: what it says of itself, and what it costs."""

    noun: str
    columns: Columns
    price: Callable[[Prices, Any], float | None] = lambda known, thing: None


def _flavor(server: Server) -> str | None:
    flavor = server.flavor or {}
    name = flavor.get("original_name")
    if not flavor.get("ram"):
        return name
    return f"{name}: {flavor['vcpus']} vCPUs, {round(flavor['ram'] / 1024, 1):g} GiB"


ANY: Columns = {"name": "name", "status": "status"}
# By openstacksdk's own names of the classes.
SHEETS = {
    "Server": _Sheet(
        kinds.SERVER.noun,
        {
            "name": "name",
            "status": waiting.state,
            "fault": lambda server: (server.fault or {}).get("message"),
            "flavor": _flavor,
            "private": lambda server: floating_ips.addresses(server, "fixed"),
            "floating IP": lambda server: floating_ips.addresses(server, "floating"),
            "key": "key_name",
            "groups": lambda server: [group["name"] for group in server.security_groups or []],
            "volumes": lambda server: [disk.id for disk in server.attached_volumes or []],
            "tags": "tags",
        },
        lambda known, server: known.server(server),
    ),
    "Volume": _Sheet(
        kinds.VOLUME.noun,
        {
            **ANY,
            "GiB": "size",
            "type": "volume_type",
            "bootable": lambda volume: "yes" if volume.is_bootable else None,
            "attached to": volumes.attached_to,
            "path in there": lambda volume: (
                volumes.device_path(volume) if volumes.attached_to(volume) else None
            ),
        },
        lambda known, volume: known.volume(volume.size, volume.volume_type),
    ),
    "Snapshot": _Sheet(kinds.SNAPSHOT.noun, {**ANY, "GiB": "size", "of volume": "volume_id"}),
    "Image": _Sheet(
        kinds.IMAGE.noun,
        {
            **ANY,
            "visibility": "visibility",
            "min disk GB": "min_disk",
            "size MB": lambda image: image.size and round(image.size / 1e6, 1),
        },
    ),
    "Flavor": _Sheet(
        kinds.FLAVOR.noun,
        {
            "name": "name",
            "vCPUs": "vcpus",
            "RAM GiB": lambda flavor: round(flavor.ram / 1024, 1),
            "root GB": "disk",
            "ephemeral GB": "ephemeral",
        },
        lambda known, flavor: known.flavor(flavor.name),
    ),
    "FloatingIP": _Sheet(
        kinds.FLOATING_IP.noun,
        {**ANY, "private address": "fixed_ip_address"},
        lambda known, ip: known.floating_ip,
    ),
    "Keypair": _Sheet(
        kinds.KEYPAIR.noun, {"name": "name", "type": "type", "fingerprint": "fingerprint"}
    ),
    "Network": _Sheet(kinds.NETWORK.noun, {**ANY, "external": "is_router_external"}),
    "Router": _Sheet(kinds.ROUTER.noun, ANY),
    "SecurityGroup": _Sheet(kinds.SECURITY_GROUP.noun, {**ANY, "description": "description"}),
    "Stack": _Sheet(STACK.noun, {**ANY, "reason": "status_reason"}),
}


def shown_in(shell: Any) -> None:
    """IPython's shell shows a single resource as a table, unless its user has chosen."""
    for form, function in {"text/html": as_html, "text/plain": as_text}.items():
        formatter = shell.display_formatter.formatters[form]
        if formatter.for_type_by_name("openstack.resource", "Resource") is None:
            formatter.for_type_by_name("openstack.resource", "Resource", function)


def as_html(thing: Resource) -> str:
    """The resource in HTML; its name leads to its page in the dashboard."""
    conn = thing._connection
    page = (
        clouds.page(clouds.auth_url(conn), _sheet(thing).noun, kinds.id_of(thing)) if conn else ""
    )
    lines = ""
    for name, text in _facts(thing):
        link = page if name == "name" else ""
        lines += f"<tr>{display.heading(name)}{display.cell(name, text, link=link)}</tr>"
    return f"<table><tbody>{lines}</tbody></table>"


def as_text(thing: Resource, printer: Any, cycle: bool) -> None:
    """The resource for IPython's printer of text; in one line where it is among others."""
    if len(printer.stack) > 1:
        printer.text(f"<{type(thing).__name__} {display.text(thing.name or thing.id)}>")
        return
    facts = [*_facts(thing)]
    width = max(len(name) for name, _ in facts)
    printer.text("\n".join(f"{name.ljust(width)}  {text}" for name, text in facts))


def _sheet(thing: Resource) -> _Sheet:
    return SHEETS.get(type(thing).__name__, _Sheet("", ANY))


def _facts(thing: Resource) -> Iterator[tuple[str, str]]:
    """What there is to say of a resource, in pairs of words. No request is made."""
    sheet = _sheet(thing)
    for name, column in sheet.columns.items():
        if (value := display.value(thing, column)) not in (None, "", []):
            yield name, display.text(value)
    conn = thing._connection
    price = sheet.price(prices.of(conn), thing) if conn else None
    if price is not None:
        yield "BU/h", display.text(prices.shown(price))
    if thing.id != thing.name:
        yield "id", display.text(thing.id)
