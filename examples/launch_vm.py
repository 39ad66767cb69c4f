"""Launch a server that you can log in to, and print how.

    python examples/launch_vm.py web
    python examples/launch_vm.py web --flavor standard.large --volume 100 --ssh-from 192.0.2.0/24

It gets your own SSH key, port 22 open to you only, and a floating IP.
"""

import argparse
import sys

import pouta

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("name")
parser.add_argument("--image", default="Ubuntu-24.04")
parser.add_argument("--flavor", default="standard.small")
parser.add_argument("--ssh-from", default="my-ip", metavar="CIDR", help="who may log in")
parser.add_argument(
    "--volume", type=int, action="append", default=[], metavar="GiB", help="a new disk, too"
)
parser.add_argument("--cloud", metavar="NAME", help="a cloud in your clouds.yaml, or practice")
parser.add_argument("--openrc", metavar="FILE", help="the openrc file from the dashboard")
options = parser.parse_args()

try:
    conn = pouta.connect(options.cloud, openrc=options.openrc)
    server = pouta.servers.launch(
        conn,
        options.name,
        image=options.image,
        flavor=options.flavor,
        ssh_from=options.ssh_from,
        floating_ip=True,
        volumes=options.volume,
    )
    print("To log in, in a minute or two:", pouta.servers.ssh_command(conn, server))
    for attached in server.attached_volumes:
        volume = pouta.volumes.find(conn, attached.id)
        print("Its volume:", pouta.volumes.device_path(volume))
except pouta.PoutaError as error:
    sys.exit(str(error))
