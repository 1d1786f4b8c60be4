"""The pieces of the recipe that coarse-grains TIP4P/2005."""

from pathlib import Path

import numpy as np
import pytest

from mdfit.recipes.metrics import read_metrics
from mdfit.simulate import Trajectory
from mdfit.units import BAR, BOLTZMANN, KILOJOULE_PER_MOLE

pytestmark = pytest.mark.usefixtures("recipe_modules")
FOLDER = Path(__file__).parents[2] / "recipes" / "cg_water_tip4p2005"
MODELS = (
    "force_matching_spline",
    "relative_entropy_spline",
    "force_matching_network",
    "relative_entropy_network",
)


@pytest.fixture(scope="module")
def reference():
    """Settings of a box of 64 molecules, whose edge is 12.4 Å."""
    pytest.importorskip("openmm")
    from tip4p_scales import Reference

    return Reference(64, "6 Å", "1 ps", "0.1 ps", 10, 100)


@pytest.fixture(scope="module")
def frames(reference, tmp_path_factory):
    """A few frames of all atoms."""
    from tip4p_reference import simulate

    return simulate(reference, 0, tmp_path_factory.mktemp("water") / "reference.h5", False)


def test_published_curves_are_those_of_water():
    from tip4p_judgement import observables, published

    from mdfit.structure import Structure

    number, edge = 500, (500 * 18.0154 / 0.9977 / 0.602214) ** (1 / 3)
    structure = Structure(
        np.full(number, 8), np.zeros((number, 3)), np.eye(3) * edge, np.ones(3, bool), np.full(number, 18.0154)
    )
    curves, grids = published(structure), observables(structure)
    r, g = grids["rdf"].grid[:300], curves["rdf"]
    assert len(g) == 300
    # Our bins go on up to half the cell.
    assert grids["rdf"].r_max == pytest.approx(edge / 2, abs=0.2)
    assert grids["rdf"].grid[299] == pytest.approx(8.5 - 8.5 / 600)
    assert r[g.argmax()] == pytest.approx(2.78, abs=0.03)
    first_shell = r < 3.3
    assert 4.0 < np.sum(4 * np.pi * r**2 * g, where=first_shell) * (r[1] - r[0]) * number / edge**3 < 4.7
    assert curves["adf"].sum() * np.pi / 150 == pytest.approx(1, abs=1e-3)
    assert grids["g3"].grid[curves["g3"].argmax()] == pytest.approx(2.97, abs=0.1)


def test_beads_are_centres_of_mass_with_the_force_on_the_molecule(frames):
    from tip4p_reference import mapped

    beads = mapped(frames)
    molecules = frames.positions.reshape(len(frames), 64, 3, 3).astype(float)
    weights = np.array([15.99943, 1.007947, 1.007947])
    centres = np.einsum("fmad,a->fmd", molecules, weights / weights.sum())
    np.testing.assert_allclose(beads.positions, centres, atol=1e-4)
    np.testing.assert_allclose(beads.forces, frames.forces.reshape(len(frames), 64, 3, 3).sum(axis=2), atol=1e-5)
    np.testing.assert_allclose(beads.masses, 18.0154, rtol=1e-4)
    np.testing.assert_array_equal(beads.spread(2).positions, beads.positions[[0, 9]])


def test_pressure_is_the_derivative_of_the_energy_by_the_volume(reference, frames):
    from tip4p_reference import TEMPERATURE, context_of, pressures, system

    molecules = system(reference)
    context = context_of(molecules, 0)
    (found,) = pressures(molecules, context, frames.select([4]))
    cell = frames.cells[4].astype(float)
    places = context.getState(getPositions=True).getPositions(asNumpy=True)._value * 10
    # OpenMM moves the mean of the four particles of a molecule; on average the choice does not matter.
    centres = np.repeat(places.reshape(64, 4, 3).mean(axis=1), 4, axis=0)
    energies = []
    for scale in (0.999, 1.001):
        context.setPeriodicBoxVectors(*(scale * cell / 10).tolist())
        context.setPositions((places + (scale - 1) * centres) / 10)
        energies.append(context.getState(getEnergy=True).getPotentialEnergy()._value * KILOJOULE_PER_MOLE)
    volume = np.linalg.det(cell)
    slope = (energies[1] - energies[0]) / (volume * (1.001**3 - 0.999**3))
    expected = (64 * BOLTZMANN * TEMPERATURE / volume - slope) / BAR
    # Energies of single precision leave some bar.
    assert found == pytest.approx(expected, abs=20)


def test_the_deviation_of_a_curve_from_itself_vanishes(frames):
    import jax.numpy as jnp
    from tip4p_judgement import WIDTH, Curve
    from tip4p_reference import mapped

    from mdfit.observables import RDF, per_frame
    from mdfit.observables.low_frequencies import student_factor

    observable = RDF(150 * WIDTH, 150, smearing=WIDTH)
    values = per_frame(observable, Trajectory.of_frames(mapped(frames), temperature=298.0))[0]
    curve = Curve(observable, values)
    np.testing.assert_allclose(curve.value, observable.combine(jnp.asarray(values.mean(axis=0))))
    assert curve.deviation(curve.value)[0] == 0
    value, error = curve.deviation(curve.value[:100] + 1000)
    assert value == pytest.approx(1000)
    # So far off, the deviation is linear in the curve: a thousand minus its mean.
    blocks = values[: len(values) // 10 * 10].reshape(10, -1, values.shape[1]).mean(axis=1)
    means = np.array([np.asarray(observable.combine(jnp.asarray(block)))[:100].mean() for block in blocks])
    # Within so many standard errors lies Student's t with a probability of 68.27 %.
    assert error == pytest.approx(student_factor(9) * means.std(ddof=1) / np.sqrt(10), rel=1e-3)
    expected = student_factor(len(values) - 1) * values.std(axis=0, ddof=1) / np.sqrt(len(values))
    np.testing.assert_allclose(curve.standard_error, expected, atol=1e-6)


def test_the_prior_is_not_trained_and_the_spline_starts_from_it():
    import jax
    from tip4p_models import network, spline
    from tip4p_training import all_but_the_prior

    for model in (spline("small"), network("small", 0), spline("published")):
        flags = all_but_the_prior(model)
        assert any(jax.tree.leaves(flags.terms[0]))
        assert not any(jax.tree.leaves(flags.terms[1]))
    assert not np.any(spline("small").terms[0].coefficients)


def test_results_are_committed_and_meet_what_the_readme_says():
    metrics = read_metrics(FOLDER / "results" / "metrics.json")
    kinds = ("rdf_rmse", "adf_rmse", "g3_rmse", "pressure", "temperature")
    assert {f"{kind}/{name}" for kind in kinds for name in ("reference", *MODELS)} <= set(metrics)
    assert {f"speed/{name}" for name in ("all_atom", *MODELS)} <= set(metrics)
    assert all(metrics[f"{kind}/{name}"].standard_error > 0 for kind in kinds for name in MODELS)
    # All atoms: the density of 1 bar, and the published distributions but for a few hundredths.
    assert abs(metrics["pressure/reference"].value) < 4 * metrics["pressure/reference"].standard_error
    assert metrics["rdf_rmse/reference"].value < 0.02
    # Relative entropy of a pair potential copies the pair distribution; forces do not.
    value = {name: metrics[f"rdf_rmse/{name}"].value for name in MODELS}
    assert value["relative_entropy_spline"] < 2 * metrics["rdf_rmse/halves"].value
    assert value["relative_entropy_spline"] < 0.2 * value["force_matching_spline"]
    # Only a potential of many bodies has the angles.
    angles = {name: metrics[f"adf_rmse/{name}"].value for name in MODELS}
    assert angles["relative_entropy_network"] < 0.5 * angles["relative_entropy_spline"]
    assert metrics["speed/force_matching_network"].value > metrics["speed/all_atom"].value
