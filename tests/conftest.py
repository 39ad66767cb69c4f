"""What every test has: a home folder of its own, and no credentials from outside."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

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
def no_requests(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The requests made; the test fails if there is any."""
    from tests.wire import recorded

    with recorded() as requests:
        yield requests
    assert requests == []
