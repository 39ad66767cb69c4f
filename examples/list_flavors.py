"""List the flavors of your project with their price, cheapest first.

python examples/list_flavors.py --min-vcpus 4 --min-ram 16
python examples/list_flavors.py --family hpc --fits-quota
"""

import argparse
import sys

import pouta

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--min-vcpus", type=int, metavar="N")
parser.add_argument("--min-ram", type=float, metavar="GiB")
parser.add_argument("--family", help="standard, hpc, hpc.5, io, gpu …")
parser.add_argument("--fits-quota", action="store_true", help="only what your quota has room for")
parser.add_argument("--cloud", metavar="NAME", help="a cloud in your clouds.yaml, or practice")
parser.add_argument("--openrc", metavar="FILE", help="the openrc file from the dashboard")
options = parser.parse_args()

try:
    conn = pouta.connect(options.cloud, openrc=options.openrc)
    flavors = pouta.flavors.list(
        conn,
        min_vcpus=options.min_vcpus,
        min_ram=options.min_ram,
        family=options.family,
        fits_quota=options.fits_quota,
    )
    print(flavors)
except pouta.PoutaError as error:
    sys.exit(str(error))
