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
              pace=waiting.Pace(times=0, least=0, shortest=0))
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
def test_a_notebook_has_a_bar_meanwhile_and_keeps_a_line_with_ipywidgets_and_without():
    without = "import sys\nsys.modules['ipywidgets'] = None\n"
    cells = [nbformat.v4.new_code_cell(code) for code in (WAIT, without + WAIT)]
    client = nbclient.NotebookClient(
        nbformat.v4.new_notebook(cells=cells), timeout=60, kernel_name="python3"
    )
    client.execute()

    widgets = {widget["_model_name"]: widget for widget in client.widget_state.values()}
    bar, label = widgets["IntProgressModel"], widgets["LabelModel"]
    assert (bar["value"], bar["max"]) == (1, 1)
    assert label["value"] == "server 'web': ACTIVE, 0 s"
    bars = [state["_model_name"] for state in client.widget_state.values()]
    assert bars.count("IntProgressModel") == 1  # of the first cell
    for cell in cells:
        shown = [output.data for output in cell.outputs]
        assert shown == [
            {"text/plain": "server 'web': ACTIVE, 0 s"},
            {"text/plain": "In 'web' the volume is there."},
        ]


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
