"""Files and folders in the object store."""

from __future__ import annotations

import os
import time
from unittest import mock

import pytest
import requests

import pouta
from pouta import object_store, progress, streams
from tests.wire import answer_lost, recorded

MIB = 1024 * 1024


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


def test_a_file_goes_up_and_comes_down_unchanged(practice_conn, tmp_path, folder):
    file = folder / "readme.txt"
    (held,) = object_store.upload(practice_conn, file, "data")
    assert (held.name, held._bytes, held._content_type) == ("readme.txt", 5, "text/plain")
    assert "readme.txt" in str(object_store.list(practice_conn, "data"))
    assert "data" in str(object_store.list(practice_conn))

    with recorded() as again:
        object_store.upload(practice_conn, file, "data")
    assert sent(again) == []
    file.write_text("HELLO")
    with pytest.raises(pouta.Refused, match=r"has 'readme\.txt' already, with other data"):
        object_store.upload(practice_conn, file, "data")
    object_store.upload(practice_conn, file, "data", overwrite=True)
    object_store.upload(practice_conn, file, "data", name="old/hello")
    assert names(practice_conn, "data") == ["old/hello", "readme.txt"]

    (copy,) = object_store.download(practice_conn, "data", "readme.txt", tmp_path / "copy")
    assert copy.read_text() == "HELLO"
    with recorded() as again:
        object_store.download(practice_conn, "data", "readme.txt", copy)
    assert not [request for request in again if request.startswith("GET")]
    copy.write_text("changed")
    with pytest.raises(pouta.Refused, match="is there already"):
        object_store.download(practice_conn, "data", "readme.txt", copy)
    assert copy.read_text() == "changed"
    object_store.download(practice_conn, "data", "readme.txt", copy, overwrite=True)
    assert copy.read_text() == "HELLO"
    with pytest.raises(pouta.NotFound) as caught:
        object_store.download(practice_conn, "data", "readme.tx", copy)
    assert "'readme.txt'" in caught.value.hint
    with pytest.raises(pouta.NotFound, match="No container 'dat'") as caught:
        object_store.list(practice_conn, "dat")
    assert "'data'" in caught.value.hint


def test_a_folder_goes_up_and_comes_down_unchanged(practice_conn, tmp_path, folder):
    steps = []
    with progress.shown_by(steps.append):
        table = object_store.upload(practice_conn, folder, "data")
    assert sorted(held.name for held in table) == [
        "results/day 1/märz #1?.csv",
        "results/empty",
        "results/readme.txt",
    ]
    assert steps[-1].ended
    object_store.upload(practice_conn, folder / "readme.txt", "data", name="other")

    object_store.download(practice_conn, "data", "results/", tmp_path / "part")
    assert contents(tmp_path / "part" / "results") == contents(folder)
    files = object_store.download(practice_conn, "data", None, tmp_path / "all")
    assert len(files) == 4
    assert (tmp_path / "all" / "other").read_text() == "hello"

    (folder / "new.txt").write_text("new")
    with recorded() as again:
        object_store.upload(practice_conn, folder, "data")
    assert len(sent(again)) == 1
    object_store.upload(practice_conn, folder, "flat", name="")
    assert "readme.txt" in names(practice_conn, "flat")


def test_a_large_file_goes_up_in_segments(practice_conn, tmp_path, big):
    object_store.upload(practice_conn, big, "data", segment_size=MIB)
    assert names(practice_conn, "data") == ["big.bin"]
    assert len(names(practice_conn, "data_segments")) == 4
    head = practice_conn.object_store.head("/data/big.bin").headers
    assert head["X-Static-Large-Object"] == "True"
    assert int(head["Content-Length"]) == big.stat().st_size

    (copy,) = object_store.download(practice_conn, "data", "big.bin", tmp_path / "copy")
    assert copy.read_bytes() == big.read_bytes()
    with recorded() as again:
        object_store.upload(practice_conn, big, "data", segment_size=MIB)
    assert sent(again) == []

    big.write_bytes(b"x" * (2 * MIB))
    object_store.upload(practice_conn, big, "data", segment_size=MIB, overwrite=True)
    assert len(names(practice_conn, "data_segments")) == 2
    object_store.delete(practice_conn, "data", "big.bin")
    assert {held.name for held in practice_conn.object_store.containers()} == {"data"}
    assert names(practice_conn, "data") == []


def test_an_upload_that_broke_off_goes_on(practice_conn, big):
    send = requests.Session.send

    def third_is_lost(session, request, **more):
        if request.method == "PUT" and request.url.endswith("00000002"):
            raise requests.ConnectionError("reset")
        return send(session, request, **more)

    with (
        mock.patch.object(requests.Session, "send", third_is_lost),
        pytest.raises(pouta.Unreachable),
    ):
        object_store.upload(practice_conn, big, "data", segment_size=MIB)
    there = names(practice_conn, "data_segments")
    assert 0 < len(there) < 4
    with recorded() as again:
        object_store.upload(practice_conn, big, "data", segment_size=MIB)
    sent_now = [r for r in again if r.startswith("PUT") and "/data_segments/" in r]
    assert len(sent_now) == 4 - len(there)
    assert practice_conn.object_store.get("/data/big.bin").content == big.read_bytes()


def test_what_did_not_arrive_whole_is_not_kept(practice_conn, tmp_path, folder):
    file = folder / "readme.txt"
    with (
        mock.patch("pouta.streams.Part.digest", return_value="another"),
        pytest.raises(pouta.Failed, match="checksum is another"),
    ):
        object_store.upload(practice_conn, file, "data")
    assert [*practice_conn.object_store.containers()] == []
    with answer_lost("PUT", "/data/readme.txt"), pytest.raises(pouta.Unreachable):
        object_store.upload(practice_conn, file, "data")
    object_store.upload(practice_conn, file, "data")

    with (
        mock.patch("pouta.object_store._Held.is_same", return_value=False),
        pytest.raises(pouta.Failed, match="checksum is another"),
    ):
        object_store.download(practice_conn, "data", "readme.txt", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    assert not (tmp_path / "copy.part").exists()

    (tmp_path / "copy.part").write_text("he")
    with recorded() as requests_made:
        object_store.download(practice_conn, "data", "readme.txt", tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "hello"
    assert len([r for r in requests_made if r.startswith("GET") and "readme" in r]) == 1


def test_nothing_is_written_outside_the_folder(practice_conn, tmp_path):
    practice_conn.object_store.put("/data")
    for name in ("../evil", "a/../../evil"):
        practice_conn.object_store.put("/data/" + name.replace(".", "%2E"), data=b"x")
        with pytest.raises(pouta.Refused, match="outside"):
            object_store.download(practice_conn, "data", None, tmp_path / "in" / "here")
        object_store.delete(practice_conn, "data", name)
        assert names(practice_conn, "data") == []
    practice_conn.object_store.put("/data/%2Fetc%2Fmine", data=b"x")
    (file,) = object_store.download(practice_conn, "data", None, tmp_path / "in")
    assert file == tmp_path / "in" / "etc" / "mine"
    assert [*tmp_path.rglob("evil")] == []


def test_a_name_leads_to_no_other_container(practice_conn, folder, tmp_path):
    object_store.upload(practice_conn, folder / "readme.txt", "other")
    object_store.upload(practice_conn, folder / "readme.txt", "data")
    for chore in (
        lambda: object_store.delete(practice_conn, "data", "../other/readme.txt"),
        lambda: object_store.download(practice_conn, "data", "../other/readme.txt", tmp_path / "x"),
    ):
        with pytest.raises(pouta.NotFound):
            chore()
    assert names(practice_conn, "other") == ["readme.txt"]


def test_a_container_is_deleted_with_what_is_in_it_only_when_told(practice_conn, folder, big):
    object_store.upload(practice_conn, folder, "data")
    object_store.upload(practice_conn, big, "data", segment_size=MIB)
    with recorded() as requests_made, pytest.raises(pouta.Refused, match="holds 4 objects, 3"):
        object_store.delete(practice_conn, "data")
    assert not [request for request in requests_made if request.startswith("DELETE")]
    object_store.delete(practice_conn, "data", all_objects=True)
    assert [*practice_conn.object_store.containers()] == []
    with pytest.raises(pouta.NotFound, match="No container"):
        object_store.delete(practice_conn, "data")


def test_a_temporary_url_opens_one_object_for_some_time(practice_conn, folder):
    object_store.upload(practice_conn, folder / "readme.txt", "data", name="to you/märz.txt")
    url = object_store.temporary_url(practice_conn, "data", "to you/märz.txt", seconds=60)
    assert requests.get(url, timeout=10).content == b"hello"
    assert requests.put(url, data=b"x", timeout=10).status_code == 401
    assert requests.get(url.replace("data", "other"), timeout=10).status_code == 401
    other = object_store.temporary_url(practice_conn, "data", "to you/märz.txt", seconds=30)
    assert requests.get(other, timeout=10).status_code == 200  # with the same key
    assert requests.get(url, timeout=10).status_code == 200

    short = object_store.temporary_url(practice_conn, "data", "to you/märz.txt", seconds=1)
    time.sleep(2)
    assert requests.get(short, timeout=10).status_code == 401

    box = object_store.temporary_url(practice_conn, "inbox", "file", seconds=60, method="PUT")
    assert requests.put(box, data=b"from afar", timeout=10).status_code == 201
    assert practice_conn.object_store.get("/inbox/file").content == b"from afar"
    with pytest.raises(pouta.NotFound):
        object_store.temporary_url(practice_conn, "data", "nothing", seconds=60)


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


def test_no_sign_in_a_name_leads_to_another_container(practice_conn, folder):
    for other, container in (("run", "run#1"), ("a", "a?b"), ("5", "5%")):
        object_store.upload(practice_conn, folder / "readme.txt", other)
        object_store.upload(practice_conn, folder / "empty", container, name="readme.txt")
        assert [held._bytes for held in object_store.list(practice_conn, other)] == [5]
        assert [held._bytes for held in object_store.list(practice_conn, container)] == [0]
        with pytest.raises(pouta.Refused, match="with other data"):
            object_store.upload(practice_conn, folder / "readme.txt", container)
        object_store.delete(practice_conn, container, all_objects=True)
    assert [held.name for held in object_store.list(practice_conn)] == ["5", "a", "run"]


def test_a_large_file_of_any_name(practice_conn, tmp_path, big):
    container, name = "50% of run#1?", "a%2Fb //c?d#1+2&.bin"
    object_store.upload(practice_conn, big, container, name=name, segment_size=MIB)
    with recorded() as again:
        object_store.upload(practice_conn, big, container, name=name, segment_size=MIB)
    assert sent(again) == []
    (copy,) = object_store.download(practice_conn, container, name, tmp_path / "copy")
    assert copy.read_bytes() == big.read_bytes()
    object_store.delete(practice_conn, container, name)
    assert [held.name for held in object_store.list(practice_conn)] == [container]


def test_a_temporary_url_of_any_name(practice_conn, folder):
    container, name = "50% of run#1?", "a%2Fb //c?d#1+2&;\n.txt"
    object_store.upload(practice_conn, folder / "readme.txt", container, name=name)
    url = object_store.temporary_url(practice_conn, container, name, seconds=60)
    assert requests.get(url, timeout=10).content == b"hello"
    with pytest.raises(pouta.InvalidInput, match="temporary URL"):
        object_store.temporary_url(practice_conn, container, "a/../b", seconds=60)


def test_names_too_long_for_segments_are_refused_before_anything_is_made(practice_conn, big):
    for container, name in (("x" * 250, "big"), ("data", "x" * 1000)):
        with recorded() as asked, pytest.raises(pouta.InvalidInput, match="segments"):
            object_store.upload(practice_conn, big, container, name=name, segment_size=MIB)
        assert asked == []
        object_store.upload(practice_conn, big, container, name=name)


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


def test_objects_that_cannot_all_be_files_are_refused_before_any_is_fetched(
    practice_conn, tmp_path
):
    target = tmp_path / "in"
    (target / "there").mkdir(parents=True)
    (target / "link").symlink_to("there")
    (target / "taken").write_text("mine")
    for first, second, why in CANNOT_BOTH:
        put(practice_conn, first, b"one")
        put(practice_conn, second, b"two")
        with (
            recorded() as asked,
            pytest.raises((pouta.Refused, pouta.InvalidInput), match=why) as caught,
        ):
            object_store.download(practice_conn, "data", None, target)
        assert caught.value.message.isprintable()
        assert not [r for r in asked if r.startswith("GET") and "/data/" in r]
        assert contents(target) == {"taken": b"mine"}
        for name in (first, second):
            object_store.delete(practice_conn, "data", name)


def put(conn, name, data):
    conn.object_store.put("/data")
    answer = conn.object_store.put(object_store._url("data", name), data=data)
    assert answer.status_code == 201


def test_what_has_come_of_a_file_is_not_written_into_another_object(practice_conn, tmp_path):
    texts = {"x": b"x" * 100, "x.part": b"y" * 50, "x.part.part": b"z" * 70, "n" * 253: b"long"}
    for name, text in texts.items():
        put(practice_conn, name, text)
    put(practice_conn, "folder/", b"")  # marks a folder, and is no file
    object_store.download(practice_conn, "data", None, tmp_path / "in")
    assert contents(tmp_path / "in") == texts

    one_by_one = tmp_path / "one"
    one_by_one.mkdir()
    for name in ("x.part", "x"):
        object_store.download(practice_conn, "data", name, one_by_one)
    assert contents(one_by_one) == {name: texts[name] for name in ("x.part", "x")}


def test_what_no_file_can_be_called_is_told_before_a_byte_is_fetched(
    practice_conn, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_text("mine")
    put(practice_conn, "a", b"one")
    for path in ("x" * 256, "a\0b", "taken/b", "d/" * 2100, "~nobody-here/x"):
        with recorded() as asked, pytest.raises(pouta.InvalidInput):
            object_store.download(practice_conn, "data", "a", path)
        assert not [request for request in asked if request.startswith("GET")]
    assert contents(tmp_path) == {"taken": b"mine"}


# What a folder holds besides files


def test_what_is_left_out_of_a_folder_is_named(practice_conn, folder, caplog):
    (folder / "none").mkdir()
    (folder / "none at all" / "below").mkdir(parents=True)
    (folder / "elsewhere").symlink_to(folder / "day 1")
    (folder / "broken").symlink_to("nothing")
    (folder / "round").symlink_to("round")
    (folder / "also.txt").symlink_to("readme.txt")
    os.mkfifo(folder / "pipe")
    caplog.set_level("INFO", "pouta")
    object_store.upload(practice_conn, folder, "data", name="")
    assert names(practice_conn, "data") == [
        *("also.txt", "day 1/märz #1?.csv", "empty", "readme.txt"),
    ]
    (said,) = [record.message for record in caplog.records if "Left out" in record.message]
    assert said == (
        "Left out: links that lead nowhere (2): 'broken', 'round'; links to folders (1): "
        "'elsewhere'; empty folders (2): 'none', 'none at all/below'; special files (1): 'pipe'."
    )


def test_a_file_that_changes_while_it_is_sent_is_not_stored(practice_conn, big):
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
            object_store.upload(practice_conn, big, "data", segment_size=segment_size)
        assert object_store.list(practice_conn) == []
    object_store.upload(practice_conn, big, "data")
    assert practice_conn.object_store.get("/data/big.bin").content == big.read_bytes()
