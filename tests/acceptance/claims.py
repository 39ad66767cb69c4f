"""What a part of the acceptance is, and how its claims are told.

    @part("shelve", minutes=8, makes="nothing", needs=[server])
    def _(run: Run) -> Claims:
        yield "it is put away"
        servers.shelve(run.conn, run.web)
        same("its status", run.conn.compute.get_server(run.web.id).status, "SHELVED_OFFLOADED")

A part yields what it claims, and then does it. What is raised before it yields again breaks the
claim and ends the part. Where the answer to a claim is False the part leaves it out.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pouta

if TYPE_CHECKING:
    from tests.acceptance.run import Run

OK = "ok"


class Untrue(Exception):
    """A claim that does not hold."""


@dataclass(frozen=True)
class Claim:
    """What shall be so. skipped: why it is not tried here; "" when it is."""

    words: str
    skipped: str = ""


Claims = Generator[str | Claim, bool, None]
Act = Callable[["Run"], Claims]
Need = Callable[["Run"], str]
Tell = Callable[[str, str, str], None]


@dataclass(frozen=True)
class Part:
    """Some claims that belong together.

    minutes: how long it takes on a cloud whose guests boot.
    servers, gib, addresses: what it has for these minutes, which is billed.
    needs: each tells why the part cannot be tried, "" when it can.
    """

    name: str
    act: Act
    minutes: float
    makes: str
    servers: int = 0
    gib: int = 0
    addresses: int = 0
    needs: Sequence[Need] = ()


PARTS: dict[str, Part] = {}  # in the order of a day


def part(name: str, *, minutes: float, makes: str, **more: Any) -> Callable[[Act], Act]:
    def register(act: Act) -> Act:
        assert name not in PARTS
        PARTS[name] = Part(name, act, minutes, makes, **more)
        return act

    return register


def same(what: str, found: Any, wanted: Any) -> None:
    true(f"{what}: {found!r:.200}, not {wanted!r:.200}", found == wanted)


def true(otherwise: str, holds: Any) -> None:
    """The claim holds, or is broken in these words."""
    if not holds:
        raise Untrue(otherwise)


@contextmanager
def refused(kind: type[pouta.PoutaError], words: str) -> Iterator[None]:
    """The block raises this, with these words in it."""
    try:
        yield
    except kind as error:
        true(f"refused, but not in the words {words!r}: {first_line(error)}", words in str(error))
    else:
        raise Untrue(f"it was not refused ({words!r})")


def play(part: Part, run: Run, tell: Tell) -> bool:
    """Whether every claim of the part held that could be tried; each is told when it is over."""
    if why := next((why for need in part.needs if (why := need(run))), ""):
        tell(part.name, "", f"skipped: {why}")
        return True
    claims, claim, answer = part.act(run), Claim("its beginning"), None
    while True:
        try:
            following = claims.send(answer)  # type: ignore[arg-type]  # None begins it
        except StopIteration:
            _tell_if_tried(part, claim, answer, tell)
            return True
        except Exception as error:  # noqa: BLE001 - whatever it is, it breaks the claim
            tell(part.name, claim.words, f"FAILED: {why_broken(error)}")
            tell(part.name, "the rest", "skipped: the claim before it failed")
            return False
        _tell_if_tried(part, claim, answer, tell)
        claim = following if isinstance(following, Claim) else Claim(following)
        answer = not claim.skipped
        if claim.skipped:
            tell(part.name, claim.words, f"skipped: {claim.skipped}")


def _tell_if_tried(part: Part, claim: Claim, answer: bool | None, tell: Tell) -> None:
    if answer:
        tell(part.name, claim.words, OK)


def why_broken(error: Exception) -> str:
    """In one line; where nobody foresaw the exception, with the place that it came from."""
    if isinstance(error, Untrue | pouta.PoutaError):
        return one_line(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    return one_line(f"{type(error).__name__}: {error} ({place.filename}:{place.lineno})")


def one_line(said: object) -> str:
    return " ".join(str(said).split())


def first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
