"""Which cloud a Connection belongs to, told by where it logs in; no request is made."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from openstack.connection import Connection


def auth_url(conn: Connection) -> str:
    """The address of the Keystone that this Connection logs in at."""
    plugin = conn.session.auth
    return str(getattr(plugin, "auth_url", None) or conn.config.config["auth"]["auth_url"])


def host(url: str) -> str:
    return urlsplit(url).hostname or ""


def is_csc(url: str) -> bool:
    """Whether this address is one of CSC's clouds."""
    return host(url).endswith(".csc.fi")


def is_practice(url: str) -> bool:
    """Whether this address is on this machine, as the practice cloud's is."""
    return host(url) in ("127.0.0.1", "localhost", "::1")
