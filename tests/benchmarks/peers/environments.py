"""A virtual environment for each peer, made once and kept."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(__file__).with_name("scripts")
ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Peer:
    """One contender: `module` is what its user imports first."""

    name: str
    module: str

    @property
    def script(self) -> Path:
        return SCRIPTS / f"with_{self.name}.py"

    @property
    def pins(self) -> Path:
        return self.script.with_suffix(".txt")


PEERS = {
    peer.name: peer
    for peer in (
        Peer("pouta", "pouta"),
        Peer("openstacksdk", "openstack"),
        Peer("openstackclient", "openstackclient.shell"),
        Peer("libcloud", "libcloud.compute.drivers.openstack"),
        Peer("cloudbridge", "cloudbridge.providers.openstack.provider"),
        Peer("chi", "chi.server"),
    )
}


def ensure(peer: Peer, cache: Path) -> Path:
    """The interpreter of the peer's environment. It is made anew when its pins have changed."""
    folder = cache / "environments" / peer.name
    python, made_of = folder / "bin" / "python", folder / "made-of.txt"
    pins = peer.pins.read_text()
    if not made_of.exists() or made_of.read_text() != pins:
        _run(sys.executable, "-m", "venv", "--clear", str(folder))
        own = ["-e", str(ROOT)] if peer.name == "pouta" else []
        _run(str(python), "-m", "pip", "install", "-q", "-r", str(peer.pins), *own)
        made_of.write_text(pins)
    return python


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
