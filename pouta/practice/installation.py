"""The services' environment: made once from a complete lock, shared by all practice clouds."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import ConfigurationError, Failed
from .folder import lock

HERE = Path(__file__).parent
LOCK = HERE / "requirements.lock"
INSTALLER_LOCK = HERE / "installer.lock"
#: Bytes that must be free: the environment with its byte code, and room to unpack.
ROOM = 1_500_000_000
OLDEST_PYTHON = (3, 11)

Say = Callable[[str], None]


def identity() -> str:
    """Names one set of versions."""
    return hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]


def place() -> Path:
    """Where the environment is, or would be."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser()
    version = "py{}{}".format(*sys.version_info)
    return cache / "pouta" / f"services-{identity()}-{version}"


def interpreter() -> Path:
    """The Python of the services."""
    return place() / "bin" / "python"


def is_complete() -> bool:
    """Whether nothing has to be installed."""
    return (place() / ".complete").exists() and interpreter().exists()


def check() -> None:
    """Say in a sentence why the services cannot run here, before anything is written."""
    if sys.platform != "linux":
        raise ConfigurationError(
            "The practice cloud runs on Linux only.",
            hint="On Windows it runs in WSL; elsewhere, in a Linux virtual machine.",
        )
    if sys.implementation.name != "cpython" or sys.version_info < OLDEST_PYTHON:
        raise ConfigurationError("The practice cloud needs CPython 3.11 or newer.")
    if is_complete():
        return
    there = next(folder for folder in place().parents if folder.exists())
    free = shutil.disk_usage(there).free
    if free < ROOM:
        raise ConfigurationError(
            f"The practice cloud needs {ROOM / 1e9:.1f} GB in {there}, and {free / 1e9:.1f} GB"
            " are free.",
            hint="Set XDG_CACHE_HOME to a folder on a larger disk.",
        )


def ensure(say: Say) -> Path:
    """The Python of the services, after installing them if need be."""
    if is_complete():
        return interpreter()
    environment = place()
    environment.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock(environment.with_name(environment.name + ".lock")):
        if not is_complete():
            say("installing OpenStack (about 500 MB, once)")
            install(environment)
            (environment / ".complete").touch()
    return interpreter()


def install(environment: Path) -> None:
    """Make the environment anew, with exactly the files that the lock names."""
    venv.EnvBuilder(clear=True, symlinks=True, with_pip=False).create(environment)
    with tempfile.TemporaryDirectory(prefix="pouta-") as scratch:
        # What has no wheel is built with the locked setuptools, not with the newest of the day.
        first = Path(scratch) / "first.txt"
        first.write_text(stanza("setuptools"))
        words = [*installer(Path(scratch)), "--no-deps", "--require-hashes", "--no-build-isolation"]
        for requirements in (first, LOCK):
            run([*words, "--requirement", str(requirements)])
    # Nobody runs the services' own tests, and compiling them takes as long as all the rest.
    packages = sysconfig.get_path("purelib", vars={"base": str(environment)})
    compiling = ["-m", "compileall", "-q", "-j", "0", "-x", "[/]tests[/]", packages]
    run([str(interpreter()), *compiling], must_succeed=False)


def stanza(name: str) -> str:
    """The lines of the lock that are about one package."""
    found = re.search(rf"^{name}==(?:.*\\\n)+.*\n", LOCK.read_text(), re.MULTILINE)
    assert found
    return found[0]


def installer(scratch: Path) -> Sequence[str]:
    """The words that begin an installation: uv's when it can be had, pip's if not."""
    uv = shutil.which("uv")
    if uv is not None and not works([uv, "--version"]):
        uv = None  # a version manager's stand-in for a uv that is not there
    pip = [sys.executable, "-m", "pip"]
    if uv is None and works([*pip, "--version"]):
        target = scratch / "uv"
        words = ["install", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
        words += ["--target", str(target), "--requirement", str(INSTALLER_LOCK)]
        if works([*pip, *words]):
            uv = str(target / "bin" / "uv")
    if uv is not None:
        return [uv, "pip", "install", "--quiet", "--python", str(interpreter())]
    if works([*pip, "--version"]):
        return [*pip, "--python", str(interpreter()), "install", "--quiet"]
    raise ConfigurationError(
        "Neither pip nor uv can be found, so the practice cloud cannot be installed.",
        hint="Run: python -m ensurepip",
    )


def environment_variables() -> dict[str, str]:
    """Ours, with what the user told pip said to uv too."""
    variables = dict(os.environ)
    for name in ("PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV"):
        variables.pop(name, None)
    told = pip_settings()
    for setting, uvs in (
        ("index-url", "UV_DEFAULT_INDEX"),
        ("cert", "SSL_CERT_FILE"),
    ):
        if told.get(setting):
            variables.setdefault(uvs, told[setting])
    variables["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    return variables


def pip_settings() -> dict[str, str]:
    """What pip's configuration files and variables say."""
    try:
        said = subprocess.run(
            [sys.executable, "-m", "pip", "config", "list"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return {}
    settings = {}
    for line in said.splitlines():
        name, _, value = line.partition("=")
        settings[name.rpartition(".")[2]] = value.strip("'\"")
    return settings


def works(command: Sequence[str]) -> bool:
    """Whether a command succeeds."""
    done = subprocess.run(command, capture_output=True, check=False, env=environment_variables())
    return done.returncode == 0


def run(command: Sequence[str], *, must_succeed: bool = True) -> None:
    """Run a step of the installation."""
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment_variables()
    )
    if must_succeed and done.returncode:
        last = "\n".join((done.stderr or done.stdout).strip().splitlines()[-8:])
        raise Failed(
            f"The services of the practice cloud could not be installed: {last}",
            hint="Check that the package index can be reached, and run the same again.",
        )
