"""The parts, in the order of a day."""

from __future__ import annotations

from tests.acceptance.claims import PARTS

from tests.acceptance.parts import (  # isort: skip
    access,
    machines,
    disks,
    copies,
    costs,
    cluster,
    files,
    ending,
)

__all__ = ["PARTS", "access", "cluster", "copies", "costs", "disks", "ending", "files", "machines"]
