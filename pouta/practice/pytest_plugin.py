"""Fixtures with which anybody can test scripts on a real OpenStack.

`practice_cloud` is a running cloud for the whole session, `practice_conn` a connection to an empty
project for one test. Both use the cloud in POUTA_PRACTICE_DIR, or else the user's own one; it is
started if it does not run, and then ends with the last session (or worker of pytest-xdist) that
uses it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from openstack.connection import Connection


@dataclass(frozen=True)
class PracticeCloud:
    """A running practice cloud."""

    directory: Path
    connection: Connection
    admin: Connection


def pytest_addoption(parser: pytest.Parser) -> None:
    """Settings for pyproject.toml or pytest.ini."""
    parser.addini("practice_dir", "folder of the practice cloud, from the root of the tests")
    parser.addini("practice_quotas", "quotas of the practice cloud: pouta or large")
    parser.addini(
        "practice_latest", "whether Nova and Cinder speak their newest versions", "bool", None
    )


@contextmanager
def running(
    directory: Path | None, quotas: str | None = None, latest: bool | None = None
) -> Iterator[PracticeCloud]:
    """The practice cloud of a folder, for the block."""
    from . import control
    from .folder import Folder

    folder = Folder(directory)
    with control.in_use(folder, quotas=quotas, latest=latest):
        member, admin = control.connect(folder), control.connect(folder, "practice-admin")
        yield PracticeCloud(folder.path, member, admin)
        member.close()
        admin.close()


@pytest.fixture(scope="session")
def practice_cloud(pytestconfig: pytest.Config) -> Iterator[PracticeCloud]:
    """A real OpenStack on this machine, with connections as member and as administrator."""
    named = os.environ.get("POUTA_PRACTICE_DIR") or pytestconfig.getini("practice_dir")
    quotas = pytestconfig.getini("practice_quotas") or None
    latest = pytestconfig.getini("practice_latest")
    with running(pytestconfig.rootpath / named if named else None, quotas, latest) as cloud:
        yield cloud


@pytest.fixture
def practice_conn(practice_cloud: PracticeCloud) -> Iterator[Connection]:
    """A connection to a project of its own, removed afterwards with all that is in it."""
    from .folder import Folder
    from .project import own_project

    with own_project(Folder(practice_cloud.directory), practice_cloud.admin) as member:
        yield member
