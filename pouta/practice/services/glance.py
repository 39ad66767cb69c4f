"""Glance: images are files in the folder."""

import os
import sys

from . import configuration


def configure(folder):
    """Write glance-api.conf."""
    sections = configuration.common(folder, "glance")
    home = folder.path / "glance"
    for part in ("images", "staging", "tasks"):
        (home / part).mkdir(mode=0o700, exist_ok=True)
    sections["DEFAULT"] |= {
        "enabled_backends": "files:file",
        "enabled_import_methods": "[glance-direct]",
        "worker_self_reference_url": folder.url("image"),
    }
    sections |= {
        "glance_store": {"default_backend": "files"},
        "files": {"filesystem_store_datadir": home / "images"},
        "os_glance_staging_store": {"filesystem_store_datadir": home / "staging"},
        "os_glance_tasks_store": {"filesystem_store_datadir": home / "tasks"},
        "paste_deploy": {
            "flavor": "keystone",
            "config_file": configuration.SHIPPED / "glance" / "glance-api-paste.ini",
        },
    }
    configuration.write(folder.configuration / "glance-api.conf", sections)


def applications(folder, first_time):
    """The WSGI application."""
    sys.argv = ["glance-api"]
    os.environ["OS_GLANCE_CONFIG_DIR"] = str(folder.configuration)
    from glance.common import wsgi_app

    if first_time:
        make_database(folder)
    return {"image": wsgi_app.init_app()}


def make_database(folder):
    """Bring the tables to the newest form."""
    from glance.cmd import manage
    from glance.common import config
    from oslo_config import cfg

    config.set_config_defaults()
    configured = str(folder.configuration / "glance-api.conf")
    cfg.CONF([], project="glance", default_config_files=[configured])
    manage.DbCommands().sync()
