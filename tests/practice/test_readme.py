"""What the README shows is what happens."""

from __future__ import annotations

import getpass
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from openstack.connection import Connection

import pouta

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TEST_COMMAND = ".venv/bin/pip install -q '.[test]' && .venv/bin/pytest\n"
FIRST_COMMAND = (
    "python3 -m venv .venv && .venv/bin/pip install -q . && "
    ".venv/bin/python examples/quickstart.py\n"
)


@dataclass(frozen=True)
class Block:
    """A block of code or output, and the line of the README at which it begins."""

    language: str
    text: str
    line: int


def blocks() -> list[Block]:
    found = re.finditer(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [Block(b[1], b[2], README.count("\n", 0, b.start(2)) + 1) for b in found]


BLOCKS = blocks()
BASH = [block.text for block in BLOCKS if block.language == "bash"]
PRACTICE = next(text for text in BASH if "pouta.practice" in text)
CAMPAIGNS = next(text for text in BASH if "tests.campaigns" in text)


def shown(text: str) -> str:
    """Output without what differs from one run to the next: addresses, IDs, folders, widths."""
    for pattern, instead in (
        (r"\b\d+\.\d+\.\d+\.\d+\b", "ADDRESS"),
        (r"quickstart-[0-9a-f]{6}", "quickstart-NAME"),
        (r"virtio-[0-9a-f-]{20}", "virtio-ID"),
        (r"\S+/\.ssh/", "~/.ssh/"),
        (r" +", " "),
    ):
        text = re.sub(pattern, instead, text)
    return text


def is_as_shown(printed: str, block: Block) -> bool:
    """Whether this was printed. In the README, … stands for the rest of a line, or for lines."""
    pattern = ""
    for line in shown(block.text).splitlines():
        if line == "…":
            pattern += r"(?:.*\n)*?"
        elif line.endswith("…"):
            pattern += re.escape(line.removesuffix("…")) + r".*\n"
        else:
            pattern += re.escape(line) + r" *\n"
    return re.fullmatch(pattern, shown(printed)) is not None


def output_of(code: str) -> Block:
    """The output that the README shows right after this block."""
    place = next(number for number, block in enumerate(BLOCKS) if block.text == code)
    assert BLOCKS[place + 1].language == "text"
    return BLOCKS[place + 1]


@pytest.fixture
def downloads(
    practice_conn: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[str]]:
    """The current folder has the dashboard's files, and somebody who knows the password sits here.

    What they are asked is in the list.
    """
    auth = practice_conn.config.config["auth"]
    (tmp_path / "project_2001234-openrc.sh").write_text(
        f"""#!/usr/bin/env bash
export OS_AUTH_URL={auth["auth_url"]}
export OS_PROJECT_NAME="{auth["project_name"]}"
export OS_USER_DOMAIN_NAME="Default"
if [ -z "$OS_USER_DOMAIN_NAME" ]; then unset OS_USER_DOMAIN_NAME; fi
export OS_PROJECT_DOMAIN_ID="default"
unset OS_TENANT_ID
export OS_USERNAME="{auth["username"]}"
echo "Please enter your OpenStack Password for project $OS_PROJECT_NAME: "
read -sr OS_PASSWORD_INPUT
export OS_PASSWORD=$OS_PASSWORD_INPUT
export OS_REGION_NAME="regionOne"
export OS_INTERFACE=public
export OS_IDENTITY_API_VERSION=3
"""
    )
    without_password = {key: value for key, value in auth.items() if key != "password"}
    cloud = {"auth": without_password, "regions": ["regionOne"], "identity_api_version": 3}
    (tmp_path / "clouds.yaml").write_text(yaml.safe_dump({"clouds": {"openstack": cloud}}))
    credential = practice_conn.identity.create_application_credential(
        practice_conn.current_user_id, "nightly"
    )
    (tmp_path / "app-cred-nightly-openrc.sh").write_text(
        f"""#!/usr/bin/env bash

export OS_AUTH_TYPE=v3applicationcredential
export OS_AUTH_URL={auth["auth_url"]}
export OS_IDENTITY_API_VERSION=3
export OS_REGION_NAME="regionOne" # Depends if you are using cPouta or ePouta
export OS_INTERFACE=public
export OS_APPLICATION_CREDENTIAL_ID={credential.id}
export OS_APPLICATION_CREDENTIAL_SECRET={credential.secret}
"""
    )
    asked: list[str] = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return str(auth["password"])

    monkeypatch.setattr(getpass, "getpass", answer)
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.chdir(tmp_path)
    yield asked
    practice_conn.identity.delete_application_credential(practice_conn.current_user_id, credential)


class Terminal:
    """A standard input at which somebody sits."""

    def isatty(self) -> bool:
        return True


def disk_is_attached(names: dict[str, Any]) -> None:
    disk = names["conn"].block_storage.get_volume(names["volume"].id)
    assert disk.status == "in-use"
    assert pouta.volumes.device_path(disk) in Path("mount.sh").read_text()


def port_is_open(names: dict[str, Any]) -> None:
    server = names["conn"].compute.get_server(names["server"].id)
    assert {"default", "jupyter"} < {group["name"] for group in server.security_groups}
    group = names["conn"].network.find_security_group("jupyter")
    rules = [rule for rule in group.security_group_rules if rule["direction"] == "ingress"]
    assert [(rule["port_range_min"], rule["remote_ip_prefix"]) for rule in rules] == [
        (8888, "127.0.0.1/32")
    ]


def workers_work(names: dict[str, Any]) -> None:
    there = [server.name for server in names["conn"].compute.servers(tags="run-7")]
    assert sorted(there) == ["worker-1", "worker-2", "worker-3", "worker-4"]


def nothing_is_billed(names: dict[str, Any]) -> None:
    conn = names["conn"]
    assert [*conn.compute.servers(), *conn.block_storage.volumes(), *conn.network.ips()] == []


AFTERWARDS: dict[str, Callable[[dict[str, Any]], None]] = {
    "mount_script": disk_is_attached,
    "security_groups.allow": port_is_open,
    "launch_many": workers_work,
    "release_floating_ips": nothing_is_billed,
}


def test_the_python_in_the_readme_runs_from_top_to_bottom(
    practice_cloud, practice_conn, downloads, monkeypatch, capsys
):
    monkeypatch.setenv("POUTA_PRACTICE_DIR", str(practice_cloud.directory))
    pouta.keypairs.ensure(practice_conn, "id_ed25519")  # as somebody who has used SSH before has it
    names: dict[str, Any] = {}
    looked_at = set()

    for block, following in zip(BLOCKS, [*BLOCKS[1:], None], strict=True):
        if block.language != "python":
            continue
        known = {*names}
        exec(compile("\n" * (block.line - 1) + block.text, "README.md", "exec"), names)
        for name in names.keys() - known:
            if name.startswith("test_"):
                names[name](practice_conn)
                pouta.servers.delete(practice_conn, "web")
        printed = capsys.readouterr().out
        if following and following.language == "text":
            assert is_as_shown(printed, following), printed
        for sign in AFTERWARDS.keys() - looked_at:
            if sign in block.text:
                AFTERWARDS[sign](names)
                looked_at.add(sign)

    nothing_is_billed(names)
    assert names["conn"].current_project_id == practice_conn.current_project_id
    who = practice_conn.config.config["auth"]["username"]
    assert [who in prompt for prompt in downloads] == [True, True]  # openrc file and clouds.yaml


def test_the_first_command_prints_what_the_readme_says(practice_cloud, shared_user, tmp_path):
    """All of it but the installation."""
    script = FIRST_COMMAND.split("&&")[-1].split()[-1]

    done = subprocess.run(
        [sys.executable, str(ROOT / script)],
        cwd=tmp_path,
        env={**os.environ, "POUTA_PRACTICE_DIR": str(practice_cloud.directory)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert is_as_shown(done.stdout, output_of(FIRST_COMMAND)), done.stdout


def test_continuous_integration_finds_both_commands_here():
    script = ROOT / ".ci" / "run"
    if not script.exists():
        pytest.skip("This copy of pouta has no .ci/run.")
    (finds,) = re.findall(r"^command_of_readme\(\) \{\n.*?^\}$", script.read_text(), re.M | re.S)

    for number, command in enumerate([FIRST_COMMAND, TEST_COMMAND], start=1):
        found = subprocess.run(
            ["bash", "-euc", f"{finds}\ncommand_of_readme {number}"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=10,
        )
        assert found.stdout == command


@pytest.fixture
def own_practice_folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "practice"
    yield folder
    pouta.practice.reset(folder)


def test_the_practice_commands_make_a_cloud_use_it_and_remove_it(own_practice_folder):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

    done = subprocess.run(
        ["bash", "-euc", PRACTICE],
        cwd=ROOT,
        env={**os.environ, "PATH": path, "POUTA_PRACTICE_DIR": str(own_practice_folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=170,
    )

    assert done.returncode == 0, done.stderr
    assert "standard.tiny" in done.stdout
    assert "The practice cloud is ready." in done.stderr
    assert "Stopped." in done.stderr
    assert not own_practice_folder.exists()


def test_every_block_of_shell_is_looked_at():
    assert BASH == [FIRST_COMMAND, TEST_COMMAND, PRACTICE, CAMPAIGNS]
    assert {block.language for block in BLOCKS} == {"bash", "python", "text"}


def test_what_the_readme_names_is_there():
    for module, name in re.findall(r"\bpouta\.([a-z]\w*)\.(\w+)\(", README):
        assert callable(getattr(getattr(pouta, module), name))
    for name in re.findall(r"\bpouta\.([A-Z]\w+)", README):
        assert issubclass(getattr(pouta, name), pouta.PoutaError)
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert target.startswith("https://docs.") or (ROOT / target).exists()


def test_every_error_of_pouta_is_named():
    errors = {name for name in pouta.__all__ if name[0].isupper()}
    assert {
        name for name in errors if f"`{name}`" not in README and f"pouta.{name}" not in README
    } == (set())
