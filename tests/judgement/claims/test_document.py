import hashlib

import pytest
import yaml

from classay.claims import document
from classay.claims.document import parse, read
from classay.claims.finding import honest
from classay.claims.quotes import unquoted
from classay.errors import ConfigError


def a_file(**claim):
    return honest({"id": "a", "value": "1.0"} | claim)


def test_digits_stay_as_they_are_printed():
    claim = parse(a_file(value="1.90"), "x").claims["a"]
    assert claim.value.text == "1.90"
    assert claim.model_dump(mode="json")["value"] == "1.90"


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        ({"value": 1.9}, r"claim a: value"),
        ({"value": "nan"}, r"claim a: value: 'nan' is not a printed number"),
        ({"n": {"seeds": -3}}, r"claim a: n: seeds: .*greater than or equal to 1 \(found '-3'\)"),
        ({"n": {"seeds": 2.5}}, r"claim a: n: seeds"),
        ({"count": {"successes": 0, "trials": 0}}, r"claim a: count: trials: .*greater than or"),
        ({"count": {"successes": 5, "trials": 4}}, r"5 successes were found among 4 trials"),
        ({"range": {"low": "2", "high": "1"}}, r"the low end 2 is above the high end 1"),
        ({"spread": {"value": "-0.5"}}, r"the spread -0\.5 is negative, and none can be"),
        ({"values": ["1", "2"], "n": {"seeds": 3}}, r"2 values were found for 3 runs"),
        ({"verdict": "false"}, r"claim a: verdict: Extra inputs"),
        ({"quantity": "drfit"}, r"claim a: quantity"),
        ({"relations": [{"kind": "average_of", "of": ["b"]}]}, r"average_of b, and no claim is"),
        ({"relations": [{"kind": "average_of", "of": ["a"]}]}, r"average_of itself"),
        ({"arm": "nobody"}, r"about the arm 'nobody', which is not described"),
        ({"source": "nowhere"}, r"quoted from the source 'nowhere', which is not listed"),
    ],
)
def test_what_a_claim_cannot_be_is_named(claim, words):
    with pytest.raises(ConfigError, match=words):
        parse(a_file(**claim), "x")


def test_a_mean_that_only_rounds_out_of_its_range_is_kept():
    parse(a_file(statistic="mean", value="1.0", range={"low": "1.04", "high": "1.09"}), "x")


def test_an_id_names_one_thing():
    with pytest.raises(ConfigError, match="has the claim a more than once"):
        parse(honest({"id": "a"}, {"id": "a"}), "x")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [1, 2", "is not YAML"),
        ("- 1", "holds list, and a claims file is a mapping"),
        ("just words", "holds str"),
        ("a: &x [1]\nb: *x", r"uses a YAML alias \(\*x\)"),
        ("a: " + "[" * 40 + "]" * 40, "is nested deeper than 20 levels"),
        (
            "title: 1\u202e2",
            r"has the control character '\\u202e' in line 1, which a terminal or a",
        ),
        ("a: !!python/object/apply:os.system ['true']", "is not YAML"),
        ("a: \x00", "is not YAML"),
    ],
)
def test_hostile_yaml_is_refused(text, words):
    with pytest.raises(ConfigError, match=words):
        read(text, "x")


def test_a_billion_laughs_are_not_laughed():
    laughs = "a: &a [x, x, x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(20)
    )
    with pytest.raises(ConfigError, match="uses a YAML alias"):
        read(laughs, "x")


def test_a_file_that_is_too_large_is_refused_unread(tmp_path):
    path = tmp_path / "claims.yaml"
    path.write_bytes(b"x" * (document.LARGEST + 1))
    with pytest.raises(
        ConfigError, match="is 1,000,001 bytes, and a claims file may have 1,000,000"
    ):
        document.load(path)


@pytest.mark.parametrize(
    "make", [lambda p: None, lambda p: p.mkdir(), lambda p: p.write_bytes(b"\xff")]
)
def test_what_cannot_be_read_is_said(tmp_path, make):
    path = tmp_path / "claims.yaml"
    make(path)
    with pytest.raises(ConfigError, match="could not be read"):
        document.load(path)


def test_what_is_written_is_read_again(tmp_path):
    path = tmp_path / "claims.yaml"
    path.write_text(yaml.safe_dump(a_file()))
    assert list(document.load(path).claims) == ["a"]


def quoted(tmp_path, quote, line=1, text="It drifts by −0.17% over 3 seeds.\n", **source):
    (tmp_path / "post.txt").write_text(text)
    raw = honest({"id": "a", "quote": quote, "line": line})
    raw["sources"] = [{"id": "text", "title": "t", "file": "post.txt"} | source]
    return unquoted(parse(raw, "x"), tmp_path)


def test_a_quote_stands_in_its_line_word_for_word(tmp_path):
    assert quoted(tmp_path, "−0.17% over") == ([], [])
    assert quoted(tmp_path, "It drifts […] 3 seeds") == ([], [])
    assert quoted(tmp_path, "3 seeds […] It drifts")[0]
    assert quoted(tmp_path, "-0.17% over")[0]  # another minus is another text


def test_a_quote_in_another_line_is_not_found(tmp_path):
    wrong, _ = quoted(tmp_path, "−0.17%", line=2)
    assert wrong == ["claim a: '−0.17%' is not in line 2 of text"]


def test_another_file_under_the_name_of_the_source_is_noticed(tmp_path):
    wrong, _ = quoted(tmp_path, "−0.17%", sha256="0" * 64)
    assert "is not the file that was read (sha256)" in wrong[0]
    text = "It drifts by −0.17% over 3 seeds.\n"
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    assert quoted(tmp_path, "−0.17%", sha256=sha256) == ([], [])


def test_a_source_that_is_not_at_hand_is_named(tmp_path):
    raw = honest({"id": "a"})
    assert unquoted(parse(raw, "x"), tmp_path) == ([], ["text"])


def test_the_same_quantity_is_one_group_however_it_is_linked():
    same = {"kind": "same_quantity_as"}
    made = parse(
        honest(
            {"id": "a", "relations": [same | {"of": ["b"]}]},
            {"id": "b"},
            {"id": "c", "relations": [same | {"of": ["b"]}]},
            {"id": "d"},
        ),
        "x",
    )
    assert made.same["a"] == made.same["c"] == {"a", "b", "c"}
    assert made.same["d"] == {"d"}
