"""A real OpenStack on this machine, to practise on without spending anything.

Keystone, Placement, Glance, Nova, Neutron, Cinder, Swift and Heat as they are released, on
127.0.0.1, in an environment of their own. Only the hardware is missing: nobody can log in to a
server of this cloud, and its volumes keep no data.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from . import control
from .folder import Folder

if TYPE_CHECKING:
    from openstack.connection import Connection

__all__ = ["cloud", "clouds_yaml", "reset", "start", "status", "stop"]

Directory = str | PathLike[str] | None


@contextmanager
def cloud(
    *, directory: Directory = None, quotas: str | None = None, latest: bool | None = None
) -> Iterator[Connection]:
    """A connection to the practice cloud, as its member, for the block.

    Starts the cloud of that folder if it is not running, and then it ends with the last block
    that uses it, also when this process dies. What was made in it stays.

    `quotas` is "pouta" or "large"; `latest` lets Nova and Cinder speak their newest versions
    instead of the Yoga release's. Left out, they are as the folder had them last; a new folder
    has Pouta's quotas and Yoga.
    """
    folder = Folder(directory)
    with control.in_use(folder, quotas=quotas, latest=latest):
        connection = control.connect(folder)
        try:
            yield connection
        finally:
            connection.close()


def start(
    directory: Directory = None, *, quotas: str | None = None, latest: bool | None = None
) -> Path:
    """Start the practice cloud of a folder, unless it runs, and wait until every API answers.

    The first start installs the services (about 500 MB) and makes the databases. Returns the
    clouds.yaml to log in with. `quotas` and `latest` are as in `cloud`; giving others than a
    running cloud has restarts it.
    """
    folder = Folder(directory)
    control.start(folder, quotas=quotas, latest=latest)
    return folder.clouds_yaml


def stop(directory: Directory = None) -> bool:
    """Stop the practice cloud of a folder and wait until it is down. False: it was not running."""
    return control.stop(Folder(directory))


def status(directory: Directory = None) -> control.Status:
    """Whether the practice cloud of a folder runs, its APIs and its processes."""
    return control.status(Folder(directory))


def reset(directory: Directory = None) -> None:
    """Stop the practice cloud of a folder and delete all that is in it, passwords included."""
    control.reset(Folder(directory))


def clouds_yaml(directory: Directory = None) -> Path:
    """The file that `start` wrote, with the clouds `practice` (a member) and `practice-admin`."""
    return Folder(directory).clouds_yaml
