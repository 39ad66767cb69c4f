"""Where connect() finds credentials, what it sends, and what it says when it cannot log in."""

import datetime
import getpass
import json
import logging
import os
import pty
import socket
import ssl
import subprocess
import sys
import threading
import traceback
from contextlib import contextmanager, nullcontext, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from keystoneauth1.exceptions import ConnectFailure, HttpError
from openstack.config import loader

import pouta
from pouta import progress

PASSWORD = "canary-{password}-#'"
SECRET = "canary-{secret}-#'"
TOKEN = "canary-token"
STALE = {
    **{"OS_USERNAME": "stale", "OS_PASSWORD": PASSWORD, "OS_USER_DOMAIN_NAME": "Default"},
    **{"OS_PROJECT_ID": "stale", "OS_PROJECT_NAME": "stale", "OS_PROJECT_DOMAIN_ID": "default"},
    **{"OS_TENANT_NAME": "stale", "OS_TOKEN": "stale", "OS_DOMAIN_NAME": "stale"},
}


@pytest.fixture(autouse=True)
def nothing_configured(home, tmp_path, monkeypatch):
    """An empty current directory, ~/.config/openstack and folder of the practice cloud."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POUTA_PRACTICE_DIR", str(tmp_path / "practice"))
    config = home / ".config" / "openstack"
    config.mkdir(parents=True)
    # openstacksdk looked up the home folder when it was imported.
    monkeypatch.setattr(loader, "CONFIG_SEARCH_PATH", ["/imported/here", str(config)])
    return config


class Keystone(ThreadingHTTPServer):
    """Answers like a Keystone, but for what a test has put in `next`: a status, or "lost"."""

    daemon_threads = True

    def __init__(self, certificate=None):
        super().__init__(("127.0.0.1", 0), _Answer)
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self.server_port}/v3"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.connections, self.seen, self.headers, self.logins, self.next = 0, [], [], [], []

    def get_request(self):
        self.connections += 1
        return super().get_request()

    def handle_error(self, request, client_address):
        pass

    @property
    def login(self):
        """The last one: by its password first, and then with the token into the project."""
        *_, before, last = [{}, *(login["auth"] for login in self.logins)]
        return before | {"scope": last["scope"]} if "token" in str(last["identity"]) else last

    @property
    def user(self):
        return self.login["identity"]["password"]["user"]["name"]


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.seen.append(f"{self.command} {self.path}")
        self.server.headers.append(self.headers)
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "{}")
        if self.path == "/v3/auth/tokens" and self.command == "POST":
            self.server.logins.append(body)
        status, *headers = self.server.next.pop(0) if self.server.next else (200,)
        if status == "lost":
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("X-Subject-Token", TOKEN)
        self.send_header("Content-Type", "application/json")
        answer = json.dumps(self.answer(body)).encode()
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_GET

    def answer(self, body):
        if self.path == "/v3/auth/projects":
            return {"projects": [{"name": "project_2001234"}]}
        scoped = "scope" in body.get("auth", {}) or "application_credential" in str(body)
        project = {"project": {"id": "p", "name": "p", "domain": {"id": "default"}}}
        expires = "2100-01-01T00:00:00.000000Z"
        token = {"expires_at": expires, "methods": [], "user": {"id": "u"}, "catalog": []}
        return {"token": token | (project if scoped else {})}

    def log_message(self, *arguments):
        pass


@contextmanager
def serving(server):
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def keystone():
    with serving(Keystone()) as server:
        yield server


@pytest.fixture
def variables(keystone, monkeypatch):
    """The environment after an openrc file was sourced."""
    set_variables(monkeypatch, password_login(keystone))


def password_login(keystone, user="of-variables"):
    return {
        **{"OS_AUTH_URL": keystone.url, "OS_USERNAME": user, "OS_PASSWORD": PASSWORD},
        **{"OS_USER_DOMAIN_NAME": "Default", "OS_REGION_NAME": "regionOne"},
        **{"OS_PROJECT_ID": "1234", "OS_PROJECT_NAME": "project_2001234"},
    }


def set_variables(monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def openrc(path, variables):
    path.write_text("".join(f'export {name}="{value}"\n' for name, value in variables.items()))
    return path


def clouds_yaml(folder, keystone, *names, **auth):
    """Clouds whose user is called as the cloud is; without `auth`, one logs in with a password."""
    auth = auth or {"password": PASSWORD, "project_id": "1234", "user_domain_name": "Default"}
    clouds = {
        name: {"auth": {"auth_url": keystone.url, "username": name, **auth}, "regions": ["one"]}
        for name in names
    }
    (folder / "clouds.yaml").write_text(json.dumps({"clouds": clouds}))


def refused(kind, *arguments, **options):
    """What connect() says."""
    with pytest.raises(kind) as caught:
        pouta.connect(*arguments, **options)
    assert "canary" not in "".join(traceback.format_exception(caught.value))
    assert "canary" not in repr(caught.value)
    return str(caught.value)


# Sources


def test_the_nearest_source_of_credentials_wins(keystone, variables, monkeypatch, tmp_path):
    file = openrc(tmp_path / "openrc.sh", password_login(keystone, "of-openrc"))
    clouds_yaml(tmp_path, keystone, "named", "of-OS_CLOUD")
    monkeypatch.setenv("OS_CLOUD", "of-OS_CLOUD")
    pouta.connect(openrc=file)
    assert keystone.user == "of-openrc"
    pouta.connect("named")
    assert keystone.user == "named"
    pouta.connect()
    assert keystone.user == "of-OS_CLOUD"
    monkeypatch.delenv("OS_CLOUD")
    pouta.connect()
    assert keystone.user == "of-variables"
    monkeypatch.delenv("OS_AUTH_URL")
    assert "several clouds: 'named' and 'of-OS_CLOUD'" in refused(pouta.ConfigurationError)
    clouds_yaml(tmp_path, keystone, "only")
    pouta.connect()
    assert keystone.user == "only"
    assert keystone.login["scope"] == {"project": {"id": "1234"}}


def test_a_newcomer_without_credentials_learns_where_they_may_be(nothing_configured, tmp_path):
    said = refused(pouta.ConfigurationError)
    for place in ("openrc", "OS_CLOUD", "OS_AUTH_URL", str(tmp_path), str(nothing_configured)):
        assert place in said
    assert 'pouta.connect("practice")' in said
    assert "/imported/here" not in said
    assert "python -m pouta.practice start" in refused(pouta.ConfigurationError, "practice")
    assert "There is no openrc file" in refused(pouta.ConfigurationError, openrc="none.sh")


def test_clouds_yaml_of_the_folder_that_the_notebook_has_moved_to(keystone, tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    clouds_yaml(tmp_path / "project", keystone, "csc")
    assert "there is no clouds.yaml" in refused(pouta.ConfigurationError, "csc")
    monkeypatch.chdir("project")
    pouta.connect("csc")
    assert keystone.user == "csc"


def test_the_password_may_be_in_secure_yaml(keystone, tmp_path, nothing_configured):
    clouds_yaml(nothing_configured, keystone, "csc", project_name="project_2001234")
    secure = {"clouds": {"csc": {"auth": {"password": PASSWORD}}}}
    (tmp_path / "secure.yaml").write_text(json.dumps(secure))
    pouta.connect()
    assert keystone.login["identity"]["password"]["user"]["password"] == PASSWORD
    # Handwritten files leave out the domains, of which most clouds use one.
    assert keystone.login["scope"]["project"]["domain"] == {"id": "default"}


def test_the_variable_that_names_clouds_yaml(keystone, tmp_path, monkeypatch):
    (tmp_path / "else").mkdir()
    clouds_yaml(tmp_path, keystone, "here")
    clouds_yaml(tmp_path / "else", keystone, "there")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "else" / "clouds.yaml"))
    pouta.connect()
    assert keystone.user == "there"
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", "typo.yaml")
    assert "OS_CLIENT_CONFIG_FILE is typo.yaml" in refused(pouta.ConfigurationError)


def test_a_mistyped_name(keystone, tmp_path):
    clouds_yaml(tmp_path, keystone, "project_2001234", "epouta")
    assert "Closest: 'epouta'" in refused(pouta.ConfigurationError, "epoutta")
    said = refused(pouta.ConfigurationError, "project_2001234", auth={"usernmae": "me"})
    assert "Unknown in the `auth` of cloud 'project_2001234'" in said
    assert "usernmae" in said
    assert "`auth` is a dictionary" in refused(pouta.InvalidInput, auth="canary")
    said = refused(pouta.ConfigurationError, "project_2001234", api_timeout="canary")
    assert "of another kind" in said
    assert "takes `project_name`" in refused(pouta.InvalidInput, project="project_2001234")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'clouds:\n  csc:\n    auth:\n      password: "{PASSWORD}\n', "line 5: "),
        ("clouds:\n  csc:\n    auth:\n      password: *canary\n", "line 4: "),
        ("clouds:\n  csc:\n    auth:\n      password: !canary x\n", "line 4: "),
        ("clouds:\n\tcsc: {}\n", "line 2: "),
        ("clouds:\n  csc:\n  auth:\n    password: canary\n", "under `csc:`"),
        ("clouds:\n  csc:\n    auth:\n      password: 0123\n", "`password` of `csc` is no text"),
        ("clouds:\n  csc:\n    auth:\n      password: 2026-13-99\n", "a date or a number"),
        ("clouds: " + "[" * 9999, "nested too deeply"),
        ("clouds: &a [*a]", "aliases stand for too much"),
        ("clouds:\n", "under `clouds:`"),
        ("", "under `clouds:`"),
    ],
)
def test_a_broken_clouds_yaml_is_named_and_not_passed_over(
    keystone, nothing_configured, tmp_path, text, said
):
    clouds_yaml(nothing_configured, keystone, "csc")
    for stem in ("secure", "clouds"):
        file = tmp_path / f"{stem}.yaml"
        file.write_text(text)
        message = refused(pouta.ConfigurationError, "csc")
        assert f"{file}" in message
        assert said in message
    assert keystone.seen == []


# What is sent


@pytest.mark.parametrize("source", ["openrc", "environment", "clouds.yaml"])
def test_an_application_credential_is_not_mixed_with_stale_variables(
    keystone, monkeypatch, tmp_path, source
):
    credential = {"application_credential_id": "abc", "application_credential_secret": SECRET}
    set_variables(monkeypatch, STALE)
    if source == "clouds.yaml":
        monkeypatch.setenv("OS_APPLICATION_CREDENTIAL_SECRET", "stale")
        clouds_yaml(tmp_path, keystone, "csc", project_name="stale", password="old", **credential)
        login = {}
    else:
        variables = {f"OS_{name.upper()}": value for name, value in credential.items()}
        variables["OS_AUTH_URL"] = keystone.url
        login = {"openrc": openrc(tmp_path / "openrc.sh", variables)}
    if source == "environment":
        set_variables(monkeypatch, variables)
        login = {}
    pouta.connect(**login)
    sent = {"methods": ["application_credential"]}
    sent["application_credential"] = {"id": "abc", "secret": SECRET}
    assert keystone.login == {"identity": sent}
    said = refused(pouta.InvalidInput, **login, project_name="project_2009999")
    assert "belongs to one project" in said


def test_a_credential_given_by_its_name_says_whose_it_is(keystone, monkeypatch):
    named = {"OS_APPLICATION_CREDENTIAL_NAME": "ci", "OS_APPLICATION_CREDENTIAL_SECRET": SECRET}
    set_variables(monkeypatch, STALE | {"OS_AUTH_URL": keystone.url} | named)
    pouta.connect()
    assert "scope" not in keystone.login
    assert keystone.login["identity"]["application_credential"] == {
        **{"name": "ci", "secret": SECRET},
        "user": {"name": "stale", "domain": {"name": "Default"}},
    }


def test_whoever_asks_for_a_password_login_gets_one(keystone, variables, monkeypatch):
    monkeypatch.setenv("OS_APPLICATION_CREDENTIAL_ID", "stale")
    monkeypatch.setenv("OS_APPLICATION_CREDENTIAL_SECRET", SECRET)
    monkeypatch.setenv("OS_AUTH_TYPE", "password")
    pouta.connect()
    assert keystone.user == "of-variables"


def test_options_replace_what_was_found(keystone, variables, tmp_path):
    conn = pouta.connect(project_name="project_2005678", region_name="regionTwo")
    assert keystone.login["scope"]["project"]["name"] == "project_2005678"
    assert conn.config.get_region_name() == "regionTwo"
    clouds_yaml(tmp_path, keystone, "csc")
    pouta.connect("csc", project_name="project_2005678", username="me", password="mine")
    assert keystone.login["scope"]["project"]["name"] == "project_2005678"
    user = keystone.login["identity"]["password"]["user"]
    assert (user["name"], user["password"]) == ("me", "mine")
    assert "Valid choices are one" in refused(pouta.ConfigurationError, "csc", region_name="two")


def test_an_openrc_file_gets_no_password_of_another_cloud(keystone, monkeypatch, tmp_path):
    login = password_login(keystone)
    monkeypatch.setenv("OS_PASSWORD", login.pop("OS_PASSWORD"))
    file = openrc(tmp_path / "openrc.sh", login)
    pouta.connect(openrc=file)
    assert keystone.login["identity"]["password"]["user"]["password"] == PASSWORD
    monkeypatch.setenv("OS_AUTH_URL", "https://elsewhere.example:5000/v3")
    assert "nobody to ask" in refused(pouta.ConfigurationError, openrc=file)


def test_credentials_without_a_project_name_the_projects_there_are(
    keystone, variables, monkeypatch
):
    monkeypatch.delenv("OS_PROJECT_ID")
    monkeypatch.delenv("OS_PROJECT_NAME")
    assert "Projects of this user: 'project_2001234'" in refused(pouta.ConfigurationError)


def test_requests_say_that_they_are_ours_and_end(keystone, variables):
    conn = pouta.connect()
    assert keystone.headers[0]["User-Agent"].startswith(f"pouta/{pouta.__version__} openstacksdk/")
    assert keystone.seen == ["POST /v3/auth/tokens"]
    assert conn.session.timeout == 60
    assert pouta.connect(api_timeout=0).session.timeout == 60
    assert pouta.connect(api_timeout=5).session.timeout == 5


# The password


def test_the_password_is_asked_for_in_a_terminal(keystone, monkeypatch):
    login = password_login(keystone) | {"OS_PASSWORD": ""}
    ours, theirs = pty.openpty()
    asking = subprocess.Popen(
        [sys.executable, "-c", "import pouta; pouta.connect()"],
        **{"stdin": theirs, "stdout": theirs, "stderr": theirs, "start_new_session": True},
        env=os.environ | login,
    )
    os.close(theirs)
    said = b""
    while not said.endswith(b": "):
        said += os.read(ours, 100)
    os.write(ours, PASSWORD.encode() + b"\n")
    with suppress(OSError):  # the end of a terminal
        while more := os.read(ours, 100):
            said += more
    os.close(ours)
    assert asking.wait(10) == 0
    assert said.decode().split("\n")[0].strip() == "Password of user 'of-variables' at 127.0.0.1:"
    assert b"canary" not in said
    assert keystone.login["identity"]["password"]["user"]["password"] == PASSWORD


def test_the_password_is_asked_for_in_a_notebook(keystone, variables, monkeypatch):
    from jupyter_client.manager import start_new_kernel

    monkeypatch.delenv("OS_PASSWORD")
    questions, answers = [], []

    def type_it(message):
        questions.append(message["content"])
        kernel.input(PASSWORD)

    def run(allow_stdin):
        return kernel.execute_interactive(
            "import pouta; conn = pouta.connect()",
            **{"allow_stdin": allow_stdin, "stdin_hook": type_it, "output_hook": answers.append},
            timeout=20,
        )["content"]

    manager, kernel = start_new_kernel(kernel_name="python3")
    try:
        assert "nobody to ask" in run(allow_stdin=False)["evalue"]
        assert run(allow_stdin=True)["status"] == "ok"
    finally:
        kernel.stop_channels()
        manager.shutdown_kernel(now=True)
    prompt = "Password of user 'of-variables' at 127.0.0.1: "
    assert questions == [{"prompt": prompt, "password": True}]
    assert "canary" not in str(answers)
    assert keystone.login["identity"]["password"]["user"]["password"] == PASSWORD


@pytest.mark.parametrize("place", ["terminal", "notebook"])
def test_at_csc_the_question_says_which_password(keystone, variables, monkeypatch, place):
    asked = []
    monkeypatch.setenv("OS_AUTH_URL", "https://pouta.csc.fi:5001/v3")
    monkeypatch.delenv("OS_PASSWORD")
    monkeypatch.setattr("sys.stdin.isatty", lambda: place == "terminal", raising=False)
    monkeypatch.setattr(progress, "in_notebook", lambda: place == "notebook")
    monkeypatch.setattr("getpass.getpass", lambda question: asked.append(question) or "")
    assert "left empty" in refused(pouta.ConfigurationError)
    assert asked == ["Password of your CSC account 'of-variables' (not Haka's or Virtu's): "]


def test_a_script_of_the_night_is_not_asked(keystone, variables, monkeypatch):
    monkeypatch.delenv("OS_PASSWORD")
    said = refused(pouta.ConfigurationError)
    assert "nobody to ask" in said
    assert "OS_PASSWORD" in said
    monkeypatch.setattr("sys.stdin", None)
    assert refused(pouta.ConfigurationError) == said
    monkeypatch.setattr(progress, "in_notebook", lambda: True)

    def no_frontend(question):
        raise NotImplementedError

    monkeypatch.setattr("getpass.getpass", no_frontend)
    assert refused(pouta.ConfigurationError) == said
    # A window of which getpass could not switch off the echo.
    monkeypatch.setattr("getpass.getpass", getpass.fallback_getpass)
    assert refused(pouta.ConfigurationError) == said
    assert keystone.seen == []


# No answer, or a wrong one


@pytest.fixture
def pauses(monkeypatch):
    """The seconds that were waited for, without waiting."""
    seconds = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", seconds.append)
    return seconds


@pytest.fixture
def certificate(tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "pouta")])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = tmp_path / "certificate.pem"
    file.write_bytes(made.public_bytes(pem) + key.private_bytes(pem, *private))
    return file


def test_a_certificate_that_nobody_vouches_for(certificate, monkeypatch, tmp_path):
    with serving(Keystone(certificate)) as keystone:
        set_variables(monkeypatch, password_login(keystone))
        said = refused(pouta.Unreachable)
        assert "certificate" in said
        assert "self-signed" in said
        assert "OS_CACERT" in said
        assert (keystone.connections, keystone.seen) == (1, [])
        monkeypatch.setenv("OS_CACERT", str(certificate))
        pouta.connect()
        assert keystone.user == "of-variables"
        pouta.connect(openrc=openrc(tmp_path / "openrc.sh", password_login(keystone, "of-openrc")))
        assert keystone.user == "of-openrc"
        monkeypatch.setenv("OS_CACERT", "none.pem")
        assert "none.pem" in refused(pouta.ConfigurationError)
        monkeypatch.delenv("OS_CACERT")
        with pytest.warns(UserWarning, match="TLS is not verified") as warned:
            pouta.connect(verify=False)
        tls = [warning for warning in warned if "TLS" in str(warning.message)]
        assert [warning.filename for warning in tls] == [__file__]
        monkeypatch.setenv("OS_INSECURE", "true")
        with pytest.warns(UserWarning, match="TLS is not verified"):
            pouta.connect()
        monkeypatch.delenv("OS_INSECURE")
        monkeypatch.setenv("OS_AUTH_URL", keystone.url.replace("https:", "http:"))
        refused(pouta.Unreachable)


def test_https_where_there_is_none(keystone, variables, monkeypatch):
    monkeypatch.setenv("OS_AUTH_URL", keystone.url.replace("http:", "https:"))
    assert "begin with http://" in refused(pouta.Unreachable)
    assert keystone.connections == 1


def test_nobody_is_there(variables, monkeypatch, pauses):
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf:
        address = deaf.getsockname()
        monkeypatch.setenv("OS_AUTH_URL", f"http://127.0.0.1:{address[1]}/v3")
        with socket.create_connection(address):  # takes the only place in the queue
            assert "timed out" in refused(pouta.Unreachable, api_timeout=0.1)
    assert pauses == []  # a connection is asked for again by the kernel
    assert "Connection refused" in refused(pouta.Unreachable)
    assert pauses == [0.6, 1.2]  # and once in between, at once
    monkeypatch.setenv("OS_AUTH_URL", "http://pouta.invalid:5001/v3")
    with pytest.warns(UserWarning, match="There is no TLS to http://pouta.invalid"):
        assert "http://pouta.invalid:5001/v3" in refused(pouta.Unreachable)


def test_somebody_is_there_and_says_nothing(variables, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        monkeypatch.setenv("OS_AUTH_URL", f"http://127.0.0.1:{mute.getsockname()[1]}/v3")
        assert "timed out" in refused(pouta.Unreachable, api_timeout=0.1)
        mute.accept()[0].close()
        mute.settimeout(0)
        with pytest.raises(BlockingIOError):
            mute.accept()  # the login was sent once


@pytest.mark.parametrize(
    ("url", "answer", "kind", "said"),
    [
        ("{}", 404, pouta.ConfigurationError, "no Keystone"),
        ("{}/dashboard", 405, pouta.ConfigurationError, "no Keystone"),
        ("{}", 500, pouta.Failed, "the cloud's"),
        ("{}", 401, pouta.AuthenticationError, "User 'of-variables' and this password"),
        ("pouta.csc.fi:5001/v3", None, pouta.ConfigurationError, "not a plain address"),
        ("canary", None, pouta.ConfigurationError, "not a plain address"),  # in the wrong variable
        ("https://[::1/v3", None, pouta.ConfigurationError, "not a plain address"),
        ("https://pouta.csc.fi:canary/v3", None, pouta.ConfigurationError, "not a plain address"),
        (
            "https://me:canary@pouta.csc.fi:5001/v3",
            None,
            pouta.ConfigurationError,
            "not a plain address",
        ),
    ],
)
def test_what_is_wrong_with_the_address(keystone, variables, monkeypatch, url, answer, kind, said):
    monkeypatch.setenv("OS_AUTH_URL", url.format(keystone.url))
    keystone.next = [(answer,)] * 3
    assert said in refused(kind)
    assert len(keystone.seen) == {None: 0, 401: 2}.get(answer, 1)


def test_a_refused_login_is_told_apart_by_a_second_one(keystone, variables):
    keystone.next = [(401,), (200,), (401,)]
    said = refused(pouta.AuthenticationError)
    assert "The password is right, but this user has no project 'project_2001234'" in said
    assert "Projects of this user: 'project_2001234'" in said
    assert keystone.seen == [*["POST /v3/auth/tokens"] * 3, "GET /v3/auth/projects"]
    _, by_password, by_token = (login["auth"] for login in keystone.logins)
    assert by_password["scope"] == "unscoped"
    assert by_token["identity"] == {"methods": ["token"], "token": {"id": TOKEN}}


def test_a_password_that_is_typed_is_tried_once(keystone, monkeypatch):
    set_variables(monkeypatch, password_login(keystone) | {"OS_PASSWORD": ""})
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("getpass.getpass", lambda prompt: "mistyped")
    keystone.next = [(401,)]
    assert "this password were refused" in refused(pouta.AuthenticationError)
    assert keystone.seen == ["POST /v3/auth/tokens"]


def test_a_token_that_has_ended_is_replaced_by_a_login_into_the_project(keystone, variables):
    conn = pouta.connect()
    keystone.next = [(401,)]
    assert conn.session.get(f"{keystone.url}/things").status_code == 200
    assert keystone.logins[-1]["auth"]["scope"] == {"project": {"id": "1234"}}
    assert keystone.logins[-1]["auth"]["identity"]["methods"] == ["password"]


# What is repeated


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("trouble", [("lost",), (503,)])
def test_only_what_may_be_done_twice_is_repeated(keystone, variables, pauses, method, trouble):
    conn = pouta.connect()
    keystone.seen.clear()
    keystone.next = [trouble, trouble, (200,)]
    with pytest.raises((ConnectFailure, HttpError)) if method == "POST" else nullcontext():
        assert conn.session.request(f"{keystone.url}/things", method).status_code == 200
    assert keystone.seen == [f"{method} /v3/things"] * (3 if method == "GET" else 1)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_too_many_requests_are_repeated_when_the_cloud_says(keystone, variables, pauses, method):
    conn = pouta.connect()
    keystone.seen.clear()
    keystone.next = [(429, ("Retry-After", "7")), (200,)]
    assert conn.session.request(f"{keystone.url}/things", method).status_code == 200
    assert pauses == [7]
    keystone.next = [(429, ("Retry-After", "3600")), (200,)]
    answer = conn.session.request(f"{keystone.url}/things", method, raise_exc=False)
    assert answer.status_code == 429  # an hour is for the user to decide about
    assert pauses == [7]
    assert len(keystone.seen) == 3


# Secrets


@pytest.mark.parametrize("answers", [[], [(401,)] * 3, [(400,)], [("lost",)], [(503,)]])
@pytest.mark.parametrize("kind", ["password", "credential", "token"])
def test_no_secret_is_logged_or_shown(keystone, monkeypatch, caplog, answers, kind):
    login = {
        "password": password_login(keystone),
        "credential": {
            "OS_APPLICATION_CREDENTIAL_ID": "abc",
            "OS_APPLICATION_CREDENTIAL_SECRET": SECRET,
        },
        "token": {"OS_TOKEN": "canary-old-token", "OS_PROJECT_ID": "1234"},
    }[kind]
    set_variables(monkeypatch, login | {"OS_AUTH_URL": keystone.url})
    for name in (None, "pouta", "openstack", "keystoneauth", "urllib3", "requests"):
        caplog.set_level(1, logger=name)
    for name in list(logging.root.manager.loggerDict):
        if name.startswith(("openstack", "keystoneauth")):
            caplog.set_level(1, logger=name)
    keystone.next = answers
    if answers:
        refused(pouta.PoutaError)
    else:
        conn = pouta.connect()
        conn.session.get(f"{keystone.url}/things")
        assert "canary" not in repr([conn, conn.config, conn.session, conn.session.auth])
    assert len(caplog.records) > 2
    assert "canary" not in caplog.text
