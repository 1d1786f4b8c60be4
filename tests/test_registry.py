"""Classes by their names: plugins that fail, names that stand twice, arguments."""

import importlib.metadata
import sys

import pytest

from mdfit import registry
from mdfit.errors import ModelFileError, SimulationError
from mdfit.models import Model, load
from mdfit.potentials import LennardJones
from mdfit.registry import PLUGINS


@pytest.fixture
def plugins(monkeypatch, tmp_path):
    """``plugins({module: text})``: as if packages with these modules were installed."""

    def install(modules):
        for name, text in modules.items():
            (tmp_path / f"{name}.py").write_text(text)
        entries = [importlib.metadata.EntryPoint(name, name, PLUGINS) for name in modules]
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: entries if group == PLUGINS else [])
        registry._import_plugins.cache_clear()

    yield install
    registry._import_plugins.cache_clear()
    for name in [name for name in sys.modules if name.startswith("plugin_of_test_")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("text", "word"), [("import nothing_of_this_name", "nothing_of_this_name"), ("raise SystemExit(0)", "SystemExit")]
)
def test_a_plugin_that_fails_is_named_and_the_rest_goes_on(plugins, tmp_path, caplog, text, word):
    path = LennardJones(0.01, 3.4, 8.0).save(tmp_path / "argon.mdfit")
    plugins({"plugin_of_test_broken": text})
    assert isinstance(load(path), LennardJones)
    assert "plugin plugin_of_test_broken" in caplog.text
    assert word in caplog.text


def test_a_kind_of_file_that_a_plugin_brings_is_known_at_once(plugins, tmp_path):
    text = "from mdfit.models import Model\n\n\nclass ModelOfPlugin(Model):\n    kind = 'charge model'\n"
    plugins({"plugin_of_test_kind": text})
    made = registry.named(Model)["ModelOfPlugin"]().save(tmp_path / "charges.mdfit")
    del sys.modules["plugin_of_test_kind"]
    registry._import_plugins.cache_clear()
    assert type(load(made)).__name__ == "ModelOfPlugin"


def test_names_that_stand_twice_or_more():
    def define(place):
        return type("Thrice", (Model,), {"__module__": place, "__annotations__": {}})

    kinds = [define("here"), define("there"), define("elsewhere")]
    with pytest.raises(ModelFileError, match=r"3 classes of the name Thrice: here\.Thrice, there\.Thrice, else"):
        registry.find("Thrice", Model, "model", ModelFileError)
    assert len(kinds) == 3


def test_of_several_definitions_in_one_place_the_last_one_counts():
    """As in a notebook whose cell is run again."""
    kinds = [type("DefinedAgain", (Model,), {"__module__": "notebook", "__annotations__": {}}) for _ in range(2)]
    assert registry.find("DefinedAgain", Model, "model", ModelFileError) is kinds[1]


def test_arguments_that_gather_others_need_nothing():
    def build(one, *rest, **others):
        return one, rest, others

    assert registry.call(build, "build", {"one": 1}, SimulationError) == (1, (), {})
    with pytest.raises(SimulationError, match="build needs the argument 'one'"):
        registry.call(build, "build", {}, SimulationError)
