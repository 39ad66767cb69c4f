"""Files and folders in the object store."""

from __future__ import annotations

import os
import time
from unittest import mock

import pytest
import requests

import pouta
from pouta import object_store, progress, streams
from pouta.object_store import wire
from tests.wire import answer_lost, recorded

MIB = 1024 * 1024
NO = (401, 403)  # Swift and Ceph


@pytest.fixture
def big(tmp_path):
    """3.5 MiB, no two MiB alike."""
    file = tmp_path / "big.bin"
    file.write_bytes(b"".join(bytes([n]) * MIB for n in range(1, 4)) + b"end" * 1000)
    return file


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "results"
    (root / "day 1").mkdir(parents=True)
    (root / "readme.txt").write_text("hello")
    (root / "empty").touch()
    (root / "day 1" / "märz #1?.csv").write_text("a,b\n1,2\n")
    return root


def names(conn, container):
    return sorted(held.name for held in conn.object_store.objects(container))


def contents(root):
    return {
        file.relative_to(root).as_posix(): file.read_bytes()
        for file in root.rglob("*")
        if file.is_file()
    }


def sent(requests_made):
    return [r for r in requests_made if r.startswith("PUT") and r.count("/") > 4]


def test_a_file_goes_up_and_comes_down_unchanged(store, tmp_path, folder):
    file = folder / "readme.txt"
    (held,) = object_store.upload(store, file, "data")
    assert (held.name, held._bytes, held._content_type) == ("readme.txt", 5, "text/plain")
    assert "readme.txt" in str(object_store.list(store, "data"))
    assert "data" in str(object_store.list(store))

    with recorded() as again:
        object_store.upload(store, file, "data")
    assert sent(again) == []
    file.write_text("HELLO")
    with pytest.raises(pouta.Refused, match=r"has 'readme\.txt' already, with other data"):
        object_store.upload(store, file, "data")
    object_store.upload(store, file, "data", overwrite=True)
    object_store.upload(store, file, "data", name="old/hello")
    assert names(store, "data") == ["old/hello", "readme.txt"]

    (copy,) = object_store.download(store, "data", "readme.txt", tmp_path / "copy")
    assert copy.read_text() == "HELLO"
    with recorded() as again:
        object_store.download(store, "data", "readme.txt", copy)
    assert not [request for request in again if request.startswith("GET")]
    copy.write_text("changed")
    with pytest.raises(pouta.Refused, match="is there already"):
        object_store.download(store, "data", "readme.txt", copy)
    assert copy.read_text() == "changed"
    object_store.download(store, "data", "readme.txt", copy, overwrite=True)
    assert copy.read_text() == "HELLO"
    with pytest.raises(pouta.NotFound) as caught:
        object_store.download(store, "data", "readme.tx", copy)
    assert "'readme.txt'" in caught.value.hint
    with pytest.raises(pouta.NotFound, match="No container 'dat'") as caught:
        object_store.list(store, "dat")
    assert "'data'" in caught.value.hint


def test_a_folder_goes_up_and_comes_down_unchanged(store, tmp_path, folder):
    steps = []
    with progress.shown_by(steps.append):
        table = object_store.upload(store, folder, "data")
    assert sorted(held.name for held in table) == [
        "results/day 1/märz #1?.csv",
        "results/empty",
        "results/readme.txt",
    ]
    assert steps[-1].ended
    object_store.upload(store, folder / "readme.txt", "data", name="other")

    object_store.download(store, "data", "results/", tmp_path / "part")
    assert contents(tmp_path / "part" / "results") == contents(folder)
    files = object_store.download(store, "data", None, tmp_path / "all")
    assert len(files) == 4
    assert (tmp_path / "all" / "other").read_text() == "hello"

    (folder / "new.txt").write_text("new")
    with recorded() as again:
        object_store.upload(store, folder, "data")
    assert len(sent(again)) == 1
    object_store.upload(store, folder, "flat", name="")
    assert "readme.txt" in names(store, "flat")


def test_a_large_file_goes_up_in_segments(store, tmp_path, big):
    object_store.upload(store, big, "data", segment_size=MIB)
    assert names(store, "data") == ["big.bin"]
    assert len(names(store, "data_segments")) == 4
    head = store.object_store.head("/data/big.bin").headers
    assert head["X-Object-Manifest"].startswith("data_segments/big.bin/")
    assert int(head["Content-Length"]) == big.stat().st_size

    (copy,) = object_store.download(store, "data", "big.bin", tmp_path / "copy")
    assert copy.read_bytes() == big.read_bytes()
    with recorded() as again:
        object_store.upload(store, big, "data", segment_size=MIB)
    assert sent(again) == []

    big.write_bytes(b"x" * (2 * MIB))
    object_store.upload(store, big, "data", segment_size=MIB, overwrite=True)
    assert len(names(store, "data_segments")) == 2
    object_store.delete(store, "data", "big.bin")
    assert {held.name for held in store.object_store.containers()} == {"data"}
    assert names(store, "data") == []


def test_an_upload_that_broke_off_goes_on(store, big):
    send = requests.Session.send

    def third_is_lost(session, request, **more):
        if request.method == "PUT" and request.url.endswith("00000002"):
            raise requests.ConnectionError("reset")
        return send(session, request, **more)

    with (
        mock.patch.object(requests.Session, "send", third_is_lost),
        pytest.raises(pouta.Unreachable),
    ):
        object_store.upload(store, big, "data", segment_size=MIB)
    there = names(store, "data_segments")
    assert 0 < len(there) < 4
    with recorded() as again:
        object_store.upload(store, big, "data", segment_size=MIB)
    sent_now = [r for r in again if r.startswith("PUT") and "/data_segments/" in r]
    assert len(sent_now) == 4 - len(there)
    assert store.object_store.get("/data/big.bin").content == big.read_bytes()


def test_what_did_not_arrive_whole_is_not_kept(store, tmp_path, folder):
    file = folder / "readme.txt"
    with (
        mock.patch("pouta.streams.Part.digest", return_value="another"),
        pytest.raises(pouta.Failed, match="checksum is another"),
    ):
        object_store.upload(store, file, "data")
    assert [*store.object_store.containers()] == []
    with answer_lost("PUT", "/data/readme.txt"), pytest.raises(pouta.Unreachable):
        object_store.upload(store, file, "data")
    object_store.upload(store, file, "data")

    with (
        mock.patch("pouta.object_store.contents.Held.is_same", return_value=False),
        pytest.raises(pouta.Failed, match="checksum is another"),
    ):
        object_store.download(store, "data", "readme.txt", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    assert not (tmp_path / "copy.part").exists()

    (tmp_path / "copy.part").write_text("he")
    with recorded() as requests_made:
        object_store.download(store, "data", "readme.txt", tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "hello"
    assert len([r for r in requests_made if r.startswith("GET") and "readme" in r]) == 1


def test_nothing_is_written_outside_the_folder(store, tmp_path):
    store.object_store.put("/data")
    for name in ("../evil", "a/../../evil"):
        store.object_store.put("/data/" + name.replace(".", "%2E"), data=b"x")
        with pytest.raises(pouta.Refused, match="outside"):
            object_store.download(store, "data", None, tmp_path / "in" / "here")
        object_store.delete(store, "data", name)
        assert names(store, "data") == []
    store.object_store.put("/data/%2Fetc%2Fmine", data=b"x")
    (file,) = object_store.download(store, "data", None, tmp_path / "in")
    assert file == tmp_path / "in" / "etc" / "mine"
    assert [*tmp_path.rglob("evil")] == []


def test_a_name_leads_to_no_other_container(store, folder, tmp_path):
    object_store.upload(store, folder / "readme.txt", "other")
    object_store.upload(store, folder / "readme.txt", "data")
    for chore in (
        lambda: object_store.delete(store, "data", "../other/readme.txt"),
        lambda: object_store.download(store, "data", "../other/readme.txt", tmp_path / "x"),
    ):
        with pytest.raises(pouta.NotFound):
            chore()
    assert names(store, "other") == ["readme.txt"]


def test_a_container_is_deleted_with_what_is_in_it_only_when_told(store, folder, big):
    object_store.upload(store, folder, "data")
    object_store.upload(store, big, "data", segment_size=MIB)
    with recorded() as requests_made, pytest.raises(pouta.Refused, match="holds 4 objects, 3"):
        object_store.delete(store, "data")
    assert not [request for request in requests_made if request.startswith("DELETE")]
    object_store.delete(store, "data", all_objects=True)
    assert [*store.object_store.containers()] == []
    with pytest.raises(pouta.NotFound, match="No container"):
        object_store.delete(store, "data")


def test_a_temporary_url_opens_one_object_for_some_time(store, folder):
    object_store.upload(store, folder / "readme.txt", "data", name="to you/märz.txt")
    url = object_store.temporary_url(store, "data", "to you/märz.txt", seconds=60)
    assert requests.get(url, timeout=10).content == b"hello"
    assert requests.put(url, data=b"x", timeout=10).status_code in NO
    assert requests.get(url.replace("data", "other"), timeout=10).status_code in NO
    other = object_store.temporary_url(store, "data", "to you/märz.txt", seconds=30)
    assert requests.get(other, timeout=10).status_code == 200  # with the same key
    assert requests.get(url, timeout=10).status_code == 200

    short = object_store.temporary_url(store, "data", "to you/märz.txt", seconds=1)
    time.sleep(2)
    assert requests.get(short, timeout=10).status_code in NO

    box = object_store.temporary_url(store, "inbox", "file", seconds=60, method="PUT")
    assert requests.put(box, data=b"from afar", timeout=10).status_code == 201
    assert store.object_store.get("/inbox/file").content == b"from afar"
    with pytest.raises(pouta.NotFound):
        object_store.temporary_url(store, "data", "nothing", seconds=60)


def test_what_cannot_be_costs_no_request(member, no_requests, tmp_path, folder):
    with pytest.raises(pouta.InvalidInput, match="no file or folder"):
        object_store.upload(member, tmp_path / "nothing", "data")
    with pytest.raises(pouta.InvalidInput, match="Invalid container name"):
        object_store.upload(member, folder, "a/b")
    with pytest.raises(pouta.InvalidInput, match="segment_size"):
        object_store.upload(member, folder, "data", segment_size=0)
    with pytest.raises(pouta.InvalidInput, match="GET, HEAD or PUT"):
        object_store.temporary_url(member, "data", "x", seconds=1, method="DELETE")
    (tmp_path / "void").mkdir()
    with pytest.raises(pouta.InvalidInput, match="no files"):
        object_store.upload(member, tmp_path / "void", "data")


# Names


def test_no_sign_in_a_name_leads_to_another_container(store, folder):
    for other, container in (("run", "run#1"), ("abc", "abc?d"), ("500", "500%")):
        object_store.upload(store, folder / "readme.txt", other)
        object_store.upload(store, folder / "empty", container, name="readme.txt")
        assert [held._bytes for held in object_store.list(store, other)] == [5]
        assert [held._bytes for held in object_store.list(store, container)] == [0]
        with pytest.raises(pouta.Refused, match="with other data"):
            object_store.upload(store, folder / "readme.txt", container)
        object_store.delete(store, container, all_objects=True)
    assert [held.name for held in object_store.list(store)] == ["500", "abc", "run"]


def test_a_large_file_of_any_name(store, tmp_path, big):
    container, name = "50% of run#1?", "a%2Fb //c?d#1+2&.bin"
    object_store.upload(store, big, container, name=name, segment_size=MIB)
    with recorded() as again:
        object_store.upload(store, big, container, name=name, segment_size=MIB)
    assert sent(again) == []
    (copy,) = object_store.download(store, container, name, tmp_path / "copy")
    assert copy.read_bytes() == big.read_bytes()
    object_store.delete(store, container, name)
    assert [held.name for held in object_store.list(store)] == [container]


def test_a_temporary_url_of_any_name(store, folder):
    container, name = "50% of run#1?", "a%2Fb //c?d#1+2&;\n.txt"
    object_store.upload(store, folder / "readme.txt", container, name=name)
    url = object_store.temporary_url(store, container, name, seconds=60)
    assert requests.get(url, timeout=10).content == b"hello"
    with pytest.raises(pouta.InvalidInput, match="temporary URL"):
        object_store.temporary_url(store, container, "a/../b", seconds=60)


def test_names_too_long_for_segments_are_refused_before_anything_is_made(store, big):
    for container, name in (("x" * 250, "big"), ("data", "x" * 1000)):
        with recorded() as asked, pytest.raises(pouta.InvalidInput, match="segments"):
            object_store.upload(store, big, container, name=name, segment_size=MIB)
        assert asked == []
        object_store.upload(store, big, container, name=name)


# Files that cannot be


CANNOT_BOTH = (
    ("a", "./a", "both would be the file"),
    ("a/b", "a//b", "both would be the file"),
    ("a", "/a", "both would be the file"),
    ("a/b", "a/./b", "both would be the file"),
    ("link/a", "there/a", "both would be the file"),
    ("a", "a/b", "both a file and a folder"),
    ("a/b/c/d", "a/b", "both a file and a folder"),
    ("a", "b/", "ends in '/'"),
    ("a", "x" * 256, "255 bytes"),
    ("a", "b/" + "ä" * 128 + "/c", "255 bytes"),
    ("a", "taken/b", "is a file"),
)


def test_objects_that_cannot_all_be_files_are_refused_before_any_is_fetched(store, tmp_path):
    target = tmp_path / "in"
    (target / "there").mkdir(parents=True)
    (target / "link").symlink_to("there")
    (target / "taken").write_text("mine")
    for first, second, why in CANNOT_BOTH:
        put(store, first, b"one")
        put(store, second, b"two")
        with (
            recorded() as asked,
            pytest.raises((pouta.Refused, pouta.InvalidInput), match=why) as caught,
        ):
            object_store.download(store, "data", None, target)
        assert caught.value.message.isprintable()
        assert not [r for r in asked if r.startswith("GET") and "/data/" in r]
        assert contents(target) == {"taken": b"mine"}
        for name in (first, second):
            object_store.delete(store, "data", name)


def put(conn, name, data):
    conn.object_store.put("/data")
    answer = conn.object_store.put(wire.url("data", name), data=data)
    assert answer.status_code == 201


def test_what_has_come_of_a_file_is_not_written_into_another_object(store, tmp_path):
    texts = {"x": b"x" * 100, "x.part": b"y" * 50, "x.part.part": b"z" * 70, "n" * 253: b"long"}
    for name, text in texts.items():
        put(store, name, text)
    put(store, "folder/", b"")  # marks a folder, and is no file
    object_store.download(store, "data", None, tmp_path / "in")
    assert contents(tmp_path / "in") == texts

    one_by_one = tmp_path / "one"
    one_by_one.mkdir()
    for name in ("x.part", "x"):
        object_store.download(store, "data", name, one_by_one)
    assert contents(one_by_one) == {name: texts[name] for name in ("x.part", "x")}


def test_what_no_file_can_be_called_is_told_before_a_byte_is_fetched(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_text("mine")
    put(store, "a", b"one")
    for path in ("x" * 256, "a\0b", "taken/b", "d/" * 2100, "~nobody-here/x"):
        with recorded() as asked, pytest.raises(pouta.InvalidInput):
            object_store.download(store, "data", "a", path)
        assert not [request for request in asked if request.startswith("GET")]
    assert contents(tmp_path) == {"taken": b"mine"}


# What a folder holds besides files


def test_what_is_left_out_of_a_folder_is_named(store, folder, caplog):
    (folder / "none").mkdir()
    (folder / "none at all" / "below").mkdir(parents=True)
    (folder / "elsewhere").symlink_to(folder / "day 1")
    (folder / "broken").symlink_to("nothing")
    (folder / "round").symlink_to("round")
    (folder / "also.txt").symlink_to("readme.txt")
    os.mkfifo(folder / "pipe")
    caplog.set_level("INFO", "pouta")
    object_store.upload(store, folder, "data", name="")
    assert names(store, "data") == [
        *("also.txt", "day 1/märz #1?.csv", "empty", "readme.txt"),
    ]
    (said,) = [record.message for record in caplog.records if "Left out" in record.message]
    assert said == (
        "Left out: links that lead nowhere (2): 'broken', 'round'; links to folders (1): "
        "'elsewhere'; empty folders (2): 'none', 'none at all/below'; special files (1): 'pipe'."
    )


def test_a_file_that_changes_while_it_is_sent_is_not_stored(store, big):
    chunks = streams.Part.__iter__

    def grows(part):
        if part.path == big:
            with big.open("ab") as file:
                file.write(b"more")
        yield from chunks(part)

    for segment_size in (None, MIB):
        with (
            mock.patch.object(streams.Part, "__iter__", grows),
            pytest.raises(pouta.Failed, match="changed while it was read"),
        ):
            object_store.upload(store, big, "data", segment_size=segment_size)
        assert object_store.list(store) == []
    object_store.upload(store, big, "data")
    assert store.object_store.get("/data/big.bin").content == big.read_bytes()
