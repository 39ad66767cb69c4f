"""Large files to the cloud and from it: with progress, checked by their hash, and resumed."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pouta import files, progress
from pouta.errors import ConfigurationError, Failed, InvalidInput, Refused, Unreachable

if TYPE_CHECKING:
    from requests import Response

CHUNK = 1024 * 1024  # bytes
TRIES = 4
SHOWN_EVERY = 0.1  # seconds
ANSWER_TIMEOUT = 600.0  # seconds that the cloud may take to store what it has got


class Meter:
    """Bytes that have gone by, shown as MiB."""

    def __init__(self, what: str, total: int) -> None:
        self.total = total
        self.done = 0
        self._task: AbstractContextManager[progress.Report] = progress.task(what)
        self._next = 0.0
        self._lock = threading.Lock()  # several files may go at once

    def __enter__(self) -> Meter:
        self._report = self._task.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._show()
        self._task.__exit__(*error)

    def add(self, count: int) -> None:
        with self._lock:
            self.done += count
            if (now := time.monotonic()) >= self._next:
                self._next = now + SHOWN_EVERY
                self._show()

    def _show(self) -> None:
        self._report(self.done // CHUNK, max(1, self.total // CHUNK), "MiB")


class Part:
    """A file, or a part of it, as the body of a request; hashed as it goes.

    It begins anew each time it is iterated over, so a request may be made again.
    """

    def __init__(
        self,
        path: Path,
        meter: Meter,
        *,
        algorithms: tuple[str, ...] = ("md5",),
        start: int = 0,
        length: int | None = None,
    ) -> None:
        self.path = path
        self.start = start
        self.length = path.stat().st_size - start if length is None else length
        self._algorithms = algorithms
        self._meter = meter
        self._sent = 0
        self._hashes: Mapping[str, Any] = {}  # of the last time that all of it was sent

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[bytes]:
        self._meter.add(-self._sent)
        self._sent, left = 0, self.length
        hashes = {name: new_hash(name) for name in self._algorithms}
        with self.path.open("rb") as file:
            file.seek(self.start)
            while left:
                chunk = file.read(min(CHUNK, left))
                if not chunk:
                    raise Failed(f"{self.path} became shorter while it was read.")
                left -= len(chunk)
                for hashed in hashes.values():
                    hashed.update(chunk)
                yield chunk
                self._sent += len(chunk)
                self._meter.add(len(chunk))
                if not left:
                    self._hashes = hashes

    def digest(self, algorithm: str) -> str:
        """The hash of what was sent."""
        if algorithm in self._hashes:
            return str(self._hashes[algorithm].hexdigest())
        return digest_of(self.path, algorithm, self.start, self.length)


def save(
    ask: Callable[[int], Response],
    path: Path,
    meter: Meter,
    *,
    size: int,
    is_right: Callable[[Path], bool],
    overwrite: bool,
) -> Path:
    """Write what `ask` streams into `path`, and return it.

    ask: makes the request for what comes from that byte on; an answer other than 206 is taken to
        begin at the first byte.
    is_right: whether a file of the right size is what the cloud has.

    What has come is in `path` with ".part" behind until it is complete and right; a download that
    broke off goes on from there, now and at the next call.
    """
    check_target(path, overwrite=overwrite)
    part = path.with_name(path.name + ".part")
    with files.written(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        have = part.stat().st_size if part.exists() else 0
        room = shutil.disk_usage(path.parent).free
    if room < size - have:
        raise Refused(
            f"{path.parent} has {room / 1e9:.1f} GB free, and {(size - have) / 1e9:.1f} GB are "
            "to come."
        )
    for try_left in reversed(range(TRIES)):
        resumed = part.exists() and part.stat().st_size > 0
        trouble = _receive(ask, part, meter, size)
        if trouble is None and is_right(part):
            with files.written(path):
                part.replace(path)
            return path
        if trouble is None:
            part.unlink()  # a hash that is wrong is not mended by going on
            if resumed:
                continue
            break
        if not try_left:
            raise Unreachable(
                f"The download broke off after {part.stat().st_size if part.exists() else 0} of "
                f"{size} bytes.",
                hint=f"The same call goes on from there: {part} is kept.",
            ) from trouble
    raise Failed(
        f"What was downloaded for {path} is not what the cloud has: its checksum is another. It "
        "was deleted.",
        hint="Try again; if it stays, the cloud's copy is damaged.",
    )


def check_target(path: Path, *, overwrite: bool) -> None:
    """Refuse to write over a file."""
    with files.written(path):
        is_folder, is_there = path.is_dir(), path.exists()
    if is_folder:
        raise InvalidInput(f"{path} is a folder; a file is to be written.")
    if is_there and not overwrite:
        raise Refused(f"{path} is there already.", hint="overwrite=True replaces it.")


def existing_file(path: str | os.PathLike[str]) -> Path:
    """A file that can be read, or InvalidInput."""
    file = files.path_of(path)
    if not files.is_there(file):
        raise InvalidInput(f"There is no file {file}.")
    if not os.access(file, os.R_OK):
        raise InvalidInput(f"The file {file} cannot be read.")
    return file


def new_hash(algorithm: str) -> Any:
    """A hash that tells damage, not an attacker."""
    return hashlib.new(algorithm, usedforsecurity=False)


def digest_of(path: Path, algorithm: str, start: int = 0, length: int | None = None) -> str:
    """The hash of a file, or of a part of it."""
    hashed = new_hash(algorithm)
    left = path.stat().st_size - start if length is None else length
    with path.open("rb") as file:
        file.seek(start)
        while left and (chunk := file.read(min(CHUNK, left))):
            hashed.update(chunk)
            left -= len(chunk)
    return str(hashed.hexdigest())


def _receive(
    ask: Callable[[int], Response], part: Path, meter: Meter, size: int
) -> Exception | None:
    """Add to `part` what is missing, and return what broke it off, if anything did."""
    from keystoneauth1.exceptions import ConnectFailure
    from requests import RequestException

    have = part.stat().st_size if part.exists() else 0
    if have > size:
        part.unlink()
        have = 0
    if have == size and part.exists():
        meter.add(size)
        return None
    shown = 0
    try:
        with ask(have) as response:
            goes_on = response.status_code == 206
            shown = have if goes_on else 0
            meter.add(shown)
            with part.open("ab" if goes_on else "wb") as file:
                for chunk in response.iter_content(CHUNK):
                    file.write(chunk)
                    shown += len(chunk)
                    meter.add(len(chunk))
    except (RequestException, ConnectFailure) as error:
        meter.add(-shown)
        return error
    except OSError as error:
        raise ConfigurationError(f"{part} cannot be written: {error.strerror}.") from error
    if (came := part.stat().st_size) < size:
        meter.add(-shown)
        return EOFError(f"{came} of {size} bytes came")
    return None
