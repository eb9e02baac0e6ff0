"""Every kernel as it is shipped, compiled for a Hopper GPU where there is none."""

import json
import os
import subprocess
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("triton")

REGISTERS = 65_536  # of an SM
SHARED = 227 * 1024  # bytes that one program may have
HERE = Path(__file__).parent
# what a file ships stands in its SHIPPED; a file of kernels is a line of this list
FILES = [
    "classay.kernels.sinkhorn.program",
    "classay.kernels.stream_mix.shipped",
]


def compiled(script, cache, *arguments):
    # a process of its own: Triton reads TRITON_INTERPRET when a kernel is defined
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    run = subprocess.run(
        [sys.executable, "-P", str(HERE / script), *arguments],
        env=environment | {"TRITON_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("module", FILES)
def test_every_kernel_fits_on_hopper_and_spills_no_register(module, tmp_path):
    found = compiled("registers.py", tmp_path, module)
    assert len(found) == len(import_module(module).SHIPPED) > 0
    assert [one for one in found if one["spilled"] or one["shared"] > SHARED] == []
    # one program an SM, on which mix_tiles relies when it reads h again
    tiles = [one for one in found if one["kernel"].endswith(".mix_tiles")]
    assert all(2 * one["registers"] * 32 * one["warps"] > REGISTERS for one in tiles)


# layouts decide in which order a matrix is summed: laid out otherwise beside others than alone, it
# would have other bits. 4 stays in registers, and 128 is streamed
@pytest.mark.slow
@pytest.mark.parametrize("way", ["forward", "backward"])
def test_a_tile_is_laid_out_alike_whoever_shares_the_launch(way, tmp_path):
    sizes = (4, 128)
    alone = [mask for n in sizes for mask in ((n, 0), (0, n))]
    masks = [*alone, (sum(sizes), sum(sizes))]
    found = compiled("layouts.py", tmp_path, way, *(str(n) for mask in masks for n in mask))
    together = Counter(found.pop())
    expected = sum(map(Counter, found), Counter())
    assert sum(one.startswith("reduced") for one in together) > 10
    assert together == expected


def test_every_shape_that_is_promised_is_shipped():
    from classay.kernels.sinkhorn import program
    from classay.kernels.stream_mix.fused import token_sums
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
        if one.kernel is not token_sums
    }
    summed = {
        (one.signature["h"], one.constexprs["K"], one.constexprs["D"])
        for one in SHIPPED
        if one.kernel is token_sums
    }
    assert {2048, 3584, 4096} < set(DIMENSIONS)
    assert {n * r for n, r in STREAMS} == {8, 16, 32, 64}
    promised = {
        (pointer, n * r, d)
        for pointer in ("*bf16", "*fp32")
        for n, r in STREAMS
        for d in DIMENSIONS
    }
    assert mixed >= promised
    assert summed == promised
