"""What cloud-init tells in a console log: who may log in, by which keys, and how far it is."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Collection

_KEYS_OF = re.compile(r"ci-info: \++Authorized keys from \S+ for user (\S+?)\++")
_NO_KEYS_OF = re.compile(
    r"(?i)ci-info: no authorized SSH keys fingerprints found for user (\S+?)\."
)
_FINGERPRINT = re.compile(r"ci-info: \|[^|]+\|\s*([0-9a-f]{2}(?::[0-9a-f]{2})+)\s*\|")
_HOST_KEYS = re.compile(
    r"(?s)-----BEGIN SSH HOST KEY KEYS-----(.*?)-----END SSH HOST KEY KEYS-----"
)
_FINISHED = re.compile(r"Cloud-init v\. \S+ finished at")


def login_user(log: str) -> str | None:
    """Whom cloud-init made, and gave keys to or not."""
    told = _KEYS_OF.findall(log) or _NO_KEYS_OF.findall(log)
    return told[-1] if told else None


def has_no_keys(log: str) -> bool:
    """Whether cloud-init says that nobody may log in with a key."""
    return bool(_NO_KEYS_OF.search(log)) and not _KEYS_OF.search(log)


def fingerprints(log: str) -> Collection[str]:
    """Of the keys that may log in: hexadecimal, MD5 or SHA-256 as that cloud-init has it."""
    return {*_FINGERPRINT.findall(log)}


def lets_in(log: str, public_key: str) -> bool:
    """Whether the log names this key among those that may log in."""
    try:
        data = base64.b64decode(public_key.split()[1])
    except (IndexError, ValueError):
        return False
    digests = (hashlib.sha256(data), hashlib.md5(data, usedforsecurity=False))
    return any(digest.digest().hex(":") in fingerprints(log) for digest in digests)


def host_keys(log: str) -> Collection[str]:
    """The server's own public keys, in base64, as they are in `~/.ssh/known_hosts`."""
    blocks = _HOST_KEYS.findall(log)
    lines = blocks[-1].splitlines() if blocks else []
    return {words[1] for line in lines if len(words := line.split()) > 1}


def is_finished(log: str) -> bool:
    return bool(_FINISHED.search(log))
