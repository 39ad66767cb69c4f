"""Everything but the practice cloud's services is for Windows and macOS too."""

from __future__ import annotations

import subprocess
import sys

# What Python has on Linux, and not on Windows.
MISSING = ("crypt", "fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty")

IMPORT = f"""
import sys
import openstack, openstack.connection  # what others import is theirs
for name in {MISSING!r}:
    sys.modules[name] = None
import importlib, pkgutil, pouta
for found in pkgutil.walk_packages(pouta.__path__, "pouta."):
    if not found.name.startswith("pouta.practice.services") and "__main__" not in found.name:
        importlib.import_module(found.name)
print("all of it")
"""


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_of_it_is_imported_without_the_modules_that_windows_lacks():
    assert run(IMPORT) == "all of it\n"


def test_a_practice_cloud_on_windows_is_refused_in_words():
    code = """
import sys
sys.modules["fcntl"] = None
import openstack, pouta, pouta.practice
sys.platform = "win32"
try:
    pouta.practice.start()
except pouta.PoutaError as error:
    print(error.message)
"""
    assert run(code) == "The practice cloud runs on Linux only.\n"
