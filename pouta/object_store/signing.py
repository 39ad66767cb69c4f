"""Addresses at which whoever has them gets an object, or puts one."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from urllib import parse

from pouta.made import once
from pouta.object_store.wire import checked, url

if TYPE_CHECKING:
    from openstack.connection import Connection
    from requests import Response


def signed(conn: Connection, container: str, name: str, *, seconds: float, method: str) -> str:
    """The address, for so many seconds."""
    account = _account(conn)
    address = account.url.rstrip("/")
    key = next(iter(_keys(account)), None) or _new_key(conn)
    path = f"{parse.urlsplit(address).path}/{container}/{name}"
    end = int(time.time() + seconds)
    text = f"{method}\n{end}\n{path}"
    signature = hmac.new(key.encode(), text.encode(), _digest(conn)).hexdigest()
    return f"{address}{url(container, name)}?temp_url_sig={signature}&temp_url_expires={end}"


def _account(conn: Connection) -> Response:
    """With its headers; and its address, of which get_endpoint() may give a pattern only."""
    return checked(conn.object_store.head(""))


def _keys(account: Response) -> Sequence[str]:
    """The keys of the account.

    Ceph knows none of containers, and whoever may read a container in Swift sees its key.
    """
    names = ("X-Account-Meta-Temp-Url-Key", "X-Account-Meta-Temp-Url-Key-2")
    return [key for name in names if (key := account.headers.get(name))]


def _new_key(conn: Connection) -> str:
    key = secrets.token_urlsafe(32)

    def ask() -> str:
        checked(conn.object_store.post("", headers={"X-Account-Meta-Temp-URL-Key": key}))
        return key

    def there() -> Sequence[str]:
        return [held for held in _keys(_account(conn)) if held == key]

    return once("key for temporary URLs", ask, there)[0]


def _digest(conn: Connection) -> Callable[..., Any]:
    """The best hash for signatures that this cloud takes; openstacksdk signs with SHA-1 only."""
    known = conn.object_store.get_info().tempurl or {}
    allowed = known.get("allowed_digests") or ["sha1"]
    return hashlib.sha256 if "sha256" in allowed else hashlib.sha1
