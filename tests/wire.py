"""What goes over the wire: requests are recorded, and an answer can be lost on its way back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import requests


@contextmanager
def recorded() -> Iterator[list[str]]:
    """Every request made inside the block, as "GET /v2.1/servers"."""
    seen: list[str] = []
    send = requests.Session.send

    def record(session: requests.Session, request: Any, **kwargs: Any) -> requests.Response:
        seen.append(f"{request.method} {request.path_url}")
        return send(session, request, **kwargs)

    with mock.patch.object(requests.Session, "send", record):
        yield seen


@contextmanager
def answer_lost(method: str, path: str, *, times: int = 1, before: bool = False) -> Iterator[None]:
    """The next requests of this kind reach the cloud, and their answers do not come back.

    before: they are lost on the way there instead.
    """
    left = times
    send = requests.Session.send

    def lose(session: requests.Session, request: Any, **kwargs: Any) -> requests.Response:
        nonlocal left
        hit = left and request.method == method and path in request.path_url
        if not hit:
            return send(session, request, **kwargs)
        left -= 1
        if not before:
            send(session, request, **kwargs)
        raise requests.ConnectionError("the connection was reset")

    with mock.patch.object(requests.Session, "send", lose):
        yield
    assert left == 0, f"no {method} {path} was made"


@contextmanager
def nova_still_shows(old: str, *, instead_of: str) -> Iterator[None]:
    """Nova's answers in the block have the address of some seconds ago; Neutron's have not."""
    send = requests.Session.send

    def show(session: requests.Session, request: Any, **kwargs: Any) -> requests.Response:
        answer = send(session, request, **kwargs)
        if "/v2.1/" in request.path_url:
            answer._content = (answer.content or b"").replace(instead_of.encode(), old.encode())
        return answer

    with mock.patch.object(requests.Session, "send", show):
        yield


@contextmanager
def overtaken(method: str, path: str, act: Callable[[], Any]) -> Iterator[None]:
    """Somebody acts just before the next request of this kind reaches the cloud."""
    acts = [act]
    send = requests.Session.send

    def wait(session: requests.Session, request: Any, **kwargs: Any) -> requests.Response:
        if acts and request.method == method and path in request.path_url:
            acts.pop()()
        return send(session, request, **kwargs)

    with mock.patch.object(requests.Session, "send", wait):
        yield
    assert not acts, f"no {method} {path} was made"
