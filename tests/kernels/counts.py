"""How many instructions of Sinkhorn's kernels compute, with few registers and with all.

    python -P tests/kernels/counts.py

prints one JSON object a line, of launches of float32: the kernel, its constants, its registers, and
how many instructions of each kind make a number in it, with those registers and with all.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from tempfile import NamedTemporaryFile

from triton import knobs

sys.path.append(str(Path(__file__).parent))  # which -P leaves out
from hopper import compiled

from classay.kernels.sinkhorn import program

MAKES_A_NUMBER = re.compile(r"\b(FADD|FMUL|FFMA|FMNMX|MUFU\.\w+)\b")


def arithmetic(one) -> Counter:
    with NamedTemporaryFile(suffix=".cubin") as file:
        file.write(compiled(one).asm["cubin"])
        file.flush()
        # Triton's own reading of what this says leaves out lines
        command = [knobs.nvidia.nvdisasm.path, "-c", file.name]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return Counter(MAKES_A_NUMBER.findall(text))


if __name__ == "__main__":
    for one in program.CROWDED:
        if one.signature["logits"] != "*fp32":
            continue
        said = {
            "kernel": one.kernel.__name__,
            "constexprs": dict(one.constexprs),
            "registers": one.registers,
            "few": arithmetic(one),
            "all": arithmetic(one._replace(registers=program.ALL)),
        }
        sys.stdout.write(json.dumps(said) + "\n")
