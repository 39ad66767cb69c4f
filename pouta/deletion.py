"""Things go away, and it is seen that they do; what does not go is raised."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pouta import concurrently, deadline, waiting
from pouta._session import last_answer
from pouta.errors import (
    Failed,
    Leftover,
    PoutaError,
    Refused,
    TimedOut,
    explain,
    is_busy,
    is_passing,
    listed,
    status_of,
    was_repeated,
    what_the_cloud_said,
)
from pouta.kinds import Kind, id_of, name_of

if TYPE_CHECKING:
    from openstack.connection import Connection

R = TypeVar("R")

BUSY_FOR = 30.0  # seconds; what is still in use then is in use for good
AT_REST_FOR = 5.0  # seconds; until then a delete may not have begun
SURE = 3  # answers "not found" about a thing that was just made
DETAILS_EVERY = 5  # looks
NAMED = 10  # things in one sentence


def delete(conn: Connection, kind: Kind[R], things: Iterable[R], *, wait: bool = True) -> None:
    """Delete things of one kind, all at once. Raise when one is still there: see Deletion."""
    with Deletion(conn, wait=wait) as going:
        going.delete(kind, things)


def attempt(conn: Connection, kind: Kind[R], things: Iterable[R]) -> list[Leftover]:
    """Delete what a failed chore has made, and return what is still there.

    The chore's own error is the one to raise, and its deadline may be over.
    """
    going = Deletion(conn, just_made=True)
    with deadline.suspended():
        going.delete(kind, things)
    return going.left


class Deletion:
    """Things that go away together, kind by kind.

    Used as a block. When it ends and something is still there, it raises: Refused when nothing has
    changed, TimedOut when the cloud may still be at work, Failed otherwise. Each thing that is
    still there is in the exception's `leftovers`, with the reason.

    wait: False asks once, and waits for nothing.
    just_made: one "not found" is no news of these things.
    """

    def __init__(self, conn: Connection, *, wait: bool = True, just_made: bool = False) -> None:
        self.conn = conn
        self.wait = wait
        self.just_made = just_made
        self.gone: list[Any] = []
        self.left: list[Leftover] = []
        self._problems: list[PoutaError | Exception] = []

    def delete(self, kind: Kind[R], things: Iterable[R]) -> Sequence[R]:
        """Delete these things, and return those that are gone, or asked to go without `wait`.

        What is busy (a volume whose server is only just gone) is asked for again.
        """
        given = [*things]
        removal = _Removal(self.conn, kind, given, self.just_made)
        removal.run(wait=self.wait)
        for id, problem in removal.problems.items():
            self.keep(kind, removal.things[id], _reason(problem), problem)
        gone = [thing for thing in given if id_of(thing) not in removal.problems]
        self.gone += gone
        return gone

    def keep(self, kind: Kind[R], thing: R, reason: str, problem: Exception | None = None) -> None:
        """Note that a thing is still there."""
        self.left.append(Leftover(kind.noun, id_of(thing), name_of(thing), reason))
        self._problems.append(problem or Refused(reason))

    def miss(self, kind: Kind[Any], problem: PoutaError) -> None:
        """Note that nobody could tell which things of this kind there are."""
        self.left.append(Leftover(kind.noun, "of unknown ID", "", problem.message))
        self._problems.append(problem)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None and self.left:
            raise self._outcome()
        if isinstance(error, Exception) and self.gone:
            raise self._stopped(error) from error

    def _stopped(self, error: Exception) -> BaseException:
        """What is to be told when the block ended before all was asked for."""
        told = error if isinstance(error, PoutaError) else explain(error, "delete all of it")
        if told is None:
            return error
        kind = TimedOut if isinstance(told, TimedOut) else Failed
        stopped = kind(f"{told.message} {self._names_of_gone()}", hint=told.hint)
        stopped.leftovers = [*self.left, *told.leftovers]
        return stopped

    def _names_of_gone(self) -> str:
        more = f" and {len(self.gone) - NAMED} more" if len(self.gone) > NAMED else ""
        return (
            f"Gone: {listed(name_of(thing) or id_of(thing) for thing in self.gone[:NAMED])}{more}."
        )

    def _outcome(self) -> BaseException:
        count, (first, *_) = len(self.left), self._problems
        if count + len(self.gone) == 1:
            return first
        nouns = {leftover.kind for leftover in self.left}
        what = f"{nouns.pop()}s" if len(nouns) == 1 else "things"
        verb = "was" if count == 1 else "were"
        message = f"{count} of {count + len(self.gone)} {what} {verb} not deleted."
        if self.gone:
            message += f" {self._names_of_gone()}"
        outcome = self._class()(message)
        outcome.leftovers = self.left
        outcome.__cause__ = first
        return outcome

    def _class(self) -> type[PoutaError]:
        if any(isinstance(problem, TimedOut) for problem in self._problems):
            return TimedOut
        unchanged = all(isinstance(problem, Refused) for problem in self._problems)
        return Refused if unchanged and not self.gone else Failed


class _Removal:
    """Things of one kind on their way out; `problems` says of each that stays why it does."""

    def __init__(
        self, conn: Connection, kind: Kind[Any], things: Iterable[Any], just_made: bool
    ) -> None:
        self.conn = conn
        self.kind = kind
        self.things = {id_of(thing): thing for thing in things}
        self.to_ask = [*self.things]
        self.pending = {*self.things}
        self.problems: dict[str, PoutaError | Exception] = {}
        self._answers_needed = dict.fromkeys(self.things, SURE if just_made else 1)
        self._busy: dict[str, tuple[float, Exception | None]] = {}  # since when, and the answer
        self._leaving: set[str] = set()  # seen on its way out
        self._at_rest: dict[str, float] = {}  # since when
        self._put_back: dict[str, float] = {}  # since when, for the first time
        self._looks = 0

    def run(self, *, wait: bool) -> None:
        self._ask()
        if not wait:
            for id in self.to_ask:
                self._give_up(id, self._busy[id][1])
            return
        if not self.pending:
            return
        try:
            waiting.until(
                f"{self.kind.noun}{'s' if len(self.things) > 1 else ''} deleted",
                self._look,
                lambda thing: id_of(thing) not in self.pending,
                pace=waiting.pace_of(self.kind),
                answered=last_answer(self.conn),
            )
        except TimedOut as late:
            for id in [*self.pending]:
                self._give_up(id, self._still_there(id, late))
        except Exception as error:
            # The cloud has taken the requests, and does not let anybody see what became of them.
            if explain(error, "look") is None:
                raise
            said = what_the_cloud_said(error)
            for id in [*self.pending]:
                asked = f"Whether {self._named(id)} is deleted could not be seen: {said}"
                self._give_up(id, Failed(asked, resource=self.things[id]))

    def _ask(self) -> None:
        """Ask for every delete that is still to be asked for."""
        asked, self.to_ask = self.to_ask, []
        for id, error in zip(asked, concurrently.each(self._try, asked), strict=True):
            if error is None:
                self._busy.pop(id, None)
                if self.kind.vanishes:
                    self.pending.discard(id)
            elif status_of(error) == 404:
                self._answers_needed[id] -= 1
                if self._answers_needed[id]:
                    self.to_ask.append(id)
                    self._busy.setdefault(id, (time.monotonic(), error))
                else:
                    self.pending.discard(id)
            elif (
                is_passing(error)
                or was_repeated(error)  # the first one may have done it
                or (self.kind.can_be_busy and is_busy(error))
            ):
                since, _ = self._busy.get(id, (time.monotonic(), None))
                self._busy[id] = since, error
                self.to_ask.append(id)
            else:
                self._give_up(id, error)

    def _try(self, id: str) -> Exception | None:
        try:
            self.kind.delete(self.conn, id)
        except Exception as error:  # noqa: BLE001 - each thing has its own outcome
            return error
        return None

    def _look(self) -> Sequence[Any]:
        self._ask()
        if self.kind.vanishes:
            for id in [*self.to_ask]:
                self._judge_busy(id)
            return [self.things[id] for id in self.pending]
        self._looks += 1
        details = self._looks % DETAILS_EVERY == 0
        present = self.kind.present(self.conn, self.pending, details=details)
        seen = {id_of(thing): thing for thing in present}
        for id in [*self.pending]:
            if id in seen:
                self.things[id] = seen[id]
                self._judge(id, seen[id])
            elif id not in self.to_ask:
                self.pending.discard(id)
        return [self.things[id] for id in self.pending]

    def _judge(self, id: str, thing: Any) -> None:
        """What it means that a thing is there, as it is now."""
        state = str(getattr(thing, "status", None) or "")
        if state == "SOFT_DELETED":
            self.pending.discard(id)
        elif "error_del" in state or state == "DELETE_FAILED":  # Cinder's word, and Heat's
            why = self.kind.complaint(self.conn, thing)
            went = f"{_capital(self._named(id))} was not deleted: it went to {state}. {why}"
            self._give_up(id, Failed(went.strip(), resource=thing))
        elif id in self.to_ask:
            if self.kind.is_settled(thing):
                self._judge_busy(id)
        elif not state or "delet" in waiting.state(thing).lower():
            self._leaving |= {id} if state else set()
            self._at_rest.pop(id, None)
        elif self.kind.is_settled(thing):
            self._judge_at_rest(id, thing)

    def _judge_at_rest(self, id: str, thing: Any) -> None:
        """The cloud took the request, and left the thing as it was, or put it back."""
        now = time.monotonic()
        since = self._at_rest.setdefault(id, now)
        if id not in self._leaving and now - since < AT_REST_FOR:
            return
        reason = self.kind.complaint(self.conn, thing)
        if not reason and now - self._put_back.setdefault(id, now) < BUSY_FOR:
            del self._at_rest[id]
            self._leaving.discard(id)
            self.to_ask.append(id)
            return
        reason = reason or "Something still uses it."
        problem = Refused(
            f"{_capital(self._named(id))} was not deleted: the cloud put it back to "
            f"{thing.status}. {reason}",
            hint="It can be deleted once nothing needs it any more.",
            resource=thing,
        )
        self._give_up(id, problem)

    def _judge_busy(self, id: str) -> None:
        since, error = self._busy[id]
        if error and is_busy(error) and time.monotonic() - since > BUSY_FOR:
            self._give_up(id, error)

    def _give_up(self, id: str, problem: Exception | None) -> None:
        if isinstance(problem, Exception) and not isinstance(problem, PoutaError):
            explained = explain(problem, f"delete {self._named(id)}")
            if explained:
                explained.resource = self.things[id]
                explained.__cause__ = problem
            problem = explained or problem
        assert problem is not None
        self.problems[id] = problem
        self.pending.discard(id)
        self.to_ask = [other for other in self.to_ask if other != id]

    def _still_there(self, id: str, late: TimedOut) -> TimedOut:
        _, error = self._busy.get(id, (0.0, None))
        thing = self.things[id]
        now = what_the_cloud_said(error) if error else f"It is {waiting.state(thing)}."
        problem = TimedOut(
            f"{_capital(self._named(id))} is still there after "
            f"{deadline.current().seconds:g} s. {now}",
            hint="The cloud may still be deleting it: look again, or delete it again.",
            resource=thing,
        )
        problem.__cause__ = error or late
        return problem

    def _named(self, id: str) -> str:
        return f"{self.kind.noun} '{name_of(self.things[id]) or id}'"


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]


def _reason(problem: Exception) -> str:
    return getattr(problem, "message", None) or str(problem)
