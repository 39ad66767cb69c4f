"""OpenStack chores for people who use CSC's Pouta clouds from Python.

    import pouta

    conn = pouta.connect()
    server = pouta.servers.launch(conn, "web", image="Ubuntu-24.04", flavor="standard.small",
                                  ssh_from="my-ip", floating_ip=True)
    print(pouta.servers.ssh_command(conn, server))

`connect` returns openstacksdk's own Connection; each helper module takes it first, and returns
openstacksdk's own resources.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pouta import notebook
from pouta.errors import (
    Ambiguous,
    AuthenticationError,
    ConfigurationError,
    Failed,
    InvalidInput,
    NoCredentials,
    NotFound,
    PoutaError,
    QuotaExceeded,
    Refused,
    TimedOut,
    Unreachable,
)
from pouta.logs import hide_secrets as _hide_secrets

if TYPE_CHECKING:
    from pouta import (
        billing,
        flavors,
        floating_ips,
        identity,
        images,
        keypairs,
        networks,
        object_store,
        practice,
        quotas,
        security_groups,
        servers,
        stacks,
        volumes,
    )
    from pouta.cleaning import all_or_nothing, cleanup, temporary
    from pouta.connection import connect
    from pouta.drawing import diagram

__version__ = "0.1.0"

__all__ = [
    "Ambiguous",
    "AuthenticationError",
    "ConfigurationError",
    "Failed",
    "InvalidInput",
    "NoCredentials",
    "NotFound",
    "PoutaError",
    "QuotaExceeded",
    "Refused",
    "TimedOut",
    "Unreachable",
    "all_or_nothing",
    "billing",
    "cleanup",
    "connect",
    "diagram",
    "flavors",
    "floating_ips",
    "identity",
    "images",
    "keypairs",
    "networks",
    "object_store",
    "practice",
    "quotas",
    "security_groups",
    "servers",
    "stacks",
    "temporary",
    "volumes",
]

_hide_secrets()

_FUNCTIONS = {
    "all_or_nothing": "cleaning",
    "cleanup": "cleaning",
    "connect": "connection",
    "diagram": "drawing",
    "temporary": "cleaning",
}


def __getattr__(name: str) -> Any:
    """Load a helper module, and with it openstacksdk, when it is first used."""
    if shell := notebook.shell():
        importlib.import_module("pouta.single").shown_in(shell)
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(f"pouta.{_FUNCTIONS[name]}"), name)
    if name in __all__:
        return importlib.import_module(f"pouta.{name}")
    raise AttributeError(f"module 'pouta' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
