"""The practice cloud: how long it takes to be there, and what it takes while it is.

    python -m tests.benchmarks.practice [--rounds 3]

From nothing (an empty cache: the services are installed), a second folder (nothing to install), and
the same folder again (prepared). Memory is the proportional share of all its processes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import psutil

import pouta
from pouta import practice


def timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def memory(folder: Path) -> float:
    """MB that the processes of the cloud hold, shared pages counted once."""
    family: set[psutil.Process] = set()
    for pid in practice.status(folder).processes.values():
        process = psutil.Process(pid)
        family |= {process, *process.children(recursive=True), *process.parents()[:1]}
    ours = [process for process in family if str(folder) in " ".join(process.cmdline())]
    return sum(process.memory_full_info().pss for process in ours) / 1e6


def launch(folder: Path) -> float:
    with practice.cloud(directory=folder) as conn:
        network = pouta.networks.default(conn)
        image = pouta.images.find(conn, "cirros")
        flavor = pouta.flavors.find(conn, "standard.tiny")

        def boot() -> None:
            server = conn.compute.create_server(
                name="bench",
                image_id=image.id,
                flavor_id=flavor.id,
                networks=[{"uuid": network.id}],
            )
            conn.compute.wait_for_server(server, interval=0.1)

        seconds = timed(boot)
        pouta.servers.delete(conn, "bench")
    return seconds


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=3)
    rounds = options.parse_args().rounds

    with tempfile.TemporaryDirectory(prefix="pouta-bench-") as scratch:
        first, second = Path(scratch) / "first", Path(scratch) / "second"
        try:
            with mock.patch.dict(os.environ, {"XDG_CACHE_HOME": f"{scratch}/cache"}):
                report("from nothing to ready", [timed(lambda: practice.start(first))], 120)
                practice.stop(first)
                report("first start, installed", [timed(lambda: practice.start(second))], 45)
                again = []
                for _ in range(rounds):
                    practice.stop(second)
                    again.append(timed(lambda: practice.start(second)))
                report("prepared to ready", again, 8)
                report("server to ACTIVE", [launch(second) for _ in range(rounds)], 2)
                print(f"  {'memory (PSS)':24}{memory(second):7.0f} MB, to hold: 1300")
        finally:
            for folder in (first, second):
                practice.stop(folder)


def report(what: str, seconds: list[float], limit: float) -> None:
    print(
        f"  {what:24}{statistics.median(seconds):7.1f} s "
        f"({min(seconds):.1f} to {max(seconds):.1f}), to hold: {limit:g}",
        flush=True,
    )


if __name__ == "__main__":
    main()
