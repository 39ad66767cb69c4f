"""What longer lists cost the client: time, memory and requests.

    python -m tests.benchmarks.lists [--counts 250 500 1000] [--rounds 5]

The servers, volumes and ports are copies, as in the benchmark of the peers.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator, Sequence
from operator import attrgetter

from .peers import environments, thousand
from .peers.__main__ import Bench
from .peers.environments import PEERS
from .peers.results import Figure

CACHE = environments.ROOT / ".benchmarks"
STEPS = ("servers", "volumes", "ports")


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m tests.benchmarks.lists")
    options.add_argument("--counts", type=int, nargs="+", default=[250, 500, thousand.COUNT])
    options.add_argument("--rounds", type=int, default=5)
    given = options.parse_args()
    python = environments.ensure(PEERS["pouta"], CACHE)
    bench = Bench(CACHE, {"pouta": python})
    print("| things | list | seconds | CPU s | MB at most | requests |", "|---" * 6 + "|", sep="\n")
    for count in given.counts:
        with bench.opened("thousand" if count == thousand.COUNT else f"list-{count}"):
            thousand.ensure(bench.cloud, count)
            for step in STEPS:
                runs = [
                    next(bench.step(Figure(step, 0, "pouta", number), python))
                    for number in range(given.rounds)
                ]
                if errors := [run.error for run in runs if run.error]:
                    raise SystemExit(errors[0])
                print("|".join(["", f" {count} ", f" {step} ", *medians(runs), ""]), flush=True)


def medians(runs: Sequence[Figure]) -> Iterator[str]:
    for unit in ("seconds", "cpu", "memory", "requests"):
        yield f" {statistics.median(map(attrgetter(unit), runs)):.3g} "


if __name__ == "__main__":
    main()
