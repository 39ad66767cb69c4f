"""The log of requests shows what was asked and answered, and no secret of it."""

import json
import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pouta.logs import without_secrets

SECRETS = (
    *("adminPass", "password", "original_password", "secret", "auth_key", "user_data", "blob"),
    *("OS-EXT-SRV-ATTR:user_data", "private_key", "db_password", "parameters", "template"),
)
PLAIN = ("name", "id", "status", "public_key", "key_name", "secure", "tokens", "size")
VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)


def canaries(value):
    """The same shape, with a canary in each place."""
    if isinstance(value, dict):
        return {key: canaries(inner) for key, inner in value.items()} or "canary"
    return [canaries(inner) for inner in value] if value and isinstance(value, list) else "canary"


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(SECRETS), VALUES) | st.tuples(st.sampled_from(PLAIN), VALUES)
    ),
    st.sampled_from(["RESP BODY: {}", "REQ: curl -g -i -X POST http://one -H \"A: b\" -d '{}'"]),
    st.integers(0, 2),
    st.sampled_from([(", ", ": "), (",", ":")]),
)
def test_a_secret_is_hidden_whatever_its_value_and_the_rest_stays(pairs, line, depth, separators):
    held = [{key: canaries(value) if key in SECRETS else value} for key, value in pairs]
    for _ in range(depth):
        held = {"server": {"links": held}}
    shown = without_secrets(line.replace("{}", json.dumps(held, separators=separators)))
    assert "canary" not in shown
    expected = json.dumps(
        [{key: "***" if key in SECRETS else value} for key, value in pairs], separators=separators
    )
    assert expected[1:-1] in shown or any(hides_too_much(value) for _, value in pairs)


def hides_too_much(value):
    """Whether a plain value has a field of its own that is called like a secret."""
    return "***" in without_secrets(json.dumps(value))


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("REQ: curl -X PUT http://one -d 'canary key'", "REQ: curl -X PUT http://one -d '***"),
        ("RESP BODY: -----BEGIN canary\n\ncanary", "RESP BODY: ***"),
        ("RESP BODY: Omitted, Content-Type is None", "RESP BODY: Omitted, Content-Type is None"),
        (
            'REQ: curl -H "X-Container-Meta-Temp-URL-Key-2: canary it" -H "X-Auth-Token: {SHA256}"',
            'REQ: curl -H "X-Container-Meta-Temp-URL-Key-2: ***" -H "X-Auth-Token: {SHA256}"',
        ),
        (
            "RESP: [204] X-Account-Meta-Temp-Url-Key: canary it X-Timestamp: 17",
            "RESP: [204] X-Account-Meta-Temp-Url-Key: *** X-Timestamp: 17",
        ),
        (
            'RESP BODY: {"url": "http://one/vnc.html?path=%3Ftoken%3Dcanary-1"}',
            'RESP BODY: {"url": "http://one/vnc.html?path=%3Ftoken%3D***"}',
        ),
        (
            "REQ: curl http://one/o?temp_url_sig=canary&e=1",
            "REQ: curl http://one/o?temp_url_sig=***&e=1",
        ),
        (
            'RESP BODY: {"message": "no: {\\"password\\": \\"canary\\"}"}',
            'RESP BODY: {"message": "no: {\\"password\\": "***"',
        ),
        ('RESP BODY: {"adminPass": "canary', 'RESP BODY: {"adminPass": "***"'),
        (
            'RESP BODY: {"a": "-----BEGIN RSA PRIVATE KEY-----\\ncanary\\"canary", "b": 1}',
            'RESP BODY: {"a": "-----BEGIN RSA PRIVATE KEY***", "b": 1}',
        ),
        (
            """RESP BODY: {"message": "Parameter 'pin' is invalid: \\"canary\\" is not", "b": 1}""",
            """RESP BODY: {"message": "Parameter 'pin' is invalid: ***", "b": 1}""",
        ),
    ],
)
def test_the_other_places_of_secrets(line, shown):
    assert without_secrets(line) == shown


def test_the_log_of_any_connection_of_this_process_is_meant(caplog):
    caplog.set_level(logging.DEBUG, logger="keystoneauth")
    for part in ("", ".request", ".body"):
        logger = logging.getLogger(f"keystoneauth.session{part}")
        logger.debug("RESP BODY: %s", '{"adminPass": "canary", "name": "100 %s"}')
    assert "canary" not in caplog.text
    assert caplog.text.count('{"adminPass": "***", "name": "100 %s"}') == 3
