"""A server from its launch through every state that it can be in."""

from __future__ import annotations

import shlex
import subprocess
from typing import TYPE_CHECKING

import pouta
from pouta import billing, floating_ips, images, security_groups, servers
from tests.acceptance.claims import Claim, Claims, part, refused, same, true
from tests.acceptance.parts import needs
from tests.acceptance.run import NOTE, digest, random_file

if TYPE_CHECKING:
    from openstack.compute.v2.server import Server

    from tests.acceptance.run import Run

AWAY = ("SHELVED", "SHELVED_OFFLOADED")
# The root file system of the server, wherever it is on the other disks, may have the same UUID as
# that of the rescue system, which xfs does not like.
READ_OTHER_DISK = f"""\
mkdir -p /mnt/other
for disk in $(lsblk -nrpo NAME,TYPE | awk '$2 == "part" {{ print $1 }}'); do
    [ -z "$(findmnt -n -S "$disk")" ] || continue
    mount -o ro "$disk" /mnt/other 2>/dev/null ||
        mount -o ro,nouuid "$disk" /mnt/other 2>/dev/null || continue
    cat /mnt/other{NOTE} 2>/dev/null || true
    umount /mnt/other
done
"""


def status(run: Run, server: Server) -> str:
    return str(run.conn.compute.get_server(server.id).status)


@part("launch", minutes=4, makes="a server with a floating IP", servers=1, addresses=1)
def _(run: Run) -> Claims:
    conn = run.conn
    yield "a plan tells what would be made, and nothing is"
    name = run.name("planned")
    plan = servers.launch(conn, name, floating_ip=True, dry_run=True, **run.options)
    true(f"no server in it: {plan}", name in [cost.name for cost in plan])
    same("refused by the quota", plan.refusal, "")
    same("servers of that name", [*conn.compute.servers(name=name)], [])

    yield "a server runs, as it was asked for"
    web = conn.compute.get_server(run.web.id)
    same("its status", web.status, "ACTIVE")
    same("its image", web.image["id"], run.image.id)
    same("its flavor", web.flavor["original_name"], run.flavor.name)
    true(f"its tags: {web.tags}", run.tag in web.tags)
    same("the found one", servers.find(conn, web.name).id, web.id)
    true("it is not listed", web.id in [one.id for one in servers.list(conn)])

    yield f"its own groups open SSH to {run.ssh_from}, and to nobody else"
    ports = [*conn.network.ports(device_id=web.id)]
    default = {one.id for one in conn.network.security_groups(name="default")}
    sources = {
        rule.remote_ip_prefix
        for group in {group for port in ports for group in port.security_group_ids} - default
        for rule in conn.network.security_group_rules(security_group_id=group, direction="ingress")
        if rule.port_range_min == 22
    }
    same("the sources", sources, {run.ssh_from})

    if (yield Claim("its floating IP leads to its port", run.why_no_address)):
        (ip,) = [ip for ip in conn.network.ips() if ip.port_id in {port.id for port in ports}]
        true("it is not listed", ip.id in [one.id for one in floating_ips.list(conn)])
        same("the found one", floating_ips.find(conn, ip.floating_ip_address).id, ip.id)
        told = servers.ssh_command(conn, web)
        true(f"the line to log in: {told}", told.endswith(f"@{ip.floating_ip_address}"))

    yield "a group goes on it, and off again"
    group = security_groups.ensure(conn, run.name("more"))
    for change, wanted in (
        (servers.add_security_group, True),
        (servers.remove_security_group, False),
    ):
        change(conn, web, group)
        on = [group.id in conn.network.get_port(port.id).security_group_ids for port in ports]
        same("on its ports", on, [wanted] * len(ports))

    yield "its console has an address, and its log can be read"
    address = servers.console_url(conn, web)
    true(f"the address: {address}", address.startswith("http"))
    log = servers.console_log(conn, web)
    true("the log is empty", log or run.why_no_guests)

    if (yield run.in_guest("what it was given to run at its first start has run")):
        waited = "for i in $(seq 60); do [ ! -e {0} ] || break; sleep 2; done; cat {0}"
        same("its word", run.sh(waited.format(f"{NOTE}-user-data")), run.tag)

    yield (
        "a diagnosis finds no fault" if not run.why_no_guests else "a diagnosis finds nobody there"
    )
    faults = [
        one.check
        for one in servers.diagnose(conn, web, my_ip=run.ssh_from.split("/")[0])
        if one.ok is False
    ]
    same("the faults", faults, ["SSH"] if run.why_no_guests else [])


@part(
    "ssh",
    minutes=2,
    makes="files in the server",
    servers=1,
    addresses=1,
    needs=[needs.guest, needs.server],
)
def _(run: Run) -> Claims:
    conn, web = run.conn, run.web
    yield "a command runs as the image's login user"
    servers.wait_for_ssh(conn, web)
    same("who", servers.run(conn, web, "whoami").strip(), images.login_user(conn, web))

    yield "a command that fails is told with what it said"
    with refused(pouta.Failed, "no such thing"):
        servers.run(conn, web, "echo no such thing >&2; exit 3")

    yield "a folder goes there, and comes back as it was"
    folder, back = run.folder("there"), run.folder("back")
    sums = {name: digest(random_file(folder / name, 100_000)) for name in ("one", "two words")}
    servers.copy(conn, web, folder, ":")
    servers.copy(conn, web, ":there", back)
    same("the files", {file.name: digest(file) for file in (back / "there").iterdir()}, sums)

    yield "the line of ssh_command logs in"
    ssh, *rest = shlex.split(servers.ssh_command(conn, web))
    ours = ["-o", f"UserKnownHostsFile={run.known_hosts}", "-o", "BatchMode=yes"]
    same("its answer", _said([ssh, *ours, *rest, "echo in"]), "in")

    yield "with the file of ssh_config, `ssh name` logs in"
    file = run.home / "ssh_config"
    file.write_text(servers.ssh_config(conn, [web]))
    same("its answer", _said(["ssh", "-F", str(file), *ours, web.name, "echo in"]), "in")


def _said(line: list[str]) -> str:
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    true(f"status {done.returncode}: {done.stderr}", done.returncode == 0)
    return done.stdout.strip()


@part("power", minutes=6, makes="nothing", servers=1, addresses=1, needs=[needs.server])
def _(run: Run) -> Claims:
    conn, web = run.conn, run.web
    start = "" if run.why_no_guests else run.start_id()
    for act, back, between in (
        (servers.pause, servers.unpause, "PAUSED"),
        (servers.suspend, servers.resume, "SUSPENDED"),
    ):
        yield f"it is {between}, and goes on"
        act(conn, web)
        same("its status", status(run, web), between)
        back(conn, web)
        same("its status", status(run, web), "ACTIVE")
        if (yield run.in_guest(f"after it was {between} it is where it was")):
            run.log_in(web)
            same("its start", run.start_id(), start)

    yield "it is off, and on again"
    servers.stop(conn, web)
    same("its status", status(run, web), "SHUTOFF")
    servers.start(conn, web)
    same("its status", status(run, web), "ACTIVE")
    if (yield run.in_guest("it has started again")):
        run.log_in(web)
        true("it did not", (second := run.start_id()) != start)

    yield "a reboot is over when the call returns"
    servers.reboot(conn, web)
    same("its status", status(run, web), "ACTIVE")
    if (yield run.in_guest("it has started once more")):
        run.log_in(web)
        true("it did not", run.start_id() != second)


@part("shelve", minutes=8, makes="nothing", servers=1, addresses=1, needs=[needs.server])
def _(run: Run) -> Claims:
    conn, web = run.conn, run.web
    if not run.why_no_guests:
        run.write_note("shelved")

    def price() -> float | None:
        costs = billing.estimate(conn, tag=run.tag)
        return next(cost.per_hour for cost in costs if cost.id == web.id)

    yield "it is put away"
    before = price()
    servers.shelve(conn, web)
    true(f"its status: {status(run, web)}", status(run, web) in AWAY)
    unknown = f"no price of {run.flavor.name} is known here" * (before is None)
    if (yield Claim("it costs nothing meanwhile", unknown)):
        same("BU/h before and now", (bool(before), price()), (True, 0))

    yield "it comes back"
    servers.unshelve(conn, web)
    same("its status", status(run, web), "ACTIVE")
    same("its price", price(), before)
    if (yield run.in_guest("with its files")):
        run.log_in(web)
        same("the file", run.note(), "shelved")


@part(
    "resize", minutes=8, makes="nothing", servers=1, addresses=1, needs=[needs.larger, needs.server]
)
def _(run: Run) -> Claims:
    conn, web, larger = run.conn, run.web, run.larger
    assert larger is not None

    def flavor() -> str:
        return str(conn.compute.get_server(web.id).flavor["original_name"])

    if not run.why_no_guests:
        run.write_note("resized")
    yield f"it gets {larger.name} for a try, and its old flavor back"
    servers.resize(conn, web, larger, confirm=False)
    same("its status and flavor", (status(run, web), flavor()), ("VERIFY_RESIZE", larger.name))
    servers.revert_resize(conn, web)
    same("its status and flavor", (status(run, web), flavor()), ("ACTIVE", run.flavor.name))

    yield f"it gets {larger.name} for good"
    servers.resize(conn, web, larger, confirm=False)
    servers.confirm_resize(conn, web)
    same("its status and flavor", (status(run, web), flavor()), ("ACTIVE", larger.name))
    if (yield run.in_guest("it has the vCPUs and its files")):
        run.log_in(web)
        same("vCPUs and file", (run.sh("nproc"), run.note()), (str(larger.vcpus), "resized"))


@part("rescue", minutes=8, makes="nothing", servers=1, addresses=1, needs=[needs.server])
def _(run: Run) -> Claims:
    conn, web = run.conn, run.web
    if not run.why_no_guests:
        run.write_note("rescued")
    yield "a rescue system runs in its place"
    servers.rescue(conn, web)
    same("its status", status(run, web), "RESCUE")
    if (yield run.in_guest("ssh refuses its new host key, and says how to forget the old one")):
        servers.wait_for_ssh(conn, web, timeout=600)
        with refused(pouta.Failed, "ssh-keygen -R"):
            servers.run(conn, web, "true")
    if (yield run.in_guest("it has another root, with the server's disk beside it")):
        run.log_in(web)
        same("the file on its root", run.sh(f"cat {NOTE} 2>/dev/null || true"), "")
        same("the file on the other disk", run.sh(READ_OTHER_DISK), "rescued")

    yield "it runs from its own disk again"
    servers.unrescue(conn, web)
    same("its status", status(run, web), "ACTIVE")
    if (yield run.in_guest("with its files")):
        run.log_in(web)
        same("the file", run.note(), "rescued")


@part("rebuild", minutes=4, makes="nothing", servers=1, addresses=1, needs=[needs.server])
def _(run: Run) -> Claims:
    conn, web = run.conn, run.web
    if not run.why_no_guests:
        run.write_note("rebuilt")
    yield "what would be lost needs its word"
    with refused(pouta.Refused, "would be lost"):
        servers.rebuild(conn, web)

    yield "it starts anew, with its ID and its addresses"
    ports = {port.id for port in conn.network.ports(device_id=web.id)}
    servers.rebuild(conn, web, allow_data_loss=True)
    same("its status", status(run, web), "ACTIVE")
    same("its ports", {port.id for port in conn.network.ports(device_id=web.id)}, ports)
    actions = [one.action for one in conn.compute.server_actions(web)]
    same("rebuilds", actions.count("rebuild"), 1)
    if (yield run.in_guest("from the image alone")):
        run.log_in(web)
        same("the file", run.sh(f"cat {NOTE} 2>/dev/null || true"), "")
