"""The chores with pouta."""

import sys

from common import FLAVOR, GROUP, IMAGE, KEY, SERVER, VOLUME, run

import pouta

WANTED = {"image": IMAGE, "flavor": FLAVOR, "key_name": KEY}


def flavors():
    print(pouta.flavors.list(pouta.connect()))


def launch():
    pouta.servers.launch(pouta.connect(), SERVER, **WANTED)


def address():
    pouta.servers.launch(pouta.connect(), SERVER, **WANTED, floating_ip=True)


def full():
    conn = pouta.connect()
    pouta.servers.launch(
        conn, SERVER, **WANTED, security_groups=[GROUP], floating_ip=True, volumes=[1]
    )


def delete():
    conn = pouta.connect()
    pouta.servers.delete(conn, SERVER, release_floating_ips=True, delete_volumes=True)


def attach():
    pouta.volumes.attach(pouta.connect(), SERVER, VOLUME)


def detach():
    pouta.volumes.detach(pouta.connect(), VOLUME)


def fleet(count):
    pouta.servers.launch_many(pouta.connect(), SERVER, count, **WANTED, tags=[SERVER])


def disband(count):
    pouta.cleanup(pouta.connect(), tag=SERVER)


def servers():
    print(len(pouta.servers.list(pouta.connect())))


def volumes():
    print(len(pouta.volumes.list(pouta.connect())))


def ports():
    print(len([*pouta.connect().network.ports()]))


if __name__ == "__main__":
    if "flavors" not in sys.argv:  # that is timed as a whole process, the others without imports
        assert pouta.connect
        assert pouta.servers
    run(globals())
