"""Somebody behind a proxy; and somebody who runs examples: in a shell, a member of two projects."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from openstack.connection import Connection

from pouta.practice.control import connect_as
from pouta.practice.folder import MARK, Folder
from pouta.practice.project import own_project
from tests.campaigns import ground
from tests.shell import EXAMPLES, Run


@pytest.fixture
def conn(proxy, practice_conn) -> Iterator[Any]:
    """A connection to the test's own project, through the proxy."""
    through = proxy.connect(practice_conn.config.config["auth"])
    yield through
    proxy.fault = lambda request: None
    through.close()


@pytest.fixture
def real_cloud(practice_conn):
    """The practice cloud without its mark, as another cloud would be at the end of a tunnel."""
    plugin = practice_conn.session.auth
    plugin.auth_url = plugin.auth_url.replace(MARK, "")
    return practice_conn


@pytest.fixture
def before(practice_conn):
    return ground.holdings(practice_conn)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run an example in a folder of the user's, with these OS_ and POUTA_ variables."""

    def run(script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(EXAMPLES / script), *arguments],
            cwd=tmp_path,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


@pytest.fixture
def logged_in(practice_conn: Connection, home: Path) -> Connection:
    """The user has a clouds.yaml with one cloud, called as in Pouta's download: `openstack`."""
    write_clouds(home, openstack=practice_conn)
    return practice_conn


@pytest.fixture
def other_project(practice_cloud) -> Iterator[Connection]:
    """A second project of the same cloud."""
    with own_project(Folder(practice_cloud.directory), practice_cloud.admin) as other:
        yield other


@pytest.fixture
def colleague(practice_conn: Connection, practice_cloud) -> Iterator[Connection]:
    """Another member of the same project."""
    identity = practice_cloud.admin.identity
    name, password = f"colleague-{secrets.token_hex(4)}", secrets.token_urlsafe(12)
    user = identity.create_user(name=name, domain_id="default", password=password)
    for role in identity.roles(name="member"):
        identity.assign_project_role_to_user(practice_conn.current_project_id, user, role)
    project = practice_conn.current_project.name
    yield connect_as(Folder(practice_cloud.directory), name, password, project)
    identity.delete_user(user)


@pytest.fixture
def in_both(
    practice_conn: Connection,
    other_project: Connection,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[Connection, Connection]:
    """The user's clouds.yaml has two projects, `ours` and `theirs`, and OS_CLOUD says `ours`."""
    write_clouds(home, ours=practice_conn, theirs=other_project)
    monkeypatch.setenv("OS_CLOUD", "ours")
    return practice_conn, other_project


def write_clouds(home: Path, **connections: Connection) -> None:
    clouds = {
        name: {
            "auth": dict(conn.config.config["auth"]),
            "region_name": "regionOne",
            "interface": "public",
        }
        for name, conn in connections.items()
    }
    folder = home / ".config" / "openstack"
    folder.mkdir(parents=True)
    (folder / "clouds.yaml").write_text(yaml.safe_dump({"clouds": clouds}))


@pytest.fixture
def shared_user(practice_cloud) -> Iterator[Connection]:
    """The practice cloud's own user, who keeps no key pairs of homes that are gone."""
    compute = practice_cloud.connection.compute
    before = {pair.name for pair in compute.keypairs()}
    yield practice_cloud.connection
    for pair in compute.keypairs():
        if pair.name not in before:
            compute.delete_keypair(pair)
