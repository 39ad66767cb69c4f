"""What the services' configuration files have in common."""

import sys
from pathlib import Path

from ..folder import HOST, REGION, SERVICE, write_private

#: Seconds after which a service that did not report is thought dead: never, for a folder may rest.
NEVER_DOWN = 10 * 365 * 86400

#: How the rules of an application credential call a service: its type in the catalog.
SERVICE_TYPES = {
    "nova": "compute",
    "glance": "image",
    "neutron": "network",
    "cinder": "volumev3",
    "heat": "orchestration",
    "placement": "placement",
    "keystone": "identity",
    "swift": "object-store",
}

#: Where the packages put what they ship outside of their Python code.
SHIPPED = Path(sys.prefix) / "etc"


def write(path, sections):
    """Write an ini file from `{section: {option: value}}`."""
    lines = []
    for section, options in sections.items():
        lines.append(f"[{section}]")
        lines += [f"{option} = {as_text(value)}" for option, value in options.items()]
    write_private(path, "\n".join(lines) + "\n")
    return path


def as_text(value):
    """A value as oslo.config reads it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    return str(value)


def credentials(folder):
    """How one service logs in to use another."""
    return {
        "auth_type": "password",
        "auth_url": folder.url("identity", "/v3"),
        "username": SERVICE,
        "password": folder.password(SERVICE),
        "project_name": SERVICE,
        "user_domain_name": "Default",
        "project_domain_name": "Default",
        "region_name": REGION,
    }


def token_check(folder, name):
    """How a service checks the tokens that it is shown."""
    return credentials(folder) | {
        "service_type": SERVICE_TYPES[name],
        "www_authenticate_uri": folder.url("identity"),
        "service_token_roles": SERVICE,
        "service_token_roles_required": True,
    }


def common(folder, name):
    """Sections that almost every service wants."""
    home = folder.path / name
    home.mkdir(mode=0o700, exist_ok=True)
    # The releases' own policies hold. The empty file spares looking for one at every request.
    policies = folder.configuration / "policy.d"
    policies.mkdir(mode=0o700, exist_ok=True)
    write_private(folder.configuration / "policy.yaml", "{}\n")
    return {
        "DEFAULT": {
            "use_stderr": True,
            "log_options": False,
            "transport_url": "fake://",
            "state_path": home,
            "host": "practice",
            "rpc_response_timeout": 120,
        },
        "database": {"connection": folder.database(name)},
        "keystone_authtoken": token_check(folder, name),
        "oslo_concurrency": {"lock_path": home / "locks"},
        "oslo_messaging_notifications": {"driver": "noop"},
        "oslo_policy": {
            "policy_file": folder.configuration / "policy.yaml",
            "policy_dirs": policies,
        },
    }


def listening(api, folder):
    """The host and port of an API."""
    return HOST, folder.settings["ports"][api]
