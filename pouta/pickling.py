"""openstacksdk's resources go to other processes without the Connection that they came by."""

from __future__ import annotations

import copyreg
from collections.abc import Iterable
from typing import Any


def allow(things: Iterable[Any]) -> None:
    """Resources of these kinds can be pickled from now on."""
    for kind in {type(thing) for thing in things}:
        if hasattr(kind, "_connection"):
            copyreg.pickle(kind, _reduced)


def _reduced(resource: Any) -> tuple[Any, ...]:
    held = {name: value for name, value in vars(resource).items() if name != "_connection"}
    return _restored, (type(resource), held)


def _restored(kind: Any, held: dict[str, Any]) -> Any:
    resource = kind.__new__(kind)
    vars(resource).update(held)
    dict.update(resource, resource.to_dict())
    return resource
