"""What the kernels' tests share: Triton's interpreter, without what it repeats."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest


@pytest.fixture(scope="session")
def launches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where launches are kept once they are compiled; all workers of a session have the same."""
    mine = tmp_path_factory.getbasetemp()
    folder = (mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine) / "launches"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="module", autouse=True)
def _patched_once_a_launch() -> Iterator[None]:
    """Triton's interpreter patches its language anew whenever one kernel calls another.

    That takes much of its time, and changes nothing where the modules of both are the same.
    """
    if os.environ.get("TRITON_INTERPRET") != "1" or find_spec("triton") is None:
        yield
        return
    from triton import language
    from triton.runtime import interpreter

    patched, launched = interpreter._patch_lang, interpreter.GridExecutor.__call__
    known: dict[frozenset[int], Any] = {}

    def once(kernel: Any) -> Any:
        named = kernel.__globals__.values()
        modules = frozenset(id(one) for one in named if one is language or one is language.core)
        if modules not in known:
            known[modules] = patched(kernel)
        return known[modules]

    def launch(*arguments: Any, **keywords: Any) -> None:
        known.clear()
        try:
            launched(*arguments, **keywords)
        finally:
            known.clear()

    with (
        patch.object(interpreter, "_patch_lang", once),
        patch.object(interpreter.GridExecutor, "__call__", launch),
    ):
        yield


@pytest.fixture(scope="module", autouse=True)
def _a_row_is_summed_alike_wherever_it_stands() -> Iterator[None]:
    """The interpreter multiplies matrices by numpy's BLAS, and a tensor core by none.

    On processors without AVX-512 it sums a row of float32 otherwise at another place in the tile,
    so that a token would have other bits in a batch than alone. In float64 the order is lost when
    the product is rounded.
    """
    if os.environ.get("TRITON_INTERPRET") != "1" or find_spec("triton") is None:
        yield
        return
    import numpy as np
    from triton.runtime import interpreter

    def dot(_: Any, a: Any, b: Any, d: Any, *_precision: Any) -> Any:
        assert a.data.dtype == b.data.dtype == d.data.dtype == np.float32
        product = np.matmul(a.data, b.data, dtype=np.float64).astype(np.float32)
        return interpreter.TensorHandle(product + d.data, d.dtype.scalar)

    with patch.object(interpreter.InterpreterBuilder, "create_dot", dot):
        yield
