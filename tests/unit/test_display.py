"""The list that prints as a table."""

from __future__ import annotations

import copy
import pickle
from types import SimpleNamespace

import pytest

from pouta import display
from pouta.display import Table

COLUMNS = {"name": "name", "GiB": "size", "in": lambda thing: thing.hosts}


def volume(name, size, *hosts):
    return SimpleNamespace(name=name, size=size, hosts=[*hosts])


def table(*rows):
    return Table(rows, COLUMNS, "volume")


def test_columns_are_aligned_numbers_to_the_right():
    assert repr(table(volume("a", 5), volume("data", 100, "web", "db"))).splitlines() == [
        "name  GiB  in",
        "a       5  -",
        "data  100  web, db",
    ]


def test_an_empty_table_says_so():
    assert str(table()) == "(no volumes)"
    assert table()._repr_html_() == "<p>(no volumes)</p>"


def test_it_is_a_list_and_its_slices_are_tables():
    rows = table(volume("a", 1), volume("b", 2), volume("c", 3))
    assert rows[0].name == "a"
    assert isinstance(rows[1:], Table)
    assert str(rows[1:]).splitlines()[1].startswith("b")


def test_a_name_cannot_break_out_of_its_row_or_of_html():
    rows = table(volume("<script>alert(1)</script>", 1), volume("two\nlines\x1b[31m", 2))
    assert len(str(rows).splitlines()) == 3
    assert "\x1b" not in str(rows)
    assert "<script>" not in rows._repr_html_()
    assert "&lt;script&gt;" in rows._repr_html_()


def test_what_is_not_known_is_a_dash():
    assert str(table(volume(None, None))).splitlines()[1].split() == ["-", "-", "-"]


def test_it_can_be_copied_and_pickled():
    rows = table({"a": 1})
    assert copy.copy(rows) == [{"a": 1}]
    assert pickle.loads(pickle.dumps(rows)) == [{"a": 1}]


def test_a_status_has_the_colour_of_what_it_means():
    rows = Table(
        [SimpleNamespace(status=s) for s in ("ACTIVE", "ERROR", "BUILD (spawning)")],
        {"status": "status"},
        "server",
    )
    shown = rows._repr_html_()
    assert f'<td style="color: {display.GOOD}">ACTIVE</td>' in shown
    assert f'<td style="color: {display.BAD}">ERROR</td>' in shown
    assert f'<td style="color: {display.BUSY}">BUILD (spawning)</td>' in shown


def test_it_becomes_a_dataframe_with_numbers_that_are_numbers():
    pytest.importorskip("pandas")
    frame = table(volume("a", 5), volume("data", 100, "web")).to_pandas()
    assert [*frame.columns] == ["name", "GiB", "in"]
    assert frame["GiB"].sum() == 105
