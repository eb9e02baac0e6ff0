"""Matrices as CSV, JSON and npz: what is read, and what is refused with which words."""

import io
import json
import tracemalloc
import zipfile

import numpy as np
import pytest

from classay.errors import ConfigError
from classay.logs.choose import read

NAN = np.nan


@pytest.fixture
def write(tmp_path):
    """Write a file and read it: one text or bytes, and the name that says its format."""

    def call(name, content, kind="score"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read([path], kind)

    return call


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def test_a_csv_of_t_rows_has_no_row_before_training(write):
    (logged,) = write("r.csv", "80,\n75.5,90\n")
    np.testing.assert_array_equal(logged.matrix, [[NAN, NAN], [80, NAN], [75.5, 90]])
    assert (logged.name, logged.kind, logged.tasks) == ("r", "score", ("task 1", "task 2"))
    assert logged.step == 0.1


def test_a_csv_of_t_plus_1_rows_begins_before_training(write):
    (logged,) = write("r.csv", "1,2\n80,\n75,90\n")
    np.testing.assert_array_equal(logged.matrix, [[1, 2], [80, NAN], [75, 90]])


def test_a_csv_is_of_losses_where_that_is_said(write):
    assert write("r.csv", "2.5\n", kind="loss")[0].kind == "loss"


def test_a_typographic_minus_is_one(write):
    for name in ("r.csv", "r"):  # by its name, and by its first line
        (logged,) = write(name, "−1.5,−2\n80,\n75,90\n")
        np.testing.assert_array_equal(logged.matrix, [[-1.5, -2], [80, NAN], [75, 90]])


def test_a_csv_from_a_spreadsheet_is_read_as_it_is(write):
    (logged,) = write("r.csv", b'\xef\xbb\xbf80,\r\n"75", 90\r\n\r\n')
    np.testing.assert_array_equal(logged.matrix[1:], [[80, NAN], [75, 90]])


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("[[80], [75, 90]]", [[NAN, NAN], [80, NAN], [75, 90]]),
        ("[[80, null], [75, 90]]", [[NAN, NAN], [80, NAN], [75, 90]]),
        ("[[1, 2], [80], [75, 90]]", [[1, 2], [80, NAN], [75, 90]]),
        ("[[], [81.0], [75.5, 90.0]]", [[NAN, NAN], [81, NAN], [75.5, 90]]),
        ('{"R": [[80.0]]}', [[NAN], [80]]),
    ],
)
def test_json_is_a_list_of_rows_or_an_object_with_one(write, said, expected):
    np.testing.assert_array_equal(write("r.json", said)[0].matrix, expected)


def test_json_may_hold_several_matrices_and_what_their_authors_printed(write):
    first = {
        "R": [[81.0], [75.5, 90.25]],
        "tasks": ["a", "b"],
        "sizes": [100, 50],
        "printed": {"forgetting": "5.50"},
        "logged_forgetting": 5.5,
        "logged_total_curve": [81.0, 80.3],
        "licence": "MIT",
    }
    second = {"R": [[2.5]], "loss": True, "micro_logged": {"1": None}}
    one, two = write("r.json", json.dumps({"one": first, "two": second}))
    assert (one.name, one.tasks, one.sizes, one.totals) == (
        "one",
        ("a", "b"),
        (100, 50),
        (81, 80.3),
    )
    assert one.step == 0.01
    # the digits are the author's: 5.50 is not 5.5
    assert [(s.label, s.printed.text) for s in one.stated] == [
        ("forgetting", "5.50"),
        ("logged_forgetting", "5.5"),
    ]
    assert (two.name, two.kind, np.isnan(two.totals[0])) == ("two", "loss", True)
    assert one.sha256 == two.sha256


def test_runs_are_known_by_their_names(write):
    names = {"a.log#0": "a.log", "a.log#11": "a.log", "a.log": "", "a#b": "", "#1": ""}
    said = write("r.json", json.dumps({name: {"R": [[1]]} for name in names}))
    assert {logged.name: logged.group for logged in said} == names


def test_an_array_of_an_npz_is_a_matrix_and_nan_is_not_evaluated(write):
    (logged,) = write("r.npz", npz(R=np.array([[80, NAN], [75, 90]])))
    np.testing.assert_array_equal(logged.matrix[1:], [[80, NAN], [75, 90]])
    assert (logged.name, logged.step) == ("r", 0.0)
    both = write("r.npz", npz(a=np.eye(2), b=np.ones((3, 2), np.float32), seeds=np.arange(3)))
    assert [logged.name for logged in both] == ["r/a", "r/b"]


@pytest.mark.parametrize(
    ("rows", "note"),
    [
        ([[80, 75], [0, 90]], "must be transposed"),
        ([[80, 0], [75, 90]], "leave such cells empty"),
        ([[80, 1], [75, 90]], ""),
        ([[0, 0], [0, 0]], ""),
    ],
)
def test_zeros_that_look_like_padding_are_told(write, rows, note):
    notes = write("r.json", json.dumps(rows))[0].notes
    assert bool(notes) == bool(note)
    assert all(note in sentence for sentence in notes)


def test_bytes_decide_where_the_name_says_nothing(write):
    assert write("matrix", "80,\n75,90\n")[0].tasks == ("task 1", "task 2")
    assert write("matrix", "[[80]]")[0].tasks == ("task 1",)
    assert write("matrix", npz(R=np.eye(2)))[0].tasks == ("task 1", "task 2")


WRONG = [
    ("r.csv", "a,b\n1,2\n", "row 1, holds 'a', which is no number.*no header.*Take out"),
    ("r.csv", "nan,\n1,2\n", "row 1, holds 'nan', which is no number.*empty cell"),
    ("r.csv", "inf\n", "row 1, holds 'inf'"),
    ("r.csv", "−\n", "row 1, holds '−', which is no number"),
    ("r.csv", "80;\n75;90\n", "row 1, holds '80;': a semicolon between its cells.*A comma between"),
    ("r", "80;\n75;90\n", "row 1, holds '80;': a semicolon between its cells"),
    ("r.csv", "81,5;\n75,1;88,0\n", "row 1, holds '5;': a semicolon between its cells"),
    (
        "r.tsv",
        "80\t\n75\t90\n",
        r"row 2, holds '75\\t90': a tab between.*Save it as CSV",
    ),
    ("r.csv", "80 75\n", "row 1, holds '80 75': a space between its cells"),
    (
        "r.csv",
        '"81,5",\n"75,1","88,0"\n',
        "holds '81,5': a comma as its decimal point",
    ),
    ("r.csv", "Task 1,Task 2\n", "row 1, holds 'Task 1', which is no number.*no header"),
    ("r.csv", "80\n75,90\n", "row 2, has 2 cells and row 1 has 1.*keep its comma"),
    ("r.csv", "80,\n75,90\n1,2\n3,4\n", "4 rows, the longest of 2 cells.*T rows of T cells"),
    ("r.csv", ",\n,\n", "no evaluation after any stage"),
    ("r.csv", '"80\n', "is not CSV"),
    ("r.csv", b"1,\xe9\n", "byte 2 is no UTF-8"),
    ("r.csv", "", "is empty"),
    ("r.csv", " \n\n", "is empty"),
    ("r.csv", "1," * 600, "more than 500 rows or columns"),
    ("r.csv", "1\n" * 600, "more than 500 rows or columns"),
    ("r.csv", "1e300\n", "row 1, holds a number that is not finite, or beyond"),
    ("r.json", "", "is empty"),
    ("r.json", "[[NaN]]", "holds NaN, which is not JSON.*null"),
    ("r.json", "[[-Infinity]]", "holds -Infinity, which is not JSON"),
    ("r.json", "[[1e999]]", "the number 1e999, which is beyond what a double.*below 1e308"),
    ("r.json", "[[1e99999999999999999999]]", "the number 1e99999999999999999999, which is beyond"),
    (
        "r.json",
        "[[1e-99999999999999999999]]",
        "1e-99999999999999999999, which is beyond",
    ),
    ("r.json", f"[[{'1' * 4000}]]", "the number 1{40}, which is beyond"),
    ("r.json", f"[[{'1' * 9000}]]", "the number 1{40}, which is beyond"),
    ("r.json", "[[1e300]]", "not finite, or beyond"),
    ("r.json", "[" * 100_000, "nested too deeply"),
    ("r.json", "[[1]", "is not JSON"),
    ("r.json", "[[true]]", "holds 'True' in its matrix"),
    ("r.json", '[["80"]]', "holds '80' in its matrix"),
    ("r.json", "[[1], [2, 3], [4]]", "row 1, has 1 cells and the longest row has 2"),
    ("r.json", "[[1, 2, 3], [2, 3]]", "2 rows, the longest of 3 cells"),
    ("r.json", "[]", "0 rows"),
    ("r.json", "[1, 2]", "no list of rows"),
    ("r.json", "7", "holds int"),
    ("r.json", "{}", "an empty object"),
    ("r.json", '{"a": {"R": [[1]]}, "b": 3}', "the key 'b' without a matrix"),
    ("r.json", '{"R": [[1]], "R": [[2]]}', "the key 'R' twice"),
    ("r.json", '{"R": [[1]], "tasks": ["a", "b"]}', '1 columns and its "tasks" do not name'),
    (
        "r.json",
        '{"R": [[1], [2, 3]], "tasks": ["a", "a"]}',
        "'a' twice in its \"tasks\".*once",
    ),
    *(
        (
            "r.json",
            text.replace("X", sign),
            rf"r\.json holds the name '.*', with the control character '\\{said}', and needed is",
        )
        for sign, said in ((r"\u001b[2J", "x1b"), (r"\u202e", "u202e"))
        for text in (
            '{"aX": {"R": [[1]]}}',
            '{"R": [[1]], "tasks": ["aX"]}',
            '{"R": [[1]], "printed": {"FX": "1"}}',
        )
    ),
    ("r.json", '{"R": [[1]], "sizes": [0]}', '"sizes" that do not count'),
    ("r.json", '{"R": [[1]], "loss": "no"}', "has \"loss\": 'no'"),
    ("r.json", '{"R": [[1]], "printed": 3}', '"printed" numbers without labels'),
    ("r.json", '{"R": [[1]], "printed": {"F": "many"}}', "'many' is not a printed number"),
    ("r.json", '{"R": [[1]], "logged_total_curve": [1, 2]}', "not one number a stage"),
    ("r.npz", npz(R=np.array([[1, None]], dtype=object)), "holds object, numbers are needed"),
    ("r.npz", npz(R=np.array([["a"]])), "numbers are needed"),
    ("r.npz", npz(R=np.array([[np.inf]])), "not finite"),
    ("r.npz", npz(R=np.arange(3)), r"holds no matrix: R \(3,\)"),
    ("r.npz", npz(), "holds no matrix: nothing"),
    ("r.npz", b"PK\x03\x04" + b"x" * 50, "cannot be read as an npz: File is not a zip file"),
    ("r.npz", npz(R=np.eye(3))[:-30], "cannot be read as an npz"),
    ("r.pkl", b"\x80\x04\x95abc", "in no format that is known: it begins with"),
    ("r.log", "2025-01-01 Epoch 1\n", "in no format that is known"),
]


@pytest.mark.parametrize(("name", "content", "said"), WRONG)
def test_what_cannot_be_used_is_refused_in_a_sentence(write, name, content, said):
    with pytest.raises(ConfigError, match=f"(?s){said}") as caught:
        write(name, content)
    assert "\n  " in str(caught.value)  # what to do next
    assert caught.value.exit_code == 2


def test_a_missing_file_an_empty_folder_and_a_device_are_refused(tmp_path):
    for path, said in [
        (tmp_path / "absent.csv", "is not there"),
        (tmp_path, "a folder in which nothing can be read"),
    ]:
        with pytest.raises(ConfigError, match=said):
            read([path], "score")


def test_a_file_of_50_mb_is_not_read(tmp_path):
    path = tmp_path / "large.csv"
    path.write_bytes(b"1," * 25_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(ConfigError, match="has 50,000,000 bytes; at most 8,000,000 are read"):
            read([path], "score")
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()


def test_a_small_archive_with_a_large_array_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("R.npy", b"\0" * 80_000_000)
    assert path.stat().st_size < 100_000
    with pytest.raises(ConfigError, match="more than 8,000,000 bytes"):
        read([path], "score")


def test_a_header_that_lies_gets_no_memory(write):
    header, file = io.BytesIO(), io.BytesIO()
    shape = {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)}
    np.lib.format.write_array_header_1_0(header, shape)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("R.npy", header.getvalue() + b"\0" * 64)
    with pytest.raises(ConfigError, match=r"declares \(1000000, 1000000\) of float64"):
        write("r.npz", file.getvalue())


def test_the_files_of_a_folder_are_read_in_the_order_of_their_names(tmp_path):
    (tmp_path / "b.csv").write_text("2\n")
    (tmp_path / "a.json").write_text("[[1]]")
    (tmp_path / "notes.md").write_text("not read")
    assert [logged.name for logged in read([tmp_path], "score")] == ["a", "b"]


def test_tasks_are_named_for_lm_eval_only(tmp_path):
    (tmp_path / "a.json").write_text("[[1]]")
    with pytest.raises(ConfigError, match="--tasks was given and no file is a result of lm-eval"):
        read([tmp_path / "a.json"], "score", ["a"])
