"""Files that pouta only looks at, and those that it needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import pouta
from pouta import files, keypairs, known_hosts, openrc, stacks, streams
from pouta.canvas import Picture
from pouta.connection import sources
from pouta.identity import clouds_yaml
from pouta.servers import diagnosing

NO_FILE = ["a\0b", "x" * 300, "\udcff\ud800", "~nobody-of-that-name/x"]
UNREADABLE = "/proc/self/mem"  # there, and reading it fails, for root as well


@pytest.fixture
def nobody(monkeypatch):
    """A user without a home folder, as in some containers."""
    monkeypatch.delenv("HOME")

    def expanduser(path):
        if str(path).startswith("~"):
            raise RuntimeError("Could not determine home directory.")
        return path

    monkeypatch.setattr(Path, "expanduser", expanduser)


def spoil(ssh: Path, how: str) -> None:
    ssh.mkdir(mode=0o700)
    for name in ("known_hosts", "id_ed25519.pub", "other.pub"):
        file = ssh / name
        if how == "unreadable":
            file.symlink_to(UNREADABLE)
        elif how == "folder":
            file.mkdir()
        elif how == "loop":
            file.symlink_to(file)
        elif how == "not text":
            file.write_bytes(b"\xff\xfe\0ssh-ed25519 \xff\n" * 9)


@pytest.mark.parametrize("how", ["unreadable", "folder", "loop", "not text", "nothing"])
def test_what_is_only_looked_at_is_passed_over(home, how):
    spoil(home / ".ssh", how)
    assert {*known_hosts.keys_of("192.0.2.1")} == set()
    assert not known_hosts.is_stale("192.0.2.1", ["AAAA"])
    assert keypairs._own_keys() == []
    assert keypairs.private_key_of("ssh-ed25519 AAAA") is None


@pytest.mark.parametrize("where", ["/" + "x" * 300, "/dev/null", "/nowhere", ""])
def test_so_it_is_in_a_home_that_cannot_be(monkeypatch, where):
    monkeypatch.setenv("HOME", where)
    assert {*known_hosts.keys_of("192.0.2.1")} == set()
    assert keypairs.own([]) is None
    assert keypairs.private_key_of("ssh-ed25519 AAAA") is None
    assert sources._file("clouds") is None


def test_so_it_is_without_a_home(nobody):
    assert {*known_hosts.keys_of("192.0.2.1")} == set()
    assert keypairs.own([]) is None
    assert keypairs.private_key_of("ssh-ed25519 AAAA") is None
    with pytest.raises(pouta.ConfigurationError, match="no home folder") as caught:
        keypairs._local_key("laptop")
    assert "HOME" in caught.value.hint
    with pytest.raises(pouta.ConfigurationError, match="no home folder"):
        clouds_yaml.for_new("night", None)


def test_a_folder_that_was_deleted_is_no_reason_to_stop(tmp_path):
    code = (
        "import os, pouta\n"
        "pouta.connect  # openstacksdk itself cannot be imported there\n"
        "os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')\n"
        "for call in (pouta.connect, lambda: pouta.connect(openrc='x.sh')):\n"
        "    try: call()\n"
        "    except pouta.ConfigurationError as error: print('fine', error)\n"
    )
    root = str(Path(pouta.__file__).parents[1])
    variables = {"PATH": "/usr/bin", "HOME": str(tmp_path), "PYTHONPATH": root}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=variables, capture_output=True, text=True
    )
    assert done.stdout.count("fine") == 2, done.stderr


WAYS = {
    "picture": lambda path: Picture("<svg/>").save(path),
    "template": stacks._read,
    "openrc": lambda path: openrc.read(path, {}),
    "upload": streams.existing_file,
    "clouds.yaml": lambda path: clouds_yaml.for_new("night", path),
    "private key": lambda path: diagnosing._look(None, SimpleNamespace(), path, "my-ip"),
    "public key": keypairs._read,
}


@pytest.mark.parametrize("name", NO_FILE)
@pytest.mark.parametrize("way", WAYS)
def test_a_name_that_no_file_can_have_is_refused_in_words(way, name):
    with pytest.raises((pouta.InvalidInput, pouta.ConfigurationError)) as caught:
        WAYS[way](name)
    assert str(caught.value).replace("\n", "").isprintable()
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("way", ["template", "openrc", "clouds.yaml"])
def test_what_is_needed_and_cannot_be_read_is_told(way, tmp_path):
    file = tmp_path / "clouds.yaml"
    file.symlink_to(UNREADABLE)
    with pytest.raises((pouta.InvalidInput, pouta.ConfigurationError), match="cannot be read"):
        WAYS[way](str(file))


@pytest.mark.parametrize("place", ["/proc/clouds.yaml", "/dev/null/clouds.yaml"])
def test_what_cannot_be_written_is_told_before_it_is_needed(place):
    with pytest.raises(pouta.ConfigurationError, match="cannot be written"):
        clouds_yaml.for_new("night", place)
    with pytest.raises(pouta.ConfigurationError, match="cannot be written"):
        Picture("<svg/>").save(place)


def test_a_clouds_yaml_that_nothing_can_be_added_to_is_told_before(tmp_path):
    file = tmp_path / "clouds.yaml"
    file.write_text("clouds: {a: {region_name: x}}\n")
    with pytest.raises(pouta.ConfigurationError, match="not written below each other"):
        clouds_yaml.for_new("night", file)
    file.unlink()
    file.mkdir()
    with pytest.raises(pouta.ConfigurationError, match="cannot be read"):
        clouds_yaml.for_new("night", file)
    assert [*tmp_path.iterdir()] == [file]


def test_half_a_key_is_not_left(home):
    (home / ".ssh").mkdir()
    (home / ".ssh" / "laptop.pub").symlink_to(home / "nowhere")
    with pytest.raises(pouta.ConfigurationError, match="No key could be made"):
        keypairs._local_key("laptop")
    assert not (home / ".ssh" / "laptop").exists()
    spoiled = home / ".ssh" / "other.pub"
    spoiled.symlink_to(UNREADABLE)
    with pytest.raises(pouta.ConfigurationError, match="cannot be read"):
        keypairs._local_key("other")


def test_paths_are_taken_as_people_write_them(home):
    assert files.path_of("~/x") == home / "x"
    assert files.path_of(Path("a/b")) == Path("a/b")
    assert os.fspath(files.in_home(".ssh")) == f"{home}/.ssh"
