"""The one place that polls and sleeps."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pouta import progress
from pouta.errors import Failed, TimedOut, is_passing, listed, retry_after
from pouta.kinds import Kind, id_of, name_of

if TYPE_CHECKING:
    from openstack.connection import Connection

R = TypeVar("R")


@dataclass(frozen=True)
class Pace:
    """The pauses before looks, in seconds.

    The first is short, for what is quick. The others are a `share` of the time that has passed, so
    that no wait gets much longer than it must. They are shorter where some of many are done and
    the rest will soon be, and longer where a look keeps the cloud busy: it is left alone for twice
    the time that it took to answer. Half a second is the shortest between two looks, so no wait
    asks more than twice a second.
    """

    first: float = 0.25
    shortest: float = 0.5
    share: float = 0.1
    longest: float = 5.0

    def pause(self, elapsed: float, quiet: float, to_go: float, look: float) -> float:
        """After `elapsed` seconds, the last `quiet` ones without a change.

        to_go: seconds until all is done, if it goes on as it did; 0 when nothing is done yet.
        look: seconds that the last look took.
        """
        due = min(max(to_go / 2, self.share * quiet), self.share * elapsed)
        return min(max(self.shortest, due, 2 * look), self.longest)


BY_NOW = Pace(first=0)  # for what has had its time already
BUILDING = Pace(first=0.5)  # for what comes with a new server, which is never quicker


def state(thing: Any) -> str:
    """What a server, volume, … is doing, for the progress line."""
    doing = getattr(thing, "task_state", None)
    return str(getattr(thing, "status", "")) + (f" ({doing})" if doing else "")


def until(
    what: str,
    look: Callable[[], Sequence[R]],
    done: Callable[[R], bool],
    *,
    timeout: float,
    hint: str = "",
    pace: Pace | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Sequence[R]:
    """Look until everything that `look` returns is `done`, and return what was seen then.

    `look` makes one request, however many things it returns; waiting for things to vanish is
    waiting until it returns none. A look that gets no answer, 429 or 5xx is made again at the next
    turn: a cloud that restarts is not a reason to lose what it is building.

    Raises TimedOut after `timeout` seconds, with what was last seen as its `resource`. Any other
    exception of `look` or `done` ends the wait.
    """
    pace = pace or Pace()
    began = moved = clock()
    end = began + timeout
    pause = pace.first
    seen: Sequence[R] = ()
    most = left = 0
    trouble: Exception | None = None
    with progress.task(what) as report:
        while True:
            sleep(max(0.0, min(max(pause, retry_after(trouble) if trouble else 0), end - clock())))
            asked = clock()
            try:
                seen, trouble = look(), None
            except Exception as error:
                if not is_passing(error):
                    raise
                trouble = error
            else:
                ready = [*map(done, seen)]
                report(sum(ready), len(ready), _summary(seen))
                if all(ready):
                    return seen
                if (now_left := ready.count(False)) != left:
                    most, left, moved = max(most, now_left), now_left, clock()
            now = clock()
            if now >= end:
                break
            to_go = (now - began) * left / (most - left) if most > left else 0.0
            pause = pace.pause(now - began, now - moved, to_go, now - asked)
    last = _summary(seen) or ("no answer from the cloud" if trouble else "nothing to be seen")
    raise TimedOut(
        f"{what}: not there after {timeout:g} s (now: {last}). Nothing was undone.",
        hint=hint,
        resource=seen[0] if len(seen) == 1 else seen,
    ) from trouble


def for_all(
    conn: Connection,
    kind: Kind[R],
    things: Sequence[R],
    done: Callable[[R], bool],
    *,
    timeout: float,
    what: str = "",
    hint: str = "",
    pace: Pace | None = None,
) -> Sequence[R]:
    """The things, in their order, as they are once each is `done`.

    One request a turn, however many they are. Raises Failed when one of them vanishes.
    """
    names = {id_of(thing): name_of(thing) or id_of(thing) for thing in things}
    plain = f"{kind.noun} '{next(iter(names.values()))}'" if len(names) == 1 else f"{kind.noun}s"

    def look() -> Sequence[R]:
        present = {id_of(thing): thing for thing in kind.present(conn, names)}
        if gone := [names[id] for id in names if id not in present]:
            raise Failed(f"{kind.noun} {listed(gone)} was deleted meanwhile, not by this call.")
        return [present[id] for id in names]

    return until(what or plain, look, done, timeout=timeout, hint=hint, pace=pace)


def _summary(seen: Sequence[object]) -> str:
    states = Counter(map(state, seen))
    if len(seen) == 1:
        return next(iter(states))
    return ", ".join(f"{count} {name}" for name, count in states.most_common())
