"""The plug-in that the laws run over is a package that pip installed."""

from __future__ import annotations

from importlib.metadata import distribution, entry_points
from pathlib import Path

import pytest

pytest.importorskip("torch")

from classay import registry


def test_it_is_a_method_as_the_built_in_ones_are():
    assert "plugged_in" in registry.names("method")


def test_it_comes_from_its_distribution_and_not_from_this_checkout():
    (point,) = entry_points(group="classay.methods", name="plugged_in")
    found = distribution("classay-plugged_in")
    assert point.dist.name == found.name
    assert point.value == "classay_plugged_in"
    module = registry.load("method", "plugged_in")
    assert Path(module.__file__) == Path(found.locate_file("classay_plugged_in.py"))
    assert not Path(module.__file__).is_relative_to(Path(__file__).parents[2])
