"""The notebooks do what they say, also when a cell is run twice, and leave nothing billed."""

from __future__ import annotations

import re
from pathlib import Path

import nbclient
import nbformat
import pytest

import pouta
from pouta import prices
from pouta.practice.folder import Folder
from pouta.practice.project import own_project
from tests.shell import NOTHING, billed

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOKS = sorted(path.name for path in EXAMPLES.glob("*.ipynb"))
MAKING = {"launch", "volume", "server", "snapshot", "restored", "something"}
PRICES = prices.for_cloud("https://pouta.csc.fi:5001/v3")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


class Run:
    """A notebook that was run from top to bottom, each cell that makes something twice."""

    def __init__(self, name: str) -> None:
        book = nbformat.read(EXAMPLES / name, 4)
        self.prose = "\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
        book.cells = [
            nbformat.v4.new_code_cell(cell.source, id=f"{cell.id}-{turn}")
            for cell in book.cells
            if cell.cell_type == "code"
            for turn in range(2 if cell.id in MAKING else 1)
        ]
        nbclient.NotebookClient(book, timeout=120, kernel_name="python3").execute()
        self.cells: dict[str, list[list[nbformat.NotebookNode]]] = {}
        for cell in book.cells:
            self.cells.setdefault(cell.id[:-2], []).append(cell.outputs)

    def shown(self, cell: str, form: str = "text/html", turn: int = -1) -> str:
        """What a cell showed in this form, or printed; the last time that it was run."""
        outputs = self.cells[cell][turn]
        return "".join(output.get("text") or output.data.get(form, "") for output in outputs)

    def picture(self, cell: str) -> set[str]:
        """The words in a picture, also those that show where the pointer rests."""
        return {*re.findall(r"<t(?:ext|itle)[^>]*>([^<]*)", self.shown(cell, "image/svg+xml"))}

    def row(self, cell: str, name: str, turn: int = -1) -> list[str]:
        """The cells of the row with this name, in the table that a cell showed."""
        rows = (re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in self.rows(cell, turn))
        return next(row for row in rows if name in row)

    def rows(self, cell: str, turn: int = -1) -> list[str]:
        return re.findall(r"<tr[^>]*>(.*?)</tr>", self.shown(cell, turn=turn), re.DOTALL)


@pytest.fixture(scope="module")
def practice_conn(practice_cloud):
    """One project for all of them: each notebook leaves it empty."""
    with own_project(Folder(practice_cloud.directory), practice_cloud.admin) as member:
        yield member


@pytest.fixture
def without_credentials(practice_cloud, shared_user, monkeypatch):
    """Nothing to log in with but the practice cloud, which does not stay for having been used."""
    monkeypatch.setenv("POUTA_PRACTICE_DIR", str(practice_cloud.directory))
    folder = Folder(practice_cloud.directory)
    stays = folder.settings["stays"]
    yield shared_user
    folder.remember(stays=stays)


def test_a_first_vm_without_any_credentials(without_credentials, home):
    before = billed(without_credentials)

    run = Run("first_vm.ipynb")

    assert "practice in project_2001234 at 127.0.0.1" in run.shown("connect")
    assert "Total: 0.72 BU/h" in run.shown("wish")
    assert "0.72 Billing Units" in run.prose
    assert run.row("launch", "status") == ["status", "ACTIVE"]
    assert run.row("launch", "BU/h") == ["BU/h", "0.52"]
    assert run.row("launch", "id", turn=0) == run.row("launch", "id")
    assert (
        f"ssh -i {home}/.ssh/pouta_key -o StrictHostKeyChecking=accept-new ubuntu@198.18."
        in run.shown("ssh", "text/plain")
    )
    assert run.row("diagnose", "way in")[1] == "yes"
    (_, _, flavor, _, address, _, price) = run.row("servers", "first-vm-practice")
    assert (flavor, price) == ("standard.small", "0.52")
    assert {"first-vm-practice", "ACTIVE", address} <= run.picture("picture")
    assert billed(without_credentials) == before


def test_a_data_volume_its_snapshot_and_the_way_back(logged_in):
    run = Run("data_volume.ipynb")

    name = f"data-volume-{pouta.identity.whoami(logged_in).user}"
    cost = PRICES.flavor("standard.tiny") + 2 * PRICES.volume(10, "capacity")
    assert f"{cost:.2f} BU an hour" in run.prose
    assert run.row("volume", "id", turn=0) == run.row("volume", "id")
    assert run.row("server", name)[1:7] == ["10", "capacity", "in-use", "", name, "0.0176"]
    assert len(run.rows("snapshot", turn=0)) == 2  # the headings and a snapshot
    assert len(run.rows("snapshot")) == 3
    assert run.row("restored", "name")[1] == f"{name}-restored"
    assert run.row("restored", "path in there")[1].startswith("/dev/disk/by-id/virtio-")
    disks = {f"10 GiB  {name}", f"10 GiB  {name}-restored"}
    assert {name, "ACTIVE", "standard.tiny", *disks} <= run.picture("picture")
    assert billed(logged_in) == NOTHING
    assert [*logged_in.block_storage.snapshots()] == []


def test_what_a_project_costs_and_wastes(logged_in):
    run = Run("project_cost.ipynb")

    assert "Total: 4.40 BU/h, 3169 BU in 30 days." in run.shown("estimate")
    assert {"server analysis", "2.1 BU/h, 1512 in 30 days"} <= run.picture("plot")
    assert "0.8789 BU/h, 633 in 30 days, not used" in run.picture("plot")
    assert run.row("by-kind", "server")[1] == "2.620"
    assert run.shown("days") == "At this rate, 30,000 BU last 284 days.\n"
    assert run.row("waste", "forgotten")[-1] == "pouta.servers.shelve(conn, &#x27;forgotten&#x27;)"
    assert run.row("waste", "old-data")[-1].endswith("# and its data")
    assert len(run.rows("waste")) == 3
    assert billed(logged_in) == NOTHING


def test_a_small_cluster_behind_its_head(logged_in):
    run = Run("small_cluster.ipynb")

    name = f"cluster-{pouta.identity.whoami(logged_in).user}"
    names = [f"{name}-head", *(f"{name}-worker-{number}" for number in (1, 2, 3))]
    assert "Total: 0.72 BU/h" in run.shown("wishes")
    assert "Total: 0.78 BU/h" in run.shown("plan")
    assert "1.50 BU an hour" in run.prose
    assert "Total: 1.50 BU/h, 1080 BU in 30 days." in run.picture("plot")
    assert [run.row("launch", name)[1] for name in names] == ["ACTIVE"] * 4
    assert [run.row("launch", name)[4] == "-" for name in names] == [False, True, True, True]
    assert len(run.rows("launch")) == 5
    entries = run.shown("ssh").strip().split("\n\n")
    assert [entry.split()[1] for entry in entries] == names
    assert [f"ProxyJump {names[0]}" in entry for entry in entries] == [False, True, True, True]
    assert billed(logged_in) == NOTHING


def test_every_notebook_is_run_here():
    here = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in NOTEBOOKS if f'Run("{name}")' not in here] == []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_kept_without_what_it_showed(name):
    book = nbformat.read(EXAMPLES / name, 4)
    nbformat.validate(book)
    for cell in book.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
        assert cell.metadata == {}
    assert {*book.metadata} == {"kernelspec", "language_info"}
