"""The chores with CloudBridge."""

import os

from cloudbridge.factory import CloudProviderFactory, ProviderList
from cloudbridge.interfaces.resources import VolumeState
from common import FLAVOR, GROUP, IMAGE, KEY, NETWORK, SERVER, VOLUME, run, until

EVERY = 5  # seconds; CloudBridge's own interval


def connect():
    names = ("auth_url", "username", "password", "project_name", "region_name")
    config = {f"os_{name}": os.environ[f"OS_{name.upper()}"] for name in names}
    config |= {"os_user_domain_name": os.environ["OS_USER_DOMAIN_NAME"]}
    config |= {"os_project_domain_name": os.environ["OS_PROJECT_DOMAIN_NAME"]}
    config |= {"os_zone_name": "nova"}
    return CloudProviderFactory().create_provider(ProviderList.OPENSTACK, config)


def create(provider, names=(SERVER,), groups=()):
    # `find` sees only the project's own images.
    every = provider.compute.images.list(filter_by_owner=False)
    image = next(image for image in every if image.label == IMAGE)
    flavor = provider.compute.vm_types.find(name=FLAVOR)[0]
    network = provider.networking.networks.find(label=NETWORK)[0]
    subnet = next(iter(network.subnets))
    firewalls = [provider.security.vm_firewalls.find(label=name)[0] for name in groups]
    instances = [
        provider.compute.instances.create(
            name, image, flavor, subnet, key_pair=KEY, vm_firewalls=firewalls or None
        )
        for name in names
    ]
    for instance in instances:
        instance.wait_till_ready()
    return network, *instances


def lead(network, instance):
    gateway = network.gateways.get_or_create()
    instance.add_floating_ip(gateway.floating_ips.create())


def put(instance, volume):
    volume.attach(instance, "/dev/vdb")
    volume.wait_for([VolumeState.IN_USE], terminal_states=[VolumeState.ERROR])


def instance_of(provider):
    return provider.compute.instances.find(label=SERVER)[0]


def volume_of(provider):
    return provider.storage.volumes.find(label=VOLUME)[0]


def flavors():
    for flavor in connect().compute.vm_types:
        print(flavor.name, flavor.vcpus, flavor.ram)


def launch():
    create(connect())


def address():
    lead(*create(connect()))


def full():
    provider = connect()
    network, instance = create(provider, groups=["default", GROUP])
    lead(network, instance)
    volume = provider.storage.volumes.create(VOLUME, 1)
    volume.wait_till_ready()
    put(instance, volume)


def delete():
    provider = connect()
    instance, volume = instance_of(provider), volume_of(provider)
    network = provider.networking.networks.find(label=NETWORK)[0]
    gateway = network.gateways.get_or_create()
    instance.delete()
    until(lambda: not provider.compute.instances.get(instance.id), EVERY)
    for ip in gateway.floating_ips.list():
        ip.delete()
    volume.wait_till_ready()
    volume.delete()


def attach():
    provider = connect()
    put(instance_of(provider), volume_of(provider))


def detach():
    volume = volume_of(connect())
    volume.detach()
    volume.wait_till_ready()


def fleet(count):
    create(connect(), [f"{SERVER}-{number}" for number in range(1, count + 1)])


def disband(count):
    provider = connect()
    for instance in [*provider.compute.instances]:
        instance.delete()
    until(lambda: not [*provider.compute.instances], EVERY)


def servers():
    print(sum(1 for _ in connect().compute.instances))


def volumes():
    print(sum(1 for _ in connect().storage.volumes))


if __name__ == "__main__":
    run(globals())
