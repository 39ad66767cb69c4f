"""What the campaigns stand on: projects to work in, what these hold, and how they are emptied."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from pouta import progress
from pouta.kinds import FLOATING_IP, PORT, ROUTER, SERVER, VOLUME, id_of
from pouta.practice import control
from pouta.practice.folder import Folder
from pouta.practice.project import delete_volume, furnish, own_project, until_none
from pouta.servers import states
from pouta.volumes.attaching import settled
from tests.campaigns import inventory
from tests.campaigns.inventory import Thing
from tests.proxy import Proxy

if TYPE_CHECKING:
    from openstack.connection import Connection

FOLDER = Path(__file__).parents[2] / ".practice"
WORKERS = 6
REST_WITHIN = 90.0  # seconds
KINDS = (SERVER, VOLUME, FLOATING_IP, PORT)

Holdings = Mapping[str, Mapping[str, Any]]
Company = Callable[[Folder, "Connection", "Connection"], AbstractContextManager[Any]]
R = TypeVar("R")


def in_projects(
    folder: Path,
    trial: Callable[..., R],
    numbers: Sequence[int],
    *,
    company: Company | None = None,
    workers: int = WORKERS,
    tell: Callable[[R], None] = lambda outcome: None,
) -> list[R]:
    """`trial` of each number, in their order, by several processes with a project each.

    A trial gets its number, a connection that nothing breaks, and a proxy. The cloud runs already.

    company: what a process has beside its project, from the folder of the cloud, the administrator
        and the member; each trial gets it as well.
    """
    processes = multiprocessing.get_context("spawn")
    report = processes.Queue()
    crew = [
        processes.Process(target=_work, args=(folder, trial, numbers[k::workers], report, company))
        for k in range(min(workers, len(numbers)))
    ]
    for process in crew:
        process.start()
    outcomes: dict[int, R] = {}
    try:
        while len(outcomes) < len(numbers):
            try:
                number, outcome = report.get(timeout=10)
            except Empty:
                if any(process.exitcode for process in crew):
                    raise RuntimeError("A worker died; what it said is above.") from None
            else:
                outcomes[number] = outcome
                tell(outcome)
    finally:
        for process in crew:
            process.join(60 if len(outcomes) == len(numbers) else 0)
            process.terminate()
    return [outcomes[number] for number in numbers]


def _work(
    folder: Path, trial: Any, numbers: Sequence[int], report: Any, company: Company | None
) -> None:
    """One after the other, in a project and a home folder of this process."""
    os.environ["HOME"] = tempfile.mkdtemp()
    place = Folder(folder)
    with ExitStack() as stack:
        stack.enter_context(progress.shown_by(progress.silent))
        admin = control.connect(place, "practice-admin")
        member = stack.enter_context(own_project(place, admin))
        proxy = stack.enter_context(Proxy(place.settings["ports"]))
        given = [member, proxy]
        if company:
            given.append(stack.enter_context(company(place, admin, member)))
        boss = os.getppid()
        for number in numbers:
            if os.getppid() != boss:
                return  # it was killed, and nobody waits for the outcome
            report.put((number, trial(number, *given)))


def holdings(conn: Connection) -> Holdings:
    """All that a launch can make and that must not be left behind: by kind, then by ID."""
    return {
        kind.noun: {id_of(thing): thing for thing in kind.list(conn) if not _is_plumbing(thing)}
        for kind in KINDS
    }


def new(before: Holdings, now: Holdings) -> Holdings:
    """What is in `now` and was not in `before`."""
    return {
        kind: {id: thing for id, thing in things.items() if id not in before[kind]}
        for kind, things in now.items()
    }


def at_rest(conn: Connection) -> tuple[Holdings, bool]:
    """What the project holds once the cloud does nothing more for it, and whether it came to rest.

    A state that never ends is no rest.
    """
    deadline = time.monotonic() + REST_WITHIN
    before, now = None, holdings(conn)
    while (quiet := _is_quiet(now)) is False or before != _ids(now):
        if time.monotonic() > deadline:
            return now, quiet
        before = _ids(now)
        time.sleep(0.4)
        now = holdings(conn)
    return now, True


def emptied(conn: Connection) -> None:
    """Nothing that a launch makes is in the project afterwards."""
    until_none(lambda: SERVER.list(conn), lambda server: SERVER.delete(conn, server.id))
    for address in FLOATING_IP.list(conn):
        FLOATING_IP.delete(conn, address.id)
    until_none(lambda: VOLUME.list(conn), lambda volume: delete_volume(conn.block_storage, volume))
    for port in PORT.list(conn):
        if not _is_plumbing(port):
            PORT.delete(conn, port.id)


def bare(conn: Connection) -> None:
    """Nothing is in the project afterwards but the network that it was furnished with."""
    found = inventory.taken(conn)
    kinds = {kind: [id for k, id in found if k == kind] for kind, _ in found}
    network, disks = conn.network, conn.block_storage
    if "stack" in kinds:
        until_none(conn.orchestration.stacks, conn.orchestration.delete_stack)
    if "server" in kinds:
        until_none(lambda: SERVER.list(conn), lambda server: SERVER.delete(conn, server.id))
    for id in kinds.get("transfer", ()):
        disks.delete_transfer(id)
    if {"volume", "volume snapshot"} & {*kinds}:
        until_none(lambda: VOLUME.list(conn), lambda volume: delete_volume(disks, volume))
    for id in kinds.get("floating IP", ()):
        network.delete_ip(id)
    for id in kinds.get("image", ()):
        conn.image.delete_image(id)
    for pair in kinds.get("key pair", ()):
        conn.compute.delete_keypair(pair)
    for id in kinds.get("server group", ()):
        conn.compute.delete_server_group(id)
    for path in kinds.get("object", ()):
        conn.object_store.delete(f"/{quote(path)}")
    for name in kinds.get("container", ()):
        conn.object_store.delete(f"/{quote(name)}")
    if found["account", ""].facts["for URLs"]:
        conn.object_store.post("", headers={"X-Remove-Account-Meta-Temp-URL-Key": "1"})
    for id in kinds.get("application credential", ()):
        conn.identity.delete_application_credential(conn.current_user_id, id)
    for id in kinds.get("EC2 key", ()):
        conn.identity.delete(f"/users/{conn.current_user_id}/credentials/OS-EC2/{id}")
    if not _is_furnished(found.values()):
        for router in network.routers():
            ROUTER.delete(conn, router.id)
        for port in network.ports(project_id=conn.current_project_id):
            network.delete_port(port)
        for own in network.networks(project_id=conn.current_project_id):
            network.delete_network(own)
        furnish(conn, conn.current_project.name)
    else:
        for port in PORT.list(conn):
            if not _is_plumbing(port):
                PORT.delete(conn, port.id)
    for key, thing in found.items():
        if thing.kind == "security group" and thing.name != "default":
            network.delete_security_group(key[1])


def _is_furnished(found: Iterable[Thing]) -> bool:
    held = [thing for thing in found if thing.kind in ("network", "subnet", "router")]
    whole = {
        (thing.kind, bool(thing.facts.get("dns") or thing.facts.get("gateway"))) for thing in held
    }
    plugged = sum(thing.name.startswith("of project_") for thing in found if thing.kind == "port")
    return len(held) == 3 and plugged == 1 and {("subnet", True), ("router", True)} < whole


def _is_plumbing(thing: Any) -> bool:
    """Whether this is a port of the network's own, a router's say."""
    return str(getattr(thing, "device_owner", "")).startswith("network:")


def _is_quiet(now: Holdings) -> bool:
    return all(states.is_idle(server) for server in now[SERVER.noun].values()) and all(
        # A server that found no host keeps its volumes reserved until it is deleted.
        volume.status == "reserved" or (settled(volume) and volume.status != "deleting")
        for volume in now[VOLUME.noun].values()
    )


def _ids(now: Holdings) -> Mapping[str, set[str]]:
    return {kind: {*things} for kind, things in now.items()}
