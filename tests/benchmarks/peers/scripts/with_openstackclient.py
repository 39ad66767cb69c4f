"""The chores with python-openstackclient: one command after the other, as in a shell."""

import subprocess

from common import FLAVOR, GROUP, IMAGE, KEY, NETWORK, OUTSIDE, SERVER, VOLUME, run, until

EVERY = 2  # seconds; there is no --wait for volumes and for many servers, so a shell loop
WANTED = f"--image {IMAGE} --flavor {FLAVOR} --network {NETWORK} --key-name {KEY} --wait"


def openstack(command):
    done = subprocess.run(
        ["openstack", *command.split()], stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.strip()


def is_now(status):
    return openstack(f"volume show {VOLUME} -f value -c status") == status


def flavors():
    print(openstack("flavor list"))


def launch():
    openstack(f"server create {WANTED} {SERVER}")


def address():
    launch()
    lead()


def lead():
    ip = openstack(f"floating ip create {OUTSIDE} -f value -c floating_ip_address")
    openstack(f"server add floating ip {SERVER} {ip}")


def full():
    openstack(f"server create {WANTED} --security-group default --security-group {GROUP} {SERVER}")
    lead()
    openstack(f"volume create --size 1 {VOLUME}")
    until(lambda: is_now("available"), EVERY)
    attach()


def delete():
    ip = openstack("floating ip list -f value -c ID")
    openstack(f"server delete --wait {SERVER}")
    openstack(f"floating ip delete {ip}")
    openstack(f"volume delete {VOLUME}")


def attach():
    openstack(f"server add volume {SERVER} {VOLUME}")
    until(lambda: is_now("in-use"), EVERY)


def detach():
    openstack(f"server remove volume {SERVER} {VOLUME}")
    until(lambda: is_now("available"), EVERY)


def fleet(count):
    openstack(f"server create {WANTED} --min {count} --max {count} {SERVER}")  # waits for the first
    listing = f"server list --name {SERVER} --limit {count} -f value -c Status"
    until(lambda: openstack(listing).split().count("ACTIVE") == count, EVERY)


def disband(count):
    names = " ".join(f"{SERVER}-{number}" for number in range(1, count + 1))
    openstack(f"server delete --wait {names}")


def servers():
    print(openstack("server list").count("ACTIVE"))


def volumes():
    print(openstack("volume list --limit 1000").count("available"))


def ports():
    print(openstack("port list").count("ACTIVE"))


if __name__ == "__main__":
    run(globals())
