"""YAML that a person wrote: nothing in it runs, it ends soon, and a refusal never quotes it.

There are passwords in such files, and a parser's own message shows the line that it stumbled over.
"""

from __future__ import annotations

import itertools
from importlib import resources
from typing import Any

import yaml

LARGEST = 100_000  # values, with what an `*alias` repeats counted each time


class Unreadable(ValueError):
    """Where and why, to be put behind the name of the file: ", line 4: this …"."""


def read(text: str) -> Any:
    """What the text means."""
    check(text)
    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        raise _unreadable(error) from None
    except (ValueError, LookupError, AttributeError, TypeError, OverflowError):
        raise Unreadable(": a date or a number in it cannot be.") from None


def shipped(name: str) -> Any:
    """What a file of pouta's own says. The parser in C is ten times as fast; it trusts its text."""
    text = resources.files("pouta").joinpath("data", name).read_text(encoding="utf-8")
    return (yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader)(text).get_single_data()


def check(text: str) -> None:
    """Raise Unreadable for what is no YAML, and for what would take for ever to put together."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is not None and _weight(root, {}) > LARGEST:
            raise Unreadable(": its aliases stand for too much.")
    except RecursionError:
        raise Unreadable(": it is nested too deeply.") from None
    except yaml.MarkedYAMLError as error:
        raise _unreadable(error) from None
    except yaml.YAMLError:
        raise Unreadable(": this is not plain text.") from None


def _unreadable(error: yaml.MarkedYAMLError) -> Unreadable:
    mark = error.problem_mark or error.context_mark
    return Unreadable(f", line {mark.line + 1 if mark else '?'}: this cannot be read as YAML.")


def _weight(node: yaml.Node, known: dict[int, int]) -> int:
    if id(node) not in known:
        known[id(node)] = LARGEST  # meanwhile: what holds itself never ends
        parts = node.value if isinstance(node, yaml.CollectionNode) else ()
        if isinstance(node, yaml.MappingNode):
            parts = itertools.chain.from_iterable(parts)
        known[id(node)] = 1 + sum(_weight(part, known) for part in parts)
    return known[id(node)]
