"""Log in, launch a server you can reach, give it a disk, see what it costs, delete it all.

    python examples/quickstart.py

It uses the cloud that OS_CLOUD, OS_AUTH_URL or your only clouds.yaml names. Without credentials it
uses a practice cloud on this machine, which costs nothing.
"""

import argparse
import contextlib
import secrets
import sys

import pouta
from pouta import prices

FLAVOR, IMAGE, SIZE = "standard.small", "Ubuntu-24.04", 10  # GiB
NAME = f"quickstart-{secrets.token_hex(3)}"  # a new name, so all that has it was made here


def log_in(until_the_end):
    try:
        return pouta.connect()
    except pouta.NoCredentials:
        print("No credentials found: using a practice cloud. It is free; nobody can log in to it.")
        return until_the_end.enter_context(pouta.practice.cloud())


def price(conn):
    known = prices.of(conn)
    parts = [known.flavor(FLAVOR), known.volume(SIZE, "standard"), known.floating_ip]
    return known.note if None in parts else f"On Pouta that is {sum(parts):.2f} BU an hour."


def main(conn):
    print(pouta.identity.whoami(conn))
    print(pouta.flavors.list(conn, fits_quota=True)[:5], end="\n\n")
    print(f"Making '{NAME}': a {FLAVOR} server, a floating IP and a volume of {SIZE} GiB.")
    print(f"{price(conn)} They are deleted at the end.", end="\n\n")
    try:
        server = pouta.servers.launch(
            conn, NAME, image=IMAGE, flavor=FLAVOR, ssh_from="my-ip", floating_ip=True
        )
        volume = pouta.volumes.create(conn, NAME, SIZE, volume_type="standard")
        pouta.volumes.attach(conn, server, volume)
        print(pouta.servers.list(conn), pouta.volumes.list(conn), sep="\n\n", end="\n\n")
        print("To log in:", pouta.servers.ssh_command(conn, server))
        print("The volume in there:", pouta.volumes.device_path(volume))
    finally:
        for server in [server for server in pouta.servers.list(conn) if server.name == NAME]:
            pouta.servers.delete(conn, server, release_floating_ips=True, delete_volumes=True)
        for volume in [volume for volume in pouta.volumes.list(conn) if volume.name == NAME]:
            pouta.volumes.delete(conn, volume)
        print("All deleted but the key pair and the security group, which cost nothing.")


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()  # --help, and nothing else
    try:
        with contextlib.ExitStack() as until_the_end:
            main(log_in(until_the_end))
    except pouta.PoutaError as error:
        sys.exit(str(error))
