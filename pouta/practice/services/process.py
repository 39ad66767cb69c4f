"""What each forked process does: its own log, its own ports, its own end."""

import ctypes
import gc
import importlib
import logging
import os
import signal
import sys
import threading
import traceback

PR_SET_PDEATHSIG = 1
THREADS = 16
LARGEST_BODY = 2**40


def run(name, parent):
    """Be the process of that name. Never returns."""
    end_after(be, name, parent)


def be(name, parent):
    """Do what the process of that name does."""
    become(name, parent)
    if name == "readiness":
        from . import readiness

        readiness.wait(parent.folder, parent.first_time, parent.report)
    else:
        serve(name, parent)


def end_after(function, *args):
    """Call a function and end the process, without going back to where it was forked."""
    status = 1
    try:
        function(*args)
        status = 0
    finally:
        if status:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def in_a_child(function, *args):
    """Call a function in a forked process of its own."""
    pid = os.fork()
    if pid == 0:
        end_after(function, *args)
    if os.waitpid(pid, 0)[1] != 0:
        raise RuntimeError(f"{function.__name__} failed")


def become(name, parent):
    """Let go of the supervisor's things, and die with it."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent.folder.state["pid"]:
        os._exit(1)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent.selector.close()
    if name != "readiness":
        parent.report.close()
    log = os.open(parent.log(name), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    mine = parent.sockets_of(name)
    for listening in parent.sockets.values():
        if listening not in mine:
            listening.close()


def serve(name, parent):
    """Answer on the sockets of this process, with threads."""
    module = importlib.import_module(f".{name}", __package__)
    if hasattr(module, "replace_process"):
        module.replace_process(parent.folder, parent.sockets_of(name), parent.hold)
    applications = module.applications(parent.folder, parent.first_time)
    finish_loading()
    import waitress

    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    servers = [
        waitress.create_server(
            application,
            sockets=[parent.sockets[api]],
            threads=THREADS,
            connection_limit=1000,
            max_request_body_size=LARGEST_BODY,
            clear_untrusted_proxy_headers=True,
        )
        for api, application in applications.items()
    ]
    for server in servers[1:]:
        threading.Thread(target=server.run, daemon=True).start()
    servers[0].run()


def finish_loading():
    """Do what is else done at the first request, where others that come meanwhile see half of it.

    Then models lack their relationships, and everything is forbidden.
    """
    from oslo_policy import policy
    from sqlalchemy import orm

    orm.configure_mappers()
    for thing in gc.get_objects():
        if isinstance(thing, policy.Enforcer):
            thing.load_rules()
