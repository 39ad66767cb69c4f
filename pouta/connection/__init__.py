"""`connect()`: which credentials, from where; what is missing is asked for or explained."""

from __future__ import annotations

import os
import warnings
from typing import Any

from openstack.config.cloud_region import CloudRegion
from openstack.connection import Connection

from pouta import clouds
from pouta.connection import refusals, sources
from pouta.errors import InvalidInput

# What openstacksdk would silently take no notice of, and so work in another project.
MEANT = {"project": "project_name", "region": "region_name", "user": "username"}


def connect(
    cloud: str | None = None,
    *,
    openrc: str | os.PathLike[str] | None = None,
    password: str | None = None,
    **options: Any,
) -> Connection:
    """Log in, and return openstacksdk's own Connection.

    The credentials come from the first of: the `openrc` file; the `cloud` of that name in
    clouds.yaml; the cloud that OS_CLOUD names; the variables OS_AUTH_URL and friends; the only
    cloud in clouds.yaml. clouds.yaml and secure.yaml are looked for in the current directory,
    ~/.config/openstack and /etc/openstack, or are the files that OS_CLIENT_CONFIG_FILE and
    OS_CLIENT_SECURE_FILE name.

    cloud: a name in clouds.yaml, or "practice" for the practice cloud of this machine.
    openrc: the file that the dashboard gives out. It is read, never run.
    password: asked for, in a terminal or a notebook, when it is needed and found nowhere.
    options: what openstacksdk's `get_one` takes, such as `project_name`, `region_name` or
        `api_timeout` (seconds, 60 if not given). They replace what was found.

    Threads may share the Connection; processes make one each.

    Raises NoCredentials when none are found, ConfigurationError when they are not complete,
    AuthenticationError when they are refused, Unreachable when the cloud does not answer or its
    certificate cannot be verified, InvalidInput when the arguments contradict each other. Login is
    `POST /v3/auth/tokens`.
    """
    for name in options.keys() & MEANT.keys():
        raise InvalidInput(f"connect() takes `{MEANT[name]}`, not `{name}`.")
    if password:
        options["password"] = password
    settings = sources.region(cloud, openrc, options)
    if risk := _risk(settings):
        warnings.warn(f"{risk}: anybody on the way can read your password.", stacklevel=2)
    conn = Connection(config=settings)
    refusals.log_in(conn)
    return conn


def _risk(settings: CloudRegion) -> str:
    """What shows the login to others. The practice cloud has no TLS, and is on this machine."""
    url = settings.config["auth"].get("auth_url") or ""
    if url.startswith("http:") and not clouds.is_practice(url):
        return f"There is no TLS to {url}"
    return "TLS is not verified" if settings.get_requests_verify_args()[0] is False else ""
