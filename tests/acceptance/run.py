"""What all parts share: the connections, the names, one server, and the way into it."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import pouta
from pouta import clouds, networks, servers, waiting
from tests.acceptance.claims import Claim, first_line

if TYPE_CHECKING:
    from openstack.compute.v2.flavor import Flavor
    from openstack.compute.v2.server import Server
    from openstack.connection import Connection
    from openstack.image.v2.image import Image

    from tests.acceptance.ground import Ground

NO_GUESTS = "servers of a practice cloud do not boot"
BOOTS_WITHIN = 600.0  # seconds
LETS_IN_WITHIN = 120.0  # seconds after SSH answers; systemd lets nobody in while it starts
NOTE = "/var/lib/acceptance"  # a file in the guest


@dataclass
class Run:
    """One run of the acceptance.

    tag: on all that can have one, and the beginning of every name.
    larger: a flavor to which servers of `flavor` can be resized; None where there is none.
    network: the one that is named by the user; None for the project's own.
    home: the home folder of this run, so that the user's own keys and known hosts stay as they are.
    """

    conn: Connection
    ground: Ground
    tag: str
    image: Image
    flavor: Flavor
    larger: Flavor | None
    home: Path
    signals: Signals
    ssh_from: str
    network: str | None = None
    other: Connection | None = None
    _web: Server | None = None
    _no_web: str = ""
    _webs: int = 0

    @cached_property
    def why_no_guests(self) -> str:
        return NO_GUESTS if clouds.is_practice(clouds.auth_url(self.conn)) else ""

    @cached_property
    def why_no_address(self) -> str:
        outside = networks.external(self.conn)
        return "" if outside else "this cloud has no floating IPs"

    def name(self, word: str) -> str:
        return f"{self.tag}-{word}"

    def folder(self, word: str) -> Path:
        folder = self.home / word
        folder.mkdir()
        return folder

    def in_guest(self, words: str) -> Claim:
        """A claim about the inside of a server."""
        return Claim(words, self.why_no_guests)

    # The server that most parts share

    @property
    def web(self) -> Server:
        """A small server that runs, with a floating IP and SSH; launched when it is first used."""
        if self._no_web:
            raise pouta.Failed(self._no_web)
        if self._web is None:
            self._webs += 1
            try:
                self._web = servers.launch(
                    self.conn,
                    self.name(f"web-{self._webs}"),
                    user_data=f"#!/bin/sh\necho {self.tag} >{NOTE}-user-data\n",
                    floating_ip=True,
                    **self.options,
                )
                self.log_in(self._web)
            except pouta.PoutaError as error:
                self._no_web = first_line(error)
                raise
        return self._web

    @property
    def options(self) -> Mapping[str, Any]:
        """What every launch is given."""
        small = {"image": self.image, "flavor": self.flavor, "network": self.network}
        return {**small, "ssh_from": self.ssh_from, "tags": [self.tag]}

    def forget_web(self) -> None:
        """Whoever needs the server launches another one."""
        self._web = None

    def drop_web(self) -> None:
        """The server is gone, so that there are no more than two at a time."""
        if self._web:
            servers.delete(self.conn, self._web, release_floating_ips=True)
            self.forget_web()

    # The inside of servers

    def log_in(self, server: Server, jump_host: Server | None = None) -> None:
        """Whoever runs something on the server gets in afterwards. Other host keys are forgotten.

        Its address may have been another server's a moment ago.
        """
        if self.why_no_guests:
            return
        if jump_host is None:
            self.known_hosts.unlink(missing_ok=True)
        servers.wait_for_ssh(self.conn, server, jump_host=jump_host, timeout=BOOTS_WITHIN)
        waiting.until(
            f"login to '{server.name}'",
            lambda: [self._lets_in(server, jump_host)],
            bool,
            timeout=LETS_IN_WITHIN,
        )

    def _lets_in(self, server: Server, jump_host: Server | None) -> bool:
        try:
            servers.run(self.conn, server, "true", jump_host=jump_host, timeout=60)
        except (pouta.Failed, pouta.TimedOut):
            return False
        return True

    def sh(self, command: str, server: Server | None = None) -> str:
        """What a command of root's prints in the shared server, or in this one."""
        script = self.home / "script"
        script.write_text(f"set -eu\n{command}\n")
        where = server or self.web
        servers.copy(self.conn, where, script, ":script")
        return servers.run(self.conn, where, "sudo sh script").strip()

    def write_note(self, text: str, server: Server | None = None) -> None:
        self.sh(f"echo '{text}' >{NOTE}; sync", server)

    def note(self, server: Server | None = None) -> str:
        return self.sh(f"cat {NOTE}", server)

    def start_id(self) -> str:
        """Another one after each start of the guest."""
        return self.sh("cat /proc/sys/kernel/random/boot_id")

    @property
    def known_hosts(self) -> Path:
        return self.home / ".ssh" / "known_hosts"


@contextmanager
def own_home(folder: Path) -> Iterator[None]:
    """Keys and known hosts are in this folder; what else the user has told ssh still counts."""
    before = Path.home() / ".ssh" / "config"
    ssh = folder / ".ssh"
    ssh.mkdir(mode=0o700)
    lines = [f'UserKnownHostsFile "{ssh / "known_hosts"}"']
    if before.is_file():
        lines.append(f'Include "{before}"')
    (ssh / "config").write_text("".join(f"{line}\n" for line in lines))
    names = ("HOME", "USERPROFILE")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    os.environ |= dict.fromkeys(names, str(folder))
    try:
        yield
    finally:
        for name in names:
            del os.environ[name]
        os.environ |= kept


class Interrupted(BaseException):
    """Ctrl-C, SIGTERM, or a terminal that is closed."""


ENDING = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


class Signals:
    """Ctrl-C and the like end a run wherever it is, once; what is done in `held` is not ended."""

    def __init__(self) -> None:
        self.holding = False
        self.came = False

    def __enter__(self) -> Signals:
        self.before = {one: signal.signal(one, self._on) for one in ENDING}
        return self

    def __exit__(self, *_: object) -> None:
        for one, handler in self.before.items():
            signal.signal(one, handler)

    def _on(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        if not self.holding:
            self.holding = True  # what was begun is being undone from here on
            raise Interrupted

    @contextmanager
    def held(self) -> Iterator[None]:
        """What is done here is done to its end; a signal that comes meanwhile acts then."""
        before, self.holding = self.holding, True
        try:
            yield
        finally:
            self.holding = before or self.came
        if self.came and not before:
            raise Interrupted


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def random_file(path: Path, size: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(size))
    return path
