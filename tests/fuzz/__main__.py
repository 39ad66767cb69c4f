"""Looks for input that breaks what reads it, led by which lines of the code it reaches.

    pip install atheris
    python -m tests.fuzz openrc [--seconds 300]

Any exception but pouta's own, a wrong answer, a program that is started, an address that is asked,
or ten seconds without an answer ends the run, and the input is kept and named. It needs atheris,
which is not among the packages that the tests need.
"""

from __future__ import annotations

import argparse
import io
import ipaddress
import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import atheris

with atheris.instrument_imports(include=["pouta", "openstack.config", "yaml"]):
    import yaml

    from pouta import handwritten, keypairs, logs, openrc, prices, security_groups
    from pouta.connection import sources
    from pouta.errors import ConfigurationError, InvalidInput, PoutaError
    from pouta.identity import clouds_yaml

FORBIDDEN = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "pty.spawn")
NOWHERE: Any = SimpleNamespace(session=SimpleNamespace(auth=SimpleNamespace(auth_url="")))
FOLDER = Path(tempfile.mkdtemp(prefix="pouta-fuzz-"))
FILE = FOLDER / "clouds.yaml"
CLOUD = {"auth": {"auth_url": "https://one.example:5000/v3", "password": "a: 'b'"}}


def an_openrc_file(data: bytes) -> None:
    FILE.write_bytes(data)
    try:
        found = openrc.read(FILE, {"HOME": "/home/me", "OS_A": "a b"})
    except ConfigurationError as refused:
        of_the_whole = ("not a text file", "exports nothing", "larger than 1 MiB")
        line = re.match(rf"{re.escape(str(FILE))}, line (\d+): ", refused.message)
        assert line or any(words in refused.message for words in of_the_whole), refused.message
        assert not line or 1 <= int(line[1]) <= data.count(b"\n") + 1, refused.message
    else:
        assert all(name.startswith("OS_") for name in found.variables)


def a_clouds_yaml(data: bytes) -> None:
    FILE.write_bytes(data)
    for name in (None, "csc"):
        try:
            sources.region(name, None, {})
        except PoutaError as refused:
            assert "geheim" not in str(refused)  # what the seeds have as their secrets
    try:
        clouds_yaml.for_new("new", FILE)
        before = clouds_yaml._clouds(FILE.read_text(encoding="utf-8"), FILE)
        clouds_yaml.add(FILE, "new", CLOUD)
    except PoutaError as refused:
        assert "geheim" not in str(refused)
        assert FILE.read_bytes() == data
    else:
        after = yaml.safe_load(FILE.read_text(encoding="utf-8"))["clouds"]
        assert repr(after.pop("new")) == repr(CLOUD)
        assert sorted(map(repr, after.items())) == sorted(map(repr, before.items()))


def a_prices_file(data: bytes) -> None:
    FILE.write_bytes(data)
    try:
        known = prices.for_cloud("https://pouta.csc.fi:5001/v3", path=FILE)
    except ConfigurationError as refused:
        assert str(FILE) in refused.message
    else:
        assert all(price >= 0 for price in known.flavors.values())


def a_public_key(data: bytes) -> None:
    text = data.decode(errors="surrogateescape")
    try:
        assert keypairs._read(text).isprintable()
    except InvalidInput as refused:
        assert len(refused.message) < 120  # nothing of the key is in it


def a_network(data: bytes) -> None:
    text = data.decode(errors="surrogateescape")
    if text == security_groups.MY_IP:
        return
    try:
        cidr = security_groups.cidr_of(NOWHERE, text)
    except InvalidInput as refused:
        assert refused.message.isprintable()
    else:
        assert ipaddress.ip_network(cidr) == ipaddress.ip_network(text)


def a_line_of_the_log(data: bytes) -> None:
    text = data.decode(errors="replace")
    logs.without_secrets(text)
    hidden = logs.without_secrets(f'{text}"adminPass": "geheim"')
    assert "geheim" not in hidden or '"' in text  # which may be left open


def some_yaml(data: bytes) -> None:
    try:
        handwritten.read(data.decode(errors="replace"))
    except handwritten.Unreadable as refused:
        assert len(str(refused)) < 80


OPENRC = """\
export OS_AUTH_URL=https://one:5001/v3
export OS_PROJECT_NAME="a $OS_A"
if [ -z "$OS_REGION_NAME" ]; then unset OS_REGION_NAME; fi
read -sr OS_PASSWORD_INPUT
export OS_PASSWORD=$OS_PASSWORD_INPUT
"""
CLOUDS = """\
clouds: # all
  csc: &csc
    auth: {auth_url: "https://one:5001/v3", username: me, password: geheim, project_name: p}
    regions: [one, two]
  other:
    <<: *csc
    verify: false
"""
PRICES = """\
source: https://one
read: 2026-01-01
clouds: {cpouta: [pouta.csc.fi]}
periods:
  - valid_from: 2026-01-01
    flavors: {small: 2, large: {cpouta: 4}}
    volumes: {standard: 3.6}
"""
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7Cb1Sm9gWw8WVyS5rbXGJmQ9H9hV4cRD4mAa9c4Xj1 me"
LINE = r"""RESP BODY: {"adminPass": "a", "x": [{"secret": {"a": "\\" }}], "b": "\"password\": 1"}"""
TARGETS: dict[str, tuple[Callable[[bytes], None], list[str]]] = {
    "openrc": (an_openrc_file, [OPENRC, "A=${B:-'x'}\n", "[[ $A == a ]] ; then\n"]),
    "clouds": (a_clouds_yaml, [CLOUDS, "clouds:\n  a:\n    profile: x\n", "---\nclouds:\n"]),
    "prices": (a_prices_file, [PRICES]),
    "keys": (a_public_key, [KEY, "-----BEGIN OPENSSH PRIVATE KEY-----\na\n", "~/.ssh/id.pub"]),
    "networks": (a_network, ["192.0.2.7/32", "2001:db8::/32", "fe80::1%eth0"]),
    "logs": (a_line_of_the_log, [LINE, 'REQ: curl -X POST http://a -d \'{"user_data": "a"}\'']),
    "yaml": (some_yaml, [CLOUDS, PRICES]),
}


def nothing_runs(event: str, arguments: tuple[Any, ...]) -> None:
    if event in FORBIDDEN or event == "socket.connect":
        raise AssertionError(f"{event} {arguments}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=300)
    given = parser.parse_args()
    target, seeds = TARGETS[given.target]
    corpus = FOLDER / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(seeds):
        (corpus / str(number)).write_text(seed)
    for name in [name for name in os.environ if name.startswith("OS_")]:
        del os.environ[name]
    os.environ["OS_CLIENT_CONFIG_FILE"] = str(FILE)
    sys.stdin = io.StringIO()  # nobody is there to be asked for a password
    sys.addaudithook(nothing_runs)
    options = [f"-max_total_time={given.seconds}", "-timeout=10", "-max_len=2000"]
    options += [f"-artifact_prefix={FOLDER}/", "-print_final_stats=1", str(corpus)]
    atheris.Setup([sys.argv[0], *options], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
