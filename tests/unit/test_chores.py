"""The campaign for all chores: which chores it has, and what it takes for a broken promise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pytest

import pouta
from pouta.errors import Leftover
from tests.campaigns import inventory
from tests.campaigns.chores import Rehearsal, Strike, Weather, judged
from tests.campaigns.colleague import ACTS, Deed
from tests.campaigns.inventory import Thing
from tests.campaigns.scenarios import ASKED_BY_POST, READ_ONLY, SCENARIOS, chores
from tests.proxy import ASKED_FOR, EMPTY, LOSE, Request, refuse

PROJECT = "project_2001234"
BOOT = "7a3d5c30-956a-43c2-9f06-d8b1a2d5e111"
DATA = "7a3d5c30-956a-43c2-9f06-d8b1a2d5e222"
TWIN = "7a3d5c30-956a-43c2-9f06-d8b1a2d5e333"


def test_every_chore_has_a_scenario_or_only_reads():
    known = {*SCENARIOS} | {*READ_ONLY}
    assert chores() - known == set(), "write a scenario for it in tests/campaigns/scenarios.py"
    assert known - chores() == set(), "there is no such chore any more"
    assert not {*SCENARIOS} & {*READ_ONLY}
    assert {*ASKED_BY_POST} < {*READ_ONLY}


def test_there_are_some_fifty_that_change_something():
    assert len(SCENARIOS) > 50
    assert {"servers.launch", "volumes.extend", "pouta.cleanup", "stacks.delete"} < {*SCENARIOS}


# What is told of it


def held(*things: Thing) -> inventory.Inventory:
    return {(thing.kind, thing.id): thing for thing in things}


def volume(id: str, name: str = "data", **facts: object) -> Thing:
    return Thing("volume", id, name, {"status": "available", "in": [], **facts})


def briefs(before: inventory.Inventory, now: inventory.Inventory) -> list[str]:
    return [change.brief for change in inventory.changes(before, now, PROJECT)]


def test_changes_are_told_by_names_that_are_the_same_in_every_project():
    web = Thing("server", BOOT, "web", {"status": "ACTIVE"})
    before = held(web, volume(DATA))
    now = held(volume(DATA, status="in-use", **{"in": [BOOT]}), volume(TWIN, PROJECT))
    assert briefs(before, now) == [
        "+ volume PROJECT",
        "- server web",
        "~ volume data: in + <server web>",
        "~ volume data: status available -> in-use",
    ]


# What is a promise broken


@pytest.fixture
def made() -> Rehearsal:
    """`volumes.create`, which makes `data`."""
    (change,) = inventory.changes({}, held(volume(DATA)), PROJECT)
    return Rehearsal("volumes.create", (), Counter([change.whole]))


def wrong(
    rehearsal: Rehearsal,
    now: inventory.Inventory,
    error: Exception | None = None,
    hit: Sequence[str] = (),
    **deed: set[str],
) -> Mapping[str, str]:
    found = inventory.changes({}, now, PROJECT)
    return judged(rehearsal, error, found, now, Deed(**deed), hit)


def error(kind: type[pouta.PoutaError], *left: Leftover, resource: object = None) -> Exception:
    raised = kind("It went wrong.", resource=resource)
    raised.leftovers = left
    return raised


def test_returned_means_all_of_it_once_and_nothing_else(made):
    assert wrong(made, held(volume(DATA))) == {}
    assert {*wrong(made, {})} == {"not whole"}
    assert {*wrong(made, held(volume(DATA), volume(TWIN)))} == {"more than asked for"}
    assert {*wrong(made, held(volume(DATA, status="error")))} == {
        "not whole",
        "more than asked for",
    }


def test_raised_means_as_before_or_as_the_exception_says(made):
    there = held(volume(DATA, status="error"))
    left = Leftover("volume", DATA, "data")
    assert wrong(made, {}, error(pouta.Failed)) == {}
    assert {*wrong(made, there, error(pouta.Failed))} == {"unsaid"}
    assert wrong(made, there, error(pouta.Failed, left)) == {}
    assert wrong(made, there, error(pouta.Failed, resource=there["volume", DATA])) == {}
    assert {*wrong(made, there, error(pouta.Refused, resource=there["volume", DATA]))} == {"unsaid"}
    assert {*wrong(made, {}, error(pouta.Failed, left))} == {"untrue list"}
    assert {*wrong(made, held(volume(DATA)), error(pouta.Unreachable))} == {"done, and not said"}
    assert wrong(made, held(volume(DATA)), error(pouta.TimedOut)) == {}
    assert {*wrong(made, {}, KeyError("servers"))} == {"raw error"}


def test_a_refusal_after_a_lost_answer_leaves_what_nobody_can_know(made):
    refused = error(pouta.Failed, Leftover("volume", DATA, "data", f"{ASKED_FOR} (HTTP 403)"))
    lost = f"request 3, DELETE block_storage /volumes/{DATA}: LATE"
    assert {*wrong(made, {}, refused)} == {"untrue list"}
    assert {*wrong(made, {}, refused, [lost.replace(DATA, TWIN)])} == {"untrue list"}
    assert wrong(made, {}, refused, [lost]) == {}


def test_what_a_colleague_makes_is_not_the_chores(made):
    theirs = volume(TWIN)
    assert wrong(made, held(volume(DATA), theirs), made={TWIN}) == {}
    assert {*wrong(made, held(theirs), made={TWIN})} == {"not whole"}


def test_a_colleagues_snapshot_hides_no_rebuild_that_never_came():
    web = Thing("server", BOOT, "web", {"rebuild": 0, "createImage": 0})
    rebuild = Rehearsal("servers.rebuild", (), Counter(SCENARIOS["servers.rebuild"].effect))
    now = held(Thing("server", BOOT, "web", {"rebuild": 0, "createImage": 1}))
    found = inventory.changes(held(web), now, PROJECT)
    deed = Deed(touched={(BOOT, "createImage")})
    assert {*judged(rebuild, None, found, now, deed)} == {"not whole"}
    assert judged(rebuild, None, found, now, Deed(touched={BOOT})) == {}


# What goes wrong


def asked(method: str, path: str) -> Request:
    return Request("volume", method, path)


def test_a_fault_strikes_the_first_request_that_it_can_befall():
    weather = Weather([Strike("409", 2), Strike("GONE", 1), Strike("EMPTY", 1)], known={BOOT})
    assert weather(asked("POST", "/volumes")) is None
    assert weather(asked("GET", f"/volumes/{BOOT}")) is None  # it was there before
    assert weather(asked("GET", f"/volumes/{DATA}")) == refuse(404)
    assert weather(asked("GET", "/volumes/detail?name=data")) == EMPTY
    assert weather(asked("DELETE", f"/volumes/{DATA}")) == refuse(409)
    assert weather(asked("DELETE", f"/volumes/{DATA}")) is None
    assert len(weather.hit) == 3


def test_strikes_are_written_as_they_are_read():
    for strike in (Strike("LOSE", 3), Strike("429", 12, times=4), Strike("409", 1, writes=True)):
        assert Strike.read(str(strike)) == strike
    weather = Weather([Strike("LOSE", 2, writes=True)])
    posts = [asked("POST", "/volumes"), asked("GET", "/volumes"), asked("POST", "/volumes")]
    assert [weather(post) for post in posts] == [None, None, LOSE]


def test_the_same_seed_draws_the_same_trials(made):
    made.requests = [("GET volume /volumes", ["LOSE", "500"])] * 3
    assert len(made.singles()) == 6
    assert made.pairs(1, 5) == made.pairs(1, 5) != made.pairs(2, 5)


def test_a_colleague_has_something_to_do_beside_most_chores():
    acts = {*ACTS}
    assert "snapshots-the-server" in acts
    assert "deletes-the-volume" in acts
