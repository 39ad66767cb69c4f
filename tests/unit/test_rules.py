"""What rules of security groups mean, in whatever spelling Neutron has them."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from pouta import rules

SSH = {
    "direction": "ingress",
    "ethertype": "IPv4",
    "protocol": "tcp",
    "port_range_min": 22,
    "port_range_max": 22,
    "remote_ip_prefix": "192.0.2.0/24",
    "remote_group_id": None,
}
OF_ALL = {"port_range_min": None, "port_range_max": None}
OF_IPV6 = {"ethertype": "IPv6", "remote_ip_prefix": "2001:db8::/32"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"protocol": "tcp"}, {"protocol": "6"}),
        ({"protocol": "tcp"}, {"protocol": 6}),
        ({"protocol": "tcp"}, {"protocol": "TCP"}),
        ({"protocol": "udp"}, {"protocol": "17"}),
        ({"protocol": "icmp", **OF_ALL}, {"protocol": "1", **OF_ALL}),
        ({"protocol": None, **OF_ALL}, {"protocol": "any", **OF_ALL}),
        ({"protocol": "icmp", **OF_IPV6, **OF_ALL}, {"protocol": "icmpv6", **OF_IPV6, **OF_ALL}),
        ({"protocol": "1", **OF_IPV6, **OF_ALL}, {"protocol": "ipv6-icmp", **OF_IPV6, **OF_ALL}),
        ({"protocol": "icmp", **OF_IPV6, **OF_ALL}, {"protocol": "58", **OF_IPV6, **OF_ALL}),
        ({"port_range_min": 1, "port_range_max": 65535}, OF_ALL),
        ({"remote_ip_prefix": "0.0.0.0/0"}, {"remote_ip_prefix": None}),
        ({"remote_ip_prefix": "::/0", "ethertype": "IPv6"}, {**OF_IPV6, "remote_ip_prefix": None}),
        ({}, {"remote_ip_prefix": "192.0.2.77/24"}),
        (OF_IPV6, {**OF_IPV6, "remote_ip_prefix": "2001:0DB8:0:0::/32"}),
        ({}, {"remote_address_group_id": None}),
    ],
    ids=str,
)
def test_two_spellings_of_one_rule_are_equal(one, other):
    assert rules.of(SSH | one) == rules.of(SSH | other)


@pytest.mark.parametrize(
    "other",
    [
        {"direction": "egress"},
        {"protocol": "udp"},
        {"protocol": None, **OF_ALL},
        {"port_range_max": 23},
        OF_ALL,
        {"remote_ip_prefix": None},
        {"remote_ip_prefix": "192.0.2.0/25"},
        {"remote_ip_prefix": None, "remote_group_id": "g"},
        {"remote_ip_prefix": None, "remote_address_group_id": "g"},
        {**OF_IPV6, "remote_ip_prefix": None},
    ],
    ids=str,
)
def test_what_lets_other_things_pass_is_not_equal(other):
    assert rules.of(SSH | other) != rules.of(SSH)


def test_everybody_is_not_the_same_as_a_group_of_addresses():
    nobody = {"remote_ip_prefix": None}
    of_servers, of_addresses = {"remote_group_id": "g"}, {"remote_address_group_id": "g"}
    meant = {rules.of(SSH | nobody | more) for more in ({}, of_servers, of_addresses)}
    assert len(meant) == 3
    here = ip_network("192.0.2.7/32")
    assert [rule.lets(here, rules.TCP, 22) for rule in meant].count(True) == 1


@pytest.mark.parametrize(
    ("rule", "shown"),
    [
        ({"protocol": "6"}, "tcp 22 from 192.0.2.0/24"),
        ({"protocol": "17", "port_range_max": 30}, "udp 22-30 from 192.0.2.0/24"),
        ({"port_range_min": 1, "port_range_max": 65535}, "tcp from 192.0.2.0/24"),
        ({"remote_ip_prefix": None}, "tcp 22 from 0.0.0.0/0"),
        ({"remote_ip_prefix": None, "ethertype": "IPv6"}, "tcp 22 from ::/0"),
        ({"protocol": "58", **OF_IPV6, **OF_ALL}, "icmp from 2001:db8::/32"),
        ({"protocol": "any", **OF_ALL}, "all from 192.0.2.0/24"),
        ({"protocol": "112", **OF_ALL}, "vrrp from 192.0.2.0/24"),
        ({"protocol": "200", **OF_ALL}, "200 from 192.0.2.0/24"),
        ({"remote_ip_prefix": None, "remote_group_id": "id"}, "tcp 22 from group web"),
        ({"remote_ip_prefix": None, "remote_address_group_id": "x"}, "tcp 22 from address group x"),
    ],
    ids=str,
)
def test_a_rule_is_shown_in_one_spelling(rule, shown):
    assert rules.of(SSH | rule).shown({"id": "web"}) == shown
