"""Objects in several parts, by whatever made them, on Swift and on Ceph."""

from __future__ import annotations

import base64
import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from hashlib import md5
from pathlib import Path
from urllib.parse import quote

import boto3
import pytest
from botocore.config import Config

import pouta
from pouta import identity, object_store, progress
from pouta.object_store import sending
from pouta.practice.folder import Folder
from pouta.practice.project import empty_objects, new_member
from tests.wire import recorded

KIB = 1024
PARTS = [bytes([65 + n]) * KIB for n in range(4)]
WHOLE = b"".join(PARTS)
MADE = "1700000000.123456/4096/1024"  # when, its size, and that of its segments: swift's way


def put(conn, place: str, data: bytes = b"", **headers: str) -> None:
    container = place.split("/")[0]
    conn.object_store.put(f"/{quote(container)}")
    answer = conn.object_store.put(f"/{quote(place)}", data=data, headers=headers)
    assert answer.status_code == 201, answer.text


def parts_of(conn, folder: str, home: str = "data_segments") -> list[str]:
    """The four parts, each stored by itself."""
    places = [f"{home}/{folder}/{number:08}" for number in range(4)]
    for place, part in zip(places, PARTS, strict=True):
        put(conn, place, part)
    return places


def listed(place: str, **more: str) -> dict[str, object]:
    """How a manifest names one of the parts."""
    part = PARTS[int(place[-8:])]
    hash = md5(part, usedforsecurity=False).hexdigest()
    return {"path": f"/{place}", "size_bytes": len(part), "etag": hash, **more}


def static(conn, name: str, *manifest: dict[str, object]) -> None:
    """A static large object of the container `data`, or a skip where the cloud takes none such."""
    conn.object_store.put("/data")
    answer = conn.object_store.put(
        f"/{quote(f'data/{name}')}?multipart-manifest=put", data=json.dumps(manifest)
    )
    if answer.status_code == 400:
        pytest.skip(f"this cloud takes no such manifest: {answer.text}")
    assert answer.status_code == 201, answer.text


def dynamic(conn, name: str, prefix: str) -> None:
    put(conn, f"data/{name}", **{"X-Object-Manifest": quote(prefix)})


def content(conn, name: str) -> bytes:
    return conn.object_store.get(f"/{quote(f'data/{name}')}").content


def stored(conn) -> set[str]:
    """All that is stored and billed, as container/object."""
    return {
        f"{container.name}/{held.name}"
        for container in conn.object_store.containers()
        for held in conn.object_store.objects(container.name)
    }


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "big"
    path.write_bytes(WHOLE)
    return path


@pytest.fixture
def said() -> Iterator[list[str]]:
    """What the person is told."""
    sentences: list[str] = []
    with progress.shown_by(lambda step: sentences.append(step.what)):
        yield sentences


# What others make


def by_swift(conn) -> None:
    """`swift upload -S`, as `a-put` and rclone do it, too."""
    parts_of(conn, f"big/{MADE}")
    dynamic(conn, "big", f"data_segments/big/{MADE}/")


def by_swift_static(conn) -> None:
    """`swift upload -S --use-slo`."""
    static(conn, "big", *map(listed, parts_of(conn, f"big/slo/{MADE}")))


def in_each_other(conn) -> None:
    first, *rest = parts_of(conn, f"big/{MADE}")
    inner = json.dumps([*map(listed, rest)])
    answer = conn.object_store.put("/data_segments/inner?multipart-manifest=put", data=inner)
    assert answer.status_code == 201
    inner = {"path": "/data_segments/inner", "size_bytes": 3 * KIB}
    static(conn, "big", listed(first), inner)


def with_data_in_it(conn) -> None:
    first, *rest = parts_of(conn, f"big/{MADE}")
    conn.object_store.delete(f"/{first}")
    data = {"data": base64.b64encode(PARTS[0]).decode()}
    static(conn, "big", data, *map(listed, rest))


KINDS = [by_swift, by_swift_static, in_each_other, with_data_in_it]


@pytest.mark.parametrize("make", KINDS)
def test_what_others_make_comes_down_is_told_apart_and_goes_away(store, tmp_path, file, make):
    make(store)
    assert [held._bytes for held in object_store.list(store, "data")] == [len(WHOLE)]
    (copy,) = object_store.download(store, "data", "big", tmp_path / "copy")
    assert copy.read_bytes() == WHOLE
    with recorded() as again:
        object_store.download(store, "data", "big", tmp_path / "copy")
        object_store.upload(store, file, "data")
    assert not [line for line in again if line.startswith("PUT")]
    assert not [line for line in again if line.startswith("GET") and line.endswith("/data/big")]

    file.write_bytes(WHOLE[::-1])
    with pytest.raises(pouta.Refused, match="with other data"):
        object_store.upload(store, file, "data")
    copy.write_bytes(WHOLE[::-1])
    with pytest.raises(pouta.Refused, match="is there already"):
        object_store.download(store, "data", "big", copy)

    object_store.upload(store, file, "data", overwrite=True)
    assert stored(store) == {"data/big"}
    assert content(store, "big") == WHOLE[::-1]


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("whole_container", [False, True])
def test_no_segment_stays_behind(store, make, whole_container):
    make(store)
    if whole_container:
        with pytest.raises(pouta.Refused, match=r"holds 1 objects, 0\.0 MB"):
            object_store.delete(store, "data")
        object_store.delete(store, "data", all_objects=True)
    else:
        object_store.delete(store, "data", "big")
    assert stored(store) == set()
    assert "data_segments" not in {held.name for held in store.object_store.containers()}


def test_stretches_of_segments_cannot_be_compared(store, tmp_path, file):
    places = parts_of(store, f"big/{MADE}")
    static(store, "big", *(listed(place, range="0-99") for place in places))
    assert content(store, "big") in (b"".join(part[:100] for part in PARTS), WHOLE)  # Ceph: whole
    file.write_bytes(content(store, "big"))
    is_swift = len(file.read_bytes()) == 400
    if is_swift:
        with pytest.raises(pouta.Refused, match="cannot be compared"):
            object_store.upload(store, file, "data")
        copy = tmp_path / "copy"
        (tmp_path / "copy.part").write_bytes(b"of another object")
        object_store.download(store, "data", "big", copy)
        assert copy.read_bytes() == file.read_bytes()
        with pytest.raises(pouta.Refused, match="is there already"):
            object_store.download(store, "data", "big", copy)
    object_store.delete(store, "data", "big")
    assert stored(store) == set()


def test_an_s3_upload_in_parts_is_not_called_damaged(store, tmp_path, file, request):
    if "ceph" not in request.node.name:
        pytest.skip("Swift's S3 is not among the practice cloud's services")
    pair = identity.create_ec2_credentials(store)
    s3 = boto3.client(
        "s3",
        endpoint_url=request.getfixturevalue("ceph").s3,
        aws_access_key_id=pair.access,
        aws_secret_access_key=str(pair.secret),
        region_name="regionOne",
        config=Config(
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    object_store.upload(store, file, "data", name="other")
    upload = s3.create_multipart_upload(Bucket="data", Key="big")["UploadId"]
    halves = [b"x" * 5 * KIB * KIB, b"end"]
    etags = [
        s3.upload_part(Bucket="data", Key="big", UploadId=upload, PartNumber=n, Body=half)["ETag"]
        for n, half in enumerate(halves, 1)
    ]
    told = {"Parts": [{"PartNumber": n, "ETag": etag} for n, etag in enumerate(etags, 1)]}
    s3.complete_multipart_upload(Bucket="data", Key="big", UploadId=upload, MultipartUpload=told)
    (copy,) = object_store.download(store, "data", "big", tmp_path / "copy")
    assert copy.read_bytes() == b"".join(halves)
    with pytest.raises(pouta.Refused, match="cannot be compared"):
        object_store.upload(store, copy, "data", name="big")
    object_store.delete(store, "data", "big")
    assert stored(store) == {"data/other"}


def test_what_is_stored_compressed_comes_down_as_it_is(store, tmp_path):
    packed = gzip.compress(b"hello" * 100)
    put(store, "data/log", packed, **{"Content-Encoding": "gzip", "Content-Type": "text/plain"})
    (copy,) = object_store.download(store, "data", "log", tmp_path / "log")
    assert copy.read_bytes() == packed
    copy.unlink()
    (tmp_path / "log.part").write_bytes(packed[:10])
    object_store.download(store, "data", "log", tmp_path / "log")
    assert copy.read_bytes() == packed


# What several need


def test_a_segment_stays_as_long_as_another_object_needs_it(store):
    places = parts_of(store, f"big/{MADE}")
    static(store, "big", *map(listed, places))
    static(store, "half", *map(listed, places[:2]))
    dynamic(store, "all", f"data_segments/big/{MADE}/")
    object_store.delete(store, "data", "all")
    assert (content(store, "big"), content(store, "half")) == (WHOLE, WHOLE[: 2 * KIB])
    object_store.delete(store, "data", "big")
    assert content(store, "half") == WHOLE[: 2 * KIB]
    assert stored(store) == {"data/half", *places[:2]}
    object_store.delete(store, "data", "half")
    assert stored(store) == set()


def test_another_container_may_need_it(store):
    places = parts_of(store, f"big/{MADE}")
    static(store, "big", *map(listed, places))
    put(store, "copies/big", **{"X-Object-Manifest": f"data_segments/big/{MADE}/"})
    object_store.delete(store, "data", all_objects=True)
    assert store.object_store.get("/copies/big").content == WHOLE
    object_store.delete(store, "copies", all_objects=True)
    assert stored(store) == set()


def test_a_manifest_that_begins_like_another_takes_nothing_of_it(store, file):
    object_store.upload(store, file, "data", name="run2", segment_size=KIB)
    parts_of(store, f"run/{MADE}")
    dynamic(store, "run", "data_segments/run")
    object_store.delete(store, "data", "run")
    assert content(store, "run2") == WHOLE
    assert {name.split("/")[1] for name in stored(store)} == {"run2"}


def test_objects_that_a_manifest_strings_together_stay(store):
    places = parts_of(store, "logs", home="data")
    dynamic(store, "all", "data/logs/")
    object_store.delete(store, "data", "all")
    assert stored(store) == {*places}


def test_segments_that_the_cloud_does_not_tell_stay_and_that_is_said(store, caplog):
    caplog.set_level("INFO", "pouta")
    places = parts_of(store, f"big/{MADE}")
    one, _, other, _ = places
    static(store, "odd", listed(other), listed(one))
    object_store.delete(store, "data", "odd")
    told = "does not tell the segments of 'odd'" in caplog.text
    assert stored(store) == ({*places} if told else {*places} - {one, other})


# What pouta makes


def test_what_an_upload_left_that_broke_off_goes_with_the_object(store, file):
    parts_of(store, f"big/{MADE}")
    parts_of(store, f"big/1700000000123456789/4096/{KIB}")
    kept = parts_of(store, "big/of/mine")
    object_store.upload(store, file, "data")
    object_store.delete(store, "data", "big")
    assert stored(store) == {*kept}
    parts_of(store, f"gone/{MADE}")
    parts_of(store, f"gone/else/{MADE}")
    object_store.upload(store, file, "data", name="gone")
    object_store.delete(store, "data", all_objects=True)
    assert stored(store) >= {*kept}
    assert not [name for name in stored(store) if name.startswith(f"data_segments/gone/{MADE}")]


def test_a_file_that_changed_within_a_second_disturbs_no_finished_object(store, file, tmp_path):
    object_store.upload(store, file, "data", segment_size=KIB)
    seen = file.stat()
    file.write_bytes(WHOLE[::-1])
    os.utime(file, ns=(seen.st_atime_ns, seen.st_mtime_ns + 1000))
    with pytest.raises(pouta.Refused, match="with other data"):
        object_store.upload(store, file, "data", segment_size=KIB)
    assert content(store, "big") == WHOLE
    object_store.upload(store, file, "data", segment_size=KIB, overwrite=True)
    assert content(store, "big") == WHOLE[::-1]
    assert len(stored(store)) == 1 + 4


def test_more_segments_than_the_cloud_takes(store, file, tmp_path, monkeypatch):
    large = tmp_path / "large"
    with large.open("wb") as sparse:
        sparse.truncate(1001 * 10)
    with recorded() as asked, pytest.raises(pouta.InvalidInput, match="1001 segments of 10") as it:
        object_store.upload(store, large, "data", segment_size=10)
    assert "up to 1000" in it.value.message
    assert not [line for line in asked if line.startswith("PUT")]
    monkeypatch.setattr(sending, "LARGEST", 2 * sending.MIB)
    monkeypatch.setattr(sending, "SEGMENT", 1024)
    with large.open("wb") as sparse:
        sparse.truncate(3 * sending.MIB)
    object_store.upload(store, large, "data")
    assert len(stored(store)) == 1 + 3


# Read back by others


def shell(conn, endpoint: str, tmp_path: Path, *command: str) -> None:
    auth = conn.config.config["auth"]
    env = {
        **os.environ,
        "HOME": str(tmp_path),
        "OS_STORAGE_URL": endpoint,
        "OS_AUTH_TOKEN": conn.auth_token,
        "OS_AUTH_URL": auth["auth_url"],
    }
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_swift_reads_and_deletes_what_pouta_made_and_the_other_way_round(store, file, tmp_path):
    swift = str(Path(sys.executable).with_name("swift"))
    endpoint = store.object_store.head("").url.rstrip("/")
    object_store.upload(store, file, "data", segment_size=KIB)
    out = tmp_path / "out"
    shell(store, endpoint, tmp_path, swift, "download", "data", "big", "-o", str(out))
    assert out.read_bytes() == WHOLE
    object_store.delete(store, "data", all_objects=True)
    for how in ([], ["--use-slo"]):
        shell(store, endpoint, tmp_path, swift, "upload", "-S", "1024", *how, "data", "big")
        with recorded() as again:
            object_store.upload(store, file, "data")
        assert not [line for line in again if line.startswith("PUT")]
        (copy,) = object_store.download(store, "data", "big", tmp_path / "copy")
        assert copy.read_bytes() == WHOLE
        object_store.delete(store, "data", "big")
        assert stored(store) == set()


@pytest.mark.skipif(not shutil.which("rclone"), reason="rclone is not installed")
def test_rclone_reads_what_pouta_made(store, file, tmp_path):
    endpoint = store.object_store.head("").url.rstrip("/")
    object_store.upload(store, file, "data", segment_size=KIB)
    (tmp_path / "rclone.conf").write_text("[cloud]\ntype = swift\nenv_auth = true\n")
    rclone = ("rclone", "--config", str(tmp_path / "rclone.conf"))
    shell(store, endpoint, tmp_path, *rclone, "copy", "cloud:data/big", str(tmp_path / "out"))
    assert (tmp_path / "out" / "big").read_bytes() == WHOLE
    shell(store, endpoint, tmp_path, *rclone, "delete", "cloud:data/big")
    assert "data/big" not in stored(store)


# Whose container


def test_a_container_name_that_somebody_else_has(practice_cloud, ceph, file):
    endpoint = ceph.with_shared_names()
    place = Folder(practice_cloud.directory)
    options = {"object_store_endpoint_override": endpoint}
    with (
        new_member(place, practice_cloud.admin, **options) as ours,
        new_member(place, practice_cloud.admin, **options) as theirs,
    ):
        object_store.upload(theirs, file, "data")
        for chore in (
            lambda: object_store.upload(ours, file, "data"),
            lambda: object_store.list(ours, "data"),
            lambda: object_store.download(ours, "data", "big", file, overwrite=True),
            lambda: object_store.delete(ours, "data", all_objects=True),
        ):
            with pytest.raises(pouta.Refused, match="'data' belongs to another project"):
                chore()
        assert content(theirs, "big") == WHOLE
        empty_objects(theirs)
