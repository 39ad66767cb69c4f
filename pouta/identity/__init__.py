"""Who is logged in, with which token, what the cloud offers, and logins for programs. Keystone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, cast

from pouta import clouds
from pouta.display import Columns, Table
from pouta.errors import chore
from pouta.identity.credentials import (
    ApplicationCredential,
    EC2Credentials,
    create_application_credential,
    create_ec2_credentials,
    delete_application_credential,
    delete_ec2_credentials,
    list_application_credentials,
    list_ec2_credentials,
)

if TYPE_CHECKING:
    from keystoneauth1.access import AccessInfoV3
    from openstack.connection import Connection
    from openstack.identity.v3._proxy import Proxy
    from openstack.identity.v3.project import Project

__all__ = [
    "ApplicationCredential",
    "EC2Credentials",
    "Endpoint",
    "Token",
    "WhoAmI",
    "catalog",
    "create_application_credential",
    "create_ec2_credentials",
    "delete_application_credential",
    "delete_ec2_credentials",
    "list_application_credentials",
    "list_ec2_credentials",
    "projects",
    "token",
    "whoami",
]


@dataclass(frozen=True)
class WhoAmI:
    """The user, project and cloud behind a Connection."""

    user: str
    user_id: str
    project: str
    project_id: str
    cloud: str
    region: str
    roles: tuple[str, ...]
    expires_at: datetime

    def __str__(self) -> str:
        return (
            f"{self.user} in {self.project} at {self.cloud} as {', '.join(self.roles)}; "
            f"the token ends at {self.expires_at:%Y-%m-%d %H:%M} UTC"
        )


@dataclass(frozen=True)
class Token:
    """A token for raw requests: send `id` as the header X-Auth-Token. Its repr hides the id."""

    id: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True)
class Endpoint:
    """One row of the service catalog."""

    service: str
    region: str
    interface: str
    url: str


@chore("tell who is logged in")
def whoami(conn: Connection) -> WhoAmI:
    """Who is logged in, where, with which roles, and until when. No request of its own."""
    access = _access(conn)
    return WhoAmI(
        user=access.username or "",
        user_id=access.user_id or "",
        project=access.project_name or "",
        project_id=access.project_id or "",
        cloud=clouds.host(clouds.auth_url(conn)),
        region=conn.config.get_region_name() or "",
        roles=tuple(access.role_names or ()),
        expires_at=_expires_at(access),
    )


@chore("get a token")
def token(conn: Connection) -> Token:
    """The Connection's token and when it ends, as `POST /v3/auth/tokens` gave it.

    A token that is about to end is replaced first. Long work should go through `conn` instead,
    which logs in again by itself.
    """
    access = _access(conn)
    return Token(access.auth_token or "", _expires_at(access))


@chore("list the service catalog")
def catalog(conn: Connection) -> Table[Endpoint]:
    """Each service's address: service, region, interface, url. No request of its own."""
    rows = (
        Endpoint(service["type"], endpoint["region"], endpoint["interface"], endpoint["url"])
        for service in _access(conn).service_catalog.catalog
        for endpoint in service.get("endpoints", [])
    )
    ordered = sorted(rows, key=lambda row: (row.service, row.region, row.interface))
    return Table(ordered, {name: name for name in Endpoint.__dataclass_fields__}, "endpoint")


@chore("list the projects of this user")
def projects(conn: Connection) -> Table[Project]:
    """The projects that this user is in, each with the ID that sharing an image asks for.

    A Connection is in one of them: `pouta.connect(project_name=…)` enters another.
    `GET /v3/users/{user_id}/projects`.
    """
    columns: Columns = {
        "name": "name",
        "id": "id",
        "here": lambda project: "yes" if project.id == conn.current_project_id else "",
        "description": "description",
    }
    mine = cast("Proxy", conn.identity).user_projects(str(conn.current_user_id))
    return Table(sorted(mine, key=lambda project: project.name), columns, "project")


def _expires_at(access: AccessInfoV3) -> datetime:
    return cast(datetime, access.expires)  # a token of Keystone v3 always has an end


def _access(conn: Connection) -> AccessInfoV3:
    # openstacksdk has no public way to the login's answer but through the plug-in.
    return cast("AccessInfoV3", conn.session.auth.get_access(conn.session))  # type: ignore[union-attr]
