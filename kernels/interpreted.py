"""Whether Triton's interpreter runs the kernels: it knows no assembler and no fast reductions."""

from __future__ import annotations

import os

import triton.language as tl

INTERPRETED = tl.constexpr(os.environ.get("TRITON_INTERPRET") == "1")
