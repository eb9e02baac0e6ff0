"""One pass of a model over the same rows, for all who ask for it within one step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from classay.adapters import Adapters


class Passes:
    """A model that can be asked for the same thing several times and then works once.

    adapters  whose model it is; which of them is in use is part of what is asked
    choices   only while gradients are recorded: a pass without them is another's business, and the
              weights may be other ones by then
    """

    def __init__(self, adapters: Adapters) -> None:
        self._adapters = adapters
        self._made: list[tuple[Any, dict[str, Any], Any]] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapters.model, name)

    def __call__(self, **asked: Any) -> Any:
        import torch

        if self._made is None or not torch.is_grad_enabled():
            return self._adapters.model(**asked)
        state = (self._adapters.active, self._adapters.beside, self._adapters.model.training)
        for then, before, output in self._made:
            if then == state and _equal(before, asked):
                return output
        output = self._adapters.model(**asked)
        self._made.append((state, asked, output))
        return output

    @contextmanager
    def once(self) -> Iterator[None]:
        """Answer from what was already asked, until this is left."""
        self._made = []
        try:
            yield
        finally:
            self._made = None


def _equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    import torch

    if one.keys() != other.keys():
        return False
    pairs = [(one[key], other[key]) for key in one]
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else bool(a == b) for a, b in pairs)
