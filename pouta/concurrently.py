"""Several requests at once, under a bound that spares the cloud."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

A = TypeVar("A")
R = TypeVar("R")

AT_ONCE = 8


def gather(*calls: Callable[[], Any]) -> list[Any]:
    """The results of calls that do not need each other, in their order.

    All are made; then the first exception, in their order, is raised.
    """
    return each(lambda call: call(), calls)


def each(function: Callable[[A], R], things: Iterable[A]) -> list[R]:
    """`function` of each thing, in their order, `AT_ONCE` at a time."""
    given = [*things]
    if len(given) < 2:
        return [function(thing) for thing in given]
    with ThreadPoolExecutor(min(AT_ONCE, len(given)), thread_name_prefix="pouta") as pool:
        return [future.result() for future in [pool.submit(function, thing) for thing in given]]
