"""Priors from the statistics of simulation data, by Boltzmann inversion of single coordinates."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from mdfit.errors import PotentialError
from mdfit.graph.angles import angle_between, dihedral_angle
from mdfit.potentials.prior_entries import Harmonic, Series, SeriesTerm
from mdfit.potentials.prior_table import PriorTable
from mdfit.structure import Topology
from mdfit.units import BOLTZMANN, quantity

#: Points of the quadrature of densities of dihedral angles.
_POINTS = 1440
#: The fit of a density ends when its moments are those of the data within this.
_TOLERANCE = 1e-10


def prior_from_statistics(
    positions: np.ndarray,
    topology: Topology,
    temperature: float | str,
    dihedral_order: int = 0,
    cells: np.ndarray | None = None,
) -> PriorTable:
    """A table of priors whose terms, each alone, have the fluctuations of the data.

    Bonds and angles: x₀ is the mean and k = k_B T / variance of ½ k (x − x₀)² (angles in rad).  Dihedral angles: the
    series Σ_n k_n [1 + cos(nφ − φ_n)], n = 1 to ``dihedral_order``, whose density is the likeliest: its averages of
    cos nφ and sin nφ are those of the data.  Coordinates that depend on each other, anharmonicity and the volume elements
    r² and sin θ are not accounted for (the mean bond of a potential with minimum r₀ is about 2 k_B T/(k r₀) longer than
    r₀); what is learned on top of the prior has to make up for it.

    Args:
        positions: ``(frames, atoms, 3)`` in Å, of one molecule or several equal ones, atom after atom.
        topology: of one molecule.
        temperature: of the data in K.
        dihedral_order: the highest multiplicity; 0 leaves dihedral angles free.
        cells: ``(3, 3)`` or ``(frames, 3, 3)`` in Å where molecules may reach through the faces of a periodic cell.

    Raises:
        PotentialError: for atoms that do not fit the topology, fewer than two frames, or coordinates that do not vary.
        UnitError: for a temperature of another dimension.
    """
    thermal = BOLTZMANN * quantity(temperature, "K", "temperature")
    places = np.asarray(positions, np.float64)
    size = topology.number_of_atoms
    if places.ndim != 3 or places.shape[2] != 3 or places.shape[1] % size or len(places) * places.shape[1] < 2 * size:
        raise PotentialError(
            f"positions of shape {places.shape} cannot be used: give (frames, atoms, 3) with a multiple of {size} atoms, "
            "and at least two frames."
        )
    measured = _Coordinates(places, size, cells)
    series = None
    if dihedral_order > 0:
        series = {
            kind: tuple(
                Series(tuple(atoms), _likeliest_series(measured.dihedral(atoms), dihedral_order, thermal))
                for atoms in getattr(topology, kind).tolist()
            )
            for kind in ("dihedrals", "impropers")
        }
    return PriorTable(
        bonds=tuple(_harmonic("bond", atoms, measured.bond(atoms), thermal) for atoms in topology.bonds.tolist()),
        angles=tuple(_harmonic("angle", atoms, measured.angle(atoms), thermal) for atoms in topology.angles.tolist()),
        dihedrals=None if series is None else series["dihedrals"],
        impropers=None if series is None else series["impropers"],
    )


class _Coordinates:
    """Internal coordinates of all molecules of all frames."""

    def __init__(self, positions: np.ndarray, size: int, cells: np.ndarray | None):
        self._positions = positions.reshape(len(positions), -1, size, 3)
        self._cells = None if cells is None else np.broadcast_to(cells, (len(positions), 3, 3)).astype(np.float64)
        self._inverse = None if self._cells is None else np.linalg.inv(self._cells)

    def bond(self, atoms: Sequence[int]) -> np.ndarray:
        return np.linalg.norm(self._step(*atoms), axis=-1).ravel()

    def angle(self, atoms: Sequence[int]) -> np.ndarray:
        first, vertex, last = atoms
        return np.asarray(angle_between(self._vectors(vertex, first), self._vectors(vertex, last))).ravel()

    def dihedral(self, atoms: Sequence[int]) -> np.ndarray:
        first, second, third, last = atoms
        steps = (self._vectors(first, second), self._vectors(second, third), self._vectors(third, last))
        return np.asarray(dihedral_angle(*steps)).ravel()

    def _vectors(self, first: int, second: int) -> jnp.ndarray:
        return jnp.asarray(self._step(first, second))

    def _step(self, first: int, second: int) -> np.ndarray:
        """To the nearest image."""
        vectors = self._positions[:, :, second] - self._positions[:, :, first]
        if self._cells is None:
            return vectors
        return vectors - np.round(vectors @ self._inverse) @ self._cells


def _harmonic(kind: str, atoms: list[int], values: np.ndarray, thermal: float) -> Harmonic:
    variance = float(values.var())
    if not variance > (1e-7 * values.mean()) ** 2:
        raise PotentialError(
            f"The {kind} {'–'.join(map(str, atoms))} does not vary in the data, so that its stiffness is not known "
            "(it is constrained, or the frames are equal); give it in a table."
        )
    return Harmonic(tuple(atoms), float(values.mean()), thermal / variance)


def _likeliest_series(angles: np.ndarray, order: int, thermal: float) -> tuple[SeriesTerm, ...]:
    """The series of the density p ∝ exp(Σ_n a_n cos nφ + b_n sin nφ) with the averages of the data, by Newton's method."""

    def basis(values: np.ndarray) -> np.ndarray:
        multiples = values[:, None] * np.arange(1, order + 1)
        return np.concatenate([np.cos(multiples), np.sin(multiples)], axis=1)

    functions = basis(np.linspace(-np.pi, np.pi, _POINTS, endpoint=False))
    wanted = basis(angles).mean(axis=0)

    def normalisation(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        exponents = functions @ parameters
        largest = exponents.max()
        weights = np.exp(exponents - largest)
        return largest + float(np.log(weights.mean())), weights / weights.sum()

    parameters = np.zeros(2 * order)
    value, density = normalisation(parameters)
    for _ in range(200):
        mean = density @ functions
        gradient = wanted - mean
        if np.abs(gradient).max() < _TOLERANCE:
            break
        covariance = (functions * density[:, None]).T @ functions - np.outer(mean, mean)
        step = np.linalg.solve(covariance + 1e-12 * np.eye(2 * order), gradient)
        slope, length = float(gradient @ step), 1.0
        while True:
            # The log-likelihood is concave, so that a step that is short enough raises it.
            tried, tried_density = normalisation(parameters + length * step)
            if length * (wanted @ step) - (tried - value) >= 0.1 * length * slope or length < 1e-8:
                break
            length /= 2
        parameters, value, density = parameters + length * step, tried, tried_density
    cosines, sines = parameters[:order], parameters[order:]
    return tuple(
        SeriesTerm(n + 1, float(thermal * np.hypot(cosines[n], sines[n])), float(np.arctan2(-sines[n], -cosines[n])))
        for n in range(order)
    )
