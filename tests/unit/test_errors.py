"""An SDK exception becomes a sentence, its cause, and what to do."""

from __future__ import annotations

import pickle
from types import SimpleNamespace

import nbclient
import nbformat
import pytest
import requests
from keystoneauth1 import exceptions as keystone
from openstack import exceptions as sdk

from pouta import errors


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


def test_an_error_survives_pickling():
    error = errors.Failed("It went wrong.", hint="Try again.")
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == "It went wrong.\nTry again."


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
