"""The proxy through which other tests look at requests, and break them."""

from __future__ import annotations

import time

import pytest
import requests

import pouta
from tests.proxy import CUT, EMPTY, GATEWAY, LOSE, RESET, Fault, Proxy, refuse


@pytest.fixture
def token(member) -> dict[str, str]:
    return {"X-Auth-Token": member.auth_token}


def url(proxy: Proxy, member, path: str) -> str:
    return proxy.rewritten(member.endpoint_for("compute")) + path


def test_everything_goes_through_it_and_is_counted(proxy, member):
    conn = proxy.connect(member.config.config["auth"])
    names = {flavor.name for flavor in pouta.flavors.list(conn)}

    assert names == {flavor.name for flavor in member.compute.flavors()}
    asked = [(seen.service, seen.method, seen.status) for seen in proxy.seen]
    assert ("identity", "POST", 201) in asked
    assert ("compute", "GET", 200) in asked
    assert all(port not in conn.endpoint_for("compute") for port in map(str, proxy.ports.values()))


def test_a_body_of_some_megabytes_comes_back_as_it_went(proxy, member):
    conn = proxy.connect(member.config.config["auth"])
    data = bytes(range(256)) * 12_000
    conn.object_store.create_container(name="proxied")
    conn.object_store.upload_object("proxied", "data", data=data)
    try:
        assert conn.object_store.download_object("data", "proxied") == data
        assert conn.object_store.get_object_metadata("data", "proxied").content_length == len(data)
    finally:
        conn.object_store.delete_object("data", container="proxied")
        conn.object_store.delete_container("proxied")


@pytest.mark.parametrize("fault", [RESET, LOSE])
def test_a_connection_breaks_before_or_after_the_cloud_acted(proxy, member, token, fault):
    proxy.fault = lambda request: fault
    body = {"keypair": {"name": "proxied", "public_key": "ssh-ed25519 AAAA"}}
    before = len(proxy.seen)
    with pytest.raises(requests.ConnectionError):
        requests.post(url(proxy, member, "/os-keypairs"), json=body, headers=token, timeout=9)
    assert len(proxy.seen) == before + 1
    assert proxy.seen[-1].fault is fault


def test_an_answer_is_cut_short(proxy, member, token):
    proxy.fault = lambda request: CUT
    with pytest.raises(requests.RequestException):
        requests.get(url(proxy, member, "/flavors/detail"), headers=token, timeout=9)


def test_the_cloud_refuses_for_a_while(proxy, member, token):
    proxy.fault = lambda request: refuse(429, retry_after=7)
    answer = requests.get(url(proxy, member, "/flavors"), headers=token, timeout=9)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")


def test_a_listing_comes_without_its_members(proxy, member, token):
    proxy.fault = lambda request: EMPTY
    listed = requests.get(url(proxy, member, "/flavors"), headers=token, timeout=9)
    assert (listed.status_code, listed.json()) == (200, {"flavors": []})
    flavor = next(member.compute.flavors())
    shown = requests.get(url(proxy, member, f"/flavors/{flavor.id}"), headers=token, timeout=9)
    assert shown.json()["flavor"]["name"] == flavor.name


def test_a_gateway_says_that_what_was_done_failed(proxy, member, token):
    proxy.fault = lambda request: GATEWAY if request.method == "PUT" else None
    store = proxy.rewritten(member.endpoint_for("object-store"))
    made = requests.put(f"{store}/proxied", headers=token, timeout=9)
    proxy.fault = lambda request: None
    gone = requests.delete(f"{store}/proxied", headers=token, timeout=9)
    assert (made.status_code, gone.status_code) == (504, 204)


def test_a_round_trip_is_added(proxy, member, token):
    proxy.round_trip = 0.2
    with requests.Session() as session:
        began = time.monotonic()
        session.get(url(proxy, member, "/flavors"), headers=token, timeout=9)
        session.get(url(proxy, member, "/flavors"), headers=token, timeout=9)
    assert time.monotonic() - began >= 0.6  # one of them for the connection
    proxy.round_trip = 0
    proxy.fault = lambda request: Fault(delay=0.3)
    began = time.monotonic()
    requests.get(url(proxy, member, "/flavors"), headers=token, timeout=9)
    assert time.monotonic() - began >= 0.3
