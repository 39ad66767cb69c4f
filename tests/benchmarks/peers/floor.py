"""What nobody can be faster than: the cloud's own time, and the requests that cannot be avoided.

Worked out from a run of pouta, so that both meet the same cloud in the same minute: what it waited
for by itself, and what it asked besides, is left out. Requests that need nothing of each other
count as one at a time, the longest. Each lasts as long as it did on the wire, the round trip
included.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pouta.kinds import SERVER
from tests.proxy import Request

from .cloud import Cloud

NAMES = ("GET image /v2/images", "GET compute .*/flavors", "GET network .*/networks")
SERVERS = "POST compute .*/servers$"
ATTACHMENT = "compute .*/os-volume_attachments"


@dataclass(frozen=True)
class Floor:
    seconds: float
    requests: int


@dataclass(frozen=True)
class _Wire:
    """The requests of one step."""

    seen: Sequence[Request]

    def asked(self, pattern: str) -> list[Request]:
        return [request for request in self.seen if re.match(pattern, str(request))]

    def last(self, pattern: str) -> Request:
        return self.asked(pattern)[-1]

    def takes(self, *patterns: str) -> float:
        """Seconds of the longest of these, which can be asked at once."""
        return max(r.ended - r.began for p in patterns for r in self.asked(p)[-1:])


def of(step: str, seen: Sequence[Request], cloud: Cloud) -> Floor | None:
    """The floor of a step, where it has one."""
    wire = _Wire(seen)
    if step == "flavors":
        return Floor(wire.takes("POST identity") + wire.takes("GET compute .*/flavors"), 2)
    if step in ("launch", "fleet"):
        return Floor(
            _asking(wire) + _after(wire.last(SERVERS), cloud.ended("create")) + _look(wire), 6
        )
    if step in ("address", "full"):
        return _with_address(step, wire, cloud)
    if step == "attach":
        asking = wire.takes("POST identity") + wire.takes(
            "GET compute .*/servers", "GET volume .*/volumes"
        )
        return Floor(asking + _change(wire, f"POST {ATTACHMENT}", cloud.ended("attach_volume")), 5)
    if step == "detach":
        asking = wire.takes("POST identity") + wire.takes("GET volume .*/volumes")
        return Floor(
            asking + _change(wire, f"DELETE {ATTACHMENT}", cloud.ended("detach_volume")), 4
        )
    if step in ("servers", "volumes", "ports"):
        pages = wire.asked(f"GET .*/{step}")
        return Floor(sum(page.ended - page.began for page in pages), len(pages))
    return None


def _asking(wire: _Wire) -> float:
    return wire.takes("POST identity") + wire.takes(*NAMES) + wire.takes(SERVERS)


def _after(asked: Request, ended: float) -> float:
    """What the cloud still had to do when it had answered."""
    return max(0.0, ended - asked.ended)


def _look(wire: _Wire) -> float:
    return wire.takes("GET compute .*/servers")


def _change(wire: _Wire, asked: str, ended: float) -> float:
    return (
        wire.takes(asked) + _after(wire.last(asked), ended) + wire.takes("GET volume .*/volumes/")
    )


def _with_address(step: str, wire: _Wire, cloud: Cloud) -> Floor:
    """While a server is built its port comes, the address is led there, and Nova is told of it."""
    (server,) = SERVER.list(cloud.conn)
    asked, lead = wire.last(SERVERS), "POST network .*/floatingips"
    building = _after(asked, cloud.ended("create"))
    leading = (
        _after(asked, cloud.began("create"))
        + wire.takes("GET network .*/ports")
        + wire.takes(lead)
        + _after(wire.last(lead), cloud.told_of_addresses(server))
    )
    seconds = _asking(wire) + max(building, leading) + _look(wire)
    if step == "address":
        return Floor(seconds, 8)
    attaching = _change(wire, f"POST {ATTACHMENT}", cloud.ended("attach_volume"))
    return Floor(seconds + attaching, 11)
