"""Whose it is: things of one name, a colleague's, old addresses, and what `exist_ok` takes."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from openstack.connection import Connection

import pouta
from pouta import floating_ips, keypairs, networks, servers, volumes
from pouta.practice.control import connect_as
from pouta.practice.folder import Folder
from tests.campaigns import ground
from tests.wire import answer_lost, nova_still_shows, overtaken, recorded

SMALL = {"image": "cirros", "flavor": "standard.tiny", "key_name": False}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7Cb1Sm9gWw8WVyS5rbXGJmQ9H9hV4cRD4mAa9c4Xj1"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKz0gWw8WVyS5rbXGJmQ9H9hV4cRD4mAa9c4Xj1J7Cb4"


@pytest.fixture
def colleague(practice_cloud, practice_conn) -> Iterator[Connection]:
    """Another member of the project."""
    admin, password = practice_cloud.admin.identity, secrets.token_urlsafe()
    name = f"colleague-{secrets.token_hex(4)}"
    user = admin.create_user(name=name, domain_id="default", password=password)
    project = practice_conn.current_project
    admin.assign_project_role_to_user(project.id, user, admin.find_role("member"))
    conn = connect_as(Folder(practice_cloud.directory), name, password, project.name)
    yield conn
    conn.close()
    admin.delete_user(user)


def twins(conn):
    """Two groups of one name."""
    return [conn.network.create_security_group(name="web") for _ in range(2)]


def groups_of(conn, server):
    """The groups on each port of a server, but `default`, by ID."""
    default = next(g.id for g in conn.network.security_groups() if g.name == "default")
    ports = [*conn.network.ports(device_id=server.id)]
    return [{*port.security_group_ids} - {default} for port in ports]


class TestOneName:
    def test_a_group_is_put_on_a_server_that_has_another_one_of_that_name(self, practice_conn):
        conn = practice_conn
        one, other = twins(conn)
        web = servers.launch(conn, "web", **SMALL, security_groups=[one])
        assert groups_of(conn, web) == [{one.id}]
        servers.remove_security_group(conn, "web", other)
        assert groups_of(conn, web) == [{one.id}]
        servers.add_security_group(conn, "web", other.id)
        assert groups_of(conn, web) == [{one.id, other.id}]
        with answer_lost("PUT", "/ports/"):
            servers.remove_security_group(conn, "web", one)
        assert groups_of(conn, web) == [{other.id}]
        with pytest.raises(pouta.Ambiguous, match=one.id):
            servers.add_security_group(conn, "web", "web")

    def test_a_group_is_on_every_port_afterwards(self, practice_conn):
        conn = practice_conn
        one, _ = twins(conn)
        web = servers.launch(conn, "web", **SMALL, security_groups=[one])
        second = conn.network.create_port(network_id=networks.default(conn).id)
        conn.compute.create_server_interface(web, port_id=second.id)
        servers.add_security_group(conn, "web", one)
        assert groups_of(conn, web) == [{one.id}] * 2
        servers.remove_security_group(conn, "web", one)
        assert groups_of(conn, web) == [set()] * 2

    def test_no_group_is_lost_when_a_taken_server_is_given_several(self, practice_conn):
        conn = practice_conn
        web = servers.launch(conn, "web", **SMALL)
        many = [conn.network.create_security_group(name=f"group-{i}") for i in range(6)]
        servers.launch(conn, "web", **SMALL, security_groups=many, exist_ok=True)
        assert groups_of(conn, web) == [{group.id for group in many}]

    def test_a_group_that_comes_between_stays(self, practice_conn):
        conn = practice_conn
        one, other = twins(conn)
        web = servers.launch(conn, "web", **SMALL)
        (port,) = conn.network.ports(device_id=web.id)
        theirs = [*port.security_group_ids, other.id]
        with overtaken(
            "PUT", "/ports/", lambda: conn.network.update_port(port, security_groups=theirs)
        ):
            servers.add_security_group(conn, web, one)
        assert groups_of(conn, web) == [{one.id, other.id}]

    def test_a_port_without_port_security_takes_no_group(self, practice_conn):
        conn = practice_conn
        web = servers.launch(conn, "web", **SMALL)
        (port,) = conn.network.ports(device_id=web.id)
        conn.network.update_port(port, security_groups=[], port_security_enabled=False)
        with pytest.raises(pouta.Refused, match="no port that takes security groups"):
            servers.add_security_group(conn, web, "default")

    def test_a_server_like_another_is_in_its_network_and_its_groups(self, practice_conn):
        conn, own = practice_conn, networks.default(practice_conn)
        one, _ = twins(conn)
        twin = conn.network.create_network(name=own.name)
        conn.network.create_subnet(network_id=twin.id, ip_version=4, cidr="192.168.9.0/24")
        old = servers.launch(conn, "old", **SMALL, network=twin, security_groups=[one])
        new = servers.launch(conn, "new", image="cirros", like=old)
        assert groups_of(conn, new) == [{one.id}]
        assert [port.network_id for port in conn.network.ports(device_id=new.id)] == [twin.id]

    def test_a_flavor_of_that_name_and_other_sizes_is_another_one(
        self, practice_conn, practice_cloud
    ):
        compute, name = practice_cloud.admin.compute, f"lab.{secrets.token_hex(3)}"
        flavor = compute.create_flavor(name=name, ram=256, vcpus=1, disk=1)
        # SQLite would give the new one the number of the old one, and Nova call it the same.
        between = compute.create_flavor(name=f"{name}.x", ram=256, vcpus=1, disk=1)
        try:
            servers.launch(practice_conn, "web", **SMALL | {"flavor": name})
            compute.delete_flavor(flavor)
            flavor = compute.create_flavor(name=name, ram=512, vcpus=1, disk=1)
            bigger = servers.resize(practice_conn, "web", name)
            assert (bigger.flavor["ram"], bigger.status) == (512, "ACTIVE")
        finally:
            compute.delete_flavor(flavor)
            compute.delete_flavor(between)


class TestColleagues:
    def test_a_key_pair_of_theirs_is_not_ones_own_of_that_name(
        self, practice_conn, colleague, home
    ):
        conn = practice_conn
        keypairs.ensure(colleague, "laptop", public_key=OTHER)
        private = home / ".ssh" / "laptop"
        mine = keypairs.ensure(conn, "laptop")
        assert private.exists()
        theirs = servers.launch(
            colleague, "theirs", **SMALL | {"key_name": "laptop"}, floating_ip=True
        )
        assert str(private) not in servers.ssh_command(conn, theirs)
        found = {finding.check: finding for finding in servers.diagnose(conn, theirs)}
        assert found["key pair"].ok is None
        like = servers.launch(conn, "like", image="cirros", like=theirs)
        pair = next(p for p in conn.compute.keypairs() if p.name == like.key_name)
        assert like.key_name != "laptop"
        assert pair.public_key.split()[1] in (home / ".ssh" / "pouta_key.pub").read_text()
        assert mine.fingerprint == keypairs.find(conn, "laptop").fingerprint

    def test_a_server_of_theirs_is_made_again_without_ones_own_key(self, practice_conn, colleague):
        keypairs.ensure(colleague, "laptop", public_key=OTHER)
        keypairs.ensure(practice_conn, "laptop", public_key=KEY)
        servers.launch(colleague, "theirs", **SMALL | {"key_name": "laptop"}, boot_volume_size=1)
        again = servers.recreate(practice_conn, "theirs", "standard.small", others=True)
        assert again.key_name is None


class TestOldAddresses:
    @pytest.fixture
    def moved(self, practice_conn):
        """The old address of `web` leads to `db`; the new one leads to `web`."""
        web = servers.launch(practice_conn, "web", **SMALL, boot_volume_size=1)
        servers.launch(practice_conn, "db", **SMALL)
        old = floating_ips.attach(practice_conn, "web")
        floating_ips.attach(practice_conn, "db", old, move=True)
        new = floating_ips.attach(practice_conn, web)
        return old.floating_ip_address, new.floating_ip_address

    def test_what_nova_remembers_decides_nothing(self, practice_conn, moved, monkeypatch):
        conn, (old, new) = practice_conn, moved
        sentences = []
        monkeypatch.setattr("pouta.progress.say", sentences.append)
        with nova_still_shows(old, instead_of=new):
            assert old in str(servers.find(conn, "web").addresses)
            assert f"@{new}" in servers.ssh_command(conn, "web")
            assert f"HostName {new}" in servers.ssh_config(conn, ["web"])
            checks = {f.check: f.found for f in servers.diagnose(conn, "web", my_ip="192.0.2.7")}
            assert new in checks["address"]
            assert (
                floating_ips.of_servers(conn, [servers.find(conn, "web")])[0].floating_ip_address
                == new
            )
            servers.shelve(conn, "web")
        assert new in sentences[-1]
        assert old not in sentences[-1]

    def test_a_server_that_is_made_again_keeps_its_own_address(self, practice_conn, moved):
        conn, (old, new) = practice_conn, moved
        ip = floating_ips.find(conn, new)
        with recorded() as requests, nova_still_shows(old, instead_of="no such address"):
            again = servers.recreate(conn, "web", "standard.small")
        assert requests
        (port,) = conn.network.ports(device_id=again.id)
        assert floating_ips.find(conn, ip.id).port_id == port.id
        assert floating_ips.find(conn, old).port_id != port.id


class TestExistOk:
    @pytest.mark.parametrize(
        ("asked", "differs"),
        [
            ({"flavor": "standard.small"}, "flavor is standard.tiny, not standard.small"),
            ({"image": "AlmaLinux-9"}, "not 'AlmaLinux-9'"),
            ({"boot_volume_size": 12}, "boots from its own disk"),
            ({"key_name": "laptop"}, "key pair is 'None', not your 'laptop'"),
            ({"network": "second"}, "not in network 'second'"),
            ({"fixed_ip": "192.168.1.222"}, "not 192.168.1.222"),
            ({"server_group": "spread"}, "not in server group"),
        ],
        ids=str,
    )
    def test_a_server_that_is_not_what_was_asked_for_is_refused(
        self, practice_conn, asked, differs
    ):
        conn = practice_conn
        keypairs.ensure(conn, "laptop", public_key=KEY)
        conn.network.create_network(name="second")
        servers.create_group(conn, "spread")
        web = servers.launch(conn, "web", **SMALL, network=conn.current_project.name)
        before = ground.holdings(conn)
        wish = {**SMALL, "volumes": [1], "ssh_from": "192.0.2.7", **asked}
        with pytest.raises(pouta.Refused, match=web.id) as caught:
            servers.launch(conn, "web", **wish, exist_ok=True)
        assert differs in str(caught.value)
        assert "choose another name" in caught.value.hint
        assert ground.holdings(conn) == before
        again = {**SMALL, "network": conn.current_project.name, "exist_ok": True}
        assert servers.launch(conn, "web", **again).id == web.id

    def test_a_server_on_another_boot_volume_is_refused(self, practice_conn):
        conn = practice_conn
        web = servers.launch(conn, "web", **SMALL, boot_volume_size=2)
        for asked in ({"boot_volume_size": 3}, {"image": "AlmaLinux-9", "boot_volume_size": 12}):
            with pytest.raises(pouta.Refused, match="not what was asked for"):
                servers.launch(conn, "web", **SMALL | asked, exist_ok=True)
        with pytest.raises(pouta.Refused, match="boots from a volume"):
            servers.launch(conn, "web", **SMALL, exist_ok=True)
        again = servers.launch(conn, "web", **SMALL, boot_volume_size=2, exist_ok=True)
        assert again.id == web.id

    def test_of_two_servers_of_one_name_none_is_taken(self, practice_conn):
        conn = practice_conn
        first = servers.launch(conn, "web", **SMALL)
        second = servers.launch(conn, "other", **SMALL)
        conn.compute.update_server(second, name="web")
        with pytest.raises(pouta.Ambiguous, match=first.id):
            servers.launch(conn, "web", **SMALL, exist_ok=True, volumes=[1])
        assert [*conn.block_storage.volumes()] == []

    def test_a_server_that_is_taken_is_given_the_groups_that_it_has_not(self, practice_conn):
        conn = practice_conn
        one, other = twins(conn)
        web = servers.launch(conn, "web", **SMALL, security_groups=[one])
        wish = {**SMALL, "exist_ok": True, "security_groups": [other], "ssh_from": "192.0.2.7"}
        for _ in range(2):
            assert servers.launch(conn, "web", **wish).id == web.id
            ssh = pouta.security_groups.find(conn, "ssh-from-192.0.2.7-32")
            assert groups_of(conn, web) == [{one.id, other.id, ssh.id}]

    @pytest.mark.parametrize("there", ["size", "snapshot", "copy", "image"])
    def test_a_free_volume_of_another_size_or_source_is_refused(self, practice_conn, there):
        conn, name = practice_conn, "web-volume-1"
        if there == "size":
            taken = volumes.create(conn, name, 2)
        elif there == "image":
            taken = volumes.create(conn, name, 1, image="cirros")
        else:
            source = volumes.create(conn, "source", 1)
            if there == "copy":
                taken = volumes.create(conn, name, 1, source=source)
            else:
                kept = volumes.snapshot(conn, source, "kept")
                taken = volumes.create(conn, name, 1, snapshot=kept)
        before = ground.holdings(conn)
        for dry_run in (True, False):
            with pytest.raises(pouta.Refused, match=taken.id) as caught:
                servers.launch(conn, "web", **SMALL, exist_ok=True, volumes=[1], dry_run=dry_run)
            assert "pouta.volumes.delete" in caught.value.hint
        assert ground.holdings(conn) == before

    def test_a_volume_to_boot_from_is_of_that_image_and_size(self, practice_conn):
        conn, wish = practice_conn, {**SMALL, "boot_volume_size": 2, "exist_ok": True}
        plain = volumes.create(conn, "web-boot", 2)
        with pytest.raises(pouta.Refused, match="made from nothing, not from image"):
            servers.launch(conn, "web", **wish)
        volumes.delete(conn, plain)
        right = volumes.create(conn, "web-boot", 2, image="cirros")
        with pytest.raises(pouta.Refused, match="it has 2 GiB, not 3"):
            servers.launch(conn, "web", **wish | {"boot_volume_size": 3})
        with pytest.raises(pouta.Refused, match="made from image"):
            servers.launch(conn, "web", **wish | {"image": "AlmaLinux-9", "boot_volume_size": 12})
        web = servers.launch(conn, "web", **wish)
        assert [disk.id for disk in web.attached_volumes] == [right.id]

    def test_of_two_free_volumes_of_one_name_none_is_taken(self, practice_conn):
        for _ in range(2):
            volumes.create(practice_conn, "web-volume-1", 1)
        with pytest.raises(pouta.Ambiguous, match="2 volumes are called 'web-volume-1'"):
            servers.launch(practice_conn, "web", **SMALL, exist_ok=True, volumes=[1])
        assert [*practice_conn.compute.servers()] == []
