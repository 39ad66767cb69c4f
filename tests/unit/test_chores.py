"""Each public chore is either in the campaign or among those that only read."""

from __future__ import annotations

from tests.campaigns.scenarios import ASKED_BY_POST, READ_ONLY, SCENARIOS, chores


def test_every_chore_has_a_scenario_or_only_reads():
    known = {*SCENARIOS} | {*READ_ONLY}
    assert chores() - known == set(), "write a scenario for it in tests/campaigns/scenarios.py"
    assert known - chores() == set(), "there is no such chore any more"
    assert not {*SCENARIOS} & {*READ_ONLY}
    assert {*ASKED_BY_POST} < {*READ_ONLY}


def test_there_are_some_fifty_that_change_something():
    assert len(SCENARIOS) > 50
    assert {"servers.launch", "volumes.extend", "pouta.cleanup", "stacks.delete"} < {*SCENARIOS}
