"""Every kernel as it is shipped, compiled for a Hopper GPU where there is none."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("triton")

REGISTERS = 65_536  # of an SM
SCRIPT = Path(__file__).with_name("registers.py")
# what a file ships stands in its SHIPPED; a file of kernels is a line of this list
FILES = [
    "classay.kernels.sinkhorn.program",
    "classay.kernels.stream_mix.shipped",
]


@pytest.mark.slow
@pytest.mark.parametrize("module", FILES)
def test_no_kernel_spills_a_register_on_hopper(module, tmp_path):
    # a process of its own: Triton reads TRITON_INTERPRET when a kernel is defined
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    run = subprocess.run(
        [sys.executable, "-P", str(SCRIPT), module],
        env=environment | {"TRITON_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    found = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(found) == len(import_module(module).SHIPPED) > 0
    assert [one for one in found if one["spilled"]] == []
    # one program an SM, on which mix_tiles relies when it reads h again
    tiles = [one for one in found if one["kernel"].endswith(".mix_tiles")]
    assert all(2 * one["registers"] * 32 * one["warps"] > REGISTERS for one in tiles)


def test_every_shape_that_is_promised_is_shipped():
    from classay.kernels.sinkhorn import program
    from classay.kernels.stream_mix.shipped import DIMENSIONS, SHIPPED, STREAMS

    sinkhorn = [
        (one.kernel, one.signature["logits"], one.constexprs["FULL"], one.constexprs["PART"])
        for one in program.SHIPPED
    ]
    sizes = [2, 4, 8, 16, 32, 64, 128, 256]
    assert set(sinkhorn) == {
        (kernel, logits, *masks)
        for kernel in (program.forward, program.backward)
        for logits in ("*bf16", "*fp32")
        for n in sizes
        for masks in ((n, 0), (0, n))
    }
    mixed = {
        (one.signature["h"], one.constexprs["N"] * one.constexprs["R"], one.constexprs["D"])
        for one in SHIPPED
        if "h" in one.signature
    }
    assert {2048, 3584, 4096} < set(DIMENSIONS)
    assert {n * r for n, r in STREAMS} == {8, 16, 32, 64}
    assert mixed >= {
        (pointer, n * r, d)
        for pointer in ("*bf16", "*fp32")
        for n, r in STREAMS
        for d in DIMENSIONS
    }
