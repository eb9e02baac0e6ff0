"""What the module of a method says of itself: its docstring, its settings and their comments."""

from __future__ import annotations

import ast
import inspect
import io
import json
import re
import textwrap
import tokenize
from dataclasses import MISSING, Field, fields
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType, NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from classay import methods

LABEL = re.compile(r"(\w+)\s{2,}(\S.*)")
ITEM = "[A] "  # crma marks with it what is its own; a line that begins so is a point of its own
CODE = re.compile(r"(``.+?``|`.+?`)", re.DOTALL)
WORDS = {int: "whole number", float: "number", str: "text", bool: "`true` or `false`"}
BOUNDS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}


class Said(NamedTuple):
    """A docstring, taken apart; everything is Markdown."""

    sentence: str
    body: list[str]  # paragraphs and formulas
    labelled: dict[str, str]  # source, departures, choices, …


class Setting(NamedTuple):
    """One field of a method's ``Config``."""

    name: str
    takes: str
    default: str | None  # None: it must be chosen
    comment: str


def built_in() -> dict[str, ModuleType]:
    """The methods that come with classay, without plug-ins."""
    names = sorted(m.name for m in iter_modules(methods.__path__) if not m.name.startswith("_"))
    return {name: import_module(f"classay.methods.{name}") for name in names}


def tested(name: str, module: ModuleType) -> dict[str, Any]:
    """The settings that the conformance tests run, by the names that they have there."""
    variants = {f"{name}.{key}": config for key, config in getattr(module, "VARIANTS", {}).items()}
    return {name: module.EXAMPLE, **variants}


def said(docstring: str) -> Said:
    """Take a docstring apart: its sentence, what follows, and the labelled lines at its end."""
    blocks: list[str] = []
    labelled: dict[str, str] = {}
    label = ""
    for block in re.split(r"\n\s*\n", inspect.cleandoc(docstring)):
        lines = block.splitlines()
        if label or LABEL.fullmatch(lines[0]):
            for line in lines:
                if found := LABEL.fullmatch(line):
                    label, line = found.groups()
                before, line = labelled.get(label, ""), escaped(line.strip())
                apart = "\n- " if line.startswith(ITEM) else " "
                labelled[label] = f"{before}{apart}{line}".strip()
        elif lines[0].startswith(" "):
            blocks.append(textwrap.indent(textwrap.dedent(block), "    "))
        elif block != "::":
            blocks.append(escaped(re.sub("::$", ":", block)))
    return Said(blocks[0], blocks[1:], labelled)


def escaped(text: str) -> str:
    """Plain words as Markdown that shows them as they are; ``code`` stays code."""
    parts = CODE.split(text)
    plain = [re.sub(r"([\\*_<])", r"\\\1", part) for part in parts[::2]]
    code = [f"`{part.strip('`')}`" for part in parts[1::2]]
    return "".join(p + c for p, c in zip(plain, [*code, ""], strict=True))


def settings(config: type) -> list[Setting]:
    """What may be set, what each setting takes, its default, and what the source says of it."""
    kinds, notes = get_type_hints(config, include_extras=True), _comments(config)
    return [
        Setting(f.name, _takes(kinds[f.name]), _default(f), notes.get(f.name, ""))
        for f in fields(config)
    ]


def plain(value: Any) -> str:
    """A value as a suite writes it."""
    return json.dumps(value, ensure_ascii=False).replace('"', "")


def _comments(config: type) -> dict[str, str]:
    """By field: the comment behind it, and those right above it."""
    found: dict[str, str] = {}
    for kind in reversed(config.__mro__[:-1]):
        source = Path(inspect.getsourcefile(kind) or "").read_text("utf-8")
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
        notes = {t.start[0]: t.string.lstrip("# ") for t in tokens if t.type == tokenize.COMMENT}
        alone = {n for n, line in enumerate(source.splitlines(), 1) if line.strip().startswith("#")}
        (tree,) = (
            node
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.ClassDef) and node.name == kind.__name__
        )
        for node in tree.body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                first, last = node.lineno, node.end_lineno or node.lineno
                while first - 1 in alone:
                    first -= 1
                texts = [notes[line] for line in range(first, last + 1) if line in notes]
                found[node.target.id] = escaped(" ".join(texts))
    return found


def _takes(kind: Any) -> str:
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        limits = [limit for part in parts[1:] for limit in getattr(part, "metadata", [part])]
        bounds = [
            f"{sign} {getattr(limit, name)}"
            for limit in limits
            for name, sign in BOUNDS.items()
            if getattr(limit, name, None) is not None
        ]
        return " ".join([_takes(parts[0]), ", ".join(bounds)]).strip()
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in parts)
    if origin in (Union, UnionType):
        return " or ".join(_takes(part) for part in parts)
    if origin in (tuple, list):
        return f"list of: {_takes(parts[0])}"
    return "`null`" if kind is NoneType else WORDS.get(kind, escaped(str(kind)))


def _default(field: Field[Any]) -> str | None:
    if field.default_factory is not MISSING:
        return plain(field.default_factory())
    return None if field.default is MISSING else plain(field.default)
