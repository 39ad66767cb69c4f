"""Which servers this machine has met: an address that comes back leads to another one."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Collection

from pouta import files, progress


def keys_of(address: str) -> Collection[str]:
    """The host keys that `~/.ssh/known_hosts` has for an address, in base64.

    A file that cannot be read is passed over.
    """
    file = files.in_home(".ssh", "known_hosts")
    text = file and files.seen(file)
    lines = (line.split() for line in (text or "").splitlines())
    return {words[2] for words in lines if len(words) > 2 and _names(words[0], address)}


def is_stale(address: str, host_keys: Collection[str]) -> bool:
    """Whether the file knows another server at this address than the one with these host keys."""
    known = {*keys_of(address)}
    return bool(known) and not known & {*host_keys}


def tell(address: str, host_keys: Collection[str] = ()) -> None:
    """Say how to forget the server that had this address before, if this machine met it."""
    if is_stale(address, host_keys):
        progress.say(
            f"This machine has met a server with another host key at {address}. If ssh says that "
            f"the host identification has changed, {forget(address)}"
        )


def forget(address: str) -> str:
    return f"run: ssh-keygen -R {address}"


def _names(hosts: str, address: str) -> bool:
    """Whether the first word of a line is about this address; ssh may have hashed it."""
    if not hosts.startswith("|1|"):
        return address in hosts.split(",")
    try:
        salt, digest = (base64.b64decode(part) for part in hosts.split("|")[2:4])
    except ValueError:
        return False
    return hmac.compare_digest(hmac.digest(salt, address.encode(), hashlib.sha1), digest)
