"""Every chore that a user of a cloud may do, tried on that cloud, with real guests.

    python -m tests.acceptance --cloud mycloud
    python -m tests.acceptance --openrc project_2001234-openrc.sh --only launch ssh attach
    python -m tests.acceptance --cloud mycloud --other-cloud another --yes

It tells what it will make, how long that takes and what it costs, and asks. Each claim is judged by
looking at the cloud, or into the server, and told in a line: ok, FAILED, or skipped, and why. At
the end, after Ctrl-C too, all that it made is removed, and the project is compared with what it was
before. Exit status: 0 when every claim held, 1 when one failed or something is left behind, 130
when it was interrupted and nothing is left.
"""

from __future__ import annotations

import argparse
import math
import os
import secrets
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pouta
from pouta import identity, networks, prices, security_groups
from pouta.display import Table
from pouta.security_groups import ssh_group
from tests.acceptance import choosing
from tests.acceptance.claims import Part, one_line, play
from tests.acceptance.ground import Ground, sweep
from tests.acceptance.parts import PARTS
from tests.acceptance.run import Interrupted, Run, Signals, own_home

if TYPE_CHECKING:
    from openstack.connection import Connection

INTERRUPTED = 130
OVERHEAD = 2  # minutes: for looking before, and removing afterwards
SIGNS = {"+": "LEFT BEHIND", "-": "GONE", "~": "CHANGED"}
BUSY = "Somebody else at work in this project changes it too: see whose they are."


class Report:
    """What is told, and what of it counts in the end."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def tell(self, part: str, words: str, outcome: str) -> None:
        self.counts[outcome.partition(":")[0]] += 1
        say(": ".join(filter(None, (part, words, outcome))))

    @property
    def summary(self) -> str:
        return ", ".join(f"{self.counts[what]} {what}" for what in ("ok", "FAILED", "skipped"))


def say(line: object) -> None:
    try:
        print(line, flush=True)
    except OSError:  # nobody reads it any more, which is as good as Ctrl-C
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - for the rest of the process
        signal.raise_signal(signal.SIGTERM)


def main() -> int:
    given = arguments()
    try:
        conn = pouta.connect(given.cloud, openrc=given.openrc)
        if given.remove:
            return removed(Ground(conn, given.remove))
        other = pouta.connect(given.other_cloud) if given.other_cloud else None
        with Signals() as signals, folder(kept=given.keep) as home:
            run = prepared(given, conn, other, home, signals)
            parts = [PARTS[name] for name in PARTS if name in (given.only or PARTS)]
            announce(run, parts)
            if not (given.yes or agreed()):
                return 1
            with own_home(home):
                return accepted(run, parts, given)
    except pouta.PoutaError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except (Interrupted, KeyboardInterrupt):
        return INTERRUPTED


def arguments() -> argparse.Namespace:
    options = argparse.ArgumentParser(
        prog="python -m tests.acceptance",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("--cloud", metavar="NAME", help="in clouds.yaml; or practice")
    options.add_argument("--openrc", metavar="FILE", help="as the dashboard gives it out")
    options.add_argument(
        "--other-cloud", metavar="NAME", help="a second project of the same cloud, in clouds.yaml"
    )
    options.add_argument("--only", nargs="+", choices=[*PARTS], metavar="PART", help=f"{[*PARTS]}")
    options.add_argument("--yes", action="store_true", help="do not ask before it starts")
    options.add_argument("--keep", action="store_true", help="leave what the parts leave")
    options.add_argument("--remove", metavar="TAG", help="only remove what a run has left")
    options.add_argument("--image", help="the newest Ubuntu if not given")
    options.add_argument("--flavor", help="the cheapest that fits if not given")
    options.add_argument("--network", help="the project's own if not given")
    options.add_argument(
        "--ssh-from", metavar="CIDR", default="my-ip", help="this machine's address if not given"
    )
    return options.parse_args()


@contextmanager
def folder(*, kept: bool) -> Iterator[Path]:
    """For the keys and the files of a run."""
    if kept:
        yield Path(tempfile.mkdtemp(prefix="acceptance-"))
    else:
        with tempfile.TemporaryDirectory(prefix="acceptance-") as made:
            yield Path(made)


def prepared(
    given: argparse.Namespace,
    conn: Connection,
    other: Connection | None,
    home: Path,
    signals: Signals,
) -> Run:
    """All names are found before anything is made."""
    tag = f"acceptance-{secrets.token_hex(3)}"
    image = choosing.image(conn, given.image)
    flavor = choosing.flavor(conn, given.flavor, image)
    cidr = security_groups.cidr_of(conn, given.ssh_from)
    if given.network:
        networks.find(conn, given.network)
    else:
        try:
            networks.default(conn)
        except pouta.NotFound:
            pass  # the part `networks` makes one
        except pouta.Ambiguous as several:
            several.hint = "Say which: --network NAME"
            raise
    group = ssh_group(cidr)
    return Run(
        conn=conn,
        ground=Ground(conn, tag, ssh_group=group, own_keys=True),
        tag=tag,
        image=image,
        flavor=flavor,
        larger=choosing.larger(conn, flavor),
        home=home,
        signals=signals,
        ssh_from=cidr,
        network=given.network,
        other=other,
    )


# Before


def announce(run: Run, parts: Sequence[Part]) -> None:
    """What will be made, for how long, and what it costs."""
    known = prices.of(run.conn)
    largest = run.larger or run.flavor
    hourly = {
        "servers": known.flavor(largest.name),
        "gib": known.volume(1, "standard"),
        "addresses": known.floating_ip,
    }

    def cost(part: Part) -> float | None:
        each = [(getattr(part, what), price) for what, price in hourly.items()]
        if any(count and price is None for count, price in each):
            return None
        return sum(count * (price or 0) for count, price in each) * part.minutes / 60

    columns = {
        "part": "name",
        "minutes": "minutes",
        "makes": "makes",
        "BU": lambda part: None if cost(part) is None else round(cost(part) or 0, 3),
    }
    sizes = run.flavor.name + (f", then {run.larger.name}" if run.larger else "")
    say(identity.whoami(run.conn))
    say(f"Servers of {run.image.name}, {sizes}; two at a time at most. SSH from {run.ssh_from}.")
    say(f"All of it is called {run.tag}-… and removed at the end.\n")
    say(Table(parts, columns, "part"))
    costs = [cost(part) for part in parts]
    billed = f"{sum(one or 0 for one in costs):.1f} BU" if None not in costs else "an unknown cost"
    minutes = math.ceil(sum(part.minutes for part in parts)) + OVERHEAD
    say(f"\nAbout {minutes} minutes and {billed}. {known}")
    if run.why_no_guests:
        say("On a practice cloud it takes two minutes, and is free.")


def agreed() -> bool:
    try:
        return input("Go on? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        say("Nobody answers: --yes goes on without asking.")
        return False


# The run, and after it


def accepted(run: Run, parts: Sequence[Part], given: argparse.Namespace) -> int:
    report, began, interrupted = Report(), time.monotonic(), False
    run.ground.look()
    for kinds, why in run.ground.unseen.items():
        say(f"{kinds}: not looked at: {why}")
    say("")
    try:
        for part in parts:
            if not play(part, run, report.tell):
                run.forget_web()
                if not given.keep:
                    sweep(run.ground, run.other)
    except Interrupted:
        interrupted = True
        say("\nInterrupted.")
    minutes = (time.monotonic() - began) / 60
    say(f"\n{report.summary}, in {minutes:.1f} minutes.")
    failed = bool(report.counts["FAILED"])
    if given.keep:
        keep(run, given)
        return INTERRUPTED if interrupted else int(failed)
    left = tidy(run)
    return int(failed or left) if left or not interrupted else INTERRUPTED


def tidy(run: Run) -> bool:
    """Remove all of it, whoever presses Ctrl-C meanwhile; whether something is left."""
    say("Removing what was made; Ctrl-C does not stop that.")
    try:
        with run.signals.held():
            trouble = sweep(run.ground, run.other)
            changes = run.ground.changes()
            theirs = left_in_other(run)
    except Interrupted:
        pass
    for said in trouble:
        say(f"Not removed: {one_line(said)}")
    for change in changes:
        say(f"{SIGNS[change.sign]}: {change.brief} ({change.key[1]})")
    for thing in theirs:
        say(f"LEFT BEHIND: {thing} in the other project")
    if changes:
        say(BUSY)
    if not (trouble or changes or theirs):
        say("Nothing is left: the project is as it was.")
    return bool(trouble or changes or theirs)


def left_in_other(run: Run) -> Sequence[str]:
    """What carries the run's name in the other project."""
    if run.other is None:
        return []
    disks = run.other.block_storage
    named = [
        thing for thing in (*disks.volumes(), *disks.snapshots()) if run.ground.is_named(thing)
    ]
    return [f"{thing.name} ({thing.id})" for thing in named]


def keep(run: Run, given: argparse.Namespace) -> None:
    say("Kept, and billed until it is removed:")
    for change in run.ground.changes():
        say(f"  {change.brief} ({change.key[1]})")
    login = f"--cloud {given.cloud} " if given.cloud else ""
    login += f"--openrc {given.openrc} " if given.openrc else ""
    say(f"Its keys are in {run.home}. To remove it:")
    say(f"  python -m tests.acceptance {login}--remove {run.tag}")
    say("  and key pairs pouta-… and groups ssh-from-… of this list, which cost nothing, by hand.")


def removed(ground: Ground) -> int:
    ground.look()
    for said in sweep(ground):
        say(f"Not removed: {one_line(said)}")
    left = ground.named()
    for thing in left:
        say(f"LEFT BEHIND: {thing.kind} {thing.name} ({thing.id})")
    if not left:
        say(f"Nothing called {ground.tag}-… is left.")
    return int(bool(left))


if __name__ == "__main__":
    sys.exit(main())
