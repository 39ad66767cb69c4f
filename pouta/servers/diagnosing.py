"""Why can't I connect? One look at everything between here and a shell on the server."""

from __future__ import annotations

import ipaddress
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pouta import clouds, files, floating_ips, images, keypairs, known_hosts, networks, rules
from pouta import find as _find
from pouta import security_groups as groups
from pouta.concurrently import gather
from pouta.display import Columns, Table
from pouta.errors import ConfigurationError, InvalidInput, NotFound, chore
from pouta.kinds import KEYPAIR, SECURITY_GROUP, SERVER
from pouta.security_groups import SSH_PORT
from pouta.servers import boot_log, states
from pouta.servers.changing import way_back
from pouta.servers.reaching import NOBODY_HERE, ssh_answers

if TYPE_CHECKING:
    from openstack.compute.v2.keypair import Keypair
    from openstack.compute.v2.server import Server
    from openstack.connection import Connection
    from openstack.network.v2.port import Port
    from openstack.network.v2.security_group import SecurityGroup

METADATA = ipaddress.ip_network("169.254.169.254/32")  # where a server asks for its key
METADATA_PORT = 80
BOOTED_WITHIN = 900  # seconds; an older log may have lost its beginning
MEND_KEYS = (
    "A server gets its key at launch only. pouta.servers.rescue(conn, {name!r}), and add your "
    "public key to .ssh/authorized_keys on its disk; or launch it anew."
)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. ok: None when it could not be told."""

    check: str
    ok: bool | None
    found: str
    remedy: str = ""


@dataclass(frozen=True)
class _Facts:
    """What the cloud, and this machine, know of the way to a server."""

    conn: Connection
    server: Server
    port: Port | None
    groups: Sequence[SecurityGroup]
    default: SecurityGroup | None
    pair: Keypair | None
    private: Path | None
    user: str | None
    log: str
    floating_ip: str | None
    has_floating_ips: bool
    here: str | None

    @property
    def name(self) -> str:
        return str(self.server.name)

    @property
    def address(self) -> str | None:
        if self.floating_ip or self.has_floating_ips:
            return self.floating_ip
        return next(iter(floating_ips.addresses(self.server)), None)


@chore("diagnose why server {server} cannot be reached")
def diagnose(
    conn: Connection,
    server: str | Server,
    *,
    private_key: str | Path | None = None,
    my_ip: str = groups.MY_IP,
) -> Table[Finding]:
    """Everything that SSH needs, in the order in which it fails; the first fault has its remedy.

    Status, floating IP, the rules for your address, the way out to the metadata service, the key
    pair and its private half, what cloud-init says in the console log, and whether SSH answers.
    Nothing is changed.

    private_key: the file that you give to `ssh -i`; those of `~/.ssh` otherwise.
    my_ip: the address that you come from, or "my-ip" for this machine's public one.

    `GET /servers/{id}`, ports, security groups, key pairs, `os-getConsoleOutput`.
    """
    facts = _look(conn, _find.now(conn, SERVER, server), private_key, my_ip)
    checks = (_status, _task, _floating_ip, _way_in, _way_out, _key_pair, _private_key)
    findings = [check(facts) for check in (*checks, _key_in_server, _login_user, _cloud_init)]
    return _table([*findings, *_host_key(facts), _answer(facts)])


def _look(conn: Connection, server: Server, private_key: str | Path | None, my_ip: str) -> _Facts:
    private = files.path_of(private_key) if private_key is not None else None
    if private and not files.is_there(private):
        raise InvalidInput(f"There is no file {private}.")
    ports, ips, all_groups, pairs, user, log, outside, here = gather(
        lambda: floating_ips.all_ports_of(conn, [server]),
        lambda: floating_ips.of_servers(conn, [server]),
        lambda: [*SECURITY_GROUP.list(conn)],
        lambda: [*KEYPAIR.list(conn)],
        lambda: _user(conn, server),
        lambda: _log(conn, server),
        lambda: networks.externals(conn),
        lambda: _here(conn, my_ip),
    )
    pair = keypairs.of_server(conn, server, pairs)
    if private is None and pair and pair.public_key:
        private = keypairs.private_key_of(pair.public_key)
    led_to = {ip.port_id for ip in ips}
    port = next(iter(sorted(ports, key=lambda port: port.id not in led_to)), None)
    ids = {*port.security_group_ids} if port else set()
    return _Facts(
        conn=conn,
        server=server,
        port=port,
        groups=[group for group in all_groups if group.id in ids],
        default=next((group for group in all_groups if groups.is_default(conn, group)), None),
        pair=pair,
        private=private,
        user=user,
        log=log,
        floating_ip=next((ip.floating_ip_address for ip in ips), None),
        has_floating_ips=bool(outside),
        here=here,
    )


def _status(facts: _Facts) -> Finding:
    server = facts.server
    if server.status == "ERROR":
        remedy = (
            f"{states.failure(server).hint} It is billed as long as it is there: "
            f"pouta.servers.delete(conn, {facts.name!r})."
        )
        return Finding("status", False, f"ERROR: {states.fault(server)}", remedy)
    runs = server.status in ("ACTIVE", "VERIFY_RESIZE")
    return Finding("status", runs, server.status, "" if runs else way_back(server))


def _task(facts: _Facts) -> Finding:
    task = facts.server.task_state
    return Finding("task", task is None, task or "none under way", "Wait until it is done.")


def _floating_ip(facts: _Facts) -> Finding:
    if facts.address:
        where = "" if facts.has_floating_ips else " (private: this cloud has no floating IPs)"
        return Finding("address", True, facts.address + where)
    if not facts.has_floating_ips:
        return Finding("address", False, "none", "Wait, or launch it anew: it has no network.")
    remedy = f"pouta.floating_ips.attach(conn, {facts.name!r})"
    if facts.port and not networks.routers_in(facts.conn, facts.port.network_id):
        remedy = f"pouta.networks.ensure_default(conn), for there is no router; then {remedy}"
    private = next(iter(floating_ips.addresses(facts.server)), "no address at all")
    return Finding("address", False, f"no floating IP, only {private}", remedy)


def _way_in(facts: _Facts) -> Finding:
    check = "way in"
    if facts.here is None:
        return Finding(check, None, "your address could not be asked: give it as my_ip=")
    here = ipaddress.ip_network(facts.here)
    open_to = [g.name for g in facts.groups if _lets(g, "ingress", here, SSH_PORT)]
    if open_to or (facts.port and facts.port.is_port_security_enabled is False):
        through = f", by group {', '.join(open_to)}" if open_to else ""
        return Finding(check, True, f"port {SSH_PORT} is open to {here}{through}")
    group = groups.ssh_group(str(here))
    return Finding(
        check,
        False,
        f"port {SSH_PORT} is not open to {here} (groups: "
        f"{', '.join(group.name for group in facts.groups) or 'none'})",
        f"pouta.servers.add_security_group(conn, {facts.name!r}, pouta.security_groups.allow("
        f"conn, {group!r}, port={SSH_PORT}, remote_ip={str(here)!r}))",
    )


def _way_out(facts: _Facts) -> Finding:
    check = "way out"
    if any(_lets(g, "egress", METADATA, METADATA_PORT) for g in facts.groups):
        return Finding(check, True, "the server can ask for its key")
    if facts.port and facts.port.is_port_security_enabled is False:
        return Finding(check, True, "no rules hold the server back")
    whole = facts.default and _lets(facts.default, "egress", METADATA, METADATA_PORT)
    group = "'default'" if whole else "pouta.security_groups.ensure(conn, 'lets-out')"
    return Finding(
        check,
        False,
        "no rule lets the server ask 169.254.169.254 for its key",
        f"pouta.servers.add_security_group(conn, {facts.name!r}, {group}), then "
        f"pouta.servers.reboot(conn, {facts.name!r})",
    )


def _lets(group: SecurityGroup, direction: str, network: Any, port: int) -> bool:
    """Whether a group lets TCP to this port pass, from or to this whole network."""

    told = map(rules.of, group.security_group_rules)
    return any(rule.direction == direction and rule.lets(network, rules.TCP, port) for rule in told)


def _key_pair(facts: _Facts) -> Finding:
    name = facts.server.key_name
    if not name:
        return Finding("key pair", False, "none", MEND_KEYS.format(name=facts.name))
    if facts.pair is None:
        return Finding("key pair", None, f"'{name}', which is not yours or was deleted")
    return Finding("key pair", True, f"'{name}' ({facts.pair.fingerprint})")


def _private_key(facts: _Facts) -> Finding:
    check = "private key"
    mend = MEND_KEYS.format(name=facts.name)
    if facts.private is None:
        if facts.pair is None:
            return Finding(check, None, "give the file as private_key=")
        found = f"the private half of '{facts.pair.name}' is not in ~/.ssh"
        return Finding(check, False, found, f"Give its file: private_key=… {mend}")
    try:
        mode = facts.private.stat().st_mode
    except OSError as error:
        return Finding(check, False, f"{facts.private} cannot be looked at: {error.strerror}")
    if mode & 0o077:
        remedy = f"chmod 600 {facts.private}"
        return Finding(check, False, f"others may read {facts.private}: ssh refuses it", remedy)
    public = _public_half(facts.private)
    if public is None or facts.pair is None:
        return Finding(check, None, f"{facts.private}, whose public half could not be compared")
    if not keypairs.same_key(public, facts.pair.public_key):
        found = f"{facts.private} is not the private half of '{facts.pair.name}'"
        return Finding(check, False, found, f"Give another one: private_key=… {mend}")
    return Finding(check, True, str(facts.private))


def _key_in_server(facts: _Facts) -> Finding:
    check = "key in the server"
    if boot_log.has_no_keys(facts.log):
        remedy = MEND_KEYS.format(name=facts.name)
        return Finding(check, False, "cloud-init got no key", remedy)
    mine = facts.pair.public_key if facts.pair else facts.private and _public_half(facts.private)
    if not mine or not boot_log.fingerprints(facts.log):
        return Finding(check, None, "the console log does not tell")
    if boot_log.lets_in(facts.log, mine):
        return Finding(check, True, "cloud-init let your key in")
    remedy = MEND_KEYS.format(name=facts.name)
    return Finding(check, False, "cloud-init let another key in, not yours", remedy)


def _login_user(facts: _Facts) -> Finding:
    told = boot_log.login_user(facts.log)
    if told and facts.user and told != facts.user:
        return Finding("login user", True, f"{told}, says the console log; not {facts.user}")
    user = told or facts.user
    if user is None:
        return Finding("login user", None, "not known: ubuntu, almalinux, cloud-user, …")
    return Finding("login user", True, f"{user}; no other one, and not root")


def _cloud_init(facts: _Facts) -> Finding:
    check = "first boot"
    if boot_log.is_finished(facts.log):
        return Finding(check, True, "cloud-init has finished")
    if not facts.log or _seconds_up(facts.server) > BOOTED_WITHIN:
        return Finding(check, None, "the console log does not tell, or not any more")
    remedy = f"pouta.servers.wait_for_ssh(conn, {facts.name!r})"
    return Finding(check, False, "cloud-init has not finished yet", remedy)


def _host_key(facts: _Facts) -> Iterable[Finding]:
    """Only where this machine has met the address."""
    if not facts.address or not known_hosts.keys_of(facts.address):
        return
    told = boot_log.host_keys(facts.log)
    stale = known_hosts.is_stale(facts.address, told)
    found = "another server had this address" if stale else "the one that this machine knows"
    yield Finding(
        "host key",
        not stale if told else None,
        found if told else "this machine met a server at this address; the log does not tell which",
        f"In a shell, {known_hosts.forget(facts.address)}",
    )


def _answer(facts: _Facts) -> Finding:
    if clouds.is_practice(clouds.auth_url(facts.conn)):
        return Finding("SSH", False, NOBODY_HERE, "On Pouta there is: nothing to mend here.")
    if facts.address is None:
        return Finding("SSH", None, "no address to try")
    if ssh_answers(facts.address, SSH_PORT):
        return Finding("SSH", True, f"answers at {facts.address}")
    return Finding(
        "SSH",
        False,
        f"no answer at {facts.address}",
        "If all else is well, a firewall between you and Pouta holds it up (try another network), "
        f"or the server hangs: pouta.servers.console_log(conn, {facts.name!r}).",
    )


def _table(findings: Sequence[Finding]) -> Table[Finding]:
    """The findings; the first that failed keeps its remedy, the others may come from it."""
    first = next((finding for finding in findings if finding.ok is False), None)
    rows = [finding if finding is first else replace(finding, remedy="") for finding in findings]
    columns: Columns = {
        "check": "check",
        "ok": lambda finding: {True: "yes", False: "NO", None: "?"}[finding.ok],
        "found": "found",
        "remedy": "remedy",
    }
    return Table(rows, columns, "finding")


def _user(conn: Connection, server: Server) -> str | None:
    try:
        return images.login_user(conn, server)
    except NotFound:
        return None


def _log(conn: Connection, server: Server) -> str:
    """The console log, empty where a server has none: off, shelved, or not yet there."""
    from openstack.exceptions import ConflictException, NotFoundException

    try:
        return str(conn.compute.get_server_console_output(server)["output"])
    except (ConflictException, NotFoundException):
        return ""


def _here(conn: Connection, my_ip: str) -> str | None:
    try:
        return groups.cidr_of(conn, my_ip)
    except ConfigurationError:
        return None


def _seconds_up(server: Server) -> float:
    since = datetime.fromisoformat(server.launched_at or server.created_at)
    return (datetime.now(UTC) - since.replace(tzinfo=since.tzinfo or UTC)).total_seconds()


def _public_half(private: Path) -> str | None:
    """The public half of a private key: the file beside it, else what ssh-keygen makes of it."""
    beside = private.with_name(f"{private.name}.pub")
    if text := files.seen(beside):
        return text
    if not (program := shutil.which("ssh-keygen")):
        return None
    line = [program, "-y", "-P", "", "-f", str(private)]
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
