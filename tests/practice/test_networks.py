"""Networks as other clouds and other tools make them: launches, floating IPs, routers."""

from __future__ import annotations

from datetime import timedelta

import pytest

import pouta
from pouta import floating_ips, networks, security_groups, servers
from pouta.servers import security
from tests.campaigns import ground

SMALL = {"image": "cirros", "flavor": "standard.tiny", "key_name": False}


def network_of(conn, name, *ranges, **options):
    """A network with subnets of these ranges, and no router."""
    network = conn.network.create_network(name=name, **options)
    for cidr in ranges:
        version = 6 if ":" in cidr else 4
        conn.network.create_subnet(network_id=network.id, ip_version=version, cidr=cidr)
    return conn.network.get_network(network.id)


def own_router(conn):
    (router,) = conn.network.routers()
    return router


def private_of(conn, ip):
    return conn.network.get_ip(ip.id).fixed_ip_address


@pytest.fixture
def second_outside(practice_cloud):
    """Another external network of the cloud, which no router has a gateway on."""
    network = practice_cloud.admin.network
    made = network.create_network(name="campus", is_router_external=True)
    network.create_subnet(network_id=made.id, ip_version=4, cidr="203.0.113.0/24")
    yield made
    for ip in network.ips(floating_network_id=made.id):
        network.delete_ip(ip)
    for router in network.routers():
        if (router.external_gateway_info or {}).get("network_id") == made.id:
            network.update_router(router, external_gateway_info=None)
    network.delete_network(made)


class TestRouters:
    @pytest.mark.parametrize(
        "owner",
        [
            "network:router_interface",
            "network:router_interface_distributed",
            "network:ha_router_replicated_interface",
        ],
    )
    def test_a_router_of_any_kind_is_seen(self, practice_cloud, practice_conn, owner):
        conn = practice_conn
        (port,) = conn.network.ports(device_id=own_router(conn).id)
        practice_cloud.admin.network.update_port(port, device_owner=owner)
        networks.ensure_default(conn)
        assert len([*conn.network.routers()]) == 1
        web = servers.launch(conn, "web", **SMALL, floating_ip=True)
        assert floating_ips.of_servers(conn, [web])
        practice_cloud.admin.network.update_port(port, device_owner=port.device_owner)

    def test_without_a_way_out_a_launch_with_an_address_makes_nothing(self, practice_conn):
        conn, own = practice_conn, networks.default(practice_conn)
        conn.network.update_router(own_router(conn), external_gateway_info=None)
        before = ground.holdings(conn)
        with pytest.raises(pouta.Refused, match=f"No router leads from network '{own.name}'"):
            servers.launch(conn, "web", **SMALL, floating_ip=True, volumes=[1])
        assert ground.holdings(conn) == before
        networks.ensure_default(conn)
        assert own_router(conn).external_gateway_info
        servers.launch(conn, "web", **SMALL, floating_ip=True)

    def test_without_a_way_out_no_address_is_allocated(self, practice_conn):
        conn = practice_conn
        inner = network_of(conn, "inner", "10.9.0.0/24")
        web = servers.launch(conn, "web", **SMALL, network="inner")
        with pytest.raises(pouta.Refused, match="no router"):
            floating_ips.attach(conn, web)
        free = conn.network.create_ip(floating_network_id=networks.external(conn).id)
        with pytest.raises(pouta.Refused, match="no router"):
            floating_ips.attach(conn, web, free)
        assert [ip.id for ip in conn.network.ips()] == [free.id]
        assert inner.id != networks.default(conn).id

    def test_of_several_external_networks_the_one_that_the_router_leads_to(
        self, practice_conn, second_outside
    ):
        conn = practice_conn
        conn.network.update_router(
            own_router(conn), external_gateway_info={"network_id": second_outside.id}
        )
        servers.launch(conn, "one", **SMALL, floating_ip=True)
        servers.launch(conn, "two", **SMALL)
        floating_ips.attach(conn, "two")
        assert {ip.floating_network_id for ip in conn.network.ips()} == {second_outside.id}

    def test_an_address_of_a_network_that_no_router_leads_to(self, practice_conn, second_outside):
        conn = practice_conn
        free = conn.network.create_ip(floating_network_id=second_outside.id)
        with pytest.raises(pouta.Refused, match=r"No router leads from .* to 'campus'"):
            servers.launch(conn, "web", **SMALL, floating_ip=free)
        assert [*conn.compute.servers()] == []

    def test_the_gateway_is_on_the_network_that_is_named(self, practice_conn, second_outside):
        conn = practice_conn
        conn.network.update_router(own_router(conn), external_gateway_info=None)
        networks.ensure_default(conn, external="campus")
        gateway = own_router(conn).external_gateway_info
        assert gateway["network_id"] == second_outside.id

    def test_of_several_external_networks_without_a_default_one_is_named(
        self, practice_conn, second_outside
    ):
        campus = practice_conn.network.get_network(second_outside.id)
        with pytest.raises(pouta.Ambiguous, match="'campus' and 'campus'"):
            networks.external(practice_conn, among=[campus, campus])


class TestSeveralNetworks:
    @pytest.fixture
    def web(self, practice_conn):
        """A server whose first port is in a network without a router."""
        conn, own = practice_conn, networks.default(practice_conn)
        network_of(conn, "inner", "10.9.0.0/24")
        web = servers.launch(conn, "web", **SMALL, network="inner")
        conn.compute.create_server_interface(web, net_id=own.id)
        return web

    def test_the_address_leads_to_the_port_with_a_way_out(self, practice_conn, web):
        ip = floating_ips.attach(practice_conn, web)
        assert private_of(practice_conn, ip).startswith("192.168.")

    def test_an_address_of_another_port_counts(self, practice_conn, web):
        conn = practice_conn
        ip = floating_ips.attach(conn, web)
        assert floating_ips.attach(conn, web).id == ip.id
        assert floating_ips.attach(conn, web, ip).id == ip.id
        again = servers.launch(conn, "web", **SMALL, network="inner", exist_ok=True, floating_ip=ip)
        assert again.id == web.id
        assert [ip.id for ip in conn.network.ips()] == [ip.id]
        found = {row.check: row for row in servers.diagnose(conn, web, my_ip="192.0.2.7")}
        assert found["address"].ok

    def test_one_of_a_ports_own_addresses_is_meant(self, practice_conn):
        conn = practice_conn
        web = servers.launch(conn, "web", **SMALL)
        (port,) = conn.network.ports(device_id=web.id)
        subnet = port.fixed_ips[0]["subnet_id"]
        conn.network.update_port(port, fixed_ips=[*port.fixed_ips, {"subnet_id": subnet}])
        ip = floating_ips.attach(conn, web)
        assert private_of(conn, ip) == port.fixed_ips[0]["ip_address"]


class TestKinds:
    def test_ipv6_alone(self, practice_conn):
        conn = practice_conn
        network_of(conn, "six", "2001:db8:1::/64")
        with pytest.raises(pouta.Refused, match="Network 'six' has IPv6 only"):
            servers.launch(conn, "web", **SMALL, network="six", floating_ip=True)
        assert [*conn.compute.servers()] == []
        web = servers.launch(conn, "web", **SMALL, network="six")
        assert "2001:db8:1:" in str(servers.list(conn))
        assert "@2001:db8:1:" in servers.ssh_command(conn, web)
        with pytest.raises(pouta.NotFound, match="no IPv4 address"):
            floating_ips.attach(conn, web)

    def test_both_kinds_of_addresses(self, practice_conn):
        conn = practice_conn
        both = network_of(conn, "both", "2001:db8:2::/64", "10.8.0.0/24")
        for subnet in both.subnet_ids:
            conn.network.add_interface_to_router(own_router(conn), subnet)
        web = servers.launch(conn, "web", **SMALL, network="both", floating_ip=True)
        (ip,) = floating_ips.of_servers(conn, [web])
        assert private_of(conn, ip).startswith("10.8.0.")
        assert f"@{ip.floating_ip_address}" in servers.ssh_command(conn, web)

    def test_port_security_switched_off(self, practice_conn):
        conn = practice_conn
        network_of(conn, "open", "10.7.0.0/24", is_port_security_enabled=False)
        security_groups.ensure(conn, "web")
        before = ground.holdings(conn)
        for asked in ({"security_groups": ["web"]}, {"ssh_from": "192.0.2.7"}):
            with pytest.raises(pouta.Refused, match="Port security is off in network 'open'"):
                servers.launch(conn, "web", **SMALL, network="open", **asked)
        assert ground.holdings(conn) == before
        assert servers.launch(conn, "web", **SMALL, network="open").status == "ACTIVE"

    def test_a_network_without_a_subnet(self, practice_conn):
        conn = practice_conn
        network_of(conn, "bare")
        with pytest.raises(pouta.Refused, match="Network 'bare' has no subnet"):
            servers.launch(conn, "web", **SMALL, network="bare")
        assert [*conn.compute.servers()] == []


class TestGroupsOfSsh:
    def groups(self, conn):
        return {group.name for group in conn.network.security_groups()} - {"default"}

    def test_those_of_former_addresses_do_not_pile_up(self, practice_conn, monkeypatch):
        conn = practice_conn
        conn.network.create_security_group(name="ssh-from-192.0.2.1-32")  # another tool's
        servers.launch(conn, "stays", **SMALL, ssh_from="192.0.2.2")
        changed = security_groups.ensure(conn, "ssh-from-192.0.2.4-32")
        for number in (3, 4):
            servers.launch(conn, "web", **SMALL, ssh_from=f"192.0.2.{number}")
            servers.delete(conn, "web")
        security_groups.allow(conn, changed, port=80, remote_ip="192.0.2.4")
        servers.launch(conn, "soon", **SMALL, ssh_from="192.0.2.5")
        everything = {f"ssh-from-192.0.2.{number}-32" for number in range(1, 6)}
        assert self.groups(conn) == everything  # one may be of a launch that is under way
        monkeypatch.setattr(security, "UNDER_WAY", timedelta(0))
        servers.launch(conn, "web", **SMALL, ssh_from="192.0.2.6")
        left = everything - {"ssh-from-192.0.2.3-32"} | {"ssh-from-192.0.2.6-32"}
        assert self.groups(conn) == left
