"""The pieces of the recipe for coarse-grained water."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdfit.recipes.metrics import read_metrics

pytestmark = pytest.mark.usefixtures("recipe_modules")
FOLDER = Path(__file__).parents[2] / "recipes" / "cg_water"


def test_targets_are_those_of_the_experiment():
    from water_targets import PUBLISHED_PRESSURE_WEIGHT, configuration, targets

    at = configuration()
    radial, pressure, angular = targets(at, PUBLISHED_PRESSURE_WEIGHT, 1.0)
    grams_per_litre = at.structure.masses.sum() / at.structure.volume * 1660.539
    assert grams_per_litre == pytest.approx(998.3, abs=0.1)
    # The first maximum, from A. K. Soper, C. J. Benmore (2008), and about 4.3 neighbours up to the first minimum.
    r, g = radial.observable.grid, radial.value
    assert r[g.argmax()] == pytest.approx(2.75, abs=0.03)
    assert g.max() == pytest.approx(2.6, abs=0.02)
    shell = r < 3.3
    neighbours = np.sum(4 * np.pi * r[shell] ** 2 * g[shell]) * (r[1] - r[0]) * 901 / at.structure.volume
    assert 4.0 < neighbours < 4.6
    assert np.sum(angular.value) * np.pi / 200 == pytest.approx(1, abs=1e-3)
    # 1e-7 for 1 kJ/mol/nm³, which is 16.6054 bar.
    assert float(pressure.chi_square(1 + 16.6054)) == pytest.approx(1e-7, rel=1e-4)


def test_wider_bins_hold_as_many_pairs_and_angles():
    from water_targets import lattice, targets

    at = lattice(150, seed=0)
    fine, wide = targets(at, 1.0, 1.0), targets(at, 1.0, 1.0, together=(4, 8))
    radial, angular = fine[0].observable, fine[2].observable
    assert (radial.bins // 4, 25) == (wide[0].observable.bins, wide[2].observable.bins)
    edges = [np.linspace(0, m.observable.r_max, m.observable.bins + 1) for m in (fine[0], wide[0])]
    pairs = [np.cumsum(np.diff(e**3) * m.value) for e, m in zip(edges, (fine[0], wide[0]), strict=True)]
    np.testing.assert_allclose(pairs[1], pairs[0][3::4][: len(pairs[1])], rtol=1e-12)
    np.testing.assert_allclose(wide[2].value, fine[2].value.reshape(25, 8).mean(axis=1), rtol=1e-12)
    assert wide[2].observable.smearing == angular.smearing


def test_lattice_has_the_density_and_no_overlaps():
    from water_targets import BEADS_PER_VOLUME, lattice

    structure = lattice(150, seed=1).structure
    assert structure.number_of_atoms == 150
    assert 150 / structure.volume == pytest.approx(BEADS_PER_VOLUME)
    vectors = structure.positions[:, None] - structure.positions
    vectors -= np.round(vectors / structure.cell[0, 0]) * structure.cell[0, 0]
    distances = np.linalg.norm(vectors, axis=-1)[np.triu_indices(150, 1)]
    assert distances.min() > 2.5


def test_the_prior_is_not_trained():
    from water_models import flat_spline, small_network

    from mdfit.potentials import trainable_except

    for potential in (flat_spline(), small_network(jax.random.key(0))):
        flags = trainable_except(potential, [-1])
        assert not any(jax.tree.leaves(flags.terms[-1]))
        assert any(jax.tree.leaves(flags.terms[0]))


def test_a_spline_changes_by_its_own_unit():
    import equinox as eqx
    from water_models import flat_spline, sizes, small_network

    from mdfit.potentials import trainable_except

    whole = small_network(jax.random.key(0)) + flat_spline()
    trained = eqx.partition(whole, trainable_except(whole, [-1]))[0]
    found = sizes(trained, spline=0.2)
    assert jax.tree.structure(found) == jax.tree.structure(trained)
    values = [[np.unique(leaf).tolist() for leaf in jax.tree.leaves(term)] for term in found.terms]
    assert all(value == [1.0] for value in values[0])
    assert values[2] == [pytest.approx([0.2])]


def test_one_update_lowers_the_pressure_of_the_prior():
    import equinox as eqx
    from water_models import flat_spline
    from water_targets import lattice, targets

    from mdfit.objectives import Parameters
    from mdfit.potentials import trainable_except
    from mdfit.recipes import Descent, Reweighting, Sampling
    from mdfit.simulate import Langevin

    at = lattice(64, seed=0)
    method = Reweighting(
        Descent(1, (8e-3, 8e-3)), Sampling("1 ps", "0.5 ps", "50 fs"), fewest_samples=0.0, skin="1.5 Å"
    )
    objective = method.objective(targets(at, 1e-6), Langevin("10 fs", "1 /ps"))
    start = flat_spline()
    parameters = Parameters(*eqx.partition(start, trainable_except(start, [-1])))
    evaluation, state = objective.evaluate(parameters, objective.initial_state(0, parameters))
    # Its own repulsion gives about 12.8 kbar.
    before = float(evaluation.metrics["Pressure"])
    assert 10_000 < before < 15_000
    trained = jax.tree.map(lambda p, g: p - 1e-4 * jnp.sign(g), parameters.trained, evaluation.gradient)
    after, _ = objective.evaluate(parameters._replace(trained=trained), state)
    assert float(after.metrics["recomputed"]) == 0
    assert float(after.metrics["Pressure"]) < before - 10


def test_monatomic_water_has_the_parameters_of_its_publication():
    from water_models import monatomic_water

    from mdfit.data import Dataset, LabelledStructure
    from mdfit.potentials import predict
    from mdfit.structure import Structure

    # Its cutoff and the depth of an isolated pair, 4.32 Å and 6.189 kcal/mol in the work that introduced it.
    model = monatomic_water()
    assert model.cutoff == pytest.approx(4.32, abs=0.02)
    places = np.array([[0, 0, 0], [2.3925 * 2 ** (1 / 6), 0, 0]])
    dimer = Structure(np.full(2, 8), places, np.zeros((3, 3)), np.zeros(3, bool), np.ones(2))
    assert predict(model, Dataset((LabelledStructure(dimer),)))[0].energy == pytest.approx(-0.26838, rel=2e-3)


def test_validations_are_five_times_as_long_as_trainings():
    from water_scales import CPU

    from mdfit.units import quantity

    for model in (CPU.pairs, CPU.network):
        longest = max(quantity(phase.sampling.duration, "fs") for phase in model.phases)
        assert quantity(model.validation.duration, "fs") >= 5 * longest


def test_results_are_committed_and_meet_what_the_readme_says():
    metrics = read_metrics(FOLDER / "results" / "metrics.json")
    models = ("prior", "spline", "network", "ibi")
    assert {f"{kind}/{model}" for kind in ("rdf_rmse", "adf_rmse", "pressure") for model in models} <= set(metrics)
    assert all(metrics[f"rdf_rmse/{model}"].standard_error > 0 for model in models)
    # The figures that were computed from the saved results of the publication.
    assert metrics["rdf_rmse/published"].value == pytest.approx(0.0111, abs=1e-4)
    assert metrics["adf_rmse/published"].value == pytest.approx(0.0046, abs=1e-4)
    # The targets of the recipe, with two standard errors of the deviations in hand.
    for name, bound in (("rdf_rmse/spline", 0.03), ("rdf_rmse/network", 0.04), ("adf_rmse/network", 0.015)):
        assert metrics[name].value + 2 * metrics[name].standard_error <= bound
    pressure = metrics["pressure/spline"]
    assert abs(pressure.value) <= 100
