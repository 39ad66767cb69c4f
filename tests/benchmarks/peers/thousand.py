"""A project with a thousand servers, volumes and ports, without the half hour that they would take.

One of each is made through the API. The services' databases then get copies of its rows, each with
IDs and addresses of its own. What lists them is the real API, which does for a copy all that it
does for a server that was built.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any

import pouta

from .cloud import Cloud
from .scripts import common

COUNT = 1000
HISTORY = {"instance_actions", "instance_actions_events", "console_auth_tokens"}


def ensure(cloud: Cloud, count: int = COUNT) -> None:
    """So many are there afterwards; the first time that takes a minute."""
    done = cloud.folder.path / "thousand"
    if done.exists():
        return
    cloud.clear()
    conn = cloud.conn
    server = pouta.servers.launch(
        conn, common.SERVER, image=common.IMAGE, flavor=common.FLAVOR, key_name=common.KEY
    )
    (port,) = pouta.floating_ips.ports_of(conn, [server]).values()
    volume = pouta.volumes.create(conn, common.VOLUME, 1)
    own = [server.id, port.id, volume.id, port.mac_address, port.fixed_ips[0]["ip_address"]]
    others = [dict(zip(own, _another(number), strict=True)) for number in range(1, count)]
    for database in ("nova", "nova_api", "neutron", "cinder"):
        path = cloud.folder.databases / f"{database}.sqlite"
        with closing(sqlite3.connect(path, timeout=60)) as rows, rows:
            for table in _tables(rows):
                _copy(rows, table, own, others)
    done.touch()


def _another(number: int) -> Sequence[str]:
    mac = f"fa:16:3e:ff:{number // 256:02x}:{number % 256:02x}"
    return (
        *(str(uuid.uuid4()) for _ in range(3)),
        mac,
        f"172.16.{number // 250}.{number % 250 + 1}",
    )


def _tables(rows: sqlite3.Connection) -> Iterable[str]:
    names = rows.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return [name for (name,) in names if name not in HISTORY]


def _copy(
    rows: sqlite3.Connection, table: str, own: Sequence[str], others: Sequence[Mapping[str, str]]
) -> None:
    """Every row of the table that speaks of what was made, once for each of the others."""
    columns = {name: kind for _, name, kind, *_ in rows.execute(f"PRAGMA table_info('{table}')")}
    for row in rows.execute(f"SELECT * FROM '{table}'").fetchall():
        if not any(isinstance(value, str) and value in own for value in row):
            continue
        for other in others:
            new = {name: _replaced(value, other) for name, value in zip(columns, row, strict=True)}
            if "uuid" in new and new["uuid"] not in other.values():
                new["uuid"] = str(uuid.uuid4())
            if columns.get("id") == "INTEGER":
                new["id"] = None  # the next one
            if "standard_attr_id" in new:
                new["standard_attr_id"] = _attributes(rows, new["standard_attr_id"])
            marks = ", ".join("?" * len(new))
            rows.execute(f"INSERT INTO '{table}' VALUES ({marks})", [*new.values()])


def _replaced(value: Any, other: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for old, new in other.items():
            value = value.replace(old, new)
    return value


def _attributes(rows: sqlite3.Connection, id: int) -> int | None:
    """Neutron keeps what all its things have in a table of its own."""
    (*_, (kind, created)) = rows.execute(
        "SELECT resource_type, created_at FROM standardattributes WHERE id = ?", [id]
    )
    return rows.execute(
        "INSERT INTO standardattributes (resource_type, revision_number, created_at, updated_at) "
        "VALUES (?, 0, ?, ?)",
        [kind, created, created],
    ).lastrowid
