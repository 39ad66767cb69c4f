"""The one place that polls and sleeps."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pouta import deadline, progress
from pouta._session import last_answer
from pouta.errors import Failed, TimedOut, explain, is_passing, listed, retry_after
from pouta.kinds import SERVER, Kind, id_of, name_of

if TYPE_CHECKING:
    from openstack.connection import Connection

R = TypeVar("R")

# Several workers and databases answer, not all up to date: a thing that was there is gone once so
# many looks in a row, over so many seconds, have missed it.
MISSES = 3
MISSED_FOR = 4.0
FETCH_WITHIN = 30.0  # seconds in which a thing that is there can be read


@dataclass(frozen=True)
class Pace:
    """The pauses before looks, in seconds.

    What a cloud is quick to take up, it is soon done with: the first look comes `times` as long
    after the request as its answer took (`least` to a second), the second after twice that again.
    The others are a `share` of the time that has passed, so that no wait gets much longer than it
    must. They are shorter where some of many are done and the rest will soon be, and longer where a
    look keeps the cloud busy: it is left alone for as long as it took to answer.

    No wait asks more than twice in any one second.
    """

    times: float = 1.2
    least: float = 0.05
    shortest: float = 0.5
    share: float = 0.1
    longest: float = 5.0

    def first(self, answered: float) -> float:
        """answered: seconds that the cloud took to take up what is waited for."""
        return min(max(self.least, self.times * answered), 2 * self.shortest)

    def pause(
        self,
        looks: int,
        answered: float,
        *,
        elapsed: float,
        quiet: float,
        to_go: float,
        look: float,
    ) -> float:
        """After so many looks and `elapsed` seconds, the last `quiet` ones without a change.

        to_go: seconds until all is done, if it goes on as it did; 0 when nothing is done yet.
        look: seconds that the last look took.
        """
        second = min(2 * self.first(answered) or self.shortest, self.shortest)
        least = {1: second, 2: 2 * self.shortest - second}.get(looks, self.shortest)
        due = min(max(to_go / 2, self.share * quiet), self.share * elapsed)
        return min(max(least, due, look), self.longest)


BY_NOW = Pace(times=0, least=0)  # for what has had its time already
SERVERS = Pace(times=3.3, least=0.2)  # Nova answers long before it is done
FLEET = Pace(times=3.3, least=0.5)  # the listing that found them was a look
PORTS = Pace(times=2.5, least=0.2)  # of new servers
TOLD = Pace(times=0, least=0.45)  # Neutron tells Nova of addresses once in a second or two


def pace_of(kind: Kind[Any]) -> Pace:
    return SERVERS if kind is SERVER else Pace()


def state(thing: Any) -> str:
    """What a server, volume, … is doing, for the progress line."""
    doing, status = getattr(thing, "task_state", None), getattr(thing, "status", "")
    return ("there" if status is None else str(status)) + (f" ({doing})" if doing else "")


def until(
    what: str,
    look: Callable[[], Sequence[R]],
    done: Callable[[R], bool],
    *,
    timeout: float | None = None,
    hint: str = "",
    pace: Pace | None = None,
    answered: float = 0.2,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Sequence[R]:
    """Look until everything that `look` returns is `done`, and return what was seen then.

    `look` makes one request, however many things it returns; waiting for things to vanish is
    waiting until it returns none. A look that gets no answer, 429 or 5xx is made again at the next
    turn: a cloud that restarts is not a reason to lose what it is building. So is one that misses
    what was there a moment ago.

    timeout: seconds; where the chore's own deadline is sooner, that ends the wait.
    answered: seconds that the cloud took to answer the request that began it.

    Raises TimedOut after that, with what was last seen as its `resource`. Any other exception of
    `look` or `done` ends the wait.
    """
    pace = pace or Pace()
    limit = deadline.current() if timeout is None else deadline.after(timeout)
    began = moved = clock()
    end = began + limit.left
    pause = pace.first(answered)
    looks = 0
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
                if not (is_passing(error) or isinstance(error, _Missed)):
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
            looks += 1
            pause = pace.pause(
                looks,
                answered,
                elapsed=now - began,
                quiet=now - moved,
                to_go=(now - began) * left / (most - left) if most > left else 0.0,
                look=now - asked,
            )
    last = _summary(seen) or ("no answer from the cloud" if trouble else "nothing to be seen")
    raise TimedOut(
        f"{what}: not there after {limit.seconds:g} s (now: {last}). Nothing was undone.",
        hint=hint,
        resource=seen[0] if len(seen) == 1 else seen,
    ) from trouble


def for_all(
    conn: Connection,
    kind: Kind[R],
    things: Sequence[R],
    done: Callable[[R], bool],
    *,
    timeout: float | None = None,
    what: str = "",
    hint: str = "",
    pace: Pace | None = None,
) -> Sequence[R]:
    """The things, in their order, as they are once each is `done`.

    One request a turn, however many they are. Raises Failed when one of them vanishes.
    """
    names = {id_of(thing): name_of(thing) or id_of(thing) for thing in things}
    plain = f"{kind.noun} '{next(iter(names.values()))}'" if len(names) == 1 else f"{kind.noun}s"
    sightings = Sightings(kind.noun, names)

    def look() -> Sequence[R]:
        try:
            present = {id_of(thing): thing for thing in kind.present(conn, names)}
        except Exception as error:
            _check_shown(error, what or plain, things)
            raise
        sightings.check(present)
        return [present[id] for id in names]

    return until(
        what or plain,
        look,
        done,
        timeout=timeout,
        hint=hint,
        pace=pace or pace_of(kind),
        answered=last_answer(conn),
    )


def fetch(conn: Connection, kind: Kind[R], thing: R | str) -> R:
    """A thing that was there a moment ago, given by its ID too, as the cloud has it now.

    What a chore has done is done, so one answer that does not come is no reason to fail.
    """
    from openstack.exceptions import NotFoundException

    id = thing if isinstance(thing, str) else id_of(thing)
    name = id if isinstance(thing, str) else name_of(thing) or id
    sightings = Sightings(kind.noun, {id: name})

    def look() -> Sequence[R]:
        try:
            return [kind.get(conn, id)]
        except NotFoundException:
            sightings.check(())
            raise
        except Exception as error:
            _check_shown(error, f"{kind.noun} '{name}'", [thing])
            raise

    with progress.shown_by(progress.silent):
        what = f"{kind.noun} '{name}', as it is now"
        (now,) = until(what, look, lambda now: True, timeout=FETCH_WITHIN, pace=BY_NOW)
    return now


class Sightings:
    """Tells things that are gone from things that one answer left out.

    names: of the things that were there, by ID.
    """

    def __init__(self, noun: str, names: Mapping[str, str]) -> None:
        self.noun = noun
        self.names = names
        self.misses = 0
        self.since = 0.0

    def check(self, present: Iterable[str]) -> None:
        """Raise Failed when a thing has been missing long enough; end the look when it is new."""
        seen = {*present}
        missing = [name for id, name in self.names.items() if id not in seen]
        if not missing:
            self.misses = 0
            return
        now = time.monotonic()
        self.since = self.since if self.misses else now
        self.misses += 1
        if self.misses < MISSES or now - self.since < MISSED_FOR:
            raise _Missed(f"{self.noun} {listed(missing)} was not seen")
        raise Failed(f"{self.noun} {listed(missing)} was deleted meanwhile, not by this call.")


def _check_shown(error: Exception, what: str, things: Sequence[object]) -> None:
    """Raise Failed for a refusal to show things: the chore may have changed them already."""
    explained = explain(error, f"look at {what}")
    if explained is None or is_passing(error):
        return
    unseen = Failed(
        f"{explained.message} What was asked for before that goes on.",
        hint=explained.hint,
        resource=things[0] if len(things) == 1 else things,
    )
    unseen.goes_on = True
    raise unseen from error


class _Missed(Exception):
    """A look did not see a thing that was there a moment ago."""


def _summary(seen: Sequence[object]) -> str:
    states = Counter(map(state, seen))
    if len(seen) == 1:
        return next(iter(states))
    return ", ".join(f"{count} {name}" for name, count in states.most_common())
