"""What a part can need, and why it is not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pouta
from pouta import object_store, stacks, volumes
from tests.acceptance.claims import Need, first_line

if TYPE_CHECKING:
    from tests.acceptance.run import Run


def _service(type: str, what: str, ask: Callable[[Run], object]) -> Need:
    """A service that this cloud has, and that this user may use."""

    def need(run: Run) -> str:
        if not run.conn.endpoint_for(type):
            return f"this cloud has no {what}"
        try:
            ask(run)
        except pouta.PoutaError as error:
            return first_line(error)
        return ""

    return need


disks = _service("block-storage", "volumes", lambda run: volumes.list(run.conn))
objects = _service("object-store", "object store", lambda run: object_store.list(run.conn))
heat = _service("orchestration", "stacks", lambda run: stacks.list(run.conn))


def guest(run: Run) -> str:
    return run.why_no_guests


def server(run: Run) -> str:
    """The shared server; it is launched for the first part that needs it."""
    try:
        assert run.web
    except pouta.PoutaError as error:
        return f"the server that it needs did not come up: {first_line(error)}"
    return ""


def address(run: Run) -> str:
    return run.why_no_address


def larger(run: Run) -> str:
    return "" if run.larger else f"no larger flavor of the family of {run.flavor.name} is free"


def other_cloud(run: Run) -> str:
    return "" if run.other else "it needs another project: --other-cloud NAME"
