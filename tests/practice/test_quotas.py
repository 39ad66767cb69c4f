"""What the project may have: shown together, and checked before anything is made."""

from __future__ import annotations

import pytest

import pouta
from pouta import quotas
from tests.wire import recorded


def seen(conn):
    return {quota.key: quota for quota in quotas.show(conn)}


def test_all_quotas_are_shown_together_with_what_is_left(practice_conn):
    before = seen(practice_conn)
    assert (before["instances"].used, before["instances"].limit) == (0, 8)
    pouta.volumes.create(practice_conn, "data", 3, volume_type="capacity")
    pouta.servers.launch(
        practice_conn, "web", image="cirros", flavor="standard.tiny", key_name=False
    )
    outside = pouta.networks.external(practice_conn)
    practice_conn.network.create_ip(floating_network_id=outside.id)

    with recorded() as requests:
        table = quotas.show(practice_conn)
    assert len(requests) == 3
    now = {quota.key: quota for quota in table}
    assert {quota.service for quota in table} == {"compute", "volume", "network"}
    figures = {key: (now[key].used, now[key].limit, now[key].left) for key in now}
    assert figures["instances"] == (1, 8, 7)
    assert figures["cores"] == (1, 8, 7)
    assert figures["ram"] == (1000 / 1024, 32, 32 - 1000 / 1024)
    assert figures["gigabytes"] == (3, 2000, 1997)
    assert figures["gigabytes_capacity"] == (3, 1000, 997)
    assert figures["gigabytes_standard"] == (0, 1000, 1000)
    assert figures["gigabytes_standard.multiattach"] == (0, 0, 0)
    assert figures["volumes_capacity"] == (1, None, None)
    assert figures["floatingip"] == (1, 2, 1)
    assert figures["router"][0] == figures["network"][0] == 1

    lines = str(table).splitlines()
    assert [line.split()[-3:] for line in lines if "GiB of capacity" in line] == [
        ["3", "1000", "997"]
    ]
    assert [line.split()[-2:] for line in lines if "volumes of capacity" in line] == [
        ["unlimited", "unlimited"]
    ]


def test_what_does_not_fit_is_named_with_used_limit_and_wanted(practice_conn):
    now = quotas.show(practice_conn)
    quotas.check(now, {"cores": 8, "floatingip": 2, "gigabytes_standard": 1000, "unheard_of": 5})
    with pytest.raises(pouta.QuotaExceeded) as caught:
        quotas.check(now, {"cores": 9, "floatingip": 3, "volumes_capacity": 500, "instances": 8})
    assert "cores: 0 of 8 used, 9 wanted; floating IPs: 0 of 2 used, 3 wanted" in str(caught.value)
    assert "capacity" not in str(caught.value)
    assert "servicedesk@csc.fi" in caught.value.hint


def test_volumes_need_room_in_all_and_in_their_type():
    assert quotas.wanted_for_disks([(2, "capacity"), (3, "capacity"), (4, None)]) == {
        "gigabytes": 9,
        "volumes": 3,
        "gigabytes_capacity": 5,
        "volumes_capacity": 2,
    }


def test_only_flavors_with_room_fit_the_quota(practice_conn, practice_cloud):
    def fitting():
        return {flavor.name for flavor in pouta.flavors.list(practice_conn, fits_quota=True)}

    # facts of the guide: with 8 cores and 32 GB only these
    assert {"standard.tiny", "standard.xxlarge", "hpc.4.5core", "io.160GB"} <= fitting()
    assert not fitting() & {"standard.3xlarge", "hpc.4.10core", "gpu.1.1gpu"}
    practice_cloud.admin.compute.update_quota_set(practice_conn.current_project_id, cores=3)
    assert "standard.medium" in fitting()
    assert "standard.large" not in fitting()
    practice_cloud.admin.compute.update_quota_set(practice_conn.current_project_id, instances=0)
    assert fitting() == set()
