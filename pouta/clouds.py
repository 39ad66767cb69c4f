"""Which cloud a Connection belongs to, told by where it logs in; no request is made."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from openstack.connection import Connection

WITH_DASHBOARD = ("pouta.csc.fi", "epouta.csc.fi")
# Where Horizon shows one thing of each kind; floating IPs have one page for all.
PAGES = {
    "server": "instances/{}/",
    "volume": "volumes/{}/",
    "volume snapshot": "snapshots/{}",
    "image": "images/{}/",
    "key pair": "key_pairs/{}/",
    "security group": "security_groups/{}/",
    "network": "networks/{}/detail",
    "router": "routers/{}/",
    "floating IP": "floating_ips/",
    "stack": "stacks/stack/{}/",
}


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
    """Whether a practice cloud logs in at this address; a tunnel to another cloud does not."""
    here = host(url) in ("127.0.0.1", "localhost", "::1")
    return here and urlsplit(url).path.split("/")[1:2] == ["practice"]


def page(url: str, noun: str, id: str) -> str:
    """The address of a thing's page in the dashboard of the cloud that logs in at `url`.

    "" where no dashboard is known, or where it has no such page.
    """
    if host(url) not in WITH_DASHBOARD or noun not in PAGES:
        return ""
    return f"https://{host(url)}/dashboard/project/{PAGES[noun].format(quote(id, safe=''))}"
