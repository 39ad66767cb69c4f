"""`connect()`: which credentials, from where; what is missing is asked for or explained."""

from __future__ import annotations

import difflib
import getpass
import json
import os
import ssl
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from keystoneauth1 import exceptions as keystone
from keystoneauth1.identity import BaseIdentityPlugin, v3
from openstack.config import OpenStackConfig, loader
from openstack.config.cloud_region import CloudRegion
from openstack.connection import Connection
from openstack.exceptions import ConfigException

from pouta import __version__, _session, clouds, progress
from pouta import openrc as openrc_file
from pouta.errors import (
    AuthenticationError,
    ConfigurationError,
    InvalidInput,
    NoCredentials,
    PoutaError,
    Unreachable,
    explain,
    listed,
    status_of,
)

PRACTICE = "practice"
WAYS_TO_LOG_IN = """\
Ways to log in:
  pouta.connect(openrc="project_2001234-openrc.sh")   the file from the dashboard: API Access
  pouta.connect("NAME")                               a cloud of your clouds.yaml
  pouta.connect("practice")                           a practice cloud on this machine; it costs
                                                      nothing: python -m pouta.practice start"""

NEW_CREDENTIAL = "Make a new one in the dashboard: Identity, Application Credentials."

# What openstacksdk would silently take no notice of, and so work in another project.
MEANT = {"project": "project_name", "region": "region_name", "user": "username"}
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
    region = _region(cloud, openrc, options)
    if region.get_requests_verify_args()[0] is False:
        message = "TLS is not verified: anybody on the way can read your password."
        warnings.warn(message, stacklevel=2)
    conn = Connection(config=region)
    _log_in(conn)
    return conn


# Where the credentials come from


def _region(
    cloud: str | None, openrc: str | os.PathLike[str] | None, options: dict[str, Any]
) -> CloudRegion:
    if openrc is not None:
        if cloud is not None:
            raise InvalidInput("Give either `openrc` or `cloud`, not both.")
        return _from_variables(_sourced(openrc), options, str(openrc))
    if cloud is None and "auth_url" in {**options, **options.get("auth", {})}:
        return _from_variables({}, options, "the arguments")
    name = cloud or os.environ.get("OS_CLOUD")
    if not name and os.environ.get("OS_AUTH_URL"):
        return _from_variables(os.environ, options, "the environment")
    return _from_clouds_yaml(name, options)


def _sourced(path: str | os.PathLike[str]) -> dict[str, str]:
    """What the openrc file sets, and the few things that it may leave to the environment."""
    file = openrc_file.read(path, os.environ)
    left = {*file.asked, "OS_CACERT", "OS_PASSWORD"} - file.unset
    if not file.variables.items() >= _whose(os.environ).items():
        left.discard("OS_PASSWORD")  # it is of another cloud, which is none of this one's business
    return {name: os.environ[name] for name in left & os.environ.keys()} | file.variables


def _whose(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: variables[name] for name in ("OS_AUTH_URL", "OS_USERNAME") if name in variables}


def _from_variables(
    variables: Mapping[str, str], options: dict[str, Any], place: str
) -> CloudRegion:
    found = {
        name.removeprefix("OS_").lower(): value
        for name, value in variables.items()
        if name.startswith("OS_") and name != "OS_CLOUD" and value
    }
    if "region_name" in options:
        found.pop("region_name", None)
    config = _Config(None, None)
    config.cloud_config["clouds"] = {"envvars": found}
    return config.one("envvars", options, place)


def _from_clouds_yaml(name: str | None, options: dict[str, Any]) -> CloudRegion:
    config = _Config(_file("clouds"), _file("secure"))
    if name == PRACTICE and name not in config.names:
        config = _practice_config()
    name = name or _only_cloud(config)
    if name not in config.names:
        raise _unknown_cloud(config, name)
    return config.one(name, options, f"cloud '{name}' of {config.config_filename}")


def _practice_config() -> _Config:
    from pouta import practice

    file = practice.clouds_yaml()
    if not file.exists():
        raise ConfigurationError(
            "There is no practice cloud on this machine yet.",
            hint="Start one: python -m pouta.practice start",
        )
    return _Config(file, None)


def _only_cloud(config: _Config) -> str:
    if len(config.names) == 1:
        return config.names[0]
    if config.names:
        raise ConfigurationError(
            f"{config.config_filename} has several clouds: {listed(config.names)}.",
            hint=f'Say which: pouta.connect("{config.names[0]}"), or OS_CLOUD={config.names[0]}.',
        )
    raise NoCredentials(
        "No credentials were found. Looked at: `openrc` and `cloud` (not given), the variables "
        f"OS_CLOUD and OS_AUTH_URL (not set), and {_folders()} (no clouds.yaml).",
        hint=WAYS_TO_LOG_IN,
    )


def _unknown_cloud(config: _Config, name: str) -> ConfigurationError:
    if not config.names:
        there = f"there is no clouds.yaml in {_folders()}"
        return ConfigurationError(f"No cloud '{name}': {there}.", hint=WAYS_TO_LOG_IN)
    there = f"{config.config_filename} has {listed(config.names)}"
    near = difflib.get_close_matches(name, config.names)
    hint = f"Closest: {listed(near)}." if near else WAYS_TO_LOG_IN
    return ConfigurationError(f"No cloud '{name}': {there}.", hint=hint)


# clouds.yaml and secure.yaml


def _search_path() -> list[Path]:
    # openstacksdk fixes the current directory when it is imported.
    return [*dict.fromkeys([Path.cwd(), *map(Path, loader.CONFIG_SEARCH_PATH[1:])])]


def _folders() -> str:
    return ", ".join(map(str, _search_path()))


def _file(stem: str) -> Path | None:
    """The clouds or secure file that openstacksdk would take, if there is one.

    It is checked here, for openstacksdk passes over a broken file and takes the next one.
    """
    variable = {"clouds": "OS_CLIENT_CONFIG_FILE", "secure": "OS_CLIENT_SECURE_FILE"}[stem]
    if named := os.environ.get(variable):
        if not os.access(named, os.R_OK):
            raise ConfigurationError(f"{variable} is {named}, which is not there or not readable.")
        found = [Path(named)]
    else:
        names = [f"{stem}.yaml", f"{stem}.yml", f"{stem}.json"]
        files = [folder / name for folder in _search_path() for name in names]
        found = [file for file in files if file.is_file() and os.access(file, os.R_OK)]
    if found and (problem := _problem(found[0])):
        raise ConfigurationError(
            f"{found[0]}{problem}",
            hint="What belongs to a name stands under it, indented by spaces; values with signs "
            "such as : # * & ! % @ { [ are in quotes.",
        )
    return found[0] if found else None


def _problem(file: Path) -> str:
    """What is wrong with a clouds file. Nothing of it is quoted, for there are passwords in it."""
    try:
        with file.open() as opened:
            held = json.load(opened) if file.suffix == ".json" else yaml.safe_load(opened)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return f", line {mark.line + 1 if mark else '?'}: this cannot be read as YAML."
    except json.JSONDecodeError as error:
        return f", line {error.lineno}: this cannot be read as JSON."
    except (ValueError, yaml.YAMLError):
        return ": this is not text in UTF-8."
    named = held.get("clouds") if isinstance(held, dict) else None
    if not named or not isinstance(named, dict):
        return ": there is nothing under `clouds:`."
    for name, cloud in named.items():
        if not isinstance(cloud, dict) or not isinstance(cloud.get("auth", {}), dict):
            return f": there is nothing under `{name}:`, or under its `auth:`."
    return ""


class _Config(OpenStackConfig):
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
    if urlsplit(url).scheme not in ("http", "https") or not clouds.host(url):
        raise ConfigurationError(
            f"The auth_url '{url}' in {place} is not an address.",
            hint="It is like https://pouta.csc.fi:5001/v3.",
        )


def _check_certificate(file: str | None, place: str) -> None:
    if file and not os.access(Path(file).expanduser(), os.R_OK):
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
        answer = getpass.getpass(f"Password of {whose}: ") if somebody_there else None
    except (EOFError, NotImplementedError):  # a notebook that is run without its user
        answer = None
    if answer is None:
        raise ConfigurationError(
            f"The password of {whose} is needed, and there is nobody to ask for it.",
            hint="Set OS_PASSWORD, or use an application credential, which needs no password.",
        )
    if not answer:
        raise ConfigurationError(f"The password of {whose} was left empty.")
    return answer


# Whether they let us in, and why not


def _log_in(conn: Connection) -> None:
    auth = conn.session.auth
    try:
        conn.session.get_token()
        if isinstance(auth, BaseIdentityPlugin) and not auth.get_access(conn.session).scoped:
            raise ConfigurationError(
                "The credentials are right, but they name no project.",
                hint=f'{_projects(conn)} Say which: pouta.connect(..., project_name="NAME").',
            )
    except keystone.ClientException as error:
        raise _why_not(error, conn, clouds.auth_url(conn)) from error


def _why_not(error: keystone.ClientException, conn: Connection, url: str) -> PoutaError:
    """Which of the likely causes fits."""
    if isinstance(error, keystone.SSLError):
        return _not_trusted(error, url, conn.config.config.get("cacert"))
    if isinstance(error, keystone.ConnectionError):
        return _unreachable(error, url)
    if status_of(error) == 401:
        return _refused(error, conn, url)
    if "Could not find Application Credential" in str(error):
        return AuthenticationError(
            f"The application credential is not there at {url}.",
            hint=f"It was deleted, or its owner has left the project. {NEW_CREDENTIAL}",
        )
    if status_of(error) in (404, 405) or isinstance(error, keystone.InvalidResponse):
        return ConfigurationError(
            f"There is no Keystone at {url}.",
            hint="Its address ends in /v3, as in the openrc file.",
        )
    return explain(error, f"log in at {url}") or PoutaError(f"Could not log in at {url}.")


def _not_trusted(error: Exception, url: str, cacert: str | None) -> Unreachable:
    reason = _reason(error)
    if not isinstance(reason, ssl.SSLCertVerificationError):
        return Unreachable(
            f"No TLS with {url}: {_words(reason)}.", hint="Does its address begin with http://?"
        )
    return Unreachable(
        f"The certificate of {url} could not be verified: {_words(reason)}.",
        hint=(f"It was checked against {cacert}. " if cacert else "")
        + "If the cloud has an authority of its own, name its file in OS_CACERT, or as `cacert:` "
        "in clouds.yaml; do not switch verification off.",
    )


def _unreachable(error: Exception, url: str) -> Unreachable:
    hint = "Is the address right, and this machine on the network (ePouta: VPN)?"
    if clouds.is_practice(url):
        hint = "Is the practice cloud running? python -m pouta.practice start"
    return Unreachable(f"No answer from {url}: {_words(_reason(error))}.", hint=hint)


def _reason(error: BaseException) -> BaseException:
    """What urllib3, requests and keystoneauth each wrapped once more."""
    below = error.__cause__ or error.__context__
    return _reason(below) if below else error


def _words(error: BaseException) -> str:
    words = getattr(error, "verify_message", None) or getattr(error, "strerror", None)
    return str(words or error).rstrip(".")


def _refused(error: Exception, conn: Connection, url: str) -> AuthenticationError:
    auth = conn.config.config["auth"]
    if "application_credential_secret" in auth:
        return AuthenticationError(
            f"The application credential was refused at {url}.",
            hint=f"It has expired, or the secret is wrong. {NEW_CREDENTIAL}",
        )
    if "password" not in auth:
        return AuthenticationError(f"The login was refused at {url}: {error}")
    # Keystone says the same of a wrong password and of a wrong project. A login without one tells.
    who = ("username", "user_id", "password", "user_domain_id", "user_domain_name")
    known = {key: auth[key] for key in who if auth.get(key)}
    try:
        projects = _projects(conn, v3.Password(url, unscoped=True, **known))
    except keystone.ClientException:
        return _password_refused(known.get("username") or known["user_id"], url)
    wanted = auth.get("project_name") or auth.get("project_id")
    domain = auth.get("project_domain_name") or auth.get("project_domain_id")
    return AuthenticationError(
        f"The password is right, but this user has no project '{wanted}' at {url}"
        + (f", in the domain '{domain}'." if domain else "."),
        hint=projects
        + " A new member of a project must accept its services at my.csc.fi first."
        * clouds.is_csc(url),
    )


def _password_refused(user: str, url: str) -> AuthenticationError:
    hint = "Is it the right password for this user, and is the user's domain right?"
    if clouds.is_csc(url):
        hint = (
            "It must be the CSC account's password; a Haka or Virtu password does not work. A new "
            "one takes up to an hour to work, and it expires after a year: my.csc.fi."
        )
    return AuthenticationError(f"User '{user}' and this password were refused at {url}.", hint=hint)


def _projects(conn: Connection, auth: BaseIdentityPlugin | None = None) -> str:
    keystone_v3 = clouds.auth_url(conn).rstrip("/").removesuffix("/v3") + "/v3"
    answer = conn.session.get(f"{keystone_v3}/auth/projects", auth=auth).json()
    names = sorted(project["name"] for project in answer["projects"])
    return f"Projects of this user: {listed(names) or 'none'}."
