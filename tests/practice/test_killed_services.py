"""A service of the cloud dies in the middle of a launch, and comes back."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

import pouta
from pouta.practice.pytest_plugin import PracticeCloud, running
from tests.campaigns import faults, ground
from tests.campaigns.ground import new
from tests.proxy import once, posts

WHOLE = {
    "image": faults.IMAGE,
    "flavor": "standard.tiny",
    "key_name": False,
    "floating_ip": True,
    "volumes": [1],
}


@pytest.fixture(scope="module")
def practice_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PracticeCloud]:
    """A cloud whose services nobody else needs meanwhile."""
    with running(tmp_path_factory.mktemp("cloud")) as cloud:
        yield cloud


@pytest.mark.parametrize(
    ("service", "moment"),
    [
        ("nova", "/servers"),
        ("nova", "/os-volume_attachments"),
        ("cinder", "/volumes"),
        ("cinder", "/os-volume_attachments"),
        ("neutron", "/floatingips"),
    ],
)
def test_a_service_that_is_killed_and_comes_back(
    proxy, conn, practice_conn, practice_cloud, before, service, moment
):
    def kill() -> None:
        pid = pouta.practice.status(practice_cloud.directory).processes[service]
        os.kill(pid, signal.SIGKILL)

    once(proxy, posts(moment), None, kill)
    error = None
    try:
        pouta.servers.launch(conn, "web", **WHOLE, timeout=60)
    except pouta.PoutaError as raised:
        error = raised
    made = new(before, ground.at_rest(practice_conn)[0])
    outcome = faults.judged(1, error, made, ours=True)
    assert not outcome.wrong, outcome
