"""What every peer's script has around its chores: what is wanted, and what it took.

The standard library only, for it runs in each peer's own environment.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

IMAGE = "Ubuntu-24.04"
FLAVOR = "standard.tiny"
NETWORK = "project_2001234"
OUTSIDE = "public"
KEY = "bench"
GROUP = "bench"
SERVER = "bench"
VOLUME = "bench-data"


def until(done: Callable[[], bool], every: float) -> None:
    """The loop that users write by hand where a peer has no wait; `every` is its own interval."""
    while not done():
        time.sleep(every)


def run(chores: dict[str, Callable[..., object]]) -> None:
    """`script.py CHORE [COUNT]`: do it, and tell on the last line when, and what it took."""
    name, *count = sys.argv[1:]
    if name not in chores:
        sys.exit("it has no call for this")
    began, cpu = time.monotonic(), _cpu()
    chores[name](*map(int, count))
    taken = {
        "began": began,
        "ended": time.monotonic(),
        "cpu": _cpu() - cpu,
        "memory": _memory(),
    }
    print("\n" + json.dumps(taken))


def _cpu() -> float:
    """Seconds of this process and of those that it ran."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _memory() -> float:
    """The most that this process has held, in MB. `getrusage` would tell of its parent's too."""
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(peak) / 1000
