"""A researcher logs in to a real Keystone, with every kind of file and every likely mistake."""

import json
import logging
import os
import pty
import secrets
import subprocess
import sys
import time
import traceback
from datetime import UTC, datetime, timedelta

import pytest
from openstack.config import loader

import pouta
from pouta.practice.folder import MARK, Folder

# As Horizon gives it out.
OPENRC = """\
#!/usr/bin/env bash
export OS_AUTH_URL={auth_url}
export OS_PROJECT_ID={project_id}
export OS_PROJECT_NAME="{project_name}"
export OS_USER_DOMAIN_NAME="Default"
if [ -z "$OS_USER_DOMAIN_NAME" ]; then unset OS_USER_DOMAIN_NAME; fi
export OS_PROJECT_DOMAIN_ID="default"
if [ -z "$OS_PROJECT_DOMAIN_ID" ]; then unset OS_PROJECT_DOMAIN_ID; fi
unset OS_TENANT_ID
unset OS_TENANT_NAME
export OS_USERNAME="{username}"
echo "Please enter your OpenStack Password for project $OS_PROJECT_NAME as user $OS_USERNAME: "
read -sr OS_PASSWORD_INPUT
export OS_PASSWORD=$OS_PASSWORD_INPUT
export OS_REGION_NAME="regionOne"
if [ -z "$OS_REGION_NAME" ]; then unset OS_REGION_NAME; fi
export OS_INTERFACE=public
export OS_IDENTITY_API_VERSION=3
"""
CREDENTIAL_OPENRC = """\
#!/usr/bin/env bash

export OS_AUTH_TYPE=v3applicationcredential
export OS_AUTH_URL={auth_url}
export OS_IDENTITY_API_VERSION=3
export OS_REGION_NAME="regionOne" # Depends if you are using cPouta or ePouta
export OS_INTERFACE=public
export OS_APPLICATION_CREDENTIAL_ID={id}
export OS_APPLICATION_CREDENTIAL_SECRET={secret}
"""


@pytest.fixture
def me(practice_cloud):
    """What the user of the practice cloud logs in with."""
    conn = practice_cloud.connection
    return conn.config.config["auth"] | {"project_id": conn.current_project_id}


@pytest.fixture
def openrc(me, tmp_path):
    file = tmp_path / f"{me['project_name']}-openrc.sh"
    file.write_text(OPENRC.format(**me))
    return file


@pytest.fixture
def make_credential(practice_cloud):
    """Makes an application credential, which goes with the test."""
    conn, made = practice_cloud.connection, []

    def make(**settings):
        name = f"connect-{secrets.token_hex(4)}"
        user = conn.current_user_id
        made.append(conn.identity.create_application_credential(user, name, **settings))
        return made[-1]

    yield make
    for credential in made:
        conn.identity.delete_application_credential(conn.current_user_id, credential)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """No clouds.yaml but those of the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loader, "CONFIG_SEARCH_PATH", [str(tmp_path)])


def refused(kind, hidden, *arguments, **options):
    """What connect() says, without a secret in it."""
    with pytest.raises(kind) as caught:
        pouta.connect(*arguments, **options)
    said = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert not [secret for secret in hidden if secret in said]
    return str(caught.value)


def test_the_file_of_the_dashboard(me, openrc):
    conn = pouta.connect(openrc=openrc, password=me["password"])
    assert conn.current_project_id == me["project_id"]
    assert conn.config.get_region_name() == "regionOne"
    assert "standard.tiny" in [flavor.name for flavor in conn.compute.flavors()]


def test_the_password_is_typed(me, openrc):
    code = f"import pouta; print(pouta.connect(openrc={str(openrc)!r}).current_project_id)"
    ours, theirs = pty.openpty()
    asking = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=theirs,
        stderr=theirs,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    os.close(theirs)
    asked = b""
    while not asked.endswith(b": "):
        asked += os.read(ours, 100)
    assert f"Password of user '{me['username']}'".encode() in asked
    os.write(ours, f"{me['password']}\n".encode())
    said, _ = asking.communicate(timeout=20)
    os.close(ours)
    assert said.strip() == me["project_id"]


def test_an_application_credential_in_a_shell_that_has_another_login(
    make_credential, me, openrc, tmp_path, monkeypatch
):
    credential = make_credential()
    file = tmp_path / "credential-openrc.sh"
    file.write_text(
        CREDENTIAL_OPENRC.format(**me, **{key: credential[key] for key in ("id", "secret")})
    )
    for name in ("username", "password", "project_name", "project_id", "user_domain_name"):
        monkeypatch.setenv(f"OS_{name.upper()}", "another's")
    assert pouta.connect(openrc=file).current_project_id == me["project_id"]
    for line in file.read_text().splitlines():
        name, _, value = line.removeprefix("export ").partition("=")
        if name.startswith("OS_APPLICATION") or name == "OS_AUTH_URL":
            monkeypatch.setenv(name, value)
    assert pouta.connect().current_project_id == me["project_id"]


def test_an_application_credential_that_is_not_there_any_more(make_credential, practice_cloud, me):
    conn, soon = practice_cloud.connection, datetime.now(UTC) + timedelta(seconds=0.3)
    credential = make_credential(expires_at=soon.strftime("%Y-%m-%dT%H:%M:%S.%f"))
    settings = {
        "auth_url": me["auth_url"],
        "application_credential_id": credential.id,
        "application_credential_secret": credential.secret,
    }
    time.sleep(max(0, (soon - datetime.now(UTC)).total_seconds()))
    assert "expired" in refused(pouta.AuthenticationError, [credential.secret], **settings)
    conn.identity.delete_application_credential(conn.current_user_id, credential)
    assert "deleted" in refused(pouta.AuthenticationError, [credential.secret], **settings)
    swapped = settings | {"application_credential_id": credential.secret}
    assert "not there" in refused(pouta.AuthenticationError, [credential.secret], **swapped)


def test_a_wrong_password_and_a_wrong_project_are_told_apart(me, openrc):
    said = refused(pouta.AuthenticationError, ["canary"], openrc=openrc, password="canary")
    assert f"User '{me['username']}' and this password were refused" in said
    login = {"openrc": openrc, "password": me["password"], "project_name": "project_typo"}
    said = refused(pouta.AuthenticationError, [me["password"]], **login)
    assert "The password is right, but this user has no project 'project_typo'" in said
    assert f"Projects of this user: '{me['project_name']}'" in said


def test_a_wrong_path(me, openrc):
    openrc.write_text(openrc.read_text().replace("/v3", "/dashboard"))
    said = refused(
        pouta.ConfigurationError, [me["password"]], openrc=openrc, password=me["password"]
    )
    assert "There is no Keystone at" in said


def test_an_address_without_its_version(me, openrc):
    openrc.write_text(openrc.read_text().replace("/v3", ""))
    conn = pouta.connect(openrc=openrc, password=me["password"])
    assert conn.current_project_id == me["project_id"]


def test_a_cloud_at_the_end_of_a_tunnel_is_no_practice_cloud(practice_conn, home):
    login = practice_conn.config.config["auth"]
    address = login["auth_url"].replace(MARK, "")
    with pytest.warns(UserWarning, match=f"There is no TLS to {address}"):
        conn = pouta.connect(auth={**login, "auth_url": address})
    server = pouta.servers.launch(conn, "web", image="cirros", flavor="standard.tiny")
    assert {cost.per_hour for cost in pouta.billing.estimate(conn)} == {None}
    with pytest.raises(pouta.PoutaError) as caught:
        pouta.servers.wait_for_ssh(conn, server, timeout=1)
    assert "practice" not in str(caught.value)


def test_the_clouds_of_a_file(me, tmp_path, monkeypatch):
    auth = {key: value for key, value in me.items() if key != "project_id"}
    cloud = {"auth": auth, "regions": ["regionOne"]}
    (tmp_path / "clouds.yaml").write_text(json.dumps({"clouds": {"mine": cloud}}))
    assert pouta.connect().current_project_id == me["project_id"]
    clouds = {"mine": cloud, "other": {"auth": {"auth_url": "http://127.0.0.1:1"}}}
    (tmp_path / "clouds.yaml").write_text(json.dumps({"clouds": clouds}))
    monkeypatch.setenv("OS_CLOUD", "mine")
    assert pouta.connect().current_project_id == me["project_id"]
    assert "Closest: 'mine'" in refused(pouta.ConfigurationError, [me["password"]], "mien")


def test_the_practice_cloud_by_its_name(practice_cloud, monkeypatch):
    monkeypatch.setenv("POUTA_PRACTICE_DIR", str(practice_cloud.directory))
    conn = pouta.connect("practice")
    assert conn.current_project.name == "project_2001234"
    monkeypatch.setenv("OS_CLOUD", "practice")
    assert pouta.connect().current_user_id == conn.current_user_id
    assert Folder(practice_cloud.directory).clouds_yaml.exists()


def test_a_day_in_the_log_holds_no_secret(me, openrc, make_credential, caplog):
    credential = make_credential()
    for name in [None, *logging.root.manager.loggerDict]:
        if name is None or name.startswith(("pouta", "openstack", "keystoneauth", "urllib3")):
            caplog.set_level(1, logger=name)
    conn = pouta.connect(openrc=openrc, password=me["password"])
    [*conn.compute.servers()]
    hidden = [me["password"], credential.secret, conn.session.get_token()]
    refused(pouta.AuthenticationError, hidden, openrc=openrc, password="canary")
    refused(pouta.PoutaError, hidden, openrc=openrc, password=me["password"], project_name="typo")
    script = pouta.connect(
        auth_url=me["auth_url"],
        application_credential_id=credential.id,
        application_credential_secret=credential.secret,
    )
    hidden += ["canary", script.session.get_token()]
    assert "/v3/auth/tokens" in caplog.text
    assert not [secret for secret in hidden if secret in caplog.text]
    assert not [secret for secret in hidden if secret in repr([conn, conn.config, conn.session])]


def test_no_proxy_is_asked_for_this_machine(member, monkeypatch):
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    conn = pouta.connect(auth=member.config.config["auth"], region_name="regionOne")
    assert pouta.identity.whoami(conn).project == member.current_project.name


def test_a_proxy_that_does_not_answer_is_named_without_its_password(member, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://me:secret@127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    auth = {**member.config.config["auth"], "auth_url": "http://cloud.example:5000/v3"}
    with pytest.raises(pouta.Unreachable) as caught, pytest.warns(UserWarning, match="TLS"):
        pouta.connect(auth=auth, region_name="regionOne")
    assert "a proxy, '127.0.0.1:9', which does not let through" in caught.value.hint
    assert "secret" not in "".join(traceback.format_exception(caught.value))
