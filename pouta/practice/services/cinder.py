"""Cinder: API, scheduler and volume service as threads of one process."""

import sys

from . import configuration, no_eventlet

HOST_NAME = "practice"
BACKEND = "disk"
#: A cloud of the Yoga release, as Pouta is today.
YOGA = "3.68"
QUOTAS = {
    "pouta": {"quota_volumes": 100, "quota_snapshots": 100, "quota_gigabytes": 2000},
    "large": {"quota_volumes": 10_000, "quota_snapshots": 10_000, "quota_gigabytes": 10_000_000},
}
#: GiB of each volume type that a project may have.
QUOTAS_BY_TYPE = {
    "pouta": {"standard": 1000, "capacity": 1000, "standard.multiattach": 0},
    "large": {"standard": -1, "capacity": -1, "standard.multiattach": -1},
}


def configure(folder):
    """Write cinder.conf."""
    sections = configuration.common(folder, "cinder")
    shipped = configuration.SHIPPED / "cinder"
    home = folder.path / "cinder"
    login = configuration.credentials(folder)
    sections["DEFAULT"] |= QUOTAS[folder.settings["quotas"]] | {
        "host": HOST_NAME,
        "my_ip": "127.0.0.1",
        "auth_strategy": "keystone",
        "api_paste_config": shipped / "api-paste.ini",
        "resource_query_filters_file": shipped / "resource_filters.json",
        "enabled_backends": BACKEND,
        "default_volume_type": "standard",
        "storage_availability_zone": "nova",
        "glance_api_servers": folder.url("image"),
        "service_down_time": configuration.NEVER_DOWN,
        "report_interval": 0,
        "scheduler_driver_init_wait_time": 1,
        "periodic_fuzzy_delay": 0,
    }
    sections |= {
        BACKEND: {
            "volume_driver": f"{__package__}.cinder_driver.PracticeDriver",
            "volume_backend_name": BACKEND,
        },
        "glance": login,
        "nova": login | {"token_auth_url": login["auth_url"]},
        "service_user": login | {"send_service_user_token": True},
        "coordination": {"backend_url": f"file://{home}/coordination"},
    }
    configuration.write(folder.configuration / "cinder.conf", sections)


def applications(folder, first_time):
    """Start the threads; the WSGI application of the API."""
    no_eventlet.allow()
    sys.argv = ["cinder-api", "--config-file", str(folder.configuration / "cinder.conf")]
    from cinder.wsgi import wsgi

    if not folder.settings["latest"]:
        announce_no_more_than(YOGA)
    prepare(first_time)
    application = wsgi.initialize_application()
    from cinder import policy

    policy.init()
    start_threads()
    return {"volume": application}


def announce_no_more_than(version):
    """Speak as an older release: newer microversions are refused."""
    from cinder.api.openstack import api_version_request

    api_version_request._MAX_API_VERSION = version


def prepare(first_time):
    """Bring the tables to the newest form."""
    if not first_time:
        return
    from cinder.db import migration
    from oslo_config import cfg

    cfg.CONF(sys.argv[1:], project="cinder")
    migration.db_sync()


def start_threads():
    """The scheduler first: it hears what the volume service can do."""
    from cinder import service
    from cinder.common import constants
    from oslo_config import cfg

    backend_host = cfg.StrOpt("backend_host")
    cfg.CONF.register_opt(backend_host, group=BACKEND)
    scheduler = service.Service.create(binary=constants.SCHEDULER_BINARY)
    scheduler.start()
    volume = service.Service.create(
        host=f"{HOST_NAME}@{BACKEND}",
        service_name=BACKEND,
        binary=constants.VOLUME_BINARY,
        coordination=True,
    )
    volume.start()
