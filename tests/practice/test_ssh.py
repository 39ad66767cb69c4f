"""Into servers through real SSH servers, one behind the other, with the user's own ssh and scp."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import pouta
from pouta import keypairs, servers
from pouta.servers import reaching

SMALL = {"image": "cirros", "flavor": "standard.tiny"}
ADDRESSES = {"gate": "127.0.0.2", "my node": "127.0.0.3"}
SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH')}:/usr/sbin")
READY_WITHIN = 20.0  # seconds

# The user's ssh looks into the home folder of /etc/passwd, whatever HOME says.
WRAPPER = """\
#!/bin/sh
file=
for word in "$@"; do
    [ "$file" != next ] || file=$word
    [ "$word" != -F ] || file=next
done
if [ -n "$file" ]; then
    sed -i '1i UserKnownHostsFile {known}' "$file"
    exec {program} "$@"
fi
exec {program} -o UserKnownHostsFile={known} "$@"
"""

CONFIGURATION = """\
ListenAddress {address}:22
HostKey {folder}/host_key
AuthorizedKeysFile {authorized}
PidFile {folder}/pid
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
LogLevel VERBOSE
Subsystem sftp internal-sftp
"""


@dataclass
class Machine:
    """A real SSH server at an address of this machine's own."""

    folder: Path
    address: str
    process: subprocess.Popen[bytes] | None = None

    def start(self, authorized: Path) -> None:
        self.folder.mkdir()
        self.new_host_key()
        configuration = self.folder / "sshd_config"
        configuration.write_text(
            CONFIGURATION.format(address=self.address, folder=self.folder, authorized=authorized)
        )
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [str(SSHD), "-D", "-e", "-f", str(configuration)], stderr=log
            )
        deadline = time.monotonic() + READY_WITHIN
        while not reaching.ssh_answers(self.address):
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)

    def new_host_key(self) -> None:
        key = self.folder / "host_key"
        key.unlink(missing_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait()

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()


@pytest.fixture
def machines(tmp_path, home, monkeypatch, real_cloud) -> Iterator[dict[str, Machine]]:
    """By the names of the practice servers that they stand for, which have nobody inside."""
    if os.geteuid() != 0:
        pytest.skip("port 22 is root's")
    if not SSHD or not shutil.which("ssh"):
        pytest.skip("OpenSSH's server is not installed")
    Path("/run/sshd").mkdir(exist_ok=True)
    tools, authorized = tmp_path / "bin", tmp_path / "authorized_keys"
    tools.mkdir()
    authorized.touch()
    for name in ("ssh", "scp"):
        program = tools / name
        known = home / ".ssh" / "known_hosts"
        program.write_text(WRAPPER.format(known=known, program=shutil.which(name)))
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setattr("pouta.images.login_user", lambda conn, server: "root")
    monkeypatch.setattr(reaching, "_address", lambda server, ips: ADDRESSES[server.name])
    (home / ".ssh").mkdir(mode=0o700, exist_ok=True)
    running = {name: Machine(tmp_path / address, address) for name, address in ADDRESSES.items()}
    try:
        for machine in running.values():
            machine.start(authorized)
        yield running
    finally:
        for machine in running.values():
            machine.stop()


@pytest.fixture
def lab(practice_conn, machines, tmp_path):
    """A jump host with a floating IP, and a server behind it; both know the user's key."""
    servers.launch(practice_conn, "gate", **SMALL, floating_ip=True)
    servers.launch(practice_conn, "my node", **SMALL)
    (pair,) = keypairs.list(practice_conn)
    (tmp_path / "authorized_keys").write_text(pair.public_key + "\n")
    return practice_conn


def sh(line: str) -> subprocess.CompletedProcess[str]:
    """As in a script: nobody is there to say yes."""
    return subprocess.run(
        line, shell=True, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )


def test_a_command_and_files_go_through_the_jump_host(lab, machines, tmp_path):
    there = tmp_path / "there"
    there.mkdir()
    assert servers.wait_for_ssh(lab, "my node", jump_host="gate").name == "my node"
    assert servers.run(lab, "my node", "echo $USER 'a  b'", jump_host="gate") == "root a  b\n"
    with pytest.raises(pouta.Failed, match="exit status 3"):
        servers.run(lab, "my node", "exit 3", jump_host="gate")

    data = tmp_path / "results: of mine"
    (data / "day 1").mkdir(parents=True)
    (data / "day 1" / "a.csv").write_text("1,2\n")
    servers.copy(lab, "my node", data, f":{there}", jump_host="gate")
    assert (there / data.name / "day 1" / "a.csv").read_text() == "1,2\n"
    servers.copy(lab, "my node", f":{there}/{data.name}/day 1/a.csv", tmp_path, jump_host="gate")
    assert (tmp_path / "a.csv").read_text() == "1,2\n"
    servers.copy(lab, "gate", f":{there}", tmp_path / "back")
    assert (tmp_path / "back" / data.name / "day 1" / "a.csv").exists()
    with pytest.raises(pouta.Failed, match="No such file"):
        servers.copy(lab, "my node", ":nothing", tmp_path / "x", jump_host="gate")
    assert machines["gate"].log.count("Accepted publickey") > 4


def test_the_lines_and_the_file_log_in_without_anybody_to_say_yes(lab, machines, tmp_path):
    for jump_host in (None, "gate"):
        line = servers.ssh_command(lab, "my node", jump_host=jump_host)
        done = sh(f"{line} echo in")
        assert done.stdout == "in\n", done.stderr
    assert "Accepted publickey" in machines["gate"].log
    config = tmp_path / "config"
    for known in (Path.home() / ".ssh").glob("known_hosts*"):
        known.unlink()
    config.write_text(servers.ssh_config(lab, jump_host="gate"))
    done = sh(f"ssh -F {config} my-node echo in")
    assert done.stdout == "in\n", done.stderr


@pytest.mark.parametrize("name", ADDRESSES)
def test_a_host_key_that_changed_is_refused_in_words(lab, machines, name):
    servers.run(lab, "my node", "true", jump_host="gate")
    machines[name].new_host_key()
    for chore in (
        lambda: servers.run(lab, "my node", "true", jump_host="gate"),
        lambda: servers.copy(lab, "my node", __file__, ":", jump_host="gate"),
    ):
        with pytest.raises(pouta.Failed) as caught:
            chore()
        assert f"ssh-keygen -R {ADDRESSES[name]}" in caught.value.hint
    if name == "gate":
        with pytest.raises(pouta.Failed, match="HAS CHANGED"):
            servers.wait_for_ssh(lab, "my node", jump_host="gate", timeout=60)
    line = servers.ssh_command(lab, "my node", jump_host="gate")
    assert sh(f"{line} true").returncode == 255


def test_the_key_that_the_dashboard_made(practice_conn, machines, home, tmp_path, monkeypatch):
    """A `name.pem` without a `.pub` beside it."""
    made = practice_conn.compute.create_keypair(name="mine")
    pem = home / ".ssh" / "mine.pem"
    pem.write_text(made.private_key)
    pem.chmod(0o600)
    (tmp_path / "authorized_keys").write_text(made.public_key + "\n")
    for name in ADDRESSES:
        servers.launch(practice_conn, name, **SMALL, key_name="mine")
    assert f"-i {pem}" in servers.ssh_command(practice_conn, "gate")
    assert servers.run(practice_conn, "my node", "echo in", jump_host="gate") == "in\n"

    said: list[str] = []
    monkeypatch.setattr("pouta.progress.say", said.append)
    pem.chmod(0o644)
    with pytest.raises(pouta.Failed, match="Permission denied") as caught:
        servers.run(practice_conn, "gate", "true")
    assert f"chmod 600 {pem}" in caught.value.hint
    servers.ssh_command(practice_conn, "gate")
    assert f"chmod 600 {pem}" in said[-1]


def test_a_key_that_ssh_cannot_read_gets_a_sentence(practice_conn, home):
    pair = practice_conn.compute.create_keypair(name="mine")
    folder = home / ".ssh"
    folder.mkdir(mode=0o700)
    assert "is not in ~/.ssh" in keypairs.why_no_private_key(pair)
    for text, said in (
        ("-----BEGIN OPENSSH PRIVATE KEY-----\n", "is not the private half"),
        ("-----BEGIN PRIVATE KEY-----\n", "PKCS#8"),
    ):
        (folder / "mine.pem").write_text(text)
        (folder / "mine.pem").chmod(0o600)
        assert said in keypairs.why_no_private_key(pair)
    (folder / "mine.ppk").write_text("PuTTY-User-Key-File-3: ssh-ed25519\n")
    said = keypairs.why_no_private_key(pair)
    assert shlex.split(said.split(": ")[-1])[0] == "puttygen"


def test_a_colleagues_server_is_said_to_be_one(practice_conn, colleague, machines, tmp_path):
    servers.launch(colleague, "gate", **SMALL, key_name=keypairs.ensure(colleague, "theirs").name)
    with pytest.raises(pouta.Failed, match="Permission denied") as caught:
        servers.run(practice_conn, "gate", "true")
    assert "another member's, made with key pair 'theirs'" in caught.value.hint


def test_one_end_of_a_copy_is_on_the_server(member, no_requests, tmp_path):
    for source, target in (("a", "b"), (":a", ":b")):
        with pytest.raises(pouta.InvalidInput, match="must be on the server"):
            servers.copy(member, "web", source, target)
    with pytest.raises(pouta.InvalidInput, match="no file or folder"):
        servers.copy(member, "web", tmp_path / "nothing", ":")
    with pytest.raises(pouta.InvalidInput, match="no folder"):
        servers.copy(member, "web", ":a", tmp_path / "no" / "where")
    with pytest.raises(pouta.Refused, match="no machine behind it"):
        servers.copy(member, "web", ":a", tmp_path)
