"""Names of any kind lead to the very thing, or are refused before anything is sent.

Beside each thing with a name stand others, whose names a URL, a pattern or a filter would make of
it. They stay as they are.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

import pouta
from pouta import (
    find,
    flavors,
    floating_ips,
    identity,
    images,
    keypairs,
    networks,
    object_store,
    security_groups,
    servers,
    stacks,
    volumes,
)
from pouta.kinds import KEYPAIR, NETWORK, SERVER_GROUP, VOLUME
from pouta.object_store import names as object_names
from pouta.practice.folder import Folder
from pouta.practice.project import own_project
from tests.wire import recorded

SIGNS = "#?%/\\ .:;+&=|*()[]{}^$~,!@'\"<>`-_\n\t\0aA1ä\u00a0\u0301中😀\u202e\ud800"
WORDS = [
    *("run#1", "a?b", "50%", "a%2Fb", "a/b", "../a", "..", ".", "a//b", "a;b", "a+b", "a&name=b"),
    *("in:a,b", "eq:a", "gte:5", "like:%", "2027-01-31T12:00:00Z", "name:a", "a:", ":a", '"a"'),
    *("a|b", "^a$", ".*", "a\\", "[a]", "(a", "*", "~a", "a~", "%", "_", "null", "None", "true"),
    *("a b", "a'b", "'a'", "['a', 'b']", "{a}", "0", "1e5", "-a", "a=b", "a,b", "märz", "Default"),
    *("x" * 255, "ä" * 255, "x" * 256, " a", "a\n", "7f000001" * 4, "a.", "😀", "&", "\\a", "${a}"),
]
NAMES = st.one_of(
    st.sampled_from(WORDS), st.text(st.sampled_from(SIGNS), min_size=1, max_size=8), st.text()
)
BESIDE = ("a", "run", "50", "ab", "in", "x")


def few(examples):
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[*HealthCheck],
        phases=[Phase.explicit, Phase.generate],  # a smaller example is not worth its requests
    )


@pytest.fixture(scope="module")
def conn(practice_cloud):
    """One project for all of these tests."""
    with own_project(Folder(practice_cloud.directory), practice_cloud.admin) as member:
        yield member


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    file = tmp_path_factory.mktemp("disk") / "disk.raw"
    file.write_bytes(b"disk")
    return file


def made(create, conn, name):
    """What was made with this name, or None when it was refused before anything was sent."""
    with recorded() as requests:
        try:
            return create(conn, name)
        except pouta.InvalidInput as error:
            assert requests == []
            assert error.message.isprintable()
    return None


def plain(name):
    find.check_plain_name("network", name)
    return name


# Each by what creates it, what finds it, and what deletes it.
THINGS = {
    "volume": (
        lambda conn, name: volumes.create(conn, name, 1),
        volumes.find,
        lambda conn, volume: VOLUME.delete(conn, volume.id),
    ),
    "security group": (
        lambda conn, name: security_groups.ensure(conn, name),
        security_groups.find,
        lambda conn, group: conn.network.delete_security_group(group.id),
    ),
    "network": (
        lambda conn, name: NETWORK.create(conn, name=plain(name)),
        networks.find,
        lambda conn, network: NETWORK.delete(conn, network.id),
    ),
    "server group": (
        servers.create_group,
        lambda conn, name: find.one(conn, SERVER_GROUP, name),
        servers.delete_group,
    ),
    "application credential": (
        identity.create_application_credential,
        lambda conn, name: find.pick("", name, identity.list_application_credentials(conn)),
        identity.delete_application_credential,
    ),
}


@pytest.mark.parametrize("kind", THINGS)
def test_a_thing_is_found_by_its_name_whatever_that_is(conn, kind):
    create, look_up, delete = THINGS[kind]
    beside = {create(conn, name).id: name for name in BESIDE}

    @few(5)
    @given(NAMES)
    @example("a|b")
    @example("50%")
    @example("😀")
    def holds(name):
        thing = made(create, conn, name) if name not in BESIDE else None
        if thing:
            assert thing.name == name
            assert look_up(conn, name).id == thing.id
            delete(conn, thing)

    holds()
    assert {look_up(conn, name).id: name for name in BESIDE} == beside
    for id in beside:
        delete(conn, look_up(conn, beside[id]))


def test_an_image_is_found_by_its_name_whatever_that_is(conn, disk):
    @few(8)
    @given(NAMES)
    @example("in:a,b")
    @example("eq:cirros")
    @example("neq:cirros")
    def holds(name):
        image = made(lambda conn, name: images.upload(conn, disk, name), conn, name)
        if image:
            assert images.find(conn, name).id == image.id
            images.delete(conn, name)
            assert images.find(conn, "cirros").name == "cirros"

    holds()


def test_an_image_whose_name_no_file_can_have_is_told_before_it_is_fetched(conn, disk, tmp_path):
    images.upload(conn, disk, "ä" * 255)
    with recorded() as asked, pytest.raises(pouta.InvalidInput, match="Invalid file name"):
        images.download(conn, "ä" * 255, tmp_path)
    assert not [request for request in asked if "/file" in request]
    copy = images.download(conn, "ä" * 255, tmp_path / ("n" * 253))
    assert copy.read_bytes() == b"disk"
    images.delete(conn, "ä" * 255)


def test_a_snapshot_is_found_by_its_name_whatever_that_is(conn):
    volume = volumes.create(conn, "data", 1)

    @few(5)
    @given(NAMES)
    def holds(name):
        taken = made(lambda conn, name: volumes.snapshot(conn, volume, name), conn, name)
        if taken:
            assert volumes.find_snapshot(conn, name).id == taken.id
            volumes.delete_snapshot(conn, name)

    holds()
    volumes.delete(conn, volume)
    assert volumes.list_snapshots(conn) == []


def test_a_key_pair_is_found_by_its_name_whatever_that_is(conn):
    keypairs.ensure(conn, "a")

    @few(13)
    @given(NAMES)
    def holds(name):
        pair = made(keypairs.ensure, conn, name) if name != "a" else None
        if pair:
            assert keypairs.find(conn, name).fingerprint == pair.fingerprint
            KEYPAIR.delete(conn, name)
        assert [pair.name for pair in keypairs.list(conn)] == ["a"]

    holds()


def test_a_stack_is_found_by_its_name_whatever_that_is(conn):
    template = {"heat_template_version": "2016-10-14", "resources": {}}

    @few(10)
    @given(NAMES)
    @example("a.b_c-1")
    def holds(name):
        stack = made(lambda conn, name: stacks.create(conn, name, template), conn, name)
        if stack:
            assert stacks.find(conn, name).id == stack.id
            stacks.delete(conn, name)
        assert stacks.list(conn) == []

    holds()


SERVER_NAMES = ("web|b$ (x)*", "50%25 #1?&name=web", "^märz.+\\[c]{}")
SERVER = {"image": "cirros", "flavor": "standard.tiny", "key_name": False}


def test_servers_are_found_by_their_names_whatever_these_are(conn):
    ids = {name: servers.launch(conn, name, **SERVER).id for name in (*SERVER_NAMES, "web", "b$")}
    for name, id in ids.items():
        assert servers.find(conn, name).id == id
    with pytest.raises(pouta.Refused, match="There is a server"):
        servers.launch(conn, SERVER_NAMES[0], **SERVER)
    for name in SERVER_NAMES:
        servers.delete(conn, name)
    assert {server.name for server in servers.list(conn)} == {"web", "b$"}
    for name in ("web", "b$"):
        servers.delete(conn, name)


def test_many_servers_of_any_name_are_found_again(conn):
    many = servers.launch_many(conn, "w|(1)*", 2, **SERVER)
    again = servers.launch_many(conn, "w|(1)*", 2, **SERVER, exist_ok=True)
    assert [server.id for server in again] == [server.id for server in many]
    for server in many:
        servers.delete(conn, server)


@few(13)
@given(NAMES)
@example("emoji 😀")
@example("x" * 250)
def test_a_server_that_nova_would_not_take_is_refused_before_anything_is_sent(name):
    """Nova, and what is made for a server, have the last word in the tests above."""
    with recorded() as requests:
        try:
            servers.launch(None, name, **SERVER, volumes=[1])
        except pouta.InvalidInput:
            assert requests == []
        except AttributeError:  # it was about to ask nobody's Connection
            assert len(f"{name}-volume-1") <= 255 and max(name) < "\uffff"


FINDS = (
    *(servers.find, images.find, volumes.find, volumes.find_snapshot, networks.find),
    *(security_groups.find, floating_ips.find, flavors.find, keypairs.find, stacks.find),
)


@few(5)
@given(NAMES)
@example("in:a,b")
@example("*")
@example("x" * 10_000)
@example("198.18.1.1/../..")
def test_what_is_not_there_is_not_found(conn, name):
    for chore in FINDS:
        with pytest.raises((pouta.NotFound, pouta.InvalidInput)):
            chore(conn, f"{name}!")


@pytest.mark.parametrize("id", ["a/b", "../x", "a?b", "a#b", "..", "a%2Fb", "a\nb", "é;"])
def test_a_resource_whose_id_leads_elsewhere_is_refused(no_requests, conn, id):
    from openstack.block_storage.v3.volume import Volume

    for chore in (
        lambda: volumes.delete(conn, Volume(id=id, name="x")),
        lambda: find.one(conn, VOLUME, Volume(id=id)),
    ):
        with pytest.raises(pouta.InvalidInput, match="Invalid volume ID"):
            chore()


def test_an_image_is_not_shared_with_what_is_no_project(conn, disk):
    image = images.upload(conn, disk, "mine")
    other = "0123456789abcdef" * 2
    images.share(conn, image, other)
    for id in ("..", f"../members/{other}", f"{other}?a", f"{other}#", "50%", ""):
        images.unshare(conn, image, id)
        with pytest.raises(pouta.InvalidInput):
            images.share(conn, image, id)
    assert [member.member_id for member in images.members(conn, image)] == [other]
    images.unshare(conn, image, other)
    assert images.members(conn, image) == []
    images.delete(conn, image)


# Objects


@pytest.fixture
def files(tmp_path):
    """Every file is told by what is in it."""

    def write(text):
        file = tmp_path / "sent"
        file.write_text(text)
        return file

    return write


CONTAINERS = ("a", "run", "50", "x")


def test_containers_and_objects_of_any_name(conn, files, tmp_path):
    for name in CONTAINERS:
        for held in ("a", "b", "1"):
            object_store.upload(conn, files(f"{name} {held}"), name, name=held)
    before = everything(conn)

    @few(5)
    @given(NAMES, NAMES.filter(bool))  # without a name an object is called like its file
    @example("run#1", "a")
    @example("a?b", "a")
    @example("a?prefix=b", "a?b")
    @example("50%", "50%")
    @example("50%35", "a%2Fb")
    @example("a;b", "a//b")
    @example("a+b", "a\nb")
    @example("a", "a/")
    def holds(container, name):
        if container in CONTAINERS and name in ("a", "b", "1"):
            return
        with recorded() as requests:
            try:
                (held,) = object_store.upload(conn, files("mine"), container, name=name)
            except pouta.InvalidInput:
                assert requests == []
                return
        assert held.name == name
        assert name in [one.name for one in object_store.list(conn, container)]
        assert next(iter(object_store.list(conn, container, prefix=name))).name == name
        if not name.endswith("/"):
            copy = tmp_path / "copy"
            object_store.download(conn, container, name, copy)
            assert copy.read_text() == "mine"
            copy.unlink()
        object_store.delete(conn, container, name)
        if container not in CONTAINERS:
            object_store.delete(conn, container)

    holds()
    assert everything(conn) == before
    for name in CONTAINERS:
        object_store.delete(conn, name, all_objects=True)
    assert object_store.list(conn) == []


def everything(conn):
    return {
        (container.name, held.name, held._hash)
        for container in object_store.list(conn)
        for held in object_store.list(conn, container.name)
    }


@few(20)
@given(st.one_of(st.sampled_from(["", "a/b", "/", "x" * 257, "a\0", "\ud800", 5]), st.text()))
def test_what_no_container_and_no_object_can_be_called_is_refused(tmp_path_factory, name):
    """Of all chores; "" for an object would lead to the container that holds it."""
    is_container = object_names.fits(name, 256) and "/" not in name
    is_object = object_names.fits(name, 1024)
    for chore, fits in (
        (lambda: object_store.list(None, name), is_container),
        (lambda: object_store.delete(None, name, all_objects=True), is_container),
        (lambda: object_store.delete(None, "a", name), is_object),
        (lambda: object_store.download(None, "a", name, "x"), is_object),
        (lambda: object_store.download(None, name, None, "x"), is_container),
        (lambda: object_store.temporary_url(None, "a", name, seconds=5), is_object),
    ):
        with recorded() as requests, pytest.raises((pouta.InvalidInput, AttributeError)) as caught:
            chore()
        assert requests == []
        assert isinstance(caught.value, pouta.InvalidInput) or fits
