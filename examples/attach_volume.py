"""Attach a volume to a server, and say where it is in there.

    python examples/attach_volume.py web data
    python examples/attach_volume.py web data --size 100 --mount /media/data > mount.sh

With --size the volume is made if it is missing. With --mount the output is a script that makes the
volume a folder: ssh USER@ADDRESS sudo sh < mount.sh. It formats an empty disk only.
"""

import argparse
import sys

import pouta

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("server")
parser.add_argument("volume")
parser.add_argument("--size", type=int, metavar="GiB")
parser.add_argument("--type", help="standard (what you get without it) or capacity, on Pouta")
parser.add_argument("--mount", metavar="FOLDER", help="print the script for this folder")
parser.add_argument("--cloud", metavar="NAME", help="a cloud in your clouds.yaml, or practice")
parser.add_argument("--openrc", metavar="FILE", help="the openrc file from the dashboard")
options = parser.parse_args()

try:
    conn = pouta.connect(options.cloud, openrc=options.openrc)
    server = pouta.servers.find(conn, options.server)  # first, so that no volume is made in vain
    try:
        volume = pouta.volumes.find(conn, options.volume)
    except pouta.NotFound:
        if options.size is None:
            raise
        volume = pouta.volumes.create(conn, options.volume, options.size, volume_type=options.type)
    volume = pouta.volumes.attach(conn, server, volume)
    if options.mount:
        user = pouta.images.login_user(conn, server)
        print(pouta.volumes.mount_script(volume, options.mount, user=user), end="")
    else:
        print(f"In '{server.name}' it is {pouta.volumes.device_path(volume)}")
except pouta.PoutaError as error:
    sys.exit(str(error))
