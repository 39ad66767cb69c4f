"""Examples that watch what a project costs, each as cron runs it."""

from __future__ import annotations

import csv
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from openstack.connection import Connection

import pouta
from pouta.practice.control import connect_as
from pouta.practice.folder import Folder
from tests.shell import succeeded

TINY = {"image": "cirros", "flavor": "standard.tiny", "key_name": False}


@pytest.fixture
def colleague(practice_cloud, logged_in: Connection) -> Iterator[Connection]:
    """Another member of the project."""
    admin, password = practice_cloud.admin.identity, secrets.token_urlsafe()
    name = f"colleague-{secrets.token_hex(4)}"
    user = admin.create_user(name=name, domain_id="default", password=password)
    project = logged_in.current_project
    admin.assign_project_role_to_user(project.id, user, admin.find_role("member"))
    conn = connect_as(Folder(practice_cloud.directory), name, password, project.name)
    yield conn
    conn.close()
    admin.delete_user(user)


def states(conn: Connection) -> dict[str, str]:
    return {server.name: server.status for server in conn.compute.servers()}


def verdicts(said: str) -> dict[str, str]:
    """What was said of each server; the last line is the sum."""
    return {line.split(",")[0]: line.split(": ")[-1] for line in said.splitlines()[:-1]}


def test_shelve_idle_puts_away_what_nobody_uses_and_nothing_else(run, logged_in, colleague):
    conn = logged_in
    pouta.servers.launch(conn, "by-day", **TINY, tags=["nights-off"])
    pouta.servers.launch(conn, "done", **TINY)
    pouta.servers.launch(conn, "scratch", image="cirros", flavor="io.70GB", key_name=False)
    pouta.servers.launch(colleague, "theirs", **TINY)
    for name in ("done", "scratch", "theirs"):
        pouta.servers.stop(conn, name)
    before = states(conn)

    assert succeeded(run("shelve_idle.py", "--yes")) == "0.00 BU an hour saved.\n"  # all is new
    told = succeeded(run("shelve_idle.py", "--days", "0"))
    assert states(conn) == before
    left = {"scratch": "left as it is, for its ephemeral disk"}
    assert verdicts(told) == {"done": "would be shelved", **left}
    assert told.endswith("0.26 BU an hour would be saved, with --yes.\n")

    said = succeeded(run("shelve_idle.py", "--days", "0", "--tag", "nights-off", "--yes"))

    assert states(conn) == before | {"by-day": "SHELVED_OFFLOADED", "done": "SHELVED_OFFLOADED"}
    assert verdicts(said) == {"by-day": "shelved", "done": "shelved", **left}
    assert said.endswith("0.52 BU an hour saved.\n")


def test_shelve_idle_goes_on_after_a_server_that_cannot_be_shelved(run, logged_in):
    pouta.servers.launch_many(logged_in, "night", 2, **TINY, tags=["nights-off"])
    logged_in.compute.lock_server(pouta.servers.find(logged_in, "night-2"))

    done = run("shelve_idle.py", "--tag", "nights-off", "--yes")

    assert states(logged_in) == {"night-1": "SHELVED_OFFLOADED", "night-2": "ACTIVE"}
    assert done.stdout.endswith("0.26 BU an hour saved.\n")
    assert done.returncode == 1
    assert "'night-2'" in done.stderr
    assert "locked" in done.stderr


def test_project_cost_fills_a_file_that_a_spreadsheet_reads(run, logged_in, tmp_path):
    (tmp_path / "prices.yaml").write_text(
        """
source: https://example.org/prices
read: 2026-08-21
clouds: {cpouta: [127.0.0.1]}
periods:
  - valid_from: 2026-01-01
    floating_ip: 0.2
    flavors: {standard.tiny: 0.26}
    volumes: {capacity: 1.8}
"""
    )
    pouta.servers.launch(logged_in, "web", **TINY, floating_ip=True)
    pouta.volumes.create(logged_in, "old, but dear", 512, volume_type="capacity")
    pouta.volumes.create(logged_in, "new", 10, volume_type="standard")

    began = datetime.now(UTC).replace(microsecond=0)
    with (tmp_path / "costs.csv").open("w+", newline="") as file:
        for options in ([], ["--no-header"]):
            file.write(succeeded(run("project_cost.py", *options, POUTA_PRICES="prices.yaml")))
        file.seek(0)
        rows = [*csv.DictReader(file)]

    first, second = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    assert [row["id"] for row in first] == [row["id"] for row in second]
    for each_run in (first, second):
        (time,) = {row["time"] for row in each_run}
        assert began <= datetime.fromisoformat(time) <= datetime.now(UTC)
    assert {row["project"] for row in rows} == {logged_in.current_project.name}
    (address,) = logged_in.network.ips()
    assert {(row["kind"], row["name"]): row["BU/h"] for row in first} == {
        ("server", "web"): "0.26",
        ("volume", "old, but dear"): "0.9",
        ("volume", "new"): "",
        ("floating IP", address.floating_ip_address): "0.2",
        ("router", logged_in.current_project.name): "",
    }
