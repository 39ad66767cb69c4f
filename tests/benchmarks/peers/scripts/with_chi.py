"""The chores with python-chi."""

import os

import chi.context
import chi.server
import chi.storage
from common import FLAVOR, GROUP, IMAGE, KEY, NETWORK, SERVER, VOLUME, run, until

os.environ["OS_AUTH_TYPE"] = "v3password"  # it takes a token otherwise
chi.context.reset()

EVERY = 5  # seconds; chi's own interval for servers. It has no wait for volumes.


def create(name=SERVER, wait=True):
    server = chi.server.Server(
        name, image_name=IMAGE, flavor_name=FLAVOR, key_name=KEY, network_name=NETWORK
    )
    server.submit(wait_for_active=wait, show=None)
    return server


def is_now(volume, status):
    return chi.storage.get_volume(volume.id).status == status


def flavors():
    for flavor in chi.server.list_flavors():
        print(flavor.name)


def launch():
    create()


def address():
    create().associate_floating_ip()


def full():
    server = create()
    server.add_security_group(GROUP)
    server.associate_floating_ip()
    volume = chi.storage.Volume(VOLUME, 1, volume_type="standard")
    volume.submit()
    until(lambda: is_now(volume, "available"), EVERY)
    put(server, volume)


def put(server, volume):
    server.attach_volume(volume.id)
    until(lambda: is_now(volume, "in-use"), EVERY)


def delete():
    server, volume = chi.server.get_server(SERVER), chi.storage.get_volume(VOLUME)
    server.detach_volume(volume.id)
    until(lambda: is_now(volume, "available"), EVERY)
    volume.delete()
    server.delete(delete_ips=True)


def attach():
    put(chi.server.get_server(SERVER), chi.storage.get_volume(VOLUME))


def detach():
    volume = chi.storage.get_volume(VOLUME)
    chi.server.get_server(SERVER).detach_volume(volume.id)
    until(lambda: is_now(volume, "available"), EVERY)


def fleet(count):
    made = [create(f"{SERVER}-{number}", wait=False) for number in range(1, count + 1)]
    for server in made:
        server.wait(show=None)


def disband(count):
    for server in chi.server.list_servers():
        server.delete()
    until(lambda: not chi.server.list_servers(), EVERY)


def servers():
    print(len(chi.server.list_servers()))


def volumes():
    print(len(chi.storage.list_volumes()))


if __name__ == "__main__":
    run(globals())
