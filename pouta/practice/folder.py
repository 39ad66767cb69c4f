"""The folder that holds one practice cloud: its paths, ports, passwords and settings.

Both sides of the cloud read this module: the user's Python, and the services in their own
environment, where neither pouta nor openstacksdk of the user can be imported. So it needs the
standard library only.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

with suppress(ModuleNotFoundError):  # on Windows, where a practice cloud is refused in words
    import fcntl

HOST = "127.0.0.1"
REGION = "regionOne"
PROJECT = "project_2001234"
MEMBER = "practice"
ADMIN = "admin"
SERVICE = "service"

#: What listens, and in which order ports are given out. The last three are Swift's own back end.
APIS = (
    "identity",
    "placement",
    "image",
    "compute",
    "network",
    "volume",
    "object_store",
    "orchestration",
    "swift_account",
    "swift_container",
    "swift_object",
)

#: Where Keystone answers: a cloud behind a tunnel is on this machine too, but not at this path.
MARK = "/practice"

QUOTAS = ("pouta", "large")


def default_directory() -> Path:
    """The folder that is meant when none is named."""
    named = os.environ.get("POUTA_PRACTICE_DIR")
    if named:
        return Path(named).expanduser()
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data).expanduser() / "pouta" / "practice"


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step; nobody but its owner could ever read it."""
    new = path.with_name(path.name + ".new")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    new.replace(path)


class Folder:
    """Where things lie in one practice cloud, and what it remembers."""

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = Path(path).expanduser().absolute() if path else default_directory().absolute()
        self.configuration = self.path / "etc"
        self.databases = self.path / "databases"
        self.keys = self.path / "keys"
        self.logs = self.path / "logs"
        self.clouds_yaml = self.path / "clouds.yaml"
        self.prepared = self.path / "prepared"
        self._settings = self.path / "settings.json"
        self._passwords = self.path / "passwords.json"
        self._state = self.path / "state.json"
        self._users = self.path / "users.lock"

    def create(self) -> None:
        """Make the folder, closed to others, and the passwords of a new cloud."""
        for each in (*reversed(self.path.parents), self.path):
            each.mkdir(mode=0o700, exist_ok=True)  # `parents=True` would leave them to the umask
        self.path.chmod(0o700)
        for part in (self.configuration, self.databases, self.keys, self.logs):
            part.mkdir(mode=0o700, exist_ok=True)
        with lock(self.path / "passwords.lock"):
            if not self._passwords.exists():
                names = (ADMIN, MEMBER, SERVICE, "shared_secret")
                made = {name: secrets.token_urlsafe(18) for name in names}
                write_private(self._passwords, json.dumps(made))

    def password(self, name: str) -> str:
        """The password of a user of this cloud."""
        return str(json.loads(self._passwords.read_text())[name])

    @property
    def settings(self) -> dict[str, Any]:
        """Quotas, versions and ports for the next start; whether it stays when nobody uses it."""
        try:
            found: dict[str, Any] = json.loads(self._settings.read_text())
        except FileNotFoundError:
            found = {}
        return {"quotas": "pouta", "latest": False, "stays": True, "ports": {}} | found

    def remember(self, **settings: Any) -> None:
        """Change settings."""
        write_private(self._settings, json.dumps(self.settings | settings, indent=1))

    @property
    def state(self) -> dict[str, Any]:
        """What the supervisor says of itself; only to be believed while `is_running`."""
        try:
            found: dict[str, Any] = json.loads(self._state.read_text())
        except FileNotFoundError:
            return {}
        return found

    @state.setter
    def state(self, state: Mapping[str, Any]) -> None:
        write_private(self._state, json.dumps(state, indent=1))

    def url(self, api: str, path: str = "") -> str:
        """Where an API answers."""
        mark = MARK if api == "identity" else ""
        return f"http://{HOST}:{self.settings['ports'][api]}{mark}{path}"

    def database(self, name: str) -> str:
        """The SQLAlchemy URL of a service's database."""
        return f"sqlite:///{self.databases / name}.sqlite"

    @property
    def is_running(self) -> bool:
        """Whether a supervisor or any of its services still holds the folder."""
        try:
            handle = os.open(self.path / "supervisor.lock", os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False

    def hold(self) -> int | None:
        """Take the folder for a supervisor; children inherit the hold. None: it is taken."""
        handle = os.open(self.path / "supervisor.lock", os.O_RDWR | os.O_CREAT, 0o600)
        for _ in range(20):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.05)  # Somebody may just be asking whether it is held.
            else:
                return handle
        os.close(handle)
        return None

    @contextmanager
    def one_at_a_time(self) -> Iterator[None]:
        """Starts, stops and resets of one folder wait for each other."""
        with lock(self.path / "command.lock"):
            yield

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Say that somebody needs the cloud; it is taken back however this process ends."""
        with lock(self._users, shared=True):
            yield

    def not_in_use(self) -> int | None:
        """A handle that keeps users waiting while it is open, if there are none now."""
        handle = os.open(self._users, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        return handle


@contextmanager
def lock(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold a lock file for the block."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
