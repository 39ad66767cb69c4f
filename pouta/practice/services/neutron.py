"""Neutron: the API, without any agent."""

import os
import sys

from . import configuration, no_eventlet

QUOTAS = {
    "pouta": {"quota_floatingip": 2},
    "large": {
        f"quota_{kind}": 20_000
        for kind in (
            "floatingip",
            "network",
            "port",
            "router",
            "security_group",
            "security_group_rule",
            "subnet",
        )
    },
}
#: What a new security group holds: the `default` one lets its own members in.
DEFAULT_RULES = (
    ("egress", "IPv4", True),
    ("egress", "IPv6", True),
    ("ingress", "IPv4", False),
    ("ingress", "IPv6", False),
)


def configure(folder):
    """Write neutron.conf."""
    sections = configuration.common(folder, "neutron")
    sections["DEFAULT"] |= {
        "auth_strategy": "keystone",
        "api_paste_config": configuration.SHIPPED / "neutron" / "api-paste.ini",
        "core_plugin": "ml2",
        "service_plugins": f"{__package__}.neutron_routers.PracticeRouters",
        "dhcp_agent_notification": False,
        "enable_traditional_dhcp": False,
        "rpc_workers": 0,
        "rpc_state_report_workers": 0,
        "notify_nova_on_port_status_changes": True,
        "notify_nova_on_port_data_changes": True,
        "send_events_interval": 1,
    }
    sections |= {
        "quotas": QUOTAS[folder.settings["quotas"]],
        "nova": configuration.credentials(folder),
        "ml2": {
            "type_drivers": "local",
            "tenant_network_types": "local",
            "mechanism_drivers": "practice",
            "extension_drivers": "port_security",
        },
        "securitygroup": {"enable_security_group": True},
    }
    configuration.write(folder.configuration / "neutron.conf", sections)


def applications(folder, first_time):
    """The WSGI application."""
    no_eventlet.allow()
    sys.argv = ["neutron-api"]
    os.environ["OS_NEUTRON_CONFIG_FILES"] = str(folder.configuration / "neutron.conf")
    from neutron import server

    application = server.boot_server(lambda: boot(first_time), prog="neutron-api")
    return {"network": application}


def boot(first_time):
    """What Neutron does once it has read its configuration."""
    from neutron import policy
    from neutron.server import api

    if first_time:
        make_database()
    policy.init()
    return api.api_server()


def make_database():
    """All tables as the models have them: Neutron's migrations do not know SQLite."""
    from neutron import objects
    from neutron.db.migration.models import head
    from neutron.objects import securitygroup_default_rules
    from neutron_lib import context
    from neutron_lib.db import api

    admin = context.get_admin_context()
    with api.CONTEXT_WRITER.using(admin):
        head.get_metadata().create_all(admin.session.get_bind())
    objects.register_objects()
    with api.CONTEXT_WRITER.using(admin):
        for direction, ethertype, everywhere in DEFAULT_RULES:
            securitygroup_default_rules.SecurityGroupDefaultRule(
                admin,
                direction=direction,
                ethertype=ethertype,
                remote_group_id=None if everywhere else "PARENT",
                used_in_default_sg=True,
                used_in_non_default_sg=everywhere,
            ).create()
