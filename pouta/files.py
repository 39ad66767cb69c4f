"""Files of this machine. What is only looked at may be missing; what is needed is told in words."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pouta.errors import ConfigurationError, InvalidInput

SMALL = 1024 * 1024  # bytes of a file that is only looked at


def path_of(given: str | os.PathLike[str]) -> Path:
    """The path with `~` filled in, or InvalidInput where no file can be called so."""
    try:
        path = Path(given).expanduser()
        path.lstat()
    except OSError as error:  # not there, or not to be seen; whoever needs it says so
        if error.errno != errno.ENAMETOOLONG:
            return path
        why = "it is too long"
    except RuntimeError:
        why = "nobody here has that home folder"
    except (TypeError, ValueError):
        why = "it is not text, or it holds what the file system cannot store"
    else:
        return path
    raise InvalidInput(f"{str(given)!r:.80} cannot be the path of a file: {why}.")


def home() -> Path:
    """The user's home folder, or ConfigurationError."""
    try:
        return Path.home()
    except RuntimeError:
        raise ConfigurationError("This user has no home folder.", hint="Set HOME.") from None


def is_there(file: Path) -> bool:
    """Whether this is a file, as far as can be seen."""
    try:
        return file.is_file()
    except OSError:
        return False


def seen(file: Path, *, limit: int = SMALL) -> str | None:
    """The text of a small file, or None where there is none, or none that can be read."""
    try:
        if file.is_file() and file.stat().st_size <= limit:
            return file.read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        pass
    return None


def in_home(*names: str) -> Path | None:
    """What is called so in the user's home folder, there or not; None where there is no home."""
    try:
        return Path.home().joinpath(*names)
    except RuntimeError:
        return None


def here() -> Path | None:
    """The current folder, or None where it was deleted."""
    try:
        return Path.cwd()
    except OSError:
        return None


@contextmanager
def written(file: Path) -> Iterator[None]:
    """Say in words that a file cannot be written."""
    try:
        yield
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {_why(error)}.") from error


def _why(error: OSError) -> str:
    return str(error.strerror or error)
