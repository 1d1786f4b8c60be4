"""The double well of S. Thaler, J. Zavadlav, Nat. Commun. 12, 6884 (2021): a field learned from a density alone."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from mdfit.recipes import Request

pytestmark = pytest.mark.optimised

RECIPE = Path(__file__).parents[2] / "recipes" / "double_well"


@pytest.fixture(scope="module")
def recipe():
    """The modules of the recipe."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(RECIPE))
        names = ("double_well", "backpropagation")
        yield tuple(importlib.import_module(name) for name in names)
        for name in names:
            del sys.modules[name]


@pytest.fixture(scope="module")
def train_and_judge(recipe, tmp_path_factory):
    """Trains with a seed at some size; the potential and how good it is."""
    system, _ = recipe

    def trained(scale, seed, validation_frames):
        request = Request("cpu", 0, tmp_path_factory.mktemp("double_well"), show_progress=False)
        result = system.train(request, scale, seed)
        sampled = system.sampled_density(request, "new", result.last, scale.particles, validation_frames)
        return result.last, {name: metric.value for name, metric in system.judge(result, sampled).items()}

    return trained


@pytest.fixture(scope="module")
def trained(recipe, train_and_judge):
    """Seed 0 at the size of the acceptance criteria, and how good it is."""
    return train_and_judge(recipe[0].Scale(), 0, validation_frames=2000)


@pytest.fixture(scope="module")
def all_trained(recipe, train_and_judge, trained):
    """The same from five seeds."""
    return [trained, *(train_and_judge(recipe[0].Scale(), seed, validation_frames=2000) for seed in range(1, 5))]


def accepted(quality) -> bool:
    return (
        quality["final_loss"] <= 2e-3
        and quality["validation_rms"] <= 0.06
        and quality["potential_rms"] <= 0.2
        and quality["reuse_fraction"] >= 0.3
    )


def test_exact_density_has_the_published_extremes(recipe):
    density = recipe[0].exact_density(smearing=1e-3)
    assert density.max() == pytest.approx(2.33, abs=0.01)
    assert density[55] == pytest.approx(1.46, abs=0.01)
    # That of a simulation with its noise.
    assert density[60:75].max() == pytest.approx(1.61, abs=0.03)
    assert np.sum(density) * 0.01 == pytest.approx(1, abs=1e-6)


def test_simulations_in_the_double_well_have_its_density(recipe, tmp_path):
    system, _ = recipe
    request = Request("cpu", 0, tmp_path, show_progress=False)
    sampled = system.sampled_density(request, "truth", system.truth(), particles=1000, frames=200)
    assert np.sqrt(np.mean((sampled - system.exact_density()) ** 2)) < 0.04


def test_a_few_updates_come_close(recipe, train_and_judge):
    scale = recipe[0].Scale(particles=100, frames=60, dropped=20, updates=60)
    _, quality = train_and_judge(scale, 0, validation_frames=100)
    assert quality["first_loss"] > 1.5
    assert quality["final_loss"] < 0.1
    # It is 1.08 for the density of the prior alone.
    assert quality["validation_rms"] < 0.3


def test_both_gradients_agree_where_the_dynamics_is_not_chaotic(recipe):
    """In the prior alone reverse-mode differentiation through a long trajectory gives the derivative of the same mean."""
    import jax
    import jax.numpy as jnp

    system, through = recipe
    parameters = through.split(system.start(0))
    target = jnp.asarray(system.exact_density())
    x, momenta = through.equilibrated(parameters.combine(), 4000, jnp.float64)
    gradient = (
        jax.jit(through.gradient_function(parameters, 20))(parameters.trained, x, momenta, jax.random.key(1))
        .terms[0]
        .coefficients
    )
    # The gradient of the loss of the exact density, by the covariance formula on a fine grid.
    grid = np.linspace(-0.2, 1.2, 2801)

    def exact_loss(coefficients):
        import equinox as eqx

        moved = eqx.tree_at(lambda tree: tree.terms[0].coefficients, parameters.combine(), coefficients)
        places = jnp.asarray(grid)[:, None]
        energy = sum(term.field_energy(places, jnp.ones(len(grid), jnp.int32)) for term in moved.terms)
        weights = jax.nn.softmax(-energy)
        kernels = jnp.exp(-0.5 * ((system.GRID[:, None] - grid) / system.SMEARING) ** 2) / (
            np.sqrt(2 * np.pi) * system.SMEARING
        )
        return jnp.mean((kernels @ weights - target) ** 2)

    expected = jax.grad(exact_loss)(parameters.trained.terms[0].coefficients)
    cosine = float(jnp.vdot(gradient, expected) / jnp.linalg.norm(gradient) / jnp.linalg.norm(expected))
    assert cosine > 0.95


@pytest.mark.slow
def test_most_seeds_learn_the_potential(all_trained):
    qualities = [quality for _, quality in all_trained]
    assert sum(accepted(quality) for quality in qualities) >= 4, qualities


@pytest.mark.slow
def test_gradients_through_the_dynamics_explode_while_those_of_reweighting_do_not(recipe, all_trained):
    """How fast they explode depends on how rough the learned field is: the median over the trainings counts."""
    _, through = recipe
    decades = []
    for potential, _ in all_trained:
        norms = through.gradient_norms(potential, (10, 40, 320))
        simulated, reweighted = (
            [norms[f"{kind}/{frames}"].value for frames in (10, 40, 320)]
            for kind in ("through_simulation", "reweighting")
        )
        decades.append(np.log10(simulated[2] / simulated[1]) if np.isfinite(simulated[2]) else np.inf)
        assert reweighted[2] < reweighted[0], norms
    assert np.median(decades) > 10, decades
    assert min(decades) > 4, decades


@pytest.mark.slow
def test_reweighting_is_far_faster_than_differentiating_the_dynamics(recipe, trained):
    _, through = recipe
    measured = through.seconds_per_gradient(trained[0], frames=160, repeats=5)
    assert measured["speedup_over_backpropagation"].value > 30, measured
