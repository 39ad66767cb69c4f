"""`connect()`: which credentials, from where; what is missing is asked for or explained."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pouta import openrc as openrc_file
from pouta import progress
from pouta.errors import (
    AuthenticationError,
    ConfigurationError,
    PoutaError,
    Unreachable,
    explain,
    listed,
    status_of,
)

if TYPE_CHECKING:
    from openstack.config import OpenStackConfig
    from openstack.config.cloud_region import CloudRegion
    from openstack.connection import Connection

PRACTICE = "practice"
API_TIMEOUT = 60.0  # seconds for an answer
WAYS_TO_LOG_IN = """\
Ways to log in:
  pouta.connect(openrc="project_2001234-openrc.sh")   the file from the dashboard: API Access
  pouta.connect("NAME")                               a cloud of your clouds.yaml
  pouta.connect("practice")                           a practice cloud on this machine; it costs
                                                      nothing: python -m pouta.practice start"""

# An application credential belongs to one user and one project; Keystone refuses it when the
# request names any of these as well.
SCOPE = (
    *("project_id", "project_name", "project_domain_id", "project_domain_name"),
    *("tenant_id", "tenant_name", "domain_id", "domain_name", "system_scope", "trust_id"),
    *("default_domain", "default_domain_id", "default_domain_name", "password"),
)
USER = ("username", "user_id", "user_domain_id", "user_domain_name")


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
    ~/.config/openstack and /etc/openstack.

    cloud: a name in clouds.yaml, or "practice" for the practice cloud of this machine.
    openrc: the file that the dashboard gives out. It is read, never run.
    password: asked for, in a terminal or a notebook, when it is needed and found nowhere.
    options: anything that openstacksdk's `get_one` takes, such as `region_name`.

    Raises ConfigurationError when no credentials are found, AuthenticationError when they are
    refused, Unreachable when the cloud does not answer. Login is `POST /v3/auth/tokens`.
    """
    import openstack.connection
    from openstack.exceptions import ConfigException

    try:
        region = _region(cloud, openrc, password, options)
    except ConfigException as error:
        raise ConfigurationError(f"{error}", hint=WAYS_TO_LOG_IN) from error
    conn = openstack.connection.Connection(config=region)
    try:
        conn.session.get_token()
    except Exception as error:
        raise _login_failure(error, region) from error
    return conn


def _region(
    cloud: str | None,
    openrc: str | os.PathLike[str] | None,
    password: str | None,
    options: dict[str, Any],
) -> CloudRegion:
    if openrc is not None and cloud is not None:
        raise ConfigurationError("Give either `openrc` or `cloud`, not both.")
    name = cloud or (None if openrc else os.environ.get("OS_CLOUD"))
    if openrc is not None:
        found = openrc_file.read(openrc, os.environ)
        variables = dict(found.variables)
        if _same_user(variables, os.environ):
            variables.setdefault("OS_PASSWORD", os.environ.get("OS_PASSWORD", ""))
        return _from_variables(variables, password, options, where=str(openrc))
    if name is None and os.environ.get("OS_AUTH_URL"):
        return _from_variables(os.environ, password, options, where="the environment")
    config = _config(_search("clouds"), _search("secure"))
    if name == PRACTICE and PRACTICE not in config.cloud_config["clouds"]:
        config = _practice_config()
    name = name or _only_cloud(config)
    _check_known(config, name)
    return _complete(config, {**options, "cloud": name}, password)


def _from_variables(
    variables: Mapping[str, str], password: str | None, options: dict[str, Any], *, where: str
) -> CloudRegion:
    settings = {
        name.removeprefix("OS_").lower(): value
        for name, value in variables.items()
        if name.startswith("OS_") and value
    }
    settings.pop("cloud", None)
    if not settings.get("auth_url"):
        raise ConfigurationError(f"There is no OS_AUTH_URL in {where}.", hint=WAYS_TO_LOG_IN)
    if "application_credential_id" in settings or "application_credential_name" in settings:
        # Only a credential given by its name needs to know whose it is.
        by_id = "application_credential_id" in settings
        for key in (*SCOPE, *(USER if by_id else ())):
            settings.pop(key, None)
        settings["auth_type"] = "v3applicationcredential"
    return _complete(_config([], []), settings | options, password)


def _complete(
    config: OpenStackConfig, settings: dict[str, Any], password: str | None
) -> CloudRegion:
    """The region with what is missing filled in: the password, and settings for sessions."""
    if "project_name" in settings and "cloud" in settings:
        settings.setdefault("project_id", None)  # else the file's ID would win over the name
    if password:
        settings["password"] = password
    known = config.get_one(validate=False, **settings).config
    auth = known.get("auth", {})
    auth_url = auth.get("auth_url") or ""
    if known.get("auth_type") in (None, "password") and auth_url.rstrip("/").endswith("/v3"):
        # The generic plug-in asks the server for what the URL says already.
        settings["auth_type"] = "v3password"
    if known.get("auth_type") in (None, "password", "v3password") and not auth.get("password"):
        settings["password"] = _ask_for_password(auth)
    if not known.get("api_timeout"):
        settings["api_timeout"] = API_TIMEOUT
    if known.get("verify") is False or known.get("insecure"):
        progress.say("TLS is not verified: anybody on the way can read your password.")
    return config.get_one(**settings)


def _config(config_files: list[str], secure_files: list[str]) -> OpenStackConfig:
    from openstack.config import OpenStackConfig

    import pouta
    from pouta import _session

    return OpenStackConfig(
        config_files=config_files,
        secure_files=secure_files,
        load_envvars=False,  # what comes from the environment is chosen here
        session_constructor=_session.Session,
        app_name="pouta",
        app_version=pouta.__version__,
    )


def _search(stem: str) -> list[str]:
    """Where a clouds or secure file may lie. openstacksdk fixes its current directory at import."""
    from openstack.config import loader

    variable = {"clouds": "OS_CLIENT_CONFIG_FILE", "secure": "OS_CLIENT_SECURE_FILE"}[stem]
    named = os.environ.get(variable)
    folders = [Path.cwd(), *map(Path, loader.CONFIG_SEARCH_PATH[1:])]
    files = [folder / f"{stem}{end}" for folder in folders for end in (".yaml", ".yml", ".json")]
    return [*([named] if named else []), *map(str, files)]


def _practice_config() -> OpenStackConfig:
    from pouta import practice

    file = practice.clouds_yaml()
    if not file.exists():
        raise ConfigurationError(
            "There is no practice cloud on this machine yet.",
            hint="Start one: python -m pouta.practice start",
        )
    return _config([str(file)], [])


def _only_cloud(config: OpenStackConfig) -> str:
    names = _names(config)
    if len(names) == 1:
        return names[0]
    if names:
        raise ConfigurationError(
            f"{config.config_filename} has several clouds: {listed(names)}.",
            hint=f'Say which: pouta.connect("{names[0]}")',
        )
    raise ConfigurationError(
        "No credentials were found. Looked at: `openrc` and `cloud` (not given), the variables "
        f"OS_CLOUD and OS_AUTH_URL (not set), and {', '.join(_clouds_folders())} (no clouds.yaml).",
        hint=WAYS_TO_LOG_IN,
    )


def _check_known(config: OpenStackConfig, name: str) -> None:
    names = _names(config)
    if name not in names:
        there = (
            f"{config.config_filename} has {listed(names)}"
            if names
            else (f"there is no clouds.yaml in {', '.join(_clouds_folders())}")
        )
        raise ConfigurationError(f"No cloud '{name}': {there}.", hint=WAYS_TO_LOG_IN)


def _names(config: OpenStackConfig) -> list[str]:
    return [name for name in config.cloud_config["clouds"] if config.config_filename]


def _clouds_folders() -> Iterator[str]:
    return iter(dict.fromkeys(str(Path(file).parent) for file in _search("clouds")))


def _same_user(openrc: Mapping[str, str], environment: Mapping[str, str]) -> bool:
    return openrc.get("OS_USERNAME") == environment.get("OS_USERNAME", openrc.get("OS_USERNAME"))


def _ask_for_password(auth: Mapping[str, Any]) -> str:
    user = auth.get("username") or auth.get("user_id") or "?"
    host = urlsplit(auth.get("auth_url") or "").hostname or "the cloud"
    whose = (
        f"CSC account '{user}' (not Haka or Virtu)" if _is_csc(host) else f"user '{user}' at {host}"
    )
    if not (progress.in_notebook() or sys.stdin.isatty()):
        raise ConfigurationError(
            f"The password of {whose} is needed, and there is nobody to ask for it.",
            hint="Set OS_PASSWORD, or use an application credential, which needs no password.",
        )
    try:
        answer = getpass.getpass(f"Password of {whose}: ")
    except (EOFError, NotImplementedError) as error:
        raise ConfigurationError(f"The password of {whose} was not given.") from error
    if not answer:
        raise ConfigurationError(f"The password of {whose} was left empty.")
    return answer


def _is_csc(host: str) -> bool:
    return host.endswith(".csc.fi")


def _login_failure(error: Exception, region: CloudRegion) -> PoutaError:
    """Which of the likely causes fits."""
    from keystoneauth1 import exceptions as keystone

    auth = region.config["auth"]
    url = auth.get("auth_url") or ""
    explained = explain(error, f"log in at {url}")
    if explained is None:
        return ConfigurationError(f"Could not log in at {url}: {error}", hint=WAYS_TO_LOG_IN)
    if isinstance(explained, Unreachable) and not isinstance(error, keystone.SSLError):
        if region.name and region.name.startswith(PRACTICE):
            explained.hint = "Is the practice cloud running? python -m pouta.practice start"
        return explained
    if status_of(error) == 404:
        return ConfigurationError(
            f"There is no Keystone at {url}.",
            hint="Its address ends in /v3, as in the openrc file.",
        )
    if status_of(error) != 401:
        return explained
    if auth.get("application_credential_secret"):
        return AuthenticationError(
            f"The application credential was refused at {url}.",
            hint="Its secret is wrong, it has expired or was deleted, or its owner has left the "
            "project. Make a new one in the dashboard: Identity, Application Credentials.",
        )
    return _password_refused(region)


def _password_refused(region: CloudRegion) -> AuthenticationError:
    """Keystone says the same of a wrong password and a wrong project; a login without one tells."""
    from keystoneauth1.exceptions import ClientException
    from keystoneauth1.identity import v3

    auth = region.config["auth"]
    user, url = auth.get("username") or auth.get("user_id"), auth["auth_url"]
    who = ("auth_url", "username", "user_id", "password", "user_domain_id", "user_domain_name")
    bare = v3.Password(**{key: auth[key] for key in who if auth.get(key)}, unscoped=True)
    session = region.get_session()
    try:
        answer = session.get(f"{url.rstrip('/')}/auth/projects", auth=bare)
    except ClientException:
        csc = _is_csc(urlsplit(url).hostname or "")
        return AuthenticationError(
            f"User '{user}' and this password were refused at {url}.",
            hint=(
                "It must be the CSC account's password; a Haka or Virtu password does not work. A "
                "new one takes up to an hour to work, and it expires after a year: my.csc.fi."
                if csc
                else "Is it the right password for this user, and is the user's domain right?"
            ),
        )
    projects = [project["name"] for project in answer.json()["projects"]]
    wanted = auth.get("project_name") or auth.get("project_id")
    return AuthenticationError(
        f"User '{user}' has no project '{wanted}' at {url}.",
        hint=f"Projects of this user: {listed(projects) or 'none'}. A new member of a project must "
        "accept its services at my.csc.fi first.",
    )
