"""The pieces of the recipe that coarse-grains TIP4P/2005."""

from pathlib import Path

import numpy as np
import pytest

from mdfit.recipes.metrics import read_metrics

pytestmark = pytest.mark.usefixtures("recipe_modules")
FOLDER = Path(__file__).parents[2] / "recipes" / "cg_water_tip4p2005"
MODELS = (
    "force_matching_spline",
    "relative_entropy_spline",
    "force_matching_network",
    "relative_entropy_network",
)


def test_a_bead_is_the_centre_of_mass_with_the_force_on_its_molecule():
    from tip4p_reference import mapped

    from mdfit.data import Frames

    random, number = np.random.default_rng(0), 5
    species, masses = np.tile([8, 1, 1], number), np.tile([15.99943, 1.007947, 1.007947], number)
    positions = random.uniform(0, 12, (4, number, 3)).repeat(3, axis=1) + random.normal(0, 0.5, (4, 3 * number, 3))
    forces = random.normal(size=positions.shape)
    frames = Frames(species, masses, positions, 12 * np.eye(3), np.ones(3, bool), forces=forces)
    beads = mapped(frames)
    weights = masses[:3] / masses[:3].sum()
    centres = np.einsum("fmad,a->fmd", positions.reshape(4, number, 3, 3), weights)
    np.testing.assert_allclose(beads.positions, centres, atol=1e-4)
    np.testing.assert_allclose(beads.forces, forces.reshape(4, number, 3, 3).sum(axis=2), atol=1e-5)
    np.testing.assert_allclose(beads.masses, 18.0154, rtol=1e-4)


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


def test_the_prior_is_not_trained_and_the_spline_starts_from_it():
    import jax
    from tip4p_models import network, spline

    from mdfit.potentials import trainable_except

    for model in (spline("small"), network("small", jax.random.key(0)), spline("published")):
        flags = trainable_except(model, [-1])
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
