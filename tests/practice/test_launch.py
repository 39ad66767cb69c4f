"""One call makes a server that one can log in to, or nothing."""

from __future__ import annotations

import base64
import time

import pytest
from openstack.compute.v2.server import Server
from openstack.connection import Connection

import pouta
from pouta import waiting
from tests.wire import answer_lost, recorded

SMALL = {"image": "Ubuntu-24.04", "flavor": "standard.tiny"}


def holdings(conn: Connection) -> dict[str, set[str]]:
    """What a launch could leave behind."""
    return {
        "servers": {server.id for server in conn.compute.servers()},
        "volumes": {volume.id for volume in conn.block_storage.volumes()},
        "floating IPs": {ip.id for ip in conn.network.ips()},
        "ports": {port.id for port in conn.network.ports() if "compute" in port.device_owner},
    }


@pytest.fixture
def empty(practice_conn: Connection) -> dict[str, set[str]]:
    return holdings(practice_conn)


@pytest.fixture
def impossible_flavor(practice_cloud):
    """A flavor that no host can serve."""
    compute = practice_cloud.admin.compute
    flavor = compute.create_flavor(name="impossible", ram=512, vcpus=1, disk=80)
    compute.create_flavor_extra_specs(flavor, {"trait:HW_CPU_X86_AMD_SEV": "required"})
    yield flavor.name
    compute.delete_flavor(flavor)


def ssh_sources(conn: Connection, server: Server) -> set[str]:
    names = {group["name"] for group in server.security_groups}
    return {
        rule["remote_ip_prefix"]
        for group in conn.network.security_groups()
        if group.name in names
        for rule in group.security_group_rules
        if rule["port_range_min"] == 22
    }


def test_one_call_makes_a_server_that_one_can_log_in_to(practice_conn, home):
    server = pouta.servers.launch(
        practice_conn, "web", **SMALL, ssh_from="192.0.2.7", floating_ip=True, volumes=[2]
    )

    assert server.status == "ACTIVE"
    (ip,) = practice_conn.network.ips()
    assert ip.floating_ip_address in str(server.addresses)
    assert {group["name"] for group in server.security_groups} == {
        "default",
        "ssh-from-192.0.2.7-32",
    }
    assert ssh_sources(practice_conn, server) == {"192.0.2.7/32"}
    (volume,) = practice_conn.block_storage.volumes()
    assert (volume.size, volume.status) == (2, "in-use")
    assert [attached.id for attached in server.attached_volumes] == [volume.id]
    (pair,) = practice_conn.compute.keypairs()
    private = home / ".ssh" / "pouta_key"
    assert pair.public_key.split()[1] in private.with_suffix(".pub").read_text()
    assert private.stat().st_mode & 0o777 == 0o600
    assert pouta.servers.ssh_command(practice_conn, server) == (
        f"ssh -i {private} -o StrictHostKeyChecking=accept-new ubuntu@{ip.floating_ip_address}"
    )


def test_without_ssh_from_nothing_is_opened_and_without_floating_ip_none_is_paid(practice_conn):
    server = pouta.servers.launch(practice_conn, "web", **SMALL)
    assert [group["name"] for group in server.security_groups] == ["default"]
    assert [*practice_conn.network.ips()] == []


def test_a_group_that_is_named_twice_or_had_anyway_is_had_once(practice_conn):
    pouta.security_groups.ensure(practice_conn, "web")
    server = pouta.servers.launch(
        practice_conn, "web", **SMALL, security_groups=["default", "web", "web"]
    )
    assert server.status == "ACTIVE"
    assert sorted(group["name"] for group in server.security_groups) == ["default", "web"]


def test_a_free_floating_ip_of_the_project_is_taken_only_by_name(practice_conn):
    outside = pouta.networks.external(practice_conn)
    kept = practice_conn.network.create_ip(floating_network_id=outside.id)
    server = pouta.servers.launch(practice_conn, "web", **SMALL, floating_ip=True)
    assert kept.floating_ip_address not in str(server.addresses)
    other = pouta.servers.launch(practice_conn, "db", **SMALL, floating_ip=kept.floating_ip_address)
    assert kept.floating_ip_address in str(other.addresses)
    with pytest.raises(pouta.Refused, match="leads to server"):
        pouta.servers.launch(practice_conn, "x", **SMALL, floating_ip=kept.floating_ip_address)
    assert practice_conn.compute.find_server("x") is None


def test_the_users_own_key_is_used_and_made_a_key_pair_once(practice_conn, home):
    own = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7Cb1Sm9gWw8WVyS5rbXGJmQ9H9hV4cRD4mAa9c4Xj1 me"
    (home / ".ssh").mkdir()
    (home / ".ssh" / "id_ed25519.pub").write_text(own + "\n")
    first = pouta.servers.launch(practice_conn, "one", **SMALL)
    second = pouta.servers.launch(practice_conn, "two", **SMALL)
    (pair,) = practice_conn.compute.keypairs()
    assert pair.public_key.split()[:2] == own.split()[:2]
    assert first.key_name == second.key_name == pair.name


def test_no_key_only_when_it_is_said(practice_conn):
    server = pouta.servers.launch(practice_conn, "web", **SMALL, key_name=False)
    assert server.key_name is None
    assert [*practice_conn.compute.keypairs()] == []


@pytest.mark.parametrize(
    ("wrong", "kind", "says"),
    [
        ({"image": "Ubuntu-24.4"}, pouta.NotFound, "Closest: .*'Ubuntu-24.04'"),
        ({"flavor": "standard.smal"}, pouta.NotFound, "Closest: 'standard.small'"),
        ({"key_name": "laptop"}, pouta.NotFound, "No key pair 'laptop'"),
        ({"network": "lan"}, pouta.NotFound, "No network 'lan'"),
        ({"security_groups": ["web"]}, pouta.NotFound, "No security group 'web'"),
        ({"volumes": ["data"]}, pouta.NotFound, "No volume 'data'"),
        ({"floating_ip": "192.0.2.1"}, pouta.NotFound, "No floating IP '192.0.2.1'"),
        ({"server_group": "spread"}, pouta.NotFound, "No server group 'spread'"),
    ],
)
def test_a_wrong_name_is_told_before_anything_is_made(practice_conn, empty, wrong, kind, says):
    with recorded() as requests, pytest.raises(kind, match=says):
        pouta.servers.launch(practice_conn, "web", **{**SMALL, **wrong}, ssh_from="192.0.2.7")
    assert not [request for request in requests if not request.startswith("GET")]
    assert holdings(practice_conn) == empty


@pytest.mark.parametrize(
    ("wrong", "kind", "says"),
    [
        ({"ssh_from": "0.0.0.0/0"}, pouta.Refused, "whole internet"),
        ({"ssh_from": "::/0"}, pouta.Refused, "whole internet"),
        ({"ssh_from": "192.168.1.5/24"}, pouta.InvalidInput, "Did you mean .*192.168.1.0/24"),
        ({"ssh_from": "anywhere"}, pouta.InvalidInput, "is not a network"),
        ({"volumes": 10}, pouta.InvalidInput, "volumes is a list"),
        ({"volumes": ["10"]}, pouta.InvalidInput, "without quotes"),
        ({"security_groups": "web"}, pouta.InvalidInput, "security_groups is a list"),
        ({"volumes": [0]}, pouta.InvalidInput, "at least 1 GiB"),
        ({"user_data": "x" * 70000}, pouta.InvalidInput, "user data has 70000 bytes"),
        ({"tags": ["two words"]}, pouta.InvalidInput, "Invalid tag 'two words'"),
        ({"tags": ["x" * 60] * 4}, pouta.InvalidInput, "at most 200 characters in all"),
        ({"key_name": True}, pouta.InvalidInput, "key_name"),
        ({"wait": False, "floating_ip": True}, pouta.InvalidInput, "wait=True"),
    ],
)
def test_bad_input_costs_no_request(member, no_requests, wrong, kind, says):
    with pytest.raises(kind, match=says):
        pouta.servers.launch(member, "web", **{**SMALL, **wrong})


def test_ssh_can_be_opened_to_the_world_in_so_many_words(practice_conn):
    server = pouta.servers.launch(
        practice_conn, "web", **SMALL, ssh_from="0.0.0.0/0", allow_world=True
    )
    assert ssh_sources(practice_conn, server) == {"0.0.0.0/0"}


def test_a_name_that_is_taken_is_refused_or_taken_as_it_is(practice_conn):
    first = pouta.servers.launch(practice_conn, "web", **SMALL)
    with pytest.raises(pouta.Refused, match=first.id):
        pouta.servers.launch(practice_conn, "web", **SMALL)
    again = pouta.servers.launch(
        practice_conn, "web", **SMALL, exist_ok=True, floating_ip=True, volumes=[1]
    )
    third = pouta.servers.launch(
        practice_conn, "web", **SMALL, exist_ok=True, floating_ip=True, volumes=[1]
    )
    assert again.id == third.id == first.id
    assert len([*practice_conn.compute.servers()]) == 1
    assert len([*practice_conn.network.ips()]) == 1
    assert [volume.status for volume in practice_conn.block_storage.volumes()] == ["in-use"]


def test_a_cell_that_launches_with_a_volume_in_hand_can_be_run_twice(practice_conn):
    data = pouta.volumes.create(practice_conn, "data", 1)
    for _ in range(2):  # the second time, what is in hand is older than what became of it
        server = pouta.servers.launch(practice_conn, "web", **SMALL, exist_ok=True, volumes=[data])
    assert [disk.id for disk in server.attached_volumes] == [data.id]


def test_no_valid_host_is_said_and_nothing_stays(practice_conn, empty, impossible_flavor):
    with pytest.raises(pouta.Failed, match="No valid host") as caught:
        pouta.servers.launch(
            practice_conn,
            "web",
            image="Ubuntu-24.04",
            flavor=impossible_flavor,
            floating_ip=True,
            volumes=[1],
        )
    assert "another flavor" in caught.value.hint
    assert caught.value.leftovers == []
    assert holdings(practice_conn) == empty


def test_a_full_quota_for_addresses_leaves_no_server(practice_conn):
    outside = pouta.networks.external(practice_conn)
    for _ in range(2):
        practice_conn.network.create_ip(floating_network_id=outside.id)
    before = holdings(practice_conn)
    with pytest.raises(pouta.QuotaExceeded, match="floating IPs: 2 of 2 used, 1 wanted"):
        pouta.servers.launch(practice_conn, "web", **SMALL, floating_ip=True)
    assert holdings(practice_conn) == before


def test_a_full_quota_for_cores_is_said_with_used_limit_and_wanted(practice_conn, empty):
    with pytest.raises(pouta.QuotaExceeded, match="cores: 0 of 8 used, 20 wanted") as caught:
        pouta.servers.launch(
            practice_conn, "big", image="Ubuntu-24.04", flavor="hpc.4.20core", volumes=[1]
        )
    assert "servicedesk@csc.fi" in caught.value.hint
    assert holdings(practice_conn) == empty


def test_an_image_that_does_not_fit_is_refused_first(practice_conn, no_requests_but_get):
    with pytest.raises(pouta.InvalidInput, match="boot_volume_size=10"):
        flavor = pouta.flavors.find(practice_conn, "standard.tiny")
        flavor.disk = 5
        pouta.servers.launch(practice_conn, "web", image="AlmaLinux-9", flavor=flavor)
    image = pouta.images.find(practice_conn, "Ubuntu-24.04")
    image.min_disk, image.size = 0, 80 * 1024**3 + 1  # a raw snapshot, whose size is the disk's
    with pytest.raises(pouta.InvalidInput, match="needs 81 GB"):
        pouta.servers.launch(practice_conn, "web", image=image, flavor="standard.tiny")


@pytest.fixture
def no_requests_but_get():
    with recorded() as requests:
        yield
    assert {request.split()[0] for request in requests} == {"GET"}


def test_a_timeout_deletes_nothing_and_carries_the_server(practice_conn):
    with pytest.raises(pouta.TimedOut) as caught:
        pouta.servers.launch(practice_conn, "web", **SMALL, timeout=0.01)
    assert caught.value.resource.name == "web"
    assert "pouta.servers" in caught.value.hint
    assert practice_conn.compute.find_server("web") is not None


@pytest.mark.parametrize("path", ["/servers", "/volumes", "/floatingips"])
def test_a_lost_answer_makes_nothing_twice(practice_conn, path):
    with answer_lost("POST", path):
        server = pouta.servers.launch(practice_conn, "web", **SMALL, floating_ip=True, volumes=[1])
    now = holdings(practice_conn)
    assert now["servers"] == {server.id}
    assert [len(now[kind]) for kind in now] == [1, 1, 1, 1]


def test_a_request_that_never_arrived_is_made_again(practice_conn, monkeypatch):
    monkeypatch.setattr("pouta.made.LOOK_FOR", 1.0)
    with answer_lost("POST", "/servers", before=True):
        server = pouta.servers.launch(practice_conn, "web", **SMALL)
    assert holdings(practice_conn)["servers"] == {server.id}


def test_ctrl_c_takes_back_what_was_made(practice_conn, empty, monkeypatch):
    interrupted = iter([False, False, True])

    def sleep(seconds, slept=time.sleep):
        slept(seconds)
        if next(interrupted, False):
            raise KeyboardInterrupt

    monkeypatch.setattr(
        waiting.until, "__kwdefaults__", {**waiting.until.__kwdefaults__, "sleep": sleep}
    )
    with pytest.raises(KeyboardInterrupt) as caught:
        pouta.servers.launch(practice_conn, "web", **SMALL, floating_ip=True, volumes=[1])
    assert "what was made is removed" in caught.value.__notes__[0]
    assert holdings(practice_conn) == empty


def test_what_belongs_to_others_is_not_touched_by_an_undo(practice_conn, impossible_flavor):
    data = pouta.volumes.create(practice_conn, "data", 1)
    with pytest.raises(pouta.Failed):
        pouta.servers.launch(
            practice_conn, "web", image="cirros", flavor=impossible_flavor, volumes=["data", 1]
        )
    assert [volume.id for volume in practice_conn.block_storage.volumes()] == [data.id]


def test_a_root_disk_can_be_a_volume_that_outlives_the_server(practice_conn):
    server = pouta.servers.launch(practice_conn, "web", **SMALL, boot_volume_size=12)
    (root,) = practice_conn.block_storage.volumes()
    assert (root.name, root.size, root.status) == ("web-boot", 12, "in-use")
    assert pouta.images.login_user(practice_conn, server) == "ubuntu"
    pouta.servers.delete(practice_conn, server)
    assert [volume.id for volume in practice_conn.block_storage.volumes()] == [root.id]


def test_user_data_tags_and_server_group_reach_nova(practice_conn, practice_cloud):
    group = practice_conn.compute.create_server_group(name="spread", policy="anti-affinity")
    server = pouta.servers.launch(
        practice_conn,
        "web",
        **SMALL,
        user_data="#!/bin/sh\necho hello\n",
        server_group="spread",
        tags=["course-2026"],
    )
    assert server.tags == ["course-2026"]
    assert server.server_groups == [group.id]
    seen = practice_cloud.admin.compute.get_server(server.id)
    assert base64.b64decode(seen.user_data) == b"#!/bin/sh\necho hello\n"


def test_the_answer_holds_no_password(practice_conn):
    server = pouta.servers.launch(practice_conn, "web", **SMALL, wait=False)
    assert server.admin_password is None
    assert "adminPass" not in repr(server)


def test_the_call_returns_before_the_server_is_there_when_asked(practice_conn):
    server = pouta.servers.launch(practice_conn, "web", **SMALL, wait=False)
    assert server.status == "BUILD"


class TestFleets:
    def test_many_servers_come_by_one_request_and_one_listing(self, practice_conn):
        with recorded() as requests:
            servers = pouta.servers.launch_many(practice_conn, "node", 3, **SMALL)
        assert [server.name for server in servers] == ["node-1", "node-2", "node-3"]
        assert {server.status for server in servers} == {"ACTIVE"}
        assert len([r for r in requests if r.startswith("POST") and "/servers" in r]) == 1
        assert not [r for r in requests if servers[0].id in r]

    def test_each_gets_its_own_address_and_volumes(self, practice_conn):
        servers = pouta.servers.launch_many(
            practice_conn, "node", 2, **SMALL, floating_ip=True, volumes=[1, 2]
        )
        assert len({ip.port_id for ip in practice_conn.network.ips()}) == 2
        assert [len(server.attached_volumes) for server in servers] == [2, 2]
        assert len([*practice_conn.block_storage.volumes()]) == 4

    def test_one_that_fails_does_not_take_the_others_down(self, practice_conn):
        practice_conn.compute.create_server_group(name="spread", policy="anti-affinity")
        first = pouta.servers.launch(practice_conn, "node-1", **SMALL, server_group="spread")
        servers = pouta.servers.launch_many(
            practice_conn, "node", 2, **SMALL, server_group="spread", exist_ok=True, volumes=[1]
        )
        assert [server.status for server in servers] == ["ACTIVE", "ERROR"]
        assert servers[0].id == first.id
        assert "No valid host" in str(servers)
        assert len([*practice_conn.block_storage.volumes()]) == 1

    def test_all_or_nothing_takes_back_what_came_up(self, practice_conn, empty):
        practice_conn.compute.create_server_group(name="spread", policy="anti-affinity")
        with pytest.raises(pouta.Failed, match="No valid host"):
            pouta.servers.launch_many(
                practice_conn, "n", 2, **SMALL, server_group="spread", all_or_nothing=True
            )
        assert holdings(practice_conn) == empty

    def test_a_second_run_completes_what_is_missing(self, practice_conn):
        first = pouta.servers.launch_many(practice_conn, "node", 3, **SMALL)
        pouta.servers.delete(practice_conn, "node-2")
        second = pouta.servers.launch_many(practice_conn, "node", 3, **SMALL, exist_ok=True)
        assert [server.name for server in second] == ["node-1", "node-2", "node-3"]
        assert second[0].id == first[0].id
        assert len([*practice_conn.compute.servers()]) == 3

    def test_a_lost_answer_makes_no_second_fleet(self, practice_conn):
        with answer_lost("POST", "/servers"):
            servers = pouta.servers.launch_many(practice_conn, "node", 3, **SMALL)
        assert len({server.id for server in servers}) == 3
        assert len([*practice_conn.compute.servers()]) == 3

    @pytest.mark.parametrize(
        "wrong", [{"floating_ip": "192.0.2.1"}, {"volumes": ["data"]}], ids=str
    )
    def test_what_only_one_can_have_is_refused(self, member, no_requests, wrong):
        with pytest.raises(pouta.InvalidInput, match="several servers"):
            pouta.servers.launch_many(member, "node", 2, **SMALL, **wrong)


class TestLikeAnother:
    def test_a_server_from_a_snapshot_is_reachable_as_the_old_one_was(self, practice_conn):
        """A snapshot brings neither groups nor key pair nor network with it."""
        old = pouta.servers.launch(
            practice_conn, "old", image="AlmaLinux-9", flavor="standard.small", ssh_from="192.0.2.7"
        )
        new = pouta.servers.launch(practice_conn, "new", image="AlmaLinux-9", like="old")
        assert new.flavor.original_name == "standard.small"
        assert new.key_name == old.key_name is not None
        assert {*new.addresses} == {*old.addresses}
        assert ssh_sources(practice_conn, new) == {"192.0.2.7/32"}
        other = pouta.servers.launch(
            practice_conn, "third", image="cirros", flavor="standard.tiny", like=old, key_name=False
        )
        assert (other.key_name, other.flavor.original_name) == (None, "standard.tiny")

    def test_an_old_server_that_is_gone_can_still_be_given_as_a_resource(self, practice_conn):
        old = pouta.servers.launch(practice_conn, "old", **SMALL, ssh_from="192.0.2.7")
        pouta.servers.delete(practice_conn, "old")
        new = pouta.servers.launch(practice_conn, "new", image="cirros", like=old)
        assert ssh_sources(practice_conn, new) == {"192.0.2.7/32"}


class TestFixedAddress:
    def test_a_server_gets_the_private_address_that_it_is_given_and_no_port_stays(
        self, practice_conn, empty
    ):
        def launch(name):
            return pouta.servers.launch(practice_conn, name, **SMALL, fixed_ip="192.168.1.20")

        server = launch("nfs")
        assert pouta.floating_ips.addresses(server) == ["192.168.1.20"]
        with pytest.raises(pouta.Refused, match=r"192\.168\.1\.20 is already in use"):
            launch("twin")
        pouta.servers.delete(practice_conn, "nfs")
        assert holdings(practice_conn) == empty
        assert pouta.floating_ips.addresses(launch("nfs")) == ["192.168.1.20"]

    def test_an_address_of_another_network_is_refused_first(self, practice_conn, empty):
        with pytest.raises(pouta.InvalidInput, match=r"which has '192\.168\.1\.0/24'"):
            pouta.servers.launch(practice_conn, "web", **SMALL, fixed_ip="10.0.0.5")
        assert holdings(practice_conn) == empty


class TestRootDisks:
    def test_a_boot_volume_is_as_large_as_the_flavors_disk_and_boots_another_server_later(
        self, practice_conn
    ):
        server = pouta.servers.launch(practice_conn, "web", **SMALL, boot_volume_size=True)
        (root,) = practice_conn.block_storage.volumes()
        assert root.size == server.flavor.disk == 80
        with pytest.raises(pouta.Refused, match="attached to server"):
            pouta.servers.launch(
                practice_conn, "twin", flavor="standard.small", boot_volume="web-boot"
            )
        pouta.servers.delete(practice_conn, "web")
        again = pouta.servers.launch(
            practice_conn, "again", flavor="standard.small", boot_volume="web-boot"
        )
        assert [disk.id for disk in again.attached_volumes] == [root.id]
        assert pouta.images.login_user(practice_conn, again) == "ubuntu"
        pouta.servers.delete(practice_conn, "again")
        assert [volume.id for volume in practice_conn.block_storage.volumes()] == [root.id]

    def test_a_volume_without_a_system_is_refused_first(self, practice_conn):
        pouta.volumes.create(practice_conn, "data", 1)
        with pytest.raises(pouta.InvalidInput, match="cannot be booted"):
            pouta.servers.launch(practice_conn, "web", flavor="standard.tiny", boot_volume="data")
        assert practice_conn.compute.find_server("web") is None


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"flavor": "standard.tiny"}, "boots from an image= or from a boot_volume="),
        ({**SMALL, "boot_volume": "root"}, "boots from an image= or from a boot_volume="),
        ({"image": "cirros"}, "Which flavor"),
        ({**SMALL, "fixed_ip": "192.168.1"}, "no address"),
        ({**SMALL, "fixed_ip": "fe80::1"}, "no address"),
    ],
)
def test_what_a_server_boots_from_and_where_it_is_must_be_clear(member, no_requests, given, says):
    with pytest.raises(pouta.InvalidInput, match=says):
        pouta.servers.launch(member, "web", **given)


def test_an_address_that_this_machine_has_met_before_is_told(practice_conn, home, monkeypatch):
    """Failure 26: addresses come back, and the new server has another host key."""
    said = []
    monkeypatch.setattr("pouta.progress.say", said.append)
    outside = pouta.networks.external(practice_conn)
    ip = practice_conn.network.create_ip(floating_network_id=outside.id).floating_ip_address
    (home / ".ssh").mkdir()
    (home / ".ssh" / "known_hosts").write_text(f"{ip} ssh-ed25519 AAAA\n")
    pouta.servers.launch(
        practice_conn, "web", **SMALL, key_name=False, floating_ip=ip, ssh_from="192.0.2.7"
    )
    assert f"ssh-keygen -R {ip}" in said[-1]


@pytest.mark.parametrize("target", ["/proc/self/mem", "/"])
def test_nothing_is_undone_for_a_file_that_is_only_looked_at(practice_conn, home, target):
    (home / ".ssh").mkdir()
    for name in ("known_hosts", "id_rsa.pub", "old.pub"):
        (home / ".ssh" / name).symlink_to(target)
    web = pouta.servers.launch(
        practice_conn, "web", **SMALL, floating_ip=True, ssh_from="192.0.2.7"
    )
    assert web.status == "ACTIVE"
    assert str(home / ".ssh" / "pouta_key") in pouta.servers.ssh_command(practice_conn, web)
    assert pouta.servers.diagnose(practice_conn, web)


def test_a_network_without_a_router_is_told_how_to_get_one(practice_conn):
    """Failure 31."""
    network = practice_conn.network.create_network(name="lonely")
    practice_conn.network.create_subnet(
        name="lonely", network_id=network.id, ip_version=4, cidr="10.9.0.0/24"
    )
    with pytest.raises(pouta.Refused, match="No router leads from network 'lonely'") as caught:
        pouta.servers.launch(
            practice_conn, "web", **SMALL, key_name=False, network="lonely", floating_ip=True
        )
    assert "ensure_default" in caught.value.hint
    assert [*practice_conn.compute.servers()] == []
    assert [*practice_conn.network.ips()] == []
