"""What no message and no log line holds: values of a request, and signs that steer a terminal."""

from __future__ import annotations

import re

# How services begin to say what is wrong with a request. The value comes next, then the reason.
BEFORE_A_VALUE = (
    r"Invalid input for field/attribute .{1,255}?\. Value: |"
    r"Invalid input for field '[^']{0,255}': |"
    r"Invalid input for [\w/ -]{1,255}?\. Reason: |"
    r"Provided object does not match schema '[^']{0,255}': |"
    r"Parameter '[^'\"]{0,255}' is invalid: |"
    r"Property error: .{1,255}?: Value "
)
_VALUE = re.compile(f"({BEFORE_A_VALUE})(.*)", re.DOTALL)
# Where a reason begins that goes on from the value, and one that stands by itself.
_OF_THE_VALUE = re.compile(
    r"is (?:not|too|less than|greater than|shorter than|longer than|blank)\b"
    r"|does not (?:match|contain|have enough)\b|exceeds\b|has (?:non-unique|too many)\b"
    r"|should (?:be non-empty|not be valid)\b|contains whitespace|could not be found"
)
_BY_ITSELF = re.compile(
    r"'[^']{1,100}' is a required property|(?:Additional|Unevaluated) properties are not allowed"
    r"|length \(\d+\) is out of range|Value must be valid JSON"
)
_NO_NUMBER = re.compile(r"could not convert string to float: .*", re.DOTALL)
_SCHEMA = re.compile(r"\s*:?\s*Failed validating .*", re.DOTALL)
BEFORE_A_LINE = r", line \d+, column \d+:"  # of the source, which PyYAML shows
_SOURCE_LINE = re.compile(f"({BEFORE_A_LINE[:-1]}):.*", re.DOTALL)


def without_values(text: str) -> str:
    """What a cloud said, with the field and the reason, and without the value that was sent."""
    if "&#x27;" in text:  # a page of Glance's
        import html  # as much as half of `import pouta` would take

        text = html.unescape(text)
    text = _VALUE.sub(lambda found: _refused(found[1], found[2]), text)
    return _SOURCE_LINE.sub(r"\1.", text)


def printable(text: str) -> str:
    """The text on one line, with a blank for each sign that is not shown as itself."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else " " for sign in text)


def plain(text: str) -> str:
    """The text as a message may hold it."""
    return printable(without_values(text))


class Lines(str):
    """A text whose line breaks are pouta's own, and stay."""

    __slots__ = ()

    @property
    def plain(self) -> str:
        return "\n".join(map(plain, self.split("\n")))


def _refused(field: str, rest: str) -> str:
    """The reason is what comes last: a value may hold anything, also words of a reason."""
    for end in (". Value: ", ". Reason: ", ": Value ", ": "):
        field = field.removesuffix(end)
    rest = _NO_NUMBER.sub("is not a number.", _SCHEMA.sub("", rest))
    of_value, by_itself = _last(_OF_THE_VALUE, rest), _last(_BY_ITSELF, rest)
    if max(of_value, by_itself) < 0:
        return f"{field}."
    return f"{field}: " + (
        f"the value {rest[of_value:]}" if of_value > by_itself else rest[by_itself:]
    )


def _last(pattern: re.Pattern[str], text: str) -> int:
    return max((found.start() for found in pattern.finditer(text)), default=-1)
