"""Names to modules: the file name is the key, entry points extend it.

A built-in method called ``ewc`` is the module ``classay/methods/ewc.py``; there is no table to
edit. Another package adds ``mine`` with an entry point ``mine`` in the group ``classay.methods``.
Nothing is imported until it is asked for, and an import that fails, fails loudly.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from importlib import import_module
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

from pydantic import TypeAdapter, ValidationError

from classay.errors import ConfigError, UnknownName
from classay.suite import Suite

PACKAGES = {
    "method": "classay.methods",
    "metric": "classay.metrics",
    "router": "classay.routers",
    "check": "classay.claims.forensics",
    "section": "classay.reports.sections",
}
GROUPS = {
    "method": "classay.methods",
    "metric": "classay.metrics",
    "router": "classay.routers",
    "check": "classay.checks",
    "section": "classay.sections",
}


def names(kind: str) -> list[str]:
    """Every name of this kind, built-in or plugged in, without importing any of them."""
    return sorted({*_builtin(kind), *_plugged(kind)})


def load(kind: str, name: str) -> ModuleType:
    """The module that provides ``name``; it follows the contract in ``docs/architecture.md``."""
    builtin, plugged = _builtin(kind), _plugged(kind)
    if name in builtin and name in plugged:
        raise ConfigError(
            f"{kind} {name!r} is built in and also provided by {plugged[name]!r}.\n"
            f"  Two things under one name cannot be told apart in a report. Rename the plug-in."
        )
    if name in builtin:
        return import_module(f"{PACKAGES[kind]}.{name}")
    if name in plugged:
        return import_module(plugged[name])
    raise UnknownName(kind, name, names(kind))


def resolve(method: str, config: Mapping[str, Any]) -> Any:
    """The method's ``Config`` with the settings of a suite, checked before any work.

    method   its name in the suite
    config   the mapping under that name; ``method`` in it names the method, if another
    returns  the frozen dataclass, defaults filled in
    raises   UnknownName, ConfigError   with the settings that the method knows
    """
    accepts = load("method", str(config.get("method", method))).Config
    config = {key: value for key, value in config.items() if key != "method"}
    known = {field.name: field for field in fields(accepts)}
    if unknown := sorted(set(config) - set(known)):
        raise ConfigError(
            f"methods.{method} has the settings {unknown}; it knows {sorted(known) or 'none'}.\n"
            f"  Take them out or mend their spelling."
        )
    owed = [
        name
        for name, field in known.items()
        if name not in config and field.default is MISSING and field.default_factory is MISSING
    ]
    if owed:
        raise ConfigError(
            f"methods.{method} lacks {owed}, which have no default because they must be tuned.\n"
            f"  Give each a value in the suite."
        )
    try:
        return TypeAdapter(accepts).validate_json(json.dumps(config), strict=True)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg']} (found {e['input']!r})"
            for e in error.errors()
        )
        raise ConfigError(
            f"methods.{method} has settings of the wrong kind: {wrong}.\n  Mend them in the suite."
        ) from error


def check(suite: Suite) -> None:
    """Check every name and setting of a suite that a module has a say in, before any work.

    raises  UnknownName, ConfigError
    """
    for method, config in suite.methods.items():
        resolve(method, config)
        runs = suite.method_of(method)
        if runs != method and method in names("method"):
            raise ConfigError(
                f"methods.{method} runs {runs}, and {method} is the name of a method of its own: a "
                f"report would give the one's numbers to the other.\n"
                f"  Call it {runs}_2 or anything else that is no method."
            )
        if suite.base.quantised and load("method", runs).METHOD.moves_base:
            raise ConfigError(
                f"base.dtype is {suite.base.dtype!r}, and methods.{method} moves the base's own "
                f"weights, which needs floating-point numbers and not codes of 4 bits.\n"
                f"  Set base.dtype to fp32 or bf16, or leave {method} out."
            )
    for router in suite.evaluation.routers:
        _check_router(router)
    name = suite.statistics.retention
    metric = load("metric", name)
    if metric.INPUT != "loss" or not metric.LOWER_IS_BETTER:
        raise ConfigError(
            f"statistics.retention is {name!r}, which reads {metric.INPUT}s and calls "
            f"{'less' if metric.LOWER_IS_BETTER else 'more'} better.\n  The margin bounds a rise "
            f"of loss, so a metric of losses is needed of which less is better, for instance "
            f"drift_prior_vs_own."
        )


def _check_router(name: str) -> None:
    router = load("router", name)
    owed = [part for part in ("TITLE", "NEEDS") if not hasattr(router, part)]
    if not hasattr(router, "scores") and not hasattr(router, "choose"):
        owed.append("scores or choose")
    if hasattr(router, "scores") and not hasattr(router, "UNIT"):
        owed.append("UNIT")
    if owed:
        raise ConfigError(
            f"router {name!r} lacks {', '.join(owed)}, without which it cannot be run or printed.\n"
            f"  Add to its module what classay/routers/__init__.py says of a router."
        )


def suites() -> dict[str, Path]:
    """The suites that come with classay: name -> file."""
    folder = Path(str(files("classay.suites")))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def claims_path(name: str) -> Path:
    """A claims file, given as a path or as the name of one that comes with classay."""
    path = Path(name)
    if path.is_file() or path.suffix in (".yaml", ".yml"):
        return path
    folder = Path(str(files("classay.suites"))) / "claims"
    known = {file.stem: file for file in sorted(folder.glob("*.yaml"))}
    if name in known:
        return known[name]
    raise UnknownName(
        "claims file", name, known, "A claims file of your own is given as a path to its YAML."
    )


def suite_path(name: str) -> Path:
    """The file of a suite, given as a path or as the name of one that comes with classay."""
    path = Path(name)
    if path.is_file() or path.suffix in (".yaml", ".yml"):
        return path
    if name in suites():
        return suites()[name]
    raise UnknownName(
        "suite", name, suites(), "A suite of your own is given as a path to its YAML."
    )


def _builtin(kind: str) -> set[str]:
    package = import_module(PACKAGES[kind])
    return {m.name for m in iter_modules(package.__path__) if not m.name.startswith("_")}


def _plugged(kind: str) -> dict[str, str]:
    plugged: dict[str, str] = {}
    for point in entry_points(group=GROUPS[kind]):
        first = plugged.setdefault(point.name, point.value)
        if first != point.value:
            raise ConfigError(
                f"{kind} {point.name!r} is provided by {first!r} and by {point.value!r}.\n"
                f"  Two things under one name cannot be told apart in a report. Rename one of them."
            )
    return plugged
