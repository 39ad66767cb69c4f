"""A server's life after its launch."""

from __future__ import annotations

import socket
import threading

import pytest

import pouta
from pouta import servers
from pouta.servers import reaching

SMALL = {"image": "AlmaLinux-9", "flavor": "standard.tiny", "key_name": False}


@pytest.fixture
def web(practice_conn):
    return servers.launch(practice_conn, "web", **SMALL)


def test_a_server_is_stopped_started_and_rebooted_and_each_is_over_when_it_returns(
    practice_conn, web
):
    assert servers.stop(practice_conn, "web").status == "SHUTOFF"
    assert servers.stop(practice_conn, "web").status == "SHUTOFF"
    assert servers.start(practice_conn, "web").status == "ACTIVE"
    assert servers.reboot(practice_conn, web).status == "ACTIVE"
    again = servers.reboot(practice_conn, web.id, hard=True)
    assert (again.status, again.task_state) == ("ACTIVE", None)


def test_a_chore_waits_until_the_server_is_idle_instead_of_meeting_a_conflict(practice_conn, web):
    servers.reboot(practice_conn, web, wait=False)
    assert servers.stop(practice_conn, web).status == "SHUTOFF"


def test_a_chore_that_cannot_work_now_says_in_which_state_it_would(practice_conn, web):
    servers.stop(practice_conn, web)
    with pytest.raises(pouta.Refused, match="SHUTOFF; it must be ACTIVE"):
        servers.reboot(practice_conn, web)


def test_servers_are_listed_as_a_table_and_found_by_name_id_and_resource(practice_conn, web):
    rows = str(servers.list(practice_conn)).splitlines()
    assert len(rows) == 2
    assert "standard.tiny" in rows[1]
    for wanted in ("web", web.id, web):
        assert servers.find(practice_conn, wanted).id == web.id
    with pytest.raises(pouta.NotFound, match="Closest: 'web'"):
        servers.find(practice_conn, "wbe")
    with pytest.raises(pouta.NotFound):
        servers.find(practice_conn, "w.b")  # Nova would take it as a pattern


def test_two_servers_of_one_name_are_told_apart_by_their_ids(practice_conn, web):
    network = pouta.networks.default(practice_conn)
    twin = practice_conn.compute.create_server(
        name="web",
        image_id=web.image.id,
        flavor_id=pouta.flavors.find(practice_conn, "standard.tiny").id,
        networks=[{"uuid": network.id}],
    )
    with pytest.raises(pouta.Ambiguous) as caught:
        servers.delete(practice_conn, "web")
    assert web.id in caught.value.message
    assert twin.id in caught.value.message


def test_delete_keeps_what_it_was_not_told_to_delete(practice_conn):
    servers.launch(practice_conn, "web", **SMALL, floating_ip=True, volumes=[1])
    servers.delete(practice_conn, "web")
    assert practice_conn.compute.find_server("web") is None
    (volume,) = practice_conn.block_storage.volumes()
    (ip,) = practice_conn.network.ips()
    assert volume.name == "web-volume-1"
    assert ip.port_id is None


def test_delete_takes_addresses_and_volumes_when_it_is_told(practice_conn):
    servers.launch(practice_conn, "web", **SMALL, floating_ip=True, volumes=[1])
    servers.delete(practice_conn, "web", release_floating_ips=True, delete_volumes=True)
    assert [*practice_conn.compute.servers()] == []
    assert [*practice_conn.network.ips()] == []
    assert [*practice_conn.block_storage.volumes()] == []


def test_the_console_log_is_text_and_its_end_can_be_had(practice_conn, web):
    log = servers.console_log(practice_conn, "web")
    assert "cloud-init" in log.lower()
    assert len(servers.console_log(practice_conn, "web", lines=2).splitlines()) <= 2


def test_nobody_waits_for_ssh_into_a_practice_server(practice_conn, web):
    with pytest.raises(pouta.Refused, match="practice cloud"):
        servers.wait_for_ssh(practice_conn, web)


def test_waiting_for_ssh_ends_when_a_server_greets(practice_conn, web, monkeypatch):
    """On a cloud that is not on this machine; the server is a real socket here."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]

    def greet():
        client, _ = listener.accept()
        with client:
            client.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")

    thread = threading.Thread(target=greet)
    thread.start()
    assert reaching.ssh_answers("127.0.0.1", port)
    thread.join()
    listener.close()
    assert not reaching.ssh_answers("127.0.0.1", port)


def test_the_login_line_uses_the_private_address_where_there_is_no_other(practice_conn, web):
    address = web.addresses[practice_conn.current_project.name][0]["addr"]
    assert servers.ssh_command(practice_conn, web) == (
        f"ssh -o StrictHostKeyChecking=accept-new almalinux@{address}"
    )
