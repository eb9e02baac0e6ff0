"""The regimes in order: what is timed, and what becomes of it when it cannot be."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from progress import elapsed, say

if TYPE_CHECKING:
    from timing import Call, Timed

PEER = 40  # seconds for one direction of a peer, its compilation among them


class Patience:
    """How long peers are waited for: so many seconds in all, and none that was once too slow."""

    def __init__(self, seconds: float) -> None:
        self.until, self.slow = elapsed() + seconds, set[tuple[str, int | None]]()

    def lost(self, implementation: str, n: int | None) -> str:
        """Why an implementation is not begun; empty where it is."""
        if elapsed() > self.until:
            return "not timed: the time for peers was spent"
        return "not timed: too slow before" if (implementation, n) in self.slow else ""


def rows(device: str, peers_for: float) -> Iterator[dict[str, Any]]:
    """Every time of every regime, the dearest last.

    peers_for  seconds from now in which peers are begun
    """
    gc.freeze()  # what is imported is no garbage, and looking through it takes longer than timing
    patience = Patience(peers_for)
    for about, calls in _cases(device):
        yield from _measured(about, calls, device, patience)
    yield from _steps(device)


def _cases(device: str) -> Iterator[tuple[dict[str, Any], Iterable[Any]]]:
    """Everything but the steps: what a case is, and all that can do it."""
    from projections import MIXED, cases, mixed, timed
    from residuals import mixes, residuals

    tiny = device == "cpu"
    for residual in residuals(tiny):
        about = {"regime": "d", "case": residual.words}
        yield about | residual._asdict(), mixes(residual, device)
    sizes = MIXED[:2] if tiny else MIXED
    about = {"regime": "a", "case": f"{len(sizes)} of sizes up to {max(sizes)}"}
    yield about, mixed(sizes, device)
    for case in cases(tiny):
        yield {"case": case.words} | case._asdict(), timed(case, device)


def _measured(
    about: dict[str, Any], calls: Iterable[Timed], device: str, patience: Patience
) -> Iterator[dict[str, Any]]:
    """Every implementation of one case; where launches are what costs, also in a graph."""
    from timing import RECORDED, Unsuited, at_most, graph, seconds

    queued = device == "cuda" and about["regime"] in "bd"
    modes: dict[str, Callable[[Call], Call]] = {"queued" if queued else "eager": lambda call: call}
    if device == "cuda" and about["regime"] in "ac":
        modes["CUDA graph"] = graph
    for each in calls:
        say(f"({about['regime']}) {about['case']}, {each.implementation}, {each.direction}")
        for mode, prepared in modes.items():
            row = about | {"implementation": each.implementation, "direction": each.direction}
            row |= {"mode": mode} | each.work._asdict()
            known, unsuited, begun = (each.implementation, about.get("n")), False, elapsed()
            try:
                if not each.ours and (reason := patience.lost(*known)):
                    raise Unsuited(reason)
                with nullcontext() if each.ours else at_most(PEER):
                    calls = RECORDED if prepared is graph else 1
                    row |= seconds(prepared(each.prepare()), device, queued, calls)
            except Unsuited as why:
                unsuited, row["did_not_run"] = True, str(why)
            except ModuleNotFoundError as error:
                unsuited, row["did_not_run"] = True, f"not installed: no module {error.name}"
            except Exception as error:  # noqa: BLE001 - a row, and red in the end if it is ours
                row["failed" if each.ours else "did_not_run"] = _words(error)
                if elapsed() - begun >= PEER:
                    patience.slow.add(known)
            _free(device)
            yield row
            if unsuited:
                break


def _steps(device: str) -> Iterator[dict[str, Any]]:
    nothing = {"implementation": "LoRA and CRMA", "direction": "step", "mode": "eager"}
    nothing |= {"regime": "e", "case": "every shape"}
    try:
        import steps
    except ImportError as error:
        yield nothing | {"failed": _words(error)}
        return
    for shape in steps.shapes(device == "cpu"):
        about = {"regime": "e", "case": shape.words}
        say(f"(e) {shape.words}")
        try:
            yield from (about | row for row in steps.rows(shape, device))
        except Exception as error:  # noqa: BLE001 - recorded, and red in the end
            yield nothing | about | {"failed": _words(error)}
        _free(device)


def _free(device: str) -> None:
    """Give back what the last implementation held, whether it ended or failed."""
    import torch

    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()


def _words(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
