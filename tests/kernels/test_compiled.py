"""Every kernel as it is shipped, compiled for a Hopper GPU where there is none."""

import json
import subprocess
import sys

import pytest

pytest.importorskip("torch")
pytest.importorskip("triton")

# Triton decides at its import whether functions are compiled or interpreted, so another process
# compiles. What a file ships stands in its SHIPPED; a file of kernels is a line of FILES.
FILES = [
    "classay.kernels.sinkhorn.resident",
    "classay.kernels.sinkhorn.streaming",
]
COMPILE = r"""
import json, re, subprocess, sys, tempfile
from importlib import import_module
from pathlib import Path
import triton
from triton.backends.compiler import GPUTarget
from triton.backends.nvidia.compiler import get_ptxas
from triton.compiler import ASTSource
from classay.kernels.compilation import fp_fusion

found = []
shipped = [each for name in sys.argv[1:] for each in import_module(name).SHIPPED]
for kernel, signature, constexprs, warps in shipped:
    names = list(signature)
    # torch's memory begins at multiples of 16 bytes, which Triton sees when it launches
    aligned = {(i,): [["tt.divisibility", 16]] for i, n in enumerate(names) if "*" in signature[n]}
    places = {(names.index(name),): value for name, value in constexprs.items()}
    source = ASTSource(kernel, dict(signature), places, aligned)
    options = {"num_warps": warps, "enable_fp_fusion": fp_fusion()}
    compiled = triton.compile(source, GPUTarget("cuda", 90, 32), options)
    with tempfile.TemporaryDirectory() as folder:
        ptx = Path(folder, "kernel.ptx")
        ptx.write_text(compiled.asm["ptx"])
        command = [get_ptxas(90).path, "-v", "--gpu-name", "sm_90a", ptx, "-o", f"{ptx}.o"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    first = next(iter(signature.values()))
    name = f"{kernel.__module__}.{kernel.__name__} {first} {constexprs} {warps} warps"
    registers = re.search(r"Used (\d+) registers", said).group(1)
    spilled = re.findall(r"(\d+) bytes spill (?:stores|loads)", said)
    assert len(spilled) == 2, said
    found.append([name, int(registers), sum(map(int, spilled))])
json.dump(found, sys.stdout)
"""


@pytest.mark.slow
def test_no_kernel_spills_a_register_on_hopper(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    command = [sys.executable, "-c", COMPILE, *FILES]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found
    assert [(name, spilled) for name, _, spilled in found if spilled] == []
