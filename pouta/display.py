"""The list that prints as a table and shows as one in Jupyter."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeVar, overload

if TYPE_CHECKING:
    import pandas

R = TypeVar("R")

Columns = Mapping[str, str | Callable[[Any], object]]

GOOD, BUSY, BAD, OFF = "#1a7f37", "#9a6700", "#cf222e", "#57606a"
COLOURS = {
    **dict.fromkeys(("active", "available", "in-use", "up"), GOOD),
    **dict.fromkeys(("error", "failed", "killed"), BAD),
    **dict.fromkeys(("shutoff", "paused", "suspended", "down", "shelved"), OFF),
    "shelved_offloaded": OFF,
}


class Table(list[R]):
    """A list of openstacksdk resources that prints as aligned columns.

    `columns` maps a header to an attribute's name or to a function of the resource. Slices are
    tables too. Resources are dictionaries, so `pandas.DataFrame(table)` works.
    """

    def __init__(self, rows: Iterable[R], columns: Columns, noun: str) -> None:
        super().__init__(rows)
        self.columns = columns
        self.noun = noun

    @overload
    def __getitem__(self, index: SupportsIndex) -> R: ...
    @overload
    def __getitem__(self, index: slice) -> Table[R]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> R | Table[R]:
        if isinstance(index, slice):
            return Table(super().__getitem__(index), self.columns, self.noun)
        return super().__getitem__(index)

    def to_pandas(self) -> pandas.DataFrame:
        """The table as a DataFrame: its columns with their values, a row for each resource."""
        from pandas import DataFrame

        rows = [[_value(row, column) for column in self.columns.values()] for row in self]
        return DataFrame(rows, columns=[*self.columns])

    def __reduce__(self) -> tuple[Any, ...]:
        return list, ([*self],)

    def cells(self) -> list[list[str]]:
        """The texts in the table, a list for each row."""
        return [[_text(_value(row, column)) for column in self.columns.values()] for row in self]

    def __repr__(self) -> str:
        if not self:
            return f"(no {self.noun}s)"
        lines = [[*self.columns], *self.cells()]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        right = [all(map(_is_number, column)) for column in zip(*lines[1:], strict=True)]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if flush else cell.ljust(width)
                for cell, width, flush in zip(line, widths, right, strict=True)
            ).rstrip()
            for line in lines
        )

    __str__ = __repr__

    def _repr_html_(self) -> str:
        if not self:
            return f"<p>(no {html.escape(self.noun)}s)</p>"
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.columns)
        rows = (
            "<tr>" + "".join(map(_cell, self.columns, cells)) + "</tr>" for cells in self.cells()
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def colour(status: str) -> str:
    """The colour of a status; what is neither good, bad nor off is under way."""
    word = (status.split() or [""])[0].casefold()
    return BAD if word.startswith("error") else COLOURS.get(word, BUSY)


def _cell(header: str, cell: str) -> str:
    style = f' style="color: {colour(cell)}"' if header == "status" else ""
    return f"<td{style}>{html.escape(cell)}</td>"


def _value(row: Any, column: str | Callable[[Any], object]) -> object:
    return getattr(row, column, None) if isinstance(column, str) else column(row)


def _text(value: object) -> str:
    if value is None or value == []:
        return "-"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, str):
        # A name may hold anything; a table holds one line for each row.
        return "".join(letter if letter.isprintable() else " " for letter in value)
    if isinstance(value, list | tuple | set):
        return ", ".join(map(_text, value))
    return str(value)


def _is_number(cell: str) -> bool:
    return cell == "-" or cell.replace(".", "", 1).replace("-", "", 1).isdigit()
