"""The table of what things cost, with its total: an estimate, waste, what would be made."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pouta.display import Columns, Table
from pouta.prices import Prices

HOURS = 720  # in 30 days
TIB = "A TiB is counted as 1024 GiB; if CSC counts 1000, volumes cost 2.4 % more."
COLUMNS: Columns = {
    "kind": "kind",
    "name": "name",
    "status": "status",
    "what": "what",
    "BU/h": lambda cost: None if cost.per_hour is None else round(cost.per_hour, 4),
    "BU in 30 days": lambda cost: None if cost.per_hour is None else round(cost.per_30_days),
}


@dataclass(frozen=True)
class Cost:
    """What one thing costs in BU; None is an unknown price.

    what: what the price goes by.
    wasted: whether it is paid for and does nothing.
    ends_by: the call that ends the cost.
    """

    kind: str
    name: str
    status: str
    what: str
    per_hour: float | None
    id: str = ""
    wasted: bool = False
    ends_by: str = ""

    @property
    def per_30_days(self) -> float | None:
        return None if self.per_hour is None else self.per_hour * HOURS

    def __str__(self) -> str:
        return f"{self.kind} '{self.name or self.id}' ({self.what})"


class Costs(Table[Cost]):
    """Rows of Cost; below them their total, what has no known price, and whose prices these are.

    prices: the prices that were counted with.
    notes: sentences that belong to this table.
    """

    def __init__(
        self,
        rows: Iterable[Cost],
        prices: Prices,
        *,
        columns: Columns = COLUMNS,
        noun: str = "cost",
        notes: Sequence[str] = (),
    ) -> None:
        super().__init__(rows, columns, noun)
        self.prices = prices
        self.notes = notes

    @property
    def total_per_hour(self) -> float:
        """BU/h of all rows with a known price."""
        return sum(cost.per_hour or 0 for cost in self)

    @property
    def per_30_days(self) -> float:
        """BU of 30 days of all rows with a known price."""
        return self.total_per_hour * HOURS

    @property
    def unpriced(self) -> Sequence[Cost]:
        """The rows whose price nobody told; they are not in the total."""
        return [cost for cost in self if cost.per_hour is None]

    def __repr__(self) -> str:
        return "\n".join((super().__repr__(), *self._below()))

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return super()._repr_html_() + f"<p>{'<br>'.join(map(html.escape, self._below()))}</p>"

    def _below(self) -> Sequence[str]:
        """The lines under the table."""
        total = f"Total: {self.total_per_hour:.2f} BU/h, {self.per_30_days:.0f} BU in 30 days."
        if self and len(self.unpriced) == len(self):
            return [f"Nothing of this has a known price. {self.prices}", *self.notes]
        if self.unpriced:
            total += f" Not in it, without a known price: {', '.join(map(str, self.unpriced))}."
        has_volumes = any(cost.kind == "volume" and cost.per_hour for cost in self)
        return [total, str(self.prices), *[TIB] * has_volumes, *self.notes]
