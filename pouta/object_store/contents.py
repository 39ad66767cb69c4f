"""What an object consists of: its data, or stretches of data that are stored apart.

Nothing here leans on one kind of cloud. Swift shows the manifest of a static large object; Ceph
answers with an empty one, so there the segments are found again by what is known of them: their
order, their size together, and the hash of their hashes, which is the object's ETag.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib import parse

from pouta import find, streams
from pouta.errors import NotFound
from pouta.object_store.names import SEGMENTS_OF
from pouta.object_store.wire import checked, entries, listed, no_container, url

if TYPE_CHECKING:
    from openstack.connection import Connection

MD5 = re.compile(r"[0-9a-f]{32}")
HASH_OF_NOTHING = streams.new_hash("md5").hexdigest()
NESTED = 10  # static large objects in each other, as deep as Swift reads them


@dataclass(frozen=True)
class Piece:
    """A stretch of an object's data. place: container/object, or "" of data in the manifest."""

    place: str
    size: int
    hash: str | None  # MD5; None when the cloud does not tell it


@dataclass(frozen=True)
class Held:
    """An object as the cloud has it.

    pieces: all of its data in their order; None when the cloud does not tell.
    segments: what is stored apart for it, as container/object; None when the cloud does not tell.
    """

    name: str
    size: int
    pieces: Sequence[Piece] | None
    segments: frozenset[str] | None = frozenset()

    @property
    def is_known(self) -> bool:
        """Whether a file can be told to have the same data."""
        return self.pieces is not None and all(piece.hash for piece in self.pieces)

    def is_same(self, file: Path) -> bool | None:
        """Whether a file has the same data; None when the cloud does not tell enough to know."""
        if file.stat().st_size != self.size:
            return False
        start = 0
        for piece in self.pieces or ():
            if piece.hash and piece.hash != streams.digest_of(file, "md5", start, piece.size):
                return False
            start += piece.size
        return self.is_known or None


def look(conn: Connection, container: str, name: str) -> Held:
    """The object, or NotFound with the closest names."""
    held = look_for(conn, container, name)
    if held is None:
        raise _not_found(conn, container, name)
    return held


def look_for(conn: Connection, container: str, name: str) -> Held | None:
    """The object, or None where there is none."""
    answer = checked(conn.object_store.head(url(container, name)), gone=True)
    if answer.status_code == 404:
        return None
    headers = answer.headers
    size, hash = int(headers.get("Content-Length", 0)), headers.get("ETag", "").strip('"')
    if manifest := headers.get("X-Object-Manifest"):
        return _dynamic(conn, name, size, parse.unquote(manifest))
    if headers.get("X-Static-Large-Object", "").lower() == "true":
        return _static(conn, container, name, size, hash)
    return Held(name, size, [Piece(f"{container}/{name}", size, _md5(hash))])


def may_be_large(entry: dict[str, Any]) -> bool:
    """Whether what a container lists so may have its data elsewhere.

    Ceph lists a manifest as it is stored: with its own size, and the hash of no data.
    """
    is_folder = entry["name"].endswith("/") and not entry["bytes"]
    return "slo_etag" in entry or (entry.get("hash") == HASH_OF_NOTHING and not is_folder)


def _not_found(conn: Connection, container: str, name: str) -> NotFound:
    from openstack.exceptions import NotFoundException

    try:
        there = [Held(entry["name"], 0, None) for entry in listed(conn, container)]
    except NotFoundException:
        return no_container(conn, container)
    return NotFound(
        f"No object '{name}' in container '{container}'.", hint=find.closest(name, there)
    )


def _dynamic(conn: Connection, name: str, size: int, manifest: str) -> Held:
    """Whatever is in a container and begins so."""
    home, _, prefix = manifest.lstrip("/").partition("/")
    pieces = [_piece(home, entry) for entry in entries(conn, home, prefix)]
    whole = sum(piece.size for piece in pieces) == size
    places = frozenset(piece.place for piece in pieces)
    return Held(name, size, pieces if whole else None, places)


def _static(conn: Connection, container: str, name: str, size: int, hash: str) -> Held:
    told = [*_manifest(conn, container, name)]
    told = told or [(piece, []) for piece in _pieces_of(conn, container, name, size, hash)]
    if not told:
        return Held(name, size, None, None)
    places = {place for piece, also in told for place in (piece.place, *also)}
    return Held(name, size, [piece for piece, _ in told], frozenset(places - {""}))


def _manifest(
    conn: Connection, container: str, name: str, depth: int = NESTED
) -> Iterator[tuple[Piece, Sequence[str]]]:
    """The pieces of a static large object, each with what else is stored apart for it."""
    answer = checked(conn.object_store.get(url(container, name) + "?multipart-manifest=get"))
    for entry in answer.json() if answer.content else ():
        if "data" in entry:
            data = base64.b64decode(entry["data"])
            yield Piece("", len(data), _hash_of(data)), []
            continue
        place = str(entry.get("name") or entry["path"]).lstrip("/")
        size = int(entry.get("bytes") or entry.get("size_bytes") or 0)
        is_nested = entry.get("sub_slo") and depth
        home, _, rest = place.partition("/")
        inner = [*_manifest(conn, home, rest, depth - 1)] if is_nested else []
        if "range" in entry:
            first, _, last = entry["range"].partition("-")
            also = [place for piece, more in inner for place in (piece.place, *more)]
            yield Piece(place, int(last) - int(first) + 1, None), also
        elif inner:
            yield from ((piece, [*more, place]) for piece, more in inner)
        else:
            yield Piece(place, size, _md5(entry.get("hash") or entry.get("etag"))), []


def _pieces_of(
    conn: Connection, container: str, name: str, size: int, hash: str
) -> Sequence[Piece]:
    """The segments that stand in a row in their container, have this size and this hash."""
    home = container + SEGMENTS_OF
    for prefix in (f"{name}/", ""):
        pieces = [_piece(home, entry) for entry in entries(conn, home, prefix)]
        begins: dict[int, int] = {0: 0}
        for end, so_far in enumerate(accumulate(piece.size for piece in pieces), 1):
            begin = begins.get(so_far - size)
            if begin is not None:
                row = pieces[begin:end]
                if _hash_of("".join(piece.hash or "" for piece in row).encode()) == hash:
                    return row
            begins[so_far] = end
    return []


def _piece(container: str, entry: dict[str, Any]) -> Piece:
    hash = None if may_be_large(entry) and entry["bytes"] else _md5(entry["hash"])
    return Piece(f"{container}/{entry['name']}", int(entry["bytes"]), hash)


def _hash_of(data: bytes) -> str:
    hashed = streams.new_hash("md5")
    hashed.update(data)
    return str(hashed.hexdigest())


def _md5(hash: str | None) -> str | None:
    """The hash, if it is of the data; not of a manifest, nor of the parts of an S3 upload."""
    return hash if hash and MD5.fullmatch(hash) else None
