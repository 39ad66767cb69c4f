"""Several requests at once."""

from __future__ import annotations

import threading
import time

import pytest

from pouta import progress
from pouta.concurrently import AT_ONCE, each, gather


def test_results_come_in_order_and_calls_meet():
    both_there = threading.Barrier(2, timeout=5)
    assert gather(lambda: both_there.wait() >= 0, lambda: both_there.wait() >= 0) == [True, True]
    assert each(lambda n: n * n, range(20)) == [n * n for n in range(20)]


def test_no_more_than_the_bound_run_at_once():
    running, most, lock = 0, 0, threading.Lock()

    def call(_):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.005)
        with lock:
            running -= 1

    each(call, range(4 * AT_ONCE))
    assert 1 < most <= AT_ONCE


def test_after_a_failure_nothing_more_begins():
    begun = []

    def call(number):
        begun.append(number)
        time.sleep(0.01)
        if number == 0:
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        each(call, range(200))
    assert len(begun) < 200


def test_threads_show_progress_where_the_caller_does():
    steps = []

    def call(number):
        with progress.task(f"call {number}"):
            pass

    with progress.shown_by(steps.append):
        each(call, range(3))
    assert {step.what for step in steps} == {"call 0", "call 1", "call 2"}
