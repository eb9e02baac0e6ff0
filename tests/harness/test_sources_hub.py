"""The Hugging Face source, against real ``datasets`` and a hub that runs in this process."""

import json
import os
import threading
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

pytest.importorskip("torch")  # datasets and huggingface_hub come with the same extra

import datasets
from huggingface_hub import constants

from classay import base, sources
from classay.errors import ConfigError, StreamError
from classay.suite import BaseSpec, Domain

COMMIT = "a" * 40
COLUMNS = {"prompt": "question", "completion": "target"}
TRAIN = [
    {"question": "Who left?", "target": " ferry", "topic": "boats", "n": 1},
    {"question": "Who stayed?", "target": " heron", "topic": "birds", "n": 2},
]
TEST = [{"question": "Who swam?", "target": " otter", "topic": "birds", "n": 3}]


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


FILES = {"README.md": b"# rivers\n", "train.jsonl": lines(TRAIN), "test.jsonl": lines(TEST)}


class Hub(ThreadingHTTPServer):
    """What ``snapshot_download`` asks of a hub: one data set and one commit of it."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked, self.refuses = [], False
        self.url = f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.split("?")[0]
        self.server.asked.append(path)
        api, files = "/api/datasets/owner/rivers/", f"/datasets/owner/rivers/resolve/{COMMIT}/"
        if self.server.refuses:
            self.answer(b"{}", 403)
        elif path == f"{api}tree/{COMMIT}":
            self.answer(json.dumps([{"type": "file", **about(name)} for name in FILES]).encode())
        elif path == f"{api}revision/{COMMIT}":
            names = [{"rfilename": name} for name in FILES]
            self.answer(
                json.dumps({"id": "owner/rivers", "sha": COMMIT, "siblings": names}).encode()
            )
        elif path.startswith(files) and path.removeprefix(files) in FILES:
            name = path.removeprefix(files)
            tag = {"ETag": f'"{about(name)["oid"]}"', "X-Repo-Commit": COMMIT}
            self.answer(FILES[name], **tag)
        elif path.startswith(api):
            self.answer(b"{}", 404, **{"X-Error-Code": "RevisionNotFound"})
        else:
            self.answer(b"{}", 404, **{"X-Error-Code": "RepoNotFound"})

    do_HEAD = do_POST = do_GET

    def answer(self, body, code=200, **headers):
        self.send_response(code)
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args):
        """Say nothing."""


def about(name):
    return {"path": name, "size": len(FILES[name]), "oid": sha1(FILES[name]).hexdigest()}


@pytest.fixture(autouse=True)
def hub(tmp_path, monkeypatch):
    """A hub on this machine in place of the one in the world, and caches that nobody else has."""
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "datasets"))
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def read(tmp_path):
    """Read a domain from the data set of this name."""

    def read(dataset="owner/rivers", online=False, **source):
        about = {"kind": "huggingface", "dataset": dataset, "revision": COMMIT, "columns": COLUMNS}
        domain = {"name": "river", "source": about | source, "licence": "none"}
        given = Domain.model_validate(domain | {"splits": {"holdout": "test"}})
        return sources.load(given, tmp_path, online)

    return read


@pytest.fixture
def snapshot(tmp_path):
    """A snapshot in a folder of its own."""

    def snapshot(files=FILES, name="snapshot"):
        (tmp_path / name).mkdir(exist_ok=True)
        for file, data in files.items():
            (tmp_path / name / file).write_bytes(data)
        return tmp_path / name

    return snapshot


# --- a snapshot on this machine


def test_a_snapshot_is_read_with_its_columns_under_our_names(snapshot, read):
    snapshot()
    ours = read("snapshot", columns=COLUMNS | {"source": "topic"})
    assert [r.text for r in ours.train] == ["Who left? ferry", "Who stayed? heron"]
    assert [(r.prompt, r.completion) for r in ours.holdout] == [("Who swam?", " otter")]
    assert [r.source for r in ours.train] == ["boats", "birds"]
    assert [r.split for r in ours.holdout] == ["test"]


def test_a_snapshot_has_the_digest_of_the_same_records_in_json_lines(snapshot, read, tmp_path):
    snapshot()
    ours = read("snapshot")
    by_split = {"train": TRAIN, "test": TEST}
    order = list(dict.fromkeys(r.split for r in (*ours.train, *ours.holdout)))
    rows = [
        {"split": split, "prompt": row["question"], "completion": row["target"]}
        for split in order
        for row in by_split[split]
    ]
    (tmp_path / "same.jsonl").write_bytes(lines(rows))
    same = {"name": "river", "source": {"kind": "jsonl", "path": "same.jsonl"}, "licence": "none"}
    domain = Domain.model_validate(same | {"splits": {"holdout": "test"}})
    assert sources.load(domain, tmp_path).digest == ours.digest


def test_a_record_that_lacks_a_column_of_the_others_is_no_error(snapshot, read):
    rows = [{"id": "one", **TRAIN[0]}, TRAIN[1]]
    snapshot(FILES | {"train.jsonl": lines(rows)})
    ours = read("snapshot").train
    assert ours[0].id == "one"
    assert ours[1].id.startswith("river-")


def test_a_record_that_does_not_say_its_split_has_that_of_its_file(snapshot, read):
    moved = TEST[0] | {"split": "train", "question": "Who flew?"}
    train = [row | {"split": "train"} for row in TRAIN]
    rows = [TEST[0] | {"split": None}, moved]
    snapshot({"train.jsonl": lines(train), "test.jsonl": lines(rows)})
    ours = read("snapshot")
    assert [r.prompt for r in ours.holdout] == ["Who swam?"]
    assert sorted(r.prompt for r in ours.train) == ["Who flew?", "Who left?", "Who stayed?"]


def test_what_is_read_is_what_lies_there_now(snapshot, read):
    folder = snapshot()
    before = read("snapshot")
    times = (folder / "train.jsonl").stat()
    snapshot({"train.jsonl": FILES["train.jsonl"].replace(b"ferry", b"barge")})
    # as rsync -t or a restored backup leaves it
    os.utime(folder / "train.jsonl", ns=(times.st_atime_ns, times.st_mtime_ns))
    after = read("snapshot")
    assert after.train[0].text == "Who left? barge"
    assert after.digest != before.digest


def test_a_snapshot_needs_no_hub(snapshot, read, hub):
    snapshot()
    read("snapshot", online=True)
    assert hub.asked == []


def test_a_snapshot_cannot_send_us_to_another_machine(snapshot, read, hub):
    elsewhere = f"{hub.url}/datasets/owner/rivers/resolve/{COMMIT}/train.jsonl"
    card = (
        f"---\nconfigs:\n- config_name: default\n  data_files:\n"
        f"  - split: train\n    path: {elsewhere}\n"
        f"  - split: test\n    path: test.jsonl\n---\n"
    )
    snapshot({"README.md": card.encode(), "test.jsonl": FILES["test.jsonl"]})
    with pytest.raises(StreamError, match="does not load as a data set"):
        read("snapshot")
    assert hub.asked == []


def test_a_script_in_a_snapshot_is_refused_and_never_run(snapshot, read, tmp_path):
    marker = tmp_path / "ran"
    snapshot(FILES | {"snapshot.py": f"open({str(marker)!r}, 'w')".encode()})
    with pytest.raises(StreamError, match=r"does not load .*\n.*scripts are never run"):
        read("snapshot")
    assert not marker.exists()


@pytest.mark.parametrize(
    "files", [{}, {"train.parquet": b"none"}, {"train.jsonl": b"{none"}], ids=str
)
def test_a_folder_that_is_no_data_set_is_refused(snapshot, read, files):
    snapshot(files)
    with pytest.raises(
        StreamError, match=r"snapshot does not load as a data set \((?s:.*)It must hold JSON Lines"
    ):
        read("snapshot")


def test_a_configuration_that_it_does_not_have_is_refused(snapshot, read):
    snapshot()
    with pytest.raises(StreamError, match=r"does not load .*'deep' not found"):
        read("snapshot", config="deep")


def test_columns_that_hold_no_text_are_named_with_their_row(snapshot, read):
    snapshot()
    with pytest.raises(StreamError, match=r"snapshot, train\[0\]: id is int, and text was needed"):
        read("snapshot", columns=COLUMNS | {"id": "n"})


def test_a_column_that_the_data_does_not_have_is_refused(snapshot, read):
    snapshot()
    with pytest.raises(StreamError, match=r"'topik'.*'topic'"):
        read("snapshot", columns=COLUMNS | {"source": "topik"})


def test_a_field_that_no_record_has_is_refused(snapshot, read):
    snapshot()
    with pytest.raises((StreamError, ValueError), match=r"sauce"):
        read("snapshot", columns=COLUMNS | {"sauce": "topic"})


def test_the_splits_that_were_found_are_named(snapshot, read):
    snapshot({"train.jsonl": FILES["train.jsonl"]})
    with pytest.raises(
        StreamError, match=r"no hold-out records: .* split 'test' \(found: \['train'\]\)"
    ):
        read("snapshot")


# --- a hub


def test_a_data_set_is_fetched_once_and_then_found_offline(read, hub, tmp_path):
    online = read(online=True)
    assert [r.text for r in online.train] == ["Who left? ferry", "Who stayed? heron"]
    assert f"/api/datasets/owner/rivers/tree/{COMMIT}" in hub.asked
    assert f"/datasets/owner/rivers/resolve/{COMMIT}/train.jsonl" in hub.asked
    hub.asked.clear()
    assert read() == online
    assert hub.asked == []


def test_a_fetched_data_set_is_that_of_a_snapshot(read, snapshot):
    snapshot()
    assert read(online=True).digest == read("snapshot").digest


def test_offline_no_hub_is_asked(read, hub):
    with pytest.raises(
        StreamError,
        match=rf"'owner/rivers' at {COMMIT} is not here \(LocalEntryNotFoundError\)\.\n"
        r"  classay asks no hub unless told to\. Give --online once, or put a snapshot at .*rivers",
    ):
        read()
    assert hub.asked == []


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ({"revision": "b" * 40}, rf"'owner/rivers' at {'b' * 40} is not .*RevisionNotFoundError"),
        ({"dataset": "owner/lakes"}, r"'owner/lakes' at a{40} is not .*RepositoryNotFoundError"),
    ],
)
def test_what_the_hub_does_not_have_is_refused(read, source, says):
    with pytest.raises(StreamError, match=says) as caught:
        read(online=True, **source)
    assert "Give --online" not in str(caught.value)


def test_a_hub_that_refuses_is_no_crash(read, hub):
    hub.refuses = True
    with pytest.raises(StreamError, match=r"'owner/rivers' at a{40} is not here \(\w+Error\)"):
        read(online=True)


def test_a_path_that_leads_nowhere_is_no_crash(read):
    # three parts are no name that a hub could have
    with pytest.raises(StreamError, match=r"'a/folder/deep' .* is not here"):
        read("a/folder/deep")


def test_a_base_is_asked_for_in_the_same_way(hub):
    with pytest.raises(
        ConfigError,
        match=rf"the base 'owner/model' at {COMMIT} is not here .*\n.*Give --online once",
    ):
        base.locate(BaseSpec(hub="owner/model", revision=COMMIT))
    assert hub.asked == []
    with pytest.raises(ConfigError, match=r"RepositoryNotFoundError") as caught:
        base.locate(BaseSpec(hub="owner/model", revision=COMMIT), online=True)
    assert "Give --online" not in str(caught.value)


def test_a_base_whose_name_no_hub_could_have_is_no_crash():
    with pytest.raises(ConfigError, match=r"the base 'a/folder/deep' .* is not here"):
        base.locate(BaseSpec(hub="a/folder/deep", revision=COMMIT))
