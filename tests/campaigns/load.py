"""Many processes with many threads at work on one cloud; and a wait that looks ten thousand times.

    python -m tests.campaigns.load --processes 8 --threads 8 --rounds 1
    python -m tests.campaigns.load --polls 10000

Each process has a project, and one Connection that all its threads share. Each thread launches a
server with a floating IP and a volume, attaches another volume, takes it out again and deletes all
of it. At the end nothing may be there, nothing may have been there twice, and nothing may hang. The
exit status tells whether all of it held.
"""

from __future__ import annotations

import argparse
import gc
import sys
import threading
import time
import traceback
import tracemalloc
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.campaigns import ground
from tests.proxy import Proxy

if TYPE_CHECKING:
    from openstack.connection import Connection

FOLDER = ground.FOLDER.with_name(".practice-large")
PATIENCE = 1800.0  # seconds, of each wait: the machine may be slow, and is not to blame


@dataclass
class Shift:
    """What one process did, and what went wrong."""

    number: int
    done: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def shift(number: int, member: Connection, proxy: Proxy, *, threads: int, rounds: int) -> Shift:
    """All threads of one process at work at the same time, on one Connection."""
    import pouta

    conn = pouta.connect(auth=member.config.config["auth"], region_name="regionOne")
    result = Shift(number)
    before = ground.holdings(member)

    def work(thread: int) -> None:
        for turn in range(rounds):
            began = time.monotonic()
            try:
                chores(conn, f"t{thread}-{turn}", result.done)
            except Exception:  # noqa: BLE001 - whatever it is, it is told
                result.wrong.append(traceback.format_exc())
            result.seconds.append(time.monotonic() - began)

    with ThreadPoolExecutor(threads) as pool:
        [*pool.map(work, range(threads))]
    left = ground.new(before, ground.at_rest(member)[0])
    result.wrong += [f"left behind: {kind} {[*things]}" for kind, things in left.items() if things]
    names = Counter(group.name for group in member.network.security_groups())
    result.wrong += [f"{count} groups {name}" for name, count in names.items() if count > 1]
    ground.emptied(member)
    conn.close()
    return result


def chores(conn: Connection, name: str, done: Counter[str]) -> None:
    import pouta

    server = pouta.servers.launch(
        conn,
        name,
        image="Ubuntu-24.04",
        flavor="standard.tiny",
        ssh_from="my-ip",
        floating_ip=True,
        volumes=[1],
        timeout=PATIENCE,
    )
    done["launches"] += 1
    more = pouta.volumes.create(conn, f"{name}-more", 1, timeout=PATIENCE)
    pouta.volumes.attach(conn, server, more, timeout=PATIENCE)
    done["attaches"] += 1
    held = [*conn.compute.volume_attachments(server)]
    assert len(held) == 2, f"{name} has {len(held)} volumes"
    assert len([*conn.compute.servers(name=f"^{name}$")]) == 1, f"there are several {name}"
    pouta.volumes.detach(conn, more, timeout=PATIENCE)
    done["detaches"] += 1
    pouta.volumes.delete(conn, more, timeout=PATIENCE)
    pouta.servers.delete(
        conn, server, release_floating_ips=True, delete_volumes=True, timeout=PATIENCE
    )
    done["deletes"] += 1


def polls(conn: Connection, count: int) -> Sequence[str]:
    """What has grown while one wait looked `count` times."""
    from pouta import waiting

    looks = 0

    def look() -> Sequence[Any]:
        nonlocal looks
        looks += 1
        return [*conn.network.ips()] or [looks]

    def wait(until: int) -> None:
        waiting.until(
            "many looks", look, lambda _: looks >= until, timeout=1e6, sleep=lambda _: None
        )

    wait(count // 10)  # what is made once is made by now
    tracemalloc.start()
    before = _resources()
    wait(count)
    after = _resources()
    tracemalloc.stop()
    print(
        f"{looks} looks: " + ", ".join(f"{what} {before[what]} -> {after[what]}" for what in after)
    )
    limits = {"KiB": 256, "files": 0, "sockets": 0, "threads": 0}
    return [what for what, limit in limits.items() if after[what] - before[what] > limit]


def _resources() -> dict[str, int]:
    gc.collect()
    opened = []
    for handle in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            opened.append(str(handle.readlink()))
    return {
        "KiB": tracemalloc.get_traced_memory()[0] // 1024,
        "files": len(opened),
        "sockets": sum(name.startswith("socket:") for name in opened),
        "threads": threading.active_count(),
    }


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--processes", type=int, default=8)
    options.add_argument("--threads", type=int, default=8)
    options.add_argument("--rounds", type=int, default=1)
    options.add_argument("--polls", type=int, help="this instead")
    given = options.parse_args()

    import pouta

    if given.polls:
        with pouta.practice.cloud(directory=ground.FOLDER) as member:
            conn = pouta.connect(auth=member.config.config["auth"], region_name="regionOne")
            grown = polls(conn, given.polls)
        print(f"grown: {', '.join(grown) or 'nothing'}")
        return int(bool(grown))

    began = time.monotonic()
    with pouta.practice.cloud(directory=FOLDER, quotas="large"):
        shifts = ground.in_projects(
            FOLDER,
            partial(shift, threads=given.threads, rounds=given.rounds),
            range(given.processes),
            workers=given.processes,
        )
    done = sum((shift.done for shift in shifts), Counter[str]())
    wrong = [f"process {shift.number}: {what}" for shift in shifts for what in shift.wrong]
    slowest = max(seconds for shift in shifts for seconds in shift.seconds)
    print("\n".join(wrong))
    print(
        f"{given.processes} processes of {given.threads} threads, "
        f"{time.monotonic() - began:.0f} s, the slowest round {slowest:.0f} s\n"
        + ", ".join(f"{count} {what}" for what, count in done.items())
        + f"; {len(wrong)} things went wrong"
    )
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
