"""What pouta imports is what it declares."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

HERE = Path(__file__).parents[2]
SERVICES = HERE / "pouta" / "practice" / "services"  # run in an environment of their own


def imported() -> set[str]:
    names = set()
    for file in {*(HERE / "pouta").rglob("*.py")} - {*SERVICES.rglob("*.py")}:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module or "")
    top = {name.partition(".")[0] for name in names}
    return top - {*sys.stdlib_module_names} - {"pouta"}


def test_all_that_is_imported_is_declared():
    project = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"], *extras["notebook"], *extras["test"]]
    declared = {re.split(r"[>\[]", one)[0].lower() for one in needed}
    distributions = packages_distributions()
    missing = {
        name
        for name in imported()
        if not declared & {one.lower() for one in distributions.get(name, [name])}
    }
    assert missing == set()
