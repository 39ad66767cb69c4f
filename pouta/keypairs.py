"""SSH keys that a server lets in. Nova; they belong to the user, not to the project."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shlex
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pouta import files, progress
from pouta import find as _find
from pouta.display import Columns, Table
from pouta.errors import ConfigurationError, InvalidInput, Refused, chore
from pouta.kinds import KEYPAIR
from pouta.made import once

if TYPE_CHECKING:
    from openstack.compute.v2.keypair import Keypair
    from openstack.compute.v2.server import Server
    from openstack.connection import Connection

USUAL_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
KEY_TYPES = ("ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-")
NAME = r"[A-Za-z0-9_][A-Za-z0-9 _-]*"  # what Nova takes; a program may take "-x" for an option
FILE_NAME_LIMIT = 250  # bytes; `.pub` comes behind it
PRIVATE = ("PRIVATE KEY", "PuTTY-User-Key-File")
FILE_LIMIT = 64 * 1024  # bytes; a public key has 1 KB
KEYGEN_TIMEOUT = 10.0  # seconds
EXAMPLE = "It looks like: ssh-ed25519 AAAA… you@laptop"


@chore("list key pairs")
def list(conn: Connection) -> Table[Keypair]:
    """The user's key pairs. `GET /os-keypairs`."""
    columns: Columns = {"name": "name", "fingerprint": "fingerprint", "type": "type"}
    return Table.of(conn, KEYPAIR, KEYPAIR.list(conn), columns)


@chore("find key pair {name}")
def find(conn: Connection, name: str | Keypair) -> Keypair:
    """The key pair of that name. NotFound names the closest ones. `GET /os-keypairs`."""
    return _find.one(conn, KEYPAIR, name)


@chore("ensure key pair {name}")
def ensure(conn: Connection, name: str, *, public_key: str | Path | None = None) -> Keypair:
    """A key pair of that name is there afterwards; the same result on a second run.

    public_key: the text of a public key, or the path of its `.pub` file. Without it, a key of
    `~/.ssh/<name>` is used, or made there when there is none: the private half with mode 0600, its
    public half beside it.

    Refused when the name is taken by another key. `POST /os-keypairs` with the public half only;
    the private half never leaves this machine.
    """
    _check_name(name)
    wanted = _read(public_key) if public_key is not None else None
    existing = {pair.name: pair for pair in KEYPAIR.list(conn)}.get(name)
    if existing is None:
        return _upload(conn, name, wanted or _local_key(name))
    if wanted is not None and not same_key(existing.public_key, wanted):
        raise Refused(
            f"Key pair '{name}' is there already, with another key ({existing.fingerprint}).",
            hint="Choose another name, or delete the old one: conn.compute.delete_keypair(name).",
            resource=existing,
        )
    if wanted is None and private_key_of(existing.public_key) is None:
        progress.say(f"The private half of key pair '{name}' is not in ~/.ssh.")
    return existing


@chore("ensure a key pair of your own")
def ensure_own(conn: Connection, *, among: Sequence[Keypair] | None = None) -> Keypair:
    """The user's own public key from `~/.ssh` is a key pair afterwards.

    Any key pair that holds one of the user's usual keys (id_ed25519, id_ecdsa, id_rsa, or the one
    that pouta made) is taken; else the first of these is uploaded; else a key is made.

    among: key pairs that were listed before; they are not listed again then.
    """
    if pair := own([*KEYPAIR.list(conn)] if among is None else among):
        return pair
    texts = _own_keys()
    text = texts[0] if texts else _local_key(_OWN)
    # The name comes from the key, so two machines with two keys do not meet in one name.
    return _upload(conn, f"pouta-{hashlib.sha256(_core(text).encode()).hexdigest()[:8]}", text)


def own(among: Sequence[Keypair]) -> Keypair | None:
    """The first of these key pairs that holds one of the user's usual keys."""
    texts = _own_keys()
    mine = (pair for pair in among if any(same_key(pair.public_key, text) for text in texts))
    return next(mine, None)


def of_server(conn: Connection, server: Server, among: Sequence[Keypair]) -> Keypair | None:
    """The user's key pair, of `among`, that the server was made with.

    None for another user's server: key pairs belong to users, and theirs may have the same name.
    """
    if server.user_id not in (None, conn.current_user_id):
        return None
    return next((pair for pair in among if pair.name == server.key_name), None)


def same_key(one: str | None, other: str | None) -> bool:
    """Whether two public keys are the same but for their comments."""
    return bool(one and other) and _core(one or "") == _core(other or "")


def private_key_of(public_key: str) -> Path | None:
    """The private key file in `~/.ssh` whose public half this is."""
    folder = files.in_home(".ssh")
    try:
        halves = sorted(folder.glob("*.pub")) if folder else []
        alone = sorted(folder.glob("*.pem")) if folder else []  # as the dashboard makes them
    except OSError:
        return None
    for path in halves:
        if same_key(_content(path), public_key) and files.is_there(path.with_suffix("")):
            return path.with_suffix("")
    return next((path for path in alone if same_key(_public_half(path), public_key)), None)


def why_no_private_key(pair: Keypair) -> str:
    """What to do when `private_key_of` finds none: a key of that name that ssh cannot read."""
    putty, pem = (
        files.in_home(".ssh", f"{pair.name}.ppk"),
        files.in_home(".ssh", f"{pair.name}.pem"),
    )
    if putty and files.is_there(putty):
        return (
            f"{putty} is a key of PuTTY's, which ssh cannot read: "
            f"puttygen {shlex.quote(str(putty))} -O private-openssh -o {shlex.quote(str(pem))}"
        )
    if pem and files.is_there(pem):
        if pem.stat().st_mode & 0o077:
            return f"{pem} can be read by others, so ssh refuses it: chmod 600 {pem}"
        if "BEGIN PRIVATE KEY" in (_content(pem) or ""):
            return (
                f"{pem} is in the PKCS#8 form, which this ssh cannot read: "
                f"puttygen {shlex.quote(str(pem))} -O private-openssh -o {pem.with_suffix('')}"
            )
        return f"{pem} is not the private half of key pair '{pair.name}', or has a passphrase."
    return f"The private half of key pair '{pair.name}' is not in ~/.ssh."


def _public_half(private: Path) -> str | None:
    """Of a key without a passphrase that ssh can read."""
    line = ["ssh-keygen", "-y", "-P", "", "-f", str(private)]
    try:
        told = subprocess.run(
            line,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=KEYGEN_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return told.stdout if told.returncode == 0 else None


_OWN = "pouta_key"
_MAKING = threading.Lock()


def _own_keys() -> Sequence[str]:
    """The user's usual public keys; a file that holds none, or a private one, is passed over."""

    folder = files.in_home(".ssh")

    def found() -> Iterator[str]:
        for name in (*USUAL_KEYS, _OWN):
            with suppress(InvalidInput):
                yield _checked((folder and _content(folder / f"{name}.pub")) or "")

    return [*found()]


def _core(public_key: str) -> str:
    return " ".join(public_key.split()[:2])


def _upload(conn: Connection, name: str, public_key: str) -> Keypair:
    def there() -> Sequence[Keypair]:
        return [
            pair
            for pair in KEYPAIR.list(conn)
            if pair.name == name and same_key(pair.public_key, public_key)
        ]

    def ask() -> Keypair:
        return KEYPAIR.create(conn, name=name, public_key=public_key)

    return once(f"key pair '{name}'", ask, there, anyones=True)[0]


def _read(public_key: str | Path) -> str:
    """The public key, from its text or its file. What is given is never quoted: it may be private.

    A private key is refused before anything is asked of the cloud.
    """
    text = str(public_key).strip()
    if isinstance(public_key, str) and text.startswith(KEY_TYPES):
        return _checked(text)
    return _checked(text if "\n" in text else _content(Path(text)) or text)


def _content(file: Path) -> str | None:
    """The text of a small file, or None where there is none."""
    try:
        text = files.seen(files.path_of(file), limit=FILE_LIMIT)
    except InvalidInput:  # no name for a file; perhaps it is a key
        return None
    return text and text.strip()


def _checked(text: str) -> str:
    """The text of a public key that a server can use, or InvalidInput."""
    if any(mark in text for mark in PRIVATE):
        raise InvalidInput("That is the private half of a key; give the public one, the .pub file.")
    if not text.startswith(KEY_TYPES):
        raise InvalidInput(
            "`public_key` is neither the text of a public key nor the path of its file.",
            hint=EXAMPLE,
        )
    kind, _, rest = text.partition(" ")
    if len(text.splitlines()) != 1 or not rest.strip():
        raise InvalidInput("A public key is one line: its type, the key, and a comment.")
    if kind == "ssh-dss":
        raise InvalidInput("That is a DSA key, which servers take no more.", hint="Take ed25519.")
    if "-cert-" in kind:
        raise InvalidInput("That is a certificate; give the .pub file without `-cert` in its name.")
    if not text.isprintable() or not _is_whole(kind, rest.split()[0]):
        raise InvalidInput("That public key is damaged, or a part of it is missing.", hint=EXAMPLE)
    return text


def _is_whole(kind: str, body: str) -> bool:
    """Whether the body of a key holds fields that are all there, and the first names its type."""
    try:
        raw = base64.b64decode(body, validate=True)
    except ValueError:
        return False
    fields = []
    while raw:
        end = 4 + int.from_bytes(raw[:4])
        if len(raw) < end:
            return False
        fields.append(raw[4:end])
        raw = raw[end:]
    return len(fields) > 1 and fields[0] == kind.encode()


def _local_key(name: str) -> str:
    """The public half of `~/.ssh/<name>`, which is made when it is not there."""
    folder = files.home() / ".ssh"
    private, public = folder / name, folder / f"{name}.pub"
    with _MAKING:  # of threads that want it at the same time, one makes it for all
        if files.is_there(public):
            if text := _content(public):
                return _checked(text)
            raise ConfigurationError(f"{public} is empty, or cannot be read.")
        if files.is_there(private):
            raise Refused(
                f"{private} is there without its public half.",
                hint=f"Make it: ssh-keygen -y -f {private} > {public}",
            )
        return _make(private, public)


def _make(private: Path, public: Path) -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    text = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    line = f"{text.decode()} pouta"
    try:
        private.parent.mkdir(mode=0o700, exist_ok=True)
        _write(private, secret, 0o600)
        try:
            _write(public, f"{line}\n".encode(), 0o644)
        except BaseException:
            private.unlink()
            raise
    except OSError as error:
        raise ConfigurationError(f"No key could be made: {error}.") from error
    progress.say(f"Made a new SSH key: {private}")
    return line


def _write(path: Path, content: bytes, mode: int) -> None:
    """A new file, of this mode from the start whatever the umask, and never behind a link."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)


def _check_name(name: str) -> None:
    _find.check_name(KEYPAIR.noun, name)
    if not re.fullmatch(NAME, name) or len(name) > FILE_NAME_LIMIT:
        raise InvalidInput(
            f"Invalid key pair name {name!r:.80}: use up to {FILE_NAME_LIMIT} letters a to z, "
            "digits, blanks, _ and -, and no - first."
        )
