"""What a cloud said, without what was sent to it, and without signs that steer a terminal."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pouta.logs import without_secrets
from pouta.redaction import Lines, plain, printable, without_values

FORMS = {
    # As Nova, Cinder and Keystone say it, then Keystone's older words, Glance, Neutron, Heat.
    "user_data. Value: {0}. {0!r} is too long": "user_data: the value is too long",
    "adminPass. Value: {0}. [{0!r}] is not of type 'string'": (
        "adminPass: the value is not of type 'string'"
    ),
    "size. Value: {0}. {0!r} does not match '^[0-9]+$'": (
        "size: the value does not match '^[0-9]+$'"
    ),
    "server. Value: {0}. 'flavorRef' is a required property": (
        "server: 'flavorRef' is a required property"
    ),
    "server. Value: {0}. Additional properties are not allowed ('pet' was unexpected)": (
        "server: Additional properties are not allowed ('pet' was unexpected)"
    ),
}


@pytest.mark.parametrize("secret", ["canary", "is too long canary\n'canary' is too long", "a. b"])
@pytest.mark.parametrize("form", FORMS)
def test_the_field_and_the_reason_stay(form, secret):
    said = f"Invalid input for field/attribute {form}".format(secret)
    assert without_values(said) == f"Invalid input for field/attribute {FORMS[form]}"


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (
            "Invalid input for field 'password': ['canary'] is not of type 'string'\n\nFailed "
            "validating 'type' in schema['properties']:\n {'type': 'string'}\n\nOn instance:\n "
            "['canary']",
            "Invalid input for field 'password': the value is not of type 'string'",
        ),
        (
            "400 Bad Request: Provided object does not match schema 'image': {'a': 'canary'} is "
            "not of type 'string': Failed validating 'type': On instance['foo']:: {'a': 'canary'}",
            "400 Bad Request: Provided object does not match schema 'image': the value is not of "
            "type 'string'",
        ),
        (
            "Invalid input for description. Reason: 'canary' exceeds maximum length of 255.",
            "Invalid input for description: the value exceeds maximum length of 255.",
        ),
        ("Invalid input for ip. Reason: No idea of 'canary'.", "Invalid input for ip."),
        (
            """Parameter 'q' is invalid: "canary" is not an allowed value ["a", "b"]""",
            """Parameter 'q' is invalid: the value is not an allowed value ["a", "b"]""",
        ),
        (
            "Parameter 'p' is invalid: could not convert string to float: 'canary'",
            "Parameter 'p' is invalid: the value is not a number.",
        ),
        (
            "Parameter 'q' is invalid: length (6) is out of range (min: None, max: 3)",
            "Parameter 'q' is invalid: length (6) is out of range (min: None, max: 3)",
        ),
        (
            "Property error: resources.a.properties.length: Value 'canary' is not an integer",
            "Property error: resources.a.properties.length: the value is not an integer",
        ),
        (
            'Error parsing template [root stack] mapping values are not allowed here\n  in "<'
            'unicode string>", line 1, column 5:\n    a: b: canary\n        ^',
            "Error parsing template [root stack] mapping values are not allowed here\n  in "
            '"<unicode string>", line 1, column 5.',
        ),
        (
            "No flavor 'standard.smal' in this project.",
            "No flavor 'standard.smal' in this project.",
        ),
    ],
)
def test_what_each_service_says(said, kept):
    assert without_values(said) == kept
    assert without_values(kept) == kept
    assert "canary" not in without_secrets(f"RESP BODY: {json.dumps({'message': said})}")


@given(st.text(min_size=1), st.sampled_from([*FORMS]), st.booleans())
def test_no_value_gets_through_whatever_it_is(around, form, before):
    secret = f"{around}canary" if before else f"canary{around}"
    said = without_values(f"Invalid input for field/attribute {form}".format(secret))
    assert "canary" not in said
    assert without_values(said) == said


def test_a_long_value_is_cut_at_once():
    value = "is not 'x' is a required property " * 20_000
    assert len(without_values(f"Invalid input for field/attribute a. Value: {value}. ")) < 100


@given(st.text())
def test_what_is_shown_is_printable_and_as_long(text):
    assert printable(text).isprintable()
    assert len(printable(text)) == len(text)
    assert all("\n" not in line for line in Lines(f"a\n{text}").plain.split("\n"))


def test_signs_that_steer_a_terminal_are_blanks():
    assert plain("a\x1b[31m\u202eb\r\nc\u200bé") == "a [31m b  c é"
