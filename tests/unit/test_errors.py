"""An SDK exception becomes a sentence, its cause, and what to do."""

from __future__ import annotations

import copy
import pickle
import threading
import traceback
from types import SimpleNamespace

import nbclient
import nbformat
import pytest
import requests
from keystoneauth1 import exceptions as keystone
from openstack import exceptions as sdk
from openstack.block_storage.v3.volume import Volume

from pouta import errors, servers
from pouta.redaction import Lines


def answer(status, body, url="http://127.0.0.1/v2.1/servers", **headers):
    """An HTTP error as openstacksdk raises it from a response."""
    response = requests.Response()
    response.status_code = status
    response._content = body.encode()
    response.url = url
    response.headers.update({"Content-Type": "application/json", **headers})
    response.request = SimpleNamespace(url=url, method="POST")
    with pytest.raises(sdk.HttpException) as caught:
        sdk.raise_from_response(response)
    return caught.value


@errors.chore("launch server {name} on {host}")
def chore(name, *, host="any", error=None):
    if error:
        raise error
    return name


def test_a_chore_says_what_was_asked_and_what_the_cloud_said():
    refused = answer(409, '{"conflictingRequest": {"code": 409, "message": "It is locked."}}')
    with pytest.raises(errors.Refused) as caught:
        chore("web", host=SimpleNamespace(name="h1", id="1"), error=refused)
    assert caught.value.message == (
        "Could not launch server 'web' on 'h1': the cloud says: It is locked. (HTTP 409)"
    )
    assert caught.value.__cause__ is refused


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (403, '{"forbidden": {"message": "Quota exceeded for cores"}}', errors.QuotaExceeded),
        (413, '{"overLimit": {"message": "More than the volume quota"}}', errors.QuotaExceeded),
        (409, '{"NeutronError": {"message": "Quota exceeded: IPs"}}', errors.QuotaExceeded),
        (403, '{"forbidden": {"message": "Policy does not allow it"}}', errors.Refused),
        (400, '{"badRequest": {"message": "Invalid key_name"}}', errors.Refused),
        (404, '{"itemNotFound": {"message": "Image not found"}}', errors.NotFound),
        (500, '{"computeFault": {"message": "Unexpected"}}', errors.Failed),
    ],
)
def test_each_refusal_becomes_its_kind(status, body, kind):
    with pytest.raises(kind) as caught:
        chore("web", error=answer(status, body))
    assert type(caught.value) is kind
    assert "http://" not in str(caught.value)
    assert "{" not in str(caught.value)


def test_no_answer_is_unreachable():
    with pytest.raises(errors.Unreachable, match="no answer from the cloud"):
        chore("web", error=keystone.ConnectFailure("refused"))


def test_our_own_errors_and_foreign_ones_pass_unchanged():
    ours = errors.NotFound("No flavor.")
    with pytest.raises(errors.NotFound) as caught:
        chore("web", error=ours)
    assert caught.value is ours
    with pytest.raises(ZeroDivisionError):
        chore("web", error=ZeroDivisionError())


def test_leftovers_of_a_failed_chore_are_in_the_text():
    refused = answer(409, '{"conflictingRequest": {"message": "no"}}')
    refused.leftovers = [errors.Leftover("volume", "v1", "data", "busy")]
    with pytest.raises(errors.Refused, match=r"Left behind: volume v1 'data' \(busy\)"):
        chore("web", error=refused)


def test_what_may_pass_and_what_is_busy():
    assert errors.is_passing(answer(503, "{}"))
    assert errors.is_passing(answer(429, "{}"))
    assert errors.is_passing(keystone.ConnectTimeout("late"))
    assert not errors.is_passing(answer(403, "{}"))
    assert errors.is_busy(answer(409, "{}"))
    assert errors.is_busy(answer(400, '{"badRequest": {"message": "Volume status must be …"}}'))
    assert not errors.is_busy(answer(400, '{"badRequest": {"message": "Invalid name"}}'))
    assert errors.retry_after(answer(429, "{}", **{"Retry-After": "3"})) == 3


QUOTED = (
    '{"badRequest": {"message": "Invalid input for field/attribute user_data. Value: canary. '
    "'canary' is too long\"}}"
)


def shown(error):
    return "".join(traceback.format_exception(error))


def test_no_message_and_no_traceback_quotes_what_was_sent():
    with pytest.raises(errors.Refused, match="user_data: the value is too long") as caught:
        chore("web", error=answer(400, QUOTED))
    assert "canary" not in shown(caught.value)
    said = "Parameter 'p' is invalid: '{}' is not".format("canary")
    refused = keystone.BadRequest(message=said, request_id="req-1")
    with pytest.raises(errors.Refused, match=r"is not\. \(HTTP 400\)$") as caught:
        chore("web", error=refused)
    assert "canary" not in shown(caught.value)


def test_nor_does_one_that_pouta_raised_itself_or_left_as_it_was():
    ours = errors.Failed("No.")
    ours.__cause__ = answer(400, QUOTED)
    theirs = KeyError("x")
    theirs.__context__ = answer(400, QUOTED)
    for error in (ours, theirs):
        with pytest.raises(type(error)) as caught:
            chore("web", error=error)
        assert "canary" not in shown(caught.value)


@pytest.mark.parametrize(
    "header", ["X-Openstack-Request-Id", "X-Compute-Request-Id", "X-Trans-Id", "X-Amz-Request-Id"]
)
def test_an_error_that_comes_from_an_answer_names_the_request(header):
    failed = answer(503, "{}", **{header: "req-1"})
    with pytest.raises(errors.Failed) as caught:
        chore("web", error=failed)
    assert caught.value.request_id == "req-1"
    assert str(caught.value).count("req-1") == 1  # it is the cloud's fault
    with pytest.raises(errors.NotFound) as caught:
        chore("web", error=answer(404, "{}", **{header: "req-2"}))
    assert caught.value.request_id == "req-2"
    assert "req-2" not in str(caught.value)


def test_an_error_that_pouta_raises_over_an_answer_names_it_too():
    for hidden in (False, True):
        with pytest.raises(errors.InvalidInput) as caught:
            try:
                raise answer(400, "{}", **{"X-Openstack-Request-Id": "req-3"})
            except sdk.HttpException as error:
                raise errors.InvalidInput("No.") from (None if hidden else error)
        assert caught.value.request_id == "req-3"
    assert errors.InvalidInput("No.").request_id is None


NASTY = "a\x1b]0;b\x07\u202ec\r\nLeft behind: nothing\u2028"


def test_no_message_holds_signs_that_steer_a_terminal():
    error = errors.Failed(f"Volume '{NASTY}' failed.", hint=f"Closest: {errors.listed([NASTY])}.")
    error.leftovers = [errors.Leftover("volume", "v1", NASTY, NASTY)]
    assert [line.isprintable() for line in str(error).split("\n")] == [True] * 3
    assert error.message.isprintable()
    assert error.args == (error.message,)
    assert str(error.leftovers[0]).isprintable()
    with pytest.raises(errors.NotFound) as caught:
        chore(NASTY, host=SimpleNamespace(name=NASTY), error=answer(404, "{}"))
    assert str(caught.value).isprintable()
    assert errors.NoCredentials("x", hint=Lines("a\nb\x1b")).hint == "a\nb "


LOGGED_IN = SimpleNamespace(lock=threading.Lock(), password="canary")


class TestOtherProcesses:
    def error(self, kind):
        volume = Volume.existing(id="v1", name="data", size=3)
        volume._connection = LOGGED_IN
        error = kind("It went wrong.", hint="Try again.", resource=volume)
        error.__cause__ = answer(500, "{}", **{"X-Openstack-Request-Id": "req-1"})
        error.leftovers = [errors.Leftover("volume", "v1", "data", "busy")]
        error.add_note("noted")
        return error

    @pytest.mark.parametrize(
        "kind",
        [k for k in vars(errors).values() if isinstance(k, type) and hasattr(k, "request_id")],
    )
    def test_an_error_arrives_as_it_was(self, kind):
        error = self.error(kind)
        there = pickle.loads(pickle.dumps(error))
        assert type(there) is kind
        assert (str(there), there.args, there.hint) == (str(error), error.args, error.hint)
        assert (there.request_id, there.leftovers) == ("req-1", error.leftovers)
        assert (there.resource.name, there.resource["size"]) == ("data", 3)
        assert there.__notes__ == ["noted"]
        assert str(pickle.loads(pickle.dumps(there))) == str(error)
        assert copy.copy(error).request_id == "req-1"

    def test_no_login_travels_with_it(self):
        sent = pickle.dumps(self.error(errors.Failed))
        assert b"canary" not in sent


class TestArguments:
    def test_what_does_not_fit_is_pythons_own_line_at_the_call(self):
        calls = {
            r"^launch\(\) got an unexpected keyword argument 'flavour'$": lambda: servers.launch(
                None, "web", flavour="tiny"
            ),
            r"^launch\(\) missing 1 required positional argument: 'name'$": lambda: servers.launch(
                None
            ),
            r"^launch\(\) takes 2 positional arguments but 3 were given$": lambda: servers.launch(
                None, "web", "cirros"
            ),
            r"^launch_many\(\) got an unexpected keyword argument 'flavour'$": (
                lambda: servers.launch_many(None, "web", 2, flavour="tiny")
            ),
        }
        for words, call in calls.items():
            with pytest.raises(TypeError, match=words) as caught:
                call()
            assert caught.value.__cause__ is caught.value.__context__ is None
            frames = traceback.extract_tb(caught.value.__traceback__)
            assert {frame.filename for frame in frames[2:]} <= {errors.__file__}
            assert len(frames) <= 4

    def test_a_type_error_inside_is_somebodys_mistake_and_keeps_its_frames(self):
        with pytest.raises(TypeError, match="inner") as caught:
            chore("web", error=TypeError("inner"))
        assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "chore"

    @pytest.mark.parametrize(
        ("given", "word"),
        [
            ("x" * 5000, "'" + "x" * 79 + "…'"),
            ({"password": "canary"}, "(a dict)"),
            (b"canary", "(a bytes)"),
            (["a", SimpleNamespace(name="b")], "'a', 'b'"),
            (True, "1"),
        ],
    )
    def test_a_message_names_an_argument_in_a_few_plain_words(self, given, word):
        with pytest.raises(errors.NotFound) as caught:
            chore(given, error=answer(404, "{}"))
        assert caught.value.message.startswith(f"Could not launch server {word} on 'any': ")


def test_names_are_listed_as_people_do():
    assert errors.listed(["a"]) == "'a'"
    assert errors.listed(["a", "b", "c"]) == "'a', 'b' and 'c'"


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_notebook_shows_the_sentences_and_no_frames():
    fails = (
        "from pouta import errors\n"
        "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n"
        "    raise errors.NotFound('No flavor.', hint='Closest: one.') from error"
    )
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(fails)])
    nbclient.NotebookClient(book, timeout=60, kernel_name="python3", allow_errors=True).execute()
    (shown,) = book.cells[0].outputs
    assert shown.traceback == ["NotFound: No flavor.\nClosest: one."]
