"""A new cloud in the user's clouds.yaml, which keeps all that is in it already."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pouta import files, handwritten, progress
from pouta.errors import ConfigurationError, InvalidInput, Refused

RESERVED = {"defaults", "envvars"}


def for_new(name: str, path: str | os.PathLike[str] | None) -> Path:
    """The file that may get a cloud of this name, or an error: nothing in it is replaced."""
    if not name.strip() or name in RESERVED:
        raise InvalidInput(f"'{name}' is no name for a cloud in clouds.yaml.")
    file = files.path_of(path) if path is not None else _usual()
    if file.suffix not in (".yaml", ".yml"):
        raise InvalidInput(f"{file} is not a .yaml file.")
    with files.written(file):
        text = _text(file) if file.exists() else ""
    if name in _clouds(text, file):
        raise Refused(
            f"There is a cloud '{name}' in {file} already.",
            hint="Save it by another name: save_as=…",
        )
    with files.written(file):  # as it will be, once there is something that must not be lost
        _grown(text, name, {"region_name": "rehearsed"}, file)
        _make_folder(file.resolve().parent)
        tempfile.TemporaryFile(dir=file.resolve().parent).close()
    here = (files.here() or file.parent) / "clouds.yaml"
    if path is None and files.is_there(here) and here.resolve() != file.resolve():
        progress.say(f"In this folder {here} is read, and not {file}.")
    return file


def add(file: Path, name: str, cloud: Mapping[str, Any]) -> None:
    """The file has this cloud as well afterwards, and only its owner can read it."""
    file = file.resolve()
    with files.written(file):
        after = _grown(_text(file) if file.exists() else "", name, cloud, file)
        _make_folder(file.parent)
        _write_private(file, after)


def _grown(text: str, name: str, cloud: Mapping[str, Any], file: Path) -> str:
    """The text with one more cloud, or ConfigurationError."""
    after = _with(text, name, cloud, file)
    if _clouds(after, file) != {**_clouds(text, file), name: cloud}:
        raise ConfigurationError(f"{file} is written in a way that nothing can be added to.")
    return after


def _usual() -> Path:
    if named := os.environ.get("OS_CLIENT_CONFIG_FILE"):
        return files.path_of(named)
    folder = files.home() / ".config" / "openstack"
    yml, usual = folder / "clouds.yml", folder / "clouds.yaml"  # a new one would hide the other
    return yml if files.is_there(yml) and not files.is_there(usual) else usual


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read as text in UTF-8.") from error


def _clouds(text: str, file: Path) -> dict[str, Any]:
    try:
        held = handwritten.read(text) or {}
        return dict(held.get("clouds") or {})
    except (AttributeError, TypeError, ValueError):
        raise ConfigurationError(
            f"{file} cannot be read as YAML with `clouds:` in it.",
            hint="Mend it, or save to another file: path=…",
        ) from None  # which would quote the file, and there are secrets in it


def _with(text: str, name: str, cloud: Mapping[str, Any], file: Path) -> str:
    """The text with the new cloud right below `clouds:`; what it has, comments too, stays."""
    lines = text.splitlines()
    root = yaml.compose(text)
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value != "clouds":
            continue
        if isinstance(value, yaml.MappingNode) and value.value and not value.flow_style:
            indent = value.value[0][0].start_mark.column
        elif isinstance(value, yaml.ScalarNode) and not value.value:
            indent = 2
        else:
            raise ConfigurationError(
                f"The clouds in {file} are not written below each other.",
                hint="Save to another file: path=…",
            )
        below = key.start_mark.line + 1
        return "\n".join([*lines[:below], *_block(name, cloud, indent), *lines[below:], ""])
    return "\n".join([*lines, "clouds:", *_block(name, cloud, 2), ""])


def _block(name: str, settings: Mapping[str, Any], indent: int) -> list[str]:
    lines = [f"{' ' * indent}{json.dumps(name)}:"]
    for key, value in settings.items():
        if isinstance(value, Mapping):
            lines += _block(key, value, indent + 2)
        else:
            lines.append(f"{' ' * (indent + 2)}{json.dumps(key)}: {json.dumps(value)}")
    return lines


def _make_folder(folder: Path) -> None:
    for each in (*reversed(folder.parents), folder):
        each.mkdir(mode=0o700, exist_ok=True)  # `parents=True` would leave them to the umask


def _write_private(file: Path, text: str) -> None:
    """Whole or not at all, and never readable by others, not for a moment."""
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
