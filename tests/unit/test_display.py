"""The list that prints as a table."""

from __future__ import annotations

import copy
import pickle
import sys
from types import SimpleNamespace

import pytest

import pouta
from pouta import display, kinds
from pouta.display import Table

CPOUTA, EPOUTA = "https://pouta.csc.fi:5001/v3", "https://epouta.csc.fi:5001/v3"
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
    assert str(table(volume({"a": "\u202e\x1b"}, 1))).count("\n") == 1
    assert "\u202e" not in str(table(volume(SimpleNamespace(a="\u202e"), 1, "x\x1b")))
    assert "<script>" not in rows._repr_html_()
    assert "&lt;script&gt;" in rows._repr_html_()


def test_what_is_not_known_is_a_dash():
    assert str(table(volume(None, None))).splitlines()[1].split() == ["-", "-", "-"]
    assert str(table(volume("a", None), volume("data", 100))).splitlines() == [
        "name  GiB  in",
        "a       -  -",
        "data  100  -",
    ]


def test_it_can_be_copied_and_pickled():
    rows = table(volume("a", 5, "web"), volume("b", 2))
    for there in (pickle.loads(pickle.dumps(rows)), copy.copy(rows), copy.deepcopy(rows)):
        assert isinstance(there, Table)
        assert str(there) == str(rows)
        assert str(there[1:]) == str(rows[1:])
        assert pickle.loads(pickle.dumps(there))._repr_html_() == rows._repr_html_()
    linked = Table.of(at(CPOUTA), kinds.SERVER, [server("web", "4f")], COLUMNS)
    assert pickle.loads(pickle.dumps(linked))._repr_html_() == linked._repr_html_()


def test_what_is_no_row_of_its_columns_is_pickled_as_a_list():
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
    assert f'color: {display.GOOD}">ACTIVE</td>' in shown
    assert f'color: {display.BAD}">ERROR</td>' in shown
    assert f'color: {display.BUSY}">BUILD (spawning)</td>' in shown


@pytest.mark.parametrize("colour", [display.GOOD, display.BUSY, display.BAD, display.OFF])
def test_colours_are_read_on_white_and_on_black(colour):
    """Contrast as W3C reckons it; 4.5 is what they want of a text, 3 of a large one."""

    def light(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (
            p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    for paper in ("#ffffff", "#111111"):  # of JupyterLab's two themes
        dark, bright = sorted((light(colour), light(paper)))
        assert (bright + 0.05) / (dark + 0.05) >= 4


def test_numbers_are_on_the_right_in_a_notebook_and_words_on_the_left():
    shown = table(volume("data", 100, "web"))._repr_html_()
    assert '<th style="text-align: left">name</th>' in shown
    assert '<td style="text-align: left">data</td>' in shown
    assert '<td style="text-align: right">100</td>' in shown


def at(auth_url):
    return SimpleNamespace(session=SimpleNamespace(auth=SimpleNamespace(auth_url=auth_url)))


def server(name, id):
    return SimpleNamespace(name=name, id=id, size=1, hosts=[])


@pytest.mark.parametrize(
    ("cloud", "kind", "page"),
    [
        (CPOUTA, kinds.SERVER, "https://pouta.csc.fi/dashboard/project/instances/4f/"),
        (EPOUTA, kinds.VOLUME, "https://epouta.csc.fi/dashboard/project/volumes/4f/"),
        (CPOUTA, kinds.SNAPSHOT, "https://pouta.csc.fi/dashboard/project/snapshots/4f"),
        (CPOUTA, kinds.NETWORK, "https://pouta.csc.fi/dashboard/project/networks/4f/detail"),
        (CPOUTA, kinds.FLOATING_IP, "https://pouta.csc.fi/dashboard/project/floating_ips/"),
    ],
)
def test_a_name_leads_to_its_page_in_the_dashboard(cloud, kind, page):
    rows = Table.of(at(cloud), kind, [server("<web>", "4f")], COLUMNS)
    assert f'<a href="{page}" target="_blank" rel="noopener">&lt;web&gt;</a>' in rows._repr_html_()
    assert rows[:1]._repr_html_() == rows._repr_html_()
    assert "http" not in str(rows)


@pytest.mark.parametrize(
    ("cloud", "kind"),
    [
        ("http://127.0.0.1:5000/practice/v3", kinds.SERVER),
        ("https://pouta.csc.fi.example.org:5001/v3", kinds.SERVER),
        (CPOUTA, kinds.FLAVOR),  # has no page there
    ],
)
def test_where_no_page_is_known_a_name_is_a_name(cloud, kind):
    shown = Table.of(at(cloud), kind, [server("web", "4f")], COLUMNS)._repr_html_()
    assert "<a" not in shown
    assert ">web</td>" in shown


def test_neither_an_id_nor_an_address_gets_out_of_its_link():
    rows = Table.of(at(CPOUTA), kinds.KEYPAIR, [server("k", '../x"onclick="')], COLUMNS)
    assert "key_pairs/..%2Fx%22onclick%3D%22/" in rows._repr_html_()
    for address in ("javascript:alert(1)", "http://pouta.csc.fi/", 'https://a/"><script>'):
        shown = Table([server("k", "1")], COLUMNS, "key", lambda row, to=address: to)._repr_html_()
        assert "<script>" not in shown
        assert ("<a " in shown) == address.startswith("https:")


def test_it_becomes_a_dataframe_with_numbers_that_are_numbers():
    frame = table(volume("a", 5), volume("data", 100, "web")).to_pandas()
    assert [*frame.columns] == ["name", "GiB", "in"]
    assert frame["GiB"].sum() == 105


def test_without_pandas_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(pouta.ConfigurationError, match=r"pip install 'pouta\[notebook\]'"):
        table(volume("a", 5)).to_pandas()
