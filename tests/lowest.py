"""The tests with the lowest versions of what pouta needs, in an environment of their own.

python -m tests.lowest                what pytest takes may follow
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

HERE = Path(__file__).parents[1]


def lowest() -> list[str]:
    """The lower ends of the dependencies in pyproject.toml, as pip's constraints."""
    project = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]
    return [needed.replace(">=", "==") for needed in project["dependencies"]]


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = f"{folder}/bin/python"
        constraints = Path(folder, "constraints.txt")
        constraints.write_text("\n".join(lowest()))
        install = [python, "-m", "pip", "install", "-q", "-c", str(constraints), f"{HERE}[test]"]
        subprocess.run(install, check=True)
        return subprocess.run([python, "-m", "pytest", *sys.argv[1:]], cwd=HERE).returncode


if __name__ == "__main__":
    sys.exit(main())
