"""All that a project and this machine hold, as facts that a chore could change; what changed."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from openstack.exceptions import NotFoundException

from pouta.kinds import CALL

if TYPE_CHECKING:
    from openstack.connection import Connection

REST_WITHIN = 90.0  # seconds
SETTLE = 0.4  # seconds
#: What makes a difference when it is done twice, although no state shows it.
COUNTED = ("createImage", "reboot", "rebuild")
PLUMBING = ("network:dhcp", "network:floatingip", "network:router_gateway", "network:distributed")
MOVING = re.compile(r".*(BUILD|REBOOT|IN_PROGRESS|ing|reserved|SHELVED)$")
UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
FRESH_TAG = re.compile(r"\b(together|temporary)-[0-9a-f]{8}")

Facts = Mapping[str, Any]
Look = Callable[["Connection"], Iterable["Thing"]]


@dataclass(frozen=True)
class Thing:
    """One thing. `facts` are what a chore could change; `hidden` ones differ from run to run."""

    kind: str
    id: str
    name: str
    facts: Facts
    hidden: Facts = field(default_factory=dict)


Key = tuple[str, str]
Inventory = Mapping[Key, Thing]


@dataclass(frozen=True)
class Change:
    """One difference: `sign` is + for what came, - for what went, ~ for a fact that changed.

    `brief` is what a scenario says of it; `whole` has all facts, without what differs from run to
    run.
    """

    sign: str
    key: Key
    brief: str
    whole: str
    fact: str = ""


def changes(before: Inventory, now: Inventory, project: str) -> Sequence[Change]:
    """What is different now, in words that are the same in another project."""
    labels = {id: f"<{kind} {thing.name}>" for kind, id, thing in _keyed(before, now)}

    def labelled(value: Any) -> Any:
        if isinstance(value, str):
            named = UUID.sub(lambda m: labels.get(m[0], m[0]), value).replace(project, "PROJECT")
            return FRESH_TAG.sub(r"\1-TAG", named)
        if isinstance(value, list):
            return sorted(map(labelled, value))
        return {k: labelled(v) for k, v in value.items()} if isinstance(value, dict) else value

    def said(value: Any) -> str:
        text = labelled(value)
        return text if isinstance(text, str) else json.dumps(text, sort_keys=True)

    found = []
    for key in {**before, **now}:
        old, new = before.get(key), now.get(key)
        kind, name = key[0], said((old or new).name)  # type: ignore[union-attr]
        what = f"{kind} {name}".strip()
        if old is None and new is not None:
            found.append(Change("+", key, f"+ {what}", f"+ {what}: {said(dict(new.facts))}"))
        elif new is None:
            found.append(Change("-", key, f"- {what}", f"- {what}"))
        elif old is not None:
            for fact, value in new.facts.items():
                for words in _differences(old.facts.get(fact), value, said):
                    text = f"~ {what}: {fact} {words}"
                    found.append(Change("~", key, text, text, fact))
            for fact, value in new.hidden.items():
                if value != old.hidden.get(fact):
                    text = f"~ {what}: another {fact}"
                    found.append(Change("~", key, text, text, fact))
    return sorted(found, key=lambda change: change.brief)


def _differences(old: Any, new: Any, said: Callable[[Any], str]) -> Iterator[str]:
    """What a fact was and is; of lists, what came and what went."""
    if not isinstance(new, list):
        if old != new:
            yield f"{said(old)} -> {said(new)}"
        return
    before, now = Counter(old), Counter(new)
    for sign, members in (("+", now - before), ("-", before - now)):
        for member in members.elements():
            yield f"{sign} {said(member)}"


def wholes(found: Iterable[Change]) -> Counter[str]:
    return Counter(change.whole for change in found)


def briefs(found: Iterable[Change]) -> Sequence[str]:
    return sorted(change.brief for change in found)


def _keyed(*inventories: Inventory) -> Iterator[tuple[str, str, Thing]]:
    for inventory in inventories:
        for (kind, id), thing in inventory.items():
            yield kind, id, thing


# Taking it


def taken(
    conn: Connection,
    *,
    neighbour: Connection | None = None,
    folder: Path | None = None,
    since: Inventory | None = None,
    touched: Collection[str] = (),
    looks: Collection[Look] | None = None,
) -> Inventory:
    """All that the project holds; with what a second project holds, and the files of a folder.

    since: what was there before only the services `touched` were asked to change something; what
        these cannot change is not looked at again.
    looks: only what these find.
    """
    if looks is None:
        changed = {look for service in touched for look in CHANGED_BY.get(service, LOOKS)}
        looks = changed if since is not None else {*LOOKS}
    asked = [(conn, look, "") for look in looks]
    asked += [(neighbour, look, "their ") for look in {*looks} & NEIGHBOURS if neighbour]
    with ThreadPoolExecutor(4) as pool:
        things = [thing for part in pool.map(_gathered, asked) for thing in part]
    things += _files(folder) if folder else []
    seen = {whose + kind for _, look, whose in asked for kind in KINDS[look]} | {"file"}
    kept = {key: thing for key, thing in (since or {}).items() if thing.kind not in seen}
    return kept | _named({(thing.kind, thing.id): thing for thing in things}, since or {})


def at_rest(take: Callable[[], Inventory]) -> tuple[Inventory, bool]:
    """What is there once the cloud does nothing more, and whether it came to rest."""
    deadline = time.monotonic() + REST_WITHIN
    now = take()
    while any(map(is_moving, now.values())):
        if time.monotonic() > deadline:
            return now, False
        time.sleep(SETTLE)
        now = take()
    return now, True


def is_moving(thing: Thing) -> bool:
    if thing.facts.get("task"):
        return True
    status = str(thing.facts.get("status", ""))
    return bool(MOVING.match(status)) and not status.startswith("error")


def _gathered(asked: tuple[Connection, Look, str]) -> Sequence[Thing]:
    conn, look, whose = asked

    def found() -> Sequence[Thing]:
        return [replace(thing, kind=whose + thing.kind) for thing in look(conn)]

    with suppress(NotFoundException):  # it went between the list and its parts
        return found()
    return found()


def _named(things: dict[Key, Thing], since: Inventory) -> dict[Key, Thing]:
    """Ports are called by what they lead to."""
    names = {id: thing.name for (_, id), thing in {**since, **things}.items()}
    return {key: _called(thing, names) for key, thing in things.items()}


def _called(thing: Thing, names: Mapping[str, str]) -> Thing:
    if thing.kind != "port":
        return thing
    device = thing.facts["of"]
    return replace(thing, name=f"of {names.get(device, device or 'nothing')}")


# The kinds


def _servers(conn: Connection) -> Iterator[Thing]:
    for server in conn.compute.servers():
        asked = Counter(action.action for action in conn.compute.server_actions(server))
        facts = {
            "status": server.status,
            "task": server.task_state,
            "flavor": (server.flavor or {}).get("original_name"),
            "image": (server.image or {}).get("id"),
            "groups": sorted(group["name"] for group in server.security_groups or []),
            "volumes": sorted(disk.id for disk in server.attached_volumes or []),
            "key": server.key_name,
            "tags": sorted(server.tags or []),
            "locked": server.is_locked,
            **{name: asked[name] for name in COUNTED},
        }
        yield Thing("server", server.id, server.name, facts)


def _server_groups(conn: Connection) -> Iterator[Thing]:
    for group in conn.compute.server_groups():
        facts = {"policy": group.policy, "servers": sorted(group.member_ids or [])}
        yield Thing("server group", group.id, group.name, facts)


def _keypairs(conn: Connection) -> Iterator[Thing]:
    for pair in conn.compute.keypairs():
        yield Thing("key pair", pair.name, pair.name, {}, {"key": pair.fingerprint})


def _volumes(conn: Connection) -> Iterator[Thing]:
    for volume in conn.block_storage.volumes():
        facts = {
            "status": volume.status,
            "size": volume.size,
            "type": volume.volume_type,
            "bootable": volume.is_bootable,
            "in": sorted(attached["server_id"] for attached in volume.attachments or []),
            "notes": _notes(volume.metadata),
        }
        yield Thing("volume", volume.id, volume.name or "", facts)


def _snapshots(conn: Connection) -> Iterator[Thing]:
    for taken in conn.block_storage.snapshots():
        facts = {
            "status": taken.status,
            "size": taken.size,
            "of": taken.volume_id,
            "notes": _notes(taken.metadata),
        }
        yield Thing("volume snapshot", taken.id, taken.name or "", facts)


def _transfers(conn: Connection) -> Iterator[Thing]:
    for offer in conn.block_storage.transfers():
        yield Thing("transfer", offer.id, offer.name or "", {"of": offer.volume_id})


def _images(conn: Connection) -> Iterator[Thing]:
    own = conn.current_project_id
    for image in conn.image.images(owner=own):
        shared = image.visibility == "shared"
        members = [*conn.image.members(image)] if shared else []
        facts = {
            "status": image.status,
            "visibility": image.visibility,
            "protected": image.is_protected,
            "size": image.size,
            "tags": sorted(image.tags or []),
            "members": sorted(member.status for member in members),
        }
        yield Thing("image", image.id, image.name or "", facts)
    for image in conn.image.images(visibility="shared", member_status="accepted"):
        if image.owner != own:
            yield Thing("accepted image", image.id, image.name or "", {"status": image.status})


def _addresses(conn: Connection) -> Iterator[Thing]:
    for ip in conn.network.ips(project_id=conn.current_project_id):
        yield Thing("floating IP", ip.id, "", {"leads to": ip.port_id})


def _security_groups(conn: Connection) -> Iterator[Thing]:
    for group in conn.network.security_groups(project_id=conn.current_project_id):
        rules = sorted(map(_rule, group.security_group_rules or []))
        yield Thing("security group", group.id, group.name, {"rules": rules})


def _rule(rule: Mapping[str, Any]) -> str:
    parts = ("direction", "ethertype", "protocol", "port_range_min", "port_range_max")
    parts += ("remote_ip_prefix", "remote_group_id")
    return " ".join(str(rule[part]) for part in parts if rule[part] is not None)


def _networks(conn: Connection) -> Iterator[Thing]:
    own = conn.current_project_id
    for network in conn.network.networks(project_id=own):
        yield Thing("network", network.id, network.name, {})
    for subnet in conn.network.subnets(project_id=own):
        facts = {"cidr": subnet.cidr, "in": subnet.network_id, "dns": subnet.dns_nameservers}
        yield Thing("subnet", subnet.id, subnet.name, facts)
    for router in conn.network.routers(project_id=own):
        gateway = (router.external_gateway_info or {}).get("network_id")
        yield Thing("router", router.id, router.name, {"gateway": gateway})


def _ports(conn: Connection) -> Iterator[Thing]:
    for port in conn.network.ports(project_id=conn.current_project_id):
        if not str(port.device_owner).startswith(PLUMBING):
            facts = {"of": port.device_id, "groups": sorted(port.security_group_ids or [])}
            yield Thing("port", port.id, "", facts)


def _stacks(conn: Connection) -> Iterator[Thing]:
    for stack in conn.orchestration.stacks():
        tags = [tag for tag in stack.tags or () if not tag.startswith(CALL)]
        yield Thing("stack", stack.id, stack.name, {"status": stack.status, "tags": tags})


def _containers(conn: Connection) -> Iterator[Thing]:
    key = conn.object_store.head("").headers.get("X-Account-Meta-Temp-Url-Key")
    yield Thing("account", "", "", {"for URLs": bool(key)}, {"key": key})
    for container in conn.object_store.containers():
        yield Thing("container", container.name, container.name, {})


def _objects(conn: Connection) -> Iterator[Thing]:
    for container in conn.object_store.containers():
        for held in conn.object_store.objects(container.name):
            name = re.sub(r"/\d{9,}/", "/TIME/", f"{container.name}/{held.name}")
            # Of a large object, a listing has the hash of its manifest, which is another each time.
            head = conn.object_store.head(f"/{quote(container.name)}/{quote(held.name)}")
            facts = {"bytes": held._bytes, "hash": head.headers.get("ETag")}
            yield Thing("object", f"{container.name}/{held.name}", name, facts)


def _logins(conn: Connection) -> Iterator[Thing]:
    user = conn.current_user_id
    for login in conn.identity.application_credentials(user):
        facts = {"rules": len(login.access_rules or []), "unrestricted": login.unrestricted}
        yield Thing("application credential", login.id, login.name, facts)
    answer = conn.identity.get(f"/users/{user}/credentials/OS-EC2").json()
    for pair in answer["credentials"]:
        yield Thing("EC2 key", pair["access"], "", {})


def _files(folder: Path) -> Iterator[Thing]:
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            data = file.read_bytes()
            facts = {"bytes": len(data), "mode": f"{file.stat().st_mode & 0o777:o}"}
            digest = hashlib.sha256(data).hexdigest()
            name = str(file.relative_to(folder))
            yield Thing("file", name, name, facts, {"content": digest})


def _notes(metadata: Mapping[str, str] | None) -> dict[str, str]:
    return {key: value for key, value in (metadata or {}).items() if key != CALL}


#: Which kinds of things each look finds.
KINDS: Mapping[Look, Sequence[str]] = {
    _servers: ["server"],
    _server_groups: ["server group"],
    _keypairs: ["key pair"],
    _volumes: ["volume"],
    _snapshots: ["volume snapshot"],
    _transfers: ["transfer"],
    _images: ["image", "accepted image"],
    _addresses: ["floating IP"],
    _security_groups: ["security group"],
    _networks: ["network", "subnet", "router"],
    _ports: ["port"],
    _stacks: ["stack"],
    _containers: ["account", "container"],
    _objects: ["object"],
    _logins: ["application credential", "EC2 key"],
}
LOOKS = [*KINDS]
NEIGHBOURS = {_volumes, _snapshots, _transfers, _images}
_OF_NETWORKS = [_addresses, _security_groups, _networks, _ports]
_OF_DISKS = [_volumes, _snapshots, _transfers]
#: By the proxy's name of a service, what a request to it can change.
CHANGED_BY: Mapping[str, Sequence[Look]] = {
    "compute": [_servers, _server_groups, _keypairs, _images, *_OF_DISKS, *_OF_NETWORKS],
    "volume": [*_OF_DISKS, _servers, _images],
    "network": [*_OF_NETWORKS, _servers],
    "image": [_images],
    "object_store": [_containers, _objects],
    "orchestration": [_stacks, *_OF_DISKS],
    "identity": [_logins],
}
