"""Files go up; large ones in segments, with an object that strings them together.

Such an object is a dynamic large one, as `swift upload` and rclone make them: its header tells
where the segments are, in every cloud. The manifest of a static one cannot be read in Ceph, and so
rclone cannot delete it there.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib import parse

from pouta import progress, streams, waiting
from pouta.concurrently import each
from pouta.deletion import Deletion
from pouta.errors import Failed, InvalidInput
from pouta.object_store.contents import Held, look
from pouta.object_store.names import SEGMENTS_OF
from pouta.object_store.removing import OBJECT, Place, remove_apart
from pouta.object_store.wire import checked, delete_if_empty, ensure, entries, url

if TYPE_CHECKING:
    from openstack.connection import Connection

LARGEST = 5 * 10**9  # bytes in one object; larger files go up in segments
SEGMENT = 10**9  # bytes
MOST_SEGMENTS = 1000  # of one object, where the cloud does not say
LISTED_WITHIN = 60.0  # seconds
MIB = 1024 * 1024


@dataclass(frozen=True)
class Outgoing:
    """A file, and the object that it is to become.

    segment_size: bytes; None for a file that is one object.
    replaces: what is there now, with other data.
    """

    name: str
    file: Path
    segment_size: int | None
    replaces: Held | None = None


def files_of(root: Path, name: str | None) -> dict[str, Path]:
    """The files to send, by the names that they get."""
    if not root.exists():
        raise InvalidInput(f"There is no file or folder {root}.")
    if not root.is_dir():
        return {name or root.name: streams.existing_file(root)}
    prefix = (name if name is not None else root.resolve().name).strip("/")
    found = streams.walk(root)
    if not found.files:
        raise InvalidInput(f"There are no files in the folder {root}.", hint=str(found))
    if found.left_out:
        progress.say(str(found))
    return {
        "/".join(filter(None, [prefix, *file.relative_to(root).parts])): file
        for file in found.files
    }


def segment_sizes(
    conn: Connection, files: Mapping[str, Path], wanted: int | None
) -> dict[str, int | None]:
    """The size of the segments of each file; None for those that need none.

    Refuses what would be more segments than the cloud takes.
    """
    sizes = {name: file.stat().st_size for name, file in files.items()}
    large = {name: size for name, size in sizes.items() if size > (wanted or LARGEST)}
    if not large:
        return dict.fromkeys(files)
    most = _most_segments(conn)
    return {
        name: _segment_size(files[name], large[name], wanted, most) if name in large else None
        for name in files
    }


def _most_segments(conn: Connection) -> int:
    """Of a static large object. Of a dynamic one, Swift tells no size beyond some more."""
    return int((conn.object_store.get_info().slo or {}).get("max_manifest_segments", MOST_SEGMENTS))


def _segment_size(file: Path, size: int, wanted: int | None, most: int) -> int:
    least = -(-size // most)
    if least > LARGEST:
        raise InvalidInput(
            f"{file} has {size} bytes; this cloud takes up to {most} segments of {LARGEST} bytes."
        )
    if wanted and wanted < least:
        raise InvalidInput(
            f"{file} has {size} bytes, which are {-(-size // wanted)} segments of {wanted} bytes; "
            f"this cloud takes up to {most}.",
            hint=f"segment_size={-(-least // MIB) * MIB}, or none.",
        )
    return wanted or max(SEGMENT, -(-least // MIB) * MIB)


def send(conn: Connection, container: str, one: Outgoing, meter: streams.Meter) -> None:
    """The object is the file afterwards."""
    kind = mimetypes.guess_type(one.file.name)[0] or "application/octet-stream"
    if one.segment_size:
        _send_segments(conn, container, one, one.segment_size, kind, meter)
    else:
        _put(conn, url(container, one.name), streams.Part(one.file, meter), kind)
    if one.replaces:
        with Deletion(conn) as going:
            remove_apart(going, [one.replaces])


def _send_segments(
    conn: Connection, container: str, one: Outgoing, size: int, kind: str, meter: streams.Meter
) -> None:
    """Each segment, then the object that names them all. Those that are there already are kept."""
    home, whole = container + SEGMENTS_OF, one.file.stat()
    ensure(conn, home)
    start_of_names = f"{one.name}/{whole.st_mtime_ns}/{whole.st_size}/{size}/"
    there = {entry["name"]: entry["hash"] for entry in entries(conn, home, start_of_names)}

    def send(number: int) -> None:
        segment = f"{start_of_names}{number:08}"
        start = number * size
        length = min(size, whole.st_size - start)
        sent = there.get(segment)
        if sent and sent == streams.digest_of(one.file, "md5", start, length):
            meter.add(length)
            return
        part = streams.Part(one.file, meter, start=start, length=length, seen=whole)
        _put(conn, url(home, segment), part, "application/octet-stream")

    try:
        each(send, range(-(-whole.st_size // size)))
    except Failed:
        if streams.has_changed(one.file, whole):  # no later upload would go on with these
            _take_back(conn, home, start_of_names)
        raise
    manifest = parse.quote(f"{home}/{start_of_names}")
    checked(
        conn.object_store.put(
            url(container, one.name),
            data=b"",
            headers={"Content-Type": kind, "X-Object-Manifest": manifest},
        )
    )
    waiting.until(  # Swift's lists may be some seconds behind
        f"object '{one.name}' in segments",
        lambda: [look(conn, container, one.name)],
        lambda held: held.size == whole.st_size,
        timeout=LISTED_WITHIN,
        pace=waiting.BY_NOW,
    )


def _take_back(conn: Connection, home: str, prefix: str) -> None:
    sent: Sequence[str] = [entry["name"] for entry in entries(conn, home, prefix)]
    with Deletion(conn) as going:
        going.delete(OBJECT, [Place(f"{home}/{name}") for name in sent])
    delete_if_empty(conn, home)


def _put(conn: Connection, where: str, part: streams.Part, kind: str) -> None:
    """Send one object; the cloud has found the same hash of it."""
    answer = checked(
        conn.object_store.put(
            where,
            data=part if len(part) else b"",
            headers={"Content-Type": kind},
            timeout=streams.ANSWER_TIMEOUT,
        )
    )
    if answer.headers.get("ETag", "").strip('"') != part.digest("md5"):
        conn.object_store.delete(where)
        raise Failed(
            f"{part.path} did not reach the cloud as it is: its checksum is another. The object "
            "was deleted.",
            hint="Try again.",
        )
