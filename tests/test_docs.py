"""The pages of docs/methods are what the methods and their measurement say today."""

from __future__ import annotations

import importlib.util
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, PositiveInt

DOCS = Path(__file__).parents[1] / "docs"
AGAIN = "write them anew with `make docs`, and read what changed"


def script(name: str):
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


described, generate = script("described"), script("generate")


@pytest.fixture
def measured():
    return json.loads(generate.MEASURED.read_text("utf-8"))


@dataclass(frozen=True, kw_only=True)
class Shared:
    rank: PositiveInt  # r, of every stream


@dataclass(frozen=True, kw_only=True)
class Config(Shared):
    # λ_1: times the loss,
    # which is a mean
    strength: Annotated[float, Field(ge=0, lt=1)]
    variant: Literal["paper", "released"] = "paper"

    # a comment on nothing

    decay: Annotated[float, Field(gt=0)] | None = None  # ``released`` alone
    layers: tuple[int, ...] = field(default_factory=tuple)  # all * of them
    on: bool = True


# --- the pages that are committed


def test_the_pages_are_what_the_generator_writes(measured):
    written = {path.name: path.read_text("utf-8") for path in generate.PAGES.glob("*.md")}
    assert written == generate.pages(measured), AGAIN


@pytest.mark.slow
def test_the_measurement_is_what_is_measured():
    pytest.importorskip("torch")
    measure = script("measure")
    assert measure.text(measure.measured()) == measure.RESULT.read_text("utf-8"), AGAIN


def test_every_method_has_a_page_that_the_index_leads_to(measured):
    index = (generate.PAGES / "README.md").read_text("utf-8")
    names = set(described.built_in())
    assert {"naive_lora", "frozen", "joint", "crma"} <= names
    assert "plugged_in" not in names  # what comes with classay, whatever is installed beside it
    assert set(re.findall(r"^\| \[(\w+)\]\(\1\.md\)", index, re.MULTILINE)) == names


def test_every_link_leads_to_a_page():
    for path in generate.PAGES.glob("*.md"):
        for link in re.findall(r"\]\(([^)]+)\)", path.read_text("utf-8")):
            assert (generate.PAGES / link).is_file(), f"{path.name}: {link}"


def test_a_method_that_was_not_measured_is_named(measured):
    del measured["methods"]["ewc"]
    with pytest.raises(SystemExit, match=r"^ewc not in measured\.json(?s:.*)make docs"):
        generate.pages(measured)


def test_pages_of_methods_that_are_gone_are_taken_away(measured, tmp_path, monkeypatch):
    monkeypatch.setattr(generate, "PAGES", tmp_path)
    (tmp_path / "gone.md").write_text("# gone\n")
    (tmp_path / "kept.txt").write_text("not a page\n")
    generate.main()
    there = {path.name for path in tmp_path.iterdir()}
    assert there == {*generate.pages(measured), "kept.txt"}


# --- what a page says of the past


def cell(page: str, start: str) -> list[str]:
    (line,) = (line for line in page.splitlines() if line.startswith(start))
    return [part.strip() for part in line.strip("|").split("|")]


def test_what_keeps_training_text_says_so(measured):
    pages = generate.pages(measured)
    assert (
        "Training rows, token by token, under `replay`, `replay.fixed_share`." in pages["replay.md"]
    )
    # EXAMPLE has a memory of 8 rows of 16 tokens of 8 bytes
    ids = cell(pages["replay.md"], "| `replay` | `memory/ids`")
    assert ids[2:] == ["1", "int64", f"{8 * 16 * 8:,}", "8"]
    for name in ("naive_lora", "frozen", "ewc", "o_lora", "crma"):
        assert "No training row." in pages[f"{name}.md"], name


def test_rows_that_are_charged_and_not_found_are_told(measured):
    for name in ("replay", "replay.fixed_share"):
        for held in measured["methods"][name]["kept"].values():
            held["rows"] = 0
    said = generate.pages(measured)["replay.md"]
    form = "Training rows, in a form that does not show their tokens, under"
    assert f"{form} `replay`, `replay.fixed_share`." in said


def test_rows_are_found_however_they_are_laid_out():
    torch = pytest.importorskip("torch")
    measure = script("measure")
    rows = torch.cat([b["input_ids"] for b in measure.offered(0).batches])
    tensors = {
        "memory/flat": rows[:3].flatten(),
        "memory/narrow": rows[:2].to(torch.int16),
        "memory/seen": torch.ones(4, dtype=torch.bool),
        "memory/mean/a": rows.float(),
        "memory/mean/b": rows.double(),
        "memory/reversed": rows.flip(1),
    }
    found = measure.kept(tensors, {"note": [0, *rows[5].tolist()], "seen": 3})
    assert {place: held["rows"] for place, held in found.items()} == {
        "memory/flat": 3,
        "memory/narrow": 2,
        "memory/seen": 0,
        "memory/mean": 0,
        "memory/reversed": 0,
        "about": 1,
    }
    # 8 rows of 16 numbers, of 4 and of 8 bytes
    mean = {"tensors": 2, "bytes": 8 * 16 * 12, "formats": ["float32", "float64"], "rows": 0}
    assert found["memory/mean"] == mean
    assert "about" not in measure.kept(tensors, {"seen": 3})


# --- what a module says of itself


def test_a_docstring_is_taken_apart():
    told = described.said(
        """EWC*: one sentence
        on two lines.

        ::

            a_1 = b
              + c

            d

        With θ_k::

            e

        source      somebody 2017, ``x_y``
                    eq. 3
        departures  none
        choices     [A] one
                    of them
                    [A] another [A]
        """
    )
    assert told.sentence == "EWC\\*: one sentence\non two lines."
    assert told.body == ["    a_1 = b\n      + c", "    d", "With θ\\_k:", "    e"]
    assert told.labelled == {
        "source": "somebody 2017, `x_y` eq. 3",
        "departures": "none",
        "choices": "- [A] one of them\n- [A] another [A]",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("θ*_k and a<b", r"θ\*\_k and a\<b"),
        ("``x_y`` and `z_` *", r"`x_y` and `z_` \*"),
        ("back\\slash", r"back\\slash"),
        ("", ""),
    ],
)
def test_words_are_shown_as_they_are(text, expected):
    assert described.escaped(text) == expected


def test_settings_with_their_comments():
    found = {setting.name: tuple(setting[1:]) for setting in described.settings(Config)}
    assert found == {
        "rank": ("whole number > 0", None, "r, of every stream"),
        "strength": ("number ≥ 0, < 1", None, r"λ\_1: times the loss, which is a mean"),
        "variant": ("`paper` or `released`", "paper", ""),
        "decay": ("number > 0 or `null`", "null", "`released` alone"),
        "layers": ("list of: whole number", "[]", r"all \* of them"),
        "on": ("`true` or `false`", "true", ""),
    }


def test_what_the_mechanism_off_leaves_is_said(measured, monkeypatch):
    module = described.built_in()["l2_init"]
    monkeypatch.setattr(module, "OFF", module.Config(strength=0), raising=False)
    said = generate.pages(measured)["l2_init.md"]
    assert "Under `{strength: 0}`" in said
    assert "what is left is [naive_lora](naive_lora.md), byte for byte." in said


def test_a_table_holds_its_columns():
    said = generate.table(["a", "b"], [["x|y", "two\nlines"]])
    assert said == "| a | b |\n| --- | --- |\n| x&#124;y | two lines |"
