"""What a rule of a security group means, however the tool that made it wrote it.

Neutron keeps protocols as names or numbers, in the spelling in which they came; all ports as
1-65535 or as none; everybody as 0.0.0.0/0, as ::/0 or as no prefix.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

EVERYBODY = {"IPv4": "0.0.0.0/0", "IPv6": "::/0"}
ALL_PORTS = (1, 65535)
ICMP, TCP, UDP, ICMP_OF_IPV6 = 1, 6, 17, 58
NUMBERS = {
    **{"hopopt": 0, "ip": 0, "icmp": ICMP, "igmp": 2, "ipip": 4, "tcp": TCP, "egp": 8, "udp": UDP},
    **{"dccp": 33, "ipv6-encap": 41, "ipv6-route": 43, "ipv6-frag": 44, "rsvp": 46, "gre": 47},
    **{"esp": 50, "ah": 51, "icmpv6": ICMP_OF_IPV6, "ipv6-icmp": ICMP_OF_IPV6, "ipv6-nonxt": 59},
    **{"ipv6-opts": 60, "ospf": 89, "vrrp": 112, "pgm": 113, "sctp": 132, "udplite": 136},
}
NAMES: dict[int | str | None, str] = {
    **{number: name for name, number in NUMBERS.items()},
    ICMP_OF_IPV6: "icmp",
    None: "all",
}


@dataclass(frozen=True)
class Meaning:
    """Two rules that are equal in this let the same pass.

    protocol: its number; None for any. ports: the first and the last (of ICMP: type and code); None
    for all. source: a network, or the ID of a group of servers or of addresses.
    """

    direction: str
    ethertype: str
    protocol: int | str | None
    ports: tuple[int | None, int | None] | None
    source: Network | tuple[str, str]

    def shown(self, names: Mapping[str, str]) -> str:
        """As a person writes it; `names` are those of groups, by ID."""
        protocol = NAMES.get(self.protocol, str(self.protocol))
        source = str(self.source)
        if isinstance(self.source, tuple):
            what, id = self.source
            source = f"{what} {names.get(id, id)}"
        return f"{protocol}{ports_shown(self.ports)} from {source}"

    def lets(self, network: Network, protocol: int, port: int) -> bool:
        """Whether this whole network may use this port."""
        if isinstance(self.source, tuple) or self.ethertype != f"IPv{network.version}":
            return False
        first, last = self.ports or ALL_PORTS
        return (
            self.protocol in (None, protocol)
            and (first or 0) <= port <= (last or 0)
            and network.subnet_of(self.source)  # type: ignore[arg-type]  # of one version
        )


def of(rule: Mapping[str, Any]) -> Meaning:
    """The meaning of a rule as Neutron tells it."""
    ethertype = "IPv6" if str(rule.get("ethertype")).lower() == "ipv6" else "IPv4"
    ports = (rule.get("port_range_min"), rule.get("port_range_max"))
    return Meaning(
        direction=str(rule.get("direction")),
        ethertype=ethertype,
        protocol=_number(rule.get("protocol"), ethertype),
        ports=None if ports in ((None, None), ALL_PORTS) else ports,
        source=_source(rule, ethertype),
    )


def ports_shown(ports: tuple[int | None, int | None] | None) -> str:
    first, last = ports or (None, None)
    if first is None:
        return ""
    return f" {first}" if last in (first, None) else f" {first}-{last}"


def _number(protocol: Any, ethertype: str) -> int | str | None:
    word = "any" if protocol is None else str(protocol).strip().lower()
    if word == "any":
        return None
    number = NUMBERS.get(word, int(word) if word.isdecimal() else word)
    return ICMP_OF_IPV6 if (number, ethertype) == (ICMP, "IPv6") else number


def _source(rule: Mapping[str, Any], ethertype: str) -> Network | tuple[str, str]:
    if group := rule.get("remote_group_id"):
        return "group", str(group)
    if group := rule.get("remote_address_group_id"):
        return "address group", str(group)
    prefix = rule.get("remote_ip_prefix") or EVERYBODY[ethertype]
    return ipaddress.ip_network(prefix, strict=False)
