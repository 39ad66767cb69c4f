"""Snapshot a server or a volume, and delete the oldest snapshots that this script made of it.

    python examples/nightly_snapshot.py web --keep 7            # each night, from cron
    python examples/nightly_snapshot.py data --volume --force

A server is stopped while its disk is copied, and started again; a volume in a running server is
refused. With --force they run on, and a file that is being written may be broken in the snapshot.
A second run of a day makes none. Only what carries this script's tag for that server or volume is
counted and deleted, never another snapshot.
"""

import argparse
import sys
from collections import Counter
from datetime import date

import pouta

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("name", help="of the server, or of the volume")
parser.add_argument("--volume", action="store_true", help="it is a volume")
parser.add_argument("--keep", type=int, default=7, metavar="N", help="how many stay (7)")
parser.add_argument("--force", action="store_true", help="do not stop the server for it")
parser.add_argument("--cloud", metavar="NAME", help="a cloud in your clouds.yaml, or practice")
parser.add_argument("--openrc", metavar="FILE", help="the openrc file from the dashboard")
options = parser.parse_args()
if options.keep < 1:
    parser.error("--keep: at least 1")


def taken(conn, tag):
    """The snapshots with this tag, the newest first; one that is not whole counts for nothing."""
    seen = [*pouta.images.list(conn, tag=tag), *pouta.volumes.list_snapshots(conn, tag=tag)]
    whole = [one for one in seen if one.status in ("active", "available")]
    return sorted(whole, key=lambda one: one.created_at, reverse=True)


try:
    conn = pouta.connect(options.cloud, openrc=options.openrc)
    thing = (pouta.volumes if options.volume else pouta.servers).find(conn, options.name)
    tag, today = f"nightly-{thing.id}", f"{thing.name}-{date.today()}"
    if today in {one.name for one in taken(conn, tag)}:
        print(f"{today} is there already.")
    elif options.volume:
        pouta.volumes.snapshot(conn, thing, today, tags=[tag], force=options.force)
    else:
        pouta.servers.snapshot(conn, thing, today, tags=[tag], keep_running=options.force)
    count = Counter()
    for one in taken(conn, tag):
        disk = getattr(one, "volume_id", None)  # none: it is an image of the server's own disk
        count[disk] += 1
        if count[disk] <= options.keep:
            print(one.name, one.created_at, "kept")
            continue
        delete = pouta.volumes.delete_snapshot if disk else pouta.images.delete
        delete(conn, one)
        print(one.name, one.created_at, "deleted")
except pouta.PoutaError as error:
    sys.exit(str(error))
