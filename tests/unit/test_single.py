"""A single resource where IPython shows it: chosen facts, and no secret."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
from openstack.block_storage.v3.transfer import Transfer
from openstack.block_storage.v3.volume import Volume
from openstack.compute.v2.keypair import Keypair
from openstack.compute.v2.server import Server
from openstack.identity.v3.application_credential import ApplicationCredential
from openstack.network.v2.floating_ip import FloatingIP

from pouta import single

SECRET = "hunter2"
CPOUTA = SimpleNamespace(auth_url="https://pouta.csc.fi:5001/v3")
SMALL = {"original_name": "standard.small", "vcpus": 2, "ram": 2000}


def from_cpouta(thing):
    """As openstacksdk gives it out: it knows the Connection that it came by."""
    thing._connection = SimpleNamespace(session=SimpleNamespace(auth=CPOUTA))
    return thing


def facts(thing):
    return dict(single._facts(thing))


def in_ipython(code):
    """What IPython printed, at whose prompt somebody typed this."""
    words = [sys.executable, "-m", "IPython", "--no-banner", "--colors=NoColor", "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def test_a_server_is_what_one_wants_to_know_of_it():
    server = Server(
        id="4f",
        name="web",
        status="ACTIVE",
        task_state="rebooting",
        flavor=SMALL,
        addresses={
            "net": [
                {"version": 4, "addr": "192.168.1.7", "OS-EXT-IPS:type": "fixed"},
                {"version": 4, "addr": "86.50.1.2", "OS-EXT-IPS:type": "floating"},
            ]
        },
        security_groups=[{"name": "default"}],
    )
    assert facts(from_cpouta(server)) == {
        "name": "web",
        "status": "ACTIVE (rebooting)",
        "flavor": "standard.small: 2 vCPUs, 2 GiB",
        "private": "192.168.1.7",
        "floating IP": "86.50.1.2",
        "groups": "default",
        "BU/h": "0.52",
        "id": "4f",
    }
    page = "https://pouta.csc.fi/dashboard/project/instances/4f/"
    assert f'<a href="{page}" target="_blank" rel="noopener">web</a>' in single.as_html(server)


def test_a_volume_says_where_it_is_and_what_it_costs():
    disk = Volume(
        id="0f9b1a2c-3d4e-5f60-7182-93a4b5c6d7e8",
        name="data",
        status="in-use",
        size=100,
        volume_type="standard",
        attachments=[{"server_id": "4f"}],
    )
    shown = facts(from_cpouta(disk))
    assert (shown["GiB"], shown["BU/h"], shown["attached to"]) == ("100", "0.3516", "4f")
    assert shown["path in there"] == "/dev/disk/by-id/virtio-0f9b1a2c-3d4e-5f60-7"


@pytest.mark.parametrize(
    "thing",
    [
        Server(id="1", name="it", admin_password=SECRET, user_data=SECRET, personality=[SECRET]),
        Keypair(name="it", private_key=SECRET),
        ApplicationCredential(id="1", name="it", secret=SECRET),
        Transfer(id="1", name="it", auth_key=SECRET),
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_no_secret_is_shown(thing):
    assert SECRET in str(thing)  # there is one
    assert SECRET not in single.as_html(thing)
    assert facts(thing)["name"] == "it"
    assert SECRET not in str(facts(thing))


def test_a_name_cannot_put_html_into_a_notebook():
    assert "<b>" not in single.as_html(Server(id="1", name="<b>", status="<b>"))


def test_what_only_came_up_on_paper_has_no_price_and_no_page():
    ip = FloatingIP(id="1", name="86.50.1.2", floating_ip_address="86.50.1.2")
    assert facts(ip) == {"name": "86.50.1.2", "id": "1"}
    assert "<a " not in single.as_html(ip)


MADE = """
from openstack.compute.v2.server import Server
import pouta
pouta.servers
web = Server(id="4f", name="web", status="ACTIVE", admin_password="hunter2")
"""


def test_ipython_shows_it_as_lines_and_in_one_line_among_others():
    assert in_ipython(f"{MADE}\nweb") == "Out[0]: \nname    web\nstatus  ACTIVE\nid      4f\n"
    assert in_ipython(f"{MADE}\n[web, web]") == "Out[0]: [<Server web>, <Server web>]\n"


def test_who_has_chosen_how_to_see_resources_sees_them_so():
    own = """
formatters = get_ipython().display_formatter.formatters
formatters["text/plain"].for_type_by_name(
    "openstack.resource", "Resource", lambda it, printer, cycle: printer.text("mine")
)
"""
    assert in_ipython(f"{own}{MADE}\nweb") == "Out[0]: mine\n"
