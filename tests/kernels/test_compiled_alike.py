"""A matrix is computed alike with few registers and with all, and whoever shares its launch."""

from collections import Counter

import pytest

pytest.importorskip("torch")
pytest.importorskip("triton")

from .test_compiled import compiled, fits


@pytest.mark.slow
def test_with_few_registers_none_spills(launches, tmp_path):
    fits("classay.kernels.sinkhorn.program", "CROWDED", 0, 1, launches, tmp_path)


# a matrix has the same bits alone and among so many that programs have fewer registers. That as
# many instructions of each kind compute is what is seen of it here; a GPU compares the bits
@pytest.mark.exhaustive
def test_with_few_registers_as_much_is_computed(tmp_path):
    found = compiled("counts.py", tmp_path)
    back = [one["constexprs"] for one in found if one["kernel"] == "backward"]
    assert [one["FULL"] for one in back] == [2, 4, 8, 16, 32, 64, 0]
    assert {one["kernel"] for one in found} == {"forward", "backward"}
    assert all(sum(one["all"].values()) > 500 for one in found)
    assert [one for one in found if one["few"] != one["all"]] == []


# layouts decide in which order a matrix is summed: laid out otherwise beside others than alone, it
# would have other bits. 4 stays in registers, and of 128 some is streamed
@pytest.mark.slow
@pytest.mark.parametrize("way", ["forward", "backward"])
def test_a_tile_is_laid_out_alike_whoever_shares_the_launch(way, tmp_path):
    sizes = (4, 128)
    alone = [mask for n in sizes for mask in ((n, 0), (0, n))]
    masks = [*alone, (sum(sizes), sum(sizes))]
    found = compiled("layouts.py", tmp_path, way, *(str(n) for mask in masks for n in mask))
    together = Counter(found.pop())
    expected = sum(map(Counter, found), Counter())
    assert sum(times for one, times in together.items() if one.startswith("reduced")) > 10
    assert together == expected
