"""A quote stands in the line that grep and editors count."""

import pytest

from classay.claims.document import parse
from classay.claims.finding import honest
from classay.claims.quotes import unquoted


@pytest.fixture
def found(tmp_path):
    """Whether a quote stands in a line of a text."""

    def call(text, line, quote="1.95%"):
        (tmp_path / "post.txt").write_bytes(text.encode())
        sources = [{"id": "text", "title": "t", "file": "post.txt"}]
        raw = honest({"id": "a", "quote": quote, "line": line}, sources=sources)
        return unquoted(parse(raw, "x"), tmp_path) == ([], [])

    return call


@pytest.mark.parametrize("end", ["\f", "\v", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"])
def test_only_a_line_feed_ends_a_line(found, end):
    text = f"one\npage{end}two\nIt drifts by 1.95%.\n"
    assert found(text, 3)
    assert not found(text, 4)


def test_the_lines_of_a_file_from_windows_are_the_same(found):
    assert found("one\r\ntwo\r\nIt drifts by 1.95%\r\nfour\r\n", 3, "by 1.95%")
