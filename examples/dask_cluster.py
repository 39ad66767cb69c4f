"""A Dask cluster: a scheduler with a floating IP, and workers without; prints how to reach it.

    python examples/dask_cluster.py demo --workers 3 --flavor standard.large

At first boot each server installs Dask and starts it as a service. It is not encrypted, and closed
to all outside the project: you come in through the SSH tunnel that is printed. Your own Dask should
be of the same version: --packages "dask[complete]==2026.8.0"

A second run takes what is there, and adds workers that are missing. All of it is billed until
`pouta.cleanup(conn, tag="dask-demo")` deletes it.
"""

import argparse
import shlex
import sys

import pouta

USER_DATA = """\
#cloud-config
package_update: true
packages: [python3-venv]
write_files:
  - path: /etc/systemd/system/dask.service
    content: |
      [Service]
      User={user}
      WorkingDirectory=~
      ExecStart=/opt/dask/bin/dask {command}
      Restart=always
      RestartSec=10
      [Install]
      WantedBy=multi-user.target
runcmd:
  - python3 -m venv /opt/dask
  - /opt/dask/bin/pip install {packages}
  - systemctl enable --now dask
"""

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("name")
parser.add_argument("--workers", type=int, default=2, metavar="N")
parser.add_argument("--image", default="Ubuntu-24.04", help="an Ubuntu")
parser.add_argument("--flavor", default="standard.small", help="of a worker")
parser.add_argument("--packages", nargs="+", default=["dask[complete]"], help="for pip")
parser.add_argument("--ssh-from", default="my-ip", metavar="CIDR", help="who may log in")
parser.add_argument("--cloud", metavar="NAME", help="a cloud in your clouds.yaml, or practice")
parser.add_argument("--openrc", metavar="FILE", help="the openrc file from the dashboard")
options = parser.parse_args()

try:
    conn = pouta.connect(options.cloud, openrc=options.openrc)
    name, tag = options.name, f"dask-{options.name}"
    packages, user = shlex.join(options.packages), pouta.images.login_user(conn, options.image)
    inside = pouta.security_groups.allow(conn, tag, port=(1024, 65535), remote_group=tag)
    with pouta.all_or_nothing(conn) as new:
        same = {"image": options.image, "security_groups": [inside], "exist_ok": True}
        scheduler = pouta.servers.launch(
            conn,
            f"{name}-scheduler",
            flavor="standard.small",
            user_data=USER_DATA.format(user=user, packages=packages, command="scheduler"),
            ssh_from=options.ssh_from,
            floating_ip=True,
            tags=[tag, new],
            **same,
        )
        (private,) = pouta.floating_ips.addresses(scheduler, "fixed")
        address = f"tcp://{private}:8786"
        pouta.servers.launch_many(
            conn,
            f"{name}-worker",
            options.workers,
            flavor=options.flavor,
            user_data=USER_DATA.format(user=user, packages=packages, command=f"worker {address}"),
            all_or_nothing=True,
            tags=[tag, new],
            **same,
        )
    print(pouta.billing.estimate(conn, tag=tag), end="\n\n")
    print("The scheduler, for servers of the cluster:", address)
    ssh = pouta.servers.ssh_command(conn, scheduler)
    print(f"A tunnel, in some minutes: {ssh} -N -L 8786:localhost:8786 -L 8787:localhost:8787")
    print("Through it: dask.distributed.Client('tcp://localhost:8786'), http://localhost:8787")
except pouta.PoutaError as error:
    sys.exit(str(error))
