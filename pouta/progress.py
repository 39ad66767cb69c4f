"""What a wait looks like. The only room that speaks, on stderr or in the notebook.

A wait reports frozen `Step`s; who shows them is chosen when the wait begins: a line in a terminal,
a widget in a notebook, nobody where nobody looks.
"""

from __future__ import annotations

import importlib
import logging
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from pouta import notebook
from pouta.redaction import Lines, plain


@dataclass(frozen=True)
class Step:
    """How far a wait has come."""

    what: str
    done: int = 0
    total: int = 1
    state: str = ""
    seconds: float = 0.0
    ended: bool = False

    def __str__(self) -> str:
        count = f"{self.done}/{self.total}" if self.total > 1 else ""
        now = f"{count} {self.state}".strip()
        return plain(f"{self.what}: " + ", ".join(filter(None, (now, f"{self.seconds:.0f} s"))))


Show = Callable[[Step], None]
Report = Callable[[int, int, str], None]

_shown_by: ContextVar[Show | None] = ContextVar("pouta_progress", default=None)


@contextmanager
def shown_by(show: Show) -> Iterator[None]:
    """Give every step inside the block to `show` instead of the terminal or notebook."""
    before = _shown_by.set(show)
    try:
        yield
    finally:
        _shown_by.reset(before)


def silent(step: Step) -> None:
    """Show nothing."""


@contextmanager
def task(what: str) -> Iterator[Report]:
    """Something that takes a while; the block calls `report(done, total, state)` as it goes."""
    show = _shown_by.get() or _viewer()
    began = time.monotonic()
    last = Step(what)

    def report(done: int, total: int, state: str) -> None:
        nonlocal last
        last = Step(what, done, total, state, time.monotonic() - began)
        show(last)

    show(last)
    try:
        yield report
    finally:
        seconds = time.monotonic() - began
        show(Step(what, last.done, last.total, last.state, seconds, ended=True))


def say(sentence: str) -> None:
    """Tell the person something that they would want to know; a log line where nobody looks."""
    sentence = sentence.plain if isinstance(sentence, Lines) else plain(sentence)
    if in_notebook():
        _display(sentence)  # there, stderr looks like an error
    elif sys.stderr.isatty():
        sys.stderr.write(sentence + "\n")
    else:
        logging.getLogger("pouta").info("%s", sentence)


def _viewer() -> Show:
    if in_notebook():
        return _notebook()
    if sys.stderr.isatty():
        return _terminal
    return silent


def _terminal(step: Step) -> None:
    width = shutil.get_terminal_size().columns - 1
    sys.stderr.write("\r\x1b[K" + str(step)[:width] + ("\n" if step.ended else ""))
    sys.stderr.flush()


def in_notebook() -> bool:
    """Whether this runs in a Jupyter kernel."""
    return hasattr(notebook.shell(), "kernel")


def _display(sentence: str) -> Any:
    """Show a sentence in the notebook; what comes back can write another over it."""
    ipython: Any = importlib.import_module("IPython.display")
    return ipython.display({"text/plain": sentence}, raw=True, display_id=True)


def _notebook() -> Show:
    """A line that is written over; with a bar, where ipywidgets is there, until all is done."""
    handle = _display("")

    def line(step: Step) -> None:
        handle.update({"text/plain": str(step)}, raw=True)

    try:
        widgets: Any = importlib.import_module("ipywidgets")
    except ImportError:
        return line
    bar, label = widgets.IntProgress(min=0), widgets.Label()
    box = widgets.HBox([bar, label])
    handle.update(box)

    def show(step: Step) -> None:
        bar.max, bar.value, label.value = step.total, step.done, str(step)
        if step.ended:
            line(step)  # a saved notebook has no widgets that live
            for widget in (box, bar, label):
                widget.close()

    return show
