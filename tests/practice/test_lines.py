"""Uploads over lines that are slow, or that stall for a while."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer
from typing import Any, Self

import pytest
from urllib3.connection import HTTPConnection

import pouta
from pouta import object_store
from pouta.practice.folder import Folder
from pouta.practice.project import empty_objects, new_member

HOST = "127.0.0.1"
BUFFER = 4096  # bytes that the line takes at once


class Line:
    """Leads from `own_port` to `port`, at `rate` bytes/s; stalls once, `after` so many bytes.

    Whatever it does not take waits in the sender's socket, as it does before a modem.
    """

    def __init__(self, port: int, *, rate: float = 1e9, stall: float = 0.0, after: int = 0) -> None:
        self.port, self.rate, self.stall, self.after = port, rate, stall, after
        self.went = 0

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._run(self._open())
        return self

    def __exit__(self, *error: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _open(self) -> None:
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        listening.bind((HOST, 0))
        self.own_port = listening.getsockname()[1]
        self._one_at_a_time = asyncio.Lock()
        self._ways: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._serve, sock=listening, limit=BUFFER)

    async def _close(self) -> None:
        self._server.close()
        for way in self._ways:
            way.cancel()
        await asyncio.gather(*self._ways, return_exceptions=True)

    async def _serve(self, client: Reader, to_client: Writer) -> None:
        server, to_server = await asyncio.open_connection(HOST, self.port)
        for way in (self._pump(client, to_server, slowly=True), self._pump(server, to_client)):
            task = self._loop.create_task(way)
            self._ways.add(task)
            task.add_done_callback(self._ways.discard)

    async def _pump(self, source: Reader, target: Writer, slowly: bool = False) -> None:
        try:
            while data := await source.read(BUFFER):
                if slowly:
                    await self._delay(len(data))
                target.write(data)
                await target.drain()
        except OSError:
            pass  # the other side is gone
        finally:
            target.close()

    async def _delay(self, count: int) -> None:
        async with self._one_at_a_time:
            await asyncio.sleep(count / self.rate)
            if self.went <= self.after < self.went + count:
                await asyncio.sleep(self.stall)
            self.went += count


@pytest.mark.parametrize(
    ("size", "how"),
    [
        (4 * 1024 * 1024, {"stall": 40.0, "after": 3 * 1024 * 1024}),
        (500 * 1000, {"rate": 50_000}),
    ],
)
def test_an_upload_survives_it(practice_cloud, tmp_path, monkeypatch, size, how):
    """Three files at once, so that two of them go over connections that are new.

    This machine would take all of a file in its buffers, and the sender would not have to wait.
    """
    small = [(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * BUFFER)]
    options = [*HTTPConnection.default_socket_options, *small]
    monkeypatch.setattr(HTTPConnection, "default_socket_options", options)
    place = Folder(practice_cloud.directory)
    for name in "abc":
        (tmp_path / name).write_bytes(bytes(size))
    with (
        Line(place.settings["ports"]["object_store"], **how) as line,
        new_member(place, practice_cloud.admin) as member,
    ):
        through = f"http://{HOST}:{line.own_port}/v1/AUTH_%(project_id)s"
        conn = pouta.connect(
            auth=member.config.config["auth"],
            region_name="regionOne",
            object_store_endpoint_override=through,
        )
        began = time.monotonic()
        sent = object_store.upload(conn, tmp_path, "data")
        took = time.monotonic() - began
        assert [held._bytes for held in sent] == [size] * 3
        conn.close()
        empty_objects(member)
    assert took > how.get("stall", 3 * size / how.get("rate", 1e9)) * 0.9  # it was such a line
    assert line.went < 3 * size * 1.05  # nothing was sent twice
