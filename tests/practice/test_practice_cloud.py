"""What a user of the practice cloud counts on."""

import os
import signal
import stat
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import psutil
import pytest

from pouta import practice
from pouta.errors import ConfigurationError, Refused
from pouta.practice import control, installation
from pouta.practice.folder import Folder


def run(*arguments, directory, **options):
    """`python -m pouta.practice …`, as a user types it."""
    command = [sys.executable, "-m", "pouta.practice", *arguments, "--dir", str(directory)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=150, check=True, **options
    )


def connect(directory, cloud="practice"):
    return control.connect(Folder(directory), cloud)


def eventually(true, seconds=30):
    """Wait for something that is on its way."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.1)
    return found


def boot(conn, name, **options):
    """A small server, ACTIVE or in ERROR."""
    network = next(n for n in conn.network.networks() if n.name != "public")
    server = conn.compute.create_server(
        name=name,
        flavor_id=options.pop("flavor_id", None) or flavor(conn, "standard.small"),
        image_id=next(conn.image.images(name="Ubuntu-24.04")).id,
        networks=[{"uuid": network.id}],
        **options,
    )
    return settled(conn, server)


def flavor(conn, name):
    return next(f.id for f in conn.compute.flavors() if f.name == name)


def settled(conn, server, *states):
    states = states or ("ACTIVE", "ERROR")

    def there():
        now = conn.compute.get_server(server.id)
        return now if now.status in states and now.task_state is None else None

    return eventually(there)


def volume_is(conn, volume, state):
    return eventually(lambda: conn.block_storage.get_volume(volume.id).status == state)


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """A cloud that these tests may kill, restart and change."""
    directory = tmp_path_factory.mktemp("cloud")
    practice.start(directory)
    yield directory
    practice.stop(directory)


# Starting, stopping, looking


def test_whoever_makes_a_folder_at_the_same_time_has_the_same_passwords(tmp_path):
    code = (
        "import sys; from pouta.practice.folder import ADMIN, Folder\n"
        "print('waiting', flush=True); sys.stdin.read()\n"
        "for number in range(50):\n"
        "    folder = Folder(f'{sys.argv[1]}-{number}'); folder.create()\n"
        "    print(folder.password(ADMIN))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "cloud")]
    makers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for maker in makers:
        assert maker.stdout.readline() == "waiting\n"
    for maker in makers:
        maker.stdin.close()
    seen = {maker.stdout.read() for maker in makers}
    assert {maker.wait() for maker in makers} == {0}
    assert len(seen) == 1
    for maker in makers:
        maker.stdout.close()


def test_a_second_start_finds_the_cloud_running(mine):
    before = practice.status(mine)
    done = run("start", directory=mine)
    assert "running already" in done.stderr
    assert "python -m pouta.practice stop" in done.stderr
    assert practice.status(mine).processes == before.processes


def test_a_cloud_that_was_started_to_stay_stays(mine):
    pid = Folder(mine).state["pid"]
    with practice.cloud(directory=mine):
        pass
    time.sleep(3)
    assert practice.status(mine).running
    assert Folder(mine).state["pid"] == pid


def test_status_tells_where_the_apis_are(mine):
    said = run("status", directory=mine).stdout
    assert said.startswith(f"running in {mine}")
    assert practice.status(mine).urls["compute"] in said


def test_env_lets_a_shell_get_a_token(mine):
    script = """
        eval "$("$PYTHON" -m pouta.practice env --dir "$DIRECTORY")"
        curl --silent --fail --dump-header - --output /dev/null "$OS_AUTH_URL/auth/tokens" \
            --header 'Content-Type: application/json' --data @- <<END
        {"auth": {"identity": {"methods": ["password"], "password": {"user": {
            "name": "$OS_USERNAME", "password": "$OS_PASSWORD",
            "domain": {"name": "$OS_USER_DOMAIN_NAME"}}}},
          "scope": {"project": {"name": "$OS_PROJECT_NAME",
            "domain": {"name": "$OS_PROJECT_DOMAIN_NAME"}}}}}
END
    """
    where = {"PYTHON": sys.executable, "DIRECTORY": str(mine)}
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | where,
    )
    assert "x-subject-token: " in done.stdout.lower()


def test_nothing_listens_to_other_machines(mine):
    pids = practice.status(mine).processes.values()
    listening = [
        connection.laddr
        for pid in pids
        for connection in psutil.Process(pid).net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) == len(practice.status(mine).urls)
    assert {address.ip for address in listening} == {"127.0.0.1"}


def test_nobody_else_can_read_the_folder(mine):
    assert stat.S_IMODE(mine.stat().st_mode) == 0o700
    readable = [
        path
        for path in mine.rglob("*")
        if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    assert readable == []


def test_two_new_clouds_have_different_passwords(tmp_path):
    one, other = Folder(tmp_path / "one"), Folder(tmp_path / "other")
    one.create()
    other.create()
    assert one.password("admin") != other.password("admin")


# It looks like Pouta


def test_it_looks_like_pouta(mine):
    conn = connect(mine)
    assert conn.current_project.name == "project_2001234"
    tiny = conn.compute.get_flavor(flavor(conn, "standard.tiny"))
    assert (tiny.vcpus, tiny.ram, tiny.disk) == (1, 1000, 80)
    images = {image.name: image.os_distro for image in conn.image.images()}
    assert images["Ubuntu-24.04"] == "ubuntu"
    assert images["CentOS-9-Stream"] == "centos"
    assert {kind.name for kind in conn.block_storage.types()} == {
        "standard",
        "capacity",
        "standard.multiattach",
    }
    assert {n.name for n in conn.network.networks()} == {"project_2001234", "public"}
    subnet = next(conn.network.subnets(name="project_2001234"))
    assert subnet.cidr == "192.168.1.0/24"
    assert subnet.dns_nameservers == ["193.166.4.24", "193.166.4.25"]
    assert "admin" not in conn.session.auth.get_access(conn.session).role_names


def test_quotas_are_poutas(practice_conn):
    limits = practice_conn.compute.get_limits().absolute
    assert (limits.instances, limits.total_cores, limits.total_ram) == (8, 8, 32768)
    network = practice_conn.network.get_quota(practice_conn.current_project_id)
    assert network.floating_ips == 2
    project = practice_conn.current_project_id
    disks = practice_conn.block_storage.get(f"/os-quota-sets/{project}").json()["quota_set"]
    assert disks["gigabytes_standard"] == disks["gigabytes_capacity"] == 1000
    assert disks["gigabytes_standard.multiattach"] == 0


def test_the_versions_are_those_of_yoga(mine):
    conn = connect(mine)
    for proxy, path, kind, highest, next_one in (
        (conn.compute, "/servers", "compute", "2.90", "2.91"),
        (conn.block_storage, "/volumes", "volume", "3.68", "3.69"),
    ):
        ask = {"OpenStack-API-Version": f"{kind} {highest}"}
        assert proxy.get(path, headers=ask).status_code == 200
        ask = {"OpenStack-API-Version": f"{kind} {next_one}"}
        assert proxy.get(path, headers=ask).status_code == 406


def test_a_new_default_group_lets_its_own_members_in(practice_conn):
    group = next(practice_conn.network.security_groups(name="default"))
    rules = {
        (rule["direction"], rule["ethertype"], rule["remote_group_id"] == group.id)
        for rule in group.security_group_rules
    }
    assert rules == {
        ("egress", "IPv4", False),
        ("egress", "IPv6", False),
        ("ingress", "IPv4", True),
        ("ingress", "IPv6", True),
    }


# Servers and what belongs to them


def test_a_server_boots_and_its_log_says_who_may_log_in(practice_conn):
    conn = practice_conn
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me"
    conn.compute.create_keypair(name="laptop", public_key=key)
    server = boot(conn, "web", key_name="laptop")
    assert server.status == "ACTIVE", server.fault
    log = conn.compute.get_server_console_output(server)["output"]
    assert "Authorized keys from /home/ubuntu/.ssh/authorized_keys for user ubuntu" in log
    assert "finished at" in log

    port = next(conn.network.ports(device_id=server.id))
    assert port.status == "ACTIVE"
    public = next(conn.network.networks(name="public"))
    address = conn.network.create_ip(floating_network_id=public.id, port_id=port.id)
    assert address.status == "ACTIVE"
    eventually(lambda: address.floating_ip_address in str(conn.compute.get_server(server.id)))
    conn.compute.delete_server(server)
    eventually(lambda: conn.network.get_ip(address.id).status == "DOWN")


def test_volumes_attach_grow_and_detach(practice_conn):
    conn = practice_conn
    server = boot(conn, "web")
    volume = conn.block_storage.create_volume(name="data", size=1)
    volume_is(conn, volume, "available")
    assert conn.block_storage.get_volume(volume.id).volume_type == "standard"
    conn.compute.create_volume_attachment(server, volume_id=volume.id)
    volume_is(conn, volume, "in-use")
    conn.compute.delete_volume_attachment(server, volume.id)
    volume_is(conn, volume, "available")
    conn.block_storage.extend_volume(volume, 2)
    eventually(lambda: conn.block_storage.get_volume(volume.id).size == 2)
    snapshot = conn.block_storage.create_snapshot(volume_id=volume.id, name="before")
    eventually(lambda: conn.block_storage.get_snapshot(snapshot.id).status == "available")


def test_a_server_goes_through_its_states(practice_conn):
    conn = practice_conn
    server = boot(conn, "web")
    compute = conn.compute
    for act, state in (
        (compute.stop_server, "SHUTOFF"),
        (compute.start_server, "ACTIVE"),
        (compute.shelve_server, "SHELVED_OFFLOADED"),
        (compute.unshelve_server, "ACTIVE"),
        (compute.rescue_server, "RESCUE"),
        (compute.unrescue_server, "ACTIVE"),
        (compute.pause_server, "PAUSED"),
        (compute.unpause_server, "ACTIVE"),
        (compute.suspend_server, "SUSPENDED"),
        (compute.resume_server, "ACTIVE"),
        (lambda s: compute.resize_server(s, flavor(conn, "standard.medium")), "VERIFY_RESIZE"),
        (compute.confirm_server_resize, "ACTIVE"),
    ):
        act(server)
        settled(conn, server, state)
    image = compute.create_server_image(server, "web-today", wait=False)
    eventually(lambda: conn.image.get_image(image.id).status == "active")
    assert compute.get_server(server.id).flavor.original_name == "standard.medium"


def test_what_no_host_can_give_is_refused_as_nova_refuses_it(practice_cloud, practice_conn):
    admin = practice_cloud.admin
    odd = admin.compute.create_flavor(name="odd", vcpus=1, ram=64, disk=10)
    admin.compute.create_flavor_extra_specs(odd, {"trait:CUSTOM_NOWHERE": "required"})
    try:
        server = boot(practice_conn, "web", flavor_id=odd.id)
    finally:
        admin.compute.delete_flavor(odd)
    assert server.status == "ERROR"
    assert "No valid host" in server.fault["message"]


def test_the_second_of_an_anti_affinity_group_finds_no_host(practice_conn):
    group = practice_conn.compute.create_server_group(name="apart", policy="anti-affinity")
    hint = {"group": group.id}
    assert boot(practice_conn, "one", scheduler_hints=hint).status == "ACTIVE"
    assert boot(practice_conn, "two", scheduler_hints=hint).status == "ERROR"


def test_objects_come_back_as_they_were(practice_conn):
    store = practice_conn.object_store
    practice_conn.create_container("results")
    store.upload_object(container="results", name="a/b", data=b"42" * 1000)
    assert store.download_object("a/b", container="results") == b"42" * 1000
    assert [held.name for held in store.objects("results")] == ["a/b"]


def test_a_stack_is_made_and_deleted(practice_conn):
    template = {
        "heat_template_version": "2018-08-31",
        "resources": {"disk": {"type": "OS::Cinder::Volume", "properties": {"size": 1}}},
    }
    heat = practice_conn.orchestration
    stack = heat.create_stack(name="one", template=template)
    eventually(lambda: heat.get_stack(stack.id).status == "CREATE_COMPLETE")
    assert len(list(practice_conn.block_storage.volumes())) == 1


# Accidents


def test_all_processes_killed_and_everything_is_still_there(mine):
    conn = connect(mine)
    server = boot(conn, "survivor")
    volume = conn.block_storage.create_volume(name="survivor", size=1)
    volume_is(conn, volume, "available")
    conn.compute.create_volume_attachment(server, volume_id=volume.id)
    volume_is(conn, volume, "in-use")

    state = Folder(mine).state
    processes = [psutil.Process(pid) for pid in (state["pid"], *state["processes"].values())]
    for process in processes:
        process.kill()
    psutil.wait_procs(processes, timeout=10)
    assert not practice.status(mine).running
    assert practice.start(mine) == mine / "clouds.yaml"

    conn = connect(mine)
    assert answers_at_once(conn) == {200}
    assert conn.compute.get_server(server.id).status == "ACTIVE"
    assert conn.block_storage.get_volume(volume.id).status == "in-use"
    conn.compute.stop_server(server)
    settled(conn, server, "SHUTOFF")
    conn.compute.delete_volume_attachment(server, volume.id)
    volume_is(conn, volume, "available")
    assert boot(conn, "newcomer").status == "ACTIVE"


def answers_at_once(conn):
    """What many first requests are answered, when nothing is warm yet."""
    token = conn.session.get_token()
    catalog = conn.session.auth.get_access(conn.session).service_catalog
    urls = [
        catalog.url_for(kind) + path
        for kind, path in (
            ("network", "/v2.0/ports"),
            ("compute", "/servers/detail"),
            ("volumev3", "/volumes/detail"),
            ("image", "/v2/images"),
            ("orchestration", "/stacks"),
        )
    ]
    with ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(ask, url, token) for url in urls * 4]
        return {answer.result() for answer in asked}


def ask(url, token):
    request = urllib.request.Request(url, headers={"X-Auth-Token": token})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.status


def test_a_service_that_dies_is_started_again(mine):
    pid = practice.status(mine).processes["nova"]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: practice.status(mine).processes.get("nova") not in (pid, None))
    assert list(connect(mine).compute.flavors())


def test_two_clouds_run_at_once_with_settings_of_their_own(mine, tmp_path):
    practice.start(mine)
    with practice.cloud(directory=tmp_path, quotas="large", latest=True) as conn:
        assert conn.compute.get_limits().absolute.instances > 1000
        ask = {"OpenStack-API-Version": "compute 2.95"}
        assert conn.compute.get("/servers", headers=ask).status_code == 200
        assert list(connect(mine).compute.flavors())
        ports = set(practice.status(tmp_path).urls.values())
        assert not ports & set(practice.status(mine).urls.values())
        taken = Folder(tmp_path).settings["ports"]["identity"]
    assert not practice.status(tmp_path).running

    with socket_on(taken), practice.cloud(directory=tmp_path) as conn:
        assert practice.status(tmp_path).quotas == "large"
        assert conn.compute.get_limits().absolute.instances > 1000
    practice.reset(tmp_path)
    assert not tmp_path.exists()


def socket_on(port):
    """Somebody else's server on a port that the cloud had last time."""
    import socket

    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.bind(("127.0.0.1", port))
    taken.listen()
    return taken


def test_a_cloud_ends_with_its_last_user(mine):
    practice.stop(mine)
    with practice.cloud(directory=mine):
        with practice.cloud(directory=mine) as conn:
            pid = Folder(mine).state["pid"]
        assert Folder(mine).state["pid"] == pid
        assert list(conn.compute.flavors())
    assert not practice.status(mine).running


def test_a_cloud_ends_with_the_script_that_started_it(mine):
    practice.stop(mine)
    script = (
        "import os, pouta.practice\n"
        f"with pouta.practice.cloud(directory={str(mine)!r}) as conn:\n"
        "    print(len(list(conn.compute.flavors())), flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == -signal.SIGKILL
    assert int(done.stdout) > 20
    eventually(lambda: not practice.status(mine).running, seconds=10)


# Where it cannot be


def test_reset_deletes_no_other_folder(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(Refused, match="does not hold a practice cloud"):
        practice.reset(tmp_path)
    assert (tmp_path / "thesis.tex").exists()


@pytest.mark.parametrize(
    ("what", "value", "says"),
    [
        ("sys.platform", "darwin", "Linux only"),
        ("sys.version_info", (3, 10, 0), "3.11 or newer"),
        ("shutil.disk_usage", lambda _: SimpleNamespace(free=10**9), "1.0 GB are free"),
    ],
)
def test_where_it_cannot_run_it_says_so_first(monkeypatch, tmp_path, what, value, says):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(what, value)
    with pytest.raises(ConfigurationError, match=says):
        practice.start(tmp_path / "cloud")
    assert list(tmp_path.iterdir()) == []


def test_the_lock_is_complete_and_names_no_host():
    text = installation.LOCK.read_text() + installation.INSTALLER_LOCK.read_text()
    assert "://" not in text
    pinned = [line for line in text.splitlines() if line and line[0] not in " #"]
    assert len(pinned) > 200
    assert all("==" in line and line.endswith("\\") for line in pinned)
