"""The table of what things cost, with its total: an estimate, waste, what would be made."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pouta import prices as _prices
from pouta.canvas import Canvas, Picture
from pouta.display import OFF, Columns, Table
from pouta.prices import Prices
from pouta.redaction import printable

HOURS = 720  # in 30 days
TIB = "A TiB is counted as 1024 GiB; if CSC counts 1000, volumes cost 2.4 % more."
COLUMNS: Columns = {
    "kind": "kind",
    "name": "name",
    "status": "status",
    "what": "what",
    "BU/h": lambda cost: _prices.shown(cost.per_hour),
    "BU in 30 days": lambda cost: None if cost.per_hour is None else round(cost.per_30_days),
}

# Of the plot; sizes in pixels.
LABEL, BAR, VALUE, ROW, TOP, MARGIN = 230, 280, 240, 28, 44, 12
MOST = 25  # bars
COLOURS = {"server": "#2f7be0", "volume": "#8a63d2", "floating IP": "#c4601a"}


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
        return printable(f"{self.kind} '{self.name or self.id}' ({self.what})")


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
        link: Callable[[Cost], str] | None = None,
    ) -> None:
        super().__init__(rows, columns, noun, link)
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

    def plot(self) -> Picture:
        """A picture of what each thing costs: a bar for each, the dearest on top.

        What is paid for and not used is drawn in outline, what costs nothing is left out, and what
        has no known price has no bar. `to_pandas()` has the figures for a plot of your own.
        """
        rows = sorted((cost for cost in self if cost.per_hour != 0), key=_dearest_first)
        if rest := rows[MOST:]:
            together = sum(cost.per_hour or 0 for cost in rest) or None
            rows = [*rows[:MOST], Cost("and", f"{len(rest)} more", "", "", together)]
        dearest = max((cost.per_hour or 0 for cost in rows), default=0)
        canvas = Canvas()
        canvas.text(MARGIN, 26, self._total(), LABEL + BAR + VALUE, bold=True)
        for number, cost in enumerate(rows):
            _draw(canvas, cost, dearest, TOP + ROW * number)
        return Picture(canvas.svg(LABEL + BAR + VALUE, TOP + ROW * len(rows) + MARGIN))

    def __repr__(self) -> str:
        return "\n".join((super().__repr__(), *self._below()))

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return super()._repr_html_() + f"<p>{'<br>'.join(map(html.escape, self._below()))}</p>"

    def _total(self) -> str:
        if self and len(self.unpriced) == len(self):
            return "Nothing of this has a known price."
        return f"Total: {self.total_per_hour:.2f} BU/h, {self.per_30_days:.0f} BU in 30 days."

    def _below(self) -> Sequence[str]:
        """The lines under the table."""
        total = self._total()
        if self and len(self.unpriced) == len(self):
            return [f"{total} {self.prices}", *self.notes]
        if self.unpriced:
            total += f" Not in it, without a known price: {', '.join(map(str, self.unpriced))}."
        has_volumes = any(cost.kind == "volume" and cost.per_hour for cost in self)
        return [total, str(self.prices), *[TIB] * has_volumes, *self.notes]


def _dearest_first(cost: Cost) -> tuple[float, str]:
    return -(cost.per_hour or 0), cost.name


def _draw(canvas: Canvas, cost: Cost, dearest: float, y: float) -> None:
    """One line of the plot: what it is, its bar, and its price in words."""
    canvas.text(MARGIN, y + 14, f"{cost.kind} {cost.name or cost.id}", LABEL - 2 * MARGIN)
    if cost.per_hour is None:
        canvas.text(LABEL, y + 14, "no known price", BAR)
        return
    width = max(2, round(BAR * cost.per_hour / dearest))
    colour = COLOURS.get(cost.kind, OFF)
    fill = {} if cost.wasted else {"fill": colour}
    canvas.box(LABEL, y, width, ROW - 8, colour, dash=cost.wasted, **fill)
    price = f"{_prices.shown(cost.per_hour):g} BU/h, {cost.per_30_days:.0f} in 30 days"
    unused = ", not used" if cost.wasted else ""
    canvas.text(LABEL + width + 8, y + 14, price + unused, VALUE)
