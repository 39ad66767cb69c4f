"""Examples that make several servers which belong together."""

from __future__ import annotations

import base64
import shlex
import subprocess

import yaml

import pouta
from tests.shell import NOTHING, billed, refused, succeeded


def lets_in(conn, name):
    """What a security group lets in: ports, and from which network or group."""
    group = conn.network.find_security_group(name)
    names = {group.id: group.name for group in conn.network.security_groups()}
    return [
        (
            rule["port_range_min"],
            rule["port_range_max"],
            rule["remote_ip_prefix"] or names[rule["remote_group_id"]],
        )
        for rule in group.security_group_rules
        if rule["direction"] == "ingress"
    ]


def groups_of(conn):
    return {
        server.name: {group["name"] for group in server.security_groups} - {"default"}
        for server in conn.compute.servers()
    }


def private(conn, name):
    return pouta.floating_ips.addresses(pouta.servers.find(conn, name), "fixed")[0]


def user_data(cloud, server):
    """As only an administrator may read it back."""
    return base64.b64decode(cloud.admin.compute.get_server(server.id).user_data).decode()


def understood_by_ssh(*words):
    """What `ssh` would do, without doing it."""
    done = subprocess.run(["ssh", "-G", *words], capture_output=True, text=True, timeout=10)
    assert done.returncode == 0, done.stderr
    return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)


def is_shell(script):
    return subprocess.run(["sh", "-n"], input=script, text=True, timeout=10).returncode == 0


def given_to(program, line):
    """The words that a shell would give to a program."""
    line = line.replace(program, "printf '%s\\n'", 1)
    said = subprocess.run(
        ["sh", "-c", line], capture_output=True, text=True, timeout=10, check=True
    )
    return said.stdout.splitlines()


def test_a_cluster_is_reached_through_its_jump_host(run, logged_in, tmp_path, home):
    conn = logged_in

    # 5 workers need 10 cores, of 8; the jump host is there when they are refused.
    assert "quota" in refused(run("cluster.py", "demo", "--workers", "5")).lower()
    assert billed(conn) == NOTHING
    assert [*tmp_path.iterdir()] == []

    said = succeeded(run("cluster.py", "demo", "--policy", "soft-anti-affinity"))
    first = {server.name: server.id for server in conn.compute.servers()}
    assert {*first} == {"demo-jump", "demo-worker-1", "demo-worker-2"}
    assert "Total: 1.50 BU/h" in said

    said = succeeded(run("cluster.py", "demo", "--policy", "soft-anti-affinity", "--workers", "3"))
    servers = {server.name: server for server in conn.compute.servers()}
    assert {*servers} == {*first, "demo-worker-3"}
    assert {name: servers[name].id for name in first} == first
    (address,) = conn.network.ips()
    assert address.floating_ip_address in pouta.floating_ips.addresses(servers["demo-jump"])

    assert lets_in(conn, "demo-worker") == [(22, 22, "demo-jump")]
    assert lets_in(conn, "demo-jump") == []
    assert groups_of(conn) == {
        "demo-jump": {"demo-jump", "ssh-from-127.0.0.1-32"},
        **{f"demo-worker-{number}": {"demo-worker"} for number in (1, 2, 3)},
    }
    (spread,) = conn.compute.server_groups()
    assert {*spread.member_ids} == {servers[f"demo-worker-{number}"].id for number in (1, 2, 3)}

    inventory = yaml.safe_load((tmp_path / "demo.inventory.yaml").read_text())["all"]
    hosts = {name: [*group["hosts"]] for name, group in inventory["children"].items()}
    assert hosts == {
        "jump": ["demo-jump"],
        "workers": ["demo-worker-1", "demo-worker-2", "demo-worker-3"],
    }
    options = shlex.split(inventory["vars"]["ansible_ssh_common_args"])
    worker = understood_by_ssh(*options, "demo-worker-3")
    assert worker["hostname"] == private(conn, "demo-worker-3")
    assert (worker["user"], worker["proxyjump"]) == ("ubuntu", "demo-jump")
    assert worker["identityfile"] == f"{home}/.ssh/pouta_key"
    jump = understood_by_ssh(*options, "demo-jump")
    assert jump["hostname"] == address.floating_ip_address
    assert "ssh -F demo.ssh_config demo-worker-1\n" in said

    pouta.cleanup(conn, tag="cluster-demo")
    assert billed(conn) == NOTHING


def test_an_nfs_server_gives_its_volume_to_the_project(run, logged_in, practice_cloud):
    conn = logged_in

    said = succeeded(run("nfs_server.py", "files", "--size", "3"))

    (server,), (volume,) = conn.compute.servers(), conn.block_storage.volumes()
    assert (server.name, volume.name, volume.size) == ("files-nfs", "files-data", 3)
    assert volume.attachments[0]["server_id"] == server.id
    assert lets_in(conn, "files-nfs") == [(2049, 2049, "192.168.1.0/24")]
    assert groups_of(conn) == {"files-nfs": {"files-nfs"}}
    mount = f"sudo mount -t nfs {private(conn, 'files-nfs')}:/srv/nfs /mnt\n"
    assert said.endswith(mount)
    script = user_data(practice_cloud, server)
    assert is_shell(script)
    assert "\nset -eu\n" in script  # so nothing is given out that is not mounted
    mounted, given_out = script.split("apt-get install -y nfs-kernel-server")
    assert f"\nid={volume.id}\nfolder=/srv/nfs\n" in mounted
    assert "\nuser=ubuntu\n" in mounted
    assert '"/srv/nfs 192.168.1.0/24(rw,' in given_out

    assert succeeded(run("nfs_server.py", "files")).endswith(mount)
    assert [now.id for now in conn.compute.servers()] == [server.id]
    assert [now.id for now in conn.block_storage.volumes()] == [volume.id]

    pouta.servers.delete(conn, server)
    succeeded(run("nfs_server.py", "files", "--size", "3"))
    (again,), (kept,) = conn.compute.servers(), conn.block_storage.volumes()
    assert (again.name, kept.id) == ("files-nfs", volume.id)
    assert kept.attachments[0]["server_id"] == again.id != server.id


def test_a_dask_cluster_knows_its_scheduler(run, logged_in, practice_cloud):
    conn = logged_in
    packages = ["dask[complete]==2026.8.0", "numpy<3"]

    said = succeeded(run("dask_cluster.py", "demo", "--packages", *packages))

    servers = {server.name: server for server in conn.compute.servers()}
    assert {*servers} == {"demo-scheduler", "demo-worker-1", "demo-worker-2"}
    (address,) = conn.network.ips()
    scheduler = f"tcp://{private(conn, 'demo-scheduler')}:8786"
    assert address.fixed_ip_address in scheduler
    assert f"for servers of the cluster: {scheduler}\n" in said
    (line,) = (line for line in said.splitlines() if line.startswith("A tunnel"))
    tunnel = understood_by_ssh(*shlex.split(line.split(": ssh ")[1]))
    assert (tunnel["user"], tunnel["hostname"]) == ("ubuntu", address.floating_ip_address)
    assert tunnel["localforward"] == "8787 [localhost]:8787"  # the last of two

    assert lets_in(conn, "dask-demo") == [(1024, 65535, "dask-demo")]
    assert groups_of(conn) == {
        "demo-scheduler": {"dask-demo", "ssh-from-127.0.0.1-32"},
        "demo-worker-1": {"dask-demo"},
        "demo-worker-2": {"dask-demo"},
    }
    for name, server in servers.items():
        text = user_data(practice_cloud, server)
        assert text.startswith("#cloud-config\n")
        todo = yaml.safe_load(text)
        (unit,) = todo["write_files"]
        command = "scheduler" if name == "demo-scheduler" else f"worker {scheduler}"
        assert (
            f"User=ubuntu\nWorkingDirectory=~\nExecStart=/opt/dask/bin/dask {command}\n"
            in (unit["content"])
        )
        venv, install, start = todo["runcmd"]
        assert is_shell("\n".join(todo["runcmd"]))
        assert given_to("/opt/dask/bin/pip", install) == ["install", *packages]
        assert "/opt/dask" in venv
        assert unit["path"].endswith(f"/{start.split()[-1]}.service")
