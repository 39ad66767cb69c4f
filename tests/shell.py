"""The examples as somebody runs them from a shell, and what they may say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

from openstack.connection import Connection

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTHING: dict[str, set[str]] = {"servers": set(), "volumes": set(), "floating IPs": set()}

Run = Callable[..., CompletedProcess[str]]


def succeeded(done: CompletedProcess[str]) -> str:
    """What it printed; it had no complaints."""
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def refused(done: CompletedProcess[str]) -> str:
    """What it said when it gave up: a sentence and a hint, for people and not for programmers."""
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 2
    return done.stderr


def billed(conn: Connection) -> dict[str, set[str]]:
    """The names and addresses of all that costs something."""
    return {
        "servers": {server.name for server in conn.compute.servers()},
        "volumes": {volume.name for volume in conn.block_storage.volumes()},
        "floating IPs": {ip.floating_ip_address for ip in conn.network.ips()},
    }
