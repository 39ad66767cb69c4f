"""Objects come down to files; which objects can be files together, and where."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pouta import files, streams
from pouta.errors import InvalidInput, Refused
from pouta.object_store.contents import Held
from pouta.object_store.names import OBJECT_LIMIT, fits
from pouta.object_store.wire import checked, url

if TYPE_CHECKING:
    from openstack.connection import Connection
    from requests import Response


@dataclass(frozen=True)
class Wanted:
    """An object, the file that it is to become, and the one that holds what has come of it."""

    held: Held
    file: Path
    part: Path


def place(target: Path, name: str) -> Path:
    """Where one object goes: into the folder that is there, or the file that is given."""
    if not target.is_dir():
        return target
    last = name.rsplit("/", 1)[-1]
    if last in (".", ".."):
        raise InvalidInput(f"Invalid file name {last!r}.", hint="Give the path of a file.")
    files.check(target / last)
    return target / last


def places(folder: Path, sizes: Mapping[str, int]) -> dict[str, Path]:
    """Where each object goes. Refuses, before any is fetched, those that cannot all be files."""
    lost = [name for name, size in sizes.items() if name.endswith("/") and size]
    if lost:
        raise Refused(
            f"Cannot download {streams.few(lost)}: the name ends in '/', as no file's can, and the "
            "object holds data.",
            hint="Copy it to another name first, or download the others one by one.",
        )
    names = [name for name in sizes if not name.endswith("/")]  # else a folder's mark
    real = cache(Path.resolve)
    by_name = {name: _inside(folder, name, real) for name in names}
    by_place: dict[Path, str] = {}
    for name, file in by_name.items():
        there = real(file.parent) / file.name
        if there in by_place:
            raise _cannot_both(by_place[there], name, f"both would be the file {file}")
        by_place[there] = name
    for there, name in by_place.items():
        for parent in there.parents:
            if parent in by_place:
                why = f"{parent} would be both a file and a folder"
                raise _cannot_both(by_place[parent], name, why)
    return by_name


def taken_by_another(conn: Connection, container: str, name: str, file: Path) -> set[Path]:
    """The file that is begun in, when it is another object that was downloaded before."""
    begun = streams.part_of(file)
    another = f"{name}.part"
    if not begun.exists() or not fits(another, OBJECT_LIMIT):
        return set()
    is_object = checked(conn.object_store.head(url(container, another)), gone=True).ok
    return {begun} if is_object else set()


def is_there(wanted: Wanted, overwrite: bool) -> bool:
    """Whether the file is there and the same. Refuses to replace what is other."""
    if wanted.file.is_file() and wanted.held.is_same(wanted.file):
        return True
    streams.check_target(wanted.file, overwrite=overwrite)
    return False


def fetch(
    conn: Connection, container: str, wanted: Wanted, meter: streams.Meter, overwrite: bool
) -> None:
    """The file is the object afterwards, as it is stored: what is compressed stays so."""
    held = wanted.held
    if not held.is_known and wanted.part.exists():
        wanted.part.unlink()  # nothing would tell the beginning of another object's data

    def ask(start: int) -> Response:
        headers = {"Accept-Encoding": "identity"}
        headers |= {"Range": f"bytes={start}-"} if start else {}
        # A log would read all of a text into memory.
        answer: Response = conn.object_store.get(
            url(container, held.name), stream=True, log=False, headers=headers
        )
        return checked(answer)

    streams.save(
        ask,
        wanted.file,
        meter,
        size=held.size,
        is_right=lambda file: held.is_same(file) is not False,
        overwrite=overwrite,
        part=wanted.part,
    )


def _inside(folder: Path, name: str, real: Callable[[Path], Path]) -> Path:
    """Where an object goes; never outside the folder, whatever its name says."""
    file = folder / name.lstrip("/")
    files.check(file)
    outside = ".." in Path(name).parts or file == folder
    if outside or not real(file.parent).is_relative_to(real(folder)):
        raise Refused(f"The object {name!r:.80} would be written outside {folder}.")
    return file


def _cannot_both(one: str, other: str, why: str) -> Refused:
    return Refused(
        f"The objects {one!r:.80} and {other!r:.80} cannot both be downloaded: {why}.",
        hint="Download them one by one, each to a path of its own.",
    )
