"""What the campaigns stand on: projects to work in, what these hold, and how they are emptied."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Any, TypeVar

from pouta import progress
from pouta.kinds import FLOATING_IP, PORT, SERVER, VOLUME, id_of
from pouta.practice import control
from pouta.practice.folder import Folder
from pouta.practice.project import delete_volume, own_project, until_none
from pouta.servers import states
from pouta.volumes.attaching import settled
from tests.proxy import Proxy

if TYPE_CHECKING:
    from openstack.connection import Connection

FOLDER = Path(__file__).parents[2] / ".practice"
WORKERS = 6
REST_WITHIN = 90.0  # seconds
KINDS = (SERVER, VOLUME, FLOATING_IP, PORT)

Holdings = Mapping[str, Mapping[str, Any]]
R = TypeVar("R")


def in_projects(
    folder: Path,
    trial: Callable[[int, Connection, Proxy], R],
    numbers: Sequence[int],
    *,
    workers: int = WORKERS,
    tell: Callable[[R], None] = lambda outcome: None,
) -> list[R]:
    """`trial` of each number, in their order, by several processes with a project each.

    A trial gets a connection that nothing breaks, and a proxy. The cloud runs already.
    """
    processes = multiprocessing.get_context("spawn")
    report = processes.Queue()
    crew = [
        processes.Process(target=_work, args=(folder, trial, numbers[k::workers], report))
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


def _work(folder: Path, trial: Any, numbers: Sequence[int], report: Any) -> None:
    """One after the other, in a project and a home folder of this process."""
    os.environ["HOME"] = tempfile.mkdtemp()
    place = Folder(folder)
    with ExitStack() as stack:
        stack.enter_context(progress.shown_by(progress.silent))
        admin = control.connect(place, "practice-admin")
        member = stack.enter_context(own_project(place, admin))
        proxy = stack.enter_context(Proxy(place.settings["ports"]))
        for number in numbers:
            report.put((number, trial(number, member, proxy)))


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
