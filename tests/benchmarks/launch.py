"""A server with a floating IP: pouta's `launch` against openstacksdk's `create_server`.

    python -m tests.benchmarks.launch [--rounds 5]

Both on one practice cloud, in turn, each round with a new Connection; requests are counted on the
wire by the same method. Times are for reading side by side, not alone: machines differ.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openstack
from openstack.connection import Connection

import pouta
from pouta import practice
from tests.wire import recorded

FOLDER = Path(__file__).parents[2] / ".practice"
WANTED = {"image": "Ubuntu-24.04", "flavor": "standard.tiny", "key_name": "bench"}


@dataclass
class Runs:
    """One contender's figures."""

    seconds: list[float] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{statistics.median(self.seconds):6.2f} s "
            f"({min(self.seconds):.2f} to {max(self.seconds):.2f}), "
            f"{statistics.median(self.requests):4.0f} requests "
            f"({min(self.requests)} to {max(self.requests)})"
        )


def with_pouta() -> Any:
    conn = pouta.connect("practice")
    return pouta.servers.launch(conn, "bench", **WANTED, floating_ip=True)


def with_openstacksdk() -> Any:
    conn = openstack.connect(cloud="practice")
    return conn.create_server(
        "bench", **WANTED, network=conn.current_project.name, wait=True, auto_ip=True
    )


def run(launch: Callable[[], Any], cloud: Connection) -> tuple[float, int]:
    with recorded() as requests:
        began = time.perf_counter()
        launch()
        seconds = time.perf_counter() - began
    (ip,) = cloud.network.ips()
    server = cloud.compute.find_server("bench", ignore_missing=False, details=True)
    assert server.status == "ACTIVE"
    assert ip.floating_ip_address in str(server.addresses)
    pouta.servers.delete(cloud, server, release_floating_ips=True)
    return seconds, len(requests)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=5)
    rounds = options.parse_args().rounds

    contenders = {"pouta": with_pouta, "openstacksdk": with_openstacksdk}
    figures = {name: Runs() for name in contenders}
    with practice.cloud(directory=FOLDER) as cloud, using(practice.clouds_yaml(FOLDER)):
        pouta.keypairs.ensure(cloud, "bench")
        for _ in range(rounds):
            for name, launch in contenders.items():
                seconds, requests = run(launch, cloud)
                figures[name].seconds.append(seconds)
                figures[name].requests.append(requests)

    ours, theirs = figures["pouta"], figures["openstacksdk"]
    ratios = [a / b for a, b in zip(ours.seconds, theirs.seconds, strict=True)]
    counts = [a / b for a, b in zip(ours.requests, theirs.requests, strict=True)]
    print(f"a server with a floating IP, medians of {rounds} (least to most)")
    for name, runs in figures.items():
        print(f"  {name:13}{runs}")
    print(
        f"  pouta / openstacksdk, median of the pairs: time {statistics.median(ratios):.2f}, "
        f"requests {statistics.median(counts):.2f}"
    )


def using(clouds_yaml: Path) -> Any:
    """Both contenders find the practice cloud in the same clouds.yaml."""
    import os
    from unittest import mock

    return mock.patch.dict(os.environ, {"OS_CLIENT_CONFIG_FILE": str(clouds_yaml)})


if __name__ == "__main__":
    main()
