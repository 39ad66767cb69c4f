"""Threads stay threads: what finds eventlet would use it, and nova then refuses to start."""

import sys


class Forbidden:
    """Finds no eventlet, so that threads stay threads: what can import it would use it."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "eventlet":
            raise ImportError("these services use threads")


def forbid():
    """For all but the processes that cannot be imported without."""
    sys.meta_path.insert(0, Forbidden())


def allow():
    """For a process that imports it, though it uses threads all the same."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, Forbidden)]
