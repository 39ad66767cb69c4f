"""The hypervisor of the practice cloud: servers have states, but no machine behind them."""

import base64
import datetime
import hashlib
import io

from nova import context as nova_context
from nova import objects
from nova.compute import power_state
from nova.image import glance
from nova.virt import fake, hardware

#: Who may log in to the images that Pouta offers, by the distribution that an image names.
LOGIN_USERS = {
    "ubuntu": "ubuntu",
    "almalinux": "almalinux",
    "centos": "cloud-user",
    "cirros": "cirros",
}
DISK = b"There is no machine behind a practice server, so its disk is empty.\n"


class PracticeDriver(fake.FakeDriverWithoutFakeNodes):
    """Nova's own fake driver, with room for fleets and a memory that outlives it."""

    capabilities = fake.FakeDriver.capabilities | {
        "supports_image_type_qcow2": True,
        "supports_image_type_vmdk": True,
        "supports_migrate_to_same_host": True,
    }
    vcpus = 1_000_000
    memory_mb = 2_000_000_000
    local_gb = 2_000_000_000

    def init_host(self, host):
        """Know the servers of before a restart."""
        super().init_host(host)
        admin = nova_context.get_admin_context()
        for instance in objects.InstanceList.get_by_host(admin, host):
            self.instances[instance.uuid] = fake.FakeInstance(
                instance.name, instance.power_state, instance.uuid
            )

    def default_root_device_name(self, instance, image_meta, root_bdm):
        return "/dev/vda"

    def get_info(self, instance, use_cache=True):
        known = self.instances.get(instance.uuid)
        if known is None:
            return super().get_info(instance, use_cache)
        return hardware.InstanceInfo(state=known.state)

    def _set(self, instance, state):
        self.instances[instance.uuid].state = state

    def pause(self, instance):
        self._set(instance, power_state.PAUSED)

    def unpause(self, instance):
        self._set(instance, power_state.RUNNING)

    def suspend(self, context, instance):
        self._set(instance, power_state.SUSPENDED)

    def resume(self, context, instance, *_args, **_kwargs):
        self._set(instance, power_state.RUNNING)

    def detach_interface(self, context, instance, vif):
        """Also one that was plugged before a restart."""
        self._interfaces.pop(vif["id"], None)

    def snapshot(self, context, instance, image_id, update_task_state):
        """Upload a few bytes, so that the image becomes active."""
        super().snapshot(context, instance, image_id, update_task_state)
        described = {"disk_format": "raw", "container_format": "bare"}
        glance.API().update(context, image_id, described, io.BytesIO(DISK), purge_props=False)

    def get_console_output(self, context, instance):
        return console_log(instance)


def console_log(instance):
    """What cloud-init prints at the first boot, as far as somebody reads it."""
    distribution = instance.image_meta.properties.get("os_distro")
    user = LOGIN_USERS.get(distribution, "cloud-user")
    booted = instance.launched_at or instance.created_at or datetime.datetime.now(datetime.UTC)
    name = instance.hostname or instance.display_name
    lines = [
        "[    0.000000] Linux version 6.8.0 (practice cloud: no machine is behind this log)",
        f"[    1.204113] systemd[1]: Hostname set to <{name}>.",
        "[    5.511820] cloud-init[501]: Cloud-init v. 24.4 running 'init'",
        *authorized_keys(instance.key_data, user),
        f"[    9.120518] cloud-init[640]: Cloud-init v. 24.4 finished at"
        f" {booted:%a, %d %b %Y %H:%M:%S} +0000."
        " Datasource DataSourceOpenStackLocal [net,ver=2].  Up 9.12 seconds",
        "",
        f"{name} login: ",
    ]
    return "\n".join(lines)


def authorized_keys(public_key, user):
    """The table in which cloud-init names the keys that may log in."""
    if not public_key:
        return [f"ci-info: no authorized SSH keys fingerprints found for user {user}."]
    kind, data, *comment = public_key.split(None, 2)
    try:
        digest = hashlib.sha256(base64.b64decode(data)).hexdigest()
    except ValueError:
        digest = ""
    fingerprint = ":".join(digest[place : place + 2] for place in range(0, len(digest), 2))
    heads = ("Keytype", "Fingerprint (sha256)", "Options", "Comment")
    cells = (kind, fingerprint, "-", comment[0].strip() if comment else "-")
    widths = [max(len(head), len(cell)) + 2 for head, cell in zip(heads, cells, strict=True)]
    rule = "+" + "+".join("-" * width for width in widths) + "+"

    def row(texts):
        padded = (text.center(width) for text, width in zip(texts, widths, strict=True))
        return "|" + "|".join(padded) + "|"

    title = f"Authorized keys from /home/{user}/.ssh/authorized_keys for user {user}"
    lines = (title.center(len(rule), "+"), rule, row(heads), rule, row(cells), rule)
    return [f"ci-info: {line}" for line in lines]
