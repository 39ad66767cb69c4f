"""Where the services' own Python enters: `python services/__main__.py MODULE ARGUMENT…`.

The packages `pouta` and `pouta.practice` are made by hand, empty, so that modules keep their
names here without their own `__init__` being run and without the user's packages coming along.
"""

import importlib
import sys
import types
from pathlib import Path

SERVICES = Path(__file__).resolve().parent


def name_packages():
    """Let `pouta.practice.services` be imported from where it lies."""
    for name, place in (
        ("pouta", SERVICES.parent.parent),
        ("pouta.practice", SERVICES.parent),
    ):
        package = types.ModuleType(name)
        package.__path__ = [str(place)]
        sys.modules[name] = package
    sys.path[:] = [entry for entry in sys.path if entry != str(SERVICES)]
    sys.path.append(str(SERVICES / "plugins"))


if __name__ == "__main__":
    name_packages()
    module = importlib.import_module(f"pouta.practice.services.{sys.argv.pop(1)}")
    sys.exit(module.main())
