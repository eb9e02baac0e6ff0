"""Where the page of a check may be written: not over what is read, and in a file."""

import pytest
import yaml

from classay.claims.finding import honest

pytestmark = pytest.mark.torchless


@pytest.fixture
def read(tmp_path):
    """A file that each verb of a page reads: of check a claims file, of recompute a matrix."""
    post, logged = tmp_path / "post.txt", tmp_path / "logged.csv"
    post.write_text("It drifts by 1.95%.")
    logged.write_text("80,,\n84,50,\n60,55,90\n")
    sources = [{"id": "text", "title": "t", "file": "post.txt"}]
    claims = honest({"id": "a", "quote": "1.95%", "value": "1.95"}, sources=sources)
    (tmp_path / "claims.yaml").write_text(yaml.safe_dump(claims, allow_unicode=True))
    return {"check": tmp_path / "claims.yaml", "recompute": logged}


PAGES = pytest.mark.parametrize("verb", ["check", "recompute"])


@PAGES
def test_a_page_is_not_written_over_what_is_read(read, tmp_path, command, verb):
    before = read[verb].read_bytes()
    (tmp_path / "link").symlink_to(read[verb])
    for page in (read[verb], tmp_path / "no" / ".." / read[verb].name, tmp_path / "link"):
        (tmp_path / "no").mkdir(exist_ok=True)
        code, out, err = command(verb, read[verb], "--report", page)
        assert (code, out) == (2, "")
        assert f"--report {page} is one of the files that are read ({read[verb]})" in err
        assert "\n  Name another file for the page." in err
    assert read[verb].read_bytes() == before


def test_a_page_is_not_written_over_the_text_that_is_quoted(read, tmp_path, command):
    code, _, err = command("check", read["check"], "--report", tmp_path / "post.txt")
    assert code == 2
    assert "is one of the files that are read" in err
    assert (tmp_path / "post.txt").read_text() == "It drifts by 1.95%."


def test_a_page_is_written_into_a_folder_that_is_read_but_not_over_its_files(
    read, tmp_path, command
):
    folder = read["recompute"].parent
    for _ in range(2):
        assert command("recompute", folder, "--report", folder / "page.html")[0] == 0
    code, _, err = command("recompute", folder, "--report", folder / "logged.csv")
    assert code == 2
    assert f"is one of the files that are read ({folder})" in err
    assert read["recompute"].read_text().startswith("80,,")


@PAGES
def test_a_page_that_is_a_folder_is_refused_before_any_work(
    read, tmp_path, command, monkeypatch, verb
):
    monkeypatch.chdir(tmp_path)
    for page in (tmp_path, ".", "..", "/"):
        code, out, err = command(verb, read[verb], "--report", page)
        assert (code, out) == (2, "")
        assert f"--report {page} is a folder, and a page is a file.\n  Name a file in it." in err


@PAGES
@pytest.mark.parametrize(
    ("page", "says"),
    [
        ("x" * 256, "File name too long"),
        ("post.txt/page.html", "File exists"),
        ("post.txt/there/page.html", "Not a directory"),
    ],
)
def test_a_page_that_cannot_be_a_file_is_no_traceback(read, tmp_path, command, verb, page, says):
    code, out, err = command(verb, read[verb], "--report", tmp_path / page)
    assert (code, out) == (2, "")
    assert f"could not be opened or written ({says}).\n  Give the path of a file" in err
