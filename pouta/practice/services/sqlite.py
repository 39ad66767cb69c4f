"""SQLite that many threads and processes write to at once.

oslo.db opens a connection for each statement's session and begins every transaction as a reader.
Two such readers that then write block each other until one fails. Here a reader begins nothing,
and the first write takes the write lock at once and waits for its turn.
"""

import re

import sqlalchemy
from oslo_db.sqlalchemy import engines
from sqlalchemy import pool

WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE|SAVEPOINT|CREATE|ALTER|DROP)", re.I)
BUSY_SECONDS = 60


def arguments(url, engine_args, kw):
    """Keep connections open and let a writer wait."""
    engine_args["poolclass"] = pool.QueuePool
    engine_args["pool_size"] = 8
    engine_args["max_overflow"] = 200
    engine_args["pool_pre_ping"] = False
    engine_args["pool_recycle"] = -1
    engine_args["connect_args"] = {"timeout": BUSY_SECONDS, "check_same_thread": False}


def listen(engine, sqlite_fk=False, **kw):
    """Set up each connection, and begin a transaction before its first write."""

    @sqlalchemy.event.listens_for(engine, "connect")
    def connected(connection, record):
        connection.isolation_level = None
        connection.create_function(
            "regexp", 2, lambda pattern, text: bool(re.search(pattern, str(text)))
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")
        if sqlite_fk:
            connection.execute("PRAGMA foreign_keys = ON")

    @sqlalchemy.event.listens_for(engine, "before_cursor_execute")
    def before(conn, cursor, statement, parameters, context, executemany):
        if WRITES.match(statement):
            begin(cursor)


def begin(cursor):
    """Take the write lock, unless this connection has it."""
    if cursor.connection.in_transaction:
        return
    cursor.execute("BEGIN IMMEDIATE")


def tune():
    """Put this tuning in the place of oslo.db's own for SQLite."""
    engines._init_connection_args.reg["sqlite"]["*"] = [arguments]
    engines._init_events.reg["sqlite"]["*"] = [listen]
