"""Stacks: all of a template, or nothing."""

from __future__ import annotations

import time
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


def until(done):
    for _ in range(100):
        if done():
            return
        time.sleep(0.2)
    raise AssertionError("it does not come to it")


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


DISK = """\
heat_template_version: 2018-08-31
resources:
  disk:
    type: OS::Cinder::Volume
    properties: {size: 1}
"""
DEEP = """\
heat_template_version: 2018-08-31
resources:
  plain:
    type: OS::Cinder::Volume
    properties: {size: 1}
  aws:
    type: AWS::EC2::Volume
    properties: {AvailabilityZone: nova, Size: 1}
  mine:
    type: Lab::Disk
    properties: {size: 1}
  group:
    type: OS::Heat::ResourceGroup
    properties: {count: 2, resource_def: {type: inner.yaml}}
  kept:
    type: OS::Cinder::Volume
    deletion_policy: Retain
    properties: {size: 1}
  kept_group:
    type: OS::Heat::ResourceGroup
    deletion_policy: Retain
    properties: {count: 1, resource_def: {type: disk.yaml}}
  others:
    type: OS::Cinder::Volume
    external_id: EXTERNAL
  nothing:
    type: OS::Heat::None
"""
INNER = """\
heat_template_version: 2018-08-31
resources:
  below:
    type: disk.yaml
"""


def test_data_is_found_at_any_depth_and_by_any_type_and_what_stays_is_not_named(
    practice_conn, practice_cloud, tmp_path
):
    conn = practice_conn
    quota = {"volumes": 20, "gigabytes": 100}
    practice_cloud.admin.block_storage.update_quota_set(conn.current_project_id, **quota)
    outside = pouta.volumes.create(conn, "outside", 1)
    aliased = DEEP.replace("type: Lab::Disk", "type: OS::Cinder::Volume")
    (tmp_path / "lab.yaml").write_text(aliased.replace("EXTERNAL", outside.id))
    (tmp_path / "inner.yaml").write_text(INNER)
    (tmp_path / "disk.yaml").write_text(DISK)
    lab = stacks.create(conn, "lab", tmp_path / "lab.yaml")
    before = {volume.id for volume in conn.block_storage.volumes()}

    lost = stacks.data_in(conn, lab)
    deep = {"group/0/below/disk", "group/1/below/disk"}
    assert {held.path for held in lost} == {"plain", "aws", "mine"} | deep
    with pytest.raises(pouta.Refused, match="whose data would be lost") as caught:
        stacks.delete(conn, "lab", delete_data=True)
    assert all(f"'{path}'" in str(caught.value) for path in deep | {"aws"})
    assert "kept" not in str(caught.value)
    assert "delete_volumes=True" in caught.value.hint
    assert {volume.id for volume in conn.block_storage.volumes()} == before

    stacks.delete(conn, "lab", delete_volumes=True)
    assert before - {volume.id for volume in conn.block_storage.volumes()} == {
        held.id for held in lost
    }
    assert outside.id in {volume.id for volume in conn.block_storage.volumes()}


def test_a_type_of_the_users_own_name_is_known_by_what_it_is(practice_conn):
    described = {
        "heat_template_version": "2018-08-31",
        "resources": {"mine": {"type": "Lab::Disk", "properties": {"size": 1}}},
    }
    registry = {"resource_registry": {"Lab::Disk": "OS::Cinder::Volume"}}
    body = {"stack_name": "lab", "template": described, "environment": registry}
    assert practice_conn.orchestration.post("/stacks", json=body).status_code == 201
    until(lambda: stacks.find(practice_conn, "lab").status == "CREATE_COMPLETE")
    with pytest.raises(pouta.Refused, match="the volumes 'mine', whose data would be lost"):
        stacks.delete(practice_conn, "lab")
    stacks.delete(practice_conn, "lab", delete_volumes=True)
    assert left(practice_conn) == []


def test_what_goes_with_a_server_and_what_is_only_attached(practice_conn, template):
    """Nova deletes a volume with its server where it was told so at its launch, or since."""
    data = pouta.volumes.create(practice_conn, "data", 1)
    described = (
        template.split("  disk:")[0]
        + f"""\
  doomed:
    type: OS::Nova::Server
    properties:
      flavor: standard.tiny
      networks: [{{network: {pouta.networks.default(practice_conn).id}}}]
      block_device_mapping_v2:
        - {{image: cirros, volume_size: 1, delete_on_termination: true, boot_index: 0}}
  inside:
    type: OS::Cinder::VolumeAttachment
    properties: {{volume_id: {data.id}, instance_uuid: {{get_resource: server}}}}
"""
    )
    lab = stacks.create(practice_conn, "lab", described)
    (held,) = stacks.data_in(practice_conn, lab)
    assert held.path == f"doomed/{held.id}"
    with pytest.raises(pouta.Refused, match=held.id):
        stacks.delete(practice_conn, "lab")
    stacks.delete(practice_conn, "lab", delete_volumes=True)
    assert [volume.id for volume in practice_conn.block_storage.volumes()] == [data.id]


def test_what_is_kept_as_a_backup_is_no_loss(practice_conn):
    disk = {"type": "OS::Cinder::Volume", "properties": {"size": 1}, "deletion_policy": "Snapshot"}
    described = {"heat_template_version": "2018-08-31", "resources": {"disk": disk}}
    lab = stacks.create(practice_conn, "lab", described)
    assert stacks.data_in(practice_conn, lab) == []
    del disk["deletion_policy"]
    practice_conn.orchestration.put(f"/stacks/lab/{lab.id}", json={"template": described})
    until(lambda: stacks.find(practice_conn, "lab").status == "UPDATE_COMPLETE")
    assert [held.path for held in stacks.data_in(practice_conn, lab)] == ["disk"]
    stacks.delete(practice_conn, lab, delete_volumes=True)
    assert left(practice_conn) == []


def test_a_container_with_objects_and_a_stack_of_the_stack(practice_conn, tmp_path):
    inner = """\
heat_template_version: 2018-08-31
resources:
  box:
    type: OS::Swift::Container
    properties: {PurgeOnDelete: true}
  empty:
    type: OS::Swift::Container
"""
    (tmp_path / "inner.yaml").write_text(inner)
    (tmp_path / "lab.yaml").write_text(
        "heat_template_version: 2018-08-31\nresources:\n  beside:\n    type: OS::Heat::Stack\n"
        "    properties: {template: {get_file: inner.yaml}}\n"
    )
    lab = stacks.create(practice_conn, "lab", tmp_path / "lab.yaml")
    assert stacks.data_in(practice_conn, lab) == []
    boxes = [box.name for box in practice_conn.object_store.containers() if "box" in box.name]
    (tmp_path / "a.txt").write_text("data")
    pouta.object_store.upload(practice_conn, tmp_path / "a.txt", boxes[0])
    with pytest.raises(pouta.Refused, match="the containers 'beside/box'") as caught:
        stacks.delete(practice_conn, "lab", delete_volumes=True)
    assert "delete_data=True" in caught.value.hint
    stacks.delete(practice_conn, "lab", delete_data=True)
    assert [*practice_conn.object_store.containers()] == []


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
