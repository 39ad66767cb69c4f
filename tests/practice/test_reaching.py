"""Getting into a server, and finding out why one cannot."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import shutil
import stat
import subprocess

import pytest

import pouta
from pouta import known_hosts, servers
from pouta.servers import boot_log

SMALL = {"image": "Ubuntu-24.04", "flavor": "standard.tiny"}


@pytest.fixture
def said(monkeypatch):
    """The sentences that a person would read."""
    sentences = []
    monkeypatch.setattr("pouta.progress.say", sentences.append)
    return sentences


def first_failing(findings):
    return next(finding for finding in findings if finding.ok is False)


class TestDiagnosis:
    def test_each_fault_is_found_in_its_turn_and_its_remedy_mends_it(self, practice_conn, home):
        """Failures 1, 2, 3, 29: the remedies are run as they are printed."""

        def diagnosis():
            findings = servers.diagnose(practice_conn, "web", my_ip="192.0.2.7")
            assert [f.check for f in findings if f.remedy] == [first_failing(findings).check]
            return findings, first_failing(findings)

        def mend(remedy):
            for call in remedy.split(", then "):
                eval(call.removesuffix(" first."), {"pouta": pouta, "conn": practice_conn})

        servers.launch(practice_conn, "web", **SMALL)
        servers.stop(practice_conn, "web")
        findings, fault = diagnosis()
        assert (fault.check, fault.found) == ("status", "SHUTOFF")
        assert "SHUTOFF" in str(findings)
        assert "<table>" in findings._repr_html_()
        mend(fault.remedy)

        _, fault = diagnosis()
        assert fault.check == "address"
        mend(fault.remedy)

        _, fault = diagnosis()
        assert (fault.check, "192.0.2.7/32" in fault.found) == ("way in", True)
        mend(fault.remedy)
        group = pouta.security_groups.find(practice_conn, "ssh-from-192.0.2.7-32")

        servers.remove_security_group(practice_conn, "web", "default")
        for rule in group.security_group_rules:
            if rule["direction"] == "egress":
                practice_conn.network.delete_security_group_rule(rule["id"])
        _, fault = diagnosis()
        assert (fault.check, "169.254.169.254" in fault.found) == ("way out", True)
        mend(fault.remedy)

        key = home / ".ssh" / "pouta_key"
        key.chmod(0o644)
        _, fault = diagnosis()
        assert (fault.check, fault.remedy) == ("private key", f"chmod 600 {key}")
        key.chmod(0o600)

        findings, fault = diagnosis()
        assert fault.check == "SSH"
        assert "practice cloud" in fault.found
        told = {finding.check: finding.found for finding in findings}
        assert told["key in the server"] == "cloud-init let your key in"
        assert told["login user"].startswith("ubuntu")
        assert told["first boot"] == "cloud-init has finished"
        assert [finding.ok for finding in findings][:-1] == [True] * (len(findings) - 1)

    def test_a_key_that_is_not_there_or_another_one_is_told(self, practice_conn, home, tmp_path):
        """Failures 2 and 3."""
        servers.launch(practice_conn, "bare", **SMALL, key_name=False, ssh_from="192.0.2.7")
        told = {f.check: f for f in servers.diagnose(practice_conn, "bare", my_ip="192.0.2.7")}
        assert told["key pair"].ok is False
        assert told["key in the server"].found == "cloud-init got no key"

        servers.launch(
            practice_conn, "web", **SMALL, ssh_from="192.0.2.7", floating_ip=True, volumes=[]
        )
        pouta.keypairs.ensure(practice_conn, "other")
        other = home / ".ssh" / "other"
        findings = servers.diagnose(practice_conn, "web", private_key=str(other), my_ip="192.0.2.7")
        fault = first_failing(findings)
        assert (fault.check, "not the private half" in fault.found) == ("private key", True)
        assert "pouta.servers.rescue(conn, 'web')" in fault.remedy
        (home / ".ssh" / "pouta_key").unlink()
        fault = first_failing(servers.diagnose(practice_conn, "web", my_ip="192.0.2.7"))
        assert "is not in ~/.ssh" in fault.found
        with pytest.raises(pouta.InvalidInput, match="no file"):
            servers.diagnose(practice_conn, "web", private_key="nowhere")

    def test_a_server_in_error_has_its_reason_and_is_said_to_be_billed(
        self, practice_conn, practice_cloud
    ):
        """Failure 19."""
        servers.create_group(practice_conn, "spread")
        tiny = pouta.flavors.find(practice_conn, "standard.tiny")
        group = pouta.servers.list_groups(practice_conn)[0]
        for name in ("one", "two"):
            server = practice_conn.compute.create_server(
                name=name,
                image_id=pouta.images.find(practice_conn, "cirros").id,
                flavor_id=tiny.id,
                networks=[{"uuid": pouta.networks.default(practice_conn).id}],
                scheduler_hints={"group": group.id},
            )
        pouta.servers.states.wait(practice_conn, [server], pouta.servers.states.is_idle, 60)
        fault = first_failing(servers.diagnose(practice_conn, "two", my_ip="192.0.2.7"))
        assert "No valid host" in fault.found
        assert "pouta.servers.delete(conn, 'two')" in fault.remedy


class TestSsh:
    def test_a_file_for_ssh_names_each_server_and_goes_through_the_jump_host(
        self, practice_conn, home, tmp_path, said, monkeypatch
    ):
        """And the line for one of them; and failure 26 for an address that is known here."""
        gate = servers.launch(practice_conn, "gate", **SMALL, floating_ip=True)
        servers.launch(
            practice_conn, "my node", image="AlmaLinux-9", flavor="standard.tiny", key_name=False
        )
        (address,) = pouta.floating_ips.addresses(gate, "floating")
        said.clear()
        text = servers.ssh_config(practice_conn, jump_host="gate")
        file = tmp_path / "config"
        file.write_text(text)

        def setting(host):
            done = subprocess.run(
                ["ssh", "-G", "-F", str(file), host], capture_output=True, text=True, check=True
            )
            return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)

        if shutil.which("ssh"):
            node, door = setting("my-node"), setting("gate")
            assert (node["user"], node["proxyjump"]) == ("almalinux", "gate")
            assert (door["user"], door["hostname"]) == ("ubuntu", address)
            assert door["identityfile"] == str(home / ".ssh" / "pouta_key")
            assert "proxyjump" not in door
        assert text.count("Host ") == 2

        line = servers.ssh_command(practice_conn, "my node", jump_host=gate)
        assert line.startswith("ssh -o StrictHostKeyChecking=accept-new -o 'ProxyCommand=ssh -i ")
        assert f" -W '\"'\"'[%h]:%p'\"'\"' ubuntu@{address}' almalinux@192.168.1." in line
        assert said == ["'my node' was made without a key pair."]
        (home / ".ssh" / "known_hosts").write_text(f"{address} ssh-ed25519 AAAAold\n")
        servers.ssh_command(practice_conn, "gate")
        assert f"ssh-keygen -R {address}" in said[-1]
        told = {f.check: f for f in servers.diagnose(practice_conn, gate)}
        assert told["host key"].ok is None

        said.clear()
        monkeypatch.setattr("pouta.servers.boot_log.host_keys", lambda log: {"AAAAold"})
        servers.ssh_command(practice_conn, "gate")
        assert said == []

    @pytest.fixture
    def ssh(self, tmp_path, monkeypatch):
        """A program `ssh` that tells how it was called and does what the command asks."""
        folder = tmp_path / "bin"
        folder.mkdir()
        program = folder / "ssh"
        program.write_text(
            "#!/usr/bin/env python3\n"
            "import json, pathlib, sys, time\n"
            "told = [*sys.argv[3:], pathlib.Path(sys.argv[2]).read_text()]\n"
            f"pathlib.Path({str(tmp_path / 'called')!r}).write_text(json.dumps(told))\n"
            "command = sys.argv[-1]\n"
            "if command == 'sleep': time.sleep(60)\n"
            "if command == 'fail': sys.stderr.write('disk full'); sys.exit(3)\n"
            "if command == 'met':\n"
            "    sys.stderr.write('@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @')\n"
            "    sys.exit(255)\n"
            "if command == 'away': sys.stderr.write('Connection timed out'); sys.exit(255)\n"
            "print('Linux')\n"
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        return lambda: json.loads((tmp_path / "called").read_text())

    def test_a_command_runs_through_the_users_own_ssh(
        self, practice_conn, home, ssh, real_cloud, monkeypatch
    ):
        web = servers.launch(practice_conn, "web", **SMALL)
        (address,) = pouta.floating_ips.addresses(web)
        assert servers.run(practice_conn, "web", "uname; echo $HOME") == "Linux\n"
        called = ssh()
        *words, configuration = called
        assert words == ["--", "web", "uname; echo $HOME"]
        settings = {line.strip() for line in configuration.splitlines()}
        assert {f"HostName {address}", "User ubuntu", "BatchMode yes"} < settings
        assert "StrictHostKeyChecking accept-new" in settings
        assert f'IdentityFile "{home / ".ssh" / "pouta_key"}"' in settings

        with pytest.raises(pouta.Failed, match=r"exit status 3\. disk full"):
            servers.run(practice_conn, web, "fail")
        with pytest.raises(pouta.Failed) as caught:
            servers.run(practice_conn, web, "met")
        assert f"ssh-keygen -R {address}" in caught.value.hint
        with pytest.raises(pouta.Failed, match="Connection timed out") as caught:
            servers.run(practice_conn, web, "away")
        assert "pouta.servers.diagnose" in caught.value.hint
        with pytest.raises(pouta.TimedOut, match="after 1 s"):
            servers.run(practice_conn, web, "sleep", timeout=1)
        monkeypatch.setattr("pouta.images.login_user", lambda conn, server: "-oProxyCommand=x")
        with pytest.raises(pouta.NotFound, match="login user"):
            servers.run(practice_conn, web, "uname")

    def test_nothing_runs_on_the_practice_cloud(self, member, no_requests):
        with pytest.raises(pouta.Refused, match="no machine behind it"):
            servers.run(member, "web", "uname")


def test_groups_and_their_servers_can_be_let_in(practice_conn):
    """Remote groups: by a group's name, its own among them, whatever the addresses."""
    from pouta import security_groups as groups

    nfs = groups.allow(practice_conn, "cluster", port=2049, remote_group="cluster")
    again = groups.allow(practice_conn, "cluster", port=2049, remote_group="cluster")
    rules = [rule for rule in again.security_group_rules if rule["direction"] == "ingress"]
    assert [rule["remote_group_id"] for rule in rules] == [nfs.id]
    assert [rule["remote_ip_prefix"] for rule in rules] == [None]
    web = groups.allow(practice_conn, "web", port=22, remote_group="cluster")
    assert "tcp 22 from group cluster" in str(groups.list(practice_conn))
    assert [r["remote_group_id"] for r in web.security_group_rules if r["port_range_min"]] == [
        nfs.id
    ]
    with pytest.raises(pouta.NotFound, match="No security group 'clutser'"):
        groups.allow(practice_conn, "new", port=22, remote_group="clutser")
    assert "new" not in {group.name for group in practice_conn.network.security_groups()}


class TestWhatSshKnows:
    KEY = base64.b64encode(b"a key").decode()

    def test_an_address_is_found_plain_in_a_list_and_hashed(self, home):
        (home / ".ssh").mkdir()
        salt = b"0123456789abcdefghij"
        hashed = hmac.digest(salt, b"192.0.2.9", hashlib.sha1)
        word = f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(hashed).decode()}"
        (home / ".ssh" / "known_hosts").write_text(
            f"# comment\n\nweb,192.0.2.7 ssh-ed25519 {self.KEY}\n"
            f"{word} ssh-rsa AAAA\n|1|x bad line\n"
        )
        assert known_hosts.keys_of("192.0.2.7") == {self.KEY}
        assert known_hosts.keys_of("192.0.2.9") == {"AAAA"}
        assert not known_hosts.keys_of("192.0.2.8")
        assert known_hosts.is_stale("192.0.2.7", {"other"})
        assert not known_hosts.is_stale("192.0.2.7", {"other", self.KEY})
        assert not known_hosts.is_stale("192.0.2.8", {"other"})

    def test_the_boot_log_names_user_keys_and_host_keys(self):
        digest = hashlib.md5(b"a key").digest().hex(":")
        log = (
            "ci-info: ++++++Authorized keys from /home/cloud-user/.ssh/authorized_keys for user "
            "cloud-user++++++\n"
            "ci-info: | Keytype |                Fingerprint (md5)                | Options |\n"
            f"ci-info: | ssh-rsa | {digest} |    -    |\n"
            "-----BEGIN SSH HOST KEY KEYS-----\n"
            "ecdsa-sha2-nistp256 AAAAecdsa root@web\nssh-ed25519 AAAAed root@web\n"
            "-----END SSH HOST KEY KEYS-----\n"
            "Cloud-init v. 22.1 finished at Mon, 01 Jan 2026\n"
        )
        assert boot_log.login_user(log) == "cloud-user"
        assert boot_log.lets_in(log, f"ssh-rsa {self.KEY} me")
        assert not boot_log.lets_in(log, "ssh-rsa AAAA me")
        assert not boot_log.lets_in(log, "nonsense")
        assert boot_log.host_keys(log) == {"AAAAecdsa", "AAAAed"}
        assert boot_log.is_finished(log)
        assert boot_log.has_no_keys(
            "ci-info: no authorized SSH keys fingerprints found for user x."
        )
