"""Every chore that changes something, under every fault at each of its requests.

    python -m tests.campaigns.chores --seed 1
    python -m tests.campaigns.chores --seed 1 --chores servers.stop volumes.attach --pairs 20
    python -m tests.campaigns.chores --seed 1 --colleague
    python -m tests.campaigns.chores --only "servers.stop: 4 LOSE"

A chore is run once with nothing broken, which shows its requests and what it changes; then once for
each fault at each request, and for pairs of faults drawn by the seed. After each: if it returned,
the project differs from before by the chore's effect, and by nothing else; if it raised, it is a
PoutaError, and the project is as before, or is as the exception says. With a colleague, somebody
else does something to the same project at one of the requests. The exit status tells whether all of
it held.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property, partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from pouta.practice import catalogue
from pouta.practice.control import connect_as
from pouta.practice.folder import Folder
from pouta.practice.project import own_project
from tests.campaigns import colleague, ground, inventory
from tests.campaigns.colleague import Deed
from tests.campaigns.faults import Hung, limited
from tests.campaigns.inventory import Change, Inventory, Thing
from tests.campaigns.scenarios import ASKED_BY_POST, READ_ONLY, SCENARIOS, Scenario, There
from tests.proxy import ASKED_FOR, CUT, EMPTY, GATEWAY, LOSE, RESET, Fault, Proxy, Request, refuse

if TYPE_CHECKING:
    from openstack.connection import Connection

    from pouta.errors import Leftover

WORKERS = 10  # most of a trial is waiting
PAIRS = 20  # of each chore
STINT = 25  # trials of one chore by one process, in a state that is prepared once if it can be
HUNG = 240.0  # seconds
UNANSWERED = (": LOSE", ": LATE", ": GATEWAY")  # and done
STALE = ("GONE", "EMPTY")  # once, and then the news is true
OVER_SSH = (
    "servers.copy",
    "servers.run",
    "servers.wait_for_ssh",
)  # nobody is there in a practice cloud
QUICK = ("LOSE", "GATEWAY", "CUT", "DELAY", "403", "409")  # the others make a chore wait for long
MENU: Mapping[str, Fault] = {
    "RESET": RESET,
    "LOSE": LOSE,
    "LATE": Fault(lost=True, late=2.0),
    "CUT": CUT,
    "GATEWAY": GATEWAY,
    "429": refuse(429, retry_after=1),
    "500": refuse(500),
    "502": refuse(502),
    "503": refuse(503),
    "401": refuse(401),
    "DELAY": Fault(delay=1.0),
    "403": refuse(403),  # a definite no, to a request that would change something
    "409": refuse(409),
    "GONE": refuse(404),  # of a thing just made
    "EMPTY": EMPTY,  # a listing that is behind
}


@dataclass
class Strike:
    """`times` requests in a row go wrong, from the first that this can befall at or after `at`.

    writes: only requests that would change something are counted, and go wrong.
    """

    name: str
    at: int
    times: int = 1
    writes: bool = False

    def __str__(self) -> str:
        at, times = f"{'w' * self.writes}{self.at}", f" x{self.times}" * (self.times > 1)
        return f"{at} {self.name}{times}"

    @classmethod
    def read(cls, text: str) -> Strike:
        at, name, *times = text.split()
        return cls(name, int(at.lstrip("w")), int(times[0][1:]) if times else 1, at[0] == "w")


class Weather:
    """What goes wrong in one trial; asked by the proxy for each request."""

    def __init__(
        self,
        strikes: Sequence[Strike],
        known: Iterable[str] = (),
        meet: Callable[[str], str] = str,
    ) -> None:
        self.left = {id(strike): strike.times for strike in strikes}
        self.strikes = strikes
        self.known = {*known}
        self.meet = meet
        self.count, self.writes = 0, 0
        self.changed: set[str] = set()  # the services that were asked to change something
        self.hit: list[str] = []
        self.fits: list[tuple[str, Sequence[str]]] = []

    def __call__(self, request: Request) -> Fault | None:
        self.count += 1
        self.writes += is_write(request)
        fits = self._fitting(request)
        self.fits.append((str(request), fits))
        fault = None
        for strike in self.strikes:
            count = self.writes if strike.writes else self.count
            counts = is_write(request) or not strike.writes
            if fault or not counts or count < strike.at or not self.left[id(strike)]:
                continue
            if strike.name in colleague.ACTS:
                self.left[id(strike)] -= 1
                self.hit.append(f"request {self.count}, {request}: {self.meet(strike.name)}")
            elif strike.name in fits:
                self.left[id(strike)] -= 1
                self.hit.append(f"request {self.count}, {request}: {strike.name}")
                fault = MENU[strike.name]
        if is_write(request) and (fault is None or fault.forwarded):
            self.changed.add(request.service)
        return fault

    def _fitting(self, request: Request) -> Sequence[str]:
        last = request.path.split("?")[0].rpartition("/")[2]
        is_id, written = bool(inventory.UUID.fullmatch(last)), is_write(request)
        reads_after = bool(self.changed) and request.method == "GET"
        out = {
            "403": not written,
            "409": not written,
            "GONE": not (reads_after and is_id and last not in self.known),
            "EMPTY": not (reads_after and not is_id),
        }
        return [name for name in MENU if not out.get(name, False)]


def is_write(request: Request) -> bool:
    return request.method not in ("GET", "HEAD") and not request.path.endswith("/auth/tokens")


@dataclass
class Rehearsal:
    """A chore with nothing broken: its requests with what can befall each, and what it changed."""

    chore: str
    requests: Sequence[tuple[str, Sequence[str]]]
    effect: Counter[str]
    held: Sequence[str] = ()
    wrong: str = ""
    word: str = "whole"  # of a change, of which the effect is made

    @classmethod
    def skipped(cls, chore: str) -> Rehearsal:
        """The effect as the scenario says it, for a few trials."""
        return cls(chore, (), Counter(SCENARIOS[chore].effect), word="brief")

    def words(self, found: Iterable[Change]) -> Counter[str]:
        return Counter(str(getattr(change, self.word)) for change in found)

    def singles(self) -> list[Sequence[Strike]]:
        return [
            [Strike(name, at)] for at, (_, fits) in enumerate(self.requests, 1) for name in fits
        ]

    def pairs(self, seed: int, count: int) -> list[Sequence[Strike]]:
        """Two faults at two requests; half of the time the first stays for a while."""
        drawn = []
        for number in range(count):
            random = Random(f"{seed}-{self.chore}-{number}")
            ats = [random.randint(1, len(self.requests)) for _ in range(2)]
            strikes = [Strike(random.choice(self.requests[at - 1][1]), at) for at in sorted(ats)]
            if strikes[0].name not in STALE:
                strikes[0].times = random.choice([1, 1, 2, 4])
            drawn.append(strikes)
        return drawn

    def few(self, seed: int, count: int) -> list[Sequence[Strike]]:
        """One of the first requests to change something goes wrong, in a way that is soon over."""
        random = Random(f"{seed}-{self.chore}-few")
        return [
            [Strike(random.choice(QUICK), random.choice([1, 1, 1, 2]), writes=True)]
            for _ in range(count)
        ]

    def meetings(self) -> list[Sequence[Strike]]:
        """A colleague does something before one of the requests, once the chore has begun."""
        acts = colleague.fitting(self.held, [*self.effect])
        return [[Strike(act, at)] for at in range(2, len(self.requests) + 1) for act in acts]


@dataclass
class Outcome:
    """How one trial ended, and what was found wrong with that."""

    chore: str
    faults: str
    ended: str
    seconds: float
    hit: Sequence[str]
    wrong: dict[str, str] = field(default_factory=dict)
    traceback: str = ""

    def __str__(self) -> str:
        wrong = "\n".join(f"  {what}: {which}" for what, which in self.wrong.items())
        hit = "".join(f"\n    {hit}" for hit in self.hit)
        head = f"{self.chore}: {self.faults} ({self.ended}, {self.seconds:.1f} s)"
        return f"{head}{hit}\n{wrong}\n{self.traceback}"


# One process's ground


class Company:
    """A second project, and a second user of the first one; each is made when it is needed."""

    def __init__(self, place: Folder, admin: Connection, member: Connection, stack: ExitStack):
        self.place, self.admin, self.member, self.stack = place, admin, member, stack

    @cached_property
    def neighbour(self) -> Connection:
        return self.stack.enter_context(own_project(self.place, self.admin))

    @cached_property
    def colleague(self) -> Connection:
        keystone: Any = self.admin.identity
        name, password = f"colleague-{secrets.token_hex(4)}", secrets.token_urlsafe()
        user = keystone.create_user(name=name, domain_id="default", password=password)
        self.stack.callback(keystone.delete_user, user)
        project = self.member.current_project
        for role in keystone.roles():
            if role.name in catalogue.ROLES:
                keystone.assign_project_role_to_user(project.id, user, role)
        conn = connect_as(self.place, name, password, project.name)
        self.stack.callback(conn.close)
        return conn


@contextmanager
def company(place: Folder, admin: Connection, member: Connection) -> Iterator[Company]:
    with ExitStack() as stack:
        yield Company(place, admin, member, stack)


class Stage:
    """Where one scenario is played: prepared, looked at, and prepared anew where it changed."""

    def __init__(
        self, scenario: Scenario, member: Connection, proxy: Proxy, company: Company
    ) -> None:
        self.scenario, self.member, self.proxy, self.company = scenario, member, proxy, company
        self.project = member.current_project.name
        self.before: Inventory | None = None
        self.folder = Path(os.environ["HOME"])
        self.neighbour = company.neighbour if scenario.neighbour else None

    def take(self, touched: Collection[str] | None = None) -> Inventory:
        """All that is there; looked at anew where the services `touched` can have changed it."""
        since = None if touched is None else self.before
        return inventory.taken(
            self.member,
            neighbour=self.neighbour,
            folder=self.folder,
            since=since,
            touched=touched or (),
        )

    def ready(self) -> Inventory:
        """What is there when the chore may begin."""
        if self.before is None:
            self.clear()
            self.there = There(
                conn=self.member, neighbour=self.neighbour, folder=self.folder, to=None
            )
            for prepare in self.scenario.needs:
                prepare(self.there)
            self.before, rests = inventory.at_rest(self.take)
            assert rests, "what was prepared does not come to rest"
        return self.before

    def clear(self) -> None:
        self.before = None
        for file in self.folder.iterdir():
            shutil.rmtree(file) if file.is_dir() else file.unlink()
        for conn in filter(None, (self.member, self.neighbour)):
            ground.bare(conn)

    def connect(self) -> Connection:
        return self.proxy.connect(self.member.config.config["auth"])

    def play(self, weather: Weather) -> tuple[BaseException | None, Inventory, bool]:
        """The chore in this weather: what it raised, what is there then, and whether that rests."""
        conn = self.connect()
        if self.neighbour:
            self.there.to = self.proxy.connect(self.neighbour.config.config["auth"])
        error: BaseException | None = None
        self.proxy.deliver()
        self.proxy.seen.clear()
        self.proxy.fault = weather
        try:
            with limited(HUNG):
                self.scenario.act(conn, self.there)
        except (Exception, Hung) as raised:  # noqa: BLE001 - whatever it is, it is judged
            error = raised
        finally:
            self.proxy.fault = lambda request: None
        self.proxy.deliver()
        conn.close()
        if not weather.changed:
            return error, self.take(()), True
        time.sleep(self.scenario.settle)
        return error, *inventory.at_rest(partial(self.take, weather.changed))


# Trials


def rehearse(chore: str, stage: Stage) -> Rehearsal:
    before = stage.ready()
    weather = Weather([], known=ids(before))
    error, now, rests = stage.play(weather)
    found = inventory.changes(before, now, stage.project)
    stage.before = None if found else now
    wrong = ""
    if error is not None:
        wrong = "".join(traceback.format_exception(error))
    elif not rests:
        wrong = "the cloud does not come to rest"
    elif not as_said(SCENARIOS[chore].effect, inventory.briefs(found)):
        lines = "\n".join(inventory.briefs(found))
        wrong = f"its effect is not what the scenario says:\n{lines}"
    held = [f"{thing.kind} {thing.name}".strip() for thing in before.values()]
    return Rehearsal(chore, weather.fits, inventory.wholes(found), held, wrong)


def as_said(said: Sequence[str], found: Sequence[str]) -> bool:
    return sorted(said) == sorted(found)


def trial(rehearsal: Rehearsal, strikes: Sequence[Strike], stage: Stage) -> Outcome:
    before = stage.ready()
    deed = Deed()

    def meet(name: str) -> str:
        nonlocal deed
        try:
            deed = colleague.ACTS[name].do(stage.company.colleague, before)
        except Exception as refused:  # noqa: BLE001 - the cloud may say no to a colleague, too
            name = f"{name}, but {str(refused)[:100]}"
        weather.changed |= {*inventory.CHANGED_BY}
        return name

    weather = Weather(strikes, ids(before), meet)
    began = time.monotonic()
    error, now, rests = stage.play(weather)
    found = inventory.changes(before, now, stage.project)
    if found or not rests:
        stage.before = None
    ended = type(error).__name__ if error else "returned"
    faults = text_of(strikes)
    outcome = Outcome(rehearsal.chore, faults, ended, time.monotonic() - began, weather.hit)
    outcome.wrong = judged(rehearsal, error, found, now, deed, weather.hit)
    if gone := deed.made - ids(now) - too_late(weather.hit):
        outcome.wrong["a colleague's is gone"] = ", ".join(gone)
    if not rests and any(map(inventory.is_moving, of_others(now, deed))):
        outcome.wrong["stuck"] = "the cloud does not come to rest"
    if outcome.wrong and error:
        outcome.traceback = "".join(traceback.format_exception(error))
    return outcome


def ids(before: Inventory) -> set[str]:
    return {id for _, id in before}


# The promise


def judged(
    rehearsal: Rehearsal,
    error: BaseException | None,
    found: Sequence[Change],
    now: Inventory,
    deed: Deed,
    hit: Sequence[str] = (),
) -> dict[str, str]:
    """What is wrong with how it ended."""
    import pouta

    theirs = [c for c in found if is_made(deed, c, now) or is_touched(deed, c)]
    found = [change for change in found if change not in theirs]
    effect, there = rehearsal.effect, rehearsal.words(found)
    if error is None:
        missing, extra = effect - there, there - effect
        missing = Counter(
            line
            for line in missing.elements()
            if not is_excused(line, rehearsal, theirs, now, deed)
        )
        wrong = {"not whole": missing, "more than asked for": extra}
        return {what: "; ".join(lines.elements()) for what, lines in wrong.items() if lines}
    wrong = {}
    if isinstance(error, Hung):
        wrong["hang"] = f"no end after {HUNG:g} s"
    elif not isinstance(error, pouta.PoutaError):
        wrong["raw error"] = repr(error)
    unsaid = [change.whole for change in found if not is_told(rehearsal, error, found, change)]
    if unsaid and there != effect:
        wrong["unsaid"] = "; ".join(unsaid)
    elif unsaid:
        wrong["done, and not said"] = "; ".join(unsaid)
    present = {id for _, id in now} | {"of unknown ID"}
    untrue = [
        str(left)
        for left in getattr(error, "leftovers", ())
        if left.id not in present and not is_unknowable(left, hit)
    ]
    if untrue:
        wrong["untrue list"] = "; ".join(untrue)
    return wrong


def is_unknowable(left: Leftover, hit: Sequence[str]) -> bool:
    """Whether a request to delete it got no answer, and the next one a refusal; or it says so."""
    lost = any(left.id in one and one.endswith(UNANSWERED) for one in hit)
    return (lost and ASKED_FOR in left.reason) or "could not be seen" in left.reason


def is_excused(
    line: str, rehearsal: Rehearsal, theirs: Sequence[Change], now: Inventory, deed: Deed
) -> bool:
    """Whether a colleague is the reason that this line of the effect is missing."""
    if line.startswith("+ security group"):
        return line in rehearsal.words(theirs)  # they made it first, and it is as it should be
    taken = [change.brief[2:].split(":")[0] for change in theirs if change.key[1] in deed.made]
    if line.startswith("- ") and line[2:].startswith(tuple(taken)):
        return True  # what the chore would have taken along leads elsewhere now
    undone = [said_of(deed, change) for change in theirs if is_touched(deed, change)]
    undone += [
        f"{kind} {thing.name}: {fact} "
        for (kind, id), thing in now.items()
        for touched, fact in (one for one in deed.touched if isinstance(one, tuple))
        if touched == id
    ]
    return line[2:].startswith(tuple(undone))


def of_others(now: Inventory, deed: Deed) -> Sequence[Thing]:
    """What no colleague made: theirs may hang in a state of its own."""
    return [thing for (_, id), thing in now.items() if id not in deed.made]


def too_late(hit: Sequence[str]) -> set[str]:
    """What was on its way out when a colleague came: no look can be later than the last."""
    asked = [one.rpartition(": ")[0] for one in hit if " DELETE " in one]
    return {request.rpartition("/")[2] for request in asked}


def is_made(deed: Deed, change: Change, now: Inventory) -> bool:
    """Whether a colleague made it, or it is a port of what a colleague made."""
    thing = now.get(change.key)
    by_it = thing and (thing.facts.get("of") in deed.made or thing.name.endswith(colleague.THEIRS))
    return change.key[1] in deed.made or bool(by_it)


def is_touched(deed: Deed, change: Change) -> bool:
    """Whether a colleague may have done this to what was there."""
    return change.key[1] in deed.touched or (change.key[1], change.fact) in deed.touched


def said_of(deed: Deed, change: Change) -> str:
    """How lines begin that are about the thing, or the fact, that a colleague touched."""
    name = change.brief[2:].split(":")[0]
    return name if change.key[1] in deed.touched else f"{name}: {change.fact} "


def is_told(
    rehearsal: Rehearsal, error: BaseException, found: Sequence[Change], change: Change
) -> bool:
    """Whether the exception, or the chore's documentation, tells of this change."""
    import pouta

    scenario = SCENARIOS[rehearsal.chore]
    words = [*scenario.leaves]
    for said, lines in scenario.says.items():
        words += lines if said in str(error) else []
    if any(fnmatchcase(change.brief, literal(pattern)) for pattern in words):
        return True
    if isinstance(error, pouta.TimedOut) and rehearsal.words(found) == rehearsal.effect:
        return True  # it came by itself
    told = listed(error)
    kind, id = change.key
    if change.sign == "+":
        unnamed = {left.kind for left in getattr(error, "leftovers", ()) if left.id not in told}
        return id in told or kind in unnamed or is_port_of(change, told, found)
    if change.sign == "~":
        return id in told and isinstance(error, pouta.TimedOut | pouta.Failed)
    # Of what was to go, the rest is named.
    return getattr(change, rehearsal.word) in rehearsal.effect and bool(told)


def literal(pattern: str) -> str:
    return pattern.replace("[", "[[]")


def listed(error: BaseException) -> set[str]:
    """The IDs of what an exception names: what is left, and what a wait or a failure was about."""
    import pouta

    told = {left.id for left in getattr(error, "leftovers", ()) if left.id != "of unknown ID"}
    about = getattr(error, "resource", None)
    if isinstance(error, pouta.TimedOut | pouta.Failed) and about is not None:
        things = about if isinstance(about, list | tuple) else [about]
        told |= {str(thing.id) for thing in things if hasattr(thing, "id")}
    return told


def is_port_of(change: Change, told: set[str], found: Sequence[Change]) -> bool:
    """A server holds its port: whoever is told of the one is told of both."""
    servers = {other.brief[2:] for other in found if other.key[1] in told}
    return change.key[0] == "port" and f"server {change.brief[10:]}" in servers


# All of them


@dataclass
class Stint:
    """Some trials of one chore, by one process."""

    rehearsal: Rehearsal
    trials: Sequence[Sequence[Strike]]


def play_rehearsal(
    number: int, member: Connection, proxy: Proxy, company: Company, *, chores: Sequence[str]
) -> Rehearsal:
    chore = chores[number]
    return rehearse(chore, Stage(SCENARIOS[chore], member, proxy, company))


def play_stint(
    number: int, member: Connection, proxy: Proxy, company: Company, *, stints: Sequence[Stint]
) -> Sequence[Outcome]:
    stint = stints[number]
    stage = Stage(SCENARIOS[stint.rehearsal.chore], member, proxy, company)
    return [played(stint.rehearsal, strikes, stage) for strikes in stint.trials]


def played(rehearsal: Rehearsal, strikes: Sequence[Strike], stage: Stage) -> Outcome:
    """The trial; a cloud that cannot be prepared for it ends neither the stint nor the campaign."""
    try:
        return trial(rehearsal, strikes, stage)
    except Exception:  # noqa: BLE001 - it is told
        stage.before = None
        outcome = Outcome(rehearsal.chore, text_of(strikes), "not played", 0.0, [])
        outcome.wrong["not played"] = traceback.format_exc()
        return outcome


def rehearsals(folder: Path, chores: Sequence[str], workers: int) -> Sequence[Rehearsal]:
    """Each chore with nothing broken; the cloud runs already."""
    return ground.in_projects(
        folder,
        partial(play_rehearsal, chores=chores),
        range(len(chores)),
        company=company,
        workers=workers,
    )


def campaign(
    folder: Path,
    trials: Sequence[tuple[Rehearsal, Sequence[Sequence[Strike]]]],
    *,
    seed: int,
    workers: int = WORKERS,
    stint: int = STINT,
    tell: Callable[[Sequence[Outcome]], None] = lambda outcomes: None,
) -> Sequence[Outcome]:
    """All the trials, by several processes with a project each; the cloud runs already."""
    stints = [
        Stint(rehearsal, some[first : first + stint])
        for rehearsal, some in trials
        for first in range(0, len(some), stint)
    ]
    Random(seed).shuffle(stints)
    done = ground.in_projects(
        folder,
        partial(play_stint, stints=stints),
        range(len(stints)),
        company=company,
        workers=workers,
        tell=tell,
    )
    return [outcome for outcomes in done for outcome in outcomes]


def reads(
    number: int, member: Connection, proxy: Proxy, company: Company
) -> Mapping[str, Sequence[str]]:
    """The requests of the chores that change nothing, if they are not only to read."""
    import pouta
    from tests.campaigns import scenarios as given

    needs = (given.tagged, given.copy_of_data, given.disk_image, given.mine, given.lab)
    needs = (*needs, given.address, given.laptop)
    stage = Stage(Scenario(needs, print, ()), member, proxy, company)
    before = stage.ready()
    found = {}
    for chore, read in READ_ONLY.items():
        conn = stage.connect()
        proxy.seen.clear()
        try:
            read(conn, stage.there)
        except pouta.PoutaError as error:
            found[chore] = [str(error)] if chore not in OVER_SSH else []
        usual = ASKED_BY_POST.get(chore, "nothing")
        writes = [str(r) for r in proxy.seen if is_write(r) and not r.path.endswith(usual)]
        found[chore] = [*found.get(chore, ()), *writes]
        conn.close()
    found["all of them"] = inventory.briefs(inventory.changes(before, stage.take(), stage.project))
    return {chore: requests for chore, requests in found.items() if requests}


def figures(rehearsed: Sequence[Rehearsal], outcomes: Sequence[Outcome]) -> str:
    """A row for each chore: requests, faults, returned, raised, promises broken."""
    head = "| Chore | Requests | Faults | Returned | Raised | Promises broken |"
    rows = [head, "|---|---|---|---|---|---|"]
    for part in [*rehearsed, None]:
        own = [o for o in outcomes if part is None or o.chore == part.chore]
        requests = len(part.requests) if part else sum(len(r.requests) for r in rehearsed)
        returned = sum(o.ended == "returned" for o in own)
        faults, broken = sum(len(o.hit) for o in own), sum(bool(o.wrong) for o in own)
        name = f"`{part.chore}`" if part else "All"
        cells = (name, requests, faults, returned, len(own) - returned, broken)
        rows.append(f"| {' | '.join(map(str, cells))} |")
    kinds = Counter(what for outcome in outcomes for what in outcome.wrong)
    rows.append("")
    rows.append(
        ", ".join(f"{kind}: {count}" for kind, count in kinds.most_common()) or "none broken"
    )
    return "\n".join(rows)


def text_of(trial: Sequence[Strike]) -> str:
    return " + ".join(map(str, trial))


def chosen(rehearsal: Rehearsal, given: argparse.Namespace) -> Sequence[Sequence[Strike]]:
    if given.only:
        own = (only.split(": ") for only in given.only)
        texts = [text for chore, text in own if chore == rehearsal.chore]
        return [[Strike.read(part) for part in text.split(" + ")] for text in texts]
    if given.colleague:
        some = rehearsal.meetings()
    else:
        some = [] if given.no_singles else rehearsal.singles()
        some += rehearsal.pairs(given.seed, given.pairs)
    random = Random(f"{given.seed}-{rehearsal.chore}")
    random.shuffle(some)
    return some[: max(1, round(len(some) * given.share))]


def told_before(file: Path | None) -> list[Outcome]:
    """What an earlier run has found in order; what it found broken is to be played again."""
    if file is None or not file.exists():
        return []
    earlier = [Outcome(**outcome) for outcome in json.loads(file.read_text())]
    return [outcome for outcome in earlier if not outcome.wrong]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--chores", nargs="*", help="some, such as servers.stop")
    options.add_argument("--pairs", type=int, default=PAIRS, metavar="N", help="of each chore")
    options.add_argument("--no-singles", action="store_true", help="only the pairs")
    options.add_argument(
        "--share", type=float, default=1.0, help="of the trials, drawn by the seed"
    )
    options.add_argument(
        "--colleague", action="store_true", help="a second user, instead of faults"
    )
    options.add_argument("--only", nargs="*", help='trials again, such as "servers.stop: 4 LOSE"')
    options.add_argument("--workers", type=int, default=WORKERS)
    options.add_argument(
        "--json", type=Path, help="a file for the outcomes; what it has already is not played again"
    )
    given = options.parse_args()
    named = [*dict.fromkeys(only.partition(":")[0] for only in given.only or ())]
    names = named or given.chores or [*SCENARIOS]

    from pouta import practice

    told = [] if given.only else told_before(given.json)
    known = {(outcome.chore, outcome.faults) for outcome in told}

    def tell(outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            if outcome.wrong:
                print(outcome, flush=True)
        told.extend(outcomes)
        if given.json:  # as far as it is, for it takes long
            given.json.write_text(json.dumps([asdict(outcome) for outcome in told], indent=1))

    def left(rehearsal: Rehearsal) -> Sequence[Sequence[Strike]]:
        some = chosen(rehearsal, given)
        return [trial for trial in some if (rehearsal.chore, text_of(trial)) not in known]

    began = time.monotonic()
    with practice.cloud(directory=ground.FOLDER):
        rehearsed = rehearsals(ground.FOLDER, names, given.workers)
        for failed in (one for one in rehearsed if one.wrong):
            print(f"{failed.chore}, with nothing broken: {failed.wrong}", flush=True)
        ready = [(one, left(one)) for one in rehearsed if not one.wrong]
        campaign(ground.FOLDER, ready, seed=given.seed, workers=given.workers, tell=tell)
    print(f"seed {given.seed}, {time.monotonic() - began:.0f} s\n{figures(rehearsed, told)}")
    return int(any(o.wrong for o in told) or any(one.wrong for one in rehearsed))


if __name__ == "__main__":
    sys.exit(main())
