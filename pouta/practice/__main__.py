"""`python -m pouta.practice start | stop | status | reset | env`"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence

from ..errors import PoutaError
from . import control
from .folder import APIS, QUOTAS, Folder


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says."""
    options = parser().parse_args(arguments)
    folder = Folder(options.dir)
    try:
        COMMANDS[options.command](folder, options)
    except PoutaError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    whole = argparse.ArgumentParser(
        prog="python -m pouta.practice", description="A real OpenStack on this machine."
    )
    commands = whole.add_subparsers(dest="command", required=True)
    helps = {
        "start": "start the cloud, unless it runs, and wait until every API answers",
        "stop": "stop the cloud; what is in it stays",
        "status": "whether it runs, and where",
        "reset": "stop the cloud and delete all that is in it",
        "env": "print OS_ variables, for: eval $(python -m pouta.practice env)",
    }
    for name, text in helps.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--dir", help="the folder of the cloud (or POUTA_PRACTICE_DIR)")
        if name == "start":
            add_start_options(command)
    return whole


def add_start_options(command: argparse.ArgumentParser) -> None:
    """What only `start` knows."""
    command.add_argument("--quotas", choices=QUOTAS, help="Pouta's own, or large for fleets")
    command.add_argument(
        "--latest",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="let Nova and Cinder speak their newest versions, not Yoga's",
    )
    command.add_argument(
        "--port-base", type=int, help=f"use the {len(APIS)} ports from here on, not free ones"
    )


def start(folder: Folder, options: argparse.Namespace) -> None:
    started = control.start(
        folder, quotas=options.quotas, latest=options.latest, port_base=options.port_base
    )
    where = f" --dir {shlex.quote(options.dir)}" if options.dir else ""
    done = "is ready" if started else "was running already"
    sys.stderr.write(
        f"The practice cloud {done}. Next, one of:\n"
        f"  python -c 'import pouta; print(pouta.flavors.list(pouta.connect(\"practice\")))'\n"
        f'  eval "$(python -m pouta.practice env{where})" && openstack server list\n'
        f"  python -m pouta.practice stop{where}\n"
    )


def stop(folder: Folder, options: argparse.Namespace) -> None:
    stopped = control.stop(folder)
    sys.stderr.write("Stopped.\n" if stopped else "It was not running.\n")


def status(folder: Folder, options: argparse.Namespace) -> None:
    found = control.status(folder)
    lines = [f"{'running' if found.running else 'not running'} in {found.directory}"]
    if found.running:
        lines[0] += f" ({found.phase}; quotas {found.quotas}{', latest' if found.latest else ''})"
        lines += [f"  {api:16} {url}" for api, url in found.urls.items()]
        lines += [f"  {name:16} process {pid}" for name, pid in found.processes.items()]
    sys.stdout.write("\n".join(lines) + "\n")


def reset(folder: Folder, options: argparse.Namespace) -> None:
    control.reset(folder)
    sys.stderr.write(f"Nothing is left in {folder.path}.\n")


def env(folder: Folder, options: argparse.Namespace) -> None:
    for name, value in control.exports(folder).items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")


COMMANDS = {"start": start, "stop": stop, "status": status, "reset": reset, "env": env}

if __name__ == "__main__":
    sys.exit(main())
