"""Sets of things that one template describes. Heat."""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from pouta import deletion, files, handwritten, waiting
from pouta import find as _find
from pouta.concurrently import each, gather, meet
from pouta.display import Columns, Table
from pouta.errors import (
    Failed,
    InvalidInput,
    Refused,
    chore,
    listed,
    status_of,
    what_the_cloud_said,
)
from pouta.kinds import CALL, IMAGE, SERVER, SNAPSHOT, VOLUME, Kind
from pouta.made import Made

if TYPE_CHECKING:
    from keystoneauth1.adapter import Adapter
    from openstack.compute.v2.server import Server
    from openstack.connection import Connection
    from openstack.orchestration.v1.resource import Resource
    from openstack.orchestration.v1.stack import Stack

CREATE_TIMEOUT = 1800.0  # seconds
DELETE_TIMEOUT = 900.0  # seconds
EVERY_DEPTH = 100  # Heat stops at its own limit, of 5 as a rule
# What pouta does not list by itself, by Heat's names of the types.
DATA_TYPES = {
    "OS::Manila::Share": "share",
    "OS::Trove::Instance": "database",
    "OS::Trove::Cluster": "database cluster",
}


@chore("list stacks")
def list(conn: Connection) -> Table[Stack]:
    """The project's stacks. `GET /v1/{project_id}/stacks`."""
    columns: Columns = {
        "name": "name",
        "status": "status",
        "created": "created_at",
        "id": "id",
    }
    return Table.of(conn, STACK, STACK.list(conn), columns)


@chore("find stack {name_or_id}")
def find(conn: Connection, name_or_id: str | Stack) -> Stack:
    """The stack of that name or ID. NotFound names the closest ones."""
    return _find.one(conn, STACK, name_or_id)


@chore("create stack {name}")
def create(
    conn: Connection,
    name: str,
    template: str | os.PathLike[str] | Mapping[str, Any],
    *,
    parameters: Mapping[str, Any] | None = None,
    tags: Sequence[str] = (),
    wait: bool = True,
    timeout: float = CREATE_TIMEOUT,
) -> Stack:
    """Everything that the template describes is there afterwards, and billed by its own prices.

    template: the path of a template, its text, or what its text means as a dictionary. On Pouta
        its heat_template_version is "wallaby" (2021-04-16) or older.
    parameters: values for the template's parameters.
    tags: words by which to find it again.

    When it fails, all of it is removed, and the error names the part that failed, and why.
    `outputs` reads what it tells; `delete` removes all of it. `POST /v1/{project_id}/stacks`.
    """
    _check_name(name)
    described = _read(template)
    if there := [*STACK.named(conn, name)]:
        raise Refused(
            f"There is a stack '{name}' already ({there[0].id}).",
            hint="Choose another name, or delete it: pouta.stacks.delete(conn, name).",
            resource=there[0],
        )
    with Made(conn, tags=tags) as made:
        with _explained(described["template"]):
            stack = made.create(STACK, name=name, parameters={**(parameters or {})}, **described)
        if not wait:
            return stack
        (now,) = waiting.for_all(conn, STACK, [stack], STACK.is_settled)
        if now.status != "CREATE_COMPLETE":
            raise Failed(f"Stack '{name}' failed: {_why(conn, now)}", resource=now)
        return waiting.fetch(conn, STACK, now)


@chore("read the outputs of stack {stack}")
def outputs(conn: Connection, stack: str | Stack) -> dict[str, Any]:
    """What the stack tells, by the names in its template. `GET /v1/{project_id}/stacks/{id}`.

    Refused while it is being made, for then they are not known. Failed names one that Heat could
    not find out.
    """
    now = conn.orchestration.get_stack(find(conn, stack).id)
    if not STACK.is_settled(now):
        raise Refused(f"Stack '{now.name}' is {now.status}: its outputs are not known yet.")
    for output in now.outputs or ():
        if output.get("output_error"):
            raise Failed(f"Output '{output['output_key']}': {output['output_error']}", resource=now)
    return {output["output_key"]: output.get("output_value") for output in now.outputs or ()}


@chore("list the resources of stack {stack}")
def resources(conn: Connection, stack: str | Stack) -> Table[Resource]:
    """The parts of the stack: their names in the template, types, IDs and states.

    `GET /v1/{project_id}/stacks/{name}/{id}/resources`.
    """
    columns: Columns = {
        "name": "name",
        "type": "resource_type",
        "status": "status",
        "reason": "status_reason",
        "id": "physical_resource_id",
    }
    return Table(_parts(conn, find(conn, stack)), columns, "resource")


@chore("delete stack {stack}")
def delete(
    conn: Connection,
    stack: str | Stack,
    *,
    delete_volumes: bool = False,
    delete_data: bool = False,
    wait: bool = True,
    timeout: float = DELETE_TIMEOUT,
) -> None:
    """Everything that the stack made is gone afterwards; there is no way back.

    delete_volumes: delete its volumes too, with all their data: those of nested stacks, and those
        that go with one of its servers. Without it, a stack that has any is refused.
    delete_data: delete what else holds data too: images, volume snapshots and backups, containers
        with objects, shares, databases. Without it, a stack that has any is refused.

    What the template gives a `deletion_policy` of `Retain`, or a volume's `Snapshot`, stays.
    `DELETE /v1/{project_id}/stacks/{id}`.
    """
    found = find(conn, stack)
    allowed = {VOLUME.noun: delete_volumes}
    lost = [held for held in data_in(conn, found) if not allowed.get(held.kind, delete_data)]
    if lost:
        raise Refused(
            f"Stack '{found.name}' has {_told(lost)}, whose data would be lost.",
            hint=f"To delete them as well: {_words_for(lost)}.",
            resource=found,
        )
    deletion.delete(conn, STACK, [found], wait=wait)


@dataclass(frozen=True)
class Held:
    """A thing with data that is deleted with a stack. `path` leads to it from the stack."""

    kind: str
    path: str
    id: str


def data_in(conn: Connection, stack: Stack) -> Sequence[Held]:
    """What holds data and would be deleted with the stack, at any depth.

    What a part is, its ID tells: templates can call types by any name. Left out is what
    `deletion_policy` keeps, and volumes that the stack only attaches.
    """
    parts = [part for part in _tree(conn, stack) if part.id and part.policy != "retain"]
    if not parts:
        return []
    known = _Known.look(conn)
    found = [held for part in parts for held in known.held_by(conn, part)]
    # A volume may be a part of its own, and go with its server besides.
    return [*{(held.kind, held.id): held for held in reversed(found)}.values()][::-1]


@dataclass(frozen=True)
class _Stacks(Kind["Stack"]):
    """Stacks have tags, but no metadata; openstacksdk sends the tags as Heat does not take them."""

    def create(self, conn: Connection, **attributes: Any) -> Any:
        from openstack.exceptions import raise_from_response
        from openstack.orchestration.v1.stack import Stack

        name = attributes.pop("name")
        answer = conn.orchestration.post("/stacks", json={"stack_name": name, **attributes})
        raise_from_response(answer)
        return Stack.existing(connection=conn, name=name, **answer.json()["stack"])

    def get(self, conn: Connection, id: str) -> Any:
        stack = super().get(conn, id)
        stack.outputs = None  # templates give out the passwords they make, and `repr` prints them
        return stack

    def present(
        self, conn: Connection, ids: Iterable[str], *, details: bool = True
    ) -> Sequence[Any]:
        # Heat says of a single stack that it is gone while the list, and the name, still have it.
        wanted = {*ids}
        return [stack for stack in self.list(conn) if stack.id in wanted]

    def complaint(self, conn: Connection, thing: Any) -> str:
        return _why(conn, thing) if thing.status.endswith("_FAILED") else ""

    def noted(self, attributes: dict[str, Any], mark: str, tags: Sequence[str]) -> dict[str, Any]:
        return {**attributes, "tags": ",".join([f"{CALL}={mark}", *tags])}

    def notes(self, thing: Any) -> dict[str, str]:
        return dict(tag.split("=", 1) for tag in thing.tags or () if "=" in tag)


STACK: Kind[Stack] = _Stacks("stack", "orchestration", "stack", vanishes=False)


@dataclass(frozen=True)
class _Part:
    """One part of a stack or of a stack in it; `policy` is what becomes of it on a delete."""

    path: str
    type: str
    id: str
    policy: str


def _tree(conn: Connection, stack: Stack) -> Sequence[_Part]:
    """All parts of a stack, with those of the stacks nested in it."""
    path = f"/stacks/{stack.name}/{stack.id}/resources"
    asked = _read_json(conn.orchestration, path, nested_depth=EVERY_DEPTH)
    of_stack: dict[str, builtins.list[dict[str, Any]]] = {}
    for row in asked["resources"]:
        of_stack.setdefault(_link(row, "stack"), []).append(row)
    policies = dict(zip(of_stack, each(lambda one: _policies(conn, one), of_stack), strict=True))

    def parts(stack_path: str, path: str, policy: str) -> Iterator[_Part]:
        for row in of_stack.get(stack_path, ()):
            name = row["resource_name"]
            # What keeps a nested stack keeps all that is in it.
            own = policy if policy == "retain" else policies[stack_path].get(name, "delete")
            yield _Part(f"{path}{name}", row["resource_type"], row["physical_resource_id"], own)
            if (inner := _link(row, "nested")) in of_stack:
                yield from parts(inner, f"{path}{name}/", own)

    here = (one for one in of_stack if one.endswith(f"/{stack.id}"))
    return [part for one in here for part in parts(one, "", "delete")]


def _link(row: Mapping[str, Any], rel: str) -> str:
    """The path of the stack that a part is in ("stack"), or of the one that it is ("nested")."""
    href = next((link["href"] for link in row["links"] if link["rel"] == rel), "")
    return "/stacks/" + unquote(href.partition("/stacks/")[2])


def _policies(conn: Connection, stack_path: str) -> dict[str, str]:
    """What becomes of each part of one stack, by its name, as the template says."""
    template = _read_json(conn.orchestration, f"{stack_path}/template")
    described = template.get("resources") or template.get("Resources") or {}
    return {
        name: "retain"  # what was there before the stack is not its own
        if part.get("external_id")
        else str(part.get("deletion_policy") or part.get("DeletionPolicy") or "delete").lower()
        for name, part in described.items()
    }


def _read_json(service: Adapter, path: str, **query: Any) -> Any:
    from openstack.exceptions import raise_from_response

    answer = service.get(path, params=query)
    raise_from_response(answer)
    return answer.json()


@dataclass(frozen=True)
class _Known:
    """What the project has that a part of a stack can be. `kinds`: what holds data, by ID."""

    kinds: Mapping[str, str]
    servers: Mapping[str, Server]
    containers: Container[str]
    stacks: Mapping[str, Stack]

    @classmethod
    def look(cls, conn: Connection) -> _Known:
        has_objects = bool(conn.endpoint_for("object-store"))
        meet(conn, "compute", "block_storage", "image")
        volumes, snapshots, backups, images, servers, containers, stacks = gather(
            lambda: [*VOLUME.list(conn)],
            lambda: [*SNAPSHOT.list(conn)],
            lambda: _readable(conn.block_storage.backups),
            lambda: [*IMAGE.list(conn, owner=conn.current_project_id)],
            lambda: [*SERVER.list(conn)],
            lambda: _readable(conn.object_store.containers) if has_objects else [],
            lambda: [*STACK.list(conn)],
        )
        holders = {VOLUME.noun: volumes, SNAPSHOT.noun: snapshots, IMAGE.noun: images}
        holders |= {"volume backup": backups}
        return cls(
            kinds={thing.id: noun for noun, things in holders.items() for thing in things},
            servers={server.id: server for server in servers},
            containers={one.name for one in containers},
            stacks={stack.id: stack for stack in stacks},
        )

    def held_by(self, conn: Connection, part: _Part) -> Iterator[Held]:
        kind = self.kinds.get(part.id) or DATA_TYPES.get(part.type)
        if part.id in self.containers and _has_objects(conn, part.id):
            kind = kind or "container"
        is_attachment = part.type.endswith("Attachment")  # Nova gives it the volume's own ID
        is_kept = kind == VOLUME.noun and part.policy == "snapshot"
        if kind and not is_attachment and not is_kept:
            yield Held(kind, part.path, part.id)
        if server := self.servers.get(part.id):
            for disk in server.attached_volumes or ():
                if disk.delete_on_termination:
                    yield Held(VOLUME.noun, f"{part.path}/{disk.id}", disk.id)
        if inner := self.stacks.get(part.id):  # a stack beside this one, which goes with it
            for held in data_in(conn, inner):
                yield replace(held, path=f"{part.path}/{held.path}")


def _has_objects(conn: Connection, container: str) -> bool:
    """Asked of the container itself: what the account tells of its containers is late."""
    return bool(
        _read_json(conn.object_store, f"/{quote(container, safe='')}", format="json", limit=1)
    )


def _readable(list_them: Callable[[], Iterable[Any]]) -> Sequence[Any]:
    """What a service lists; nothing where the cloud has it not, or the user has no role for it."""
    from openstack.exceptions import HttpException

    try:
        return [*list_them()]
    except HttpException as error:
        if status_of(error) not in (403, 404):
            raise
        return []


def _told(lost: Iterable[Held]) -> str:
    paths: dict[str, builtins.list[str]] = {}
    for held in lost:
        paths.setdefault(held.kind, []).append(held.path)
    return " and ".join(f"the {kind}s {listed(those)}" for kind, those in paths.items())


def _words_for(lost: Iterable[Held]) -> str:
    words = {held.kind == VOLUME.noun: held for held in lost}
    named = {True: "delete_volumes=True", False: "delete_data=True"}
    return " and ".join(word for of_volumes, word in named.items() if of_volumes in words)


def _check_name(name: str) -> None:
    _find.check_name("stack", name)
    plain = name.replace("_", "").replace("-", "").replace(".", "")
    if not name[:1].isalpha() or not plain.isalnum() or not name.isascii():
        raise InvalidInput(
            f"'{name}' is no name for a stack: it begins with a letter, and has only letters, "
            "digits, _, - and ."
        )


def _read(template: str | os.PathLike[str] | Mapping[str, Any]) -> dict[str, Any]:
    """What Heat takes: the template, and the files that it names."""
    from openstack.exceptions import SDKException
    from openstack.orchestration.util import template_format, template_utils

    if isinstance(template, Mapping):
        return {"template": {**template}}
    text = os.fspath(template)
    is_text = "\n" in text or text.lstrip().startswith("{")
    file = files.path_of(text) if not is_text else None
    if file and not files.is_there(file):
        raise InvalidInput(f"There is no template {file}.")
    try:
        handwritten.check(file.read_text(encoding="utf-8") if file else text)
        if file is None:
            return {"template": template_format.parse(text)}
        parts, content = template_utils.get_template_contents(str(file.resolve()))
    except handwritten.Unreadable as error:
        raise InvalidInput(f"{file or 'The template'}{error}") from None
    except OSError as error:  # its own file, or one that it names
        raise InvalidInput(f"The template cannot be read: {error}.") from error
    except (ValueError, TypeError, SDKException) as error:
        # Unchained: the parser shows the line that it stumbled over.
        raise InvalidInput(f"This is no template: {error}") from None
    return {"template": content, "files": parts}


@contextmanager
def _explained(template: Mapping[str, Any]) -> Iterator[None]:
    """Say what to do about a template of a newer Heat than the cloud's; quote no hidden value."""
    from openstack.exceptions import HttpException

    declared = template.get("parameters") or {}
    try:
        yield
    except HttpException as error:
        said = what_the_cloud_said(error)
        for name, parameter in declared.items():
            if f"Parameter '{name}' is invalid" in said and parameter.get("hidden"):
                raise Refused(
                    f"The template does not take the value that was given for '{name}'.",
                    hint="Its parameter's constraints tell which it takes.",
                ) from None
        if status_of(error) != 400 or "heat_template_version" not in said:
            raise
        raise Refused(
            f"The template is for another release of Heat: {said}",
            hint='On Pouta its first line may be "heat_template_version: wallaby" (2021-04-16), '
            "or older.",
        ) from error


def _parts(conn: Connection, stack: Stack) -> builtins.list[Resource]:
    return [*conn.orchestration.resources(stack)]


def _why(conn: Connection, stack: Stack) -> str:
    """The parts that failed and why; without the class names that Heat puts before it."""
    broken = [part for part in _parts(conn, stack) if part.status.endswith("_FAILED")]
    # What was stopped because another part failed says nothing.
    first = [part for part in broken if "aborted" not in (part.status_reason or "")] or broken
    reasons = [
        f"{part.name} ({part.resource_type}): {_words(part.status_reason)}" for part in first
    ]
    return " ".join(reasons) or _words(stack.status_reason) or stack.status


def _words(reason: str | None) -> str:
    words = " ".join((reason or "").split())
    while (head := words.partition(": "))[1] and " " not in head[0]:
        words = head[2]
    return words.rstrip(".") + "." if words else ""
