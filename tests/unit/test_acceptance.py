"""The acceptance run: that it has every chore, how claims are told, and what it chooses."""

from __future__ import annotations

import ast
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import pouta
from tests.acceptance import choosing, parts
from tests.acceptance.claims import Claim, Part, play, refused, same
from tests.acceptance.parts import PARTS, needs
from tests.acceptance.run import Interrupted, Signals
from tests.campaigns.scenarios import chores

#: Chores of which no part has a claim, and why.
EXCEPTIONS: dict[str, str] = {}


def called() -> set[str]:
    """The chores that the parts name, as `noun.chore`."""
    files = Path(parts.__file__).parent.glob("*.py")
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    return {
        f"{node.value.id}.{node.attr}"
        for node in nodes
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }


def test_every_chore_has_a_claim_or_a_reason_for_none():
    missing = chores() - called()
    assert missing - {*EXCEPTIONS} == set(), "write a claim for it in tests/acceptance/parts"
    assert {*EXCEPTIONS} <= missing, "it has a claim by now"


def test_the_parts_are_in_the_order_of_a_day():
    order = [*PARTS]
    day = ["keypairs", "launch", "ssh", "attach", "snapshot", "boot_volume", "delete", "cluster"]
    assert [name for name in order if name in day] == day
    assert order[-1] == "cleanup"


# Claims


def played(act: Any, *, needs: Any = ()) -> tuple[bool, list[tuple[str, ...]]]:
    told: list[tuple[str, ...]] = []
    part = Part("try", act, 1, "nothing", needs=needs)
    run: Any = SimpleNamespace()
    return play(part, run, lambda *line: told.append(line)), told


def test_a_claim_is_told_once_it_is_over():
    done = []

    def act(run: Any) -> Any:
        yield "first"
        done.append("first")
        if (yield Claim("second", "no reason")):
            done.append("second")
        if (yield Claim("third")):
            done.append("third")

    assert played(act) == (
        True,
        [("try", "first", "ok"), ("try", "second", "skipped: no reason"), ("try", "third", "ok")],
    )
    assert done == ["first", "third"]


def test_a_broken_claim_ends_its_part_and_says_why():
    def untrue(run: Any) -> Any:
        yield "first"
        same("its size", 1, 2)
        yield "second"

    assert played(untrue) == (
        False,
        [
            ("try", "first", "FAILED: its size: 1, not 2"),
            ("try", "the rest", "skipped: the claim before it failed"),
        ],
    )

    def refusing(run: Any) -> Any:
        yield "first"
        raise pouta.Refused("The cloud is full.", hint="Try again.")

    assert played(refusing)[1][0] == ("try", "first", "FAILED: The cloud is full. Try again.")

    def unforeseen(run: Any) -> Any:
        {}["key"]
        yield "first"

    outcome = played(unforeseen)[1][0][2]
    assert outcome.startswith("FAILED: KeyError: 'key' (")
    assert "test_acceptance.py:" in outcome


def test_a_part_whose_need_is_not_met_is_not_begun():
    def act(run: Any) -> Any:
        raise AssertionError
        yield

    asked = [lambda run: "", lambda run: "no volumes here", lambda run: 1 / 0]
    assert played(act, needs=asked) == (True, [("try", "", "skipped: no volumes here")])


def test_what_should_be_refused_must_be_and_in_its_words():
    with refused(pouta.Refused, "is full"):
        raise pouta.Refused("The cloud is full.")
    for raised in (None, pouta.Refused("Something else.")):
        with pytest.raises(Exception, match="refused"), refused(pouta.Refused, "is full"):
            if raised:
                raise raised


def test_a_service_that_is_missing_or_not_for_this_user_is_told():
    none: Any = SimpleNamespace(conn=SimpleNamespace(endpoint_for=lambda type: None))
    assert needs.heat(none) == "this cloud has no stacks"
    assert needs.objects(none) == "this cloud has no object store"


# Signals


def test_a_signal_ends_a_run_once_and_only_outside_of_what_is_held():
    with Signals() as signals:
        done = []
        with pytest.raises(Interrupted), signals.held():
            signal.raise_signal(signal.SIGINT)
            done.append("to its end")
        assert done == ["to its end"]
        signal.raise_signal(signal.SIGTERM)  # what is undone now is not ended
        with signals.held():
            signal.raise_signal(signal.SIGINT)
    with Signals(), pytest.raises(Interrupted):
        signal.raise_signal(signal.SIGTERM)


# What it chooses


def image(name: str, **more: Any) -> Any:
    return SimpleNamespace(
        **{"name": name, "status": "active", "min_disk": 4, "size": 0, "virtual_size": 0, **more}
    )


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["cirros", "AlmaLinux-9", "Ubuntu-22.04", "Ubuntu-24.04", "Ubuntu-9.10"], "Ubuntu-24.04"),
        (["ubuntu-24.04-cuda-12", "ubuntu-24.04"], "ubuntu-24.04"),
        (["cirros-0.6.2", "Debian 12", "Windows"], "Debian 12"),
    ],
)
def test_the_newest_usual_image_is_taken(monkeypatch, names, chosen):
    monkeypatch.setattr(choosing.images, "list", lambda conn: [image(name) for name in names])
    conn: Any = None
    assert choosing.image(conn, None).name == chosen


def test_without_a_usual_image_one_must_be_named(monkeypatch):
    monkeypatch.setattr(choosing.images, "list", lambda conn: [image("Windows"), image("")])
    conn: Any = None
    with pytest.raises(pouta.NotFound, match="--image"):
        choosing.image(conn, None)


def flavor(name: str, vcpus: int, ram: int, disk: int = 20, ephemeral: int = 0) -> Any:
    return SimpleNamespace(name=name, vcpus=vcpus, ram=ram, disk=disk, ephemeral=ephemeral)


def test_a_small_flavor_and_the_next_of_its_family_are_taken(monkeypatch):
    known = [
        *(flavor("m1.nano", 1, 128), flavor("io.70GB", 2, 1000), flavor("m1.small", 1, 2000)),
        *(flavor("c1.medium", 2, 4000), flavor("m1.little", 2, 2000, disk=10)),
        *(flavor("m1.large", 4, 8000), flavor("m1.medium", 2, 4000)),
    ]
    monkeypatch.setattr(choosing.flavors, "list", lambda conn, **_: known)
    conn: Any = None
    small = choosing.flavor(conn, None, image("Ubuntu-24.04"))
    assert small.name == "m1.small"
    assert choosing.flavor(conn, None, image("cirros", min_disk=0)).name == "m1.nano"
    larger = choosing.larger(conn, small)
    assert larger is not None and larger.name == "m1.medium"
    assert choosing.larger(conn, flavor("m1.large", 4, 8000)) is None
    with pytest.raises(pouta.NotFound, match="--flavor"):
        choosing.flavor(conn, None, image("Ubuntu-24.04", min_disk=500))
