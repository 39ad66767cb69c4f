"""What a project costs and wastes; each remedy is run as it is given."""

from __future__ import annotations

import pytest

import pouta
from pouta import billing
from tests.wire import recorded

SMALL = {"image": "cirros", "flavor": "standard.tiny", "key_name": False}


def test_a_project_is_counted_and_its_waste_ended(practice_conn, practice_cloud):
    conn = practice_conn
    disks = practice_cloud.admin.block_storage
    disks.update_quota_set(conn.current_project_id, **{"gigabytes_standard.multiattach": 10})
    pouta.servers.launch(conn, "web", **SMALL, floating_ip=True, volumes=[10], tags=["trial"])
    off = pouta.servers.launch(conn, "off", image="cirros", flavor="standard.small", key_name=False)
    pouta.volumes.create(conn, "spare", 100, volume_type="capacity")
    pouta.volumes.create(conn, "shared", 1, volume_type="standard.multiattach")
    pouta.servers.stop(conn, "off")

    with recorded() as requests:
        table = billing.estimate(conn)
    assert len(requests) == 4
    assert {(row.kind, row.name): row.per_hour for row in table if row.kind != "floating IP"} == {
        ("server", "web"): 0.26,
        ("server", "off"): 0.52,
        ("volume", "web-volume-1"): pytest.approx(10 * 3.6 / 1024),
        ("volume", "spare"): pytest.approx(100 * 1.8 / 1024),
        ("volume", "shared"): None,
        ("router", conn.current_project.name): 0,
    }
    assert [row.per_hour for row in table if row.kind == "floating IP"] == [0.2]
    assert table.total_per_hour == pytest.approx(0.26 + 0.52 + 0.2 + (36 + 180) / 1024)
    assert [row.name for row in table.unpriced] == ["shared"]
    assert {row.name for row in billing.estimate(conn, tag="trial")} == {"web", "web-volume-1"} | {
        ip.floating_ip_address for ip in conn.network.ips()
    }

    with recorded() as requests:
        servers = pouta.servers.list(conn)
    assert len(requests) == 1
    assert {row[0]: row[-1] for row in servers.cells()} == {"web": "0.26", "off": "0.52"}
    disks = {row[0]: row[-2] for row in pouta.volumes.list(conn).cells()}
    assert disks == {"web-volume-1": "0.0352", "spare": "0.1758", "shared": "-"}
    assert [row[-1] for row in pouta.floating_ips.list(conn).cells()] == ["0.2"]

    outside = pouta.networks.external(conn)
    kept = conn.network.create_ip(floating_network_id=outside.id)
    more = conn.network.create_router(
        name="a-first-name", external_gateway_info={"network_id": outside.id}
    )
    waste = billing.waste(conn)
    assert [(row.kind, row.id, row.per_hour) for row in waste if row.kind != "volume"] == [
        ("server", off.id, 0.52),
        ("floating IP", kept.id, 0.2),
        ("router", more.id, 0.2),
    ]
    assert {row.name for row in waste if row.kind == "volume"} == {"spare", "shared"}
    assert f"Router '{conn.current_project.name}' is taken for the free one" in str(waste)

    for row in waste:
        exec(row.ends_by, {"pouta": pouta, "conn": conn})
    assert billing.waste(conn) == []
    after = billing.estimate(conn)
    assert {row.name: row.status for row in after if row.kind == "server"} == {
        "web": "ACTIVE",
        "off": "SHELVED_OFFLOADED",
    }
    assert after.total_per_hour == pytest.approx(0.26 + 0.2 + 36 / 1024)


def test_an_administrator_counts_one_project(practice_conn, practice_cloud):
    outside = pouta.networks.external(practice_conn)
    ip = practice_conn.network.create_ip(floating_network_id=outside.id)
    table = billing.estimate(practice_cloud.admin)
    assert ip.id not in {row.id for row in table}
