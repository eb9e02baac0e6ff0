"""How Triton spreads the tiles of a launch over threads, for sm_90; no GPU is asked.

    python -P tests/kernels/layouts.py forward FULL PART …

prints a JSON object for every pair of sums of padded sizes: how often what is loaded, stored or
reduced has which shape and layout.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from pathlib import Path

sys.path.append(str(Path(__file__).parent))  # which -P leaves out
from hopper import laid_out

from classay.kernels.sinkhorn import program

ACCESS = re.compile(r"(tt\.load|tt\.store) .* : tensor<([\dx]+!tt\.ptr<\w+>, #\w+)>")
REDUCED = re.compile(r"\}\) : \(tensor<(.*?)>\) -> tensor<")


def layouts(way: str, full: int, part: int) -> Counter[str]:
    text = laid_out(program.shipped(way, "fp32", full, part))
    meant = dict(re.findall(r"^(#\w+) = (#.*)$", text, re.MULTILINE))
    found = [f"{what} {tensor}" for what, tensor in ACCESS.findall(text)]
    found += [f"reduced {tensor}" for tensor in REDUCED.findall(text)]
    return Counter(re.sub(r"#\w+", lambda m: meant.get(m[0], m[0]), one) for one in found)


if __name__ == "__main__":
    numbers = iter(map(int, sys.argv[2:]))
    for full, part in zip(numbers, numbers, strict=True):
        found = layouts(sys.argv[1], full, part)
        sys.stdout.write(json.dumps(found) + "\n")
