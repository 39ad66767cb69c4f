"""What the chores ask of the cloud, counted on the wire: each thing once, and never in a hurry."""

from __future__ import annotations

import re
from collections import Counter

import pytest

import pouta
from tests.proxy import Proxy

SMALL = {"image": "cirros", "flavor": "standard.tiny", "key_name": False}
ID = re.compile("[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}")


@pytest.fixture
def far(proxy, practice_conn):
    """A new connection to the project, through the proxy."""
    return proxy.connect(practice_conn.config.config["auth"])


def asked(proxy: Proxy) -> Counter[str]:
    """The requests without their queries and IDs."""
    return Counter(ID.sub("ID", str(request).split("?")[0]) for request in proxy.seen)


def most_in_a_second(proxy: Proxy, what: str) -> int:
    """How many looks at one kind of thing came within any one second."""
    times = [request.began for request in proxy.seen if re.match(what, str(request))]
    return max(sum(0 <= other - time < 0.999 for other in times) for time in times)


def test_flavors_cost_a_login_one_look_at_the_versions_and_one_list(far, proxy):
    assert pouta.flavors.list(far)
    assert asked(proxy) == {
        "POST identity /practice/v3/auth/tokens": 1,
        "GET compute /v2.1": 1,
        "GET compute /v2.1/flavors/detail": 1,
    }


def test_a_launch_asks_for_everything_once(far, proxy):
    server = pouta.servers.launch(
        far, "web", **SMALL, security_groups=["default"], floating_ip=True, volumes=[1]
    )
    assert (server.status, len(server.attached_volumes)) == ("ACTIVE", 1)
    requests = asked(proxy)
    ports, servers, volumes = (
        requests.pop(look)
        for look in (
            "GET network /v2.0/ports",
            "GET compute /v2.1/servers/ID",
            "GET volume /v3/ID/volumes/ID",
        )
    )
    assert requests == dict.fromkeys(requests, 1)
    assert {*requests} == {
        "POST identity /practice/v3/auth/tokens",
        "GET compute /v2.1",
        "GET image /",
        "GET volume /v3/",
        "GET image /v2/images",
        "GET compute /v2.1/flavors/detail",
        "GET compute /v2.1/servers/detail",
        "GET network /v2.0/networks",
        "GET network /v2.0/routers",
        "GET network /v2.0/security-groups",
        "GET compute /v2.1/limits",
        "GET network /v2.0/quotas/ID/details",
        "GET volume /v3/ID/os-quota-sets/ID",
        "GET volume /v3/ID/types/default",
        "POST compute /v2.1/servers",
        "POST volume /v3/ID/volumes",
        "POST network /v2.0/floatingips",
        "POST compute /v2.1/servers/ID/os-volume_attachments",
    }
    assert min(ports, servers, volumes) >= 1


def test_nothing_is_looked_at_more_than_twice_a_second(far, proxy):
    proxy.round_trip = 0.05  # so that there is something to wait for
    pouta.servers.launch_many(far, "node", 2, **SMALL)
    pouta.servers.launch(far, "web", **SMALL, floating_ip=True)
    for what in (
        "GET network .*/ports",
        "GET compute .*/servers/[0-9a-f]{8}-",
        r"GET compute .*/servers\?",
        "GET compute .*/servers/detail$",
    ):
        assert 1 <= most_in_a_second(proxy, what) <= 2


def test_many_servers_are_waited_for_without_their_details(far, proxy):
    pouta.servers.launch_many(far, "node", 3, **SMALL)
    lists = [request.path for request in proxy.seen if "GET compute /v2.1/servers" in str(request)]
    name, found, *waited, last = lists
    assert "name=" in name
    assert found.endswith("/detail")  # which servers the one request has made
    assert waited
    assert all("status=BUILD" in path and "detail" not in path for path in waited)
    assert last.endswith("/detail")


def test_an_attach_and_a_detach_look_at_two_things_and_not_at_the_whole_project(far, proxy):
    web = pouta.servers.launch(far, "web", **SMALL)
    data = pouta.volumes.create(far, "data", 1)
    again = proxy.connect(far.config.config["auth"])
    proxy.seen.clear()
    pouta.volumes.attach(again, "web", "data")
    attached = asked(proxy)
    assert attached.pop("GET volume /v3/ID/volumes/ID") >= 1
    assert attached == {
        "GET compute /v2.1": 1,
        "GET volume /v3/": 1,
        "GET compute /v2.1/servers/detail": 1,
        "GET volume /v3/ID/volumes/detail": 1,
        "POST compute /v2.1/servers/ID/os-volume_attachments": 1,
    }

    proxy.seen.clear()
    assert pouta.volumes.detach(again, "data").status == "available"
    detached = asked(proxy)
    assert detached.pop("GET volume /v3/ID/volumes/ID") >= 1
    assert detached == {
        "GET volume /v3/ID/volumes/detail": 1,
        "GET compute /v2.1/servers/ID": 1,
        "DELETE compute /v2.1/servers/ID/os-volume_attachments/ID": 1,
    }
    assert {web.id, data.id} <= {*re.findall(r"[0-9a-f-]{36}", str([*map(str, proxy.seen)]))}


def test_a_list_of_volumes_costs_its_pages_and_the_names_only_where_there_are_some(far, proxy):
    pouta.volumes.create(far, "data", 1)
    proxy.seen.clear()
    assert len(pouta.volumes.list(far)) == 1
    assert asked(proxy) == {"GET volume /v3/ID/volumes/detail": 1}

    pouta.servers.launch(far, "web", **SMALL, volumes=["data"])
    proxy.seen.clear()
    assert "web" in str(pouta.volumes.list(far))
    assert asked(proxy) == {
        "GET volume /v3/ID/volumes/detail": 1,
        "GET compute /v2.1/servers": 1,
    }
