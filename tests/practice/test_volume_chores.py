"""Volumes that grow, change their type, are copied, and go to somebody else."""

from __future__ import annotations

from unittest import mock

import pytest

import pouta
from pouta import servers, volumes
from pouta.volumes import mounting, transfers
from tests.proxy import LOSE, once, refuse
from tests.wire import answer_lost, recorded

SMALL = {"image": "cirros", "flavor": "standard.tiny", "key_name": False}


@pytest.fixture
def said(monkeypatch):
    """What the person is told."""
    sentences = []
    monkeypatch.setattr("pouta.progress.say", sentences.append)
    return sentences


def disks(conn):
    return {disk.name: disk for disk in conn.block_storage.volumes()}


def test_a_free_volume_grows_and_never_shrinks(practice_conn):
    volumes.create(practice_conn, "data", 3)
    assert volumes.extend(practice_conn, "data", 5).size == 5
    with recorded() as requests:
        assert volumes.extend(practice_conn, "data", 5).size == 5
        with pytest.raises(pouta.InvalidInput, match="has 5 GiB, and a volume cannot be made sma"):
            volumes.extend(practice_conn, "data", 4)
        with pytest.raises(pouta.InvalidInput, match="whole number"):
            volumes.extend(practice_conn, "data", 7.5)
    assert not [request for request in requests if request.startswith("POST")]
    assert disks(practice_conn)["data"].size == 5


def test_a_volume_in_a_server_is_taken_out_grown_and_put_back(practice_conn, said):
    web = servers.launch(practice_conn, "web", **SMALL)
    volumes.create(practice_conn, "data", 3)
    volumes.attach(practice_conn, web, "data")

    with pytest.raises(pouta.Refused, match="running server 'web'") as refusal:
        volumes.extend(practice_conn, "data", 10)
    assert "allow_detach=True" in refusal.value.hint
    with pytest.raises(pouta.Refused, match="'web' runs"):
        volumes.detach(practice_conn, "data", require_stopped=True)
    assert volumes.attached_to(disks(practice_conn)["data"]) == [web.id]

    said.clear()
    bigger = volumes.extend(practice_conn, "data", 10, allow_detach=True)
    assert (bigger.size, bigger.status, volumes.attached_to(bigger)) == (10, "in-use", [web.id])
    assert "still mounted" in said[0]

    with recorded() as requests, pytest.raises(pouta.QuotaExceeded, match="1490 wanted"):
        volumes.extend(practice_conn, "data", 1500, allow_detach=True)
    assert not [request for request in requests if not request.startswith("GET")]

    # The cloud refuses it when the volume is out already.
    with (
        mock.patch("pouta.quotas.readable", return_value=()),
        pytest.raises(pouta.QuotaExceeded, match="quota") as caught,
    ):
        volumes.extend(practice_conn, "data", 1500, allow_detach=True)
    assert "in server 'web' as before, with 10 GiB" in caught.value.hint
    now = disks(practice_conn)["data"]
    assert (now.size, volumes.attached_to(now)) == (10, [web.id])

    servers.stop(practice_conn, web)
    said.clear()
    with answer_lost("POST", "/action"):
        assert volumes.extend(practice_conn, "data", 11).size == 11
    assert volumes.attached_to(disks(practice_conn)["data"]) == [web.id]
    assert not [sentence for sentence in said if "mounted" in sentence]
    volumes.detach(practice_conn, "data", require_stopped=True)


def test_a_wait_that_ends_early_says_where_the_volume_is(practice_conn, monkeypatch):
    web = servers.launch(practice_conn, "web", **SMALL)
    volumes.create(practice_conn, "data", 3)
    volumes.attach(practice_conn, web, "data")

    def too_long(*_, **__):
        raise pouta.TimedOut("volume 'data': not there after 1 s.")

    monkeypatch.setattr(volumes, "_grow", too_long)
    with pytest.raises(pouta.TimedOut, match=r"taken out of 'web'.* attach it again"):
        volumes.extend(practice_conn, "data", 4, allow_detach=True)
    assert disks(practice_conn)["data"].status == "available"


def test_the_disk_that_a_server_boots_from_stays_in_it(practice_conn):
    servers.launch(practice_conn, "web", boot_volume_size=5, **SMALL)
    (boot,) = practice_conn.block_storage.volumes()
    table = str(volumes.list(practice_conn))
    assert "bootable" in table.splitlines()[0]
    assert "yes" in table
    for chore in (
        lambda: volumes.extend(practice_conn, boot, 8),
        lambda: volumes.detach(practice_conn, boot),
    ):
        with pytest.raises(pouta.Refused, match="boots from volume 'web-boot'") as caught:
            chore()
        assert "delete_on_termination" in caught.value.hint
    assert disks(practice_conn)["web-boot"].status == "in-use"


def test_a_shelved_server_keeps_its_volume(practice_conn):
    web = servers.launch(practice_conn, "web", **SMALL)
    other = servers.launch(practice_conn, "other", **SMALL)
    data = volumes.create(practice_conn, "data", 1)
    volumes.attach(practice_conn, web, data)
    practice_conn.compute.shelve_server(web)
    practice_conn.compute.wait_for_server(web, "SHELVED_OFFLOADED", interval=0.5)
    for chore in (
        lambda: volumes.extend(practice_conn, data, 8),
        lambda: volumes.attach(practice_conn, other, data),
        lambda: volumes.retype(practice_conn, data, "capacity"),
        lambda: volumes.snapshot(practice_conn, data, "monday"),
        lambda: volumes.delete(practice_conn, data),
    ):
        with pytest.raises(pouta.Refused, match="is reserved") as caught:
            chore()
        assert "unshelve" in caught.value.hint
    assert volumes.detach(practice_conn, data).status == "available"


def test_a_volume_changes_its_type_when_nothing_holds_on_to_it(practice_conn):
    web = servers.launch(practice_conn, "web", **SMALL)
    volumes.create(practice_conn, "data", 2, volume_type="standard")
    with pytest.raises(pouta.NotFound, match="'capacty'") as caught:
        volumes.retype(practice_conn, "data", "capacty")
    assert "'capacity'" in caught.value.hint

    volumes.attach(practice_conn, web, "data")
    with pytest.raises(pouta.Refused, match=r"'web .*its type cannot be changed") as caught:
        volumes.retype(practice_conn, "data", "capacity")
    assert "detach" in caught.value.hint
    volumes.detach(practice_conn, "data")

    volumes.snapshot(practice_conn, "data", "monday")
    with pytest.raises(pouta.Refused, match="has the snapshots 'monday'"):
        volumes.retype(practice_conn, "data", "capacity")
    volumes.delete_snapshot(practice_conn, "monday")

    with pytest.raises(pouta.QuotaExceeded, match="No more") as caught:
        volumes.retype(practice_conn, "data", "standard.multiattach")
    assert "servicedesk@csc.fi" in caught.value.hint

    with recorded() as requests, answer_lost("POST", "/action"):
        now = volumes.retype(practice_conn, "data", "capacity")
        assert (now.volume_type, now.status) == ("capacity", "available")
        assert volumes.retype(practice_conn, "data", "capacity").id == now.id
    assert len([r for r in requests if r.startswith("POST") and r.endswith("/action")]) == 1
    assert disks(practice_conn)["data"].volume_type == "capacity"


def test_data_may_be_moved_when_the_type_changes(practice_conn, monkeypatch):
    data = volumes.create(practice_conn, "data", 1)
    asked = {}
    monkeypatch.setattr(
        practice_conn.block_storage, "retype_volume", lambda *_, **given: asked.update(given)
    )
    with pytest.raises(pouta.Failed, match="standard as before, and available") as caught:
        volumes.retype(practice_conn, data, "capacity")
    assert asked == {"migration_policy": "on-demand"}
    assert caught.value.resource.volume_type == "standard"


def test_a_volume_is_kept_as_it_was_and_brought_back(practice_conn):
    web = servers.launch(practice_conn, "web", **SMALL)
    data = volumes.create(practice_conn, "data", 2)
    volumes.attach(practice_conn, web, data)
    with pytest.raises(pouta.Refused, match="in the running server 'web'") as caught:
        volumes.snapshot(practice_conn, "data", "monday")
    assert "force=True" in caught.value.hint
    with pytest.raises(pouta.Refused, match="in the running server 'web'"):
        volumes.create(practice_conn, "copy", source="data")
    assert len(volumes.list_snapshots(practice_conn)) == 0

    forced = volumes.snapshot(practice_conn, "data", "monday", force=True)
    servers.stop(practice_conn, web)
    with answer_lost("POST", "/snapshots"):
        tuesday = volumes.snapshot(practice_conn, "data", "tuesday", tags=["nightly"])
    assert {forced.status, tuesday.status} == {"available"}
    assert tuesday.metadata["pouta_tags"] == "nightly"
    table = volumes.list_snapshots(practice_conn, "data")
    assert [taken.name for taken in table] == ["monday", "tuesday"]
    assert "data" in table.cells()[0]

    back = volumes.create(practice_conn, "back", snapshot="monday")
    with pytest.raises(pouta.InvalidInput, match="type of its source, which is standard"):
        volumes.create(practice_conn, "copy", source="data", volume_type="capacity")
    copy = volumes.create(practice_conn, "copy", 4, source="data")
    assert (back.size, back.snapshot_id) == (2, forced.id)
    assert (copy.size, copy.source_volume_id) == (4, data.id)
    with pytest.raises(pouta.InvalidInput, match="at least 2 GiB, for its source"):
        volumes.create(practice_conn, "small", 1, source="data")
    with pytest.raises(pouta.InvalidInput, match="only one"):
        volumes.create(practice_conn, "both", source="data", snapshot="monday")

    volumes.detach(practice_conn, "data")
    with recorded() as requests, pytest.raises(pouta.Refused) as caught:
        volumes.delete(practice_conn, "data")
    assert "'monday' and 'tuesday'" in str(caught.value)
    assert not [request for request in requests if request.startswith("DELETE")]
    volumes.delete(practice_conn, "back")
    volumes.delete_snapshot(practice_conn, "monday")
    assert [taken.name for taken in volumes.list_snapshots(practice_conn)] == ["tuesday"]
    with pytest.raises(pouta.NotFound) as caught:
        volumes.find_snapshot(practice_conn, "tuesdai")
    assert "'tuesday'" in caught.value.hint
    volumes.delete(practice_conn, "data", delete_snapshots=True)
    assert {*disks(practice_conn)} == {"copy"}
    assert [*practice_conn.block_storage.snapshots()] == []


def test_a_volume_goes_to_another_project(practice_conn, conn, proxy, other_project):
    data = volumes.create(practice_conn, "data", 2)
    volumes.snapshot(practice_conn, data, "monday")
    with answer_lost("POST", "/volume-transfers"):
        offer = volumes.transfer(practice_conn, "data")
    assert offer.auth_key not in repr(offer)
    assert offer.volume_id == data.id
    assert len([*practice_conn.block_storage.transfers()]) == 1
    with pytest.raises(pouta.Refused, match="awaiting-transfer") as caught:
        volumes.delete(practice_conn, "data")
    assert "cancel_transfer" in caught.value.hint
    assert volumes.cancel_transfer(practice_conn, "data").status == "available"
    with pytest.raises(pouta.NotFound, match="no transfer"):
        volumes.accept(other_project, offer)

    offer = volumes.transfer(practice_conn, "data", name="for you")
    with pytest.raises(pouta.Refused, match="auth_key does not fit") as caught:
        volumes.accept(other_project, offer.id, "guess")
    assert offer.auth_key not in str(caught.value)
    with pytest.raises(pouta.InvalidInput, match="auth_key is needed"):
        volumes.accept(other_project, offer.id)
    with answer_lost("POST", "/accept"):
        theirs = volumes.accept(other_project, offer)
    assert (theirs.id, theirs.name, theirs.status) == (data.id, "data", "available")
    assert disks(practice_conn) == {}
    assert [taken.name for taken in other_project.block_storage.snapshots()] == ["monday"]

    other_project.block_storage.set_volume_metadata(theirs, pouta_call="1")
    back = volumes.transfer(other_project, theirs)
    lost = iter([LOSE])
    proxy.fault = lambda request: next(lost, None) if request.method == "DELETE" else None
    with answer_lost("POST", "/accept"):
        assert volumes.accept(conn, back.id, back.auth_key).id == data.id
    assert next(lost, None) is None
    assert "pouta_call" not in volumes.find(practice_conn, "data").metadata
    once(
        proxy,
        lambda request: request.method == "DELETE" and "/metadata/" in request.path,
        refuse(403),
    )
    practice_conn.block_storage.set_volume_metadata(data.id, pouta_call="1")
    back = volumes.transfer(practice_conn, "data")
    with pytest.raises(pouta.Failed, match="is in this project now") as caught:
        volumes.accept(proxy.connect(other_project.config.config["auth"]), back)
    assert {held.id for held in caught.value.resource} >= {data.id}
    back = volumes.transfer(other_project, data.id)
    volumes.accept(practice_conn, back)

    with recorded() as requests, pytest.raises(pouta.InvalidInput, match="the same project"):
        volumes.move(practice_conn, "data", practice_conn)
    assert requests == []
    with (
        mock.patch.object(transfers, "accept", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        volumes.move(practice_conn, "data", other_project)
    assert disks(practice_conn)["data"].status == "available"
    assert volumes.move(practice_conn, "data", other_project).id == data.id
    assert {*disks(other_project)} == {"data"}


def test_what_is_in_use_is_not_given_away(practice_conn):
    web = servers.launch(practice_conn, "web", **SMALL)
    volumes.create(practice_conn, "data", 1)
    volumes.attach(practice_conn, web, "data")
    with pytest.raises(pouta.Refused, match=r"'web .*cannot be given away"):
        volumes.transfer(practice_conn, "data")
    assert [*practice_conn.block_storage.transfers()] == []


def test_one_volume_in_several_servers(practice_conn, practice_cloud, said):
    with pytest.raises(pouta.QuotaExceeded, match="No more volumes of the type") as caught:
        volumes.create(practice_conn, "shared", 1, volume_type="standard.multiattach")
    assert "servicedesk@csc.fi" in caught.value.hint
    assert "GFS2" in caught.value.hint
    quota = {f"{what}_standard.multiattach": 10 for what in ("gigabytes", "volumes", "snapshots")}
    practice_cloud.admin.block_storage.update_quota_set(practice_conn.current_project_id, **quota)
    one, two = servers.launch_many(practice_conn, "node", 2, **SMALL)
    volumes.create(practice_conn, "plain", 1)
    volumes.attach(practice_conn, one, "plain")
    with pytest.raises(pouta.Refused, match="attached to server") as caught:
        volumes.attach(practice_conn, two, "plain")
    assert "standard.multiattach" in caught.value.hint
    assert "OCFS2" in caught.value.hint

    shared = volumes.create(practice_conn, "shared", 1, volume_type="standard.multiattach")
    volumes.attach(practice_conn, one, shared)
    assert not [sentence for sentence in said if "GFS2" in sentence]
    now = volumes.attach(practice_conn, two, shared)
    assert {*volumes.attached_to(now)} == {one.id, two.id}
    assert "GFS2" in " ".join(said)

    with pytest.raises(pouta.Refused, match="destroyed") as caught:
        volumes.mount_script(now, "/media/shared")
    assert "one_server_only=True" in caught.value.hint
    script = volumes.mount_script(now, "/media/shared", one_server_only=True)
    assert mounting.device_path(now) in script

    grown = volumes.extend(practice_conn, shared, 2, allow_detach=True)
    assert (grown.size, {*volumes.attached_to(grown)}) == (2, {one.id, two.id})
    with pytest.raises(pouta.Ambiguous, match=r"'node-1' and 'node-2'|'node-2' and 'node-1'"):
        volumes.detach(practice_conn, shared)
    left = volumes.detach(practice_conn, shared, two)
    assert volumes.attached_to(left) == [one.id]
    assert volumes.detach(practice_conn, shared).status == "available"
