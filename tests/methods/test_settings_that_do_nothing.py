"""A setting above 0 of which rounding leaves nothing is refused: it would be another method."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from classay import registry
from classay.errors import ConfigError

# a phase is offered 8 rows of 16 tokens: 1 % of either is less than half of one
OF_THE_ROWS = {
    "replay": {},
    "replay, fixed_share": {"memory": "fixed_share", "capacity": None},
    "x_lora": {},
    "adapter_fusion": {},
    "lora_moe": {"variant": "memory", "examples": 4},
}


@pytest.mark.parametrize("case", OF_THE_ROWS)
def test_a_share_of_less_than_half_a_row_is_refused_before_any_work(make, offered, case):
    module = registry.load("method", case.split(",")[0])
    method = make(module.METHOD, replace(module.EXAMPLE, share=0.01, **OF_THE_ROWS[case]))
    with pytest.raises(
        ConfigError, match=r"is offered 8 rows, of which a share of 0.01 is less than half a row: "
    ):
        method.begin_phase(offered(0))


@pytest.mark.parametrize(
    ("name", "key"), [("sdft_on_policy", "sampled"), ("sdft_rewrite", "rewritten")]
)
def test_a_share_of_less_than_half_a_token_is_refused_before_any_work(make, offered, name, key):
    module = registry.load("method", name)
    method = make(module.METHOD, replace(module.EXAMPLE, **{key: 0.01}))
    with pytest.raises(
        ConfigError, match=r"rows of 16 tokens, of which .* nothing would be written"
    ):
        method.begin_phase(offered(0))
