"""Credentials for programs: application credentials, and EC2 keys for S3. Keystone."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from os import PathLike
from typing import TYPE_CHECKING, Any, cast

from pouta import clouds, progress
from pouta import find as _find
from pouta.display import Columns, Table
from pouta.errors import InvalidInput, Refused, chore, status_of
from pouta.identity import clouds_yaml
from pouta.kinds import CALL
from pouta.made import once

if TYPE_CHECKING:
    from openstack.connection import Connection
    from openstack.identity.v3._proxy import Proxy

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}


@dataclass(frozen=True)
class ApplicationCredential:
    """A login for programs, of one user in one project. Its repr hides the secret.

    The secret is known only to who made it, and just then; "" otherwise.
    """

    id: str
    name: str
    project_id: str
    expires_at: datetime | None
    access_rules: tuple[str, ...]
    unrestricted: bool
    secret: str = field(default="", repr=False)


class _Hidden:
    """Text that no repr shows, and no table that pandas makes of the fields of a dataclass."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return "***"


@dataclass(frozen=True)
class EC2Credentials:
    """A pair of keys for S3 clients, of one user in one project. Its repr hides the secret."""

    access: str
    project_id: str
    _secret: _Hidden = field(repr=False, compare=False)

    @property
    def secret(self) -> str:
        """The secret key."""
        return self._secret.text

    @property
    def id(self) -> str:
        """The access key, which names the pair."""
        return self.access

    @property
    def name(self) -> str:
        """It has no name."""
        return ""


@chore("create application credential {name}")
def create_application_credential(
    conn: Connection,
    name: str,
    *,
    expires_at: datetime | timedelta | str | None = None,
    access_rules: Sequence[str | Mapping[str, str]] | None = None,
    unrestricted: bool = False,
    save_as: str | None = None,
    path: str | PathLike[str] | None = None,
) -> ApplicationCredential:
    """A login for scripts that needs no password, in this user's name and in this project only.

    expires_at: an aware datetime, a timedelta from now, or ISO text, which is UTC unless it says
        otherwise ("2027-01-31" is the first moment of that day). Without it, it never expires.
    access_rules: all that it may ask for, such as "compute GET /v2.1/servers/**"; or dictionaries
        of service, method and path. With any rules it cannot reach Allas.
    unrestricted: it may make and delete other application credentials; whoever steals it as well.
    save_as: a name by which clouds.yaml has it afterwards: `pouta.connect(save_as)`. Without it the
        secret is only in what is returned, and cannot be read again.
    path: of the clouds.yaml; ~/.config/openstack/clouds.yaml, or the file that
        OS_CLIENT_CONFIG_FILE names, if it is not given. It is made readable by you only.

    It stops working when its user leaves the project.
    `POST /v3/users/{user_id}/application_credentials`.
    """
    _find.check_name("application credential", name)
    until = _utc(expires_at)
    rules = [_rule(rule) for rule in access_rules or ()]
    if access_rules is not None and not rules:
        raise InvalidInput("Without any access rule it could do nothing; leave access_rules out.")
    file = clouds_yaml.for_new(save_as, path) if save_as is not None else None
    if name in {known.name for known in list_application_credentials(conn)}:
        raise Refused(
            f"There is an application credential '{name}' already.",
            hint="Its secret cannot be read again. Choose another name, or delete it: "
            "pouta.identity.delete_application_credential(conn, name).",
        )
    made = _make(conn, name, until, rules, unrestricted)
    if file is not None and save_as is not None:
        try:
            clouds_yaml.add(file, save_as, _cloud(conn, made))
        except BaseException:
            delete_application_credential(conn, made.id)
            raise
        progress.say(f"In {file}, readable by you only: pouta.connect({save_as!r})")
    return made


@chore("list application credentials")
def list_application_credentials(conn: Connection) -> Table[ApplicationCredential]:
    """This user's application credentials, in all projects, without their secrets.

    `GET /v3/users/{user_id}/application_credentials`.
    """
    own = _project_id(conn)
    columns: Columns = {
        "name": "name",
        "project": lambda made: "this" if made.project_id == own else made.project_id,
        "expires": lambda made: _when(made.expires_at),
        "only for": "access_rules",
        "unrestricted": lambda made: "yes" if made.unrestricted else "",
        "id": "id",
    }
    found = _keystone(conn).application_credentials(_user_id(conn))
    return Table(map(_known, found), columns, "application credential")


@chore("delete application credential {name_or_id}")
def delete_application_credential(
    conn: Connection, name_or_id: str | ApplicationCredential
) -> None:
    """Nobody can log in with it any more. Its entry in clouds.yaml stays, and is of no use.

    `DELETE /v3/users/{user_id}/application_credentials/{id}`.
    """
    wanted = name_or_id if isinstance(name_or_id, str) else name_or_id.id
    found = _find.pick("application credential", wanted, list_application_credentials(conn))
    _keystone(conn).delete_application_credential(_user_id(conn), found.id)


@chore("create EC2 credentials")
def create_ec2_credentials(conn: Connection) -> EC2Credentials:
    """A new pair of keys with which S3 clients reach this project's part of Allas.

    They never expire: delete them when they are no longer needed. Those that there are already,
    with their secrets: `list_ec2_credentials`. `POST /v3/users/{user_id}/credentials/OS-EC2`.
    """
    before = {pair.access for pair in list_ec2_credentials(conn)}

    def ask() -> EC2Credentials:
        answer = _checked(_keystone(conn).post(_ec2(conn), json={"tenant_id": _project_id(conn)}))
        return _pair(answer.json()["credential"])

    def there() -> Sequence[EC2Credentials]:
        return [pair for pair in list_ec2_credentials(conn) if pair.access not in before]

    return once("EC2 credentials", ask, there)[0]


@chore("list EC2 credentials")
def list_ec2_credentials(conn: Connection) -> Table[EC2Credentials]:
    """The user's pairs of keys for S3 in this project; Keystone lists those of all projects.

    `GET /v3/users/{user_id}/credentials/OS-EC2`.
    """
    pairs = map(_pair, _checked(_keystone(conn).get(_ec2(conn))).json()["credentials"])
    own = [pair for pair in pairs if pair.project_id == _project_id(conn)]
    return Table(own, {"access": "access", "project": "project_id"}, "pair of EC2 credential")


@chore("delete EC2 credentials {access}")
def delete_ec2_credentials(conn: Connection, access: str | EC2Credentials) -> None:
    """This pair of keys of this project opens nothing any more.

    access: the access key, or the pair. `DELETE /v3/users/{user_id}/credentials/OS-EC2/{access}`.
    """
    wanted = access if isinstance(access, str) else access.access
    found = _find.pick("pair of EC2 credential", wanted, list_ec2_credentials(conn))
    answer = _keystone(conn).delete(f"{_ec2(conn)}/{found.access}")
    if answer.status_code != 404:  # of a delete that was made again as its answer was lost
        _checked(answer)


def _make(
    conn: Connection,
    name: str,
    until: datetime | None,
    rules: Sequence[dict[str, str]],
    unrestricted: bool,
) -> ApplicationCredential:
    # The secret is chosen here, so that it is known even when the answer is lost.
    secret, mark = secrets.token_urlsafe(64), f"{CALL}={secrets.token_hex(6)}"
    given: dict[str, Any] = {"name": name, "secret": secret, "description": mark}
    given |= {"unrestricted": unrestricted}
    given |= {"expires_at": f"{until:%Y-%m-%dT%H:%M:%S.%f}"} if until else {}
    given |= {"access_rules": rules} if rules else {}
    user = _user_id(conn)

    def ask() -> Any:
        return _keystone(conn).create_application_credential(user, **given)

    def there() -> Sequence[Any]:
        made = _keystone(conn).application_credentials(user)
        return [one for one in made if one.description == mark]

    try:
        (made,) = once(f"application credential '{name}'", ask, there)
    except Exception as error:
        if status_of(error) in (401, 403) and _is_by_credential(conn):
            raise Refused(
                "An application credential cannot make another one.",
                hint='Log in with a password for this: pouta.connect(openrc="…-openrc.sh").',
            ) from error
        raise
    return _known(made, secret)


def _known(made: Any, secret: str = "") -> ApplicationCredential:
    ends = made.expires_at and datetime.fromisoformat(made.expires_at).replace(tzinfo=UTC)
    rules = (
        f"{rule['service']} {rule['method']} {rule['path']}" for rule in made.access_rules or ()
    )
    return ApplicationCredential(
        made.id,
        made.name,
        made.project_id,
        ends or None,
        tuple(rules),
        bool(made.unrestricted),
        secret,
    )


def _cloud(conn: Connection, made: ApplicationCredential) -> dict[str, Any]:
    """What clouds.yaml needs to log in with it."""
    settings = conn.config.config
    kept = {key: settings.get(key) for key in ("cacert", "region_name")}
    return {
        "auth_type": "v3applicationcredential",
        "auth": {
            "auth_url": clouds.auth_url(conn),
            "application_credential_id": made.id,
            "application_credential_secret": made.secret,
        },
        "identity_api_version": "3",
        "interface": str(settings.get("interface") or "public"),
    } | {key: str(value) for key, value in kept.items() if value}


def _utc(given: datetime | timedelta | str | None) -> datetime | None:
    """When it ends, or InvalidInput."""
    now = datetime.now(UTC)
    if given is None:
        return None
    if isinstance(given, timedelta):
        end = now + given
    elif isinstance(given, str):
        try:
            end = datetime.fromisoformat(given)
        except ValueError as error:
            raise InvalidInput(f"expires_at is like 2027-01-31T12:00, not {given!r}.") from error
        end = end if end.tzinfo else end.replace(tzinfo=UTC)
    elif given.tzinfo is None:
        raise InvalidInput(
            "expires_at has no time zone.", hint="datetime(2027, 1, 31, tzinfo=UTC), for one."
        )
    else:
        end = given
    if end <= now:
        raise InvalidInput(f"expires_at is over: {_when(end)}.")
    return end.astimezone(UTC)


def _when(end: datetime | None) -> str:
    if end is None:
        return "never"
    over = " (over)" if end <= datetime.now(UTC) else ""
    return f"{end.astimezone(UTC):%Y-%m-%d %H:%M} UTC{over}"


def _rule(given: str | Mapping[str, str]) -> dict[str, str]:
    names = ("service", "method", "path")
    if isinstance(given, str):
        words = given.split()
        rule = dict(zip(names, words, strict=True)) if len(words) == len(names) else {}
    else:
        rule = {key: str(value) for key, value in given.items()}
    fits = {*rule} == {*names} and rule["method"] in METHODS and rule["path"].startswith("/")
    if not fits:
        raise InvalidInput(
            f"This is no access rule: {given!r}.",
            hint='A service\'s type, a method and a path: "compute GET /v2.1/servers/**".',
        )
    return rule


def _pair(given: Mapping[str, str]) -> EC2Credentials:
    return EC2Credentials(given["access"], given["tenant_id"], _Hidden(given["secret"]))


def _ec2(conn: Connection) -> str:
    return f"/users/{_user_id(conn)}/credentials/OS-EC2"


def _checked(answer: Any) -> Any:
    from openstack.exceptions import raise_from_response

    raise_from_response(answer)
    return answer


def _is_by_credential(conn: Connection) -> bool:
    return "application_credential_secret" in conn.config.config.get("auth", {})


def _keystone(conn: Connection) -> Proxy:
    """For the type checker: openstacksdk's own type allows for Keystone v2 as well."""
    return cast("Proxy", conn.identity)


def _user_id(conn: Connection) -> str:
    return str(conn.current_user_id)


def _project_id(conn: Connection) -> str:
    return str(conn.current_project_id)
