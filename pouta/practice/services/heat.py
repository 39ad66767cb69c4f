"""Heat: API and engine as threads of one process."""

import sys

from ..folder import REGION
from . import configuration

#: Stacks that need users of their own get them in this domain, from this administrator.
DOMAIN = "heat"
DOMAIN_ADMIN = "heat_domain_admin"


def configure(folder):
    """Write heat.conf."""
    sections = configuration.common(folder, "heat")
    shipped = configuration.SHIPPED / "heat"
    login = configuration.credentials(folder)
    here = folder.url("orchestration")
    sections["DEFAULT"] |= {
        "region_name_for_services": REGION,
        "stack_user_domain_name": DOMAIN,
        "stack_domain_admin": DOMAIN_ADMIN,
        "stack_domain_admin_password": folder.password("service"),
        "auth_encryption_key": folder.password("shared_secret")[:16].ljust(16, "0"),
        "environment_dir": shipped / "environment.d",
        "template_dir": shipped / "templates",
        "heat_metadata_server_url": here,
        "heat_waitcondition_server_url": f"{here}/v1/waitcondition",
        "periodic_interval": 600,
    }
    sections |= {
        "clients": {"endpoint_type": "publicURL"},
        "clients_keystone": {"auth_uri": folder.url("identity")},
        "trustee": login,
        "paste_deploy": {"api_paste_config": shipped / "api-paste.ini"},
    }
    configuration.write(folder.configuration / "heat.conf", sections)


def applications(folder, first_time):
    """Start the engine; the WSGI application of the API."""
    sys.argv = ["heat-api", "--config-file", str(folder.configuration / "heat.conf")]
    from heat.api.openstack import wsgi

    application = wsgi.init_application()
    if first_time:
        from heat.db import migration

        migration.db_sync()
    start_engine()
    return {"orchestration": application}


def start_engine():
    """What makes and deletes the things of a stack."""
    from heat.engine import service
    from heat.rpc import api
    from oslo_config import cfg

    service.EngineService(cfg.CONF.host, api.ENGINE_TOPIC).start()
