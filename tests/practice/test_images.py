"""Images come, go, and are shared."""

from __future__ import annotations

import hashlib
from unittest import mock

import pytest
import requests

import pouta
from pouta import identity, images, progress, servers
from pouta.images import files as image_files
from tests.proxy import CUT, GATEWAY, LOSE, RESET, once, refuse
from tests.wire import answer_lost, recorded

MIB = 1024 * 1024


@pytest.fixture
def disk(tmp_path):
    """A raw disk of 5 MiB, no two of them alike."""
    file = tmp_path / "disk.raw"
    file.write_bytes(b"".join(bytes([number]) * MIB for number in range(1, 6)))
    return file


def own(conn):
    return {image.name: image for image in conn.image.images(visibility="private")}


def test_an_image_goes_up_and_comes_down_unchanged(practice_conn, disk, tmp_path):
    steps = []
    with progress.shown_by(steps.append), answer_lost("POST", "/images"):
        image = images.upload(
            practice_conn, disk, "mine", properties={"os_distro": "ubuntu"}, tags=["spring"]
        )
    assert (image.status, image.disk_format, image.visibility) == ("active", "raw", "private")
    assert (image.size, image.os_distro, image.tags) == (5 * MIB, "ubuntu", ["spring"])
    assert image.hash_value == hashlib.new(image.hash_algo, disk.read_bytes()).hexdigest()
    assert len(own(practice_conn)) == 1
    shown = [step for step in steps if step.what == "image 'mine' uploaded"]
    assert (shown[-1].done, shown[-1].total, shown[-1].ended) == (5, 5, True)
    assert images.login_user(practice_conn, "mine") == "ubuntu"

    copy = images.download(practice_conn, "mine", tmp_path / "copy.raw")
    assert copy.read_bytes() == disk.read_bytes()
    assert not (tmp_path / "copy.raw.part").exists()
    with pytest.raises(pouta.Refused, match="is there already"):
        images.download(practice_conn, "mine", copy)
    copy.write_text("old")
    assert images.download(practice_conn, "mine", copy, overwrite=True).stat().st_size == 5 * MIB
    (tmp_path / "folder").mkdir()
    assert images.download(practice_conn, image, tmp_path / "folder").name == "mine.raw"

    images.delete(practice_conn, "mine")
    assert own(practice_conn) == {}


@pytest.mark.parametrize(
    ("start", "name", "format"),
    [
        (b"QFI\xfb\0\0\0\3", "disk.img", "qcow2"),
        (b"\xebc\x90", "disk.img", "raw"),
        (b"\xebc\x90", "disk.RAW", "raw"),
        (b"KDMV", "disk.bin", "vmdk"),
        (b"\0" * 0x8001 + b"CD001", "disk", "iso"),
        (b"\0" * 64 + b"\x7f\x10\xda\xbe", "disk.vdi", "vdi"),
    ],
)
def test_the_format_is_told_by_the_file(tmp_path, start, name, format):
    file = tmp_path / name
    file.write_bytes(start + bytes(1000))
    assert image_files._format_of(file, None) == format
    assert image_files._format_of(file, format) == format


def test_the_cloud_looks_into_the_file(practice_conn, tmp_path):
    file = tmp_path / "disk"
    file.write_bytes(b"QFI\xfb\0\0\0\3" + bytes(1000))
    assert images.upload(practice_conn, file, "mine").disk_format == "qcow2"
    file.write_bytes(b"KDMV")
    with pytest.raises(pouta.InvalidInput, match="not a whole, plain vmdk image"):
        images.upload(practice_conn, file, "broken")
    assert [*own(practice_conn)] == ["mine"]


@pytest.mark.parametrize(
    ("start", "name", "given", "problem"),
    [
        (b"\xebc\x90", "disk.xyz", None, "cannot be told"),
        (b"QFI\xfb", "disk.raw", "raw", "is qcow2, not raw"),
        (b"\xebc\x90", "disk.qcow2", "qcow2", "is not qcow2"),
        (b"\x1f\x8b\x08", "disk.raw.gz", "raw", "compressed"),
        (b"", "disk.raw", None, "empty"),
        (b"\xebc\x90", "disk.raw", "floppy", "no disk format"),
    ],
)
def test_what_could_not_boot_is_not_sent(
    member, no_requests, tmp_path, start, name, given, problem
):
    file = tmp_path / name
    file.write_bytes(start)
    with pytest.raises(pouta.InvalidInput, match=problem):
        images.upload(member, file, "mine", disk_format=given)
    with pytest.raises(pouta.InvalidInput, match="no file"):
        images.upload(member, tmp_path / "nothing", "mine")


def test_nobody_publishes_an_image(member, no_requests, disk):
    with pytest.raises(pouta.Refused, match="Only private images") as caught:
        images.upload(member, disk, "mine", visibility="public")
    assert "share" in caught.value.hint


def test_an_upload_that_fails_leaves_nothing(practice_conn, disk):
    with (
        answer_lost("PUT", "/file", before=True, times=image_files.TRIES),
        pytest.raises(pouta.Unreachable),
    ):
        images.upload(practice_conn, disk, "mine")
    assert own(practice_conn) == {}

    with (
        mock.patch("pouta.streams.Part.digest", return_value="another"),
        pytest.raises(pouta.Failed, match="checksum is another"),
    ):
        images.upload(practice_conn, disk, "mine")
    assert own(practice_conn) == {}


def puts_file(request):
    return request.method == "PUT" and request.path.endswith("/file")


@pytest.mark.parametrize("fault", [RESET, LOSE, CUT, GATEWAY, refuse(409), refuse(503)])
@pytest.mark.parametrize("always", [False, True])
def test_an_image_that_arrived_stays_although_nobody_was_told(
    conn, proxy, practice_conn, disk, fault, always
):
    if always and not fault.forwarded:
        pytest.skip("then nothing arrives, and that is told")
    if always:
        proxy.fault = lambda request: fault if puts_file(request) else None
    else:
        once(proxy, puts_file, fault)
    image = images.upload(conn, disk, "mine")
    assert image.status == "active"
    assert image.hash_value == hashlib.new(image.hash_algo, disk.read_bytes()).hexdigest()
    assert [*own(practice_conn)] == ["mine"]
    assert any(request.fault is fault for request in proxy.seen)


def test_what_never_arrives_is_told_and_leaves_nothing(conn, proxy, practice_conn, disk):
    for fault, kind in {RESET: pouta.Unreachable, refuse(503): pouta.Failed}.items():
        proxy.fault = lambda request, fault=fault: fault if puts_file(request) else None
        with pytest.raises(kind):
            images.upload(conn, disk, "mine")
        assert own(practice_conn) == {}


@pytest.mark.parametrize("how", ["grows", "shrinks", "another"])
def test_a_file_that_changes_while_it_is_read_makes_no_image(practice_conn, disk, how):
    def change(step):
        if step.what.endswith("uploaded") and step.done and not step.ended:
            with disk.open("r+b") as file:
                if how == "shrinks":
                    file.truncate(2 * MIB)
                file.seek(0, 2 if how == "grows" else 0)
                file.write(b"changed")

    with (
        progress.shown_by(change),
        mock.patch("pouta.streams.SHOWN_EVERY", 0),
        pytest.raises(pouta.Failed, match="while it was read"),
    ):
        images.upload(practice_conn, disk, "mine")
    assert own(practice_conn) == {}


class Broken:
    """Downloads that end after some MiB, and what was asked for."""

    def __init__(self, mib, times):
        self.mib, self.times = mib, times
        self.ranges = []

    def __enter__(self):
        read = requests.Response.iter_content
        send = requests.Session.send
        ours = self

        def iter_content(response, size=1, **more):
            for count, chunk in enumerate(read(response, size, **more)):
                if count == ours.mib and ours.times and "/file" in response.url:
                    ours.times -= 1
                    raise requests.exceptions.ChunkedEncodingError("the connection was reset")
                yield chunk

        def note(session, request, **more):
            if request.method == "GET" and request.url.endswith("/file"):
                ours.ranges.append(request.headers.get("Range"))
            return send(session, request, **more)

        self.patches = [
            mock.patch.object(requests.Response, "iter_content", iter_content),
            mock.patch.object(requests.Session, "send", note),
        ]
        for patch in self.patches:
            patch.start()
        return self

    def __exit__(self, *_):
        for patch in self.patches:
            patch.stop()


def test_a_download_that_breaks_off_goes_on(practice_conn, disk, tmp_path):
    images.upload(practice_conn, disk, "mine")
    file, part = tmp_path / "copy.raw", tmp_path / "copy.raw.part"

    with Broken(2, times=1) as broken:
        images.download(practice_conn, "mine", file)
    assert broken.ranges == [None, f"bytes={2 * MIB}-"]
    assert file.read_bytes() == disk.read_bytes()
    file.unlink()

    with Broken(1, times=4), pytest.raises(pouta.Unreachable, match="broke off") as caught:
        images.download(practice_conn, "mine", file)
    assert str(part) in caught.value.hint
    assert part.stat().st_size == 4 * MIB
    assert not file.exists()
    with Broken(0, times=0) as whole:
        images.download(practice_conn, "mine", file)
    assert whole.ranges == [f"bytes={4 * MIB}-"]
    assert file.read_bytes() == disk.read_bytes()
    file.unlink()

    part.write_bytes(b"something else")  # begun by another program
    images.download(practice_conn, "mine", file)
    assert file.read_bytes() == disk.read_bytes()
    file.unlink()

    wrong = ("sha512", "0" * 128)
    with (
        mock.patch("pouta.images.files._digest", return_value=wrong),
        pytest.raises(pouta.Failed, match="checksum is another"),
    ):
        images.download(practice_conn, "mine", file)
    assert not file.exists()
    assert not part.exists()


def test_the_snapshot_of_a_server_without_a_disk_of_its_own_has_nothing_to_download(
    practice_conn, tmp_path
):
    small = {"image": "cirros", "flavor": "standard.tiny", "key_name": False}
    server = servers.launch(practice_conn, "web", boot_volume_size=1, **small)
    taken = practice_conn.compute.create_server_image(server, "monday")
    practice_conn.image.wait_for_status(
        practice_conn.image.get_image(taken.id), status="active", interval=0.5, wait=30
    )
    with pytest.raises(pouta.Refused, match="boots from a volume") as caught:
        images.download(practice_conn, "monday", tmp_path)
    assert "snapshot=" in caught.value.hint
    assert [*tmp_path.iterdir()] == []


def test_an_image_is_shared_with_another_project(practice_conn, other_project, disk):
    there = identity.whoami(other_project).project_id
    image = images.upload(practice_conn, disk, "mine")
    with pytest.raises(pouta.InvalidInput, match="by its ID"):
        images.share(practice_conn, "mine", identity.whoami(other_project).project)
    with pytest.raises(pouta.NotFound, match="shared with this project") as caught:
        images.accept(other_project, image.id)
    assert there in caught.value.hint

    with answer_lost("PATCH", "/images"), answer_lost("POST", "/members"):
        images.share(practice_conn, "mine", there)
    images.share(practice_conn, "mine", there)
    assert [member.status for member in images.members(practice_conn, "mine")] == ["pending"]
    with pytest.raises(pouta.NotFound):
        images.find(other_project, "mine")
    assert images.accept(other_project, "mine").id == image.id
    assert images.find(other_project, "mine").id == image.id
    assert "accepted" in str(images.members(practice_conn, "mine"))

    with pytest.raises(pouta.Refused, match="another project's"):
        images.delete(other_project, "mine")
    with pytest.raises(pouta.Refused, match=there) as caught:
        images.delete(practice_conn, "mine")
    assert "even_if_shared=True" in caught.value.hint

    assert images.unshare(practice_conn, "mine", there).visibility == "private"
    with pytest.raises(pouta.NotFound):
        images.find(other_project, "mine")


def test_deleting_has_its_guards(practice_conn, disk):
    with pytest.raises(pouta.Refused, match="everybody's: it cannot be deleted"):
        images.delete(practice_conn, "cirros")
    with pytest.raises(pouta.Refused, match="everybody's"):
        images.share(practice_conn, "cirros", "0" * 32)
    image = images.upload(practice_conn, disk, "mine")
    practice_conn.image.update_image(image, is_protected=True)
    with recorded() as requests_made, pytest.raises(pouta.Refused, match="protected"):
        images.delete(practice_conn, "mine")
    assert not [request for request in requests_made if request.startswith("DELETE")]
    images.delete(practice_conn, "mine", protected=True)
    assert own(practice_conn) == {}
