"""What is billed and what is wasted, by the rules of the user guide; prices of 2026."""

from __future__ import annotations

from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from openstack.block_storage.v3.volume import Volume
from openstack.compute.v2.server import Server
from openstack.network.v2.floating_ip import FloatingIP
from openstack.network.v2.network import Network
from openstack.network.v2.port import Port
from openstack.network.v2.router import Router

from pouta import billing, costs

CPOUTA = "https://pouta.csc.fi:5001/v3"
GATEWAY = {"network_id": "outside"}


def a_project(auth_url=CPOUTA, **holdings):
    """A connection to a project that holds these resources."""

    def lists(service):
        named = {
            "compute": ["servers"],
            "block_storage": ["volumes"],
            "network": ["ips", "routers", "ports", "networks"],
        }[service]
        return SimpleNamespace(
            get_endpoint_data=lambda: None,
            **{verb: lambda verb=verb, **query: iter(holdings.get(verb, [])) for verb in named},
        )

    return SimpleNamespace(
        compute=lists("compute"),
        block_storage=lists("block_storage"),
        network=lists("network"),
        current_project_id="p",
        current_project=SimpleNamespace(id="p", name="project_2001234"),
        session=SimpleNamespace(auth=SimpleNamespace(auth_url=auth_url)),
    )


def server(name="web", status="ACTIVE", flavor="standard.small", id="s1"):
    return Server(id=id, name=name, status=status, flavor={"original_name": flavor})


def volume(name="data", size=100, type="standard", status="in-use", id="v1"):
    return Volume(id=id, name=name, size=size, volume_type=type, status=status)


def address(ip="86.50.1.2", device="s1"):
    port = {"port_id": "p1", "port_details": {"device_id": device}} if device else {}
    return FloatingIP(id=ip, name=ip, floating_ip_address=ip, status="ACTIVE", **port)


def router(id, created="2026-01-01", **more):
    given = {"name": f"router-{id}", "external_gateway_info": GATEWAY, "created_at": created}
    return Router(id=id, **given | more)


@pytest.mark.parametrize(
    ("status", "price"),
    [
        *((status, 0.52) for status in ("ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED", "ERROR")),
        *((status, 0.52) for status in ("BUILD", "REBOOT", "RESCUE", "RESIZE", "VERIFY_RESIZE")),
        *((status, 0) for status in ("SHELVED", "SHELVED_OFFLOADED", "DELETED", "SOFT_DELETED")),
    ],
)
def test_a_server_is_billed_in_every_state_but_shelved_and_deleted(status, price):
    (row,) = billing.estimate(a_project(servers=[server(status=status)]))
    assert row.per_hour == price


def test_everything_that_is_billed_is_counted_and_added_up():
    table = billing.estimate(
        a_project(
            servers=[server(), server("big", "SHUTOFF", "hpc.6.14core", "s2")],
            volumes=[volume(), volume("old", 1024, "capacity", "available", "v2")],
            ips=[address(), address("86.50.1.3", device=None)],
            routers=[router("first"), router("inner", external_gateway_info=None)],
        )
    )
    assert [(row.kind, row.name, round(row.per_hour, 4)) for row in table] == [
        ("server", "web", 0.52),
        ("server", "big", 23),
        ("volume", "data", 0.3516),
        ("volume", "old", 1.8),
        ("floating IP", "86.50.1.2", 0.2),
        ("floating IP", "86.50.1.3", 0.2),
        ("router", "router-first", 0),
    ]
    assert table.total_per_hour == pytest.approx(0.52 + 23 + 0.3515625 + 1.8 + 0.4)
    assert table.per_30_days == pytest.approx(table.total_per_hour * 720)
    assert table[2].per_30_days == pytest.approx(253.125)
    assert table.unpriced == []
    said = str(table)
    assert "Total: 26.07 BU/h, 18772 BU in 30 days." in said
    assert "since 2026-01-01: https://docs.csc.fi/" in said
    assert "read 2026-08-21" in said
    assert "2.4 % more" in said


def test_the_other_cloud_has_its_own_prices():
    (row,) = billing.estimate(
        a_project("https://epouta.csc.fi:5001/v3", servers=[server(flavor="hpc.6.14core")])
    )
    assert row.per_hour == 25


def test_what_has_no_known_price_is_named_and_never_guessed():
    table = billing.estimate(
        a_project(
            servers=[server(), server("odd", flavor="standard.huge", id="s2")],
            volumes=[volume("shared", 10, "standard.multiattach")],
        )
    )
    assert [row.per_hour for row in table] == [0.52, None, None]
    assert [row.name for row in table.unpriced] == ["odd", "shared"]
    assert table.total_per_hour == 0.52
    for said in (str(table), table._repr_html_().replace("&#x27;", "'")):
        assert "without a known price: server 'odd' (standard.huge), volume 'shared'" in said


def test_a_cloud_without_prices_has_none_for_anything():
    conn = a_project(
        "https://cloud.example.org/v3",
        servers=[server(), server("off", "SHELVED_OFFLOADED", id="s2")],
        volumes=[volume()],
        ips=[address()],
        routers=[router("a")],
    )
    table = billing.estimate(conn)
    assert [row.per_hour for row in table] == [None] * 5
    assert "No prices are known for the cloud at 'cloud.example.org'." in str(table)
    assert "Total" not in str(table)


class TestRouters:
    def test_the_one_on_the_network_called_like_the_project_is_free(self):
        conn = a_project(
            routers=[router("old"), router("own", "2026-02-02"), router("new", "2026-03-03")],
            networks=[Network(id="n", name="project_2001234"), Network(id="m", name="lan")],
            ports=[
                Port(id="1", network_id="n", device_id="own"),
                Port(id="2", network_id="m", device_id="old"),
            ],
        )
        table = billing.estimate(conn)
        assert {row.id: row.per_hour for row in table} == {"old": 0.2, "own": 0, "new": 0.2}
        assert "Router 'router-own' is taken for the free one" in str(table)
        assert "called like the project" in str(table)

    def test_else_the_oldest_is(self):
        table = billing.estimate(
            a_project(routers=[router("new", "2026-03-03"), router("old", "2026-01-01")])
        )
        assert {row.id: row.per_hour for row in table} == {"new": 0.2, "old": 0}
        assert "because it is the oldest" in table._repr_html_()


class TestWaste:
    def test_what_is_paid_for_and_used_is_no_waste(self):
        conn = a_project(
            servers=[server(), server("shelved", "SHELVED_OFFLOADED", id="s2")],
            volumes=[volume()],
            ips=[address()],
            routers=[router("a")],
        )
        assert billing.waste(conn) == []
        assert str(billing.waste(conn)).startswith("(no unused things)")

    def test_each_waste_has_its_price_and_the_call_that_ends_it(self):
        table = billing.waste(
            a_project(
                servers=[
                    server("off", "SHUTOFF"),
                    server("broken", "ERROR", id="s2"),
                    server("on", "ACTIVE", id="s3"),
                ],
                volumes=[volume(), volume("old", 1024, "capacity", "available", "v2")],
                ips=[address(), address("86.50.1.3", device=None)],
                routers=[router("a"), router("b", "2026-02-02")],
            )
        )
        assert {row.name: row.ends_by for row in table} == {
            "off": "pouta.servers.shelve(conn, 'off')",
            "broken": "pouta.servers.delete(conn, 'broken')  # and its disk",
            "old": "pouta.volumes.delete(conn, 'old')  # and its data",
            "86.50.1.3": "pouta.floating_ips.release(conn, '86.50.1.3')",
            "router-b": "conn.network.update_router('b', external_gateway_info={})",
        }
        assert table.total_per_hour == pytest.approx(2 * 0.52 + 1.8 + 2 * 0.2)
        assert "this ends it" in str(table)

    def test_a_name_that_several_have_is_not_used(self):
        conn = a_project(servers=[server("a", "SHUTOFF"), server("a", "SHUTOFF", id="s2")])
        assert [row.ends_by for row in billing.waste(conn)] == [
            "pouta.servers.shelve(conn, 's1')",
            "pouta.servers.shelve(conn, 's2')",
        ]


def test_a_name_cannot_put_html_into_a_notebook():
    table = billing.estimate(a_project(servers=[server("<b>", flavor="<i>")]))
    for page in (table._repr_html_(), table.plot()._repr_svg_()):
        assert "<b>" not in page
        assert "<i>" not in page


def test_a_cost_leads_to_the_page_of_the_thing():
    shown = billing.estimate(a_project(servers=[server()], volumes=[volume()]))._repr_html_()
    dashboard = "https://pouta.csc.fi/dashboard/project"
    assert f'<a href="{dashboard}/instances/s1/" target="_blank" rel="noopener">web</a>' in shown
    assert f'<a href="{dashboard}/volumes/v1/" target="_blank" rel="noopener">data</a>' in shown


class TestPlot:
    def test_the_dearest_is_on_top_and_what_is_not_used_is_an_outline(self):
        plot = billing.estimate(
            a_project(
                servers=[server(), server("off", "SHUTOFF", "standard.medium", "s2")],
                volumes=[volume()],
                ips=[address()],
                routers=[router("free")],
            )
        ).plot()
        words, bars = drawn(plot)
        assert words == [
            "Total: 2.12 BU/h, 1528 BU in 30 days.",
            "server off",
            "1.05 BU/h, 756 in 30 days, not used",
            "server web",
            "0.52 BU/h, 374 in 30 days",
            "volume data",
            "0.3516 BU/h, 253 in 30 days",
            "floating IP 86.50.1.2",
            "0.2 BU/h, 144 in 30 days",
        ]
        widths = [float(bar.get("width")) for bar in bars]
        assert [round(width / widths[0], 2) for width in widths] == [1, 0.5, 0.34, 0.19]
        assert [bar.get("stroke-dasharray") is not None for bar in bars] == [True, *[False] * 3]

    def test_what_has_no_known_price_has_no_bar(self):
        words, bars = drawn(
            billing.estimate(
                a_project(servers=[server(), server("odd", flavor="standard.huge", id="s2")])
            ).plot()
        )
        assert words[-2:] == ["server odd", "no known price"]
        assert len(bars) == 1

    def test_many_things_are_drawn_together_and_none_is_lost(self):
        many = [server(f"n{number:02}", id=str(number)) for number in range(40)]
        words, bars = drawn(billing.estimate(a_project(servers=many)).plot())
        assert len(bars) == costs.MOST + 1
        assert words[-2:] == ["and 15 more", "7.8 BU/h, 5616 in 30 days"]

    @pytest.mark.parametrize("where", [CPOUTA, "https://cloud.example.org/v3"])
    def test_where_nothing_has_a_price_the_plot_has_no_bars(self, where):
        many = [server(f"n{number}", flavor="odd", id=str(number)) for number in range(40)]
        words, bars = drawn(billing.estimate(a_project(where, servers=many)).plot())
        assert bars == []
        assert words[0] == "Nothing of this has a known price."

    def test_a_project_without_anything_is_a_plot_too(self):
        assert drawn(billing.estimate(a_project()).plot()) == (
            ["Total: 0.00 BU/h, 0 BU in 30 days."],
            [],
        )


def drawn(picture):
    """The words of a picture, and its boxes; the first one is the paper."""
    tree = ElementTree.fromstring(picture._repr_svg_())
    words, (_, *boxes) = (
        [*tree.iter(f"{{http://www.w3.org/2000/svg}}{kind}")] for kind in ("text", "rect")
    )
    return [word.text for word in words], boxes
