"""What a newcomer asks first: who am I, what is there, what does it cost."""

from __future__ import annotations

import json
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest

import pouta
from pouta import flavors, identity, images, volumes
from tests.wire import recorded


def test_who_is_logged_in_costs_no_request(member, no_requests):
    me = identity.whoami(member)
    assert me.project == member.current_project.name
    assert me.cloud == "127.0.0.1"
    assert "member" in me.roles
    assert me.expires_at - datetime.now(UTC) > timedelta(minutes=30)
    assert me.project in str(me)


def test_a_token_works_in_a_raw_request_and_hides_in_its_repr(member):
    token = identity.token(member)
    assert token.id not in repr(token)
    url = next(
        row.url
        for row in identity.catalog(member)
        if (row.service, row.interface) == ("compute", "public")
    )
    request = urllib.request.Request(f"{url}/flavors", headers={"X-Auth-Token": token.id})
    with urllib.request.urlopen(request, timeout=10) as answer:
        names = {flavor["name"] for flavor in json.load(answer)["flavors"]}
    assert "standard.small" in names


def test_flavors_are_listed_with_their_price_cheapest_first(member):
    table = flavors.list(member, family="standard")
    assert [flavor.name for flavor in table][:2] == ["standard.tiny", "standard.small"]
    assert str(table).splitlines()[0].endswith("BU/h")
    assert str(table).splitlines()[1].split()[-1] == "0.26"
    assert {flavor.name for flavor in flavors.list(member, family="io")} >= {
        "io.70GB",
        "io.2.80GB",
    }


def test_flavors_that_fit(practice_conn):
    assert all(f.vcpus >= 8 for f in flavors.list(practice_conn, min_vcpus=8))
    fitting = {flavor.name for flavor in flavors.list(practice_conn, fits_quota=True)}
    assert "standard.xxlarge" in fitting
    assert not {"hpc.4.10core", "gpu.1.1gpu"} & fitting
    # It has 4000 MiB, and costs half of standard.large.
    assert flavors.smallest(practice_conn, vcpus=3, ram=4).name == "standard.medium"
    assert flavors.smallest(practice_conn, vcpus=3, ram=4.5).name == "standard.large"
    with pytest.raises(pouta.NotFound, match="not for every project"):
        flavors.find(practice_conn, "tiny")  # long gone from Pouta's list, but it had a price
    with pytest.raises(pouta.NotFound, match="1000 vCPUs"):
        flavors.smallest(practice_conn, vcpus=1000, ram=1)


def test_projects_are_listed_with_the_id_that_sharing_asks_for(member):
    mine = identity.projects(member)
    here = identity.whoami(member)
    assert (here.project, here.project_id) in {(project.name, project.id) for project in mine}
    assert f"{here.project}  {here.project_id}  yes" in str(mine)


def test_volume_types_are_listed_with_their_price(member):
    prices = dict(row[:2] for row in volumes.list_types(member).cells())
    assert prices == {"standard": "3.6", "capacity": "1.8", "standard.multiattach": "-"}


def test_a_look_up_by_name_costs_one_request(member):
    images.find(member, "cirros")  # asks the endpoint for its versions, once
    with recorded() as requests:
        images.find(member, "Ubuntu-24.04")
    assert len(requests) == 1


@pytest.mark.parametrize(
    ("image", "user"),
    [
        ("Ubuntu-24.04", "ubuntu"),
        ("AlmaLinux-9", "almalinux"),
        ("CentOS-10-Stream", "cloud-user"),
        ("cirros", "cirros"),
    ],
)
def test_the_login_user_goes_with_the_image(member, image, user):
    assert images.login_user(member, image) == user


def test_the_login_user_of_an_unknown_image_is_read_from_the_console(practice_conn):
    pair = pouta.keypairs.ensure(practice_conn, "laptop")
    server = pouta.servers.launch(
        practice_conn, "web", image="AlmaLinux-9", flavor="standard.tiny", key_name=pair.name
    )
    server.image.id = "00000000-0000-0000-0000-000000000000"  # its image is no more
    assert images.login_user(practice_conn, server) == "almalinux"


def test_images_are_listed_by_name_with_their_user(member):
    table = images.list(member)
    assert [image.name for image in table] == sorted(image.name for image in table)
    assert "almalinux" in str(table)


@pytest.mark.parametrize("wrong", ["", None, 7, object()])
def test_what_is_no_name_costs_no_request(member, no_requests, wrong):
    with pytest.raises(pouta.InvalidInput):
        images.find(member, wrong)


def test_a_thing_of_another_kind_is_told_apart(member):
    flavor = flavors.find(member, "standard.tiny")
    with pytest.raises(pouta.InvalidInput, match="Expected an image, got the flavor"):
        images.find(member, flavor)
