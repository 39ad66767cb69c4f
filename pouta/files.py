"""Files of this machine. What is only looked at may be missing; what is needed is told in words."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pouta.errors import ConfigurationError, InvalidInput

NAME_LIMIT = 255  # bytes, on all usual file systems
PATH_LIMIT = 4095  # bytes, on Linux
SMALL = 1024 * 1024  # bytes of a file that is only looked at


def path_of(given: str | os.PathLike[str]) -> Path:
    """The path with `~` filled in, or InvalidInput where no file can be called so."""
    try:
        path = Path(given).expanduser()
    except RuntimeError as error:
        raise InvalidInput(f"Invalid file name {os.fspath(given)!r:.80}: {error}") from None
    except TypeError:
        raise InvalidInput(f"Invalid file name {given!r:.80}: use text or a Path.") from None
    check(path)
    with suppress(FileNotFoundError, NotADirectoryError):
        try:
            path.lstat()
        except PermissionError as error:
            raise InvalidInput(f"{path} cannot be reached: {error.strerror}.") from error
    return path


def check(path: Path) -> None:
    """Refuse what cannot be the path of a file."""
    try:
        whole = os.fsencode(path)
    except UnicodeEncodeError as error:
        raise InvalidInput(f"Invalid file name {str(path)!r:.80}: {error.reason}.") from None
    longest = max((os.fsencode(part) for part in path.parts), key=len, default=b"")
    if b"\0" in whole or len(longest) > NAME_LIMIT or len(whole) > PATH_LIMIT:
        raise InvalidInput(
            f"Invalid file name {os.fsdecode(longest)!r:.80}: use up to {NAME_LIMIT} bytes, and up "
            f"to {PATH_LIMIT} for the whole path."
        )


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
