"""Logins, keys, networks, rules, and what there is to choose from."""

from __future__ import annotations

import stat
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import openstack
from openstack.config import OpenStackConfig
from openstack.connection import Connection

import pouta
from pouta import (
    billing,
    flavors,
    identity,
    images,
    keypairs,
    networks,
    quotas,
    security_groups,
    volumes,
)
from pouta.security_groups import Rule
from tests.acceptance.claims import Claim, Claims, part, refused, same, true
from tests.acceptance.parts import needs

if TYPE_CHECKING:
    from tests.acceptance.run import Run

DOCUMENTATION = "192.0.2.0/24"  # a network that nobody is in (RFC 5737)


@part("identity", minutes=0.5, makes="an application credential and an EC2 key pair")
def _(run: Run) -> Claims:
    conn = run.conn
    yield "who is logged in is told as the token says, which works by itself"
    who, token = identity.whoami(conn), identity.token(conn)
    headers = {"X-Auth-Token": token.id, "X-Subject-Token": token.id}
    told = conn.identity.get("/auth/tokens", headers=headers, authenticated=False).json()["token"]
    same("the project", who.project_id, told["project"]["id"])
    same("the user", who.user_id, told["user"]["id"])

    yield "the catalog and the user's projects have this project in them"
    true("no compute service", any(row.service == "compute" for row in identity.catalog(conn)))
    projects = [project.id for project in identity.projects(conn)]
    true(f"{who.project_id} is not listed", who.project_id in projects)

    by_credential = "application_credential_secret" in conn.config.config["auth"]
    cannot = "this login is an application credential, which makes no others" * by_credential
    name, file = run.name("login"), run.home / "clouds.yaml"
    if (yield Claim("a credential for programs, saved in clouds.yaml, logs in", cannot)):
        made = identity.create_application_credential(
            conn, name, expires_at=timedelta(hours=4), save_as=name, path=file
        )
        same("the mode of the file", stat.S_IMODE(file.stat().st_mode), 0o600)
        saved = OpenStackConfig(config_files=[str(file)], load_envvars=False)
        with Connection(config=saved.get_one(cloud=name)) as program:
            same("its project", program.current_project_id, who.project_id)

        yield "once it is deleted it opens nothing"
        listed = [one.id for one in identity.list_application_credentials(conn)]
        true("it was not listed", made.id in listed)
        identity.delete_application_credential(conn, made)
        with Connection(config=saved.get_one(cloud=name)) as program:
            true("it still logs in", not _logs_in(program))

    if (yield Claim("EC2 keys of this project come and go", cannot)):
        with run.signals.held():
            pair = identity.create_ec2_credentials(conn)
            run.ground.ec2_keys.append(pair.access)
        listed = [one.access for one in identity.list_ec2_credentials(conn)]
        true("they are not listed", pair.access in listed)
        identity.delete_ec2_credentials(conn, pair)
        left = conn.identity.get(f"/users/{who.user_id}/credentials/OS-EC2").json()["credentials"]
        true("they are still there", pair.access not in [one["access"] for one in left])


def _logs_in(conn: Any) -> bool:
    try:
        conn.authorize()
    except openstack.exceptions.SDKException:
        return False
    return True


@part("look", minutes=0.5, makes="nothing")
def _(run: Run) -> Claims:
    conn = run.conn
    yield "flavors are those that Nova lists, and the smallest fits"
    listed = flavors.list(conn)
    same("flavors", {one.id for one in listed}, {one.id for one in conn.compute.flavors()})
    same("the found one", flavors.find(conn, run.flavor.name).id, run.flavor.id)
    smallest = flavors.smallest(conn, vcpus=1, ram=1)
    true(f"{smallest.name} has {smallest.ram} MiB", smallest.ram > 950)

    yield f"image {run.image.name} is listed, and found by its name"
    true("it is not listed", run.image.id in [one.id for one in images.list(conn)])
    same("the found one", images.find(conn, run.image.name).id, run.image.id)

    yield "the quota for cores is Nova's"
    cores = next(quota for quota in quotas.show(conn) if quota.key == "cores")
    limits = conn.compute.get_limits().absolute
    same("its limit", cores.limit, None if limits.total_cores == -1 else limits.total_cores)
    same("what is used", cores.used, limits.total_cores_used)

    if (yield Claim("volume types are those that Cinder lists", needs.disks(run))):
        types = {one.name for one in volumes.list_types(conn)}
        same("types", types, {one.name for one in conn.block_storage.types()})

    yield "the project's costs are counted, thing by thing"
    running = {server.id for server in conn.compute.servers()}
    counted = {cost.id for cost in billing.estimate(conn) if cost.kind == "server"}
    same("the servers in it", counted, running)


@part("keypairs", minutes=0.2, makes="two key pairs")
def _(run: Run) -> Claims:
    conn = run.conn
    yield "a key is made, of which only the public half leaves this machine"
    own = keypairs.ensure_own(conn)
    private = keypairs.private_key_of(own.public_key)
    assert private is not None
    same("the mode of the private half", stat.S_IMODE(private.stat().st_mode), 0o600)
    stored = conn.compute.get_keypair(own.name).public_key
    true("the cloud has another key", keypairs.same_key(stored, own.public_key))

    yield "a public key gets a name, the same on a second run; another key does not"
    name = run.name("key")
    pair = keypairs.ensure(conn, name, public_key=own.public_key)
    same("the second one", keypairs.ensure(conn, name, public_key=own.public_key).id, pair.id)
    same("the found one", keypairs.find(conn, name).fingerprint, pair.fingerprint)
    true("it is not listed", name in [one.name for one in keypairs.list(conn)])
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHkOc6ZvbhJ3DNzYJ2rTcOdWQeUyKDmMzA6e6iYXqGOw x"
    with refused(pouta.Refused, "with another key"):
        keypairs.ensure(conn, name, public_key=other)


@part("networks", minutes=0.2, makes="a network, where the project has none")
def _(run: Run) -> Claims:
    conn, named = run.conn, f"the project has several: {run.network} was named" * bool(run.network)
    if (yield Claim("the project has a network with a way out, made only if it is missing", named)):
        network = networks.ensure_default(conn)
        same("the default one", networks.default(conn).id, network.id)
        same("the second time", networks.ensure_default(conn).id, network.id)
        plugged = [port.device_owner for port in conn.network.ports(network_id=network.id)]
        true(f"no router is in it: {plugged}", any("router" in one for one in plugged))
        true("it is not listed", network.id in [one.id for one in networks.list(conn)])
        same("the found one", networks.find(conn, network.id).id, network.id)

    if (yield Claim("the network of the floating IPs is an external one", run.why_no_address)):
        outside = networks.external(conn)
        assert outside is not None
        same("external", conn.network.get_network(outside.id).is_router_external, True)


@part("security_groups", minutes=0.2, makes="a security group")
def _(run: Run) -> Claims:
    conn, name = run.conn, run.name("rules")

    def rules() -> set[tuple[Any, ...]]:
        return {
            (rule.protocol, rule.port_range_min, rule.remote_ip_prefix)
            for rule in conn.network.security_group_rules(
                security_group_id=group.id, direction="ingress"
            )
        }

    yield "a group lets in what it was made for, and a second run adds nothing"
    wanted = [Rule(80, remote_ip=DOCUMENTATION), Rule(protocol="icmp", remote_ip=DOCUMENTATION)]
    group = security_groups.ensure(conn, name, rules=wanted)
    security_groups.ensure(conn, name, rules=wanted)
    first = {("tcp", 80, DOCUMENTATION), ("icmp", None, DOCUMENTATION)}
    same("the rules", rules(), first)
    same("the found one", security_groups.find(conn, name).id, group.id)
    same("of this name", [g.name for g in security_groups.list(conn)].count(name), 1)

    yield "a port is opened; SSH is not, to the whole world"
    security_groups.allow(conn, name, port=443, remote_ip=DOCUMENTATION)
    with refused(pouta.Refused, "whole internet"):
        security_groups.allow(conn, name, port=22, remote_ip="0.0.0.0/0")
    same("the rules", rules(), first | {("tcp", 443, DOCUMENTATION)})
