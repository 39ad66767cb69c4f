"""Stacks: all of a template, or nothing."""

from __future__ import annotations

import traceback

import pytest

import pouta
from pouta import stacks
from tests.wire import answer_lost, recorded

TEMPLATE = """\
heat_template_version: 2018-08-31
parameters:
  flavor: {type: string, default: standard.tiny}
  size: {type: number, default: 1}
resources:
  port:
    type: OS::Neutron::Port
    properties: {network: NETWORK}
  server:
    type: OS::Nova::Server
    properties:
      image: cirros
      flavor: {get_param: flavor}
      networks: [{port: {get_resource: port}}]
  disk:
    type: OS::Cinder::Volume
    properties: {size: {get_param: size}, name: from-stack}
outputs:
  address:
    value: {get_attr: [server, first_address]}
  size:
    value: {get_param: size}
"""
NOTHING = {
    "heat_template_version": "2018-08-31",
    "parameters": {"word": {"type": "string"}},
    "resources": {"nothing": {"type": "OS::Heat::None"}},
    "outputs": {"said": {"value": {"get_param": "word"}}},
}


@pytest.fixture
def template(practice_conn):
    network = next(practice_conn.network.networks(project_id=practice_conn.current_project_id))
    return TEMPLATE.replace("NETWORK", network.id)


def test_a_hidden_value_that_does_not_fit_is_not_told(practice_conn, caplog):
    """Heat quotes it."""
    caplog.set_level("DEBUG", logger="keystoneauth")
    pin = "canary-pin"
    few = {"type": "string", "hidden": True, "constraints": [{"allowed_pattern": "[0-9]*"}]}
    template = NOTHING | {"parameters": {"word": few}}
    with pytest.raises(pouta.Refused, match="the value that was given for 'word'") as caught:
        stacks.create(practice_conn, "lab", template, parameters={"word": pin})
    assert pin not in "".join(traceback.format_exception(caught.value))
    assert "Parameter 'word' is invalid: ***" in caplog.text
    assert pin not in caplog.text
    assert left(practice_conn) == []


def left(conn):
    return [
        *(stack.name for stack in conn.orchestration.stacks()),
        *(server.name for server in conn.compute.servers()),
        *(volume.name for volume in conn.block_storage.volumes()),
    ]


def test_a_stack_is_made_read_and_deleted_with_all_that_is_in_it(practice_conn, template, tmp_path):
    file = tmp_path / "stack.yaml"
    file.write_text(template)
    with answer_lost("POST", "/stacks"):
        made = stacks.create(practice_conn, "lab", file, parameters={"size": 2}, tags=["course"])
    assert made.status == "CREATE_COMPLETE"
    assert "course" in made.tags
    assert len(stacks.list(practice_conn)) == 1
    assert "CREATE_COMPLETE" in str(stacks.list(practice_conn))

    told = stacks.outputs(practice_conn, "lab")
    assert told["address"].startswith("192.168.")
    assert str(told["size"]) == "2"
    assert {part.name for part in stacks.resources(practice_conn, made)} == {
        "port",
        "server",
        "disk",
    }
    with recorded() as requests, pytest.raises(pouta.Refused, match="stack 'lab' already"):
        stacks.create(practice_conn, "lab", template)
    assert not [request for request in requests if request.startswith("POST")]
    with pytest.raises(pouta.NotFound) as caught:
        stacks.find(practice_conn, "labb")
    assert "'lab'" in caught.value.hint

    with pytest.raises(pouta.Refused, match="volumes 'disk', whose data would be lost"):
        stacks.delete(practice_conn, "lab")
    assert len(left(practice_conn)) == 3
    stacks.delete(practice_conn, "lab", delete_volumes=True)
    assert left(practice_conn) == []


def test_a_stack_that_fails_is_removed_and_says_why(practice_conn, template):
    with pytest.raises(pouta.Failed) as caught:
        stacks.create(practice_conn, "lab", template, parameters={"size": 5000})
    said = str(caught.value)
    assert "Stack 'lab' failed: disk (OS::Cinder::Volume): " in said
    assert "quota" in said.lower()
    assert "resources.disk" not in said
    assert left(practice_conn) == []
    assert caught.value.leftovers == []


def test_text_dictionaries_and_what_heat_refuses(practice_conn):
    made = stacks.create(practice_conn, "small", NOTHING, parameters={"word": "hello"})
    assert stacks.outputs(practice_conn, made) == {"said": "hello"}
    stacks.delete(practice_conn, made)

    newer = {**NOTHING, "heat_template_version": "2099-01-01"}
    with pytest.raises(pouta.Refused, match="another release of Heat") as caught:
        stacks.create(practice_conn, "newer", newer, parameters={"word": "x"})
    assert "wallaby" in caught.value.hint
    with pytest.raises(pouta.Refused, match="word"):
        stacks.create(practice_conn, "small", NOTHING)
    assert left(practice_conn) == []


def test_a_wait_that_ends_early_undoes_nothing(practice_conn):
    slow = {
        "heat_template_version": "2018-08-31",
        "resources": {
            "slow": {
                "type": "OS::Heat::TestResource",
                "properties": {"action_wait_secs": {"create": 5}},
            }
        },
    }
    with pytest.raises(pouta.TimedOut) as caught:
        stacks.create(practice_conn, "slow", slow, timeout=1)
    assert caught.value.resource.name == "slow"
    with pytest.raises(pouta.Refused, match="not known yet"):
        stacks.outputs(practice_conn, "slow")
    stacks.delete(practice_conn, "slow")
    assert left(practice_conn) == []


@pytest.mark.parametrize(
    ("name", "template", "problem"),
    [
        ("1st", NOTHING, "no name for a stack"),
        ("a b", NOTHING, "no name for a stack"),
        ("lab", "nowhere.yaml", "no template nowhere.yaml"),
        ("lab", "a: [\n", "line 2: this cannot be read"),
        ("lab", "resources:\n  a: 1\n", "version not found"),
    ],
)
def test_what_cannot_be_costs_no_request(member, no_requests, name, template, problem):
    with pytest.raises(pouta.InvalidInput, match=problem):
        stacks.create(member, name, template)
