"""Report section: what was decided before any training."""

from __future__ import annotations

import json

from classay.evidence.rerun import Judged
from classay.reports.blocks import Block, Cell, Code, Definitions
from classay.study import Study

TITLE = "Plan"


def build(study: Study, judged: Judged) -> list[Block]:
    """The blocks of this section."""
    suite, training, plan = study.suite, study.suite.training, study.suite.statistics
    items: list[tuple[str, Cell]] = [
        ("Budget", f"{training.tokens_per_domain:,} tokens a domain, {suite.steps} steps of "
                   f"{training.batch} × {suite.stream.block}"),
        ("Learning rate", f"{training.learning_rate:g}"),
        ("Adapter", f"rank {suite.adapter.rank}, alpha {suite.adapter.alpha:g}, dropout "
                    f"{suite.adapter.dropout:g}"),
        ("Verdicts", f"{plan.retention} at a margin of {plan.margin:g}, {100 * plan.level:g} % "
                     f"interval, learning floor {plan.learning_floor:g} nats/token"),
        ("Scored", "validation records, cut from train; no hold-out item and no probe was seen"
                   if suite.evaluation.scored == "validation" else "hold-out records and probes"),
        ("Settings chosen by", Code(suite.chosen_by) if suite.chosen_by else
                               "the author of the suite; by no recorded search"),
        ("Reference", plan.reference),
        ("Must be found to retain", ", ".join(plan.accept) or "none"),
        ("Seeds", ", ".join(map(str, suite.seeds))),
        *((f"Order {i + 1}", " → ".join(order)) for i, order in enumerate(study.orders)),
        *((f"Settings of {m}", json.dumps(config, sort_keys=True))
          for m, config in suite.methods.items() if config),
        ("Digest of the base", Code(study.setting["content"]["base"])),
        ("Suite identity", Code(study.setting["identity"])),
    ]  # fmt: skip
    return [Definitions(items)]
