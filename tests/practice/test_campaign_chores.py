"""The campaign for all chores, in short."""

from __future__ import annotations

import pytest

from tests.campaigns import chores, ground
from tests.campaigns.chores import Rehearsal
from tests.campaigns.scenarios import SCENARIOS

SEED = 11
EACH = 1  # trial of each chore
WORKERS = 6


@pytest.mark.timeout(900)
def test_a_fault_in_each_chore(practice_cloud):
    plain = [Rehearsal.skipped(chore) for chore in SCENARIOS]
    drawn = [(one, one.few(SEED, EACH)) for one in plain]
    outcomes = chores.campaign(practice_cloud.directory, drawn, seed=SEED, workers=WORKERS)
    assert [str(outcome) for outcome in outcomes if outcome.wrong] == []
    assert len(outcomes) == EACH * len(SCENARIOS)
    assert sum(bool(outcome.hit) for outcome in outcomes) > len(SCENARIOS) / 2


@pytest.mark.timeout(600)
def test_what_only_reads_asks_for_no_change(practice_cloud):
    (found,) = ground.in_projects(
        practice_cloud.directory, chores.reads, [1], company=chores.company, workers=1
    )
    assert found == {}
