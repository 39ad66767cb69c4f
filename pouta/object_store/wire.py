"""Requests to the object store. openstacksdk puts names into URLs unquoted: `run#1` is `run`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib import parse

from pouta import find
from pouta.errors import AuthenticationError, InvalidInput, NotFound, Refused, status_of
from pouta.object_store.names import check_new_container

if TYPE_CHECKING:
    from openstack.connection import Connection
    from openstack.object_store.v1.container import Container
    from requests import Response


def url(*names: str) -> str:
    """Also for names with "..", which would lead the request to another container."""
    path = "".join(f"/{parse.quote(name)}" for name in names)
    return re.sub(r"(?<=/)\.{1,2}(?=/|$)", lambda dots: dots[0].replace(".", "%2E"), path)


def checked(answer: Response, *, gone: bool = False) -> Response:
    """The answer, if it is a good one. gone: not to be there is good."""
    from openstack.exceptions import raise_from_response

    if not (gone and answer.status_code == 404):
        raise_from_response(answer)
    return answer


def listed(conn: Connection, *container: str, **query: str) -> Iterator[dict[str, Any]]:
    """What is in the account, or in a container, as the cloud lists it; page by page."""
    query |= {"format": "json", "marker": ""}
    while (answer := checked(conn.object_store.get(url(*container), params=query))).content:
        if not (page := answer.json()):
            return
        yield from page
        query["marker"] = page[-1]["name"]


def entries(conn: Connection, container: str, prefix: str = "") -> Sequence[dict[str, Any]]:
    """What is in a container, which need not be there."""
    from openstack.exceptions import NotFoundException

    try:
        return [*listed(conn, container, prefix=prefix)]
    except NotFoundException:
        return []


def containers(conn: Connection) -> Sequence[Container]:
    from openstack.object_store.v1.container import Container

    return [Container.existing(connection=conn, **held) for held in listed(conn)]


def no_container(conn: Connection, name: str) -> NotFound:
    """With the closest names."""
    return NotFound(
        f"No container '{name}' in this project.", hint=find.closest(name, [*containers(conn)])
    )


def ensure(conn: Connection, container: str) -> bool:
    """The container is there afterwards; whether it was made now."""
    check_new_container(container)
    if checked(conn.object_store.head(url(container)), gone=True).ok:
        return False
    answer = conn.object_store.put(url(container))
    if answer.status_code == 400:
        raise InvalidInput(
            f"The cloud refuses the container name {container!r}.",
            hint="Use 3 to 255 characters: Ceph, of which Allas is one, takes no others.",
        )
    checked(answer)
    return True


def delete_if_empty(conn: Connection, container: str) -> None:
    answer = conn.object_store.delete(url(container))
    if answer.status_code != 409:  # it is not
        checked(answer, gone=True)


@contextmanager
def let_in(conn: Connection, container: str | None = None) -> Iterator[None]:
    """Say why the object store refuses: a credential, or a container of somebody else."""
    from keystoneauth1.exceptions import ClientException
    from openstack.exceptions import SDKException

    try:
        yield
    except (ClientException, SDKException) as error:
        if status_of(error) not in (401, 403, 409):
            raise
        if container and _is_of_another_project(conn, container):
            raise Refused(
                f"Container '{container}' belongs to another project, which does not let you in. "
                "In Allas, no two projects can have containers of one name.",
                hint="Choose another name, such as one with your project's number in it.",
            ) from error
        if status_of(error) == 409 or not _is_by_credential(conn):
            raise
        raise AuthenticationError(
            "The object store refuses this application credential: its access rules leave it out, "
            "or its roles.",
            hint="With any access rules there is no way to Allas. Make one without: "
            "pouta.identity.create_application_credential(conn, name).",
        ) from error


def _is_of_another_project(conn: Connection, container: str) -> bool:
    """Whether it is there, and not in the list of this project's."""
    from keystoneauth1.exceptions import ClientException
    from openstack.exceptions import SDKException

    try:
        is_own = any(held["name"] == container for held in listed(conn))
        return not is_own and conn.object_store.head(url(container)).status_code == 403
    except (ClientException, SDKException):
        return False


def _is_by_credential(conn: Connection) -> bool:
    return "application_credential_secret" in conn.config.config.get("auth", {})
