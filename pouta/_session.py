"""The HTTP session under a Connection: what is retried, and how long an answer may take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import requests
from keystoneauth1 import session
from requests import Response
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.response import BaseHTTPResponse
from urllib3.util.retry import Retry

if TYPE_CHECKING:
    from openstack.connection import Connection

CONNECT_TIMEOUT = 10.0  # seconds
ANSWER_TIMEOUT = 60.0  # seconds
LONGEST_RETRY_AFTER = 60.0  # seconds
READS = 2  # more times that an answer is asked for when it is lost
POOL = 16
HERE = ("127.0.0.1", "localhost", "::1")


class SafeRetry(Retry):
    """Repeats only what is safe to repeat, and only where it may help.

    A connection that was never made is tried again for every method; a lost or 5xx answer only for
    GET, HEAD, PUT and DELETE. keystoneauth's own `connect_retries` repeats a POST as well when its
    answer is lost, and so makes two servers.
    """

    def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:
        # "Too many requests" says that nothing was done.
        return status_code == 429 or super().is_retry(method, status_code, has_retry_after)

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        *pool: Any,
        **more: Any,
    ) -> Self:
        hopeless = _was_tried_long(error) or self._is_told_to_wait_long(response)
        now = self.new(connect=0, status=0) if hopeless else self
        return super(SafeRetry, now).increment(method, url, response, error, *pool, **more)

    def _is_told_to_wait_long(self, response: BaseHTTPResponse | None) -> bool:
        asked = self.get_retry_after(response) if response else None
        return asked is not None and asked > LONGEST_RETRY_AFTER


def _was_tried_long(error: Exception | None) -> bool:
    """Whether nobody took the connection for all of CONNECT_TIMEOUT; the kernel kept asking."""
    return isinstance(error, ConnectTimeoutError) and not isinstance(error, NewConnectionError)


class Adapter(session.TCPKeepAliveAdapter):
    """Gives up on an address that does not take the connection well before the answer is due.

    Not when it sends a file: urllib3 has one time limit for connecting and for sending. This
    machine itself is not asked for through a proxy.

    Asks again for what is safe to repeat when the answer breaks off in the middle.
    """

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        timeout = kwargs.get("timeout")
        if urlsplit(request.url).hostname in HERE:
            kwargs["proxies"] = {}
        sends_file = not isinstance(request.body, str | bytes | None)
        if isinstance(timeout, int | float) and not sends_file:
            kwargs["timeout"] = (min(CONNECT_TIMEOUT, timeout), timeout)
        again = READS if request.method in SafeRetry.DEFAULT_ALLOWED_METHODS else 0
        while True:
            answer = super().send(request, *args, **kwargs)
            try:
                if not kwargs.get("stream"):
                    _ = answer.content  # urllib3 thinks it done once the head is there
                return answer
            except requests.exceptions.ChunkedEncodingError:
                if not again:
                    raise
                again -= 1


class Session(session.Session):
    """keystoneauth's session over our adapter; no request of it waits for ever."""

    last_answer = 0.2  # seconds, of the last request that changed something

    def __init__(self, auth: Any = None, **kwargs: Any) -> None:
        kwargs["timeout"] = float(kwargs.get("timeout") or 0) or ANSWER_TIMEOUT
        super().__init__(auth, **kwargs)
        retry = SafeRetry(
            connect=3,
            read=READS,
            status=3,
            other=0,  # TLS: a certificate does not get better
            backoff_factor=0.3,
            status_forcelist={502, 503, 504},
            raise_on_status=False,
        )
        for scheme in ("http://", "https://"):
            self.mount(scheme, Adapter(max_retries=retry, pool_maxsize=POOL))

    def request(self, *args: Any, **kwargs: Any) -> Response:
        """Notes how long the cloud takes to take up a change, which tells how busy it is."""
        answer = super().request(*args, **kwargs)
        if answer.request.method not in ("GET", "HEAD"):
            self.last_answer = answer.elapsed.total_seconds()
        return answer

    def get(self, url: str, **kwargs: Any) -> Response:
        """keystoneauth asks for versions without a token, and Cinder then refuses: two requests."""
        if kwargs.get("authenticated") is False and getattr(self.auth, "auth_ref", None):
            kwargs["authenticated"] = True
        return super().get(url, **kwargs)


def last_answer(conn: Connection) -> float:
    """Seconds that the cloud took to answer what was last changed through this Connection."""
    return float(getattr(conn.session, "last_answer", Session.last_answer))
