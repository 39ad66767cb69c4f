"""What is reported gone is gone; what is not is named, with the reason."""

from __future__ import annotations

import pytest

import pouta
from pouta import deletion, floating_ips, object_store, servers, volumes
from pouta.kinds import FLOATING_IP, SERVER, SNAPSHOT, VOLUME
from tests.proxy import LOSE, RESET, Request, once, refuse

SMALL = {"image": "cirros", "flavor": "standard.tiny", "key_name": False}


def deletes(place: str):
    return lambda request: request.method == "DELETE" and place in request.path


def names(conn, kind) -> set[str]:
    return {thing.name for thing in kind.list(conn)}


@pytest.fixture
def address(practice_conn):
    web = servers.launch(practice_conn, "web", **SMALL, floating_ip=True)
    return next(
        ip for ip in floating_ips.list(practice_conn) if floating_ips.leads_to(ip) == web.id
    )


def locked(conn, name: str):
    server = servers.find(conn, name)
    conn.compute.lock_server(server)
    return server


class TestRefused:
    def test_an_address_that_stays_is_not_reported_released(self, conn, proxy, address):
        once(proxy, deletes("/floatingips/"), refuse(403))
        with pytest.raises(pouta.Refused, match=f"{address.name}.*HTTP 403"):
            floating_ips.release(conn, address, in_use=True)
        assert names(conn, FLOATING_IP) == {address.name}

    def test_without_a_wait_neither(self, conn, proxy, address):
        once(proxy, deletes("/floatingips/"), refuse(403))
        with pytest.raises(pouta.Failed, match="Gone: 'web'") as caught:
            servers.delete(conn, "web", release_floating_ips=True, wait=False)
        assert [left.id for left in caught.value.leftovers] == [address.id]
        once(proxy, deletes("/servers/"), refuse(403))
        with pytest.raises(pouta.Refused, match="HTTP 403"):
            servers.delete(conn, servers.launch(conn, "next", **SMALL), wait=False)

    def test_a_server_group_that_stays(self, conn, proxy):
        servers.create_group(conn, "apart")
        once(proxy, deletes("/os-server-groups/"), refuse(403))
        with pytest.raises(pouta.Refused, match="server group 'apart'"):
            servers.delete_group(conn, "apart")
        assert [group.name for group in servers.list_groups(conn)] == ["apart"]

    def test_the_parts_of_a_failed_fleet(self, conn, proxy):
        servers.create_group(conn, "apart")  # the practice cloud has one host
        stays = lambda request: refuse(403) if deletes("/volumes/")(request) else None  # noqa: E731
        proxy.fault = stays
        with pytest.raises(pouta.PoutaError) as caught:
            servers.launch_many(conn, "node", 2, **SMALL, server_group="apart", volumes=[1])
        proxy.fault = lambda request: None
        left = {left.id for left in caught.value.leftovers}
        assert {volume.id for volume in VOLUME.list(conn)} == left != set()

    def test_a_locked_server_is_told_to_be_locked_at_once(self, conn, proxy, address):
        web = locked(conn, "web")
        for change in (servers.delete, servers.stop, servers.reboot):
            proxy.seen.clear()
            with pytest.raises(pouta.Refused, match="locked") as caught:
                change(conn, web)
            assert "unlock_server" in caught.value.hint
            assert sum(request.method in ("DELETE", "POST") for request in proxy.seen) == 1
        assert servers.find(conn, "web").status == "ACTIVE"


class TestNoAnswer:
    def test_a_refusal_of_the_second_request_is_no_news_of_the_first(self, conn, proxy):
        volumes.create(conn, "data", 1)
        told = iter([LOSE, refuse(403)])
        proxy.fault = lambda request: next(told, None) if deletes("/volumes/")(request) else None
        volumes.delete(conn, "data")
        assert next(told, None) is None
        assert names(conn, VOLUME) == set()

    def test_a_refusal_that_stays_is_told(self, conn, proxy):
        volumes.create(conn, "data", 1)
        told = iter([RESET])
        proxy.fault = lambda r: next(told, refuse(403)) if deletes("/volumes/")(r) else None
        with pytest.raises(pouta.Refused, match="HTTP 403"):
            volumes.delete(conn, "data")
        assert names(conn, VOLUME) == {"data"}


class TestStopped:
    """A request in the middle is refused: what is gone is told, and so is what stays."""

    @pytest.fixture
    def runs(self, conn, tmp_path):
        for name, size in {"small": 100, "large": 2500}.items():
            (tmp_path / name).write_bytes(b"x" * size)
            object_store.upload(conn, tmp_path / name, "runs", segment_size=1000)

    def test_between_objects_and_their_segments(self, conn, proxy, runs):
        proxy.seen.clear()

        def refuse_what_follows(request):
            begun = any(one.method == "DELETE" for one in proxy.seen)
            return refuse(500) if begun and request.method == "GET" else None

        proxy.fault = refuse_what_follows
        with pytest.raises(pouta.Failed, match="Gone: 'runs/large' and 'runs/small'") as caught:
            object_store.delete(conn, "runs", all_objects=True)
        assert "NoneType" not in str(caught.value)
        proxy.fault = lambda request: None
        assert not object_store.list(conn, "runs")

    def test_at_the_empty_container_of_the_segments(self, conn, proxy, runs):
        proxy.fault = lambda r: refuse(403) if deletes("/runs_segments")(r) else None
        with pytest.raises(pouta.Failed) as caught:
            object_store.delete(conn, "runs", "large")
        assert "container 'runs_segments'" in str([*map(str, caught.value.leftovers)])


class TestOutOfTime:
    def test_it_is_a_timeout_that_says_what_is_there(self, practice_conn):
        web = servers.launch(practice_conn, "web", **SMALL)
        with pytest.raises(pouta.TimedOut, match=r"'web' is still there after 0\.01 s") as caught:
            servers.delete(practice_conn, web, timeout=0.01)
        assert isinstance(caught.value, TimeoutError)
        assert caught.value.resource.id == web.id
        assert "look again" in caught.value.hint

    def test_of_several_it_says_which(self, conn, proxy):
        for name in ("a", "b"):
            volumes.create(conn, name, 1)
        slow = volumes.find(conn, "b")
        proxy.fault = lambda r: refuse(503) if deletes(slow.id)(r) else None
        with pytest.raises(
            pouta.TimedOut, match=r"1 of 2 volumes was not deleted\. Gone: 'a'"
        ) as it:
            volumes.delete(conn, ["a", "b"], timeout=8)
        assert [left.name for left in it.value.leftovers] == ["b"]
        assert names(conn, VOLUME) == {"b"}


class TestBackAtRest:
    def test_a_volume_that_a_host_still_watches_is_asked_for_again(self, practice_conn):
        data = volumes.create(practice_conn, "data", 1)
        practice_conn.block_storage.set_volume_metadata(data, practice_watched="1")
        volumes.delete(practice_conn, "data")
        assert names(practice_conn, VOLUME) == set()

    def test_one_that_is_watched_for_good_is_told_and_is_there(self, practice_conn, monkeypatch):
        monkeypatch.setattr(deletion, "BUSY_FOR", 1.0)
        data = volumes.create(practice_conn, "data", 1)
        practice_conn.block_storage.set_volume_metadata(data, practice_watched="100")
        with pytest.raises(pouta.Refused, match=r"back to available\. Something still uses"):
            volumes.delete(practice_conn, "data")
        assert volumes.find(practice_conn, "data").status == "available"
        practice_conn.block_storage.set_volume_metadata(data, practice_watched="0")

    def test_a_snapshot_with_a_copy_stays_and_the_copy_is_named(self, practice_conn):
        volumes.create(practice_conn, "data", 1)
        volumes.snapshot(practice_conn, "data", "then")
        volumes.create(practice_conn, "copy", snapshot="then")
        with pytest.raises(pouta.Refused, match=r"Snapshot is busy.*need it: 'copy'") as caught:
            volumes.delete_snapshot(practice_conn, "then")
        assert caught.value.resource.name == "then"
        assert names(practice_conn, SNAPSHOT) == {"then"}

    def test_copies_go_before_what_they_were_made_from(self, practice_conn):
        volumes.create(practice_conn, "data", 1)
        volumes.snapshot(practice_conn, "data", "then")
        volumes.create(practice_conn, "copy", snapshot="then")
        volumes.delete(practice_conn, ["data", "copy"], delete_snapshots=True)
        assert names(practice_conn, VOLUME) == names(practice_conn, SNAPSHOT) == set()

    def test_an_image_with_children_is_refused_at_once(self, conn, proxy, tmp_path):
        file = tmp_path / "disk.raw"
        file.write_bytes(b"x" * 1000)
        pouta.images.upload(conn, file, "parent")
        proxy.seen.clear()
        proxy.fault = lambda r: refuse(409) if deletes("/images/")(r) else None
        with pytest.raises(pouta.Refused, match="HTTP 409"):
            pouta.images.delete(conn, "parent")
        assert sum(request.method == "DELETE" for request in proxy.seen) == 1
        proxy.fault = lambda request: None
        pouta.images.delete(conn, "parent")


class TestSeveral:
    def test_servers_go_at_once_with_what_was_named(self, practice_conn):
        conn = practice_conn
        servers.launch_many(conn, "node", 2, **SMALL, floating_ip=True, volumes=[1])
        servers.launch(conn, "other", **SMALL, volumes=[1])
        servers.delete(
            conn,
            [servers.find(conn, "node-1"), "node-2", "node-1"],
            release_floating_ips=True,
            delete_volumes=True,
        )
        assert names(conn, SERVER) == {"other"}
        assert names(conn, VOLUME) == {"other-volume-1"}
        assert floating_ips.list(conn) == []

    def test_the_outcome_of_each_is_told(self, practice_conn):
        conn = practice_conn
        servers.launch_many(conn, "node", 3, **SMALL)
        kept = locked(conn, "node-2")
        with pytest.raises(pouta.Failed, match=r"1 of 3 servers was not deleted\.") as caught:
            servers.delete(conn, servers.list(conn))
        assert "Gone: 'node-1' and 'node-3'." in caught.value.message
        (left,) = caught.value.leftovers
        assert (left.id, left.kind) == (kept.id, "server")
        assert "locked" in left.reason
        assert names(conn, SERVER) == {"node-2"}

    def test_a_name_that_is_not_there_costs_nothing(self, practice_conn):
        volumes.create(practice_conn, "data", 1)
        with pytest.raises(pouta.NotFound, match="'dada'"):
            volumes.delete(practice_conn, ["data", "dada"])
        assert names(practice_conn, VOLUME) == {"data"}
        for delete in (volumes.delete, servers.delete, floating_ips.release):
            delete(practice_conn, [])

    def test_addresses(self, practice_conn):
        conn = practice_conn
        outside = pouta.networks.external(conn)
        made = [conn.network.create_ip(floating_network_id=outside.id) for _ in range(2)]
        floating_ips.release(conn, [made[0].name, made[1]])
        assert floating_ips.list(conn) == []


class TestUnasked:
    def test_a_volume_that_would_die_with_its_server_has_to_be_named(self, practice_conn):
        conn = practice_conn
        web = servers.launch(conn, "web", **SMALL)
        data = volumes.create(conn, "data", 1)
        conn.compute.create_volume_attachment(web, volume_id=data.id, delete_on_termination=True)
        conn.block_storage.wait_for_status(data, "in-use")
        with pytest.raises(pouta.Refused, match=f"{data.id}.*delete_on_termination"):
            servers.delete(conn, "web")
        assert names(conn, SERVER) == {"web"}
        servers.delete(conn, "web", delete_volumes=True)
        assert names(conn, VOLUME) == set()

    def test_an_address_that_leads_to_another_server_by_then_stays(self, conn, proxy, address):
        """Nova shows the address on `web` for a while; Neutron knows better."""
        other = servers.launch(conn, "other", **SMALL)
        (port,) = floating_ips.ports_of(conn, [other])[other.id]

        def move(request: Request) -> None:
            if deletes("/servers/")(request):
                proxy.fault = lambda request: None
                address._connection.network.update_ip(address, port_id=port.id)

        proxy.fault = move
        with pytest.raises(pouta.Failed) as caught:
            servers.delete(conn, "web", release_floating_ips=True)
        assert [left.id for left in caught.value.leftovers] == [address.id]
        assert "leads to server 'other'" in caught.value.leftovers[0].reason
        (now,) = floating_ips.list(conn)
        assert floating_ips.leads_to(now) == other.id

    def test_a_volume_in_another_server_too_stays(self, practice_conn, practice_cloud):
        conn = practice_conn
        practice_cloud.admin.block_storage.update_quota_set(
            conn.current_project_id,
            **{"volumes_standard.multiattach": 5, "gigabytes_standard.multiattach": 5},
        )
        shared = volumes.create(conn, "shared", 1, volume_type="standard.multiattach")
        for name in ("a", "b"):
            servers.launch(conn, name, **SMALL, volumes=[shared])
        with pytest.raises(pouta.Failed, match="Gone: 'a'") as caught:
            servers.delete(conn, "a", delete_volumes=True)
        assert [left.name for left in caught.value.leftovers] == ["shared"]
        assert volumes.attached_to(volumes.find(conn, "shared")) == [servers.find(conn, "b").id]
