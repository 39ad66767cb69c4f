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
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, ParamSpec, TypeVar

from pouta import deadline

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
        return f"{self.kind} {self.id}{named}" + (f" ({self.reason})" if self.reason else "")


class PoutaError(Exception):
    """What pouta raises: a sentence, and a hint that says what to do next.

    `resource` is the thing it is about, where there is one. `leftovers` lists what the failed
    chore made and could not remove, or after a TimedOut did not.
    """

    def __init__(self, message: str, *, hint: str = "", resource: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.resource = resource
        self.leftovers: Sequence[Leftover] = ()

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
    """The cloud tried, and it went wrong; `resource` is the thing as it is now."""


class TimedOut(PoutaError, TimeoutError):
    """We stopped waiting. Nothing was undone; `resource` is what was waited for, as last seen.

    `leftovers` lists all that the chore had made by then.
    """


class Unreachable(PoutaError):
    """No answer came from the cloud."""


def chore(asked: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function a chore: an SDK exception that leaves it becomes a PoutaError.

    `asked` says what the chore does, with the function's own parameters in braces, such as
    `"attach volume {volume} to server {server}"`. The chore's `timeout` is one deadline for all
    that it waits for.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        timeout = (function.__kwdefaults__ or {}).get("timeout")

        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                if timeout is None:
                    return function(*args, **kwargs)
                with deadline.within(_seconds(kwargs.get("timeout", timeout))):
                    return function(*args, **kwargs)
            except PoutaError:
                raise
            except Exception as error:
                import inspect  # a quarter of what `import pouta` would take

                given = inspect.signature(function).bind(*args, **kwargs)
                given.apply_defaults()
                words = {name: _word(value) for name, value in given.arguments.items()}
                explained = explain(error, asked.format_map(words))
                if explained is None:
                    raise
                raise explained from error

        return run

    return decorate


def _seconds(timeout: object) -> float:
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0:
        raise InvalidInput(f"timeout must be a number of seconds above 0 (got {timeout!r:.80}).")
    return timeout


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
    words = [f"'{thing}'" for thing in things]
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
        return Unreachable, "Is the address right, and this machine on the network (ePouta: VPN)?"
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
        return Failed, "The fault is the cloud's: try again; if it stays, servicedesk@csc.fi."
    return Refused, ""


def _sentence(text: object) -> str:
    """Nova, Cinder and Neutron each wrap their sentence in a dictionary of their own."""
    words = str(text).strip()
    try:
        wrapped = json.loads(words)
    except ValueError:
        pass
    else:
        while isinstance(wrapped, dict) and wrapped:
            wrapped = wrapped.get("message") or next(iter(wrapped.values()))
        words = str(wrapped)
    return " ".join(words.split()).rstrip(".") + "."


def _word(value: object) -> str:
    if isinstance(value, int | float):
        return f"{value:g}"
    name = getattr(value, "name", None) or getattr(value, "id", None) or value
    return f"'{name}'"
