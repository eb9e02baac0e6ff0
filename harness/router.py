"""Which adapter answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from classay.method import Method

ORACLE = "oracle"  # the router is told the domain of every question


@contextmanager
def answering(
    method: Method | None, router: str, domain: str | None, ablation: str | None = None
) -> Iterator[None]:
    """The state in which a question about ``domain`` is answered.

    method     None is the base alone
    router     its name; it stands in every row that it led to
    domain     None: of no domain that was learned
    ablation   the mechanism that is off; None: all are as the method left them
    """
    if router != ORACLE:
        raise ValueError(f"router {router!r} is not known; this version routes by {ORACLE!r} only.")
    with ExitStack() as state:
        if method is not None:
            if ablation is not None:
                state.enter_context(method.ablations()[ablation])
            state.enter_context(method.answering(domain))
        yield
