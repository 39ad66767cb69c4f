"""What containers and objects can be called."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pouta import find
from pouta.errors import InvalidInput

SEGMENTS_OF = "_segments"
CONTAINER_LIMIT = 256  # bytes, in Swift; Ceph takes 255
OBJECT_LIMIT = 1024
NUMBERS = 64  # bytes that stand behind an object's name in those of its segments


def check_new_container(name: str) -> None:
    """Refuse what cannot name a container that is to be made."""
    find.check_name("container", name)
    check(name)


def check(container: str, name: str = "any") -> None:
    """Refuse what no container, or no object, can be called; "" would lead to what holds it."""
    if not fits(container, CONTAINER_LIMIT) or "/" in container or has_dots(container):
        raise InvalidInput(
            f"Invalid container name {container!r:.80}: use 1 to {CONTAINER_LIMIT} bytes of UTF-8 "
            "without /, and neither '.' nor '..'."
        )
    if not fits(name, OBJECT_LIMIT):
        raise InvalidInput(
            f"Invalid object name {name!r:.80}: use 1 to {OBJECT_LIMIT} bytes of UTF-8."
        )


def check_new(container: str, files: Mapping[str, Path], largest: int) -> None:
    """Refuse names of objects, and of their segments, that the cloud would not take."""
    for name, file in files.items():
        check(container, name)
        if has_dots(name):
            raise InvalidInput(
                f"Invalid object name {name!r:.80}: leave out '.' and '..' between slashes, which "
                "a proxy may resolve to another object."
            )
        if file.stat().st_size > largest:
            try:
                check(container + SEGMENTS_OF, name + "/" * NUMBERS)
            except InvalidInput as error:
                raise InvalidInput(
                    f"The names of the segments of {name!r:.80} would be too long.",
                    hint="Choose a shorter name for the object, or for the container.",
                ) from error


def fits(name: Any, limit: int) -> bool:
    try:
        return 0 < len(name.encode()) <= limit and "\0" not in name
    except (AttributeError, UnicodeEncodeError):
        return False


def has_dots(name: str) -> bool:
    return bool({".", ".."} & {*name.split("/")})
