"""Starts, stops and describes a practice cloud from the user's side."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from .. import progress
from ..errors import Failed, InvalidInput, NotFound, Refused
from . import installation
from .folder import ADMIN, APIS, HOST, MEMBER, PROJECT, QUOTAS, REGION, Folder, write_private

if TYPE_CHECKING:
    from openstack.connection import Connection

SERVICES = Path(__file__).with_name("services") / "__main__.py"
STOP_SECONDS = 30
CLOUDS = {"practice": (MEMBER, PROJECT), "practice-admin": (ADMIN, ADMIN)}


@dataclass(frozen=True)
class Status:
    """What there is to know of a practice cloud."""

    directory: Path
    running: bool
    phase: str
    quotas: str
    latest: bool
    urls: Mapping[str, str]
    processes: Mapping[str, int]


def start(
    folder: Folder,
    *,
    quotas: str | None = None,
    latest: bool | None = None,
    port_base: int | None = None,
    stays: bool = True,
) -> bool:
    """Bring the cloud up as asked. False: it was running so already.

    One that does not stay ends when its last user ends: see `in_use`.
    """
    if quotas is not None and quotas not in QUOTAS:
        raise InvalidInput(f"Quotas are {' or '.join(QUOTAS)}, not {quotas!r}.")
    installation.check()
    folder.create()
    with folder.one_at_a_time():
        check_versions(folder)
        wanted = wanted_settings(folder, quotas, latest, port_base)
        running = folder.is_running
        if stays or not running:
            folder.remember(stays=stays)
        if running and is_ready(folder) and wanted.items() <= folder.settings.items():
            return False
        with progress.task("Practice cloud") as report:
            interpreter = installation.ensure(lambda state: report(0, 1, state))
            if running:
                stop_running(folder)
            if not folder.prepared.exists():
                clear(folder)
            folder.remember(**wanted, versions=installation.identity())
            launch(folder, interpreter, report)
        write_clouds_yaml(folder)
    return True


@contextmanager
def in_use(
    folder: Folder, *, quotas: str | None = None, latest: bool | None = None
) -> Iterator[None]:
    """The cloud runs for the block. It ends with its last block, unless it was started to stay."""
    installation.check()
    folder.create()
    try:
        with folder.in_use():
            start(folder, quotas=quotas, latest=latest, stays=False)
            yield
    finally:
        stop_if_unused(folder)


def stop_if_unused(folder: Folder) -> None:
    """The supervisor would see it too, a moment later."""
    with folder.one_at_a_time():
        unused = folder.not_in_use()
        if unused is None:
            return
        try:
            if folder.is_running and not folder.settings["stays"]:
                stop_running(folder)
        finally:
            os.close(unused)


def is_ready(folder: Folder) -> bool:
    """Whether a running cloud has come up to its end."""
    return folder.state.get("phase") == "ready"


def wanted_settings(
    folder: Folder, quotas: str | None, latest: bool | None, port_base: int | None
) -> dict[str, Any]:
    """The settings that were asked for in so many words."""
    wanted: dict[str, Any] = {}
    if quotas is not None:
        wanted["quotas"] = quotas
    if latest is not None:
        wanted["latest"] = latest
    if port_base is not None:
        wanted["ports"] = {api: port_base + place for place, api in enumerate(APIS)}
    return wanted


def check_versions(folder: Folder) -> None:
    """Databases of another release are not touched."""
    if folder.prepared.exists() and folder.settings.get("versions") != installation.identity():
        raise Refused(
            f"The practice cloud in {folder.path} was made by another version of pouta.",
            hint="To begin afresh, losing what is in it: python -m pouta.practice reset",
        )


def clear(folder: Folder) -> None:
    """Remove what a first start that did not come to its end has left."""
    for part in folder.path.iterdir():
        if part.is_dir() and part not in (folder.logs,):
            shutil.rmtree(part)
    folder.create()


def launch(folder: Folder, interpreter: Path, report: progress.Report) -> None:
    """Start the supervisor, and follow its report to the end."""
    reading, writing = os.pipe()
    command = [str(interpreter), str(SERVICES), "supervisor", str(folder.path)]
    command += ["--report", str(writing)]
    log = os.open(folder.logs / "supervisor.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(reading) as news:
        try:
            supervisor = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder.path,
                env=service_environment(),
                start_new_session=True,
                pass_fds=(writing,),
            )
        finally:
            os.close(writing)
            os.close(log)
        try:
            follow(folder, news, report)
        except BaseException:
            supervisor.terminate()
            supervisor.wait()
            raise
    # A child that outlives us must not be waited for, nor be warned about.
    supervisor.returncode = 0


def service_environment() -> dict[str, str]:
    """As little of the user's environment as the services need."""
    kept = {
        name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "TZ") if name in os.environ
    }
    return kept | {
        "LANG": "C.UTF-8",
        "MALLOC_ARENA_MAX": "2",
        "PYTHONWARNINGS": "ignore",
        "no_proxy": HOST,
    }


def follow(folder: Folder, news: IO[str], report: progress.Report) -> None:
    """Show how the start goes; return when every API answers."""
    for line in news:
        said = json.loads(line)
        if "ready" in said:
            return
        if "failed" in said:
            raise Failed(f"The practice cloud did not start. {said['failed']}")
        report(said.get("done", 0), said.get("total", 1), said["phase"])
    raise Failed("The practice cloud did not start.", hint=f"See {folder.logs / 'supervisor.log'}.")


def write_clouds_yaml(folder: Folder) -> None:
    """Both logins, as openstacksdk reads them."""
    lines = ["clouds:"]
    for name, (user, project) in CLOUDS.items():
        lines.append(f"  {name}:")
        lines.append("    auth:")
        given = login(folder, user, folder.password(user), project)
        lines += [f"      {key}: {json.dumps(value)}" for key, value in given.items()]
        lines.append(f"    region_name: {REGION}")
        lines.append("    interface: public")
        lines.append('    identity_api_version: "3"')
    write_private(folder.clouds_yaml, "\n".join(lines) + "\n")


def login(folder: Folder, user: str, password: str, project: str) -> dict[str, str]:
    """How a user logs in."""
    return {
        "auth_url": folder.url("identity", "/v3"),
        "username": user,
        "password": password,
        "project_name": project,
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }


def connect(folder: Folder, cloud: str = "practice") -> Connection:
    """A connection to one of the clouds of the folder's clouds.yaml."""
    user, project = CLOUDS[cloud]
    return connect_as(folder, user, folder.password(user), project)


def connect_as(
    folder: Folder, user: str, password: str, project: str, **options: Any
) -> Connection:
    """A connection as any user of the cloud."""
    import openstack

    return openstack.connect(
        load_yaml_config=False,
        load_envvars=False,
        auth=login(folder, user, password, project),
        region_name=REGION,
        interface="public",
        identity_api_version="3",
        **options,
    )


def stop(folder: Folder) -> bool:
    """Stop the cloud, and return when all of it is down."""
    if not folder.path.exists():
        return False
    with folder.one_at_a_time():
        if not folder.is_running:
            return False
        stop_running(folder)
    return True


def stop_running(folder: Folder) -> None:
    """Ask the supervisor to end; insist if it does not."""
    pid = folder.state["pid"]
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline:
            if not folder.is_running:
                reap(pid)
                return
            time.sleep(0.02)
    raise Failed(f"The practice cloud in {folder.path} does not stop.")


def reap(pid: int) -> None:
    """Leave no zombie, if this process started the supervisor."""
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)


def status(folder: Folder) -> Status:
    """How the cloud is."""
    running = folder.is_running
    state, settings = folder.state, folder.settings
    return Status(
        directory=folder.path,
        running=running,
        phase=state.get("phase", "") if running else "stopped",
        quotas=settings["quotas"],
        latest=settings["latest"],
        urls={api: f"http://{HOST}:{port}" for api, port in settings["ports"].items()},
        processes=state.get("processes", {}) if running else {},
    )


def reset(folder: Folder) -> None:
    """Delete the folder, having made sure that it is one of ours."""
    if not folder.path.exists():
        return
    if not (folder.path / "settings.json").exists():
        raise Refused(f"{folder.path} does not hold a practice cloud; nothing was deleted.")
    stop(folder)
    shutil.rmtree(folder.path)


def exports(folder: Folder) -> dict[str, str]:
    """The variables that let any OpenStack program log in."""
    if not folder.clouds_yaml.exists():
        raise NotFound(
            f"There is no practice cloud in {folder.path}.",
            hint="To make one: python -m pouta.practice start",
        )
    given = login(folder, MEMBER, folder.password(MEMBER), PROJECT)
    return {f"OS_{key.upper()}": value for key, value in given.items()} | {
        "OS_REGION_NAME": REGION,
        "OS_INTERFACE": "public",
        "OS_IDENTITY_API_VERSION": "3",
    }
