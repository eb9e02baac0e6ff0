"""What was asked of the kernels, and whether the times of one machine meet it."""

from __future__ import annotations

from typing import Any, NamedTuple

LARGEST = 64  # n of the matrices whose latency is asked for
OURS = ("fused", "LoRA alone", "CRMA", "Sinkhorn alone")
# why a peer is faster, where it is known: (regime, implementation, direction) -> a sentence
REASONS: dict[tuple[str, str, str], str] = {}
Rows = list[dict[str, Any]]


class Bar(NamedTuple):
    """One thing that was asked."""

    what: str
    asked: str
    measured: str
    met: bool | None  # None: not measured


def table(found: dict[str, Any]) -> list[str]:
    """Every bar with what was measured, and every time in which a peer is faster."""
    rows = found["rows"]
    bars = [
        *_latency(rows), *_bandwidth(rows), *_residual(rows), *_steps(rows), _failed(rows),
        _beside_peers(rows),
    ]  # fmt: skip
    lines = ["| what | asked | measured | |", "|---|---|---|---|"]
    for bar in bars:
        verdict = {True: "met", False: "**not met**", None: "not measured"}[bar.met]
        lines.append(f"| {bar.what} | {bar.asked} | {bar.measured} | {verdict} |")
    if faster := _faster(rows):
        lines += ["", "Where a peer is faster:", ""]
        lines += ["| regime | case | peer | direction | mode | times ours | why |"]
        lines += ["|---|---|---|---|---|---:|---|"]
    for row in faster:
        why = REASONS.get((row["regime"], row["implementation"], row["direction"]), "")
        cells = [row[key] for key in ("case", "implementation", "direction", "mode")]
        lines.append(
            f"| ({row['regime']}) | {' | '.join(cells)} | {row['times_ours']:.2f} | {why} |"
        )
    return lines


def _latency(rows: Rows) -> list[Bar]:
    graphs = [row for row in _fused(rows, "a") if row["mode"] == "CUDA graph"]
    same = [row for row in graphs if row.get("matrices") == 32 and row["n"] <= LARGEST]
    mixed = [row for row in graphs if "matrices" not in row]
    return [
        _slowest(f"(a) {words} in a CUDA graph, {direction}", members, direction, limit)
        for words, members in ((f"32 matrices of n ≤ {LARGEST}", same), ("32 mixed sizes", mixed))
        for direction, limit in (("forward", 10e-6), ("backward", 15e-6))
    ]


def _slowest(what: str, rows: Rows, direction: str, limit: float) -> Bar:
    found = [row for row in rows if row["direction"] == direction]
    asked = f"≤ {1e6 * limit:.0f} µs"
    if not found:
        return Bar(what, asked, "–", None)
    worst = max(found, key=lambda row: row["seconds"])
    measured = f"{1e6 * worst['seconds']:.1f} µs ({worst['case']})"
    return Bar(what, asked, measured, worst["seconds"] <= limit)


def _bandwidth(rows: Rows) -> list[Bar]:
    bars = []
    for n, share in ((4, 0.45), (16, 0.8), (32, 0.8), (64, 0.8)):
        what, asked = f"(b) n = {n}, forward, the most matrices", f"≥ {100 * share:.0f} % of a copy"
        sized = [r for r in _fused(rows, "b") if r["n"] == n and r["direction"] == "forward"]
        if not sized:
            bars.append(Bar(what, asked, "–", None))
            continue
        row = max(sized, key=lambda row: row["matrices"])
        measured = f"{100 * row['share_of_copy']:.1f} % ({row['case']})"
        if "attainable" in row:
            measured += (
                f", {100 * row['share_of_attainable']:.0f} % of the "
                f"{100 * row['attainable']:.0f} % that its operations leave"
            )
        bars.append(Bar(what, asked, measured, row["share_of_copy"] >= share))
    return bars


def _residual(rows: Rows) -> list[Bar]:
    fused = _fused(rows, "d")
    most = max((row["tokens"] for row in fused), default=0)
    bars = []
    for direction in ("forward", "backward"):
        for words, least in ((f"{most:,} tokens", most), ("every number of tokens", 0)):
            members = [r for r in fused if r["direction"] == direction and r["tokens"] >= least]
            what, asked = f"(d) stream_mix, {direction}, {words}", "≥ 75 % of a copy"
            if not members:
                bars.append(Bar(what, asked, "–", None))
                continue
            row = min(members, key=lambda row: row["share_of_copy"])
            measured = f"{100 * row['share_of_copy']:.1f} % ({row['case']})"
            bars.append(Bar(what, asked, measured, row["share_of_copy"] >= 0.75))
    return bars


def _steps(rows: Rows) -> list[Bar]:
    bars = []
    for row in _timed(rows, "e"):
        if "over_lora" in row:
            low, high = row["over_lora_middle_half"]
            measured = (
                f"{_percent(row['over_lora'])} (half of them {_percent(low)} to {_percent(high)})"
            )
            what = f"(e) CRMA's step over LoRA's, {row['case']}"
            bars.append(Bar(what, "≤ 2 %", measured, row["over_lora"] <= 0.02))
        if "share_of_step" in row:
            what = f"(e) Sinkhorn alone, {row['mode']}, {row['case']}"
            measured = f"{100 * row['share_of_step']:.3f} % ({1e6 * row['seconds']:,.0f} µs)"
            bars.append(Bar(what, "< 0.2 % of LoRA's step", measured, row["share_of_step"] < 0.002))
    return bars or [Bar("(e) steps", "≤ 2 % and < 0.2 %", "–", None)]


def _failed(rows: Rows) -> Bar:
    failed = [f"({r['regime']}) {r['case']}, {r['direction']}" for r in rows if "failed" in r]
    return Bar("every case of ours runs", "all", "; ".join(failed) or "all", not failed)


def _beside_peers(rows: Rows) -> Bar:
    compared = [row for row in rows if row["implementation"] not in OURS and "times_ours" in row]
    faster = len(_faster(rows))
    measured = f"slower than a peer in {faster} of {len(compared)} times"
    return Bar("faster than every peer", "everywhere", measured, not faster if compared else None)


def _faster(rows: Rows) -> Rows:
    peers = [row for row in rows if row["implementation"] not in OURS]
    return [row for row in peers if row.get("times_ours", 1.0) < 1.0]


def _fused(rows: Rows, regime: str) -> Rows:
    return [row for row in _timed(rows, regime) if row["implementation"] == "fused"]


def _timed(rows: Rows, regime: str) -> Rows:
    return [row for row in rows if row["regime"] == regime and "seconds" in row]


def _percent(share: float) -> str:
    return f"{100 * share:+.2f} %"
