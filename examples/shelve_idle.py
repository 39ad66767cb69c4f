"""Shelve servers that stand idle: a shelved server is not billed, and keeps its disk.

    python examples/shelve_idle.py                           # only tells which
    python examples/shelve_idle.py --days 3 --yes            # each night, from cron
    python examples/shelve_idle.py --tag nights-off --yes    # running ones that carry this tag, too

Idle is a server of your own that has been off for so many days. The cloud does not know whether a
running server is at work, so that one is shelved only if it carries the tag, whoever made it: tags=
of its launch, or server.add_tag(conn.compute, "nights-off"). One with an ephemeral disk, which
shelving loses, is left as it is. `pouta.servers.unshelve(conn, name)` brings a server back.
"""

import argparse
import sys
from datetime import UTC, datetime, timedelta

import pouta
from pouta import prices

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--days", type=float, default=7, help="how long it has been off (7)")
parser.add_argument("--tag", help="shelve what carries this tag, too, on or off")
parser.add_argument("--yes", action="store_true", help="shelve them, and not only tell which")
parser.add_argument("--cloud", metavar="NAME", help="a cloud in your clouds.yaml, or practice")
parser.add_argument("--openrc", metavar="FILE", help="the openrc file from the dashboard")
options = parser.parse_args()
since = f"{datetime.now(UTC) - timedelta(days=options.days):%Y-%m-%dT%H:%M:%SZ}"


def is_idle(server, me):
    if options.tag in server.tags:
        return server.status in ("ACTIVE", "SHUTOFF")
    return server.status == "SHUTOFF" and server.user_id == me and server.updated_at <= since


try:
    conn = pouta.connect(options.cloud, openrc=options.openrc)
    me, saved, troubles = conn.current_user_id, 0.0, []
    for candidate in [server for server in pouta.servers.list(conn) if is_idle(server, me)]:
        try:
            server = pouta.servers.find(conn, candidate.id)  # the ones before took their time
            if not is_idle(server, me):
                continue
            price = prices.of(conn).server(server)
            cost = "price unknown" if price is None else f"{price:g} BU/h"
            about = f"{server.name}, {server.status} since {server.updated_at}, {cost}"
            if server.flavor["ephemeral"]:
                print(f"{about}: left as it is, for its ephemeral disk")
                continue
            if options.yes:
                pouta.servers.shelve(conn, server)
            print(f"{about}: {'shelved' if options.yes else 'would be shelved'}")
            saved += price or 0
        except pouta.PoutaError as error:  # the others are shelved all the same
            troubles.append(str(error))
    print(f"{saved:.2f} BU an hour {'saved' if options.yes else 'would be saved, with --yes'}.")
    sys.exit("\n".join(troubles) or None)
except pouta.PoutaError as error:
    sys.exit(str(error))
