"""What the services of a real cloud say when they refuse, and what becomes of it."""

from __future__ import annotations

import logging
import multiprocessing
import pickle
import re
import traceback
from concurrent.futures import ProcessPoolExecutor

import pytest
from openstack.exceptions import raise_from_response

import pouta
from pouta import billing, errors, flavors, images, quotas, servers, volumes

CANARY = "canary-" * 60
NO_SERVER = "/servers/00000000-0000-0000-0000-000000000000/action"
NO_OFFER = "/volume-transfers/00000000-0000-0000-0000-000000000000/accept"
SMALL = {"image": "cirros", "flavor": "standard.tiny", "key_name": False}


def stack(value, *, template=None, **parameter):
    about = {"heat_template_version": "2018-08-31", "parameters": {"word": parameter}}
    return {"stack_name": "x", "template": template or about, "parameters": {"word": value}}


REFUSED = {
    # service, path, body: the field, and the reason
    "user data": (
        ("compute", "/servers", {"server": {"user_data": CANARY * 200, "name": "x"}}),
        ("user_data", "is too long"),
    ),
    "password": (
        ("compute", NO_SERVER, {"rescue": {"adminPass": [CANARY]}}),
        ("adminPass", "is not of type 'string'"),
    ),
    "key": (
        ("compute", "/os-keypairs", {"keypair": {"name": "x", "public_key": [CANARY]}}),
        ("public_key", "is not of type 'string'"),
    ),
    "size": (
        ("block_storage", "/volumes", {"volume": {"size": CANARY}}),
        ("size", "does not match"),
    ),
    "auth_key": (
        ("block_storage", NO_OFFER, {"accept": {"auth_key": [CANARY]}}),
        ("auth_key", "is not of type"),
    ),
    "description": (
        ("network", "/networks", {"network": {"description": CANARY}}),
        ("description", "exceeds maximum length"),
    ),
    "secret": (
        (
            "identity",
            "/users/{user}/application_credentials",
            {"application_credential": {"name": "x", "secret": [CANARY]}},
        ),
        ("secret", "is not of type 'string'"),
    ),
    "new password": (
        (
            "identity",
            "/users/{user}/password",
            {"user": {"password": [CANARY], "original_password": CANARY}},
        ),
        ("password", "is not of type 'string'"),
    ),
    "number": (
        ("orchestration", "/stacks", stack(CANARY, type="number")),
        ("word", "is not a number"),
    ),
    "word": (
        (
            "orchestration",
            "/stacks",
            stack(CANARY, type="string", constraints=[{"allowed_values": ["a"]}]),
        ),
        ("word", "is not an allowed value"),
    ),
    "template": (
        ("orchestration", "/stacks", stack("", template=f"a: b: {CANARY}")),
        ("line 1, column 5", "mapping values are not allowed here"),
    ),
    "note": (
        ("image", "/images", {"name": "x", "note": {"a": CANARY}}),
        ("image", "is not of type 'string'"),
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_refusal_names_field_and_reason_and_quotes_nothing(member, caplog, what):
    """Neither does the traceback, with openstacksdk's own exception in it, nor the DEBUG log."""
    (service, path, body), words = REFUSED[what]
    caplog.set_level(logging.DEBUG)

    @errors.chore("ask")
    def ask(conn):
        user = conn.current_user_id
        raise_from_response(getattr(conn, service).post(path.format(user=user), json=body))

    with pytest.raises(pouta.Refused) as caught:
        ask(member)
    assert all(word in caught.value.message for word in words), caught.value
    assert caught.value.__cause__ is not None
    told = "".join(traceback.format_exception(caught.value))
    assert "canary" not in told + repr(caught.value)
    assert "\n" not in str(caught.value)
    assert re.fullmatch(r"req-[\w-]{36}", caught.value.request_id)
    answers = [record.getMessage() for record in caplog.records if "RESP" in record.getMessage()]
    assert answers
    assert "canary" not in "".join(answers)


@pytest.mark.parametrize(
    "service", ["compute", "block_storage", "network", "image", "orchestration", "object_store"]
)
def test_every_service_names_the_request_that_it_refused(member, service):
    @errors.chore("ask")
    def ask(conn):
        raise_from_response(getattr(conn, service).get("/nothing-of-the-kind"))

    with pytest.raises(pouta.PoutaError) as caught:
        ask(member)
    assert re.match(r"(req-|tx)[\w-]{20}", caught.value.request_id)


def test_an_error_of_pouta_over_an_answer_names_the_request(practice_conn):
    volume = volumes.create(practice_conn, "data", 1)
    offer = volumes.transfer(practice_conn, volume)
    with pytest.raises(pouta.Refused, match="does not fit") as caught:
        volumes.accept(practice_conn, offer.id, "wrong")
    assert caught.value.request_id.startswith("req-")
    volumes.cancel_transfer(practice_conn, volume)
    with pytest.raises(pouta.AuthenticationError) as caught:
        pouta.connect(auth={**practice_conn.config.config["auth"], "password": "wrong"})
    assert caught.value.request_id.startswith("req-")


def test_a_name_that_steers_a_terminal_does_not_reach_it(practice_conn, capfd, monkeypatch, caplog):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    name = "a\x1b[31m\u202eb\nLeft behind: nothing"
    disk = practice_conn.block_storage.create_volume(name=name, size=1)
    practice_conn.block_storage.wait_for_status(disk, interval=0.5)
    with pytest.raises(pouta.NotFound) as caught:
        volumes.find(practice_conn, "a")
    assert all(line.isprintable() for line in str(caught.value).split("\n"))
    assert "\nLeft behind" not in str(caught.value)
    volumes.extend(practice_conn, disk, 2)
    assert str(volumes.list(practice_conn)).count("\n") == 1
    out = capfd.readouterr()
    written = (out.out + out.err).replace("\x1b[K", "")
    assert "extended" in written or "volume" in written
    assert "\x1b" not in written
    assert "\u202e" not in written + caplog.text
    assert "\nLeft behind" not in written


def test_what_chores_return_goes_to_another_process(practice_conn):
    server = servers.launch(practice_conn, "web", **SMALL)
    plan = servers.launch(practice_conn, "db", dry_run=True, **SMALL)
    things = [
        server,
        servers.list(practice_conn),
        images.list(practice_conn),
        flavors.list(practice_conn),
        quotas.show(practice_conn),
        billing.estimate(practice_conn),
        plan,
        servers.diagnose(practice_conn, server),
        pouta.networks.default(practice_conn),
        pouta.identity.whoami(practice_conn),
        pouta.security_groups.list(practice_conn),
    ]
    password = practice_conn.config.config["auth"]["password"].encode()
    for thing in things:
        sent = pickle.dumps(thing)
        there = pickle.loads(sent)
        assert type(there) is type(thing)
        assert (repr(there), str(there)) == (repr(thing), str(thing))
        assert password not in sent
    there = pickle.loads(pickle.dumps(server))
    assert servers.stop(practice_conn, there).status == "SHUTOFF"
    assert pickle.loads(pickle.dumps(plan)).fits_quota is True
    assert things[5].total_per_hour == pickle.loads(pickle.dumps(things[5])).total_per_hour


def _list(auth):
    conn = pouta.connect(auth=auth, region_name="regionOne")
    return flavors.list(conn, min_vcpus=2), flavors.find(conn, "standard.tiny")


def _fail(auth):
    conn = pouta.connect(auth=auth, region_name="regionOne")
    server = servers.launch(conn, "web", **SMALL)
    servers.launch(conn, server.name, **SMALL)


def test_workers_in_processes_of_their_own_hand_back_what_they_have_and_what_went_wrong(
    practice_conn,
):
    auth = practice_conn.config.config["auth"]
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawned) as pool:
        table, flavor = pool.submit(_list, auth).result(timeout=120)
        assert str(table) == str(flavors.list(practice_conn, min_vcpus=2))
        assert flavor.id == flavors.find(practice_conn, "standard.tiny").id
        with pytest.raises(pouta.Refused, match="'web'") as caught:
            pool.submit(_fail, auth).result(timeout=120)
    there = servers.find(practice_conn, "web")
    assert caught.value.resource.id == there.id
    assert caught.value.hint
