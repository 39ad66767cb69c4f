"""Clients that are killed, or interrupted, at random moments of a launch.

    python -m tests.campaigns.kills --times 50 --seed 1
    python -m tests.campaigns.kills --times 50 --seed 1 --ctrl-c

After SIGKILL a second run with `exist_ok=True` must end with exactly what was asked for, and a
clean-up by tag must leave nothing. After Ctrl-C the client itself must have undone all, and say so.
The exit status tells whether all of it held.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from tests.campaigns import ground
from tests.campaigns.ground import Holdings
from tests.proxy import Proxy, Request

if TYPE_CHECKING:
    from openstack.connection import Connection

REQUESTS = 34  # of a launch, about, with those of `connect`
ENDS_WITHIN = 400.0  # seconds
CLIENT = """
import json, sys, pouta
given = json.loads(sys.argv[1])
launch = getattr(pouta.servers, given.pop("call"))
print(launch(pouta.connect(), **given))
"""
WISHES: Sequence[dict[str, Any]] = (
    {"call": "launch", "name": "web", "volumes": [1]},
    {"call": "launch", "name": "web", "volumes": [1, 2], "boot_volume_size": 10},
    {"call": "launch_many", "name": "web", "count": 2, "volumes": [1]},
    {"call": "launch_many", "name": "web", "count": 2, "volumes": [], "boot_volume_size": 10},
)


@dataclass
class Outcome:
    """What a client that was ended at some moment had left, and what was wrong with that."""

    number: int
    moment: str
    ended: str
    left: str
    wrong: list[str] = field(default_factory=list)
    said: str = ""

    def __str__(self) -> str:
        said = f"\n{self.said}" if self.wrong else ""
        return (
            f"client {self.number}, {self.moment}: {self.ended}; it left {self.left or 'nothing'}"
            f"{''.join(f'; WRONG: {what}' for what in self.wrong)}{said}"
        )


def trial(
    number: int, member: Connection, proxy: Proxy, *, seed: int, end: signal.Signals
) -> Outcome:
    random = Random(f"{seed}-{number}")
    wish = random.choice(WISHES) | {
        "image": "Ubuntu-24.04",
        "flavor": "standard.tiny",
        "ssh_from": "my-ip",
        "floating_ip": True,
        "tags": [f"kill-{number}"],
    }
    # Rather late than early, when nothing is made yet.
    at = max(random.randint(4, REQUESTS), random.randint(4, REQUESTS))
    after = random.uniform(0, 0.3)
    before = ground.holdings(member)
    client = start(wish, proxy, member.config.config["auth"])

    def strike(request: Request) -> None:
        if len(proxy.seen) == at:
            threading.Timer(after, client.send_signal, [end]).start()

    proxy.seen.clear()
    proxy.fault = strike
    _, said = client.communicate(timeout=ENDS_WITHIN)
    proxy.fault = lambda request: None
    met = str(proxy.seen[at - 1]) if len(proxy.seen) >= at else "never made"
    moment = f"{wish['call']}, {after:.2f} s after request {at} ({met})"
    judge = completed if end is signal.SIGKILL else undone
    outcome = Outcome(number, moment, "", "")
    outcome.said = said
    outcome.ended = "it was done before" if client.returncode == 0 else f"ended by {end.name}"
    try:
        judge(outcome, member, proxy, before, wish, client.returncode)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is wrong
        outcome.wrong.append(f"{type(error).__name__}: {error}")
    ground.emptied(member)
    return outcome


def start(wish: dict[str, Any], proxy: Proxy, auth: dict[str, str]) -> subprocess.Popen[str]:
    credentials = {f"OS_{name.upper()}": str(value) for name, value in auth.items()}
    where = {"OS_AUTH_URL": proxy.rewritten(auth["auth_url"]), "OS_REGION_NAME": "regionOne"}
    return subprocess.Popen(
        [sys.executable, "-c", CLIENT, json.dumps(wish)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | credentials | where,
        # A shell's background job ignores Ctrl-C, and so would its children.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )


def completed(
    outcome: Outcome,
    member: Connection,
    proxy: Proxy,
    before: Holdings,
    wish: dict[str, Any],
    code: int,
) -> None:
    """The same call again, as soon as the cloud is done with what it was asked; then a clean-up."""
    import pouta

    proxy.deliver()
    outcome.left = counted(ground.new(before, ground.holdings(member)))
    conn = proxy.connect(member.config.config["auth"])
    again = dict(wish)
    launch = getattr(pouta.servers, again.pop("call"))
    launch(conn, **again, exist_ok=True)
    made = ground.new(before, ground.at_rest(member)[0])
    if missing := amiss(made, wish):
        outcome.wrong.append(f"the second run ends with {counted(made)}: {missing}")
    pouta.cleanup(conn, tag=wish["tags"][0])
    if left := counted(ground.new(before, ground.at_rest(member)[0])):
        outcome.wrong.append(f"clean-up leaves {left}")
    conn.close()


def undone(
    outcome: Outcome,
    member: Connection,
    proxy: Proxy,
    before: Holdings,
    wish: dict[str, Any],
    code: int,
) -> None:
    """Nothing is there, and the client has said so if there was something."""
    made = ground.new(before, ground.at_rest(member)[0])
    outcome.left = counted(made)
    if code == 0:
        return
    asked = [
        r for r in proxy.seen if r.method == "POST" and r.path.endswith(("/servers", "/volumes"))
    ]
    if outcome.left:
        outcome.wrong.append(f"Ctrl-C leaves {outcome.left}")
    if "KeyboardInterrupt" not in outcome.said:
        outcome.wrong.append("it did not end by KeyboardInterrupt")
    if asked and "pouta: what was made is removed." not in outcome.said:
        outcome.wrong.append("it does not say that all was undone")


def amiss(made: Holdings, wish: dict[str, Any]) -> str:
    """What is not as it was asked for."""
    servers, volumes, addresses, ports = ([*made[kind.noun].values()] for kind in ground.KINDS)
    count = wish.get("count", 1)
    names = [f"web-{n}" for n in range(1, count + 1)] if "count" in wish else ["web"]
    disks = len(wish["volumes"]) + ("boot_volume_size" in wish)
    held = Counter(a["server_id"] for volume in volumes for a in volume.attachments)
    right = {
        "servers": sorted(server.name for server in servers) == names,
        "states": all(server.status == "ACTIVE" for server in servers),
        "volumes": len(volumes) == count * disks and all(v.status == "in-use" for v in volumes),
        "volumes in servers": all(held[server.id] == disks for server in servers),
        "addresses": len(addresses) == count,
        "ports": {ip.port_id for ip in addresses} == {port.id for port in ports},
    }
    return ", ".join(what for what, fine in right.items() if not fine)


def counted(made: Holdings) -> str:
    return ", ".join(f"{len(things)} {kind}" for kind, things in made.items() if things)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--times", type=int, default=50)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--only", type=int, nargs="*", help="the numbers of some clients")
    options.add_argument("--ctrl-c", action="store_true", help="SIGINT instead of SIGKILL")
    options.add_argument("--workers", type=int, default=ground.WORKERS)
    given = options.parse_args()
    end = signal.SIGINT if given.ctrl_c else signal.SIGKILL

    from pouta import practice

    began = time.monotonic()
    with practice.cloud(directory=ground.FOLDER):
        outcomes = ground.in_projects(
            ground.FOLDER,
            partial(trial, seed=given.seed, end=end),
            given.only or [*range(1, given.times + 1)],
            workers=given.workers,
            tell=lambda outcome: print(outcome, flush=True),
        )
    late = sum(outcome.ended == "it was done before" for outcome in outcomes)
    print(
        f"{end.name}, seed {given.seed}, {time.monotonic() - began:.0f} s\n"
        f"{len(outcomes)} clients, {late} of them done before; "
        f"{sum(bool(outcome.left) for outcome in outcomes)} left something; "
        f"{sum(bool(outcome.wrong) for outcome in outcomes)} went wrong"
    )
    return int(any(outcome.wrong for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
