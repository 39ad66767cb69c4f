"""The same chores with pouta and with what people would use instead, side by side.

    python -m tests.benchmarks.peers [--chores launch attach] [--round-trips 0 20 100] [--rounds 5]

Each peer has a virtual environment of its own, and does each chore in a process of its own with a
new login, in turn with the others. All go through one proxy, which counts their requests and adds
the round trip. What a run measures replaces what results.json held of it, so that a part can be
measured alone. Times are for reading side by side: machines differ.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pouta.practice import control
from tests.proxy import Proxy

from . import cloud, environments, floor, thousand
from .environments import PEERS, Peer
from .results import Figure, goals, merged, table

# Each step is a process of its own, with a login of its own.
CHORES = {
    "import": ("import",),
    "flavors": ("flavors",),
    "launch": ("launch",),
    "address": ("address",),
    "full": ("full", "delete"),
    "attach": ("attach", "detach"),
    "fleet20": ("fleet20", "disband20"),
    "fleet100": ("fleet100", "disband100"),
    "thousand": ("servers", "volumes", "ports"),
}
PATIENCE = 1800  # seconds for one chore of one peer
# What only asks whether it can be done: is the name free, is there such a key, is there room.
CHECKS = re.compile(
    r"GET compute .*(/servers(/detail)?\?.*name=|/os-keypairs|/limits|/os-quota-sets)"
    r"|GET network .*/quotas/|GET volume .*(/os-quota-sets/|/types/default)"
)


# What is listed by the thousand is kept, in a cloud of its own.
FOLDERS = {"practice": {*CHORES} - {"thousand"}, "thousand": {"thousand"}}


@dataclass
class Bench:
    cache: Path
    pythons: dict[str, Path | str]

    def run(
        self, folder: str, chores: list[str], round_trips: list[int], rounds: int
    ) -> Iterator[Figure]:
        with self.opened(folder):
            if folder == "thousand":
                thousand.ensure(self.cloud)
            else:
                self.cloud.warm_up()
            for chore in chores:
                for trip in round_trips[:1] if chore == "import" else round_trips:
                    for number in range(rounds):
                        yield from self.round(chore, trip, number)
            if folder != "thousand":
                self.cloud.clear()

    @contextmanager
    def opened(self, folder: str) -> Iterator[None]:
        """The cloud of that folder runs, with the proxy before it."""
        with (
            cloud.running(self.cache / folder) as self.cloud,
            Proxy(self.cloud.folder.settings["ports"]) as self.proxy,
        ):
            yield

    def round(self, chore: str, trip: int, number: int) -> Iterator[Figure]:
        """Each peer once, and beside fleets the bare request; another one begins each time."""
        names = [*self.pythons]
        if chore.startswith("fleet") and not trip:
            names.append("bare")
        shift = number % len(names)
        for name in [*names[shift:], *names[:shift]]:
            if chore not in ("import", "flavors", "thousand"):
                self.cloud.prepare(chore)
            if name == "bare":
                seconds = self.cloud.bare_fleet(int(chore.removeprefix("fleet")))
                yield Figure(chore, trip, name, number, seconds=seconds, requests=1)
                continue
            python = self.pythons[name]
            for step in CHORES[chore]:
                blank = Figure(step, trip, name, number)
                if isinstance(python, str):
                    yield replace(blank, error=python)
                elif step == "import":
                    yield imported(blank, python)
                else:
                    yield from self.step(blank, python)

    def step(self, blank: Figure, python: Path) -> Iterator[Figure]:
        """What a peer took for a step, and where it is pouta, the floor."""
        step, count = split(blank.what)
        self.proxy.round_trip = blank.round_trip / 1000
        self.proxy.seen.clear()
        began = time.monotonic()
        try:
            took = self._run(python, PEERS[blank.peer].script, step, *count)
            ended = time.monotonic()
            seen = [*self.proxy.seen]
            self.cloud.check(step, *map(int, count))
        except Exception as error:  # noqa: BLE001 - a peer that fails is a result too
            yield replace(blank, error=" ".join(str(error).split()))
            return
        if step != "flavors":  # that is timed as a whole process
            began, ended = took["began"], took["ended"]
        yield replace(
            blank,
            seconds=ended - began,
            requests=len(seen),
            checks=sum(bool(CHECKS.match(str(request))) for request in seen),
            cpu=took["cpu"],
            memory=took["memory"],
        )
        if blank.peer == "pouta" and (least := floor.of(step, seen, self.cloud)):
            yield replace(blank, peer="floor", seconds=least.seconds, requests=least.requests)

    def _run(self, python: Path, *arguments: Path | str) -> dict[str, float]:
        home = self.cache / "home"
        home.mkdir(exist_ok=True)
        login = control.exports(self.cloud.folder)
        login["OS_AUTH_URL"] = self.proxy.rewritten(login["OS_AUTH_URL"])
        done = subprocess.run(
            [str(part) for part in (python, *arguments)],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            cwd=home,
            env={"PATH": f"{python.parent}:/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8"}
            | login,
        )
        if done.returncode:
            raise RuntimeError((done.stderr.strip().splitlines() or ["no word"])[-1])
        return json.loads(done.stdout.splitlines()[-1])


def split(step: str) -> tuple[str, list[str]]:
    """The function of a script, and what it is given: how many servers."""
    word = step.rstrip("0123456789")
    return word, [count] if (count := step.removeprefix(word)) else []


def imported(blank: Figure, python: Path) -> Figure:
    """Seconds in the interpreter, which has nothing loaded yet; `requests` are modules here."""
    code = (
        "import sys, time; had = len(sys.modules); began = time.perf_counter(); "
        f"import {PEERS[blank.peer].module}; "
        "print(time.perf_counter() - began, len(sys.modules) - had)"
    )
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        return replace(blank, error=done.stderr.strip().splitlines()[-1])
    seconds, modules = done.stdout.split()
    return replace(blank, seconds=float(seconds), requests=int(modules))


def main() -> None:
    options = parser().parse_args()
    cache: Path = options.cache.absolute()
    cache.mkdir(parents=True, exist_ok=True)
    bench = Bench(cache, {name: python_of(PEERS[name], cache) for name in options.peers})
    new: list[Figure] = []
    for folder, chores in FOLDERS.items():
        if wanted := [chore for chore in options.chores if chore in chores]:
            for figure in bench.run(folder, wanted, options.round_trips, options.rounds):
                new.append(figure)
                print(figure, file=sys.stderr, flush=True)
                figures = merged(cache / "results.json", new)
    text = f"{table(figures, [*PEERS])}\n{goals(figures)}"
    (cache / "results.md").write_text(text)
    print(text)


def python_of(peer: Peer, cache: Path) -> Path | str:
    """The peer's interpreter, or why there is none."""
    try:
        return environments.ensure(peer, cache)
    except RuntimeError as error:
        return f"does not install: {error}"


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.peers", description=__doc__.splitlines()[0]
    )
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--chores", nargs="+", choices=CHORES, default=CHORES)
    options.add_argument("--peers", nargs="+", choices=PEERS, default=[*PEERS])
    options.add_argument("--round-trips", nargs="+", type=int, default=[0, 20, 100], metavar="MS")
    options.add_argument(
        "--cache", type=Path, default=environments.ROOT / ".benchmarks", help="what is kept"
    )
    return options


if __name__ == "__main__":
    main()
