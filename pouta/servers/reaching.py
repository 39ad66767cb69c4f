"""Getting into a server over SSH: the line to type, the file for `ssh`, a command run there."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pouta import (
    clouds,
    deadline,
    files,
    floating_ips,
    images,
    keypairs,
    known_hosts,
    progress,
    waiting,
)
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
    from openstack.compute.v2.keypair import Keypair
    from openstack.compute.v2.server import Server
    from openstack.connection import Connection
    from openstack.network.v2.floating_ip import FloatingIP

RUN_TIMEOUT = 600.0  # seconds
COPY_TIMEOUT = 3600.0  # seconds
NEW_HOSTS = "StrictHostKeyChecking=accept-new"
CHANGED = "HOST IDENTIFICATION HAS CHANGED"
REFUSALS = ("Permission denied", CHANGED)  # no waiting helps
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
    no_key: str = ""  # why there is none

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

    The key of a server that this machine meets for the first time is taken without a question; one
    that has changed is not. A practice server has nobody inside; the line is what it would be on
    Pouta.
    """
    login, jump = _logins_with(conn, server, jump_host)
    _tell_if_met(conn, login)
    for one in filter(None, (login, jump)):
        if one.no_key:
            progress.say(one.no_key)
    # `-J` would hand on neither the key nor the option to the jump host.
    through = ["-o", f"ProxyCommand={_line(jump, '-W', '[%h]:%p')}"] if jump else []
    return _line(login, *through)


def _line(login: Login, *options: str) -> str:
    usual = login.key is None or login.key.name in keypairs.USUAL_KEYS
    identity = [] if usual else ["-i", str(login.key)]
    return shlex.join(["ssh", *identity, "-o", NEW_HOSTS, *options, login.target])


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
    with _configured(login, jump) as (options, alias):
        # After the two dashes nothing is taken for an option.
        return _through_ssh(["ssh", *options, "--", alias, command], login, "The command", timeout)


@chore("copy {source} to {target} with server {server}")
def copy(
    conn: Connection,
    server: str | Server,
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    jump_host: str | Server | None = None,
    timeout: float = COPY_TIMEOUT,
) -> None:
    """A file, or a folder with all that is in it, is copied to the server or from it.

        pouta.servers.copy(conn, "web", "data.csv", ":")  # to the login user's home folder
        pouta.servers.copy(conn, "web", ":results", "results")  # from there

    source, target: one of them is on the server: it begins with ":", and is relative to the login
        user's home folder unless it goes on with "/". A target that is a folder gets the copy
        inside, with the source's name; what is there of that name is replaced, as `scp` does it.
    jump_host: a server with a floating IP through which one without is reached.
    timeout: seconds; what has been copied by then stays.

    It runs through this machine's own `scp`, with the login of `run`.
    """
    there = [_is_there(path) for path in (source, target)]
    if sum(there) != 1:
        raise InvalidInput(
            f"One of {os.fspath(source)!r} and {os.fspath(target)!r} must be on the server.",
            hint='Its path begins with ":", such as ":results".',
        )
    own = files.path_of(target if there[0] else source)
    if there[1] and not own.exists():
        raise InvalidInput(f"There is no file or folder {own}.")
    if there[0] and not own.absolute().parent.is_dir():
        raise InvalidInput(f"There is no folder {own.absolute().parent}.")
    _refuse_practice(conn, "On Pouta the same call copies.")
    login, jump = _logins_with(conn, server, jump_host)
    with _configured(login, jump) as (options, alias):
        here = str(own.absolute())  # a name with a colon in it would be another machine's
        ends = [
            f"{alias}{os.fspath(p)}" if on else here
            for p, on in zip((source, target), there, strict=True)
        ]
        _through_ssh(["scp", "-r", *options, "--", *ends], login, "The copy", timeout)


def _is_there(path: str | os.PathLike[str]) -> bool:
    return os.fspath(path).startswith(":")


@contextmanager
def _configured(login: Login, jump: Login | None) -> Iterator[tuple[Sequence[str], str]]:
    """Options for `ssh` and `scp` that hold for the jump host too, and the name of the server.

    What the user has configured counts besides: for a proxy, or an agent.
    """
    logins = [login, jump] if jump else [login]
    names = _aliases([one.server for one in logins])
    _ = [one.who for one in logins]  # or there is no way in
    entries = [_entry(one, names, jump.server if jump else None) for one in logins]
    usual = [files.in_home(".ssh", "config"), Path("/etc/ssh/ssh_config")]
    includes = [f'Include "{file}"' for file in usual if file and files.is_there(file)]
    with tempfile.TemporaryDirectory(prefix="pouta-") as folder:
        file = Path(folder) / "config"
        every = ["Host *", "BatchMode yes", f"ConnectTimeout {CONNECT_TIMEOUT}", *includes]
        file.write_text("\n".join([*entries, *every, ""]))
        yield ("-F", str(file)), names[login.server.id]


def _through_ssh(line: Sequence[str], login: Login, what: str, timeout: float) -> str:
    name = login.server.name
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
            f"This machine has no program `{line[0]}`.", hint="Install OpenSSH's client."
        ) from error
    except OSError as error:
        raise ConfigurationError(f"`{line[0]}` could not be started: {error.strerror}.") from error
    except ValueError:
        raise InvalidInput(f"{what} holds what no command line can.") from None
    except subprocess.TimeoutExpired as error:
        raise TimedOut(
            f"{what} on '{name}' was not done after {timeout:g} s.",
            hint="Give it longer (timeout=…), or start it with nohup.",
            resource=login.server,
        ) from error
    if done.returncode:
        raise _went_wrong(done, login)
    return done.stdout


@chore("wait for SSH on server {server}")
def wait_for_ssh(
    conn: Connection,
    server: str | Server,
    *,
    jump_host: str | Server | None = None,
    timeout: float = 300,
) -> Server:
    """The server's SSH answers afterwards. A new server takes a minute or two to get there.

    jump_host: a server with a floating IP through which one without is reached.
    timeout: seconds; then TimedOut says what to look at. Refused on the practice cloud, whose
        servers have nobody inside.
    """
    found = _find.now(conn, SERVER, server)
    _refuse_practice(conn, "On Pouta the same call waits until SSH answers.")
    login, jump = _logins_with(conn, found, jump_host)
    answers = partial(_answers_behind, jump) if jump else ssh_answers
    waiting.until(
        f"SSH at {login.address}",
        lambda: [answers(login.address)],
        bool,
        hint=DIAGNOSE,
    )
    return waiting.fetch(conn, SERVER, found)


def _answers_behind(jump: Login, address: str, port: int = SSH_PORT) -> bool:
    """Raises Failed when the jump host itself does not let in; it may still be starting."""
    with _configured(jump, None) as (options, alias):
        line = ["ssh", *options, "-W", f"[{address}]:{port}", "--", alias]
        try:
            return _through_ssh(line, jump, "The way through", CONNECT_TIMEOUT).startswith("SSH-")
        except Failed as error:
            if any(said in error.message for said in REFUSALS):
                raise
            return False


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
        user, why = users[_made_of(server)], "" if key else _why_no_key(conn, server, pair)
        return Login(server, _address(server, led), user, key, bool(led), why)

    return [login(server) for server in servers]


def _why_no_key(conn: Connection, server: Server, pair: Keypair | None) -> str:
    if pair:
        return keypairs.why_no_private_key(pair)
    if not server.key_name:
        return f"'{server.name}' was made without a key pair."
    if server.user_id not in (None, conn.current_user_id):
        return (
            f"'{server.name}' is another member's, made with key pair '{server.key_name}': ask for "
            "your public key to be added to ~/.ssh/authorized_keys there."
        )
    return f"Key pair '{server.key_name}', which '{server.name}' was made with, is gone."


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
    lines.append(f"    {NEW_HOSTS.replace('=', ' ')}")
    if jump and jump.id != server.id and not login.is_public:
        lines.append(f"    ProxyJump {aliases[jump.id]}")
    return "\n".join(lines) + "\n"


def _went_wrong(done: subprocess.CompletedProcess[str], login: Login) -> Failed:
    said = done.stderr.strip()
    hint = DIAGNOSE if done.returncode == OF_SSH_ITSELF else ""
    if "Permission denied" in said and login.no_key:
        hint = login.no_key
    if CHANGED in said:
        whose = re.search(r"Host key for (\S+) has changed", said)
        hint = (
            "Another server had this address before, or this one was rescued or rebuilt: "
            f"{known_hosts.forget(whose[1] if whose else login.address)}"
        )
    return Failed(
        f"'{login.server.name}': exit status {done.returncode}. {said[-MUCH:]}",
        hint=hint,
        resource=login.server,
    )
