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


def test_an_empty_project_is_a_picture_too(practice_conn):
    assert practice_conn.current_project.name in texts(pouta.diagram(practice_conn))
