"""Keystone and, in the same process, Placement."""

import base64
import json
import os
import secrets
import sys
import threading
from wsgiref.util import shift_path_info

from .. import catalogue
from ..folder import ADMIN, MARK, MEMBER, PROJECT, REGION, SERVICE, write_private
from . import configuration, heat, process

TOKEN_SECONDS = 8 * 3600

#: type, name, which API it is, path of its addresses.
CATALOG = (
    ("identity", "keystone", "identity", "/v3"),
    ("placement", "placement", "placement", ""),
    ("image", "glance", "image", ""),
    ("compute", "nova", "compute", "/v2.1"),
    ("network", "neutron", "network", ""),
    ("volumev3", "cinderv3", "volume", "/v3/%(project_id)s"),
    ("object-store", "swift", "object_store", "/v1/AUTH_%(project_id)s"),
    ("orchestration", "heat", "orchestration", "/v1/%(project_id)s"),
)


def configure(folder):
    """Write keystone.conf and placement.conf."""
    sections = configuration.common(folder, "keystone")
    del sections["keystone_authtoken"]
    sections |= {
        "token": {"provider": "fernet", "expiration": TOKEN_SECONDS},
        "fernet_tokens": {"key_repository": folder.keys / "fernet"},
        "fernet_receipts": {"key_repository": folder.keys / "fernet"},
        "credential": {"key_repository": folder.keys / "credential"},
        "identity": {"password_hash_rounds": 4, "max_password_length": 72},
        "cache": {"enabled": True, "backend": "oslo_cache.dict"},
    }
    configuration.write(folder.configuration / "keystone.conf", sections)
    sections = configuration.common(folder, "placement")
    sections["placement_database"] = sections.pop("database") | {"sync_on_startup": True}
    configuration.write(folder.configuration / "placement.conf", sections)
    for repository in ("fernet", "credential"):
        make_keys(folder.keys / repository)


def make_keys(repository):
    """A primary and a staged key, unless they are there."""
    if repository.exists():
        return
    new = repository.with_name(repository.name + ".new")
    new.mkdir(mode=0o700, exist_ok=True)
    for number in ("0", "1"):
        write_private(new / number, base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
    new.rename(repository)


def applications(folder, first_time):
    """The WSGI applications of both, with users, projects and catalog as they should be."""
    sys.argv = ["keystone"]
    os.environ["OS_KEYSTONE_CONFIG_FILES"] = str(folder.configuration / "keystone.conf")
    os.environ["OS_PLACEMENT_CONFIG_DIR"] = str(folder.configuration)
    from keystone.common.sql import core
    from keystone.server import wsgi

    # Else the roles of a deleted credential stay, and meet the next one that gets its number.
    core.enable_sqlite_foreign_key()
    keep_tokens_apart()
    if first_time:
        # Keystone's backends can be loaded only once in a process.
        process.in_a_child(make_database, folder)
    identity = wsgi.initialize_public_application()
    keystone = InProcess(identity, folder)
    if first_time:
        make_users(keystone, folder)
    make_catalog(keystone, folder)

    from placement.wsgi import init_application

    return {"identity": marked(identity), "placement": init_application()}


def marked(application):
    """The application at the practice cloud's own path, and without it, as behind a tunnel."""

    def answer(environ, start_response):
        if f"{environ['PATH_INFO']}/".startswith(f"{MARK}/"):
            shift_path_info(environ)
        return application(environ, start_response)

    return answer


def keep_tokens_apart():
    """Keystone's middleware notes the token of a request on itself, which threads share here.

    Then somebody else's roles are taken now and then.
    """
    from keystone.server.flask.request_processing.middleware import auth_context

    noted = threading.local()
    auth_context.AuthContextMiddleware.token = property(
        lambda self: getattr(noted, "token", None),
        lambda self, token: setattr(noted, "token", token),
    )


def make_database(folder):
    """Tables, and the first administrator."""
    import keystone.server
    from keystone.cmd.bootstrap import Bootstrapper
    from keystone.common.sql import upgrades

    keystone.server.configure(config_files=[str(folder.configuration / "keystone.conf")])
    upgrades.offline_sync_database_to_version()
    first = Bootstrapper()
    first.admin_username = ADMIN
    first.admin_password = folder.password(ADMIN)
    first.project_name = ADMIN
    first.admin_role_name = "admin"
    first.region_id = REGION
    first.service_name = "keystone"
    first.public_url = folder.url("identity", "/v3")
    first.bootstrap()


class InProcess:
    """Requests to Keystone before anything listens."""

    def __init__(self, application, folder):
        self.application = application
        self.token = None
        scope = {"project": {"name": ADMIN, "domain": {"id": "default"}}}
        user = {"name": ADMIN, "domain": {"id": "default"}, "password": folder.password(ADMIN)}
        identity = {"methods": ["password"], "password": {"user": user}}
        answer = self.send("POST", "/auth/tokens", auth={"identity": identity, "scope": scope})
        self.token = answer.headers["X-Subject-Token"]

    def send(self, method, path, **body):
        import webob

        request = webob.Request.blank(f"/v3{path}", method=method)
        if body:
            request.content_type = "application/json"
            request.body = json.dumps(body).encode()
        if self.token:
            request.headers["X-Auth-Token"] = self.token
        answer = request.get_response(self.application)
        if answer.status_code >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.text}")
        return answer

    def list(self, kind):
        return self.send("GET", f"/{kind}").json[kind]

    def create(self, kind, **what):
        return self.send("POST", f"/{kind}s", **{kind: what}).json[kind]["id"]


def make_users(keystone, folder):
    """The project and its member, and the user as whom the services act."""
    roles = {role["name"]: role["id"] for role in keystone.list("roles")}
    for name in catalogue.ROLES:
        if name not in roles:
            roles[name] = keystone.create("role", name=name)
    for user, project, given in (
        (MEMBER, PROJECT, catalogue.ROLES),
        (SERVICE, SERVICE, ("admin", "service")),
    ):
        project_id = keystone.create("project", name=project, domain_id="default")
        user_id = keystone.create(
            "user", name=user, domain_id="default", password=folder.password(user)
        )
        for role in given:
            keystone.send("PUT", f"/projects/{project_id}/users/{user_id}/roles/{roles[role]}")
    domain_id = keystone.create("domain", name=heat.DOMAIN)
    user_id = keystone.create(
        "user", name=heat.DOMAIN_ADMIN, domain_id=domain_id, password=folder.password(SERVICE)
    )
    keystone.send("PUT", f"/domains/{domain_id}/users/{user_id}/roles/{roles['admin']}")


def make_catalog(keystone, folder):
    """Each service once, at the port that it listens on this time."""
    services = {service["type"]: service["id"] for service in keystone.list("services")}
    endpoints = {
        (endpoint["service_id"], endpoint["interface"]): endpoint
        for endpoint in keystone.list("endpoints")
    }
    for kind, name, api, path in CATALOG:
        service = services.get(kind) or keystone.create("service", type=kind, name=name)
        url = folder.url(api, path)
        for interface in ("public", "internal", "admin"):
            there = endpoints.get((service, interface))
            if there is None:
                keystone.create(
                    "endpoint", service_id=service, interface=interface, url=url, region_id=REGION
                )
            elif there["url"] != url:
                keystone.send("PATCH", f"/endpoints/{there['id']}", endpoint={"url": url})
