"""A name, an ID or a resource becomes a resource; the closest names when it does not."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import UUID

from pouta.concurrently import AT_ONCE, each
from pouta.errors import Ambiguous, InvalidInput, NotFound, listed
from pouta.kinds import Kind, id_of, name_of

if TYPE_CHECKING:
    from openstack.connection import Connection

R = TypeVar("R")

LONGEST = 255  # characters of a name, everywhere in OpenStack
ID = (
    r"(?!\.+$)[\w@. -]+"  # openstacksdk puts it into URLs unquoted; flavors and key pairs choose it
)


def check_name(noun: str, name: Any) -> None:
    """Raise InvalidInput for what cannot name a new thing, or would not show in a table."""
    fits = isinstance(name, str) and 1 <= len(name) <= LONGEST
    if not fits or name != name.strip() or not name.isprintable():
        raise InvalidInput(
            f"{name!r:.80} is no name for {_article(noun)}: 1 to {LONGEST} plain characters, no "
            "blank at either end."
        )


def check_plain_name(noun: str, name: Any) -> None:
    """`check_name` for Nova, Neutron and Glance, which take no emoji nor others beyond U+FFFE."""
    check_name(noun, name)
    if max(name) > "\ufffe":
        raise InvalidInput(
            f"Invalid {noun} name {name!r:.80}: the cloud does not take {max(name)!r} in it."
        )


def one(conn: Connection, kind: Kind[R], wanted: str | R) -> R:
    """The one thing of this kind that `wanted` names.

    A resource is taken as it is. A name costs one request (openstacksdk's own `find_…` asks for it
    as an ID first, and gets a 404), an ID one.

    Raises NotFound with the closest names, Ambiguous with the IDs when several have the name, and
    InvalidInput for what is no name at all.
    """
    from openstack.exceptions import NotFoundException

    if not isinstance(wanted, str):
        return _resource(kind, wanted)
    if not wanted.strip():
        raise InvalidInput(f"Which {kind.noun}? The name is empty.")
    if not _can_be_asked_for(wanted):
        raise InvalidInput(f"{wanted!r:.80} is no name and no ID: nothing can be called so.")
    if is_id(wanted) and kind.named_by:
        try:
            return kind.get(conn, wanted)
        except NotFoundException:
            pass
    if kind.named_by:
        return pick(kind.noun, wanted, [*kind.named(conn, wanted)], conn, kind)
    return pick(kind.noun, wanted, [*kind.list(conn)])


def now(conn: Connection, kind: Kind[R], wanted: str | R) -> R:
    """`one`, as the cloud has it now: a resource in hand may be older than what became of it."""
    found = one(conn, kind, wanted)
    return found if isinstance(wanted, str) else kind.get(conn, id_of(found))


def several(conn: Connection, kind: Kind[R], wanted: str | R | Iterable[str | R]) -> Sequence[R]:
    """`now`, of one thing or of many, each once; for more than a few by one listing."""
    is_one = isinstance(wanted, str) or not isinstance(wanted, Iterable) or hasattr(wanted, "id")
    given = [cast(str | R, wanted)] if is_one else [*cast(Iterable[str | R], wanted)]
    if len(given) <= AT_ONCE:
        found = each(lambda thing: now(conn, kind, thing), given)
    else:
        names = [t if isinstance(t, str) else id_of(_resource(kind, t)) for t in given]
        there = [*kind.list(conn)]
        found = [pick(kind.noun, name, there) for name in names]
    return [*{id_of(thing): thing for thing in found}.values()]


def known_as(conn: Connection, kind: Kind[Any], id: str) -> str:
    """The name that people know a thing by, to be told in a refusal; its ID when it has none."""
    from openstack.exceptions import SDKException

    try:
        return name_of(kind.get(conn, id)) or id
    except SDKException:
        return id


def pick(
    noun: str,
    wanted: str,
    among: list[R],
    conn: Connection | None = None,
    kind: Kind[R] | None = None,
) -> R:
    """The one of `among` with that name or ID; `conn` and `kind` list all for the closest names."""
    matches = [thing for thing in among if wanted in (name_of(thing), id_of(thing))]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise Ambiguous(
            f"{len(matches)} {noun}s are called '{wanted}': {listed(map(id_of, matches))}.",
            hint="Give the ID of the one that you mean.",
            resource=matches,
        )
    everything = [*kind.list(conn)] if conn and kind else among
    raise NotFound(f"No {noun} '{wanted}' in this project.", hint=closest(wanted, everything))


def closest(wanted: str, among: list[Any]) -> str:
    """A hint with the names that look most like `wanted`."""
    names = sorted({name_of(thing) for thing in among} - {""})
    near = [name for name in names if name.casefold().startswith(wanted.casefold())]
    if not near:
        folded, by_fold = wanted.casefold(), {name.casefold(): name for name in names}
        found = difflib.get_close_matches(folded, [*by_fold], n=3, cutoff=0.6)
        likeness = {name: difflib.SequenceMatcher(None, folded, name).ratio() for name in found}
        best = max(likeness.values(), default=0)
        near = [by_fold[name] for name in found if likeness[name] > best - 0.1]
    if near:
        return f"Closest: {listed(near[:5])}."
    return f"There are: {listed(names[:10])}." if names else "There are none."


def is_id(word: str) -> bool:
    """Whether this is a UUID, as most OpenStack IDs are."""
    try:
        return UUID(word).hex == word.replace("-", "").lower()
    except ValueError:
        return False


def _can_be_asked_for(word: str) -> bool:
    surrogate = any("\ud800" <= sign <= "\udfff" for sign in word)
    return "\0" not in word and not surrogate and len(word) <= LONGEST


def _resource(kind: Kind[R], wanted: Any) -> R:
    key = getattr(wanted, "resource_key", None)
    ours = getattr(wanted, "id", None)
    if not ours or not isinstance(ours, str):
        raise InvalidInput(
            f"{_article(kind.noun).capitalize()} is given by its name, its ID or as a resource, "
            f"not by {wanted!r:.80}."
        )
    if not re.fullmatch(ID, ours):
        raise InvalidInput(f"Invalid {kind.noun} ID {ours!r:.80}: look it up by its name.")
    expected = {"ip": "floatingip"}.get(kind.verb, kind.verb)
    if key and key != expected:
        raise InvalidInput(f"Expected {_article(kind.noun)}, got the {key} '{name_of(wanted)}'.")
    return wanted  # type: ignore[no-any-return]


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeio" else f"a {noun}"
