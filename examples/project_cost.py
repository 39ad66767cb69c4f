"""What the project costs now, as CSV: a line for each thing that is billed.

    python examples/project_cost.py > costs.csv
    python examples/project_cost.py --no-header >> costs.csv    # each hour, from cron

A price that is not known is an empty cell, never a guess. Lines of the same time add up to what the
project cost an hour then; object storage is billed in other units, and not in it.
"""

import argparse
import csv
import sys
from datetime import UTC, datetime

import pouta

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--no-header", action="store_true", help="for a file that has one")
parser.add_argument("--cloud", metavar="NAME", help="a cloud in your clouds.yaml, or practice")
parser.add_argument("--openrc", metavar="FILE", help="the openrc file from the dashboard")
options = parser.parse_args()

try:
    conn = pouta.connect(options.cloud, openrc=options.openrc)
    project, now = pouta.identity.whoami(conn).project, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    costs = pouta.billing.estimate(conn)
    table = csv.writer(sys.stdout, lineterminator="\n")
    if not options.no_header:
        table.writerow(["time", "project", "kind", "name", "id", "status", "what", "BU/h"])
    for it in costs:
        table.writerow([now, project, it.kind, it.name, it.id, it.status, it.what, it.per_hour])
except pouta.PoutaError as error:
    sys.exit(str(error))
