"""What every test has: a home folder of its own, and no credentials from outside."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from openstack.connection import Connection

    from pouta.practice.pytest_plugin import PracticeCloud
    from tests.ceph.gateway import Gateway
    from tests.proxy import Proxy

# The services of the practice cloud are installed once for the user, not once for each home.
os.environ.setdefault("XDG_CACHE_HOME", str(Path.home() / ".cache"))


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder; `~/.ssh` and `~/.config/openstack` are in it."""
    for name in [*os.environ]:
        if name.startswith("OS_"):
            monkeypatch.delenv(name)
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture
def member(practice_cloud: PracticeCloud) -> Connection:
    """The practice cloud's own member, for tests that change nothing: no project is made."""
    practice_cloud.connection.authorize()
    return practice_cloud.connection


@pytest.fixture
def no_requests(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The requests made; the test fails if there is any."""
    from tests.wire import recorded

    with recorded() as requests:
        yield requests
    assert requests == []


@pytest.fixture
def proxy(practice_cloud: PracticeCloud) -> Iterator[Proxy]:
    """A proxy before the practice cloud, which breaks nothing yet."""
    from pouta.practice.folder import Folder
    from tests.proxy import Proxy

    with Proxy(Folder(practice_cloud.directory).settings["ports"]) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def ceph(
    practice_cloud: PracticeCloud, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A Ceph object gateway for the projects of the practice cloud."""
    from pouta.practice.folder import Folder
    from tests.ceph import gateway

    if missing := gateway.missing():
        pytest.skip(f"Ceph is not installed: no {', '.join(missing)}")
    cloud = Folder(practice_cloud.directory)
    with gateway.running(
        tmp_path_factory.mktemp("ceph"), cloud.url("identity"), cloud.password("admin")
    ) as running:
        yield running


@pytest.fixture(params=["swift", "ceph"])
def store(request: pytest.FixtureRequest, practice_cloud: PracticeCloud) -> Iterator[Connection]:
    """A connection to a project of its own, with Swift as its object store, and with Ceph."""
    from pouta.practice.folder import Folder
    from pouta.practice.project import empty_objects, new_member

    on_ceph = request.param == "ceph"
    endpoint = request.getfixturevalue("ceph").endpoint if on_ceph else None
    folder = Folder(practice_cloud.directory)
    with new_member(
        folder, practice_cloud.admin, object_store_endpoint_override=endpoint
    ) as member:
        yield member
        empty_objects(member)
