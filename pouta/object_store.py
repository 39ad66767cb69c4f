"""Files in the object store: Allas, as Swift offers it. Files and folders, of any size."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import mimetypes
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib import parse

from pouta import deletion, progress, streams
from pouta import files as local
from pouta import find as _find
from pouta.concurrently import each
from pouta.deletion import Deletion
from pouta.display import Columns, Table
from pouta.errors import (
    AuthenticationError,
    Failed,
    InvalidInput,
    NotFound,
    Refused,
    chore,
    status_of,
)
from pouta.kinds import Kind
from pouta.made import once

if TYPE_CHECKING:
    from openstack.connection import Connection
    from openstack.object_store.v1.container import Container
    from openstack.object_store.v1.obj import Object
    from requests import Response

LARGEST = 5 * 10**9  # bytes in one object; larger files go up in segments
SEGMENT = 10**9  # bytes
SEGMENTS_OF = "_segments"
CONTAINER_LIMIT = 256  # bytes of a name, in Swift; Ceph takes as many
OBJECT_LIMIT = 1024
NUMBERS = 64  # bytes that stand behind an object's name in those of its segments


@chore("list the object store")
def list(
    conn: Connection, container: str | None = None, *, prefix: str = ""
) -> Table[Container] | Table[Object]:
    """The project's containers, or the objects of one.

    prefix: only those objects whose names begin so, such as "results/".

    `GET /v1/AUTH_{project_id}`, `GET /v1/AUTH_{project_id}/{container}`.
    """
    if container is not None:
        _check(container, prefix or "any")
    with _let_in(conn):
        if container is None:
            columns: Columns = {
                "container": "name",
                "objects": "count",
                "MB": lambda held: round((held.bytes or 0) / 1e6, 1),
            }
            return Table(_containers(conn), columns, "container")
        return _table(_objects(conn, container, prefix))


@chore("upload {path} to container {container}")
def upload(
    conn: Connection,
    path: str | os.PathLike[str],
    container: str,
    *,
    name: str | None = None,
    segment_size: int | None = None,
    overwrite: bool = False,
) -> Table[Object]:
    """The file, or all files of the folder, are objects of the container afterwards; those.

    The container is made if it is not there. What is there already and the same is not sent again,
    so the same call goes on after an upload that broke off. Links to files are followed. Other
    links, special files and folders without files are left out, and named.

    name: of the object; for a folder, what the names of its objects begin with. The file's or
        folder's own name if not given.
    segment_size: bytes; a larger file goes up in segments of that size, in the container
        `{container}_segments`. Without it, files above 5 GB do so, in segments of 1 GB.
    overwrite: replace objects that are there with other data, which are lost.

    Each checksum is compared with the cloud's. Billed by what is stored, in Storage BU.
    `PUT /v1/AUTH_{project_id}/{container}/{object}`.
    """
    check_name(container)
    if segment_size is not None and not 0 < segment_size <= LARGEST:
        raise InvalidInput(f"segment_size is from 1 to {LARGEST} bytes, not {segment_size!r}.")
    root = local.path_of(path)
    files = _files(root, name)
    _check_new(container, files, segment_size or LARGEST)
    with _let_in(conn):
        made = _ensure(conn, container)
        try:
            there = {} if made else _known(conn, container, [*files])
            fresh = _changed(conn, container, files, there, overwrite)
            size = sum(file.stat().st_size for file in fresh.values())
            with streams.Meter(f"'{root.name}' uploaded", size) as meter:
                each(
                    lambda item: _send(conn, container, *item, meter, segment_size, there),
                    fresh.items(),
                )
        except BaseException:
            if made:
                _delete_if_empty(conn, container)
            raise
        return _table([*_known(conn, container, [*files]).values()])


@chore("download {name} of container {container}")
def download(
    conn: Connection,
    container: str,
    name: str | None,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
) -> Sequence[Path]:
    """The object, or all objects, of the container are files of this machine afterwards; those.

    name: an object; one that ends in "/" means all that begin so; None means all of the container.
    path: of the file, or of the folder that holds them; made if it is not there.
    overwrite: replace files that are there with other data.

    Each checksum is compared with the cloud's. Files that are there already and the same are not
    fetched again. What has come of a file is in one with `.part` behind its name, and the same call
    goes on from there. Objects that cannot all be files there, such as "a" and "a/b", are refused
    before anything is fetched. `GET /v1/AUTH_{project_id}/{container}/{object}`.
    """
    target = local.path_of(path)
    _check(container, "any" if name is None else name)
    with _let_in(conn):
        if name is None or name.endswith("/"):
            wanted = _places(target, _objects(conn, container, name or ""))
            others = set()
        else:
            wanted = {name: _place(target, name)}
            others = _taken_by_another(conn, container, name, wanted[name])
        found = each(lambda name: _look(conn, container, name), wanted)
        parts = streams.parts_of([*wanted.values()], others)
        missing = [_Wanted(held, wanted[held.name], parts[wanted[held.name]]) for held in found]
        missing = [one for one in missing if not _is_there(one, overwrite)]
        with streams.Meter(
            f"'{name or container}' downloaded", sum(one.held.size for one in missing)
        ) as meter:
            each(lambda one: _fetch(conn, container, one, meter, overwrite), missing)
        return [wanted[held.name] for held in found]


@chore("delete object {name} of container {container}")
def delete(
    conn: Connection, container: str, name: str | None = None, *, all_objects: bool = False
) -> None:
    """The object with its segments, or the container, is gone afterwards; there is no way back.

    name: an object; None means the container itself.
    all_objects: delete the container with all that is in it.

    When something is still there at the end the error lists each with the reason in `leftovers`:
    Refused when nothing was deleted, Failed otherwise.

    `DELETE /v1/AUTH_{project_id}/{container}/{object}`.
    """
    _check(container, "any" if name is None else name)
    with _let_in(conn):
        if name is not None:
            with Deletion(conn) as going:
                _remove(going, container, [name])
            return
        objects = _objects(conn, container)
        if objects and not all_objects:
            size = sum(held._bytes or 0 for held in objects)
            raise Refused(
                f"Container '{container}' holds {len(objects)} objects, {size / 1e6:.1f} MB, which "
                "would be lost.",
                hint="To delete them all: all_objects=True.",
            )
        with Deletion(conn) as going:
            _remove(going, container, [held.name for held in objects])
            if not going.left:
                going.delete(_CONTAINER, [_Place(container)])
        _delete_if_empty(conn, container + SEGMENTS_OF)


@chore("make a temporary URL of {name} in container {container}")
def temporary_url(
    conn: Connection, container: str, name: str, *, seconds: float, method: str = "GET"
) -> str:
    """An address at which everybody who has it can get (or put) this object, for some time.

    seconds: how long.
    method: "GET", "HEAD", or "PUT", with which somebody else can send you a file.

    The container gets a key for it if it has none. Who has a URL can use it until it ends; to end
    all of them before, change the key:
    `conn.object_store.set_container_temp_url_key(urllib.parse.quote(container), key)`.
    """
    _check(container, name)
    if method not in ("GET", "HEAD", "PUT"):
        raise InvalidInput(f"A temporary URL is for GET, HEAD or PUT, not '{method}'.")
    if seconds <= 0:
        raise InvalidInput(f"A temporary URL lives for some seconds, not {seconds:g}.")
    if _has_dots(name):
        raise InvalidInput(
            f"Object {name!r:.80} cannot have a temporary URL: browsers resolve '.' and '..'."
        )
    with _let_in(conn):
        if method == "PUT":
            _ensure(conn, container)
        else:
            _look(conn, container, name)
        key = _key(conn, container)
        address = conn.object_store.get_endpoint() or ""
        path = f"{parse.urlsplit(address).path}/{container}/{name}"
        end = int(time.time() + seconds)
        text = f"{method}\n{end}\n{path}"
        signature = hmac.new(key.encode(), text.encode(), _digest(conn)).hexdigest()
        return f"{address}{_url(container, name)}?temp_url_sig={signature}&temp_url_expires={end}"


# Objects


@dataclass(frozen=True)
class _Held:
    """An object as the cloud has it. Of one in segments, each with its size and hash."""

    name: str
    size: int
    hash: str
    segments: Sequence[tuple[str, int, str]] = ()
    verifiable: bool = True

    def is_same(self, file: Path) -> bool:
        """Whether a file of the right size has the same data."""
        if not self.verifiable:
            return True
        if not self.segments:
            return streams.digest_of(file, "md5") == self.hash
        start = 0
        for _, size, hash in self.segments:
            if streams.digest_of(file, "md5", start, size) != hash:
                return False
            start += size
        return True


@dataclass(frozen=True)
class _Wanted:
    """An object, the file that it is to become, and the one that holds what has come of it."""

    held: _Held
    file: Path
    part: Path


def _look(conn: Connection, container: str, name: str) -> _Held:
    """The object, or NotFound with the closest names."""
    answer = conn.object_store.head(_url(container, name))
    if answer.status_code == 404:
        names = _objects(conn, container)
        raise NotFound(
            f"No object '{name}' in container '{container}'.", hint=_find.closest(name, [*names])
        )
    headers = _checked(answer).headers
    size, hash = int(headers["Content-Length"]), headers.get("ETag", "").strip('"')
    if headers.get("X-Static-Large-Object", "").lower() == "true":
        return _Held(name, size, hash, _manifest(conn, container, name))
    return _Held(name, size, hash, verifiable="X-Object-Manifest" not in headers)


def _manifest(conn: Connection, container: str, name: str) -> Sequence[tuple[str, int, str]]:
    answer = _checked(conn.object_store.get(_url(container, name) + "?multipart-manifest=get"))
    return [(part["name"], int(part["bytes"]), part["hash"]) for part in answer.json()]


def _containers(conn: Connection) -> Sequence[Container]:
    from openstack.object_store.v1.container import Container

    return [Container.existing(connection=conn, **held) for held in _listed(conn, "")]


def _objects(conn: Connection, container: str, prefix: str = "") -> Sequence[Object]:
    from openstack.exceptions import NotFoundException
    from openstack.object_store.v1.obj import Object

    try:
        return [
            Object.existing(connection=conn, container=container, **held)
            for held in _listed(conn, _url(container), prefix=prefix)
        ]
    except NotFoundException:
        raise NotFound(
            f"No container '{container}' in this project.",
            hint=_find.closest(container, [*_containers(conn)]),
        ) from None


def _known(conn: Connection, container: str, names: Sequence[str]) -> dict[str, Object]:
    """Those of the names that are objects already."""
    first, last = min(names), max(names)
    same = (ours == theirs for ours, theirs in zip(first, last, strict=False))
    prefix = first[: sum(itertools.takewhile(bool, same))]
    wanted = {*names}
    return {held.name: held for held in _objects(conn, container, prefix) if held.name in wanted}


def _table(objects: Sequence[Object]) -> Table[Object]:
    columns: Columns = {
        "name": "name",
        "MB": lambda held: round((held._bytes or 0) / 1e6, 3),
        "type": "_content_type",
        "changed": "_last_modified",
    }
    return Table(objects, columns, "object")


# Up


def _files(root: Path, name: str | None) -> dict[str, Path]:
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


def check_name(container: str) -> None:
    """Refuse what cannot name a container that is to be made."""
    _find.check_name("container", container)
    _check(container)


def _check(container: str, name: str = "any") -> None:
    """Refuse what no container, or no object, can be called; "" would lead to what holds it."""
    if not _fits(container, CONTAINER_LIMIT) or "/" in container or _has_dots(container):
        raise InvalidInput(
            f"Invalid container name {container!r:.80}: use 1 to {CONTAINER_LIMIT} bytes of UTF-8 "
            "without /, and neither '.' nor '..'."
        )
    if not _fits(name, OBJECT_LIMIT):
        raise InvalidInput(
            f"Invalid object name {name!r:.80}: use 1 to {OBJECT_LIMIT} bytes of UTF-8."
        )


def _fits(name: Any, limit: int) -> bool:
    try:
        return 0 < len(name.encode()) <= limit and "\0" not in name
    except (AttributeError, UnicodeEncodeError):
        return False


def _check_new(container: str, files: Mapping[str, Path], largest: int) -> None:
    """Refuse names of objects, and of their segments, that the cloud would not take."""
    for name, file in files.items():
        _check(container, name)
        if _has_dots(name):
            raise InvalidInput(
                f"Invalid object name {name!r:.80}: leave out '.' and '..' between slashes, which "
                "a proxy may resolve to another object."
            )
        if file.stat().st_size > largest:
            try:
                _check(container + SEGMENTS_OF, name + "/" * NUMBERS)
            except InvalidInput as error:
                raise InvalidInput(
                    f"The names of the segments of {name!r:.80} would be too long.",
                    hint="Choose a shorter name for the object, or for the container.",
                ) from error


def _has_dots(name: str) -> bool:
    return bool({".", ".."} & {*name.split("/")})


def _ensure(conn: Connection, container: str) -> bool:
    """The container is there afterwards; whether it was made now."""
    check_name(container)
    if _checked(conn.object_store.head(_url(container)), gone=True).ok:
        return False
    _checked(conn.object_store.put(_url(container)))
    return True


def _changed(
    conn: Connection,
    container: str,
    files: Mapping[str, Path],
    there: Mapping[str, Object],
    overwrite: bool,
) -> dict[str, Path]:
    """The files that the container does not have yet. Refuses to replace what is other."""

    def is_new(name: str) -> bool:
        if name not in there:
            return True
        held = _look(conn, container, name)
        return held.size != files[name].stat().st_size or not held.is_same(files[name])

    fresh = [name for name, new in zip(files, each(is_new, files), strict=True) if new]
    lost = [name for name in fresh if name in there]
    if lost and not overwrite:
        raise Refused(
            f"Container '{container}' has {streams.few(lost)} already, with other data.",
            hint="overwrite=True replaces what is there.",
        )
    return {name: files[name] for name in fresh}


def _send(
    conn: Connection,
    container: str,
    name: str,
    file: Path,
    meter: streams.Meter,
    segment_size: int | None,
    there: Mapping[str, Object],
) -> None:
    old = _look(conn, container, name).segments if name in there else ()
    size = file.stat().st_size
    if size > (segment_size or LARGEST):
        new = _send_segments(conn, container, name, file, meter, segment_size or SEGMENT)
    else:
        new = []
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        _put(conn, _url(container, name), streams.Part(file, meter), kind)
    kept = {path for path, _, _ in new}
    _remove_segments(conn, [path for path, _, _ in old if path not in kept])


def _send_segments(
    conn: Connection, container: str, name: str, file: Path, meter: streams.Meter, size: int
) -> Sequence[tuple[str, int, str]]:
    """Each segment, then the object that names them all. Those that are there already are kept."""
    home, whole = container + SEGMENTS_OF, file.stat()
    _ensure(conn, home)
    start_of_names = f"{name}/{int(whole.st_mtime)}/{whole.st_size}/{size}/"
    there = {held.name: held for held in _objects(conn, home, start_of_names)}

    def send(number: int) -> tuple[str, int, str]:
        segment = f"{start_of_names}{number:08}"
        start = number * size
        length = min(size, whole.st_size - start)
        if segment in there:
            hash = streams.digest_of(file, "md5", start, length)
            if there[segment]._hash == hash:
                meter.add(length)
                return f"/{home}/{segment}", length, hash
        part = streams.Part(file, meter, start=start, length=length, seen=whole)
        hash = _put(conn, _url(home, segment), part, "application/octet-stream")
        return f"/{home}/{segment}", length, hash

    try:
        segments = each(send, range(-(-whole.st_size // size)))
    except Failed:
        if streams.has_changed(file, whole):  # no later upload would go on with these
            _remove_segments(
                conn, [f"{home}/{s.name}" for s in _objects(conn, home, start_of_names)]
            )
            _delete_if_empty(conn, home)
        raise
    manifest = [{"path": path, "size_bytes": n, "etag": hash} for path, n, hash in segments]
    _checked(
        conn.object_store.put(
            _url(container, name) + "?multipart-manifest=put",
            data=json.dumps(manifest),
            headers={"Content-Type": mimetypes.guess_type(file.name)[0] or "application/x-data"},
            timeout=streams.ANSWER_TIMEOUT,
        )
    )
    held = _look(conn, container, name)
    if held.size != whole.st_size:
        raise Failed(f"Object '{name}' has {held.size} bytes, and its file {whole.st_size}.")
    return segments


def _put(conn: Connection, url: str, part: streams.Part, kind: str) -> str:
    """Send one object, and return its hash, which the cloud has found as well."""
    answer = _checked(
        conn.object_store.put(
            url,
            data=part if len(part) else b"",
            headers={"Content-Type": kind},
            timeout=streams.ANSWER_TIMEOUT,
        )
    )
    hash = part.digest("md5")
    if answer.headers.get("ETag", "").strip('"') != hash:
        conn.object_store.delete(url)
        raise Failed(
            f"{part.path} did not reach the cloud as it is: its checksum is another. The object "
            "was deleted.",
            hint="Try again.",
        )
    return hash


# Down


def _place(target: Path, name: str) -> Path:
    """Where one object goes: into the folder that is there, or the file that is given."""
    if not target.is_dir():
        return target
    last = name.rsplit("/", 1)[-1]
    if last in (".", ".."):
        raise InvalidInput(f"Invalid file name {last!r}.", hint="Give the path of a file.")
    local.check(target / last)
    return target / last


def _places(folder: Path, objects: Sequence[Object]) -> dict[str, Path]:
    """Where each object goes. Refuses, before any is fetched, those that cannot all be files."""
    lost = [held.name for held in objects if held.name.endswith("/") and held._bytes]
    if lost:
        raise Refused(
            f"Cannot download {streams.few(lost)}: the name ends in '/', as no file's can, and the "
            "object holds data.",
            hint="Copy it to another name first, or download the others one by one.",
        )
    names = [held.name for held in objects if not held.name.endswith("/")]  # else a folder's mark
    real = cache(Path.resolve)
    files = {name: _inside(folder, name, real) for name in names}
    by_place: dict[Path, str] = {}
    for name, file in files.items():
        place = real(file.parent) / file.name
        if place in by_place:
            raise _cannot_both(by_place[place], name, f"both would be the file {file}")
        by_place[place] = name
    for place, name in by_place.items():
        for parent in place.parents:
            if parent in by_place:
                why = f"{parent} would be both a file and a folder"
                raise _cannot_both(by_place[parent], name, why)
    return files


def _cannot_both(one: str, other: str, why: str) -> Refused:
    return Refused(
        f"The objects {one!r:.80} and {other!r:.80} cannot both be downloaded: {why}.",
        hint="Download them one by one, each to a path of its own.",
    )


def _inside(folder: Path, name: str, real: Callable[[Path], Path]) -> Path:
    """Where an object goes; never outside the folder, whatever its name says."""
    file = folder / name.lstrip("/")
    local.check(file)
    outside = ".." in Path(name).parts or file == folder
    if outside or not real(file.parent).is_relative_to(real(folder)):
        raise Refused(f"The object {name!r:.80} would be written outside {folder}.")
    return file


def _taken_by_another(conn: Connection, container: str, name: str, file: Path) -> set[Path]:
    """The file that is begun in, when it is another object that was downloaded before."""
    begun = streams.part_of(file)
    another = f"{name}.part"
    if not begun.exists() or not _fits(another, OBJECT_LIMIT):
        return set()
    is_object = _checked(conn.object_store.head(_url(container, another)), gone=True).ok
    return {begun} if is_object else set()


def _is_there(wanted: _Wanted, overwrite: bool) -> bool:
    """Whether the file is there and the same. Refuses to replace what is other."""
    held, file = wanted.held, wanted.file
    if file.is_file() and file.stat().st_size == held.size and held.is_same(file):
        return True
    streams.check_target(file, overwrite=overwrite)
    return False


def _fetch(
    conn: Connection, container: str, wanted: _Wanted, meter: streams.Meter, overwrite: bool
) -> None:
    held = wanted.held

    def ask(start: int) -> Response:
        headers = {"Range": f"bytes={start}-"} if start else {}
        url = _url(container, held.name)
        # A log would read all of a text into memory.
        answer: Response = conn.object_store.get(url, stream=True, log=False, headers=headers)
        return _checked(answer)

    streams.save(
        ask,
        wanted.file,
        meter,
        size=held.size,
        is_right=held.is_same,
        overwrite=overwrite,
        part=wanted.part,
    )


# Away


@dataclass(frozen=True)
class _Place:
    """Where something is stored: a container, or container/object."""

    id: str

    @property
    def name(self) -> str:
        return self.id


@dataclass(frozen=True)
class _Stored(Kind[_Place]):
    def delete(self, conn: Connection, id: str) -> None:
        _checked(conn.object_store.delete(_url(id)), gone=True)


_CONTAINER = _Stored("container", "object_store", "container", can_be_busy=False)
_OBJECT = _Stored("object", "object_store", "object", can_be_busy=False)


def _remove(going: Deletion, container: str, names: Sequence[str]) -> None:
    """Delete objects of a container, and the segments of those that are gone."""
    held = each(lambda name: _look(going.conn, container, name), names)
    segments = {f"{container}/{one.name}": one.segments for one in held}
    gone = going.delete(_OBJECT, map(_Place, segments))
    paths = [path.lstrip("/") for place in gone for path, _, _ in segments[place.id]]
    going.delete(_OBJECT, map(_Place, paths))
    if paths:
        _delete_if_empty(going.conn, container + SEGMENTS_OF)


def _remove_segments(conn: Connection, paths: Sequence[str]) -> None:
    deletion.delete(conn, _OBJECT, [_Place(path.lstrip("/")) for path in paths])


def _delete_if_empty(conn: Connection, container: str) -> None:
    conn.object_store.delete(_url(container))  # 409 when it is not


# Requests


def _url(*names: str) -> str:
    """Also for names with "..", which would lead the request to another container."""
    path = "".join(f"/{parse.quote(name)}" for name in names)
    return re.sub(r"(?<=/)\.{1,2}(?=/|$)", lambda dots: dots[0].replace(".", "%2E"), path)


def _listed(conn: Connection, url: str, **query: str) -> Iterator[dict[str, Any]]:
    """Page by page. openstacksdk puts names into URLs unquoted: `run#1` would lead it to `run`."""
    query |= {"format": "json", "marker": ""}
    while (answer := _checked(conn.object_store.get(url, params=query))).content:
        if not (page := answer.json()):
            return
        yield from page
        query["marker"] = page[-1]["name"]


def _checked(answer: Response, *, gone: bool = False) -> Response:
    """The answer, if it is a good one. gone: not to be there is good."""
    from openstack.exceptions import raise_from_response

    if not (gone and answer.status_code == 404):
        raise_from_response(answer)
    return answer


def _key(conn: Connection, container: str) -> str:
    """The key that signs temporary URLs of this container; made if there is none."""
    for url in (_url(container), ""):
        kind = "Container" if url else "Account"
        headers = _checked(conn.object_store.head(url)).headers
        for number in ("", "-2"):
            if key := headers.get(f"X-{kind}-Meta-Temp-Url-Key{number}"):
                return key
    key = secrets.token_urlsafe(32)
    new = {"X-Container-Meta-Temp-URL-Key": key}

    def there() -> Sequence[str]:
        headers = _checked(conn.object_store.head(_url(container))).headers
        return [key] if headers.get("X-Container-Meta-Temp-Url-Key") == key else []

    def ask() -> str:
        _checked(conn.object_store.post(_url(container), headers=new))
        return key

    return once(f"key of container '{container}'", ask, there)[0]


def _digest(conn: Connection) -> Callable[..., Any]:
    """The best hash for signatures that this cloud takes; openstacksdk signs with SHA-1 only."""
    known = conn.object_store.get_info().tempurl or {}
    allowed = known.get("allowed_digests") or ["sha1"]
    return hashlib.sha256 if "sha256" in allowed else hashlib.sha1


@contextmanager
def _let_in(conn: Connection) -> Iterator[None]:
    """Say why an application credential is refused here that works elsewhere."""
    from keystoneauth1.exceptions import ClientException
    from openstack.exceptions import SDKException

    try:
        yield
    except (ClientException, SDKException) as error:
        by_credential = "application_credential_secret" in conn.config.config.get("auth", {})
        if status_of(error) not in (401, 403) or not by_credential:
            raise
        raise AuthenticationError(
            "The object store refuses this application credential: its access rules leave it out, "
            "or its roles.",
            hint="With any access rules there is no way to Allas. Make one without: "
            "pouta.identity.create_application_credential(conn, name).",
        ) from error
