"""Who gets in: keys, security groups, floating IPs, networks."""

from __future__ import annotations

import http.server
import os
import socket
import subprocess
import threading

import pytest

import pouta
from pouta import billing, floating_ips, keypairs, networks, security_groups, servers
from pouta.security_groups import Rule
from tests.proxy import once, posts
from tests.wire import answer_lost, recorded

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7Cb1Sm9gWw8WVyS5rbXGJmQ9H9hV4cRD4mAa9c4Xj1"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKz0gWw8WVyS5rbXGJmQ9H9hV4cRD4mAa9c4Xj1J7Cb4"
SMALL = {"image": "cirros", "flavor": "standard.tiny", "key_name": False}

PORT_53 = {"port_range_min": 53, "port_range_max": 53}
EVERYBODY = {"remote_ip_prefix": None}
IPV6 = {"ethertype": "IPv6"}
DB8 = {"remote_ip_prefix": "2001:0db8:0:0::/32"}
PING6 = {"port": None, "protocol": "icmp", "remote_ip": "2001:db8::/32"}


class TestKeyPairs:
    def test_a_key_is_made_here_and_its_private_half_stays_here(self, practice_conn, home):
        pair = keypairs.ensure(practice_conn, "laptop")
        private = home / ".ssh" / "laptop"
        assert private.stat().st_mode & 0o777 == 0o600
        assert private.read_text().startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
        assert keypairs.private_key_of(pair.public_key) == private
        assert keypairs.ensure(practice_conn, "laptop").fingerprint == pair.fingerprint
        assert len(keypairs.list(practice_conn)) == 1

    def test_a_public_key_is_given_as_text_or_as_its_file(self, practice_conn, tmp_path):
        file = tmp_path / "id.pub"
        file.write_text(f"{KEY} me@laptop\n")
        first = keypairs.ensure(practice_conn, "text", public_key=f"{KEY} other comment")
        second = keypairs.ensure(practice_conn, "file", public_key=file)
        assert first.fingerprint == second.fingerprint
        assert keypairs.ensure(practice_conn, "text", public_key=KEY).name == "text"

    @pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ed25519"])
    def test_a_key_of_any_kind_is_the_one_that_ssh_knows(self, practice_conn, tmp_path, kind):
        file = tmp_path / "id"
        command = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "me at home", "-f", str(file)]
        subprocess.run(command, check=True)
        pair = keypairs.ensure(practice_conn, kind, public_key=f"{file}.pub")
        command = ["ssh-keygen", "-l", "-E", "md5", "-f", f"{file}.pub"]
        known = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        assert f"MD5:{pair.fingerprint}" in known
        assert pair.private_key is None

    def test_a_name_with_another_key_is_refused(self, practice_conn):
        keypairs.ensure(practice_conn, "laptop", public_key=KEY)
        with pytest.raises(pouta.Refused, match="with another key"):
            keypairs.ensure(practice_conn, "laptop", public_key=OTHER)

    @pytest.mark.parametrize(
        ("wrong", "says"),
        [
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nsecret", "private half"),
            ("hello", "neither the text"),
            (f"{KEY}\n{OTHER}", "one line"),
            ("ssh-ed25519", "one line"),
        ],
    )
    def test_what_is_no_public_key_is_not_sent(self, member, no_requests, wrong, says):
        with pytest.raises(pouta.InvalidInput, match=says) as caught:
            keypairs.ensure(member, "laptop", public_key=wrong)
        assert "secret" not in str(caught.value)

    def test_a_lost_answer_is_no_failure(self, practice_conn):
        with answer_lost("POST", "/os-keypairs"):
            assert keypairs.ensure(practice_conn, "laptop", public_key=KEY).name == "laptop"


class TestSecurityGroups:
    def test_a_port_is_opened_once_for_one_address(self, practice_conn):
        security_groups.allow(practice_conn, "web", port=443, remote_ip="192.0.2.0/24")
        group = security_groups.allow(practice_conn, "web", port=443, remote_ip="192.0.2.0/24")
        ingress = [rule for rule in group.security_group_rules if rule["direction"] == "ingress"]
        assert len(ingress) == 1
        assert ingress[0]["remote_ip_prefix"] == "192.0.2.0/24"
        assert "tcp 443 from 192.0.2.0/24" in str(security_groups.list(practice_conn))

    def test_rules_of_all_kinds(self, practice_conn):
        rules = [
            Rule((8000, 8100), remote_ip="192.0.2.7"),
            Rule(protocol="icmp", remote_ip="192.0.2.0/24"),
            Rule(53, "udp", "2001:db8::/32"),
        ]
        security_groups.ensure(practice_conn, "mixed", rules=rules[:1])
        group = security_groups.ensure(practice_conn, "mixed", rules=rules)
        sources = {rule["remote_ip_prefix"] for rule in group.security_group_rules} - {None}
        assert sources == {"192.0.2.7/32", "192.0.2.0/24", "2001:db8::/32"}

    def test_the_default_group_is_never_changed(self, practice_conn):
        before = security_groups.find(practice_conn, "default").security_group_rules
        with pytest.raises(pouta.Refused, match="group of their own"):
            security_groups.allow(practice_conn, "default", port=22, remote_ip="192.0.2.7")
        assert security_groups.find(practice_conn, "default").security_group_rules == before

    def test_a_lost_answer_makes_no_second_group_or_rule(self, practice_conn):
        with answer_lost("POST", "/security-groups"):
            security_groups.allow(practice_conn, "web", port=80, remote_ip="192.0.2.7")
        with answer_lost("POST", "/security-group-rules"):
            group = security_groups.allow(practice_conn, "web", port=443, remote_ip="192.0.2.7")
        assert len([g for g in practice_conn.network.security_groups() if g.name == "web"]) == 1
        ports = [r["port_range_min"] for r in group.security_group_rules if r["port_range_min"]]
        assert sorted(ports) == [80, 443]

    @pytest.mark.parametrize(
        "wrong",
        [
            {"port": 0},
            {"port": 70000},
            {"port": (90, 80)},
            {"port": None},
            {"port": 80, "protocol": "icmp"},
            {"port": 80, "protocol": "http"},
            {"port": 80, "remote_ip": "192.0.2.300"},
            {"port": 80, "remote_ip": ""},
        ],
        ids=str,
    )
    def test_a_rule_that_cannot_be_costs_no_request(self, member, no_requests, wrong):
        with pytest.raises(pouta.InvalidInput):
            security_groups.allow(member, "web", **{"remote_ip": "192.0.2.7", **wrong})

    @pytest.mark.parametrize("port", [22, (1, 65535)])
    def test_ssh_to_the_world_needs_its_own_word(self, member, no_requests, port):
        with pytest.raises(pouta.Refused, match="allow_world=True"):
            security_groups.allow(member, "open", port=port, remote_ip="0.0.0.0/0")

    def test_a_web_port_may_be_open_to_the_world(self, practice_conn):
        group = security_groups.allow(practice_conn, "web", port=443, remote_ip="0.0.0.0/0")
        assert "0.0.0.0/0" in str([r["remote_ip_prefix"] for r in group.security_group_rules])

    @pytest.mark.parametrize(
        ("asked", "there"),
        [
            ({"port": 22}, {"protocol": "6", "port_range_min": 22, "port_range_max": 22}),
            ({"port": 53, "protocol": "udp"}, {"protocol": "17", **PORT_53}),
            ({"port": None, "protocol": "icmp"}, {"protocol": "1"}),
            ({"port": (1, 65535)}, {"protocol": "tcp"}),
            ({"port": 53, "remote_ip": "0.0.0.0/0"}, {"protocol": "TCP", **PORT_53, **EVERYBODY}),
            ({"port": 53, "remote_ip": "::/0"}, {**PORT_53, **EVERYBODY, **IPV6}),
            ({"port": 53, "remote_ip": "0.0.0.0/0"}, {**PORT_53, "remote_ip_prefix": "0.0.0.0/0"}),
            ({"port": 53}, {**PORT_53, "remote_ip_prefix": "192.0.2.77/24"}),
            ({"port": 53, "remote_ip": "2001:db8::/32"}, {**PORT_53, **IPV6, **DB8}),
            (PING6, {"protocol": "icmpv6", **IPV6, **DB8}),
            (PING6, {"protocol": "ipv6-icmp", **IPV6, **DB8}),
            (PING6, {"protocol": "58", **IPV6, **DB8}),
            (PING6, {"protocol": "icmp", **IPV6, **DB8}),
        ],
        ids=str,
    )
    def test_an_equal_rule_of_another_tool_is_there_already(self, practice_conn, asked, there):
        group = practice_conn.network.create_security_group(name="web")
        rule = {"direction": "ingress", "protocol": "tcp", "remote_ip_prefix": "192.0.2.0/24"}
        practice_conn.network.create_security_group_rule(
            security_group_id=group.id, **{**rule, **there}
        )
        before = rules_in(practice_conn, group)
        for _ in range(2):
            with recorded() as requests:
                security_groups.allow(
                    practice_conn, "web", **{"remote_ip": "192.0.2.0/24", **asked}
                )
            assert {request.split()[0] for request in requests} == {"GET"}
        assert rules_in(practice_conn, group) == before

    def test_a_wider_rule_is_not_the_one_that_was_asked_for(self, practice_conn):
        """Whoever removes it later would close the port."""
        wide = {"port": (1, 65535), "remote_ip": "192.0.2.0/24"}
        security_groups.allow(practice_conn, "web", **wide)
        group = security_groups.allow(practice_conn, "web", port=80, remote_ip="192.0.2.7")
        ports = {rule["port_range_min"] for rule in group.security_group_rules}
        assert ports == {None, 80}

    def test_every_port_is_asked_for_once(self, practice_conn):
        security_groups.allow(practice_conn, "web", port=(1, 65535), remote_ip="192.0.2.7")
        group = security_groups.allow(
            practice_conn, "web", port=(1, 65535), remote_ip="192.0.2.7/32"
        )
        assert "tcp from 192.0.2.7/32" in str(security_groups.list(practice_conn))
        assert len(rules_in(practice_conn, group)) == 3  # two let everything out

    def test_a_rule_that_somebody_makes_in_the_same_moment_is_there(
        self, practice_conn, conn, proxy
    ):
        security_groups.ensure(practice_conn, "web")
        mine = {"port": 443, "remote_ip": "192.0.2.7"}
        once(
            proxy,
            posts("/security-group-rules"),
            None,
            act=lambda: security_groups.allow(practice_conn, "web", **mine),
        )
        group = security_groups.allow(conn, "web", **mine)
        assert [r.status for r in proxy.seen if posts("/security-group-rules")(r)] == [409]
        ports = [r["port_range_min"] for r in group.security_group_rules if r["port_range_min"]]
        assert ports == [443]

    def test_of_two_groups_of_one_name_the_one_of_that_id_is_opened(self, practice_conn):
        twins = [practice_conn.network.create_security_group(name="web") for _ in range(2)]
        port = {"port": 443, "remote_ip": "192.0.2.7"}
        with pytest.raises(pouta.Ambiguous, match=twins[0].id):
            security_groups.allow(practice_conn, "web", **port)
        assert security_groups.allow(practice_conn, twins[0].id, **port).id == twins[0].id
        assert security_groups.allow(practice_conn, twins[0], **port).id == twins[0].id
        own = security_groups.allow(practice_conn, twins[0], port=22, remote_group="web")
        assert {r["remote_group_id"] for r in own.security_group_rules} == {None, twins[0].id}
        assert len(rules_in(practice_conn, twins[0])) == 4
        assert len(rules_in(practice_conn, twins[1])) == 2
        assert len([g for g in practice_conn.network.security_groups() if g.name != "default"]) == 2

    def test_the_default_group_is_not_changed_by_its_id_either(self, practice_conn):
        default = security_groups.find(practice_conn, "default")
        for given in (default, default.id):
            with pytest.raises(pouta.Refused, match="group of their own"):
                security_groups.allow(practice_conn, given, port=80, remote_ip="192.0.2.7")


def rules_in(conn, group):
    return {rule["id"] for rule in conn.network.get_security_group(group.id).security_group_rules}


class TestMyIp:
    @pytest.fixture
    def service(self, monkeypatch, real_cloud):
        """A service that tells addresses, on a real socket; what it says can be set."""

        class Handler(http.server.BaseHTTPRequestHandler):
            says = b"192.0.2.44\n"

            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(self.says)

            def log_message(self, *args):
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever).start()
        monkeypatch.setenv("POUTA_MY_IP_URL", f"http://127.0.0.1:{server.server_port}/")
        yield Handler
        server.shutdown()
        server.server_close()

    def test_it_is_asked_from_the_service(self, practice_conn, service):
        assert security_groups.cidr_of(practice_conn, "my-ip") == "192.0.2.44/32"

    def test_an_answer_that_is_no_address_is_told(self, practice_conn, service):
        service.says = b"<html>Please log in to the hotel</html>"
        with pytest.raises(pouta.ConfigurationError, match="ssh_from="):
            security_groups.cidr_of(practice_conn, "my-ip")

    def test_a_service_that_does_not_answer_is_told(self, practice_conn, service, monkeypatch):
        monkeypatch.setenv("POUTA_MY_IP_URL", "http://127.0.0.1:9/")
        with pytest.raises(pouta.ConfigurationError, match="Give it yourself"):
            security_groups.cidr_of(practice_conn, "my-ip")

    def test_an_ipv6_address_is_none(self, practice_conn, service):
        service.says = b"2001:db8::7\n"
        with pytest.raises(pouta.ConfigurationError, match="Give it yourself"):
            security_groups.cidr_of(practice_conn, "my-ip")

    def test_it_is_asked_over_ipv4(self, practice_conn, service, monkeypatch):
        """Of a service that is at two addresses, the first of them an IPv6 one."""
        port = os.environ["POUTA_MY_IP_URL"].split(":")[-1].strip("/")
        with socket.create_server(("::1", int(port)), family=socket.AF_INET6):
            found = socket.getaddrinfo
            monkeypatch.setattr(
                socket,
                "getaddrinfo",
                lambda host, *more: [*found("::1", *more), *found("127.0.0.1", *more)],
            )
            monkeypatch.setenv("POUTA_MY_IP_URL", f"http://both.example:{port}/")
            assert security_groups.cidr_of(practice_conn, "my-ip") == "192.0.2.44/32"

    def test_on_the_practice_cloud_it_is_this_machine(self, practice_conn):
        assert security_groups.cidr_of(practice_conn, "my-ip") == "127.0.0.1/32"


class TestFloatingIps:
    def test_an_address_is_attached_once_shown_and_released(self, practice_conn):
        web = servers.launch(practice_conn, "web", **SMALL)
        ip = floating_ips.attach(practice_conn, web)
        assert ip.floating_ip_address in str(servers.find(practice_conn, "web").addresses)
        assert floating_ips.attach(practice_conn, "web").id == ip.id
        assert str(floating_ips.list(practice_conn)).splitlines()[1].split()[-2:] == ["web", "0.2"]
        with pytest.raises(pouta.Refused, match="in_use=True"):
            floating_ips.release(practice_conn, ip.floating_ip_address)
        floating_ips.release(practice_conn, ip.floating_ip_address, in_use=True)
        assert [*practice_conn.network.ips()] == []

    def test_an_address_in_use_is_moved_only_when_it_is_said(self, practice_conn):
        servers.launch_many(practice_conn, "node", 2, **SMALL)
        ip = floating_ips.attach(practice_conn, "node-1")
        address = ip.floating_ip_address
        with pytest.raises(pouta.Refused, match="move=True"):
            floating_ips.attach(practice_conn, "node-2", address)
        floating_ips.attach(practice_conn, "node-2", address, move=True)
        assert address in str(servers.find(practice_conn, "node-2").addresses)
        assert len([*practice_conn.network.ips()]) == 1

    def test_a_lost_answer_allocates_no_second_address(self, practice_conn):
        servers.launch(practice_conn, "web", **SMALL)
        with answer_lost("POST", "/floatingips"):
            floating_ips.attach(practice_conn, "web")
        assert len([*practice_conn.network.ips()]) == 1

    def test_an_address_of_a_port_without_a_server_is_in_use(self, practice_conn):
        """A virtual IP, or a load balancer: it is no waste, and nobody takes it unasked."""
        vip = port_with_address(practice_conn, "vip")
        address = vip.floating_ip_address
        servers.launch(practice_conn, "web", **SMALL)
        assert floating_ips.list(practice_conn).cells()[0][3] == "port vip"
        assert billing.waste(practice_conn) == []
        assert [row.wasted for row in billing.estimate(practice_conn) if row.name == address] == [
            False
        ]
        with pytest.raises(pouta.Refused, match="leads to port 'vip', which no server has"):
            floating_ips.release(practice_conn, address)
        with pytest.raises(pouta.Refused, match="leads to port 'vip'"):
            floating_ips.attach(practice_conn, "web", address)
        with pytest.raises(pouta.Refused, match="leads to port 'vip'"):
            servers.launch(practice_conn, "db", **SMALL, floating_ip=address)
        assert floating_ips.find(practice_conn, address).port_id == vip.port_id
        floating_ips.release(practice_conn, address, in_use=True)
        assert [*practice_conn.network.ips()] == []

    def test_the_addresses_of_servers_are_those_of_all_their_ports(
        self, practice_conn, monkeypatch
    ):
        """Neutron's word, not Nova's; and in pages, as a URL holds only so many IDs."""
        fleet = servers.launch_many(practice_conn, "node", 3, **SMALL)
        one = floating_ips.attach(practice_conn, "node-1")
        second = practice_conn.network.create_port(
            network_id=networks.default(practice_conn).id, name="second"
        )
        practice_conn.compute.create_server_interface(fleet[0], port_id=second.id)
        two = practice_conn.network.create_ip(
            floating_network_id=networks.external(practice_conn).id, port_id=second.id
        )

        def of(*which):
            return {ip.id for ip in floating_ips.of_servers(practice_conn, which)}

        assert of(fleet[0]) == {one.id, two.id}
        assert of(fleet[2]) == of() == set()
        monkeypatch.setattr(floating_ips, "IDS_IN_A_URL", 2)
        # Nova has not heard of it yet.
        last = next(practice_conn.network.ports(device_id=fleet[2].id))
        practice_conn.network.update_ip(one, port_id=last.id)
        assert of(*fleet) == {one.id, two.id}
        assert of(fleet[0]) == {two.id}


def port_with_address(conn, name):
    """An address that leads to a port that no server has."""
    port = conn.network.create_port(network_id=networks.default(conn).id, name=name)
    outside = networks.external(conn).id
    return conn.network.create_ip(floating_network_id=outside, port_id=port.id)


class TestNetworks:
    def test_the_projects_network_is_found_among_others(self, practice_conn):
        own = networks.default(practice_conn)
        assert own.name == practice_conn.current_project.name
        practice_conn.network.create_network(name="second")
        assert networks.default(practice_conn).id == own.id
        assert networks.external(practice_conn).name == "public"

    def test_several_networks_without_the_projects_name_are_ambiguous(self, practice_conn):
        own = networks.default(practice_conn)
        practice_conn.network.update_network(own, name="renamed")
        practice_conn.network.create_network(name="second")
        with pytest.raises(pouta.Ambiguous, match="'renamed' and 'second'"):
            networks.default(practice_conn)

    def test_a_project_without_network_gets_one_that_reaches_out(self, practice_conn):
        (router,) = practice_conn.network.routers()
        own = networks.default(practice_conn)
        for subnet in own.subnet_ids:
            practice_conn.network.remove_interface_from_router(router, subnet)
        practice_conn.network.delete_router(router)
        practice_conn.network.delete_network(own)
        with pytest.raises(pouta.NotFound, match="ensure_default"):
            servers.launch(practice_conn, "web", **SMALL)

        made = networks.ensure_default(practice_conn)
        assert networks.ensure_default(practice_conn).id == made.id
        assert len([*practice_conn.network.routers()]) == 1
        server = servers.launch(practice_conn, "web", **SMALL, floating_ip=True)
        assert server.status == "ACTIVE"
