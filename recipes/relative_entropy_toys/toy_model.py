"""A model of two coordinates that is coarse-grained to one, with everything known exactly.

U(q, y) = 6 (q² − 1)² + q/2 + 200 (y − q)² in units of k_BT.  The coordinate y is averaged over: it leaves the potential of
mean force 6 (q² − 1)² + q/2 and, in the instantaneous force on q, noise of standard deviation 20.
Units: k_BT = 1 eV (at 11604.5 K), lengths in Å, masses in amu; along y and z of the beads nothing happens.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from mdfit.data import Frames
from mdfit.potentials import ExternalField, ExternalPolynomial, ExternalSpline, Sum
from mdfit.units import BOLTZMANN

TEMPERATURE = 1 / BOLTZMANN
RANGE = 1.9
COEFFICIENTS = 24
STIFFNESS = 400.0
GRID = np.linspace(-3.0, 3.0, 3001)
#: Particles of one structure: they do not see each other, so that a structure is as many samples.
TOGETHER = 50
#: What is added to the spline: nothing, the wall that the published figures have, and a wrong one.
PRIORS = {"none": [0.0], "quartic": [0.0, 0.0, 0.0, 0.0, 0.5], "wrong": [0.0, 0.0, 2.0]}


def mean_force_potential(q) -> np.ndarray:
    """The exact potential of mean force in k_BT."""
    return 6 * (np.asarray(q) ** 2 - 1) ** 2 + 0.5 * np.asarray(q)


def normalised(energy: np.ndarray, grid: np.ndarray = GRID) -> np.ndarray:
    """The density on a grid of an energy in k_BT."""
    weights = np.exp(-(energy - energy.min()))
    return weights / (weights.sum() * (grid[1] - grid[0]))


def squared_error(density: np.ndarray, grid: np.ndarray = GRID) -> float:
    """Integrated squared error of a density on a grid, in 1/Å."""
    return float(np.sum((density - normalised(mean_force_potential(grid), grid)) ** 2) * (grid[1] - grid[0]))


def well_difference(density: np.ndarray) -> float:
    """Free energy of the right well minus that of the left one in k_BT."""
    return float(np.log(density[GRID < 0].sum() / density[GRID > 0].sum()))


def samples(number: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Independent samples of q, and the instantaneous forces on it: ``(number,)`` in Å and eV/Å."""
    generator = np.random.default_rng(seed)
    fine = np.linspace(-3.0, 3.0, 60001)
    cumulative = np.cumsum(normalised(mean_force_potential(fine), fine)) * (fine[1] - fine[0])
    q = np.interp(generator.random(number), cumulative, fine)
    y = q + generator.normal(size=number) / np.sqrt(STIFFNESS)
    return q, -24 * q * (q**2 - 1) - 0.5 + STIFFNESS * (y - q)


def beads(q: np.ndarray) -> Frames:
    """Frames of ``TOGETHER`` samples each; their number is a multiple of it."""
    places = np.pad(q.reshape(-1, TOGETHER, 1), ((0, 0), (0, 0), (0, 2)))
    return Frames(np.ones(TOGETHER, np.int32), np.ones(TOGETHER), places, np.zeros((3, 3)), np.zeros(3, bool))


def spline_on_prior(prior: str = "quartic") -> Sum:
    """A spline of zeros, which is trained, on a prior, which is not."""
    return ExternalSpline(0, -RANGE, RANGE, COEFFICIENTS - 3) + ExternalPolynomial(0, 0.0, PRIORS[prior])


def with_coefficients(potential: Sum, coefficients) -> Sum:
    """Another spline on the same prior."""
    return eqx.tree_at(lambda tree: tree.terms[0].coefficients, potential, jnp.asarray(coefficients))


@dataclass(frozen=True)
class Basis:
    """The spline as a linear model: values and slopes of its functions at some places, and those of the prior.

    Attributes:
        values: ``(places, COEFFICIENTS)``.
        slopes: the same shape, per Å.
        prior: ``(places,)``.
        prior_slopes: ``(places,)``.
    """

    values: np.ndarray
    slopes: np.ndarray
    prior: np.ndarray
    prior_slopes: np.ndarray

    @classmethod
    def at(cls, q: np.ndarray, prior: str) -> Basis:
        potential, places = spline_on_prior(prior), jnp.asarray(q)

        def energies(field: ExternalField, places):
            return field.field_energy(places[:, None] * jnp.eye(1, 3), jnp.ones(len(places)))

        def functions(places):
            return jax.jacfwd(lambda own: energies(with_coefficients(potential, own).terms[0], places))(
                potential.terms[0].coefficients
            )

        curves = (functions, partial(energies, potential.terms[1]))
        pairs = [jax.jvp(curve, (places,), (jnp.ones_like(places),)) for curve in curves]
        return cls(*(np.asarray(array) for pair in pairs for array in pair))
