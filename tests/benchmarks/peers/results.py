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
    "fleet20": "20 servers",
    "disband20": "delete them",
    "fleet100": "100 servers",
    "disband100": "delete them",
    "servers": "list 1 000 servers",
    "volumes": "list 1 000 volumes",
    "ports": "list 1 000 ports",
}


@dataclass(frozen=True)
class Figure:
    """One step of a chore, done once by one peer.

    round_trip in ms. memory is the highest of the process so
    far, in MB. `floor` has the requests of the floor besides its seconds.
    """

    what: str
    round_trip: int
    peer: str
    round: int
    seconds: float = 0.0
    requests: int = 0
    cpu: float = 0.0
    memory: float = 0.0
    error: str = ""


def merged(file: Path, new: Sequence[Figure]) -> Sequence[Figure]:
    """The figures of the file with the new ones; what was measured again replaces the old."""
    old = [Figure(**figure) for figure in json.loads(file.read_text())] if file.exists() else []
    again = {(figure.what, figure.round_trip, figure.peer) for figure in new}
    kept = [f for f in old if (f.what, f.round_trip, f.peer) not in again]
    figures = [*kept, *new]
    file.write_text("[\n" + ",\n".join(json.dumps(asdict(f)) for f in figures) + "\n]\n")
    return figures


def table(figures: Iterable[Figure], peers: Sequence[str]) -> str:
    """Markdown: a line for each step and round trip, a column for each peer and the floor."""
    figures = [*figures]
    columns = [peer for peer in ("floor", *peers) if any(f.peer == peer for f in figures)]
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


def _cell(runs: Sequence[Figure]) -> str:
    done = [run for run in runs if not run.error]
    if not runs:
        return "-"
    if not done:
        return f"failed: {runs[-1].error[:60]}"
    seconds = [run.seconds for run in done]
    spread = f"{statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"
    failed = f", {len(runs) - len(done)} of {len(runs)} failed" if len(done) < len(runs) else ""
    unit = "modules" if runs[0].what == "import" else "requests"
    return f"{spread}, {statistics.median(run.requests for run in done):g} {unit}{failed}"
