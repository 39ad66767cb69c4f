"""SQLite that many threads and processes write to at once.

oslo.db opens a connection for each statement's session and begins every transaction as a reader.
Two such readers that then write block each other until one fails. Here a reader begins nothing,
and the first write takes the write lock at once and waits for its turn.
"""

import collections
import re
import sqlite3
import threading

import sqlalchemy
from oslo_db.sqlalchemy import engines
from sqlalchemy import pool

WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE|SAVEPOINT|CREATE|ALTER|DROP)", re.I)
BUSY_SECONDS = 60
#: One for each database: SQLite lets those who wait for it sleep for up to a tenth of a second,
#: a lock hands over at once.
turns = collections.defaultdict(threading.Lock)


class Connection(sqlite3.Connection):
    """Holds its turn from the first write to the end of the transaction."""

    def __init__(self, database, *args, **kwargs):
        super().__init__(database, *args, **kwargs)
        self.turn = turns[database]
        self.has_turn = False

    def begin(self):
        """Take the write lock, unless this connection has it."""
        if self.in_transaction:
            return
        self.has_turn = self.turn.acquire(timeout=BUSY_SECONDS)
        try:
            self.execute("BEGIN IMMEDIATE")
        except sqlite3.Error:
            self.end()
            raise

    def end(self):
        """Let the next one write."""
        if self.has_turn:
            self.has_turn = False
            self.turn.release()

    def commit(self):
        super().commit()
        self.end()

    def rollback(self):
        try:
            super().rollback()
        finally:
            self.end()

    def close(self):
        try:
            super().close()
        finally:
            self.end()


def arguments(url, engine_args, kw):
    """Keep connections open and let a writer wait."""
    engine_args["poolclass"] = pool.QueuePool
    engine_args["pool_size"] = 8
    engine_args["max_overflow"] = 200
    engine_args["pool_pre_ping"] = False
    engine_args["pool_recycle"] = -1
    engine_args["connect_args"] = {
        "timeout": BUSY_SECONDS,
        "check_same_thread": False,
        "factory": Connection,
    }


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
            cursor.connection.begin()


def tune():
    """Put this tuning in the place of oslo.db's own for SQLite."""
    engines._init_connection_args.reg["sqlite"]["*"] = [arguments]
    engines._init_events.reg["sqlite"]["*"] = [listen]
