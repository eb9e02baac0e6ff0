"""The pages of docs/methods: one a built-in method, from its module and what was measured of it.

    python -P docs/generate.py       needs no torch; make docs measures first

A page holds nothing that is written by hand. What is wrong in one is mended in the module.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

sys.path.append(str(Path(__file__).parent))  # -P leaves a script's own folder out

import described

PAGES = Path(__file__).parent / "methods"
MEASURED = PAGES / "measured.json"
DOMAINS = (1, 2, 3, 5)  # for how many a page says what they cost


def main() -> None:
    """Write every page anew, and take away those of methods that are gone."""
    made = pages(json.loads(MEASURED.read_text("utf-8")))
    for path in PAGES.glob("*.md"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (PAGES / name).write_text(text, "utf-8")


def pages(measured: Mapping[str, Any]) -> dict[str, str]:
    """The name of every file and its text; ``measured`` is what docs/measure.py found."""
    modules = described.built_in()
    known = measured["methods"]
    tested = [key for name, module in modules.items() for key in described.tested(name, module)]
    if lacking := [key for key in tested if key not in known]:
        raise SystemExit(
            f"{', '.join(lacking)} not in {MEASURED.name}, which holds what a page says of costs.\n"
            f"  Run docs/measure.py, or make docs."
        )
    written = {f"{name}.md": page(name, module, measured) for name, module in modules.items()}
    return {"README.md": index(modules, measured), **written}


def index(modules: Mapping[str, ModuleType], measured: Mapping[str, Any]) -> str:
    """The page that leads to the others."""
    rows = []
    for name, module in modules.items():
        kind, config = module.METHOD, module.EXAMPLE
        does = described.said(module.__doc__ or "").sentence
        owed = [f"`{s.name}`" for s in described.settings(module.Config) if s.default is None]
        _, size, examples = measured["methods"][name]["cost"][-1]
        rows.append(
            [
                f"[{name}]({name}.md){' (bound)' if kind.bound else ''}",
                does.partition(": ")[2] or does,
                ", ".join(owed) or "nothing",
                "yes" if kind.needs_domain_with(config) else "no",
                budgets(kind, config, [5]),
                f"{size:,}",
                f"{examples:,}",
            ]
        )
    heads = ["method", "what it does", "to be chosen", "must be told the domain"]
    heads += ["budgets of 5 domains", "bytes stored", "training rows stored"]
    on = measured["on"]
    parts = [
        "<!-- Written by docs/generate.py. -->",
        "# Methods",
        "One page a method, written by `make docs` from the method's module and from what was "
        "measured of it.",
        table(heads, rows),
        f"The last four columns are those of the settings that the conformance tests run. Bytes "
        f"and rows are stored beside the adapter in training after {on['domains']} domains of "
        f"{on['rows']} rows, with rank {on['rank']}, on a base of {on['parameters']:,} parameters. "
        f"A method of your own begins with `classay new method NAME`.",
    ]
    return "\n\n".join(parts) + "\n"


def page(name: str, module: ModuleType, measured: Mapping[str, Any]) -> str:
    """The page of one method."""
    said = described.said(module.__doc__ or "")
    package = Path(module.__file__ or "").name == "__init__.py"
    place = f"methods/{name}/" if package else f"methods/{name}.py"
    parts = [
        f"<!-- Written by docs/generate.py from {place}. Mend it there, then make docs. -->",
        f"# {name}",
        said.sentence,
    ]
    if disclosure := getattr(module, "DISCLOSURE", None):
        parts.append(f"> {described.escaped(disclosure)}")
    parts += said.body
    for label, text in said.labelled.items():
        parts += [f"## {label.capitalize()}", text]
    if certifies := getattr(module, "CERTIFIES", None):
        parts += ["## What its promises certify", described.escaped(certifies)]
    tested = described.tested(name, module)
    found = {key: measured["methods"][key] for key in tested}
    parts += ["## Settings", *accepted(module)]
    parts += ["## What a plan is told", *planned(module.METHOD, tested)]
    parts += ["## Cost", *costs(found, measured)]
    parts += ["## What it keeps of the past", *kept(found, measured)]
    return "\n\n".join(parts) + "\n"


def accepted(module: ModuleType) -> list[str]:
    """The settings, their defaults and what the source says of them."""
    parts = [described.escaped(inspect.getdoc(module.Config) or "")]
    if settings := described.settings(module.Config):
        rows = [
            [f"`{s.name}`", s.takes, "choose it" if s.default is None else f"`{s.default}`"]
            for s in settings
        ]
        rows = [[*row, s.comment or "–"] for row, s in zip(rows, settings, strict=True)]
        parts.append(table(["setting", "takes", "default", "what it is"], rows))
    if (off := getattr(module, "OFF", None)) is not None:
        parent = getattr(module, "PARENT", "naive_lora")
        parts.append(
            f"Under {written(off)} its mechanism is off, and what is left is "
            f"[{parent}]({parent}.md), byte for byte."
        )
    return parts


def planned(kind: Any, tested: Mapping[str, Any]) -> list[str]:
    """What a plan asks of it before anything runs."""
    rows = [
        [
            f"`{key}`",
            written(config),
            budgets(kind, config, DOMAINS),
            "yes" if kind.needs_domain_with(config) else "no",
            ", ".join(f"`{mechanism}`" for mechanism in kind.mechanisms(config)) or "nothing",
        ]
        for key, config in tested.items()
    ]
    heads = ["", "settings", f"budgets of {' / '.join(map(str, DOMAINS))} domains"]
    heads += ["must be told the domain", "can be switched off"]
    role = "a bound, not a competitor" if kind.bound else "a competitor"
    first = "is plain LoRA, byte for byte" if kind.plain_first_phase else "is its own"
    return [f"It is {role}. Its first phase {first}.", table(heads, rows)]


def costs(found: Mapping[str, Any], measured: Mapping[str, Any]) -> list[str]:
    """What was measured of its price."""
    on, plain = measured["on"], measured["methods"]["naive_lora"]["cost"][0][0]
    rows = [
        [f"`{k}`", *(" / ".join(f"{n:,}" for n in after) for after in zip(*f["cost"], strict=True))]
        for k, f in found.items()
    ]
    return [
        f"Measured after each of {on['domains']} domains of {on['rows']} rows of {on['block']} "
        f"tokens, with adapters of rank {on['rank']} on a base of {on['parameters']:,} parameters. "
        f"What is stored comes on top of what is in training, which is {plain:,} numbers, "
        f"{4 * plain:,} bytes, in `naive_lora`.",
        table(["", "numbers that learn", "bytes stored", "training rows stored"], rows),
    ]


def kept(found: Mapping[str, Any], measured: Mapping[str, Any]) -> list[str]:
    """What stands in its state after the last domain, and what of it is training text."""
    alike: dict[str, list[str]] = {}
    for key, of in found.items():
        alike.setdefault(json.dumps(of["kept"]), []).append(f"`{key}`")
    rows = [
        [
            ", ".join(keys),
            f"`{place}`",
            str(held["tensors"]),
            ", ".join(held["formats"]),
            f"{held['bytes']:,}",
            str(held["rows"]),
        ]
        for state, keys in alike.items()
        for place, held in json.loads(state).items()
    ]
    verbatim = [k for k, f in found.items() if any(held["rows"] for held in f["kept"].values())]
    other = [k for k, f in found.items() if f["cost"][-1][2] and k not in verbatim]
    says = []
    if verbatim:
        says.append(f"Training rows, token by token, under {listed(verbatim)}.")
    if other:
        says.append(
            f"Training rows, in a form that does not show their tokens, under {listed(other)}."
        )
    on = measured["on"]
    return [
        " ".join(says) or "No training row. What was computed from them can still tell of them.",
        f"After the last domain its state holds this; the last column counts which of the "
        f"{on['domains'] * on['rows']} rows that were offered stand there token by token.",
        table(["", "place", "tensors", "format", "bytes", "training rows found"], rows),
    ]


def budgets(kind: Any, config: Any, domains: tuple[int, ...] | list[int]) -> str:
    """What streams of so many domains cost, in budgets of one."""
    return " / ".join(f"{float(kind.budgets(config, count)):g}" for count in domains)


def written(config: Any) -> str:
    """Settings as a suite writes them."""
    pairs = [f"{key}: {described.plain(value)}" for key, value in asdict(config).items()]
    return f"`{{{', '.join(pairs)}}}`"


def listed(names: list[str]) -> str:
    """Names as code, one after another."""
    return ", ".join(f"`{name}`" for name in names)


def table(heads: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', '&#124;').replace(chr(10), ' ') for cell in line)} |"
        for line in lines
    )


if __name__ == "__main__":
    main()
