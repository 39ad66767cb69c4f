"""Where credentials come from: an openrc file, the environment, or clouds.yaml."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from openstack.config import loader
from openstack.config.cloud_region import CloudRegion

from pouta import files, handwritten
from pouta import openrc as openrc_file
from pouta.connection.settings import WAYS_TO_LOG_IN, Config
from pouta.errors import ConfigurationError, InvalidInput, NoCredentials, listed

PRACTICE = "practice"


def region(
    cloud: str | None, openrc: str | os.PathLike[str] | None, options: dict[str, Any]
) -> CloudRegion:
    """The settings for a login, from the first source that there is; as `connect` tells."""
    if not isinstance(options.get("auth", {}), Mapping):
        raise InvalidInput("`auth` is a dictionary, as in clouds.yaml.")
    if openrc is not None:
        if cloud is not None:
            raise InvalidInput("Give either `openrc` or `cloud`, not both.")
        return _from_variables(_sourced(openrc), options, str(openrc))
    if cloud is None and "auth_url" in {**options, **options.get("auth", {})}:
        return _from_variables({}, options, "the arguments")
    name = cloud or os.environ.get("OS_CLOUD")
    if not name and os.environ.get("OS_AUTH_URL"):
        return _from_variables(os.environ, options, "the environment")
    return _from_clouds_yaml(name, options)


def _sourced(path: str | os.PathLike[str]) -> dict[str, str]:
    """What the openrc file sets, and the few things that it may leave to the environment."""
    file = openrc_file.read(path, os.environ)
    left = {*file.asked, "OS_CACERT", "OS_PASSWORD"} - file.unset
    if not file.variables.items() >= _whose(os.environ).items():
        left.discard("OS_PASSWORD")  # it is of another cloud, which is none of this one's business
    return {name: os.environ[name] for name in left & os.environ.keys()} | file.variables


def _whose(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: variables[name] for name in ("OS_AUTH_URL", "OS_USERNAME") if name in variables}


def _from_variables(
    variables: Mapping[str, str], options: dict[str, Any], place: str
) -> CloudRegion:
    found = {
        name.removeprefix("OS_").lower(): value
        for name, value in variables.items()
        if name.startswith("OS_") and name != "OS_CLOUD" and value
    }
    if "region_name" in options:
        found.pop("region_name", None)
    config = Config(None, None)
    config.cloud_config["clouds"] = {"envvars": found}
    return config.one("envvars", options, place)


def _from_clouds_yaml(name: str | None, options: dict[str, Any]) -> CloudRegion:
    config = Config(_file("clouds"), _file("secure"))
    if name == PRACTICE and name not in config.names:
        config = _practice_config()
    name = name or _only_cloud(config)
    if name not in config.names:
        raise _unknown_cloud(config, name)
    return config.one(name, options, f"cloud '{name}' of {config.config_filename}")


def _practice_config() -> Config:
    from pouta import practice

    file = practice.clouds_yaml()
    if not file.exists():
        raise ConfigurationError(
            "There is no practice cloud on this machine yet.",
            hint="Start one: python -m pouta.practice start",
        )
    return Config(file, None)


def _only_cloud(config: Config) -> str:
    if len(config.names) == 1:
        return config.names[0]
    if config.names:
        raise ConfigurationError(
            f"{config.config_filename} has several clouds: {listed(config.names)}.",
            hint=f'Say which: pouta.connect("{config.names[0]}"), or OS_CLOUD={config.names[0]}.',
        )
    raise NoCredentials(
        "No credentials were found. Looked at: `openrc` and `cloud` (not given), the variables "
        f"OS_CLOUD and OS_AUTH_URL (not set), and {_folders()} (no clouds.yaml).",
        hint=WAYS_TO_LOG_IN,
    )


def _unknown_cloud(config: Config, name: str) -> ConfigurationError:
    if not config.names:
        there = f"there is no clouds.yaml in {_folders()}"
        return ConfigurationError(f"No cloud '{name}': {there}.", hint=WAYS_TO_LOG_IN)
    there = f"{config.config_filename} has {listed(config.names)}"
    near = difflib.get_close_matches(name, config.names)
    hint = f"Closest: {listed(near)}." if near else WAYS_TO_LOG_IN
    return ConfigurationError(f"No cloud '{name}': {there}.", hint=hint)


# clouds.yaml and secure.yaml


def _search_path() -> list[Path]:
    # openstacksdk fixes the current directory when it is imported.
    folders = [files.here(), *map(Path, loader.CONFIG_SEARCH_PATH[1:])]
    return [*dict.fromkeys(filter(None, folders))]


def _folders() -> str:
    return ", ".join(map(str, _search_path()))


def _file(stem: str) -> Path | None:
    """The clouds or secure file that openstacksdk would take, if there is one.

    It is checked here, for openstacksdk passes over a broken file and takes the next one.
    """
    variable = {"clouds": "OS_CLIENT_CONFIG_FILE", "secure": "OS_CLIENT_SECURE_FILE"}[stem]
    if named := os.environ.get(variable):
        if not os.access(named, os.R_OK):
            raise ConfigurationError(f"{variable} is {named}, which is not there or not readable.")
        found = [Path(named)]
    else:
        names = [f"{stem}.yaml", f"{stem}.yml", f"{stem}.json"]
        known = [folder / name for folder in _search_path() for name in names]
        found = [file for file in known if files.is_there(file) and os.access(file, os.R_OK)]
    if found and (problem := _problem(found[0])):
        raise ConfigurationError(
            f"{found[0]}{problem}",
            hint="What belongs to a name stands under it, indented by spaces; values with signs "
            "such as : # * & ! % @ { [ are in quotes.",
        )
    return found[0] if found else None


def _problem(file: Path) -> str:
    """What is wrong with a clouds file. Nothing of it is quoted, for there are passwords in it."""
    try:
        text = file.read_text(encoding="utf-8")
        held = json.loads(text) if file.suffix == ".json" else handwritten.read(text)
    except handwritten.Unreadable as error:
        return str(error)
    except json.JSONDecodeError as error:
        return f", line {error.lineno}: this cannot be read as JSON."
    except UnicodeDecodeError:
        return ": this is not text in UTF-8."
    except OSError as error:
        return f" cannot be read: {error.strerror}."
    except (RecursionError, ValueError):
        return ": this cannot be read as JSON."
    named = held.get("clouds") if isinstance(held, dict) else None
    if not named or not isinstance(named, dict):
        return ": there is nothing under `clouds:`."
    for name, cloud in named.items():
        auth = cloud.get("auth", {}) if isinstance(cloud, dict) else None
        if not isinstance(auth, dict):
            return f": there is nothing under `{name}:`, or under its `auth:`."
        for key, value in auth.items():
            if isinstance(value, int | float | date) and not isinstance(value, bool):
                # Of 0123 YAML makes 83, and of a long one 1e+20.
                return f": `{key}` of `{name}` is no text to YAML; write it in quotes."
    return ""
