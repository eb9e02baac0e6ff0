"""A method of one's own, begun: a small package that installs, passes its tests and can be run."""

from __future__ import annotations

import re
import shlex
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import NamedTuple

import yaml

from classay import registry
from classay.errors import ConfigError, UnknownName

# words that say nothing about what a method does
EMPTY = {"base", "helper", "helpers", "manager", "util", "utils"}
NAME = re.compile(r"(?=.{1,64}$)[a-z][a-z0-9]*(_[a-z0-9]+)*")
# what is written, relative to the folder, and from which template
FILES = {
    "pyproject.toml": "pyproject.toml.txt",
    "classay_$name.py": "method.py.txt",
    "tests/test_$name.py": "test.py.txt",
    "docs/$name.md": "page.md.txt",
}


class Written(NamedTuple):
    """What was begun, and how to go on."""

    folder: Path
    files: list[Path]
    steps: list[str]  # commands, in order


def write(kind: str, name: str, into: Path | None = None) -> Written:
    """Write a package with a method that already runs, to be changed into another one.

    kind     ``method``, the only kind with templates
    name     what a suite will call it: lower-case letters, digits, underscores between them
    into     the package's own folder; ``classay_<name>`` here if not given
    raises   UnknownName, ConfigError   before anything is written: the name says nothing, is no
             name or is taken, or a file is there already
    """
    if kind != "method":
        raise UnknownName("template", kind, ["method"], "Ask for this one.")
    _check(name)
    folder = into or Path(f"classay_{name}")
    words = {"name": name, "title": _title(name)}
    texts = {
        folder / Template(path).substitute(words): _template(source).substitute(words)
        for path, source in FILES.items()
    }
    if there := [str(path) for path in texts if path.exists()]:
        raise ConfigError(
            f"{', '.join(there)} already there; a package of its own is written, and nothing over "
            f"what exists.\n  Give --into another folder, or move what is there."
        )
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    steps = [
        f"cd {shlex.quote(str(folder))}",
        "python -m pip install --no-deps -e .",
        "python -m pytest",
        "classay list methods",
    ]
    return Written(folder, list(texts), steps)


def _check(name: str) -> None:
    # YAML reads some words, such as "off", as something else than a name
    if not NAME.fullmatch(name) or yaml.safe_load(name) != name:
        raise ConfigError(
            f"{name!r} cannot be the name of a method: a suite and a module need a word of at most "
            f"64 lower-case letters, digits and single underscores between them, a letter first.\n"
            f"  Choose another, for instance my_method."
        )
    if empty := sorted(EMPTY.intersection(name.split("_"))):
        raise ConfigError(
            f"{name!r} has the word {empty[0]!r}, which says nothing about what a method does.\n"
            f"  Name the mechanism."
        )
    if name in registry.names("method"):
        raise ConfigError(
            f"a method is called {name!r} already, built in or plugged in; two things under one "
            f"name cannot be told apart in a report.\n  Choose another."
        )


def _title(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _template(name: str) -> Template:
    return Template((files(__name__) / "templates" / name).read_text("utf-8"))
