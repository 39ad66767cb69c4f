"""The campaign for all chores, in short."""

from __future__ import annotations

from random import Random

import pytest

from tests.campaigns import chores, ground
from tests.campaigns.chores import Rehearsal
from tests.campaigns.scenarios import SCENARIOS

SEED = 11
CHORES = 8  # of all; the campaign itself plays each
WORKERS = 3


@pytest.mark.timeout(900)
def test_a_fault_in_some_chores(practice_cloud):
    some = Random(SEED).sample(sorted(SCENARIOS), CHORES)
    drawn = [(one, one.few(SEED, 1)) for one in map(Rehearsal.skipped, some)]
    outcomes = chores.campaign(practice_cloud.directory, drawn, seed=SEED, workers=WORKERS)
    assert [str(outcome) for outcome in outcomes if outcome.wrong] == []
    assert len(outcomes) == CHORES
    assert sum(bool(outcome.hit) for outcome in outcomes) > CHORES / 2


@pytest.mark.timeout(600)
def test_what_only_reads_asks_for_no_change(practice_cloud):
    (found,) = ground.in_projects(
        practice_cloud.directory, chores.reads, [1], company=chores.company, workers=1
    )
    assert found == {}
