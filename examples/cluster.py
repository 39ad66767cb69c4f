"""A cluster: workers, and a jump host with the one floating IP, through which they are reached.

    python examples/cluster.py demo --workers 3 --flavor standard.medium
    ssh -F demo.ssh_config demo-worker-1
    ansible -i demo.inventory.yaml workers -m ping

From outside, SSH to the jump host is open to you, and nothing else is. A second run takes what is
there and adds what is missing; the two files are written anew. All of it is billed until
`pouta.cleanup(conn, tag="cluster-demo")` deletes it.
"""

import argparse
import shlex
import sys
from pathlib import Path

import yaml

import pouta

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("name")
parser.add_argument("--workers", type=int, default=2, metavar="N")
parser.add_argument("--image", default="Ubuntu-24.04")
parser.add_argument("--flavor", default="standard.small", help="of a worker")
parser.add_argument("--policy", help="of placement: anti-affinity, soft-anti-affinity, affinity")
parser.add_argument("--ssh-from", default="my-ip", metavar="CIDR", help="who may log in")
parser.add_argument("--cloud", metavar="NAME", help="a cloud in your clouds.yaml, or practice")
parser.add_argument("--openrc", metavar="FILE", help="the openrc file from the dashboard")
options = parser.parse_args()

try:
    conn = pouta.connect(options.cloud, openrc=options.openrc)
    name, tag = options.name, f"cluster-{options.name}"
    outer = pouta.security_groups.ensure(conn, f"{name}-jump")
    inner = pouta.security_groups.allow(conn, f"{name}-worker", port=22, remote_group=outer.name)
    if options.policy:
        pouta.servers.create_group(conn, name, options.policy)
    with pouta.all_or_nothing(conn) as new:
        same = {"image": options.image, "tags": [tag, new], "exist_ok": True}
        jump = pouta.servers.launch(
            conn,
            f"{name}-jump",
            flavor="standard.tiny",
            security_groups=[outer],
            ssh_from=options.ssh_from,
            floating_ip=True,
            **same,
        )
        workers = pouta.servers.launch_many(
            conn,
            f"{name}-worker",
            options.workers,
            flavor=options.flavor,
            security_groups=[inner],
            server_group=name if options.policy else None,
            all_or_nothing=True,
            **same,
        )
    config, inventory = Path(f"{name}.ssh_config").resolve(), Path(f"{name}.inventory.yaml")
    config.write_text(pouta.servers.ssh_config(conn, [jump, *workers], jump_host=jump))
    hosts = {
        "jump": {"hosts": {jump.name: None}},
        "workers": {"hosts": {worker.name: None for worker in workers}},
    }
    through = {"ansible_ssh_common_args": f"-F {shlex.quote(str(config))}"}
    inventory.write_text(yaml.safe_dump({"all": {"children": hosts, "vars": through}}))
    print(pouta.billing.estimate(conn, tag=tag), end="\n\n")
    print(f"To log in, in a minute or two: ssh -F {config.name} {workers[0].name}")
    print(f"For Ansible: -i {inventory}")
except pouta.PoutaError as error:
    sys.exit(str(error))
