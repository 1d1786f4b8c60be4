"""A potential that a user wrote: in a recipe, from a file beside it or from an installed package."""

import importlib.metadata
import shutil
import sys

import pytest
from click.testing import CliRunner

from mdfit import registry
from mdfit.cli.main import main
from mdfit.errors import RecipeError, UntrustedError
from mdfit.potentials import load
from mdfit.recipes import load_recipe, resume_run, run_recipe
from mdfit.registry import PLUGINS

SPRING = '''
import equinox as eqx
import jax
import jax.numpy as jnp

from mdfit.potentials import PairPotential
from mdfit.units import quantity


class {name}(PairPotential):
    """A Gaussian hill between atoms."""

    cutoff: float = eqx.field(static=True)
    species: tuple[int, ...] = eqx.field(static=True)
    height: jax.Array

    def __init__(self, cutoff, species=(), height=0.0):
        self.cutoff, self.species, self.height = float(cutoff), tuple(species), jnp.asarray(height)

    @classmethod
    def for_data(cls, dataset, cutoff, key=None, height=0.1):
        return cls(quantity(cutoff, "Å", "cutoff"), dataset.species, height)

    def pair_energy(self, squared, one, other):
        return self.height * jnp.exp(-squared) * (1 - squared / self.cutoff**2) ** 3
'''
OWN = "potential: {kind: %s, cutoff: 3 Å, arguments: {height: 0.2}, add: [ZBL]%s}"
TINY = "potential: {channels: 4, layers: 1, radial_functions: 3, cutoff: 3 Å, add: [ZBL]}"


def recipe(write_tiny, folder, name, file=", file: own.py", kind=None):
    path = write_tiny(folder, (TINY, OWN % (kind or name, file)))
    (folder / "own.py").write_text(SPRING.replace("{name}", name))
    return path


def test_from_a_file_beside_the_recipe(write_tiny, tmp_path):
    path = recipe(write_tiny, tmp_path / "hill", "HillOfFile")
    out = tmp_path / "run"
    done = CliRunner().invoke(main, ["run", str(path), "--scale", "train", "--out", str(out), "--quiet"])
    assert done.exit_code == 0, done.output
    potential = load(out / "fit" / "best.mdfit")
    hill, _ = potential.terms
    assert type(hill).__name__ == "HillOfFile"
    assert float(hill.height) != pytest.approx(0.2, abs=1e-9)
    assert hill.species == (14,)
    # Resuming runs the program, which is not that of this installation.
    with pytest.raises(UntrustedError, match=r"takes its potential from .*own\.py; resuming runs that program"):
        resume_run(out, show_progress=False)
    assert resume_run(out, show_progress=False, trust=True).metrics
    (tmp_path / "hill" / "own.py").write_text((tmp_path / "hill" / "own.py").read_text() + "\n")
    with pytest.raises(RecipeError, match=r"own\.py, which defines the potential, has changed"):
        resume_run(out, show_progress=False, trust=True)


def test_from_an_installed_package(write_tiny, tmp_path, monkeypatch):
    folder = tmp_path / "package"
    path = recipe(write_tiny, folder, "HillOfPackage", file="")
    shutil.move(folder / "own.py", folder / "hill_package.py")
    monkeypatch.syspath_prepend(str(folder))
    entry = importlib.metadata.EntryPoint("hills", "hill_package", PLUGINS)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [entry] if group == PLUGINS else [])
    registry._import_plugins.cache_clear()
    run_recipe(load_recipe(path, "train"), tmp_path / "run", show_progress=False)
    registry._import_plugins.cache_clear()
    assert type(load(tmp_path / "run" / "fit" / "best.mdfit").terms[0]).__name__ == "HillOfPackage"
    # Nothing of it is left out of a resume: no file is named, so nothing has to be trusted.
    assert resume_run(tmp_path / "run", show_progress=False).metrics
    sys.modules.pop("hill_package")


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"kind": "PaiN", "file": ""}, r"There is no potential 'PaiN': .*PaiNN"),
        ({"kind": "LennardJones", "file": ""}, r"LennardJones cannot be made for training data"),
        ({"kind": "HillOfNobody"}, r"There is no potential 'HillOfNobody'"),
    ],
)
def test_classes_that_are_not_there(write_tiny, tmp_path, settings, error):
    path = recipe(write_tiny, tmp_path / "hill", "HillThatIsNotThere", **settings)
    with pytest.raises(RecipeError, match=error):
        run_recipe(load_recipe(path, "train"), tmp_path / "run", show_progress=False)


@pytest.mark.parametrize(
    ("potential", "error"),
    [
        ("potential: {kind: PaiNN, file: own.py}", "file would be ignored by PaiNN"),
        ("potential: {arguments: {height: 1.0}}", "arguments would be ignored by PaiNN"),
        ("potential: {kind: HillOfFile, channels: 8}", "channels would be ignored by HillOfFile"),
        ("potential: {kind: HillOfFile, file: nowhere.py}", r"there is no file .*nowhere\.py"),
    ],
)
def test_settings_that_do_not_fit(write_tiny, tmp_path, potential, error):
    path = write_tiny(tmp_path / "hill", (TINY, potential))
    with pytest.raises(RecipeError, match=error):
        load_recipe(path)


def test_arguments_are_those_of_the_class(write_tiny, tmp_path):
    path = recipe(write_tiny, tmp_path / "hill", "HillWithArguments")
    path.write_text(path.read_text().replace("height: 0.2", "hight: 0.2"))
    with pytest.raises(RecipeError, match=r"HillWithArguments\.for_data takes no argument 'hight': .*height"):
        run_recipe(load_recipe(path, "train"), tmp_path / "run", show_progress=False)


def test_a_file_that_cannot_be_imported_is_named(write_tiny, tmp_path):
    path = recipe(write_tiny, tmp_path / "hill", "HillThatFails")
    (tmp_path / "hill" / "own.py").write_text("import nothing_of_this_name")
    with pytest.raises(RecipeError, match=r"own\.py cannot be imported .*nothing_of_this_name"):
        run_recipe(load_recipe(path, "train"), tmp_path / "run", show_progress=False)
