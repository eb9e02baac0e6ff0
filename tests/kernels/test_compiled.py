"""Every kernel as it is shipped, compiled for a Hopper GPU where there is none."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from .reductions import apart

pytest.importorskip("torch")
pytest.importorskip("triton")

from classay.kernels.sinkhorn.program import REGISTERS_OF_AN_SM

SHARED = 227 * 1024  # bytes that one program may have
PARTS = 4  # of what a file ships, each compiled by a test of its own, as other cores have time too
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


def fits(module, name, first, step, launches, cache):
    arguments = (str(launches), module, name, str(first), str(step))
    found = compiled("registers.py", cache, *arguments)
    assert len(found) == len(getattr(import_module(module), name)[first::step]) > 0
    assert [one for one in found if one["spilled"] or one["shared"] > SHARED] == []
    assert [one for one in found if one["apart"]] == []
    # one program an SM, on which mix_tiles relies when it reads h again
    tiles = [one for one in found if one["kernel"].endswith(".mix_tiles")]
    assert all(2 * one["registers"] * 32 * one["warps"] > REGISTERS_OF_AN_SM for one in tiles)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(PARTS))
@pytest.mark.parametrize("module", FILES)
def test_every_kernel_fits_on_hopper_spills_no_register_and_adds_up_neighbours(
    module, first, launches, tmp_path
):
    fits(module, "SHIPPED", first, PARTS, launches, tmp_path)


@pytest.mark.exhaustive
@pytest.mark.parametrize("first", range(PARTS))
def test_a_launch_of_every_size_spills_no_register(first, launches, tmp_path):
    fits("classay.kernels.sinkhorn.program", "EVERY_SIZE", first, PARTS, launches, tmp_path)


# of #linear, lanes 0 and 16 are along axis 1, and those between them are not
LAID_OUT = """
#blocked = #ttg.blocked<{sizePerThread = [1, 1], threadsPerWarp = [2, 16], order = [1, 0]}>
#linear = #ttg.linear<{register = [], lane = [[0, 1], [1, 0], [2, 0], [4, 0], [0, 2]], warp = []}>
#linear1 = #ttg.linear<{register = [[0, 4]], lane = [[0, 1], [0, 2], [1, 0], [2, 0], [4, 0]]}>
  %1 = "tt.reduce"(%0) <{axis = AXIS : i32}> ({
  ^bb0(%a: f32 loc(#loc1), %b: f32 loc(#loc1)):
    %c = arith.addf %a, %b : f32 loc(#loc2)
    tt.reduce.return %c : f32 loc(#loc2)
  }) : (tensor<8x4xf32, LAYOUT>) -> tensor<8xf32, #ttg.slice<{dim = AXIS, parent = LAYOUT}>>
"""


@pytest.mark.parametrize(
    ("layout", "axis", "expected"),
    [
        ("#blocked", 0, 0),
        ("#blocked", 1, 0),
        ("#linear", 0, 0),
        ("#linear", 1, 1),
        ("#linear1", 1, 0),
        ("#ttg.slice<{dim = 0, parent = #linear}>", 0, 1),
        ("#ttg.slice<{dim = 1, parent = #linear}>", 0, 0),
    ],
)
def test_sums_over_lanes_apart_are_found(layout, axis, expected):
    text = LAID_OUT.replace("LAYOUT", layout).replace("AXIS", str(axis))
    assert len(apart(text)) == expected


def test_a_layout_that_is_not_known_is_not_taken_for_a_good_one():
    with pytest.raises(NotImplementedError, match="#mma"):
        apart(LAID_OUT.replace("LAYOUT", "#mma").replace("AXIS", "1"))


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
        for masks in ((n, 0), (0, n), (192, 192))
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
