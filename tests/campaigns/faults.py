"""Launches with a floating IP and a volume while the network and the cloud break at random.

    python -m tests.campaigns.faults --launches 500 --seed 1
    python -m tests.campaigns.faults --launches 500 --seed 1 --openstacksdk
    python -m tests.campaigns.faults --seed 1 --only 137

After each launch the project must hold exactly what was asked for, if the call returned; and if it
raised, exactly what it held before, or besides that what the exception lists, and no more. The
same seed breaks the same requests of a launch. The exit status tells whether all of it held.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from tests.campaigns import ground
from tests.campaigns.ground import Holdings
from tests.proxy import CUT, GATEWAY, LATE, LOSE, RESET, Fault, Proxy, Request, refuse

if TYPE_CHECKING:
    from openstack.connection import Connection

IMAGE, FLAVOR = "Ubuntu-24.04", "standard.tiny"
NO_HOST, NO_HOST_FLAVOR = 0.1, "no-host"  # the share of launches that the cloud cannot serve
TIMEOUT = 120.0  # seconds, of each wait
HUNG = 600.0  # seconds; what takes longer will not end
MENU = {
    RESET: 3,
    LOSE: 4,
    LATE: 1,
    CUT: 2,
    GATEWAY: 2,
    refuse(429, retry_after=1): 1,
    refuse(500): 1,
    refuse(502): 1,
    refuse(503): 1,
    refuse(401): 1,
    Fault(delay=2.0): 1,
}


class Hung(BaseException):
    """The launch did not end."""


@dataclass
class Strike:
    """`times` requests in a row go wrong, from the one with the number `first`."""

    fault: Fault
    first: int
    times: int
    writes: bool

    def hits(self, writes: int, requests: int, is_write: bool) -> bool:
        number = writes if self.writes else requests
        return (is_write or not self.writes) and 0 <= number - self.first < self.times


class Weather:
    """What goes wrong in one launch; drawn from its seed, asked by the proxy for each request."""

    def __init__(self, random: Random) -> None:
        self.strikes = [self._write(random, most=3)]
        for _ in range(random.choice([0, 1, 2])):
            self.strikes.append(
                self._write(random, most=7)
                if random.random() < 0.5
                else Strike(self._fault(random), random.randint(1, 40), self._times(random), False)
            )
        self.requests = self.writes = 0
        self.hit: list[str] = []

    def _write(self, random: Random, *, most: int) -> Strike:
        return Strike(self._fault(random), random.randint(1, most), self._times(random), True)

    def _fault(self, random: Random) -> Fault:
        return random.choices([*MENU], [*MENU.values()])[0]

    def _times(self, random: Random) -> int:
        return random.choices([1, 2, 4], [6, 2, 2])[0]

    def __call__(self, request: Request) -> Fault | None:
        is_write = request.method not in ("GET", "HEAD") and request.service != "identity"
        self.requests += 1
        self.writes += is_write
        for strike in self.strikes:
            if strike.hits(self.writes, self.requests, is_write):
                self.hit.append(f"{request.method} {request.service}: {strike.fault}")
                return strike.fault
        return None


@dataclass
class Outcome:
    """How one launch ended, and what was found wrong with that."""

    number: int
    ended: str
    seconds: float
    hit: Sequence[str]
    wrong: dict[str, str] = field(default_factory=dict)
    unsure: int = 0
    traceback: str = ""

    def __str__(self) -> str:
        wrong = "; ".join(f"{what}: {which}" for what, which in self.wrong.items())
        lines = [f"launch {self.number} ({self.ended}, {self.seconds:.0f} s): {wrong}"]
        return "\n".join([*lines, *(f"    {hit}" for hit in self.hit), self.traceback])


Launch = Callable[["Connection", str, str], Any]


def with_pouta(conn: Connection, name: str, flavor: str) -> Any:
    import pouta

    return pouta.servers.launch(
        conn,
        name,
        image=IMAGE,
        flavor=flavor,
        key_name=False,
        floating_ip=True,
        volumes=[1],
        timeout=TIMEOUT,
    )


def with_openstacksdk(conn: Connection, name: str, flavor: str) -> Any:
    """The same server by openstacksdk's own calls, all of which wait."""
    volume = conn.create_volume(1, name=f"{name}-volume-1", timeout=TIMEOUT)
    return conn.create_server(
        name,
        image=IMAGE,
        flavor=flavor,
        network=conn.current_project.name,
        auto_ip=True,
        volumes=[volume.id],
        wait=True,
        timeout=TIMEOUT,
    )


def plainly(proxy: Proxy, auth: dict[str, str]) -> Connection:
    """openstacksdk's own Connection, through the proxy."""
    import openstack

    through = {**auth, "auth_url": proxy.rewritten(auth["auth_url"])}
    return openstack.connect(
        load_yaml_config=False, load_envvars=False, auth=through, region_name="regionOne"
    )


def trial(number: int, member: Connection, proxy: Proxy, *, seed: int, ours: bool) -> Outcome:
    """One launch in a storm of its own, and what the project holds when the cloud is at rest."""
    random = Random(f"{seed}-{number}")
    flavor = NO_HOST_FLAVOR if random.random() < NO_HOST else FLAVOR
    weather = Weather(random)
    before = ground.holdings(member)
    auth = member.config.config["auth"]
    conn = proxy.connect(auth) if ours else plainly(proxy, auth)
    conn.authorize()
    launch: Launch = with_pouta if ours else with_openstacksdk
    error: BaseException | None = None
    began = time.monotonic()
    proxy.fault = weather
    try:
        with limited():
            launch(conn, f"web-{number}", flavor)
    except (Exception, Hung) as raised:  # noqa: BLE001 - whatever it is, it is judged
        error = raised
    seconds = time.monotonic() - began
    proxy.fault = lambda request: None
    proxy.deliver()
    now, rests = ground.at_rest(member)
    outcome = judged(number, error, ground.new(before, now), ours)
    outcome.seconds, outcome.hit = seconds, weather.hit
    if not rests:
        outcome.wrong["stuck"] = "the cloud does not come to rest"
    if any(now.values()):
        ground.emptied(member)
    conn.close()
    return outcome


@contextmanager
def limited(seconds: float = HUNG) -> Iterator[None]:
    def give_up(*_: Any) -> None:
        raise Hung

    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(int(seconds))
    try:
        yield
    finally:
        signal.alarm(0)


def judged(number: int, error: BaseException | None, made: Holdings, ours: bool) -> Outcome:
    import pouta

    twice = {kind: len(things) for kind, things in made.items() if len(things) > 1}
    outcome = Outcome(number, type(error).__name__ if error else "returned", 0.0, [])
    if twice:
        outcome.wrong["duplicate"] = str(twice)
    if error is None:
        if not twice and (missing := incomplete(made)):
            outcome.wrong["not whole"] = missing
        return outcome
    listed = [*getattr(error, "leftovers", ())]
    known = {leftover.id for leftover in listed}
    # A server holds its port, and whoever is told of the server is told of both.
    there = {
        id: f"{kind} {id}"
        for kind, things in made.items()
        for id, thing in things.items()
        if getattr(thing, "device_id", None) not in made["server"]
    }
    unnamed = [leftover for leftover in listed if leftover.id == "of unknown ID"]
    outcome.unsure = len(unnamed)
    leaked = [
        what
        for id, what in there.items()
        if id not in known and not any(what.startswith(thing.kind) for thing in unnamed)
    ]
    if leaked:
        outcome.wrong["leak"] = ", ".join(leaked)
    if untrue := known - {*there, "of unknown ID"}:
        outcome.wrong["untrue list"] = ", ".join(untrue)
    if isinstance(error, Hung):
        outcome.wrong["hang"] = f"no end after {HUNG:g} s"
    if ours and not isinstance(error, pouta.PoutaError):
        outcome.wrong["raw error"] = repr(error)
    if outcome.wrong:
        outcome.traceback = "".join(traceback.format_exception(error))
    return outcome


def incomplete(made: Holdings) -> str:
    """What is missing of one running server, its address and its volume, in each other."""
    (servers, volumes, addresses, ports) = ([*made[kind.noun].values()] for kind in ground.KINDS)
    if not (servers and volumes and addresses and ports):
        return f"there is {', '.join(f'{len(made[kind])} {kind}' for kind in made)}"
    server, volume, address, port = servers[0], volumes[0], addresses[0], ports[0]
    held = [attachment["server_id"] for attachment in volume.attachments]
    faults = {
        f"the server is {server.status}": server.status == "ACTIVE",
        f"the volume is {volume.status}": volume.status == "in-use" and held == [server.id],
        "the address leads elsewhere": address.port_id == port.id,
        "the server does not show it": address.floating_ip_address in str(server.addresses),
        "the port is another's": port.device_id == server.id,
    }
    return ", ".join(fault for fault, fine in faults.items() if not fine)


# All of them


def campaign(
    folder: Path,
    numbers: Sequence[int],
    seed: int,
    *,
    ours: bool = True,
    workers: int = ground.WORKERS,
    tell: Callable[[Outcome], None] = lambda outcome: None,
) -> Sequence[Outcome]:
    """All the launches, by several processes with a project each; the cloud runs already."""
    with flavor_without_host(folder):
        one = partial(trial, seed=seed, ours=ours)
        return ground.in_projects(folder, one, numbers, workers=workers, tell=tell)


@contextmanager
def flavor_without_host(folder: Path) -> Iterator[None]:
    """A flavor that no host can serve."""
    from pouta.practice import control
    from pouta.practice.folder import Folder

    compute = control.connect(Folder(folder), "practice-admin").compute
    flavor = compute.find_flavor(NO_HOST_FLAVOR) or compute.create_flavor(
        name=NO_HOST_FLAVOR, ram=512, vcpus=1, disk=80
    )
    compute.create_flavor_extra_specs(flavor, {"trait:HW_CPU_X86_AMD_SEV": "required"})
    try:
        yield
    finally:
        compute.delete_flavor(flavor)


def figures(outcomes: Sequence[Outcome]) -> str:
    ended = Counter("returned" if o.ended == "returned" else "raised" for o in outcomes)
    wrong = Counter(what for outcome in outcomes for what in outcome.wrong)
    kinds = ("duplicate", "not whole", "leak", "untrue list", "stuck", "hang", "raw error")
    lines = [
        f"{len(outcomes)} launches, {sum(len(o.hit) for o in outcomes)} faults, in "
        f"{sum(not o.hit for o in outcomes)} launches none",
        f"{ended['returned']} returned, {ended['raised']} raised; "
        f"{sum(bool(o.wrong) for o in outcomes)} broke the promise",
        ", ".join(f"{kind}: {wrong[kind]}" for kind in kinds),
    ]
    if unsure := sum(outcome.unsure for outcome in outcomes):
        lines.append(f"{unsure} times an exception names a thing whose ID it does not know")
    return "\n".join(lines)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--launches", type=int, default=500)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--only", type=int, nargs="*", help="the numbers of some launches")
    options.add_argument("--openstacksdk", action="store_true", help="its own calls instead")
    options.add_argument("--workers", type=int, default=ground.WORKERS)
    given = options.parse_args()
    numbers = given.only or [*range(1, given.launches + 1)]

    from pouta import practice

    def tell(outcome: Outcome) -> None:
        if outcome.wrong:
            print(outcome, flush=True)

    began = time.monotonic()
    with practice.cloud(directory=ground.FOLDER):
        outcomes = campaign(
            ground.FOLDER,
            numbers,
            given.seed,
            ours=not given.openstacksdk,
            workers=given.workers,
            tell=tell,
        )
    whose = "openstacksdk" if given.openstacksdk else "pouta"
    print(f"{whose}, seed {given.seed}, {time.monotonic() - began:.0f} s\n{figures(outcomes)}")
    return int(any(outcome.wrong for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
