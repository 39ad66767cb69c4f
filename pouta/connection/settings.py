"""What was found, made complete for a login; what is missing is asked for or explained."""

from __future__ import annotations

import getpass
import os
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from keystoneauth1 import exceptions as keystone
from openstack.config import OpenStackConfig
from openstack.config.cloud_region import CloudRegion
from openstack.exceptions import ConfigException

from pouta import __version__, _session, clouds, files, progress
from pouta.errors import ConfigurationError, InvalidInput, listed
from pouta.redaction import Lines

WAYS_TO_LOG_IN = Lines("""\
Ways to log in:
  pouta.connect(openrc="project_2001234-openrc.sh")   the file from the dashboard: API Access
  pouta.connect("NAME")                               a cloud of your clouds.yaml
  pouta.connect("practice")                           a practice cloud on this machine; it costs
                                                      nothing: python -m pouta.practice start""")

# One of these replaces the others: Keystone, for one, takes the ID where it gets a name as well.
SAME = (
    {"project_id", "project_name", "tenant_id", "tenant_name"},
    {"user_id", "username", "user_name"},
    {"project_domain_id", "project_domain_name"},
    {"user_domain_id", "user_domain_name"},
)
CREDENTIAL = {"application_credential_id", "application_credential_name"}
SECRETS = {"application_credential_secret", "passcode", "password", "token"}
# An application credential belongs to one user and one project, and Keystone refuses it when the
# request names any project. Only one that is given by its name needs to know whose it is.
ALL_OF_CREDENTIAL = {"auth_url", "application_credential_id", "application_credential_secret"}
ALL_OF_NAMED_CREDENTIAL = {
    *("auth_url", "application_credential_name", "application_credential_secret"),
    *("username", "user_id", "user_domain_id", "user_domain_name"),
}


TYPED = "pouta_password_was_typed"


class Config(OpenStackConfig):
    """openstacksdk's loader. From the environment it takes only what we choose."""

    def __init__(self, file: Path | None, secure: Path | None) -> None:
        super().__init__(
            config_files=[str(file)] if file else [],
            secure_files=[str(secure)] if secure else [],
            override_defaults={"auth_type": None},  # so that we see whether somebody gave one
            load_envvars=False,
            session_constructor=_session.Session,
            app_name="pouta",
            app_version=__version__,
        )
        self.names: list[str] = [*self.cloud_config["clouds"]] if file else []
        self.place = ""

    def one(self, name: str, options: dict[str, Any], place: str) -> CloudRegion:
        """The region of that cloud. The options replace what the cloud has."""
        self.place = place
        given = {**options, **options.get("auth", {})}
        replaced = {*given}.union(*(same for same in SAME if same & given.keys()))
        cloud = self.cloud_config["clouds"][name]
        for settings in (cloud, cloud.get("auth", {})):
            for key in replaced & settings.keys() - {"auth", "regions", "region_name"}:
                del settings[key]
        try:
            region = self.get_one(name, **options)
        except (ConfigException, keystone.AuthPluginException) as error:
            raise ConfigurationError(f"Cannot log in with {place}: {error}") from error
        except (TypeError, AttributeError, LookupError, ValueError):
            # Unchained: openstacksdk may have stumbled over a secret.
            raise ConfigurationError(
                f"Cannot log in with {place}: one of its settings is of another kind than it "
                "should be.",
                hint="A list where a word belongs, say, or a word where a number does.",
            ) from None
        if region.config["auth_type"] == "v3applicationcredential" and SAME[0] & given.keys():
            raise InvalidInput(
                f"The application credential of {place} belongs to one project; another one "
                "cannot be chosen.",
                hint="Make one in the other project, or log in with a password.",
            )
        return region

    def auth_config_hook(self, config: dict[str, Any]) -> dict[str, Any]:
        """openstacksdk calls this with all put together, before it makes the plug-in of it."""
        auth = config["auth"]
        config["auth_type"] = _auth_type(config["auth_type"], {**auth, **config})
        used = {option.dest for option in self._get_auth_loader(config).get_options()}
        for key in used & config.keys():
            auth[key] = config.pop(key)
        for key in (SECRETS | CREDENTIAL) - used:  # of another way to log in
            config.pop(key, None)
            auth.pop(key, None)
        if unknown := auth.keys() - used:
            raise ConfigurationError(
                f"Unknown in the `auth` of {self.place}: {listed(sorted(unknown))}.",
                hint=f"Known are: {', '.join(sorted(used))}.",
            )
        if "auth_url" in used:
            _check_address(auth.get("auth_url"), self.place)
        _check_certificate(config.get("cacert"), self.place)
        config["api_timeout"] = float(config.get("api_timeout") or 0) or None
        config[TYPED] = config["auth_type"] == "v3password" and not auth.get("password")
        config["auth"] = _complete(auth, config["auth_type"], self.place)
        return config


def _auth_type(given: str | None, settings: Mapping[str, Any]) -> str:
    if given not in (None, "password"):
        return given
    if given is None and CREDENTIAL & settings.keys():
        return "v3applicationcredential"
    if given is None and settings.get("token") and not settings.get("password"):
        return "v3token"
    return "v3password"  # "password" would first ask the server for its versions


def _complete(auth: dict[str, Any], auth_type: str, place: str) -> dict[str, Any]:
    """What the plug-in needs, and nothing that was meant for another login."""
    if auth_type == "v3applicationcredential":
        by_id = auth.get("application_credential_id")
        needed = ALL_OF_CREDENTIAL if by_id else ALL_OF_NAMED_CREDENTIAL
        auth = {key: value for key, value in auth.items() if key in needed}
    for half, name in (("user", "username"), ("project", "project_name")):
        if auth.get(name) and not {f"{half}_domain_id", f"{half}_domain_name"} & auth.keys():
            auth[f"{half}_domain_id"] = "default"
    if auth_type == "v3password":
        if not (auth.get("username") or auth.get("user_id")):
            raise ConfigurationError(f"There is no user name in {place}.", hint=WAYS_TO_LOG_IN)
        auth["password"] = auth.get("password") or _ask_for_password(auth)
    return auth


def _check_address(url: str | None, place: str) -> None:
    if not url:
        raise ConfigurationError(f"There is no auth_url in {place}.", hint=WAYS_TO_LOG_IN)
    try:
        parts = urlsplit(url)
        is_web = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_web = False
    if not is_web or "@" in url:
        raise ConfigurationError(
            f"The auth_url in {place} is not a plain address.",
            hint="It is like https://pouta.csc.fi:5001/v3, with no user and no password in it.",
        )


def _check_certificate(file: str | None, place: str) -> None:
    if file and not os.access(files.path_of(file), os.R_OK):
        raise ConfigurationError(
            f"The certificate file {file} of {place} is not there or not readable.",
            hint="It is named by OS_CACERT, or as `cacert:` in clouds.yaml.",
        )


def _ask_for_password(auth: Mapping[str, Any]) -> str:
    user, url = auth.get("username") or auth.get("user_id"), auth["auth_url"]
    whose = f"user '{user}' at {clouds.host(url)}"
    if clouds.is_csc(url):
        whose = f"your CSC account '{user}' (not Haka's or Virtu's)"
    try:
        somebody_there = progress.in_notebook() or (sys.stdin and sys.stdin.isatty())
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)  # it would show what is typed
            answer = getpass.getpass(f"Password of {whose}: ") if somebody_there else None
    except (EOFError, NotImplementedError, getpass.GetPassWarning):
        # A notebook that is run without its user, or a window that cannot hide what is typed.
        answer = None
    if answer is None:
        raise ConfigurationError(
            f"The password of {whose} is needed, and there is nobody to ask for it.",
            hint="Set OS_PASSWORD, or use an application credential, which needs no password.",
        )
    if not answer:
        raise ConfigurationError(f"The password of {whose} was left empty.")
    return answer
