"""A proxy on loopback between clients and all services of a practice cloud.

It sees every request, whoever makes it; it can add a round trip, as if the cloud were far away; and
it breaks what it is told to break, in the ways in which networks and services break.

    with Proxy(ports) as proxy:
        conn = proxy.connect(auth)
        proxy.fault = lambda request: LOSE if request.method == "POST" else None
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any, Self

import aiohttp
from aiohttp import web
from yarl import URL

if TYPE_CHECKING:
    from openstack.connection import Connection

HOST = "127.0.0.1"
NO_ANSWER = 599
ASKED_FOR = "A fault that was asked for."
OF_ONE_HOP = {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}


@dataclass(frozen=True)
class Fault:
    """How one request goes wrong.

    forwarded: whether the cloud gets the request. answer: a status that the client gets in the
    place of the cloud's own; without one it gets the cloud's answer, or none at all when `lost`.
    cut: the connection breaks in the middle of the answer's body. delay: seconds, before all else.
    late: seconds by which the cloud gets the request after the client was told that it is lost.
    empty: the lists of the cloud's answer come without their members, as from a stale database.
    """

    forwarded: bool = True
    lost: bool = False
    cut: bool = False
    answer: int = 0
    retry_after: int | None = None
    delay: float = 0.0
    late: float = 0.0
    empty: bool = False


RESET = Fault(forwarded=False, lost=True)  # nobody did anything
LOSE = Fault(lost=True)  # the worst: it was done, and nobody is told
CUT = Fault(cut=True)
GATEWAY = Fault(answer=504)  # it was done, and the one who is told says that it failed
LATE = Fault(lost=True, late=3.0)  # it will be done, and is not yet when somebody looks
EMPTY = Fault(empty=True)


def refuse(status: int, retry_after: int | None = None) -> Fault:
    """The cloud answers with this status instead of doing anything."""
    return Fault(forwarded=False, answer=status, retry_after=retry_after)


@dataclass
class Request:
    """One request as the proxy saw it; `status` is what the client got."""

    service: str
    method: str
    path: str
    began: float = 0.0
    ended: float = 0.0
    status: int = 0
    fault: Fault | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.service} {self.path}"


@dataclass
class Proxy:
    """Runs in a thread of its own for a `with` block. `ports` are those of the services, by name.

    round_trip: seconds that each request takes longer, and each new connection once more.
    fault: asked for every request; what it returns is done.
    seen: every request, in the order in which they came.
    """

    ports: Mapping[str, int]
    round_trip: float = 0.0
    fault: Callable[[Request], Fault | None] = lambda request: None
    seen: list[Request] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._run(self._open())
        return self

    def __exit__(self, *exception: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def rewritten(self, text: str) -> str:
        """The text with the addresses of the proxy in the place of the cloud's."""
        return self._addresses.sub(lambda found: self._ours[found[1]], text)

    def connect(self, auth: Mapping[str, str], **options: Any) -> Connection:
        """`pouta.connect` with these credentials, through the proxy."""
        import pouta

        through = {**auth, "auth_url": self.rewritten(auth["auth_url"])}
        return pouta.connect(auth=through, region_name="regionOne", **options)

    def deliver(self) -> None:
        """Wait until the cloud has done all that it was asked, also by clients that are gone."""
        self._run(self._delivered())

    async def _delivered(self) -> None:
        await asyncio.gather(*self._on_the_way)
        while any(not request.ended for request in self.seen):
            await asyncio.sleep(0.05)

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _open(self) -> None:
        self._client = aiohttp.ClientSession(
            # A connection that the service closes at that moment would be a fault of our own.
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            timeout=aiohttp.ClientTimeout(total=None),
        )
        self._listening, self._ours = [], {}
        self._met: set[int] = set()
        self._on_the_way: set[asyncio.Task[Any]] = set()
        for service, port in self.ports.items():
            server = web.Server(self._handler(service, port))
            listening = await self._loop.create_server(server, HOST, 0)
            self._listening.append((listening, server))
            self._ours[f"{HOST}:{port}"] = f"{HOST}:{listening.sockets[0].getsockname()[1]}"
        self._addresses = re.compile(f"({'|'.join(map(re.escape, self._ours))})(?!\\d)")

    async def _close(self) -> None:
        for listening, server in self._listening:
            listening.close()
            await server.shutdown(1)
        await self._client.close()

    def _handler(self, service: str, port: int) -> Any:
        async def handle(asked: web.BaseRequest) -> web.StreamResponse:
            request = Request(service, asked.method, asked.path_qs, time.monotonic())
            self.seen.append(request)
            try:
                request.fault = fault = self.fault(request)
                await self._travel(asked)
                answer = await self._answer(asked, port, fault or Fault())
                request.status = answer.status
                return answer
            finally:
                request.ended = time.monotonic()

        return handle

    async def _travel(self, asked: web.BaseRequest) -> None:
        if not self.round_trip:
            return
        known = id(asked.transport) in self._met
        self._met.add(id(asked.transport))
        await asyncio.sleep(self.round_trip * (1 if known else 2))

    async def _answer(self, asked: web.BaseRequest, port: int, fault: Fault) -> web.Response:
        await asyncio.sleep(fault.delay)
        body = await asked.content.read()
        answer = web.Response(status=NO_ANSWER)
        if fault.late:
            self._send_later(asked, port, body, fault.late)
        elif fault.forwarded:
            answer = await self._forward(asked, port, body)
        if fault.lost:
            _reset(asked)
            return web.Response(status=NO_ANSWER)
        if fault.cut:
            await _send_half(asked, answer)
            _reset(asked)
            return web.Response(status=NO_ANSWER)
        if fault.answer:
            hint = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
            said = {"error": {"message": ASKED_FOR}}
            return web.json_response(said, status=fault.answer, headers=hint)
        return _without_members(answer) if fault.empty else answer

    def _send_later(self, asked: web.BaseRequest, port: int, body: bytes, seconds: float) -> None:
        async def send() -> None:
            await asyncio.sleep(seconds)
            await self._forward(asked, port, body)

        task = self._loop.create_task(send())
        self._on_the_way.add(task)
        task.add_done_callback(self._on_the_way.discard)

    async def _forward(self, asked: web.BaseRequest, port: int, body: bytes) -> web.Response:
        headers = {k: v for k, v in asked.headers.items() if k.lower() not in OF_ONE_HOP}
        headers["Accept-Encoding"] = "identity"
        url = URL(f"http://{HOST}:{port}{asked.raw_path}", encoded=True)
        async with self._client.request(
            asked.method,
            url,
            headers=headers,
            data=BytesIO(body) if body else None,
            allow_redirects=False,
        ) as answer:
            held = await answer.read()
            if "json" in answer.headers.get("Content-Type", ""):
                held = self.rewritten(held.decode()).encode()
            # The length of what a HEAD does not send is all that the answer tells.
            dropped = OF_ONE_HOP - ({"content-length"} if asked.method == "HEAD" else set())
            kept = {
                name: self.rewritten(value)
                for name, value in answer.headers.items()
                if name.lower() not in dropped
            }
            return web.Response(status=answer.status, headers=kept, body=held)


def _without_members(answer: web.Response) -> web.Response:
    """The answer with empty lists; what is no list stays."""
    if answer.content_type != "application/json" or not answer.body:
        return answer
    held = json.loads(answer.body)
    if isinstance(held, dict):
        held = {key: [] if isinstance(value, list) else value for key, value in held.items()}
    else:
        held = []
    return web.json_response(held, status=answer.status)


def _reset(asked: web.BaseRequest) -> None:
    """Break the connection as a peer does that is gone."""
    if asked.transport is None:
        return
    own: socket.socket = asked.transport.get_extra_info("socket")
    with suppress(OSError):
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    asked.transport.abort()


async def _send_half(asked: web.BaseRequest, answer: web.Response) -> None:
    """The head of an answer, and half of its body."""
    body = answer.body if isinstance(answer.body, bytes) else b""
    partial = web.StreamResponse(status=answer.status, headers=answer.headers)
    partial.content_length = len(body)
    await partial.prepare(asked)
    await partial.write(body[: len(body) // 2])


def posts(place: str) -> Callable[[Request], bool]:
    return lambda request: request.method == "POST" and request.path.split("?")[0].endswith(place)


def once(
    proxy: Proxy, which: Callable[[Request], bool], fault: Fault | None, act: Any = None
) -> None:
    """The next such request goes wrong, or something happens just before it."""
    left = [True]

    def strike(request: Request) -> Fault | None:
        if not which(request) or not left:
            return None
        left.clear()
        if act:
            act()
        return fault

    proxy.fault = strike
