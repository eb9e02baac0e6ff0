"""The regimes in order: what is timed, and what becomes of it when it cannot be."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from progress import elapsed, say

if TYPE_CHECKING:
    from timing import Call

PEER = 40  # seconds for one direction of a peer, its compilation among them


def rows(device: str, peers_for: float) -> Iterator[dict[str, Any]]:
    """Every time of every regime, the dearest last.

    peers_for  seconds from now in which peers are begun
    """
    import steps

    gc.freeze()  # what is imported is no garbage, and looking through it takes longer than timing
    peers_until = elapsed() + peers_for
    for about, calls in _cases(device):
        yield from _measured(about, calls, device, peers_until)
    for shape in steps.shapes(device == "cpu"):
        about = {"regime": "e", "case": shape.words}
        say(f"(e) {shape.words}")
        try:
            yield from (about | row for row in steps.rows(shape, device))
        except Exception as error:  # noqa: BLE001 - recorded, and red in the end
            nothing = {"implementation": "LoRA and CRMA", "direction": "step", "mode": "eager"}
            yield about | nothing | {"failed": _words(error)}
        _free(device)


def _cases(device: str) -> Iterator[tuple[dict[str, Any], Iterable[Any]]]:
    """Everything but the steps: what a case is, and all that can do it."""
    from projections import MIXED, cases, mixed, timed
    from residuals import mixes, residuals

    tiny = device == "cpu"
    for residual in residuals(tiny):
        about = {"regime": "d", "case": residual.words}
        yield about | residual._asdict(), mixes(residual, device)
    about = {"regime": "a", "case": f"32 of sizes up to {max(MIXED)}"}
    yield about, mixed(device, tiny)
    for case in cases(tiny):
        yield {"case": case.words} | case._asdict(), timed(case, device)


def _measured(
    about: dict[str, Any], calls: Iterable[Any], device: str, peers_until: float
) -> Iterator[dict[str, Any]]:
    """Every implementation of one case; where launches are what costs, also in a graph."""
    from timing import Unsuited, at_most, graph, seconds

    queued = device == "cuda" and about["regime"] in "bd"
    modes: dict[str, Callable[[Call], Call]] = {"queued" if queued else "eager": lambda call: call}
    if device == "cuda" and about["regime"] in "ac":
        modes["CUDA graph"] = graph
    for each in calls:
        say(f"({about['regime']}) {about['case']}, {each.implementation}, {each.direction}")
        for mode, prepared in modes.items():
            row = about | {"implementation": each.implementation, "direction": each.direction}
            row |= {"mode": mode} | each.work._asdict()
            unsuited = not each.ours and elapsed() > peers_until
            try:
                if unsuited:
                    raise Unsuited("not timed: the time for peers was spent")
                with nullcontext() if each.ours else at_most(PEER):
                    row |= seconds(prepared(each.prepare()), device, queued)
            except Unsuited as reason:
                unsuited, row["did_not_run"] = True, str(reason)
            except ModuleNotFoundError as error:
                unsuited, row["did_not_run"] = True, f"not installed: no module {error.name}"
            except Exception as error:  # noqa: BLE001 - a row, and red in the end if it is ours
                row["failed" if each.ours else "did_not_run"] = _words(error)
            yield row
            if unsuited:
                break
        _free(device)


def _free(device: str) -> None:
    """Give back what the last implementation held, whether it ended or failed."""
    import torch

    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()


def _words(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
