"""The house: what it offers, what entering it costs, and that imports go down only."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

import pouta
from pouta import errors

ROOT = Path(__file__).parents[1]
FUNCTIONS = ("all_or_nothing", "connect", "cleanup", "diagram", "temporary")
NOUNS = [name for name in pouta.__all__ if name.islower() and name not in (*FUNCTIONS, "practice")]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )


def test_everything_on_the_front_door_is_there():
    for name in pouta.__all__:
        assert getattr(pouta, name) is not None
    assert {*pouta.__all__} <= {*dir(pouta)}
    with pytest.raises(AttributeError, match="serverz"):
        pouta.serverz  # noqa: B018


def test_every_kind_of_error_is_on_the_front_door():
    kinds = {name for name, kind in vars(errors).items() if _is_ours(kind)}
    assert kinds <= {*pouta.__all__}


def _is_ours(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, errors.PoutaError)


def test_importing_pouta_loads_neither_openstacksdk_nor_the_practice_cloud():
    code = "import pouta, sys; print(*sys.modules)"
    loaded = {*run(sys.executable, "-c", code).stdout.split()}
    assert "pouta" in loaded
    assert not loaded & {"openstack", "keystoneauth1", "requests", "yaml", "pouta.practice"}


@pytest.mark.parametrize("noun", NOUNS)
def test_every_chore_takes_the_connection_first_and_says_what_it_does(noun):
    module = getattr(pouta, noun)
    public = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    chores = {name: chore for name, chore in public.items() if hasattr(chore, "__wrapped__")}
    assert chores
    for name, chore in chores.items():
        parameters = [*inspect.signature(chore).parameters]
        assert parameters[0] == "conn", f"{noun}.{name}"
        assert inspect.getdoc(chore), f"{noun}.{name} has no docstring"


def test_imports_go_down_only():
    checked = run(str(Path(sys.executable).parent / "lint-imports"), "--no-cache")
    assert checked.returncode == 0, checked.stdout


def test_the_types_hold():
    checked = run(sys.executable, "-m", "mypy")
    assert checked.returncode == 0, checked.stdout
    assert files("pouta").joinpath("py.typed").is_file()


def test_the_code_is_clean():
    checked = run(sys.executable, "-m", "ruff", "check", ".")
    assert checked.returncode == 0, checked.stdout
    formatted = run(sys.executable, "-m", "ruff", "format", "--check", ".")
    assert formatted.returncode == 0, formatted.stdout
