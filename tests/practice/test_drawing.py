"""The picture of a project."""

from __future__ import annotations

from xml.etree import ElementTree

import pouta

SVG = "{http://www.w3.org/2000/svg}"


def texts(drawing):
    return {element.text for element in ElementTree.fromstring(drawing.svg).iter(f"{SVG}text")}


def test_a_project_is_drawn_with_what_is_attached_and_what_is_not(practice_conn, tmp_path):
    server = pouta.servers.launch(
        practice_conn,
        "<web> & co",
        image="cirros",
        flavor="standard.tiny",
        floating_ip=True,
        volumes=[7],
        key_name=False,
    )
    pouta.volumes.create(practice_conn, "archive", 5)
    free = practice_conn.network.create_ip(
        floating_network_id=pouta.networks.external(practice_conn).id
    )

    drawing = pouta.diagram(practice_conn)
    shown = texts(drawing)

    assert {"<web> & co", "ACTIVE", "standard.tiny", "public (outside)"} <= shown
    assert set(pouta.floating_ips.addresses(server)) <= shown
    assert {"free floating IP", free.floating_ip_address, "free volume", "5 GiB  archive"} <= shown
    assert any("7 GiB" in text for text in shown)
    assert drawing.save(tmp_path / "project.svg").read_text() == drawing.svg == drawing._repr_svg_()
    assert "<svg" not in repr(drawing)


def test_an_address_is_drawn_with_the_port_that_it_leads_to(practice_conn):
    network = pouta.networks.default(practice_conn)
    port = practice_conn.network.create_port(network_id=network.id, name="vip")
    vip = practice_conn.network.create_ip(
        floating_network_id=pouta.networks.external(practice_conn).id, port_id=port.id
    )
    shown = texts(pouta.diagram(practice_conn))
    assert {"floating IP of port vip", vip.floating_ip_address} <= shown
    assert "free floating IP" not in shown


def test_of_two_networks_of_one_name_each_has_its_own_servers(practice_conn):
    conn, own = practice_conn, pouta.networks.default(practice_conn)
    twin = conn.network.create_network(name=own.name)
    conn.network.create_subnet(network_id=twin.id, ip_version=4, cidr="192.168.9.0/24")
    small = {"image": "cirros", "flavor": "standard.tiny", "key_name": False}
    pouta.servers.launch(conn, "here", **small, network=own)
    pouta.servers.launch(conn, "there", **small, network=twin)
    bars = ElementTree.fromstring(pouta.diagram(conn).svg)
    named = [(float(e.get("x")), e.text) for e in bars.iter(f"{SVG}text")]
    by_name = {text: x for x, text in named if text in ("here", "there")}
    assert len(by_name) == 2
    networks = [x for x, text in named if text == own.name]
    assert len(networks) == 2
    assert len({round(x / 200) for x in networks}) == 2
    assert {round(x / 200) for x in by_name.values()} == {round(x / 200) for x in networks}


def test_an_empty_project_is_a_picture_too(practice_conn):
    assert practice_conn.current_project.name in texts(pouta.diagram(practice_conn))
