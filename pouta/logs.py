"""The DEBUG log of keystoneauth shows requests and answers whole; the secrets in them are hidden.

keystoneauth hides tokens, and leaves logins out. It does not know the other secrets of OpenStack:
the first password of a server, user data, the keys of transfers and of temporary URLs. Importing
pouta hides these for every Connection of the process, whoever made it.

`http.client` and tools that print the variables of each frame know nothing of this.
"""

from __future__ import annotations

import json
import logging
import re

from pouta.redaction import BEFORE_A_LINE, BEFORE_A_VALUE, printable

HIDDEN = "***"
LOGGERS = tuple(f"keystoneauth.session{part}" for part in ("", ".request", ".response", ".body"))

# A field whose value is hidden, whatever it is. A backslash is there where JSON is quoted in JSON.
FIELD = re.compile(
    r'"[^"\\]*(?:passw|adminpass|passcode|secret|private_?key|auth_key|access_?token|user_?data'
    r"|personality|blob|connection_info|parameters|environment|template|files|output_value)"
    r'[^"\\]*\\?"\s*:\s*',
    re.IGNORECASE,
)
# What else is uploaded and downloaded may be anybody's private key.
NO_JSON = re.compile(r"(^RESP BODY: | -d ')(?![\[{]|Omitted, ).*", re.DOTALL)
HEADER = re.compile(r"(temp-url-key(?:-2)?: ).*?(?=\"|$| [\w-]+: )", re.IGNORECASE)
PRIVATE_KEY = re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY)(?:[^\"\\]|\\.)*")
# Services say what was wrong with a value by quoting it.
VALUE = re.compile(rf"({BEFORE_A_VALUE}|{BEFORE_A_LINE})(?:[^\"\\]|\\.)*")
IN_ADDRESS = re.compile(r"((?:token|temp_url_sig)(?:=|%3D))[\w-]+", re.IGNORECASE)


def without_secrets(text: str) -> str:
    """A line of the log, with *** for each secret in it."""
    for pattern in (NO_JSON, HEADER, IN_ADDRESS, PRIVATE_KEY, VALUE):
        text = pattern.sub(rf"\1{HIDDEN}", text)
    kept, at = "", 0
    while field := FIELD.search(text, at):
        kept += f'{text[at : field.end()]}"{HIDDEN}"'
        try:
            _, at = json.JSONDecoder().raw_decode(text, field.end())
        except ValueError:  # no telling where the value ends
            return kept
    return kept + text[at:]


def hide_secrets() -> None:
    """The log of keystoneauth shows no secrets from now on; doing it twice changes nothing."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_hide)


def _hide(record: logging.LogRecord) -> bool:
    record.msg, record.args = printable(without_secrets(record.getMessage())), None
    return True
