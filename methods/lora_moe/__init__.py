"""LoRAMoE: E LoRA experts in every module under a soft router, balanced within kinds of experts.

::

    W x + Σ_e ω_e(x) (α/r) B_e A_e x,    ω(x) = softmax(R x)          a token and module by itself

    Q_e,m = Σ_{tokens of row m} ω_e,    I_e,m = 1 + δ if e and m are of one kind, else 1 − δ
    Z = I ∘ Q

    paper       L + β Σ_modules var(Z) / mean(Z)
    released    L + β Σ_modules var(Z) / mean(Z)²

source      Dou et al. 2023 (arXiv:2312.09979), the sections on the architecture and on localized
            balancing; Ablustrund/LoRAMoE at commit 1177288 for ``released``: in its issue 3 the
            authors say that they mean the square
departures  every target module of the suite has experts, where the paper's are the feed-forward
            layers': name those in the suite's targets. The paper's two kinds are knowledge and all
            else; here a domain's kind is its place in the stream, modulo ``kinds``, and an expert's
            the part of the experts that it lies in
choices     modules add up; the variance of ``paper`` divides by the number of entries, that of
            ``released`` by one less, as the code's does, and there 10⁻¹⁰ is added to the
            denominator. R has no bias, starts as U(−1/√d_in, 1/√d_in) and has no weight
            decay. ω and the constraint are float32. Expert e starts as a fresh adapter of phase e.
            All experts share one draw of the dropout. Everything trains in every phase: nothing is
            frozen, and the latest state answers. ``no_memory`` sees the current domain; with
            ``memory`` every batch is followed by ``share`` times as many rows that were kept of
            earlier domains, on top of the budget
ablation    ``mixture``: the first expert answers alone
"""

from __future__ import annotations

from classay.methods.lora_moe.policy import LoRAMoE
from classay.methods.lora_moe.settings import Config

METHOD = LoRAMoE
EXAMPLE = Config(form="paper", experts=4, strength=0.1)  # runs in the conformance tests
VARIANTS = {
    "released": Config(form="released", experts=2, strength=1.0),
    "memory": Config(
        form="paper", experts=2, strength=0.1, variant="memory", examples=4, share=0.5
    ),
}
OFF = Config(form="paper", experts=1, strength=0.0, kinds=1)
