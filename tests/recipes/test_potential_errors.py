"""The section ``uncertainty`` of a recipe: a potential that tells its error, and the potential's error of every number."""

import numpy as np
import pytest
from ase.build import bulk
from ase.io import write

from mdfit.data import Frames, read
from mdfit.data.frame_files import particles_in
from mdfit.errors import PotentialError, RecipeError, SimulationError
from mdfit.graph import build_graph
from mdfit.observables import PotentialEnergy, Pressure
from mdfit.potentials import KnownSpread, LastLayer, LennardJones, PotentialSet, StillingerWeber, evaluate, load
from mdfit.potentials.neural import network_of
from mdfit.properties import relax_cell
from mdfit.recipes import load_recipe, read_metrics, resume_run, run_recipe
from mdfit.recipes.building import build_crystal
from mdfit.recipes.metric_lines import with_error
from mdfit.recipes.metrics import Metric, spread_metrics
from mdfit.recipes.potential_errors import LastLayerData, PotentialErrors
from mdfit.recipes.schema import Training, Uncertainty
from mdfit.report import write_report, write_results
from mdfit.simulate import Trajectory
from mdfit.structure import Structure
from mdfit.uncertainty import estimate_reweighted, label_spread, member_weights

RECIPE = """\
title: Sure
data: {train: train.extxyz, validation_fraction: 0.4, test_fraction: 0.2}
potential: {kind: PaiNN, channels: 8, layers: 1, radial_functions: 3, cutoff: 3 Å}
training:
  energy: 100
  epochs: 100
  batch_size: 6
  average: null
  validate_every: 100
  optimizer: {learning_rate: 1.0e-2, warmup_steps: 0}
uncertainty: {members: 4, seed: 3}
simulations:
  warm:
    structure: {crystal: {element: Si, lattice: diamond, a: 5.43 Å}}
    temperature: 300 K
    friction: 50 /ps
    replicas: 8
    duration: 0.4 ps
    every: 10 fs
    rdf_maximum: 2.7 Å
  nve: {structure: {end_of: warm}, sampler: NVE, duration: 12 fs, every: 1 fs}
properties: {crystal: {element: Si, lattice: diamond, a: 5.43 Å}, equation_of_state: false}
"""


def write_recipe(folder, *changes: tuple[str, str]):
    """Shaken silicon, labelled by Stillinger and Weber's potential."""
    truth, frames = StillingerWeber(), []
    for seed in range(40):
        atoms = bulk("Si", "diamond", a=5.43 * (1 + 0.01 * np.sin(seed)), cubic=True)
        atoms.rattle(0.01 + 0.003 * (seed % 10), seed=seed)
        found = evaluate(truth, build_graph(Structure.from_ase(atoms), truth.cutoff))
        atoms.info["energy"], atoms.arrays["forces"] = float(found.energy[0]), np.asarray(found.forces)[: len(atoms)]
        frames.append(atoms)
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "train.extxyz", frames, format="extxyz")
    text = RECIPE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")
    return folder / "recipe.yaml"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sure")
    run_recipe(load_recipe(write_recipe(folder)), folder / "run", show_progress=False)
    return folder / "run"


@pytest.fixture(scope="module")
def metrics(run):
    return read_metrics(run / "metrics.json")


def test_the_uncertain_potential_is_the_trained_one(run):
    uncertain, trained = load(run / "uncertain.mdfit"), load(run / "fit" / "best.mdfit")
    assert isinstance(uncertain, LastLayer)
    graph = build_graph(read(run.parent / "train.extxyz")[0].structure, trained.cutoff)
    np.testing.assert_allclose(evaluate(uncertain, graph).forces, evaluate(trained, graph).forces, atol=1e-5)
    assert uncertain.known_spread is not None


def test_test_sets_are_judged_by_spreads(run, metrics):
    held_out = read(run.parent / "train.extxyz").split(0.8, seed=0)[1]
    spread = label_spread(load(run / "uncertain.mdfit"), held_out)
    for name, metric in spread_metrics("held_out", spread).items():
        assert metrics[name].value == pytest.approx(metric.value, rel=1e-4), name
    assert metrics["held_out/force_z_score_deviation"].value == pytest.approx(1, abs=0.4)
    scales = load(run / "uncertain.mdfit").scales
    assert metrics["uncertainty/energy_scale"].value == pytest.approx(float(scales.energy), rel=1e-6)
    assert metrics["uncertainty/forces_scale"].unit == "1/Å"


def simulated(run) -> Trajectory:
    path = run / "simulations" / "warm.h5"
    return Trajectory.of_frames(*(Frames.read(path, replica) for replica in particles_in(path)))


def test_simulations_have_both_errors(run, metrics):
    members = load(run / "uncertain.mdfit").sample(4, 3)
    frames = member_weights(members, simulated(run))
    assert frames.sound
    expected = estimate_reweighted([PotentialEnergy()], frames)[0]
    energy = metrics["warm/potential_energy"]
    assert energy.potential_error == pytest.approx(float(expected.potential_error) / 8, rel=1e-3)
    assert energy.standard_error > 0
    assert metrics["warm/pressure"].potential_error > 0
    assert metrics["warm/temperature"].potential_error is None
    assert 0 <= metrics["warm/frames_beyond_known"].value <= 100
    # At constant energy frames cannot be weighted for other potentials.
    assert metrics["nve/pressure"].potential_error is None
    assert "frames at constant energy have no weights" in metrics["nve/pressure"].warning


def test_weights_that_cannot_be_trusted_are_told(run):
    errors = PotentialErrors.of(Uncertainty(members=3), load(run / "uncertain.mdfit"))
    found, warning = errors.of_simulation([Pressure()], simulated(run).part(0, 2))
    assert not found
    assert warning.startswith(
        "the potential's error is not known, since the frames cannot be weighted for all members ("
    )


def test_static_properties_have_the_deviations_of_members(run, metrics):
    choice = load_recipe(run.parent).recipe.properties
    members = load(run / "uncertain.mdfit").sample(4, 3)
    found = [relax_cell(member, build_crystal(choice.crystal)).cell[0, 0] for member in members]
    lattice = metrics["static/lattice_constant"]
    assert lattice.standard_error is None
    assert lattice.potential_error == pytest.approx(np.std(found, ddof=1), rel=1e-4)
    assert all(metrics[f"static/{name}"].potential_error > 0 for name in ("C11", "C12", "C44"))


def test_report_and_results_show_them(run, metrics, tmp_path):
    page = write_report(run).read_text(encoding="utf-8")
    assert "Reliability of intervals" in page
    assert "(potential)" in page
    summary = write_results(run, tmp_path / "results").read_text(encoding="utf-8")
    assert "(potential)" in summary
    assert {"uncertain.mdfit", "potential.mdfit", "reliability_held_out_forces.png"} <= {
        path.name for path in (tmp_path / "results").iterdir()
    }
    assert read_metrics(tmp_path / "results" / "metrics.json") == metrics


def test_resuming_keeps_what_is_there(run, metrics):
    (run / "metrics.json").unlink()
    before = (run / "uncertain.mdfit").stat().st_mtime_ns
    assert resume_run(run, show_progress=False).metrics == metrics
    assert (run / "uncertain.mdfit").stat().st_mtime_ns == before


def test_energies_that_are_not_trained_on_do_not_count(run):
    train, validation = read(run.parent / "train.extxyz").split(0.6, seed=0)
    data = LastLayerData.of(Training(energy=0.0), train, validation)
    assert data.kinds == ("forces",)
    found = data.uncertain(load(run / "fit" / "best.mdfit"), show_progress=False)
    assert np.isnan(found.scales.energy)
    assert np.isfinite(found.scales.forces)
    assert found.known_spread.forces > 0
    assert found.known_spread.energy is None
    # Draws are then those of the posterior.
    drawn = PotentialErrors.of(Uncertainty(members=3, seed=1), found).members
    expected = found.sample(3, 1, scale=1.0)
    np.testing.assert_array_equal(*(np.asarray(network_of(one[2]).last_layer) for one in (drawn, expected)))


def test_members_without_a_property_are_counted():
    members = PotentialSet.of([LennardJones(epsilon=number) for number in (1.0, 2.0, 3.0)])
    errors = PotentialErrors(members, KnownSpread(1.0, 1.0))

    def calculate(member):
        if member.epsilon > 2.5:
            raise SimulationError("No minimum.")
        return {"static/C11": Metric(float(member.epsilon), None, "GPa")}

    found = errors.of_properties(calculate, {"static/C11": Metric(1.5, None, "GPa")})["static/C11"]
    assert found.potential_error == pytest.approx(np.sqrt(0.5))
    assert found.warning == "1 of 3 members have no such property"


def test_too_few_structures_are_refused_before_the_training(tmp_path):
    path = write_recipe(tmp_path, ("validation_fraction: 0.4", "validation_fraction: 0.1"))
    with pytest.raises(RecipeError, match="3 structures to validate on do not tell how large errors are"):
        run_recipe(load_recipe(path), tmp_path / "run", show_progress=False)
    assert not (tmp_path / "run" / "fit").exists()


OWN = '''
import equinox as eqx
import jax.numpy as jnp

from mdfit.potentials import PairPotential


class HillWithoutLastLayer(PairPotential):
    """A hill between atoms."""

    cutoff: float = eqx.field(static=True)
    species: tuple[int, ...] = eqx.field(static=True)

    @classmethod
    def for_data(cls, dataset, cutoff, key=None):
        return cls(cutoff, dataset.species)

    def pair_energy(self, squared, one, other):
        return jnp.exp(-squared)
'''


def test_a_potential_without_a_last_layer_is_refused_before_the_training(tmp_path):
    own = "kind: HillWithoutLastLayer, file: own.py"
    path = write_recipe(tmp_path, ("kind: PaiNN, channels: 8, layers: 1, radial_functions: 3", own))
    (tmp_path / "own.py").write_text(OWN)
    with pytest.raises(PotentialError, match="HillWithoutLastLayer has no last linear layer"):
        run_recipe(load_recipe(path), tmp_path / "run", show_progress=False)
    assert not (tmp_path / "run" / "fit").exists()


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        (Metric(1.23456, 0.021, "GPa", potential_error=0.34), "1.235 ± 0.021 ± 0.340 (potential) GPa"),
        (Metric(153.21, None, "GPa", potential_error=2.6), "153.2 ± 2.6 (potential) GPa"),
        (Metric(153.21, 0.5, "GPa", potential_error=float("nan")), "153.21 ± 0.50 GPa"),
        (Metric(153.21, None, "GPa"), "153.2 GPa"),
    ],
)
def test_both_errors_in_a_line(metric, text):
    assert with_error(metric) == text
