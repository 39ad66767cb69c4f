"""Several requests at once, under a bound that spares the cloud.

Only requests: a wait belongs in the main thread, where Ctrl-C can end it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from openstack.connection import Connection

A = TypeVar("A")
R = TypeVar("R")

AT_ONCE = 8
MICROVERSIONED = ("compute", "block_storage")


def gather(*calls: Callable[[], Any]) -> list[Any]:
    """The results of calls that do not need each other, in their order."""
    return each(lambda call: call(), calls)


def meet(conn: Connection, *services: str) -> None:
    """Have services tell their versions, before threads use them: each thread would ask anew."""

    def ask(service: str) -> None:
        proxy = getattr(conn, service)
        if service in MICROVERSIONED:
            proxy.get_endpoint_data()

    each(ask, services)


def each(function: Callable[[A], R], things: Iterable[A]) -> list[R]:
    """`function` of each thing, in their order, `AT_ONCE` at a time.

    The first exception, in their order, is raised, once the calls under way have ended; those that
    had not begun are not made.
    """
    given = [*things]
    if len(given) < 2:
        return [function(thing) for thing in given]
    with ThreadPoolExecutor(min(AT_ONCE, len(given)), thread_name_prefix="pouta") as pool:
        # Each with the caller's context, in which is who shows progress.
        futures = [pool.submit(copy_context().run, function, thing) for thing in given]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
