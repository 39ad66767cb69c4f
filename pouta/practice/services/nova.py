"""Nova: API, conductor, scheduler and compute as threads of one process."""

import os
import sys
import uuid

from ..folder import write_private
from . import configuration

HOST_NAME = "practice"
#: A cloud of the Yoga release, as Pouta is today.
YOGA = "2.90"
QUOTAS = {
    "pouta": {"instances": 8, "cores": 8, "ram": 32768},
    "large": {
        "instances": 10_000,
        "cores": 100_000,
        "ram": 500_000_000,
        "key_pairs": 1000,
        "server_groups": 1000,
        "server_group_members": 1000,
    },
}


def configure(folder):
    """Write nova.conf."""
    sections = configuration.common(folder, "nova")
    home = folder.path / "nova"
    node = home / "compute_id"
    if not node.exists():
        write_private(node, str(uuid.uuid4()))
    login = configuration.credentials(folder)
    sections["DEFAULT"] |= {
        "host": HOST_NAME,
        "my_ip": "127.0.0.1",
        "compute_driver": "pouta.PracticeDriver",
        "instances_path": home / "instances",
        "allow_resize_to_same_host": True,
        "resize_confirm_window": 3 * 86400,
        "resume_guests_state_on_host_boot": True,
        "shelved_offload_time": 0,
        "vif_plugging_is_fatal": False,
        "vif_plugging_timeout": 0,
        "service_down_time": configuration.NEVER_DOWN,
        "report_interval": 600,
        "sync_power_state_interval": -1,
        "heal_instance_info_cache_interval": -1,
        "block_device_allocate_retries_interval": 1,
        "periodic_fuzzy_delay": 0,
    }
    sections |= {
        "api_database": {"connection": folder.database("nova_api")},
        "quota": QUOTAS[folder.settings["quotas"]],
        "placement": login,
        "neutron": login
        | {
            "service_metadata_proxy": True,
            "metadata_proxy_shared_secret": folder.password("shared_secret"),
            "default_floating_pool": "public",
        },
        "glance": login,
        "cinder": login | {"catalog_info": "volumev3:cinderv3:publicURL"},
        "keystone": login,
        "service_user": login | {"send_service_user_token": True},
        "vnc": {"novncproxy_base_url": "http://127.0.0.1:6080/vnc_auto.html"},
    }
    configuration.write(folder.configuration / "nova.conf", sections)


def applications(folder, first_time):
    """Start the threads; the WSGI application of the API."""
    sys.argv = ["nova-api"]
    os.environ["OS_NOVA_DISABLE_EVENTLET_PATCHING"] = "1"
    paste = configuration.SHIPPED / "nova" / "api-paste.ini"
    configured = folder.configuration / "nova.conf"
    os.environ["OS_NOVA_CONFIG_FILES"] = f"{paste};{configured}"
    from nova import monkey_patch

    monkey_patch.patch(backend="threading")
    if not folder.settings["latest"]:
        announce_no_more_than(YOGA)
    from nova.api.openstack import wsgi_app

    wsgi_app.init_global_data([str(paste), str(configured)], "osapi_compute", "nova-api")
    prepare(folder, first_time)
    start_threads()
    from nova import policy

    policy.init()
    return {"compute": wsgi_app.init_application("osapi_compute", "nova-api")}


def announce_no_more_than(version):
    """Speak as an older release: newer microversions are refused."""
    from nova.api.openstack import api_version_request

    api_version_request._MAX_API_VERSION = version


def prepare(folder, first_time):
    """Databases and the two cells: one for servers, one for those that found no host."""
    from nova import context, exception, objects
    from nova.db import migration

    nowhere, here = "nova_cell0", "nova"
    if first_time:
        migration.db_sync(database="api")
        migration.db_sync(database="main")
        copy_database(folder, here, nowhere)
    admin = context.get_admin_context()
    for name, identity, transport, database in (
        ("cell0", objects.CellMapping.CELL0_UUID, "none:///", nowhere),
        ("cell1", str(uuid.uuid5(uuid.NAMESPACE_DNS, "cell1")), "fake:///", here),
    ):
        values = {"transport_url": transport, "database_connection": folder.database(database)}
        try:
            cell = objects.CellMapping.get_by_uuid(admin, identity)
        except exception.CellMappingNotFound:
            objects.CellMapping(admin, uuid=identity, name=name, **values).create()
            continue
        if cell.database_connection != values["database_connection"]:
            cell.database_connection = values["database_connection"]
            cell.save()


def copy_database(folder, source, target):
    """A second database with the same tables."""
    import sqlite3

    path = folder.databases / f"{target}.sqlite"
    path.unlink(missing_ok=True)
    old = sqlite3.connect(folder.databases / f"{source}.sqlite")
    with sqlite3.connect(path) as new:
        old.backup(new)
    old.close()
    new.close()


def start_threads():
    """Conductor, scheduler and compute, in the order in which they need each other."""
    from nova import context, objects, service
    from nova.objects import host_mapping

    from . import nova_driver

    sys.modules["nova.virt.pouta"] = nova_driver
    objects.Service.enable_min_version_cache()
    services = []
    for binary, topics in (
        ("nova-conductor", {"topic": "conductor"}),
        ("nova-scheduler", {"topic": "scheduler"}),
        ("nova-compute", {"topic": "compute", "topic_alt": "compute-alt"}),
    ):
        running = service.Service.create(binary=binary, **topics)
        running.start()
        services.append(running)
    host_mapping.discover_hosts(context.get_admin_context())
    return services
