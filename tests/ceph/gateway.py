"""Starts and stops a Ceph object gateway on loopback: without root, in memory, behind a Keystone.

It needs Debian's ceph-mon, ceph-mgr, ceph-osd, ceph-common and radosgw.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

NEEDED = ("ceph", "ceph-mon", "ceph-mgr", "ceph-osd", "monmaptool", "radosgw")
READY_WITHIN = 120.0  # seconds, on a busy machine
ENDS_WITHIN = 20.0  # seconds
PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))

CONFIGURATION = """\
[global]
fsid = {fsid}
mon_host = v2:127.0.0.1:{monitor}
public_network = 127.0.0.0/8
cluster_network = 127.0.0.0/8
ms_bind_ipv6 = false
ms_bind_msgr1 = false
ms_mon_client_mode = crc
ms_mon_cluster_mode = crc
ms_mon_service_mode = crc
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_data_avail_crit = 1
mon_data_avail_warn = 2
run_dir = {folder}
admin_socket = {folder}/$name.asok
log_file =
log_to_stderr = true
mon_cluster_log_file =
mon_cluster_log_to_stderr = true
[mon]
mon_data = {folder}/mon
mon_initial_members = a
[mgr]
mgr_data = {folder}/mgr
mgr_initial_modules =
[osd]
osd_data = {folder}/osd
osd_objectstore = memstore
memstore_device_bytes = 1073741824
[client]
rgw_data = {folder}/rgw
rgw_keystone_url = {keystone}
rgw_keystone_api_version = 3
rgw_keystone_admin_user = admin
rgw_keystone_admin_password = {password}
rgw_keystone_admin_project = admin
rgw_keystone_admin_domain = Default
rgw_keystone_accepted_roles = member, admin
rgw_swift_account_in_url = true
rgw_s3_auth_use_keystone = true
rgw_enable_apis = swift, swift_auth, s3
[client.rgw.own]
rgw_frontends = beast endpoint=127.0.0.1:{own}
rgw_keystone_implicit_tenants = true
[client.rgw.shared]
rgw_frontends = beast endpoint=127.0.0.1:{shared}
rgw_keystone_implicit_tenants = false
"""


def missing() -> list[str]:
    """The programs of Ceph that this machine lacks."""
    return [name for name in NEEDED if not shutil.which(name, path=PATH)]


@dataclass
class Gateway:
    """One that runs. `endpoint`: of Swift's protocol, for any project; `s3`: of S3's."""

    folder: Path
    ports: dict[str, int]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        return self._swift("own")

    @property
    def s3(self) -> str:
        return f"http://127.0.0.1:{self.ports['own']}"

    def with_shared_names(self) -> str:
        """The endpoint of a second gateway, where no two projects have containers of one name."""
        self._serve("shared")
        return self._swift("shared")

    def _swift(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}/swift/v1/AUTH_%(project_id)s"

    def _serve(self, name: str) -> None:
        self._begin("radosgw", "-f", "-n", f"client.rgw.{name}")
        self._wait_until(lambda: _answers(self.ports[name]))

    def _start(self) -> None:
        monmap, keyring = str(self.folder / "monmap"), str(self.folder / "keyring")
        where = f"[v2:127.0.0.1:{self.ports['monitor']}]"
        osd = str(uuid.uuid4())
        self._run("monmaptool", "--create", "--addv", "a", where, "--fsid", self._fsid(), monmap)
        make_key = ("--create-keyring", "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
        self._run("ceph-authtool", keyring, *make_key)
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring)
        self._begin("ceph-mon", "-f", "-i", "a")
        self._wait_until(lambda: self._run("ceph", "-s", check=False, timeout=10) == 0)
        self._begin("ceph-mgr", "-f", "-i", "x")
        self._run("ceph", "osd", "new", osd)
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self._begin("ceph-osd", "-f", "-i", "0")
        self._serve("own")

    def _fsid(self) -> str:
        return (self.folder / "ceph.conf").read_text().split("fsid = ")[1].split()[0]

    def _begin(self, *command: str) -> None:
        with self._log() as log:
            self.processes.append(
                subprocess.Popen(
                    self._with_configuration(command),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env={**os.environ, "PATH": PATH},
                )
            )

    def _run(self, *command: str, check: bool = True, timeout: float = 60) -> int:
        with self._log() as log:
            try:
                return subprocess.run(
                    self._with_configuration(command),
                    stdout=log,
                    stderr=log,
                    check=check,
                    timeout=timeout,
                    env={**os.environ, "PATH": PATH},
                ).returncode
            except subprocess.TimeoutExpired:
                if check:
                    raise
                return 1

    def _with_configuration(self, command: tuple[str, ...]) -> list[str]:
        knows = command[0] not in ("monmaptool", "ceph-authtool")
        return [*command, *(("-c", str(self.folder / "ceph.conf")) if knows else ())]

    def _log(self) -> IO[bytes]:
        return (self.folder / "log").open("ab")

    def _wait_until(self, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_WITHIN
        while not ready():
            if time.monotonic() > deadline or any(p.poll() is not None for p in self.processes):
                raise RuntimeError(f"Ceph does not start:\n{self._last_words()}")
            time.sleep(0.1)

    def _last_words(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-2000:]

    def _stop(self) -> None:
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + ENDS_WITHIN
        for process in self.processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
                continue
            process.kill()
            process.wait()


@contextmanager
def running(folder: Path, keystone: str, password: str) -> Iterator[Gateway]:
    """A gateway for the block, whose projects and users are those of a Keystone.

    keystone: the address, without "/v3". password: of its user `admin`.
    """
    ports = {name: _free_port() for name in ("monitor", "own", "shared")}
    for name in ("mon", "mgr", "osd", "rgw"):
        (folder / name).mkdir(parents=True)
    configuration = CONFIGURATION.format(
        fsid=uuid.uuid4(), folder=folder, keystone=keystone, password=password, **ports
    )
    written = os.open(folder / "ceph.conf", os.O_WRONLY | os.O_CREAT, 0o600)
    with open(written, "w") as file:  # noqa: PTH123 - os.open keeps it from others
        file.write(configuration)
    gateway = Gateway(folder, ports)
    try:
        gateway._start()
        yield gateway
    finally:
        gateway._stop()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
