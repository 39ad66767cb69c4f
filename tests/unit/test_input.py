"""What a person may give: what cannot be is refused in one sentence, and nothing is asked."""

from __future__ import annotations

import base64
import ipaddress
import os
import re
import stat
import string
import subprocess
from contextlib import suppress
from pathlib import Path

import openstack
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import pouta
from pouta import (
    find,
    handwritten,
    identity,
    images,
    keypairs,
    kinds,
    object_store,
    security_groups,
    servers,
    stacks,
    volumes,
)
from pouta.identity import clouds_yaml
from pouta.practice.folder import Folder
from pouta.security_groups import Rule
from pouta.servers.resolving import encoded
from tests.wire import recorded

quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def conn(no_requests):
    """A Connection to nowhere: whoever asks it for anything fails the test."""
    auth = {"auth_url": "http://127.0.0.1:1/v3", "username": "me", "password": "geheim"}
    return openstack.connect(load_yaml_config=False, load_envvars=False, auth=auth)


def refuses(chore, *arguments, **options):
    """What it says: a sentence, and no more than a line of it."""
    with recorded() as requests, pytest.raises(pouta.InvalidInput) as caught:
        chore(*arguments, **options)
    assert requests == []
    assert caught.value.message.endswith(".")
    assert len(caught.value.message) < 250
    assert caught.value.message.isprintable()
    return str(caught.value)


# Names

NO_NAMES = st.one_of(
    st.sampled_from(
        ["", " ", " a", "a ", "\0", "a\0b", "a\nb", "\u202etxt.exe", "\ud800", "a\x1b[2J", 5, None]
    ),
    st.text(st.characters(categories=["Cc", "Cf", "Cs", "Zl"]), min_size=1, max_size=5),
    st.text(min_size=256, max_size=300),
    st.binary(max_size=5),
)
NAMES = st.text(
    st.characters(exclude_categories=["C", "Z"], exclude_characters="/"), min_size=1, max_size=60
)
SERVER = {"image": "cirros", "flavor": "standard.tiny"}


@quick
@given(NO_NAMES)
def test_what_cannot_be_a_name_is_refused_for_every_kind_of_thing(conn, tmp_path, name):
    file = tmp_path / "disk.raw"
    file.write_bytes(b"disk")
    for chore in (
        lambda: volumes.create(conn, name, 1),
        lambda: volumes.snapshot(conn, "data", name),
        lambda: images.upload(conn, file, name),
        lambda: servers.snapshot(conn, "web", name),
        lambda: servers.create_group(conn, name),
        lambda: security_groups.allow(conn, name, port=22, remote_ip="192.0.2.7"),
        lambda: keypairs.ensure(conn, name),
        lambda: identity.create_application_credential(conn, name),
        lambda: servers.launch(conn, name, **SERVER),
    ):
        refuses(chore)
    if isinstance(name, str):
        refuses(stacks.create, conn, name, {})


@quick
@given(NAMES)
def test_a_name_in_any_script_is_a_name(name):
    find.check_name("server", name)
    assert find._can_be_asked_for(name)


@quick
@given(st.text(st.characters(max_codepoint=0x2FF, exclude_categories=["C"]), min_size=1))
@example("a|b (c)* [d]{e}^$\\#&~-.")
def test_every_database_of_nova_reads_the_pattern_for_a_name_alike(name):
    """Nova puts a backslash before each | for MySQL: an escaped one would become another thing."""
    pattern = kinds.pattern(name)
    assert re.fullmatch(pattern, name)
    assert not {*pattern} & {*r"\|()[]{}^$*+?"}


@quick
@given(
    st.sampled_from(["a\0", "\ud800", "", " ", "a\udfff", "x" * 256]),
    st.sampled_from([volumes, servers]),
)
def test_what_nothing_can_be_called_is_not_looked_for(conn, name, noun):
    refuses(noun.find, conn, name)


@quick
@given(st.text(max_size=8).filter(lambda name: not name.strip() or "/" in name))
@example("a" * 257)
@example("a\0b")
@example("a\nb")
@example("\ud800")
def test_what_no_container_can_be_called(conn, tmp_path, name):
    file = tmp_path / "file"
    file.write_text("x")
    refuses(object_store.upload, conn, file, name)


# Sizes


@quick
@given(st.one_of(st.integers(max_value=0), st.floats(), st.text(), st.booleans(), st.just([1])))
def test_what_no_disk_can_be_large(conn, size):
    refuses(volumes.create, conn, "data", size)
    if isinstance(size, int | float):
        refuses(servers.launch, conn, "web", **SERVER, volumes=[size])
    if not isinstance(size, bool):
        refuses(servers.launch, conn, "web", **SERVER, boot_volume_size=size)


# User data


@pytest.mark.parametrize("spare", [0, 1, 2, 3, 4000])
def test_user_data_up_to_the_limit_and_over_it(conn, spare):
    most = 49149  # 65532 of Nova's 65535 in base64
    assert len(encoded("x" * (most - spare)) or "") <= 65535
    said = refuses(
        servers.launch, conn, "web", **SERVER, user_data="canary" + "x" * (most - 5 + spare)
    )
    assert f"{most} at most" in said
    assert "canary" not in said


@quick
@given(st.text() | st.binary())
def test_user_data_arrives_as_it_was_given(data):
    with suppress(UnicodeEncodeError):
        raw = data.encode() if isinstance(data, str) else data
        assert base64.b64decode(encoded(data)) == raw
        return
    assert "UTF-8" in refuses(encoded, data)


@pytest.mark.parametrize("data", [Path("init.sh"), 5, ["#!/bin/sh"], {"runcmd": []}])
def test_user_data_is_text(conn, data):
    assert "text or bytes" in refuses(servers.launch, conn, "web", **SERVER, user_data=data)


# Networks and ports

ADDRESSES = st.ip_addresses().map(str)
NETWORKS = st.one_of(
    st.builds("{}/{}".format, st.ip_addresses(v=4), st.integers(0, 32)),
    st.builds("{}/{}".format, st.ip_addresses(v=6), st.integers(0, 128)),
)
NO_NETWORKS = st.one_of(
    st.text(string.digits + string.ascii_lowercase + "./: ", max_size=20),
    st.text(max_size=20),
    st.integers(),
    st.booleans(),
    st.binary(min_size=4, max_size=4),
    st.just(ipaddress.ip_network("192.0.2.0/24")),
)


@settings(quick, max_examples=300)
@given(ADDRESSES | NETWORKS | NO_NETWORKS)
@example("192.0.2.7%eth0")
@example("fe80::1%eth0")
@example("192.0.2.7/255.255.255.255")
@example("٣.٣.٣.٣")
def test_a_network_is_what_it_says_or_is_refused(conn, remote_ip):
    try:
        expected = ipaddress.ip_network(remote_ip) if isinstance(remote_ip, str) else None
    except ValueError:
        expected = None
    if expected is None or getattr(expected.network_address, "scope_id", None):
        refuses(security_groups.allow, conn, "web", port=80, remote_ip=remote_ip)
    else:
        assert security_groups.cidr_of(conn, remote_ip) == str(expected)


@settings(quick, max_examples=200)
@given(st.ip_addresses(), st.integers(0, 128), st.integers(1, 22), st.integers(22, 65535))
def test_ssh_is_never_opened_to_much_of_the_world_in_silence(conn, address, prefix, first, last):
    network = ipaddress.ip_network((address, min(prefix, address.max_prefixlen)), strict=False)
    rule = Rule((first, last), remote_ip=str(network))
    if network.prefixlen < {4: 8, 6: 16}[network.version]:
        with pytest.raises(pouta.Refused, match="allow_world=True"):
            security_groups.checked(conn, rule, False)
    else:
        assert security_groups.checked(conn, rule, False).remote_ip == str(network)
    assert security_groups.checked(conn, rule, True).remote_ip == str(network)


NO_PORTS = st.one_of(
    st.integers(max_value=0),
    st.integers(min_value=65536),
    st.text(),
    st.floats(),
    st.booleans(),
    st.tuples(st.integers(), st.none()),
    st.tuples(st.integers(), st.integers()).filter(lambda pair: pair[0] > pair[1]),
    st.tuples(st.integers(), st.integers(), st.integers()),
    st.lists(st.integers()),
)


@quick
@given(NO_PORTS, st.sampled_from(["tcp", "udp"]))
def test_what_is_no_port(conn, port, protocol):
    refuses(security_groups.allow, conn, "web", port=port, protocol=protocol, remote_ip="192.0.2.7")


# Keys


def fields(*parts):
    raw = b"".join(len(part).to_bytes(4) + part for part in parts)
    return base64.b64encode(raw).decode()


def key(kind, *parts):
    return f"{kind} {fields(kind.encode(), *parts)}"


NUMBER = st.binary(min_size=1, max_size=300)
KINDS = (
    *("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp521"),
    *("sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"),
)
KEYS = st.builds(key, st.sampled_from(KINDS), NUMBER, NUMBER)
COMMENTS = st.sampled_from(["", " me@laptop", " a comment of words", "  ключ"])


@quick
@given(KEYS, COMMENTS)
def test_a_key_of_any_kind_is_taken_as_text_and_as_file(tmp_path, line, comment):
    file = tmp_path / "key.pub"
    file.write_text(f"{line}{comment}\n", encoding="utf-8")
    expected = f"{line}{comment}".strip()
    for given_key in (file, str(file), f"{line}{comment}", f"\n{line}{comment} \n"):
        assert keypairs._read(given_key) == expected
    file.write_bytes(b"\r\n" + expected.encode() + b"\r\n")
    assert keypairs._read(file) == expected


@quick
@given(
    KEYS,
    st.sampled_from(
        [
            lambda line: line[:-4],  # cut off in the middle of copying
            lambda line: line.replace(" ", "", 1),
            lambda line: line.split()[0],
            lambda line: line.split()[1],
            lambda line: f"{line}\n{line}",
            lambda line: f"{line} a\0b",
            lambda line: f'from="192.0.2.7" {line}',
            lambda line: "ssh-rsa " + line.split()[1] if "rsa" not in line else f"ssh-x {line}",
            lambda line: key("ssh-dss", b"p", b"q"),
            lambda line: key("ssh-ed25519-cert-v01@openssh.com", b"nonce", b"key"),
            lambda line: line.replace("A", "é"),
            lambda line: line.replace("-", "-\udcb5", 1),
        ]
    ),
)
def test_what_is_no_key_of_a_server_is_not_sent(conn, tmp_path, line, spoil):
    file = tmp_path / "key.pub"
    file.write_text(spoil(line), encoding="utf-8", errors="replace")
    for given_key in (spoil(line), file):
        said = refuses(keypairs.ensure, conn, "laptop", public_key=given_key)
        assert line.split()[1][:40] not in said


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
@pytest.mark.parametrize("form", ["RFC4716", "PEM", "PKCS8"])
def test_a_private_key_given_by_mistake_goes_nowhere(conn, tmp_path, home, kind, form):
    file = tmp_path / "id"
    command = ["ssh-keygen", "-q", "-t", kind, "-m", form, "-N", "", "-f", str(file)]
    subprocess.run(command, check=True)
    text = file.read_text()
    lines = text.splitlines()[1:-1]
    ppk = f"PuTTY-User-Key-File-3: ssh-{kind}\nPrivate-Lines: 1\n{lines[0]}\n"
    for given_key in (text, file, str(file), " ".join(text.split("\n")), "".join(lines), ppk):
        said = refuses(keypairs.ensure, conn, "laptop", public_key=given_key)
        assert not [line for line in lines if line in said]
    # Nor where it is called like the public half.
    (home / ".ssh").mkdir()
    (home / ".ssh" / "id_rsa.pub").write_text(text)
    assert keypairs._own_keys() == []
    (home / ".ssh" / "laptop.pub").write_text(text)
    assert "private half" in refuses(keypairs._local_key, "laptop")


# YAML

LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.dates()
DOCUMENTS = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner)
)
SCRAPS = st.sampled_from(
    [
        *("clouds:", "auth:", "a: ", "- ", "\n", "  ", "&a ", "*a", "<<: *a", "!!int ", "!!bool x"),
        *("!!python/object:os.system x", "!!timestamp x", "!!binary é", "? ", "{", "}", "[", "]"),
        *("|", ">", "'", '"', "#", "%", "---", "...", "\t", "2026-99-99", "0x", "1_", "190:20:30"),
        *("canary", ": ", ",", "\\", "\x85", "\ufeff", "\0", "\u2028"),
    ]
)
LISTED = "a{0}: &a{0} [*a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}]\n"
MERGED = "a{0}: &a{0} {{<<: [*a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}]}}\n"
YAML = st.one_of(st.text(max_size=30), st.lists(SCRAPS, max_size=12).map("".join))


@settings(quick, max_examples=400)
@given(YAML)
@example("a: " * 3000)
@example("[" * 3000)
@example("&a [*a]")
@example("\n".join(["a0: &a0 x", *(f"a{n}: &a{n} [{f'*a{n - 1}, ' * 9}]" for n in range(1, 20))]))
@example(
    "\n".join(
        ["a0: &a0 {k: v}", *(f"a{n}: &a{n} {{<<: [{f'*a{n - 1}, ' * 9}]}}" for n in range(1, 20))]
    )
)
@example("a: !!int ''")
@example("a: " + "9" * 5000)
@example("? [a]\n: b")
def test_any_text_is_yaml_or_is_refused_without_being_quoted(text):
    try:
        held = handwritten.read(text)
    except handwritten.Unreadable as error:
        assert str(error).startswith((", line ", ": "))
        assert "canary" not in str(error)
        assert error.__cause__ is None
    else:
        assert repr(held) == repr(yaml.safe_load(text))


@quick
@given(st.dictionaries(st.text(max_size=5), DOCUMENTS, max_size=3), NAMES, st.text(max_size=20))
def test_a_cloud_that_is_added_changes_no_other(tmp_path, before, name, secret):
    file = tmp_path / "clouds.yaml"
    try:
        file.write_text(yaml.safe_dump({"clouds": before, "other": 1}), encoding="utf-8")
        text = file.read_text(encoding="utf-8")
        cloud = {"auth": {"secret": secret.encode(errors="replace").decode()}}
        clouds_yaml.for_new(name, file)
        clouds_yaml.add(file, name, cloud)
    except pouta.PoutaError:
        assert file.read_text(encoding="utf-8") == text
    else:
        held = yaml.safe_load(file.read_text(encoding="utf-8"))
        assert held == {"clouds": {**before, name: cloud}, "other": 1}


# Files


@pytest.fixture
def no_umask():
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path):
    return stat.S_IMODE(path.lstat().st_mode)


def test_secrets_are_written_for_their_owner_alone_whatever_the_umask(
    home, tmp_path, no_umask, monkeypatch
):
    opened = []
    ours = os.open

    def watched(path, flags, mode=0o777, **more):
        handle = ours(path, flags, mode, **more)
        opened.append((str(path), stat.S_IMODE(os.fstat(handle).st_mode)))
        return handle

    monkeypatch.setattr(os, "open", watched)
    keypairs._local_key("laptop")
    file = home / ".config" / "openstack" / "clouds.yaml"
    clouds_yaml.add(file, "night", {"auth": {"application_credential_secret": "geheim"}})
    assert {mode(path) for path in (home / ".config", file.parent, home / ".ssh")} == {0o700}
    assert mode(home / ".ssh" / "laptop") == mode(file) == 0o600
    assert mode(home / ".ssh" / "laptop.pub") == 0o644
    assert {mode for path, mode in opened if ".pub" not in path and str(home) in path} == {0o600}

    # An open file becomes a closed one; a link stays one, and its file is closed.
    file.chmod(0o666)
    clouds_yaml.add(file, "day", {"region_name": "two"})
    assert mode(file) == 0o600
    link = tmp_path / "clouds.yaml"
    link.symlink_to(file)
    file.chmod(0o644)
    clouds_yaml.add(link, "noon", {"region_name": "one"})
    assert link.is_symlink()
    assert mode(file) == 0o600
    assert [*yaml.safe_load(file.read_text())["clouds"]] == ["noon", "day", "night"]
    assert [path.name for path in file.parent.iterdir()] == ["clouds.yaml"]


def test_the_folder_of_a_practice_cloud_is_closed_whatever_the_umask(tmp_path, no_umask):
    folder = Folder(tmp_path / "data" / "practice")
    folder.create()
    parts = {path: mode(path) for path in (tmp_path / "data").rglob("*")}
    assert mode(tmp_path / "data") == parts[folder.path] == parts[folder.keys] == 0o700
    assert parts[folder.path / "passwords.json"] == 0o600
    assert {*parts.values()} == {0o700, 0o600}


def test_a_key_is_never_written_through_a_link(home, tmp_path):
    (home / ".ssh").mkdir()
    (home / ".ssh" / "laptop").symlink_to(tmp_path / "theirs")
    with pytest.raises(pouta.ConfigurationError, match="No key could be made"):
        keypairs._local_key("laptop")
    assert not (tmp_path / "theirs").exists()
