"""A study and what was concluded from it, to one HTML file that needs nothing else."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from importlib.resources import files
from typing import Any, NamedTuple

import yaml
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from classay import registry
from classay.errors import ClassayError, UnknownName
from classay.evidence.rerun import Judged
from classay.reports.blocks import Block
from classay.study import Study

LARGEST = 2_000_000  # bytes
# controls, formats (bidirectional and zero-width ones among them), surrogates, private use, and the
# two separators that end a line unseen
UNSEEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


class Section(NamedTuple):
    """A section that has been built."""

    name: str
    title: str
    blocks: list[Block]


class Cover(NamedTuple):
    """What stands above and below the sections."""

    title: str
    facts: str
    footer: Sequence[tuple[str, str]]  # words, and what is printed letter by letter after them
    banner: str = ""
    disclosures: Sequence[str] = ()  # what must be known of a method before its numbers are read


def render(study: Study, judged: Judged, profile: str | None = None) -> str:
    """The report of a run; see ``page``. Without a profile it gets its usual one."""
    return page(_of_a_run(study), profile_of(study, profile), study, judged)


def profile_of(study: Study, asked: str | None = None) -> str:
    """The profile that was asked for, else the usual one: "search" for a search, or "run".

    raises  UnknownName   no such profile of a run
    """
    known = [name for name, plan in _profiles().items() if plan["of"] == "run"]
    if asked is not None and asked not in known:
        raise UnknownName("profile", asked, known, "Ask for one of these.")
    return asked or ("search" if study.whole.suite.candidates else "run")


def page(cover: Cover, profile: str, *evidence: Any) -> str:
    """A report, as one file that needs nothing else.

    profile   which sections, in which order: a file of ``profiles/``
    evidence  what every section of that profile is built from
    returns   HTML; the same evidence gives the same bytes on any day and machine, with the same
              libraries
    raises    ClassayError   the report is too large to be opened comfortably
    """
    plan = _profiles()[profile]
    sections = []
    for name in plan["sections"]:
        module = registry.load("section", name)
        sections.append(Section(name, module.TITLE, module.build(*evidence)))
    template = _environment().get_template("report.html.j2")
    html = template.render(cover=cover, sections=sections, profile=plan["title"])
    if (size := len(html.encode())) > LARGEST:
        raise ClassayError(
            f"the report is {size:,} bytes and may have {LARGEST:,}.\n"
            f"  A browser must open it without waiting. Report fewer methods with --methods, or "
            f"take sections out of the profile."
        )
    return html


def visible(value: Any) -> Any:
    """Data as it is shown: characters that hide or reorder others become their code points."""
    if isinstance(value, Markup):
        return value
    return "".join(
        f"⟨U+{ord(c):04X}⟩" if unicodedata.category(c) in UNSEEN and c not in "\n\t" else c
        for c in str(value)
    )


def _of_a_run(study: Study) -> Cover:
    suite, orders = study.suite, len(study.orders)
    seeds = f"{len(suite.seeds)} seed{'' if len(suite.seeds) == 1 else 's'}"
    facts = [
        f"{len(study.methods)} methods",
        f"{len(suite.stream.domains)} domains",
        seeds,
        *([f"{orders} orders"] if orders > 1 else []),
        f"{suite.training.tokens_per_domain:,} tokens a domain",
        f"base of {study.setting['parameters']:,} parameters, {suite.base.dtype}",
    ]
    methods, said = dict.fromkeys(map(suite.method_of, study.methods)), "DISCLOSURE"
    random = "demonstration: random weights; says nothing about any method"
    search = "a search: what is called hold-out here are validation records, cut from train"
    searching = suite.evaluation.scored == "validation"
    without = f"an excerpt, without {len(study.left_out)} other methods of this run"
    banners = [
        *([without] if study.left_out else []),
        *([random] if suite.base.demonstration else []),
        *([search] if searching else []),
    ]
    return Cover(
        suite.title,
        " · ".join(facts),
        (
            (f"Suite {suite.name}, identity", study.setting["identity"]),
            (
                "A pure function of the run's ledgers; written again and compared byte for byte by",
                "classay verify RUN",
            ),
        ),
        "; ".join(banners),
        [text for name in methods if (text := getattr(registry.load("method", name), said, ""))],
    )


def _profiles() -> dict[str, dict[str, Any]]:
    """Every profile by name: its title, what it is of, its sections."""
    folder = files("classay.reports") / "profiles"
    return {
        path.name.removesuffix(".yaml"): yaml.safe_load(path.read_text("utf-8"))
        for path in folder.iterdir()
    }


def _environment() -> Environment:
    templates = files("classay.reports") / "templates"
    return Environment(
        loader=FunctionLoader(lambda name: (templates / name).read_text("utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
