"""What carries a tag goes, and nothing else."""

from __future__ import annotations

import time

import pytest
from openstack.connection import Connection

import pouta
from pouta.kinds import (
    FLOATING_IP,
    NETWORK,
    PORT,
    ROUTER,
    SECURITY_GROUP,
    SNAPSHOT,
    SUBNET,
    VOLUME,
)
from pouta.made import Made
from tests.proxy import refuse
from tests.wire import recorded

SMALL = {"image": "cirros", "flavor": "standard.tiny", "key_name": False}


def holdings(conn: Connection) -> dict[str, set[str]]:
    network = conn.network
    return {
        "server": {server.name for server in conn.compute.servers()},
        "volume": {volume.name for volume in conn.block_storage.volumes()},
        "volume snapshot": {snapshot.name for snapshot in conn.block_storage.snapshots()},
        "floating IP": {ip.id for ip in network.ips()},
        "port": {port.name for port in network.ports() if port.name},
        "security group": {group.name for group in network.security_groups()},
        "router": {router.name for router in network.routers()},
        "image": {image.name for image in conn.image.images(owner=conn.current_project_id)},
        "stack": {stack.name for stack in conn.orchestration.stacks()},
        "network": {found.name for found in network.networks() if not found.is_router_external},
    }


def test_everything_with_the_tag_goes_and_the_rest_stays(practice_conn):
    conn = practice_conn
    pouta.volumes.create(conn, "mine", 1)
    pouta.servers.launch(conn, "other", **SMALL, ssh_from="192.0.2.7", tags=["course-2"])
    before = holdings(conn)

    pouta.servers.launch(
        conn,
        "web",
        image="cirros",
        flavor="standard.tiny",
        ssh_from="192.0.2.7",
        floating_ip=True,
        volumes=[1, "mine"],
        boot_volume_size=10,
        tags=["course", "2026"],
    )
    with Made(conn, tags=["course"]) as made:
        lan = made.create(NETWORK, name="lan")
        subnet = made.create(
            SUBNET, name="lan", network_id=lan.id, ip_version=4, cidr="10.0.0.0/24"
        )
        conn.network.add_interface_to_router(made.create(ROUTER, name="way"), subnet.id)
        made.create(PORT, name="plug", network_id=lan.id)
        made.create(SECURITY_GROUP, name="group")
        made.create(
            SNAPSHOT, name="monday", volume_id=pouta.volumes.find(conn, "mine").id, force=True
        )
    neutrons = conn.network.create_security_group(name="tagged by hand", description="a = b, c")
    conn.network.set_tags(neutrons, ["course"])
    template = {"heat_template_version": "2021-04-16", "resources": {}}
    pouta.stacks.create(conn, "heap", template, tags=["course"])
    pouta.servers.snapshot(conn, "other", "copy", tags=["course"])
    full = holdings(conn)

    listed = pouta.cleanup(conn, tag="course", dry_run=True)
    assert holdings(conn) == full
    assert [(thing.kind, thing.name) for thing in listed if thing.kind != "floating IP"] == [
        ("stack", "heap"),
        ("server", "web"),
        ("port", "plug"),
        ("volume snapshot", "monday"),
        *(("volume", thing.name) for thing in listed if thing.kind == "volume"),
        ("image", "copy"),
        *(("security group", thing.name) for thing in listed if thing.kind == "security group"),
        ("router", "way"),
        ("subnet", "lan"),
        ("network", "lan"),
    ]
    groups = {thing.name for thing in listed if thing.kind == "security group"}
    assert groups == {"group", "tagged by hand"}
    volumes = {thing.name for thing in listed if thing.kind == "volume"}
    assert volumes == {"web-volume-1", "web-boot"}
    assert [thing.kind for thing in listed].count("floating IP") == 1
    assert "web-volume-1" in str(listed)

    removed = pouta.cleanup(conn, tag="course")
    assert [*removed] == [*listed]
    assert holdings(conn) == before
    assert pouta.volumes.find(conn, "mine").status == "available"
    with recorded() as requests:
        assert pouta.cleanup(conn, tag="course") == []
    assert {request.split()[0] for request in requests} == {"GET"}


def test_what_cannot_go_is_named_with_its_reason_and_the_rest_goes(practice_conn):
    conn = practice_conn
    pouta.servers.launch(conn, "keeper", **SMALL)
    for name in ("held", "copied", "free"):
        pouta.volumes.create(conn, name, 1, tags=["trial"])
    pouta.volumes.attach(conn, "keeper", "held")
    copy = conn.block_storage.create_snapshot(
        name="copy", volume_id=pouta.volumes.find(conn, "copied").id
    )
    conn.block_storage.wait_for_status(copy, "available")
    with Made(conn, tags=["trial"]) as made:
        group = made.create(SECURITY_GROUP, name="worn")
    port = next(iter(conn.network.ports(device_id=pouta.servers.find(conn, "keeper").id)))
    conn.network.update_port(port, security_groups=[group.id])

    began = time.monotonic()
    with pytest.raises(pouta.Failed, match="3 of 4 things that are tagged 'trial'") as caught:
        pouta.cleanup(conn, tag="trial", timeout=5)
    assert time.monotonic() - began < 30
    why = {leftover.name: leftover.reason for leftover in caught.value.leftovers}
    assert set(why) == {"held", "copied", "worn"}
    assert pouta.servers.find(conn, "keeper").id in why["held"]
    assert "'copy'" in why["copied"]
    assert port.id in why["worn"]
    assert [thing.name for thing in caught.value.resource] == ["free"]
    assert holdings(conn)["volume"] == {"held", "copied"}
    assert pouta.volumes.find(conn, "held").status == "in-use"


def test_an_image_does_not_inherit_the_tag_of_the_one_that_its_server_was_made_of(practice_conn):
    conn = practice_conn
    pouta.servers.launch(conn, "old", **SMALL)
    nightly = pouta.servers.snapshot(conn, "old", "nightly", tags=["rotated"])
    pouta.servers.launch(conn, "back", **{**SMALL, "image": nightly})
    pouta.servers.snapshot(conn, "back", "with pouta")
    conn.compute.create_server_image(pouta.servers.find(conn, "back"), "by hand", wait=True)
    assert "rotated" not in conn.image.find_image("by hand").properties.values()

    assert [image.name for image in pouta.images.list(conn, tag="rotated")] == ["nightly"]
    pouta.cleanup(conn, tag="rotated")
    assert holdings(conn)["image"] == {"with pouta", "by hand"}


@pytest.mark.parametrize("tag", ["", " ", "two words", "a,b", None, "x" * 61])
def test_an_invalid_tag_costs_no_request(member, no_requests, tag):
    with pytest.raises(pouta.InvalidInput, match="Invalid tag"):
        pouta.cleanup(member, tag=tag)


class TestKeptBack:
    """A tag is a word that anybody may use; a clean-up by tag takes only what is one's own."""

    def test_what_a_colleague_made(self, practice_conn, colleague):
        theirs = pouta.servers.launch(colleague, "theirs", **SMALL, tags=["run-7"])
        pouta.volumes.create(colleague, "their data", 1, tags=["run-7"])
        pouta.volumes.snapshot(colleague, "their data", "their copy", tags=["run-7"])
        with Made(colleague, tags=["run-7"]) as made:
            made.create(SECURITY_GROUP, name="their group")
        pouta.volumes.create(practice_conn, "mine", 1, tags=["run-7"])
        before = holdings(practice_conn)

        listed = pouta.cleanup(practice_conn, tag="run-7", dry_run=True)
        assert {row.name for row in listed if not row.stays} == {"mine"}
        assert "another member" in str(listed)
        with pytest.raises(pouta.Failed, match="4 of 5 things") as caught:
            pouta.cleanup(practice_conn, tag="run-7")
        assert {left.name for left in caught.value.leftovers} == {
            *("theirs", "their data", "their copy", "their group")
        }
        assert all("another member" in left.reason for left in caught.value.leftovers)
        assert [row.name for row in caught.value.resource] == ["mine"]
        before["volume"].remove("mine")
        assert holdings(practice_conn) == before
        assert pouta.servers.find(practice_conn, "theirs").status == theirs.status

        with pytest.raises(pouta.Refused, match="4 of 4 things"):
            pouta.cleanup(practice_conn, tag="run-7")
        assert len(pouta.cleanup(practice_conn, tag="run-7", others=True)) == 4
        assert not holdings(practice_conn)["server"] | holdings(practice_conn)["volume"]

    def test_what_something_uses_that_stays(self, practice_conn):
        conn = practice_conn
        keeper = pouta.servers.launch(conn, "keeper", **SMALL)
        with Made(conn, tags=["run-7"]) as made:
            way = made.create(ROUTER, name="way")
            lan = made.create(NETWORK, name="lan")
            subnet = made.create(
                SUBNET, name="lan", network_id=lan.id, ip_version=4, cidr="10.0.0.0/24"
            )
            conn.network.add_interface_to_router(way, subnet.id)
            plug = made.create(PORT, name="plug", network_id=lan.id)
            outside = pouta.networks.external(conn)
            ip = made.create(FLOATING_IP, floating_network_id=outside.id)
        (own,) = pouta.floating_ips.ports_of(conn, [keeper])[keeper.id]
        conn.compute.create_server_interface(keeper, port_id=plug.id)
        conn.network.update_ip(ip, port_id=own.id)
        pouta.servers.launch(conn, "web", **SMALL, tags=["run-7"])
        doomed = pouta.volumes.create(conn, "doomed", 1)
        conn.compute.create_volume_attachment(
            pouta.servers.find(conn, "web"), volume_id=doomed.id, delete_on_termination=True
        )
        conn.block_storage.wait_for_status(doomed, "in-use")
        before = holdings(conn)

        with pytest.raises(pouta.Refused, match="6 of 6 things") as caught:
            pouta.cleanup(conn, tag="run-7")
        why = {left.kind: left.reason for left in caught.value.leftovers}
        assert {*why} == {"server", "floating IP", "port", "router", "subnet", "network"}
        assert keeper.id in why["floating IP"]
        assert keeper.id in why["router"]
        assert doomed.id in why["server"]
        assert holdings(conn) == before

    def test_a_service_that_does_not_answer_is_told_and_the_rest_goes(self, conn, proxy):
        pouta.volumes.create(conn, "data", 1, tags=["run-7"])
        with Made(conn, tags=["run-7"]) as made:
            made.create(SECURITY_GROUP, name="group")
        proxy.fault = lambda request: refuse(503) if "/stacks" in request.path else None
        with pytest.raises(pouta.Failed, match="did not tell which stacks have the tag") as caught:
            pouta.cleanup(conn, tag="run-7")
        proxy.fault = lambda request: None
        assert [left.kind for left in caught.value.leftovers] == ["stack"]
        assert {row.name for row in caught.value.resource} == {"data", "group"}
        assert "group" not in holdings(conn)["security group"]

    def test_a_volume_that_came_from_another_project_has_lost_its_tags(
        self, practice_conn, other_project
    ):
        pouta.volumes.create(practice_conn, "data", 1, tags=["run-7"])
        pouta.volumes.snapshot(practice_conn, "data", "then", tags=["run-7"])
        pouta.volumes.move(practice_conn, "data", other_project)
        assert pouta.cleanup(other_project, tag="run-7") == []
        assert pouta.volumes.find(other_project, "data").status == "available"
        assert pouta.volumes.find_snapshot(other_project, "then").status == "available"

    def test_copies_go_before_what_they_were_made_from(self, practice_conn):
        conn = practice_conn
        pouta.volumes.create(conn, "data", 1, tags=["run-7"])
        pouta.volumes.snapshot(conn, "data", "then", tags=["run-7"])
        pouta.volumes.create(conn, "copy", snapshot="then", tags=["run-7"])
        assert len(pouta.cleanup(conn, tag="run-7")) == 3
        assert not holdings(conn)["volume"] | holdings(conn)["volume snapshot"]


INVALID_TAGS = ["run-7", [7], ["a b"], ["a,b"], {"a": 1}, None, ["x" * 50] * 5]


def test_invalid_tags_are_refused_by_every_chore_before_anything_is_made(practice_conn, tmp_path):
    conn, file = practice_conn, tmp_path / "disk.raw"
    file.write_bytes(b"x" * 1000)
    pouta.servers.launch(conn, "web", **SMALL, volumes=[1])
    before = holdings(conn)
    empty = {"heat_template_version": "2021-04-16", "resources": {}}
    chores = (
        lambda tags: pouta.servers.launch(conn, "next", **SMALL, tags=tags),
        lambda tags: pouta.servers.launch_many(conn, "next", 2, **SMALL, tags=tags),
        lambda tags: pouta.servers.snapshot(conn, "web", "copy", keep_running=True, tags=tags),
        lambda tags: pouta.volumes.create(conn, "data", 1, tags=tags),
        lambda tags: pouta.volumes.snapshot(conn, "web-volume-1", "then", force=True, tags=tags),
        lambda tags: pouta.images.upload(conn, file, "disk", tags=tags),
        lambda tags: pouta.stacks.create(conn, "heap", empty, tags=tags),
    )
    for tags in INVALID_TAGS:
        for chore in chores:
            with pytest.raises(pouta.InvalidInput, match="tag"):
                chore(tags)
    assert holdings(conn) == before


class TestTemporary:
    def test_all_goes_at_the_end_of_the_block(self, practice_conn):
        before = holdings(practice_conn)
        with pouta.temporary(practice_conn) as tag:
            pouta.servers.launch_many(
                practice_conn, "n", 2, **SMALL, floating_ip=True, volumes=[1], tags=[tag]
            )
            assert len(holdings(practice_conn)["volume"]) == 2
        assert holdings(practice_conn) == before

    @pytest.mark.parametrize("ends_by", [ZeroDivisionError, KeyboardInterrupt, SystemExit])
    def test_after_an_exception_too_and_the_exception_goes_on(self, practice_conn, ends_by):
        before = holdings(practice_conn)
        with pytest.raises(ends_by) as caught, pouta.temporary(practice_conn) as tag:
            pouta.volumes.create(practice_conn, "data", 1, tags=[tag])
            raise ends_by
        assert holdings(practice_conn) == before
        assert "is removed" in caught.value.__notes__[0]

    def test_a_launch_that_ran_out_of_time_is_taken_back(self, practice_conn):
        before = holdings(practice_conn)
        with pytest.raises(pouta.TimedOut), pouta.temporary(practice_conn) as tag:
            pouta.servers.launch(practice_conn, "web", **SMALL, timeout=0.01, tags=[tag])
        assert holdings(practice_conn) == before

    def test_what_stays_is_told_on_the_exception_that_ended_the_block(self, practice_conn):
        pouta.servers.launch(practice_conn, "keeper", **SMALL)
        with pytest.raises(ZeroDivisionError) as caught, pouta.temporary(practice_conn) as tag:
            held = pouta.volumes.create(practice_conn, "held", 1, tags=[tag])
            pouta.volumes.attach(practice_conn, "keeper", held)
            raise ZeroDivisionError
        assert [leftover.id for leftover in caught.value.leftovers] == [held.id]
        assert held.id in caught.value.__notes__[0]
        assert f"tag='{tag}'" in caught.value.__notes__[0]
        with pytest.raises(pouta.Refused, match="1 of 1"), pouta.temporary(practice_conn) as tag:
            VOLUME.create(practice_conn, name="x", size=1, metadata={"pouta_tags": f"a,{tag},b"})
            held = next(iter(VOLUME.named(practice_conn, "x")))
            pouta.volumes.attach(practice_conn, "keeper", held)


class TestAllOrNothing:
    def test_what_a_failed_block_made_goes_and_what_was_there_stays(self, practice_conn):
        pouta.volumes.create(practice_conn, "mine", 1, tags=["together"])
        before = holdings(practice_conn)

        with pytest.raises(pouta.NotFound), pouta.all_or_nothing(practice_conn) as tag:
            pouta.servers.launch(practice_conn, "web", **SMALL, volumes=[1, "mine"], tags=[tag])
            pouta.servers.launch(practice_conn, "db", image="cirros", flavor="standard.tinny")

        assert holdings(practice_conn) == before
        assert pouta.volumes.find(practice_conn, "mine").status == "available"

    def test_all_stays_when_the_block_comes_to_its_end(self, practice_conn):
        with pouta.all_or_nothing(practice_conn) as tag:
            pouta.volumes.create(practice_conn, "data", 1, tags=[tag])
        assert holdings(practice_conn)["volume"] == {"data"}

    def test_after_a_timeout_nothing_is_removed_and_it_says_what_would(self, practice_conn):
        with pytest.raises(pouta.TimedOut) as caught, pouta.all_or_nothing(practice_conn) as tag:
            pouta.volumes.create(practice_conn, "data", 1, tags=[tag])
            pouta.servers.launch(practice_conn, "web", **SMALL, timeout=0.01, tags=[tag])
        assert holdings(practice_conn)["server"] == {"web"}
        call = caught.value.hint.splitlines()[-1].split(" removes")[0]

        exec(call, {"pouta": pouta, "conn": practice_conn})

        assert holdings(practice_conn)["server"] == holdings(practice_conn)["volume"] == set()
