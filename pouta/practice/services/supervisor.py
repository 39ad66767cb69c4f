"""The one process that a user starts: it forks a process for each service and keeps them alive."""

import argparse
import contextlib
import gc
import importlib
import json
import os
import resource
import selectors
import signal
import socket
import sys
import time
from dataclasses import dataclass, field

from ..folder import APIS, HOST, Folder
from . import no_eventlet, process

#: Which module makes a process, and which APIs it answers for.
PROCESSES = {
    "keystone": ("identity", "placement"),
    "neutron": ("network",),
    "nova": ("compute",),
    "cinder": ("volume",),
    "glance": ("image",),
    "heat": ("orchestration",),
    "swift": ("object_store", "swift_account", "swift_container", "swift_object"),
}
#: Imported once, before forking, so that the processes share their memory.
SHARED_IMPORTS = (
    "alembic.command",
    "barbicanclient.client",
    "castellan.options",
    "cinderclient.v3.client",
    "cryptography.fernet",
    "cryptography.hazmat.primitives.asymmetric.rsa",
    "cursive.signature_utils",
    "glanceclient",
    "jsonschema",
    "keystoneauth1.loading",
    "keystoneclient.v3.client",
    "keystonemiddleware.auth_token",
    "lxml.etree",
    "novaclient.client",
    "openstack.connection",
    "os_brick.initiator.connector",
    "os_traits",
    "oslo_concurrency.lockutils",
    "oslo_db.sqlalchemy.enginefacade",
    "oslo_log.log",
    "oslo_messaging",
    "oslo_messaging._drivers.impl_fake",
    "oslo_middleware",
    "oslo_policy.policy",
    "oslo_privsep.priv_context",
    "oslo_reports.guru_meditation_report",
    "oslo_utils.timeutils",
    "oslo_versionedobjects.base",
    "osprofiler.sqlalchemy",
    "paste.deploy",
    "routes",
    "sqlalchemy.dialects.sqlite",
    "sqlalchemy.orm",
    "stevedore",
    "waitress",
    "webob",
)
DEATHS_ALLOWED = 3
DEATHS_WITHIN = 30
STOP_SECONDS = 5
HOUSEKEEPING_SECONDS = 2
LARGEST_LOG = 20 * 2**20


def main():
    """Run one practice cloud until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--report", type=int, help="where to tell how the start goes")
    options = parser.parse_args()
    os.umask(0o077)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    folder = Folder(options.folder)
    report = Report(options.report)
    hold = folder.hold()
    if hold is None:
        report.failed("Another supervisor holds this folder.")
        return 1
    try:
        return Supervisor(folder, report, hold).run()
    except Exception as error:
        report.failed(f"{type(error).__name__}: {error}")
        raise


class Report:
    """Lines of JSON to whoever started this, until the start is over."""

    def __init__(self, handle):
        self.file = os.fdopen(handle, "w") if handle is not None else None

    def say(self, **what):
        if self.file is None:
            return
        try:
            self.file.write(json.dumps(what) + "\n")
            self.file.flush()
        except BrokenPipeError:
            self.close()

    def failed(self, why):
        self.say(failed=why)
        self.close()

    def close(self):
        if self.file is not None:
            self.file, file = None, self.file
            with contextlib.suppress(BrokenPipeError):
                file.close()


@dataclass
class Child:
    """One forked process."""

    name: str
    pid: int = 0
    handle: int = -1
    deaths: list[float] = field(default_factory=list)


class Supervisor:
    """Binds the ports, forks, restarts what dies, stops all."""

    def __init__(self, folder, report, hold):
        self.folder = folder
        self.hold = hold
        self.report = report
        self.sockets = {}
        self.children = {}
        self.selector = selectors.DefaultSelector()
        self.stopping = False
        self.first_time = not folder.prepared.exists()

    def run(self):
        signals, wake = os.pipe()
        os.set_blocking(signals, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        self.selector.register(signals, selectors.EVENT_READ, self.asked_to_stop)
        self.bind()
        self.write_state("starting")
        self.report.say(phase="loading OpenStack")
        self.load()
        for name in PROCESSES:
            self.start(Child(name))
        self.start(Child("readiness"))
        try:
            while not self.stopping:
                for key, _ in self.selector.select(HOUSEKEEPING_SECONDS):
                    key.data()
                self.keep_house()
        finally:
            self.stop_children()
            self.report.failed("It was stopped before it was ready.")
        return 0

    def asked_to_stop(self):
        self.stopping = True

    # What is made before forking

    def bind(self):
        """Listen on the ports of last time, or on free ones where another took them."""
        ports = dict(self.folder.settings["ports"])
        for api in APIS:
            listening = socket.socket()
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listening.bind((HOST, ports.get(api, 0)))
            except OSError:
                listening.bind((HOST, 0))
            listening.listen(1024)
            ports[api] = listening.getsockname()[1]
            self.sockets[api] = listening
        self.folder.remember(ports=ports)

    def load(self):
        """Import what the services share, and write their configuration."""
        from oslo_service import backend

        no_eventlet.forbid()
        backend.init_backend(backend.BackendType.THREADING)
        for name in SHARED_IMPORTS:
            importlib.import_module(name)
        from . import messaging, sqlite

        sqlite.tune()
        messaging.tune()
        for name in PROCESSES:
            importlib.import_module(f".{name}", __package__).configure(self.folder)
        gc.collect()
        gc.freeze()

    # Processes

    def start(self, child):
        sys.stdout.flush()
        child.pid = os.fork()
        if child.pid == 0:
            process.run(child.name, self)
        child.handle = os.pidfd_open(child.pid)
        self.children[child.name] = child
        self.selector.register(child.handle, selectors.EVENT_READ, lambda: self.ended(child))

    def ended(self, child):
        """Reap a process; start it again unless it was done or dies too often."""
        _, status = os.waitpid(child.pid, 0)
        self.selector.unregister(child.handle)
        os.close(child.handle)
        starting = "readiness" in self.children
        del self.children[child.name]
        code = os.waitstatus_to_exitcode(status)
        if child.name == "readiness":
            self.ready(code)
            return
        sys.stdout.write(f"{child.name} ended with {code}\n")
        sys.stdout.flush()
        now = time.monotonic()
        child.deaths = [*(t for t in child.deaths if now - t < DEATHS_WITHIN), now]
        if starting or len(child.deaths) > DEATHS_ALLOWED:
            self.report.failed(f"{child.name} does not start; see {self.log(child.name)}.")
            self.stopping = True
            return
        self.start(child)
        self.write_state("ready")

    def ready(self, code):
        """The first answers have come, or did not."""
        if code:
            self.report.failed(f"The cloud does not get ready; see {self.log('readiness')}.")
            self.stopping = True
            return
        self.folder.prepared.touch()
        self.first_time = False
        self.write_state("ready")
        self.report.say(ready=True)
        self.report.close()

    def stop_children(self):
        """End every process, gently at first."""
        for child in self.children.values():
            signal.pidfd_send_signal(child.handle, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for child in self.children.values():
            waiting = selectors.DefaultSelector()
            waiting.register(child.handle, selectors.EVENT_READ)
            if not waiting.select(max(0, deadline - time.monotonic())):
                signal.pidfd_send_signal(child.handle, signal.SIGKILL)
            os.waitpid(child.pid, 0)
        self.children.clear()
        self.write_state("stopped")

    def sockets_of(self, name):
        return [self.sockets[api] for api in PROCESSES.get(name, ())]

    def log(self, name):
        return self.folder.logs / f"{name}.log"

    def keep_house(self):
        """End when nobody uses a cloud that does not stay; keep the logs small."""
        if "readiness" not in self.children and not self.folder.settings["stays"]:
            # Whoever comes now waits until this process is gone, and starts another.
            self.stopping = self.stopping or self.folder.not_in_use() is not None
        for log in self.folder.logs.iterdir():
            if log.stat().st_size > LARGEST_LOG:
                os.truncate(log, 0)

    def write_state(self, phase):
        pids = {name: child.pid for name, child in self.children.items()}
        self.folder.state = {"pid": os.getpid(), "phase": phase, "processes": pids}
