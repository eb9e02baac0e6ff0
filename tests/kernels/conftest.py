"""What the kernels' tests share: Triton's interpreter, without what it repeats."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest


@pytest.fixture(scope="session", autouse=True)
def _patched_once_a_launch() -> Iterator[None]:
    """Triton's interpreter patches its language anew whenever one kernel calls another.

    That is a third of its time, and changes nothing where the modules of both are the same.
    """
    interpreter = pytest.importorskip("triton.runtime.interpreter")
    language = pytest.importorskip("triton.language")
    patched, launched = interpreter._patch_lang, interpreter.GridExecutor.__call__
    known: dict[frozenset[int], Any] = {}

    def once(kernel: Any) -> Any:
        modules = kernel.__globals__.values()
        of = frozenset(id(one) for one in modules if one is language or one is language.core)
        if of not in known:
            known[of] = patched(kernel)
        return known[of]

    def launch(*arguments: Any, **keywords: Any) -> None:
        known.clear()
        launched(*arguments, **keywords)

    with (
        patch.object(interpreter, "_patch_lang", once),
        patch.object(interpreter.GridExecutor, "__call__", launch),
    ):
        yield
