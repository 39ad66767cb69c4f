"""What can go wrong, in words; and the one place where an SDK exception becomes ours.

PoutaError
├── ConfigurationError   a file or a setting cannot be used
│   └── NoCredentials    nothing to log in with was given, and nothing was found
├── AuthenticationError  the cloud did not let us in
├── InvalidInput         an argument cannot be right; nothing was asked of the cloud
├── NotFound             no such thing in this project
├── Ambiguous            several things have that name
├── Refused              the cloud, or a guard of pouta, said no; nothing was changed
├── QuotaExceeded        the project's quota does not allow it
├── Failed               the cloud tried, and it went wrong
├── TimedOut             we stopped waiting; the cloud may still be at work, nothing was undone
└── Unreachable          no answer came
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, ParamSpec, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies

from pouta import deadline, pickling
from pouta.redaction import Lines, plain

MUCH = 80  # characters of a value in a message
# Of OpenStack, of older Novas, of Swift and of Ceph's gateway.
REQUEST_IDS = ("x-openstack-request-id", "x-compute-request-id", "x-trans-id", "x-amz-request-id")

P = ParamSpec("P")
R = TypeVar("R")


class Leftover(NamedTuple):
    """A thing that a failed chore made and that is still there."""

    kind: str
    id: str
    name: str
    reason: str = ""

    def __str__(self) -> str:
        named = f" '{self.name}'" if self.name else ""
        return plain(f"{self.kind} {self.id}{named}") + (
            f" ({plain(self.reason)})" if self.reason else ""
        )


class PoutaError(Exception):
    """What pouta raises: a sentence, and a hint that says what to do next.

    `resource` is the thing it is about, where there is one. `leftovers` lists what the failed
    chore made and could not remove, or after a TimedOut did not.

    It holds no value of a request that a cloud refused, and no sign that is not to be shown. It can
    be pickled, and comes out with all of the above, but without its cause.
    """

    def __init__(self, message: str, *, hint: str = "", resource: Any = None) -> None:
        self.message = plain(message)
        super().__init__(self.message)
        self.hint = hint.plain if isinstance(hint, Lines) else plain(hint)
        self.resource = resource
        self.leftovers: Sequence[Leftover] = ()
        self._request_id: str | None = None

    @property
    def request_id(self) -> str | None:
        """The name of the request that was refused, for the cloud's support; None without one."""
        return next((id for error in _chain(self) if (id := _own_request_id(error))), None)

    def __reduce__(self) -> tuple[Any, ...]:
        things = self.resource if isinstance(self.resource, list | tuple) else [self.resource]
        pickling.allow(things)
        held = {**vars(self), "_request_id": self.request_id}
        return _unpickled, (type(self), self.args, held)

    def __str__(self) -> str:
        lines = [self.message]
        if self.hint:
            lines.append(self.hint)
        if self.leftovers:
            lines.append("Left behind: " + "; ".join(map(str, self.leftovers)) + ".")
        return "\n".join(lines)

    def _render_traceback_(self) -> list[str]:
        """What IPython shows: the sentences, instead of pages of frames of three libraries.

        `%debug` still has the frames, and so has whoever catches it.
        """
        return [f"{type(self).__name__}: {self}"]


class ConfigurationError(PoutaError):
    """What was given to log in with, or another file or setting, cannot be used."""


class NoCredentials(ConfigurationError):
    """No way to log in was given, and none was found."""


class AuthenticationError(PoutaError):
    """The cloud did not let us in."""


class InvalidInput(PoutaError, ValueError):
    """An argument cannot be right; nothing was asked of the cloud."""


class NotFound(PoutaError):
    """No such thing in this project."""


class Ambiguous(PoutaError):
    """Several things have that name; `resource` lists them."""


class Refused(PoutaError):
    """The cloud, or a guard of pouta, said no; nothing was changed."""


class QuotaExceeded(PoutaError):
    """The project's quota does not allow it."""


class Failed(PoutaError):
    """The cloud tried, and it went wrong; `resource` is the thing as it is now.

    goes_on: the cloud still does what it was asked, and refuses to show it.
    """

    goes_on = False


class TimedOut(PoutaError, TimeoutError):
    """We stopped waiting. Nothing was undone; `resource` is what was waited for, as last seen.

    `leftovers` lists all that the chore had made by then.
    """


class Unreachable(PoutaError):
    """No answer came from the cloud."""


def _unpickled(kind: type[PoutaError], args: tuple[Any, ...], held: dict[str, Any]) -> PoutaError:
    error = kind.__new__(kind)
    error.args = args
    vars(error).update(held)
    return error


def chore(asked: str, *, same: Collection[str] = ()) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function a chore: an SDK exception that leaves it becomes a PoutaError.

    `asked` says what the chore does, with the function's own parameters in braces, such as
    `"attach volume {volume} to server {server}"`. `same` are the names that its `**same` may have.
    The chore's `timeout` is one deadline for all that it waits for.

    What it returns, and its PoutaErrors, can be pickled. Arguments that do not fit are Python's own
    TypeError, raised where it is called.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        timeout = (function.__kwdefaults__ or {}).get("timeout")

        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            if same:
                _check_keywords(function, kwargs, same)
            try:
                if timeout is None:
                    result = function(*args, **kwargs)
                else:
                    with deadline.within(_seconds(kwargs.get("timeout", timeout))):
                        result = function(*args, **kwargs)
            except Exception as error:
                if isinstance(error, TypeError) and _is_of_the_call(error):
                    raise
                without_values_along(error)
                if isinstance(error, PoutaError):
                    raise
                explained = explain(error, _filled(asked, function, args, kwargs))
                if explained is None:
                    raise
                raise explained from error
            pickling.allow(result if isinstance(result, list | tuple) else [result])
            return result

        return run

    return decorate


def _seconds(timeout: object) -> float:
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0:
        raise InvalidInput(f"timeout must be a number of seconds above 0 (got {timeout!r:.80}).")
    return timeout


def _is_of_the_call(error: BaseException) -> bool:
    """Whether it was raised before the function began."""
    return error.__traceback__ is not None and error.__traceback__.tb_next is None


def _check_keywords(
    function: Callable[..., Any], given: Mapping[str, Any], more: Collection[str]
) -> None:
    code = function.__code__
    own = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    for name in given:
        if name not in own and name not in more:
            words = f"{function.__qualname__}() got an unexpected keyword argument '{name}'"
            raise TypeError(words)


def _filled(
    asked: str, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> str:
    import inspect  # a quarter of what `import pouta` would take

    given = inspect.signature(function).bind(*args, **kwargs)
    given.apply_defaults()
    for name in (name for name, value in given.arguments.items() if value is None):
        asked = asked.replace(f" {{{name}}}", "")
    return asked.format_map({name: _word(value) for name, value in given.arguments.items()})


def explain(error: Exception, asked: str) -> PoutaError | None:
    """The PoutaError that says what `error` means for somebody who asked for `asked`.

    None when the exception comes neither from openstacksdk nor from keystoneauth.
    """
    from keystoneauth1 import exceptions as keystone
    from openstack import exceptions as sdk

    if not isinstance(error, sdk.SDKException | keystone.ClientException):
        return None
    said = what_the_cloud_said(error)
    kind, hint = _meaning(error, said)
    if isinstance(error, keystone.ConnectionError):
        message = f"Could not {asked}: no answer from the cloud. {said}"
    elif status := status_of(error):
        message = f"Could not {asked}: the cloud says: {said} (HTTP {status})"
    else:
        message = f"Could not {asked}: {said}"
    explained = kind(message, hint=hint)
    explained.leftovers = getattr(error, "leftovers", ())
    return explained


def without_values_along(error: BaseException) -> None:
    """Exceptions of other libraries quote what was sent, and a traceback shows the whole chain."""
    for one in _chain(error):
        for name in ("message", "details"):
            if isinstance(said := getattr(one, name, None), str):
                with suppress(AttributeError):  # somebody's property
                    setattr(one, name, plain(said))
        if any(isinstance(said, str) for said in one.args):
            one.args = tuple(plain(said) if isinstance(said, str) else said for said in one.args)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception, what it was raised from, or while that was handled, and so on."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        error = error.__cause__ or error.__context__


def _own_request_id(error: BaseException) -> str | None:
    if isinstance(error, PoutaError):
        return error._request_id
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    known = [getattr(error, "request_id", None), *map(headers.get, REQUEST_IDS)]
    return next((id for id in known if id and isinstance(id, str)), None)


def status_of(error: BaseException | None) -> int | None:
    """The HTTP status of an SDK exception, if the cloud gave one."""
    status = getattr(error, "status_code", None) or getattr(error, "http_status", None)
    return status if isinstance(status, int) else None


def is_passing(error: BaseException) -> bool:
    """Whether the same request may well succeed a little later: no answer, 429, 5xx."""
    from keystoneauth1 import exceptions as keystone

    if isinstance(error, keystone.ConnectionError):  # an answer that is cut short is one, too
        return not isinstance(error, keystone.SSLError)
    status = status_of(error) or 0
    return status == 429 or status >= 500


def why_no_answer(error: Exception) -> str:
    """What to look at: the proxy that the environment names, when it is what does not answer."""
    from requests.exceptions import ProxyError

    named = {urlsplit(url) for scheme, url in getproxies().items() if scheme != "no"}
    silent = [
        f"{proxy.hostname}:{proxy.port}"  # without the password that may be there
        for proxy in named
        for one in _chain(error)
        if isinstance(one, ProxyError) or f"host='{proxy.hostname}', port={proxy.port}" in str(one)
    ]
    if not silent:
        return "Is the address right, and this machine on the network (ePouta: VPN)?"
    return (
        f"The environment names a proxy, {listed(sorted({*silent}))}, which does not let through. "
        "Unset http_proxy and https_proxy, or name the cloud's host in no_proxy."
    )


def was_repeated(error: BaseException) -> bool:
    """Whether it answers a request that was made before, and got no answer, or a 5xx."""
    answer = getattr(getattr(error, "response", None), "raw", None)
    return bool(getattr(getattr(answer, "retries", None), "history", ()))


def is_busy(error: BaseException) -> bool:
    """Whether the thing may be free in a moment: 409, or Cinder's 400 about a status.

    What is locked stays locked until somebody unlocks it.
    """
    status, said = status_of(error), what_the_cloud_said(error).lower()
    return (status == 409 and "locked" not in said) or (status == 400 and "status" in said)


def retry_after(error: BaseException) -> float:
    """The seconds that a refusal asks to wait, 0 when it asks for none."""
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    try:
        return max(0.0, float(headers.get("Retry-After", 0)))
    except ValueError:  # the other form, an HTTP date, is not used by OpenStack
        return 0.0


def what_the_cloud_said(error: BaseException) -> str:
    """The sentence in an SDK exception, without URLs, class names and JSON around it."""
    details = getattr(error, "details", None)
    text = _sentence(details) if details else ""
    return text or _sentence(getattr(error, "message", None) or str(error))


def listed(things: Iterable[object]) -> str:
    """'a', 'b' and 'c'."""
    words = [plain(f"'{thing}'") for thing in things]
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def _meaning(error: Exception, said: str) -> tuple[type[PoutaError], str]:
    from keystoneauth1 import exceptions as keystone
    from openstack import exceptions as sdk

    if isinstance(error, keystone.SSLError):
        return Unreachable, (
            "The server's certificate could not be verified. If the cloud has an authority of its "
            "own, name its file in OS_CACERT; do not switch verification off."
        )
    if isinstance(error, keystone.ConnectionError):
        return Unreachable, why_no_answer(error)
    if isinstance(error, keystone.EndpointNotFound | sdk.EndpointNotFound):
        return NotFound, "This cloud offers no such service to this project."
    status = status_of(error)
    if status == 401:
        return AuthenticationError, (
            "Log in again with pouta.connect(). An application credential gets this answer also "
            "for what its access rules leave out, and once its owner has left the project."
        )
    if status == 413 or (status in (403, 409) and "quota" in said.lower()):
        return QuotaExceeded, (
            "Free something (pouta.quotas.show tells what is used), choose something smaller, or "
            "ask for more: servicedesk@csc.fi."
        )
    if status == 403:
        return Refused, (
            "Your role in the project does not allow it, or the application credential's access "
            "rules leave it out."
        )
    if status == 404 and "not reachable from subnet" in said:
        return Refused, (
            "Its network has no router, so no floating IP can lead into it: "
            "pouta.networks.ensure_default(conn) makes the one that a project should have."
        )
    if status == 404:
        return NotFound, ""
    if status == 409 and "locked" in said:
        return Refused, "Somebody locked it. conn.compute.unlock_server(server) unlocks it."
    if status == 409:
        return Refused, "It is busy with something else, or in use; look at it and try again."
    if status and status >= 500:
        id = next((id for one in _chain(error) if (id := _own_request_id(one))), None)
        name_it = f" Name the request there: {id}." if id else ""
        hint = "The fault is the cloud's: try again; if it stays, servicedesk@csc.fi."
        return Failed, hint + name_it
    return Refused, ""


_ENDING = re.compile(r" \(HTTP \d+\)( \(Request-ID: [^)]*\))?$")  # keystoneauth's


def _sentence(text: object) -> str:
    """Nova, Cinder and Neutron each wrap their sentence in a dictionary of their own."""
    words = _ENDING.sub("", str(text)).strip()
    try:
        wrapped = json.loads(words)
    except ValueError:
        pass
    else:
        while isinstance(wrapped, dict) and wrapped:
            wrapped = wrapped.get("message") or next(iter(wrapped.values()))
        words = str(wrapped)
    return " ".join(plain(words).split()).rstrip(".") + "."


def _word(value: object) -> str:
    """An argument as a message names it: short, and only what is a name."""
    if isinstance(value, int | float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_word, value[:3])) + (" …" if len(value) > 3 else "")
    name = getattr(value, "name", None) or getattr(value, "id", None) or value
    if not isinstance(name, str | os.PathLike):
        return f"(a {type(value).__name__})"
    words = plain(os.fspath(name) if isinstance(name, os.PathLike) else name)
    return f"'{words}'" if len(words) <= MUCH else f"'{words[: MUCH - 1]}…'"
