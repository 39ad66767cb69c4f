"""The end of a day: all of it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pouta
from pouta import volumes
from tests.acceptance.claims import Claims, Untrue, part, same
from tests.acceptance.parts import needs

if TYPE_CHECKING:
    from tests.acceptance.run import Run


@part("cleanup", minutes=1, makes="three volumes, for a moment each", gib=2, needs=[needs.disks])
def _(run: Run) -> Claims:
    conn = run.conn

    def there(*names: str) -> set[str]:
        wanted = {*map(run.name, names)}
        return {one.name for one in conn.block_storage.volumes()} & wanted

    yield "a temporary thing is gone after its block"
    with pouta.temporary(conn) as tag:
        volumes.create(conn, run.name("scratch"), 1, tags=[tag, run.tag])
        same("within", there("scratch"), {run.name("scratch")})
    same("afterwards", there("scratch"), set())

    yield "what stands or falls together falls together"
    try:
        with pouta.all_or_nothing(conn) as tag:
            volumes.create(conn, run.name("first"), 1, tags=[tag, run.tag])
            raise Untrue("for a try")
    except Untrue as error:
        same("the exception", str(error), "for a try")
    same("afterwards", there("first"), set())

    yield "all with the tag goes, and nothing else"
    tag = run.name("cleanup")
    for name, tags in {"goes": [tag, run.tag], "stays": [run.tag]}.items():
        volumes.create(conn, run.name(name), 1, tags=tags)
    gone = pouta.cleanup(conn, tag=tag)
    same("removed", [thing.name for thing in gone], [run.name("goes")])
    same("afterwards", there("goes", "stays"), {run.name("stays")})
    volumes.delete(conn, run.name("stays"))
