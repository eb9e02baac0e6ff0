"""What a suite will cost and what its design can show, before anything runs; needs no torch."""

from __future__ import annotations

from types import ModuleType
from typing import NamedTuple

from classay import registry
from classay.base import Outline
from classay.errors import InsufficientEvidence
from classay.routing import ROWS
from classay.statistics.detectable_effect import detectable_effect
from classay.statistics.exact_p_floor import exact_p_floor
from classay.suite import Domain, Suite, World
from classay.trainer import LAYER
from classay.world import GENERAL

LEDGER_BYTES_A_STEP = 600  # a step row of five layers, measured
# Choices of a probe: not known of data that were not read yet, except of the built-in world.
CHOICES, CHOICES_IN_WORLD = 4, 8
BYTES = {"fp32": 4, "bf16": 2, "nf4": 0, "nf4_bf16": 0}  # of a moved weight; codes do not move


class MethodPlan(NamedTuple):
    """What one method of a suite costs over all its cells."""

    method: str
    bound: bool
    cells: int  # with those that are drawn again for the noise floor
    tokens_trained: int
    tokens_evaluated: int
    hours: float | None  # of one worker; None: the base is not known


class Plan(NamedTuple):
    """A suite before it is run."""

    methods: list[MethodPlan]
    cells: int
    hours: float | None
    disk_bytes: int | None
    p_floor_paired: float
    p_floor_unpaired: float
    detectable: float | None  # standard deviations of the paired difference; None: one seed


def plan(suite: Suite, base: Outline | None, gflops: float) -> Plan:
    """Cells, tokens, hours, disk, and the smallest p and effect that these seeds can show.

    ::

        hours = (4 N · tokens trained + 2 N · tokens evaluated) / speed       6 N if the base moves

    base     None if it is not known: hours and disk are then not estimable
    gflops   the speed that one worker is assumed to reach, in GFLOP/s
    source   performance model: a frozen base needs no weight gradient, so 4 N and not 6 N a token
    choices  every row is counted with ``tokens_per_item``, which it may not fill; a probe has 4
             choices, 8 in the built-in world, and the general text of that and a domain whose suite
             names no split of probes have none; work that cells share is counted in every cell: the
             true time is less by these. Validation, representation drift and what instrument checks
             compute again are not counted: it is more by those
    """
    domains, runs = len(suite.stream.domains), len(suite.seeds) * len(suite.all_orders())
    methods = []
    for name in suite.methods:
        cells = runs * (1 + suite.statistics.noise_draws if name == suite.redrawn else 1)
        method = _module(suite, name).METHOD
        config = registry.resolve(name, suite.methods[name])
        budgets = method.budgets(config, domains)
        evaluated = _every_phase(suite) + len(method.mechanisms(config)) * _ablated(suite)
        if suite.evaluation.routers and method.needs_domain_with(config):
            evaluated += _routed(suite)
        trained = round(budgets * suite.training.tokens_per_domain)
        hours = None
        if base is not None:
            backward = 4 if method.moves_base else 2
            flops = base.parameters * ((2 + backward) * trained + 2 * evaluated) * cells
            hours = flops / (gflops * 1e9) / 3600
        methods.append(
            MethodPlan(name, method.bound, cells, trained * cells, evaluated * cells, hours)
        )
    seeds = len(suite.seeds)
    try:
        detectable = detectable_effect(seeds)
    except InsufficientEvidence:
        detectable = None
    total = sum(method.cells for method in methods)
    moved = sum(m.cells for m in methods if _module(suite, m.method).METHOD.moves_base)
    return Plan(
        methods,
        total,
        sum(m.hours for m in methods if m.hours is not None) if base else None,
        _disk(suite, base, total, moved) if base else None,
        exact_p_floor(seeds, paired=True),
        exact_p_floor(seeds, paired=False),
        detectable,
    )


def _every_phase(suite: Suite) -> int:
    """Tokens of every domain's hold-out and probes, before training and after every phase."""
    rows = sum(_rows(suite, domain, prompts=0) for domain in suite.evaluated())
    return (len(suite.stream.domains) + 1) * rows * suite.evaluation.tokens_per_item


def _ablated(suite: Suite) -> int:
    """Tokens with one mechanism off: the hold-outs of 1 … T learned domains."""
    domains = len(suite.stream.domains)
    rows = domains * (domains + 1) // 2 * suite.evaluation.items_per_domain
    return rows * suite.evaluation.tokens_per_item


def _routed(suite: Suite) -> int:
    """Tokens that the routers need, whatever their number, at the end of one cell.

    The second line is there only where a router may leave a question to the base alone.

    ::

        T · Σ_k (items + (1 + choices) · probes) · L      under the adapter of each of T domains
        + Σ_k (items + choices · probes) · L              under the base alone
        + Σ_k (items + probes) · L + T · ROWS · block     features of the base alone, and of the
                                                          rows that routers are fitted to
    """
    domains, evaluation = suite.stream.domains, suite.evaluation
    rows = len(domains) * sum(_rows(suite, domain, prompts=1) for domain in domains)
    routers = [registry.load("router", name) for name in evaluation.routers]
    if any(getattr(router, "USES_BASE_ALONE", False) for router in routers):
        rows += sum(_rows(suite, domain, prompts=0) for domain in domains)
    rows += sum(evaluation.items_per_domain + _probes(suite, domain) for domain in domains)
    return rows * evaluation.tokens_per_item + len(domains) * ROWS * suite.stream.block


def _rows(suite: Suite, domain: Domain, prompts: int) -> int:
    """Rows of one domain: its items, and of each probe its choices and its prompt so many times."""
    choices = CHOICES_IN_WORLD if isinstance(domain.source, World) else CHOICES
    return suite.evaluation.items_per_domain + (choices + prompts) * _probes(suite, domain)


def _probes(suite: Suite, domain: Domain) -> int:
    source = domain.source
    if suite.evaluation.scored == "validation":
        return 0
    none = isinstance(source, World) and source.domain == GENERAL
    return 0 if none or not domain.splits.probe else suite.evaluation.probes_per_domain


def _module(suite: Suite, name: str) -> ModuleType:
    return registry.load("method", suite.method_of(name))


def _disk(suite: Suite, base: Outline, cells: int, moved: int) -> int:
    """Bytes of adapters and ledgers: one adapter and one set of step rows a phase.

    moved  those of the cells that train the base's own weights, which are saved as well
    """
    ranks = suite.adapter.rank
    adapter = sum(4 * ranks * sum(shape) for shape in _linear_shapes(base))
    ledger = suite.steps * LEDGER_BYTES_A_STEP
    whole = BYTES[suite.base.dtype] * base.parameters
    return len(suite.stream.domains) * (cells * (adapter + ledger) + moved * whole)


def _linear_shapes(base: Outline) -> list[tuple[int, ...]]:
    """Shapes of the matrices inside decoder layers."""
    return [shape for name, shape in base.shapes.items() if LAYER.search(name) and len(shape) == 2]
