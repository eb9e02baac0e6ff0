"""Which of the settings that a search tried is the one to study, method by method.

A strength that was never tuned is no baseline, and one that was tuned on the hold-out is no test.
So settings are tried on validation records, which are cut from train, in a run of its own under
another order and another seed, the same number of settings for every method.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import yaml

from classay.errors import ConfigError
from classay.metrics import final_loss
from classay.study import Study
from classay.suite import Suite


class Tried(NamedTuple):
    """One setting of a search; ``loss`` is None if none of its cells came to its end."""

    name: str
    settings: dict[str, Any]
    loss: float | None  # nats/token
    cells: int  # that are done
    words: str


class Choice(NamedTuple):
    """What was tried for one method, and which is to be studied."""

    method: str
    tried: tuple[Tried, ...]
    chosen: Tried


def choose(study: Study) -> list[Choice]:
    """The setting of every method that ends with the least validation loss.

    ::

        F = mean over cells of 1 / T · Σ_j L[T, j]          least is chosen; the first of equals

    study    of a suite with ``candidates``, scored on validation records
    returns  one Choice a method, in the suite's order
    raises   ConfigError   no search, one that was scored on the hold-out, one with cells that are
                           neither done nor failed, or a method none of whose settings came through
    source   the loss after the last phase weighs what was learned and what was kept alike; the
             learning protocol of Chaudhry et al. 2019 (arXiv:1812.00420) for choosing on a stream
             that is not the study's
    choices  a setting with a failed cell is not chosen while another has none; its other cells are
             shown
    """
    suite = study.suite
    if not suite.candidates:
        raise ConfigError(
            f"{suite.name} has no candidates, so nothing was searched.\n"
            f"  Give it candidates, as docs/suites.md says, and run it."
        )
    if suite.evaluation.scored != "validation":
        raise ConfigError(
            f"{suite.name} was scored on the {suite.evaluation.scored}, and settings are chosen on "
            f"validation records.\n  Set evaluation.scored: validation and run the search anew."
        )
    if waiting := [r.cell.name for r in study.cells if r.state in ("pending", "running")]:
        raise ConfigError(
            f"{len(waiting)} cells of the search are not done, the first {waiting[0]}.\n"
            f"  Give `classay run` again: it goes on where it stopped."
        )
    return [_choice(study, method, names) for method, names in suite.candidates.items()]


def chosen_suite(raw: dict[str, Any], choices: list[Choice], search: str) -> dict[str, Any]:
    """A suite's keys with the chosen settings, and by which search.

    raw      as a suite file has it
    search   the identity of the run of the search, 64 hex digits
    raises   ConfigError   when the suite lacks a method that was searched
    """
    methods = dict(raw.get("methods") or {})
    if missing := sorted({choice.method for choice in choices} - set(methods)):
        raise ConfigError(
            f"the suite has no methods {missing}, for which settings were searched.\n"
            f"  Add them to the suite, or search for those that it has."
        )
    methods |= {choice.method: choice.chosen.settings for choice in choices}
    found = raw | {"methods": methods, "chosen_by": search}
    Suite.model_validate(found)
    return found


def text(raw: dict[str, Any]) -> str:
    """A suite as YAML."""
    return yaml.safe_dump(raw, sort_keys=False, allow_unicode=True)


def plain(choices: list[Choice]) -> list[dict[str, Any]]:
    """Choices as plain JSON."""
    return [
        {
            "method": choice.method,
            "chosen": choice.chosen.name,
            "tried": [tried._asdict() for tried in choice.tried],
        }
        for choice in choices
    ]


def _choice(study: Study, method: str, names: list[str]) -> Choice:
    tried = tuple(_tried(study, method, name) for name in names)
    whole = [t for t in tried if t.loss is not None and not t.words]
    if not (ready := whole or [t for t in tried if t.loss is not None]):
        raise ConfigError(
            f"none of the {len(tried)} settings of {method} came to its end: {tried[0].words}.\n"
            f"  `classay status RUN` names what failed. Try milder settings."
        )
    return Choice(method, tried, min(ready, key=lambda t: math.inf if t.loss is None else t.loss))


def _tried(study: Study, method: str, name: str) -> Tried:
    settings = {k: v for k, v in study.suite.methods[name].items() if k != "method"}
    runs = study.suite.method_of(name)
    if runs != method:
        settings = {"method": runs, **settings}
    losses = [
        float(final_loss.compute(matrix))
        for order in range(len(study.orders))
        for matrix in study.loss(name, order)
    ]
    failed = [
        record.end.failure
        for order in range(len(study.orders))
        for record in study.missing(name, order)
        if record.end
    ]
    words = f"{len(failed)} failed: {', '.join(sorted(set(map(str, failed))))}" if failed else ""
    return Tried(name, settings, sum(losses) / len(losses) if losses else None, len(losses), words)
