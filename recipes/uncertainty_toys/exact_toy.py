"""Two coordinates whose coarse-grained potential, and the noise of its forces, are known exactly.

U(s, y)/kT = h (s² − 1)² + t s + k y²/2 + c s y.  Of s alone: W(s) = h (s² − 1)² + t s − c² s²/(2 k), and the force on s
scatters about W' normally with the standard deviation c/√k.
"""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

HEIGHT, TILT, STIFFNESS, COUPLING = 1.5, 0.3, 2.0, 1.5
NOISE = COUPLING / np.sqrt(STIFFNESS)
LIMIT = 2.2
GRID = np.linspace(-LIMIT, LIMIT, 2001)
#: Names of the observables, in the order of :func:`observables`.
OBSERVABLES = ("free_energy_difference", "mean", "mean_square")


def energy(s: np.ndarray) -> np.ndarray:
    """W."""
    return HEIGHT * (s**2 - 1) ** 2 + TILT * s - COUPLING**2 * s**2 / (2 * STIFFNESS)


def slope(s: np.ndarray) -> np.ndarray:
    """W'."""
    return 4 * HEIGHT * s * (s**2 - 1) + TILT - COUPLING**2 * s / STIFFNESS


def density(energies: np.ndarray) -> np.ndarray:
    """Of energies ``(..., grid)`` on the grid, normalised."""
    weights = np.exp(-(energies - energies.min(axis=-1, keepdims=True)))
    return weights / (weights.sum(axis=-1, keepdims=True) * (GRID[1] - GRID[0]))


def observables(energies: np.ndarray) -> np.ndarray:
    """F(s > 0) − F(s < 0), ⟨s⟩ and ⟨s²⟩ of energies ``(..., grid)``: ``(..., 3)``, in kT and units of s."""
    weights = density(energies) * (GRID[1] - GRID[0])
    # The point in the middle belongs to both sides.
    left, right = (logsumexp(-energies, axis=-1, b=np.heaviside(side * GRID, 0.5)) for side in (-1, 1))
    return np.stack([left - right, weights @ GRID, weights @ GRID**2], axis=-1)


EXACT = observables(energy(GRID))


def data(number: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Positions from the Boltzmann distribution, and the noisy slopes there."""
    cumulative = np.cumsum(density(energy(GRID)))
    s = np.interp(random.random(number), cumulative / cumulative[-1], GRID)
    return s, slope(s) + NOISE * random.standard_normal(number)


def fixed_data() -> tuple[np.ndarray, np.ndarray]:
    """40 points without random numbers."""
    s, index = np.linspace(-1.9, 1.9, 40), np.arange(40)
    return s, slope(s) + (-1.0) ** index * (0.3 + 0.05 * (index % 7)) * NOISE
