"""The PTX of kernels as they are launched, for sm_90; no GPU is asked.

    python -P tests/kernels/ptx.py FOLDER

reads from its input a JSON list a line, ["sinkhorn", "forward", "fp32", FULL, PART] or
["mix", "fp32", N, R, D], and answers each with a JSON object: the text, and how many bytes of
shared memory a program has. What it has compiled is kept in FOLDER.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))  # which -P leaves out
from hopper import kept

from classay.kernels.sinkhorn import program
from classay.kernels.stream_mix.shipped import mixing


def mix(type_of_h: str, n: int, r: int, d: int):
    return mixing(n, r, d, type_of_h)


if __name__ == "__main__":
    for line in sys.stdin:
        which, *arguments = json.loads(line)
        one = {"sinkhorn": program.shipped, "mix": mix}[which](*arguments)
        found = kept(one, Path(sys.argv[1]))
        sys.stdout.write(json.dumps({"ptx": found.ptx, "shared": found.shared}) + "\n")
        sys.stdout.flush()
