"""An NFS server with a volume, for the servers of your project; prints the line that mounts it.

    python examples/nfs_server.py files --size 100

The volume is files-data, the server files-nfs, whose port is open to the project's own network.
The volume is formatted only if it is empty, so when the server is gone, the same command makes one
that has the old files. A second run changes nothing, and prints the line again.
"""

import argparse
import sys

import pouta

FOLDER = "/srv/nfs"
# After the mount script, which ends where the volume cannot be mounted. `mountpoint`: should the
# volume be missing after a later start, the empty folder in its place is not given out.
EXPORT = """
if command -v apt-get >/dev/null; then
    apt-get update
    apt-get install -y nfs-kernel-server
else
    dnf install -y nfs-utils
fi
mkdir -p /etc/exports.d
echo "{folder} {network}(rw,sync,no_subtree_check,mountpoint)" >/etc/exports.d/pouta.exports
systemctl enable --now nfs-server
exportfs -ra
"""

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("name")
parser.add_argument("--size", type=int, default=10, metavar="GiB", help="of a new volume (10)")
parser.add_argument("--image", default="Ubuntu-24.04", help="or an AlmaLinux")
parser.add_argument("--flavor", default="standard.small")
parser.add_argument("--cloud", metavar="NAME", help="a cloud in your clouds.yaml, or practice")
parser.add_argument("--openrc", metavar="FILE", help="the openrc file from the dashboard")
options = parser.parse_args()

try:
    conn = pouta.connect(options.cloud, openrc=options.openrc)
    network = pouta.networks.default(conn)
    inside = conn.network.get_subnet(network.subnet_ids[0]).cidr
    group = pouta.security_groups.allow(conn, f"{options.name}-nfs", port=2049, remote_ip=inside)
    user = pouta.images.login_user(conn, options.image)
    with pouta.all_or_nothing(conn) as new:
        try:
            volume = pouta.volumes.find(conn, f"{options.name}-data")
        except pouta.NotFound:
            volume = pouta.volumes.create(conn, f"{options.name}-data", options.size, tags=[new])
        server = pouta.servers.launch(
            conn,
            f"{options.name}-nfs",
            image=options.image,
            flavor=options.flavor,
            network=network,
            security_groups=[group],
            volumes=[volume],
            user_data=pouta.volumes.mount_script(volume, FOLDER, user=user)
            + EXPORT.format(folder=FOLDER, network=inside),
            exist_ok=True,
            tags=[new],
        )
    (address,) = pouta.floating_ips.addresses(server, "fixed")
    print("This run made:", pouta.billing.estimate(conn, tag=new), sep="\n", end="\n\n")
    print("In a few minutes, on a server with the package nfs-common (AlmaLinux: nfs-utils):")
    print(f"sudo mount -t nfs {address}:{FOLDER} /mnt")
except pouta.PoutaError as error:
    sys.exit(str(error))
