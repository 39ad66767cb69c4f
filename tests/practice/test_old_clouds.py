"""What older services still do: a Connection is held to the versions that they spoke."""

from __future__ import annotations

import pytest
from openstack.connection import Connection

import pouta
from pouta import servers, volumes

SMALL = {"image": "cirros", "flavor": "standard.tiny", "key_name": False}


@pytest.fixture
def held_to(practice_conn):
    opened = []

    def held_to(nova: str, cinder: str) -> Connection:
        conn = pouta.connect(
            auth=practice_conn.config.config["auth"],
            region_name="regionOne",
            compute_default_microversion=nova,
            block_storage_default_microversion=cinder,
        )
        opened.append(conn)
        return conn

    yield held_to
    for conn in opened:
        conn.close()


def test_with_nova_2_53_and_cinder_3_27_only_a_volume_in_several_servers_is_missing(held_to):
    conn = held_to("2.53", "3.27")
    servers.create_group(conn, "apart", policy="soft-anti-affinity")
    web = servers.launch(
        conn, "web", **SMALL, floating_ip=True, volumes=[1], tags=["t"], server_group="apart"
    )
    assert (web.tags, len(web.attached_volumes)) == (["t"], 1)
    assert servers.resize(conn, web, "standard.small").flavor.original_name == "standard.small"
    assert pouta.billing.estimate(conn).total_per_hour > 0.52 + 0.2
    assert servers.unshelve(conn, servers.shelve(conn, web)).status == "ACTIVE"
    assert volumes.extend(conn, "web-volume-1", 2, allow_detach=True).size == 2
    assert {row.name for row in pouta.cleanup(conn, tag="t")} >= {"web", "web-volume-1"}


def test_with_the_first_versions_a_server_comes_up_and_what_is_missing_is_said(held_to):
    conn = held_to("2.1", "3.0")
    web = servers.launch(conn, "web", **SMALL)
    assert web.status == "ACTIVE"
    assert [cost.what for cost in pouta.billing.estimate(conn).unpriced] == ["unknown flavor"]
    assert volumes.create(conn, "data", 1).status == "available"
    with pytest.raises(pouta.Refused, match="tags"):
        servers.launch(conn, "tagged", **SMALL, tags=["t"])
    with pytest.raises(pouta.Refused, match="anti-affinity"):
        servers.create_group(conn, "apart", policy="soft-anti-affinity")
    assert [server.name for server in servers.list(conn)] == ["web"]
