"""What a wait looks like: in a terminal, in a notebook, and where nobody looks."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys

import nbclient
import nbformat
import pytest

from pouta import progress

WAIT = """
from types import SimpleNamespace
from pouta import progress, waiting
looks = iter(["BUILD", "ACTIVE"])
waiting.until("server 'web'", lambda: [SimpleNamespace(status=next(looks))],
              lambda thing: thing.status == "ACTIVE", timeout=5,
              pace=waiting.Pace(first=0, shortest=0))
progress.say("In 'web' the volume is there.")
"""


def test_a_terminal_shows_one_line_that_is_written_over():
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", WAIT], stdout=subprocess.PIPE, stderr=theirs, timeout=60, check=True
    )
    os.close(theirs)
    shown = os.read(ours, 10_000).decode()
    os.close(ours)
    assert "\r\x1b[Kserver 'web': BUILD, 0 s" in shown
    assert shown.count("\n") == 2
    assert "server 'web': ACTIVE, 0 s" in shown.split("\n")[0]
    assert "In 'web' the volume is there." in shown
    assert done.stdout == b""


def test_nothing_is_shown_where_nobody_looks():
    done = subprocess.run([sys.executable, "-c", WAIT], capture_output=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_notebook_shows_the_last_state_of_each_wait():
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(WAIT)])
    nbclient.NotebookClient(book, timeout=60, kernel_name="python3").execute()
    shown = str(book.cells[0].outputs)
    assert "ACTIVE" in shown
    assert "BUILD" not in shown
    assert "In 'web' the volume is there." in shown


def test_a_block_can_take_the_steps_for_itself(capsys):
    steps = []
    with progress.shown_by(steps.append), progress.task("volumes") as report:
        report(1, 3, "2 creating")
    assert str(steps[1]) == "volumes: 1/3 2 creating, 0 s"
    assert steps[-1].ended
    assert capsys.readouterr().err == ""


def test_what_is_said_where_nobody_looks_goes_to_the_log(caplog, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with caplog.at_level("INFO", logger="pouta"):
        progress.say("Made a new SSH key.")
    assert caplog.messages == ["Made a new SSH key."]
    assert sys.stderr.getvalue() == ""
