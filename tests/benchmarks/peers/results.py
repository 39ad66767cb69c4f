"""The figures: kept as JSON, shown as a table."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

STEPS = {
    "import": "import",
    "flavors": "process that lists the flavors",
    "launch": "launch",
    "address": "launch with a floating IP",
    "full": "launch with group, floating IP and volume",
    "delete": "delete all of that",
    "attach": "attach a volume",
    "detach": "detach it",
    "fleet20": "20 servers",
    "disband20": "delete them",
    "fleet100": "100 servers",
    "disband100": "delete them",
    "servers": "list 1 000 servers",
    "volumes": "list 1 000 volumes",
    "ports": "list 1 000 ports",
}


# pouta's figure by another's, at most: what, round trip, the other, and the unit: "seconds", or the
# requests that are "needed".
GOALS = {
    ("import", 0, "openstacksdk", "seconds"): 1 / 10,
    ("flavors", 0, "openstacksdk", "seconds"): 1.0,
    ("flavors", 0, "openstackclient", "seconds"): 1 / 3,
    ("address", 0, "openstacksdk", "seconds"): 1 / 4,
    ("address", 100, "openstacksdk", "seconds"): 1 / 2,
    ("address", 0, "floor", "seconds"): 1.25,
    ("attach", 0, "openstacksdk", "seconds"): 1 / 3,
    ("attach", 0, "floor", "seconds"): 1.3,
    ("fleet20", 0, "bare", "seconds"): 1.1,
    ("fleet100", 0, "bare", "seconds"): 1.1,
    **{
        ("full", 0, peer, "needed"): 1.0
        for peer in ("openstacksdk", "openstackclient", "libcloud", "cloudbridge", "chi")
    },
}


@dataclass(frozen=True)
class Figure:
    """One step of a chore, done once by one peer.

    round_trip in ms. memory is the highest of the process so
    far, in MB. `floor` has the requests of the floor besides its seconds, `bare` is the one request
    for many servers, by itself. checks: those of the requests that only ask whether it can be done.
    """

    what: str
    round_trip: int
    peer: str
    round: int
    seconds: float = 0.0
    requests: int = 0
    checks: int = 0
    cpu: float = 0.0
    memory: float = 0.0
    error: str = ""

    @property
    def needed(self) -> int:
        """The requests without those that only ask."""
        return self.requests - self.checks


def merged(file: Path, new: Sequence[Figure]) -> Sequence[Figure]:
    """The figures of the file with the new ones; what was measured again replaces the old."""
    old = [Figure(**figure) for figure in json.loads(file.read_text())] if file.exists() else []
    again = {(figure.what, figure.round_trip, figure.peer) for figure in new}
    kept = [f for f in old if (f.what, f.round_trip, f.peer) not in again]
    figures = [*kept, *new]
    file.write_text("[\n" + ",\n".join(json.dumps(asdict(f)) for f in figures) + "\n]\n")
    return figures


def table(figures: Iterable[Figure], peers: Sequence[str]) -> str:
    """Markdown: a line for each step and round trip, a column for each peer and the floor.

    In a cell are the median seconds (the least to the most) and the median of the requests, of the
    modules where it is an import; how many of them only check whether it can be done.
    """
    figures = [*figures]
    columns = [peer for peer in ("floor", "bare", *peers) if any(f.peer == peer for f in figures)]
    lines = [
        "| chore | round trip | " + " | ".join(columns) + " |",
        "|---" * (len(columns) + 2) + "|",
    ]
    for what, trip in dict.fromkeys((f.what, f.round_trip) for f in figures):
        here = [f for f in figures if (f.what, f.round_trip) == (what, trip)]
        cells = [_cell([f for f in here if f.peer == peer]) for peer in columns]
        name = STEPS.get(what, what)
        lines.append(f"| {name} | {trip} ms | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def goals(figures: Iterable[Figure]) -> str:
    """Markdown: each goal, with the median over the rounds in which both were measured."""
    by_run = {(f.what, f.round_trip, f.peer, f.round): f for f in figures if not f.error}
    lines = ["| pouta by another | measured | at most |", "|---|---|---|"]
    for (what, trip, peer, unit), most in GOALS.items():
        ratios = [
            getattr(ours, unit) / getattr(theirs, unit)
            for (*key, contender, number), ours in by_run.items()
            if (*key, contender) == (what, trip, "pouta")
            and (theirs := by_run.get((what, trip, peer, number)))
        ]
        if ratios:
            name = f"{STEPS.get(what, what)}, {trip} ms: {unit} / {peer}"
            lines.append(f"| {name} | {statistics.median(ratios):.2f} | {most:.2f} |")
    return "\n".join(lines) + "\n"


def _cell(runs: Sequence[Figure]) -> str:
    done = [run for run in runs if not run.error]
    if not runs:
        return "-"
    if not done:
        return f"failed: {runs[-1].error[:60]}"
    seconds = [run.seconds for run in done]
    spread = f"{statistics.median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})"
    failed = f"; {len(runs) - len(done)} of {len(runs)} failed" if len(done) < len(runs) else ""
    requests, checks = (
        statistics.median(getattr(run, unit) for run in done) for unit in ("requests", "checks")
    )
    checking = f" ({checks:g} check)" if checks else ""
    return f"{spread}, {requests:g}{checking}{failed}"
