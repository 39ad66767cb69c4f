"""The acceptance run on the practice cloud: its claims, Ctrl-C, what it leaves and keeps."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from openstack.connection import Connection

from pouta import volumes
from tests.acceptance.__main__ import main, tidy
from tests.acceptance.claims import Claims, Part, same
from tests.acceptance.ground import Ground
from tests.acceptance.parts import PARTS
from tests.acceptance.run import NO_GUESTS, Run, Signals
from tests.campaigns import inventory

ROOT = Path(__file__).parents[2]
BEGUN_WITHIN = 120.0  # seconds
TAG = r"acceptance-[0-9a-f]{6}"


def started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.acceptance", "--cloud", "ours", *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(run: subprocess.Popen[str], status: int = 0) -> str:
    """What it printed; it had no complaints."""
    said, complaints = run.communicate(timeout=500)
    assert (run.returncode, complaints) == (status, ""), said
    return said


def told(said: str) -> Sequence[tuple[str, str]]:
    """Each claim's part, and its outcome."""
    lines = re.findall(rf"^({'|'.join(PARTS)}): (?:.*: )?(ok|FAILED: .*|skipped: .*)$", said, re.M)
    return [(part, outcome) for part, outcome in lines]


def as_before(conn: Connection, before: inventory.Inventory) -> bool:
    now, rests = inventory.at_rest(lambda: inventory.taken(conn))
    return rests and inventory.changes(before, now, conn.current_project.name) == []


@pytest.mark.timeout(600)
def test_every_claim_holds_and_nothing_is_left(in_both):
    before = [inventory.taken(conn) for conn in in_both]

    said = ended(started("--other-cloud", "theirs", "--yes"))

    outcomes = told(said)
    assert {part for part, _ in outcomes} == {*PARTS}
    assert {outcome for _, outcome in outcomes} == {"ok", f"skipped: {NO_GUESTS}"}
    assert [part for part in PARTS if (part, "ok") not in outcomes] == ["ssh"]  # all of it guests'
    oks = sum(outcome == "ok" for _, outcome in outcomes)
    assert oks > 80
    assert f"\n{oks} ok, 0 FAILED, {len(outcomes) - oks} skipped, in " in said
    announced, _, _ = said.partition("identity: ")
    assert re.search(rf"All of it is called {TAG}-… and removed at the end\.", announced)
    assert re.search(r"About \d+ minutes and 1\.\d BU\.", announced)
    assert said.endswith("Nothing is left: the project is as it was.\n")
    assert all(as_before(conn, held) for conn, held in zip(in_both, before, strict=True))


def has_server(conn: Connection) -> bool:
    return any(conn.compute.servers())


def has_disk_in_server(conn: Connection) -> bool:
    return any(volume.attachments for volume in conn.block_storage.volumes())


def wait_until(is_time: Callable[[Any], bool], conn: Connection) -> None:
    deadline = time.monotonic() + BEGUN_WITHIN
    while not is_time(conn):
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("number", "part", "is_time"),
    [(signal.SIGTERM, "power", has_server), (signal.SIGINT, "attach", has_disk_in_server)],
)
def test_ctrl_c_in_the_middle_leaves_nothing(
    in_both, number: int, part: str, is_time: Callable[[Any], bool]
):
    conn, _ = in_both
    before = inventory.taken(conn)
    run = started("--only", part, "--yes")
    wait_until(is_time, conn)

    run.send_signal(number)
    time.sleep(0.3)
    run.send_signal(number)  # somebody is impatient

    said = ended(run, 130)
    assert "\nInterrupted.\n" in said
    assert said.endswith("Nothing is left: the project is as it was.\n")
    assert as_before(conn, before)


def test_a_run_that_nobody_reads_any_more_ends_and_leaves_nothing(in_both):
    conn, _ = in_both
    before = inventory.taken(conn)
    run = started("--only", "volumes", "--yes")
    assert run.stdout and run.stderr
    wait_until(lambda conn: any(conn.block_storage.volumes()), conn)

    run.stdout.close()

    assert (run.wait(120), run.stderr.read()) == (130, "")
    run.stderr.close()
    assert as_before(conn, before)


def test_what_is_kept_is_listed_and_removed_by_its_tag(in_both):
    conn, _ = in_both
    other = conn.network.create_security_group(name="mine")

    said = ended(started("--only", "security_groups", "--keep", "--yes"))

    (kept,) = (one for one in conn.network.security_groups() if re.match(TAG, one.name))
    assert f"+ security group {kept.name} ({kept.id})" in said
    (again,) = re.findall(rf"--cloud ours --remove ({TAG})$", said, re.M)
    tagged = volumes.create(conn, "tagged", 1, tags=[again])
    assert f"Nothing called {again}-… is left." in ended(started("--remove", again))
    assert {one.name for one in conn.network.security_groups()} == {"default", other.name}
    assert tagged.id not in [volume.id for volume in conn.block_storage.volumes()]


def test_a_broken_claim_is_told_and_what_its_part_made_goes_before_the_next(
    in_both, home, monkeypatch, capsys
):
    conn, _ = in_both
    before = inventory.taken(conn)
    seen = []

    def broken(run: Run) -> Claims:
        yield "a volume has 2 GiB"
        volume = volumes.create(run.conn, run.name("small"), 1, tags=[run.tag])
        same("its size", volume.size, 2)

    def following(run: Run) -> Claims:
        yield "nothing of it is there"
        seen.extend(run.conn.block_storage.volumes())

    for name, act in {"volumes": broken, "billing": following}.items():
        monkeypatch.setitem(PARTS, name, Part(name, act, 1, "a volume"))
    arguments = ["--cloud", "ours", "--only", "billing", "volumes", "--yes"]
    monkeypatch.setattr(sys, "argv", ["acceptance", *arguments])
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(home / ".config/openstack/clouds.yaml"))

    assert main() == 1

    said = capsys.readouterr().out
    assert "\nvolumes: a volume has 2 GiB: FAILED: its size: 1, not 2\n" in said
    assert "\nbilling: nothing of it is there: ok\n" in said
    assert "\n1 ok, 1 FAILED, 1 skipped, in " in said
    assert seen == []
    assert as_before(conn, before)


def test_nothing_is_made_without_a_yes(in_both):
    conn, _ = in_both
    before = inventory.taken(conn)
    said = ended(started(), 1)
    assert said.endswith("Go on? [y/N] Nobody answers: --yes goes on without asking.\n")
    assert as_before(conn, before)


def test_what_is_left_behind_is_told_by_kind_and_id(practice_conn, capsys):
    ground = Ground(practice_conn, "acceptance-abcdef")
    with Signals() as signals:
        run: Any = SimpleNamespace(ground=ground, other=None, signals=signals)
        ground.look()
        assert not tidy(run)
        volume = volumes.create(practice_conn, "stays", 1)
        capsys.readouterr()
        assert tidy(run)
    assert f"LEFT BEHIND: + volume stays ({volume.id})\n" in capsys.readouterr().out
