"""Examples that keep data, and hand it on to another project."""

from __future__ import annotations

from datetime import date

import pouta
from tests.shell import refused, succeeded

TINY = {"image": "cirros", "flavor": "standard.tiny", "key_name": False}


def images(conn):
    return {image.name for image in conn.image.images(visibility="private")}


def snapshots(conn):
    return {snapshot.name for snapshot in conn.block_storage.snapshots()}


def test_nightly_snapshot_keeps_the_newest_of_its_own_and_all_others(run, logged_in):
    conn = logged_in
    web = pouta.servers.launch(conn, "web", **TINY)
    for name in ("web-2026-01-01", "web-2026-01-02"):
        pouta.servers.snapshot(conn, web, name, tags=[f"nightly-{web.id}"])
    pouta.servers.snapshot(conn, web, "before the upgrade")
    today = f"web-{date.today()}"

    said = succeeded(run("nightly_snapshot.py", "web", "--keep", "2"))

    kept = {today, "web-2026-01-02", "before the upgrade"}
    assert images(conn) == kept
    assert [line.split()[::2] for line in said.splitlines()] == [
        [today, "kept"],
        ["web-2026-01-02", "kept"],
        ["web-2026-01-01", "deleted"],
    ]
    assert pouta.servers.find(conn, "web").status == "ACTIVE"

    assert f"{today} is there already" in succeeded(run("nightly_snapshot.py", "web"))
    assert images(conn) == kept
    assert run("nightly_snapshot.py", "web", "--keep", "0").returncode == 2
    assert images(conn) == kept


def test_nightly_snapshot_of_volumes(run, logged_in):
    conn = logged_in
    db = pouta.servers.launch(conn, "db", **TINY, boot_volume_size=2, volumes=[1])
    pouta.servers.snapshot(conn, db, "db-2026-01-01", tags=[f"nightly-{db.id}"])
    pouta.volumes.snapshot(conn, "db-volume-1", "by hand", force=True)
    assert snapshots(conn) == {"db-2026-01-01", "db-2026-01-01-db-volume-1", "by hand"}
    of_db = {f"db-{date.today()}", f"db-{date.today()}-db-volume-1"}

    succeeded(run("nightly_snapshot.py", "db", "--keep", "1"))  # one of each disk
    assert snapshots(conn) == {*of_db, "by hand"}

    said = refused(run("nightly_snapshot.py", "db-volume-1", "--volume"))
    assert "is in the running server 'db'" in said
    succeeded(run("nightly_snapshot.py", "db-volume-1", "--volume", "--force", "--keep", "1"))
    assert snapshots(conn) == {*of_db, "by hand", f"db-volume-1-{date.today()}"}


def test_move_volume_takes_it_over_or_leaves_it_as_it_was(run, in_both, practice_cloud):
    ours, theirs = in_both
    web = pouta.servers.launch(ours, "web", **TINY)
    data = pouta.volumes.create(ours, "data", 2)
    pouta.volumes.snapshot(ours, data, "monday")
    pouta.volumes.attach(ours, web, data)
    move = ("move_volume.py", "data", "--to-cloud", "theirs")

    said = refused(run(*move))
    assert "'data' is attached to server 'web " in said
    assert "pouta.volumes.detach" in said

    pouta.volumes.detach(ours, data)
    disks = practice_cloud.admin.block_storage
    disks.update_quota_set(theirs.current_project_id, volumes=0)
    assert "quota" in refused(run(*move)).lower()
    assert pouta.volumes.find(ours, "data").status == "available"
    assert [*ours.block_storage.transfers()] == []

    disks.update_quota_set(theirs.current_project_id, volumes=10)
    said = succeeded(run(*move))
    assert said == f"'data' (2 GiB, ID {data.id}) is in {theirs.current_project.name} now.\n"
    assert pouta.volumes.list(ours) == []
    assert [volume.id for volume in theirs.block_storage.volumes()] == [data.id]
    assert snapshots(theirs) == {"monday"}


def test_share_image_gives_it_there_and_takes_it_here(run, in_both, tmp_path):
    ours, theirs = in_both
    (tmp_path / "golden.raw").write_bytes(b"\x01" * 1024)
    image = pouta.images.upload(ours, tmp_path / "golden.raw", "golden")
    accept = ("share_image.py", "golden", "--accept", "--cloud", "theirs")

    assert "No shared image 'golden'" in refused(run(*accept))
    name = theirs.current_project.name
    assert "by its ID" in refused(run("share_image.py", "golden", "--with", name))

    said = succeeded(run("share_image.py", "golden", "--with", theirs.current_project_id))
    assert theirs.current_project_id in said
    assert f"share_image.py {image.id} --accept" in said
    assert "golden" not in images(theirs)

    assert image.id in succeeded(run(*accept))
    server = pouta.servers.launch(theirs, "web", **{**TINY, "image": "golden"})
    assert server.image["id"] == image.id
