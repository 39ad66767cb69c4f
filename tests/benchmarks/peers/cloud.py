"""The practice cloud of the benchmark: what a chore finds there, what it must leave, its clock."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pouta
from pouta.deletion import attempt
from pouta.kinds import FLOATING_IP, PORT, SERVER, VOLUME
from pouta.practice import control
from pouta.practice.folder import Folder

from .scripts import common

if TYPE_CHECKING:
    from openstack.compute.v2.server import Server
    from openstack.connection import Connection

AT_REST = 1.5  # seconds; Neutron tells Nova of what went before once a second
PUBLIC_KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7Cb1Sm9gWw8WVyS5rbXGJmQ9H9hV4cRD4mAa9c4Xj1 bench"
)


@dataclass
class Cloud:
    """One running practice cloud, asked directly and not through the proxy."""

    folder: Folder
    conn: Connection

    def prepare(self, chore: str) -> None:
        """What the chore finds there, and nothing else; the cloud is at rest."""
        self.clear()
        if chore == "attach":
            wanted = {"image": common.IMAGE, "flavor": common.FLAVOR, "key_name": common.KEY}
            pouta.servers.launch(self.conn, common.SERVER, **wanted)
            pouta.volumes.create(self.conn, common.VOLUME, 1)
        time.sleep(AT_REST)

    def clear(self) -> None:
        """Whatever a peer has made, or left behind, is gone."""
        conn = self.conn
        attempt(conn, SERVER, SERVER.list(conn))
        attempt(conn, FLOATING_IP, FLOATING_IP.list(conn))
        attempt(conn, VOLUME, VOLUME.list(conn))
        ports = [port for port in PORT.list(conn) if not port.device_owner.startswith("network:")]
        attempt(conn, PORT, ports)

    def warm_up(self) -> None:
        """The first requests to services that have just started take twice as long."""
        for _ in range(2):
            self.prepare("attach")
            pouta.floating_ips.attach(self.conn, common.SERVER)
            pouta.volumes.attach(self.conn, common.SERVER, common.VOLUME)

    def bare_fleet(self, count: int) -> float:
        """Seconds from the one request to the last of its servers, by the cloud's own clock."""
        compute = self.conn.compute
        body = {
            "name": common.SERVER,
            "imageRef": pouta.images.find(self.conn, common.IMAGE).id,
            "flavorRef": pouta.flavors.find(self.conn, common.FLAVOR).id,
            "networks": [{"uuid": pouta.networks.default(self.conn).id}],
            "key_name": common.KEY,
            "min_count": count,
        }
        began = time.monotonic()
        compute.post("/servers", json={"server": body}).raise_for_status()
        while self._building(count):
            time.sleep(0.2)
        return self.ended("create") - began

    def _building(self, count: int) -> bool:
        """Asked of Nova's database, so that the cloud has nothing else to do."""
        with self._nova() as nova:
            (up,) = nova.execute(
                "SELECT count(*) FROM instances "
                "WHERE deleted = 0 AND vm_state = 'active' AND task_state IS NULL"
            ).fetchone()
        return bool(up < count)

    def check(self, step: str, count: int = 1) -> None:
        """Whether what the step says is done, is done."""
        if step in ("flavors", "servers", "volumes", "ports"):
            return
        servers = [*SERVER.list(self.conn)]
        if step in ("launch", "address", "full", "attach", "detach", "fleet"):
            up = [server for server in servers if server.status == "ACTIVE"]
            assert len(up) == len(servers) == count, f"{len(up)} of {len(servers)} servers are up"
        if step in ("address", "full"):
            (ip,) = FLOATING_IP.list(self.conn)
            assert ip.port_details["device_id"] == servers[0].id, "the floating IP leads nowhere"
        if step in ("full", "attach", "detach"):
            (volume,) = VOLUME.list(self.conn)
            wanted = "available" if step == "detach" else "in-use"
            assert volume.status == wanted, f"the volume is {volume.status}"
        if step == "full":
            groups = {group["name"] for group in servers[0].security_groups}
            assert {"default", common.GROUP} <= groups, f"its groups are {groups}"

    def began(self, action: str) -> float:
        """When the compute service took up the last such action, on the clock of `monotonic`."""
        return self._event("start_time", action)

    def ended(self, action: str) -> float:
        """When the last of the servers was done with it."""
        return self._event("finish_time", action)

    def _event(self, column: str, action: str) -> float:
        with self._nova() as nova:
            (last,) = nova.execute(
                f"SELECT max(e.{column}) FROM instance_actions_events e "
                "JOIN instance_actions a ON a.id = e.action_id WHERE a.action = ?",
                [action],
            ).fetchone()
        return _monotonic(last)

    def told_of_addresses(self, server: Server) -> float:
        """When Nova had the server's addresses from Neutron."""
        with self._nova() as nova:
            (last,) = nova.execute(
                "SELECT updated_at FROM instance_info_caches WHERE instance_uuid = ?", [server.id]
            ).fetchone()
        return _monotonic(last)

    @contextmanager
    def _nova(self) -> Iterator[sqlite3.Connection]:
        path = self.folder.databases / "nova.sqlite"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as nova:
            yield nova


@contextmanager
def running(directory: Path) -> Iterator[Cloud]:
    """The cloud for the block, with the key and the group that the chores name."""
    folder = Folder(directory)
    with control.in_use(folder, quotas="large"):
        auth = control.login(folder, "practice", folder.password("practice"), common.NETWORK)
        conn = pouta.connect(auth=auth, region_name="regionOne")
        pouta.keypairs.ensure(conn, common.KEY, public_key=PUBLIC_KEY)
        pouta.security_groups.ensure(conn, common.GROUP)
        yield Cloud(folder, conn)


def _monotonic(stamp: Any) -> float:
    """The API gives only whole seconds of most of its stamps; its database has them all."""
    then = datetime.fromisoformat(stamp).replace(tzinfo=UTC).timestamp()
    return then - time.time() + time.monotonic()
