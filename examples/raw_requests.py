"""A raw request to OpenStack: a token, and the flavors with it.

    python examples/raw_requests.py --cloud practice

This is what Pouta's documentation does with curl, for programs that speak HTTP themselves.
"""

import argparse
import json
import sys
import urllib.request

import pouta

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--cloud", metavar="NAME", help="a cloud in your clouds.yaml, or practice")
parser.add_argument("--openrc", metavar="FILE", help="the openrc file from the dashboard")
options = parser.parse_args()

try:
    conn = pouta.connect(options.cloud, openrc=options.openrc)
    token = pouta.identity.token(conn)
    print(f"The token ends at {token.expires_at}.")  # print(token) would not show the token

    compute = next(
        endpoint.url
        for endpoint in pouta.identity.catalog(conn)
        if (endpoint.service, endpoint.interface) == ("compute", "public")
    )
    request = urllib.request.Request(f"{compute}/flavors", headers={"X-Auth-Token": token.id})
    with urllib.request.urlopen(request, timeout=60) as answer:
        raw = json.load(answer)["flavors"]
    print(f"GET {compute}/flavors: {len(raw)} flavors, the first is {raw[0]['name']}")

    # The same through the Connection, which renews the token by itself:
    same = conn.compute.get("/flavors").json()["flavors"]
    print(f"conn.compute.get('/flavors'): {len(same)} flavors")
except pouta.PoutaError as error:
    sys.exit(str(error))
