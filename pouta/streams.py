"""Large files to the cloud and from it: with progress, checked by their hash, and resumed."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from pouta import files, progress
from pouta.errors import ConfigurationError, Failed, InvalidInput, Refused, Unreachable

if TYPE_CHECKING:
    from requests import Response

CHUNK = 1024 * 1024  # bytes
SENT_AT_ONCE = 128 * 1024  # bytes; also a slow line, shared by many, takes them within the time
TRIES = 4
SHOWN_EVERY = 0.1  # seconds
ANSWER_TIMEOUT = 600.0  # seconds that the cloud may take to store what it has got
SHOWN = 3  # names in a sentence


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

    It begins anew each time it is iterated over, so a request may be made again. When the file has
    changed meanwhile (since `seen`, or now), it breaks off, so that the cloud keeps no mixture.
    """

    def __init__(
        self,
        path: Path,
        meter: Meter,
        *,
        algorithms: tuple[str, ...] = ("md5",),
        start: int = 0,
        length: int | None = None,
        seen: os.stat_result | None = None,
    ) -> None:
        self.path = path
        self.start = start
        self._seen = seen or path.stat()
        self.length = self._seen.st_size - start if length is None else length
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
        with _reading(self.path) as file:
            file.seek(self.start)
            while left:
                chunk = file.read(min(SENT_AT_ONCE, left))
                left -= len(chunk)
                if not chunk or (not left and has_changed(self.path, self._seen)):
                    raise Failed(
                        f"{self.path} changed while it was read, so it was not stored.",
                        hint="The same call sends it again: best when nothing writes to it.",
                    )
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
    part: Path | None = None,
) -> Path:
    """Write what `ask` streams into `path`, and return it.

    ask: makes the request for what comes from that byte on; an answer other than 206 is taken to
        begin at the first byte.
    is_right: whether a file of the right size is what the cloud has.

    What has come is in `part`, which is `path` with ".part" behind, until it is complete and right;
    a download that broke off goes on from there, now and at the next call.
    """
    check_target(path, overwrite=overwrite)
    part = part or part_of(path)
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
    """Refuse to write over a file, or where none can be."""
    files.check(path)
    with files.written(path):
        is_folder, is_there = path.is_dir(), path.exists()
    if is_folder:
        raise InvalidInput(f"{path} is a folder; a file is to be written.")
    if is_there and not overwrite:
        raise Refused(f"{path} is there already.", hint="overwrite=True replaces it.")
    home = next(folder for folder in path.parents if folder.exists())
    if not home.is_dir():
        raise InvalidInput(f"{home} is a file, so nothing can be written into it.")
    if not os.access(home, os.W_OK | os.X_OK):
        raise InvalidInput(f"The folder {home} cannot be written to.")


def part_of(path: Path, taken: Set[Path] = frozenset()) -> Path:
    """The file that holds what has come of `path`; none of those that others are to have."""
    part = path.with_name(f"{path.name}.part")
    if len(os.fsencode(part.name)) > files.NAME_LIMIT:
        part = path.with_name(hashlib.sha256(os.fsencode(path.name)).hexdigest() + ".part")
    return part_of(part, taken) if part in taken else part


def parts_of(paths: Sequence[Path], others: Set[Path]) -> dict[Path, Path]:
    """`part_of` each path, no two alike."""
    taken = {*paths, *others}
    parts = {}
    for path in paths:
        parts[path] = part_of(path, taken)
        taken.add(parts[path])
    return parts


def existing_file(path: str | os.PathLike[str]) -> Path:
    """A file that can be read, or InvalidInput."""
    file = files.path_of(path)
    if not file.exists():
        raise InvalidInput(f"There is no file {file}.")
    if not file.is_file():
        raise InvalidInput(f"{file} is not a file.")
    try:
        with file.open("rb"):
            return file
    except OSError as error:
        raise InvalidInput(f"The file {file} cannot be read: {error.strerror}.") from error


@dataclass(frozen=True)
class Found:
    """The files under a folder; and what else is there, by what it is."""

    files: Sequence[Path]
    left_out: Mapping[str, Sequence[str]]

    def __str__(self) -> str:
        kinds = [f"{what} ({len(of)}): {few(of)}" for what, of in self.left_out.items()]
        return f"Left out: {'; '.join(kinds)}." if kinds else ""


def walk(root: Path) -> Found:
    """What is under a folder. A link to a file counts as that; one to a folder is not followed."""
    sent: list[Path] = []
    left_out: dict[str, list[str]] = {}

    def refuse(error: OSError) -> None:
        raise InvalidInput(f"{error.filename!r:.200} cannot be read: {error.strerror}.") from error

    def note(path: Path) -> None:
        if path.is_file():
            sent.append(existing_file(path))
        elif what := _not_sent(path):
            left_out.setdefault(what, []).append(str(path.relative_to(root)))

    try:
        for folder, folders, names in os.walk(root, onerror=refuse):
            folders.sort()
            for name in sorted([*folders, *names]):
                note(Path(folder, name))
    except OSError as error:
        refuse(error)
    return Found(sent, left_out)


def _not_sent(path: Path) -> str:
    """What there is in a folder but files, and folders with something in them."""
    if path.is_symlink():
        return "links to folders" if path.is_dir() else "links that lead nowhere"
    if not path.is_dir():
        return "special files"
    return "" if any(path.iterdir()) else "empty folders"


def few(names: Sequence[str]) -> str:
    """The first of the names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(f"{name!r:.80}" for name in names[:SHOWN]) + more


def has_changed(path: Path, seen: os.stat_result) -> bool:
    """Whether a file is another than when it was seen."""
    now = path.stat()
    return (now.st_size, now.st_mtime_ns) != (seen.st_size, seen.st_mtime_ns)


def new_hash(algorithm: str) -> Any:
    """A hash that tells damage, not an attacker."""
    return hashlib.new(algorithm, usedforsecurity=False)


def digest_of(path: Path, algorithm: str, start: int = 0, length: int | None = None) -> str:
    """The hash of a file, or of a part of it."""
    hashed = new_hash(algorithm)
    left = path.stat().st_size - start if length is None else length
    with _reading(path) as file:
        file.seek(start)
        while left and (chunk := file.read(min(CHUNK, left))):
            hashed.update(chunk)
            left -= len(chunk)
    return str(hashed.hexdigest())


@contextmanager
def _reading(path: Path) -> Iterator[BinaryIO]:
    """A file; an OSError would be taken for the line's, and the request made again."""
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error.strerror}.") from error


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
            response.raw.headers.pop("Content-Encoding", None)  # or it would be inflated
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
