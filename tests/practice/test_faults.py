"""The whole chore or nothing of it, and the truth about which, whatever breaks on the way."""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from openstack.orchestration.v1.stack import Stack

import pouta
from pouta import networks
from pouta.kinds import ROUTER
from tests.campaigns import faults, ground, kills
from tests.campaigns.faults import IMAGE
from tests.campaigns.ground import new
from tests.proxy import CUT, GATEWAY, LATE, LOSE, RESET, Fault, Proxy, Request, once, posts, refuse

WANTED = {"image": IMAGE, "flavor": "standard.tiny", "key_name": False}
WHOLE = {**WANTED, "floating_ip": True, "volumes": [1]}
EMPTY = {"heat_template_version": "2021-04-16", "resources": {}}


def each_first(proxy: Proxy, fault: Fault) -> list[str]:
    """The first of each kind of create goes wrong; the kinds are returned as they come."""
    hit: list[str] = []

    def strike(request: Request) -> Fault | None:
        kind = request.path.split("/")[-1]
        if request.method == "GET" or request.service == "identity" or kind in hit:
            return None
        hit.append(kind)
        return fault

    proxy.fault = strike
    return hit


def at_the_end(
    last_write: Callable[[Request], bool], reads: Callable[[Request], bool], status: int = 500
) -> Callable[[Request], Fault | None]:
    """What is read once for the answer, after all is done, cannot be read."""
    state = {"written": False, "read": False}

    def strike(request: Request) -> Fault | None:
        if state["written"] and not state["read"] and request.method == "GET" and reads(request):
            state["read"] = True
            return refuse(status)
        state["written"] |= request.method != "GET" and last_write(request)
        return None

    return strike


def without_network(conn) -> None:
    for router in conn.network.routers():
        ROUTER.delete(conn, router.id)
    conn.network.delete_network(networks.default(conn))


def left_behind(practice_conn, before):
    return {
        kind: {*things} for kind, things in new(before, ground.at_rest(practice_conn)[0]).items()
    }


NOTHING = {kind.noun: set() for kind in ground.KINDS}


# At random


@pytest.mark.timeout(900)
def test_launches_in_storms(practice_cloud):
    outcomes = faults.campaign(practice_cloud.directory, range(1, 13), seed=20)
    assert [str(outcome) for outcome in outcomes if outcome.wrong] == []
    assert all(outcome.hit for outcome in outcomes)
    assert {outcome.ended == "returned" for outcome in outcomes} == {True, False}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_clients_that_are_ended_in_the_middle(practice_cloud, end):
    trial = partial(kills.trial, seed=20, end=end)
    outcomes = ground.in_projects(practice_cloud.directory, trial, range(1, 7))
    assert [str(outcome) for outcome in outcomes if outcome.wrong] == []
    assert any("ended by" in outcome.ended for outcome in outcomes)


# One by one


@pytest.mark.parametrize(
    "fault", [LOSE, CUT, GATEWAY, LATE], ids=["lost", "cut", "gateway", "late"]
)
def test_every_create_whose_answer_does_not_come_is_made_once(
    proxy, conn, practice_conn, before, fault
):
    hit = each_first(proxy, fault)
    pouta.servers.launch(conn, "web", **WHOLE)
    proxy.deliver()
    made = new(before, ground.at_rest(practice_conn)[0])
    assert {"servers", "volumes", "floatingips", "os-volume_attachments"} <= {*hit}
    assert faults.incomplete(made) == ""
    assert {len(things) for things in made.values()} == {1}


@pytest.mark.parametrize("fault", [LOSE, GATEWAY], ids=["lost", "gateway"])
def test_a_network_of_which_every_answer_is_lost_is_made_once(proxy, conn, practice_conn, fault):
    without_network(practice_conn)
    hit = each_first(proxy, fault)
    made = networks.ensure_default(conn)
    assert {"networks", "subnets", "routers", "add_router_interface"} <= {*hit}
    assert len(made.subnet_ids) == len([*practice_conn.network.routers()]) == 1
    proxy.fault = lambda request: None
    assert pouta.servers.launch(conn, "web", **WANTED, floating_ip=True).status == "ACTIVE"


def test_a_network_that_cannot_be_finished_is_taken_back(proxy, conn, practice_conn):
    without_network(practice_conn)
    proxy.fault = at_the_end(
        lambda r: "add_router" in r.path, lambda r: "/networks/" in r.path, status=403
    )
    with pytest.raises(pouta.Refused) as caught:
        networks.ensure_default(conn)
    assert caught.value.leftovers == []
    assert [*practice_conn.network.routers()] == []
    assert {network.name for network in practice_conn.network.networks()} == {"public"}


def test_the_cloud_says_when_to_ask_again(proxy, conn, practice_conn, before):
    once(proxy, posts("/servers"), refuse(429, retry_after=3))
    pouta.servers.launch(conn, "web", **WANTED)
    first, second = [request for request in proxy.seen if posts("/servers")(request)]
    assert (first.status, second.status) == (429, 202)
    assert second.began - first.ended >= 3
    assert len(left_behind(practice_conn, before)["server"]) == 1


def test_an_answer_that_breaks_off_is_asked_for_again(proxy, conn):
    once(proxy, lambda request: "/flavors" in request.path, CUT)
    assert pouta.flavors.find(conn, "standard.tiny").vcpus == 1
    proxy.fault = lambda request: CUT
    with pytest.raises(pouta.Unreachable, match="no answer from the cloud"):
        pouta.flavors.find(conn, "standard.tiny")


def test_a_failure_at_the_very_last_request_is_undone(proxy, conn, practice_conn, before):
    attached = posts("/os-volume_attachments")
    proxy.fault = at_the_end(attached, lambda r: r.service == "compute", 403)
    with pytest.raises(pouta.Refused) as caught:
        pouta.servers.launch(conn, "web", **WHOLE)
    assert caught.value.leftovers == []
    assert left_behind(practice_conn, before) == NOTHING
    proxy.fault = at_the_end(attached, lambda r: r.service == "compute", 500)
    assert len(pouta.servers.launch(conn, "web", **WHOLE).attached_volumes) == 1


def test_a_timeout_lists_all_that_is_there(proxy, conn, practice_conn, before):
    proxy.fault = lambda request: (
        refuse(503) if request.method == "GET" and "/volumes" in request.path else None
    )
    with pytest.raises(pouta.TimedOut) as caught:
        pouta.servers.launch(conn, "web", **WHOLE, timeout=12)
    there = left_behind(practice_conn, before)
    listed = {leftover.id for leftover in caught.value.leftovers}
    assert listed == there["server"] | there["volume"] | there["floating IP"]
    assert all(id in str(caught.value) for id in listed)


def test_what_cannot_be_removed_is_listed(proxy, conn, practice_conn, before):
    proxy.fault = lambda request: (
        refuse(403)
        if request.method == "DELETE" or posts("/os-volume_attachments")(request)
        else None
    )
    with pytest.raises(pouta.Refused) as caught:
        pouta.servers.launch(conn, "web", **WHOLE)
    there = left_behind(practice_conn, before)
    assert {(leftover.kind, leftover.id) for leftover in caught.value.leftovers} == {
        (kind, id) for kind, ids in there.items() for id in ids if kind != "port"
    }


def test_ctrl_c_before_all_of_a_fleet_is_known(proxy, conn, practice_conn, before):
    def press() -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    def strike(request: Request) -> None:
        asked = any(posts("/servers")(seen) for seen in proxy.seen)
        if asked and "/servers/detail" in request.path and not pressed:
            pressed.append(True)
            press()

    pressed: list[bool] = []
    proxy.fault = strike
    with pytest.raises(KeyboardInterrupt) as caught:
        pouta.servers.launch_many(conn, "node", 3, **WANTED)
    assert caught.value.__notes__ == ["pouta: what was made is removed."]
    assert left_behind(practice_conn, before) == NOTHING


# Who one is


def test_a_service_that_does_not_know_the_token_is_told_a_new_one(
    proxy, conn, practice_conn, before
):
    once(proxy, posts("/volumes"), refuse(401))
    logins = len([r for r in proxy.seen if posts("/auth/tokens")(r)])
    pouta.servers.launch(conn, "web", **WHOLE)
    assert len([r for r in proxy.seen if posts("/auth/tokens")(r)]) == logins + 1
    assert faults.incomplete(new(before, ground.at_rest(practice_conn)[0])) == ""


def test_a_token_that_is_revoked_in_the_middle(proxy, conn, practice_conn, practice_cloud, before):
    token = conn.session.get_token()

    def revoke() -> None:
        practice_cloud.admin.identity.delete("/auth/tokens", headers={"X-Subject-Token": token})

    # A service that has met a token before goes on taking it for some minutes.
    once(proxy, lambda request: request.service == "volume", None, revoke)
    pouta.servers.launch(conn, "web", **WHOLE)
    assert faults.incomplete(new(before, ground.at_rest(practice_conn)[0])) == ""
    assert conn.session.get_token() != token


def test_a_credential_that_has_expired_is_told_in_words(proxy, practice_conn, before):
    made = pouta.identity.create_application_credential(
        practice_conn, "short", expires_at=timedelta(seconds=4)
    )
    login = {
        "auth_url": practice_conn.config.config["auth"]["auth_url"],
        "application_credential_id": made.id,
        "application_credential_secret": made.secret,
    }
    conn = proxy.connect(login, auth_type="v3applicationcredential")
    time.sleep(5)
    conn.session.invalidate()
    with pytest.raises(pouta.AuthenticationError, match="Log in again"):
        pouta.servers.launch(conn, "web", **WANTED)
    assert left_behind(practice_conn, before) == NOTHING
    conn.close()


# What really happens in clouds


def test_a_quota_that_is_full_half_way(proxy, conn, practice_conn):
    outside = networks.external(practice_conn)

    def somebody_takes_them() -> None:
        for _ in range(2):
            practice_conn.network.create_ip(floating_network_id=outside.id)

    once(proxy, posts("/servers"), None, somebody_takes_them)
    with pytest.raises(pouta.QuotaExceeded, match="floating IPs: 2 of 2 used") as caught:
        pouta.servers.launch(conn, "web", **WHOLE)
    assert caught.value.leftovers == []
    left = ground.at_rest(practice_conn)[0]
    assert [len(left[kind.noun]) for kind in ground.KINDS] == [0, 0, 2, 0]


def test_a_volume_that_goes_to_error(proxy, conn, practice_conn, practice_cloud, before):
    def break_it() -> None:
        (volume,) = practice_conn.block_storage.volumes()
        practice_cloud.admin.block_storage.reset_volume_status(volume, "error")

    once(proxy, posts("/floatingips"), None, break_it)
    with pytest.raises(pouta.Failed, match="went to error") as caught:
        pouta.servers.launch(conn, "web", **WHOLE)
    assert caught.value.leftovers == []
    assert left_behind(practice_conn, before) == NOTHING


UUID_AT_THE_END = re.compile(r"/[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$")


def not_yet_everywhere(proxy: Proxy) -> list[str]:
    """What the cloud has just made is not found the first time that it is asked for."""
    hit: list[str] = []
    written = False

    def strike(request: Request) -> Fault | None:
        nonlocal written
        path = request.path.split("?")[0]
        written |= request.method != "GET" and request.service != "identity"
        if not written or request.method != "GET" or path in hit:
            return None
        if not UUID_AT_THE_END.search(path):
            return None
        hit.append(path)
        return refuse(404)

    proxy.fault = strike
    return hit


@pytest.mark.parametrize(
    "make",
    [
        lambda conn, file: pouta.servers.launch(conn, "next", **WHOLE),
        lambda conn, file: pouta.servers.launch(conn, "next", **WANTED, wait=False),
        lambda conn, file: pouta.servers.snapshot(conn, "web", "copy"),
        lambda conn, file: pouta.floating_ips.attach(conn, "web"),
        lambda conn, file: pouta.volumes.create(conn, "data", 1),
        lambda conn, file: pouta.volumes.snapshot(conn, "web-volume-1", "then", force=True),
        lambda conn, file: pouta.images.upload(conn, file, "disk"),
        lambda conn, file: pouta.stacks.create(conn, "heap", EMPTY),
    ],
    ids=["launch", "no wait", "snapshot", "address", "volume", "volume snapshot", "image", "stack"],
)
def test_one_not_found_about_a_thing_just_made_is_no_news(conn, proxy, tmp_path, make):
    """Several workers and databases answer, and not all of them know of it yet."""
    pouta.servers.launch(conn, "web", **WANTED, volumes=[1])
    file = tmp_path / "disk.raw"
    file.write_bytes(b"x" * 1000)
    hit = not_yet_everywhere(proxy)
    made = make(conn, file)
    proxy.fault = lambda request: None
    assert hit or isinstance(made, Stack)  # Heat is asked for its list
    assert made.id


def test_a_refused_rebuild_is_refused_although_the_server_is_at_work(conn, practice_conn, proxy):
    """Nova answers 409 because somebody else takes a snapshot: the server is busy, not with us."""
    web = pouta.servers.launch(conn, "web", **WANTED)

    def take_a_snapshot() -> None:
        practice_conn.compute.create_server_image(web.id, "theirs")

    once(proxy, posts("/action"), refuse(409), act=take_a_snapshot)
    with pytest.raises(pouta.Refused, match="HTTP 409"):
        pouta.servers.rebuild(conn, "web", allow_data_loss=True)
    journal = [entry.action for entry in conn.compute.server_actions(web.id)]
    assert "createImage" in journal
    assert "rebuild" not in journal


@pytest.mark.parametrize("fault", [RESET, LOSE, GATEWAY], ids=["reset", "lose", "gateway"])
def test_a_rebuild_whose_answer_is_lost_happens_once(conn, proxy, fault):
    web = pouta.servers.launch(conn, "web", **WANTED)
    once(proxy, posts("/action"), fault)
    pouta.servers.rebuild(conn, "web", allow_data_loss=True)
    journal = [entry.action for entry in conn.compute.server_actions(web.id)]
    assert journal.count("rebuild") == 1


@pytest.mark.parametrize("wait", [True, False])
def test_a_login_that_ends_in_the_middle_leaves_what_was_asked_for(conn, proxy, wait):
    server = pouta.servers.launch(conn, "web", **WANTED)
    stopping: list[Request] = []

    def strike(request: Request) -> Fault | None:
        stopping.extend([request] if request.path.endswith("/action") else [])
        return refuse(401) if stopping and request is not stopping[0] else None

    proxy.fault = strike
    with pytest.raises(pouta.Failed, match=r"HTTP 401.*before that goes on") as caught:
        pouta.servers.stop(conn, "web", wait=wait)
    proxy.fault = lambda request: None
    assert caught.value.resource.id == server.id
    assert pouta.servers.stop(conn, "web").status == "SHUTOFF"
    assert sum(request.path.endswith("/action") for request in proxy.seen) == 1
