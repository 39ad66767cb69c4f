"""A day of chores, with everything logged: no secret in what is said, logged, shown or raised."""

from __future__ import annotations

import base64
import logging
import re
import traceback
from contextlib import contextmanager
from unittest import mock

import nbclient
import nbformat
import pandas
import pytest
import requests

import pouta
from pouta import (
    billing,
    flavors,
    floating_ips,
    identity,
    images,
    keypairs,
    networks,
    object_store,
    progress,
    quotas,
    security_groups,
    servers,
    stacks,
    volumes,
)

USER_DATA = "#!/bin/sh\necho canary-user-data | passwd --stdin root\n"
FILE = "-----BEGIN OPENSSH PRIVATE KEY-----\ncanary-file\n"
SMALL = {"image": "cirros", "flavor": "standard.tiny"}
WRONG = "canary-wrong"
STACK = {
    "heat_template_version": "2018-08-31",
    "parameters": {"password": {"type": "string", "hidden": True}},
    "resources": {"nothing": {"type": "OS::Heat::None"}},
    "outputs": {"login": {"value": {"get_param": "password"}}},
}


class Said:
    """All that a person or a log could have seen."""

    def __init__(self, caplog, capfd):
        self.caplog, self.capfd, self.parts = caplog, capfd, []

    def __call__(self, result):
        """Keep how a result looks, and return it."""
        self.parts += [repr(result), str(result)]
        self.parts.append(getattr(result, "_repr_html_", str)())
        return result

    @contextmanager
    def failure(self, kind=pouta.PoutaError):
        with pytest.raises(kind) as caught:
            yield
        self.parts += [repr(caught.value), str(vars(caught.value))]
        self.parts += traceback.format_exception(caught.value)

    @property
    def text(self):
        out = self.capfd.readouterr()
        self.parts += [out.out, out.err]
        return "\n".join([*self.parts, self.caplog.text])


@pytest.fixture
def said(caplog, capfd, monkeypatch):
    """Everything is logged, and every progress line shown."""
    for name in [None, *logging.root.manager.loggerDict]:
        caplog.set_level(1, logger=name)
    said = Said(caplog, capfd)
    monkeypatch.setattr("pouta.progress.in_notebook", lambda: False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with progress.shown_by(lambda step: said.parts.append(str(step))):
        yield said


@pytest.fixture
def on_the_wire():
    """The secrets that the cloud was told or has told, as they are on the wire."""
    seen, send = set(), requests.Session.send

    def listen(session, request, **kwargs):
        answer = send(session, request, **kwargs)
        texts = [request.body if isinstance(request.body, str | bytes) else ""]
        texts += [] if kwargs.get("stream") and not is_json(answer) else [answer.text]
        for text in texts:
            text = text.decode(errors="replace") if isinstance(text, bytes) else text
            seen.update(re.findall(r'"(?:adminPass|secret|auth_key|password)": "([^"]+)"', text))
        for headers in (request.headers, answer.headers):
            names = ("X-Auth-Token", "X-Subject-Token", "X-Container-Meta-Temp-Url-Key")
            seen.update(headers[name] for name in names if name in headers)
        return answer

    with mock.patch.object(requests.Session, "send", listen):
        yield seen


def is_json(answer):
    return answer.headers.get("Content-Type", "").startswith("application/json")


@pytest.mark.timeout(400)
def test_a_day_of_chores(practice_conn, practice_cloud, said, on_the_wire, home, tmp_path):
    login = practice_conn.config.config["auth"]
    conn = said(pouta.connect(auth=login, region_name="regionOne"))
    hidden = {login["password"], USER_DATA, "canary", base64.b64encode(USER_DATA.encode()).decode()}

    # Logins for programs
    said(identity.whoami(conn))
    hidden.add(said(identity.token(conn)).id)
    said(identity.catalog(conn))
    program = said(identity.create_application_credential(conn, "nightly", save_as="night"))
    pair = said(identity.create_ec2_credentials(conn))
    hidden |= {program.secret, pair.secret}
    said(identity.list_application_credentials(conn))
    said(pandas.DataFrame(said(identity.list_ec2_credentials(conn))))
    with said.failure():
        pouta.connect(auth=login | {"password": WRONG})
    with said.failure():
        pouta.connect(auth=login | {"project_name": "project_typo"})

    # Servers
    key = said(keypairs.ensure(conn, "laptop"))
    hidden |= {*(home / ".ssh" / "laptop").read_text().splitlines()[1:-1]}
    said(keypairs.list(conn))
    with said.failure(pouta.InvalidInput):
        keypairs.ensure(conn, "oops", public_key=(home / ".ssh" / "laptop").read_text())
    with said.failure(pouta.InvalidInput):
        keypairs.ensure(conn, "oops", public_key=home / ".ssh" / "laptop")
    wish = SMALL | {"user_data": USER_DATA, "key_name": key.name}
    server = said(
        servers.launch(
            conn, "web", **wish, floating_ip=True, volumes=[1], ssh_from="my-ip", tags=["canaries"]
        )
    )
    said(servers.launch(conn, "rough", **wish, dry_run=True))
    said(servers.launch_many(conn, "fleet", 2, **wish))
    with said.failure():
        servers.launch(conn, "late", **wish | {"user_data": USER_DATA * 2000})
    with said.failure():
        servers.launch(conn, "web", **wish)
    said(servers.list(conn))
    said(servers.rebuild(conn, server, allow_data_loss=True))
    said(servers.rescue(practice_conn, server))  # as openstack.connect() made it
    said(servers.unrescue(practice_conn, server))
    said(servers.resize(conn, server, "standard.small"))
    said(servers.diagnose(conn, server))
    said(servers.console_log(conn, server))
    said(servers.ssh_command(conn, server))
    said(servers.ssh_config(conn))
    hidden.add(servers.console_url(conn, server).partition("token")[2].lstrip("=%3D"))
    said(servers.snapshot(conn, "fleet-1", "before"))
    said(floating_ips.list(conn))
    said(security_groups.list(conn))
    said(networks.list(conn))

    # Disks, images, objects, stacks
    volume = said(volumes.create(conn, "data", 1))
    offer = said(volumes.transfer(conn, volume))
    with said.failure():
        volumes.accept(conn, offer.id, WRONG)
    said(volumes.accept(conn, offer))
    hidden.add(offer.auth_key)
    said(volumes.snapshot(conn, volume, "kept"))
    said(volumes.list(conn))
    file = tmp_path / "id_ed25519.txt"
    file.write_text(FILE)
    said(images.upload(conn, file, "mine", disk_format="raw"))
    said(images.download(conn, "mine", tmp_path / "copy"))
    said(object_store.upload(conn, file, "box"))
    said(object_store.list(conn, "box"))
    said(object_store.download(conn, "box", file.name, tmp_path / "again"))
    address = object_store.temporary_url(conn, "box", file.name, seconds=60)
    hidden.add(address.partition("temp_url_sig=")[2].partition("&")[0])
    assert object_store.temporary_url(conn, "box", file.name, seconds=60)  # the key is read back
    said(stacks.create(conn, "lab", STACK, parameters={"password": "canary-stack"}))
    assert stacks.outputs(conn, "lab") == {"login": "canary-stack"}

    # Around it
    said(flavors.list(conn))
    said(quotas.show(conn))
    said(billing.estimate(conn))
    said(billing.waste(conn))
    said(pouta.diagram(conn))
    identity.delete_ec2_credentials(conn, pair)
    said(pouta.cleanup(conn, tag="canaries"))
    said([conn, conn.config, conn.session, conn.session.auth])

    text = said.text
    on_the_wire.discard("******")  # Heat's own word for it
    assert len(on_the_wire) > 10  # passwords of servers, tokens, keys
    assert "RESP BODY: " in text
    assert not re.search(rf"REQ: .* -X GET \S+/box/{file.name}", text)  # nor read into memory
    found = {secret for secret in hidden | on_the_wire if len(secret) > 5 and secret in text}
    places = [line[:300] for line in text.splitlines() if any(one in line for one in found)]
    assert not places, found


NOTEBOOK = """\
import os, pouta
conn = pouta.connect()
conn
---
pouta.connect(password=os.environ["WRONG"])
---
pouta.connect(password=os.environ["OS_PASSWORD"], project_name="project_typo")
---
token = pouta.identity.token(conn)
token
---
program = pouta.identity.create_application_credential(conn, "book")
program
---
pair = pouta.identity.create_ec2_credentials(conn)
pair
---
pouta.identity.list_ec2_credentials(conn)
---
pouta.servers.launch(conn, "book", image="cirros", flavor="standard.tiny", key_name=False,
                     user_data=os.environ["WRONG"] * 9000)
---
offer = pouta.volumes.transfer(conn, pouta.volumes.create(conn, "book", 1))
offer
---
pouta.volumes.accept(conn, offer.id, os.environ["WRONG"])
---
pouta.keypairs.ensure(conn, "book", public_key=os.environ["PRIVATE"])
---
with open("secrets", "w") as file:
    print(token.id, program.secret, pair.secret, offer.auth_key, file=file)
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_notebook_shows_no_secret(practice_conn, monkeypatch, tmp_path):
    login = practice_conn.config.config["auth"]
    monkeypatch.setenv("WRONG", WRONG)
    monkeypatch.setenv("PRIVATE", FILE)
    for name, value in (login | {"region_name": "regionOne"}).items():
        monkeypatch.setenv(f"OS_{name.upper()}", value)
    cells = [nbformat.v4.new_code_cell(text) for text in NOTEBOOK.split("---\n")]
    book = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(
        book,
        timeout=120,
        kernel_name="python3",
        allow_errors=True,
        resources={"metadata": {"path": str(tmp_path)}},
    ).execute()
    shown = str([cell.outputs for cell in book.cells])
    assert shown.count("'output_type': 'error'") == 5
    assert "EC2Credentials(access=" in shown
    secrets = (tmp_path / "secrets").read_text().split()
    assert len(secrets) == 4
    assert not [secret for secret in [*secrets, login["password"], "canary"] if secret in shown]
