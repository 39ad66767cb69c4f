"""Logins for programs: application credentials in clouds.yaml, and EC2 keys."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime, timedelta, timezone

import pytest
import yaml
from openstack.config import loader

import pouta
from pouta import identity, object_store
from tests.proxy import LOSE
from tests.wire import answer_lost, recorded


@pytest.fixture
def here(home, tmp_path, monkeypatch):
    """An empty current folder; clouds.yaml is looked for in this home."""
    monkeypatch.chdir(tmp_path)
    config = home / ".config" / "openstack"
    monkeypatch.setattr(loader, "CONFIG_SEARCH_PATH", [str(tmp_path), str(config)])
    return config / "clouds.yaml"


def names(conn):
    return [known.name for known in identity.list_application_credentials(conn)]


def test_a_credential_is_saved_and_logs_in(practice_conn, here):
    whose = identity.whoami(practice_conn)
    made = identity.create_application_credential(
        practice_conn, "nightly", expires_at=timedelta(days=30), save_as="night"
    )
    assert made.project_id == whose.project_id
    assert made.secret
    assert made.secret not in repr(made)
    assert here.stat().st_mode & 0o777 == 0o600
    assert here.parent.stat().st_mode & 0o777 == 0o700
    assert [file.name for file in here.parent.iterdir()] == ["clouds.yaml"]

    conn = pouta.connect("night")
    now = identity.whoami(conn)
    assert (now.user_id, now.project_id) == (whose.user_id, whose.project_id)
    with pytest.raises(pouta.Refused, match="cannot make another"):
        identity.create_application_credential(conn, "child")
    conn.close()

    table = identity.list_application_credentials(practice_conn)
    assert "this" in str(table)
    assert made.secret not in str(table)
    assert table[0].secret == ""
    assert table[0].expires_at == made.expires_at
    with pytest.raises(pouta.Refused, match="'nightly' already"):
        identity.create_application_credential(practice_conn, "nightly")

    identity.delete_application_credential(practice_conn, "nightly")
    assert names(practice_conn) == []
    with pytest.raises(pouta.AuthenticationError, match="application credential"):
        pouta.connect("night")


def test_what_a_lost_answer_made_is_known_all_the_same(practice_conn, here):
    with answer_lost("POST", "/application_credentials"):
        identity.create_application_credential(practice_conn, "nightly", save_as="night")
    assert names(practice_conn) == ["nightly"]
    pouta.connect("night").close()


def test_access_rules_are_all_that_it_may_do(practice_conn, here):
    made = identity.create_application_credential(
        practice_conn,
        "watcher",
        access_rules=[
            "compute GET /v2.1/servers/detail",
            {"service": "volumev3", "method": "GET", "path": "/v3/*/volumes/**"},
        ],
        save_as="watcher",
    )
    assert made.access_rules[0] == "compute GET /v2.1/servers/detail"
    conn = pouta.connect("watcher")
    try:
        assert pouta.servers.list(conn) == []
        assert [*conn.block_storage.volumes()] == []
        with pytest.raises(pouta.AuthenticationError, match="access rules leave out"):
            pouta.flavors.list(conn)
        with pytest.raises(pouta.AuthenticationError) as caught:
            object_store.list(conn)
        assert "access rules" in str(caught.value)
        assert "Allas" in caught.value.hint
    finally:
        conn.close()


CLOUDS = """\
# my clouds
clouds:  # all of them
    # the first
    csc:
        auth: {auth_url: "https://pouta.csc.fi:5001/v3", username: me, password: geheim}
        region_name: regionOne

# unrelated
other: 1
"""


def test_the_rest_of_clouds_yaml_stays_as_it_is(practice_conn, here):
    here.parent.mkdir(parents=True)
    here.write_text(CLOUDS)
    here.chmod(0o644)
    with pytest.raises(pouta.Refused, match=r"cloud 'csc' in .* already"):
        identity.create_application_credential(practice_conn, "a", save_as="csc")
    assert names(practice_conn) == []
    assert here.read_text() == CLOUDS

    identity.create_application_credential(practice_conn, "a", save_as="my: cloud")
    text = here.read_text()
    assert [line for line in text.splitlines() if line in CLOUDS.splitlines()] == (
        CLOUDS.splitlines()
    )
    held = yaml.safe_load(text)
    assert [*held["clouds"]] == ["my: cloud", "csc"]
    assert held["other"] == 1
    assert here.stat().st_mode & 0o777 == 0o600
    pouta.connect("my: cloud").close()


@pytest.mark.parametrize("text", ["", "clouds:\n", "# nothing\n", "other: 1", "---\nclouds:"])
def test_a_file_without_clouds_gets_its_first(practice_conn, here, text):
    here.parent.mkdir(parents=True)
    here.write_text(text)
    identity.create_application_credential(practice_conn, "a", save_as="mine")
    assert [*yaml.safe_load(here.read_text())["clouds"]] == ["mine"]


@pytest.mark.parametrize("text", ["clouds: {a: {auth: {}}}", "clouds: [", "- 1", "clouds: geheim"])
def test_a_file_that_cannot_be_added_to_costs_nothing(practice_conn, here, text):
    here.parent.mkdir(parents=True)
    here.write_text(text)
    with pytest.raises(pouta.ConfigurationError) as caught:
        identity.create_application_credential(practice_conn, "a", save_as="mine")
    assert "geheim" not in "".join(traceback.format_exception(caught.value))
    assert here.read_text() == text
    assert names(practice_conn) == []


def test_another_file_or_another_folder(practice_conn, here, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr("pouta.progress.say", said.append)
    elsewhere = tmp_path / "keys" / "clouds.yaml"
    identity.create_application_credential(practice_conn, "a", save_as="x", path=elsewhere)
    assert elsewhere.stat().st_mode & 0o777 == 0o600
    assert not here.exists()
    (tmp_path / "clouds.yaml").write_text("clouds: {}")
    said.clear()
    identity.create_application_credential(practice_conn, "b", save_as="y")
    assert "In this folder" in said[0]
    with pytest.raises(pouta.InvalidInput, match=r"not a \.yaml file"):
        identity.create_application_credential(practice_conn, "c", save_as="z", path="~/.ssh/id")


@pytest.mark.parametrize("place", ["/proc/clouds.yaml", "/dev/null/x/clouds.yaml", "a\0.yaml"])
def test_a_file_that_cannot_be_written_costs_nothing(member, no_requests, place):
    with pytest.raises((pouta.ConfigurationError, pouta.InvalidInput)):
        identity.create_application_credential(member, "a", save_as="mine", path=place)


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ("2099-01-31", datetime(2099, 1, 31, tzinfo=UTC)),
        ("2099-01-31T12:00", datetime(2099, 1, 31, 12, tzinfo=UTC)),
        ("2099-01-31T12:00+02:00", datetime(2099, 1, 31, 10, tzinfo=UTC)),
        (
            datetime(2099, 1, 31, 12, tzinfo=timezone(timedelta(hours=3))),
            datetime(2099, 1, 31, 9, tzinfo=UTC),
        ),
    ],
)
def test_when_it_ends_is_utc(practice_conn, given, seen):
    identity.create_application_credential(practice_conn, "a", expires_at=given)
    (known,) = identity.list_application_credentials(practice_conn)
    assert known.expires_at == seen


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"expires_at": datetime(2099, 1, 1)}, "time zone"),
        ({"expires_at": "tomorrow"}, "is like"),
        ({"expires_at": "2020-01-01"}, "is over: 2020-01-01 00:00 UTC"),
        ({"expires_at": timedelta(0)}, "over"),
        ({"access_rules": []}, "do nothing"),
        ({"access_rules": ["compute /v2.1/servers"]}, "no access rule"),
        ({"access_rules": ["compute get /v2.1/servers"]}, "no access rule"),
        ({"access_rules": [{"service": "compute"}]}, "no access rule"),
        ({"save_as": " "}, "no name for a cloud"),
    ],
    ids=str,
)
def test_what_cannot_be_costs_no_request(member, no_requests, home, wrong, problem):
    with pytest.raises(pouta.InvalidInput, match=problem):
        identity.create_application_credential(member, "a", **wrong)


def test_ec2_keys_of_this_project_only(practice_conn, practice_cloud):
    user = practice_conn.current_user_id
    admin = practice_cloud.admin
    own = practice_conn.current_project_id
    elsewhere = admin.identity.create_project(name=f"other-{own}", domain_id="default")
    try:
        made = admin.identity.post(
            f"/users/{user}/credentials/OS-EC2", json={"tenant_id": elsewhere.id}
        )
        if made.status_code == 201:
            foreign = made.json()["credential"]["access"]
        else:  # the user has to be a member there first
            member = next(role for role in admin.identity.roles() if role.name == "member")
            admin.identity.assign_project_role_to_user(elsewhere, user, member)
            made = admin.identity.post(
                f"/users/{user}/credentials/OS-EC2", json={"tenant_id": elsewhere.id}
            )
            foreign = made.json()["credential"]["access"]

        with answer_lost("POST", "/OS-EC2"):
            pair = identity.create_ec2_credentials(practice_conn)
        assert pair.project_id == own
        assert pair.secret not in repr(pair)
        table = identity.list_ec2_credentials(practice_conn)
        assert [known.access for known in table] == [pair.access]
        assert table[0].secret == pair.secret
        assert pair.secret not in str(table)

        with recorded() as requests, pytest.raises(pouta.NotFound):
            identity.delete_ec2_credentials(practice_conn, foreign)
        assert not [request for request in requests if request.startswith("DELETE")]
        identity.delete_ec2_credentials(practice_conn, pair)
        left = practice_conn.identity.get(f"/users/{user}/credentials/OS-EC2").json()
        assert [one["access"] for one in left["credentials"]] == [foreign]
    finally:
        admin.identity.delete_project(elsewhere)


def test_ec2_keys_whose_deletion_got_no_answer_are_deleted(conn, proxy):
    pair = identity.create_ec2_credentials(conn)
    lost = iter([LOSE])
    proxy.fault = lambda request: next(lost, None) if request.method == "DELETE" else None
    identity.delete_ec2_credentials(conn, pair)
    assert next(lost, None) is None
    assert identity.list_ec2_credentials(conn) == []
