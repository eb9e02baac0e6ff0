"""What every built-in method costs and keeps, measured: docs/methods/measured.json.

    python -P docs/measure.py        seconds a method; needs torch; make docs runs it

Three domains of random tokens are learned on the demonstration base. What is counted (numbers that
learn, bytes, rows) does not depend on what was learned, unless a method decides by what it sees.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

sys.path.append(str(Path(__file__).parent))  # -P leaves a script's own folder out

import described

from classay import demonstration
from classay.adapters import Adapters
from classay.base import Base, BaseFiles
from classay.determinism import environment, no_hub_kernels
from classay.method import Phase
from classay.seeding import Seeds
from classay.sources import Record, Records
from classay.suite import AdapterSpec, Training
from classay.trainer import PhaseTraining

RESULT = Path(__file__).parent / "methods" / "measured.json"
DOMAINS = ("first", "second", "third")
STEPS, ROWS, BLOCK, RANK = 4, 2, 16, 8
SETTINGS = Training(
    tokens_per_domain=STEPS * ROWS * BLOCK, batch=ROWS, learning_rate=0.02, warmup_steps=1
)


def main() -> None:
    """Measure every method and write what was found."""
    environment(online=False)
    no_hub_kernels()
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(text(measured()), "utf-8")


def text(found: Mapping[str, Any]) -> str:
    """JSON, one setting of a method a line."""
    lines = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in found["methods"].items())
    return f'{{\n "on": {json.dumps(found["on"])},\n "methods": {{\n{lines}\n }}\n}}\n'


def measured() -> dict[str, Any]:
    """What is measured on; and for every method, every setting that its module wants tested."""
    with TemporaryDirectory() as folder:
        made = Record(id="0", split="train", text="a stone in the river, a dough in the oven")
        part = Records("text", (made,), (), (), "text of the measurement")
        files = demonstration.base(Path(folder), [part])
        found = {}
        for name, module in described.built_in().items():
            for key, config in described.tested(name, module).items():
                found[key] = measure(files, module.METHOD, config)
    on = {"parameters": files.parameters, "rank": RANK, "domains": len(DOMAINS)}
    return {"on": {**on, "rows": STEPS * ROWS, "block": BLOCK}, "methods": found}


def measure(files: BaseFiles, kind: Any, config: Any) -> dict[str, Any]:
    """What one method costs after each domain, and what it keeps after the last.

    files    the base
    kind     the class of the method
    config   its settings
    returns  ``cost``, three numbers a domain, and ``kept``, by the place that it has in a state
    """
    seeds = Seeds(0)
    spec = AdapterSpec(rank=RANK, alpha=2 * RANK)
    method = kind(Adapters(Base(files, "fp32", "cpu").model, spec, seeds), config, seeds)
    costs = []
    for index in range(len(DOMAINS)):
        phase = offered(index)
        method.begin_phase(phase)
        training = PhaseTraining(method, phase, SETTINGS, seeds)
        while training.step < training.steps:
            training.advance()
        method.model.eval()
        method.end_phase(phase)
        costs.append(list(method.cost()))
    tensors, about = method.state()
    return {"cost": costs, "kept": kept(tensors, about)}


def offered(index: int) -> Phase:
    """Random tokens, the same for every method."""
    generator = torch.Generator().manual_seed(100 + index)
    ids = torch.randint(2, 300, (STEPS, ROWS, BLOCK), generator=generator)
    return Phase(index, DOMAINS[index], tuple({"input_ids": b, "labels": b} for b in ids))


def kept(tensors: Mapping[str, torch.Tensor], about: Mapping[str, Any]) -> dict[str, Any]:
    """What a state holds, place by place, and how many offered rows stand in it word for word.

    A row is looked for in the bytes of what holds whole numbers, however it is laid out there, and
    in the text of ``about``.
    """
    rows = [r for i in range(len(DOMAINS)) for b in offered(i).batches for r in b["input_ids"]]
    places: dict[str, dict[str, Any]] = {}
    for key, tensor in sorted(tensors.items()):
        place = places.setdefault(
            "/".join(key.split("/")[:2]), {"tensors": 0, "bytes": 0, "formats": [], "rows": 0}
        )
        place["tensors"] += 1
        place["bytes"] += tensor.nbytes
        name = str(tensor.dtype).removeprefix("torch.")
        place["formats"] = sorted({*place["formats"], name})
        if not tensor.is_floating_point() and tensor.dtype != torch.bool:
            held = tensor.long().contiguous().numpy().tobytes()
            place["rows"] += sum(row.numpy().tobytes() in held for row in rows)
    told = json.dumps(about)
    if count := sum(str(row.tolist())[1:-1] in told for row in rows):
        size = len(told.encode())
        places["about"] = {"tensors": 0, "bytes": size, "formats": ["JSON"], "rows": count}
    return places


if __name__ == "__main__":
    main()
