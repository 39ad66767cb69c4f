"""The list that prints as a table and shows as one in Jupyter."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeVar, overload

from pouta import clouds, pickling
from pouta.errors import ConfigurationError
from pouta.kinds import Kind, id_of
from pouta.redaction import printable

if TYPE_CHECKING:
    import pandas
    from openstack.connection import Connection

R = TypeVar("R")

Columns = Mapping[str, str | Callable[[Any], object]]

# To be read on white and on black alike: a notebook is either.
GOOD, BUSY, BAD, OFF = "#1f8f3f", "#a87000", "#e03a45", "#757e88"
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

    link: gives the address of a resource's page in the cloud's dashboard, to which its name leads
        in a notebook; "" for none.
    """

    def __init__(
        self,
        rows: Iterable[R],
        columns: Columns,
        noun: str,
        link: Callable[[R], str] | None = None,
    ) -> None:
        super().__init__(rows)
        self.columns = columns
        self.noun = noun
        self.link = link

    @classmethod
    def of(cls, conn: Connection, kind: Kind[R], rows: Iterable[R], columns: Columns) -> Table[R]:
        """A table of things of the cloud, whose names lead to their pages in its dashboard."""
        url = clouds.auth_url(conn)
        return Table(rows, columns, kind.noun, lambda row: clouds.page(url, kind.noun, id_of(row)))

    @overload
    def __getitem__(self, index: SupportsIndex) -> R: ...
    @overload
    def __getitem__(self, index: slice) -> Table[R]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> R | Table[R]:
        if isinstance(index, slice):
            return Table(super().__getitem__(index), self.columns, self.noun, self.link)
        return super().__getitem__(index)

    def to_pandas(self) -> pandas.DataFrame:
        """The table as a DataFrame: its columns with their values, a row for each resource."""
        try:
            from pandas import DataFrame
        except ImportError as error:
            raise ConfigurationError(
                "A DataFrame needs pandas, which is not installed here.",
                hint="It comes with pouta's extra for notebooks: pip install 'pouta[notebook]'.",
            ) from error
        rows = [[value(row, column) for column in self.columns.values()] for row in self]
        return DataFrame(rows, columns=[*self.columns])

    def __reduce__(self) -> tuple[Any, ...]:
        """Functions stay behind: what they say of the rows goes with them.

        What is no row for these columns goes as a list.
        """
        pickling.allow(self)
        try:
            told = {
                header: column if isinstance(column, str) else [value(row, column) for row in self]
                for header, column in self.columns.items()
            }
            links = [self.link(row) for row in self] if self.link else None
        except Exception:  # noqa: BLE001 - of anybody's function
            return list, ([*self],)
        held = {k: v for k, v in vars(self).items() if k not in ("columns", "link")}
        return _unpickled, (type(self), [*self], told, links, held)

    def cells(self) -> list[list[str]]:
        """The texts in the table, a list for each row."""
        return [[text(value(row, column)) for column in self.columns.values()] for row in self]

    def __repr__(self) -> str:
        if not self:
            return f"(no {self.noun}s)"
        cells = self.cells()
        lines = [[*self.columns], *cells]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if side == "right" else cell.ljust(width)
                for cell, width, side in zip(line, widths, _sides(cells), strict=True)
            ).rstrip()
            for line in lines
        )

    __str__ = __repr__

    def _repr_html_(self) -> str:
        if not self:
            return f"<p>(no {html.escape(self.noun)}s)</p>"
        cells = self.cells()
        columns = [*zip(self.columns, _sides(cells), strict=True)]
        linked = "name" if "name" in self.columns else columns[0][0]
        head = "".join(heading(header, side) for header, side in columns)
        lines = ""
        for row, texts in zip(self, cells, strict=True):
            links = {linked: self.link(row)} if self.link else {}
            lines += "<tr>"
            for (header, side), words in zip(columns, texts, strict=True):
                lines += cell(header, words, side=side, link=links.get(header, ""))
            lines += "</tr>"
        return f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


def _unpickled(
    kind: type[Table[Any]],
    rows: list[Any],
    told: Mapping[str, str | list[object]],
    links: list[str] | None,
    held: Mapping[str, Any],
) -> Table[Any]:
    table = kind.__new__(kind)
    table.extend(rows)
    table.columns = {
        header: column if isinstance(column, str) else _Told(rows, column)
        for header, column in told.items()
    }
    table.link = _Told(rows, links) if links is not None else None
    vars(table).update(held)
    return table


class _Told:
    """A column of a table from another process: what it said of each of the rows there."""

    def __init__(self, rows: Iterable[Any], values: Iterable[Any]) -> None:
        self._known = {id(row): (row, value) for row, value in zip(rows, values, strict=True)}

    def __call__(self, row: Any) -> Any:
        return self._known.get(id(row), (row, None))[1]


def colour(status: str) -> str:
    """The colour of a status; what is neither good, bad nor off is under way."""
    word = (status.split() or [""])[0].casefold()
    return BAD if word.startswith("error") else COLOURS.get(word, BUSY)


def heading(header: str, side: str = "left") -> str:
    """A heading in HTML. Each says on which side it is, for Jupyter puts all on the right."""
    return f'<th style="text-align: {side}">{html.escape(header)}</th>'


def cell(header: str, words: str, *, side: str = "left", link: str = "") -> str:
    """A cell in HTML: a status has its colour, and what has a link leads there."""
    style = f"text-align: {side}" + (f"; color: {colour(words)}" if header == "status" else "")
    shown = html.escape(words)
    if link.startswith("https://"):
        shown = f'<a href="{html.escape(link)}" target="_blank" rel="noopener">{shown}</a>'
    return f'<td style="{style}">{shown}</td>'


def value(row: Any, column: str | Callable[[Any], object]) -> object:
    """What a column says of a row."""
    return getattr(row, column, None) if isinstance(column, str) else column(row)


def text(value: object) -> str:
    """A value on one line."""
    if value is None or value == []:
        return "-"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple | set):
        return ", ".join(map(text, value))
    return printable(str(value))  # a name may hold anything


def _sides(cells: Sequence[Sequence[str]]) -> list[str]:
    """On which side the words of each column are: numbers are on the right."""
    known = ([cell for cell in column if cell != "-"] for column in zip(*cells, strict=True))
    return ["right" if column and all(map(_is_number, column)) else "left" for column in known]


def _is_number(cell: str) -> bool:
    return cell.replace(".", "", 1).replace("-", "", 1).isdigit()
