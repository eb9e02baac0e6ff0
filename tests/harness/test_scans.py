import unicodedata

import pytest

from classay import scans
from classay.errors import StreamError
from classay.scans import Leak, Overlap
from classay.sources import Record, Records
from classay.suite import Domain, Stream


def domain(name):
    source = {"kind": "jsonl", "path": f"{name}.jsonl"}
    return Domain.model_validate({"name": name, "source": source, "licence": "none"})


def plan(**limits):
    return Stream(domains=[domain("river"), domain("oven")], **limits)


def words(first, last):
    """Words that are all different."""
    return " ".join(f"w{i}" for i in range(first, last))


def part(name="river", train=(), holdout=(), probe=()):
    def records(split, texts):
        return tuple(
            Record(f"{name}-{split}-{i}", *([text, split] if isinstance(text, str) else text))
            for i, text in enumerate(texts)
        )

    return Records(
        name,
        records("train", train),
        records("holdout", holdout),
        records("probe", probe),
        "0" * 64,
    )


def asked(prompt):
    return f"{prompt} yes", "probe", prompt, " yes"


# --- overlap


def test_the_share_of_13_grams_by_hand():
    # An item of 20 words has 8 runs of 13 words. Words 0..15 stand in the training text, so the
    # runs that begin at 0, 1, 2 and 3 do: 4 of 8.
    parts = [part(train=[words(0, 16)], holdout=[words(0, 20)])]
    assert scans.overlap(parts, plan()) == [Overlap("river", 1, (), (), 0.5)]


def test_more_than_what_is_allowed_is_refused_and_not_as_much():
    parts = [part(train=[words(0, 17)], holdout=[words(0, 20), words(50, 70)])]  # 5 of 8
    with pytest.raises(
        StreamError,
        match=r"'river': 0 hold-out item\(s\) stand in .* word for word, and 1 share more than 50% "
        r"of their 13-grams with it \(river-holdout-0\)\.\n  A hold-out must be unseen\. Take",
    ):
        scans.overlap(parts, plan())
    assert scans.overlap(parts, plan(max_shared_ngrams=0.625))[0].largest == 0.625
    with pytest.raises(StreamError, match=r"share more than 62% "):
        scans.overlap(parts, plan(max_shared_ngrams=0.6249))


def test_a_copy_is_refused_and_named_whatever_is_allowed():
    parts = [part(train=["a short text"], holdout=["another", "a short text"])]
    with pytest.raises(StreamError, match=r"1 hold-out item\(s\) stand .*\(river-holdout-1\)"):
        scans.overlap(parts, plan(max_shared_ngrams=1))


@pytest.mark.parametrize("copy", ["A SHORT text!", "  a, short -- text\n", "a short\ttext."])
def test_case_and_punctuation_hide_no_copy(copy):
    with pytest.raises(StreamError, match="word for word"):
        scans.overlap([part(train=["a short text"], holdout=[copy])], plan())


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_the_form_in_which_unicode_writes_a_letter_hides_no_copy(form):
    text = "l’été dernier nous avons marché près de la rivière à côté du vieux château"
    copy = unicodedata.normalize(form, text)
    with pytest.raises(StreamError, match="word for word"):
        scans.overlap([part(train=[text], holdout=[copy])], plan())


# sentences of 43 and 45 letters without a space; of 42 and 44 of these, all 30 and 32 13-grams
@pytest.mark.parametrize(
    "text",
    [
        "今天天气很好我们决定一起去公园散步然后在湖边吃午饭最后看了一场日落大家都很开心并且约定",
        "きょうはとてもいいてんきなのでこうえんまであるいていってみずうみのそばでおひるをたべました",
    ],
)
def test_letters_of_a_script_without_spaces_are_words(text):
    with pytest.raises(StreamError, match="1 share more than 50% of their 13-grams"):
        scans.overlap([part(train=[text], holdout=[text[:-1]])], plan())
    other = text[::-1]
    assert scans.overlap([part(train=[text], holdout=[other])], plan())[0].largest == 0.0


def test_a_copy_in_another_domain_is_a_copy():
    parts = [part("river", train=["a short text"]), part("oven", holdout=["a short text"])]
    with pytest.raises(StreamError, match=r"domain 'oven': 1 hold-out item"):
        scans.overlap(parts, plan())


def test_probes_are_unseen_too():
    with pytest.raises(StreamError, match=r"\(river-probe-0\)"):
        scans.overlap([part(train=["is it? yes"], probe=[asked("Is it?")])], plan())


def test_an_item_of_fewer_than_13_words_is_looked_for_whole():
    # 12 words that stand in a train record of 40; 12 of which the last is another; 3 say nothing
    parts = [part(train=[words(0, 40)], holdout=[words(5, 17)])]
    assert scans.overlap(parts, plan(max_shared_ngrams=1))[0].largest == 1.0
    with pytest.raises(StreamError, match="1 share more than 50% of their 13-grams"):
        scans.overlap(parts, plan(max_shared_ngrams=0.5))
    parts = [part(train=[words(0, 40)], holdout=[words(5, 16) + " other"])]
    assert scans.overlap(parts, plan(max_shared_ngrams=0)) == [Overlap("river", 1, (), (), 0.0)]
    parts = [part(train=[words(0, 40)], holdout=[words(5, 8)])]
    assert scans.overlap(parts, plan(max_shared_ngrams=0)) == [Overlap("river", 1, (), (), 0.0)]


def test_an_item_of_13_words_has_one_13_gram():
    parts = [part(train=[words(0, 40)], holdout=[words(0, 13)])]
    assert scans.overlap(parts, plan(max_shared_ngrams=1))[0].largest == 1.0


def test_no_13_words_run_across_two_records():
    parts = [part(train=[words(0, 7), words(7, 14)], holdout=[words(0, 14)])]
    assert scans.overlap(parts, plan())[0].largest == 0.0


def test_the_same_words_in_another_order_are_other_13_grams():
    backwards = " ".join(reversed(words(0, 20).split()))
    parts = [part(train=[words(0, 20)], holdout=[backwards])]
    assert scans.overlap(parts, plan())[0].largest == 0.0


def test_at_most_five_items_are_named():
    texts = [words(20 * i, 20 * i + 20) for i in range(6)]
    with pytest.raises(StreamError, match=r"6 hold-out .*river-holdout-4, …\)") as caught:
        scans.overlap([part(train=texts, holdout=texts)], plan())
    assert "river-holdout-5" not in str(caught.value)


def test_there_is_one_row_a_domain_and_nothing_to_find_in_none():
    parts = [part("river", train=["a"], holdout=["b", "c"], probe=[asked("d")]), part("oven")]
    assert scans.overlap(parts, plan()) == [
        Overlap("river", 3, (), (), 0.0),
        Overlap("oven", 0, (), (), 0.0),
    ]
    assert scans.overlap([], plan()) == []


# --- leak


def test_prompts_that_name_a_domain_are_counted_by_hand():
    prompts = ["About the river:", "An oven, or a River?", "What is it?", "rivers and ovens"]
    parts = [part("river", probe=[asked(p) for p in prompts]), part("oven")]
    # its own name stands in the first two, another's in the second; "rivers" is another word
    assert scans.leak(parts, plan()) == [Leak("river", 4, 2, 1), Leak("oven", 0, 0, 0)]


def test_more_prompts_with_the_name_than_allowed_are_refused():
    parts = [part(probe=[asked("the river"), asked("a river"), asked("what")])]
    with pytest.raises(
        StreamError,
        match=r"domain 'river': 2 of its 3 evaluation prompts contain its name, .*\n"
        r"  Take the name out of the prompts, or raise stream\.max_named_prompts",
    ):
        scans.leak(parts, plan())
    assert scans.leak(parts, plan(max_named_prompts=0.67)) == [Leak("river", 3, 2, 0)]


def test_hold_out_prompts_count_and_texts_without_a_prompt_do_not():
    parts = [part(holdout=["the river", ("river? yes", "holdout", "river?", " yes")])]
    assert scans.leak(parts, plan(max_named_prompts=1)) == [Leak("river", 1, 1, 0)]


def test_a_name_of_several_words_is_found_as_it_is_written_in_a_prompt():
    parts = [part("kitchen_and_dining", probe=[asked("On kitchen and dining: what is a whisk?")])]
    with pytest.raises(StreamError, match=r"'kitchen_and_dining': 1 of its 1 evaluation prompts"):
        scans.leak(parts, plan())
