"""The figures of the benchmark: parts add up, and a peer that fails is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.benchmarks.peers.__main__ import CHECKS
from tests.benchmarks.peers.environments import PEERS
from tests.benchmarks.peers.results import Figure, goals, merged, table

OURS = Figure("address", 0, "pouta", 0, seconds=2.0, requests=16)
THEIRS = Figure("address", 0, "openstacksdk", 0, seconds=10.0, requests=25)


def test_a_part_that_is_measured_again_replaces_that_part_only(tmp_path):
    file = tmp_path / "results.json"
    merged(file, [OURS, THEIRS, replace(OURS, round_trip=100)])
    again = replace(OURS, seconds=3.0)
    assert {*merged(file, [again])} == {again, THEIRS, replace(OURS, round_trip=100)}


def test_the_table_has_medians_and_spread_and_says_who_failed():
    runs = [replace(OURS, round=number, seconds=s) for number, s in enumerate((1.0, 2.0, 9.0))]
    failed = Figure("address", 0, "chi", 0, error="does not install: no such release")
    lines = table([*runs, THEIRS, failed], [*PEERS]).splitlines()
    assert lines[0] == "| chore | round trip | pouta | openstacksdk | chi |"
    assert "| 2.00 (1.00 to 9.00), 16 |" in lines[-1]
    assert "| failed: does not install: no such release |" in lines[-1]


def test_a_goal_is_the_median_of_the_rounds_in_which_both_were_measured():
    ours = [replace(OURS, round=number, seconds=s) for number, s in enumerate((2.0, 3.0, 50.0))]
    theirs = [replace(THEIRS, round=number) for number in range(2)]
    assert "| 0.25 | 0.25 |" in goals([*ours, *theirs])


def test_what_only_asks_whether_it_can_be_done_is_counted_apart():
    asks = (
        "GET compute /v2.1/limits",
        "GET compute /v2.1/os-keypairs",
        "GET compute /v2.1/servers/detail?name=%5Eweb%24",
        "GET network /v2.0/quotas/1234/details",
        "GET volume /v3/1234/os-quota-sets/1234?usage=True",
        "GET volume /v3/1234/types/default",
    )
    does = (
        "POST compute /v2.1/servers",
        "GET compute /v2.1/servers/detail",
        "GET compute /v2.1/servers/1234",
        "GET compute /v2.1/flavors/detail",
        "GET network /v2.0/ports?device_id=1234",
        "GET volume /v3/1234/volumes/detail?name=data",
    )
    assert all(map(CHECKS.match, asks))
    assert not any(map(CHECKS.match, does))
    ours = replace(OURS, requests=23, checks=6)
    assert ours.needed == 17
    assert ", 23 (6 check) |" in table([ours], ["pouta"])


@pytest.mark.parametrize("peer", PEERS.values(), ids=str)
def test_every_peer_has_a_script_and_fixed_versions(peer):
    assert peer.script.exists()
    assert all("==" in pin for pin in peer.pins.read_text().split())
