"""Disks that outlive servers."""

from __future__ import annotations

import pytest

import pouta
from pouta import servers, volumes
from tests.wire import answer_lost

SMALL = {"image": "cirros", "flavor": "standard.tiny", "key_name": False}


@pytest.fixture
def web(practice_conn):
    return servers.launch(practice_conn, "web", **SMALL)


def test_a_volume_is_made_attached_detached_and_deleted(practice_conn, web):
    data = volumes.create(practice_conn, "data", 5, volume_type="capacity")
    assert (data.status, data.size, data.volume_type) == ("available", 5, "capacity")

    attached = volumes.attach(practice_conn, "web", "data")
    assert attached.status == "in-use"
    assert volumes.attached_to(attached) == [web.id]
    assert "web" in str(volumes.list(practice_conn))
    assert volumes.attach(practice_conn, web, data).id == data.id

    with pytest.raises(pouta.Refused, match="attached to server"):
        volumes.delete(practice_conn, "data")

    free = volumes.detach(practice_conn, "data")
    assert (free.status, volumes.attached_to(free)) == ("available", [])
    assert volumes.detach(practice_conn, "data").status == "available"

    volumes.delete(practice_conn, "data")
    assert [*practice_conn.block_storage.volumes()] == []


def test_a_volume_that_is_elsewhere_is_not_taken(practice_conn, web):
    other = servers.launch(practice_conn, "other", **SMALL)
    volumes.create(practice_conn, "data", 1)
    volumes.attach(practice_conn, web, "data")
    with pytest.raises(pouta.Refused, match=web.id) as caught:
        volumes.attach(practice_conn, other, "data")
    assert "detach" in caught.value.hint


def test_a_volume_in_the_making_is_waited_for_before_it_is_attached(practice_conn, web):
    data = volumes.create(practice_conn, "data", 1, wait=False)
    assert volumes.attach(practice_conn, web, data).status == "in-use"


def test_an_attach_whose_answer_is_lost_is_made_once(practice_conn, web):
    volumes.create(practice_conn, "data", 1)
    with answer_lost("POST", "os-volume_attachments"):
        assert volumes.attach(practice_conn, web, "data").status == "in-use"
    assert len([*practice_conn.compute.volume_attachments(web)]) == 1


def test_a_volume_has_at_least_the_size_of_what_it_is_made_of(practice_conn):
    data = volumes.create(practice_conn, "data", 3)
    snapshot = practice_conn.block_storage.create_snapshot(volume_id=data.id, name="monday")
    practice_conn.block_storage.wait_for_status(snapshot, "available")
    copy = volumes.create(practice_conn, "copy", snapshot="monday")
    assert (copy.size, copy.snapshot_id) == (3, snapshot.id)
    with pytest.raises(pouta.InvalidInput, match="at least 3 GiB, for its snapshot"):
        volumes.create(practice_conn, "less", 2, snapshot="monday")
    with pytest.raises(pouta.Refused, match="snapshot"):
        volumes.delete(practice_conn, "data", timeout=3)
    assert volumes.find(practice_conn, "data").status == "available"


@pytest.mark.parametrize("size", [0, -1, 1.5, "10", None, True])
def test_a_size_that_cannot_be_costs_no_request(member, no_requests, size):
    with pytest.raises(pouta.InvalidInput):
        volumes.create(member, "data", size)


def test_an_unknown_type_and_a_full_quota_leave_nothing(practice_conn):
    with pytest.raises(pouta.NotFound, match="gold"):
        volumes.create(practice_conn, "data", 1, volume_type="gold")
    with pytest.raises(pouta.QuotaExceeded, match="quota"):
        volumes.create(practice_conn, "data", 1, volume_type="standard.multiattach")
    with pytest.raises(pouta.QuotaExceeded, match="servicedesk"):
        volumes.create(practice_conn, "data", 5000)
    assert [*practice_conn.block_storage.volumes()] == []
