"""The report in a real browser, from disk: nothing is fetched, logged or cut off."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from classay.claims.document import parse
from classay.claims.finding import honest
from classay.evidence.logged import recompute
from classay.evidence.printed import judge as judge_printed
from classay.evidence.rerun import judge
from classay.logs.logged import Logged
from classay.reports import claims, matrices
from classay.reports.render import page, render
from classay.study import Study

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PATIENCE = 60.0  # seconds
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)
SILENT = ("Runtime", "Log", "Network", "Page")

pytestmark = [
    pytest.mark.torchless,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]


class Browser:
    """The DevTools protocol over two pipes: JSON, each message ended by NUL."""

    def __init__(self, profile: Path) -> None:
        theirs_in, self.out = os.pipe()
        self.into, theirs_out = os.pipe()
        self.events: list[dict[str, Any]] = []
        self.buffer, self.last = b"", 0
        # the protocol is spoken on descriptors 3 and 4, whatever ours are
        lift = 'exec 3<&"$1" 4>&"$2"; shift 2; exec "$@"'
        command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen(
            ["bash", "-c", lift, "bash", str(theirs_in), str(theirs_out), *command],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        self.last += 1
        message: dict[str, Any] = {"id": self.last, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self.last:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def wait(self, method: str) -> None:
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self._next())

    def _next(self) -> dict[str, Any]:
        until = time.monotonic() + PATIENCE
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.into], [], [], max(0.0, until - time.monotonic()))
            assert ready, "the browser did not answer"
            read = os.read(self.into, 65536)
            assert read, "the browser went away"
            self.buffer += read
        first, _, self.buffer = self.buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(first)
        return message

    def close(self) -> None:
        try:
            self.call("Browser.close")
        finally:
            os.close(self.out)
            os.close(self.into)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Tab:
    """One page."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.call("Target.attachToTarget", targetId=self.target, flatten=True)
        self.session = attached["sessionId"]
        for domain in SILENT:
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        return self.browser.call(method, self.session, **params)

    def size(self, width: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=844, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip

    def look(self, media: str = "screen", scheme: str = "light") -> None:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)

    def open(self, html: str, path: Path) -> None:
        path.write_text(html, "utf-8")
        self.browser.events.clear()
        self.call("Page.navigate", url=path.as_uri())
        self.browser.wait("Page.loadEventFired")

    def value(self, expression: str) -> Any:
        answer = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def unfold(self, unfolded: bool = True) -> None:
        state = str(unfolded).lower()
        self.value(f"document.querySelectorAll('details').forEach(d => {{ d.open = {state} }})")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    running = Browser(tmp_path_factory.mktemp("profile"))
    yield running
    running.close()


@contextmanager
def tab(browser: Browser) -> Iterator[Tab]:
    opened = Tab(browser)
    yield opened
    browser.call("Target.closeTarget", targetId=opened.target)


def a_run(build: Any) -> str:
    study = build(
        {"methods": {"naive_lora": None, "frozen": None, "joint": None}},
        failed={"naive_lora-o0-s1": "Loss is nan at step 3 " + "x" * 300},
    )
    return render(study, judge(study))


def a_text(build: Any) -> str:
    claim = {
        "id": "a" * 60,
        "quote": "drifts by 1.95 " + "x" * 300,
        "statistic": "mean",
        "value": "1.95",
        "n": {"seeds": 3},
        "spread": {"value": "0.64"},
        "range": {"low": "1.47", "high": "2.71"},
    }
    judged = judge_printed(parse(honest(claim, {"id": "b"}), "x"), Path("nowhere"))
    return page(claims.cover(judged), "printed", judged)


def a_log(build: Any) -> str:
    matrix = np.full((11, 10), np.nan)
    matrix[1:][np.tril_indices(10)] = 50.0
    logged = Logged(
        "x" * 60, "y" * 200, "0" * 64, matrix, "score", tuple(f"t{i}" for i in range(10))
    )
    answer = recompute([logged])
    return page(matrices.cover(answer), "logged", answer)


def a_comparison(build: Any, mixing: Callable[[Study], Study]) -> str:
    methods = {"frozen": None, "crma": {"preset": "strong"}}
    study = mixing(build({"methods": methods}))
    return render(study, judge(study), "comparison")


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize(("made", "charts"), [(a_run, 2), (a_text, 0), (a_log, 0)])
def test_the_report_opens_from_disk_without_a_sound(build, tmp_path, browser, width, made, charts):
    path = tmp_path / "report.html"
    with tab(browser) as opened:
        value = opened.value
        opened.size(width)
        opened.open(made(build), path)

        # what is folded away must fit too
        opened.unfold()
        assert value("innerWidth") == width
        assert value("document.documentElement.scrollWidth") <= width
        top, bottom = (
            value(f"[...document.querySelectorAll('{which}')].at(-1).getBoundingClientRect().{to}")
            for which, to in (("h1", "top"), (".callout .lead, .callout .lead + p", "bottom"))
        )
        assert 0 <= top < bottom <= 844  # who, how much, whether to believe it: the first screen
        assert value("document.querySelectorAll('svg.chart').length") == charts

        opened.unfold(False)
        opened.look("print")
        assert value("document.querySelector('details table').getBoundingClientRect().height") > 0
        assert value("document.querySelector('details').checkVisibility()")
        assert value("document.querySelector('details td').checkVisibility()")

        loud = [e for e in browser.events
                if e["method"] in ("Log.entryAdded", "Runtime.consoleAPICalled",
                                   "Runtime.exceptionThrown")]  # fmt: skip
        assert loud == []
        asked = {e["params"]["request"]["url"] for e in browser.events
                 if e["method"] == "Network.requestWillBeSent"}  # fmt: skip
        assert {url for url in asked if not url.startswith("data:")} == {path.as_uri()}


# what cannot be broken runs on over the next cell
RUN_OVER = """[...document.querySelectorAll('th, td')].filter(cell => {
    const words = document.createRange()
    words.selectNodeContents(cell)
    return words.getBoundingClientRect().right > cell.getBoundingClientRect().right + 0.5
}).map(cell => cell.textContent.slice(0, 80))"""


@pytest.mark.parametrize("width", [390, 1280])
def test_no_words_run_over_the_next_cell(build, mixing, tmp_path, browser, width):
    methods = {"frozen": None, "crma": {"preset": "strong"}}
    study = mixing(build({"methods": methods}))
    with tab(browser) as opened:
        opened.size(width)
        opened.open(render(study, judge(study)), tmp_path / "report.html")
        opened.unfold()
        assert opened.value(RUN_OVER) == []
        opened.value("document.querySelector('td').innerHTML = '<pre>' + 'x'.repeat(400)")
        assert opened.value(RUN_OVER) != []


# DevTools may evaluate what the page itself, by its content security policy, may not
AXE = "axe.run(document, {resultTypes: ['violations']})"


def violations(opened: Tab) -> list[str]:
    """What axe-core finds wrong with the page as it looks now."""
    if not opened.value("'axe' in window"):
        opened.value((files("axe_playwright_python") / "axe.min.js").read_text("utf-8") + ";0")
    found = opened.value(f"""{AXE}.then(found => ({{
        violations: found.violations.map(v => [v.id, v.nodes.map(n => n.html.slice(0, 200))]),
        broken: found.incomplete.filter(v => !v.nodes.length || v.error).map(v => v.id),
        passes: found.passes.map(v => v.id),
    }}))""")
    # a rule that breaks down says so and finds nothing
    assert found["broken"] == []
    assert "color-contrast" in found["passes"] or found["violations"]
    return [f"{rule}: {node}" for rule, nodes in found["violations"] for node in nodes]


LIGHT, DARK, PAPER = ("screen", "light"), ("screen", "dark"), ("print", "light")


@pytest.mark.parametrize("made", [a_run, a_text, a_log, a_comparison])
def test_axe_finds_nothing_wrong_in_either_scheme_or_on_paper(
    build, mixing, tmp_path, browser, made
):
    html = made(build, mixing) if made is a_comparison else made(build)
    with tab(browser) as opened:
        opened.open(html, tmp_path / "report.html")
        opened.unfold()
        for width, *looks in ((390, LIGHT, DARK), (1280, LIGHT, DARK, PAPER)):
            opened.size(width)
            for look in looks:
                opened.look(*look)
                assert (width, look, violations(opened)) == (width, look, [])


def test_axe_does_find_what_is_planted(build, tmp_path, browser):
    clean = a_text(build)
    with tab(browser) as opened:
        for look, right, wrong, rule in (
            (LIGHT, "</main>", "<input></main>", "label"),
            (LIGHT, "--muted: #59616a", "--muted: #a9b1ba", "color-contrast"),
            (DARK, "--muted: #a0a8b0", "--muted: #50585f", "color-contrast"),
            (PAPER, "--muted: #444", "--muted: #bbb", "color-contrast"),
        ):
            assert right in clean
            opened.open(clean.replace(right, wrong), tmp_path / "report.html")
            opened.unfold()
            opened.look(*look)
            found = violations(opened)
            assert {line.partition(":")[0] for line in found} == {rule}, look
