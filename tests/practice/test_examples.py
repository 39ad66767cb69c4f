"""The examples do what they say, for somebody who runs them from a shell."""

from __future__ import annotations

import subprocess

import yaml

import pouta
from pouta.concurrently import each
from tests.shell import EXAMPLES, NOTHING, billed, refused, succeeded

SCRIPTS = sorted(path.name for path in EXAMPLES.glob("*.py"))
NEEDED = {
    "attach_volume.py": ["web", "data"],
    "cluster.py": ["demo"],
    "dask_cluster.py": ["demo"],
    "launch_vm.py": ["web"],
    "move_volume.py": ["data", "--to-cloud", "theirs"],
    "nfs_server.py": ["files"],
    "nightly_snapshot.py": ["web"],
    "share_image.py": ["golden", "--accept"],
}
TINY = {"image": "Ubuntu-24.04", "flavor": "standard.tiny"}


def test_the_quickstart_does_the_main_job_and_leaves_nothing_billed(run, logged_in, home):
    said = succeeded(run("quickstart.py"))

    before, after = said.split("They are deleted at the end.")
    # 0.52 the server, 0.2 the address, 3.6 / 1024 * 10 the volume
    assert "a standard.small server, a floating IP and a volume of 10 GiB" in before
    assert "On Pouta that is 0.76 BU an hour." in before
    assert logged_in.config.config["auth"]["project_name"] in before
    assert "standard.tiny" in before
    assert "ACTIVE" in after
    assert "in-use" in after
    assert (
        f"ssh -i {home}/.ssh/pouta_key -o StrictHostKeyChecking=accept-new ubuntu@198.18." in after
    )
    assert "/dev/disk/by-id/virtio-" in after
    assert "No credentials" not in said
    assert billed(logged_in) == NOTHING
    # What it says that it leaves is there, so that the next launch need not make it.
    assert [*logged_in.compute.keypairs()]
    assert logged_in.network.find_security_group("ssh-from-127.0.0.1-32")


def test_the_quickstart_deletes_the_server_when_the_volume_is_refused(
    run, logged_in, practice_cloud
):
    disks = practice_cloud.admin.block_storage
    disks.update_quota_set(logged_in.current_project_id, volumes=0)

    done = run("quickstart.py")

    assert "quota" in refused(done).lower()
    assert "All deleted" in done.stdout
    assert billed(logged_in) == NOTHING


def test_the_quickstart_without_credentials_runs_on_the_practice_cloud(
    run, practice_cloud, shared_user
):
    before = billed(shared_user)

    said = succeeded(run("quickstart.py", POUTA_PRACTICE_DIR=str(practice_cloud.directory)))

    assert said.startswith("No credentials found: using a practice cloud")
    assert "practice in project_2001234 at 127.0.0.1" in said
    assert "To log in: ssh" in said
    assert billed(shared_user) == before
    assert pouta.practice.status(practice_cloud.directory).running  # it was before


def test_the_quickstart_does_not_take_wrong_credentials_for_none(run, logged_in, home):
    file = home / ".config" / "openstack" / "clouds.yaml"
    clouds = yaml.safe_load(file.read_text())["clouds"]
    file.write_text(yaml.safe_dump({"clouds": {**clouds, "other": clouds["openstack"]}}))

    done = run("quickstart.py")

    assert "has several clouds: 'openstack' and 'other'" in refused(done)
    assert done.stdout == ""


def test_launch_vm_prints_a_line_that_leads_to_the_server(run, logged_in):
    said = succeeded(
        run("launch_vm.py", "web", "--flavor", "standard.tiny", "--volume", "2", "--volume", "3")
    )

    (server,) = logged_in.compute.servers()
    (address,) = logged_in.network.ips()
    assert (server.name, server.status) == ("web", "ACTIVE")
    assert server.flavor.original_name == "standard.tiny"
    line = said.splitlines()[0]
    assert "pouta_key -o StrictHostKeyChecking=accept-new " in line
    assert line.endswith(f" ubuntu@{address.floating_ip_address}")
    volumes = [*logged_in.block_storage.volumes()]
    assert sorted(volume.size for volume in volumes) == [2, 3]
    assert {volume.attachments[0]["server_id"] for volume in volumes} == {server.id}
    for volume in volumes:
        assert f"Its volume: {pouta.volumes.device_path(volume)}\n" in said


def test_launch_vm_with_a_mistyped_flavor_says_which_there_are(run, logged_in):
    said = refused(run("launch_vm.py", "web", "--flavor", "standard.smal"))

    sentence, closest = said.splitlines()
    assert sentence == "No flavor 'standard.smal' in this project."
    assert closest.startswith("Closest: 'standard.small'")
    assert billed(logged_in) == NOTHING
    assert not logged_in.network.find_security_group("ssh-from-127.0.0.1-32")


def test_attach_volume_makes_it_attaches_it_and_gives_the_script(run, logged_in, tmp_path):
    server = pouta.servers.launch(logged_in, "web", **TINY)

    said = succeeded(run("attach_volume.py", "web", "data", "--size", "3", "--type", "capacity"))

    (volume,) = logged_in.block_storage.volumes()
    assert (volume.name, volume.size, volume.volume_type) == ("data", 3, "capacity")
    assert volume.attachments[0]["server_id"] == server.id
    assert said == f"In 'web' it is {pouta.volumes.device_path(volume)}\n"

    script = succeeded(run("attach_volume.py", "web", "data", "--mount", "/media/data"))

    assert len([*logged_in.block_storage.volumes()]) == 1
    assert pouta.volumes.device_path(volume) in script
    assert "\nuser=ubuntu\n" in script
    (tmp_path / "mount.sh").write_text(script)
    subprocess.run(["sh", "-n", str(tmp_path / "mount.sh")], check=True, timeout=10)


def test_attach_volume_makes_no_volume_for_a_server_that_is_not_there(run, logged_in):
    assert "No server 'web'" in refused(run("attach_volume.py", "web", "data", "--size", "3"))
    assert billed(logged_in) == NOTHING


def test_attach_volume_without_a_size_makes_none(run, logged_in):
    pouta.servers.launch(logged_in, "web", **TINY)

    assert "No volume 'data'" in refused(run("attach_volume.py", "web", "data"))
    assert billed(logged_in)["volumes"] == set()


def test_list_flavors_shows_what_fits_and_its_price(run, logged_in):
    wanted = ["--min-vcpus", "4", "--min-ram", "16", "--fits-quota"]

    heading, *rows = succeeded(run("list_flavors.py", *wanted)).splitlines()

    assert heading.split()[-1] == "BU/h"
    listed = {row.split()[0]: row.split() for row in rows}
    assert listed["hpc.4.5core"] == ["hpc.4.5core", "5", "21.5", "80", "0", "6"]
    assert "standard.3xlarge" not in listed  # 62 GiB do not fit into a quota of 32
    prices = [float(row[-1]) for row in listed.values()]
    assert prices == sorted(prices)
    assert {name.split(".")[0] for name in listed} == {"standard", "hpc", "io"}


def test_list_flavors_takes_an_openrc_file(run, practice_conn, tmp_path):
    auth = practice_conn.config.config["auth"]
    lines = [
        f'export OS_{key.upper()}="{value}"' for key, value in auth.items() if key != "password"
    ]
    (tmp_path / "openrc.sh").write_text("\n".join(lines))

    said = succeeded(
        run(
            "list_flavors.py",
            "--openrc",
            "openrc.sh",
            "--family",
            "io",
            OS_PASSWORD=auth["password"],
        )
    )

    assert {row.split(".")[0] for row in said.splitlines()[1:]} == {"io"}


def test_list_flavors_knows_the_practice_cloud_by_name(run, practice_cloud):
    where = str(practice_cloud.directory)

    assert "standard.tiny" in succeeded(
        run("list_flavors.py", "--cloud", "practice", POUTA_PRACTICE_DIR=where)
    )


def test_raw_requests_reads_flavors_with_a_token_that_it_keeps_to_itself(run, logged_in):
    said = succeeded(run("raw_requests.py"))

    ends, raw, same = said.splitlines()
    count = len([*logged_in.compute.flavors()])
    assert pouta.identity.token(logged_in).expires_at.strftime("%Y-%m-%d %H:") in ends
    assert f"/v2.1/flavors: {count} flavors" in raw
    assert f"{count} flavors" in same
    longest = max((word for line in said.splitlines() for word in line.split()), key=len)
    assert len(longest) < 60  # no token is longer than that


def test_each_example_explains_itself(run):
    for script, done in zip(SCRIPTS, each(lambda name: run(name, "--help"), SCRIPTS), strict=True):
        assert f"python examples/{script}" in succeeded(done)


def test_without_credentials_an_example_says_how_to_log_in(run):
    scripts = [name for name in SCRIPTS if name != "quickstart.py"]  # it takes a practice cloud

    for done in each(lambda name: run(name, *NEEDED.get(name, [])), scripts):
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("No credentials were found.")
        assert 'pouta.connect("practice")' in done.stderr
        assert "Traceback" not in done.stderr
