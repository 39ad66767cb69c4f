"""The chores with openstacksdk: its one call where it has one."""

import openstack
from common import FLAVOR, GROUP, IMAGE, KEY, NETWORK, SERVER, VOLUME, run

WANTED = {"image": IMAGE, "flavor": FLAVOR, "network": NETWORK, "key_name": KEY}


def flavors():
    for flavor in openstack.connect().compute.flavors():
        print(flavor.name, flavor.vcpus, flavor.ram, flavor.disk)


def launch():
    openstack.connect().create_server(SERVER, **WANTED, auto_ip=False, wait=True)


def address():
    openstack.connect().create_server(SERVER, **WANTED, auto_ip=True, wait=True)


def full():
    conn = openstack.connect()
    groups = ["default", GROUP]
    server = conn.create_server(SERVER, **WANTED, security_groups=groups, auto_ip=True, wait=True)
    volume = conn.create_volume(1, name=VOLUME, wait=True)
    conn.attach_volume(server, volume, wait=True)


def delete():
    conn = openstack.connect()
    conn.delete_server(SERVER, wait=True, delete_ips=True)
    conn.delete_volume(VOLUME, wait=True)


def attach():
    conn = openstack.connect()
    conn.attach_volume(conn.get_server(SERVER), conn.get_volume(VOLUME), wait=True)


def detach():
    conn = openstack.connect()
    conn.detach_volume(conn.get_server(SERVER), conn.get_volume(VOLUME), wait=True)


def fleet(count):
    conn = openstack.connect()
    conn.create_server(SERVER, **WANTED, min_count=count, max_count=count, auto_ip=False)
    for server in [*conn.compute.servers(name=SERVER)]:
        conn.compute.wait_for_server(server, wait=1800)


def disband(count):
    conn = openstack.connect()
    servers = [*conn.compute.servers(name=SERVER)]
    for server in servers:
        conn.compute.delete_server(server)
    for server in servers:
        conn.compute.wait_for_delete(server, wait=1800)


def servers():
    print(len([*openstack.connect().compute.servers()]))


def volumes():
    print(len([*openstack.connect().block_storage.volumes()]))


def ports():
    print(len([*openstack.connect().network.ports()]))


if __name__ == "__main__":
    run(globals())
