"""What the project may have: shown together, and checked before anything is made."""

from __future__ import annotations

import pytest
from openstack.exceptions import ForbiddenException

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


SMALL = {"image": "Ubuntu-24.04", "flavor": "standard.tiny"}


class TestDryRun:
    def test_what_would_be_made_its_cost_and_the_quota_are_shown(self, practice_conn, home):
        with recorded() as requests:
            plan = pouta.servers.launch(
                practice_conn,
                "web",
                **SMALL,
                ssh_from="192.0.2.7",
                floating_ip=True,
                volumes=[20],
                boot_volume_size=10,
                dry_run=True,
            )
        assert {request.split()[0] for request in requests} == {"GET"}
        assert [(row.kind, row.name) for row in plan] == [
            ("key pair", "your own key"),
            ("security group", "ssh-from-192.0.2.7-32"),
            ("server", "web"),
            ("volume", "web-boot"),
            ("volume", "web-volume-1"),
            ("floating IP", "any free address"),
        ]
        assert plan.total_per_hour == pytest.approx(0.26 + 30 * 3.6 / 1024 + 0.2)
        assert (plan.fits_quota, plan.refusal, plan.unpriced) == (True, "", [])
        assert "The quota allows it." in str(plan)
        assert "BU in 30 days" in plan._repr_html_()
        assert not (home / ".ssh").exists()
        assert [*practice_conn.compute.keypairs()] == []

    def test_what_does_not_fit_is_told_and_a_launch_refuses_it_before_anything(self, practice_conn):
        wish = {"image": "cirros", "flavor": "hpc.4.5core", "floating_ip": True, "volumes": [400]}
        plan = pouta.servers.launch_many(practice_conn, "node", 3, **wish, dry_run=True)
        assert plan.fits_quota is False
        assert [row.name for row in plan if row.kind == "server"] == ["node-1", "node-2", "node-3"]
        with recorded() as requests, pytest.raises(pouta.QuotaExceeded) as caught:
            pouta.servers.launch_many(practice_conn, "node", 3, **wish)
        assert {request.split()[0] for request in requests} == {"GET"}
        for said in (str(plan), str(caught.value)):
            assert "cores: 0 of 8 used, 15 wanted" in said
            assert "GiB of standard: 0 of 1000 used, 1200 wanted" in said
            assert "floating IPs: 0 of 2 used, 3 wanted" in said
            assert "instances" not in said
        assert "servicedesk@csc.fi" in caught.value.hint

    def test_names_are_looked_up_and_guards_asked_as_for_a_launch(self, practice_conn):
        with pytest.raises(pouta.NotFound, match=r"Closest: 'standard\.tiny'"):
            pouta.servers.launch(
                practice_conn, "web", image="cirros", flavor="standard.tin", dry_run=True
            )
        with pytest.raises(pouta.Refused, match="whole internet"):
            pouta.servers.launch(practice_conn, "web", **SMALL, ssh_from="0.0.0.0/0", dry_run=True)

    def test_a_second_run_shows_only_what_is_missing(self, practice_conn):
        pouta.servers.launch(practice_conn, "web-1", **SMALL, volumes=[1], floating_ip=True)
        wish = {**SMALL, "volumes": [1, 2], "floating_ip": True, "exist_ok": True}
        plan = pouta.servers.launch_many(practice_conn, "web", 2, **wish, dry_run=True)
        assert [(row.kind, row.name) for row in plan] == [
            ("server", "web-2"),
            ("volume", "web-1-volume-2"),
            ("volume", "web-2-volume-1"),
            ("volume", "web-2-volume-2"),
            ("floating IP", "any free address"),
        ]
        pouta.servers.launch_many(practice_conn, "web", 2, **wish)
        assert pouta.servers.launch_many(practice_conn, "web", 2, **wish, dry_run=True) == []

    def test_without_the_right_to_read_quotas_the_cloud_decides(self, practice_conn, monkeypatch):
        def forbidden():
            raise ForbiddenException("not for you", http_status=403)

        monkeypatch.setattr(practice_conn.compute, "get_limits", forbidden)
        plan = pouta.servers.launch(
            practice_conn, "big", image="cirros", flavor="hpc.4.20core", dry_run=True
        )
        assert plan.fits_quota is None
        assert "may not be read" in str(plan)
        with pytest.raises(pouta.QuotaExceeded, match="cores"):
            pouta.servers.launch(practice_conn, "big", image="cirros", flavor="hpc.4.20core")


def test_an_address_beyond_the_quota_is_refused_with_figures(practice_conn):
    pouta.servers.launch(practice_conn, "web", **SMALL)
    outside = pouta.networks.external(practice_conn)
    for _ in range(2):
        practice_conn.network.create_ip(floating_network_id=outside.id)
    with pytest.raises(pouta.QuotaExceeded, match="floating IPs: 2 of 2 used, 1 wanted") as caught:
        pouta.floating_ips.attach(practice_conn, "web")
    assert "servicedesk@csc.fi" in caught.value.hint
