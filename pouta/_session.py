"""The HTTP session under a Connection: what is retried, and how long an answer may take."""

from __future__ import annotations

from typing import Any

import requests
from keystoneauth1 import session
from urllib3.response import BaseHTTPResponse
from urllib3.util.retry import Retry

CONNECT_TIMEOUT = 10.0  # seconds
LONGEST_RETRY_AFTER = 60.0  # seconds
POOL = 16


class SafeRetry(Retry):
    """Repeats only what is safe to repeat.

    A connection that was never made is tried again for every method; a lost or 5xx answer only for
    GET, HEAD, PUT and DELETE. keystoneauth's own `connect_retries` repeats a POST as well when its
    answer is lost, and so makes two servers.
    """

    def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:
        # "Too many requests" says that nothing was done.
        return status_code == 429 or super().is_retry(method, status_code, has_retry_after)

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        asked = super().get_retry_after(response)
        return None if asked is None else min(asked, LONGEST_RETRY_AFTER)


class Adapter(session.TCPKeepAliveAdapter):
    """Gives up on an address that does not take the connection well before the answer is due."""

    def send(self, *args: Any, **kwargs: Any) -> Any:
        timeout = kwargs.get("timeout")
        if isinstance(timeout, int | float):
            kwargs["timeout"] = (min(CONNECT_TIMEOUT, timeout), timeout)
        return super().send(*args, **kwargs)


class Session(session.Session):
    """keystoneauth's session over our adapter."""

    def __init__(self, auth: Any = None, **kwargs: Any) -> None:
        retry = SafeRetry(
            connect=3,
            read=2,
            status=3,
            backoff_factor=0.3,
            status_forcelist={502, 503, 504},
            raise_on_status=False,
        )
        http = requests.Session()
        for scheme in ("http://", "https://"):
            http.mount(scheme, Adapter(max_retries=retry, pool_maxsize=POOL))
        super().__init__(auth, session=http, **kwargs)
