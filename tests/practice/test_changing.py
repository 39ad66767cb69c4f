"""A server's whole life: what it is asked to be, what would be lost, and what is kept of it."""

from __future__ import annotations

import itertools

import pytest
from openstack.compute.v2.server import Server

import pouta
import pouta.prices
from pouta import servers, waiting
from pouta.servers import states
from tests.proxy import posts, refuse
from tests.wire import answer_lost, recorded

SMALL = {"image": "AlmaLinux-9", "flavor": "standard.tiny", "key_name": False}
IO = {"image": "AlmaLinux-9", "flavor": "io.70GB", "key_name": False}


@pytest.fixture
def web(practice_conn):
    return servers.launch(practice_conn, "web", **SMALL)


@pytest.fixture
def said(monkeypatch):
    """The sentences that a person would read."""
    sentences = []
    monkeypatch.setattr("pouta.progress.say", sentences.append)
    return sentences


def actions(conn, server):
    return [action.action for action in conn.compute.server_actions(server)]


class TestStandingStill:
    def test_a_server_stands_still_and_goes_on_and_is_asked_once(self, practice_conn, web):
        with answer_lost("POST", "/action"):
            assert servers.pause(practice_conn, "web").status == "PAUSED"
        assert servers.pause(practice_conn, web).status == "PAUSED"
        with pytest.raises(pouta.Refused, match="is PAUSED") as caught:
            servers.suspend(practice_conn, "web")
        assert "pouta.servers.unpause(conn, 'web')" in caught.value.hint
        assert servers.unpause(practice_conn, web.id).status == "ACTIVE"
        assert servers.suspend(practice_conn, web).status == "SUSPENDED"
        done = actions(practice_conn, web)
        assert [done.count(one) for one in ("pause", "unpause", "suspend")] == [1, 1, 1]

    def test_a_suspended_server_goes_on(self, practice_conn, web):
        servers.suspend(practice_conn, web)
        assert servers.resume(practice_conn, web).status == "ACTIVE"
        assert servers.resume(practice_conn, web).status == "ACTIVE"

    def test_a_chore_waits_for_the_reboot_before_it_and_a_stop_tells_that_it_is_billed(
        self, practice_conn, web, said, monkeypatch
    ):
        """Failure 4: a stopped server costs what a running one does."""
        servers.reboot(practice_conn, web, wait=False)
        assert servers.pause(practice_conn, web).status == "PAUSED"
        servers.unpause(practice_conn, web)
        monkeypatch.setattr("pouta.clouds.auth_url", lambda conn: "https://pouta.csc.fi:5001/v3")
        assert servers.stop(practice_conn, web).status == "SHUTOFF"
        price = pouta.prices.for_cloud("https://pouta.csc.fi:5001/v3").flavor("standard.tiny")
        assert f"still billed at {price:g} BU/h" in said[-1]
        assert "pouta.servers.shelve" in said[-1]


class TestShelving:
    def test_a_shelved_server_keeps_what_stays_billed_and_comes_back_with_it(
        self, practice_conn, said
    ):
        """Failure 6: what is tied to a shelved server, and what is not free meanwhile."""
        web = servers.launch(practice_conn, "web", **SMALL, floating_ip=True, volumes=[1])
        (address,) = pouta.floating_ips.addresses(web, "floating")
        (volume,) = web.attached_volumes
        shelved = servers.shelve(practice_conn, "web")
        assert shelved.status == "SHELVED_OFFLOADED"
        assert address in said[-1]
        assert volume.id in said[-1]
        assert "stay billed" in said[-1]
        assert servers.shelve(practice_conn, web).status == "SHELVED_OFFLOADED"
        with pytest.raises(pouta.Refused, match="SHELVED_OFFLOADED; it must be SHUTOFF") as caught:
            servers.start(practice_conn, web)
        assert "pouta.servers.unshelve(conn, 'web')" in caught.value.hint
        back = servers.unshelve(practice_conn, web)
        assert back.status == "ACTIVE"
        assert address in pouta.floating_ips.addresses(back)
        assert [disk.id for disk in back.attached_volumes] == [volume.id]
        assert servers.unshelve(practice_conn, web).status == "ACTIVE"
        assert actions(practice_conn, web).count("unshelve") == 1

    def test_a_full_cloud_is_said_and_the_server_stays_shelved(self, practice_conn):
        """Failure 6: on a cloud of one host, its anti-affinity group leaves no room."""
        servers.create_group(practice_conn, "spread", "anti-affinity")
        servers.launch(practice_conn, "one", **SMALL, server_group="spread")
        servers.shelve(practice_conn, "one")
        servers.launch(practice_conn, "two", **SMALL, server_group="spread")
        with pytest.raises(pouta.Failed, match="SHELVED_OFFLOADED") as caught:
            servers.unshelve(practice_conn, "one")
        assert "try again later" in caught.value.hint
        assert "nothing of it is lost" in caught.value.hint
        assert servers.find(practice_conn, "one").status == "SHELVED_OFFLOADED"

    def test_an_ephemeral_disk_is_lost_only_in_so_many_words(self, practice_conn, said):
        """Failures 7 and 14: io flavors have disks in the host."""
        io = servers.launch(practice_conn, "io", **IO)
        with recorded() as requests:
            with pytest.raises(pouta.Refused, match="ephemeral disk of 70 GB") as caught:
                servers.shelve(practice_conn, "io")
            with pytest.raises(pouta.Refused, match="no bootable device"):
                servers.resize(practice_conn, "io", "io.2.80GB")
            with pytest.raises(pouta.Refused, match="ephemeral disk of 70 GB"):
                servers.resize(
                    practice_conn, "io", "io.160GB", allow_unbootable=True, other_family=True
                )
        assert "allow_ephemeral_loss=True" in caught.value.hint
        assert {request.split()[0] for request in requests} == {"GET"}
        assert servers.find(practice_conn, "io").status == "ACTIVE"
        servers.snapshot(practice_conn, "io", "before")
        assert "70 GB) is not in the snapshot" in " ".join(said)
        shelved = servers.shelve(practice_conn, io, allow_ephemeral_loss=True)
        assert shelved.status == "SHELVED_OFFLOADED"


class TestResizing:
    def test_a_resize_is_over_when_it_returns_and_the_second_run_changes_nothing(
        self, practice_conn, web
    ):
        bigger = servers.resize(practice_conn, "web", "standard.small")
        assert (bigger.status, bigger.flavor.original_name) == ("ACTIVE", "standard.small")
        assert servers.resize(practice_conn, "web", "standard.small").status == "ACTIVE"
        done = actions(practice_conn, web)
        assert [done.count("resize"), done.count("confirmResize")] == [1, 1]

    def test_an_unconfirmed_resize_can_be_reverted_or_confirmed(self, practice_conn, web, said):
        """Failure 14: the cloud confirms by itself after three days, which is said."""
        tried = servers.resize(practice_conn, web, "standard.small", confirm=False)
        assert tried.status == "VERIFY_RESIZE"
        assert "three days" in said[-1]
        with pytest.raises(pouta.Refused, match="VERIFY_RESIZE") as caught:
            servers.stop(practice_conn, web)
        assert "confirm_resize" in caught.value.hint
        reverted = servers.revert_resize(practice_conn, web)
        assert (reverted.status, reverted.flavor.original_name) == ("ACTIVE", "standard.tiny")
        with pytest.raises(pouta.Refused, match="must be VERIFY_RESIZE"):
            servers.revert_resize(practice_conn, web)
        servers.resize(practice_conn, web, "standard.small", confirm=False)
        kept = servers.confirm_resize(practice_conn, web)
        assert (kept.status, kept.flavor.original_name) == ("ACTIVE", "standard.small")
        assert servers.confirm_resize(practice_conn, web).status == "ACTIVE"

    @pytest.mark.parametrize(
        ("flavor", "kind", "says"),
        [
            ("hpc.4.5core", pouta.Refused, "different families: data may be lost"),
            ("io.70GB", pouta.Refused, "no bootable device"),
            ("gpu.1.1gpu", pouta.Refused, "no bootable device"),
            ("standard.huge", pouta.NotFound, "Closest"),
        ],
    )
    def test_what_would_cost_the_disk_is_refused(self, web_once, flavor, kind, says):
        conn, web = web_once
        with recorded() as requests, pytest.raises(kind, match=says):
            servers.resize(conn, web, flavor)
        assert {request.split()[0] for request in requests} == {"GET"}

    @pytest.fixture
    def web_once(self, practice_conn):
        """A server that is looked at only: the guards ask nothing of the cloud but a look."""
        return practice_conn, servers.launch(practice_conn, "web", **SMALL, wait=False)

    def test_a_smaller_disk_is_refused_and_a_full_cloud_is_said(
        self, practice_conn, practice_cloud, web
    ):
        compute = practice_cloud.admin.compute
        small = compute.create_flavor(name="standard.disk10", ram=512, vcpus=1, disk=10)
        nowhere = compute.create_flavor(name="standard.nowhere", ram=512, vcpus=1, disk=80)
        compute.create_flavor_extra_specs(nowhere, {"trait:HW_CPU_X86_AMD_SEV": "required"})
        try:
            with pytest.raises(pouta.InvalidInput, match="cannot become smaller"):
                servers.resize(practice_conn, web, "standard.disk10")
            with pytest.raises(pouta.PoutaError) as caught:
                servers.resize(practice_conn, web, "standard.nowhere")
            assert "try again later" in caught.value.hint
            assert servers.find(practice_conn, "web").status == "ACTIVE"
        finally:
            compute.delete_flavor(small)
            compute.delete_flavor(nowhere)


class TestRebuildingAndRescuing:
    def test_a_rebuild_needs_the_word_for_what_is_lost(self, practice_conn, web):
        with pytest.raises(pouta.Refused, match="would be lost") as caught:
            servers.rebuild(practice_conn, "web")
        assert "allow_data_loss=True" in caught.value.hint
        rebuilt = servers.rebuild(practice_conn, web, image="Ubuntu-24.04", allow_data_loss=True)
        assert (rebuilt.id, rebuilt.status) == (web.id, "ACTIVE")
        assert rebuilt.image.id == pouta.images.find(practice_conn, "Ubuntu-24.04").id
        assert rebuilt.admin_password is None

    def test_a_rescue_stops_first_and_takes_the_servers_own_image(self, practice_conn, web, said):
        """Failure 33."""
        with recorded() as requests:
            assert servers.rescue(practice_conn, "web").status == "RESCUE"
        assert len([r for r in requests if r.startswith("POST") and "/action" in r]) == 2
        assert "/dev/vdb1" in said[-1]
        assert actions(practice_conn, web)[:2] == ["rescue", "stop"]
        assert servers.rescue(practice_conn, "web").status == "RESCUE"
        with pytest.raises(pouta.Refused, match="is RESCUE") as caught:
            servers.stop(practice_conn, web)
        assert "unrescue" in caught.value.hint
        assert servers.unrescue(practice_conn, web).status == "ACTIVE"
        assert servers.unrescue(practice_conn, web).status == "ACTIVE"

    def test_another_host_key_is_told_where_this_machine_has_met_the_server(
        self, practice_conn, web, said, home
    ):
        """Failure 26: a rescue system and a rebuilt one have host keys of their own."""
        (address,) = pouta.floating_ips.addresses(web)
        (home / ".ssh").mkdir()
        (home / ".ssh" / "known_hosts").write_text(f"{address} ssh-ed25519 AAAA\n")
        for chore, more in [
            (servers.rescue, {}),
            (servers.unrescue, {}),
            (servers.rebuild, {"allow_data_loss": True}),
        ]:
            said.clear()
            chore(practice_conn, web, **more)
            assert f"ssh-keygen -R {address}" in said[-1]

    def test_an_image_that_is_no_more_is_asked_for(self, practice_conn, practice_cloud, web):
        copy = servers.snapshot(practice_conn, web, "copy")
        second = servers.launch(practice_conn, "second", image=copy, like=web)
        practice_conn.image.delete_image(copy)
        for chore in (servers.rescue, servers.rebuild):
            with pytest.raises(pouta.NotFound, match="is no more") as caught:
                chore(practice_conn, second)
            assert "image=" in caught.value.hint
        assert servers.find(practice_conn, "second").status == "ACTIVE"


class TestSnapshots:
    def test_a_snapshot_stops_copies_and_starts_and_is_launched_again(self, practice_conn):
        """Failures 11 and 13."""
        web = servers.launch(
            practice_conn,
            "web",
            image="AlmaLinux-9",
            flavor="standard.tiny",
            ssh_from="192.0.2.7",
        )
        image = servers.snapshot(practice_conn, "web", "before-upgrade", tags=["nightly"])
        assert (image.name, image.status, image.visibility) == (
            "before-upgrade",
            "active",
            "private",
        )
        assert image.size > 0
        assert image.tags == ["nightly"]
        assert Server.new(id="untagged").tags == []  # add_tag writes into what all have by default
        assert actions(practice_conn, web)[:3] == ["start", "createImage", "stop"]
        assert servers.find(practice_conn, "web").status == "ACTIVE"
        assert pouta.images.login_user(practice_conn, image) == "almalinux"
        again = servers.launch(practice_conn, "again", image=image, like="web")
        assert {g["name"] for g in again.security_groups} == {
            g["name"] for g in web.security_groups
        }
        assert again.key_name == web.key_name

    def test_one_that_is_off_stays_off_and_a_lost_answer_makes_no_second_image(
        self, practice_conn, web
    ):
        servers.stop(practice_conn, web)
        before = actions(practice_conn, web)
        with answer_lost("POST", "/action"):
            image = servers.snapshot(practice_conn, web, "off")
        assert servers.find(practice_conn, "web").status == "SHUTOFF"
        assert actions(practice_conn, web) == ["createImage", *before]
        own = [i.id for i in practice_conn.image.images(visibility="private") if i.name == "off"]
        assert own == [image.id]

    def test_after_ctrl_c_and_after_a_failure_it_runs_again_and_no_image_stays(
        self, practice_conn, web, monkeypatch
    ):
        """Failure 11: whatever happens."""
        until = waiting.until

        def interrupt(what, *args, **kwargs):
            if what.startswith("image"):
                raise KeyboardInterrupt
            return until(what, *args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(waiting, "until", interrupt)
            with pytest.raises(KeyboardInterrupt):
                servers.snapshot(practice_conn, "web", "copy")
        assert servers.find(practice_conn, "web").status == "ACTIVE"
        assert actions(practice_conn, web)[0] == "start"
        assert not [i for i in practice_conn.image.images() if i.name == "copy"]

        wait = states.wait

        def wait_and_lose_it(conn, *args):
            done = wait(conn, *args)
            (lost,) = (i for i in conn.image.images(visibility="private") if i.name == "lost")
            conn.image.delete_image(lost)
            return done

        monkeypatch.setattr(states, "wait", wait_and_lose_it)
        with pytest.raises(pouta.Failed, match="gave up on the image 'lost'"):
            servers.snapshot(practice_conn, "web", "lost", keep_running=True)
        assert servers.find(practice_conn, "web").status == "ACTIVE"

    @pytest.mark.parametrize(
        "chore",
        [
            lambda conn: servers.snapshot(conn, "web", "copy"),
            lambda conn: servers.rescue(conn, "web"),
        ],
    )
    def test_after_a_refusal_it_runs_again(self, practice_conn, web, proxy, conn, chore):
        """Failure 11: the second thing that is asked of the server is the image."""
        is_action, asked = posts("/action"), itertools.count()
        proxy.fault = lambda request: (
            refuse(409) if is_action(request) and next(asked) == 1 else None
        )
        with pytest.raises(pouta.Refused):
            chore(conn)
        assert servers.find(practice_conn, "web").status == "ACTIVE"
        assert actions(practice_conn, web)[:2] == ["start", "stop"]

    def test_a_snapshot_is_told_of_when_the_server_cannot_be_started_again(
        self, practice_conn, web, proxy, conn
    ):
        is_action, asked = posts("/action"), itertools.count()
        proxy.fault = lambda request: (  # after the stop and the image
            refuse(403) if is_action(request) and next(asked) > 1 else None
        )
        with pytest.raises(
            pouta.Failed, match=r"Snapshot 'kept' is there, but .* not on"
        ) as caught:
            servers.snapshot(conn, "web", "kept")
        assert caught.value.resource.name == "kept"
        assert "servers.start(conn, 'web')" in caught.value.hint
        assert [i.name for i in practice_conn.image.images(visibility="private")] == ["kept"]

    def test_after_a_refusal_to_make_it_again_it_runs_again(self, practice_conn, proxy, conn):
        servers.launch(practice_conn, "web", **SMALL, boot_volume_size=12)
        proxy.fault = lambda request: refuse(403) if request.method == "DELETE" else None
        with pytest.raises(pouta.Refused):
            servers.recreate(conn, "web", "standard.small")
        assert servers.find(practice_conn, "web").status == "ACTIVE"

    def test_a_volume_booted_server_gets_volume_snapshots_and_is_told(self, practice_conn, said):
        """Failures 12 and 33: no image of 0 bytes, and a recipe instead of a rescue."""
        servers.launch(practice_conn, "web", **SMALL, boot_volume_size=12, volumes=[1])
        taken = servers.snapshot(practice_conn, "web", "before")
        assert [(one.name, one.size, one.status) for one in taken] == [
            ("before", 12, "available"),
            ("before-web-volume-1", 1, "available"),
        ]
        assert "web-boot" in str(taken)
        assert "boots from a volume" in said[-1]
        assert not [i for i in practice_conn.image.images() if i.name.startswith("before")]
        assert servers.find(practice_conn, "web").status == "ACTIVE"
        with pytest.raises(pouta.Refused, match="cannot be rescued") as caught:
            servers.rescue(practice_conn, "web")
        assert "boot_volume=" in caught.value.hint
        with pytest.raises(pouta.Refused, match="boots from a volume"):
            servers.rebuild(practice_conn, "web", allow_data_loss=True)
        root = pouta.volumes.create(practice_conn, "restored", snapshot=taken[0])
        again = servers.launch(practice_conn, "again", like="web", boot_volume=root)
        assert again.status == "ACTIVE"


class TestRecreating:
    def test_the_new_server_has_all_that_the_old_one_had_but_its_flavor(self, practice_conn):
        old = servers.launch(
            practice_conn,
            "web",
            image="Ubuntu-24.04",
            flavor="standard.tiny",
            boot_volume_size=12,
            ssh_from="192.0.2.7",
            floating_ip=True,
            volumes=[1],
            tags=["course"],
        )
        with recorded() as requests:
            new = servers.recreate(practice_conn, "web", "hpc.4.5core")
        changes = [r.split("/v2.1")[-1] for r in requests if "/servers" in r and "GET" not in r]
        # Off before it goes, so that its file systems are in order.
        assert changes[:2] == [f"/servers/{old.id}/action", f"/servers/{old.id}"]
        assert new.id != old.id
        assert (new.status, new.flavor.original_name) == ("ACTIVE", "hpc.4.5core")
        assert {d.id for d in new.attached_volumes} == {d.id for d in old.attached_volumes}
        assert {*pouta.floating_ips.addresses(new)} == {*pouta.floating_ips.addresses(old)}
        assert (new.key_name, new.tags) == (old.key_name, ["course"])
        assert {g["name"] for g in new.security_groups} == {g["name"] for g in old.security_groups}
        assert [server.id for server in practice_conn.compute.servers()] == [new.id]
        assert servers.recreate(practice_conn, "web", "hpc.4.5core").id == new.id

    def test_what_would_lose_data_is_refused_before_anything_is_deleted(self, practice_conn, web):
        with pytest.raises(pouta.Refused, match="would be lost with it") as caught:
            servers.recreate(practice_conn, "web", "standard.small")
        assert "like=server" in caught.value.hint
        root = pouta.volumes.create(practice_conn, "root", image="cirros")
        doomed = practice_conn.compute.create_server(
            name="doomed",
            flavor_id=pouta.flavors.find(practice_conn, "standard.tiny").id,
            networks=[{"uuid": pouta.networks.default(practice_conn).id}],
            block_device_mapping=[
                {
                    "uuid": root.id,
                    "source_type": "volume",
                    "destination_type": "volume",
                    "boot_index": 0,
                    "delete_on_termination": True,
                }
            ],
        )
        with pytest.raises(pouta.Refused, match="delete volume") as caught:
            servers.recreate(practice_conn, "doomed", "standard.small")
        assert "delete_on_termination=False" in caught.value.hint
        practice_conn.compute.update_volume_attachment(doomed, root.id, delete_on_termination=False)
        with pytest.raises(pouta.QuotaExceeded, match="cores: 2 of 8 used"):
            servers.recreate(practice_conn, "doomed", "hpc.4.10core")
        assert len([*practice_conn.compute.servers()]) == 2

    def test_when_the_new_one_does_not_come_up_the_error_says_how_to_go_on(
        self, practice_conn, practice_cloud
    ):
        servers.launch(practice_conn, "web", **SMALL, boot_volume_size=12)
        compute = practice_cloud.admin.compute
        nowhere = compute.create_flavor(name="nowhere", ram=512, vcpus=1, disk=80)
        compute.create_flavor_extra_specs(nowhere, {"trait:HW_CPU_X86_AMD_SEV": "required"})
        try:
            with pytest.raises(pouta.Failed, match="No valid host") as caught:
                servers.recreate(practice_conn, "web", "nowhere")
        finally:
            compute.delete_flavor(nowhere)
        (root,) = practice_conn.block_storage.volumes()
        call = caught.value.hint.splitlines()[-1]
        assert f"boot_volume='{root.id}'" in call
        go_on = call.split("To go on: ")[1].replace("'nowhere'", "'standard.tiny'")
        again = eval(go_on, {"pouta": pouta, "conn": practice_conn})
        assert (again.name, again.status) == ("web", "ACTIVE")


class TestOthers:
    def test_what_another_member_made_is_deleted_only_in_so_many_words(
        self, practice_conn, colleague, web
    ):
        """Failure 32: all members have all rights."""
        with pytest.raises(pouta.Refused, match=web.user_id) as caught:
            servers.delete(colleague, "web")
        assert "others=True" in caught.value.hint
        assert servers.find(practice_conn, "web").status == "ACTIVE"
        servers.delete(colleague, "web", others=True)
        assert practice_conn.compute.find_server("web") is None


def test_server_groups_are_made_once_and_listed(practice_conn):
    """Failure 28: a server gets its group at launch or never."""
    group = servers.create_group(practice_conn, "spread", "anti-affinity")
    assert servers.create_group(practice_conn, "spread", "anti-affinity").id == group.id
    with pytest.raises(pouta.Refused, match="anti-affinity"):
        servers.create_group(practice_conn, "spread", "affinity")
    with pytest.raises(pouta.InvalidInput, match="soft-affinity"):
        servers.create_group(practice_conn, "near", "close")
    with answer_lost("POST", "/os-server-groups"):
        servers.create_group(practice_conn, "near", "soft-affinity")
    node = servers.launch(practice_conn, "node", **SMALL, server_group="spread")
    rows = servers.list_groups(practice_conn)
    assert sorted(row.name for row in rows) == ["near", "spread"]
    assert node.id in str(rows)
    servers.delete_group(practice_conn, "near")
    assert [row.name for row in servers.list_groups(practice_conn)] == ["spread"]


def test_the_console_has_an_address_for_a_browser(practice_conn, web):
    assert servers.console_url(practice_conn, "web").startswith("http")


def test_groups_are_put_on_a_server_and_taken_off_it_again(practice_conn, web):
    pouta.security_groups.ensure(practice_conn, "extra")
    for _ in range(2):
        now = servers.add_security_group(practice_conn, "web", "extra")
        assert {group["name"] for group in now.security_groups} == {"default", "extra"}
    for _ in range(2):
        now = servers.remove_security_group(practice_conn, web, "extra")
        assert {group["name"] for group in now.security_groups} == {"default"}
