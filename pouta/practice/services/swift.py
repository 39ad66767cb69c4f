"""Swift: proxy, account, container and object server in one process, on green threads.

Swift is written for eventlet, which has to be there before anything else. So this process begins
anew, with a Python that has imported nothing yet, and keeps only its sockets.
"""

import logging
import os
import socket
import sys
from pathlib import Path

from ..folder import HOST, Folder
from . import configuration

PROXY = "object_store"
SERVERS = ("account", "container", "object")
DEVICE = "disk"
#: Containers tell their account how many bytes they hold, this often.
SUM_UP_SECONDS = 5
PIPELINE = (
    "catch_errors gatekeeper healthcheck listing_formats bulk tempurl authtoken keystoneauth copy"
    " container-quotas account-quotas slo dlo versioned_writes proxy-server"
)


def configure(folder):
    """Write a file for each server, and the ring that says where things lie."""
    home = folder.path / "swift"
    (home / "devices" / DEVICE).mkdir(mode=0o700, parents=True, exist_ok=True)
    secret = folder.password("shared_secret")
    configuration.write(home / "swift.conf", {"swift-hash": {"swift_hash_path_suffix": secret}})
    default = {
        "swift_dir": home,
        "devices": home / "devices",
        "mount_check": False,
        "fallocate_reserve": 0,
        "recon_cache_path": home / "recon",
        "bind_ip": HOST,
        "log_level": "WARNING",
        "log_address": home / "no-syslog",
        "log_custom_handlers": f"{__package__}.swift.log_to_stderr",
        "workers": 0,
    }
    (home / "recon").mkdir(mode=0o700, exist_ok=True)
    for server in SERVERS:
        name = f"{server}-server"
        configuration.write(
            home / f"{name}.conf",
            {
                "DEFAULT": default | {"bind_port": folder.settings["ports"][f"swift_{server}"]},
                "pipeline:main": {"pipeline": name},
                f"app:{name}": {"use": f"egg:swift#{server}"},
                "container-updater": {},
            },
        )
    configuration.write(home / "proxy-server.conf", proxy(folder, default))


def proxy(folder, default):
    """The server that users talk to."""
    sections = {
        "DEFAULT": default | {"bind_port": folder.settings["ports"][PROXY]},
        "pipeline:main": {"pipeline": PIPELINE},
        "app:proxy-server": {
            "use": "egg:swift#proxy",
            "account_autocreate": True,
            "allow_account_management": True,
        },
        "filter:authtoken": configuration.token_check(folder, "swift")
        | {
            "paste.filter_factory": "keystonemiddleware.auth_token:filter_factory",
            "delay_auth_decision": True,
        },
        "filter:keystoneauth": {
            "use": "egg:swift#keystoneauth",
            "operator_roles": "admin, object_store_user",
            "reseller_admin_role": "ResellerAdmin",
        },
    }
    for name in PIPELINE.split():
        section = f"filter:{name}"
        if section not in sections and name != "proxy-server":
            sections[section] = {"use": f"egg:swift#{name.replace('-', '_')}"}
    sections["filter:versioned_writes"]["allow_versioned_writes"] = True
    return sections


def replace_process(folder, sockets, hold):
    """Begin anew as Swift, holding the folder and the sockets."""
    handles = [listening.fileno() for listening in sockets]
    for handle in (hold, *handles):
        os.set_inheritable(handle, True)
    entry = str(Path(__file__).with_name("__main__.py"))
    os.execv(sys.executable, [sys.executable, entry, "swift", str(folder.path), *map(str, handles)])


def main():
    """Serve all four."""
    from swift.common.utils import monkey_patch, set_swift_dir

    monkey_patch()
    folder = Folder(sys.argv[1])
    home = folder.path / "swift"
    set_swift_dir(str(home))
    make_rings(folder, home)

    import eventlet
    import eventlet.wsgi
    from swift.common.wsgi import SwiftHttpProtocol, loadapp

    handles = map(int, sys.argv[2:])
    threads = []
    for server, handle in zip(("proxy", *SERVERS), handles, strict=True):
        application = loadapp(str(home / f"{server}-server.conf"), {"log_name": server})
        listening = eventlet.greenio.GreenSocket(socket.socket(fileno=handle))
        threads.append(
            eventlet.spawn(
                eventlet.wsgi.server,
                listening,
                application,
                logging.getLogger("eventlet"),
                log_output=False,
                protocol=SwiftHttpProtocol,
                capitalize_response_headers=False,
            )
        )
    eventlet.spawn(sum_up, str(home / "container-server.conf"))
    threads[0].wait()


def make_rings(folder, home):
    """One device holds everything, at the ports of this time."""
    from swift.common.ring import RingBuilder

    for server in SERVERS:
        port = folder.settings["ports"][f"swift_{server}"]
        builder = RingBuilder(part_power=2, replicas=1, min_part_hours=0)
        builder.add_dev(
            {"id": 0, "region": 1, "zone": 1, "weight": 1.0, "device": DEVICE}
            | {"ip": HOST, "port": port, "replication_ip": HOST, "replication_port": port}
        )
        builder.rebalance(seed=1)
        ring = home / f"{server}.ring.gz"
        builder.get_ring().save(str(ring))
        ring.chmod(0o600)


def sum_up(conf_path):
    """Let accounts know what their containers hold."""
    import eventlet
    from swift.common.utils import readconf
    from swift.container.updater import ContainerUpdater

    updater = ContainerUpdater(readconf(conf_path, "container-updater"))
    while True:
        eventlet.sleep(SUM_UP_SECONDS)
        updater.run_once()


def log_to_stderr(conf, name, log_to_console, log_route, fmt, logger, adapted_logger):
    """Swift's hook for a logger's handlers: no syslog, the log file of the process instead."""
    for handler in [*logger.handlers]:
        logger.removeHandler(handler)
        handler.close()
    handler = logging.StreamHandler(sys.__stderr__)
    handler.setFormatter(logging.Formatter(f"%(asctime)s %(levelname)s {fmt}"))
    logger.addHandler(handler)
