"""Who may reach a server, by address and port. Neutron; rules act at once, on every server."""

from __future__ import annotations

import ipaddress
import os
import threading
import urllib.request
from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from http.client import HTTPConnection, HTTPSConnection
from typing import TYPE_CHECKING, Any

from pouta import clouds, waiting
from pouta import find as _find
from pouta import rules as _rules
from pouta.concurrently import each
from pouta.display import Columns, Table
from pouta.errors import ConfigurationError, InvalidInput, Refused, chore
from pouta.kinds import SECURITY_GROUP, SECURITY_GROUP_RULE
from pouta.made import Made

if TYPE_CHECKING:
    from openstack.connection import Connection
    from openstack.network.v2.security_group import SecurityGroup

SSH_PORT = 22
MY_IP = "my-ip"
MY_IP_SERVICE = "https://ifconfig.me/ip"  # POUTA_MY_IP_URL names another
MY_IP_TIMEOUT = 5  # seconds
ANY_IPV4 = (str(ipaddress.IPv4Address(0)), 0)
WORLD = {4: 8, 6: 16}  # a network with a shorter prefix counts as the world
_MAKING = threading.Lock()


@dataclass(frozen=True)
class Rule:
    """What a group lets in: `port` (one, or the first and last) from `remote_ip` (a CIDR).

    protocol: "tcp", "udp" or "icmp"; icmp has no port.
    remote_group: let in the servers of this group instead, its own servers for its own name.
    """

    port: int | tuple[int, int] | None = None
    protocol: str = "tcp"
    remote_ip: str = MY_IP
    remote_group: str | None = None

    def __str__(self) -> str:
        source = f"group {self.remote_group}" if self.remote_group else self.remote_ip
        return f"{self.protocol}{_rules.ports_shown(_ports(self.port))} from {source}"


@chore("list security groups")
def list(conn: Connection) -> Table[SecurityGroup]:
    """The project's security groups, with what they let in. `GET /v2.0/security-groups`."""
    groups = [*SECURITY_GROUP.list(conn)]
    names = {group.id: group.name for group in groups}
    columns: Columns = {
        "name": "name",
        "lets in": lambda group: _lets_in(group, names),
        "description": "description",
    }
    return Table.of(conn, SECURITY_GROUP, groups, columns)


@chore("find security group {name_or_id}")
def find(conn: Connection, name_or_id: str | SecurityGroup) -> SecurityGroup:
    """The security group of that name or ID. NotFound names the closest ones."""
    return _find.one(conn, SECURITY_GROUP, name_or_id)


@chore("ensure security group {name}")
def ensure(
    conn: Connection,
    name: str | SecurityGroup,
    *,
    rules: Sequence[Rule] = (),
    allow_world: bool = False,
    among: Sequence[SecurityGroup] | None = None,
) -> SecurityGroup:
    """A group of that name with at least these rules is there afterwards.

    Rules that are there already stay; none is removed. A rule is there when an equal one is, in
    whatever spelling another tool wrote it; one that lets in more does not count, for whoever
    removes it would close what was asked for here. A new group lets everything out and nothing in.
    The group `default` is never changed: servers need it as it is to get their SSH key. When it
    fails, what it made is removed.

    name: of several groups that share a name, the ID of the one that is meant.
    allow_world: without it, a rule that opens SSH to the whole internet is refused.
    among: groups that were listed before; they are not listed again then.

    `POST /v2.0/security-groups` and `/v2.0/security-group-rules`.
    """
    if isinstance(name, str):
        _find.check_plain_name(SECURITY_GROUP.noun, name)
    if rules and name == "default":
        raise _default_stays()
    wanted = [checked(conn, rule, allow_world) for rule in rules]
    there = _there(conn, name, among)
    if rules and there and there.name == "default":
        raise _default_stays()
    # Before anything is made; the group's own name stays, for it may not be there yet.
    own = (there.id, there.name) if there else (name,)
    wanted = [_with_group_found(conn, rule, own) for rule in wanted]
    with Made(conn) as made:
        group = there or _made_by_one(made, str(name))
        wanted = [
            replace(rule, remote_group=group.id) if rule.remote_group in own else rule
            for rule in wanted
        ]
        missing = [rule for rule in wanted if not _has(group, rule)]
        each(lambda rule: _add(made, group, rule), missing)
        return waiting.fetch(conn, SECURITY_GROUP, group) if missing else group


@chore("open port {port} in security group {name}")
def allow(
    conn: Connection,
    name: str | SecurityGroup,
    *,
    port: int | tuple[int, int] | None,
    protocol: str = "tcp",
    remote_ip: str = MY_IP,
    remote_group: str | None = None,
    allow_world: bool = False,
) -> SecurityGroup:
    """The group lets `port` in from `remote_ip` afterwards; it is made if it is missing.

    Nothing is changed where an equal rule is there; one that lets in more does not count.

    port: one port, or the first and the last; None for protocol "icmp".
    remote_ip: a CIDR, an address, or "my-ip" for this machine's public address.
    remote_group: let in the servers of this group, whatever their IPv4 addresses, and nobody else.
        A group may name itself: its servers reach each other then.
    allow_world: without it, opening SSH to the whole internet is refused.
    """
    return ensure(
        conn, name, rules=[Rule(port, protocol, remote_ip, remote_group)], allow_world=allow_world
    )


def is_default(conn: Connection, group: SecurityGroup) -> bool:
    """Whether it is the project's own `default`; another project may share its own with this."""
    return group.name == "default" and group.project_id in (None, conn.current_project_id)


def ssh_group(remote_ip: str) -> str:
    """The group that `ssh_from` makes for an address."""
    return f"ssh-from-{remote_ip.replace('/', '-')}"


def cidr_of(conn: Connection, remote_ip: str) -> str:
    """A CIDR from a CIDR, an address or "my-ip".

    "my-ip" asks a public service; POUTA_MY_IP_URL names another one than ifconfig.me. On the
    practice cloud it is 127.0.0.1/32.
    """
    if remote_ip == MY_IP:
        remote_ip = "127.0.0.1" if clouds.is_practice(clouds.auth_url(conn)) else _my_ip()
    if not isinstance(remote_ip, str):
        raise InvalidInput(f"{remote_ip!r:.80} is not text, such as '192.0.2.7/32'.")
    try:
        if "%" in remote_ip:  # of one of this machine's own links
            raise ValueError
        return str(ipaddress.ip_network(remote_ip))
    except ValueError:
        try:
            near = ipaddress.ip_network(remote_ip, strict=False)
        except ValueError:
            hint = 'Give a CIDR such as "192.0.2.7/32", or "my-ip".'
        else:
            hint = f'Did you mean the network "{near}"?'
        raise InvalidInput(f"{remote_ip!r:.80} is not a network.", hint=hint) from None


class _OverIPv4(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """Of a machine with both kinds of addresses, the IPv6 one is of no use for a floating IP."""

    def http_open(self, request: urllib.request.Request) -> Any:
        return self.do_open(partial(HTTPConnection, source_address=ANY_IPV4), request)

    def https_open(self, request: urllib.request.Request) -> Any:
        return self.do_open(partial(HTTPSConnection, source_address=ANY_IPV4), request)


_OVER_IPV4 = urllib.request.build_opener(_OverIPv4)


def _my_ip() -> str:
    url = os.environ.get("POUTA_MY_IP_URL", MY_IP_SERVICE)
    if not url.startswith(("http://", "https://")):
        raise ConfigurationError(f"POUTA_MY_IP_URL is no web address: {url}")
    try:
        with _OVER_IPV4.open(url, timeout=MY_IP_TIMEOUT) as answer:
            text = answer.read(100).decode("ascii", "replace").strip()
        return str(ipaddress.IPv4Address(text))
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"Your public address could not be asked from {url}: {error}",
            hint='Give it yourself: ssh_from="192.0.2.7/32". https://apps.csc.fi/myip shows it.',
        ) from error


def checked(conn: Connection, rule: Rule, allow_world: bool) -> Rule:
    """The rule with its CIDR worked out, or why it cannot be."""
    first, last = _checked_ports(rule.port)
    if rule.protocol not in ("tcp", "udp", "icmp"):
        raise InvalidInput(f"'{rule.protocol}' is no protocol: tcp, udp or icmp.")
    if (first is None or last is None) != (rule.protocol == "icmp"):
        raise InvalidInput(f"{rule.protocol} needs {'no' if first else 'a'} port.")
    if first is not None and last is not None and not 1 <= first <= last <= 65535:
        raise InvalidInput(f"{rule.port} is no port: 1 to 65535, the first not after the last.")
    if rule.remote_group:
        return replace(rule, remote_ip="")
    cidr = cidr_of(conn, rule.remote_ip)
    network = ipaddress.ip_network(cidr)
    world = network.prefixlen < WORLD[network.version]
    if (
        world
        and not allow_world
        and rule.protocol == "tcp"
        and (first or 0) <= SSH_PORT <= (last or 0)
    ):
        raise Refused(
            f"{cidr} opens SSH to the whole internet, which is scanned for it day and night.",
            hint='Give your own address, or "my-ip"; allow_world=True opens it all the same.',
        )
    return Rule(rule.port, rule.protocol, cidr)


def _default_stays() -> Refused:
    return Refused(
        "The group 'default' is not changed: without its rules a server gets no SSH key.",
        hint="Put the rules into a group of their own.",
    )


def _there(
    conn: Connection, name: str | SecurityGroup, among: Sequence[SecurityGroup] | None
) -> SecurityGroup | None:
    """The group of that name or ID, or the one in hand as it is now; None where there is none."""
    from openstack.exceptions import NotFoundException

    if not isinstance(name, str):
        return _find.now(conn, SECURITY_GROUP, name)
    if among is None and _find.is_id(name):
        with suppress(NotFoundException):
            return SECURITY_GROUP.get(conn, name)
    seen = SECURITY_GROUP.named(conn, name) if among is None else among
    meant = [group for group in seen if name in (group.name, group.id)]
    return _find.pick(SECURITY_GROUP.noun, name, meant) if meant else None


def _made_by_one(made: Made, name: str) -> SecurityGroup:
    """A new group; of threads that want it at the same time, one makes it for all."""
    with _MAKING:
        if named := [*SECURITY_GROUP.named(made.conn, name)]:
            return _find.pick(SECURITY_GROUP.noun, name, named)
        return made.create(SECURITY_GROUP, name=name)


def _with_group_found(conn: Connection, rule: Rule, own: Container[object]) -> Rule:
    """The rule with its remote group's ID, unless that is the group itself, by one of `own`."""
    if rule.remote_group is None or rule.remote_group in own:
        return rule
    return replace(rule, remote_group=find(conn, rule.remote_group).id)


def _checked_ports(port: object) -> tuple[int | None, int | None]:
    pair = port if isinstance(port, tuple) else (port, port)
    match pair:
        case (None, None) | (int(), int()) if not any(isinstance(one, bool) for one in pair):
            return pair
    raise InvalidInput(f"{port!r:.80} is no port: a number, or the first and the last.")


def _ports(port: int | tuple[int, int] | None) -> tuple[int | None, int | None]:
    return port if isinstance(port, tuple) else (port, port)


def _add(made: Made, group: SecurityGroup, rule: Rule) -> None:
    from openstack.exceptions import ConflictException

    try:
        made.create(SECURITY_GROUP_RULE, security_group_id=group.id, **_written(rule))
    except ConflictException:  # somebody else made it in this moment, or the quota is full
        if not _has(waiting.fetch(made.conn, SECURITY_GROUP, group), rule):
            raise


def _has(group: SecurityGroup, rule: Rule) -> bool:
    return _rules.of(_written(rule)) in map(_rules.of, group.security_group_rules)


def _written(rule: Rule) -> dict[str, Any]:
    """The rule as Neutron takes it."""
    first, last = _ports(rule.port)
    return {
        "direction": "ingress",
        "ethertype": _ethertype(rule),
        "protocol": rule.protocol,
        "port_range_min": first,
        "port_range_max": last,
        "remote_ip_prefix": rule.remote_ip or None,
        "remote_group_id": rule.remote_group,
    }


def _ethertype(rule: Rule) -> str:
    if rule.remote_group:
        return "IPv4"  # a project's own network has no other addresses on Pouta
    return f"IPv{ipaddress.ip_network(rule.remote_ip).version}"


def _lets_in(group: SecurityGroup, names: Mapping[str, str]) -> Sequence[str]:
    told = map(_rules.of, group.security_group_rules)
    return [rule.shown(names) for rule in told if rule.direction == "ingress"]
