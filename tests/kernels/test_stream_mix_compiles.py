"""Every shipped configuration of stream_mix compiles for sm_90 and fits into its registers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("triton")

from classay.kernels.stream_mix.shipped import DIMENSIONS, SHIPPED, STREAMS

REGISTERS = 65_536  # of an SM
SCRIPT = Path(__file__).with_name("registers.py")


@pytest.mark.slow
def test_nothing_that_is_shipped_spills(tmp_path):
    # a process of its own: Triton reads TRITON_INTERPRET when a kernel is defined
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    run = subprocess.run(
        [sys.executable, "-P", str(SCRIPT), "classay.kernels.stream_mix.shipped"],
        env=environment | {"TRITON_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    found = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(found) == len(SHIPPED)
    assert [one for one in found if one["spilled"]] == []
    # one program an SM, on which mix_tiles relies when it reads h again
    tiles = [one for one in found if one["kernel"] == "mix_tiles"]
    assert all(2 * one["registers"] * 32 * one["warps"] > REGISTERS for one in tiles)


def test_what_is_promised_is_shipped():
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
