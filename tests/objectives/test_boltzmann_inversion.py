"""Iterative Boltzmann inversion: the step of a dilute gas is exact; a liquid comes close in a few steps."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mdfit.errors import TrainingError
from mdfit.measurements import Measurement
from mdfit.objectives import BoltzmannInversion
from mdfit.objectives.boltzmann_inversion import boltzmann_step
from mdfit.observables import RDF, Pressure, estimate
from mdfit.potentials import InversePower, LennardJones, PairSpline, trainable
from mdfit.simulate import Langevin, StatePoint, run
from mdfit.structure import Structure
from mdfit.training import fit
from mdfit.units import BOLTZMANN

SAMPLER = Langevin("5 fs", friction="2 /ps")


def gas(density: float = 0.02, count: int = 4) -> StatePoint:
    """Argon-like atoms on a lattice, ``density`` in 1/Å³."""
    spacing = density ** (-1 / 3)
    places = np.stack(np.meshgrid(*[np.arange(count) * spacing] * 3), -1).reshape(-1, 3)
    number = count**3
    cell = np.eye(3) * count * spacing
    structure = Structure(np.full(number, 18, np.int32), places, cell, np.ones(3, bool), np.full(number, 39.948))
    return StatePoint(structure, "200 K")


def test_step_is_the_potential_of_a_dilute_gas():
    """There g = exp(−U/kT), so that one step from nothing arrives at U wherever g says something."""
    spline = PairSpline(2.5, 8.0, 40)
    r = np.linspace(3.3, 7.9, 200)
    energy = 0.02 * np.exp(-((r - 4.5) ** 2)) - 0.01 * np.exp(-((r - 6) ** 2))
    energy -= energy[-1]
    step = boltzmann_step(spline, r, np.ones_like(r), np.exp(-energy / (BOLTZMANN * 200)), 200.0)
    arrived = PairSpline(2.5, 8.0, 40, coefficients=step)
    kind = jnp.zeros((), jnp.int32)
    found = np.asarray(arrived.pair_energy(jnp.asarray(r) ** 2, kind, kind))
    assert np.abs(found - energy)[5:-5].max() < 2e-4


@pytest.mark.slow
def test_a_liquid_comes_close():
    """From the distribution of Lennard-Jones atoms, starting with a bare repulsive core."""
    at, rdf = gas(), RDF("6.5 Å", bins=26)
    lengths = {"duration": "30 ps", "equilibrate": "5 ps", "every": "0.1 ps"}
    exact = LennardJones("0.0104 eV", "3.4 Å", cutoff="7 Å")
    reference = run(exact, at, SAMPLER, key=jax.random.key(0), show_progress=False, **lengths)
    target = Measurement(rdf, estimate(rdf, reference).value, at, weight=1.0)
    start = PairSpline(2.5, 7.0, 40) + InversePower("0.0104 eV", "3.2 Å", "7 Å")

    def only_spline(potential):
        return eqx.tree_at(
            lambda tree: tree.terms[0], jax.tree.map(lambda _: False, potential), trainable(start.terms[0])
        )

    objective = BoltzmannInversion(target, SAMPLER, sample="6 ps", every="0.1 ps", equilibrate="1 ps")
    settings = {"optimizer": optax.sgd(1.0), "steps": 5, "train_only": only_spline, "show_progress": False}
    result = fit(start, objective, **settings)
    errors = [record["rdf_rmse"] for record in result.history]
    assert errors[-1] < errors[0] / 3
    assert errors[-1] < 0.07, errors


def test_bad_targets_and_potentials_are_named():
    at = gas()
    with pytest.raises(TrainingError, match="needs an RDF"):
        BoltzmannInversion(Measurement(Pressure(), "1 bar", at, sigma="1 bar"), SAMPLER, sample="1 ps", every="0.1 ps")
    objective = BoltzmannInversion(
        Measurement(RDF("5 Å", bins=10), np.ones(10), at, weight=1.0), SAMPLER, sample="1 ps", every="0.1 ps"
    )
    with pytest.raises(TrainingError, match="changes one PairSpline"):
        fit(
            LennardJones("0.0104 eV", "3.4 Å", "7 Å"),
            objective,
            optimizer=optax.sgd(1.0),
            steps=1,
            show_progress=False,
        )
