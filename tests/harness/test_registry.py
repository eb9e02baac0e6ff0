import sys
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from classay import registry
from classay.errors import ConfigError, UnknownName
from classay.suite_file import load

OWED = """
from dataclasses import dataclass, field

@dataclass(frozen=True, kw_only=True)
class Config:
    strength: float
    kept: int = 3
    layers: tuple = field(default_factory=tuple)
"""


@pytest.fixture
def plug_in(tmp_path, monkeypatch):
    """Install a distribution whose entry points are these, as pip would leave it."""

    def plug_in(name, points, module="", group="classay.methods"):
        place = tmp_path / name
        info = place / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = "".join(f"{key} = {value}\n" for key, value in points.items())
        (info / "entry_points.txt").write_text(f"[{group}]\n{lines}")
        (place / f"{name}_module.py").write_text(module)
        monkeypatch.syspath_prepend(str(place))
        monkeypatch.delitem(sys.modules, f"{name}_module", raising=False)

    yield plug_in
    for path in tmp_path.iterdir():
        sys.modules.pop(f"{path.name}_module", None)


@pytest.mark.parametrize("kind", registry.PACKAGES)
def test_names_are_those_of_the_files_and_packages(kind):
    folder = Path(import_module(registry.PACKAGES[kind]).__path__[0])
    files = {path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")}
    packages = {path.parent.name for path in folder.glob("*/__init__.py")}
    plugged = {point.name for point in entry_points(group=registry.GROUPS[kind])}
    assert registry.names(kind) == sorted(files | packages | plugged)


def test_the_references_are_among_the_methods():
    assert {"naive_lora", "frozen", "joint"} <= set(registry.names("method"))


def test_a_name_leads_to_its_module():
    assert registry.load("metric", "final_loss").__name__ == "classay.metrics.final_loss"


def test_a_slip_is_answered_with_the_nearest_name():
    with pytest.raises(
        UnknownName,
        match=r"no method is called 'frozn'\. Did you mean 'frozen'\?\n  known: .*joint",
    ):
        registry.load("method", "frozn")


@pytest.mark.parametrize("name", ["_matrix", "__init__", "../cli", "", "frozen.Config"])
def test_what_is_not_offered_cannot_be_loaded(name):
    with pytest.raises(UnknownName, match="is called"):
        registry.load("metric", name)


# --- plug-ins


def test_an_installed_package_adds_a_method(plug_in):
    plug_in("throwaway_a", {"throwaway_a": "throwaway_a_module"}, OWED)
    assert "throwaway_a" in registry.names("method")
    assert "throwaway_a" not in registry.names("metric")
    assert registry.load("method", "throwaway_a").Config(strength=1.0).kept == 3


@pytest.mark.parametrize("kind", registry.GROUPS)
def test_every_kind_has_a_group(plug_in, kind):
    name = f"throwaway_{kind}"
    plug_in(name, {name: f"{name}_module"}, "VALUE = 5", registry.GROUPS[kind])
    assert registry.load(kind, name).VALUE == 5


def test_names_are_known_before_anything_is_imported(plug_in):
    plug_in("throwaway_b", {"throwaway_b": "throwaway_b_module"}, "raise RuntimeError('imported')")
    assert "throwaway_b" in registry.names("method")
    with pytest.raises(RuntimeError, match="imported"):
        registry.load("method", "throwaway_b")


def test_a_plug_in_under_the_name_of_a_built_in_is_refused(plug_in):
    plug_in("throwaway_c", {"frozen": "throwaway_c_module"}, "raise RuntimeError('imported')")
    with pytest.raises(
        ConfigError,
        match=r"'frozen' is built in and also provided by 'throwaway_c_module'\.\n(?s:.*)Rename",
    ):
        registry.load("method", "frozen")
    assert registry.load("method", "joint").__name__ == "classay.methods.joint"


def test_two_plug_ins_under_one_name_are_refused(plug_in):
    plug_in("throwaway_d", {"mine": "throwaway_d_module"})
    plug_in("throwaway_e", {"mine": "throwaway_e_module"})
    with pytest.raises(ConfigError, match=r"(?s)'mine'.*throwaway_.*Rename"):
        registry.load("method", "mine")


@pytest.fixture
def routed(suite_file):
    """A suite with this router."""
    return lambda name: load(suite_file, {"evaluation.routers": [name]})


ROUTER = "TITLE, NEEDS, UNIT = 'Mine', 'nothing', 'points'\n"


@pytest.mark.parametrize(
    ("module", "lacks"),
    [
        (ROUTER, "scores or choose"),
        ("def scores(evidence): ...", "TITLE, NEEDS, UNIT"),
        ("TITLE = 'Mine'\ndef choose(evidence): ...", "NEEDS"),
    ],
)
def test_a_router_that_is_not_whole_is_refused_before_any_work(plug_in, routed, module, lacks):
    plug_in("throwaway_r", {"throwaway_r": "throwaway_r_module"}, module, "classay.routers")
    with pytest.raises(ConfigError, match=rf"'throwaway_r' lacks {lacks}, without(?s:.*)Add to"):
        registry.check(routed("throwaway_r"))


@pytest.mark.parametrize("function", ["scores", "choose"])
def test_a_router_needs_one_of_two_functions(plug_in, routed, function):
    module = f"{ROUTER}def {function}(evidence): ..."
    plug_in("throwaway_s", {"throwaway_s": "throwaway_s_module"}, module, "classay.routers")
    assert registry.check(routed("throwaway_s")) is None


# --- settings


def test_settings_that_are_not_given_take_their_defaults(plug_in):
    plug_in("throwaway_f", {"throwaway_f": "throwaway_f_module"}, OWED)
    config = registry.resolve("throwaway_f", {"strength": 2.5})
    assert (config.strength, config.kept, config.layers) == (2.5, 3, ())
    assert registry.resolve("throwaway_f", {"strength": 2.5, "kept": 9}).kept == 9


def test_a_setting_that_must_be_tuned_is_owed(plug_in):
    plug_in("throwaway_g", {"throwaway_g": "throwaway_g_module"}, OWED)
    with pytest.raises(
        ConfigError,
        match=r"methods\.throwaway_g lacks \['strength'\], .*must be tuned\.\n  Give each a value",
    ):
        registry.resolve("throwaway_g", {"kept": 4})


def test_a_setting_that_the_method_does_not_know_is_named_beside_those_it_knows(plug_in):
    plug_in("throwaway_h", {"throwaway_h": "throwaway_h_module"}, OWED)
    with pytest.raises(
        ConfigError,
        match=r"has the settings \['a', 'strenght'\]; it knows \['kept', 'layers', 'strength'\]\.",
    ):
        registry.resolve("throwaway_h", {"strenght": 1.0, "a": 1})


def test_the_references_have_nothing_to_set():
    assert registry.resolve("naive_lora", {}) == registry.load("method", "naive_lora").Config()
    with pytest.raises(ConfigError, match=r"settings \['rank'\]; it knows none\.\n  Take them out"):
        registry.resolve("naive_lora", {"rank": 4})


# --- suites


def test_a_suite_is_found_by_name_or_by_path(tmp_path):
    assert registry.suite_path("demonstration") == registry.suites()["demonstration"]
    mine = tmp_path / "mine.yaml"
    assert registry.suite_path(str(mine)) == mine


def test_a_suite_that_does_not_exist_is_answered_with_those_that_do():
    with pytest.raises(
        UnknownName,
        match=r"no suite is called 'demonstratoin'\. Did you mean 'demonstration'\?(?s:.*)a path",
    ):
        registry.suite_path("demonstratoin")


def test_a_folder_that_happens_to_have_the_name_of_a_suite_is_not_taken_for_it(
    tmp_path, monkeypatch
):
    (tmp_path / "demonstration").mkdir()
    monkeypatch.chdir(tmp_path)
    assert registry.suite_path("demonstration") == registry.suites()["demonstration"]
