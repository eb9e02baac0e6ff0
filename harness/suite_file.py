"""Reading a suite file, with what the flags change in it, and saying what is wrong in its words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from classay.errors import ConfigError
from classay.suite import Suite
from classay.yaml_once import Once, shallow

DEEPEST = 50  # levels


class _Loader(Once, yaml.SafeLoader):
    """What a suite is read by."""


def load(path: Path, overrides: Mapping[str, Any] | None = None) -> Suite:
    """Read a suite file.

    path       a YAML file
    overrides  dotted keys, as the flags give them; they win over the file
    returns    the suite, defaults filled in
    raises     ConfigError   naming every key that is wrong
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read ({error}).\n  A suite is a YAML file. "
            f"`classay list suites` shows those that come with classay."
        ) from error
    try:
        for _ in shallow(text, _Loader, DEEPEST):
            pass
        raw = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {error}\n  Mend the line it names.") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"{path} holds {type(raw).__name__}; a suite is a mapping of keys.")
    try:
        for key, value in (overrides or {}).items():
            if key == "methods" and value is not None:
                _choose(raw, value)
            elif value is not None:
                _set(raw, key, value)
    except (TypeError, AttributeError) as error:
        raise ConfigError(
            f"{path}: the flag for {key} cannot be put over what stands there ({error}).\n"
            f"  {key.partition('.')[0]} must be a mapping of keys in a suite. Mend the file."
        ) from error
    try:
        return Suite.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(_in_words(path, error)) from error


def _set(raw: dict[str, Any], dotted: str, value: Any) -> None:
    *parents, last = dotted.split(".")
    for parent in parents:
        if raw.get(parent) is None:
            raw[parent] = {}
        raw = raw[parent]
        if not isinstance(raw, dict):
            return  # it is no mapping, which the check of the whole says with its path
    raw[last] = value


def _choose(raw: dict[str, Any], methods: list[str]) -> None:
    """Keep only these methods; what the plan asks of the others goes with them."""
    if twice := next((name for name in methods if methods.count(name) > 1), None):
        raise ConfigError(
            f"--methods names {twice!r} twice, and a method is run once a seed.\n"
            f"  Name it once; a suite can hold it under another name with other settings."
        )
    settings = raw.get("methods") or {}
    if not isinstance(settings, dict):
        return
    raw["methods"] = {name: settings.get(name) for name in methods}
    tried = raw.get("candidates")
    if isinstance(tried, dict):
        raw["candidates"] = {
            name: names for name, names in tried.items() if set(names or ()) <= set(methods)
        }
    plan = raw.get("statistics")
    if isinstance(plan, dict) and (accept := plan.get("accept")):
        plan["accept"] = [name for name in accept if name in methods]


def _in_words(path: Path, error: ValidationError) -> str:
    lines = [f"{path} is not a suite that can be run; {error.error_count()} thing(s) to mend:"]
    for problem in error.errors():
        # the kind of a source stands in pydantic's path, and not in the file
        loc = [p for i, p in enumerate(problem["loc"]) if problem["loc"][i - 1 : i] != ("source",)]
        where = ".".join(str(part) for part in loc) or "suite"
        if problem["type"] == "extra_forbidden":
            lines.append(f"  {where}: no such key. Take it out, or see docs/suites.md.")
        else:
            given = problem["input"]
            shown = f" (found {given!r})" if not isinstance(given, (dict, list)) else ""
            lines.append(f"  {where}: {problem['msg'].removeprefix('Value error, ')}{shown}")
    return "\n".join(lines)
