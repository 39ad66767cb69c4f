"""Let another project use an image of yours, and take one that another project shares.

    python examples/share_image.py golden --with PROJECT_ID    # in the project that has it
    python examples/share_image.py golden --accept             # in the other one

The ID of a project has 32 digits; an openrc file has it as OS_PROJECT_ID. The image stays where it
is: when it is deleted there, nobody has it any more. Both commands may run twice.
"""

import argparse
import sys

import pouta

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("image", help="its name or ID")
what = parser.add_mutually_exclusive_group(required=True)
what.add_argument("--with", metavar="PROJECT_ID", dest="project", help="who may use it")
what.add_argument("--accept", action="store_true", help="have it in this project's list of images")
parser.add_argument("--cloud", metavar="NAME", help="a cloud in your clouds.yaml, or practice")
parser.add_argument("--openrc", metavar="FILE", help="the openrc file from the dashboard")
options = parser.parse_args()

try:
    conn = pouta.connect(options.cloud, openrc=options.openrc)
    if options.accept:
        image = pouta.images.accept(conn, options.image)
        print(f"'{image.name}' (ID {image.id}) can be launched here now.")
    else:
        image = pouta.images.share(conn, options.image, options.project)
        print(pouta.images.members(conn, image))
        print(f"To use it, somebody there runs: python examples/share_image.py {image.id} --accept")
except pouta.PoutaError as error:
    sys.exit(str(error))
