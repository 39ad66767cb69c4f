"""One deadline for a whole chore, however many waits it has."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

PATIENCE = 300.0  # seconds; for waits of chores that take no `timeout`


class Deadline(NamedTuple):
    """`seconds` that a chore was given, and where they end on the clock of `time.monotonic`."""

    seconds: float
    end: float

    @property
    def left(self) -> float:
        """The seconds that are left; 0 when they are over."""
        return max(0.0, self.end - time.monotonic())


_current: ContextVar[Deadline | None] = ContextVar("pouta_deadline", default=None)


def after(seconds: float) -> Deadline:
    """The deadline in so many seconds, or the chore's own if that is sooner."""
    own, outer = Deadline(seconds, time.monotonic() + seconds), _current.get()
    return own if outer is None or own.end < outer.end else outer


def current() -> Deadline:
    """The deadline of the chore that is running."""
    return _current.get() or after(PATIENCE)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Every wait in the block ends after so many seconds in all, or with the deadline outside."""
    with _set(after(seconds)):
        yield


@contextmanager
def suspended() -> Iterator[None]:
    """Waits in the block have their own time, for what must be tidied up after the deadline."""
    with _set(None):
        yield


@contextmanager
def _set(deadline: Deadline | None) -> Iterator[None]:
    before = _current.get()
    _current.set(deadline)
    try:
        yield
    finally:
        _current.set(before)
