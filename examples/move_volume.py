"""Move a volume, with its snapshots, to another project of the same cloud.

    python examples/move_volume.py data --to-cloud theirs
    python examples/move_volume.py data --openrc ours-openrc.sh --to-openrc theirs-openrc.sh

You log in to both projects. The other one pays for the volume from then on. One that is attached to
a server is refused. What cannot be taken there, for want of quota say, stays where it is.
"""

import argparse
import sys

import pouta

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("volume")
there = parser.add_mutually_exclusive_group(required=True)
there.add_argument("--to-cloud", metavar="NAME", help="the other project in your clouds.yaml")
there.add_argument("--to-openrc", metavar="FILE", help="the other project's openrc file")
parser.add_argument("--cloud", metavar="NAME", help="a cloud in your clouds.yaml, or practice")
parser.add_argument("--openrc", metavar="FILE", help="the openrc file from the dashboard")
options = parser.parse_args()

try:
    conn = pouta.connect(options.cloud, openrc=options.openrc)
    other = pouta.connect(options.to_cloud, openrc=options.to_openrc)
    volume = pouta.volumes.move(conn, options.volume, other)
    project = pouta.identity.whoami(other).project
    print(f"'{volume.name}' ({volume.size} GiB, ID {volume.id}) is in {project} now.")
except pouta.PoutaError as error:
    sys.exit(str(error))
