"""Getting into a server over SSH: the line to type, the file for `ssh`, a command run there."""

from __future__ import annotations

import re
import shlex
import socket
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pouta import clouds, deadline, floating_ips, images, keypairs, known_hosts, waiting
from pouta import find as _find
from pouta.concurrently import each, gather
from pouta.errors import (
    ConfigurationError,
    Failed,
    InvalidInput,
    NotFound,
    Refused,
    TimedOut,
    chore,
)
from pouta.kinds import SERVER
from pouta.security_groups import SSH_PORT
from pouta.servers import boot_log

if TYPE_CHECKING:
    from openstack.compute.v2.server import Server
    from openstack.connection import Connection
    from openstack.network.v2.floating_ip import FloatingIP

RUN_TIMEOUT = 600.0  # seconds
CONNECT_TIMEOUT = 20  # seconds
OF_SSH_ITSELF = 255  # exit status
MUCH = 2000  # characters of an error
DIAGNOSE = "pouta.servers.diagnose(conn, server) looks for the reason."
NOBODY_HERE = "Nobody can log in to a server of the practice cloud: there is no machine behind it."


@dataclass(frozen=True)
class Login:
    """How one gets into a server."""

    server: Server
    address: str
    user: str | None
    key: Path | None
    is_public: bool = False

    @property
    def who(self) -> str:
        """The user, or why there is none. A console log may say anything, so it must be a word."""
        if self.user is None or not re.fullmatch(r"[A-Za-z_][\w.-]*", self.user):
            raise NotFound(
                f"The login user of '{self.server.name}' is not known.",
                hint="Usual ones: ubuntu, almalinux, cloud-user, cirros.",
                resource=self.server,
            )
        return self.user

    @property
    def target(self) -> str:
        return f"{self.who}@{self.address}"


@chore("tell how to log in to server {server}")
def ssh_command(
    conn: Connection, server: str | Server, *, jump_host: str | Server | None = None
) -> str:
    """The line that logs in: the image's user, the floating (or private) address, the key.

    jump_host: a server with a floating IP through which one without is reached.

    A practice server has nobody inside; the line is what it would be on Pouta.
    """
    login, jump = _logins_with(conn, server, jump_host)
    _tell_if_met(conn, login)
    usual = login.key is None or login.key.name in keypairs.USUAL_KEYS
    identity = [] if usual else ["-i", str(login.key)]
    through = ["-J", jump.target] if jump else []
    return shlex.join(["ssh", *identity, *through, login.target])


@chore("write an SSH configuration")
def ssh_config(
    conn: Connection,
    servers: Iterable[str | Server] | None = None,
    *,
    jump_host: str | Server | None = None,
) -> str:
    """The text of an SSH configuration with an entry for each server: then `ssh name` logs in.

    Write it to a file that `~/.ssh/config` includes. What has no address is left out.

    servers: all of the project when not given.
    jump_host: a server with a floating IP; those without are reached through it, which saves
        addresses and Billing Units.
    """
    wanted = SERVER.list(conn) if servers is None else (_find.now(conn, SERVER, s) for s in servers)
    found = {server.id: server for server in wanted}
    jump = _find.now(conn, SERVER, jump_host) if jump_host is not None else None
    if jump:
        found = {jump.id: jump} | found
        _address(jump, floating_ips.of_servers(conn, [jump]))
    logins = _logins(conn, [s for s in found.values() if floating_ips.addresses(s)])
    aliases = _aliases([login.server for login in logins])
    entries = [_entry(login, aliases, jump) for login in logins]
    return "\n".join(entries)


@chore("run a command on server {server}")
def run(
    conn: Connection,
    server: str | Server,
    command: str,
    *,
    jump_host: str | Server | None = None,
    timeout: float = RUN_TIMEOUT,
) -> str:
    """What a shell command on the server wrote to its standard output.

    It runs through this machine's own `ssh`, with your keys and agent, which asks nothing: the host
    key of a server met for the first time is taken, one that has changed is not.

    command: for the login user's shell there.
    jump_host: a server with a floating IP through which one without is reached.
    timeout: seconds; then the connection is cut, which may or may not end the command.

    Failed, with what it wrote to standard error, when the command ends with another status than 0.
    """
    _refuse_practice(conn, "On Pouta the same call runs the command.")
    login, jump = _logins_with(conn, server, jump_host)
    name = login.server.name
    options = ["BatchMode=yes", "StrictHostKeyChecking=accept-new"]
    options += [f"ConnectTimeout={CONNECT_TIMEOUT}"]
    line = ["ssh", *(word for option in options for word in ("-o", option))]
    line += ["-i", str(login.key)] if login.key else []
    line += ["-J", jump.target] if jump else []
    # After the two dashes nothing is taken for an option.
    line += ["-l", login.who, "--", login.address, command]
    try:
        done = subprocess.run(
            line,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=deadline.current().left,
            check=False,
        )
    except FileNotFoundError as error:
        raise ConfigurationError(
            "This machine has no program `ssh`.", hint="Install OpenSSH's client."
        ) from error
    except OSError as error:
        raise ConfigurationError(f"`ssh` could not be started: {error.strerror}.") from error
    except ValueError:
        raise InvalidInput("The command holds what no command line can.") from None
    except subprocess.TimeoutExpired as error:
        raise TimedOut(
            f"The command on '{name}' was not done after {timeout:g} s.",
            hint="Give it longer (timeout=…), or start it with nohup.",
            resource=login.server,
        ) from error
    if done.returncode:
        raise _went_wrong(done, login)
    return done.stdout


@chore("wait for SSH on server {server}")
def wait_for_ssh(conn: Connection, server: str | Server, *, timeout: float = 300) -> Server:
    """The server's SSH answers afterwards. A new server takes a minute or two to get there.

    timeout: seconds; then TimedOut says what to look at. Refused on the practice cloud, whose
    servers have nobody inside.
    """
    found = _find.now(conn, SERVER, server)
    _refuse_practice(conn, "On Pouta the same call waits until SSH answers.")
    address = _address(found, floating_ips.of_servers(conn, [found]))
    waiting.until(
        f"SSH at {address}",
        lambda: [ssh_answers(address)],
        bool,
        hint=DIAGNOSE,
    )
    return waiting.fetch(conn, SERVER, found)


def ssh_answers(address: str, port: int = SSH_PORT) -> bool:
    try:
        with socket.create_connection((address, port), timeout=5) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _refuse_practice(conn: Connection, hint: str) -> None:
    if clouds.is_practice(clouds.auth_url(conn)):
        raise Refused(NOBODY_HERE, hint=hint)


def _logins_with(
    conn: Connection, server: str | Server, jump_host: str | Server | None
) -> tuple[Login, Login | None]:
    wanted = [server] if jump_host is None else [server, jump_host]
    first, *others = _logins(conn, each(lambda one: _find.now(conn, SERVER, one), wanted))
    return first, others[0] if others else None


def _logins(conn: Connection, servers: Sequence[Server]) -> Sequence[Login]:
    """How one gets into each; what servers have in common is asked once."""
    of_image = {_made_of(server): server for server in servers}
    users, pairs, ips = gather(
        lambda: dict(zip(of_image, each(lambda s: _user(conn, s), of_image.values()), strict=True)),
        lambda: keypairs.list(conn),
        lambda: floating_ips.by_server(conn, servers),
    )

    def login(server: Server) -> Login:
        pair, led = keypairs.of_server(conn, server, pairs), ips[server.id]
        key = keypairs.private_key_of(pair.public_key) if pair and pair.public_key else None
        return Login(server, _address(server, led), users[_made_of(server)], key, bool(led))

    return [login(server) for server in servers]


def _made_of(server: Server) -> str:
    """Servers of one image have one login user."""
    return str((server.image or {}).get("id") or server.id)


def _user(conn: Connection, server: Server) -> str | None:
    try:
        return images.login_user(conn, server)
    except NotFound:
        return None


def _address(server: Server, ips: Sequence[FloatingIP]) -> str:
    """Where it answers. Nova's own word on its floating IPs may be another server's by now."""
    found = [ip.floating_ip_address for ip in ips] or floating_ips.addresses(server, "fixed")
    if not found:
        raise Refused(f"Server '{server.name}' has no address yet.", resource=server)
    return found[0]


def _tell_if_met(conn: Connection, login: Login) -> None:
    """Addresses come back. The console log is asked only where this machine knows the address."""
    if known_hosts.keys_of(login.address):
        log = str(conn.compute.get_server_console_output(login.server)["output"])
        known_hosts.tell(login.address, boot_log.host_keys(log))


def _aliases(servers: Sequence[Server]) -> dict[str, str]:
    """A name for each server, by ID, that `ssh` takes for one word and no pattern."""
    plain = {s.id: re.sub(r"[^\w.-]+", "-", s.name).strip("-") or s.id for s in servers}
    names = [*plain.values()]
    return {id: n if names.count(n) == 1 else f"{n}-{id[:8]}" for id, n in plain.items()}


def _entry(login: Login, aliases: dict[str, str], jump: Server | None) -> str:
    server = login.server
    lines = [f"Host {aliases[server.id]}", f"    HostName {login.address}"]
    try:
        lines.append(f"    User {login.who}")
    except NotFound:
        lines.append("    # User: the image does not tell; ubuntu, almalinux or cloud-user")
    if login.key:
        lines.append(f'    IdentityFile "{login.key}"')
    if jump and jump.id != server.id and not login.is_public:
        lines.append(f"    ProxyJump {aliases[jump.id]}")
    return "\n".join(lines) + "\n"


def _went_wrong(done: subprocess.CompletedProcess[str], login: Login) -> Failed:
    said = done.stderr.strip()
    hint = DIAGNOSE if done.returncode == OF_SSH_ITSELF else ""
    if "HOST IDENTIFICATION HAS CHANGED" in said:
        hint = (
            "Another server had this address before, or this one was rescued or rebuilt: "
            f"{known_hosts.forget(login.address)}"
        )
    return Failed(
        f"'{login.server.name}': exit status {done.returncode}. {said[-MUCH:]}",
        hint=hint,
        resource=login.server,
    )
