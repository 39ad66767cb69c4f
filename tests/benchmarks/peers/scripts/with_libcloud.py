"""The chores with Apache Libcloud."""

import os

from common import FLAVOR, GROUP, IMAGE, KEY, NETWORK, SERVER, VOLUME, run, until
from libcloud.compute.providers import get_driver
from libcloud.compute.types import Provider

EVERY = 5  # seconds; libcloud's own interval for servers. It has no wait for volumes.


def connect(**version):
    return get_driver(Provider.OPENSTACK)(
        os.environ["OS_USERNAME"],
        os.environ["OS_PASSWORD"],
        **version,
        ex_force_auth_url=os.environ["OS_AUTH_URL"].removesuffix("/v3"),
        ex_force_auth_version="3.x_password",
        ex_tenant_name=os.environ["OS_PROJECT_NAME"],
        ex_domain_name=os.environ["OS_USER_DOMAIN_NAME"],
        ex_force_service_region=os.environ["OS_REGION_NAME"],
    )


def named(things, name):
    return next(thing for thing in things if thing.name == name)


def create(driver, names=(SERVER,), groups=()):
    size, image = named(driver.list_sizes(), FLAVOR), named(driver.list_images(), IMAGE)
    network = named(driver.ex_list_networks(), NETWORK)
    more = {"ex_security_groups": groups} if groups else {}
    nodes = [
        driver.create_node(
            name=name, size=size, image=image, networks=[network], ex_keyname=KEY, **more
        )
        for name in names
    ]
    # By default it waits for a public address, which there may be none of.
    driver.wait_until_running(nodes, ssh_interface="private_ips", timeout=1800)
    return nodes


def lead(driver, node):
    (pool,) = driver.ex_list_floating_ip_pools()
    assert driver.ex_attach_floating_ip_to_node(node, pool.create_floating_ip())


def put(driver, node, volume):
    driver.attach_volume(node, volume)
    until(lambda: driver.ex_get_volume(volume.id).state == "inuse", EVERY)


def flavors():
    for size in connect().list_sizes():
        print(size.name, size.vcpus, size.ram, size.disk)


def launch():
    create(connect())


def address():
    driver = connect()
    (node,) = create(driver)
    lead(driver, node)


def full():
    driver = connect()
    every = driver.ex_list_security_groups()
    (node,) = create(driver, groups=[named(every, "default"), named(every, GROUP)])
    lead(driver, node)
    volume = driver.create_volume(1, VOLUME)
    until(lambda: driver.ex_get_volume(volume.id).state == "available", EVERY)
    put(driver, node, volume)


def delete():
    driver = connect()
    volume = named(driver.list_volumes(), VOLUME)
    driver.detach_volume(volume)
    until(lambda: driver.ex_get_volume(volume.id).state == "available", EVERY)
    driver.destroy_volume(volume)
    driver.destroy_node(named(driver.list_nodes(), SERVER))
    for ip in driver.ex_list_floating_ips():
        driver.ex_delete_floating_ip(ip)


def attach():
    driver = connect()
    put(driver, named(driver.list_nodes(), SERVER), named(driver.list_volumes(), VOLUME))


def detach():
    driver = connect()
    volume = named(driver.list_volumes(), VOLUME)
    driver.detach_volume(volume)
    until(lambda: driver.ex_get_volume(volume.id).state == "available", EVERY)


def fleet(count):
    create(connect(), [f"{SERVER}-{number}" for number in range(1, count + 1)])


def disband(count):
    driver = connect()
    for node in driver.list_nodes():
        driver.destroy_node(node)
    until(lambda: not driver.list_nodes(), EVERY)


def servers():
    print(len(connect().list_nodes()))


def volumes():
    print(len(connect().list_volumes()))


def ports():
    print(len(connect(api_version="2.2").ex_list_ports()))


if __name__ == "__main__":
    run(globals())
