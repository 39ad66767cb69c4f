"""Waits, with a clock of their own: no test here takes time."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from keystoneauth1.exceptions import ConnectFailure
from openstack.exceptions import ForbiddenException, HttpException

from pouta import deadline, progress, waiting
from pouta.errors import InvalidInput, TimedOut, chore

PACES = [
    waiting.Pace(),
    *(pace for pace in vars(waiting).values() if isinstance(pace, waiting.Pace)),
]


class Clock:
    """A clock that only `sleep` moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sleeps: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def server(status, task_state=None):
    return SimpleNamespace(id="1", name="web", status=status, task_state=task_state)


def wait(clock, looks, *, timeout=60.0, **more):
    """Wait for ACTIVE over the given looks; an exception among them is raised."""
    given = iter(looks)

    def look():
        seen = next(given)
        if isinstance(seen, Exception):
            raise seen
        return seen

    return waiting.until(
        "server 'web'",
        look,
        lambda thing: thing.status == "ACTIVE",
        timeout=timeout,
        clock=clock,
        sleep=clock.sleep,
        **more,
    )


def test_it_ends_as_soon_as_everything_is_done(clock):
    seen = wait(clock, [[server("BUILD")], [server("BUILD")], [server("ACTIVE")]])
    assert [thing.status for thing in seen] == ["ACTIVE"]
    assert len(clock.sleeps) == 3


def test_one_look_serves_many_and_all_must_be_done(clock):
    looks = [
        [server("ACTIVE"), server("BUILD")],
        [server("ACTIVE"), server("ACTIVE")],
    ]
    assert len(wait(clock, looks)) == 2
    assert len(clock.sleeps) == 2


def test_waiting_for_things_to_vanish_ends_when_none_is_left(clock):
    assert wait(clock, [[server("ACTIVE?")], []]) == []


def test_pauses_start_short_and_get_longer(clock):
    with pytest.raises(TimedOut):
        wait(clock, [[server("BUILD")]] * 1000, timeout=600, answered=0.1)
    first, second, third, *others, _ = clock.sleeps
    assert [first, second, third] == pytest.approx([0.12, 0.24, 0.76])
    assert min(others) == 0.5
    assert max(others) == 5.0
    assert others == sorted(others)


@pytest.mark.parametrize("answered", [0, 0.01, 0.1, 0.3, 1, 60])
@pytest.mark.parametrize("pace", PACES)
def test_nobody_asks_more_than_twice_in_a_second(clock, answered, pace):
    asked = []

    def look():
        asked.append(clock.now)
        return [server("BUILD")]

    with pytest.raises(TimedOut):
        waiting.until(
            "server", look, lambda s: False,
            timeout=60, pace=pace, answered=answered, clock=clock, sleep=clock.sleep,
        )  # fmt: skip
    assert asked[0] <= 1  # however long the answer took
    assert all(third - first > 0.999 for first, third in zip(asked, asked[2:-1], strict=False))


def test_a_cloud_that_answers_slowly_is_given_more_time(clock):
    wait(clock, [[server("BUILD")], [server("ACTIVE")]], answered=0.1, pace=waiting.SERVERS)
    quick = [*clock.sleeps]
    wait(clock, [[server("BUILD")], [server("ACTIVE")]], answered=0.2, pace=waiting.SERVERS)
    assert quick == pytest.approx([0.33, 0.5])
    assert clock.sleeps[2:] == pytest.approx([0.66, 0.5])


def test_what_moves_is_looked_at_again_when_it_pays(clock):
    """A hundred that come one a second: asked for rarely, and yet not late."""

    def look():
        up = int(clock.now)
        return [server("ACTIVE")] * up + [server("BUILD")] * (100 - up)

    waiting.until(
        "servers", look, lambda s: s.status == "ACTIVE",
        timeout=600, clock=clock, sleep=clock.sleep,
    )  # fmt: skip
    assert clock.now < 101
    assert len(clock.sleeps) < 50  # 200 at two a second


def test_a_cloud_that_is_slow_to_answer_is_left_alone_for_longer(clock):
    def look():
        clock.now += 2
        return [server("ACTIVE" if clock.now > 20 else "BUILD")]

    waiting.until(
        "server", look, lambda s: s.status == "ACTIVE", timeout=60, clock=clock, sleep=clock.sleep
    )
    assert clock.sleeps == pytest.approx([0.24, 2, 2, 2, 2, 2])


def test_one_that_stays_behind_is_asked_for_less_and_less(clock):
    looks = [[server("BUILD")] * 10, *[[server("ACTIVE")] * 9 + [server("BUILD")]] * 1000]
    with pytest.raises(TimedOut):
        wait(clock, looks, timeout=300)
    assert max(clock.sleeps) == 5.0
    assert len(clock.sleeps) < 90  # 600 at two a second


def test_things_that_vanish_one_by_one_are_a_rate_too(clock):
    waiting.until(
        "servers deleted",
        lambda: [server("ACTIVE?")] * (50 - int(clock.now)),
        lambda s: False,
        timeout=600,
        clock=clock,
        sleep=clock.sleep,
    )
    assert clock.now < 51
    assert len(clock.sleeps) < 40  # 100 at two a second


def test_what_had_its_time_is_looked_at_at_once(clock):
    wait(clock, [[server("BUILD")], [server("ACTIVE")]], pace=waiting.BY_NOW)
    assert clock.sleeps == [0, 0.5]


def test_a_timeout_says_what_was_seen_last_and_carries_it(clock):
    with pytest.raises(TimedOut) as caught:
        wait(clock, [[server("BUILD", "spawning")]] * 100, timeout=10, hint="Look again.")
    assert "10 s" in caught.value.message
    assert "BUILD (spawning)" in caught.value.message
    assert caught.value.hint == "Look again."
    assert caught.value.resource.name == "web"
    assert clock.now == pytest.approx(10, abs=0.1)


def test_a_cloud_that_restarts_does_not_end_the_wait(clock):
    looks = [[server("BUILD")], ConnectFailure("refused"), HttpException(http_status=None)]
    looks[2].status_code = 503
    assert wait(clock, [*looks, [server("ACTIVE")]])[0].status == "ACTIVE"


def test_a_timeout_while_nobody_answers_says_so_and_names_the_cause(clock):
    with pytest.raises(TimedOut, match="no answer from the cloud") as caught:
        wait(clock, [ConnectFailure("refused")] * 100, timeout=5)
    assert isinstance(caught.value.__cause__, ConnectFailure)


def test_a_refusal_ends_the_wait_at_once(clock):
    refused = ForbiddenException("no")
    refused.status_code = 403
    with pytest.raises(ForbiddenException):
        wait(clock, [refused])
    assert len(clock.sleeps) == 1


def test_retry_after_is_obeyed(clock):
    busy = HttpException("slow down")
    busy.status_code = 429
    busy.response = SimpleNamespace(headers={"Retry-After": "7"})
    wait(clock, [busy, [server("ACTIVE")]])
    assert clock.sleeps == pytest.approx([0.24, 7])


def test_progress_sees_each_look(clock):
    steps = []
    with progress.shown_by(steps.append):
        wait(clock, [[server("BUILD", "spawning"), server("ACTIVE")], [server("ACTIVE")] * 2])
    assert [(step.done, step.total) for step in steps[1:3]] == [(1, 2), (2, 2)]
    assert "1 BUILD (spawning)" in steps[1].state
    assert steps[-1].ended


def test_all_waits_of_a_chore_have_one_deadline_together(clock, monkeypatch):
    monkeypatch.setattr("pouta.deadline.time.monotonic", clock)

    @chore("do two things")
    def slow(*, timeout: float = 300) -> None:
        wait(clock, [[server("BUILD")]] * 3 + [[server("ACTIVE")]], timeout=None)
        nested()

    @chore("do the second of them")
    def nested(*, timeout: float = 300) -> None:
        wait(clock, [[server("BUILD")]] * 100, timeout=None)

    with pytest.raises(TimedOut, match="after 20 s"):
        slow(timeout=20)
    assert clock.now == pytest.approx(20, abs=0.1)


def test_what_tidies_up_when_time_is_over_has_its_own_time(clock, monkeypatch):
    monkeypatch.setattr("pouta.deadline.time.monotonic", clock)
    with deadline.within(5):
        clock.now = 6
        with deadline.suspended():
            wait(clock, [[server("BUILD")]] * 3 + [[server("ACTIVE")]], timeout=None)
        with pytest.raises(TimedOut):
            wait(clock, [[server("BUILD")]] * 100, timeout=None)


@pytest.mark.parametrize("timeout", [0, -1, "60", True, float("nan"), [5]])
def test_a_timeout_that_is_no_number_of_seconds(timeout):
    @chore("wait")
    def some_chore(*, timeout: float = 300) -> None:
        raise AssertionError

    with pytest.raises(InvalidInput, match="seconds above 0"):
        some_chore(timeout=timeout)
