"""Logging in: whether the credentials let us in, and why not."""

from __future__ import annotations

import ssl
from typing import Any

from keystoneauth1 import exceptions as keystone
from keystoneauth1.identity import BaseIdentityPlugin, v3
from openstack.connection import Connection

from pouta import clouds
from pouta.connection.settings import TYPED
from pouta.errors import (
    AuthenticationError,
    ConfigurationError,
    PoutaError,
    Unreachable,
    explain,
    listed,
    status_of,
    why_no_answer,
    without_values_along,
)

NO_CREDENTIAL = "Could not find Application Credential"
NEW_CREDENTIAL = "Make a new one in the dashboard: Identity, Application Credentials."
WHO = ("username", "user_id", "password", "user_domain_id", "user_domain_name")
WHERE = ("project_id", "project_name", "project_domain_id", "project_domain_name")


def log_in(conn: Connection) -> None:
    """The Connection has its token afterwards, or it is said why not."""
    auth, url = conn.session.auth, clouds.auth_url(conn)
    try:
        if conn.config.config.get(TYPED):
            _into_project(conn, auth, url)
        _straight_in(conn, auth, url)
        if isinstance(auth, BaseIdentityPlugin) and not auth.get_access(conn.session).scoped:
            raise ConfigurationError(
                "The credentials are right, but they name no project.",
                hint=f'{_projects(conn)} Say which: pouta.connect(..., project_name="NAME").',
            )
    except keystone.ClientException as error:
        without_values_along(error)
        # Keystone quotes the ID that it does not know, and that may be the secret in its place.
        cause = None if NO_CREDENTIAL in str(error) else error
        raise _why_not(error, conn, url) from cause


def _straight_in(conn: Connection, auth: Any, url: str) -> None:
    """One request for user and project; only when it is refused, a second one tells which."""
    try:
        conn.session.get_token()
    except keystone.Unauthorized:
        if not isinstance(auth, v3.Password):
            raise
        _into_project(conn, auth, url)


def _into_project(conn: Connection, auth: Any, url: str) -> None:
    """First the password, then the project: Keystone says the same when either is wrong.

    So a password that was typed, and may be mistyped, is tried once: an account is locked after a
    few wrong ones.
    """
    if not (auth.project_id or auth.project_name):
        return
    given = conn.config.config["auth"]
    user = v3.Password(url, unscoped=True, **{key: given[key] for key in WHO if given.get(key)})
    token = user.get_token(conn.session) or ""
    project = v3.Token(url, token, **{key: getattr(auth, key) for key in WHERE})
    try:
        auth.auth_ref = project.get_access(conn.session)
    except keystone.Unauthorized as error:
        raise _no_project(conn, user, url) from error


def _why_not(error: keystone.ClientException, conn: Connection, url: str) -> PoutaError:
    """Which of the likely causes fits."""
    if isinstance(error, keystone.SSLError):
        return _not_trusted(error, url, conn.config.config.get("cacert"))
    if isinstance(error, keystone.ConnectionError):
        return _unreachable(error, url)
    if status_of(error) == 401:
        return _refused(error, conn, url)
    if NO_CREDENTIAL in str(error):
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
    hint = why_no_answer(error)
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


def _no_project(conn: Connection, user: v3.Password, url: str) -> AuthenticationError:
    auth = conn.config.config["auth"]
    wanted = auth.get("project_name") or auth.get("project_id")
    domain = auth.get("project_domain_name") or auth.get("project_domain_id")
    return AuthenticationError(
        f"The password is right, but this user has no project '{wanted}' at {url}"
        + (f", in the domain '{domain}'." if domain else "."),
        hint=_projects(conn, user)
        + " A new member of a project must accept its services at my.csc.fi first."
        * clouds.is_csc(url),
    )


def _refused(error: Exception, conn: Connection, url: str) -> AuthenticationError:
    auth = conn.config.config["auth"]
    if "application_credential_secret" in auth:
        return AuthenticationError(
            f"The application credential was refused at {url}.",
            hint=f"It has expired, or the secret is wrong. {NEW_CREDENTIAL}",
        )
    if "password" not in auth:
        return AuthenticationError(f"The login was refused at {url}: {error}")
    return _password_refused(auth.get("username") or auth["user_id"], url)


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
