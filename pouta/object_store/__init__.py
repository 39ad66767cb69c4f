"""Files in the object store: Allas, as Swift offers it. Files and folders, of any size."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pouta import files as local
from pouta import streams
from pouta.concurrently import each
from pouta.deletion import Deletion
from pouta.display import Columns, Table
from pouta.errors import InvalidInput, Refused, chore
from pouta.object_store import contents, fetching, names, removing, sending, signing, wire

if TYPE_CHECKING:
    from openstack.connection import Connection
    from openstack.object_store.v1.container import Container
    from openstack.object_store.v1.obj import Object


@chore("list the object store")
def list(
    conn: Connection, container: str | None = None, *, prefix: str = ""
) -> Table[Container] | Table[Object]:
    """The project's containers, or the objects of one.

    prefix: only those objects whose names begin so, such as "results/".

    `GET /v1/AUTH_{project_id}`, `GET /v1/AUTH_{project_id}/{container}`.
    """
    if container is not None:
        names.check(container, prefix or "any")
    with wire.let_in(conn, container):
        if container is None:
            columns: Columns = {
                "container": "name",
                "objects": "count",
                "MB": lambda held: round((held.bytes or 0) / 1e6, 1),
            }
            return Table(wire.containers(conn), columns, "container")
        return _table(conn, container, _listed(conn, container, prefix))


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
    names.check_new_container(container)
    largest = sending.LARGEST
    if segment_size is not None and not 0 < segment_size <= largest:
        raise InvalidInput(f"segment_size is from 1 to {largest} bytes, not {segment_size!r}.")
    root = local.path_of(path)
    files = sending.files_of(root, name)
    names.check_new(container, files, segment_size or largest)
    with wire.let_in(conn, container):
        pieces = sending.segment_sizes(conn, files, segment_size)
        made = wire.ensure(conn, container)
        try:
            there = {} if made else _known(conn, container, [*files])
            fresh = _changed(conn, container, files, [*there], overwrite)
            outgoing = [
                sending.Outgoing(name, files[name], pieces[name], held)
                for name, held in fresh.items()
            ]
            size = sum(one.file.stat().st_size for one in outgoing)
            with streams.Meter(f"'{root.name}' uploaded", size) as meter:
                each(lambda one: sending.send(conn, container, one, meter), outgoing)
        except BaseException:
            if made:
                wire.delete_if_empty(conn, container)
            raise
        return _table(conn, container, _known(conn, container, [*files]).values())


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
    names.check(container, "any" if name is None else name)
    with wire.let_in(conn, container):
        if name is None or name.endswith("/"):
            listed = [entry["name"] for entry in _listed(conn, container, name or "")]
            found = each(lambda name: contents.look(conn, container, name), listed)
            places = fetching.places(target, {held.name: held.size for held in found})
            others = set()
        else:
            found = [contents.look(conn, container, name)]
            places = {name: fetching.place(target, name)}
            others = fetching.taken_by_another(conn, container, name, places[name])
        parts = streams.parts_of([*places.values()], others)
        wanted = [
            fetching.Wanted(held, file, parts[file])
            for held in found
            if (file := places.get(held.name))
        ]
        missing = [one for one in wanted if not fetching.is_there(one, overwrite)]
        with streams.Meter(
            f"'{name or container}' downloaded", sum(one.held.size for one in missing)
        ) as meter:
            each(lambda one: fetching.fetch(conn, container, one, meter, overwrite), missing)
        return [one.file for one in wanted]


@chore("delete {name} (container {container})")
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
    names.check(container, "any" if name is None else name)
    with wire.let_in(conn, container):
        if name is not None:
            with Deletion(conn) as going:
                removing.remove(going, container, [name])
            return
        listed = _listed(conn, container)
        if listed and not all_objects:
            size = sum(entry["bytes"] for entry in _sized(conn, container, listed))
            raise Refused(
                f"Container '{container}' holds {len(listed)} objects, {size / 1e6:.1f} MB, which "
                "would be lost.",
                hint="To delete them all: all_objects=True.",
            )
        with Deletion(conn) as going:
            removing.remove(going, container, [entry["name"] for entry in listed])
            if not going.left:
                going.delete(removing.CONTAINER, [removing.Place(container)])


@chore("make a temporary URL of {name} in container {container}")
def temporary_url(
    conn: Connection, container: str, name: str, *, seconds: float, method: str = "GET"
) -> str:
    """An address at which everybody who has it can get (or put) this object, for some time.

    seconds: how long.
    method: "GET", "HEAD", or "PUT", with which somebody else can send you a file.

    The project gets a key for it if it has none. Who has a URL can use it until it ends; to end
    all of them before, change the key: `conn.object_store.set_account_temp_url_key(key)`.
    """
    names.check(container, name)
    if method not in ("GET", "HEAD", "PUT"):
        raise InvalidInput(f"A temporary URL is for GET, HEAD or PUT, not '{method}'.")
    if seconds <= 0:
        raise InvalidInput(f"A temporary URL lives for some seconds, not {seconds:g}.")
    if names.has_dots(name):
        raise InvalidInput(
            f"Object {name!r:.80} cannot have a temporary URL: browsers resolve '.' and '..'."
        )
    with wire.let_in(conn, container):
        if method == "PUT":
            wire.ensure(conn, container)
        else:
            contents.look(conn, container, name)
        return signing.signed(conn, container, name, seconds=seconds, method=method)


def _changed(
    conn: Connection,
    container: str,
    files: Mapping[str, Path],
    there: Collection[str],
    overwrite: bool,
) -> dict[str, contents.Held | None]:
    """The files that the container does not have yet, with what it has by their names instead.

    Refuses to replace what is other, or cannot be told from it.
    """

    def other(name: str) -> contents.Held | None:
        held = contents.look(conn, container, name)
        return None if held.is_same(files[name]) else held

    others = {name: held for name, held in zip(there, each(other, there), strict=True) if held}
    if others and not overwrite:
        known = all(held.is_known for held in others.values())
        raise Refused(
            f"Container '{container}' has {streams.few([*others])} already, with other data"
            f"{'' if known else ', or data that cannot be compared'}.",
            hint="overwrite=True replaces what is there.",
        )
    return {name: others.get(name) for name in files if name in others or name not in there}


def _known(conn: Connection, container: str, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Those of the names that are objects already."""
    first, last = min(names), max(names)
    same = [ours == theirs for ours, theirs in zip(first, last, strict=False)]
    prefix = first[: [*same, False].index(False)]
    wanted = {*names}
    return {
        entry["name"]: entry
        for entry in _listed(conn, container, prefix)
        if entry["name"] in wanted
    }


def _listed(conn: Connection, container: str, prefix: str = "") -> Sequence[dict[str, Any]]:
    from openstack.exceptions import NotFoundException

    try:
        return [*wire.listed(conn, container, prefix=prefix)]
    except NotFoundException:
        raise wire.no_container(conn, container) from None


def _sized(
    conn: Connection, container: str, listed: Iterable[dict[str, Any]]
) -> Sequence[dict[str, Any]]:
    """With the size of an object's data, where the list has that of its manifest."""

    def sized(entry: dict[str, Any]) -> dict[str, Any]:
        if not contents.may_be_large(entry):
            return entry
        held = contents.look_for(conn, container, entry["name"])
        return {**entry, "bytes": held.size} if held else entry

    return each(sized, listed)


def _table(conn: Connection, container: str, listed: Iterable[dict[str, Any]]) -> Table[Object]:
    from openstack.object_store.v1.obj import Object

    columns: Columns = {
        "name": "name",
        "MB": lambda held: round((held._bytes or 0) / 1e6, 3),
        "type": "_content_type",
        "changed": "_last_modified",
    }
    objects = [
        Object.existing(connection=conn, container=container, **entry)
        for entry in _sized(conn, container, listed)
    ]
    return Table(objects, columns, "object")
